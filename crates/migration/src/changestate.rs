//! The decision for `PUT /v3/sources/{source_id}/changestate` (SMS, UpdateCopyState).
//!
//! SMS has published this call in revisions that contradict each other, and clients of all of them
//! are about. Two are offered:
//!
//! | | 2025-09 (default) | 2026-01 |
//! |---|---|---|
//! | `copystate`, `migrationcycle` | both optional | both mandatory (`SMS.7726`) |
//! | pairs | any, as in SMS's own example (WAITING with cutovered) | must fit (`SMS.7728`) |
//! | frozen states | none | nothing is checked, nothing changes, the answer is success |
//!
//! In both, words are compared without regard to case, words of later revisions are known, an empty
//! word is refused with `SMS.7727` and an unknown one with `SMS.6005` (state) or `SMS.9001` (cycle).
//!
//! What is decided here concerns the source server only. What a report means for its task is
//! decided by [`crate::task`]; see [`Decision::reported`].

use crate::source::{MigrationCycle, SourceState};

/// Which text of the contract is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Revision {
    /// The text of 2025-09-16: lenient.
    #[default]
    Y2025_09,
    /// The text of 2026-01-27: strict.
    Y2026_01,
}

impl Revision {
    /// The revision as it is written in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Y2025_09 => "2025-09",
            Self::Y2026_01 => "2026-01",
        }
    }
}

impl std::str::FromStr for Revision {
    type Err = UnknownRevision;

    fn from_str(text: &str) -> Result<Self, UnknownRevision> {
        [Self::Y2025_09, Self::Y2026_01]
            .into_iter()
            .find(|revision| revision.as_str() == text)
            .ok_or(UnknownRevision)
    }
}

/// A revision that is not offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown revision of the API: use 2025-09 or 2026-01")]
pub struct UnknownRevision;

/// What becomes of the source server, and what was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of the source server.
    pub outcome: Outcome,
    /// The state that was reported, to be told to the task as well. Absent if none was given or if
    /// the report is ignored. A report that only confirms what the source server has is still told
    /// to the task, because an earlier one may have been lost for it.
    pub reported: Option<SourceState>,
}

/// What becomes of the source server. Every outcome is answered with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It gets this state and this cycle; at least one of them is new.
    Changed {
        /// The state from now on.
        state: SourceState,
        /// The cycle from now on.
        cycle: MigrationCycle,
    },
    /// It has what was reported already, or the report is ignored.
    Unchanged,
}

/// Why a report is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeStateError {
    /// A member is absent that the revision demands.
    #[error("copystate or migrationcycle is absent: give both")]
    Missing,
    /// A member is empty.
    #[error("copystate or migrationcycle is empty: give a word of the API reference")]
    Empty,
    /// State and cycle do not fit each other.
    #[error("copystate {0} does not fit migrationcycle {1}: use a pair of the API reference")]
    Pair(SourceState, MigrationCycle),
    /// There is no such state.
    #[error("unknown copystate: use a word of the API reference")]
    UnknownState,
    /// There is no such cycle.
    #[error("unknown migrationcycle: use a word of the API reference")]
    UnknownCycle,
}

impl ChangeStateError {
    /// The SMS error code of the answer.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "SMS.7726",
            Self::Empty => "SMS.7727",
            Self::Pair(..) => "SMS.7728",
            Self::UnknownState => "SMS.6005",
            Self::UnknownCycle => "SMS.9001",
        }
    }
}

/// Decides about a report on a source server that has `state` and `cycle` now; `copystate` and
/// `migrationcycle` are the members of the body as they came.
///
/// # Errors
/// [`ChangeStateError`] says why the report is refused; nothing changes then.
pub fn decide(
    revision: Revision,
    state: SourceState,
    cycle: MigrationCycle,
    copystate: Option<&str>,
    migrationcycle: Option<&str>,
) -> Result<Decision, ChangeStateError> {
    if revision == Revision::Y2026_01 {
        if is_frozen(state) {
            return Ok(Decision {
                outcome: Outcome::Unchanged,
                reported: None,
            });
        }
        if copystate.is_none() || migrationcycle.is_none() {
            return Err(ChangeStateError::Missing);
        }
    }
    if copystate == Some("") || migrationcycle == Some("") {
        return Err(ChangeStateError::Empty);
    }
    let reported: Option<SourceState> = copystate
        .map(str::parse)
        .transpose()
        .map_err(|_| ChangeStateError::UnknownState)?;
    let reported_cycle: Option<MigrationCycle> = migrationcycle
        .map(str::parse)
        .transpose()
        .map_err(|_| ChangeStateError::UnknownCycle)?;
    let next = (reported.unwrap_or(state), reported_cycle.unwrap_or(cycle));
    if revision == Revision::Y2026_01 && !fits(next.0, next.1) {
        return Err(ChangeStateError::Pair(next.0, next.1));
    }
    let outcome = if next == (state, cycle) {
        Outcome::Unchanged
    } else {
        Outcome::Changed {
            state: next.0,
            cycle: next.1,
        }
    };
    Ok(Decision { outcome, reported })
}

/// States that only the control plane leaves, in revision 2026-01: by starting or deleting the task
/// or by a new feasibility check.
#[must_use]
pub fn is_frozen(state: SourceState) -> bool {
    use SourceState::{ClearFailed, Clearing, Deleting, Finished, Stopped, Stopping, Unavailable};
    matches!(
        state,
        Unavailable | Stopping | Stopped | Deleting | Finished | Clearing | ClearFailed
    )
}

/// Whether a state fits a cycle, in revision 2026-01. Cycles that SMS lists without any state, such
/// as `testing`, fit none.
#[must_use]
pub fn fits(state: SourceState, cycle: MigrationCycle) -> bool {
    use SourceState as S;
    let anywhere = matches!(state, S::Deleting | S::Stopping | S::Error | S::Stopped);
    match cycle {
        MigrationCycle::Checking => matches!(state, S::Unavailable | S::Waiting),
        MigrationCycle::Setting => matches!(
            state,
            S::Waiting | S::PremigReady | S::Premiging | S::Premiged | S::PremigFailed
        ),
        MigrationCycle::Replicating => anywhere || matches!(state, S::Initialize | S::Replicate),
        MigrationCycle::Syncing => anywhere || matches!(state, S::Syncing | S::Cloning),
        MigrationCycle::Cutovering => anywhere || state == S::Cutovering,
        MigrationCycle::Cutovered => anywhere || state == S::Finished,
        MigrationCycle::NoReady
        | MigrationCycle::ReadyForTest
        | MigrationCycle::Testing
        | MigrationCycle::Tested => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITING: (SourceState, MigrationCycle) = (SourceState::Waiting, MigrationCycle::Setting);

    fn lenient(copystate: Option<&str>, cycle: Option<&str>) -> Result<Decision, ChangeStateError> {
        decide(Revision::Y2025_09, WAITING.0, WAITING.1, copystate, cycle)
    }

    fn strict(
        state: SourceState,
        copystate: Option<&str>,
        cycle: Option<&str>,
    ) -> Result<Decision, ChangeStateError> {
        decide(
            Revision::Y2026_01,
            state,
            MigrationCycle::Replicating,
            copystate,
            cycle,
        )
    }

    #[test]
    fn the_example_of_the_reference_is_accepted_by_default() {
        let decision = lenient(Some("WAITING"), Some("cutovered")).unwrap();
        let (state, cycle) = (SourceState::Waiting, MigrationCycle::Cutovered);
        assert_eq!(decision.outcome, Outcome::Changed { state, cycle });
        assert_eq!(decision.reported, Some(SourceState::Waiting));
        let refused = strict(SourceState::Waiting, Some("WAITING"), Some("cutovered"));
        assert_eq!(refused.unwrap_err().code(), "SMS.7728");
    }

    #[test]
    fn by_default_both_members_are_optional() {
        let nothing = Decision {
            outcome: Outcome::Unchanged,
            reported: None,
        };
        assert_eq!(lenient(None, None), Ok(nothing));
        let (state, cycle) = (SourceState::Waiting, MigrationCycle::Syncing);
        assert_eq!(
            lenient(None, Some("SYNCING")).unwrap().outcome,
            Outcome::Changed { state, cycle }
        );
        let (state, cycle) = (SourceState::Initialize, MigrationCycle::Setting);
        assert_eq!(
            lenient(Some("Init"), None).unwrap().outcome,
            Outcome::Changed { state, cycle }
        );
    }

    #[test]
    fn a_confirmation_changes_nothing_but_is_reported() {
        let decision = lenient(Some("waiting"), Some("setting")).unwrap();
        let reported = Some(SourceState::Waiting);
        assert_eq!(
            decision,
            Decision {
                outcome: Outcome::Unchanged,
                reported
            }
        );
    }

    #[test]
    fn frozen_states_ignore_everything_in_the_strict_revision() {
        for state in SourceState::ALL
            .into_iter()
            .filter(|state| is_frozen(*state))
        {
            for copystate in [None, Some(""), Some("nonsense"), Some("replicate")] {
                let ignored = Decision {
                    outcome: Outcome::Unchanged,
                    reported: None,
                };
                assert_eq!(strict(state, copystate, None), Ok(ignored));
            }
        }
    }

    #[test]
    fn strict_refusals_have_their_order() {
        let refused = |copystate, cycle| {
            strict(SourceState::Waiting, copystate, cycle)
                .unwrap_err()
                .code()
        };
        assert_eq!(refused(None, Some("")), "SMS.7726");
        assert_eq!(refused(Some("nonsense"), Some("")), "SMS.7727");
        assert_eq!(refused(Some("nonsense"), Some("nonsense")), "SMS.6005");
        assert_eq!(refused(Some("error"), Some("nonsense")), "SMS.9001");
        assert_eq!(refused(Some("error"), Some("testing")), "SMS.7728");
    }

    #[test]
    fn revisions_are_read_as_written() {
        assert_eq!("2026-01".parse(), Ok(Revision::Y2026_01));
        assert_eq!(Revision::default().as_str(), "2025-09");
        assert_eq!("2024".parse::<Revision>(), Err(UnknownRevision));
    }
}
