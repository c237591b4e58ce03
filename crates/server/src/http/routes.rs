//! Every route of the control plane.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post, put};
use rehost_sms_api::errors::{ErrorCode, GatewayReason};

use super::{
    accounts, boots, documentation, iam, logs, migprojects, rehost, request_id, service, sources,
    task_settings, tasks, templates, versions,
};
use crate::app::App;
use crate::errors::{ApiError, refuse};
use crate::identity::authenticate::{BodyUse, gate};

/// All routes, with what stands in front of them.
pub(crate) fn router(app: App) -> Router {
    let gated = |routes: Router<App>, body_use| {
        routes.layer(from_fn_with_state((app.clone(), body_use), gate))
    };
    let whole = Router::new()
        .nest("/iam", iam_routes())
        .route("/iam/", get(versions::discover))
        .merge(service_routes())
        .merge(source_routes())
        .merge(task_routes())
        .merge(template_routes())
        .merge(migproject_routes())
        .merge(iam_routes())
        .merge(rehost_routes())
        .merge(account_routes());
    gated(whole, BodyUse::Whole)
        .merge(gated(stream_routes(), BodyUse::Streamed))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_route)
        // Bodies have limits of their own (`body`), counted while they are read.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(request_id::with_request_id))
        .with_state(app)
}

/// The interface itself.
fn service_routes() -> Router<App> {
    Router::new()
        .route("/", get(versions::list))
        .route("/{version}", get(versions::show))
        .route("/healthz", get(rehost::health))
        .route("/openapi.json", get(documentation::openapi))
        .route("/docs", get(documentation::page))
        .route("/iam", get(versions::discover))
        .route("/v3/config", get(service::config))
        .route(
            "/v3/privacy-agreements",
            get(service::privacy).post(service::agree),
        )
        .route("/v3/sha256/{key}", get(service::sha256))
        .route(
            "/v3/tasks/{t_project_id}/networkacl/{t_network_id}/check",
            get(service::check_network),
        )
}

fn template_routes() -> Router<App> {
    Router::new()
        .route(
            "/v3/vm/templates",
            post(templates::create).get(templates::list),
        )
        .route("/v3/vm/templates/delete", post(templates::delete_batch))
        .route(
            "/v3/vm/templates/{id}",
            get(templates::show)
                .put(templates::update)
                .delete(templates::delete),
        )
        .route(
            "/v3/vm/templates/{id}/target-password",
            get(templates::target_password),
        )
}

fn migproject_routes() -> Router<App> {
    Router::new()
        .route(
            "/v3/migprojects",
            post(migprojects::create).get(migprojects::list),
        )
        .route(
            "/v3/migprojects/{mig_project_id}",
            get(migprojects::show)
                .put(migprojects::update)
                .delete(migprojects::delete),
        )
        .route(
            "/v3/migprojects/{mig_project_id}/default",
            put(migprojects::set_default),
        )
}

fn source_routes() -> Router<App> {
    Router::new()
        .route("/v3/sources", post(sources::register).get(sources::list))
        .route("/v3/sources/overview", get(sources::overview))
        .route("/v3/sources/delete", post(sources::delete_batch))
        .route(
            "/v3/sources/{source_id}",
            get(sources::show)
                .put(sources::update)
                .delete(sources::delete),
        )
        .route(
            "/v3/sources/{source_id}/changestate",
            put(sources::change_state),
        )
        .route(
            "/v3/sources/{source_id}/diskinfo",
            put(sources::update_disks),
        )
        .route("/v3/sources/{server_id}/command", get(sources::command))
        .route(
            "/v3/sources/{server_id}/command_result",
            post(sources::command_result),
        )
        .route("/v3/errors", get(sources::errors))
}

fn task_routes() -> Router<App> {
    Router::new()
        .route("/v3/tasks", post(tasks::create).get(tasks::list))
        .route("/v3/tasks/delete", post(tasks::delete_batch))
        .route(
            "/v3/tasks/{task_id}",
            get(tasks::show).put(tasks::update).delete(tasks::delete),
        )
        .route("/v3/tasks/{task_id}/action", post(tasks::action))
        .route("/v3/tasks/{task_id}/log", post(logs::collect))
        .route("/v3/tasks/{task_id}/unlock", post(tasks::unlock))
        .route("/v3/tasks/{task_id}/progress", put(tasks::progress))
        .route("/v3/tasks/{task_id}/certkey", get(tasks::certificates))
        .route("/v3/tasks/{task_id}/passphrase", get(tasks::passphrase))
        .route(
            "/v3/tasks/{task_id}/speed-limit",
            get(task_settings::speed_limits).post(task_settings::set_speed_limits),
        )
        .route(
            "/v3/tasks/{task_id}/configuration-setting",
            get(task_settings::options).post(task_settings::set_options),
        )
        .route(
            "/v3/tasks/{task_id}/consistency-result",
            get(task_settings::consistency).post(task_settings::add_consistency),
        )
        .route(
            "/v3/tasks/consistency-results/export",
            post(task_settings::export_consistency),
        )
        .route(
            "/v3/{task_id}/update-network-check-info",
            post(tasks::network_check),
        )
}

fn iam_routes() -> Router<App> {
    Router::new()
        .route(
            "/v3/auth/tokens",
            post(iam::issue_token)
                .get(iam::show_token)
                .delete(iam::revoke_token),
        )
        .route("/v3/auth/domains", get(iam::domains))
        .route("/v3/projects", get(iam::projects))
        .route("/v3/users", get(iam::users))
}

fn rehost_routes() -> Router<App> {
    Router::new()
        .route("/rehost/v1/join", post(rehost::join))
        .route("/rehost/v1/join-tokens", post(rehost::make_join_token))
        .route(
            "/v1/{project_id}/cloudservers/{server_id}",
            get(rehost::show_cloud_server),
        )
        .route("/rehost/v1/targets", get(rehost::list_targets))
        .route("/rehost/v1/targets/self", put(rehost::register_target))
        .route(
            "/rehost/v1/targets/self/assignments",
            get(rehost::target_assignments),
        )
        .route(
            "/rehost/v1/targets/self/tasks/{task_id}",
            put(rehost::report_target_task),
        )
        .route(
            "/rehost/v1/targets/self/tasks/{task_id}/boots/{boot_id}",
            put(boots::report),
        )
        .route(
            "/rehost/v1/tasks/{task_id}/boot-settings",
            get(boots::settings).put(boots::put_settings),
        )
        .route(
            "/rehost/v1/tasks/{task_id}/rehearsals",
            post(boots::rehearse),
        )
        .route("/rehost/v1/tasks/{task_id}/boots", get(boots::list))
        .route(
            "/rehost/v1/tasks/{task_id}/boots/{boot_id}",
            get(boots::show),
        )
        .route(
            "/rehost/v1/targets/{target_id}",
            delete(rehost::delete_target),
        )
        .route(
            "/rehost/v1/sources/{source_id}/copy-plan",
            get(rehost::copy_plan).put(rehost::put_copy_plan),
        )
        .route(
            "/rehost/v1/tasks/{task_id}/assignment",
            get(rehost::source_assignment),
        )
        .route(
            "/rehost/v1/tasks/{task_id}/report",
            get(rehost::report).put(rehost::put_report),
        )
        .route("/rehost/v1/tasks/{task_id}/proof", get(rehost::proof))
        .route("/rehost/v1/log-archives/{share}", get(logs::download))
}

fn account_routes() -> Router<App> {
    Router::new()
        .route(
            "/rehost/v1/users",
            get(accounts::list_users).post(accounts::create_user),
        )
        .route(
            "/rehost/v1/users/{user_id}",
            get(accounts::show_user)
                .put(accounts::update_user)
                .delete(accounts::delete_user),
        )
        .route(
            "/rehost/v1/users/{user_id}/access-keys",
            get(accounts::list_keys).post(accounts::create_key),
        )
        .route(
            "/rehost/v1/users/{user_id}/access-keys/{access_key}",
            delete(accounts::delete_key),
        )
        .route(
            "/rehost/v1/domains",
            get(accounts::list_domains).post(accounts::create_domain),
        )
        .route("/rehost/v1/audit", get(accounts::list_audit))
        .route("/rehost/v1/audit/export", get(accounts::export_audit))
}

/// Routes that take a body of any length as it comes.
fn stream_routes() -> Router<App> {
    Router::new()
        .route("/rehost/v1/tasks/{task_id}/proof", put(rehost::put_proof))
        .route(
            "/rehost/v1/tasks/{task_id}/log-archives/{role}",
            put(logs::upload),
        )
}

/// A path or a method that nobody serves; in the words of whoever would have served it.
async fn no_such_route(request: Request) -> ApiError {
    if request.uri().path().starts_with("/rehost/") {
        let (method, path) = (request.method(), request.uri().path());
        refuse(ErrorCode::RouteUnknown, format!("It was {method} {path}."))
    } else {
        GatewayReason::NoSuchApi.into()
    }
}
