//! The handshake: greeting, options, and the beginning of transmission. Rules without I/O.
//!
//! Numbers and layouts are those of the NBD protocol's document (`doc/proto.md` of the project
//! NetworkBlockDevice/nbd), all in network byte order.

/// What the server says first: two magic words, and the flags FIXED_NEWSTYLE and NO_ZEROES.
pub(crate) const GREETING: [u8; 18] = *b"NBDMAGICIHAVEOPT\0\x03";

/// Length of the client's flags in bytes.
pub(crate) const CLIENT_FLAGS_BYTES: usize = 4;

/// Length of an option's header in bytes.
pub(crate) const OPTION_HEADER_BYTES: usize = 16;

/// Data of an option are at most this long, in bytes: a name of 4096 bytes and some more.
pub(crate) const OPTION_LIMIT_BYTES: u32 = 8 << 10;

/// Requests are at most this long, in bytes; clients are told so.
pub(crate) const REQUEST_LIMIT_BYTES: u32 = 32 << 20;

/// What clients are told to read at a time, in bytes, if they have the choice.
const PREFERRED_BYTES: u32 = 64 << 10;

/// HAS_FLAGS, READ_ONLY, SEND_FLUSH, CAN_MULTI_CONN: what every connection sees is the same.
const TRANSMISSION_FLAGS: u16 = 1 | (1 << 1) | (1 << 2) | (1 << 8);

const OPTION_MAGIC: [u8; 8] = *b"IHAVEOPT";
const REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;

const FIXED_NEWSTYLE: u32 = 1;
const NO_ZEROES: u32 = 1 << 1;
/// Zeros that follow the flags of an export for clients that have not learned to do without.
const ZEROES_BYTES: usize = 124;

mod option {
    pub(super) const EXPORT_NAME: u32 = 1;
    pub(super) const ABORT: u32 = 2;
    pub(super) const LIST: u32 = 3;
    pub(super) const INFO: u32 = 6;
    pub(super) const GO: u32 = 7;
}

mod reply {
    pub(super) const ACK: u32 = 1;
    pub(super) const SERVER: u32 = 2;
    pub(super) const INFO: u32 = 3;
    pub(super) const ERR_UNSUPPORTED: u32 = (1 << 31) | 1;
    pub(super) const ERR_INVALID: u32 = (1 << 31) | 3;
    pub(super) const ERR_UNKNOWN: u32 = (1 << 31) | 6;
}

mod info {
    pub(super) const EXPORT: u16 = 0;
    pub(super) const BLOCK_SIZE: u16 = 3;
}

/// What no client says that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Foreign {
    /// Flags that mean nothing known, or an old client.
    #[error("client flags {0:#x}; the fixed newstyle handshake is needed")]
    ClientFlags(u32),
    /// Something else than an option.
    #[error("not an option of the NBD handshake")]
    NoOption,
    /// Longer than any option.
    #[error("an option of {0} bytes; at most 8192 are allowed")]
    TooLong(u32),
    /// Names an export that is not there, in a way that leaves no other answer.
    #[error("an export that is not there")]
    UnknownExport,
}

/// The client's flags, as far as they make a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientFlags {
    no_zeroes: bool,
}

impl ClientFlags {
    pub(crate) fn parse(bytes: [u8; CLIENT_FLAGS_BYTES]) -> Result<Self, Foreign> {
        let flags = u32::from_be_bytes(bytes);
        if flags & FIXED_NEWSTYLE == 0 || flags & !(FIXED_NEWSTYLE | NO_ZEROES) != 0 {
            return Err(Foreign::ClientFlags(flags));
        }
        Ok(Self {
            no_zeroes: flags & NO_ZEROES != 0,
        })
    }
}

/// An option: which, and how many bytes of data follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OptionHeader {
    option: u32,
    pub(crate) data_bytes: u32,
}

impl OptionHeader {
    pub(crate) fn parse(bytes: &[u8; OPTION_HEADER_BYTES]) -> Result<Self, Foreign> {
        let [magic @ .., o0, o1, o2, o3, l0, l1, l2, l3] = bytes;
        if *magic != OPTION_MAGIC {
            return Err(Foreign::NoOption);
        }
        let header = Self {
            option: u32::from_be_bytes([*o0, *o1, *o2, *o3]),
            data_bytes: u32::from_be_bytes([*l0, *l1, *l2, *l3]),
        };
        if header.data_bytes > OPTION_LIMIT_BYTES {
            return Err(Foreign::TooLong(header.data_bytes));
        }
        Ok(header)
    }
}

/// What follows an option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// These bytes are sent, and another option may come.
    Reply(Vec<u8>),
    /// These bytes are sent, and requests follow.
    Begin(Vec<u8>),
    /// These bytes are sent, and that is the end.
    End(Vec<u8>),
}

/// The server's side of a handshake about one export, whose name is empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handshake {
    pub(crate) size_bytes: u64,
    pub(crate) flags: ClientFlags,
}

impl Handshake {
    /// The answer to an option with its data.
    pub(crate) fn answer(&self, header: OptionHeader, data: &[u8]) -> Result<Step, Foreign> {
        let option = header.option;
        let reply = |kind, data: &[u8]| option_reply(option, kind, data);
        Ok(match option {
            option::EXPORT_NAME if data.is_empty() => Step::Begin(self.export_without_reply()),
            // There is no reply that says so.
            option::EXPORT_NAME => return Err(Foreign::UnknownExport),
            option::ABORT => Step::End(reply(reply::ACK, &[])),
            option::LIST if data.is_empty() => {
                // The length of the name, which is empty.
                let name = reply(reply::SERVER, &[0; 4]);
                Step::Reply([name, reply(reply::ACK, &[])].concat())
            }
            option::INFO | option::GO => match parse_info(data) {
                None => Step::Reply(reply(reply::ERR_INVALID, &[])),
                Some([_, ..]) => Step::Reply(reply(reply::ERR_UNKNOWN, &[])),
                Some([]) => {
                    let bytes = [
                        reply(reply::INFO, &self.export_info()),
                        reply(reply::INFO, &block_size_info()),
                        reply(reply::ACK, &[]),
                    ];
                    let bytes = bytes.concat();
                    if option == option::GO {
                        Step::Begin(bytes)
                    } else {
                        Step::Reply(bytes)
                    }
                }
            },
            option::LIST => Step::Reply(reply(reply::ERR_INVALID, &[])),
            _ => Step::Reply(reply(reply::ERR_UNSUPPORTED, &[])),
        })
    }

    fn export_without_reply(&self) -> Vec<u8> {
        let mut bytes = self.size_bytes.to_be_bytes().to_vec();
        bytes.extend(TRANSMISSION_FLAGS.to_be_bytes());
        if !self.flags.no_zeroes {
            bytes.extend([0; ZEROES_BYTES]);
        }
        bytes
    }

    fn export_info(&self) -> Vec<u8> {
        let mut bytes = info::EXPORT.to_be_bytes().to_vec();
        bytes.extend(self.size_bytes.to_be_bytes());
        bytes.extend(TRANSMISSION_FLAGS.to_be_bytes());
        bytes
    }
}

fn block_size_info() -> Vec<u8> {
    let mut bytes = info::BLOCK_SIZE.to_be_bytes().to_vec();
    for size_bytes in [1, PREFERRED_BYTES, REQUEST_LIMIT_BYTES] {
        bytes.extend(size_bytes.to_be_bytes());
    }
    bytes
}

fn option_reply(option: u32, kind: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = REPLY_MAGIC.to_be_bytes().to_vec();
    bytes.extend(option.to_be_bytes());
    bytes.extend(kind.to_be_bytes());
    // Ours are short.
    bytes.extend(u32::try_from(data.len()).unwrap_or_default().to_be_bytes());
    bytes.extend(data);
    bytes
}

/// The name in the data of INFO or GO: its length, itself, and a number of pieces of information that
/// are wanted, two bytes each. All that there is is told, wanted or not.
fn parse_info(data: &[u8]) -> Option<&[u8]> {
    let (length, data) = data.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (name, data) = data.split_at_checked(length)?;
    let (count, wanted) = data.split_first_chunk::<2>()?;
    let is_whole = wanted.len() == usize::from(u16::from_be_bytes(*count)) * 2;
    is_whole.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn handshake() -> Handshake {
        Handshake {
            size_bytes: 0x0102_0304,
            flags: ClientFlags::parse([0, 0, 0, 3]).unwrap(),
        }
    }

    /// The answer to the bytes of an option.
    fn answer(bytes: &[u8]) -> Result<Step, Foreign> {
        let (header, data) = bytes.split_first_chunk().unwrap();
        let header = OptionHeader::parse(header)?;
        assert_eq!(header.data_bytes as usize, data.len());
        handshake().answer(header, data)
    }

    const EXPORT: &[u8] = b"\0\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x07\0\0\0\x03\0\0\0\x0c\
        \0\0\0\0\0\0\x01\x02\x03\x04\x01\x07";
    const BLOCK_SIZE: &[u8] = b"\0\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x07\0\0\0\x03\0\0\0\x0e\
        \0\x03\0\0\0\x01\0\x01\0\0\x02\0\0\0";
    const ACK: &[u8] = b"\0\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x07\0\0\0\x01\0\0\0\0";

    #[test]
    fn go_begins_with_these_bytes() {
        assert_eq!(GREETING, *b"NBDMAGICIHAVEOPT\x00\x03");
        let all = [EXPORT, BLOCK_SIZE, ACK].concat();
        let go = b"IHAVEOPT\0\0\0\x07\0\0\0\x06\0\0\0\0\0\0";
        assert_eq!(answer(go), Ok(Step::Begin(all.clone())));
        let wanting = b"IHAVEOPT\0\0\0\x07\0\0\0\x08\0\0\0\0\0\x01\0\x03";
        assert_eq!(answer(wanting), Ok(Step::Begin(all.clone())));
        let info = b"IHAVEOPT\0\0\0\x06\0\0\0\x06\0\0\0\0\0\0";
        let mut expected = all;
        for at in [11, 43, 77] {
            assert_eq!(expected[at], 7);
            expected[at] = 6;
        }
        assert_eq!(answer(info), Ok(Step::Reply(expected)));
    }

    #[test]
    fn the_old_way_in_works_too() {
        let begun = |flags| {
            let flags = ClientFlags::parse(flags).unwrap();
            let header = OptionHeader::parse(b"IHAVEOPT\0\0\0\x01\0\0\0\0").unwrap();
            let handshake = Handshake {
                flags,
                ..handshake()
            };
            handshake.answer(header, &[])
        };
        let mut bytes = b"\0\0\0\0\x01\x02\x03\x04\x01\x07".to_vec();
        assert_eq!(begun([0, 0, 0, 3]), Ok(Step::Begin(bytes.clone())));
        bytes.extend([0; 124]);
        assert_eq!(begun([0, 0, 0, 1]), Ok(Step::Begin(bytes)));
        assert_eq!(
            answer(b"IHAVEOPT\0\0\0\x01\0\0\0\x01a"),
            Err(Foreign::UnknownExport)
        );
    }

    #[test]
    fn a_list_names_the_one_export_and_an_abort_ends() {
        let list = b"\0\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x03\0\0\0\x02\0\0\0\x04\0\0\0\0\
            \0\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x03\0\0\0\x01\0\0\0\0";
        assert_eq!(
            answer(b"IHAVEOPT\0\0\0\x03\0\0\0\0"),
            Ok(Step::Reply(list.to_vec()))
        );
        let abort = b"\0\x03\xe8\x89\x04\x55\x65\xa9\0\0\0\x02\0\0\0\x01\0\0\0\0";
        assert_eq!(
            answer(b"IHAVEOPT\0\0\0\x02\0\0\0\0"),
            Ok(Step::End(abort.to_vec()))
        );
    }

    #[test]
    fn what_is_not_offered_is_refused_with_a_reason() {
        let refused = |bytes: &[u8]| match answer(bytes) {
            Ok(Step::Reply(reply)) => reply[12..16].to_vec(),
            other => panic!("{other:?}"),
        };
        // TLS, structured replies, and what nobody knows.
        for option in [5, 8, 99] {
            let mut bytes = b"IHAVEOPT\0\0\0\0\0\0\0\0".to_vec();
            bytes[11] = option;
            assert_eq!(refused(&bytes), [0x80, 0, 0, 1]);
        }
        // Another name.
        let go = b"IHAVEOPT\0\0\0\x07\0\0\0\x07\0\0\0\x01a\0\0";
        assert_eq!(refused(go), [0x80, 0, 0, 6]);
        // Lengths that do not fit what is there.
        for data in [
            &b"\0\0\0\x05\0\0"[..],
            b"\0\0\0\0\0\x01",
            b"\0\0\0\0\0\0\0",
            b"\xff\xff\xff\xff\0\0",
            b"",
        ] {
            let mut bytes = b"IHAVEOPT\0\0\0\x07\0\0\0\0".to_vec();
            bytes[15] = u8::try_from(data.len()).unwrap();
            bytes.extend(data);
            assert_eq!(refused(&bytes), [0x80, 0, 0, 3]);
        }
        let list = b"IHAVEOPT\0\0\0\x03\0\0\0\x01a";
        assert_eq!(refused(list), [0x80, 0, 0, 3]);
    }

    #[test]
    fn strangers_are_turned_away() {
        for flags in [[0, 0, 0, 0], [0, 0, 0, 2], [0, 0, 0, 7], [0x80, 0, 0, 1]] {
            assert!(ClientFlags::parse(flags).is_err());
        }
        assert_eq!(
            OptionHeader::parse(b"GET / HTTP/1.1\r\n"),
            Err(Foreign::NoOption)
        );
        assert_eq!(
            OptionHeader::parse(b"IHAVEOPT\0\0\0\x07\0\0\x20\x01"),
            Err(Foreign::TooLong(8193))
        );
    }

    proptest! {
        #[test]
        fn every_option_has_an_answer_of_bounded_length(
            option in 0_u32..12,
            data in prop::collection::vec(any::<u8>(), 0..64),
            is_info in any::<bool>(),
        ) {
            let data_bytes = u32::try_from(data.len()).unwrap();
            let mut data = data;
            if is_info && data.len() >= 4 {
                data[..3].fill(0);
            }
            match handshake().answer(OptionHeader { option, data_bytes }, &data) {
                Ok(Step::Reply(bytes) | Step::Begin(bytes) | Step::End(bytes)) => {
                    prop_assert!(bytes.len() < 200);
                }
                Err(error) => prop_assert_eq!(error, Foreign::UnknownExport),
            }
        }
    }
}
