//! The promise: who runs a control plane can look after it from its machine, also when nobody can log
//! in any more, and a backup is all that is needed to go on elsewhere.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use rehost_testkit::{Database, SHORT, Site, until};
use serde_json::Value;

/// Runs `rehost admin` on a data directory, with a line for its standard input.
fn admin(data: &Path, arguments: &[&str], input: &str) -> Result<Output> {
    let place = [OsStr::new("--data-dir"), data.as_os_str()];
    let mut command = Command::new(rehost_testkit::rehost()?);
    command
        .arg("admin")
        .args(place)
        .env_remove("REHOST_DATABASE");
    give(command.args(arguments), input)
}

/// Runs a command with this standard input.
fn give(command: &mut Command, input: &str) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start rehost admin")?;
    let mut pipe = child.stdin.take().context("standard input")?;
    pipe.write_all(input.as_bytes())?;
    drop(pipe);
    child.wait_with_output().context("wait for rehost admin")
}

/// As [`admin`], for commands that must succeed; what they print as JSON.
fn json(data: &Path, arguments: &[&str]) -> Result<Value> {
    json_with_input(data, arguments, "")
}

fn json_with_input(data: &Path, arguments: &[&str], input: &str) -> Result<Value> {
    let arguments = [arguments, &["--json"]].concat();
    let output = admin(data, &arguments, input)?;
    ensure!(output.status.success(), "{arguments:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).context("read what rehost admin printed")
}

/// What a command that must fail says, with exit code 1.
fn refused(data: &Path, arguments: &[&str]) -> Result<String> {
    let output = admin(data, arguments, "")?;
    ensure!(
        output.status.code() == Some(1),
        "{arguments:?}: {}",
        said(&output)
    );
    Ok(said(&output))
}

fn said(output: &Output) -> String {
    let (out, errors) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(errors)
    )
}

/// Stops the control plane, does something, and starts it again.
fn while_stopped<T>(site: &mut Site, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    site.control_plane.stop(SHORT)?;
    let done = work(&site.data_directory())?;
    site.restart_control_plane()?;
    wait_for_answers(site)?;
    Ok(done)
}

fn wait_for_answers(site: &Site) -> Result<()> {
    until("the control plane answers", SHORT, || {
        let output = site.run(["targets", "list", "--json"])?;
        Ok(output.status.success().then_some(()))
    })
}

/// Whether an operator gets in with this access key.
fn gets_in(site: &Site, key: &Value) -> Result<bool> {
    let login = std::fs::read_to_string(site.login_file())?;
    let mut login: Value = serde_json::from_str(&login)?;
    for member in ["access_key", "secret_key"] {
        login[member] = key[member].clone();
    }
    let file = site.directory().join("other-login.json");
    std::fs::write(&file, login.to_string())?;
    let file = file.to_str().context("a path that is text")?;
    let output = site.run(["sources", "list", "--json", "--login", file])?;
    Ok(output.status.success())
}

#[test]
fn users_and_keys_are_changed_without_a_login() -> Result<()> {
    let mut site = Site::start()?;
    let data = site.data_directory();
    // Looking is possible at any time, changing is not.
    let users = json(&data, &["users", "list"])?;
    assert_eq!(
        (&users["count"], &users["users"][0]["name"]),
        (&1.into(), &"administrator".into())
    );
    let busy = refused(&data, &["users", "add", "ann", "--role", "operator"])?;
    assert!(
        busy.contains("is running") && busy.contains("stop it first"),
        "{busy}"
    );
    assert_eq!(json(&data, &["users", "list"])?["count"], 1);

    let key = while_stopped(&mut site, |data| {
        let made = json(data, &["users", "add", "ann", "--role", "operator"])?;
        let password = made["password"].as_str().context("a password")?;
        assert!(password.len() >= 20 && made["role"] == "operator", "{made}");
        let again = refused(data, &["users", "add", "ann", "--role", "operator"])?;
        assert!(again.contains("already"), "{again}");
        assert!(refused(data, &["users", "disable", "bob"])?.contains("there is no user bob"));
        json(data, &["keys", "add", "ann", "--description", "terraform"])
    })?;
    assert!(gets_in(&site, &key)?);
    let keys = json(&data, &["keys", "list", "ann"])?;
    assert_eq!(keys["access_keys"][0]["description"], "terraform");
    assert!(
        !keys
            .to_string()
            .contains(key["secret_key"].as_str().context("secret")?)
    );

    while_stopped(&mut site, |data| json(data, &["users", "disable", "ann"]))?;
    assert!(!gets_in(&site, &key)?);
    while_stopped(&mut site, |data| {
        json(data, &["users", "enable", "ann"])?;
        let changed = json(data, &["users", "set-role", "ann", "read-only"])?;
        assert_eq!(changed["role"], "read-only");
        assert_eq!(json(data, &["tokens", "revoke", "ann"])?["revoked"], 0);
        Ok(())
    })?;
    assert!(gets_in(&site, &key)?);
    while_stopped(&mut site, |data| {
        let access_key = key["access_key"].as_str().context("access key")?;
        json(data, &["keys", "delete", "ann", access_key])?;
        assert!(refused(data, &["keys", "delete", "ann", access_key])?.contains("no access key"));
        json(data, &["users", "delete", "ann"])
    })?;
    assert!(!gets_in(&site, &key)?);
    assert_eq!(json(&data, &["users", "list"])?["count"], 1);
    Ok(())
}

#[test]
fn a_password_comes_from_standard_input_or_is_made_and_told_once() -> Result<()> {
    let mut site = Site::start()?;
    while_stopped(&mut site, |data| {
        let set = ["users", "set-password", "administrator"];
        let made = admin(data, &set, "")?;
        assert!(said(&made).contains("password: ") && said(&made).contains("told this once"));
        let given = [set.as_slice(), &["--password-stdin"]].concat();
        let shown = json_with_input(data, &given, "correct horse\n")?;
        assert!(!shown.to_string().contains("horse"), "{shown}");
        for (input, why) in [("short\n", "password"), ("", "holds no password")] {
            let output = admin(data, &given, input)?;
            assert_eq!(output.status.code(), Some(1));
            assert!(said(&output).contains(why), "{}", said(&output));
        }
        let domain = ["domains", "add", "tenant-7", "--password-stdin"];
        json_with_input(data, &domain, "correct horse\n")?;
        assert!(refused(data, &["domains", "add", "tenant-7"])?.contains("already"));
        let of_domain = json(data, &["users", "list", "--domain", "tenant-7"])?;
        assert_eq!(of_domain["users"][0]["role"], "administrator");
        assert_eq!(json(data, &["domains", "list"])?["count"], 2);
        assert!(refused(data, &["users", "list", "--domain", "x"])?.contains("no domain x"));
        Ok(())
    })?;
    assert!(logs_in(&site, "rehost")? && logs_in(&site, "tenant-7")?);
    Ok(())
}

/// Whether the administrator of a domain logs in with the password of these tests.
fn logs_in(site: &Site, domain: &str) -> Result<bool> {
    use rehost_sms_api::client::{Client, ClientConfig, Credentials};
    let client = Client::new(ClientConfig {
        endpoint: site.endpoint(),
        ca_pem: Some(std::fs::read_to_string(site.ca_file())?),
        credentials: Credentials::None,
    })?;
    let body = serde_json::from_value(serde_json::json!({ "auth": { "identity": {
        "methods": ["password"],
        "password": { "user": {
            "name": "administrator", "password": "correct horse", "domain": { "name": domain },
        }},
    }}}))?;
    Ok(client.create_token(&body).is_ok())
}

#[test]
fn a_backup_of_a_running_control_plane_goes_on_elsewhere() -> Result<()> {
    let mut site = Site::start()?;
    let data = site.data_directory();
    let file = site.directory().join("backup.tar");
    let file_text = file.to_str().context("a path that is text")?.to_owned();
    let written = json(&data, &["backup", &file_text])?;
    assert!(written["size_bytes"].as_u64() > Some(50_000), "{written}");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&file)?);
    assert_eq!(mode & 0o777, 0o600);
    assert!(refused(&data, &["backup", &file_text])?.contains("--replace"));
    json(&data, &["backup", &file_text, "--replace"])?;
    assert!(refused(&data, &["restore", &file_text])?.contains("--replace"));
    let running = refused(&data, &["restore", &file_text, "--replace"])?;
    assert!(running.contains("is running"), "{running}");

    // What came later is gone after the restore, and what was there before is there again: the
    // receiver, which joined, is still known by its certificate.
    site.control_plane.stop(SHORT)?;
    json(&data, &["users", "add", "ann", "--role", "operator"])?;
    let restored = json(&data, &["restore", &file_text, "--replace"])?;
    let previous = Path::new(restored["previous"].as_str().context("what was there")?);
    assert!(previous.join("rehost.db").exists() && previous.join("ca").exists());
    assert_eq!(json(&data, &["users", "list"])?["count"], 1);
    std::fs::copy(previous.join("first-login.json"), site.login_file())?;
    site.restart_control_plane()?;
    until("the receiver is connected again", SHORT, || {
        let Ok(list) = site.json(["targets", "list"]) else {
            return Ok(None);
        };
        Ok((list["targets"][0]["connected"] == true).then_some(()))
    })?;

    let elsewhere = site.directory().join("elsewhere");
    let restored = json(&elsewhere, &["restore", &file_text])?;
    assert!(restored["previous"].is_null());
    assert_eq!(json(&elsewhere, &["check"])?["whole"], true);
    let (here, there) = (
        std::fs::read(data.join("ca/ca.pem"))?,
        std::fs::read(elsewhere.join("ca/ca.pem"))?,
    );
    assert!(here == there, "the authority comes along");
    Ok(())
}

#[test]
fn a_damaged_backup_changes_nothing() -> Result<()> {
    let mut site = Site::start()?;
    let data = site.data_directory();
    let file = site.directory().join("backup.tar");
    let file_text = file.to_str().context("a path that is text")?.to_owned();
    json(&data, &["backup", &file_text])?;
    site.control_plane.stop(SHORT)?;
    let whole = std::fs::read(&file)?;
    let half = whole.get(..whole.len() / 2).context("half of it")?.to_vec();
    let mut scratched = whole.clone();
    let (start, end) = (whole.len() / 4, whole.len() * 3 / 4);
    scratched
        .get_mut(start..end)
        .context("the middle")?
        .fill(0xA5);
    for (name, bytes) in [
        ("half", half),
        ("scratched", scratched),
        ("empty", Vec::new()),
        ("text", b"hello".to_vec()),
    ] {
        std::fs::write(&file, bytes)?;
        let why = refused(&data, &["restore", &file_text, "--replace"])?;
        assert!(why.contains("cannot be restored"), "{name}: {why}");
        assert_eq!(json(&data, &["users", "list"])?["count"], 1, "{name}");
        assert!(!data.join("restore.new").exists(), "{name}");
    }
    assert_eq!(json(&data, &["check"])?["whole"], true);
    Ok(())
}

#[test]
fn check_tells_a_damaged_database_by_its_exit_code() -> Result<()> {
    let mut site = Site::start()?;
    let data = site.data_directory();
    let running = admin(&data, &["check"], "")?;
    assert!(
        running.status.success() && said(&running).contains("is whole"),
        "{}",
        said(&running)
    );
    site.control_plane.stop(SHORT)?;
    let path = data.join("rehost.db");
    let mut bytes = std::fs::read(&path)?;
    let (start, end) = (bytes.len() / 4, bytes.len() * 3 / 4);
    bytes.get_mut(start..end).context("the middle")?.fill(0xA5);
    std::fs::write(&path, bytes)?;
    let said = refused(&data, &["check"])?;
    assert!(said.contains("error: "), "{said}");
    let output = admin(&data, &["check", "--json"], "")?;
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout)?;
    assert!(
        found["whole"] == false && found["found"].is_string(),
        "{found}"
    );
    Ok(())
}

#[test]
fn postgresql_is_changed_while_the_control_plane_runs() -> Result<()> {
    let site = Site::start_on(Database::Postgres)?;
    let url = site.database_url().context("URL of the database")?;
    let admin = |arguments: &[&str]| {
        let mut command = Command::new(rehost_testkit::rehost()?);
        command
            .arg("admin")
            .args(arguments)
            .env("REHOST_DATABASE", url);
        give(&mut command, "")
    };
    let json = |arguments: &[&str]| -> Result<Value> {
        let output = admin(&[arguments, &["--json"]].concat())?;
        ensure!(output.status.success(), "{arguments:?}: {}", said(&output));
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    json(&["users", "add", "ann", "--role", "operator"])?;
    let key = json(&["keys", "add", "ann"])?;
    assert!(
        gets_in(&site, &key)?,
        "the control plane, which runs, knows the key"
    );
    json(&["users", "disable", "ann"])?;
    until("the control plane has forgotten ann", SHORT, || {
        Ok((!gets_in(&site, &key)?).then_some(()))
    })?;
    assert_eq!(json(&["check"])?["whole"], true);
    let backup = admin(&["backup", "x.tar"])?;
    assert_eq!(backup.status.code(), Some(1));
    assert!(said(&backup).contains("pg_dump"), "{}", said(&backup));
    Ok(())
}

#[test]
fn places_without_a_control_plane_are_left_alone() -> Result<()> {
    let directory = tempfile::tempdir()?;
    for arguments in [
        &["users", "list"][..],
        &["check"],
        &["backup", "/dev/null/x"],
    ] {
        let said = refused(directory.path(), arguments)?;
        assert!(said.contains("there is no database"), "{said}");
    }
    assert_eq!(
        std::fs::read_dir(directory.path())?.count(),
        0,
        "nothing was made"
    );
    Ok(())
}
