//! Logs: text or JSON lines on standard error, so that standard output holds results alone, and the
//! same lines in the files of a role that keeps some.

use rehost_log_files::LogSink;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Starts logging. A filter that cannot be read is replaced by the default and reported.
pub(crate) fn start(format: LogFormat, filter: Option<&str>, default_filter: &str, kept: &LogSink) {
    let (filter, complaint) = match filter.map(EnvFilter::try_new) {
        None => (EnvFilter::new(default_filter), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (EnvFilter::new(default_filter), Some(error)),
    };
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let kept = kept.clone();
    let kept_lines = tracing_subscriber::fmt::layer()
        .with_writer(move || kept.clone())
        .with_ansi(false);
    match format {
        LogFormat::Json => registry
            .with(
                lines
                    .json()
                    .flatten_event(true)
                    .and_then(kept_lines.json().flatten_event(true)),
            )
            .init(),
        LogFormat::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
            registry
                .with(lines.with_ansi(colours).and_then(kept_lines))
                .init();
        }
    }
    if let Some(error) = complaint {
        tracing::warn!(%error, "the log filter cannot be read, using {default_filter}");
    }
}
