//! Image files behave like disks, and QEMU agrees about what is in them.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use rehost_volumes::{
    AlignedBuffer, CHUNK_BYTES, ImageFormat, Volume, WindowVolume, compare_volumes,
    compare_with_proof, create_image, open_source, open_target, to_usize,
};

const MIB: u64 = 1 << 20;

fn pattern(length: usize, seed: u8) -> AlignedBuffer {
    let mut buffer = AlignedBuffer::new(length);
    let mut reader = blake3::Hasher::new().update(&[seed]).finalize_xof();
    reader.fill(&mut buffer);
    buffer
}

fn read_all(volume: &dyn Volume) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(volume.size_bytes()).unwrap()];
    volume.read_at(&mut bytes, 0).unwrap();
    bytes
}

fn qemu_img(arguments: &[&str], path: &Path) -> String {
    let output = Command::new("qemu-img")
        .args(arguments)
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "qemu-img {arguments:?}: {text} {errors}"
    );
    text
}

#[test]
fn both_formats_keep_what_is_written_and_stay_sparse() {
    let directory = tempfile::tempdir().unwrap();
    for format in [ImageFormat::Raw, ImageFormat::Qcow2] {
        let path = directory.path().join(format!("{format:?}"));
        // An odd size: the end is neither a whole chunk nor a whole block.
        let volume = create_image(&path, format, 37 * MIB + 1000).unwrap();
        let block = pattern(to_usize(MIB), 1);
        volume.write_at(&block, 5 * MIB).unwrap();
        volume.write_at(&block[..1000], 37 * MIB).unwrap();
        volume.write_at(&block, 9 * MIB).unwrap();
        volume.zero(9 * MIB, MIB).unwrap();
        volume.flush().unwrap();

        let mut expected = vec![0; to_usize(37 * MIB + 1000)];
        expected[to_usize(5 * MIB)..to_usize(6 * MIB)].copy_from_slice(&block);
        expected[to_usize(37 * MIB)..].copy_from_slice(&block[..1000]);
        let reopened = open_source(&path).unwrap();
        assert_eq!(read_all(&*reopened), expected);

        let data = reopened.next_data(0).unwrap().unwrap();
        assert_eq!(data, 5 * MIB..6 * MIB, "{format:?}");
        assert!(reopened.next_data(38 * MIB).unwrap().is_none());
        let metadata = std::fs::metadata(&path).unwrap();
        assert!(
            metadata.blocks() * 512 < 8 * MIB,
            "{format:?}: {}",
            metadata.blocks()
        );
        assert_eq!(metadata.mode() & 0o777, 0o600);
        assert!(
            create_image(&path, format, MIB).is_err(),
            "never over an existing file"
        );
    }
}

#[test]
fn qemu_reads_our_qcow2_and_we_read_its() {
    let directory = tempfile::tempdir().unwrap();
    let (ours, raw, theirs) = (
        directory.path().join("ours.qcow2"),
        directory.path().join("raw"),
        directory.path().join("theirs.qcow2"),
    );
    let volume = create_image(&ours, ImageFormat::Qcow2, 40 * MIB).unwrap();
    volume
        .write_at(&pattern(to_usize(3 * MIB), 2), 7 * MIB)
        .unwrap();
    volume.flush().unwrap();
    qemu_img(&["check", "-q"], &ours);
    qemu_img(&["convert", "-O", "raw", ours.to_str().unwrap()], &raw);
    qemu_img(&["convert", "-O", "qcow2", raw.to_str().unwrap()], &theirs);

    let no_progress = |_| {};
    for other in [&raw, &theirs] {
        let other = open_source(other).unwrap();
        assert_eq!(
            compare_volumes(&*volume, &*other, &no_progress).unwrap(),
            []
        );
    }
    // An image of theirs has places for some clusters only.
    let theirs = open_target(&theirs).unwrap();
    assert!(theirs.write_at(&[1; 512], 30 * MIB).is_err());
}

#[test]
fn images_that_are_not_read_are_refused_with_advice() {
    let directory = tempfile::tempdir().unwrap();
    let (base, overlay, packed) = (
        directory.path().join("base.qcow2"),
        directory.path().join("overlay.qcow2"),
        directory.path().join("packed.qcow2"),
    );
    let base_path = base.to_str().unwrap();
    create_image(&base, ImageFormat::Qcow2, 4 * MIB)
        .unwrap()
        .write_at(&[7; 512], 0)
        .unwrap();
    Command::new("qemu-img")
        .args([
            "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base_path,
        ])
        .arg(&overlay)
        .status()
        .unwrap();
    let refused = open_source(&overlay).unwrap_err().to_string();
    assert!(
        refused.contains("backing file") && refused.contains("qemu-img convert"),
        "{refused}"
    );

    qemu_img(&["convert", "-c", "-O", "qcow2", base_path], &packed);
    let packed = open_source(&packed).unwrap();
    let refused = packed.read_at(&mut [0; 512], 0).unwrap_err().to_string();
    assert!(refused.contains("compressed"), "{refused}");
}

#[test]
fn one_changed_byte_is_found_in_its_chunk() {
    let directory = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let path = directory.path().join(name);
        let volume = create_image(&path, ImageFormat::Raw, 200 * CHUNK_BYTES + 77).unwrap();
        volume
            .write_at(&pattern(to_usize(CHUNK_BYTES), 3), 100 * CHUNK_BYTES)
            .unwrap();
        volume
    };
    let (left, right) = (make("left"), make("right"));
    let tree = {
        let mut buffer = AlignedBuffer::new(to_usize(CHUNK_BYTES));
        let mut leaves = Vec::new();
        rehost_volumes::hash_chunks(&*left, 0..201, &mut buffer, |_, hash| {
            leaves.push(hash);
            Ok::<(), rehost_volumes::VolumeError>(())
        })
        .unwrap();
        rehost_volumes::HashTree::new(left.size_bytes(), leaves).unwrap()
    };
    let no_progress = |_| {};
    assert_eq!(compare_volumes(&*left, &*right, &no_progress).unwrap(), []);
    right.write_at(&[1], 200 * CHUNK_BYTES + 76).unwrap();
    right.write_at(&[1], 100 * CHUNK_BYTES + 5).unwrap();
    for found in [
        compare_volumes(&*left, &*right, &no_progress).unwrap(),
        compare_with_proof(&*right, &tree, &no_progress).unwrap(),
    ] {
        let chunks: Vec<u64> = found.iter().map(|difference| difference.chunk).collect();
        assert_eq!(chunks, [100, 200]);
        assert_eq!(found[0].offset, 100 * CHUNK_BYTES);
    }
}

#[test]
fn what_was_cut_off_an_image_is_not_taken_for_zeros() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("image");
    let volume = create_image(&path, ImageFormat::Raw, 4 * MIB).unwrap();
    volume.write_at(&pattern(to_usize(4 * MIB), 1), 0).unwrap();
    let source = open_source(&path).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(MIB).unwrap();
    assert_eq!(source.next_data(0).unwrap(), Some(0..MIB));
    let mut buffer = AlignedBuffer::new(to_usize(CHUNK_BYTES));
    for offset in [MIB, 2 * MIB] {
        assert!(source.next_data(offset).is_err());
        assert!(source.read_at(&mut buffer, offset).is_err());
    }
}

#[test]
fn a_window_ends_where_it_was_told_to() {
    let directory = tempfile::tempdir().unwrap();
    let medium = create_image(&directory.path().join("m"), ImageFormat::Raw, 4 * MIB).unwrap();
    medium.write_at(&[5; 4096], 2 * MIB - 2048).unwrap();
    let window = WindowVolume::new(medium, 2 * MIB).unwrap();
    assert_eq!(window.size_bytes(), 2 * MIB);
    assert_eq!(window.next_data(0).unwrap().unwrap().end, 2 * MIB);
    window.write_at(&[1; 512], 2 * MIB - 512).unwrap();
    assert!(window.write_at(&[1; 513], 2 * MIB - 512).is_err());
    assert!(window.zero(0, 2 * MIB + 1).is_err());
    assert!(window.read_at(&mut [0; 1], 2 * MIB).is_err());
    assert!(WindowVolume::new(std::sync::Arc::new(window), 2 * MIB + 1).is_none());
}
