//! While a device is received into, nobody else can take it.

use rehost_target_providers::{
    EmbeddedProvider, Ledger, ProviderError, TargetProvider, VolumeFormat, VolumeRequest,
};
use rehost_testkit::LoopDevice;

const MIB: u64 = 1 << 20;

#[test]
fn privileged_a_device_belongs_to_one_task_until_that_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let backing = directory.path().join("backing");
    std::fs::File::create(&backing)
        .unwrap()
        .set_len(4 * MIB)
        .unwrap();
    let device = LoopDevice::attach(&backing).unwrap();
    let path = device.path().to_path_buf();
    let ledger = Ledger::open(&directory.path().join("ledger.jsonl")).unwrap();
    let provider = EmbeddedProvider::new(None, vec![path.clone()], ledger);
    let request = [VolumeRequest {
        index: 0,
        name: "vda".into(),
        size_bytes: 3 * MIB,
        format: VolumeFormat::Device(path),
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
