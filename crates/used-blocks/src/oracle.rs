//! For tests: images in files and in memory, and what other programs say of them.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rehost_testkit::run_tool;
use rehost_volumes::{FileVolume, VolumeError};

use crate::{Extents, Medium};

/// Bytes in memory that look like a disk.
#[derive(Clone, Debug)]
pub(crate) struct InMemory(pub(crate) Vec<u8>);

impl Medium for InMemory {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), VolumeError> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let part = self
            .0
            .get(start..)
            .and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(part.ok_or_else(|| VolumeError::OutOfRange {
            path: "memory".into(),
            offset,
            length: buffer.len() as u64,
            size_bytes: self.size_bytes(),
        })?);
        Ok(())
    }
}

/// An image file that is removed in the end.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl Image {
    /// An empty one.
    pub(crate) fn new(size_bytes: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        File::create(&path).unwrap().set_len(size_bytes).unwrap();
        Self { directory, path }
    }

    /// Runs a tool with the path of the image in place of `IMAGE` among its arguments.
    pub(crate) fn run(&self, tool: &str, arguments: &[&str]) -> String {
        let path = self.path.to_str().unwrap();
        let arguments = arguments.iter().map(|one| one.replace("IMAGE", path));
        run_tool(tool, arguments).unwrap()
    }

    /// A file beside the image with contents of this length, which depend on `seed`.
    pub(crate) fn content(&self, seed: u64, length: u64) -> String {
        let path = self.directory.path().join(format!("content-{seed}"));
        rehost_testkit::patterned_image(&path, length, seed).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn open(&self) -> FileVolume {
        FileVolume::open(&self.path, false).unwrap()
    }

    pub(crate) fn in_memory(&self) -> InMemory {
        InMemory(std::fs::read(&self.path).unwrap())
    }

    /// Changes some bytes.
    pub(crate) fn write(&self, bytes: &[u8], offset: u64) {
        let file = OpenOptions::new().write(true).open(&self.path).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }

    /// What `partclone.KIND` calls used.
    pub(crate) fn partclone(&self, kind: &str) -> Extents {
        let log = self.directory.path().join("partclone.log");
        let domain = self.directory.path().join("domain");
        let arguments = [
            Path::new("-D"),
            Path::new("-q"),
            Path::new("-s"),
            &self.path,
        ]
        .into_iter()
        .chain([Path::new("-L"), &log, Path::new("-O"), &domain]);
        run_tool(&format!("partclone.{kind}"), arguments).unwrap();
        let number = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap();
        let mut extents = Extents::default();
        for line in std::fs::read_to_string(domain).unwrap().lines() {
            if let [start, length, "+"] = line.split_whitespace().collect::<Vec<_>>()[..] {
                extents.push(number(start)..number(start) + number(length));
            }
        }
        extents
    }

    /// A new image that holds nothing but these bytes of this one; what is left out is noise, so
    /// that nobody takes it for what should be there.
    pub(crate) fn only(&self, extents: &Extents) -> Self {
        let size_bytes = std::fs::metadata(&self.path).unwrap().len();
        let copy = Self::new(size_bytes);
        let noise = vec![0x5a; 1 << 20];
        let source = File::open(&self.path).unwrap();
        for gap in extents.gaps(0..size_bytes).iter() {
            for at in gap.clone().step_by(noise.len()) {
                let length = usize::try_from(gap.end - at).unwrap().min(noise.len());
                copy.write(&noise[..length], at);
            }
        }
        for range in extents.iter() {
            for at in range.clone().step_by(noise.len()) {
                let length = usize::try_from(range.end - at).unwrap().min(noise.len());
                let mut bytes = vec![0; length];
                source.read_exact_at(&mut bytes, at).unwrap();
                copy.write(&bytes, at);
            }
        }
        copy
    }
}

/// Fails if what is used in a map reaches beyond the medium.
pub(crate) fn assert_within(extents: &Extents, medium: &dyn Medium) {
    assert!(
        extents
            .last()
            .is_none_or(|last| last.end <= medium.size_bytes())
    );
}
