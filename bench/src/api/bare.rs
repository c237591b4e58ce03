//! What the control plane is measured beside: an axum handler that answers a constant body, in a
//! process of its own, with the connections served as the control plane serves them.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use clap::Args;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use rehost_testkit::{SHORT, free_port, until};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

/// As in the control plane.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// As in the control plane.
const MAX_BUFFER_BYTES: usize = 64 * 1024;
/// Largest body that can be asked for.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// Options of the process.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long)]
    listen: SocketAddr,
}

/// Answers `GET` and `PUT` of `/bytes/N` with N bytes until it is killed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(serve(options.listen))
}

async fn serve(listen: SocketAddr) -> Result<()> {
    let router = Router::new().route("/bytes/{count}", get(answer).put(answer_body));
    let listener = TcpListener::bind(listen).await.context("listen")?;
    loop {
        let (stream, _) = listener.accept().await.context("accept")?;
        tokio::spawn(connection(stream, router.clone()));
    }
}

async fn connection(stream: TcpStream, router: Router) {
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(move |request: axum::http::Request<_>| {
        Box::pin(router.clone().oneshot(request.map(Body::new)))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // The load generator hangs up when it has had enough.
    let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
}

async fn answer(Path(count): Path<usize>) -> impl IntoResponse {
    static ZEROS: [u8; MAX_BODY] = [b'0'; MAX_BODY];
    let body = ZEROS.get(..count).unwrap_or_default();
    (
        [(CONTENT_TYPE, "application/json")],
        Bytes::from_static(body),
    )
}

async fn answer_body(count: Path<usize>, _body: Bytes) -> impl IntoResponse {
    answer(count).await
}

/// The process, as long as it is wanted.
#[derive(Debug)]
pub(crate) struct Bare {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Bare {
    /// Starts this program again, as the bare handler.
    ///
    /// # Errors
    /// If it does not come up.
    pub(crate) fn start() -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let child = Command::new(std::env::current_exe().context("find this program")?)
            .args(["bare", "--listen", &address.to_string()])
            .stdin(Stdio::null())
            .spawn()
            .context("start the bare handler")?;
        let bare = Self { child, address };
        until("the bare handler listens", SHORT, || {
            Ok(std::net::TcpStream::connect(address).ok())
        })?;
        Ok(bare)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
