//! `fstab(5)` and `crypttab(5)`: lines of fields between blanks.

use std::ops::Range;

/// A line of `/etc/fstab`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FstabEntry {
    /// What is mounted, such as `UUID=...` or `/dev/sda1`.
    pub device: String,
    /// Where, such as `/boot`; `none` or `swap` for swap.
    pub mount_point: String,
    /// The type, such as `ext4`.
    pub file_system: String,
    /// The options, between commas.
    pub options: String,
}

impl FstabEntry {
    /// Whether `option` is among the options, as a word of its own.
    #[must_use]
    pub fn has_option(&self, option: &str) -> bool {
        self.options.split(',').any(|word| word == option)
    }
}

/// All entries of a text. Comments and lines that make no sense are left out.
pub(crate) fn entries(text: &str) -> Vec<FstabEntry> {
    text.lines().filter_map(entry).collect()
}

/// The entry that a line is.
pub(crate) fn entry(line: &str) -> Option<FstabEntry> {
    let fields = fields(line);
    let field = |at: usize| fields.get(at).and_then(|range| line.get(range.clone()));
    let mount_point = unescape(field(1)?);
    Some(FstabEntry {
        device: unescape(field(0)?),
        mount_point: match mount_point.trim_end_matches('/') {
            "" => "/".to_owned(),
            trimmed => trimmed.to_owned(),
        },
        file_system: field(2)?.to_owned(),
        options: field(3).unwrap_or("defaults").to_owned(),
    })
}

/// The line with another device.
pub(crate) fn with_device(line: &str, device: &str) -> String {
    with_field(line, 0, device)
}

/// The line with these options added to those that it has.
pub(crate) fn with_options(line: &str, added: &[String]) -> String {
    let Some(range) = fields(line).into_iter().nth(3) else {
        return format!("{} {}", line.trim_end(), added.join(","));
    };
    let old = line.get(range).unwrap_or_default();
    let mut words: Vec<&str> = old.split(',').collect();
    words.extend(added.iter().map(String::as_str));
    with_field(line, 3, &words.join(","))
}

/// Where the fields of a line are; nothing for a comment.
pub(crate) fn fields(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut begin = None;
    for (at, letter) in line.char_indices() {
        match (letter.is_ascii_whitespace(), begin) {
            (false, None) if letter == '#' => return found,
            (false, None) => begin = Some(at),
            (true, Some(from)) => {
                found.push(from..at);
                begin = None;
            }
            _ => {}
        }
    }
    if let Some(from) = begin {
        found.push(from..line.len());
    }
    found
}

fn with_field(line: &str, number: usize, value: &str) -> String {
    let mut new = line.to_owned();
    if let Some(range) = fields(line).into_iter().nth(number) {
        new.replace_range(range, value);
    }
    new
}

/// Blanks in a field are written as three octal digits.
fn unescape(field: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .into_iter()
    .fold(field.to_owned(), |text, (code, letter)| {
        text.replace(code, letter)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_past_comments_and_blanks() {
        let text = "# /etc/fstab\n\nUUID=aa\t/  ext4 errors=remount-ro 0 1\n\
                    /dev/sda5 none swap sw\n/dev/sdb1 /my\\040data/ xfs\n";
        let entries = entries(text);
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0].mount_point, "/");
        assert_eq!(entries[2].mount_point, "/my data");
        assert_eq!(entries[2].options, "defaults");
        assert!(entries[1].has_option("sw") && !entries[1].has_option("s"));
    }

    #[test]
    fn a_changed_field_leaves_the_rest_of_the_line_alone() {
        let line = "/dev/sda1\t/boot   ext4 defaults\t0  2 # boot";
        assert_eq!(
            with_device(line, "UUID=aa"),
            "UUID=aa\t/boot   ext4 defaults\t0  2 # boot"
        );
        assert_eq!(
            with_options(line, &["nofail".to_owned()]),
            "/dev/sda1\t/boot   ext4 defaults,nofail\t0  2 # boot"
        );
        assert_eq!(
            with_options("/dev/sda1 /x xfs", &["nofail".to_owned()]),
            "/dev/sda1 /x xfs nofail"
        );
    }
}
