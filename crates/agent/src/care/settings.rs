//! What operators allow a copy to take: options of the agent, and settings of a task over them. Pure.
//!
//! The words are those of SMS (UploadSpecialConfigurationSetting): `LINUX_CPU_LIMIT` in percent of all
//! processors, `LINUX_MEM_LIMIT` and `LINUX_IO_LIMIT` in MB and MB/s, `LINUX_BLOCK_COMPRESS_THREAD_NUM`.
//! Empty, 0 and what is no number mean what the agent was started with.

use rehost_replication::source::{Compression, stream_memory_bytes};
use rehost_sms_api::bodies::ConfigBody;

use crate::options::CareOptions;

/// What the agent needs beside its streams: what it holds when a copy begins is added to this.
const RESERVE_BYTES: u64 = 32 << 20;
const MIB: u64 = 1 << 20;
/// A ceiling of all processors is none.
const ALL_PERCENT: u32 = 100;

/// Settings of a task that are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    cpu_percent: Option<u32>,
    memory_mib: Option<u32>,
    disk_mib_per_second: Option<u32>,
    compression_threads: Option<u32>,
    streams: Option<u32>,
}

/// What holds for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InForce {
    /// Percent of all processors.
    pub cpu_percent: Option<u32>,
    pub memory_mib: Option<u32>,
    pub disk_mib_per_second: Option<u32>,
    /// How many streams may pack at the same time; 0 is no packing.
    pub compression_threads: Option<u32>,
    pub guards_latency: bool,
}

impl Settings {
    /// Reads the settings of a task.
    pub(crate) fn read(configurations: &[ConfigBody]) -> Self {
        let number = |key: &str| -> Option<u32> {
            let is_it = |entry: &&ConfigBody| entry.config_key.as_deref() == Some(key);
            let value = configurations.iter().find(is_it)?.config_value.as_ref()?;
            value.trim().parse().ok()
        };
        let above_zero = |key| number(key).filter(|value| *value > 0);
        Self {
            cpu_percent: above_zero("LINUX_CPU_LIMIT"),
            memory_mib: above_zero("LINUX_MEM_LIMIT"),
            disk_mib_per_second: above_zero("LINUX_IO_LIMIT"),
            compression_threads: number("LINUX_BLOCK_COMPRESS_THREAD_NUM"),
            streams: above_zero("NUM_PROCESS_MIGRATE"),
        }
    }

    /// Streams that the task asks for.
    pub(crate) fn streams(&self) -> Option<u32> {
        self.streams
    }

    /// What holds for the task of an agent that was started with `options`.
    pub(crate) fn over(&self, options: &CareOptions) -> InForce {
        let cpu_percent = self.cpu_percent.or(options.cpu_percent);
        InForce {
            cpu_percent: cpu_percent.filter(|percent| *percent < ALL_PERCENT),
            memory_mib: self.memory_mib.or(options.memory_mib),
            disk_mib_per_second: self.disk_mib_per_second.or(options.disk_mib_per_second),
            compression_threads: self.compression_threads,
            guards_latency: options.guards_latency,
        }
    }
}

impl InForce {
    /// How many of the wanted streams fit under the memory ceiling, and how they may pack, for an agent
    /// that holds `held_bytes` now. One stream there must be, and the first thing to go is packing.
    pub(crate) fn fitting(
        &self,
        streams: u32,
        compression: Compression,
        held_bytes: u64,
    ) -> (u32, Compression) {
        let Some(memory_mib) = self.memory_mib else {
            return (streams, compression);
        };
        let room = (u64::from(memory_mib) * MIB).saturating_sub(held_bytes + RESERVE_BYTES);
        let fit = |compression| room / stream_memory_bytes(compression);
        let compression = if fit(compression) == 0 {
            Compression::None
        } else {
            compression
        };
        let fit = u32::try_from(fit(compression)).unwrap_or(u32::MAX);
        (streams.min(fit).max(1), compression)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(entries: &[(&str, &str)]) -> Settings {
        let body = |(key, value): &(&str, &str)| ConfigBody {
            config_key: Some((*key).into()),
            config_value: Some((*value).into()),
            config_status: None,
        };
        Settings::read(&entries.iter().map(body).collect::<Vec<_>>())
    }

    #[test]
    fn settings_of_the_task_come_before_the_options_of_the_agent() {
        let options = CareOptions {
            cpu_percent: Some(50),
            memory_mib: None,
            disk_mib_per_second: Some(99),
            guards_latency: true,
        };
        let nothing = settings(&[("LINUX_CPU_LIMIT", ""), ("LINUX_IO_LIMIT", "x")]);
        let usual = InForce {
            cpu_percent: Some(50),
            memory_mib: None,
            disk_mib_per_second: Some(99),
            compression_threads: None,
            guards_latency: true,
        };
        assert_eq!(nothing.over(&options), usual);
        let task = settings(&[
            ("LINUX_CPU_LIMIT", " 30 "),
            ("LINUX_MEM_LIMIT", "300"),
            ("LINUX_IO_LIMIT", "0"),
            ("LINUX_BLOCK_COMPRESS_THREAD_NUM", "0"),
            ("NUM_PROCESS_MIGRATE", "7"),
        ]);
        let expected = InForce {
            cpu_percent: Some(30),
            memory_mib: Some(300),
            compression_threads: Some(0),
            ..usual
        };
        assert_eq!(task.over(&options), expected);
        assert_eq!(task.streams(), Some(7));
        let all = settings(&[("LINUX_CPU_LIMIT", "100")]);
        assert_eq!(all.over(&options).cpu_percent, None);
    }

    #[test]
    fn as_many_streams_as_fit_and_packing_goes_first() {
        let with = |memory_mib| InForce {
            memory_mib,
            ..Settings::default().over(&CareOptions::default())
        };
        let (auto, none) = (Compression::Auto, Compression::None);
        assert_eq!(with(None).fitting(64, auto, u64::MAX / 2), (64, auto));
        let (streams, compression) = with(Some(200)).fitting(64, auto, 40 * MIB);
        assert!((2..64).contains(&streams) && compression == auto);
        let held = 40 * MIB + RESERVE_BYTES + u64::from(streams) * stream_memory_bytes(auto);
        assert!(held <= 200 * MIB && held + stream_memory_bytes(auto) > 200 * MIB);
        assert_eq!(with(Some(200)).fitting(1, auto, 40 * MIB), (1, auto));
        assert_eq!(with(Some(1)).fitting(4, auto, 0), (1, none));
    }
}
