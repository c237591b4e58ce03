//! Subtasks: the steps of a task that people watch (SMS, UpdateTaskSpeed).
//!
//! The agent reports a percentage of a subtask by name. The first report creates the subtask, 100
//! ends it, and its progress never goes back: after a restart the agent may begin to count anew.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! subtasks {
    ($($name:ident $word:literal $doc:literal;)*) => {
        /// Name of a subtask.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum SubtaskName {
            $(#[doc = $doc] #[serde(rename = $word)] $name,)*
        }

        impl SubtaskName {
            /// All names that SMS knows, in the order of a migration.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

subtasks! {
    CreateCloudServer "CREATE_CLOUD_SERVER" "Makes the target server.";
    SslConfig "SSL_CONFIG" "Sets up the certificates of the data path.";
    AttachAgentImage "ATTACH_AGENT_IMAGE" "Boots the target into the helper system.";
    FormatDiskLinux "FORMAT_DISK_LINUX" "Prepares the target disks.";
    FormatDiskLinuxFile "FORMAT_DISK_LINUX_FILE" "Prepares the target disks for files.";
    FormatDiskLinuxBlock "FORMAT_DISK_LINUX_BLOCK" "Prepares the target disks for blocks.";
    FormatDiskWindows "FORMAT_DISK_WINDOWS" "Prepares the target disks of a Windows server.";
    MigrateLinuxFile "MIGRATE_LINUX_FILE" "Full copy by files.";
    MigrateLinuxBlock "MIGRATE_LINUX_BLOCK" "Full copy by blocks.";
    MigrateWindowsBlock "MIGRATE_WINDOWS_BLOCK" "Full copy of a Windows server.";
    CloneVm "CLONE_VM" "Clones the target server.";
    SyncLinuxFile "SYNC_LINUX_FILE" "Sync rounds by files.";
    SyncLinuxBlock "SYNC_LINUX_BLOCK" "Sync rounds by blocks.";
    SyncWindowsBlock "SYNC_WINDOWS_BLOCK" "Sync rounds of a Windows server.";
    ConfigureLinux "CONFIGURE_LINUX" "Cut-over.";
    ConfigureLinuxFile "CONFIGURE_LINUX_FILE" "Cut-over of a migration by files.";
    ConfigureLinuxBlock "CONFIGURE_LINUX_BLOCK" "Cut-over of a migration by blocks: the final round.";
    ConfigureWindows "CONFIGURE_WINDOWS" "Cut-over of a Windows server.";
    DettachAgentImage "DETTACH_AGENT_IMAGE" "Boots the target into its own system (spelled this way in SMS).";
    CheckConsistency "CHECK_CONSISTENCY" "Consistency check: both ends compared.";
}

/// How a source server is copied, with its operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Linux, `MIGRATE_FILE`.
    LinuxFile,
    /// Linux, `MIGRATE_BLOCK`.
    LinuxBlock,
    /// Windows, `MIGRATE_BLOCK`.
    WindowsBlock,
}

/// The user's action that subtasks belong to (SMS, `user_op`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserOp {
    /// The first start: up to the end of the full copy.
    Replicate,
    /// Sync rounds.
    Resync0,
    /// The first cut-over.
    Cutover0,
    /// A later cut-over.
    Cutover1,
    /// A clone of the target.
    Clone,
    /// A migration drill.
    Drill,
    /// A measurement of the network.
    Network,
}

impl UserOp {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Replicate,
        Self::Resync0,
        Self::Cutover0,
        Self::Cutover1,
        Self::Clone,
        Self::Drill,
        Self::Network,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replicate => "REPLICATE",
            Self::Resync0 => "RESYNC0",
            Self::Cutover0 => "CUTOVER0",
            Self::Cutover1 => "CUTOVER1",
            Self::Clone => "CLONE",
            Self::Drill => "DRILL",
            Self::Network => "NETWORK",
        }
    }

    /// The subtasks of SMS's own agent for this action, in its order; the first only if the target
    /// server is made, too. Drills and measurements have subtasks that SMS does not name, so the
    /// list is empty.
    #[must_use]
    pub fn subtasks(self, method: Method, makes_target: bool) -> Vec<SubtaskName> {
        use SubtaskName as N;
        let (format, copy, sync, configure) = match method {
            Method::LinuxFile => (
                N::FormatDiskLinuxFile,
                N::MigrateLinuxFile,
                N::SyncLinuxFile,
                N::ConfigureLinuxFile,
            ),
            Method::LinuxBlock => (
                N::FormatDiskLinuxBlock,
                N::MigrateLinuxBlock,
                N::SyncLinuxBlock,
                N::ConfigureLinuxBlock,
            ),
            Method::WindowsBlock => (
                N::FormatDiskWindows,
                N::MigrateWindowsBlock,
                N::SyncWindowsBlock,
                N::ConfigureWindows,
            ),
        };
        match self {
            Self::Replicate => {
                let made = makes_target.then_some(N::CreateCloudServer);
                let always = [N::SslConfig, N::AttachAgentImage, format, copy];
                made.into_iter().chain(always).collect()
            }
            Self::Resync0 => vec![N::SslConfig, N::AttachAgentImage, sync],
            Self::Cutover0 | Self::Cutover1 => vec![configure, N::DettachAgentImage],
            Self::Clone => vec![N::CloneVm],
            Self::Drill | Self::Network => Vec::new(),
        }
    }
}

impl SubtaskName {
    /// The subtasks of a block migration into images or existing devices, in order. Sync rounds
    /// belong to it only with continuous synchronisation (`syncing`).
    #[must_use]
    pub fn of_block_migration(syncing: bool) -> &'static [Self] {
        const WITH: &[SubtaskName] = &[
            SubtaskName::SslConfig,
            SubtaskName::FormatDiskLinuxBlock,
            SubtaskName::MigrateLinuxBlock,
            SubtaskName::SyncLinuxBlock,
            SubtaskName::ConfigureLinuxBlock,
            SubtaskName::CheckConsistency,
        ];
        const WITHOUT: &[SubtaskName] = &[
            SubtaskName::SslConfig,
            SubtaskName::FormatDiskLinuxBlock,
            SubtaskName::MigrateLinuxBlock,
            SubtaskName::ConfigureLinuxBlock,
            SubtaskName::CheckConsistency,
        ];
        if syncing { WITH } else { WITHOUT }
    }

    /// Whether a restart after the launch does this again: its old report is removed then, so that
    /// its progress is seen anew.
    #[must_use]
    pub fn begins_anew_on_restart(self) -> bool {
        matches!(self.user_op(false), UserOp::Resync0 | UserOp::Cutover0)
    }

    /// The user's action that a subtask belongs to, in a task whose target has been `launched` or
    /// has not.
    #[must_use]
    pub fn user_op(self, launched: bool) -> UserOp {
        match self {
            Self::SyncLinuxFile | Self::SyncLinuxBlock | Self::SyncWindowsBlock => UserOp::Resync0,
            Self::ConfigureLinux
            | Self::ConfigureLinuxFile
            | Self::ConfigureLinuxBlock
            | Self::ConfigureWindows
            | Self::DettachAgentImage
            | Self::CheckConsistency => {
                if launched {
                    UserOp::Cutover1
                } else {
                    UserOp::Cutover0
                }
            }
            Self::CloneVm => UserOp::Clone,
            Self::SslConfig | Self::AttachAgentImage if launched => UserOp::Resync0,
            _ => UserOp::Replicate,
        }
    }
}

impl fmt::Display for SubtaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for SubtaskName {
    type Err = SubtaskError;

    fn from_str(text: &str) -> Result<Self, SubtaskError> {
        let found = Self::ALL.iter().copied().find(|name| name.as_str() == text);
        found.ok_or(SubtaskError::UnknownName)
    }
}

/// Why a report of progress is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubtaskError {
    /// There is no such subtask.
    #[error("unknown subtask: use a name of the API reference")]
    UnknownName,
    /// The percentage is out of range.
    #[error("progress out of range: give 0 to 100")]
    Range,
}

impl SubtaskError {
    /// The SMS error code of the answer.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::UnknownName => "SMS.6004",
            Self::Range => "SMS.6101",
        }
    }
}

/// What a report makes of a subtask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Its percentage from now on.
    pub progress: u32,
    /// This report creates it: its start is now.
    pub begins: bool,
    /// This report ends it: its end is now.
    pub ends: bool,
}

/// Decides about a reported percentage of a subtask that has `known` so far, if it exists.
///
/// # Errors
/// [`SubtaskError::Range`] above 100.
pub fn advance(known: Option<u32>, reported: u32) -> Result<Advance, SubtaskError> {
    if reported > 100 {
        return Err(SubtaskError::Range);
    }
    let progress = known.unwrap_or(0).max(reported);
    let was_over = known.is_some_and(|known| known >= 100);
    Ok(Advance {
        progress,
        begins: known.is_none(),
        ends: progress >= 100 && !was_over,
    })
}

/// The subtask that a task is at: the furthest that has begun, in the order of a migration. `None`
/// without subtasks.
#[must_use]
pub fn current(subtasks: &[(SubtaskName, u32)]) -> Option<(SubtaskName, u32)> {
    let position = |name: SubtaskName| SubtaskName::ALL.iter().position(|known| *known == name);
    subtasks
        .iter()
        .max_by_key(|(name, _)| position(*name))
        .copied()
}

/// The text of `subtask_info`, such as `MIGRATE_LINUX_BLOCK-37`.
#[must_use]
pub fn subtask_info(name: SubtaskName, progress: u32) -> String {
    format!("{name}-{progress}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_read_as_written() {
        for name in SubtaskName::ALL {
            assert_eq!(name.as_str().parse(), Ok(*name));
            assert_eq!(serde_json::to_string(name).unwrap(), format!("\"{name}\""));
        }
        let unknown = "MIGRATE_EVERYTHING".parse::<SubtaskName>().unwrap_err();
        assert_eq!(unknown.code(), "SMS.6004");
    }

    #[test]
    fn a_block_migration_has_its_subtasks_in_the_order_of_all() {
        for syncing in [false, true] {
            let names = SubtaskName::of_block_migration(syncing);
            let mut rest = SubtaskName::ALL.iter();
            assert!(names.iter().all(|name| rest.any(|known| known == name)));
            assert_eq!(names.contains(&SubtaskName::SyncLinuxBlock), syncing);
        }
    }

    #[test]
    fn the_first_report_begins_and_one_hundred_ends() {
        assert_eq!(
            advance(None, 0),
            Ok(Advance {
                progress: 0,
                begins: true,
                ends: false
            })
        );
        assert_eq!(
            advance(None, 100),
            Ok(Advance {
                progress: 100,
                begins: true,
                ends: true
            })
        );
        assert_eq!(
            advance(Some(40), 10),
            Ok(Advance {
                progress: 40,
                begins: false,
                ends: false
            })
        );
        assert_eq!(
            advance(Some(40), 100),
            Ok(Advance {
                progress: 100,
                begins: false,
                ends: true
            })
        );
        assert_eq!(
            advance(Some(100), 5),
            Ok(Advance {
                progress: 100,
                begins: false,
                ends: false
            })
        );
        assert_eq!(advance(Some(1), 101).unwrap_err().code(), "SMS.6101");
    }

    #[test]
    fn the_current_subtask_is_the_furthest_that_has_begun() {
        use SubtaskName::{ConfigureLinuxBlock, MigrateLinuxBlock, SslConfig};
        assert_eq!(current(&[]), None);
        let running = [(MigrateLinuxBlock, 30), (SslConfig, 100)];
        assert_eq!(current(&running), Some((MigrateLinuxBlock, 30)));
        let later = [
            (SslConfig, 100),
            (ConfigureLinuxBlock, 1),
            (MigrateLinuxBlock, 99),
        ];
        assert_eq!(current(&later), Some((ConfigureLinuxBlock, 1)));
        assert_eq!(
            subtask_info(MigrateLinuxBlock, 30),
            "MIGRATE_LINUX_BLOCK-30"
        );
    }

    #[test]
    fn the_steps_of_sms_are_those_of_its_reference() {
        let words = |op: UserOp, method, makes_target| -> Vec<&str> {
            let names = op.subtasks(method, makes_target);
            names.into_iter().map(SubtaskName::as_str).collect()
        };
        assert_eq!(
            words(UserOp::Replicate, Method::LinuxFile, true),
            [
                "CREATE_CLOUD_SERVER",
                "SSL_CONFIG",
                "ATTACH_AGENT_IMAGE",
                "FORMAT_DISK_LINUX_FILE",
                "MIGRATE_LINUX_FILE"
            ]
        );
        assert_eq!(
            words(UserOp::Resync0, Method::LinuxBlock, false),
            ["SSL_CONFIG", "ATTACH_AGENT_IMAGE", "SYNC_LINUX_BLOCK"]
        );
        assert_eq!(
            words(UserOp::Cutover1, Method::WindowsBlock, true),
            ["CONFIGURE_WINDOWS", "DETTACH_AGENT_IMAGE"]
        );
        assert_eq!(words(UserOp::Clone, Method::LinuxFile, false), ["CLONE_VM"]);
        let methods = [Method::LinuxFile, Method::LinuxBlock, Method::WindowsBlock];
        for (op, method) in UserOp::ALL
            .into_iter()
            .flat_map(|op| methods.map(|method| (op, method)))
        {
            let later = matches!(op, UserOp::Resync0 | UserOp::Cutover1);
            for name in op.subtasks(method, true) {
                assert_eq!(name.user_op(later), op, "{name}");
            }
        }
    }

    #[test]
    fn a_restart_repeats_what_follows_the_full_copy() {
        let again = SubtaskName::of_block_migration(true)
            .iter()
            .filter(|name| name.begins_anew_on_restart());
        let again: Vec<_> = again.map(|name| name.as_str()).collect();
        assert_eq!(
            again,
            [
                "SYNC_LINUX_BLOCK",
                "CONFIGURE_LINUX_BLOCK",
                "CHECK_CONSISTENCY"
            ]
        );
    }

    proptest! {
        #[test]
        fn progress_never_goes_back_and_ends_at_most_once(reports in proptest::collection::vec(0..=100u32, 0..30)) {
            let (mut known, mut ends) = (None, 0);
            for (number, reported) in reports.into_iter().enumerate() {
                let next = advance(known, reported).unwrap();
                prop_assert!(next.progress >= known.unwrap_or(0) && next.progress >= reported);
                prop_assert_eq!(next.begins, number == 0);
                ends += u32::from(next.ends);
                known = Some(next.progress);
            }
            prop_assert_eq!(ends, u32::from(known == Some(100)));
        }
    }
}
