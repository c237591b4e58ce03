//! What people and scripts read: results on standard output, errors and remarks on standard error.

use std::io::{ErrorKind, Write as _};

use anyhow::{Context as _, Result};

/// Writes a result, with a line end, to standard output. A reader that has seen enough (`| head`)
/// is no failure.
///
/// # Errors
/// If standard output cannot be written, as on a full disk.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("write to standard output"),
    }
}

/// Writes a value as JSON to standard output.
///
/// # Errors
/// If standard output cannot be written.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<()> {
    print(&serde_json::to_string_pretty(value).context("write the answer as JSON")?)
}

/// Writes a remark for the person who watches to standard error.
pub(crate) fn remark(text: &str) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes an error and its causes, each once.
pub(crate) fn error(error: &anyhow::Error) {
    remark(&format!("error: {error}"));
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // Some layers repeat what the layer below says.
        if text != last {
            remark(&format!("  caused by: {text}"));
        }
        last = text;
    }
}

/// Rows as columns, the first row being the head. Empty cells are shown as `-`.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or_default().max(1))
        .collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| {
            let cell = if cell.is_empty() { "-" } else { cell };
            format!("{cell:width$}")
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A size as people say it, such as `1.5 GiB`.
pub(crate) fn size(size_bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut whole = size_bytes;
    let mut tenths = 0;
    let mut unit = 0;
    while whole >= 1024 && unit + 1 < UNITS.len() {
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 {
        format!("{whole} {name}")
    } else {
        format!("{whole}.{tenths} {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_empty_cells_are_visible() {
        let rows = [
            ["ID", "NAME", "STATE"],
            ["1", "a-long-name", "waiting"],
            ["22", "", ""],
        ];
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|&cell| cell.into()).collect())
            .collect();
        let expected = "ID  NAME         STATE\n1   a-long-name  waiting\n22  -            -";
        assert_eq!(table(&rows), expected);
    }

    #[test]
    fn sizes_are_in_powers_of_1024_with_one_digit() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(5 * 1024 * 1024 * 1024), "5.0 GiB");
        assert_eq!(size(u64::MAX), "16383.9 PiB");
    }
}
