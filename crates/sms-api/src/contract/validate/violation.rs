//! What is wrong with a request: where, and against which limit.

use std::fmt::{self, Write as _};

use super::codes;
use crate::errors::ErrorCode;

/// Where something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the body.
    Body,
    /// In the query.
    Query,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there, or `null`.
    Missing,
    /// It is empty and must not be.
    Empty,
    /// It has another type than these.
    Type(String),
    /// It is none of these.
    Unlisted(String),
    /// It has less characters than this.
    Short(usize),
    /// It has more characters than this.
    Long(usize),
    /// It does not match this pattern.
    Pattern(String),
    /// It is less than this.
    Small(String),
    /// It is more than this.
    Large(String),
    /// It has less items than this.
    Few(usize),
    /// It has more items than this.
    Many(usize),
    /// It holds the character of code 0, which databases do not take.
    Nul,
}

/// The first thing that is wrong with a request.
///
/// Its text is a whole sentence for `error_msg`. It names the member and the limit and never
/// repeats the value, which can be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Id of the operation.
    pub operation: &'static str,
    /// Where it is wrong.
    pub place: Place,
    /// The member, such as `disks[3].physical_volumes[0].size`, or the parameter of the query;
    /// empty for the body as a whole.
    pub path: String,
    /// What is wrong with it.
    pub fault: Fault,
}

impl Violation {
    /// The code that the contract has for this.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        codes::code(self)
    }
}

impl std::error::Error for Violation {}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str("The body")?;
        } else {
            f.write_str(&self.path)?;
        }
        let items = |count: usize| if count == 1 { "item" } else { "items" };
        let characters = |count: usize| {
            if count == 1 {
                "character"
            } else {
                "characters"
            }
        };
        match &self.fault {
            Fault::Missing => f.write_str(" is missing."),
            Fault::Empty => f.write_str(" must not be empty."),
            Fault::Type(types) => write!(f, " must be {types}."),
            Fault::Unlisted(words) => write!(f, " must be one of {words}."),
            Fault::Short(min) => write!(f, " must have at least {min} {}.", characters(*min)),
            Fault::Long(max) => write!(f, " must have at most {max} {}.", characters(*max)),
            Fault::Pattern(pattern) => write!(f, " must match {pattern}."),
            Fault::Small(min) => write!(f, " must be at least {min}."),
            Fault::Large(max) => write!(f, " must be at most {max}."),
            Fault::Few(min) => write!(f, " must have at least {min} {}.", items(*min)),
            Fault::Many(max) => write!(f, " must have at most {max} {}.", items(*max)),
            Fault::Nul => f.write_str(" must not hold the character of code 0."),
        }
    }
}

/// How much of a name is shown, in characters.
const MAX_NAME_LENGTH: usize = 64;

/// A fault on the way out of the value in which it was found.
pub(super) struct Found {
    /// From the inside to the outside.
    steps: Vec<Step>,
    fault: Fault,
}

enum Step {
    Member(String),
    Item(usize),
}

impl From<Fault> for Found {
    fn from(fault: Fault) -> Self {
        Self {
            steps: Vec::new(),
            fault,
        }
    }
}

impl Found {
    pub(super) fn in_member(mut self, name: &str) -> Self {
        // Names of members without a schema of their own are the sender's, of any length.
        let name = name.chars().take(MAX_NAME_LENGTH).collect();
        self.steps.push(Step::Member(name));
        self
    }

    pub(super) fn in_item(mut self, index: usize) -> Self {
        self.steps.push(Step::Item(index));
        self
    }

    /// Whether the value itself has the wrong type, and not something in it.
    pub(super) fn is_wrong_type(&self) -> bool {
        self.steps.is_empty() && matches!(self.fault, Fault::Type(_))
    }

    pub(super) fn into_fault(self) -> Fault {
        self.fault
    }

    pub(super) fn into_violation(self, operation: &'static str, place: Place) -> Violation {
        let mut path = String::new();
        for step in self.steps.iter().rev() {
            match step {
                Step::Member(name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(name);
                }
                Step::Item(index) => {
                    // Writing to text cannot fail.
                    let _ = write!(path, "[{index}]");
                }
            }
        }
        Violation {
            operation,
            place,
            path,
            fault: self.fault,
        }
    }
}
