//! What a machine says on its serial console, as lines. Pure.
//!
//! A console is made for terminals: it moves the cursor, colours words and overwrites lines. Here a
//! line ends where its end is written, where it is begun anew, and where the cursor is put
//! elsewhere; everything else that is meant for terminals is left out. Lines have a limit, and so
//! has their number: the system inside may print for ever.

use std::collections::VecDeque;

/// Longer lines are cut into several.
const MAX_LINE_BYTES: usize = 4096;
/// How many lines are remembered.
const MAX_LINES: usize = 2000;

/// The lines of a console.
#[derive(Debug, Default)]
pub struct ConsoleText {
    lines: VecDeque<String>,
    /// Number of the first line that is remembered.
    first: u64,
    /// The line that has not ended yet.
    open: Vec<u8>,
    escape: Escape,
}

/// How far into a sequence for terminals.
#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    None,
    /// After the escape character.
    Begun,
    /// Before the one character that names a character set.
    Charset,
    /// Within parameters, before the letter that says what they are for.
    Control,
    /// Within a text for the terminal itself, such as a window title.
    Text,
    /// After an escape character within such a text.
    TextEnding,
}

impl ConsoleText {
    /// Takes what was said next, cut at any place.
    pub fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.take(byte);
        }
    }

    fn take(&mut self, byte: u8) {
        self.escape = match (self.escape, byte) {
            (Escape::None, 0x1b) => Escape::Begun,
            (Escape::None, b'\n' | b'\r') => {
                self.end_line();
                Escape::None
            }
            (Escape::None, _) => {
                if byte == b'\t' || byte >= b' ' && byte != 0x7f {
                    self.open.push(byte);
                    if self.open.len() >= MAX_LINE_BYTES {
                        self.end_line();
                    }
                }
                Escape::None
            }
            (Escape::Begun, b'[') => Escape::Control,
            (Escape::Begun, b']' | b'P' | b'^' | b'_') => Escape::Text,
            (Escape::Begun, b'(' | b')' | b'#' | b'%') => Escape::Charset,
            (Escape::Begun, b'c') => {
                self.end_line();
                Escape::None
            }
            (Escape::Begun | Escape::Charset, _) => Escape::None,
            (Escape::Control, b'@'..=b'~') => {
                // Cursor put elsewhere, or the screen erased.
                if matches!(byte, b'H' | b'f' | b'J' | b'E' | b'd') {
                    self.end_line();
                }
                Escape::None
            }
            (Escape::Control, _) => Escape::Control,
            (Escape::Text, 0x07) | (Escape::TextEnding, _) => Escape::None,
            (Escape::Text, 0x1b) => Escape::TextEnding,
            // A text that never ends must not hide what follows.
            (Escape::Text, b'\n' | b'\r') => Escape::None,
            (Escape::Text, _) => Escape::Text,
        };
    }

    fn end_line(&mut self) {
        let line = self.open_line();
        self.open.clear();
        if line.is_empty() {
            return;
        }
        self.lines.push_back(line);
        if self.lines.len() > MAX_LINES {
            self.lines.pop_front();
            self.first += 1;
        }
    }

    /// The line that has not ended yet: perhaps a prompt.
    #[must_use]
    pub fn open_line(&self) -> String {
        String::from_utf8_lossy(&self.open).trim_end().to_owned()
    }

    /// Ended lines from number `from` on, as far as they are remembered, and the number of the line
    /// that follows them. Empty lines do not count.
    pub fn lines_from(&self, from: u64) -> (impl Iterator<Item = &str>, u64) {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let next = self.first + self.lines.len() as u64;
        (self.lines.iter().skip(skip).map(String::as_str), next)
    }

    /// The last line with something in it.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        let open = self.open_line();
        if open.is_empty() {
            self.lines.back().cloned()
        } else {
            Some(open)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &ConsoleText) -> Vec<&str> {
        text.lines_from(0).0.collect()
    }

    #[test]
    fn colours_and_cursors_leave_plain_lines() {
        let said = b"\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS (version 1.16.3)\r\n\
            [\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mcron.service\x1b[0m.\r\n\r\n\
            \x1b]0;title\x07one\x1b[2;1Htwo\r[ *** ] wait\r[  ***] wait\n\x1b(Bdebian login: ";
        let mut whole = ConsoleText::default();
        whole.push(said);
        let expected = [
            "SeaBIOS (version 1.16.3)",
            "[  OK  ] Started cron.service.",
            "one",
            "two",
            "[ *** ] wait",
            "[  ***] wait",
        ];
        assert_eq!(lines(&whole), expected);
        assert_eq!(whole.open_line(), "debian login:");
        assert_eq!(whole.last_line().unwrap(), "debian login:");

        let mut in_pieces = ConsoleText::default();
        for byte in said {
            in_pieces.push(&[*byte]);
        }
        assert_eq!(lines(&in_pieces), expected);
    }

    #[test]
    fn endless_talk_takes_no_endless_memory() {
        let mut text = ConsoleText::default();
        text.push(&vec![b'R'; 20 * MAX_LINE_BYTES + 1]);
        text.push(b"\x1b]never ends");
        text.push(&vec![b'x'; 1 << 20]);
        assert_eq!(text.lines.len(), 20);
        assert_eq!(text.open_line(), "R");
        text.push(b"\nafter\n");
        assert_eq!(text.last_line().unwrap(), "Rafter");

        for number in 0..3 * MAX_LINES {
            text.push(format!("line {number}\n").as_bytes());
        }
        assert_eq!(text.lines.len(), MAX_LINES);
        let (mut later, next) = text.lines_from(text.first + 5);
        assert_eq!(later.next().unwrap(), format!("line {}", 2 * MAX_LINES + 5));
        assert_eq!(text.lines_from(next).0.count(), 0);
        // What is forgotten is skipped.
        assert_eq!(text.lines_from(0).0.count(), MAX_LINES);
    }

    #[test]
    fn what_is_no_text_does_no_harm() {
        let mut text = ConsoleText::default();
        text.push(&[0xff, 0xfe, 0, 1, 2, b'a', b'\n']);
        text.push(&(0..=255).collect::<Vec<u8>>());
        assert!(lines(&text)[0].ends_with('a'));
    }
}
