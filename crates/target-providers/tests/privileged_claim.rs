//! While a device is received into, nobody else can take it.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::path::{Path, PathBuf};
use std::process::Command;

use rehost_target_providers::{
    EmbeddedProvider, Ledger, ProviderError, TargetProvider, VolumeFormat, VolumeRequest,
};

const MIB: u64 = 1 << 20;

/// A loop device, detached when it is dropped.
struct Device(PathBuf);

impl Device {
    fn attach(file: &Path) -> Self {
        std::fs::File::create(file)
            .unwrap()
            .set_len(4 * MIB)
            .unwrap();
        let made = Command::new("losetup")
            .args(["-f", "--show"])
            .arg(file)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "privileged tests must be run as root"
        );
        Self(String::from_utf8(made.stdout).unwrap().trim().into())
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // A device that is left behind shows in `losetup -a`; there is nothing more to do here.
        let _ = Command::new("losetup").arg("-d").arg(&self.0).status();
    }
}

#[test]
fn privileged_a_device_belongs_to_one_task_until_that_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let device = Device::attach(&directory.path().join("backing"));
    let ledger = Ledger::open(&directory.path().join("ledger.jsonl")).unwrap();
    let provider = EmbeddedProvider::new(None, vec![device.0.clone()], ledger);
    let request = [VolumeRequest {
        index: 0,
        name: "vda".into(),
        size_bytes: 3 * MIB,
        format: VolumeFormat::Device(device.0.clone()),
    }];
    let is_busy = |task_id: &str| {
        matches!(
            provider.prepare(task_id, &request),
            Err(ProviderError::Busy { .. })
        )
    };
    provider.prepare("a", &request).unwrap();
    provider.prepare("a", &request).unwrap();
    assert!(is_busy("b"));
    provider.release("a").unwrap();
    provider.prepare("b", &request).unwrap();
    assert!(is_busy("a"));
    provider.commit("b").unwrap();
    assert!(
        !is_busy("a"),
        "a committed device is free for whoever boots from it"
    );
}
