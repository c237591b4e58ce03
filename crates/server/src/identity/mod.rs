//! Who calls: tokens, request signatures, client certificates, and how one gets them.

mod announced_body;
pub(crate) mod authenticate;
mod authorise;
mod caller;
mod join;
mod keystone;
mod known;
mod lockout;
mod login;
mod password;
mod remembered;
mod signature;
mod tenants;
mod tokens;

pub(crate) use announced_body::AnotherBody;
pub(crate) use caller::{Caller, PeerFingerprint, Who};
pub(crate) use join::{join, make_join_token};
pub(crate) use keystone::Keystone;
pub(crate) use known::{Known, NOTIFICATION as IDENTITY_CHANGED};
pub(crate) use login::{issue_token, show_token};
pub(crate) use password::hash_password;
pub(crate) use tokens::{ValidToken, revoke_token, validate_token};
