//! Says before a copy begins how it will be made: how changes of each disk are found, and how consistent
//! the copy will be. The rules are in `rehost_migration::copy_plan`; here is what is known of this machine
//! ([`uses`]), and the form in which it is told.

mod uses;

use std::collections::BTreeMap;
use std::path::Path;

use rehost_change_tracking::{DiskId, Tracker};
use rehost_migration::copy_plan::{Grade, grade};
use rehost_replication::source::error_chain;
use rehost_sms_api::rehost::{ChangeMethod, ConsistencyGrade, CopyPlan, DiskCopyPlan};

use crate::hooks::{Hook, HookDirectoryError, Hooks};
use crate::inventory::Disk;
use crate::options::Changes;
use uses::Uses;

/// Longest text that is told; what verifiers of the kernel say can be much longer.
const MAX_TEXT_CHARS: usize = 1000;
/// Most texts and disks that are told of.
const MAX_ITEMS: usize = 64;

/// Whether changes of a disk are marked, or why not.
pub(crate) type Marked = Result<(), String>;

/// Works out the plan for all disks. `begun` holds what became of those whose tracking was begun just
/// now; for the others it is found out by trying. Takes some milliseconds, and longer where many
/// programs run.
pub(crate) fn make(
    disks: &[Disk],
    changes: Changes,
    hooks: &Hooks,
    begun: &BTreeMap<String, Marked>,
) -> CopyPlan {
    let uses = Uses::of_this_machine(disks);
    let machine = Machine::probe(changes);
    let marked = |disk: &Disk| {
        let known = begun.get(&disk.name).cloned();
        known.unwrap_or_else(|| machine.marks(&disk.path))
    };
    let disks = disks.iter().map(|disk| (disk, marked(disk)));
    plan(disks, &uses, hooks.list())
}

fn plan<'a>(
    disks: impl Iterator<Item = (&'a Disk, Marked)>,
    uses: &Uses,
    hooks: Result<Vec<Hook>, HookDirectoryError>,
) -> CopyPlan {
    let (hooks, hook_error) = match hooks {
        Ok(hooks) => (hooks, String::new()),
        Err(error) => (Vec::new(), shortened(&error_chain(&error))),
    };
    let quiesced = hooks.iter().any(|hook| hook.quiesces);
    let disks = disks.take(MAX_ITEMS).map(|(disk, marked)| {
        let graded = grade(uses.of(&disk.path), marked.is_ok(), quiesced);
        let reasons = graded.reasons.iter().take(MAX_ITEMS);
        DiskCopyPlan {
            name: disk.name.clone(),
            change_method: match marked {
                Ok(()) => ChangeMethod::Marks,
                Err(_) => ChangeMethod::Comparison,
            },
            change_reason: marked.err().as_deref().map(shortened).unwrap_or_default(),
            grade: told(graded.grade),
            grade_reasons: reasons.map(|reason| shortened(reason)).collect(),
        }
    });
    CopyPlan {
        disks: disks.collect(),
        hooks: hooks
            .into_iter()
            .take(MAX_ITEMS)
            .map(|hook| hook.name)
            .collect(),
        hook_error,
    }
}

const fn told(grade: Grade) -> ConsistencyGrade {
    match grade {
        Grade::Application => ConsistencyGrade::Application,
        Grade::FileSystem => ConsistencyGrade::FileSystem,
        Grade::Crash => ConsistencyGrade::Crash,
        Grade::BestEffort => ConsistencyGrade::BestEffort,
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_TEXT_CHARS).collect()
}

/// Whether this machine can mark changes at all.
#[derive(Debug)]
struct Machine(Marked);

impl Machine {
    fn probe(changes: Changes) -> Self {
        if changes == Changes::Compare {
            return Self(Err("the agent was started with --changes compare".into()));
        }
        let probed = Tracker::probe().map(|_| ());
        Self(probed.map_err(|reason| error_chain(&reason)))
    }

    fn marks(&self, disk: &Path) -> Marked {
        self.0.clone()?;
        DiskId::of(disk)
            .map(|_| ())
            .map_err(|reason| error_chain(&reason))
    }
}

#[cfg(test)]
mod tests {
    use rehost_migration::copy_plan::{Use, UsedPart};

    use super::*;

    fn disk(name: &str) -> Disk {
        Disk {
            name: name.into(),
            path: name.into(),
            ..Disk::default()
        }
    }

    fn hook(quiesces: bool) -> Hook {
        Hook {
            name: "50-it".into(),
            path: "/h/50-it".into(),
            quiesces,
        }
    }

    #[test]
    fn each_disk_is_told_with_its_reasons() {
        let root = |used_as| UsedPart {
            name: "/ (ext4)".into(),
            used_as,
        };
        let uses = Uses::known([
            ("/dev/vda", vec![root(Use::Freezable)]),
            ("/dev/vdb", vec![root(Use::Unfreezable)]),
        ]);
        let (one, other) = (disk("/dev/vda"), disk("/dev/vdb"));
        let disks = || [(&one, Ok(())), (&other, Err("no BTF".to_owned()))].into_iter();
        let made = plan(disks(), &uses, Ok(vec![hook(true)]));
        assert_eq!(made.hooks, ["50-it"]);
        let [one, other] = &made.disks[..] else {
            panic!("{made:?}")
        };
        assert_eq!(one.change_method, ChangeMethod::Marks);
        assert_eq!(one.grade, ConsistencyGrade::Application);
        assert!(one.change_reason.is_empty() && one.grade_reasons.is_empty());
        assert_eq!(other.change_method, ChangeMethod::Comparison);
        assert_eq!(other.change_reason, "no BTF");
        assert_eq!(other.grade, ConsistencyGrade::BestEffort);
        assert_eq!(
            other.grade_reasons,
            ["/ (ext4) cannot be frozen, only written out"]
        );
        let made = plan(disks(), &uses, Ok(vec![hook(false)]));
        assert_eq!(made.disks[0].grade, ConsistencyGrade::FileSystem);
    }

    #[test]
    fn hooks_that_cannot_be_used_are_told_before_a_cut_over_fails() {
        let insecure = HookDirectoryError::Insecure { path: "/h".into() };
        let made = plan(std::iter::empty(), &Uses::known([]), Err(insecure));
        assert!(made.hook_error.contains("/h can be changed"), "{made:?}");
    }

    #[test]
    fn an_image_file_is_compared_and_its_reason_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk.img");
        std::fs::write(&path, [0; 4096]).unwrap();
        let disks = [Disk {
            path,
            ..disk("disk.img")
        }];
        let hooks = Hooks::new(None, directory.path(), std::time::Duration::from_secs(1));
        let made = make(&disks, Changes::Track, &hooks, &BTreeMap::new());
        assert_eq!(made.disks[0].change_method, ChangeMethod::Comparison);
        assert!(!made.disks[0].change_reason.is_empty());
        assert_eq!(made.disks[0].grade, ConsistencyGrade::FileSystem);
        let begun = [("disk.img".to_owned(), Err("it broke".to_owned()))];
        let made = make(&disks, Changes::Track, &hooks, &begun.into());
        assert_eq!(made.disks[0].change_reason, "it broke");
        let made = make(&disks, Changes::Compare, &hooks, &BTreeMap::new());
        assert!(made.disks[0].change_reason.contains("--changes compare"));
    }
}
