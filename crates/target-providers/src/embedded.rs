//! Image files in a folder, and existing block devices.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rehost_volumes::{
    GptBackup, ImageFormat, Volume, WindowVolume, create_image, move_gpt_backup, open_target,
};

use crate::removal::{check_id, file_error, remove_if_there, remove_things};
use crate::{
    Ledger, PreparedVolume, ProviderError, TargetProvider, Thing, VolumeFormat, VolumeRequest,
};

/// Linux's `O_EXCL`: on a block device it fails while the device is mounted or otherwise claimed,
/// and is itself such a claim.
const EXCLUSIVE: i32 = 0o200;

/// Makes image files in a folder, one sub-folder a task, and hands out offered devices.
#[derive(Debug)]
pub struct EmbeddedProvider {
    images: Option<PathBuf>,
    devices: Vec<PathBuf>,
    ledger: Arc<Ledger>,
    /// Devices that are being received into, each with its task. An open file keeps everybody else
    /// from mounting the device.
    claims: Mutex<BTreeMap<PathBuf, (String, File)>>,
}

impl EmbeddedProvider {
    /// `images` is where image files go, if any are to be made; `devices` may be overwritten.
    #[must_use]
    pub fn new(
        images: Option<PathBuf>,
        devices: Vec<PathBuf>,
        ledger: impl Into<Arc<Ledger>>,
    ) -> Self {
        Self {
            images,
            devices,
            ledger: ledger.into(),
            claims: Mutex::default(),
        }
    }

    fn claims(&self) -> MutexGuard<'_, BTreeMap<PathBuf, (String, File)>> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a device for a task, until the task is committed or released.
    fn claim(&self, task_id: &str, path: &Path) -> Result<(), ProviderError> {
        let mut claims = self.claims();
        if claims.get(path).is_some_and(|(owner, _)| owner == task_id) {
            return Ok(());
        }
        // Another task's claim makes this fail, too.
        let claim = OpenOptions::new()
            .read(true)
            .custom_flags(EXCLUSIVE)
            .open(path)
            .map_err(|source| ProviderError::Busy {
                path: path.into(),
                source,
            })?;
        claims.insert(path.into(), (task_id.to_owned(), claim));
        Ok(())
    }

    fn give_up_claims(&self, task_id: &str) {
        self.claims().retain(|_, (owner, _)| owner != task_id);
    }

    fn folder(&self, task_id: &str) -> Result<PathBuf, ProviderError> {
        check_id(task_id)?;
        let images = self.images.as_ref().ok_or(ProviderError::NoImages)?;
        Ok(images.join(task_id))
    }

    fn image(
        &self,
        task_id: &str,
        request: &VolumeRequest,
        format: ImageFormat,
    ) -> Result<PreparedVolume, ProviderError> {
        let folder = self.folder(task_id)?;
        if !folder.exists() {
            self.ledger
                .will_make(task_id, Thing::Folder(folder.clone()))?;
            let made = std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder);
            made.map_err(|source| file_error("make the folder", &folder, source))?;
        }
        let path = folder.join(image_name(request, format));
        let found = path.exists();
        let volume = if found {
            open_target(&path)?
        } else {
            // Under another name until it is complete: what has the real name is whole.
            let aside = folder.join(format!("{}.new", image_name(request, format)));
            self.ledger
                .will_make(task_id, Thing::Image(aside.clone()))?;
            self.ledger.will_make(task_id, Thing::Image(path.clone()))?;
            remove_if_there(&aside)?;
            create_image(&aside, format, request.size_bytes)?;
            std::fs::rename(&aside, &path)
                .and_then(|()| std::fs::File::open(&folder)?.sync_all())
                .map_err(|source| file_error("complete the image", &path, source))?;
            open_target(&path)?
        };
        if volume.size_bytes() != request.size_bytes {
            return Err(ProviderError::OtherSize {
                found_bytes: volume.size_bytes(),
                needed_bytes: request.size_bytes,
                path,
            });
        }
        Ok(PreparedVolume {
            index: request.index,
            path,
            volume,
            made_empty: !found,
        })
    }

    fn device(
        &self,
        task_id: &str,
        request: &VolumeRequest,
        path: &Path,
    ) -> Result<PreparedVolume, ProviderError> {
        if !self.devices.iter().any(|offered| offered == path) {
            return Err(ProviderError::NotOffered { path: path.into() });
        }
        self.claim(task_id, path)?;
        let medium = open_target(path)?;
        let found_bytes = medium.size_bytes();
        let volume = WindowVolume::new(medium, request.size_bytes);
        let volume: Arc<dyn Volume> = Arc::new(volume.ok_or_else(|| ProviderError::TooSmall {
            path: path.into(),
            found_bytes,
            needed_bytes: request.size_bytes,
        })?);
        Ok(PreparedVolume {
            index: request.index,
            path: path.into(),
            volume,
            made_empty: false,
        })
    }
}

impl TargetProvider for EmbeddedProvider {
    fn prepare(
        &self,
        task_id: &str,
        requests: &[VolumeRequest],
    ) -> Result<Vec<PreparedVolume>, ProviderError> {
        requests
            .iter()
            .map(|request| match &request.format {
                VolumeFormat::Raw => self.image(task_id, request, ImageFormat::Raw),
                VolumeFormat::Qcow2 => self.image(task_id, request, ImageFormat::Qcow2),
                VolumeFormat::Device(path) => self.device(task_id, request, path),
            })
            .collect()
    }

    fn fit_partition_table(
        &self,
        task_id: &str,
        request: &VolumeRequest,
    ) -> Result<GptBackup, ProviderError> {
        let VolumeFormat::Device(path) = &request.format else {
            // Images are made as large as their disk.
            return Ok(GptBackup::AtTheEnd);
        };
        if !self.devices.iter().any(|offered| offered == path) {
            return Err(ProviderError::NotOffered { path: path.clone() });
        }
        self.claim(task_id, path)?;
        let medium = open_target(path)?;
        Ok(move_gpt_backup(&*medium, request.size_bytes)?)
    }

    fn commit(&self, task_id: &str) -> Result<(), ProviderError> {
        self.ledger.commit(task_id)?;
        self.give_up_claims(task_id);
        Ok(())
    }

    fn is_committed(&self, task_id: &str) -> bool {
        self.ledger.is_committed(task_id)
    }

    fn release(&self, task_id: &str) -> Result<Vec<PathBuf>, ProviderError> {
        self.give_up_claims(task_id);
        if self.ledger.is_committed(task_id) {
            return Ok(vec![]);
        }
        remove_things(&self.ledger, task_id, |_| true)
    }

    fn open_tasks(&self) -> Vec<String> {
        self.ledger.open_tasks()
    }
}

/// `<index>-<disk name>.<format>`, with nothing in it that a shell or a path would take amiss.
fn image_name(request: &VolumeRequest, format: ImageFormat) -> String {
    let name = request.name.rsplit('/').next().unwrap_or_default();
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name
        .chars()
        .map(|c| if harmless(c) { c } else { '_' })
        .collect();
    let name = name.trim_matches('.');
    let (raw, qcow2) = (".raw", ".qcow2");
    let stem = name
        .strip_suffix(raw)
        .or_else(|| name.strip_suffix(qcow2))
        .unwrap_or(name);
    let stem: String = stem.chars().take(100).collect();
    let ending = match format {
        ImageFormat::Raw => raw,
        ImageFormat::Qcow2 => qcow2,
    };
    format!("{}-{stem}{ending}", request.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(directory: &Path) -> EmbeddedProvider {
        let ledger = Ledger::open(&directory.join("ledger.jsonl")).unwrap();
        EmbeddedProvider::new(Some(directory.join("images")), vec![], ledger)
    }

    fn request(index: u32, name: &str, format: VolumeFormat) -> VolumeRequest {
        VolumeRequest {
            index,
            name: name.into(),
            size_bytes: 3 << 20,
            format,
        }
    }

    #[test]
    fn what_was_made_is_opened_again_and_removed_without_residue() {
        let directory = tempfile::tempdir().unwrap();
        let requests = [
            request(0, "/dev/vda", VolumeFormat::Raw),
            request(1, "../../data disk.raw", VolumeFormat::Qcow2),
        ];
        let made = provider(directory.path())
            .prepare("task-1", &requests)
            .unwrap();
        assert!(made.iter().all(|volume| volume.made_empty));
        made[0].volume.write_at(&[7; 512], 0).unwrap();
        let names: Vec<_> = made
            .iter()
            .map(|volume| volume.path.file_name().unwrap())
            .collect();
        assert_eq!(names, ["0-vda.raw", "1-data_disk.qcow2"]);

        let again = provider(directory.path());
        let opened = again.prepare("task-1", &requests).unwrap();
        let mut bytes = [0; 512];
        opened[0].volume.read_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, [7; 512]);
        // Whoever wrote to it since it was made need not have left a journal.
        assert!(!opened.iter().any(|volume| volume.made_empty));
        assert_eq!(again.open_tasks(), ["task-1"]);

        let mut larger = requests[0].clone();
        larger.size_bytes += 1;
        assert!(matches!(
            again.prepare("task-1", &[larger]),
            Err(ProviderError::OtherSize { .. })
        ));
        assert_eq!(again.release("task-1").unwrap().len(), 3);
        assert!(!directory.path().join("images/task-1").exists());
        assert!(again.open_tasks().is_empty());
    }

    #[test]
    fn a_committed_task_keeps_its_volumes() {
        let directory = tempfile::tempdir().unwrap();
        let provider = provider(directory.path());
        let made = provider
            .prepare("t", &[request(0, "vda", VolumeFormat::Raw)])
            .unwrap();
        provider.commit("t").unwrap();
        assert!(provider.release("t").unwrap().is_empty());
        assert!(made[0].path.exists());
    }

    #[test]
    fn refusals_say_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let provider = provider(directory.path());
        let device = VolumeFormat::Device("/dev/null".into());
        let refused = provider
            .prepare("t", &[request(0, "vda", device)])
            .unwrap_err();
        assert!(refused.to_string().contains("--device /dev/null"));
        let raw = [request(0, "vda", VolumeFormat::Raw)];
        assert!(matches!(
            provider.prepare("../t", &raw),
            Err(ProviderError::TaskId(_))
        ));
        let ledger = Ledger::open(&directory.path().join("other.jsonl")).unwrap();
        let none = EmbeddedProvider::new(None, vec![], ledger);
        assert!(matches!(
            none.prepare("t", &raw),
            Err(ProviderError::NoImages)
        ));
    }
}
