//! Whether the file system is at rest: nobody has it mounted or left it in the middle of something,
//! and no sleeping Windows will go on with what it remembers of it.
//!
//! | where | what says that it is not |
//! |---|---|
//! | `$Volume` | flags |
//! | `$LogFile` | restart pages with a user that has not signed off, or of a Windows that was "shut down" for a fast start |
//! | `hiberfil.sys` | the memory of a sleeping Windows |
//!
//! Format: Linux, `fs/ntfs3/fslog.c`; ntfs-3g, `logfile.h` and `ntfs_volume_check_hiberfile`.

use rehost_volumes::to_usize;

use crate::Unmapped;
use crate::fields::{le16, le32, le64};

use super::record::{DATA, VOLUME_INFORMATION, unprotect};
use super::volume::{Content, Volume};
use super::{inconsistent, index};

const RECORD_OF_LOG: u64 = 2;
const RECORD_OF_VOLUME: u64 = 3;
/// Of the volume: to be checked, its log to be resized, its journal of changes being deleted, being
/// checked.
const UNDER_WAY: u16 = 0x1 | 0x2 | 0x10 | 0x4000;
const FLAGS_AT: usize = 10;

/// The two restart pages lie one behind the other, and are not larger than half of this.
const RESTART_BYTES: u64 = 128 << 10;
const PAGE_HEADER_BYTES: usize = 48;
/// The other version, 2, is that of a volume that Windows keeps in memory across a shutdown.
const LOG_VERSION: u16 = 1;
const NO_USER: u16 = 0xffff;
const CLEAN: u16 = 2;

/// What is looked at of the memory of Windows.
const HIBERNATION_BYTES: u64 = 4096;

/// Fails unless the file system is at rest.
///
/// # Errors
/// [`Unmapped::Inconsistent`] with the reason, [`Unmapped::Read`].
pub(super) fn check(volume: &Volume<'_>) -> Result<(), Unmapped> {
    let information = volume.content(RECORD_OF_VOLUME, VOLUME_INFORMATION)?;
    let Some(Content::Resident(information)) = information else {
        return Err(inconsistent("$Volume tells nothing"));
    };
    if information.len() < FLAGS_AT + 2 || le16(&information, FLAGS_AT) & UNDER_WAY != 0 {
        return Err(inconsistent("it is in use or to be checked by chkdsk"));
    }
    check_log(volume)?;
    if let Some(memory) = index::find(volume, "hiberfil.sys")? {
        check_hibernation(volume, memory)?;
    }
    Ok(())
}

/// A log that nobody uses is filled with ones, or its newer restart page says so.
fn check_log(volume: &Volume<'_>) -> Result<(), Unmapped> {
    let log = volume.content(RECORD_OF_LOG, DATA)?;
    let log = log.ok_or_else(|| inconsistent("$LogFile is missing"))?;
    let bytes = volume.beginning(&log, RESTART_BYTES)?;
    if bytes.iter().all(|byte| *byte == 0xff) {
        return Ok(());
    }
    let unknown = || inconsistent("$LogFile is not understood");
    let page_bytes = to_usize(u64::from(le32(&bytes, 16)));
    if !page_bytes.is_power_of_two() || !(512..=65536).contains(&page_bytes) {
        return Err(unknown());
    }
    let mut newest = None;
    for page in bytes.chunks_exact(page_bytes).take(2) {
        let this = restart_area(page).ok_or_else(unknown)?;
        newest = newest.max(Some(this));
    }
    match newest {
        Some((_, false)) => Ok(()),
        Some((_, true)) => Err(inconsistent("it is in use or Windows was not shut down")),
        None => Err(unknown()),
    }
}

/// How new a restart page is, and whether anything is left to be done that the log holds.
fn restart_area(page: &[u8]) -> Option<(u64, bool)> {
    let mut page = page.to_vec();
    if !page.starts_with(b"RSTR") {
        return None;
    }
    unprotect(&mut page).ok()?;
    let area = page.get(usize::from(le16(&page, 24))..)?;
    let is_there = usize::from(le16(&page, 24)) >= PAGE_HEADER_BYTES && area.len() >= 16;
    let is_clean = le16(area, 12) == NO_USER || le16(area, 14) & CLEAN != 0;
    let is_known = le16(&page, 28) == LOG_VERSION;
    is_there.then(|| (le64(area, 0), !(is_clean && is_known)))
}

/// What is left of a sleep that has ended begins with zeros or says so. A volume that Windows does not
/// start from has a short file while it sleeps.
fn check_hibernation(volume: &Volume<'_>, record: u64) -> Result<(), Unmapped> {
    let memory = volume.content(record, DATA)?;
    let memory = memory.ok_or_else(|| inconsistent("hiberfil.sys makes no sense"))?;
    let begin = volume.beginning(&memory, HIBERNATION_BYTES)?;
    let is_long = memory.length_bytes() >= HIBERNATION_BYTES;
    let has_ended = begin.iter().all(|byte| *byte == 0)
        || begin
            .get(..4)
            .is_some_and(|mark| mark.eq_ignore_ascii_case(b"wake"));
    if is_long && has_ended {
        return Ok(());
    }
    Err(inconsistent("Windows is hibernated on it"))
}
