//! How the disks of a source server are going to be copied, in words, for the commands that show a
//! source server or a task.

use rehost_sms_api::client::Client;
use rehost_sms_api::rehost::{ChangeMethod, ConsistencyGrade, CopyPlan};
use serde::Serialize;

use crate::output;

/// What is shown, with the copy plan beside its own members.
#[derive(Debug, Serialize)]
pub(crate) struct WithCopyPlan<'a, T> {
    #[serde(flatten)]
    pub(crate) shown: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) copy_plan: Option<&'a CopyPlan>,
}

/// The copy plan of a source server; nothing while there is none, or no way to ask for it.
pub(crate) fn copy_plan(client: &Client, source_id: &str) -> Option<CopyPlan> {
    client.get_copy_plan(source_id).ok()
}

/// The plan as a table and remarks below.
pub(crate) fn copy_plan_in_words(plan: &CopyPlan) -> String {
    let head = ["DISK", "CHANGES FOUND BY", "COPY IS WORTH"].map(Into::into);
    let rows = plan.disks.iter().map(|disk| {
        let method = match disk.change_method {
            ChangeMethod::Marks => "marks of changed blocks (BPF)",
            ChangeMethod::Comparison => "comparing hashes",
        };
        vec![disk.name.clone(), method.into(), grade(disk.grade).into()]
    });
    let rows: Vec<Vec<String>> = std::iter::once(head.into()).chain(rows).collect();
    let mut lines = vec![output::table(&rows)];
    for disk in &plan.disks {
        let why = std::iter::once(&disk.change_reason).chain(&disk.grade_reasons);
        let why = why.filter(|why| !why.is_empty());
        lines.extend(why.map(|why| format!("{}: {why}", disk.name)));
    }
    if !plan.hooks.is_empty() {
        lines.push(format!(
            "hooks around the freeze: {}",
            plan.hooks.join(", ")
        ));
    }
    if !plan.hook_error.is_empty() {
        let why = &plan.hook_error;
        lines.push(format!("A CUT-OVER WOULD FAIL: {why}"));
    }
    lines.join("\n")
}

fn grade(grade: ConsistencyGrade) -> &'static str {
    match grade {
        ConsistencyGrade::Application => "application: programs at rest",
        ConsistencyGrade::FileSystem => "file system: frozen at one moment",
        ConsistencyGrade::Crash => "crash: as after a power cut",
        ConsistencyGrade::BestEffort => "best effort",
    }
}

#[cfg(test)]
mod tests {
    use rehost_sms_api::rehost::DiskCopyPlan;

    use super::*;

    #[test]
    fn a_plan_is_told_with_its_reasons_and_what_would_fail() {
        let disk = |name: &str, change_method, grade| DiskCopyPlan {
            name: name.into(),
            change_method,
            change_reason: String::new(),
            grade,
            grade_reasons: Vec::new(),
        };
        let plan = CopyPlan {
            disks: vec![
                disk(
                    "/dev/sda",
                    ChangeMethod::Marks,
                    ConsistencyGrade::FileSystem,
                ),
                DiskCopyPlan {
                    change_reason: "no BTF".into(),
                    grade_reasons: vec!["/mnt (vfat) cannot be frozen, only written out".into()],
                    ..disk(
                        "/dev/sdb",
                        ChangeMethod::Comparison,
                        ConsistencyGrade::BestEffort,
                    )
                },
            ],
            hooks: vec!["10-a".into(), "20-b".into()],
            hook_error: "/h can be changed by others".into(),
        };
        let words = copy_plan_in_words(&plan);
        let lines: Vec<_> = words.lines().collect();
        assert!(lines[1].starts_with("/dev/sda  marks of changed blocks (BPF)  file system"));
        assert!(lines[2].starts_with("/dev/sdb  comparing hashes"));
        assert_eq!(
            lines[3..],
            [
                "/dev/sdb: no BTF",
                "/dev/sdb: /mnt (vfat) cannot be frozen, only written out",
                "hooks around the freeze: 10-a, 20-b",
                "A CUT-OVER WOULD FAIL: /h can be changed by others",
            ]
        );
    }
}
