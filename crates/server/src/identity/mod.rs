//! Who calls: tokens, request signatures, client certificates, and how one gets them.

mod announced_body;
pub(crate) mod authenticate;
mod caller;
mod join;
mod lockout;
mod login;
mod password;
mod signature;
mod tokens;

pub(crate) use announced_body::AnotherBody;
pub(crate) use caller::{Caller, PeerFingerprint};
pub(crate) use join::{join, make_join_token};
pub(crate) use lockout::Lockout;
pub(crate) use login::{issue_token, show_token};
pub(crate) use password::hash_password;
pub(crate) use tokens::{ValidToken, revoke_token, validate_token};
