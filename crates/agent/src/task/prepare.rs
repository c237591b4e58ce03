//! What a replication needs before it can begin: the task's certificates, and the opened disks.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rehost_certificates::data_path_client_config;
use rehost_replication::source::{Peer, SourceVolume};
use rehost_sms_api::client::Client;
use rehost_sms_api::rehost::{DataPath, MappedVolume};
use rehost_volumes::open_source;
use rustls::ClientConfig;

use crate::care::Settings;
use crate::inventory::Disk;

const MAX_STREAMS: u32 = 64;

/// The agent's end of the task's data path: the task's certificate, and trust in its CA alone.
///
/// # Errors
/// A [`rehost_sms_api::client::ClientError`] within if the control plane could not be asked.
pub(crate) fn task_tls(client: &Client, task_id: &str) -> anyhow::Result<Arc<ClientConfig>> {
    let set = client
        .show_cert_key(task_id, true)
        .context("ask for the task's certificates")?;
    let secret = client
        .show_passphrase(task_id)
        .context("ask for the task's passphrase")?;
    let certificate = set
        .cert
        .context("the task has no certificate for the source")?;
    let key = set
        .private_key
        .context("the task has no private key for the source")?;
    let ca = set.ca.context("the task has no CA certificate")?;
    let passphrase = secret.passphrase.context("the task has no passphrase")?;
    data_path_client_config(&certificate, &key, &passphrase, &ca)
        .map(Arc::new)
        .context("set up TLS for the task")
}

/// The settings of a task.
///
/// # Errors
/// If the control plane could not be asked.
pub(crate) fn task_settings(client: &Client, task_id: &str) -> anyhow::Result<Settings> {
    let settings = client
        .show_config_setting(task_id, None)
        .context("ask for the task's settings")?;
    Ok(Settings::read(&settings.configurations))
}

/// Where the receiver is.
pub(crate) fn peer(path: DataPath) -> Peer {
    Peer {
        address: path.address,
        port: path.port,
        server_name: path.server_name,
    }
}

/// A number of streams that a session can have.
pub(crate) fn clamp_streams(wanted: u32) -> u32 {
    wanted.clamp(1, MAX_STREAMS)
}

/// Opens the disks of a task. Only disks of the inventory are ever opened, whatever the control
/// plane names.
///
/// # Errors
/// If a disk is not there any more, has another size than the task was made for, or cannot be read.
pub(crate) fn open_volumes(
    mapped: &[MappedVolume],
    disks: &[Disk],
) -> anyhow::Result<(Vec<SourceVolume>, Vec<PathBuf>)> {
    let mut volumes = Vec::new();
    let mut paths = Vec::new();
    for mapped in mapped {
        let name = &mapped.source_disk;
        let disk = disks
            .iter()
            .find(|disk| disk.name == *name)
            .with_context(|| {
                format!("this server has no disk {name}; delete the task and make it again")
            })?;
        let volume = open_source(&disk.path).with_context(|| format!("open the disk {name}"))?;
        ensure!(
            volume.size_bytes() == mapped.size_bytes,
            "the disk {name} has {} bytes now and had {} when the task was made; delete the task \
             and make it again",
            volume.size_bytes(),
            mapped.size_bytes,
        );
        volumes.push(SourceVolume {
            index: mapped.index,
            name: name.clone(),
            volume,
            tracker: None,
        });
        paths.push(disk.path.clone());
    }
    ensure!(!volumes.is_empty(), "the task has no disks");
    Ok((volumes, paths))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_disks_of_the_inventory_with_the_right_size_are_opened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk.img");
        std::fs::write(&path, [1; 4096]).unwrap();
        let disks = [Disk {
            name: "disk.img".into(),
            path: path.clone(),
            ..Disk::default()
        }];
        let mapped = |name: &str, size_bytes| {
            [MappedVolume {
                index: 3,
                source_disk: name.into(),
                size_bytes,
            }]
        };
        let (volumes, paths) = open_volumes(&mapped("disk.img", 4096), &disks).unwrap();
        assert_eq!(
            (volumes[0].index, volumes[0].volume.size_bytes()),
            (3, 4096)
        );
        assert_eq!(paths, std::slice::from_ref(&path));
        assert!(open_volumes(&mapped("disk.img", 8192), &disks).is_err());
        assert!(open_volumes(&mapped(path.to_str().unwrap(), 4096), &disks).is_err());
        assert!(open_volumes(&[], &disks).is_err());
        assert_eq!(
            (clamp_streams(0), clamp_streams(4), clamp_streams(1000)),
            (1, 4, 64)
        );
    }
}
