//! How consistent the copy of a disk will be, from what is known of the disk before the copy begins.
//!
//! | in use on the disk | changes are marked | changes are found by comparison |
//! |---|---|---|
//! | nothing | file system | file system |
//! | file systems that can be frozen | file system | file system |
//! | ... and a hook says that programs are at rest | application | application |
//! | a file system that cannot be frozen (FAT) | crash | best effort |
//! | a program that writes past file systems | crash | best effort |
//!
//! The disk gets the lowest grade of what is on it. The third column differs because of how a final
//! round ends: where changes are marked, it goes on until nobody has written during a whole pass, so
//! that the copy is what the disk was at one moment; without marks nobody sees what was written
//! behind the reader's back.

/// What the copy of a disk is worth when it is started, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// What is written during the final round may arrive in part.
    BestEffort,
    /// As after a power cut: what the disk held at one moment.
    Crash,
    /// As after a clean stop of the file systems: what they held at one moment, nothing to repair.
    FileSystem,
    /// As [`Grade::FileSystem`], and programs were at rest.
    Application,
}

/// How a part of a disk is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A mounted file system that can be frozen.
    Freezable,
    /// A mounted file system that cannot be frozen, only written out.
    Unfreezable,
    /// A program has it open for writing, past any file system.
    Raw,
}

/// A part of a disk that is in use: a partition, a volume upon it, the disk itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedPart {
    /// What people know it by: a mount point with its file system, a device with a program.
    pub name: String,
    /// How it is used.
    pub used_as: Use,
}

/// The grade of a disk, and why it is no better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graded {
    /// The grade.
    pub grade: Grade,
    /// What stands against a better one, for people. Empty if nothing does.
    pub reasons: Vec<String>,
}

/// Grades the copy of a disk. `marked`: changes are marked by the kernel. `quiesced`: a hook brings
/// programs to rest around the freeze.
#[must_use]
pub fn grade(parts: &[UsedPart], marked: bool, quiesced: bool) -> Graded {
    let unheld = if marked {
        Grade::Crash
    } else {
        Grade::BestEffort
    };
    let mut grade = Grade::FileSystem;
    let mut reasons = Vec::new();
    for part in parts {
        let name = &part.name;
        match part.used_as {
            Use::Freezable => {}
            Use::Unfreezable => {
                grade = grade.min(unheld);
                reasons.push(format!("{name} cannot be frozen, only written out"));
            }
            Use::Raw => {
                grade = grade.min(unheld);
                reasons.push(format!("{name} is written to past file systems"));
            }
        }
    }
    let is_frozen = parts.iter().any(|part| part.used_as == Use::Freezable);
    if grade == Grade::FileSystem && is_frozen && quiesced {
        grade = Grade::Application;
    }
    Graded { grade, reasons }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graded(used: &[Use], marked: bool, quiesced: bool) -> Grade {
        let parts: Vec<_> = used
            .iter()
            .map(|used_as| UsedPart {
                name: "it".into(),
                used_as: *used_as,
            })
            .collect();
        let graded = grade(&parts, marked, quiesced);
        let is_reduced = graded.grade < Grade::FileSystem;
        assert_eq!(is_reduced, !graded.reasons.is_empty(), "{graded:?}");
        graded.grade
    }

    #[test]
    fn the_table_at_the_top_holds() {
        use Use::{Freezable, Raw, Unfreezable};
        for (used, marked, compared) in [
            (&[][..], Grade::FileSystem, Grade::FileSystem),
            (
                &[Freezable, Freezable],
                Grade::FileSystem,
                Grade::FileSystem,
            ),
            (&[Freezable, Unfreezable], Grade::Crash, Grade::BestEffort),
            (&[Raw], Grade::Crash, Grade::BestEffort),
        ] {
            assert_eq!(graded(used, true, false), marked, "{used:?}");
            assert_eq!(graded(used, false, false), compared, "{used:?}");
        }
    }

    #[test]
    fn a_hook_makes_better_what_is_frozen_and_nothing_else() {
        for marked in [false, true] {
            assert_eq!(graded(&[Use::Freezable], marked, true), Grade::Application);
            assert_eq!(graded(&[], marked, true), Grade::FileSystem);
            assert!(graded(&[Use::Freezable, Use::Raw], marked, true) < Grade::FileSystem);
        }
    }

    #[test]
    fn every_part_that_stands_against_a_better_grade_is_named() {
        let part = |name: &str, used_as| UsedPart {
            name: name.into(),
            used_as,
        };
        let parts = [
            part("/boot/efi (vfat)", Use::Unfreezable),
            part("/ (ext4)", Use::Freezable),
            part("/dev/sdb (oracle)", Use::Raw),
        ];
        assert_eq!(
            grade(&parts, true, true).reasons,
            [
                "/boot/efi (vfat) cannot be frozen, only written out",
                "/dev/sdb (oracle) is written to past file systems"
            ]
        );
    }
}
