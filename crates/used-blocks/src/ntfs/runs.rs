//! Where the clusters of a file lie.

/// Runs of clusters, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs(Vec<Run>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// The number in the file of the first cluster.
    first: u64,
    /// Where it lies, unless it is a hole.
    cluster: Option<u64>,
    length: u64,
}

impl Runs {
    /// Reads the "mapping pairs" of an attribute: each begins with a byte that holds the sizes of
    /// two numbers, a length and the signed distance from the run before; without a distance it is
    /// a hole. Nothing if they make no sense.
    pub(super) fn parse(mut pairs: &[u8]) -> Option<Self> {
        let mut runs = Self::default();
        let mut cluster = 0_u64;
        loop {
            let (&sizes, rest) = pairs.split_first()?;
            if sizes == 0 {
                return Some(runs);
            }
            let (length, rest) = number(rest, sizes & 0xf)?;
            let (distance, rest) = number(rest, sizes >> 4)?;
            pairs = rest;
            let length = u64::try_from(length).ok().filter(|length| *length > 0)?;
            runs.length_clusters().checked_add(length)?;
            if sizes >> 4 == 0 {
                runs.push(None, length);
            } else {
                cluster = cluster.checked_add_signed(distance)?;
                runs.push(Some(cluster), length);
            }
        }
    }

    pub(super) fn push(&mut self, cluster: Option<u64>, length: u64) {
        let first = self.length_clusters();
        self.0.push(Run {
            first,
            cluster,
            length,
        });
    }

    pub(super) fn append(&mut self, more: Self) {
        for run in more.0 {
            self.push(run.cluster, run.length);
        }
    }

    /// How many runs there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many clusters the runs have, holes included.
    pub(super) fn length_clusters(&self) -> u64 {
        self.0
            .last()
            .map_or(0, |last| last.first.saturating_add(last.length))
    }

    /// Where each begins, if anywhere, and its length.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Option<u64>, u64)> + '_ {
        self.0.iter().map(|run| (run.cluster, run.length))
    }

    /// Where a cluster of the file lies, if it is no hole, and how many there are together from it.
    pub(super) fn locate(&self, wanted: u64) -> Option<(Option<u64>, u64)> {
        let behind = self.0.partition_point(|run| run.first <= wanted);
        let run = self.0.get(behind.checked_sub(1)?)?;
        let within = wanted - run.first;
        let left = run.length.checked_sub(within).filter(|left| *left > 0)?;
        Some((run.cluster.map(|cluster| cluster + within), left))
    }
}

/// A signed number of so many bytes, and what follows it.
fn number(bytes: &[u8], size: u8) -> Option<(i64, &[u8])> {
    if size > 8 {
        return None;
    }
    let (number, rest) = bytes.split_at_checked(usize::from(size))?;
    let is_negative = number.last().is_some_and(|last| last & 0x80 != 0);
    let fill = if is_negative { 0xff } else { 0 };
    let full = std::array::from_fn(|at| number.get(at).copied().unwrap_or(fill));
    Some((i64::from_le_bytes(full), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_lengths_and_distances() {
        // 0x30 clusters at 0x20, a hole of 5, 16 at 0x20 - 2, 1 at 0x1e + 0x1234.
        let pairs = [
            0x11, 0x30, 0x20, 0x01, 0x05, 0x11, 0x10, 0xfe, 0x21, 0x01, 0x34, 0x12, 0,
        ];
        let runs = Runs::parse(&pairs).unwrap();
        let all: Vec<_> = runs.iter().collect();
        assert_eq!(
            all,
            [
                (Some(0x20), 0x30),
                (None, 5),
                (Some(0x1e), 16),
                (Some(0x1252), 1)
            ]
        );
        assert_eq!(runs.locate(0x2f), Some((Some(0x4f), 1)));
        assert_eq!(runs.locate(0x30), Some((None, 5)));
        assert_eq!(runs.locate(0x36), Some((Some(0x1f), 15)));
        assert_eq!(runs.locate(runs.length_clusters()), None);
    }

    #[test]
    fn nonsense_is_no_list_of_runs() {
        let all: [&[u8]; 5] = [
            &[],
            &[0x11, 0x30],
            &[0x11, 0x00, 0x20, 0],
            &[0x11, 0x30, 0xff, 0],
            &[0x19, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0],
        ];
        for pairs in all {
            assert_eq!(Runs::parse(pairs), None, "{pairs:?}");
        }
    }
}
