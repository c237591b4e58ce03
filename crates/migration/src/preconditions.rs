//! What must be so before a task is made (SMS, CreateTask), in the order in which SMS asks for it.

use crate::source::SourceState;

/// What is known of a source server and of the target when a task is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Whether the source server has a task already.
    pub source_has_task: bool,
    /// Its state.
    pub source_state: SourceState,
    /// Whether its agent is connected.
    pub source_connected: bool,
    /// Its firmware, if it is known.
    pub source_firmware: Option<Firmware>,
    /// That of the target, if it is known; targets that are images or devices have none.
    pub target_firmware: Option<Firmware>,
}

/// What a machine starts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Firmware {
    /// `BIOS`
    Bios,
    /// `UEFI`
    Uefi,
}

impl Firmware {
    /// Reads the word in any case; `None` if it is neither.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_uppercase().as_str() {
            "BIOS" => Some(Self::Bios),
            "UEFI" => Some(Self::Uefi),
            _ => None,
        }
    }
}

/// What is not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// One task a source server.
    #[error("the source server has a task already: delete that one first")]
    HasTask,
    /// A feasibility check failed.
    #[error("the source server failed its feasibility check: read its checks, correct what failed")]
    Unavailable,
    /// Nobody would hear of the task.
    #[error("the source server is not connected: start its agent")]
    Disconnected,
    /// The target could not start from what was copied.
    #[error("the source starts by UEFI and the target does not: choose a target with UEFI")]
    TargetWithoutUefi,
    /// The target could not start from what was copied.
    #[error("the source starts by BIOS and the target does not: choose a target with BIOS")]
    TargetWithoutBios,
}

impl Unmet {
    /// The SMS error code of the answer.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::HasTask => "SMS.7601",
            Self::Unavailable => "SMS.6520",
            Self::Disconnected => "SMS.6603",
            Self::TargetWithoutUefi => "SMS.6561",
            Self::TargetWithoutBios => "SMS.6504",
        }
    }
}

/// Whether a task can be made.
///
/// # Errors
/// [`Unmet`] says what stands against it, the first that SMS asks for.
pub fn for_task(situation: Situation) -> Result<(), Unmet> {
    if situation.source_has_task {
        return Err(Unmet::HasTask);
    }
    if situation.source_state == SourceState::Unavailable {
        return Err(Unmet::Unavailable);
    }
    if !situation.source_connected {
        return Err(Unmet::Disconnected);
    }
    match (situation.source_firmware, situation.target_firmware) {
        (Some(Firmware::Uefi), Some(Firmware::Bios)) => Err(Unmet::TargetWithoutUefi),
        (Some(Firmware::Bios), Some(Firmware::Uefi)) => Err(Unmet::TargetWithoutBios),
        _ => Ok(()),
    }
}

/// Whether a source server takes choices for its disks (SMS, UpdateServerName and UpdateDiskInfo):
/// as long as no task was made for them.
#[must_use]
pub fn takes_choices(state: SourceState, has_task: bool) -> bool {
    // One that failed its check waits for better disks, too.
    !has_task && matches!(state, SourceState::Waiting | SourceState::Unavailable)
}

/// Whether somebody who was last heard of at `last_visit_ms` counts as connected at `now_ms`, both
/// in milliseconds of the same clock; `patience_ms` is how long nothing needs to be heard.
#[must_use]
pub fn is_connected(last_visit_ms: i64, now_ms: i64, patience_ms: i64) -> bool {
    now_ms.saturating_sub(last_visit_ms) < patience_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Situation = Situation {
        source_has_task: false,
        source_state: SourceState::Waiting,
        source_connected: true,
        source_firmware: Some(Firmware::Bios),
        target_firmware: None,
    };

    #[test]
    fn a_task_needs_a_source_that_is_free_checked_and_there() {
        assert_eq!(for_task(GOOD), Ok(()));
        let gone = Situation {
            source_connected: false,
            ..GOOD
        };
        let unavailable = Situation {
            source_state: SourceState::Unavailable,
            ..gone
        };
        let taken = Situation {
            source_has_task: true,
            ..unavailable
        };
        for (situation, code) in [
            (gone, "SMS.6603"),
            (unavailable, "SMS.6520"),
            (taken, "SMS.7601"),
        ] {
            assert_eq!(for_task(situation).unwrap_err().code(), code);
        }
    }

    #[test]
    fn source_and_target_start_by_the_same_firmware() {
        let onto = |source, target| {
            for_task(Situation {
                source_firmware: Firmware::from_word(source),
                target_firmware: Firmware::from_word(target),
                ..GOOD
            })
            .map_err(Unmet::code)
        };
        assert_eq!(onto("UEFI", "bios"), Err("SMS.6561"));
        assert_eq!(onto("BIOS", "uefi"), Err("SMS.6504"));
        for (source, target) in [("UEFI", "UEFI"), ("", "BIOS"), ("UEFI", "")] {
            assert_eq!(onto(source, target), Ok(()));
        }
    }

    #[test]
    fn choices_are_taken_until_there_is_a_task() {
        assert!(takes_choices(SourceState::Waiting, false));
        assert!(takes_choices(SourceState::Unavailable, false));
        assert!(!takes_choices(SourceState::Waiting, true));
        assert!(!takes_choices(SourceState::Replicate, false));
    }

    #[test]
    fn who_was_heard_of_lately_is_connected() {
        assert!(is_connected(1000, 1000, 75));
        assert!(is_connected(1000, 1074, 75));
        assert!(!is_connected(1000, 1075, 75));
        assert!(
            is_connected(i64::MAX, i64::MIN, 75),
            "clocks that went back"
        );
    }
}
