//! The last reports of a task: what it cost, the proof, the comparison.

use std::path::Path;

use anyhow::Context as _;
use rehost_enrolment::durable_file;
use rehost_replication::IN_FLIGHT_WINDOW_BYTES;
use rehost_replication::source::{Finished, Unchecked, VolumeFigures};
use rehost_sms_api::bodies::{ConsistencyResult, SetConsistencyResultRequestBody};
use rehost_sms_api::rehost::{MigrationReport, VolumeReport};
use rehost_volumes::{Proof, chunk_count};

use crate::state::OwedEnd;

/// What is owed to the control plane after a replication that went through, without its state.
/// The proof is in `task_dir` when this returns.
///
/// # Errors
/// If the proof cannot be written.
pub(crate) fn owed_end(finished: &Finished, task_dir: &Path) -> anyhow::Result<OwedEnd> {
    let proof_file = task_dir.join("proof.json");
    let document = serde_json::to_vec(&finished.proof).context("write the proof as JSON")?;
    durable_file::write(&proof_file, &document).context("keep the proof")?;
    Ok(OwedEnd {
        task_id: finished.proof.task_id.clone(),
        report: Some(final_report(finished)),
        proof_file: Some(proof_file),
        consistency: Some(consistency(&finished.proof)),
        ..OwedEnd::default()
    })
}

/// What is owed after a replication whose comparison was skipped: figures, and no word of equality.
pub(crate) fn unchecked_end(task_id: &str, unchecked: &Unchecked) -> OwedEnd {
    OwedEnd {
        task_id: task_id.into(),
        report: Some(MigrationReport {
            consistency_check_skipped: true,
            ..report(task_id, unchecked.sessions, &unchecked.volumes)
        }),
        ..OwedEnd::default()
    }
}

fn final_report(finished: &Finished) -> MigrationReport {
    let mut report = report(
        &finished.proof.task_id,
        finished.sessions,
        &finished.volumes,
    );
    for (volume, proof) in report.volumes.iter_mut().zip(&finished.proof.volumes) {
        volume.equal = Some(proof.equal);
        volume.source_root.clone_from(&proof.source_root);
        volume.target_root.clone_from(&proof.target_root);
    }
    report
}

/// What a task has cost so far; whether both ends are equal is not known yet.
pub(crate) fn report(task_id: &str, sessions: u64, volumes: &[VolumeFigures]) -> MigrationReport {
    let volumes = volumes.iter().map(|figures| VolumeReport {
        name: figures.name.clone(),
        size_bytes: figures.size_bytes,
        used_bytes: figures.used_bytes,
        wire_bytes: figures.wire_bytes,
        saved_bytes: figures.saved_bytes,
        sent_again_bytes: figures.sent_again_bytes,
        rounds: figures.rounds,
        seconds: figures.seconds,
        full_copy_seconds: figures.full_copy_seconds,
        downtime_seconds: figures.downtime_seconds,
        ..VolumeReport::default()
    });
    MigrationReport {
        task_id: task_id.into(),
        volumes: volumes.collect(),
        sessions,
        in_flight_window_bytes: IN_FLIGHT_WINDOW_BYTES,
        consistency_check_skipped: false,
        forecast: None,
    }
}

/// SMS compares directories and files. A disk takes the place of the directory, its chunks that of
/// the files; nothing can be missing on one side, since both disks have the same size.
fn consistency(proof: &Proof) -> SetConsistencyResultRequestBody {
    let saturated = |count: u64| Some(u32::try_from(count).unwrap_or(u32::MAX));
    let results = proof.volumes.iter().map(|volume| ConsistencyResult {
        dir_check: Some(volume.name.clone()),
        num_total_files: saturated(chunk_count(volume.size_bytes)),
        num_different_files: saturated(volume.differing_chunks.len() as u64),
        num_target_miss_files: Some(0),
        num_target_more_files: Some(0),
    });
    SetConsistencyResultRequestBody {
        consistency_result: results.collect(),
    }
}

/// Why a migration whose disks are not equal failed, for people.
pub(crate) fn difference(proof: &Proof) -> Option<String> {
    let differing = proof.volumes.iter().filter(|volume| !volume.equal);
    let names: Vec<_> = differing.map(|volume| volume.name.as_str()).collect();
    (!proof.equal || !names.is_empty()).then(|| {
        format!(
            "source and target are not equal ({}); the proof lists the differing chunks. Start the \
             task again to send them, and check the target's disk if it happens again",
            names.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use rehost_volumes::{HashTree, UsedRanges, VolumeProof, zero_chunk_hash};

    use super::*;

    fn finished(equal: bool) -> Finished {
        let size_bytes = 3 << 20;
        let tree = |middle| {
            let zero = zero_chunk_hash(1 << 20);
            HashTree::new(size_bytes, vec![zero, middle, zero]).unwrap()
        };
        let source = tree(zero_chunk_hash(1 << 20));
        let target = tree(zero_chunk_hash(if equal { 1 << 20 } else { 1 }));
        let volume = VolumeProof::new(
            "disk.img",
            UsedRanges::whole(size_bytes),
            (&source, 1),
            (&target, 2),
        );
        let figures = VolumeFigures {
            name: "disk.img".into(),
            rounds: 2,
            ..VolumeFigures::default()
        };
        Finished {
            volumes: vec![figures],
            proof: Proof::new("t", vec![volume]),
            sessions: 3,
        }
    }

    #[test]
    fn figures_and_proof_are_put_together() {
        let directory = tempfile::tempdir().unwrap();
        let owed = owed_end(&finished(true), directory.path()).unwrap();
        let report = owed.report.unwrap();
        assert_eq!((report.sessions, report.volumes[0].rounds), (3, 2));
        assert_eq!(report.volumes[0].equal, Some(true));
        assert_eq!(report.volumes[0].source_root, report.volumes[0].target_root);
        let document = std::fs::read(owed.proof_file.unwrap()).unwrap();
        assert!(Proof::from_json(&document).unwrap().equal);
        let result = &owed.consistency.unwrap().consistency_result[0];
        assert_eq!(
            (result.num_total_files, result.num_different_files),
            (Some(3), Some(0))
        );
        assert_eq!(difference(&finished(true).proof), None);
    }

    #[test]
    fn what_was_not_compared_is_said_and_not_claimed() {
        let Finished {
            volumes, sessions, ..
        } = finished(true);
        let owed = unchecked_end("t", &Unchecked { volumes, sessions });
        assert_eq!((owed.proof_file, owed.consistency), (None, None));
        let report = owed.report.unwrap();
        assert!(report.consistency_check_skipped);
        assert_eq!((report.sessions, report.volumes[0].rounds), (3, 2));
        assert_eq!(report.volumes[0].equal, None);
    }

    #[test]
    fn a_difference_is_counted_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let owed = owed_end(&finished(false), directory.path()).unwrap();
        let result = &owed.consistency.unwrap().consistency_result[0];
        assert_eq!(result.num_different_files, Some(1));
        assert!(
            difference(&finished(false).proof)
                .unwrap()
                .contains("disk.img")
        );
    }
}
