//! Against LVM itself, which works on loop devices without a device mapper; what it cannot make
//! without one is put into its text and restored by `vgcfgrestore`.

use std::ops::Range;

use proptest::prelude::*;
use rehost_testkit::{LoopDevice, needs_root, run_tool};

use super::*;
use crate::crc::CRC32;
use crate::oracle::{Image, InMemory};
use crate::view::Layout;
use crate::volume_manager::LogicalVolume;

const EXTENT: u64 = 4 << 20;
const SIZE: u64 = 100 << 20;

/// Two physical volumes on loop devices.
struct Bench {
    images: Vec<Image>,
    devices: Vec<LoopDevice>,
}

impl Bench {
    /// With a group of its own on them.
    fn new(group: &str) -> Self {
        needs_root().unwrap();
        let images = vec![Image::new(SIZE), Image::new(SIZE)];
        let devices = images
            .iter()
            .map(|image| LoopDevice::attach(&image.path).unwrap())
            .collect();
        let bench = Self { images, devices };
        let paths = bench.paths();
        let both: Vec<&str> = paths.iter().map(String::as_str).collect();
        bench.lvm(
            "pvcreate",
            &["--metadatasize", "64k", "--pvmetadatacopies", "2"],
            &both,
        );
        bench.lvm("vgcreate", &["-s", "4m", group], &both);
        bench
    }

    fn paths(&self) -> Vec<String> {
        self.devices
            .iter()
            .map(|device| device.path().to_str().unwrap().to_owned())
            .collect()
    }

    fn lvm(&self, command: &str, arguments: &[&str], more: &[&str]) -> String {
        let devices = self.paths().join(",");
        let common = [command, "--driverloaded", "n", "--devices", &devices, "-y"];
        run_tool(
            "lvm",
            common
                .into_iter()
                .chain(arguments.iter().copied())
                .chain(more.iter().copied()),
        )
        .unwrap()
    }

    fn create(&self, arguments: &[&str]) {
        self.lvm("lvcreate", &["-an", "-Zn", "-Wn"], arguments);
    }

    /// Changes the text of the group, and makes LVM take it.
    fn restore(&self, group: &str, change: impl Fn(String) -> String) {
        let path = self.images[0].directory.path().join("text");
        let path = path.to_str().unwrap();
        self.lvm("vgcfgbackup", &["-f", path, group], &[]);
        let text = change(std::fs::read_to_string(path).unwrap());
        std::fs::write(path, text).unwrap();
        self.lvm("vgcfgrestore", &["--force", "-f", path, group], &[]);
    }

    fn in_memory(&self) -> Vec<InMemory> {
        self.images.iter().map(Image::in_memory).collect()
    }

    /// What LVM itself says is allocated, for each physical volume, without what lies outside of
    /// the extents.
    fn allocated(&self) -> Vec<Extents> {
        let fields = "pv_name,pe_start,pvseg_start,pvseg_size,segtype";
        let options = [
            "--segments",
            "--units",
            "b",
            "--nosuffix",
            "--noheadings",
            "-o",
            fields,
        ];
        let mut found = vec![Vec::new(); 2];
        for line in self.lvm("pvs", &options, &[]).lines() {
            let [name, start, first, count, kind] = line.split_whitespace().collect::<Vec<_>>()[..]
            else {
                continue;
            };
            let number = |text: &str| text.parse::<u64>().unwrap();
            let member = self.paths().iter().position(|path| path == name).unwrap();
            let from = number(start) + number(first) * EXTENT;
            if kind != "free" {
                found[member].push(from..from + number(count) * EXTENT);
            }
        }
        found.into_iter().map(Extents::from_unordered).collect()
    }
}

fn assembled(members: &[InMemory]) -> Assembled {
    let media: Vec<&dyn Medium> = members.iter().map(|one| one as &dyn Medium).collect();
    assemble(&media)
}

/// What volumes have of a member.
fn taken(volumes: &[LogicalVolume], member: usize) -> Extents {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for segment in volumes.iter().flat_map(|volume| &volume.segments) {
        let (places, each) = match &segment.layout {
            Layout::Copies(places) => (places, segment.length),
            Layout::Stripes { columns, .. } => (columns, segment.length / columns.len() as u64),
            Layout::Nowhere => continue,
        };
        let here = places.iter().filter(|place| place.member == member);
        ranges.extend(here.map(|place| place.offset..place.offset + each));
    }
    Extents::from_unordered(ranges)
}

fn volume<'v>(assembled: &'v Assembled, name: &str) -> &'v LogicalVolume {
    assembled
        .volumes
        .iter()
        .find(|volume| volume.name == name)
        .unwrap()
}

#[test]
fn privileged_plain_volumes_lie_where_lvm_says() {
    let group = "rehost_plain";
    let bench = Bench::new(group);
    bench.create(&["-n", "root", "-L", "20M", group]);
    bench.create(&["-n", "data", "-L", "12M", group]);
    bench.create(&["-n", "fast", "-L", "16M", "-i", "2", "-I", "64k", group]);
    bench.lvm("lvextend", &["-L", "60M", "rehost_plain/root"], &[]);
    bench.lvm("lvremove", &["rehost_plain/data"], &[]);
    let members = bench.in_memory();
    let found = assembled(&members);
    for (member, allocated) in bench.allocated().into_iter().enumerate() {
        assert_eq!(taken(&found.volumes, member), allocated);
        let own = found.own[member].as_ref().unwrap();
        // Labels before the first extent, the second metadata area behind the last.
        let free = own.gaps(0..SIZE);
        assert!(
            free.len() == 1 && free.total_bytes() / EXTENT >= 20 && own.len() == 2,
            "{own:?}"
        );
        assert!(own.without(&allocated) == *own);
    }
    assert!(found.volumes.iter().all(|volume| volume.opaque.is_none()));
    let root = volume(&found, "rehost_plain/root");
    assert_eq!(
        root.segments
            .iter()
            .map(|segment| segment.length)
            .sum::<u64>(),
        60 << 20
    );
    assert!(root.segments.len() > 1);
    let [fast] = volume(&found, "rehost_plain/fast").segments.as_slice() else {
        panic!()
    };
    assert!(
        matches!(&fast.layout, Layout::Stripes { stripe_bytes: 65536, columns } if columns.len() == 2)
    );

    // With one of the two disks, what lies on it alone is still known.
    let alone = assembled(&members[..1]);
    assert!(alone.own[0].is_ok());
    assert_eq!(taken(&alone.volumes, 0), taken(&found.volumes, 0));
    let fast = volume(&alone, "rehost_plain/fast");
    assert!(matches!(fast.opaque, Some(Unmapped::MissingMember { .. })));
    // The same disk twice is refused.
    let twice = assembled(&[members[0].clone(), members[0].clone()]);
    assert!(twice.own.iter().all(Result::is_err));
    // A lost label is no reason to leave out anything.
    let mut lost = members;
    lost[1].0[512..1024].fill(0);
    assert!(assembled(&lost).own[1].is_err());
}

/// A hidden volume of so many extents from an extent on, as LVM's text has it.
fn part(name: &str, identity: &str, physical: &str, first: u64, count: u64) -> String {
    format!(
        r#"{name} {{ id = "{identity}" status = ["READ", "WRITE"] flags = [] segment_count = 1
           segment1 {{ start_extent = 0 extent_count = {count} type = "striped" stripe_count = 1 stripes = ["{physical}", {first}] }} }}
        "#
    )
}

/// A volume that is made of others.
fn top(name: &str, identity: &str, segment: &str) -> String {
    format!(
        r#"{name} {{ id = "{identity}" status = ["READ", "WRITE", "VISIBLE"] flags = [] segment_count = 1
           segment1 {{ start_extent = 0 {segment} }} }}
        "#
    )
}

fn identity(number: u64) -> String {
    format!("{number:06}-aaaa-aaaa-aaaa-aaaa-aaaa-aaaaaa")
}

#[test]
fn privileged_thin_volumes_are_looked_into_and_volumes_of_volumes_are_whole() {
    let group = "rehost_thin";
    let bench = Bench::new(group);
    bench.create(&["-n", "origin", "-L", "8M", group]);
    bench.create(&["-n", "store", "-L", "4M", group]);
    bench.restore(group, |text| {
        let thin = r#"extent_count = 10 type = "thin-pool" metadata = "pool_tmeta" pool = "pool_tdata" transaction_id = 2 chunk_size = 256 discards = "passdown" zero_new_blocks = 1"#;
        let mirror = r#"extent_count = 2 type = "raid1" device_count = 2 region_size = 4096 raids = ["mirror_rmeta_0", "mirror_rimage_0", "mirror_rmeta_1", "mirror_rimage_1"]"#;
        let volume = r#"extent_count = 20 type = "thin" thin_pool = "pool" transaction_id = 1 device_id = 1"#;
        let volumes = [
            part("pool_tdata", &identity(1), "pv0", 5, 10),
            part("pool_tmeta", &identity(2), "pv1", 20, 1),
            part("mirror_rmeta_0", &identity(3), "pv0", 16, 1),
            part("mirror_rimage_0", &identity(4), "pv0", 17, 2),
            part("mirror_rmeta_1", &identity(5), "pv1", 0, 1),
            part("mirror_rimage_1", &identity(6), "pv1", 1, 2),
            top("pool", &identity(7), thin),
            top("mirror", &identity(8), mirror),
            top("thin", &identity(9), volume),
            top("snapshot0", &identity(10), r#"extent_count = 2 type = "snapshot" chunk_size = 8 origin = "origin" cow_store = "store""#),
        ]
        .concat();
        text.replacen("logical_volumes {", &format!("logical_volumes {{\n{volumes}"), 1)
    });
    let xml = r#"<superblock uuid="" time="1" transaction="2" flags="0" version="2" data_block_size="256" nr_data_blocks="320">
        <device dev_id="1" mapped_blocks="11" transaction="1" creation_time="0" snap_time="0">
        <range_mapping origin_begin="0" data_begin="0" length="10" time="0"/>
        <single_mapping origin_block="100" data_block="319" time="0"/></device>
        <device dev_id="7" mapped_blocks="1" transaction="1" creation_time="0" snap_time="0">
        <single_mapping origin_block="0" data_block="50" time="0"/></device></superblock>"#;
    let image = Image::new(EXTENT);
    let xml_path = image.directory.path().join("xml");
    std::fs::write(&xml_path, xml).unwrap();
    image.run(
        "thin_restore",
        &["-i", xml_path.to_str().unwrap(), "-o", "IMAGE"],
    );

    let mut members = bench.in_memory();
    let whole = assembled(&members);
    for (member, allocated) in bench.allocated().into_iter().enumerate() {
        assert_eq!(
            taken(&whole.volumes, member),
            allocated,
            "without metadata the pool is whole"
        );
    }
    assert!(whole.volumes.iter().all(|volume| volume.opaque.is_some()));

    let metadata = image.in_memory().0;
    let at = usize::try_from((1 << 20) + 20 * EXTENT).unwrap();
    members[1].0[at..at + metadata.len()].copy_from_slice(&metadata);
    let found = assembled(&members);
    let pool = (1 << 20) + 5 * EXTENT;
    let chunk = 128 << 10;
    let thin = volume(&found, "rehost_thin/thin");
    assert!(thin.opaque.is_none());
    let lengths: Vec<u64> = thin
        .segments
        .iter()
        .map(|segment| segment.length / chunk)
        .collect();
    assert_eq!(lengths, [10, 90, 1, 20 * 32 - 101]);
    let data = taken(std::slice::from_ref(thin), 0);
    let expected = vec![
        pool..pool + 10 * chunk,
        pool + 319 * chunk..pool + 320 * chunk,
    ];
    assert_eq!(data, Extents::from_unordered(expected));
    // Chunk 50 belongs to a volume that the group does not know.
    let lost = Extents::whole(pool + 50 * chunk..pool + 51 * chunk);
    let rest = volume(&found, "rehost_thin/pool");
    assert!(rest.opaque.is_some());
    assert_eq!(taken(std::slice::from_ref(rest), 0), lost);
    let tdata = Extents::whole(pool..pool + 10 * EXTENT);
    let (before, after) = (taken(&whole.volumes, 0), taken(&found.volumes, 0));
    assert_eq!(before.without(&after), tdata.without(&data.union(&lost)));
}

#[test]
fn privileged_what_is_of_unknown_kind_makes_its_group_whole() {
    let group = "rehost_strange";
    let bench = Bench::new(group);
    bench.create(&["-n", "root", "-L", "8M", group]);
    let members = bench.in_memory();
    assert!(assembled(&members).own.iter().all(Result::is_ok));

    // A kind of segment that takes an unknown part of the physical volumes; the checksums are true.
    let mut strange = members.clone();
    for member in &mut strange {
        change_texts(&mut member.0, |text| {
            text.replace("\"striped\"", "\"strange\"")
        });
    }
    assert!(
        assembled(&strange)
            .own
            .iter()
            .all(|own| matches!(own, Err(Unmapped::Unsupported { .. })))
    );

    // The newest text counts: an older one on the other disk changes nothing.
    let mut older = members.clone();
    change_texts(&mut older[1].0, |text| {
        text.replace("seqno = 2", "seqno = 1")
            .replace("root {", "boot {")
    });
    let names: Vec<String> = assembled(&older)
        .volumes
        .into_iter()
        .map(|volume| volume.name)
        .collect();
    assert_eq!(names, ["rehost_strange/root"]);

    // A text may begin near the end of its area and go on at the start.
    let mut wrapped = members.clone();
    wrap_texts(&mut wrapped[0].0);
    let found = assembled(&wrapped[..1]);
    assert!(found.own[0].is_ok() && volume(&found, "rehost_strange/root").opaque.is_none());

    // Without any text nobody knows what the members hold.
    let mut empty = members;
    for member in &mut empty {
        change_texts(&mut member.0, |text| text.replace('{', "["));
    }
    assert!(
        assembled(&empty)
            .own
            .iter()
            .all(|own| matches!(own, Err(Unmapped::MissingMember { .. })))
    );
}

#[test]
fn privileged_a_group_whose_newest_text_is_not_known_is_whole() {
    let group = "rehost_doubted";
    let bench = Bench::new(group);
    bench.create(&["-n", "root", "-L", "8M", group]);
    let members = bench.in_memory();
    let found = assembled(&members);
    assert!(found.own.iter().all(Result::is_ok) && found.volumes.len() == 1);

    let assert_whole = |members: &[InMemory], expected: &str| {
        let found = assembled(members);
        assert!(found.volumes.is_empty(), "{expected}");
        for own in found.own {
            assert_eq!(
                own.unwrap_err().to_string(),
                format!("LVM is inconsistent: {expected}")
            );
        }
    };
    let unknown = "a description of a volume group cannot be read";
    // On one disk an older text, on the other one that is newer, and does not follow the grammar.
    let mut unreadable = members.clone();
    change_texts(&mut unreadable[0].0, |text| {
        text.replace("seqno = 2", "seqno = 1")
    });
    change_texts(&mut unreadable[1].0, |text| {
        text.replace("segment1 {", "segment1 [")
    });
    assert_whole(&unreadable, unknown);
    // In one of its areas one disk has a text whose checksum is wrong.
    let mut damaged = members.clone();
    let area = metadata_areas(&damaged[1].0)[1];
    let text = area + number(&damaged[1].0, area + 40);
    damaged[1].0[text + 100] ^= 1;
    assert_whole(&damaged, unknown);
    // The same of an area's header.
    let mut damaged = members.clone();
    damaged[0].0[area + 50] ^= 1;
    assert_whole(&damaged, unknown);
    // Nobody knows to which group the unreadable text belongs.
    let mut stranger = members.clone();
    for member in &mut stranger {
        change_texts(&mut member.0, |text| text.replace("seqno = 2", "seqno = 1"));
    }
    let place = stranger[0]
        .0
        .windows(8)
        .position(|word| word == b"LABELONE")
        .unwrap();
    let identity = String::from_utf8(stranger[1].0[place + 32..place + 64].to_vec()).unwrap();
    change_texts(&mut stranger[0].0, |text| exchange(text, &identity));
    change_texts(&mut stranger[1].0, |text| text.replace('{', "["));
    let found = assembled(&stranger);
    assert!(found.volumes.is_empty() && found.own.iter().all(Result::is_err));

    // Equally new, and different.
    let mut contradicting = members.clone();
    change_texts(&mut contradicting[1].0, |text| {
        text.replace("extent_count = 2", "extent_count = 3")
    });
    assert_whole(
        &contradicting,
        "two descriptions of a volume group contradict each other",
    );
    // Equally new, and different in what was noted beside.
    let mut noted = members;
    change_texts(&mut noted[1].0, |text| {
        text.replace("creation_time = 1", "creation_time = 2")
    });
    assert!(assembled(&noted).own.iter().all(Result::is_ok));
}

/// Makes a text name another physical volume instead of the one with this identity.
fn exchange(text: &str, identity: &str) -> String {
    let hyphened: Vec<&str> = [0..6, 6..10, 10..14, 14..18, 18..22, 22..26, 26..32]
        .into_iter()
        .map(|part| &identity[part])
        .collect();
    let hyphened = hyphened.join("-");
    assert!(text.contains(&hyphened));
    text.replace(&hyphened, &"x".repeat(hyphened.len()))
}

#[test]
fn privileged_metadata_at_the_end_is_used_and_a_volume_without_data_is_whole() {
    needs_root().unwrap();
    let image = Image::new(SIZE);
    let device = LoopDevice::attach(&image.path).unwrap();
    let path = device.path().to_str().unwrap();
    let options = ["pvcreate", "--driverloaded", "n", "--devices", path, "-y"];
    let areas = ["--metadatasize", "64k", "--pvmetadatacopies", "2", path];
    run_tool("lvm", options.into_iter().chain(areas)).unwrap();
    let member = image.in_memory();
    let [first, second] = metadata_areas(&member.0)[..] else {
        panic!()
    };
    assert!(first < 1 << 20 && second >= 99 << 20, "{first} {second}");
    let found = assembled(std::slice::from_ref(&member));
    let own = found.own[0].as_ref().unwrap();
    let free = own.gaps(0..SIZE);
    assert_eq!(free, Extents::whole(1 << 20..second as u64));

    // The list of data areas is emptied: what follows it moves up.
    let mut dataless = member;
    let header = 512 + 32;
    dataless
        .0
        .copy_within(header + 56..header + 200, header + 40);
    let sum = CRC32.update(0xf597_a6cf, &dataless.0[512 + 20..1024]);
    dataless.0[512 + 16..512 + 20].copy_from_slice(&sum.to_le_bytes());
    let reason = assembled(&[dataless])
        .own
        .remove(0)
        .unwrap_err()
        .to_string();
    assert_eq!(
        reason,
        "LVM is inconsistent: a physical volume has no data area"
    );
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::try_from(crate::fields::le64(bytes, at)).unwrap()
}

fn metadata_areas(bytes: &[u8]) -> Vec<usize> {
    let is_area = |at: &usize| bytes[at + 4..].starts_with(b" LVM2 x[5A%r0N*>");
    let areas: Vec<usize> = (0..bytes.len()).step_by(512).filter(is_area).collect();
    assert!(!areas.is_empty());
    areas
}

/// Moves the text in every metadata area so that it wraps around.
fn wrap_texts(bytes: &mut [u8]) {
    for area in metadata_areas(bytes) {
        let size = number(bytes, area + 32);
        let (start, length) = (area + number(bytes, area + 40), number(bytes, area + 48));
        let text = bytes[start..start + length].to_vec();
        bytes[area + 512..area + size].fill(b'x');
        bytes[area + size - 512..area + size].copy_from_slice(&text[..512]);
        bytes[area + 512..area + length].copy_from_slice(&text[512..]);
        bytes[area + 40..area + 48].copy_from_slice(&(size as u64 - 512).to_le_bytes());
        let sum = CRC32.update(0xf597_a6cf, &bytes[area + 4..area + 512]);
        bytes[area..area + 4].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Changes the text in every metadata area to another of the same length.
fn change_texts(bytes: &mut [u8], change: impl Fn(&str) -> String) {
    for area in metadata_areas(bytes) {
        let (start, length) = (area + number(bytes, area + 40), number(bytes, area + 48));
        let text = change(str::from_utf8(&bytes[start..start + length]).unwrap());
        assert_eq!(text.len(), length);
        bytes[start..start + length].copy_from_slice(text.as_bytes());
        let sum = CRC32.update(0xf597_a6cf, text.as_bytes());
        bytes[area + 56..area + 60].copy_from_slice(&sum.to_le_bytes());
        let sum = CRC32.update(0xf597_a6cf, &bytes[area + 4..area + 512]);
        bytes[area..area + 4].copy_from_slice(&sum.to_le_bytes());
    }
}

proptest! {
    #[test]
    fn noise_is_never_understood(noise in prop::collection::vec(any::<u8>(), 4096), number in 0_usize..4) {
        let mut noise = noise;
        noise[number * 512..number * 512 + 8].copy_from_slice(b"LABELONE");
        noise[number * 512 + 24..number * 512 + 32].copy_from_slice(b"LVM2 001");
        let found = assembled(&[InMemory(noise)]);
        prop_assert!(found.own.iter().all(Result::is_err) && found.volumes.is_empty());
    }
}
