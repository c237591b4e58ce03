//! A block device is read past its cache to its very end. Needs root, for a loop device.

use std::os::unix::fs::FileExt;

use rehost_testkit::LoopDevice;
use rehost_volumes::{AlignedBuffer, CHUNK_BYTES, open_source, to_usize};

#[test]
fn privileged_the_end_of_a_device_is_never_read_from_its_cache() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk");
    let file = std::fs::File::options()
        .create_new(true)
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    // Whole sectors, as of every disk, but not whole pages.
    file.set_len(CHUNK_BYTES + 3 * 512).unwrap();
    let device = LoopDevice::attach(&path).unwrap();
    let volume = open_source(device.path()).unwrap();
    assert_eq!(volume.size_bytes(), CHUNK_BYTES + 3 * 512);
    let mut buffer = AlignedBuffer::new(to_usize(CHUNK_BYTES));
    let end = &mut buffer[..3 * 512];
    volume.read_at(end, CHUNK_BYTES).unwrap();
    assert_eq!(*end, [0; 3 * 512]);
    // As a mounted file system does: past the cache of the device.
    file.write_all_at(&[7; 3 * 512], CHUNK_BYTES).unwrap();
    volume.read_at(end, CHUNK_BYTES).unwrap();
    assert_eq!(*end, [7; 3 * 512]);
}

#[test]
fn privileged_what_is_not_aligned_is_read_past_the_cache_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk");
    let file = std::fs::File::create_new(&path).unwrap();
    file.set_len(3 * CHUNK_BYTES).unwrap();
    let device = LoopDevice::attach(&path).unwrap();
    let volume = open_source(device.path()).unwrap();
    let mut buffer = vec![7; to_usize(2 * CHUNK_BYTES)];
    volume.read_at(&mut buffer, 1000).unwrap();
    assert!(buffer.iter().all(|byte| *byte == 0));
    file.write_all_at(b"written past the cache", CHUNK_BYTES - 5)
        .unwrap();
    volume.read_at(&mut buffer, 1000).unwrap();
    let found = to_usize(CHUNK_BYTES) - 5 - 1000;
    assert_eq!(buffer[found..found + 22], *b"written past the cache");
    assert!(buffer[..found].iter().all(|byte| *byte == 0));
}
