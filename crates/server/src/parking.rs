//! Long polls that wait without the buffers of a connection.
//!
//! An HTTP connection keeps tens of kilobytes ready for a request that is under way, and a hundred
//! thousand agents are under way all the time: they wait for a command. So a poll for which there is
//! nothing leaves its connection for as long as it waits:
//!
//! ```text
//!   listener: a request comes --> router --> handler looks: nothing there
//!                ^                                 | answers with a Parked
//!                |                                 v
//!                '-- the same request again <-- the connection is taken apart; what is left is the
//!                    (asked to wait no longer     stream, the head of the request, and who brings
//!                    than the first time)         news
//! ```
//!
//! The request that comes again is authenticated and looked after like any other. Only the listener
//! offers a [`Place`]; a handler that finds none waits by itself.

use std::sync::{Arc, Mutex, PoisonError};

use http::header::HeaderName;
use http::{HeaderMap, Method, Uri};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::Instant;

use crate::wakeups::{Listener, News};

/// The offer, among the extensions of a request, to wait outside of its connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// When the wait of a request that comes again is over.
    pub(crate) until: Option<Instant>,
}

/// What a request waits for, as an extension of an answer that is never sent.
#[derive(Clone, Debug)]
pub(crate) struct Parked(Arc<Mutex<Option<Wait>>>);

#[derive(Debug)]
struct Wait {
    /// Must live on, or nobody would know whom to wake.
    _listener: Listener,
    news: News,
    deadline: Instant,
}

impl Parked {
    /// Waits for news until the deadline.
    pub(crate) fn new(listener: Listener, news: News, deadline: Instant) -> Self {
        Self(Arc::new(Mutex::new(Some(Wait {
            _listener: listener,
            news,
            deadline,
        }))))
    }

    /// Waits. Says when the request that comes again has waited enough, or nothing if its sender is
    /// gone. What the sender says meanwhile is put behind `unread`, and ends the wait.
    pub(crate) async fn wait(
        self,
        stream: &mut (impl AsyncRead + Unpin),
        unread: &mut Vec<u8>,
    ) -> Option<Instant> {
        let wait = {
            let mut wait = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            wait.take()
        };
        let now = Instant::now();
        let Some(wait) = wait else {
            return Some(now);
        };
        if !unread.is_empty() {
            return Some(now);
        }
        let mut byte = [0];
        tokio::select! {
            news = wait.news.come_before(wait.deadline) => match news {
                true => Some(wait.deadline),
                false => Some(Instant::now()),
            },
            read = stream.read(&mut byte) => match read {
                Ok(1..) => {
                    unread.extend(byte);
                    Some(Instant::now())
                }
                Ok(0) | Err(_) => None,
            },
        }
    }
}

/// The head of a request as bytes, if it may be parked: one without a body that asks to wait.
pub(crate) fn head(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Vec<u8>> {
    const BODIES: [HeaderName; 2] = [
        http::header::CONTENT_LENGTH,
        http::header::TRANSFER_ENCODING,
    ];
    let target = uri.path_and_query()?;
    let waits = target.query()?.contains("wait_seconds=");
    if method != Method::GET || !waits || BODIES.iter().any(|name| headers.contains_key(name)) {
        return None;
    }
    let mut head = format!("GET {target} HTTP/1.1\r\n").into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head.shrink_to_fit();
    Some(head)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;

    use super::*;
    use crate::wakeups::Wakeups;

    fn parked(wakeups: &Wakeups, deadline: Instant) -> Parked {
        let listener = wakeups.listen("a");
        let news = listener.catch();
        Parked::new(listener, news, deadline)
    }

    #[tokio::test]
    async fn news_the_sender_and_the_deadline_end_a_wait() {
        let wakeups = Wakeups::default();
        let far = Instant::now() + Duration::from_secs(3600);
        let (mut ours, mut theirs) = tokio::io::duplex(64);

        let waits = parked(&wakeups, far);
        wakeups.wake("a");
        assert_eq!(waits.wait(&mut ours, &mut Vec::new()).await, Some(far));

        let past = Instant::now();
        let over = parked(&wakeups, past)
            .wait(&mut ours, &mut Vec::new())
            .await;
        assert!(over.is_some_and(|until| until >= past && until < far));

        let mut unread = Vec::new();
        theirs.write_all(b"G").await.unwrap();
        let until = parked(&wakeups, far).wait(&mut ours, &mut unread).await;
        assert!(until.is_some_and(|until| until < far));
        assert_eq!(unread, b"G");

        drop(theirs);
        let gone = parked(&wakeups, far).wait(&mut ours, &mut Vec::new()).await;
        assert_eq!(gone, None);
    }

    #[test]
    fn only_what_waits_and_has_no_body_is_parked() {
        let request = |method: Method, uri: &str, name: &str| {
            let request = http::Request::builder().method(method).uri(uri);
            let (parts, ()) = request.header(name, "1").body(()).unwrap().into_parts();
            head(&parts.method, &parts.uri, &parts.headers)
        };
        let waits = "/v3/sources/a/command?wait_seconds=60";
        assert_eq!(
            request(Method::GET, waits, "X-Auth-Token").unwrap(),
            b"GET /v3/sources/a/command?wait_seconds=60 HTTP/1.1\r\nx-auth-token: 1\r\n\r\n"
        );
        assert!(request(Method::GET, waits, "content-length").is_none());
        assert!(request(Method::POST, waits, "host").is_none());
        assert!(request(Method::GET, "/v3/sources/a/command", "host").is_none());
    }
}
