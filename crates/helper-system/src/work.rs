//! What a helper system is there for: find the system on the disks of a request, mount it, have it
//! made to start on this hardware, and leave the disks clean.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rehost_boot_fixups::{FixupReport, FixupRequest, TargetDisk};

use crate::devices::{Devices, Seen};
use crate::enter::Entered;
use crate::fstab::Need;
use crate::modules::{self, Modules};
use crate::mounts::Tree;
use crate::root::Root;
use crate::sysfs::{self, BlockDevice};
use crate::tools::{self, ARRAY_MEMBER, VOLUME_GROUP_MEMBER};
use crate::uevents::Uevents;
use crate::{fstab, mounts, root};

/// Where the system is mounted.
pub(crate) const SYSTEM: &str = "/sysroot";
/// Where file systems are mounted to look at them.
pub(crate) const GLANCE: &str = "/run/glance";
/// The disks that we expect are found by the first drivers.
const USUAL_DISKS_LIMIT: Duration = Duration::from_secs(5);
/// For controllers that take their time.
const DISKS_LIMIT: Duration = Duration::from_secs(60);

/// What the work is done with.
pub(crate) struct Means<'a> {
    pub(crate) modules: &'a mut Modules,
    pub(crate) uevents: &'a Uevents,
    pub(crate) log: &'a dyn Fn(&str),
}

/// Why it could not be done, and what was done before.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: anyhow::Error,
    pub(crate) report: Option<FixupReport>,
}

impl From<anyhow::Error> for Failure {
    fn from(reason: anyhow::Error) -> Self {
        Self {
            reason,
            report: None,
        }
    }
}

impl Means<'_> {
    /// Does it. Whatever comes of it, nothing is mounted afterwards, and nothing is in flight to the
    /// disks.
    ///
    /// # Errors
    /// If the system is not expected to start.
    pub(crate) fn make_bootable(&mut self, request: &FixupRequest) -> Result<FixupReport, Failure> {
        let seen = self.disks(&request.disks)?;
        let mut managed = Managed::default();
        let outcome = self
            .devices(seen, &mut managed)
            .map_err(Failure::from)
            .and_then(|devices| self.fix(&devices, request));
        rustix::fs::sync();
        match tools::stop_everything(managed.groups, managed.arrays) {
            Ok(said) => self.log_lines(&said),
            Err(error) => (self.log)(&format!("{error:#}")),
        }
        outcome
    }

    /// Waits for the disks of the request.
    fn disks(&mut self, wanted: &[TargetDisk]) -> Result<Vec<(TargetDisk, BlockDevice)>> {
        ensure!(!wanted.is_empty(), "the request names no disk");
        let look = || {
            let devices = sysfs::block_devices(Path::new(sysfs::BLOCK))?;
            Ok(with_serials(wanted, &devices))
        };
        let all_of =
            |found: Vec<(TargetDisk, BlockDevice)>| (found.len() == wanted.len()).then_some(found);
        let usual = self
            .uevents
            .look_for(USUAL_DISKS_LIMIT, || look().map(all_of))?;
        if let Some(found) = usual {
            return Ok(found);
        }
        (self.log)("not all disks are there: loading drivers for other controllers");
        self.modules.load(modules::OTHER_DISKS)?;
        if let Some(found) = self.uevents.look_for(DISKS_LIMIT, || look().map(all_of))? {
            return Ok(found);
        }
        let found = look()?;
        let missing: Vec<&str> = wanted
            .iter()
            .map(|disk| disk.serial.as_str())
            .filter(|serial| found.iter().all(|(disk, _)| disk.serial != *serial))
            .collect();
        bail!("no disk has the serial number {}", missing.join(", "))
    }

    /// Has arrays and volume groups made of the disks, and finds out what is on everything.
    fn devices(
        &mut self,
        disks: Vec<(TargetDisk, BlockDevice)>,
        managed: &mut Managed,
    ) -> Result<Devices> {
        let mut seen = Seen {
            disks,
            ..Seen::default()
        };
        seen.signatures = tools::signatures(&seen.to_be_probed())?;
        if seen.has(ARRAY_MEMBER) {
            self.modules.load(modules::ARRAYS)?;
            managed.arrays = true;
            self.log_lines(&tools::start_arrays()?);
            look_again(&mut seen)?;
        }
        if seen.has(VOLUME_GROUP_MEMBER) {
            self.modules.load(modules::VOLUME_GROUPS)?;
            managed.groups = true;
            self.log_lines(&tools::activate_volume_groups()?);
            look_again(&mut seen)?;
        }
        let devices = seen.into_devices();
        for device in &devices.all {
            let kind = match device.file_system.as_str() {
                "" => "nothing known",
                kind => kind,
            };
            (self.log)(&format!("{} holds {kind}", device.path));
            make_links(&device.path, &device.links());
        }
        Ok(devices)
    }

    fn fix(&mut self, devices: &Devices, request: &FixupRequest) -> Result<FixupReport, Failure> {
        let root = root::find(devices, self.modules, Path::new(GLANCE), self.log)?;
        let device = &devices.all[root.device];
        let kind = mounts::kernel_type(&device.file_system).unwrap_or_default();
        let data = root.mount_data();
        (self.log)(&format!("the system is on {} {data}", device.path));

        let mut tree = Tree::mount_root(Path::new(SYSTEM), &device.path, kind, &data)?;
        let done = self.fix_in(&mut tree, &root, devices, request);
        // Also after a failure: the host may want to look at what there is.
        match (done, tree.unmount()) {
            (Ok(report), Ok(())) => Ok(report),
            (Ok(report), Err(reason)) => Err(Failure {
                reason,
                report: Some(report),
            }),
            (Err(failure), Ok(())) => Err(failure),
            (Err(failure), Err(error)) => {
                (self.log)(&format!("{error:#}"));
                Err(failure)
            }
        }
    }

    fn fix_in(
        &mut self,
        tree: &mut Tree,
        root: &Root,
        devices: &Devices,
        request: &FixupRequest,
    ) -> Result<FixupReport, Failure> {
        let mut places = vec![(root.device, "/".to_owned())];
        for entry in fstab::in_order(&root.fstab) {
            if entry.mount_point == "/" || !entry.mount_point.starts_with('/') {
                continue;
            }
            let found = devices.find(&entry.device);
            if let Ok(index) = found {
                places.push((index, entry.mount_point.clone()));
            }
            let need = fstab::need(entry);
            if need == Need::None {
                continue;
            }
            let mounted = found
                .map_err(anyhow::Error::msg)
                .and_then(|index| self.mount(tree, devices, index, entry))
                .with_context(|| format!("/etc/fstab wants {}", entry.mount_point));
            match mounted {
                Ok(()) => {}
                Err(error) if need == Need::Required => return Err(error.into()),
                Err(error) => (self.log)(&format!("going on without: {error:#}")),
            }
        }
        tree.mount_running_system()?;

        let commands = Entered {
            root: SYSTEM.into(),
            log: self.log,
        };
        let facts = devices.facts(&places);
        let report = rehost_boot_fixups::fix(Path::new(SYSTEM), &facts, request, &commands);
        let failed = report.first_failure().map(|fixup| {
            let name = fixup.name.word();
            anyhow::Error::msg(format!("{name}: {}", fixup.summary))
        });
        match failed {
            None => Ok(report),
            Some(reason) => Err(Failure {
                reason,
                report: Some(report),
            }),
        }
    }

    fn mount(
        &mut self,
        tree: &mut Tree,
        devices: &Devices,
        index: usize,
        entry: &rehost_boot_fixups::FstabEntry,
    ) -> Result<()> {
        let device = &devices.all[index];
        let kind = mounts::kernel_type(&device.file_system).with_context(|| {
            format!(
                "{} holds {}, which cannot be mounted here",
                device.path, device.file_system
            )
        })?;
        self.modules.load(modules::for_file_system(kind))?;
        let data = fstab::mount_data(entry);
        tree.mount_device(&device.path, kind, &data, &entry.mount_point)
    }

    fn log_lines(&self, text: &str) {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            (self.log)(line.trim());
        }
    }
}

/// Which volume managers are in use.
#[derive(Debug, Default)]
struct Managed {
    arrays: bool,
    groups: bool,
}

impl Seen {
    fn has(&self, kind: &str) -> bool {
        self.signatures
            .values()
            .any(|signature| signature.get("FS_TYPE").is_some_and(|found| found == kind))
    }
}

/// The disks that have the serial numbers of the request.
fn with_serials(wanted: &[TargetDisk], devices: &[BlockDevice]) -> Vec<(TargetDisk, BlockDevice)> {
    let found = wanted.iter().filter_map(|disk| {
        let device = devices
            .iter()
            .find(|device| device.serial.as_deref() == Some(&disk.serial))?;
        Some((disk.clone(), device.clone()))
    });
    found.collect()
}

/// Finds what a volume manager has made, and what is on it.
fn look_again(seen: &mut Seen) -> Result<()> {
    let devices = sysfs::block_devices(Path::new(sysfs::BLOCK))?;
    let mut by_name: BTreeMap<&str, &BlockDevice> = BTreeMap::new();
    for device in &devices {
        by_name.insert(&device.kernel_name, device);
    }
    for (_, disk) in &mut seen.disks {
        if let Some(now) = by_name.get(disk.kernel_name.as_str()) {
            *disk = (*now).clone();
        }
    }
    seen.made.clear();
    for device in &devices {
        if device.mapped_name.is_some() {
            seen.made.push((device.clone(), Vec::new()));
        } else if device.kernel_name.starts_with("md") {
            let names = tools::array_names(device)?;
            seen.made.push((device.clone(), names));
        }
    }
    let known = &seen.signatures;
    let new: Vec<String> = seen
        .to_be_probed()
        .into_iter()
        .filter(|path| !known.contains_key(path))
        .collect();
    seen.signatures.extend(tools::signatures(&new)?);
    Ok(())
}

/// Makes the links that udev would make. Programs that miss one say so themselves.
fn make_links(device: &str, links: &[String]) {
    for link in links {
        let link = Path::new("/dev/disk").join(link);
        if let Some(folder) = link.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        let _ = std::os::unix::fs::symlink(device, link);
    }
}
