//! `cargo xtask openapi`: writes what `docs/api` holds of the contract, from the contract itself.

use anyhow::{Context as _, Result};
use rehost_sms_api::{contract, errors};

use crate::process::{root, say};

/// Writes the documents. A test of `sms-api` fails while they are not what this would write.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn run() -> Result<()> {
    let folder = root().join("docs/api");
    let documents = [
        ("openapi.json", contract::document_text().to_owned()),
        ("errors.md", errors::guide()),
        ("authorisation.md", contract::access_guide()),
    ];
    for (name, text) in documents {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        say(&format!("wrote {}", path.display()));
    }
    Ok(())
}
