//! What LVM writes at the start of a physical volume: a label, a header, and areas that hold the
//! description of the volume group as text.
//!
//! ```text
//!   sector 0..3: "LABELONE" -> header: identity, data area, metadata areas, extension
//!   metadata area: | its header | ring of texts, the current one may wrap around |
//! ```

use super::{WHAT, inconsistent};
use crate::crc::{CRC32, agrees};
use crate::fields::{le32, le64, read};
use crate::{Extents, Medium, Unmapped};

const SECTOR_BYTES: usize = 512;
/// Seed of every checksum of LVM.
const SEED: u32 = 0xf597_a6cf;
const AREA_MAGIC: &[u8] = b" LVM2 x[5A%r0N*>";
/// The header of an area takes a sector of it.
const AREA_HEADER_BYTES: u64 = 512;
/// No text is longer. LVM itself is slow beyond a fraction of it.
const MAX_TEXT_BYTES: u64 = 16 << 20;
/// Texts that differ, of all physical volumes together.
const MAX_TEXTS_BYTES: usize = 64 << 20;
/// A physical volume has a metadata area at its start, at its end, or both.
const MAX_AREAS: usize = 2;
const IDENTITY_BYTES: usize = 32;
/// A text that is there no more, because the area is not in use.
const IGNORED: u32 = 1;
/// The header's own word on whether the physical volume belongs to a group.
const USED_BY_GROUP: u32 = 1;

/// A physical volume.
#[derive(Debug)]
pub(super) struct Label {
    /// Its identity, without hyphens.
    pub(super) identity: String,
    /// Where the data area begins, in bytes, if there is one.
    pub(super) data_start: Option<u64>,
    /// What is LVM's own: label, header and metadata areas, in bytes.
    pub(super) own: Extents,
    /// Whether it says of itself that it belongs to no group.
    pub(super) is_free: bool,
    /// The text of each area that holds one, by its number among all texts.
    pub(super) texts: Vec<usize>,
    /// Whether there is an area whose text is not known, so that it may be newer than all others.
    pub(super) is_damaged: bool,
}

impl Label {
    /// Reads label, header and texts.
    ///
    /// # Errors
    /// [`Unmapped::Unknown`] if there is no label; otherwise why it is not trusted.
    pub(super) fn read(medium: &dyn Medium, all_texts: &mut Texts) -> Result<Self, Unmapped> {
        let front = read(medium, 0, 4 * SECTOR_BYTES)?;
        let sectors = front.chunks_exact(SECTOR_BYTES).zip(0_u64..);
        let is_label =
            |sector: &[u8]| sector.starts_with(b"LABELONE") && sector[24..32] == *b"LVM2 001";
        let mut labels = sectors.filter(|(sector, _)| is_label(sector));
        let (sector, number) = labels.next().ok_or(Unmapped::Unknown)?;
        let checksum = CRC32.update(SEED, &sector[20..]);
        if le64(sector, 8) != number || !agrees(checksum, le32(sector, 16)) {
            return Err(inconsistent("the label of a physical volume is damaged"));
        }
        let start = usize::try_from(le32(sector, 20)).unwrap_or(usize::MAX);
        let header = sector.get(start..).unwrap_or_default();
        let cut = || inconsistent("the header of a physical volume is cut off");
        let identity = header.get(..IDENTITY_BYTES).ok_or_else(cut)?;

        let mut at = IDENTITY_BYTES + 8;
        let data = areas(header, &mut at).ok_or_else(cut)?;
        let metadata = areas(header, &mut at).ok_or_else(cut)?;
        let extension = header.get(at..at + 8);
        let is_used = extension.is_none_or(|extension| {
            le32(extension, 0) < 2 || le32(extension, 4) & USED_BY_GROUP != 0
        });
        if data.len() > 1 || metadata.len() > MAX_AREAS {
            return Err(inconsistent("a physical volume has too many areas"));
        }
        let mut texts = Vec::new();
        let mut own = Extents::whole(0..(4 * SECTOR_BYTES) as u64);
        let mut all_empty = !metadata.is_empty();
        let mut is_damaged = false;
        for (offset, size) in metadata {
            let end = offset.checked_add(size);
            let end = end
                .filter(|end| *end <= medium.size_bytes())
                .ok_or_else(|| inconsistent("a physical volume is larger than what it lies on"))?;
            own = own.union(&Extents::whole(offset..end));
            match read_area(medium, offset, size) {
                Ok(Text::None) => {}
                Ok(Text::Whole(text)) => match all_texts.enter(text) {
                    Some(number) => texts.push(number),
                    None => is_damaged = true,
                },
                Ok(Text::Ignored) => all_empty = false,
                Err(_) => is_damaged = true,
            }
        }
        Ok(Self {
            identity: String::from_utf8_lossy(identity).into_owned(),
            data_start: data.first().map(|(offset, _)| *offset),
            own,
            is_free: all_empty && texts.is_empty() && !is_used && !is_damaged,
            texts,
            is_damaged,
        })
    }
}

/// The texts of all physical volumes, each kept once: those of a group hold the same.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) all: Vec<Vec<u8>>,
    bytes_left: usize,
}

impl Default for Texts {
    fn default() -> Self {
        Self::with_limit(MAX_TEXTS_BYTES)
    }
}

impl Texts {
    fn with_limit(bytes_left: usize) -> Self {
        Self {
            all: Vec::new(),
            bytes_left,
        }
    }

    /// The number of a text among all, or nothing if there is no more room for it.
    fn enter(&mut self, text: Vec<u8>) -> Option<usize> {
        if let Some(number) = self.all.iter().position(|known| *known == text) {
            return Some(number);
        }
        self.bytes_left = self.bytes_left.checked_sub(text.len())?;
        self.all.push(text);
        Some(self.all.len() - 1)
    }
}

/// A list of offsets and sizes that ends with zeros.
fn areas(header: &[u8], at: &mut usize) -> Option<Vec<(u64, u64)>> {
    let mut areas = Vec::new();
    loop {
        let area = header.get(*at..*at + 16)?;
        *at += 16;
        match (le64(area, 0), le64(area, 8)) {
            (0, _) => return Some(areas),
            area => areas.push(area),
        }
    }
}

enum Text {
    None,
    Ignored,
    Whole(Vec<u8>),
}

fn read_area(medium: &dyn Medium, offset: u64, size: u64) -> Result<Text, Unmapped> {
    let header = read(medium, offset, SECTOR_BYTES)?;
    let is_whole = agrees(CRC32.update(SEED, &header[4..]), le32(&header, 0))
        && &header[4..20] == AREA_MAGIC
        && le64(&header, 24) == offset
        && le64(&header, 32) == size;
    if !is_whole || le32(&header, 20) != 1 {
        return Err(inconsistent("a metadata area is damaged"));
    }
    let (start, length) = (le64(&header, 40), le64(&header, 48));
    if le32(&header, 60) & IGNORED != 0 {
        return Ok(Text::Ignored);
    }
    if start == 0 {
        return Ok(Text::None);
    }
    let ring = size.saturating_sub(AREA_HEADER_BYTES);
    if !(AREA_HEADER_BYTES..size).contains(&start)
        || length == 0
        || length > ring.min(MAX_TEXT_BYTES)
    {
        return Err(Unmapped::Inconsistent {
            what: WHAT,
            detail: format!("a text of {length} bytes does not fit into its metadata area"),
        });
    }
    let to_end = length.min(size - start);
    let to_usize = rehost_volumes::to_usize;
    let begin = offset.checked_add(start).ok_or(Unmapped::Unknown)?;
    let mut text = read(medium, begin, to_usize(to_end))?;
    text.extend(read(
        medium,
        offset + AREA_HEADER_BYTES,
        to_usize(length - to_end),
    )?);
    if !agrees(CRC32.update(SEED, &text), le32(&header, 56)) {
        return Err(inconsistent("the text of a metadata area is damaged"));
    }
    Ok(Text::Whole(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_once_and_up_to_a_limit() {
        let mut texts = Texts::with_limit(10);
        assert_eq!(texts.enter(b"first".to_vec()), Some(0));
        assert_eq!(texts.enter(b"next".to_vec()), Some(1));
        assert_eq!(texts.enter(b"first".to_vec()), Some(0));
        assert_eq!(texts.enter(b"no".to_vec()), None);
        assert_eq!(texts.enter(b"1".to_vec()), Some(2));
        assert_eq!(texts.all.len(), 3);
    }
}
