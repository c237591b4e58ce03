//! Accepting connections: TLS, limits, and an end that loses no answer.
//!
//! A handshake runs in the connection's own task, so nobody can hold up the next one; connections,
//! handshakes and headers are bounded in number and time.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use rehost_certificates::fingerprint_sha256;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

use crate::identity::PeerFingerprint;
use crate::parking::{self, Parked, Place};
use crate::rewound::Rewound;

/// More than any TLS peer needs; whoever does not finish by then never does.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// From the first to the last byte of the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Most that is read ahead of a connection. Heads must fit, and none that is meant has more: a token
/// may have 16 KiB.
const MAX_BUFFER_BYTES: usize = 64 * 1024;
/// How long running requests may take to end after a shutdown was asked for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long, and how much, a client may go on sending after it was answered for the last time.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(3);
const FAREWELL_BYTES: u64 = 64 * 1024 * 1024;
/// Waiting when the system has no file descriptors left, instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves `router` until `stop` becomes true, then lets running requests end.
pub(crate) async fn run(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    max_connections: usize,
    mut stop: watch::Receiver<bool>,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    let places = Arc::new(Semaphore::new(max_connections));
    let mut connections = JoinSet::new();
    loop {
        // Ended ones are collected as we go, or the set would grow for ever.
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stopped(&mut stop) => break,
        };
        let Some((stream, address, place)) = accepted else {
            continue;
        };
        let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
        connections.spawn(async move {
            let _place = place;
            serve_stream(stream, address, acceptor, router, stop).await;
        });
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
        tracing::warn!(
            open = connections.len(),
            "closing connections that did not end in time"
        );
        connections.shutdown().await;
    }
}

/// Completes when the control plane is to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that whoever could stop us is gone, which is a reason to stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The next connection, as soon as there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => Some((stream, address, place)),
        Err(error) => {
            // A peer that is gone again is its own affair; anything else is ours, and passes.
            if error.kind() != ErrorKind::ConnectionAborted {
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            None
        }
    }
}

async fn serve_stream(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    stop: watch::Receiver<bool>,
) {
    // Answers are small and awaited; an error only costs latency.
    let _ = stream.set_nodelay(true);
    // In boxes, because a connection that waits shall not keep room for the handshake.
    match acceptor {
        None => Box::pin(serve_http(stream, (address, None), router, stop)).await,
        Some(acceptor) => {
            if let Some((stream, peer)) = Box::pin(shake_hands(stream, acceptor)).await {
                Box::pin(serve_http(stream, (address, peer), router, stop)).await;
            }
        }
    }
}

/// The connection once TLS stands, and who the other end proved to be.
async fn shake_hands(
    stream: TcpStream,
    acceptor: TlsAcceptor,
) -> Option<(Box<TlsStream<TcpStream>>, Option<PeerFingerprint>)> {
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let (_, session) = stream.get_ref();
            let leaf = session.peer_certificates().and_then(<[_]>::first);
            let peer = leaf.map(|leaf| PeerFingerprint(fingerprint_sha256(leaf)));
            return Some((Box::new(stream), peer));
        }
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
    None
}

/// Serves one connection to its end, with pauses in which a long poll waits without it.
async fn serve_http(
    mut stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: (SocketAddr, Option<PeerFingerprint>),
    router: Router,
    stop: watch::Receiver<bool>,
) {
    let (mut unread, mut place) = (Vec::new(), Place { until: None });
    loop {
        // In a box, because a poll that waits shall not keep room for its connection.
        let rewound = Rewound::new(unread, stream);
        let serving =
            serve_until_parked(rewound, place, peer.clone(), router.clone(), stop.clone());
        let served = Box::pin(serving).await;
        stream = served.stream;
        unread = served.unread;
        let Some((head, parked)) = served.parked else {
            // A stop is in a hurry, and those who are idle have nothing left to read.
            if !served.stopping {
                part_with(stream).await;
            }
            return;
        };
        let Some(until) = parked.wait(&mut stream, &mut unread).await else {
            return;
        };
        place.until = Some(until);
        unread.splice(..0, head);
    }
}

/// How serving a connection went.
struct Served<S> {
    stream: S,
    /// What was read of the stream and not understood yet.
    unread: Vec<u8>,
    /// The head of a request that waits, if that is why serving ended.
    parked: Option<(Vec<u8>, Parked)>,
    stopping: bool,
}

/// Why a request has no answer yet.
#[derive(Debug, thiserror::Error)]
#[error("the request waits")]
struct Waits;

async fn serve_until_parked<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: Rewound<S>,
    place: Place,
    (address, peer): (SocketAddr, Option<PeerFingerprint>),
    router: Router,
    mut stop: watch::Receiver<bool>,
) -> Served<S> {
    let parked = Arc::new(Mutex::new(None));
    // Only the first request is one that comes again.
    let first = AtomicBool::new(true);
    let service = hyper::service::service_fn(|mut request: http::Request<_>| {
        request.extensions_mut().insert(address);
        if let Some(peer) = &peer {
            request.extensions_mut().insert(peer.clone());
        }
        let head = parking::head(request.method(), request.uri(), request.headers());
        let until = place.until.filter(|_| first.load(Ordering::Relaxed));
        first.store(false, Ordering::Relaxed);
        if head.is_some() {
            request.extensions_mut().insert(Place { until });
        }
        let answering = router.clone().oneshot(request.map(Body::new));
        let parked = Arc::clone(&parked);
        Box::pin(async move {
            let Ok(mut response) = answering.await;
            match response.extensions_mut().remove::<Parked>().zip(head) {
                None => Ok(response),
                Some((wait, head)) => {
                    let mut parked = parked.lock().unwrap_or_else(PoisonError::into_inner);
                    *parked = Some((head, wait));
                    Err(Waits)
                }
            }
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            // First, so that a request that comes again is taken before its connection is closed.
            biased;
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => break ended,
            () = stopped(&mut stop), if !stopping => {
                stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let parts = connection.into_parts();
    let parked = {
        let mut parked = parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.take()
    };
    if let (Err(error), None) = (ended, &parked) {
        tracing::debug!(%error, "connection ended");
    }
    let (rest, stream) = parts.io.into_inner().into_parts();
    let mut unread = parts.read_buf.to_vec();
    unread.extend(rest);
    Served {
        stream,
        unread,
        parked,
        stopping,
    }
}

/// Says that nothing more will come, and listens on for a moment.
///
/// A client that is still sending a body which was refused reads the answer only after it. If the
/// connection were closed at once, the system would reset it, and the answer would be lost.
async fn part_with(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let listen_on = async {
        stream.shutdown().await?;
        let mut rest = stream.take(FAREWELL_BYTES);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    // Whatever happens now, the connection is over.
    let _ = tokio::time::timeout(FAREWELL_TIMEOUT, listen_on).await;
}
