//! Every operation that the control plane serves, in one table.
//!
//! The parts of the table are constants in the files beside this one, a file for each kind of
//! thing. Ids and official names are those of the API reference; routes that SMS does not have
//! follow the same form.

mod iam;
mod migprojects;
mod rehost;
mod rehost_accounts;
mod service;
mod sources;
mod tasks;
mod templates;

use std::collections::HashMap;
use std::sync::LazyLock;

use utoipa::{IntoParams, ToSchema};

use super::Access;
use super::forms::{self, Answer, Body, Form, Parameters};
use crate::bodies::EmptyResult;

/// HTTP method of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`: changes nothing.
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
}

impl Method {
    /// The method as it stands in a request.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What an operation is about; groups the operations in the documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(&'static str);

impl Tag {
    /// Versions of the interface.
    pub const API_VERSION: Self = Self("API Version");
    /// What agents need to know to run.
    pub const AGENT_RUNNING: Self = Self("Agent Running");
    /// Commands for agents.
    pub const COMMANDS: Self = Self("Command Management");
    /// Certificates and keys.
    pub const KEYS: Self = Self("Key Management");
    /// Migration projects.
    pub const MIGPROJECTS: Self = Self("Migration Project Management");
    /// Consent to the privacy agreement.
    pub const PRIVACY: Self = Self("Privacy Agreement");
    /// What SMS itself no longer has and old clients still call.
    pub const REMOVED: Self = Self("Removed");
    /// Source servers.
    pub const SOURCES: Self = Self("Source Server Management");
    /// Tasks.
    pub const TASKS: Self = Self("Task Management");
    /// Templates of target servers.
    pub const TEMPLATES: Self = Self("Template Management");
    /// Tokens, domains, projects, users, as clients ask an IAM for them.
    pub const IAM: Self = Self("Identity");
    /// Machines that join.
    pub const JOINING: Self = Self("Joining");
    /// Target servers.
    pub const TARGETS: Self = Self("Target Servers");
    /// What a migration came to.
    pub const RESULTS: Self = Self("Results");
    /// Users, their access keys, domains.
    pub const ACCOUNTS: Self = Self("Accounts");
    /// Who did what.
    pub const AUDIT: Self = Self("Audit");
    /// The control plane itself.
    pub const SERVICE: Self = Self("Service");

    /// The name of the group.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }
}

/// An operation of the control plane.
#[derive(Clone, Copy)]
pub struct Operation {
    /// Name in code, such as `list_servers`; unique.
    pub id: &'static str,
    /// Name in documentation and SDKs, such as `ListServers`; unique.
    pub official_name: &'static str,
    /// HTTP method.
    pub method: Method,
    /// Path with the contract's names of its parameters, such as `/v3/sources/{source_id}`.
    pub path: &'static str,
    /// What it is about.
    pub tag: Tag,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The right that it takes, in the names of fine-grained authorisation, such as
    /// `sms:server:updateState`; `None` where SMS has no name for it.
    pub action: Option<&'static str>,
    /// Who may call it.
    pub access: Access,
    /// Name in the audit log, as SMS writes it (CTS trace name). Every call that changes something
    /// has one, and every call that hands out a secret; other calls are not recorded.
    pub trace: Option<&'static str>,
    /// Gone from SMS itself, and kept for clients that still call it.
    pub deprecated: bool,
    /// Parameters but for those in the path: of the query, and others.
    pub(super) parameters: [Parameters; 2],
    /// Body of a request.
    pub(super) body: Body,
    /// Body of a success.
    pub(super) answer: Answer,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation")
            .field("id", &self.id)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl Operation {
    /// The operation with this id.
    #[must_use]
    pub fn of_id(id: &str) -> Option<&'static Self> {
        operations().find(|operation| operation.id == id)
    }

    /// The operation of a method, such as `GET`, and the path of a route, such as
    /// `/v3/sources/{id}`. What a route calls its parameters makes no difference.
    #[must_use]
    pub fn of_route(method: &str, path: &str) -> Option<&'static Self> {
        static BY_ROUTE: LazyLock<HashMap<(&str, String), &Operation>> = LazyLock::new(|| {
            operations()
                .map(|operation| {
                    let shape = shape_of(operation.path);
                    ((operation.method.as_str(), shape), operation)
                })
                .collect()
        });
        BY_ROUTE.get(&(method, shape_of(path))).copied()
    }

    /// Names of the parameters in the path, in their order.
    pub fn path_parameters(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    const fn new(
        method: Method,
        path: &'static str,
        id: &'static str,
        official_name: &'static str,
    ) -> Self {
        Self {
            id,
            official_name,
            method,
            path,
            tag: Tag::SERVICE,
            summary: "",
            action: None,
            access: Access::Administrator,
            trace: None,
            deprecated: false,
            parameters: [forms::none, forms::none],
            body: Body::None,
            answer: Answer::Json {
                status: 200,
                form: Form::of::<EmptyResult>(),
            },
        }
    }

    const fn get(path: &'static str, id: &'static str, official_name: &'static str) -> Self {
        Self::new(Method::Get, path, id, official_name)
    }

    const fn post(path: &'static str, id: &'static str, official_name: &'static str) -> Self {
        Self::new(Method::Post, path, id, official_name)
    }

    const fn put(path: &'static str, id: &'static str, official_name: &'static str) -> Self {
        Self::new(Method::Put, path, id, official_name)
    }

    const fn delete(path: &'static str, id: &'static str, official_name: &'static str) -> Self {
        Self::new(Method::Delete, path, id, official_name)
    }

    const fn about(mut self, tag: Tag, summary: &'static str) -> Self {
        self.tag = tag;
        self.summary = summary;
        self
    }

    const fn query<T: IntoParams>(mut self) -> Self {
        self.parameters[0] = forms::query::<T>;
        self
    }

    const fn parameters(mut self, parameters: Parameters) -> Self {
        self.parameters[1] = parameters;
        self
    }

    const fn takes<T: ToSchema>(mut self) -> Self {
        self.body = Body::Json(Form::of::<T>());
        self
    }

    const fn may_take<T: ToSchema>(mut self) -> Self {
        self.body = Body::OptionalJson(Form::of::<T>());
        self
    }

    const fn takes_stream(mut self, media_type: &'static str) -> Self {
        self.body = Body::Stream(media_type);
        self
    }

    const fn gives<T: ToSchema>(self) -> Self {
        self.gives_json::<T>(200)
    }

    const fn gives_created<T: ToSchema>(self) -> Self {
        self.gives_json::<T>(201)
    }

    const fn gives_json<T: ToSchema>(mut self, status: u16) -> Self {
        let form = Form::of::<T>();
        self.answer = Answer::Json { status, form };
        self
    }

    const fn gives_file(mut self, media_type: &'static str) -> Self {
        self.answer = Answer::File(media_type);
        self
    }

    const fn gives_nothing(mut self) -> Self {
        self.answer = Answer::Nothing;
        self
    }

    const fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    const fn action(mut self, action: &'static str) -> Self {
        self.action = Some(action);
        self
    }

    const fn trace(mut self, trace: &'static str) -> Self {
        self.trace = Some(trace);
        self
    }

    const fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }
}

/// All operations, in the order of the documentation.
pub fn operations() -> impl Iterator<Item = &'static Operation> {
    const PARTS: &[&[Operation]] = &[
        service::OPERATIONS,
        sources::OPERATIONS,
        tasks::OPERATIONS,
        templates::OPERATIONS,
        migprojects::OPERATIONS,
        iam::OPERATIONS,
        rehost::OPERATIONS,
        rehost_accounts::OPERATIONS,
    ];
    PARTS.iter().copied().flatten()
}

/// A path without the names of its parameters: `/v3/sources/{}`.
fn shape_of(path: &str) -> String {
    let mut shape = String::with_capacity(path.len());
    for part in path.split('/') {
        if !shape.is_empty() || part.is_empty() {
            shape.push('/');
        }
        shape.push_str(if part.starts_with('{') { "{}" } else { part });
    }
    shape
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_names_and_routes_are_unique_and_found() {
        let mut names = HashSet::new();
        for operation in operations() {
            let id = operation.id;
            assert!(names.insert(id), "{id} is there twice");
            assert!(names.insert(operation.official_name), "{id}");
            assert_eq!(Operation::of_id(id).map(|found| found.id), Some(id));
            let found = Operation::of_route(operation.method.as_str(), operation.path);
            assert_eq!(found.map(|found| found.id), Some(id));
            assert!(operation.summary.len() > 5, "{id} has no summary");
            assert!(!operation.summary.ends_with('.'), "{id}");
        }
    }

    #[test]
    fn names_of_parameters_do_not_matter_for_finding_a_route() {
        let found = Operation::of_route("PUT", "/v3/sources/{id}/changestate").unwrap();
        assert_eq!(found.id, "update_copy_state");
        assert_eq!(found.path_parameters().collect::<Vec<_>>(), ["source_id"]);
        assert_eq!(
            Operation::of_route("GET", "/").unwrap().id,
            "list_api_version"
        );
        for (method, path) in [
            ("PATCH", "/v3/sources/{id}"),
            ("GET", "/v3/sources/x/y"),
            ("GET", ""),
            ("GET", "/v3//sources"),
        ] {
            assert!(Operation::of_route(method, path).is_none(), "{path}");
        }
    }

    #[test]
    fn every_change_is_audited_and_no_reader_makes_one() {
        // POST because of the length of what is asked, not because anything changes.
        let reads = ["export_consistency_results"];
        // Ends the caller's own token, which every account may.
        let own = ["revoke_token"];
        for operation in operations() {
            let id = operation.id;
            if operation.method == Method::Get || reads.contains(&id) {
                continue;
            }
            assert!(operation.trace.is_some(), "{id} is not audited");
            let by_readers = matches!(operation.access, Access::Reader | Access::AgentOrReader);
            assert!(!by_readers || own.contains(&id), "{id} is open to readers");
        }
    }

    #[test]
    fn secrets_are_audited_and_kept_from_readers() {
        for id in ["show_cert_key", "show_passphrase", "show_target_password"] {
            let operation = Operation::of_id(id).unwrap();
            assert_eq!(operation.access, Access::Agent, "{id}");
            assert!(operation.trace.is_some(), "{id}");
        }
    }

    #[test]
    fn what_needs_no_credentials_is_this_and_nothing_else() {
        let open: Vec<_> = operations()
            .filter(|operation| operation.access == Access::Everyone)
            .map(|operation| operation.id)
            .collect();
        assert_eq!(
            open,
            [
                "list_api_version",
                "show_api_version",
                "show_health",
                "show_openapi",
                "show_docs",
                "issue_token",
                "list_iam_versions",
                "join",
                "download_log_archive",
            ]
        );
    }
}
