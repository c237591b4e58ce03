//! How the processes of a site are started: the arguments of its roles, and of the commands of an
//! operator who is logged in.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::executable;
use crate::role::Role;

/// Name of the target of a site.
pub(super) const TARGET: &str = "hall-2";

pub(super) fn succeeded(output: &Output) -> bool {
    output.status.success()
}

pub(super) fn run<I, S>(login: &Path, arguments: I) -> Result<Output>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    Command::new(executable::rehost()?)
        .args(arguments)
        .env("REHOST_LOGIN", login)
        .stdin(Stdio::null())
        .output()
        .context("start rehost")
}

pub(super) fn make_token(directory: &Path, login: &Path, role: &str) -> Result<PathBuf> {
    let path = directory.join(format!("{role}.token"));
    let words = ["join-token", "--role", role, "--output"].map(OsStr::new);
    let output = run(login, words.into_iter().chain([path.as_os_str()]))?;
    ensure!(
        succeeded(&output),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(path)
}

pub(super) fn start_control_plane(
    directory: &Path,
    port: u16,
    database: Option<&str>,
    advertise: Option<&str>,
) -> Result<Role> {
    let data = directory.join("control-plane");
    let listen = format!("127.0.0.1:{port}");
    let mut arguments: Vec<&OsStr> = ["serve", "--log", "debug", "--data-dir"]
        .map(OsStr::new)
        .into();
    arguments.extend([data.as_os_str(), "--listen".as_ref(), listen.as_ref()]);
    if let Some(database) = database {
        arguments.extend(["--database", database].map(OsStr::new));
    }
    if let Some(advertise) = advertise {
        arguments.extend(["--advertise", advertise].map(OsStr::new));
    }
    Role::start(
        "control plane",
        &directory.join("logs/serve.log"),
        arguments,
    )
}

pub(super) fn start_receiver(
    directory: &Path,
    advertise: &str,
    port: u16,
    devices: &[PathBuf],
    token: Option<&Path>,
) -> Result<Role> {
    let (state, images) = (directory.join("receiver"), directory.join("images"));
    let listen = format!("127.0.0.1:{port}");
    let mut arguments: Vec<&OsStr> = [
        "receive",
        "--log",
        "debug",
        "--name",
        TARGET,
        "--advertise",
        advertise,
        "--listen",
    ]
    .map(OsStr::new)
    .into();
    arguments.extend([listen.as_ref(), "--state-dir".as_ref(), state.as_os_str()]);
    arguments.extend(["--images".as_ref(), images.as_os_str()]);
    for device in devices {
        arguments.extend(["--device".as_ref(), device.as_os_str()]);
    }
    if let Some(token) = token {
        arguments.extend(["--join-file".as_ref(), token.as_os_str()]);
    }
    Role::start("receiver", &directory.join("logs/receive.log"), arguments)
}
