//! What the kernel has counted of a disk: `/sys/block/*/stat` and `inflight`, described in the
//! kernel's Documentation/block/stat.rst.

use std::io::{Error as IoError, ErrorKind};
use std::path::Path;

use crate::ledger::Sectors;
use crate::{DiskId, Error};

/// Where the sectors written are among the numbers of `stat`, counted from 0.
const WRITTEN_SECTORS: usize = 6;
/// Where the sectors discarded are; since Linux 4.19.
const DISCARDED_SECTORS: usize = 13;

/// What the kernel says about a disk at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Statistics {
    pub(crate) sectors: Sectors,
    /// Requests that were begun and have not ended.
    pub(crate) in_flight: u64,
}

/// Reads first what is in flight: what has ended by then is among the sectors.
pub(crate) fn read_statistics(disk: &DiskId) -> Result<Statistics, Error> {
    let folder = disk.folder();
    let in_flight = numbers(&folder.join("inflight"), 2)?;
    let stat = numbers(&folder.join("stat"), DISCARDED_SECTORS + 1)?;
    Ok(Statistics {
        sectors: Sectors {
            written: stat[WRITTEN_SECTORS],
            discarded: stat[DISCARDED_SECTORS],
        },
        in_flight: in_flight.iter().sum(),
    })
}

/// The numbers of a file, of which there must be so many or more.
fn numbers(path: &Path, at_least: usize) -> Result<Vec<u64>, Error> {
    std::fs::read_to_string(path)
        .and_then(|text| parse(&text, at_least))
        .map_err(|source| Error::Statistics {
            path: path.into(),
            source,
        })
}

fn parse(text: &str, at_least: usize) -> Result<Vec<u64>, IoError> {
    let numbers: Result<Vec<u64>, _> = text.split_whitespace().map(str::parse).collect();
    match numbers {
        Ok(numbers) if numbers.len() >= at_least => Ok(numbers),
        _ => Err(IoError::new(
            ErrorKind::InvalidData,
            format!("there are not {at_least} numbers"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_counted() {
        let line = "  11 0 22 3 44 5 66 7 0 88 99 1 2 133 4 5 6\n";
        let numbers = parse(line, 14).unwrap();
        assert_eq!(
            (numbers[WRITTEN_SECTORS], numbers[DISCARDED_SECTORS]),
            (66, 133)
        );
        assert!(parse("1 2 3", 4).is_err());
        assert!(parse("1 x", 2).is_err());
    }
}
