//! The promise: the executable explains itself, and its exit code tells scripts how it went.

use std::io::Result;
use std::process::{Command, Output};

/// Runs the executable in an empty directory, as somebody who has not set anything up.
fn rehost(arguments: &[&str]) -> Result<Output> {
    let directory = tempfile::tempdir()?;
    Command::new(env!("CARGO_BIN_EXE_rehost"))
        .args(arguments)
        .current_dir(directory.path())
        .env("HOME", directory.path())
        .env_remove("REHOST_LOGIN")
        .env_remove("REHOST_AUTH_TOKEN")
        .env_remove("REHOST_JOIN_TOKEN")
        .output()
}

fn said(output: &Output) -> String {
    let (out, errors) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(errors)
    )
}

#[test]
fn help_teaches_by_examples() -> Result<()> {
    let output = rehost(&["--help"])?;
    assert_eq!(output.status.code(), Some(0));
    let help = said(&output);
    for word in [
        "rehost demo",
        "rehost serve",
        "rehost agent",
        "rehost receive",
        "cutover",
    ] {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
    assert!(
        !help.contains("freeze-guard"),
        "what people do not start is not shown"
    );
    for command in ["serve", "join-token", "agent", "receive", "admin", "demo"] {
        let help = rehost(&[command, "--help"])?;
        assert_eq!(help.status.code(), Some(0));
        let is_explained = said(&help).contains("Example") || said(&help).contains("What it does");
        assert!(is_explained, "{command} has no example");
    }
    for command in ["log", "network-check"] {
        let help = said(&rehost(&["tasks", command, "--help"])?);
        assert!(help.contains("Example"), "tasks {command} has no example");
    }
    Ok(())
}

#[test]
fn a_command_line_that_makes_no_sense_is_2() -> Result<()> {
    for arguments in [
        &[][..],
        &["fly"],
        &["join-token", "--role", "king"],
        &["serve", "--data-dir", "x", "--tls", "perhaps"],
        &["receive", "--state-dir", "x"],
        &["tasks", "watch", "x", "--until", "doomsday"],
        &[
            "agent",
            "--state-dir",
            "x",
            "--join",
            "a",
            "--join-file",
            "b",
        ],
    ] {
        let output = rehost(arguments)?;
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            said(&output)
        );
    }
    Ok(())
}

#[test]
fn a_failure_is_1_and_says_what_to_do() -> Result<()> {
    for (arguments, advice) in [
        (&["tasks", "list"][..], "first-login.json"),
        (
            &["tasks", "list", "--login", "nowhere.json"],
            "nowhere.json",
        ),
        (
            &[
                "serve",
                "--data-dir",
                "x",
                "--listen",
                "0.0.0.0:0",
                "--tls",
                "off",
            ],
            "loopback",
        ),
        (&["agent", "--state-dir", "x"], "join token"),
        (
            &["agent", "--state-dir", "x", "--join", "nonsense"],
            "join token",
        ),
        (
            &["agent", "--state-dir", "x", "--join-file", "nowhere"],
            "nowhere",
        ),
        (
            &["receive", "--state-dir", "x", "--advertise", "127.0.0.1"],
            "--images",
        ),
        (&["demo", "--tree", "/nowhere"], "/nowhere"),
    ] {
        let output = rehost(arguments)?;
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(
            text.contains("error: ") && text.contains(advice),
            "{arguments:?}: {text}"
        );
        assert!(
            output.stdout.is_empty(),
            "{arguments:?}: errors are not results: {text}"
        );
    }
    Ok(())
}
