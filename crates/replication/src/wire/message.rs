//! The control parts of frames, as JSON.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

use super::codec::Codec;
use super::frame::Kind;

/// A control part that belongs to one kind of frame.
pub trait Message: Serialize + DeserializeOwned {
    /// The kind of frame it belongs to.
    const KIND: Kind;
}

/// Opens a stream of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Versions that the source speaks.
    pub versions: Vec<u8>,
    /// The task. The certificate already says it; a difference is a mistake somewhere.
    pub task_id: String,
    /// Chosen anew for every session; streams of an earlier one are closed by the target.
    pub session: u64,
    /// Number of the stream within the session, from 0.
    pub stream: u32,
    /// The disks as the source sees them.
    pub volumes: Vec<HelloVolume>,
    /// How the source could pack chunks, see [`Codec`]. Words that the target does not know are left
    /// out of its answer; a source that packs nothing says nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codecs: Vec<String>,
}

/// A disk as the source sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloVolume {
    /// Number of the volume within the task.
    pub index: u32,
    /// Size in bytes.
    pub size_bytes: u64,
}

/// The stream is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version both will speak.
    pub version: u8,
    /// Size of a chunk in bytes; both ends must agree.
    pub chunk_bytes: u64,
    /// Which of the source's codecs the target unpacks. Absent where none was named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codecs: Vec<String>,
}

/// A range of chunks of a volume, for [`Kind::PresenceRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRange {
    /// The volume.
    pub volume: u32,
    /// First chunk.
    pub first: u64,
    /// How many; at most 8 for each byte of the payload limit.
    pub count: u64,
}

/// Where hashes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HashSource {
    /// What the target recorded when it wrote: fast, for finding changes.
    Journal,
    /// The target reads its medium: slow, for the proof.
    Medium,
}

/// Asks for hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HashesRequest {
    /// The volume.
    pub volume: u32,
    /// First chunk.
    pub first: u64,
    /// How many; at most one for each 32 bytes of the payload limit.
    pub count: u64,
    /// Where they come from.
    pub from: HashSource,
}

/// Chunks that will be overwritten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce {
    /// The volume.
    pub volume: u32,
    /// Their numbers, at most 4096, ascending.
    pub chunks: Vec<u64>,
}

/// A chunk. The payload holds the segments one after the other; the rest of the chunk is zeros.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The volume.
    pub volume: u32,
    /// Number of the chunk.
    pub chunk: u64,
    /// BLAKE3 of the whole chunk, zeros included.
    pub hash: Hex32,
    /// Start and end of each segment within the chunk, ascending.
    pub segments: Vec<(u32, u32)>,
    /// How the payload is packed; absent where it is plain. Only what both ends named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<Codec>,
}

/// A run of chunks that are zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZeroRun {
    /// The volume.
    pub volume: u32,
    /// First chunk.
    pub first: u64,
    /// How many; at most one for each 32 bytes of the payload limit.
    pub count: u64,
}

/// Everything up to a sequence number is durable and recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    /// Sequence number of the last such frame of this stream.
    pub sequence: u64,
}

/// What the source should do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Advice {
    /// Open a new session; nothing is lost.
    Retry,
    /// Try again later: a person has to make room or repair something first.
    Wait,
    /// It will never work like this.
    GiveUp,
}

/// Why the target cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable word for programs, such as `target_full`.
    pub code: String,
    /// For people: what is the matter and what to do.
    pub message: String,
    /// What the source should do.
    pub advice: Advice,
}

/// Asks the target to hold all volumes of the task as they are now, under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepPoint {
    /// Names the point; see [`is_point_name`].
    pub point: String,
}

/// The volumes are held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointKept {
    /// The name that was asked for.
    pub point: String,
}

/// The volumes are not held at this point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointRefused {
    /// The name that was asked for.
    pub point: String,
    /// For people: what is the matter and what to do.
    pub reason: String,
}

/// The name of a point is at most this long, in bytes.
const POINT_NAME_LIMIT_BYTES: usize = 64;

/// Whether a text can be the name of a point: letters, digits, `-`, `_` and `.` of ASCII, 1 to 64.
#[must_use]
pub fn is_point_name(text: &str) -> bool {
    (1..=POINT_NAME_LIMIT_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// 32 bytes, written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex32(pub [u8; 32]);

impl Serialize for Hex32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl<'de> Deserialize<'de> for Hex32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        blake3::Hash::from_hex(text.as_bytes())
            .map(|hash| Self(*hash.as_bytes()))
            .map_err(serde::de::Error::custom)
    }
}

macro_rules! kinds {
    ($($message:ty => $kind:ident,)*) => {
        $(impl Message for $message {
            const KIND: Kind = Kind::$kind;
        })*
    };
}

kinds! {
    Hello => Hello,
    Welcome => Welcome,
    ChunkRange => PresenceRequest,
    HashesRequest => HashesRequest,
    Announce => Announce,
    Chunk => Chunk,
    ZeroRun => ZeroRun,
    Committed => Committed,
    Failure => Failure,
    KeepPoint => KeepPoint,
    PointKept => PointKept,
    PointRefused => PointRefused,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frozen: any two versions must understand how the other opens a stream or refuses it.
    #[test]
    fn the_first_messages_are_these_bytes() {
        let hello = Hello {
            versions: vec![1],
            task_id: "t".into(),
            session: 7,
            stream: 0,
            volumes: vec![HelloVolume {
                index: 0,
                size_bytes: 9,
            }],
            codecs: Vec::new(),
        };
        let json = r#"{"versions":[1],"task_id":"t","session":7,"stream":0,"volumes":[{"index":0,"size_bytes":9}]}"#;
        assert_eq!(serde_json::to_string(&hello).unwrap(), json);

        let welcome = Welcome {
            version: 1,
            chunk_bytes: 1 << 20,
            codecs: Vec::new(),
        };
        let json = r#"{"version":1,"chunk_bytes":1048576}"#;
        assert_eq!(serde_json::to_string(&welcome).unwrap(), json);

        let failure = Failure {
            code: "unknown_task".into(),
            message: "m".into(),
            advice: Advice::GiveUp,
        };
        let json = r#"{"code":"unknown_task","message":"m","advice":"give_up"}"#;
        assert_eq!(serde_json::to_string(&failure).unwrap(), json);
        assert_eq!(serde_json::from_str::<Failure>(json).unwrap(), failure);
    }

    /// Frozen, too: what a release that packs adds, and one that does not leaves alone.
    #[test]
    fn packing_is_named_behind_what_was_there_and_absent_where_there_is_none() {
        let welcome = Welcome {
            version: 1,
            chunk_bytes: 1 << 20,
            codecs: vec!["lz4".into(), "zstd".into()],
        };
        let json = r#"{"version":1,"chunk_bytes":1048576,"codecs":["lz4","zstd"]}"#;
        assert_eq!(serde_json::to_string(&welcome).unwrap(), json);

        let hash = "00".repeat(32);
        let plain = format!(r#"{{"volume":0,"chunk":7,"hash":"{hash}","segments":[[0,4096]]}}"#);
        let mut chunk: Chunk = serde_json::from_str(&plain).unwrap();
        assert_eq!(chunk.codec, None);
        assert_eq!(serde_json::to_string(&chunk).unwrap(), plain);
        chunk.codec = Some(Codec::Zstd);
        let packed = plain.replace("]]}", r#"]],"codec":"zstd"}"#);
        assert_eq!(serde_json::to_string(&chunk).unwrap(), packed);
        assert!(serde_json::from_str::<Chunk>(&packed.replace("zstd", "odd")).is_err());
    }

    #[test]
    fn names_of_points_are_short_and_plain() {
        for name in ["a", "0f3c-7_b.2", &"x".repeat(64)] {
            assert!(is_point_name(name), "{name}");
        }
        for text in ["", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert!(!is_point_name(text), "{text}");
        }
    }

    #[test]
    fn hashes_are_hexadecimal_and_whole() {
        let hash = Hex32([0xab; 32]);
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json.len(), 66);
        assert_eq!(serde_json::from_str::<Hex32>(&json).unwrap(), hash);
        assert!(serde_json::from_str::<Hex32>("\"abcd\"").is_err());
    }
}
