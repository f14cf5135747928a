//! The words NaN, Infinity, nan, -inf, which Python and C write for values that JSON has no number for. Pure.

use std::ops::Range;

/// The text with these words as JSON strings; None if it has none.
pub fn quoted(text: &str) -> Option<String> {
    let (mut out, mut from) = (String::new(), 0);
    for place in places(text) {
        out.extend([&text[from..place.start], "\"", &text[place.clone()], "\""]);
        from = place.end;
    }
    (from > 0).then(|| out + &text[from..])
}

/// The text with numbers of the same length for these words: JSON whose parts are at the same places as in the text. None if it has
/// no such word.
pub fn replaced(text: &str) -> Option<String> {
    let (mut out, mut from) = (String::new(), 0);
    for place in places(text) {
        out.push_str(&text[from..place.start]);
        out.extend(place.clone().map(|_| '1'));
        from = place.end;
    }
    (from > 0).then(|| out + &text[from..])
}

/// The places of these words.
fn places(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
    let (mut at, mut in_string) = (0, false);
    std::iter::from_fn(move || {
        while at < bytes.len() {
            match bytes[at] {
                b'\\' if in_string => at += 1,
                b'"' => in_string = !in_string,
                ref byte if !in_string && is_word(byte) => {
                    let from = at;
                    at += bytes[at..].iter().take_while(|byte| is_word(byte)).count();
                    let word = text[from..at].trim_start_matches(['-', '+']).to_ascii_lowercase();
                    if matches!(word.as_str(), "nan" | "inf" | "infinity") {
                        return Some(from..at);
                    }
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        None
    })
}
