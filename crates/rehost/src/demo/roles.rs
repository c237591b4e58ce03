//! The three roles of the demo, each a process of its own on loopback, as they would be on three
//! machines. All are gone when this is dropped.

use std::ffi::{OsStr, OsString};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rehost_sms_api::client::Client;
use rehost_sms_api::rehost::{JoinRole, JoinTokenRequest};
use rustix::process::{Pid, Signal, kill_process};

use crate::operator::{Interrupt, LoginOptions};

/// Names under which source and target appear.
pub(super) const SOURCE: &str = "demo-source";
/// See [`SOURCE`].
pub(super) const TARGET: &str = "demo-target";

/// How long a role may take to come up on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How long a role may take to end when asked to.
const END_DEADLINE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);

/// The running roles.
#[derive(Debug)]
pub(super) struct Roles {
    // Ended in this order.
    running: Vec<Role>,
    /// The operator's client.
    pub(super) client: Client,
    images: PathBuf,
}

#[derive(Debug)]
struct Role {
    name: &'static str,
    child: Child,
}

/// What starting needs to know.
#[derive(Debug)]
pub(super) struct Places<'a> {
    /// For the state of the roles; removed after the demo.
    pub(super) work: &'a Path,
    /// For their logs; kept.
    pub(super) logs: &'a Path,
    /// Disks of the source.
    pub(super) disks: &'a [&'a Path],
}

impl Roles {
    /// Starts control plane, receiver and agent, and waits until they know each other.
    ///
    /// # Errors
    /// If one does not come up, or if somebody asked for the end.
    pub(super) fn start(places: &Places<'_>, interrupt: &Interrupt) -> Result<Self> {
        let data = places.work.join("control-plane");
        let images = places.work.join("images");
        std::fs::create_dir(&images).context("create the folder for images")?;
        let api = format!("127.0.0.1:{}", free_port()?);
        let control_plane = Role::start(
            "serve",
            places,
            &[
                "serve".into(),
                "--data-dir".into(),
                data.clone().into(),
                "--listen".into(),
                api.into(),
            ],
        )?;
        let mut running = vec![control_plane];
        let client = wait("the control plane answers", interrupt, &mut running, || {
            let login = data.join("first-login.json");
            if !login.exists() {
                return Ok(None);
            }
            let client = LoginOptions::of_file(&login).client()?;
            Ok(client.list_targets().is_ok().then_some(client))
        })?;

        let mut receive = role_arguments("receive", TARGET, places, &client, JoinRole::Target)?;
        receive.extend([
            "--listen".into(),
            format!("127.0.0.1:{}", free_port()?).into(),
        ]);
        receive.extend(["--advertise".into(), "127.0.0.1".into()]);
        receive.extend(["--images".into(), images.clone().into()]);
        running.insert(0, Role::start("receive", places, &receive)?);

        let mut agent = role_arguments("agent", SOURCE, places, &client, JoinRole::Source)?;
        agent.extend(["--sync-interval-seconds".into(), "1".into()]);
        // Whatever this machine has to do around a freeze: nothing of it is frozen.
        agent.push("--no-hooks".into());
        for disk in places.disks {
            agent.extend(["--disk".into(), disk.as_os_str().to_owned()]);
        }
        running.insert(0, Role::start("agent", places, &agent)?);

        wait(
            "source and target are connected",
            interrupt,
            &mut running,
            || {
                let target = client
                    .list_targets()
                    .is_ok_and(|list| list.targets.iter().any(|target| target.connected));
                let sources = client.list_servers(&Default::default());
                let source = sources.is_ok_and(|list| {
                    list.source_servers
                        .iter()
                        .any(|source| source.connected == Some(true))
                });
                Ok((target && source).then_some(()))
            },
        )?;
        Ok(Self {
            running,
            client,
            images,
        })
    }

    /// Fails if a role has ended by itself.
    ///
    /// # Errors
    /// With the name of the role.
    pub(super) fn check(&mut self) -> Result<()> {
        check(&mut self.running)
    }

    /// The image that was made of a source disk.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub(super) fn image_of(&self, disk: &str) -> Result<PathBuf> {
        let mut found = Vec::new();
        for entry in super::tree::walk(&self.images)? {
            let name = entry
                .path
                .file_name()
                .and_then(OsStr::to_str)
                .unwrap_or_default();
            if entry.is_file && name.contains(disk) {
                found.push(entry.path);
            }
        }
        let image = found.pop();
        ensure!(found.is_empty(), "there is more than one image of {disk}");
        image.with_context(|| format!("find the image of {disk}"))
    }
}

impl Role {
    fn start(name: &'static str, places: &Places<'_>, arguments: &[OsString]) -> Result<Self> {
        let path = places.logs.join(format!("{name}.log"));
        let log =
            std::fs::File::create(&path).with_context(|| format!("create {}", path.display()))?;
        let child = Command::new(std::env::current_exe().context("find this executable")?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share a log")?)
            .stderr(log)
            // Ctrl-C on the terminal is for this process, which then ends the others in order.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start rehost {name}"))?;
        Ok(Self { name, child })
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let end = Instant::now() + END_DEADLINE;
            // The pid is ours until it has been waited for.
            let mut ended = kill_process(pid, Signal::TERM).is_err();
            while !ended && Instant::now() < end {
                std::thread::sleep(PAUSE);
                ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            }
        }
        // Without effect if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What agent and receiver have in common. The token goes through a file, for command lines can be
/// read by everybody.
fn role_arguments(
    role: &str,
    name: &str,
    places: &Places<'_>,
    client: &Client,
    join_as: JoinRole,
) -> Result<Vec<OsString>> {
    let request = JoinTokenRequest {
        role: join_as,
        valid_seconds: None,
    };
    let token = client
        .create_join_token(&request)
        .context("ask for a join token")?
        .token;
    // The folder is open to its owner alone.
    let path = places.work.join(format!("{role}.token"));
    std::fs::write(&path, token).context("write a join token")?;
    Ok(vec![
        role.into(),
        "--name".into(),
        name.into(),
        "--state-dir".into(),
        places.work.join(role).into(),
        "--join-file".into(),
        path.into(),
    ])
}

fn wait<T>(
    what: &str,
    interrupt: &Interrupt,
    running: &mut [Role],
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + START_DEADLINE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        check(running)?;
        ensure!(
            Instant::now() < end,
            "not within {} s: {what}",
            START_DEADLINE.as_secs()
        );
        ensure!(!interrupt.during(PAUSE), "interrupted");
    }
}

fn check(running: &mut [Role]) -> Result<()> {
    for role in running {
        if let Some(status) = role.child.try_wait().context("look at a role")? {
            bail!(
                "rehost {} ended with {status}: see {}.log",
                role.name,
                role.name
            );
        }
    }
    Ok(())
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}
