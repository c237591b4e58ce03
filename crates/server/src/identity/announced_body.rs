//! A body whose hash was announced and signed before it came.
//!
//! Whoever reads it to its end gets an error in place of the end if the hash is another one. So
//! nothing may be put in force before the end was seen, which holds for every body that streams: it
//! may break off at any time.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::BoxError;
use axum::body::{Body, Bytes};
use hyper::body::Frame;
use rehost_sms_api::signing::BodyHasher;

/// What arrived is not what was signed.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body is not the one that was announced: send the bytes that were hashed")]
pub(crate) struct AnotherBody;

impl AnotherBody {
    /// Whether this is what an error of a body comes from.
    pub(crate) fn is_cause_of(error: &(dyn Error + 'static)) -> bool {
        std::iter::successors(Some(error), |&error| error.source()).any(|error| error.is::<Self>())
    }
}

/// Passes a body on and hashes it meanwhile.
pub(super) struct AnnouncedBody {
    body: Body,
    hasher: BodyHasher,
    announced: [u8; 32],
}

impl AnnouncedBody {
    pub(super) fn new(body: Body, announced: [u8; 32]) -> Self {
        Self {
            body,
            hasher: BodyHasher::default(),
            announced,
        }
    }
}

impl hyper::body::Body for AnnouncedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.hasher.update(data);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => Some(Err(error.into())),
            None if self.hasher.finish() == self.announced => None,
            None => Some(Err(AnotherBody.into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use rehost_sms_api::signing::body_hash;

    use super::*;

    async fn read(sent: &'static str, announced: &str) -> Result<Bytes, axum::Error> {
        let body = AnnouncedBody::new(Body::from(sent), body_hash(announced.as_bytes()));
        Body::new(body).collect().await.map(|all| all.to_bytes())
    }

    #[tokio::test]
    async fn only_what_was_announced_comes_to_an_end() {
        for body in ["", "x"] {
            assert_eq!(read(body, body).await.unwrap(), body);
        }
        for (sent, announced) in [("x", "y"), ("", "x"), ("x", "")] {
            let error = read(sent, announced).await.unwrap_err();
            assert!(AnotherBody::is_cause_of(&error), "{error:?}");
        }
        let broken_off = axum::Error::new("broken pipe");
        assert!(!AnotherBody::is_cause_of(&broken_off));
    }
}
