//! A stream of which something has been read already, and is read again first.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Gives back bytes that were read before, then goes on with the stream.
#[derive(Debug)]
pub(crate) struct Rewound<S> {
    again: Vec<u8>,
    at: usize,
    stream: S,
}

impl<S> Rewound<S> {
    /// Puts `again` before what comes of the stream.
    pub(crate) fn new(again: Vec<u8>, stream: S) -> Self {
        Self {
            again,
            at: 0,
            stream,
        }
    }

    /// What was not read again, and the stream.
    pub(crate) fn into_parts(mut self) -> (Vec<u8>, S) {
        (self.again.split_off(self.at), self.stream)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = &mut *self;
        let rest = this.again.get(this.at..).unwrap_or_default();
        if rest.is_empty() {
            this.again = Vec::new();
            this.at = 0;
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        let length = rest.len().min(buffer.remaining());
        buffer.put_slice(rest.get(..length).unwrap_or_default());
        this.at += length;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn what_was_read_comes_first() {
        let (mut theirs, ours) = tokio::io::duplex(64);
        theirs.write_all(b"later").await.unwrap();
        drop(theirs);
        let mut stream = Rewound::new(b"before ".to_vec(), ours);
        let mut three = [0; 3];
        stream.read_exact(&mut three).await.unwrap();
        let (rest, ours) = stream.into_parts();
        assert_eq!(rest, b"ore ");
        let mut all = String::new();
        let mut stream = Rewound::new(rest, ours);
        stream.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "ore later");
    }
}
