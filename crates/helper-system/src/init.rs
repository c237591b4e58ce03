//! The first program of the helper system: prepares the machine, does the work, says what came of
//! it, and switches the machine off, whatever happens.

use std::panic::AssertUnwindSafe;
use std::path::Path;

use anyhow::{Context as _, Result};
use rehost_boot_fixups::FixupReport;

use crate::host::Host;
use crate::modules::{self, Modules};
use crate::protocol::Event;
use crate::uevents::Uevents;
use crate::work::{Failure, GLANCE, Means, SYSTEM};
use crate::{console, mounts, power};

/// What every system has mounted, in this order.
const VIRTUAL: &[(&str, &str)] = &[
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("devpts", "/dev/pts"),
    ("tmpfs", "/run"),
];

/// Runs as process 1. Never comes back.
pub(crate) fn run() -> ! {
    // A panic is written to the console by the standard library, and becomes a failure here.
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(serve_host));
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => console::line(&format!("{error:#}")),
        Err(_) => console::line("a mistake in this program has ended it"),
    }
    power::off()
}

/// Everything from the first mount to the last word to the host.
fn serve_host() -> Result<()> {
    mount_virtual()?;
    let uevents = Uevents::listen()?;
    let mut modules = Modules::of_this_kernel()?;
    modules.load(modules::FIRST)?;
    let host = Host::connect(&uevents)?;
    host.say(&Event::Ready);

    let last_word = match work(&host, &mut modules, &uevents) {
        Ok(report) => Event::Done { report },
        Err(failure) => Event::Failed {
            reason: format!("{:#}", failure.reason),
            report: failure.report,
        },
    };
    rustix::fs::sync();
    host.say(&last_word);
    Ok(())
}

fn work(host: &Host, modules: &mut Modules, uevents: &Uevents) -> Result<FixupReport, Failure> {
    let request = host.request()?;
    let log = |line: &str| host.log(line);
    let mut means = Means {
        modules,
        uevents,
        log: &log,
    };
    let worked =
        std::panic::catch_unwind(AssertUnwindSafe(|| means.make_bootable(&request.fixups)));
    worked.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no reason given");
        let reason = format!("a mistake in the helper system: {text}");
        Err(anyhow::Error::msg(reason).into())
    })
}

fn mount_virtual() -> Result<()> {
    for (kind, place) in VIRTUAL {
        let place = Path::new(place);
        std::fs::create_dir_all(place).with_context(|| format!("make {}", place.display()))?;
        mounts::mount_virtual(kind, place)
            .with_context(|| format!("mount {kind} at {}", place.display()))?;
    }
    for place in [SYSTEM, GLANCE] {
        std::fs::create_dir_all(place).with_context(|| format!("make {place}"))?;
    }
    Ok(())
}
