//! Words for the sizes of large documents, in the full-text field of the values' words (`keys`): by them searchd finds the large
//! documents of a question before it has to print them. A document that is not large, as nearly all are, has none of them, and costs
//! nothing. Pure.
//!
//! Invariant: no value and no text has any of these words; see `keys`.

/// A class of large documents, by the bytes of the texts of their attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    word: &'static str,
    pub most_bytes: usize,
}

/// The largest document that is not large.
const USUAL_BYTES: usize = 32 << 10;

impl Size {
    pub const LARGEST: Size = Size::ALL[3];
    /// Ascending.
    pub const ALL: [Size; 4] = [
        Size { word: "κκκκ", most_bytes: 128 << 10 },
        Size { word: "λλλλ", most_bytes: 512 << 10 },
        Size { word: "μμμμ", most_bytes: 2 << 20 },
        // a message of 4 MiB does not come together with columns of 4 MiB, which are there twice
        Size { word: "νννν", most_bytes: 8 << 20 },
    ];
    /// Those of which a few take searchd as long as many a search.
    pub const HEAVY: [Size; 2] = [Size::ALL[2], Size::ALL[3]];
    pub const LIGHT: [Size; 2] = [Size::ALL[0], Size::ALL[1]];

    /// That of a document whose attributes have so many bytes of text; None: it is not large.
    fn of(bytes: usize) -> Option<Size> {
        let fits = |size: &&Size| bytes <= size.most_bytes;
        (bytes > USUAL_BYTES).then(|| *Size::ALL.iter().find(fits).unwrap_or(&Size::LARGEST))
    }

    /// The expression of MATCH for documents of these sizes.
    pub fn expression(sizes: &[Size]) -> String {
        let words: Vec<&str> = sizes.iter().map(|size| size.word).collect();
        format!("(@(keys) ({}))", words.join(" | "))
    }
}

/// Appends the word of a document whose attributes have so many bytes of text, if it is large.
pub fn push_word(bytes: usize, keys: &mut String) {
    if let Some(size) = Size::of(bytes) {
        keys.push(' ');
        keys.push_str(size.word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sphinx::fulltext;
    use crate::sphinx::keys::WordsWriter;

    #[test]
    fn a_large_document_has_the_word_of_its_size() {
        let words = |bytes| {
            let mut keys = "абв".to_owned();
            push_word(bytes, &mut keys);
            keys
        };
        assert_eq!(words(USUAL_BYTES), "абв");
        assert_eq!(words(USUAL_BYTES + 1), "абв κκκκ");
        assert_eq!(words(4 << 20), "абв νννν");
        assert_eq!(words(12 << 20), "абв νννν");
    }

    #[test]
    fn searchd_takes_the_words_as_they_are_and_no_value_has_them() {
        let (mut keys, mut text) = (String::new(), String::new());
        let mut writer = WordsWriter::new(&mut keys);
        for size in Size::ALL {
            text.clear();
            fulltext::prepare(size.word, &mut text);
            assert_eq!(text.trim(), size.word);
            writer.add_text("n", size.word);
        }
        writer.end();
        assert!(Size::ALL.iter().all(|size| !keys.contains(size.word)), "{keys}");
    }
}
