//! The promise: the code has the shape that ARCHITECTURE.md says it has. Crates use each other
//! along the arrows, `unsafe` is in one crate, and files stay small enough to be read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rehost_sms_api::errors::ALL_ERROR_CODES;

/// Beyond this a file has more than one reason to exist.
const MAX_FILE_LINES: usize = 600;
/// The only crate that may contain unsafe code.
const UNSAFE_CRATE: &str = "linux";

/// What a row of the table of crates permits.
#[derive(Debug, PartialEq, Eq)]
enum MayUse {
    All,
    These(BTreeSet<String>),
}

#[test]
fn crates_use_each_other_along_the_arrows() -> Result<()> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    let table = parse_table(&text);
    let crates = crates_and_what_they_use()?;

    let documented: BTreeSet<&String> = table.keys().collect();
    let existing: BTreeSet<&String> = crates.keys().collect();
    assert_eq!(
        documented, existing,
        "crates in ARCHITECTURE.md, and crates in the workspace"
    );

    for (name, used) in &crates {
        let Some(MayUse::These(permitted)) = table.get(name) else {
            continue;
        };
        let against: Vec<_> = used.difference(permitted).collect();
        assert!(
            against.is_empty(),
            "{name} uses {against:?}, which ARCHITECTURE.md does not show"
        );
    }
    Ok(())
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() -> Result<()> {
    let manifests = files(&["crates", "e2e", "xtask"], "toml")?;
    for manifest in manifests.iter().filter(|file| file.ends_with("Cargo.toml")) {
        let text = std::fs::read_to_string(manifest)?;
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{}",
            manifest.display()
        );
    }
    Ok(())
}

#[test]
fn unsafe_code_is_in_one_crate() -> Result<()> {
    let exempt = root().join("crates").join(UNSAFE_CRATE);
    let this = Path::new("tests/architecture.rs");
    for path in files(&["crates", "e2e", "xtask"], "rs")? {
        if path.starts_with(&exempt) || path.ends_with(this) {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let found = [
                "unsafe {",
                "unsafe fn",
                "unsafe impl",
                "unsafe extern",
                "unsafe_code",
            ]
            .iter()
            .any(|word| code.contains(word));
            assert!(!found, "{}:{}: {line}", path.display(), number + 1);
        }
    }
    Ok(())
}

#[test]
fn files_are_short_enough_to_be_read() -> Result<()> {
    for path in files(&["crates", "e2e", "xtask"], "rs")? {
        let lines = std::fs::read_to_string(&path)?.lines().count();
        assert!(
            lines <= MAX_FILE_LINES,
            "{} has {lines} lines: split it",
            path.display()
        );
    }
    Ok(())
}

#[test]
fn files_say_what_they_are() -> Result<()> {
    for path in files(&["crates", "e2e", "xtask"], "rs")? {
        let text = std::fs::read_to_string(&path)?;
        assert!(
            text.starts_with("//! "),
            "{} does not open with a comment",
            path.display()
        );
    }
    Ok(())
}

#[test]
fn the_table_of_crates_is_read_as_it_is_written() {
    let text = "| crate | what it is | may use (ours) |\n|---|---|---|\n\
                | `a` | uses `nothing` in text | nothing |\n\
                | `b` | x | `a`, `c-d` |\n| `c-d` | y | all |\n\nafter | `e` | z | all |\n";
    let table = parse_table(text);
    assert_eq!(table.len(), 3);
    assert_eq!(table["a"], MayUse::These(BTreeSet::new()));
    assert_eq!(
        table["b"],
        MayUse::These(["a", "c-d"].map(String::from).into())
    );
    assert_eq!(table["c-d"], MayUse::All);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn parse_table(text: &str) -> BTreeMap<String, MayUse> {
    text.lines()
        .skip_while(|line| !line.starts_with("| crate |"))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [name, .., may_use] = cells.as_slice() else {
                return None;
            };
            let may_use = match *may_use {
                "all" => MayUse::All,
                list => MayUse::These(list.split('`').skip(1).step_by(2).map(Into::into).collect()),
            };
            Some((name.trim_matches('`').to_owned(), may_use))
        })
        .collect()
}

/// A catalogue that explains what nobody ever meets leads people astray.
#[test]
fn every_code_of_the_catalogue_is_raised() -> Result<()> {
    let mut code = String::new();
    for file in files(&["crates"], "rs")? {
        let is_test = file.components().any(|part| part.as_os_str() == "tests");
        if is_test || file.ends_with("tests.rs") || file.ends_with("catalogue.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file)?;
        let product = text.split("#[cfg(test)]\nmod tests {").next();
        code.push_str(product.unwrap_or_default());
    }
    let words: BTreeSet<&str> = code
        .split(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == '.'))
        .collect();
    let unheard: Vec<_> = ALL_ERROR_CODES
        .iter()
        // The rules know codes, the rest of the code knows their names.
        .filter(|entry| !words.contains(entry.code()) && !words.contains(&*format!("{entry:?}")))
        .collect();
    assert!(unheard.is_empty(), "nobody raises {unheard:?}");
    Ok(())
}

/// Names of the crates below `crates/` (as their folders are called), and which of them each uses
/// outside of its tests.
fn crates_and_what_they_use() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .context("start cargo metadata")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;

    let below_crates = root().canonicalize()?.join("crates");
    let folder_of = |path: &str| -> Option<String> {
        let folder = Path::new(path).strip_prefix(&below_crates).ok()?;
        Some(folder.components().next()?.as_os_str().to_str()?.to_owned())
    };
    let mut found = BTreeMap::new();
    for package in metadata["packages"].as_array().context("packages")? {
        let manifest = package["manifest_path"].as_str().context("manifest_path")?;
        let Some(name) = folder_of(manifest) else {
            continue;
        };
        let used = package["dependencies"].as_array().context("dependencies")?;
        let used = used
            .iter()
            .filter(|dependency| dependency["kind"] != "dev")
            .filter_map(|dependency| folder_of(dependency["path"].as_str()?));
        found.insert(name, used.collect());
    }
    Ok(found)
}

/// Files below some folders of the checkout whose names end in `.extension`.
fn files(folders: &[&str], extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    ensure!(!found.is_empty(), "no .{extension} files below {folders:?}");
    Ok(found)
}
