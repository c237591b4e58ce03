//! What a list of assignments asks for: rules without I/O.

use std::collections::BTreeSet;

use rehost_sms_api::rehost::{AssignedVolume, ImageFormat, TargetAssignment};
use rehost_target_providers::{VolumeFormat, VolumeRequest};

/// What is to be done about the tasks of a receiver.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Tasks to begin with.
    pub(crate) begin: Vec<String>,
    /// Tasks to let go of.
    pub(crate) release: Vec<String>,
}

/// Compares what is assigned with what is served and with what the ledger has from earlier lives.
pub(crate) fn changes<'a>(
    assigned: &[TargetAssignment],
    served: impl IntoIterator<Item = &'a String>,
    in_ledger: &[String],
) -> Changes {
    let wanted: BTreeSet<&String> = assigned.iter().map(|task| &task.task_id).collect();
    let to_serve = assigned.iter().filter(|task| !task.let_go);
    let to_serve: BTreeSet<&String> = to_serve.map(|task| &task.task_id).collect();
    let served: BTreeSet<&String> = served.into_iter().collect();
    let known: BTreeSet<&String> = served.iter().copied().chain(in_ledger).collect();
    Changes {
        begin: to_serve
            .difference(&served)
            .map(|id| (*id).clone())
            .collect(),
        release: known.difference(&wanted).map(|id| (*id).clone()).collect(),
    }
}

/// A volume of an assignment as the provider understands it.
pub(crate) fn request(volume: &AssignedVolume) -> Result<VolumeRequest, String> {
    let format = match (volume.format, &volume.device) {
        (ImageFormat::Raw, _) => VolumeFormat::Raw,
        (ImageFormat::Qcow2, _) => VolumeFormat::Qcow2,
        (ImageFormat::Device, Some(path)) => VolumeFormat::Device(path.into()),
        (ImageFormat::Device, None) => {
            return Err(format!(
                "volume {} is to be a device, but none is named",
                volume.name
            ));
        }
    };
    Ok(VolumeRequest {
        index: volume.index,
        name: volume.name.clone(),
        size_bytes: volume.size_bytes,
        format,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rehost_sms_api::rehost::CertificateSet;

    fn assigned(task_id: &str) -> TargetAssignment {
        TargetAssignment {
            task_id: task_id.into(),
            volumes: vec![],
            certificates: CertificateSet {
                certificate: String::new(),
                private_key: String::new(),
                ca: String::new(),
                passphrase: String::new(),
            },
            committed: false,
            let_go: false,
            boot: None,
            logs_requested_at: None,
        }
    }

    #[test]
    fn new_tasks_begin_and_unlisted_ones_are_released_also_those_of_an_earlier_life() {
        let served = ["a".to_owned(), "b".to_owned()];
        let in_ledger = ["a".to_owned(), "d".to_owned()];
        let changes = changes(&[assigned("a"), assigned("c")], &served, &in_ledger);
        assert_eq!(changes.begin, ["c"]);
        assert_eq!(changes.release, ["b", "d"]);
    }

    #[test]
    fn a_task_that_was_let_go_is_neither_served_nor_released() {
        let mut task = assigned("a");
        for (let_go, begins) in [(true, false), (false, true)] {
            task.let_go = let_go;
            let changes = changes(std::slice::from_ref(&task), [], &[]);
            assert_eq!(!changes.begin.is_empty(), begins, "{task:?}");
            assert!(changes.release.is_empty());
        }
    }

    #[test]
    fn a_device_must_be_named() {
        let mut volume = AssignedVolume {
            index: 0,
            name: "vda".into(),
            size_bytes: 1,
            format: ImageFormat::Device,
            device: Some("/dev/vdb".into()),
        };
        let named = VolumeFormat::Device("/dev/vdb".into());
        assert_eq!(request(&volume).unwrap().format, named);
        volume.device = None;
        assert!(request(&volume).is_err());
    }
}
