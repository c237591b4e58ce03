//! The words of requests and reports, byte for byte: the host and the helper system may be of
//! different versions.

use rehost_boot_fixups::{
    Addressing, FixupName, FixupOutcome, FixupReport, FixupRequest, FixupState,
};

#[test]
fn a_request_is_read_as_it_was_agreed() {
    let text = r#"{
        "firmware": "uefi",
        "disks": [{"index": 0, "serial": "rehost-0", "source_name": "/dev/sda"}],
        "networks": [
            {"source_name": "ens3", "source_mac": "00:50:56:AA:BB:01",
             "target_mac": "52:54:00:12:34:56", "addressing": {"mode": "keep"}},
            {"source_name": "ens4", "source_mac": "00:50:56:aa:bb:02",
             "target_mac": "52:54:00:12:34:57", "addressing": {"mode": "static",
             "addresses": ["10.0.0.5/24", "fd00::5/64"], "gateway": "10.0.0.1",
             "dns": ["10.0.0.2"]}}
        ],
        "skip": ["boot-loader", "cloud-init"],
        "heartbeat": true,
        "serial_console": true
    }"#;
    let request: FixupRequest = serde_json::from_str(text).unwrap();
    assert_eq!(
        request.networks[0].source_mac.to_string(),
        "00:50:56:aa:bb:01"
    );
    assert!(matches!(
        &request.networks[1].addressing,
        Addressing::Static { addresses, .. } if addresses.len() == 2
    ));
    assert_eq!(request.skip, [FixupName::BootLoader, FixupName::CloudInit]);
    let again: FixupRequest =
        serde_json::from_str(&serde_json::to_string(&request).unwrap()).unwrap();
    assert_eq!(again, request);
}

#[test]
fn what_could_smuggle_lines_into_files_is_no_request() {
    for (field, value) in [
        ("source_mac", "00:50:56:aa:bb:01\nX=1"),
        ("target_mac", "\"; rm -rf /"),
    ] {
        let mut network = serde_json::json!({
            "source_name": "ens3", "source_mac": "00:50:56:aa:bb:01",
            "target_mac": "52:54:00:12:34:56", "addressing": {"mode": "keep"}
        });
        network[field] = value.into();
        let request = serde_json::json!({"firmware": "bios", "disks": [], "networks": [network]});
        assert!(
            serde_json::from_value::<FixupRequest>(request).is_err(),
            "{field}"
        );
    }
}

#[test]
fn the_words_of_fix_ups_are_stable() {
    let words: Vec<String> = FixupName::ALL
        .iter()
        .map(|name| serde_json::to_string(name).unwrap())
        .collect();
    let expected = [
        "fstab",
        "crypttab",
        "udev-rules",
        "network-names",
        "network-addresses",
        "cloud-init",
        "agent",
        "heartbeat",
        "serial-console",
        "kernel-parameters",
        "initramfs",
        "boot-loader",
    ];
    assert_eq!(words, expected.map(|word| format!("\"{word}\"")));
    for (name, word) in FixupName::ALL.iter().zip(expected) {
        assert_eq!(name.word(), word);
    }
}

#[test]
fn a_report_is_written_as_it_was_agreed() {
    let report = FixupReport {
        system: rehost_boot_fixups::SystemFacts::default(),
        fixups: vec![FixupOutcome {
            name: FixupName::Fstab,
            state: FixupState::Applied,
            summary: "s".into(),
            changes: vec![rehost_boot_fixups::FileChange {
                path: "/etc/fstab".into(),
                diff: "d".into(),
            }],
            commands: vec![rehost_boot_fixups::CommandRun {
                command: "c".into(),
                exit_code: None,
                output_tail: "t".into(),
            }],
        }],
    };
    assert_eq!(
        serde_json::to_value(&report).unwrap()["fixups"],
        serde_json::json!([{
            "name": "fstab", "state": "applied", "summary": "s",
            "changes": [{"path": "/etc/fstab", "diff": "d"}],
            "commands": [{"command": "c", "exit_code": null, "output_tail": "t"}]
        }])
    );
}
