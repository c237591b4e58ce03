//! Log files as one archive: tar, compressed by gzip.

use std::io;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::rotation::LogFile;

/// Packs files. They are in memory: files on a disk may grow while they are being packed.
pub(crate) fn pack(files: &[LogFile]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(file.modified);
        archive.append_data(&mut header, &file.name, file.content.as_slice())?;
    }
    archive.into_inner()?.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let file = |name: &str, content: &str| LogFile {
            name: name.into(),
            modified: 1_700_000_000,
            content: content.into(),
        };
        let files = [file("agent.log", "new\n"), file("agent.log.1", "old\n")];
        let packed = pack(&files).unwrap();
        let mut archive = tar::Archive::new(GzDecoder::new(packed.as_slice()));
        let unpacked: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                LogFile {
                    name: entry.path().unwrap().display().to_string(),
                    modified: entry.header().mtime().unwrap(),
                    content,
                }
            })
            .collect();
        assert_eq!(unpacked, files);
    }
}
