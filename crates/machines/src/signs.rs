//! What a starting system looks like on its serial console: that it is up, or why it will not be.
//! Pure.
//!
//! Waiting for a deadline tells nothing; so every way in which Linux systems say that they have
//! given up is known here, from firmware to systemd, and ends the waiting with a reason of one line.

use serde::{Deserialize, Serialize};

/// What the unit that the fix-ups install says once the system is up, and before the host name.
const HEARTBEAT: &str = "REHOST-HEARTBEAT multi-user";
/// How much of a foreign line goes into a reason.
const MAX_QUOTED_CHARS: usize = 200;

/// How a system showed that it is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BootSign {
    /// By its heart-beat: multi-user operation was reached.
    Heartbeat {
        /// What it calls itself.
        host_name: String,
    },
    /// By asking who wants to log in.
    LoginPrompt {
        /// The prompt.
        prompt: String,
    },
}

/// Reads the console of a starting system line by line.
#[derive(Clone, Debug)]
pub struct BootWatch {
    heartbeat: bool,
    /// The first trouble that the system told of, which is usually the cause of what follows.
    trouble: Option<String>,
    /// The last error of the boot loader.
    loader_error: Option<String>,
    login_prompt: bool,
}

/// Prompts and words after which nothing more will happen, and what they mean.
const FAILURES: &[(Place, &str, &str)] = &[
    // Firmware.
    (
        Place::Start,
        "No bootable device",
        "the firmware finds nothing to boot on the disks",
    ),
    (
        Place::Within,
        "BdsDxe: No bootable option or device was found",
        "the firmware finds nothing to boot on the disks",
    ),
    (
        Place::Start,
        "UEFI Interactive Shell",
        "the firmware finds nothing to boot on the disks, and has started its shell",
    ),
    (
        Place::Start,
        "Shell>",
        "the firmware finds nothing to boot on the disks",
    ),
    // Boot loaders.
    (Place::Start, "grub rescue>", "GRUB cannot find its files"),
    (Place::Start, "grub>", "GRUB has no configuration"),
    (
        Place::Within,
        "Missing operating system",
        "the first disk has no boot loader",
    ),
    (
        Place::Start,
        "Operating system not found",
        "the first disk has no boot loader",
    ),
    (
        Place::Within,
        "you need to load the kernel first",
        "GRUB cannot load the kernel",
    ),
    // The first file system.
    (
        Place::Within,
        "Gave up waiting for root file system device",
        "the root file system's device does not appear",
    ),
    (
        Place::Within,
        "Gave up waiting for root device",
        "the root file system's device does not appear",
    ),
    (
        Place::Start,
        "(initramfs)",
        "the initramfs cannot go on and has started a shell",
    ),
    (Place::Within, "rdsosreport.txt", "dracut cannot go on"),
    (
        Place::Start,
        "dracut:/#",
        "dracut cannot go on and has started a shell",
    ),
    (
        Place::Within,
        "Entering emergency mode. Exit the shell to continue.",
        "dracut cannot go on and has started a shell",
    ),
    (
        Place::Within,
        "UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY",
        "a file system has damage that fsck does not repair by itself",
    ),
    // Encrypted disks.
    (
        Place::Start,
        "Please unlock disk",
        "an encrypted disk asks for its passphrase",
    ),
    (
        Place::Within,
        "Please enter passphrase for disk",
        "an encrypted disk asks for its passphrase",
    ),
    (
        Place::Start,
        "Enter passphrase for",
        "an encrypted disk asks for its passphrase",
    ),
    // The system.
    (
        Place::Within,
        "You are in emergency mode",
        "the system is in emergency mode",
    ),
    (
        Place::Within,
        "Welcome to emergency mode",
        "the system is in emergency mode",
    ),
    (
        Place::Within,
        "You are in rescue mode",
        "the system is in rescue mode",
    ),
    (
        Place::Start,
        "Give root password for",
        "the system is in emergency mode",
    ),
    (
        Place::Within,
        "Cannot open access to console, the root account is locked",
        "the system is in emergency mode",
    ),
    (
        Place::Within,
        "Reached target emergency.target",
        "the system is in emergency mode",
    ),
    (
        Place::Within,
        "Reached target Emergency Mode",
        "the system is in emergency mode",
    ),
    (
        Place::Within,
        "systemd[1]: Freezing execution",
        "systemd cannot go on",
    ),
    (Place::Within, "[!!!!!!]", "systemd cannot go on"),
];

/// Where in a line words count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    Within,
}

/// What a kernel says last.
const PANIC: &str = "Kernel panic - not syncing: ";

/// How systems tell of what went wrong with a device or a unit: a mark, and the words behind it with
/// which the trouble begins.
const TROUBLES: &[(&str, &str)] = &[
    ("", "Timed out waiting for device "),
    ("[FAILED] ", "Failed to "),
    ("", "Dependency failed for "),
    ("ALERT!  ", ""),
    ("Warning: ", "/dev/"),
    ("", "mount: mounting "),
];

impl BootWatch {
    /// A watch over one start. With `heartbeat` only a heart-beat shows that the system is up,
    /// otherwise a login prompt does as well.
    #[must_use]
    pub const fn new(heartbeat: bool) -> Self {
        Self {
            heartbeat,
            trouble: None,
            loader_error: None,
            login_prompt: false,
        }
    }

    /// Reads a line, or the beginning of one that has not ended yet. Returns the sign that the
    /// system is up, or the reason why it will not be.
    pub fn read(&mut self, line: &str, has_ended: bool) -> Option<Result<BootSign, String>> {
        let line = line.trim();
        if let Some((_, after)) = line.split_once(HEARTBEAT) {
            // The host name behind it may still be on its way.
            return has_ended.then(|| {
                Ok(BootSign::Heartbeat {
                    host_name: quoted(after),
                })
            });
        }
        if let Some((_, what)) = line.split_once(PANIC) {
            return has_ended.then(|| Err(format!("the kernel panics: {}", quoted(what))));
        }
        if let Some(meaning) = failure(line) {
            return Some(Err(self.with_cause(meaning)));
        }
        if is_login_prompt(line) {
            self.login_prompt = true;
            if !self.heartbeat {
                return Some(Ok(BootSign::LoginPrompt {
                    prompt: quoted(line),
                }));
            }
        }
        if has_ended {
            self.note_trouble(line);
        }
        None
    }

    /// The reason when time is up, `last_line` being the last that was seen.
    #[must_use]
    pub fn out_of_time(&self, seconds: u64, last_line: Option<&str>) -> String {
        let mut reason = format!("the system is not up after {seconds} s");
        if self.login_prompt {
            reason.push_str(", though it asks for a login: its heart-beat is missing");
        } else if let Some(trouble) = &self.trouble {
            reason.push_str(&format!(": {trouble}"));
        } else if let Some(line) = last_line {
            reason.push_str(&format!(
                "; the last that it says on its serial console is `{}`",
                quoted(line)
            ));
        } else {
            reason.push_str("; it says nothing on its serial console");
        }
        reason
    }

    fn with_cause(&self, meaning: &str) -> String {
        let of_loader = meaning.starts_with("GRUB");
        let cause = if of_loader {
            &self.loader_error
        } else {
            &self.trouble
        };
        match cause {
            Some(cause) => format!("{meaning}: {cause}"),
            None => meaning.to_owned(),
        }
    }

    fn note_trouble(&mut self, line: &str) {
        // Another start: what was before is over.
        if line.contains("Linux version ") {
            self.trouble = None;
        }
        if line.starts_with("error: ") {
            self.loader_error = Some(quoted(line));
        }
        if self.trouble.is_some() {
            return;
        }
        let found = TROUBLES.iter().find_map(|(mark, words)| {
            let at = line.find(&format!("{mark}{words}"))?;
            line.get(at + mark.len()..)
        });
        self.trouble = found.map(quoted);
    }
}

fn failure(line: &str) -> Option<&'static str> {
    FAILURES
        .iter()
        .find(|(place, words, _)| match place {
            Place::Start => line.starts_with(words),
            Place::Within => line.contains(words),
        })
        .map(|(_, _, meaning)| *meaning)
}

/// `web1 login:`, and nothing behind it.
fn is_login_prompt(line: &str) -> bool {
    line.strip_suffix(" login:").is_some_and(|host| {
        !host.is_empty()
            && host
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'))
    })
}

/// Foreign words, short and in one line.
fn quoted(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(MAX_QUOTED_CHARS).collect()
}

#[cfg(test)]
mod tests;
