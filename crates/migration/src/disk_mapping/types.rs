//! What a mapping is made from, what comes out, and why it can fail.

/// A registered disk of the source server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceDisk {
    /// Its name, such as `/dev/vda`.
    pub name: String,
    /// Its size in bytes.
    pub size_bytes: u64,
}

/// What a target offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetCapabilities {
    /// Whether it makes image files.
    pub makes_images: bool,
    /// Existing devices that may be overwritten.
    pub devices: Vec<OfferedDevice>,
}

/// An existing device that a target offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedDevice {
    /// Path on the target, such as `/dev/vdb`.
    pub path: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Whether another task writes to it.
    pub in_use: bool,
}

/// A target disk as a task names it (SMS, `target_server.disks`). Empty texts count as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestedDisk {
    /// `name`
    pub name: String,
    /// `disk_id`
    pub disk_id: String,
    /// `relation_name`
    pub relation_name: String,
    /// `size` in bytes; 0 if not given.
    pub size_bytes: u64,
}

/// How a volume is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeFormat {
    /// A raw image.
    Raw,
    /// A qcow2 image.
    Qcow2,
    /// The existing device at this path.
    Device(String),
}

/// A volume to be made for a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedVolume {
    /// Number within the task, from 0.
    pub index: u32,
    /// Name of the source disk.
    pub source_disk: String,
    /// Size in bytes: that of the source disk.
    pub size_bytes: u64,
    /// How it is stored.
    pub format: VolumeFormat,
}

/// Why disks cannot be mapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// The source server has no disk, or none that is wanted.
    #[error("the source server has no disk to migrate: register its disks")]
    NoDisks,
    /// A target disk fits no source disk.
    #[error(
        "target disk {0:?} fits no source disk: name it as the source disk, or give relation_name"
    )]
    UnknownDisk(String),
    /// A source disk is named by two target disks.
    #[error("source disk {0:?} is mapped twice: map it once")]
    DuplicateSource(String),
    /// A device is named by two target disks.
    #[error("device {0:?} is used twice: give each disk a device of its own")]
    DuplicateDevice(String),
    /// A device is named that the target does not offer.
    #[error("device {0:?} is not offered by the target: offer it there, or choose another")]
    DeviceNotOffered(String),
    /// Another task writes to the device.
    #[error("device {0:?} belongs to another task: choose another, or delete that task")]
    DeviceInUse(String),
    /// The target is smaller than the source disk.
    #[error(
        "target of {source_disk:?} has {size_bytes} bytes but {needed_bytes} are needed: choose a larger one"
    )]
    TooSmall {
        /// Name of the source disk.
        source_disk: String,
        /// Size of the target in bytes.
        size_bytes: u64,
        /// Size of the source disk in bytes.
        needed_bytes: u64,
    },
    /// Target disks are named that are to be filled by position, but not enough of them.
    #[error(
        "target disk {name:?} is named by itself, but {needed} disks are to be migrated: name a \
         target for each, or leave out source disks"
    )]
    TooFewTargets {
        /// Name of the first target disk.
        name: String,
        /// Number of source disks.
        needed: usize,
    },
    /// An image is needed but the target makes none.
    #[error("the target makes no images but {0:?} needs one: map it to an offered device")]
    NoImages(String),
}

impl MappingError {
    /// The SMS error code of the answer.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoDisks => "SMS.6519",
            Self::DeviceInUse(_) => "SMS.6615",
            Self::TooFewTargets { .. } => "SMS.1311",
            Self::TooSmall { .. } => "SMS.6611",
            _ => "SMS.6033",
        }
    }
}
