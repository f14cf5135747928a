//! REPLACE, SELECT, MATCH and every escape. Pure: text in, text out.
//!
//! Nothing that a user or a producer wrote gets into a statement but through the functions here.

/// A string literal, quotes included.
pub fn string(text: &str, out: &mut String) {
    out.push('\'');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'\'' => "\\'",
            b'\\' => "\\\\",
            // searchd's lexer ends a statement at a zero byte; such a text is kept exactly elsewhere
            0 => " ",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(escape);
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('\'');
}
