//! What boot loaders say to the kernel: the root file system and the resume device by names that
//! hold on any hardware, and the serial console.
//!
//! Configurations are edited in place. Generators such as `grub-mkconfig` would do, too, but they
//! write device names where no udev runs, and mix their own changes into the diff; one is run only
//! where there is no configuration at all. Their settings are changed as well, so that the next
//! kernel's update says the same.

use crate::changes::{READABLE, Work};
use crate::contract::Firmware;
use crate::error::FixupError;
use crate::facts::Named;
use crate::formats::kernel_options::{
    Resume, Rules, Syntax, edit_boot_lines, rewrite, starts_a_kernel,
};
use crate::formats::{assignments, grub_commands};
use crate::system::BootLoader;
use crate::system::boot_loader::{EFI_DIRECTORIES, GRUB_DIRECTORIES};

mod grub_environment;

const SETTINGS: &str = "/etc/default/grub";
const SETTINGS_DIRECTORY: &str = "/etc/default/grub.d";
const KERNEL_COMMAND_LINE: &str = "/etc/kernel/cmdline";
const COMMAND_LINE_KEYS: [&str; 3] = [
    "GRUB_CMDLINE_LINUX",
    "GRUB_CMDLINE_LINUX_DEFAULT",
    "GRUB_CMDLINE_LINUX_RECOVERY",
];

pub(super) fn run(work: &mut Work<'_>) -> Result<(), FixupError> {
    settings(work)?;
    make_missing_configuration(work)?;
    for path in boot_files(work)? {
        let Some(text) = work.read(&path)? else {
            continue;
        };
        let foreign_commands = match work.request.firmware {
            Firmware::Bios => grub_commands::OF_UEFI,
            Firmware::Uefi => grub_commands::OF_BIOS,
        };
        let is_of_grub = !path.ends_with(".conf") || path.ends_with("/grub.conf");
        let new = if is_of_grub {
            let new = edit_boot_lines(&text, Syntax::Grub, &|options| fixed(work, options));
            grub_commands::replaced(&new, foreign_commands)
        } else {
            edit_boot_lines(&text, Syntax::Entries, &|options| fixed(work, options))
        };
        work.write(&path, &new, READABLE)?;
    }
    for directory in GRUB_DIRECTORIES {
        let path = format!("{directory}/grubenv");
        if let Some(text) = work.read(&path)? {
            let new = grub_environment::edit(&text, &|options| fixed(work, options));
            work.write(&path, &new, READABLE)?;
        }
    }
    if let Some(text) = work.read(KERNEL_COMMAND_LINE)? {
        work.write(KERNEL_COMMAND_LINE, &fixed(work, &text), READABLE)?;
    }
    Ok(())
}

/// Options with everything put right.
fn fixed(work: &Work<'_>, options: &str) -> String {
    // Options that stand for others get the console there.
    let stands_for_others = options.contains("$kernelopts");
    rewrite_with(
        work,
        options,
        work.request.serial_console && !stands_for_others,
    )
}

fn rewrite_with(work: &Work<'_>, options: &str, serial_console: bool) -> String {
    let root = |device: &str| work.lasting_root(device);
    let resume = |device: &str| match work.named(device) {
        Named::Stable(_) | Named::Other => Resume::Keep,
        Named::ByDevice(volume) => work
            .facts
            .stable_name(volume)
            .map_or(Resume::Drop, Resume::Rename),
        Named::Missing => Resume::Drop,
    };
    let rules = Rules {
        root: &root,
        resume: &resume,
        serial_console,
    };
    rewrite(options, &rules)
}

/// The settings of GRUB's generator.
fn settings(work: &mut Work<'_>) -> Result<(), FixupError> {
    let mut paths = Vec::new();
    if work.root.is_file(SETTINGS) {
        paths.push(SETTINGS.to_owned());
    }
    for name in work.root.list(SETTINGS_DIRECTORY)? {
        if name.ends_with(".cfg") {
            paths.push(format!("{SETTINGS_DIRECTORY}/{name}"));
        }
    }
    for path in paths {
        let Some(mut text) = work.read(&path)? else {
            continue;
        };
        for key in COMMAND_LINE_KEYS {
            let old = assignments::get(&text, key);
            // A later file's line takes the place of the first file's.
            if old.is_none() && (path != SETTINGS || key != "GRUB_CMDLINE_LINUX") {
                continue;
            }
            let old = old.unwrap_or_default();
            let console = key == "GRUB_CMDLINE_LINUX"
                && work.request.serial_console
                && !has_serial_console(&text);
            let new = rewrite_with(work, &old, console);
            if new != old {
                text = assignments::set(&text, key, &new);
            }
        }
        if assignments::get(&text, "GRUB_DISABLE_LINUX_UUID").as_deref() == Some("true") {
            text = assignments::set(&text, "GRUB_DISABLE_LINUX_UUID", "false");
        }
        work.write(&path, &text, READABLE)?;
    }
    Ok(())
}

fn has_serial_console(settings: &str) -> bool {
    COMMAND_LINE_KEYS.iter().take(2).any(|key| {
        assignments::get(settings, key).is_some_and(|value| value.contains("console=ttyS0"))
    })
}

/// Has GRUB's configuration made if there is none, or none that starts a kernel.
fn make_missing_configuration(work: &mut Work<'_>) -> Result<(), FixupError> {
    if work.system.facts.boot_loader != BootLoader::Grub2 {
        return Ok(());
    }
    for path in boot_files(work)? {
        if path.ends_with("/grub.cfg")
            && let Some(text) = work.read(&path)?
            && (starts_a_kernel(&text) || text.contains("blscfg"))
        {
            return Ok(());
        }
    }
    let directory = GRUB_DIRECTORIES
        .into_iter()
        .find(|directory| work.root.is_directory(directory));
    let program = work.find_program(&["grub2-mkconfig", "grub-mkconfig"]);
    let (Some(directory), Some(program)) = (directory, program) else {
        return Err(FixupError::Essential(
            "/boot/grub/grub.cfg starts no kernel, and grub-mkconfig is not there to make it"
                .to_owned(),
        ));
    };
    let path = format!("{directory}/grub.cfg");
    work.run(&program, &["-o", &path])?;
    // Where no udev runs, it writes the name that the root device has right now.
    let root_name = work
        .facts
        .mounted_at("/")
        .and_then(|volume| work.facts.stable_name(volume));
    let rules = Rules {
        root: &|device| {
            let is_name_of_now = device.starts_with("/dev/") && !device.contains("/mapper/");
            root_name.clone().filter(|_| is_name_of_now)
        },
        resume: &|_| Resume::Keep,
        serial_console: false,
    };
    work.edit(&path, |text| {
        edit_boot_lines(text, Syntax::Grub, &|options| rewrite(options, &rules))
    })
}

/// Files of boot loaders that start kernels.
fn boot_files(work: &Work<'_>) -> Result<Vec<String>, FixupError> {
    let mut found = Vec::new();
    for directory in GRUB_DIRECTORIES {
        for name in ["grub.cfg", "custom.cfg", "menu.lst", "grub.conf"] {
            found.push(format!("{directory}/{name}"));
        }
    }
    for directory in ["/boot", "/boot/efi", "/efi"] {
        let entries = format!("{directory}/loader/entries");
        for name in work.root.list(&entries)? {
            if name.ends_with(".conf") {
                found.push(format!("{entries}/{name}"));
            }
        }
    }
    for directory in EFI_DIRECTORIES {
        for vendor in work.root.list(&format!("{directory}/EFI"))? {
            found.push(format!("{directory}/EFI/{vendor}/grub.cfg"));
        }
    }
    found.push("/boot/extlinux/extlinux.conf".to_owned());
    // One file under two names: a link, as `menu.lst` to `grub.conf`.
    found.retain(|path| work.root.is_file(path) && work.root.link_target(path).is_none());
    Ok(found)
}
