//! The recipes for databases, with real servers: what they promise around a freeze.
//!
//! This file is its own test program, as the guard of the freeze has to be.
#![expect(clippy::unwrap_used, reason = "a test program")]

mod common;

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::Duration;

use common::{Mounted, Test, guard, run_tests};
use rehost_agent::freeze::{GuardCommand, GuardedFreezer};
use rehost_agent::hooks::Hooks;
use rehost_agent::hooks::recipes::recipe;
use rehost_replication::source::{Freezer as _, error_chain};
use rehost_testkit::{LoopDevice, Mount, PostgresCluster, SHORT, until};

const TESTS: &[Test] = &[
    (
        "privileged_a_postgresql_that_was_frozen_with_its_hook_is_whole_in_the_copy",
        a_postgresql_that_was_frozen_with_its_hook_is_whole_in_the_copy,
    ),
    (
        "privileged_a_postgresql_that_does_not_answer_keeps_the_source_from_being_frozen",
        a_postgresql_that_does_not_answer_keeps_the_source_from_being_frozen,
    ),
    (
        "privileged_changes_to_a_mariadb_wait_between_the_calls_of_its_hook",
        changes_to_a_mariadb_wait_between_the_calls_of_its_hook,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.first().and_then(|first| first.to_str()) {
        Some("freeze-guard") => guard(&arguments[1..]),
        _ => run_tests(TESTS, &arguments),
    }
}

/// A directory with one recipe, installed, and its settings.
struct Installed {
    directory: tempfile::TempDir,
}

impl Installed {
    fn new(name: &str, settings: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("state")).unwrap();
        let hooks = directory.path().join("hooks.d");
        let place = recipe(name).unwrap().install(&hooks, false).unwrap();
        let mut conf = place.into_os_string();
        conf.push(".conf");
        std::fs::write(conf, settings).unwrap();
        Self { directory }
    }

    fn freezer(&self, disk: &Path) -> GuardedFreezer {
        let place = |name: &str| self.directory.path().join(name);
        let hooks = Some(place("hooks.d"));
        let hooks = Hooks::new(hooks, &place("state"), Duration::from_secs(60));
        GuardedFreezer::new(vec![disk.into()], GuardCommand::of_this_executable()).with_hooks(hooks)
    }
}

fn open_to_all(directory: &Path) {
    std::fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
}

fn a_postgresql_that_was_frozen_with_its_hook_is_whole_in_the_copy() {
    let mounted = Mounted::of_size(false, 512 << 20);
    open_to_all(mounted.directory.path());
    let cluster = PostgresCluster::start_in(&mounted.mount_point).unwrap();
    let sql = |sql: &str| cluster.run_sql("postgres", sql).unwrap();
    sql("CREATE TABLE t AS SELECT n FROM generate_series(1, 50000) n");
    let checkpoint = || sql("SELECT checkpoint_lsn FROM pg_control_checkpoint()");
    let before = checkpoint();

    let settings = format!("POSTGRESQL_CONNECTIONS=\"{}\"\n", cluster.connection());
    let installed = Installed::new("postgresql", &settings);
    let mut freezer = installed.freezer(&mounted.disk);
    freezer.freeze().unwrap();
    let copy = installed.directory.path().join("copy");
    copy_of(&mounted.directory.path().join("image"), &copy);
    freezer.thaw().unwrap().unwrap();
    assert_ne!(checkpoint(), before, "the hook had a checkpoint made");

    open_to_all(installed.directory.path());
    let directory = installed.directory.path().join("copied");
    std::fs::create_dir(&directory).unwrap();
    let device = LoopDevice::attach(&copy).unwrap();
    let copied = Mount::new(device.path(), &directory).unwrap();
    let name = cluster.directory().file_name().unwrap();
    let there = copied.path().join(name);
    let said = PostgresCluster::ask_copy(&there, "postgres", "SELECT count(*) FROM t").unwrap();
    assert!(said.contains("count = \"50000\""), "{said}");
}

/// Where a file is data, and holes elsewhere.
fn copy_of(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .args(["--sparse=always"])
        .args([from, to])
        .status()
        .unwrap();
    assert!(copied.success());
}

fn a_postgresql_that_does_not_answer_keeps_the_source_from_being_frozen() {
    let mounted = Mounted::new(false);
    let nowhere = mounted.directory.path().display();
    let settings = format!("POSTGRESQL_CONNECTIONS=\"host={nowhere} dbname=postgres\"\n");
    let installed = Installed::new("postgresql", &settings);
    let mut freezer = installed.freezer(&mounted.disk);
    let reason = error_chain(&freezer.freeze().unwrap_err());
    assert!(reason.contains("50-postgresql"), "{reason}");
    assert!(!mounted.is_frozen());
}

/// A server of its own.
struct Mariadb {
    server: Child,
    directory: tempfile::TempDir,
}

impl Mariadb {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        open_to_all(directory.path());
        let data = directory.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let (user, group) = mysql_user();
        chown(&data, Some(user), Some(group)).unwrap();
        let made = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--user=mysql", "--skip-test-db"])
            .arg("--auth-root-authentication-method=normal")
            .arg(format!("--datadir={}", data.display()))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let log = File::create(directory.path().join("log")).unwrap();
        let server = Command::new("mariadbd")
            .args(["--no-defaults", "--user=mysql", "--skip-networking"])
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", data.join("socket").display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let started = Self { server, directory };
        until("MariaDB answers", SHORT, || {
            Ok(started.run("SELECT 1").status.success().then_some(()))
        })
        .unwrap();
        started
    }

    fn options(&self) -> String {
        let socket = self.directory.path().join("data/socket");
        format!("--no-defaults --user=root --socket={}", socket.display())
    }

    fn run(&self, sql: &str) -> Output {
        Command::new("mariadb")
            .args(self.options().split(' '))
            .args(["--batch", "--skip-column-names", "--execute", sql])
            .output()
            .unwrap()
    }

    fn ask(&self, sql: &str) -> String {
        let output = self.run(sql);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn mysql_user() -> (u32, u32) {
    let known = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = known.lines().find(|line| line.starts_with("mysql:"));
    let mut numbers = line
        .unwrap()
        .split(':')
        .skip(2)
        .map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

fn changes_to_a_mariadb_wait_between_the_calls_of_its_hook() {
    let mariadb = Mariadb::start();
    mariadb.ask(
        "CREATE DATABASE shop; CREATE TABLE shop.inno (n INT) ENGINE=InnoDB; \
         CREATE TABLE shop.isam (n INT) ENGINE=MyISAM",
    );
    let insert = |table: &str| {
        mariadb.run(&format!(
            "SET SESSION lock_wait_timeout = 1; INSERT INTO shop.{table} VALUES (1)"
        ))
    };
    let settings = format!("MYSQL_OPTIONS=\"{}\"\n", mariadb.options());
    // Nothing is mounted from this disk: what holds changes back is the hook alone.
    let image = mariadb.directory.path().join("disk.img");
    std::fs::write(&image, [0; 4096]).unwrap();
    for name in ["mariadb", "mysql"] {
        let installed = Installed::new(name, &settings);
        let mut freezer = installed.freezer(&image);
        for table in ["inno", "isam"] {
            assert!(insert(table).status.success(), "before");
        }
        freezer.freeze().unwrap();
        let counted = mariadb.ask("SELECT COUNT(*) FROM shop.inno");
        let refused = insert("inno");
        assert!(!refused.status.success(), "held: {refused:?}");
        assert_eq!(mariadb.ask("SELECT COUNT(*) FROM shop.inno"), counted);
        freezer.thaw().unwrap().unwrap();
        for table in ["inno", "isam"] {
            let inserted = insert(table);
            assert!(inserted.status.success(), "after: {inserted:?}");
        }
        let sessions = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'root'";
        assert_eq!(
            mariadb.ask(sessions),
            "1",
            "no session is left but this one"
        );
    }
    a_client_that_dies_lets_go(&mariadb, &image, &settings);
}

/// The lock goes with the session, and its loss is told.
fn a_client_that_dies_lets_go(mariadb: &Mariadb, image: &Path, settings: &str) {
    let installed = Installed::new("mariadb", settings);
    let mut freezer = installed.freezer(image);
    freezer.freeze().unwrap();
    let memory = installed.directory.path().join("state/hooks/50-mariadb");
    let session = std::fs::read_to_string(memory.join("session")).unwrap();
    let session = rustix::process::Pid::from_raw(session.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(session, rustix::process::Signal::KILL).unwrap();
    until("changes are possible again", SHORT, || {
        let insert = "SET SESSION lock_wait_timeout = 1; INSERT INTO shop.inno VALUES (1)";
        Ok(mariadb.run(insert).status.success().then_some(()))
    })
    .unwrap();
    freezer.thaw().unwrap().unwrap();
    assert!(!memory.exists());
}
