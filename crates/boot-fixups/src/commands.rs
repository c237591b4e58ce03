//! How programs of the copied system are run: by the caller, who knows how to enter it.

/// Runs programs with the copied system's root directory as theirs.
pub trait Commands {
    /// Runs `program`, an absolute path in the system, with `arguments`, and waits for it.
    ///
    /// Programs are foreign: the implementation gives them a limit of time, no input, and
    /// `/dev`, `/proc` and `/sys` as boot loaders need them.
    fn run(&self, program: &str, arguments: &[&str]) -> CommandOutput;
}

/// What came of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOutput {
    /// How it ended; none if it could not be started, or was ended by a signal.
    pub exit_code: Option<i32>,
    /// The end of what it printed on both outputs, or why it was not started.
    pub output_tail: String,
}
