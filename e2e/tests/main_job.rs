//! The promise: a server's disks arrive equal while it goes on working, and equality is proved.
//! And the proof is worth something: one flipped bit is found and named.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rehost_testkit::{LONG, Site, overwrite, patterned_image, run_tool};

const MIB: u64 = 1024 * 1024;
/// Neither a multiple of a chunk nor of a page of memory: the last chunk is a short one.
const SYSTEM_BYTES: u64 = 70 * MIB + 512;
const DATA_BYTES: u64 = 40 * MIB;

#[test]
fn two_changing_disks_arrive_equal_and_a_flipped_bit_is_found() -> Result<()> {
    let site = Site::start()?;
    let (system, data) = (site.disk("system.img"), site.disk("data.img"));
    patterned_image(&system, SYSTEM_BYTES, 1)?;
    patterned_image(&data, DATA_BYTES, 2)?;
    let agent = site.agent("web1", &[&system, &data])?;

    let disks = ["--disk", "system.img=raw", "--disk", "data.img=qcow2"];
    let options = [&disks[..], &["--syncing", "--start"]].concat();
    let task = site.create_task(&agent, &options)?;
    site.wait_for_state(&task, "SYNCING", LONG)?;
    for change in 0..3 {
        overwrite(&system, 3 * MIB + change * 7777, 50_000, change)?;
        overwrite(&data, DATA_BYTES - 4096, 4096, change)?;
        site.wait_for_round(&task)?;
    }
    overwrite(&system, SYSTEM_BYTES - 512, 512, 9)?;
    site.act(&task, "cutover")?;
    let shown = site.wait_for_state(&task, "MIGRATE_SUCCESS", LONG)?;
    let agent_memory = shown["agent_mem_usage"].as_f64().unwrap_or_default();
    assert!(agent_memory > 0.0, "what it costs the source: {shown}");

    let report = site.report(&task)?;
    assert_eq!(report.volumes.len(), 2, "{report:?}");
    for volume in &report.volumes {
        assert_eq!(volume.equal, Some(true), "{volume:?}");
        assert_eq!(volume.source_root, volume.target_root);
        assert_eq!(volume.source_root.len(), 64, "{volume:?}");
        assert!(
            volume.rounds >= 5,
            "full copy, three sync rounds and the final one: {volume:?}"
        );
        assert_eq!(volume.sent_again_bytes, 0, "nothing broke: {volume:?}");
        assert!(
            volume.used_bytes < volume.size_bytes,
            "holes are not read as used: {volume:?}"
        );
    }

    let (system_image, data_image) = (site.image("system.img")?, site.image("data.img")?);
    assert!(
        std::fs::read(&system)? == std::fs::read(&system_image)?,
        "raw image, byte by byte"
    );
    run_tool("qemu-img", ["check", "-q", path_text(&data_image)?])?;
    let formats = ["compare", "-q", "-f", "raw", "-F", "qcow2"];
    run_tool(
        "qemu-img",
        formats
            .into_iter()
            .chain([path_text(&data)?, path_text(&data_image)?]),
    )?;

    a_flipped_bit_is_found(&site, &task, &system, &system_image, &data_image)
}

fn a_flipped_bit_is_found(
    site: &Site,
    task: &str,
    system: &Path,
    system_image: &Path,
    data_image: &Path,
) -> Result<()> {
    let proof = site.directory().join("proof.json");
    site.run(["tasks", "proof", task, "--output", path_text(&proof)?])?;
    let named = [
        format!("system.img={}", system_image.display()),
        format!("data.img={}", data_image.display()),
    ];
    let by_proof = [
        "verify",
        "--proof",
        path_text(&proof)?,
        &named[0],
        &named[1],
    ];
    let against_source = ["verify", path_text(system)?, path_text(system_image)?];
    for command in [&by_proof[..], &against_source] {
        let output = site.run(command)?;
        assert!(output.status.success(), "{output:?}");
    }

    flip_a_bit(system_image, 37 * MIB + 4711)?;
    for command in [&by_proof[..], &against_source] {
        let output = site.run(command)?;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("system.img"), "the volume is named: {said}");
        assert!(said.contains("37"), "the chunk of 1 MiB is named: {said}");
    }
    Ok(())
}

fn flip_a_bit(path: &Path, offset_bytes: u64) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset_bytes)?;
    file.write_all_at(&[byte[0] ^ 1], offset_bytes)?;
    Ok(())
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}
