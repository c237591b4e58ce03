//! NTFS: what is in use is what its file `$Bitmap` says.
//!
//! ```text
//!   boot sector -> $MFT, record 0 -> where the records are -> record 6, $Bitmap -> one bit a cluster
//!   ... clusters ... | the rest of the last cluster | backup of the boot sector
//! ```
//!
//! Format: the documentation of the Linux-NTFS project; Microsoft publishes only the boot sector.

mod record;
mod runs;

use crate::clusters::Clusters;
use crate::fields::{le16, le64, read};
use crate::{Extents, Medium, Unmapped};
use record::{ATTRIBUTE_LIST, Attribute, DATA, Record};
use runs::Runs;

const WHAT: &str = "NTFS";
const RECORD_OF_MFT: u64 = 0;
const RECORD_OF_BITMAP: u64 = 6;
/// `$Boot`: the boot sector and the loader that follows it.
const BOOT_BYTES: u64 = 8192;
/// No attribute list may be longer.
const MAX_LIST_BYTES: u64 = 256 << 10;
/// What is read of the bitmap at a time.
const PIECE_BYTES: u64 = 1 << 20;

/// What of the file system is in use.
///
/// # Errors
/// [`Unmapped::Unknown`] if there is no NTFS here; otherwise why its bitmap is not trusted.
pub(crate) fn used(medium: &dyn Medium) -> Result<Extents, Unmapped> {
    let mut volume = Volume::read(medium)?;
    volume.find_mft()?;
    let clusters = volume.read_bitmap()?;
    Ok(clusters.union(&volume.around_the_clusters()))
}

/// What the boot sector says, and where the master file table is. Sizes in bytes.
#[derive(Debug)]
struct Volume<'a> {
    medium: &'a dyn Medium,
    sector_bytes: u64,
    cluster_bytes: u64,
    cluster_count: u64,
    /// Where the sectors of the file system end; the backup of the boot sector follows.
    end: u64,
    record_bytes: u64,
    mft_cluster: u64,
    mft: Runs,
}

impl<'a> Volume<'a> {
    fn read(medium: &'a dyn Medium) -> Result<Self, Unmapped> {
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
            sector_bytes,
            cluster_bytes,
            cluster_count: end / cluster_bytes,
            end,
            record_bytes,
            mft_cluster: le64(&boot, 48),
            mft: Runs::default(),
        })
    }

    /// The table describes itself: its first piece, which the boot sector names, tells where the
    /// next pieces are. They may be told in records that lie in pieces known by then.
    fn find_mft(&mut self) -> Result<(), Unmapped> {
        let clusters = self.record_bytes.div_ceil(self.cluster_bytes);
        self.mft.push(Some(self.mft_cluster), clusters);
        self.check(&self.mft)?;
        let base = self.record(RECORD_OF_MFT)?;
        let mut found = Runs::default();
        for (first, number) in self.pieces(&base, RECORD_OF_MFT)? {
            self.add_piece(&base, RECORD_OF_MFT, (first, number), &mut found)?;
            self.mft = found.clone();
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

    fn read_bitmap(&self) -> Result<Extents, Unmapped> {
        let base = self.record(RECORD_OF_BITMAP)?;
        let needed = self.cluster_count.div_ceil(8);
        let mut clusters = Clusters::new(0, self.cluster_bytes);
        let mut own = Runs::default();
        if let Some(Attribute::Resident(bits)) = base.attribute(DATA, 0)? {
            if (bits.len() as u64) < needed {
                return Err(inconsistent("$Bitmap is too short"));
            }
            clusters.push_bits(bits, 0, self.cluster_count);
        } else {
            let mut valid_bytes = 0;
            for piece in self.pieces(&base, RECORD_OF_BITMAP)? {
                let valid = self.add_piece(&base, RECORD_OF_BITMAP, piece, &mut own)?;
                valid_bytes = valid.unwrap_or(valid_bytes);
            }
            if valid_bytes < needed || own.length_clusters() < needed.div_ceil(self.cluster_bytes) {
                return Err(inconsistent("$Bitmap is too short"));
            }
            for at in (0..needed).step_by(usize::try_from(PIECE_BYTES).unwrap_or(usize::MAX)) {
                let bits = self.read_from(&own, at, PIECE_BYTES.min(needed - at))?;
                clusters.push_bits(&bits, at * 8, self.cluster_count);
            }
        }
        let used = clusters.finish();
        let has_its_own = |runs: &Runs| {
            runs.iter().all(|(cluster, length)| {
                let start = cluster.unwrap_or(0) * self.cluster_bytes;
                used.gaps(start..start + length * self.cluster_bytes)
                    .is_empty()
            })
        };
        if !has_its_own(&own) || !has_its_own(&self.mft) {
            return Err(inconsistent("$Bitmap calls $MFT or itself free"));
        }
        Ok(used)
    }

    /// What is needed and no cluster of the bitmap: what begins the file system should have its
    /// clusters, but is too small and too precious to rely on that; and at the end what does not
    /// fill a cluster, and the backup of the boot sector. It is in the last sector of the partition,
    /// which need not be the first behind the file system.
    fn around_the_clusters(&self) -> Extents {
        let size_bytes = self.medium.size_bytes();
        let behind =
            self.cluster_count * self.cluster_bytes..(self.end + self.sector_bytes).min(size_bytes);
        let last = size_bytes.saturating_sub(self.sector_bytes)..size_bytes;
        Extents::from_unordered(vec![0..BOOT_BYTES.min(size_bytes), behind, last])
    }

    /// Which records hold the pieces of a file's data, in the order of their first clusters.
    fn pieces(&self, base: &Record, number: u64) -> Result<Vec<(u64, u64)>, Unmapped> {
        let list = match base.attribute(ATTRIBUTE_LIST, 0)? {
            None => return Ok(vec![(0, number)]),
            Some(Attribute::Resident(list)) => list.to_vec(),
            Some(Attribute::Elsewhere {
                runs, data_bytes, ..
            }) => {
                if data_bytes > MAX_LIST_BYTES {
                    return Err(inconsistent("an attribute list is too long"));
                }
                self.check(&runs)?;
                self.read_from(&runs, 0, data_bytes)?
            }
        };
        let mut pieces = record::data_in_list(&list)?;
        pieces.sort_unstable();
        Ok(pieces)
    }

    /// Adds the piece that begins with a file's cluster `first` and is told in record `number`.
    /// The first piece tells how many bytes of the data are valid, which is the answer.
    fn add_piece(
        &self,
        base: &Record,
        base_number: u64,
        (first, number): (u64, u64),
        to: &mut Runs,
    ) -> Result<Option<u64>, Unmapped> {
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
        match record.attribute(DATA, first)? {
            Some(Attribute::Elsewhere {
                runs,
                data_bytes,
                valid_bytes,
            }) if first == to.length_clusters() => {
                self.check(&runs)?;
                if runs.iter().any(|(cluster, _)| cluster.is_none()) {
                    return Err(inconsistent("$MFT or $Bitmap has holes"));
                }
                to.append(runs);
                Ok((first == 0).then(|| valid_bytes.min(data_bytes)))
            }
            _ => Err(inconsistent("a piece of $MFT or $Bitmap is missing")),
        }
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

    /// Bytes of a file. Holes read as zeros.
    fn read_from(&self, runs: &Runs, offset: u64, length: u64) -> Result<Vec<u8>, Unmapped> {
        let mut bytes = Vec::new();
        let mut at = offset;
        let end = offset.saturating_add(length);
        while at < end {
            let (cluster, together) = runs
                .locate(at / self.cluster_bytes)
                .ok_or_else(|| inconsistent("a file ends too early"))?;
            let within = at % self.cluster_bytes;
            let here = (together * self.cluster_bytes - within).min(end - at);
            let here_bytes = usize::try_from(here).unwrap_or(usize::MAX);
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

fn inconsistent(detail: &str) -> Unmapped {
    Unmapped::Inconsistent {
        what: WHAT,
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests;
