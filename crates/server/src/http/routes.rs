//! Every route of the control plane.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post, put};
use rehost_sms_api::errors::{ErrorCode, GatewayReason};

use super::{iam, rehost, request_id, sources, task_settings, tasks, versions};
use crate::app::App;
use crate::errors::{ApiError, refuse};
use crate::identity::authenticate::{BodyUse, authenticate};

/// All routes, with what stands in front of them.
pub(crate) fn router(app: App) -> Router {
    let known_callers = Router::new()
        .merge(source_routes())
        .merge(task_routes())
        .merge(iam_routes())
        .merge(rehost_routes())
        .layer(from_fn_with_state(
            (app.clone(), BodyUse::Whole),
            authenticate,
        ));
    let streams = stream_routes().layer(from_fn_with_state(
        (app.clone(), BodyUse::Streamed),
        authenticate,
    ));
    Router::new()
        .merge(known_callers)
        .merge(streams)
        .merge(open_routes())
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_route)
        // Bodies have limits of their own (`body`), counted while they are read.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(request_id::with_request_id))
        .with_state(app)
}

/// Routes for everybody: what is needed before one can be known.
fn open_routes() -> Router<App> {
    Router::new()
        .route("/", get(versions::list))
        .route("/{version}", get(versions::show))
        .route("/healthz", get(rehost::health))
        .route("/rehost/v1/join", post(rehost::join))
        .route(
            "/v3/auth/tokens",
            post(iam::issue_token)
                .get(iam::show_token)
                .delete(iam::revoke_token),
        )
}

fn source_routes() -> Router<App> {
    Router::new()
        .route("/v3/sources", post(sources::register).get(sources::list))
        .route("/v3/sources/overview", get(sources::overview))
        .route("/v3/sources/delete", post(sources::delete_batch))
        .route(
            "/v3/sources/{id}",
            get(sources::show)
                .put(sources::update)
                .delete(sources::delete),
        )
        .route("/v3/sources/{id}/changestate", put(sources::change_state))
        .route("/v3/sources/{id}/diskinfo", put(sources::update_disks))
        .route("/v3/sources/{id}/command", get(sources::command))
        .route(
            "/v3/sources/{id}/command_result",
            post(sources::command_result),
        )
        .route("/v3/errors", get(sources::errors))
}

fn task_routes() -> Router<App> {
    Router::new()
        .route("/v3/tasks", post(tasks::create).get(tasks::list))
        .route("/v3/tasks/delete", post(tasks::delete_batch))
        .route(
            "/v3/tasks/{id}",
            get(tasks::show).put(tasks::update).delete(tasks::delete),
        )
        .route("/v3/tasks/{id}/action", post(tasks::action))
        .route("/v3/tasks/{id}/progress", put(tasks::progress))
        .route("/v3/tasks/{id}/certkey", get(tasks::certificates))
        .route("/v3/tasks/{id}/passphrase", get(tasks::passphrase))
        .route(
            "/v3/tasks/{id}/speed-limit",
            get(task_settings::speed_limits).post(task_settings::set_speed_limits),
        )
        .route(
            "/v3/tasks/{id}/configuration-setting",
            get(task_settings::options).post(task_settings::set_options),
        )
        .route(
            "/v3/tasks/{id}/consistency-result",
            get(task_settings::consistency).post(task_settings::add_consistency),
        )
        .route(
            "/v3/{id}/update-network-check-info",
            post(tasks::network_check),
        )
}

fn iam_routes() -> Router<App> {
    Router::new()
        .route("/v3/auth/domains", get(iam::domains))
        .route("/v3/projects", get(iam::projects))
}

fn rehost_routes() -> Router<App> {
    Router::new()
        .route("/rehost/v1/join-tokens", post(rehost::make_join_token))
        .route("/rehost/v1/targets", get(rehost::list_targets))
        .route("/rehost/v1/targets/self", put(rehost::register_target))
        .route(
            "/rehost/v1/targets/self/assignments",
            get(rehost::target_assignments),
        )
        .route(
            "/rehost/v1/targets/self/tasks/{id}",
            put(rehost::report_target_task),
        )
        .route("/rehost/v1/targets/{id}", delete(rehost::delete_target))
        .route(
            "/rehost/v1/tasks/{id}/assignment",
            get(rehost::source_assignment),
        )
        .route(
            "/rehost/v1/tasks/{id}/report",
            get(rehost::report).put(rehost::put_report),
        )
        .route("/rehost/v1/tasks/{id}/proof", get(rehost::proof))
}

/// Routes that take a body of any length as it comes.
fn stream_routes() -> Router<App> {
    Router::new().route("/rehost/v1/tasks/{id}/proof", put(rehost::put_proof))
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
