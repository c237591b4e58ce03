//! Long texts that are kept in memory by the hundred thousand and seldom looked into.

use std::fmt;
use std::sync::Arc;

/// A text that is kept compressed, so that copies cost nothing and JSON, which repeats its names, takes
/// a third of its length.
#[derive(Clone, PartialEq, Eq)]
pub struct PackedText(Arc<[u8]>);

impl PackedText {
    /// Packs a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(lz4_flex::compress_prepend_size(text.as_bytes()).into())
    }

    /// Appends the text to `to`.
    pub fn append_to(&self, to: &mut Vec<u8>) {
        // Nobody can make one but by packing a text, so no step fails.
        let Ok((length, packed)) = lz4_flex::block::uncompressed_size(&self.0) else {
            return;
        };
        let start = to.len();
        to.resize(start + length, 0);
        let unpacked = to
            .get_mut(start..)
            .and_then(|room| lz4_flex::decompress_into(packed, room).ok());
        debug_assert_eq!(unpacked, Some(length));
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut bytes = Vec::new();
        self.append_to(&mut bytes);
        String::from_utf8(bytes).unwrap_or_default()
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

impl From<String> for PackedText {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl fmt::Debug for PackedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_out_as_it_went_in() {
        for text in ["", "{}", "ärger", &"{\"name\":\"disk\"}".repeat(1000)] {
            let packed = PackedText::new(text);
            assert_eq!(packed.text(), text);
            let mut all = b"before ".to_vec();
            packed.append_to(&mut all);
            assert_eq!(all, format!("before {text}").into_bytes());
        }
    }

    #[test]
    fn what_repeats_itself_takes_little() {
        let text = "{\"name\":\"disk\"}".repeat(1000);
        assert!(PackedText::new(&text).size_bytes() * 10 < text.len());
    }
}
