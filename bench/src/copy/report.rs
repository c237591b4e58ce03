//! Figures for people: columns, Markdown, and bars.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::Figures;
use crate::cost::Side;
use crate::table::{GIB, columns};

const MIB: f64 = (1u64 << 20) as f64;

/// A heading and rows, the first of which names the columns.
struct Table {
    heading: String,
    rows: Vec<Vec<String>>,
}

/// Columns for a terminal.
pub(super) fn to_text(figures: &Figures) -> String {
    let tables = tables(figures).into_iter();
    let tables = tables.map(|table| format!("{}\n\n{}", table.heading, columns(&table.rows)));
    tables.collect::<Vec<_>>().join("\n\n")
}

/// Writes copy.md and the plots.
pub(super) fn write(figures: &Figures, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).context("make the folder of the report")?;
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    };
    let mut text = "# Copies\n".to_owned();
    for table in tables(figures) {
        let _ = write!(text, "\n## {}\n\n{}", table.heading, markdown(&table.rows));
    }
    if let Some(full) = &figures.full {
        let mut bars: Vec<(String, f64)> = full.sides.iter().map(bar).collect();
        bars.push(("the machine's limit".to_owned(), full.limit_seconds));
        put("copy-full.svg", svg("Full copy, seconds", &bars))?;
        text += "\n![Full copy](copy-full.svg)\n";
    }
    if let Some(changed) = &figures.changed {
        let of_size = |size: &super::changed::Size| {
            let disk_gib = size.disk_gib;
            let bars = size.sides.iter().map(bar);
            let bars = bars.map(|(name, seconds)| (format!("{disk_gib} GiB: {name}"), seconds));
            bars.collect::<Vec<_>>()
        };
        let bars: Vec<_> = changed.sizes.iter().flat_map(of_size).collect();
        put("copy-changed.svg", svg("After changes, seconds", &bars))?;
        text += "\n![After changes](copy-changed.svg)\n";
    }
    put("copy.md", text)
}

fn bar(side: &Side) -> (String, f64) {
    (side.name.clone(), side.median.seconds)
}

#[expect(clippy::cast_precision_loss, reason = "sizes for people")]
fn tables(figures: &Figures) -> Vec<Table> {
    let mut tables = Vec::new();
    if let Some(full) = &figures.full {
        let mut rows = rows_of(&full.sides);
        let mut limit = vec![
            "the machine's limit".to_owned(),
            seconds(full.limit_seconds),
        ];
        limit.resize(rows[0].len(), String::new());
        rows.push(limit);
        tables.push(Table {
            heading: format!(
                "Full copy of a disk of {:.0} GiB with {:.2} GiB in use, medians of {}",
                full.disk_bytes as f64 / GIB,
                full.used_bytes as f64 / GIB,
                figures.runs
            ),
            rows,
        });
    }
    for size in figures.changed.iter().flat_map(|changed| &changed.sizes) {
        let changed_bytes = figures.changed.as_ref().map_or(0, |all| all.changed_bytes);
        let note = if size.is_tracked {
            ""
        } else {
            " (NOT TRACKED HERE: marks were not used)"
        };
        tables.push(Table {
            heading: format!(
                "{:.1} MiB changed on a disk of {} GiB, medians of {}{note}",
                changed_bytes as f64 / MIB,
                size.disk_gib,
                figures.runs
            ),
            rows: rows_of(&size.sides),
        });
    }
    let ratios = &figures.ratios;
    let ratios = [
        ("full_vs_best_peer", ratios.full_vs_best_peer),
        ("full_vs_best_plain", ratios.full_vs_best_plain),
        ("full_vs_limit", ratios.full_vs_limit),
        ("full_proved_vs_best_peer", ratios.full_proved_vs_best_peer),
        ("changed_vs_rsync", ratios.changed_vs_rsync),
        ("changed_vs_compare", ratios.changed_vs_compare),
        ("changed_wall_vs_rsync", ratios.changed_wall_vs_rsync),
    ];
    let known = ratios.into_iter().filter_map(|(name, ratio)| {
        ratio.map(|ratio| vec![name.to_owned(), format!("{ratio:.2}")])
    });
    tables.push(Table {
        heading: "Time of others divided by Rehost's".to_owned(),
        rows: [vec!["ratio".to_owned(), "value".to_owned()]]
            .into_iter()
            .chain(known)
            .collect(),
    });
    tables
}

#[expect(clippy::cast_precision_loss, reason = "sizes for people")]
fn rows_of(sides: &[Side]) -> Vec<Vec<String>> {
    let head = [
        "",
        "seconds",
        "with proof",
        "from start",
        "source CPU s/GiB",
        "source CPU s",
        "target CPU s",
        "source MiB",
        "target MiB",
        "wire MiB",
    ];
    let ours = sides.first().map_or(f64::NAN, |side| side.median.seconds);
    let mut rows = vec![head.iter().map(ToString::to_string).collect::<Vec<_>>()];
    rows[0].push("ratio".to_owned());
    for side in sides {
        let cost = &side.median;
        let maybe = |value: Option<f64>| value.map(seconds).unwrap_or_default();
        let mib = |bytes: u64| format!("{:.0}", bytes as f64 / MIB);
        rows.push(vec![
            side.name.clone(),
            seconds(cost.seconds),
            maybe(cost.proved_seconds),
            maybe(cost.wall_seconds),
            seconds(side.source_cpu_seconds_per_gib),
            seconds(cost.source_cpu_seconds),
            seconds(cost.target_cpu_seconds),
            mib(cost.source_memory_bytes),
            mib(cost.target_memory_bytes),
            cost.wire_bytes.map(mib).unwrap_or_default(),
            seconds(cost.seconds / ours),
        ]);
    }
    rows
}

fn seconds(value: f64) -> String {
    format!("{value:.2}")
}

fn markdown(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if number == 0 {
            let _ = writeln!(text, "|---{}|", "|---:".repeat(row.len() - 1));
        }
    }
    text
}

/// Bars from the left, the first side's in another colour.
fn svg(title: &str, bars: &[(String, f64)]) -> String {
    let longest = bars.iter().map(|bar| bar.1).fold(0.0, f64::max);
    let height = 50 + 26 * bars.len();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"860\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"10\" y=\"24\" font-size=\"16\">{title}</text>\n"
    );
    for (number, (name, value)) in bars.iter().enumerate() {
        let top = 40 + 26 * number;
        let middle = top + 15;
        let width = if longest > 0.0 {
            value / longest * 430.0
        } else {
            0.0
        };
        let colour = if name.contains("Rehost") {
            "#1769aa"
        } else {
            "#9aa5b1"
        };
        let end = 330.0 + width;
        let _ = writeln!(
            text,
            "<text x=\"310\" y=\"{middle}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"320\" y=\"{top}\" width=\"{width:.1}\" height=\"20\" fill=\"{colour}\"/>\
             <text x=\"{end:.1}\" y=\"{middle}\">{value:.2}</text>"
        );
    }
    text + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_bars_in_its_name_stays_one_cell() {
        let rows = [["", "s"], ["dd | ssh", "1"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(
            markdown(&rows),
            "|  | s |\n|---|---:|\n| dd \\| ssh | 1 |\n"
        );
    }
}
