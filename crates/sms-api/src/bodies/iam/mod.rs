//! The small part of IAM that SMS clients need before their first call: tokens, domains, projects.
//!
//! Forms follow Keystone v3, which IAM implements. The token itself travels in the header
//! `X-Subject-Token`, never in a body.

mod directory;
mod login;
mod token;

pub use directory::{
    Domain, DomainList, IamUser, IamUserList, IamVersion, IamVersionValues, IamVersions, ListLinks,
    Project, ProjectList,
};
pub use login::{
    Auth, AuthTokensRequest, Identity, PasswordIdentity, PasswordUser, Reference, Scope,
    TokenIdentity,
};
pub use token::{
    CatalogEndpoint, CatalogEntry, Named, Token, TokenProject, TokenResponse, TokenUser,
};
