//! Requests and their replies, once the handshake is through. Rules without I/O.

use crate::handshake::REQUEST_LIMIT_BYTES;

/// Length of a request in bytes, without what is to be written.
pub(crate) const REQUEST_BYTES: usize = 28;

/// Length of a simple reply in bytes, without what was read.
pub(crate) const REPLY_BYTES: usize = 16;

const REQUEST_MAGIC: [u8; 4] = 0x2560_9513_u32.to_be_bytes();
const REPLY_MAGIC: [u8; 4] = 0x6744_6698_u32.to_be_bytes();

mod command {
    pub(super) const READ: u16 = 0;
    pub(super) const WRITE: u16 = 1;
    pub(super) const DISCONNECT: u16 = 2;
    pub(super) const FLUSH: u16 = 3;
    pub(super) const TRIM: u16 = 4;
    pub(super) const WRITE_ZEROES: u16 = 6;
}

/// Error numbers of the protocol.
mod errno {
    pub(super) const PERM: u32 = 1;
    pub(super) const IO: u32 = 5;
    pub(super) const INVAL: u32 = 22;
}

/// What ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// Something else than a request: nobody knows where the next one begins.
    #[error("not an NBD request")]
    NoRequest,
    /// More is to be written than is read for the sake of a refusal.
    #[error("a request to write {0} bytes to what can only be read")]
    TooLong(u32),
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    command: u16,
    flags: u16,
    cookie: [u8; 8],
    offset: u64,
    length: u32,
}

/// What is to be done about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Reply with these bytes of the volume.
    Read { offset: u64, length: u32 },
    /// Reply that it is done.
    Done,
    /// Skip what follows the request, then reply with an error.
    Refuse { error: u32, skip_bytes: u32 },
    /// Nothing more will come.
    Goodbye,
}

impl Request {
    pub(crate) fn parse(bytes: &[u8; REQUEST_BYTES]) -> Result<Self, Broken> {
        let [m0, m1, m2, m3, f0, f1, c0, c1, rest @ ..] = bytes;
        if [*m0, *m1, *m2, *m3] != REQUEST_MAGIC {
            return Err(Broken::NoRequest);
        }
        let (cookie, rest) = rest.split_at(8);
        let (offset, length) = rest.split_at(8);
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
        };
        Ok(Self {
            flags: u16::from_be_bytes([*f0, *f1]),
            command: u16::from_be_bytes([*c0, *c1]),
            cookie: number(cookie).to_be_bytes(),
            offset: number(offset),
            // Four bytes.
            length: u32::try_from(number(length)).unwrap_or(u32::MAX),
        })
    }

    /// What is to be done, with a volume of so many bytes that can only be read.
    pub(crate) fn answer(&self, size_bytes: u64) -> Result<Answer, Broken> {
        let refuse = |error| Answer::Refuse {
            error,
            skip_bytes: 0,
        };
        Ok(match self.command {
            command::DISCONNECT => Answer::Goodbye,
            command::WRITE if self.length > REQUEST_LIMIT_BYTES => {
                return Err(Broken::TooLong(self.length));
            }
            command::WRITE => Answer::Refuse {
                error: errno::PERM,
                skip_bytes: self.length,
            },
            command::TRIM | command::WRITE_ZEROES => refuse(errno::PERM),
            command::READ if self.flags == 0 && self.is_within(size_bytes) => Answer::Read {
                offset: self.offset,
                length: self.length,
            },
            command::FLUSH if self.flags == 0 => Answer::Done,
            _ => refuse(errno::INVAL),
        })
    }

    fn is_within(&self, size_bytes: u64) -> bool {
        let end = self.offset.checked_add(u64::from(self.length));
        self.length <= REQUEST_LIMIT_BYTES && end.is_some_and(|end| end <= size_bytes)
    }

    /// The reply that says that it is done.
    pub(crate) fn done(&self) -> [u8; REPLY_BYTES] {
        self.reply(0)
    }

    /// The reply that says that the volume failed.
    pub(crate) fn failed(&self) -> [u8; REPLY_BYTES] {
        self.reply(errno::IO)
    }

    /// A reply with an error number of the protocol; 0 for none.
    pub(crate) fn reply(&self, error: u32) -> [u8; REPLY_BYTES] {
        let mut bytes = [0; REPLY_BYTES];
        bytes[..4].copy_from_slice(&REPLY_MAGIC);
        bytes[4..8].copy_from_slice(&error.to_be_bytes());
        bytes[8..].copy_from_slice(&self.cookie);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const READ: [u8; 28] = *b"\x25\x60\x95\x13\0\0\0\0COOKIE!!\0\0\0\0\0\0\x10\0\0\0\x02\0";

    fn request(command: u16, flags: u16, offset: u64, length: u32) -> Request {
        Request {
            command,
            flags,
            cookie: *b"COOKIE!!",
            offset,
            length,
        }
    }

    #[test]
    fn a_read_is_these_bytes_and_so_are_its_replies() {
        let read = Request::parse(&READ).unwrap();
        assert_eq!(read, request(0, 0, 4096, 512));
        let answer = Answer::Read {
            offset: 4096,
            length: 512,
        };
        assert_eq!(read.answer(4608), Ok(answer));
        assert_eq!(read.done(), *b"\x67\x44\x66\x98\0\0\0\0COOKIE!!");
        assert_eq!(read.failed(), *b"\x67\x44\x66\x98\0\0\0\x05COOKIE!!");
        let mut spoilt = READ;
        spoilt[0] = 0;
        assert_eq!(Request::parse(&spoilt), Err(Broken::NoRequest));
    }

    #[test]
    fn nothing_is_written_and_nothing_beyond_the_end_is_read() {
        let refused = |request: Request| match request.answer(4608) {
            Ok(Answer::Refuse { error, skip_bytes }) => (error, skip_bytes),
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(request(1, 0, 0, 512)), (1, 512));
        assert_eq!(refused(request(4, 0, 0, 512)), (1, 0));
        assert_eq!(refused(request(6, 1, 0, u32::MAX)), (1, 0));
        for invalid in [
            request(0, 0, 4097, 512),
            request(0, 0, u64::MAX, 512),
            request(0, 0, 0, (32 << 20) + 1),
            request(0, 1, 0, 512),
            // Block status, and what nobody knows.
            request(7, 0, 0, 512),
            request(99, 0, 0, 512),
        ] {
            assert_eq!(refused(invalid), (22, 0));
        }
        let long = request(1, 0, 0, (32 << 20) + 1);
        assert_eq!(long.answer(4608), Err(Broken::TooLong((32 << 20) + 1)));
        assert_eq!(request(2, 0, 0, 0).answer(0), Ok(Answer::Goodbye));
        assert_eq!(request(3, 0, 0, 0).answer(0), Ok(Answer::Done));
    }

    proptest! {
        #[test]
        fn no_request_leads_beyond_the_volume_or_the_limit(
            rest in any::<[u8; 24]>(),
            size_bytes in any::<u64>(),
            command in 0_u8..9,
        ) {
            let mut bytes = READ;
            bytes[4..].copy_from_slice(&rest);
            bytes[4..8].copy_from_slice(&[0, 0, 0, command]);
            match Request::parse(&bytes).unwrap().answer(size_bytes) {
                Ok(Answer::Read { offset, length }) => {
                    prop_assert!(u128::from(offset) + u128::from(length) <= u128::from(size_bytes));
                    prop_assert!(length <= REQUEST_LIMIT_BYTES);
                }
                Ok(Answer::Refuse { skip_bytes, .. }) => {
                    prop_assert!(skip_bytes <= REQUEST_LIMIT_BYTES);
                }
                Ok(_) | Err(Broken::TooLong(_)) => {}
                Err(Broken::NoRequest) => prop_assert!(false),
            }
        }
    }
}
