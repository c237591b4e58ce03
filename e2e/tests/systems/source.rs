//! The server that moves, with the agent installed as its owner would do it.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rehost_testkit::{Site, rehost, run_tool};
use rehost_testkit_systems::{Guest, Layout};

/// For an agent that starts in an emulated machine.
const REGISTERED: Duration = Duration::from_secs(120);
/// For commands in the machine while everything else is busy there.
const PATIENT: Duration = Duration::from_secs(120);

pub(crate) struct Source {
    pub(crate) guest: Guest,
    layout: Layout,
}

impl Source {
    pub(crate) fn start(layout: Layout, directory: &Path) -> Result<Self> {
        let guest =
            Guest::source(layout, &directory.join("source")).context("start the source server")?;
        Ok(Self { guest, layout })
    }

    /// Puts the executable and a join token there, and starts the agent.
    pub(crate) fn join(&mut self, site: &Site) -> Result<()> {
        let small = site.directory().join("rehost-for-source");
        let words = [
            OsStr::new("--strip-debug"),
            OsStr::new("-o"),
            small.as_os_str(),
        ];
        let built = rehost()?;
        run_tool("strip", words.into_iter().chain([built.as_os_str()]))?;
        self.guest.put(&small, "/usr/local/bin/rehost", "0755")?;
        let token = site.source_token()?;
        self.guest.put(&token, "/root/source.token", "0600")?;
        self.guest.run_within(
            "systemd-run --quiet --unit=rehost-agent /usr/local/bin/rehost agent \
             --state-dir /var/lib/rehost-agent --join-file /root/source.token \
             --log debug --sync-interval-seconds 5",
            PATIENT,
        )?;
        let registered = site.wait_for_source(self.layout.name(), REGISTERED);
        registered.with_context(|| self.agent_log().unwrap_or_default())
    }

    /// Work that the database has beside the journal; at a pace that an emulated machine can bear.
    pub(crate) fn start_pgbench(&mut self) -> Result<()> {
        self.guest.run_within(
            "systemd-run --quiet --unit=work --uid=postgres --working-directory=/tmp \
             pgbench --no-vacuum --client=2 --rate=20 --time=100000 bench",
            PATIENT,
        )?;
        Ok(())
    }

    pub(crate) fn agent_log(&mut self) -> Result<String> {
        let command = "journalctl --unit=rehost-agent --output=cat --no-pager";
        self.guest.run_within(command, PATIENT)
    }

    /// What the agent says about tracking.
    pub(crate) fn how_changes_are_found(&mut self) -> Result<String> {
        let command = "journalctl --unit=rehost-agent --output=cat --no-pager \
                       | grep --ignore-case track | head --lines=5";
        self.guest.run_within(command, PATIENT)
    }

    pub(crate) fn power_off(self) -> Result<()> {
        self.guest.power_off()
    }
}
