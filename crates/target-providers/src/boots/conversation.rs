//! What is said with the helper system, without saying it: bytes in, events out. Pure.
//!
//! ```text
//!  host:    {"version":1,"fixups":{...}}                        at once
//!  helper:  {"event":"ready"}
//!           {"event":"log","line":"..."}                        any number of times
//!           {"event":"done","report":{...}}                     one of these
//!           {"event":"failed","reason":"...","report":{...}|null}
//! ```
//!
//! What the helper system says comes from a machine in which programs of the copy have run: it is
//! bounded, and anything out of order ends the conversation.

use serde::Deserialize;
use serde_json::{Value, json};

/// Version of the conversation.
const VERSION: u32 = 1;
/// Longest line: the report of a system whose every configuration file changed has much less.
const MAX_LINE_BYTES: usize = 16 << 20;
/// How many lines for people are passed on.
const MAX_LOG_LINES: usize = 10_000;
/// How much of a line for people is passed on.
const MAX_LOG_CHARS: usize = 2000;

/// What the helper system has said.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// It is up and has its work before it.
    Ready,
    /// Something for people.
    Log(String),
    /// The copy is ready to start.
    Done {
        /// What was done.
        report: Value,
    },
    /// It is not.
    Failed {
        /// Why.
        reason: String,
        /// What was done all the same.
        report: Value,
    },
}

/// Why the conversation makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Nonsense {
    #[error("the helper system says more than {MAX_LINE_BYTES} bytes without an end of line")]
    TooLong,
    #[error("the helper system says what nobody understands: {0}")]
    Unknown(String),
    #[error("the helper system goes on after it has reported")]
    AfterTheEnd,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Ready,
    Log {
        line: String,
    },
    Done {
        report: Value,
    },
    Failed {
        reason: String,
        #[serde(default)]
        report: Value,
    },
}

/// The host's end of the conversation.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    waiting: Vec<u8>,
    /// How much of `waiting` is known to have no end of line.
    searched: usize,
    log_lines: usize,
    is_over: bool,
}

impl Conversation {
    /// What to say first.
    pub(super) fn request(fixups: &Value) -> Vec<u8> {
        let mut line = json!({"version": VERSION, "fixups": fixups}).to_string();
        line.push('\n');
        line.into_bytes()
    }

    /// Takes bytes as they come, and returns what they say.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<Vec<Said>, Nonsense> {
        self.waiting.extend_from_slice(bytes);
        let mut said = Vec::new();
        while let Some(at) = self.waiting[self.searched..]
            .iter()
            .position(|&b| b == b'\n')
        {
            let line: Vec<u8> = self.waiting.drain(..=self.searched + at).collect();
            self.searched = 0;
            let line = line.trim_ascii();
            if !line.is_empty() {
                said.extend(self.take(line)?);
            }
        }
        self.searched = self.waiting.len();
        if self.searched > MAX_LINE_BYTES {
            return Err(Nonsense::TooLong);
        }
        Ok(said)
    }

    fn take(&mut self, line: &[u8]) -> Result<Option<Said>, Nonsense> {
        if self.is_over {
            return Err(Nonsense::AfterTheEnd);
        }
        let line = serde_json::from_slice(line).map_err(|error| {
            let start = String::from_utf8_lossy(&line[..line.len().min(100)]);
            Nonsense::Unknown(format!("{start:?} ({error})"))
        })?;
        Ok(match line {
            Line::Ready => Some(Said::Ready),
            Line::Log { line } => {
                self.log_lines += 1;
                (self.log_lines <= MAX_LOG_LINES).then(|| Said::Log(one_line(&line)))
            }
            Line::Done { report } => {
                self.is_over = true;
                Some(Said::Done { report })
            }
            Line::Failed { reason, report } => {
                self.is_over = true;
                let reason = one_line(&reason);
                Some(Said::Failed { reason, report })
            }
        })
    }
}

/// Foreign words, short and in one line.
fn one_line(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable
        .take(MAX_LOG_CHARS)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_one_line_with_its_version() {
        let request = Conversation::request(&json!({"firmware": "bios", "note": "a\nb"}));
        let text = String::from_utf8(request).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            json!({"version": 1, "fixups": {"firmware": "bios", "note": "a\nb"}})
        );
    }

    #[test]
    fn what_is_said_does_not_depend_on_how_it_is_cut() {
        let text = "{\"event\":\"ready\"}\r\n\n{\"event\":\"log\",\"line\":\"fstab\\n\\u001b[1m\"}\n\
            {\"event\":\"done\",\"report\":{\"fixups\":[]}}\n";
        let expected = [
            Said::Ready,
            Said::Log("fstab  [1m".into()),
            Said::Done {
                report: json!({"fixups": []}),
            },
        ];
        for size in 1..text.len() {
            let mut conversation = Conversation::default();
            let mut said = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                said.extend(conversation.hear(piece).unwrap());
            }
            assert_eq!(said, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_failure_has_a_reason_and_may_have_a_report() {
        for (line, report) in [
            (
                r#"{"event":"failed","reason":"no /etc/fstab"}"#,
                Value::Null,
            ),
            (
                r#"{"event":"failed","reason":"no /etc/fstab","report":null}"#,
                Value::Null,
            ),
            (
                r#"{"event":"failed","reason":"no /etc/fstab","report":{"a":1}}"#,
                json!({"a": 1}),
            ),
        ] {
            let said = Conversation::default().hear(format!("{line}\n").as_bytes());
            let reason = "no /etc/fstab".to_owned();
            assert_eq!(said, Ok(vec![Said::Failed { reason, report }]));
        }
    }

    #[test]
    fn nonsense_ends_the_conversation() {
        for line in [
            "hello",
            "{}",
            r#"{"event":"dance"}"#,
            r#"{"event":"done"}"#,
            "\u{0}",
        ] {
            let heard = Conversation::default().hear(format!("{line}\n").as_bytes());
            assert!(matches!(heard, Err(Nonsense::Unknown(_))), "{line}");
        }
        let mut conversation = Conversation::default();
        let done = b"{\"event\":\"done\",\"report\":{}}\n";
        conversation.hear(done).unwrap();
        assert_eq!(conversation.hear(done), Err(Nonsense::AfterTheEnd));

        let mut conversation = Conversation::default();
        let piece = vec![b'x'; 1 << 20];
        let heard: Vec<_> = (0..20)
            .map_while(|_| conversation.hear(&piece).ok())
            .collect();
        assert_eq!(heard.len(), MAX_LINE_BYTES >> 20, "memory has a limit");
    }

    #[test]
    fn not_all_of_endless_words_are_passed_on() {
        let mut conversation = Conversation::default();
        let line = b"{\"event\":\"log\",\"line\":\"x\"}\n".repeat(MAX_LOG_LINES + 5);
        assert_eq!(conversation.hear(&line).unwrap().len(), MAX_LOG_LINES);
        let done = conversation
            .hear(b"{\"event\":\"done\",\"report\":{}}\n")
            .unwrap();
        assert!(matches!(done[..], [Said::Done { .. }]));
    }
}
