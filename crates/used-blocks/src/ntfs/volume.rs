//! The boot sector, the records of the master file table, and the content of files.

use crate::fields::{le16, le64, read};
use crate::{Medium, Unmapped};

use super::inconsistent;
use super::record::{self, ATTRIBUTE_LIST, Attribute, DATA, Kind, Record};
use super::runs::Runs;

const RECORD_OF_MFT: u64 = 0;
/// No attribute list may be longer.
const MAX_LIST_BYTES: u64 = 256 << 10;
/// Most runs of clusters of one file that are kept, in 40 bytes each. Only a hostile file system has
/// so many.
const MAX_RUNS: usize = 1 << 18;

/// What the boot sector says, and where the master file table is. Sizes in bytes.
#[derive(Debug)]
pub(super) struct Volume<'a> {
    pub(super) medium: &'a dyn Medium,
    pub(super) cluster_bytes: u64,
    pub(super) cluster_count: u64,
    pub(super) record_bytes: u64,
    pub(super) mft_cluster: u64,
    pub(super) mft: Runs,
}

/// What a file holds, or one of its other attributes.
#[derive(Debug)]
pub(super) enum Content {
    /// All of it lies in the record.
    Resident(Vec<u8>),
    /// It lies in clusters.
    Elsewhere {
        runs: Runs,
        /// Its length.
        data_bytes: u64,
        /// What of it was ever written; the rest reads as zeros.
        valid_bytes: u64,
    },
}

impl Content {
    /// Its length in bytes.
    pub(super) fn length_bytes(&self) -> u64 {
        match self {
            Self::Resident(bytes) => bytes.len() as u64,
            Self::Elsewhere { data_bytes, .. } => *data_bytes,
        }
    }
}

impl<'a> Volume<'a> {
    /// Reads the boot sector.
    ///
    /// # Errors
    /// [`Unmapped::Unknown`] if there is no NTFS, [`Unmapped::Inconsistent`] if it makes no sense.
    pub(super) fn read(medium: &'a dyn Medium) -> Result<Self, Unmapped> {
        if medium.size_bytes() < 512 {
            return Err(Unmapped::Unknown);
        }
        let boot = read(medium, 0, 512)?;
        if boot[3..11] != *b"NTFS    " || le16(&boot, 510) != 0xaa55 {
            return Err(Unmapped::Unknown);
        }
        let sector_bytes = u64::from(le16(&boot, 11));
        let sectors_per_cluster = match boot[13] {
            count @ 0..=0x80 => u64::from(count),
            // Large clusters are told by the negative of their exponent.
            exponent => 1_u64
                .checked_shl(u32::from(exponent.wrapping_neg()))
                .unwrap_or(0),
        };
        let cluster_bytes = sector_bytes.saturating_mul(sectors_per_cluster);
        let record_bytes = match i8::from_le_bytes([boot[64]]) {
            count @ 1.. => u64::from(count.unsigned_abs()).saturating_mul(cluster_bytes),
            exponent => 1_u64
                .checked_shl(u32::from(exponent.unsigned_abs()))
                .unwrap_or(0),
        };
        let is_sensible = matches!(sector_bytes, 512 | 1024 | 2048 | 4096)
            && cluster_bytes.is_power_of_two()
            && cluster_bytes <= 2 << 20
            && record_bytes.is_power_of_two()
            && (1024..=65536).contains(&record_bytes);
        if !is_sensible {
            return Err(inconsistent(
                "its sectors, clusters or records have no valid size",
            ));
        }
        let sectors = le64(&boot, 40);
        let end = sectors
            .checked_mul(sector_bytes)
            .filter(|end| *end <= medium.size_bytes())
            .ok_or_else(|| inconsistent("it is larger than what it lies on"))?;
        Ok(Self {
            medium,
            cluster_bytes,
            cluster_count: end / cluster_bytes,
            record_bytes,
            mft_cluster: le64(&boot, 48),
            mft: Runs::default(),
        })
    }

    /// The table describes itself: its first piece, which the boot sector names, tells where the
    /// next pieces are. They may be told in records that lie in pieces known by then.
    ///
    /// # Errors
    /// [`Unmapped::Inconsistent`] if it makes no sense.
    pub(super) fn find_mft(&mut self) -> Result<(), Unmapped> {
        let clusters = self.record_bytes.div_ceil(self.cluster_bytes);
        self.mft.push(Some(self.mft_cluster), clusters);
        self.check(&self.mft)?;
        let base = self.record(RECORD_OF_MFT)?;
        let pieces = match self.list_of(&base)? {
            Some(list) => record::in_list(&list, DATA)?,
            None => vec![(0, RECORD_OF_MFT)],
        };
        let mut is_first = true;
        for piece in pieces {
            let Some(Piece::Elsewhere { runs, .. }) =
                self.piece(&base, RECORD_OF_MFT, DATA, piece)?
            else {
                return Err(inconsistent("a piece of $MFT or $Bitmap is missing"));
            };
            if runs.iter().any(|(cluster, _)| cluster.is_none()) {
                return Err(inconsistent("$MFT or $Bitmap has holes"));
            }
            let mut known = if std::mem::take(&mut is_first) {
                Runs::default()
            } else {
                std::mem::take(&mut self.mft)
            };
            self.append(piece.0, runs, &mut known)?;
            self.mft = known;
        }
        if self
            .mft
            .locate(0)
            .is_none_or(|(cluster, _)| cluster != Some(self.mft_cluster))
        {
            return Err(inconsistent("$MFT is not where the boot sector says"));
        }
        Ok(())
    }

    /// What a file has of a kind of attribute, if it has one.
    ///
    /// # Errors
    /// [`Unmapped::Inconsistent`] if its records make no sense, [`Unmapped::Read`].
    pub(super) fn content(&self, number: u64, kind: Kind) -> Result<Option<Content>, Unmapped> {
        let base = self.record(number)?;
        let list = self.list_of(&base)?;
        let pieces = match &list {
            Some(list) => record::in_list(list, kind)?,
            None => vec![(0, number)],
        };
        let mut all = Runs::default();
        let mut lengths = None;
        for piece in &pieces {
            match self.piece(&base, number, kind, *piece)? {
                Some(Piece::Resident(bytes)) if pieces.len() == 1 => {
                    return Ok(Some(Content::Resident(bytes)));
                }
                Some(Piece::Elsewhere {
                    runs,
                    data_bytes,
                    valid_bytes,
                }) => {
                    self.append(piece.0, runs, &mut all)?;
                    lengths.get_or_insert((data_bytes, valid_bytes));
                }
                None if list.is_none() => {}
                _ => return Err(inconsistent("a piece of a file is missing")),
            }
        }
        Ok(lengths.map(|(data_bytes, valid_bytes)| Content::Elsewhere {
            runs: all,
            data_bytes,
            valid_bytes,
        }))
    }

    /// The first bytes of a file's content, at most so many, as far as they were ever written.
    ///
    /// # Errors
    /// As [`Self::content`].
    pub(super) fn beginning(&self, content: &Content, most: u64) -> Result<Vec<u8>, Unmapped> {
        match content {
            Content::Resident(bytes) => {
                let length = rehost_volumes::to_usize(most).min(bytes.len());
                Ok(bytes.get(..length).unwrap_or_default().to_vec())
            }
            Content::Elsewhere {
                runs, valid_bytes, ..
            } => self.read_from(runs, 0, most.min(*valid_bytes)),
        }
    }

    /// The attribute list of a file that one record does not suffice for.
    fn list_of(&self, base: &Record) -> Result<Option<Vec<u8>>, Unmapped> {
        Ok(match base.attribute(ATTRIBUTE_LIST, 0)? {
            None => None,
            Some(Attribute::Resident(list)) => Some(list.to_vec()),
            Some(Attribute::Elsewhere {
                runs, data_bytes, ..
            }) => {
                if data_bytes > MAX_LIST_BYTES {
                    return Err(inconsistent("an attribute list is too long"));
                }
                self.check(&runs)?;
                Some(self.read_from(&runs, 0, data_bytes)?)
            }
        })
    }

    /// The piece of an attribute that begins with its cluster `first` and is told in a record.
    fn piece(
        &self,
        base: &Record,
        base_number: u64,
        kind: Kind,
        (first, number): (u64, u64),
    ) -> Result<Option<Piece>, Unmapped> {
        let extension;
        let record = if number == base_number {
            base
        } else {
            extension = self.record(number)?;
            if extension.base() != base_number {
                return Err(inconsistent(
                    "an attribute list names a record of another file",
                ));
            }
            &extension
        };
        Ok(record.attribute(kind, first)?.map(|found| match found {
            Attribute::Resident(bytes) => Piece::Resident(bytes.to_vec()),
            Attribute::Elsewhere {
                runs,
                data_bytes,
                valid_bytes,
            } => Piece::Elsewhere {
                runs,
                data_bytes,
                valid_bytes: valid_bytes.min(data_bytes),
            },
        }))
    }

    /// Appends the runs of a piece that begins with the cluster `first` of its file.
    fn append(&self, first: u64, runs: Runs, to: &mut Runs) -> Result<(), Unmapped> {
        self.check(&runs)?;
        if first != to.length_clusters() {
            return Err(inconsistent("a piece of a file is missing"));
        }
        if to.len() + runs.len() > MAX_RUNS {
            return Err(inconsistent("a file lies in too many pieces"));
        }
        to.append(runs);
        Ok(())
    }

    /// Fails if runs do not lie within the clusters that there are.
    fn check(&self, runs: &Runs) -> Result<(), Unmapped> {
        let lies = |(cluster, length): (Option<u64>, u64)| {
            let end = cluster.unwrap_or(0).checked_add(length);
            end.is_some_and(|end| end <= self.cluster_count)
        };
        if runs.iter().all(lies) && runs.length_clusters() <= self.cluster_count {
            Ok(())
        } else {
            Err(inconsistent("a file reaches beyond the end"))
        }
    }

    fn record(&self, number: u64) -> Result<Record, Unmapped> {
        let offset = number
            .checked_mul(self.record_bytes)
            .ok_or_else(|| inconsistent("a record has no valid number"))?;
        Record::new(self.read_from(&self.mft, offset, self.record_bytes)?)
    }

    /// Bytes of a file, which are few. Holes read as zeros.
    ///
    /// # Errors
    /// [`Unmapped::Inconsistent`] if the file is shorter, [`Unmapped::Read`].
    pub(super) fn read_from(
        &self,
        runs: &Runs,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, Unmapped> {
        let mut bytes = Vec::new();
        let mut at = offset;
        let end = offset.saturating_add(length);
        while at < end {
            let (cluster, together) = runs
                .locate(at / self.cluster_bytes)
                .ok_or_else(|| inconsistent("a file ends too early"))?;
            let within = at % self.cluster_bytes;
            let here = (together * self.cluster_bytes - within).min(end - at);
            let here_bytes = rehost_volumes::to_usize(here);
            match cluster {
                Some(cluster) => {
                    let from = cluster * self.cluster_bytes + within;
                    bytes.extend(read(self.medium, from, here_bytes)?);
                }
                None => bytes.resize(bytes.len() + here_bytes, 0),
            }
            at += here;
        }
        Ok(bytes)
    }
}

/// A piece of an attribute.
enum Piece {
    Resident(Vec<u8>),
    Elsewhere {
        runs: Runs,
        /// Known of the first piece only, as the next.
        data_bytes: u64,
        valid_bytes: u64,
    },
}
