//! Who may call what, as a document for people: `docs/api/authorisation.md`.

use std::fmt::Write as _;

use super::{Access, Operation, Who, operations};
use crate::rehost::AccountRole;

const HEAD: &str = "# Who may call what

Written by `cargo xtask openapi` from the table of operations in `sms-api`, which the control plane
obeys.

| who | is known by |
|---|---|
| no credentials | nothing |
| read-only, operator, administrator | a token (`X-Auth-Token`) or a signature with an access key; the role is the user's |
| agent, receiver | the certificate that it got when it joined |

`yes` opens the first gate. The second one looks at the thing: all of a tenant's things are there for
its accounts, an agent has its own source server and the task of that, a receiver has its own target
server and the tasks bound to it. What is not there for a caller is 404, whether it exists or not.
Who is not known gets 401, who is known and may not gets 403 (see `errors.md`). `recorded` calls leave
an entry in the audit log, refused ones as well.

| call | no credentials | read-only | operator | administrator | agent | receiver | action | recorded as |
|---|---|---|---|---|---|---|---|---|
";

/// The document.
#[must_use]
pub fn access_guide() -> String {
    let mut text = HEAD.to_owned();
    for operation in operations() {
        // Writing to text cannot fail.
        let _ = writeln!(text, "{}", line(operation));
    }
    text
}

fn line(operation: &Operation) -> String {
    let known = [
        Who::Account(AccountRole::ReadOnly),
        Who::Account(AccountRole::Operator),
        Who::Account(AccountRole::Administrator),
        Who::Agent,
        Who::Receiver,
    ];
    let mark = |may: bool| if may { "yes" } else { "" };
    let mut cells = vec![
        format!("`{} {}`", operation.method.as_str(), operation.path),
        mark(operation.access == Access::Everyone).to_owned(),
    ];
    cells.extend(known.map(|who| mark(operation.access.permits(who)).to_owned()));
    for name in [operation.action, operation.trace] {
        cells.push(name.map(|name| format!("`{name}`")).unwrap_or_default());
    }
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_its_line() {
        let text = access_guide();
        for operation in operations() {
            let (method, path) = (operation.method.as_str(), operation.path);
            let begin = format!("\n| `{method} {path}` | ");
            assert_eq!(text.matches(&begin).count(), 1, "{}", operation.id);
        }
        let makes_users = "| `POST /rehost/v1/users` |  |  |  | yes |  |  |";
        assert!(text.contains(makes_users), "{text}");
    }
}
