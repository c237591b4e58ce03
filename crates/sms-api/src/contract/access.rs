//! Who may call an operation: the first of two gates.
//!
//! This gate looks at the kind of the caller alone. The second one, whether a thing belongs to the
//! caller (its domain, its source server, its task), needs the thing and is behind the operation.

use crate::rehost::AccountRole;

/// What kind of caller somebody is, once known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// A person or a program with the credentials of an account.
    Account(AccountRole),
    /// A source server, known by the certificate of its agent.
    Agent,
    /// A target server, known by the certificate of its receiver.
    Receiver,
}

/// Who may call an operation.
///
/// | access | read-only | operator | administrator | agent | receiver |
/// |---|---|---|---|---|---|
/// | `Everyone` | yes, known or not | yes | yes | yes | yes |
/// | `Reader` | yes | yes | yes | | |
/// | `Operator` | | yes | yes | | |
/// | `Administrator` | | | yes | | |
/// | `Agent` | | yes | yes | its own | |
/// | `AgentOrReader` | yes | yes | yes | its own | |
/// | `Receiver` | | | | | its own |
/// | `Machine` | | yes | yes | its own | its own |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Whoever reaches the control plane, without credentials.
    Everyone,
    /// Accounts: what is no secret may be read by all of them.
    Reader,
    /// Accounts that may change things.
    Operator,
    /// Accounts that may change who may do what.
    Administrator,
    /// The agent of the source server or task in question, or an operator acting as one.
    Agent,
    /// As [`Access::Agent`], and every account beside: what is no secret.
    AgentOrReader,
    /// The receiver in question; nobody can act as one.
    Receiver,
    /// The agent or the receiver of the task in question, or an operator acting as an agent.
    Machine,
}

impl Access {
    /// Whether this kind of caller comes through the first gate.
    #[must_use]
    pub fn permits(self, who: Who) -> bool {
        match self {
            Self::Everyone => true,
            Self::Reader => matches!(who, Who::Account(_)),
            Self::Operator => at_least(who, AccountRole::Operator),
            Self::Administrator => at_least(who, AccountRole::Administrator),
            Self::Agent => who == Who::Agent || at_least(who, AccountRole::Operator),
            Self::AgentOrReader => matches!(who, Who::Agent | Who::Account(_)),
            Self::Receiver => who == Who::Receiver,
            Self::Machine => {
                matches!(who, Who::Agent | Who::Receiver) || at_least(who, AccountRole::Operator)
            }
        }
    }

    /// Who may call, in the words of documentation and of refusals.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Everyone => "everyone",
            Self::Reader => "accounts of every role",
            Self::Operator => "operators and administrators",
            Self::Administrator => "administrators",
            Self::Agent => "the agent concerned, operators and administrators",
            Self::AgentOrReader => "the agent concerned and accounts of every role",
            Self::Receiver => "the receiver concerned",
            Self::Machine => "the agent or receiver concerned, operators and administrators",
        }
    }
}

fn at_least(who: Who, role: AccountRole) -> bool {
    matches!(who, Who::Account(own) if own >= role)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLERS: [Who; 5] = [
        Who::Account(AccountRole::ReadOnly),
        Who::Account(AccountRole::Operator),
        Who::Account(AccountRole::Administrator),
        Who::Agent,
        Who::Receiver,
    ];

    #[test]
    fn the_gate_is_the_table_in_its_documentation() {
        let table = [
            (Access::Everyone, [true, true, true, true, true]),
            (Access::Reader, [true, true, true, false, false]),
            (Access::Operator, [false, true, true, false, false]),
            (Access::Administrator, [false, false, true, false, false]),
            (Access::Agent, [false, true, true, true, false]),
            (Access::AgentOrReader, [true, true, true, true, false]),
            (Access::Receiver, [false, false, false, false, true]),
            (Access::Machine, [false, true, true, true, true]),
        ];
        for (access, permitted) in table {
            assert_eq!(
                CALLERS.map(|who| access.permits(who)),
                permitted,
                "{access:?}"
            );
        }
    }
}
