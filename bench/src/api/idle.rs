//! Long polls that nobody has news for: how many a control plane holds, what each costs it in memory,
//! and whether one of them is still woken at once.
//!
//! The polls are held by processes of their own, each from another loopback address, because a
//! process may open only so many files and an address has only so many ports. Where the system does
//! not let one process open as many files as there shall be polls, replicas of the control plane over
//! one PostgreSQL share them, and all their memory counts.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::control_plane::{ControlPlane, write_request};
use super::load::Connection;
use super::seed::Seeded;
use crate::cpu;

/// Polls of one process, and so of one address: less than the ports of an address.
const POLLS_A_HOLDER: usize = 16_000;
/// Files that a process needs beside its polls.
const OTHER_FILES: usize = 512;
/// Connections that a process opens at the same time.
const OPENING: usize = 64;
/// Longest poll that the control plane permits, in seconds.
const WAIT_SECONDS: u64 = 60;
/// How long the last polls may take to reach the point where they wait.
const SETTLE: Duration = Duration::from_secs(10);
/// Polls that are woken, one after the other.
const WAKE_UPS: usize = 20;

/// What holding the polls came to.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Idle {
    /// Polls that were asked for.
    wanted: usize,
    /// Polls that were held: fewer if the limit of open files permits no more.
    held: usize,
    /// Processes of the control plane that held them.
    replicas: usize,
    resident_bytes_before: u64,
    resident_bytes: u64,
    bytes_a_poll: u64,
    /// Processor seconds of the control plane in each second of holding.
    cpu_share: f64,
    /// From sending a start action until the source's poll is answered.
    wake_up_p50_ms: f64,
    wake_up_max_ms: f64,
}

impl Idle {
    /// For people.
    pub(crate) fn in_words(&self) -> String {
        let mib = |bytes: u64| bytes / (1024 * 1024);
        let short = match self.held < self.wanted {
            true => format!(" (of {}: the limit of open files)", self.wanted),
            false => String::new(),
        };
        format!(
            "{} idle long polls{short} at {} processes: {} MiB resident, {} bytes a poll, {:.1} % \
             of a processor; a wake-up takes {:.1} ms, {:.1} ms at most",
            self.held,
            self.replicas,
            mib(self.resident_bytes),
            self.bytes_a_poll,
            self.cpu_share * 100.0,
            self.wake_up_p50_ms,
            self.wake_up_max_ms
        )
    }
}

/// Lets this process open as many files as the system permits, and says how many that are.
///
/// # Errors
/// If the system refuses.
pub(crate) fn raise_file_limit() -> Result<usize> {
    let most = getrlimit(Resource::Nofile).maximum;
    let wanted = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, wanted).context("raise the limit of open files")?;
    Ok(most.map_or(usize::MAX, |most| {
        usize::try_from(most).unwrap_or(usize::MAX)
    }))
}

/// Polls that one process of the control plane can hold.
///
/// # Errors
/// If the system refuses.
pub(crate) fn polls_a_process() -> Result<usize> {
    Ok(raise_file_limit()?.saturating_sub(OTHER_FILES))
}

/// Holds polls of the running replicas of a control plane, measures, and lets go of them. Orders are
/// given to the first replica.
///
/// # Errors
/// If a poll is refused or a process does not start.
pub(crate) async fn measure(
    replicas: &[&ControlPlane],
    seeded: &Arc<Seeded>,
    wanted: usize,
) -> Result<Idle> {
    let first = replicas.first().context("no control plane runs")?;
    let token = first.log_in().await?.token;
    let pids = replicas.iter().map(|replica| replica.pid());
    let pids = pids.collect::<Result<Vec<_>>>()?;
    let resident_bytes = || -> Result<u64> {
        let each = pids.iter().map(|pid| cpu::resident_memory_bytes(*pid));
        each.sum()
    };
    let cpu_seconds = || -> Result<f64> { pids.iter().map(|pid| cpu::of_process(*pid)).sum() };
    let resident_bytes_before = resident_bytes()?;

    let woken = seeded.tasks.len().min(WAKE_UPS);
    let most = polls_a_process()?.saturating_mul(replicas.len());
    let held = wanted.min(most).saturating_sub(woken);
    let sources: Vec<&String> = seeded.sources.iter().cycle().take(held).collect();
    let mut holders = Vec::new();
    let mut numbers = 1_u8..;
    for (replica, sources) in replicas.iter().zip(sources.chunks(share(held, replicas))) {
        for sources in sources.chunks(POLLS_A_HOLDER) {
            let number = numbers.next().context("too many holders of polls")?;
            let held = Held {
                server: replica.address,
                from: Ipv4Addr::new(127, 0, 1, number),
                token: token.clone(),
                sources: sources.iter().map(ToString::to_string).collect(),
            };
            holders.push(Holder::start(&held)?);
        }
    }
    for holder in &mut holders {
        holder.wait_for("held")?;
    }
    let mut polls = Vec::new();
    let waits_at = replicas.iter().cycle();
    for ((task, source), replica) in seeded.tasks.iter().take(woken).zip(waits_at) {
        let mut connection = Connection::open(replica.address, None).await?;
        let mut request = Vec::new();
        write_request(&mut request, "GET", &path(source), &token, "");
        let poll = tokio::spawn(async move {
            let answer: Value = serde_json::from_slice(connection.call(&request).await?)?;
            anyhow::Ok((answer, Instant::now()))
        });
        polls.push((task, poll));
    }
    let (begun, cpu_before) = (Instant::now(), cpu_seconds()?);
    tokio::time::sleep(SETTLE).await;
    let cpu_share = (cpu_seconds()? - cpu_before) / begun.elapsed().as_secs_f64();
    let resident_bytes = resident_bytes()?;

    // The connection of the log-in was idle for too long.
    let mut session = first.log_in().await?;
    let mut wake_ups_ms = Vec::new();
    for (task, poll) in polls {
        let sent = Instant::now();
        let start = json!({"operation": "start"});
        session
            .call("POST", &format!("/v3/tasks/{task}/action"), &start)
            .await?;
        let (answer, woken) = poll.await.context("wait for a poll")??;
        ensure!(
            answer["command_name"] == "START",
            "woken for nothing: {answer}"
        );
        wake_ups_ms.push(woken.duration_since(sent).as_secs_f64() * 1000.0);
    }
    for holder in &mut holders {
        holder.end()?;
    }
    let held = held + woken;
    wake_ups_ms.sort_by(f64::total_cmp);
    Ok(Idle {
        wanted,
        held,
        replicas: replicas.len(),
        resident_bytes_before,
        resident_bytes,
        bytes_a_poll: resident_bytes.saturating_sub(resident_bytes_before) / held.max(1) as u64,
        cpu_share,
        wake_up_p50_ms: crate::table::median(wake_ups_ms.iter().copied()),
        wake_up_max_ms: wake_ups_ms.last().copied().unwrap_or(f64::NAN),
    })
}

/// Polls of each replica.
fn share(held: usize, replicas: &[&ControlPlane]) -> usize {
    held.div_ceil(replicas.len()).max(1)
}

fn path(source: &str) -> String {
    format!("/v3/sources/{source}/command?wait_seconds={WAIT_SECONDS}")
}

/// What a holder is told over its standard input, because it holds a secret.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    server: SocketAddr,
    from: Ipv4Addr,
    token: String,
    sources: Vec<String>,
}

/// A process that holds polls until its standard input ends.
#[derive(Debug)]
struct Holder(Child);

impl Holder {
    fn start(held: &Held) -> Result<Self> {
        let child = Command::new(std::env::current_exe().context("find this program")?)
            .arg("hold")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start a holder of polls")?;
        let mut holder = Self(child);
        let input = holder.0.stdin.as_mut().context("input of a holder")?;
        serde_json::to_writer(&mut *input, held)?;
        input.write_all(b"\n").context("tell a holder")?;
        Ok(holder)
    }

    fn wait_for(&mut self, word: &str) -> Result<()> {
        let output = self.0.stdout.as_mut().context("output of a holder")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line.trim() == word, "a holder of polls failed");
        Ok(())
    }

    /// Lets go of the polls; an error if one of them was refused.
    fn end(&mut self) -> Result<()> {
        drop(self.0.stdin.take());
        let status = self.0.wait().context("wait for a holder")?;
        ensure!(status.success(), "a poll was refused or broke off");
        Ok(())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The process itself.
///
/// # Errors
/// If a poll is refused.
pub(crate) fn hold() -> Result<()> {
    raise_file_limit()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let mut line = String::new();
    let mut input = BufReader::new(std::io::stdin());
    input.read_line(&mut line).context("read what to hold")?;
    let held: Held = serde_json::from_str(&line).context("read what to hold")?;
    let (ended, end) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Whatever comes, it is the end.
        let _ = input.read_line(&mut String::new());
        let _ = ended.send(());
    });
    runtime.block_on(async {
        let opening = Arc::new(Semaphore::new(OPENING));
        let mut polls = tokio::task::JoinSet::new();
        let (sent, mut all_sent) = tokio::sync::mpsc::channel(OPENING);
        for source in held.sources {
            let mut request = Vec::new();
            write_request(&mut request, "GET", &path(&source), &held.token, "");
            let (opening, sent) = (Arc::clone(&opening), sent.clone());
            polls.spawn(async move {
                let permit = opening.acquire_owned().await?;
                let from = SocketAddr::from((held.from, 0));
                let mut connection = Connection::open(held.server, Some(from)).await?;
                drop(permit);
                drop(sent);
                loop {
                    connection.call(&request).await?;
                    connection.shrink();
                }
            });
        }
        drop(sent);
        let failure = |done: Option<Result<Result<()>, _>>| match done {
            Some(Ok(Err(error))) => error,
            _ => anyhow::anyhow!("a poll ended"),
        };
        tokio::select! {
            // Nothing is ever sent: it ends when the last poll has its connection.
            None::<()> = all_sent.recv() => {}
            done = polls.join_next() => return Err(failure(done)),
        }
        let mut output = std::io::stdout();
        output
            .write_all(b"held\n")
            .context("say that polls are held")?;
        output.flush().context("say that polls are held")?;
        tokio::select! {
            _ = end => Ok(()),
            done = polls.join_next() => Err(failure(done)),
        }
    })
}
