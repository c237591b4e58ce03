//! Against mkfs.xfs, the kernel, xfs_repair, xfs_db and partclone.

use proptest::prelude::*;

use super::superblock::is_intact;
use super::*;
use crate::Extents;
use crate::ageing::{Frozen, Mounted, Tampered, age, assert_same_files, copy_files, sync};
use crate::crc::CRC32C;
use crate::fields::{be32, read};
use crate::oracle::{Image, InMemory, assert_within};

const MIB: u64 = 1 << 20;
/// mkfs.xfs makes nothing smaller.
const SIZE_BYTES: u64 = 320 * MIB;

fn made(size_bytes: u64, arguments: &[&str]) -> Image {
    let image = Image::new(size_bytes);
    image.run("mkfs.xfs", &[&["-q"], arguments, &["IMAGE"]].concat());
    image
}

/// The map, checked against partclone, which takes for free what the allocator keeps for its trees
/// (the AGFL).
fn checked_map(image: &Image) -> Used {
    let medium = image.open();
    let map = used(&medium).unwrap();
    assert_within(&map.extents, &medium);
    let superblock = Superblock::read(&medium).unwrap();
    let partclone = image.partclone("xfs");
    assert!(partclone.without(&map.extents).is_empty());
    let kept_blocks: u64 = (0..superblock.groups)
        .map(|group| {
            let agf = superblock.range_of(group).start + superblock.sector_bytes;
            u64::from(be32(&read(&medium, agf, 512).unwrap(), 48))
        })
        .sum();
    let end = superblock.blocks * superblock.block_bytes;
    let behind = Extents::whole(end..medium.size_bytes());
    let more = map.extents.without(&partclone).without(&behind);
    assert_eq!(more.total_bytes(), kept_blocks * superblock.block_bytes);
    map
}

/// Ages a new file system, maps it, and judges a copy of nothing but what the map says is used.
fn survives_a_copy(size_bytes: u64, arguments: &[&str]) {
    let image = made(size_bytes, arguments);
    let mounted = Mounted::new(&[&image.path]);
    age(mounted.path());
    let files = copy_files(mounted.path());
    drop(mounted);

    let map = checked_map(&image);
    assert!(map.is_settled);
    assert!(map.extents.total_bytes() < size_bytes * 2 / 3);
    assert!(map.extents.len() > 100);
    let copy = image.only(&map.extents);
    copy.run("xfs_repair", &["-n", "-f", "IMAGE"]);
    assert_same_files(Mounted::new(&[&copy.path]).path(), files.path());
}

#[test]
fn a_copy_of_what_is_used_is_whole() {
    survives_a_copy(SIZE_BYTES, &[]);
}

#[test]
fn a_copy_is_whole_with_every_new_feature() {
    survives_a_copy(
        SIZE_BYTES + 5 * 512,
        &[
            "-m",
            "rmapbt=1,reflink=1,bigtime=1,inobtcount=1",
            "-i",
            "nrext64=1",
            "-d",
            "agcount=3",
            "-s",
            "size=4096",
        ],
    );
}

/// A file system of the old format, which not every kernel mounts any more. Its free space is put in
/// pieces by xfs_repair, which takes back the blocks of inodes that are gone.
fn made_in_the_old_format() -> Image {
    const FILES: u64 = 600;
    let image = Image::new(SIZE_BYTES);
    let content = image.content(1, 700);
    let mut prototype = "/boot\n0 0\nd--755 0 0\n".to_owned();
    for number in 0..FILES {
        prototype += &format!("file-{number} ---644 0 0 {content}\n");
    }
    let path = image.directory.path().join("prototype");
    std::fs::write(&path, prototype + "$\n").unwrap();
    let path = path.to_str().unwrap();
    let options = [
        "-q",
        "-m",
        "crc=0",
        "-b",
        "size=512",
        "-d",
        "agcount=4",
        "-n",
        "ftype=0",
    ];
    image.run("mkfs.xfs", &[&options[..], &["-p", path, "IMAGE"]].concat());

    let listing = image.run(
        "xfs_db",
        &["-r", "-c", "blockget -n", "-c", "ncheck", "IMAGE"],
    );
    let inodes = listing.lines().filter(|line| line.contains("file-"));
    let mut commands = Vec::new();
    for line in inodes.step_by(2) {
        let inode = line.split_whitespace().next().unwrap();
        commands.extend(["-c".to_owned(), format!("inode {inode}")]);
        commands.extend(["-c".to_owned(), "write core.mode 0".to_owned()]);
    }
    let mut arguments = vec!["-x"];
    arguments.extend(commands.iter().map(String::as_str));
    image.run("xfs_db", &[&arguments[..], &["IMAGE"]].concat());
    image.run("xfs_repair", &["-f", "IMAGE"]);
    image
}

#[test]
fn the_old_format_is_mapped() {
    let image = made_in_the_old_format();
    let map = checked_map(&image);
    assert!(map.is_settled);
    let superblock = Superblock::read(&image.open()).unwrap();
    assert!(superblock.metadata_uuid.is_none());
    let in_group = map.extents.overlapping(superblock.range_of(0)).count();
    assert!(in_group > 62, "{in_group} ranges: more than one leaf holds");
    let copy = image.only(&map.extents);
    copy.run("xfs_repair", &["-n", "-f", "IMAGE"]);
}

#[test]
fn a_copy_is_whole_with_few_features_and_small_blocks() {
    survives_a_copy(
        SIZE_BYTES + 7 * MIB,
        &[
            "-m",
            "finobt=0,reflink=0",
            "-b",
            "size=1024",
            "-i",
            "sparse=0,nrext64=0",
        ],
    );
}

#[test]
fn new_file_systems_are_mapped_whatever_their_layout() {
    let layouts: [&[&str]; 5] = [
        &["-m", "crc=0", "-l", "version=1"],
        &[
            "-m",
            "crc=0",
            "-i",
            "attr=1,projid32bit=0",
            "-l",
            "lazy-count=0",
        ],
        &["-d", "su=64k,sw=4,agcount=4", "-l", "su=256k"],
        &["-l", "agnum=0", "-d", "agcount=3"],
        &[
            "-m",
            "uuid=11111111-2222-3333-4444-555555555555",
            "-n",
            "version=ci",
        ],
    ];
    for layout in layouts {
        let map = checked_map(&made(SIZE_BYTES, layout));
        assert!(map.is_settled, "{layout:?}");
    }
}

#[test]
fn a_changed_uuid_leaves_the_old_one_in_metadata() {
    let image = made(SIZE_BYTES, &[]);
    image.run("xfs_admin", &["-U", "generate", "IMAGE"]);
    let map = checked_map(&image);
    assert!(map.extents.total_bytes() < SIZE_BYTES / 2);
}

#[test]
fn a_log_on_another_device_leaves_the_map_unsettled() {
    let image = Image::new(SIZE_BYTES);
    let log = Image::new(80 * MIB);
    let log = format!("logdev={},size=64m", log.path.display());
    image.run("mkfs.xfs", &["-q", "-l", &log, "IMAGE"]);
    let map = used(&image.open()).unwrap();
    assert!(!map.is_settled);
    assert!(map.extents.total_bytes() < 2 * MIB);
}

#[test]
fn freezing_makes_the_map_of_a_live_file_system_true() {
    let image = made(SIZE_BYTES, &[]);
    let mounted = Mounted::new(&[&image.path]);
    age(mounted.path());
    let live = used(&image.open()).unwrap();
    assert!(
        !live.is_settled,
        "what was logged since mounting is not all in the trees"
    );

    let files = copy_files(mounted.path());
    let frozen = Frozen::new(&mounted);
    let map = used(&image.open()).unwrap();
    assert!(
        map.is_settled,
        "freezing leaves nothing but the superblock in the log"
    );
    let copy = image.only(&map.extents);
    drop(frozen);
    drop(mounted);

    let replayed = Mounted::new(&[&copy.path]);
    assert_same_files(replayed.path(), files.path());
    drop(replayed);
    copy.run("xfs_repair", &["-n", "-f", "IMAGE"]);
    assert!(used(&copy.open()).unwrap().is_settled);
}

#[test]
fn growing_adds_what_there_is_free() {
    let image = made(SIZE_BYTES, &["-d", "agcount=3"]);
    let grown = Image::new(SIZE_BYTES + 77 * MIB);
    let source = image.open();
    let bytes = read(&source, 0, usize::try_from(SIZE_BYTES).unwrap()).unwrap();
    grown.write(&bytes, 0);
    let behind = Extents::whole(SIZE_BYTES..SIZE_BYTES + 77 * MIB);
    let map = used(&grown.open()).unwrap();
    assert!(
        behind.without(&map.extents).is_empty(),
        "nobody knows what lies behind"
    );

    let mounted = Mounted::new(&[&grown.path]);
    grown.run("xfs_growfs", &[mounted.path().to_str().unwrap()]);
    sync(mounted.path());
    drop(mounted);
    let map = checked_map(&grown);
    assert!(behind.without(&map.extents).total_bytes() > 60 * MIB);
}

#[test]
fn a_damaged_group_counts_as_used_and_the_others_do_not() {
    let image = made(SIZE_BYTES, &[]);
    let medium = image.open();
    let whole = used(&medium).unwrap().extents;
    let superblock = Superblock::read(&medium).unwrap();
    let group = superblock.range_of(1);
    let sector_bytes = superblock.sector_bytes;
    let agf = read(&medium, group.start + sector_bytes, 512).unwrap();
    let root = group.start + u64::from(be32(&agf, 16)) * superblock.block_bytes;
    for at in [group.start + sector_bytes + 52, root + 60, root + 8] {
        let tampered = Tampered::new(&medium, vec![(at, vec![0xee])]);
        let map = used(&tampered).unwrap();
        let expected = whole.union(&Extents::whole(group.clone()));
        assert_eq!(map.extents, expected, "at {at}");
        let size_bytes = group.end - group.start;
        let first = vec![1];
        assert_eq!(
            map.given_up,
            GivenUp {
                groups: 1,
                first,
                size_bytes
            }
        );
    }
}

#[test]
fn a_group_that_is_miscounted_counts_as_used_if_nothing_was_under_way() {
    let image = made(SIZE_BYTES, &["-m", "crc=0"]);
    let medium = image.open();
    let superblock = Superblock::read(&medium).unwrap();
    let group = superblock.range_of(2);
    let free_blocks = group.start + superblock.sector_bytes + 52;
    let tampered = Tampered::new(&medium, vec![(free_blocks, vec![0, 0, 0, 1])]);
    let map = used(&tampered).unwrap();
    assert!(map.is_settled);
    assert!(Extents::whole(group).without(&map.extents).is_empty());
    assert_eq!(map.given_up.first, [2]);
}

/// A superblock with another number in it, and its checksum set right.
fn with_superblock<'a>(medium: &'a dyn Medium, at: usize, value: &[u8]) -> Tampered<'a> {
    let mut sector = read(medium, 0, 512).unwrap();
    sector[at..at + value.len()].copy_from_slice(value);
    sector[224..228].fill(0);
    let sum = !CRC32C.update(!0, &sector);
    sector[224..228].copy_from_slice(&sum.to_le_bytes());
    assert!(is_intact(&sector, 224));
    Tampered::new(medium, vec![(0, sector)])
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let image = made(SIZE_BYTES, &[]);
    let medium = image.open();
    let refusal = |at: usize, value: u32| {
        let tampered = with_superblock(&medium, at, &value.to_be_bytes());
        used(&tampered).unwrap_err().to_string()
    };
    let zoned = 0x0b | 1 << 9;
    assert_eq!(
        refusal(216, zoned),
        "XFS uses features 0x200, which is not understood"
    );
    assert_eq!(
        refusal(212, 0x1d),
        "XFS uses read-only features 0x10, which is not understood"
    );
    assert!(refusal(216, 0x1b).ends_with("it asks for xfs_repair"));
    assert!(refusal(88, 5).ends_with("its allocation groups make no sense"));
    assert!(refusal(8, 1).ends_with("it is larger than its medium"));
    assert!(refusal(4, 4095).ends_with("its blocks have no valid size"));
    assert!(refusal(96, u32::MAX).ends_with("its log is not where a log can be"));

    let known = with_superblock(&medium, 216, &0x1eb_u32.to_be_bytes());
    assert!(used(&known).unwrap().extents.total_bytes() < SIZE_BYTES);
    let mut damaged = Tampered::new(&medium, vec![(108, b"name".to_vec())]);
    assert!(used(&damaged).unwrap_err().to_string().contains("checksum"));
    damaged.patches.clear();
    damaged.size_bytes -= 4096;
    assert!(
        used(&damaged)
            .unwrap_err()
            .to_string()
            .contains("larger than its medium")
    );
    assert!(matches!(
        used(&InMemory(vec![0; 8192])),
        Err(Unmapped::Unknown)
    ));
    assert!(matches!(
        used(&InMemory(vec![0; 512])),
        Err(Unmapped::Unknown)
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn garbage_behind_the_magic_is_refused(mut bytes in prop::collection::vec(any::<u8>(), 4096..70_000)) {
        bytes[..4].copy_from_slice(b"XFSB");
        prop_assert!(used(&InMemory(bytes)).is_err());
    }
}

#[test]
fn no_tampering_makes_the_reader_fail_or_run_away() {
    // Without checksums, so that what is changed is believed.
    let image = made_in_the_old_format();
    let medium = image.open();
    // Where the structures lie that steer the reader: superblock, AGF, root of the tree, a leaf.
    let agf = read(&medium, 512, 512).unwrap();
    let root = u64::from(be32(&agf, 16)) * 512;
    assert_eq!(be32(&agf, 28), 2, "the tree has two levels");
    let leaf = read(&medium, root, 512).unwrap();
    let leaf = u64::from(be32(&leaf, 16 + (512 - 16) / 12 * 8)) * 512;
    let steering = [0..256, 512..580, root..root + 512, leaf..leaf + 512];
    let patch = (
        0_usize..4,
        any::<prop::sample::Index>(),
        prop::collection::vec(any::<u8>(), 1..6),
    );
    let patches = prop::collection::vec(patch, 1..8);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    runner
        .run(&patches, |patches| {
            let patches = patches.into_iter().map(|(structure, at, bytes)| {
                let range = steering[structure].clone();
                let length = usize::try_from(range.end - range.start).unwrap();
                (range.start + at.index(length) as u64, bytes)
            });
            let tampered = Tampered::new(&medium, patches.collect());
            if let Ok(map) = used(&tampered) {
                assert_within(&map.extents, &tampered);
            }
            Ok(())
        })
        .unwrap();
}
