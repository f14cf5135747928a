//! The kinds of signs in a word, and whether they make it variable without a look at other words.
//!
//! Invariant: to add a sign takes constant time, to judge a word time in its length.

/// Kinds of signs; a set of them describes a word.
pub mod sign {
    pub const LOWER_BIT: u16 = 1;
    pub const UPPER_BIT: u16 = 1 << 1;
    /// a letter outside ASCII
    pub const OTHER_LETTER_BIT: u16 = 1 << 2;
    pub const DOT_BIT: u16 = 1 << 3;
    /// `-` and `_`
    pub const DASH_BIT: u16 = 1 << 4;
    pub const COLON_BIT: u16 = 1 << 5;
    pub const SLASH_BIT: u16 = 1 << 6;
    /// a digit, `\` or `@`: such a word is always variable; so is text in quotes
    pub const SURE_BIT: u16 = 1 << 7;
    /// `a` to `f`
    pub const HEX_BIT: u16 = 1 << 8;
    /// the scanner looks at it: white space, quotes, brackets, `=`, what is not ASCII
    pub const SPECIAL_BIT: u16 = 1 << 9;
    /// what separates pairs: `,` `;` `&` `|`
    pub const SEPARATOR_BIT: u16 = 1 << 10;
    pub const OTHER_BIT: u16 = 1 << 11;

    pub const LETTER_BIT: u16 = LOWER_BIT | UPPER_BIT | OTHER_LETTER_BIT;
}

/// A run of fewer hexadecimal letters is a word: `added`, `facade`, `defaced`.
const MIN_HEX_LETTERS: u32 = 8;

/// A shorter package is rather a sentence without a space: `done.Next`.
const MIN_PACKAGE_LABELS: usize = 2;

/// The kind of each byte.
pub static BYTE_SIGNS: [u16; 256] = signs();

const fn signs() -> [u16; 256] {
    let mut signs = [sign::OTHER_BIT; 256];
    let mut byte = 0;
    while byte < signs.len() {
        signs[byte] = match byte as u8 {
            b'a'..=b'f' => sign::LOWER_BIT | sign::HEX_BIT,
            b'A'..=b'F' => sign::UPPER_BIT | sign::HEX_BIT,
            b'g'..=b'z' => sign::LOWER_BIT,
            b'G'..=b'Z' => sign::UPPER_BIT,
            b'0'..=b'9' | b'\\' | b'@' => sign::SURE_BIT,
            b'.' => sign::DOT_BIT,
            b'-' | b'_' => sign::DASH_BIT,
            b':' => sign::COLON_BIT,
            b'/' => sign::SLASH_BIT,
            b',' | b';' | b'&' | b'|' => sign::SEPARATOR_BIT,
            b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'"' | b'\'' | b'`' | b'=' => sign::SPECIAL_BIT,
            0..=b' ' | 128.. => sign::SPECIAL_BIT,
            _ => sign::OTHER_BIT,
        };
        byte += 1;
    }
    signs
}

/// The signs of a word, as far as it has been read.
#[derive(Clone, Copy, Debug, Default)]
pub struct WordSigns {
    pub signs: u16,
    hex_run: u32,
    longest_hex_run: u32,
}

impl WordSigns {
    pub fn add(&mut self, signs: u16) {
        self.signs |= signs;
        self.hex_run = if signs & sign::HEX_BIT != 0 { self.hex_run + 1 } else { 0 };
        self.longest_hex_run = self.longest_hex_run.max(self.hex_run);
    }

    pub fn only(&self, signs: u16) -> bool {
        self.signs & !signs == 0
    }

    pub fn has(&self, signs: u16) -> bool {
        self.signs & signs != 0
    }

    /// The signs of the word without the punctuation after it.
    pub fn trimmed(&self, word: &str) -> WordSigns {
        // quotes within it made it sure; a byte does not show what a letter outside ASCII is
        let mut signs = self.signs & (sign::SURE_BIT | sign::OTHER_LETTER_BIT);
        for byte in word.bytes() {
            let own = BYTE_SIGNS[usize::from(byte)];
            signs |= if own == sign::SPECIAL_BIT { sign::OTHER_BIT } else { own };
        }
        WordSigns { signs, ..*self }
    }

    pub fn is_letters(&self) -> bool {
        self.signs != 0 && self.only(sign::LOWER_BIT | sign::UPPER_BIT | sign::HEX_BIT)
    }

    /// Whether the word that has these signs is variable, whatever stands around it.
    pub fn is_variable(&self, word: &str) -> bool {
        self.has(sign::SURE_BIT)
            || self.longest_hex_run >= MIN_HEX_LETTERS
            || self.has(sign::SLASH_BIT) && !self.is_abbreviation(word)
            || self.has(sign::DOT_BIT) && self.is_dotted_letters() && is_dotted_name(word)
            || self.has(sign::OTHER_BIT) && is_sigil(word)
            || self.has(sign::DASH_BIT) && is_numbered_by_letter(word)
    }

    fn is_dotted_letters(&self) -> bool {
        self.only(sign::LOWER_BIT | sign::UPPER_BIT | sign::HEX_BIT | sign::DOT_BIT | sign::DASH_BIT | sign::COLON_BIT)
    }

    /// The full name of a class or constant that is not an exception: `com.example.shop.OrderService`. What was thrown differs from
    /// message to message, and not from record to record.
    pub fn is_qualified_name(&self, word: &str) -> bool {
        let is_capital = |label: &str| label.starts_with(|c: char| c.is_ascii_uppercase());
        self.has(sign::DOT_BIT)
            && self.has(sign::UPPER_BIT)
            && self.is_dotted_letters()
            && word.split('.').take(MIN_PACKAGE_LABELS).all(|label| label.starts_with(|c: char| c.is_ascii_lowercase()))
            && word.split('.').skip(MIN_PACKAGE_LABELS).any(is_capital)
            && !["Exception", "Error", "Fault", "Throwable"].iter().any(|end| word.ends_with(end))
    }

    /// `I/O`, `TCP/IP`; `N/A` is a value
    fn is_abbreviation(&self, word: &str) -> bool {
        self.only(sign::SLASH_BIT | sign::UPPER_BIT | sign::HEX_BIT)
            && word.starts_with(|c: char| c.is_ascii_uppercase())
            && word != "N/A"
    }

    /// Whether it can be the name of a thing, and not a word of the language: `orders-eu`, `shop.orders`, `user:profile`.
    pub fn is_compound(&self, word: &str) -> bool {
        let joints = [b'-', b'_', b'.', b':'];
        self.has(sign::DASH_BIT | sign::DOT_BIT | sign::COLON_BIT)
            && self.only(sign::LETTER_BIT | sign::HEX_BIT | sign::DASH_BIT | sign::DOT_BIT | sign::COLON_BIT)
            && !word.starts_with(|c: char| c.is_ascii_punctuation())
            && word.bytes().any(|byte| joints.contains(&byte))
    }
}

/// Labels that begin with a small letter, with dots between them: a host, a file, a unit, a key of a configuration. The name of a
/// class begins with a capital, `e.g` has no label of two letters. A part after a colon belongs to it.
fn is_dotted_name(word: &str) -> bool {
    let word = word.split_once(':').map_or(word, |(name, _)| name);
    word.split('.').all(|label| label.starts_with(|c: char| c.is_ascii_lowercase()))
        && word.split('.').any(|label| label.len() > 1)
}

/// `$total`
fn is_sigil(word: &str) -> bool {
    word.strip_prefix('$').is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}

/// `node-a`: names are numbered by letters too.
fn is_numbered_by_letter(word: &str) -> bool {
    matches!(word.as_bytes(), [first, .., before, b'-', b'a'..=b'z']
        if first.is_ascii_lowercase() && before.is_ascii_lowercase())
}
