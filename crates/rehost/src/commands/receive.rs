//! `rehost receive`: the target side.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Args;
use rehost_log_files::LogSink;
use rehost_receiver::{BootOptions, ReceiverOptions};

use super::joining::JoinOptions;
use super::role::run_until_interrupted;

/// Options of `rehost receive`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rehost receive --state-dir /var/lib/rehost-receiver --join-file hall2.token \\
      --listen 0.0.0.0:8444 --advertise hall2.example.com --images /srv/images
      makes image files
  rehost receive ... --device /dev/vdb --device /dev/vdc
      offers block devices, which a task may then overwrite
  rehost receive ... --images /srv/images --boot /usr/share/rehost/helper-system
      starts what it has received: to rehearse, and to end a cut-over

Sources connect to the port of --listen. Each connection must show the certificate that was minted
for its task. The receiver may be killed at any time: started again it goes on where it was. It keeps
the last of its log in DIR/logs, 16 MiB at most; `rehost tasks log` fetches that.")]
pub(crate) struct Options {
    #[command(flatten)]
    join: JoinOptions,
    /// Address and port of the data path.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8444")]
    listen: SocketAddr,
    /// Name or IP address at which sources reach this machine.
    #[arg(long, value_name = "NAME_OR_IP")]
    advertise: String,
    /// Where image files are made.
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// A block device that a task may overwrite.
    #[arg(long = "device", value_name = "PATH")]
    devices: Vec<PathBuf>,
    #[command(flatten)]
    boot: StartOptions,
}

/// How what was received is started.
#[derive(Debug, Args)]
#[command(next_help_heading = "Starting what was received (needs QEMU)")]
struct StartOptions {
    /// Folder of the helper system, which makes copies start on other hardware (`cargo xtask image`).
    /// With it, system disks are started in rehearsals and at the end of a cut-over.
    #[arg(long = "boot", value_name = "DIR")]
    helper_system: Option<PathBuf>,
    /// Processors of a machine, unless its task says otherwise.
    #[arg(
        long,
        value_name = "N",
        default_value = "2",
        requires = "helper_system"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=255))]
    boot_cpus: u32,
    /// Memory of a machine in MiB, unless its task says otherwise.
    #[arg(
        long,
        value_name = "MIB",
        default_value = "2048",
        requires = "helper_system"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(128..))]
    boot_memory_mib: u32,
}

/// Runs until it is asked to end.
///
/// # Errors
/// If joining fails, or if state directory, images or port cannot be used.
pub(crate) fn run(options: Options, logs: LogSink) -> Result<ExitCode> {
    ensure!(
        options.images.is_some() || !options.devices.is_empty(),
        "nothing to receive into: give --images DIR, or --device PATH"
    );
    let receiver = ReceiverOptions {
        join_token: options.join.token()?,
        state_dir: options.join.state_dir,
        name: options.join.name,
        listen: options.listen,
        advertise: options.advertise,
        images: options.images,
        logs,
        devices: options.devices,
        boot: options.boot.helper_system.map(|helper_system| BootOptions {
            helper_system,
            cpus: options.boot.boot_cpus,
            memory_mib: options.boot.boot_memory_mib,
        }),
    };
    run_until_interrupted(move |stop| rehost_receiver::run(&receiver, stop))
}
