//! The promise: before a copy begins it is said what it will be worth, and what programs have to do
//! around the freeze is done.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rehost_testkit::{
    LONG, LoopDevice, Mount, SHORT, Site, needs_root, patterned_image, run_tool, until,
};
use serde_json::{Value, json};

const DISK_BYTES: u64 = 64 * 1024 * 1024;

#[test]
fn privileged_a_mounted_disk_is_graded_before_the_copy_and_hooks_are_called_around_the_freeze()
-> Result<()> {
    needs_root()?;
    let site = Site::start()?;
    let mounted = mounted(&site)?;
    let hooks = site.directory().join("hooks.d");
    let calls = site.directory().join("calls");
    hook(&hooks, "10-a", "# rehost-grade: application", &calls)?;
    let fails = hook(
        &hooks,
        "20-b",
        "[ $1 = post-thaw ] || { echo no rest; exit 1; }",
        &calls,
    )?;
    let device = mounted.device.path();
    let options = ["--hooks", hooks.to_str().context("path")?];
    let agent = site.agent_with("web1", &[device], &options)?;

    let plan = until("the agent has told its plan", SHORT, || {
        let shown = site.json(["sources", "show", "web1"])?;
        Ok(shown.get("copy_plan").cloned())
    })?;
    assert_eq!(plan["hooks"], json!(["10-a", "20-b"]));
    let disk = &plan["disks"][0];
    assert_eq!(disk["name"], json!(device));
    assert_eq!(disk["grade"], "application", "{plan:#}");
    let is_marked = disk["change_method"] == "marks";
    assert_eq!(disk["change_reason"] == "", is_marked, "{plan:#}");
    let words = site.run(["sources", "show", "web1"])?;
    let words = String::from_utf8_lossy(&words.stdout).into_owned();
    assert!(words.contains("application: programs at rest"), "{words}");

    // A hook that fails ends the cut-over, and says why.
    let task = site.create_task(&agent, &["--syncing", "--start"])?;
    site.wait_for_state(&task, "SYNCING", LONG)?;
    site.act(&task, "cutover")?;
    let failed = site.wait_for_state(&task, "MIGRATE_FAIL", LONG)?;
    assert!(failed.to_string().contains("said: no rest"), "{failed:#}");
    let pre_and_post = [
        "10-a pre-freeze",
        "20-b pre-freeze",
        "20-b post-thaw",
        "10-a post-thaw",
    ];
    assert_eq!(lines(&calls), pre_and_post);
    std::fs::write(mounted.directory.join("file"), "nothing is frozen")?;

    // Without it the same task goes on where it was, to its end.
    std::fs::remove_file(fails)?;
    std::fs::remove_file(&calls)?;
    site.act(&task, "start")?;
    site.wait_for_state(&task, "MIGRATE_SUCCESS", LONG)?;
    assert_eq!(lines(&calls), ["10-a pre-freeze", "10-a post-thaw"]);
    let report = site.report(&task)?;
    let volume = report.volumes.first().context("report of the volume")?;
    assert_eq!(volume.equal, Some(true), "{report:?}");
    let shown = site.json(["tasks", "show", &task])?;
    assert_eq!(shown["copy_plan"]["hooks"], json!(["10-a"]), "{shown:#}");
    Ok(())
}

#[test]
fn an_image_file_is_compared_and_that_is_said_with_its_reason() -> Result<()> {
    let site = Site::start()?;
    let image = site.disk("root.img");
    patterned_image(&image, 1024 * 1024, 1)?;
    let _agent = site.agent("web1", &[&image])?;
    let plan: Value = until("the agent has told its plan", SHORT, || {
        let shown = site.json(["sources", "show", "web1"])?;
        Ok(shown.get("copy_plan").cloned())
    })?;
    let disk = &plan["disks"][0];
    assert_eq!(disk["name"], "root.img");
    assert_eq!(disk["change_method"], "comparison");
    assert_ne!(disk["change_reason"], "");
    assert_eq!(disk["grade"], "file_system");
    Ok(())
}

/// A file system in use.
struct Mounted {
    // Dropped in this order.
    _mount: Mount,
    device: LoopDevice,
    directory: PathBuf,
}

fn mounted(site: &Site) -> Result<Mounted> {
    let backing = site.disk("backing.img");
    patterned_image(&backing, DISK_BYTES, 4)?;
    let device = LoopDevice::attach(&backing)?;
    let path = device.path().to_str().context("path")?;
    run_tool("mke2fs", ["-q", "-F", "-t", "ext4", path])?;
    let directory = site.directory().join("mounted");
    std::fs::create_dir(&directory)?;
    Ok(Mounted {
        _mount: Mount::new(device.path(), &directory)?,
        device,
        directory,
    })
}

/// A hook that notes its calls, and does something more.
fn hook(hooks: &Path, name: &str, more: &str, calls: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(hooks)?;
    let path = hooks.join(name);
    let calls = calls.display();
    let script = format!("#!/bin/sh\necho {name} $1 >> {calls}\n{more}\n");
    std::fs::write(&path, script)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o755))?;
    Ok(path)
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(Into::into).collect()
}
