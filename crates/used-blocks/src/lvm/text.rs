//! The text in which LVM describes a volume group: sections, numbers, strings and lists.
//!
//! ```text
//!   vg0 { seqno = 3  status = ["READ", "WRITE"]  physical_volumes { pv0 { pe_start = 2048 } } }
//! ```

use std::collections::BTreeMap;

/// Sections and lists lie in each other at most so deep; LVM's own need five.
const MAX_DEPTH: usize = 16;

/// What stands between two braces.
pub(super) type Section = BTreeMap<String, Value>;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(u64),
    Text(String),
    List(Vec<Value>),
    Section(Section),
}

impl Value {
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    pub(super) fn section(&self) -> Option<&Section> {
        match self {
            Self::Section(section) => Some(section),
            _ => None,
        }
    }
}

/// Reads a whole text. Nothing if it does not follow the grammar, names anything twice, nests too
/// deeply, or has more values than are left; what it has is taken off them. Numbers that are negative
/// or too large are refused, as none of LVM's can be.
pub(super) fn parse(text: &[u8], values_left: &mut usize) -> Option<Section> {
    let mut parser = Parser {
        rest: text,
        values_left,
    };
    let section = parser.section(0)?;
    parser.rest.is_empty().then_some(section)
}

struct Parser<'t> {
    rest: &'t [u8],
    values_left: &'t mut usize,
}

impl<'t> Parser<'t> {
    /// Entries up to a closing brace, which is left, or to the end.
    fn section(&mut self, depth: usize) -> Option<Section> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut section = Section::new();
        loop {
            self.skip_blank();
            if self.rest.first().is_none_or(|byte| *byte == b'}') {
                return Some(section);
            }
            let name = self.word()?.to_owned();
            self.skip_blank();
            let value = if self.takes(b'{') {
                self.count()?;
                let inner = self.section(depth + 1)?;
                self.takes(b'}').then_some(Value::Section(inner))?
            } else {
                self.takes(b'=').then_some(())?;
                self.value(depth + 1)?
            };
            if section.insert(name, value).is_some() {
                return None;
            }
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.count()?;
        self.skip_blank();
        if self.takes(b'[') {
            return self.list(depth);
        }
        if self.takes(b'"') {
            return self.string().map(Value::Text);
        }
        self.word()?.parse().ok().map(Value::Number)
    }

    fn count(&mut self) -> Option<()> {
        *self.values_left = self.values_left.checked_sub(1)?;
        Some(())
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut list = Vec::new();
        loop {
            self.skip_blank();
            if self.takes(b']') {
                return Some(Value::List(list));
            }
            list.push(self.value(depth + 1)?);
            self.skip_blank();
            if !self.takes(b',') && self.rest.first() != Some(&b']') {
                return None;
            }
        }
    }

    /// Up to the closing quotation mark; a backslash protects what follows it.
    fn string(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            match byte {
                b'"' => return String::from_utf8(bytes).ok(),
                b'\\' => {
                    let (&protected, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    bytes.push(protected);
                }
                _ => bytes.push(byte),
            }
        }
    }

    fn word(&mut self) -> Option<&'t str> {
        let is_end = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"_.+-".contains(byte));
        let length = self.rest.iter().position(is_end);
        let (word, rest) = self.rest.split_at(length.unwrap_or(self.rest.len()));
        self.rest = rest;
        str::from_utf8(word).ok().filter(|word| !word.is_empty())
    }

    fn takes(&mut self, wanted: u8) -> bool {
        match self.rest.split_first() {
            Some((byte, rest)) if *byte == wanted => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Skips spaces and comments, and the zero byte at the end.
    fn skip_blank(&mut self) {
        loop {
            let is_solid = |byte: &u8| !(byte.is_ascii_whitespace() || *byte == 0);
            let blank = self.rest.iter().position(is_solid);
            self.rest = self
                .rest
                .get(blank.unwrap_or(self.rest.len())..)
                .unwrap_or_default();
            if self.rest.first() != Some(&b'#') {
                return;
            }
            let line = self.rest.iter().position(|byte| *byte == b'\n');
            self.rest = self
                .rest
                .get(line.unwrap_or(self.rest.len())..)
                .unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sections_lists_and_comments_are_read() {
        let text = b"vg {\nid = \"a-b\" # it's {\nseqno=7\nlist=[\"x\", 0, []]\ninner { s = \"q\\\"\" }\n}\n# end\nversion = 1\0";
        let mut values_left = 10;
        let read = parse(text, &mut values_left).unwrap();
        assert_eq!(values_left, 0);
        let group = read["vg"].section().unwrap();
        assert_eq!(group["id"].text(), Some("a-b"));
        assert_eq!(group["seqno"].number(), Some(7));
        assert_eq!(
            group["list"].list().unwrap(),
            [
                Value::Text("x".into()),
                Value::Number(0),
                Value::List(Vec::new())
            ]
        );
        assert_eq!(group["inner"].section().unwrap()["s"].text(), Some("q\""));
        assert_eq!(read["version"].number(), Some(1));
    }

    #[test]
    fn what_does_not_follow_the_grammar_is_refused() {
        let deep = "a {".repeat(MAX_DEPTH + 2) + &"}".repeat(MAX_DEPTH + 2);
        let lists = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
        let all = [
            "a",
            "a =",
            "a = -1",
            "a = [1",
            "a = [1 2]",
            "a = \"b",
            "a = 1 a = 2",
            "a {",
            "}",
            "= 1",
            "a = 99999999999999999999",
            "a = \"b\\",
            &deep,
            &lists,
        ];
        for text in all {
            assert_eq!(parse(text.as_bytes(), &mut 1000), None, "{text:.40}");
        }
    }

    #[test]
    fn more_values_than_are_left_are_refused() {
        let text = format!("a {{ b = [{}] }}", "0,".repeat(1000));
        assert!(parse(text.as_bytes(), &mut 1002).is_some());
        let mut values_left = 1001;
        assert_eq!(parse(text.as_bytes(), &mut values_left), None);
        assert_eq!(values_left, 0);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-c{}\\[\\]=\", #\n\\\\0-9]{0,60}") {
            if let Some(section) = parse(text.as_bytes(), &mut 100) {
                prop_assert!(section.len() <= text.len());
            }
        }
    }
}
