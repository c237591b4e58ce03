//! Bodies of answers that are made while they are sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::errors::ApiError;

/// The end of a stream that its maker writes into.
pub(crate) type Parts = mpsc::Sender<Result<Bytes, ApiError>>;

/// A body and the end to write it into. One part waits while one is being sent, so a slow client slows
/// the maker down instead of filling the memory. If the maker ends with an error the connection breaks
/// off, and the client sees that it did not get the whole.
pub(crate) fn channel() -> (Parts, Body) {
    let (maker, parts) = mpsc::channel(1);
    (maker, Body::new(PartsOut(parts)))
}

/// An answer that is a file: browsers offer to keep it under `name`.
pub(super) fn download(body: Body, content_type: &'static str, name: &str) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type.to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, body).into_response()
}

struct PartsOut(mpsc::Receiver<Result<Bytes, ApiError>>);

impl hyper::body::Body for PartsOut {
    type Data = Bytes;
    type Error = ApiError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ApiError>>> {
        self.0
            .poll_recv(context)
            .map(|part| part.map(|part| part.map(Frame::data)))
    }
}
