//! `rehost agent`: the source side.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use rehost_agent::hooks::{DEFAULT_DIRECTORY, hooks_in};
use rehost_agent::{AgentAccess, AgentOptions, CareOptions, Changes, Compression, CopyScope};
use rehost_log_files::LogSink;

use super::joining::JoinOptions;
use super::role::run_until_interrupted;

/// Options of `rehost agent`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rehost agent --state-dir /var/lib/rehost-agent --join-file web1.token
      all disks of this machine, as root
  rehost agent --state-dir ./state --join-file web1.token --disk ./system.img --disk ./data.img
      image files instead of disks, as anybody

The agent opens every connection; nothing connects to it. It only reads disks. It may be killed at
any time: started again it goes on where it was. It keeps the last of its log in DIR/logs, 16 MiB at
most; `rehost tasks log` fetches that.")]
pub(crate) struct Options {
    #[command(flatten)]
    join: JoinOptions,
    /// A disk or an image file to offer. Given once or more, only these are offered; otherwise all
    /// disks of this machine.
    #[arg(long = "disk", value_name = "PATH")]
    disks: Vec<PathBuf>,
    /// How many streams the data path has; the task's setting NUM_PROCESS_MIGRATE overrides it.
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u32).range(1..=64))]
    streams: u32,
    /// Pause between two sync rounds. A cut-over does not wait for it.
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    sync_interval_seconds: u32,
    /// What of the disks is copied: the blocks that file systems use, or the whole of them. With
    /// `used`, unused blocks arrive as zeros.
    #[arg(long, value_enum, default_value = "used")]
    copy: Copied,
    /// How changes of disks are found between rounds: `track` has the kernel mark changed blocks
    /// where it can (Linux 5.12, root), and checks the marks once against the disk; `compare` reads
    /// everything in every round, as is done where changes cannot be tracked.
    #[arg(long, value_enum, default_value = "track")]
    changes: ChangesBy,
    #[command(flatten)]
    care: LimitOptions,
    #[command(flatten)]
    hooks: HookOptions,
    #[command(flatten)]
    key: KeyOptions,
}

/// What a copy may take of the machine. Settings of a task come before these.
#[derive(Debug, Args)]
#[command(next_help_heading = "What a copy may take")]
struct LimitOptions {
    /// How chunks are packed on the wire: `auto` packs where a link is slow enough, or limited, and
    /// the content gets shorter. The task's setting LINUX_BLOCK_COMPRESS_THREAD_NUM says how many streams
    /// may pack at the same time; with 0 nothing is packed.
    #[arg(long, value_enum, default_value = "auto")]
    compression: PackedBy,
    /// Processors, in percent of all; the task's setting LINUX_CPU_LIMIT overrides it.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=100))]
    cpu_limit_percent: Option<u32>,
    /// Memory: as many streams are used as fit, one at least; the task's setting LINUX_MEM_LIMIT overrides
    /// it.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    memory_limit_mib: Option<u32>,
    /// Reading of disks, in MiB/s; the task's setting LINUX_IO_LIMIT overrides it.
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    disk_limit_mib: Option<u32>,
    /// Whether a copy of block devices reads more slowly while others wait longer for them because of it.
    #[arg(long, value_enum, default_value = "on")]
    latency_guard: Switch,
}

/// How chunks are packed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PackedBy {
    Auto,
    None,
    Lz4,
    Zstd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

impl From<PackedBy> for Compression {
    fn from(by: PackedBy) -> Self {
        match by {
            PackedBy::Auto => Self::Auto,
            PackedBy::None => Self::None,
            PackedBy::Lz4 => Self::Lz4,
            PackedBy::Zstd => Self::Zstd,
        }
    }
}

impl LimitOptions {
    fn care(&self) -> CareOptions {
        CareOptions {
            cpu_percent: self.cpu_limit_percent,
            memory_mib: self.memory_limit_mib,
            disk_mib_per_second: self.disk_limit_mib,
            guards_latency: self.latency_guard == Switch::On,
        }
    }
}

/// What of the disks is copied.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Copied {
    Used,
    Whole,
}

/// How changes of disks are found.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ChangesBy {
    Track,
    TrackUnaudited,
    Compare,
}

impl From<ChangesBy> for Changes {
    fn from(by: ChangesBy) -> Self {
        match by {
            ChangesBy::Track => Self::Track,
            ChangesBy::TrackUnaudited => Self::TrackUnaudited,
            ChangesBy::Compare => Self::Compare,
        }
    }
}

impl From<Copied> for CopyScope {
    fn from(copied: Copied) -> Self {
        match copied {
            Copied::Used => Self::Used,
            Copied::Whole => Self::Whole,
        }
    }
}

/// What is called around the freeze of the final round.
#[derive(Debug, Args)]
#[command(next_help_heading = "Hooks around the freeze (rehost hooks --help)")]
struct HookOptions {
    /// Executables in this directory are called with `pre-freeze` before the file systems are frozen,
    /// in the order of their names, and with `post-thaw` afterwards, the other way round. Only root
    /// may be able to change them. /etc/rehost/hooks.d if it is there.
    #[arg(long, value_name = "DIR")]
    hooks: Option<PathBuf>,
    /// Call no hooks.
    #[arg(long, conflicts_with = "hooks")]
    no_hooks: bool,
    /// How long a call of a hook may take. One that fails or takes longer before the freeze ends the
    /// cut-over.
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3600))]
    hook_timeout_seconds: u32,
}

impl HookOptions {
    /// Where the hooks are, if any are to be called.
    fn directory(&self) -> Option<PathBuf> {
        if self.no_hooks {
            return None;
        }
        self.hooks.clone().or_else(|| {
            let usual = PathBuf::from(DEFAULT_DIRECTORY);
            if !usual.is_dir() {
                return None;
            }
            // Nobody asked for these in so many words: what is wrong with them ends nothing.
            match hooks_in(&usual) {
                Ok(_) => Some(usual),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the hooks in {DEFAULT_DIRECTORY} are not called");
                    None
                }
            }
        })
    }
}

/// How an agent is known that does not join, but calls with an access key as SMS's own agent does.
#[derive(Debug, Args)]
#[command(next_help_heading = "With an access key instead of joining")]
struct KeyOptions {
    /// JSON file with `access_key` and `secret_key`, such as first-login.json.
    #[arg(long, value_name = "FILE", requires = "endpoint")]
    #[arg(conflicts_with_all = ["join", "join_file"])]
    key_file: Option<PathBuf>,
    /// Base URL of the control plane, such as https://10.0.0.5:8443.
    #[arg(long, value_name = "URL", requires = "key_file")]
    endpoint: Option<String>,
    /// CA certificate of the control plane, PEM. Needed for https.
    #[arg(long, value_name = "FILE", requires = "key_file")]
    ca_file: Option<PathBuf>,
}

/// Runs until it is asked to end.
///
/// # Errors
/// If joining fails, or if the state directory cannot be used.
pub(crate) fn run(options: Options, logs: LogSink) -> Result<ExitCode> {
    let KeyOptions {
        key_file,
        endpoint,
        ca_file,
    } = options.key;
    let access = match (key_file, endpoint) {
        (Some(key_file), Some(endpoint)) => AgentAccess::AccessKey {
            endpoint,
            ca_file,
            key_file,
        },
        _ => AgentAccess::Joined {
            token: options.join.token()?,
        },
    };
    let agent = AgentOptions {
        access,
        state_dir: options.join.state_dir,
        name: Some(options.join.name),
        disks: options.disks,
        streams: options.streams,
        logs,
        copy: options.copy.into(),
        changes: options.changes.into(),
        sync_interval: Duration::from_secs(options.sync_interval_seconds.into()),
        hooks: options.hooks.directory(),
        hook_time_limit: Duration::from_secs(options.hooks.hook_timeout_seconds.into()),
        compression: options.care.compression.into(),
        care: options.care.care(),
    };
    run_until_interrupted(move |stop| rehost_agent::run(&agent, stop))
}
