//! How long others wait for the source's disks, from what the kernel counts of each disk.
//!
//! The counters hold everybody's requests. The agent writes nothing to the disks that it copies, so
//! writes are those of others. Of the reads its own are taken off: how many bytes it read and how long
//! that took is known, and a read that is longer than the disk's largest request was several, which
//! were served one after the other. What then is left in small numbers is not told from an error.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rehost_replication::source::Reads;

/// Requests of others in a second, fewer of which are nobody's work.
const FEWEST_PER_SECOND: f64 = 10.0;
/// Reads of others are believed in from this part of the own ones on.
const CREDIBLE: f64 = 0.1;
/// Largest request where the disk does not tell.
const USUAL_REQUEST_BYTES: u64 = 512 << 10;

/// What a disk, or several together, have counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) reads: u64,
    pub(super) read_milliseconds: u64,
    pub(super) writes: u64,
    pub(super) write_milliseconds: u64,
}

/// The block devices of a task. Image files are none: what lies on the same disk is not theirs alone.
#[derive(Debug, Default)]
pub(super) struct Disks {
    stat_files: Vec<PathBuf>,
    request_bytes: u64,
}

impl Disks {
    /// Those of the paths that are block devices.
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let folders: Vec<PathBuf> = paths.iter().filter_map(|path| sys_folder(path)).collect();
        let request_bytes = folders.iter().filter_map(|folder| {
            // A partition has its disk's queue.
            let queue = [folder.join("queue"), folder.join("../queue")];
            queue.iter().find_map(|queue| {
                let text = fs::read_to_string(queue.join("max_sectors_kb")).ok()?;
                text.trim().parse::<u64>().ok().map(|kib| kib << 10)
            })
        });
        Self {
            request_bytes: request_bytes.min().unwrap_or(USUAL_REQUEST_BYTES),
            stat_files: folders.iter().map(|folder| folder.join("stat")).collect(),
        }
    }

    /// Whether there is nothing to count.
    pub(super) fn is_empty(&self) -> bool {
        self.stat_files.is_empty()
    }

    /// What they have counted so far; nothing if one of them is gone.
    pub(super) fn counted(&self) -> Option<Counted> {
        self.stat_files
            .iter()
            .try_fold(Counted::default(), |sum, file| {
                let one = parse(&fs::read_to_string(file).ok()?)?;
                Some(Counted {
                    reads: sum.reads.wrapping_add(one.reads),
                    read_milliseconds: sum.read_milliseconds.wrapping_add(one.read_milliseconds),
                    writes: sum.writes.wrapping_add(one.writes),
                    write_milliseconds: sum.write_milliseconds.wrapping_add(one.write_milliseconds),
                })
            })
    }

    /// How long others waited for a request between two counts, in milliseconds; see [`others_wait`].
    pub(super) fn others_wait(
        &self,
        counts: [&Counted; 2],
        own: &Reads,
        elapsed: Duration,
    ) -> Option<f64> {
        others_wait(counts, own, self.request_bytes, elapsed)
    }
}

fn sys_folder(path: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::FileTypeExt as _;
    let metadata = fs::metadata(path).ok()?;
    let number = metadata.rdev();
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let folder = || fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok();
    metadata.file_type().is_block_device().then(folder)?
}

/// `/sys/block/*/stat`: requests, merged ones, sectors and milliseconds of reads, then of writes
/// (Documentation/block/stat.rst).
fn parse(text: &str) -> Option<Counted> {
    let mut fields = text.split_ascii_whitespace().map(str::parse::<u64>);
    let mut next = || fields.next()?.ok();
    let (reads, _, _, read_milliseconds) = (next()?, next()?, next()?, next()?);
    let (writes, _, _, write_milliseconds) = (next()?, next()?, next()?, next()?);
    Some(Counted {
        reads,
        read_milliseconds,
        writes,
        write_milliseconds,
    })
}

/// How long others waited for a request on average, in milliseconds, when the agent itself read `own`
/// meanwhile; nothing if they asked for next to nothing.
#[expect(
    clippy::cast_precision_loss,
    reason = "what is counted in a second has far fewer than 53 bits"
)]
fn others_wait(
    [before, now]: [&Counted; 2],
    own: &Reads,
    request_bytes: u64,
    elapsed: Duration,
) -> Option<f64> {
    let grown = |counter: fn(&Counted) -> u64| counter(now).saturating_sub(counter(before)) as f64;
    let (reads, writes) = (grown(|all| all.reads), grown(|all| all.writes));
    let requests_per_read = match own.count {
        0 => 1.0,
        count => (own.bytes as f64 / count as f64 / request_bytes.max(1) as f64)
            .ceil()
            .max(1.0),
    };
    let own_reads = own.count as f64 * requests_per_read;
    // One after the other they have waited 1, 2, 3... parts of the whole time.
    let own_milliseconds = own.time.as_secs_f64() * 1e3 * (requests_per_read + 1.0) / 2.0;
    let mut requests = writes;
    let mut milliseconds = grown(|all| all.write_milliseconds);
    let other_reads = reads - own_reads;
    if other_reads > CREDIBLE * own_reads {
        requests += other_reads;
        milliseconds += (grown(|all| all.read_milliseconds) - own_milliseconds).max(0.0);
    }
    (requests >= FEWEST_PER_SECOND * elapsed.as_secs_f64()).then(|| milliseconds / requests)
}

/// For how long some program has waited for a disk since the start, in microseconds, if the kernel tells
/// (`/proc/pressure/io`).
pub(super) fn stalled_microseconds() -> Option<u64> {
    parse_pressure(&fs::read_to_string("/proc/pressure/io").ok()?)
}

fn parse_pressure(text: &str) -> Option<u64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let total = some.split_ascii_whitespace();
    total
        .filter_map(|field| field.strip_prefix("total="))
        .find_map(|value| value.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn own(count: u64, bytes: u64, milliseconds: u64) -> Reads {
        Reads {
            count,
            bytes,
            time: Duration::from_millis(milliseconds),
        }
    }

    fn wait(reads: (u64, u64), writes: (u64, u64), own: &Reads) -> Option<f64> {
        let now = Counted {
            reads: reads.0 + 7,
            read_milliseconds: reads.1 + 7,
            writes: writes.0,
            write_milliseconds: writes.1,
        };
        let before = Counted {
            reads: 7,
            read_milliseconds: 7,
            ..Counted::default()
        };
        others_wait([&before, &now], own, 512 << 10, SECOND)
    }

    #[test]
    fn counters_are_found_where_the_kernel_writes_them() {
        let text = "   100  3  8000  250   40  1  900  80   0  300  330  0 0 0 0 7 9\n";
        let counted = Counted {
            reads: 100,
            read_milliseconds: 250,
            writes: 40,
            write_milliseconds: 80,
        };
        assert_eq!(parse(text), Some(counted));
        for odd in ["", "1 2 3", "1 2 3 4 5 6 x 8"] {
            assert_eq!(parse(odd), None, "{odd}");
        }
        let pressure = "some avg10=0.00 avg60=0.12 avg300=0.00 total=4711\nfull avg10=0 total=9\n";
        assert_eq!(parse_pressure(pressure), Some(4711));
        assert_eq!(parse_pressure("full total=9\n"), None);
    }

    #[test]
    fn writes_are_those_of_others() {
        assert_eq!(wait((0, 0), (100, 250), &own(0, 0, 0)), Some(2.5));
        assert_eq!(
            wait((0, 0), (5, 250), &own(0, 0, 0)),
            None,
            "next to nothing"
        );
        // The agent's own reads, each two requests, are not taken for somebody's.
        let copy = own(50, 50 << 20, 800);
        assert_eq!(wait((100, 1300), (0, 0), &copy), None);
        assert_eq!(wait((105, 1300), (20, 40), &copy), Some(2.0));
    }

    #[test]
    fn reads_of_others_are_what_is_left_of_all() {
        // 50 reads of a MiB took 800 ms: 100 requests that waited 1200 ms together.
        let copy = own(50, 50 << 20, 800);
        assert_eq!(wait((300, 1800), (0, 0), &copy), Some(3.0));
        assert_eq!(wait((300, 0), (0, 0), &copy), Some(0.0));
        assert_eq!(wait((300, 1800), (200, 600), &copy), Some(3.0));
        assert_eq!(wait((200, 100), (0, 0), &own(0, 0, 0)), Some(0.5));
    }

    #[test]
    fn image_files_have_no_disk_of_their_own() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let disks = Disks::of(&[file.path().into(), "/no/such/disk".into()]);
        assert!(disks.is_empty());
        assert_eq!(disks.counted(), Some(Counted::default()));
    }
}
