//! A row of CSV by RFC 4180. Pure.

use crate::record::number::is_number;
use crate::render::escape::{any_byte, visible};

/// By this mark at the start of a file, Excel knows that the file is UTF-8.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// A cell that begins with one of these is a formula to a spreadsheet; some of them only in some languages.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\n', '＝', '＋', '－', '＠'];

/// Appends a row and its CRLF. A cell that a spreadsheet would take for a formula gets a `'` before it, which makes it text.
pub fn row<'t>(texts: impl Iterator<Item = &'t str>, out: &mut String) {
    for (at, text) in texts.enumerate() {
        if at > 0 {
            out.push(',');
        }
        let text = visible(text);
        let formula = text.starts_with(FORMULA) && !is_number(&text);
        let quoted = any_byte(&text, |byte| matches!(byte, b',' | b'"' | b'\n' | b'\t'))
            || text.starts_with(' ')
            || text.ends_with(' ');
        if quoted {
            out.push('"');
        }
        if formula {
            out.push('\'');
        }
        match text.contains('"') {
            true => out.push_str(&text.replace('"', "\"\"")),
            false => out.push_str(&text),
        }
        if quoted {
            out.push('"');
        }
    }
    out.push_str("\r\n");
}
