//! The rules as tables: rendered from the code and compared with what is checked in, so that a
//! change of a rule is seen as a change of a table. `UPDATE_TABLES=1` writes them anew.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod actions;
mod changestate;
mod events;
mod feasibility;
mod task;

use std::path::Path;

/// Compares a table with the one that is checked in, or writes it.
fn compare(file: &str, rendered: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tables")
        .join(file);
    if std::env::var_os("UPDATE_TABLES").is_some() {
        std::fs::write(&path, rendered).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == rendered,
        "tables/{file} is not what the rules say: run again with UPDATE_TABLES=1 and review the difference"
    );
}
