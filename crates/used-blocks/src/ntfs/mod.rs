//! NTFS: what is in use is what its file `$Bitmap` says.
//!
//! ```text
//!   boot sector -> $MFT, record 0 -> where the records are -> record 6, $Bitmap -> one bit a cluster
//!   ... clusters ... | the rest of the last cluster | backup of the boot sector
//! ```
//!
//! The bitmap is believed only while nobody has changes of it elsewhere (`rest`), and while no shadow
//! copy needs clusters that it calls free (`shadow`). Nothing freezes NTFS, so that there is no use in
//! waiting for it to settle: then it has no map, and counts as used as a whole from the first round.
//!
//! Format: the documentation of the Linux-NTFS project; Microsoft publishes only the boot sector.

mod index;
mod record;
mod rest;
mod runs;
mod shadow;
mod volume;

use crate::clusters::Clusters;
use crate::{Extents, Medium, Unmapped};
use record::DATA;
use runs::Runs;
use volume::{Content, Volume};

const WHAT: &str = "NTFS";
const RECORD_OF_BITMAP: u64 = 6;
/// `$Boot`: the boot sector and the loader that follows it.
const BOOT_BYTES: u64 = 8192;
/// What is read of the bitmap at a time.
const PIECE_BYTES: u64 = 1 << 20;

/// What of the file system is in use, including whatever lies behind it on the medium.
///
/// # Errors
/// [`Unmapped::Unknown`] if there is no NTFS here; otherwise why its bitmap is not trusted.
pub(crate) fn used(medium: &dyn Medium) -> Result<Extents, Unmapped> {
    let mut volume = Volume::read(medium)?;
    volume.find_mft()?;
    rest::check(&volume)?;
    shadow::check(medium)?;
    let clusters = volume.read_bitmap()?;
    Ok(clusters.union(&volume.around_the_clusters()))
}

impl Volume<'_> {
    fn read_bitmap(&self) -> Result<Extents, Unmapped> {
        let needed = self.cluster_count.div_ceil(8);
        let mut clusters = Clusters::new(0, self.cluster_bytes);
        let mut own = Runs::default();
        match self.content(RECORD_OF_BITMAP, DATA)? {
            None => return Err(inconsistent("a piece of $MFT or $Bitmap is missing")),
            Some(Content::Resident(bits)) => {
                if (bits.len() as u64) < needed {
                    return Err(inconsistent("$Bitmap is too short"));
                }
                clusters.push_bits(&bits, 0, self.cluster_count);
            }
            Some(Content::Elsewhere {
                runs, valid_bytes, ..
            }) => {
                if runs.iter().any(|(cluster, _)| cluster.is_none()) {
                    return Err(inconsistent("$MFT or $Bitmap has holes"));
                }
                let needed_clusters = needed.div_ceil(self.cluster_bytes);
                if valid_bytes < needed || runs.length_clusters() < needed_clusters {
                    return Err(inconsistent("$Bitmap is too short"));
                }
                for at in (0..needed).step_by(rehost_volumes::to_usize(PIECE_BYTES)) {
                    let bits = self.read_from(&runs, at, PIECE_BYTES.min(needed - at))?;
                    clusters.push_bits(&bits, at * 8, self.cluster_count);
                }
                own = runs;
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
    /// clusters, but is too small and too precious to rely on that; and everything behind the last
    /// whole cluster. There is the backup of the boot sector, in the last sector of the partition,
    /// which need not be the first behind the file system.
    fn around_the_clusters(&self) -> Extents {
        let size_bytes = self.medium.size_bytes();
        let behind = self.cluster_count * self.cluster_bytes..size_bytes;
        Extents::from_unordered(vec![0..BOOT_BYTES.min(size_bytes), behind])
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
