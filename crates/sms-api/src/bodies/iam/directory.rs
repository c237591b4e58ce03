//! Domains, projects and users, as clients look them up.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bodies::{Link, wire};

/// Answer of `GET /v3/auth/domains`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DomainList {
    /// Domains of the caller, at least one.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub domains: Vec<Domain>,
    /// Keystone's links of the list.
    #[serde(default)]
    #[schema(required)]
    pub links: ListLinks,
}

/// A domain (account).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Domain {
    /// Domain id.
    #[serde(default)]
    #[schema(required)]
    pub id: String,
    /// Domain name.
    #[serde(default)]
    #[schema(required)]
    pub name: String,
    /// Whether it may be used.
    #[serde(default)]
    #[schema(required)]
    pub enabled: bool,
    /// Text for people.
    #[serde(default)]
    #[schema(required)]
    pub description: String,
}

/// Answer of `GET /v3/projects`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectList {
    /// Projects that match. The SDK refuses an answer with none or several for one name.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub projects: Vec<Project>,
    /// Keystone's links of the list.
    #[serde(default)]
    #[schema(required)]
    pub links: ListLinks,
}

/// A project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Project {
    /// Project id.
    #[serde(default)]
    #[schema(required)]
    pub id: String,
    /// Project name, which is the name of its region.
    #[serde(default)]
    #[schema(required)]
    pub name: String,
    /// Domain it belongs to.
    #[serde(default)]
    #[schema(required)]
    pub domain_id: String,
    /// Project or domain above it.
    #[serde(default)]
    #[schema(required)]
    pub parent_id: String,
    /// Whether it is a domain itself; false here.
    #[serde(default)]
    #[schema(required)]
    pub is_domain: bool,
    /// Whether it may be used.
    #[serde(default)]
    #[schema(required)]
    pub enabled: bool,
    /// Text for people.
    #[serde(default)]
    #[schema(required)]
    pub description: String,
}

/// Answer of `GET /v3/users`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IamUserList {
    /// Users that match; the caller itself where no name is given.
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(required)]
    pub users: Vec<IamUser>,
    /// Keystone's links of the list.
    #[serde(default)]
    #[schema(required)]
    pub links: ListLinks,
}

/// A user, as far as clients look it up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IamUser {
    /// User id.
    #[serde(default)]
    #[schema(required)]
    pub id: String,
    /// Login name.
    #[serde(default)]
    #[schema(required)]
    pub name: String,
    /// Domain it belongs to.
    #[serde(default)]
    #[schema(required)]
    pub domain_id: String,
    /// Whether it may log in.
    #[serde(default)]
    #[schema(required)]
    pub enabled: bool,
}

/// Answer of `GET /iam`: the versions of IAM, in Keystone's form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct IamVersions {
    /// The versions.
    pub versions: IamVersionValues,
}

/// The list inside of [`IamVersions`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct IamVersionValues {
    /// One version: 3.
    #[schema(min_items = 1)]
    pub values: Vec<IamVersion>,
}

/// A version of IAM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct IamVersion {
    /// Name of the version.
    pub id: String,
    /// `stable`.
    pub status: String,
    /// Where it is.
    pub links: Vec<Link>,
}

impl IamVersions {
    /// Version 3 at this address.
    #[must_use]
    pub fn new(address: String) -> Self {
        let link = Link {
            href: Some(address),
            rel: Some("self".to_owned()),
        };
        let version = IamVersion {
            id: "v3.6".to_owned(),
            status: "stable".to_owned(),
            links: vec![link],
        };
        Self {
            versions: IamVersionValues {
                values: vec![version],
            },
        }
    }
}

/// Keystone's links of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListLinks {
    /// The list itself.
    #[serde(default, rename = "self")]
    #[schema(required)]
    pub this: String,
    /// The page before; `null`.
    pub previous: Option<String>,
    /// The page after; `null`.
    pub next: Option<String>,
}
