//! Swap areas: what was in memory means nothing to the next start of the system, so that only the
//! first page, with label and UUID, is in use, and what lies behind the area. A hibernated system has another mark, and is kept.
//!
//! Format: the kernel's `include/linux/swap.h`, `union swap_header`.

use crate::fields::{le32, read};
use crate::{Extents, Medium, Unmapped};

const WHAT: &str = "swap";
const SIGNATURE: &[u8] = b"SWAPSPACE2";
/// Of the machines that Linux runs on; the mark is at the end of the first page.
const PAGE_BYTES: [usize; 4] = [4096, 8192, 16 << 10, 64 << 10];
/// Bad pages are listed in what is left of the first page.
const FIELDS_AT: usize = 1024;

/// What of a swap area is in use.
///
/// # Errors
/// [`Unmapped::Unknown`] if there is none; [`Unmapped`] if it makes no sense or is of an old kind.
pub(crate) fn used(medium: &dyn Medium) -> Result<Extents, Unmapped> {
    let size_bytes = medium.size_bytes();
    for page_bytes in PAGE_BYTES {
        if size_bytes < page_bytes as u64 {
            break;
        }
        let page = read(medium, 0, page_bytes)?;
        if !page.ends_with(SIGNATURE) {
            continue;
        }
        if page.get(FIELDS_AT..FIELDS_AT + 4) == Some(&[0, 0, 0, 1]) {
            return Err(Unmapped::Unsupported {
                what: WHAT,
                feature: "the byte order of another machine".to_owned(),
            });
        }
        let (version, last_page) = (le32(&page, FIELDS_AT), le32(&page, FIELDS_AT + 4));
        let end = (u64::from(last_page) + 1) * page_bytes as u64;
        if version != 1 || end > size_bytes {
            return Err(Unmapped::Inconsistent {
                what: WHAT,
                detail: "its header makes no sense".to_owned(),
            });
        }
        let behind = Extents::whole(end..size_bytes);
        return Ok(Extents::whole(0..page_bytes as u64).union(&behind));
    }
    Err(Unmapped::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::Image;

    #[test]
    fn only_the_first_page_is_kept() {
        for page_bytes in [4096, 65536] {
            let image = Image::new(1 << 20);
            let page = page_bytes.to_string();
            image.run("mkswap", &["-p", &page, "-L", "label", "IMAGE"]);
            image.write(b"what was in memory", 500_000);
            assert_eq!(used(&image.open()).unwrap(), Extents::whole(0..page_bytes));
        }
    }

    #[test]
    fn what_makes_no_sense_is_not_mapped() {
        let image = Image::new(1 << 20);
        assert!(matches!(used(&image.open()), Err(Unmapped::Unknown)));
        image.run("mkswap", &["IMAGE"]);
        image.write(&256_u32.to_le_bytes(), 1028);
        let error = used(&image.open()).unwrap_err();
        assert!(matches!(error, Unmapped::Inconsistent { .. }));
        image.write(b"S1SUSPEND\0", 4086);
        assert!(matches!(used(&image.open()), Err(Unmapped::Unknown)));
    }
}
