//! The promise: what `docs/api` holds is what the contract says. `cargo xtask openapi` writes it.

use std::path::Path;

use rehost_sms_api::{contract, errors};

#[test]
fn the_checked_in_documents_are_those_of_the_contract() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api");
    let documents = [
        ("openapi.json", contract::document_text().to_owned()),
        ("errors.md", errors::guide()),
        ("authorisation.md", contract::access_guide()),
    ];
    for (name, expected) in documents {
        let actual = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let line = actual
            .lines()
            .zip(expected.lines())
            .position(|(actual, expected)| actual != expected);
        assert!(
            actual == expected,
            "docs/api/{name} is stale (first at line {:?}): run cargo xtask openapi",
            line.map(|index| index + 1)
        );
    }
}
