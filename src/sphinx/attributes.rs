//! A record's columns in Sphinx's JSON attribute, and a text of those that it would change. Pure.
//!
//! A column arrives as JSON text and is to be read back equal. Sphinx gives doubles back with six decimals, integers
//! only within 64 bits, `1e30` with bytes of its own memory, control characters raw. So two texts are written of each
//! record's columns: `js`, which Sphinx parses for filters and which is safe for it, and `exact`, the text as sent, which
//! is stored only when `js` would not be read back to it. `js` leaves empty the parts that searchd's parser has no room for: an
//! object or a list that lies too deep, or, if all columns are too large, everything but `alco_error`.
//!
//! Invariant: `read_back` of the text that searchd prints for `js` has the values that were sent, or `exact` is not empty.

/// alco does not accept deeper nesting as JSON (product).
pub const MAX_DEPTH: usize = 128;

/// The number of tokens that may wait for their end in searchd's parser: it takes 195 and refuses 196, as seen ("memory
/// exhausted"). An object waits with three for its first member and with five for another (`{ members , key :`), a list with
/// one or three.
const OPEN_TOKENS: usize = 190;

/// Bytes of a record's columns in searchd's own form: above 2 MiB it refuses them ("data exceeds 0x400000 bytes"); a KiB is
/// left for what it adds.
const JSON_ROOM: usize = (2 << 20) - 1024;

/// Bytes that a value takes in that form, at most, beyond those of its text.
const VALUE_OVERHEAD: usize = 8;

/// Digits that searchd prints after the point of every decimal.
pub const PRINTED_DECIMALS: usize = 6;

/// Numbers from here on are strings in `js`: searchd 2.x prints them with more digits than its buffer holds, and then with bytes
/// of its own memory.
pub const TOO_LARGE_NUMBER: f64 = 1e15;

/// Writes `{"key":value,…}` for Sphinx. The values are valid JSON texts, the keys are plain text.
#[derive(Debug)]
pub struct StoredColumns<'a> {
    js: &'a mut String,
    exact: &'a mut String,
    kept: bool,
    /// in `js`, with all that is nested
    values: usize,
}

/// JSON nested deeper than `MAX_DEPTH`.
#[derive(Debug, PartialEq, Eq)]
pub struct TooDeep;

impl<'a> StoredColumns<'a> {
    /// Clears both strings and writes to them; the caller owns them, to use their memory again.
    pub fn new(js: &'a mut String, exact: &'a mut String) -> StoredColumns<'a> {
        js.clear();
        js.push('{');
        exact.clear();
        exact.push('{');
        StoredColumns { js, exact, kept: true, values: 0 }
    }

    /// Adds a column.
    ///
    /// # Errors
    /// The value is nested too deep; both texts are then useless.
    pub fn add(&mut self, key: &str, value: &str) -> Result<(), TooDeep> {
        for out in [&mut *self.js, &mut *self.exact] {
            if out.len() > 1 {
                out.push(',');
            }
        }
        self.kept &= plain_string(key, self.js);
        self.js.push(':');
        let mut writer = ColumnsWriter { text: value, at: 0, out: self.js, values: 0 };
        self.kept &= writer.value(0, 5)?;
        self.values += writer.values;
        quoted(key, self.exact);
        self.exact.push(':');
        self.exact.push_str(value);
        Ok(())
    }

    /// A column whose value is that text.
    pub fn add_text(&mut self, key: &str, text: &str) {
        let mut value = String::with_capacity(text.len() + 2);
        quoted(text, &mut value);
        self.add(key, &value).expect("a string has no depth");
    }

    /// True if searchd has room for the columns.
    pub fn fit(&self) -> bool {
        self.js.len() + VALUE_OVERHEAD * self.values <= JSON_ROOM
    }

    /// From here on `js` has none of the columns that were added: they are in `exact` alone.
    pub fn leave_to_exact(&mut self) {
        self.js.truncate(1);
        (self.kept, self.values) = (false, 0);
    }

    /// Ends both texts. `exact` is empty if `js` will be read back equal.
    pub fn end(self) {
        self.js.push('}');
        match self.kept {
            true => self.exact.clear(),
            false => self.exact.push('}'),
        }
    }
}

/// A string as every JSON parser reads it back. serde_json does the same more slowly for what is written most: it makes a string
/// of its own, which takes 12 ns for a key of 8 bytes (here 6 ns) and 200 ns for 264 bytes without an escape (here 135 ns).
pub fn quoted(text: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        match escape {
            "" => out.push_str(&format!("\\u{byte:04x}")),
            escape => out.push_str(escape),
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// A string for Sphinx, which returns control characters raw, and so invalid JSON: here they become U+FFFD. Returns whether the
/// text is unchanged. The values of filters are changed in the same way, so both sides are equal.
fn plain_string(text: &str, out: &mut String) -> bool {
    let altered = |c: char| c < ' ' && !matches!(c, '\n' | '\r' | '\t');
    match text.contains(altered) {
        false => quoted(text, out),
        true => quoted(&text.replace(altered, "\u{fffd}"), out),
    }
    !text.contains(altered)
}

/// Reads a valid JSON text and writes it as Sphinx may have it; its methods return whether Sphinx will return it equal.
struct ColumnsWriter<'t, 'o> {
    text: &'t str,
    at: usize,
    out: &'o mut String,
    values: usize,
}

impl ColumnsWriter<'_, '_> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    /// `open` tokens wait for this value in searchd's parser.
    fn value(&mut self, depth: usize, open: usize) -> Result<bool, TooDeep> {
        if depth > MAX_DEPTH {
            return Err(TooDeep);
        }
        self.skip_space();
        self.values += 1;
        let from = self.out.len();
        let kept = match self.peek() {
            opening @ (b'{' | b'[') => {
                let kept = if opening == b'{' { self.object(depth, open)? } else { self.array(depth, open)? };
                // room for one more member, which is a scalar
                let fits = open + 6 <= OPEN_TOKENS;
                if !fits {
                    self.out.truncate(from);
                    self.out.push_str(if opening == b'{' { "{}" } else { "[]" });
                }
                kept && fits
            }
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        };
        self.skip_space();
        Ok(kept)
    }

    fn object(&mut self, depth: usize, open: usize) -> Result<bool, TooDeep> {
        let mut kept = true;
        let mut is_first = true;
        let mut keys: Vec<&str> = Vec::new();
        let text = self.text;
        self.copy_byte();
        self.skip_space();
        while self.peek() != b'}' {
            let from = self.at;
            kept &= self.string();
            let key = &text[from..self.at];
            // a key that is there twice, or may be, if escapes are read: only the text itself is exact
            kept &= !key.contains('\\') && !keys.contains(&key);
            keys.push(key);
            self.skip_space();
            self.copy_byte(); // :
            kept &= self.value(depth + 1, open + if is_first { 3 } else { 5 })?;
            is_first = false;
            if self.peek() == b',' {
                self.copy_byte();
                self.skip_space();
            }
            // a thousand keys are looked through for each other; more than that are kept as text
            if keys.len() > 1000 {
                kept = false;
                keys.clear();
            }
        }
        self.copy_byte();
        Ok(kept)
    }

    fn array(&mut self, depth: usize, open: usize) -> Result<bool, TooDeep> {
        let (mut kept, mut is_first) = (true, true);
        self.copy_byte();
        self.skip_space();
        while self.peek() != b']' {
            kept &= self.value(depth + 1, open + if is_first { 1 } else { 3 })?;
            is_first = false;
            if self.peek() == b',' {
                self.copy_byte();
            }
        }
        self.copy_byte();
        Ok(kept)
    }

    fn copy_byte(&mut self) {
        self.out.push(char::from(self.peek()));
        self.at += 1;
    }

    fn string(&mut self) -> bool {
        let from = self.at;
        let bytes = self.text.as_bytes();
        let mut escaped = false;
        self.at += 1;
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let raw = &self.text[from..self.at.min(self.text.len())];
        if !escaped {
            self.out.push_str(raw);
            return true;
        }
        match serde_json::from_str::<String>(raw) {
            Ok(text) => plain_string(&text, self.out),
            // a lone surrogate is JSON, but no text
            Err(_) => {
                self.out.push_str("\"\u{fffd}\"");
                false
            }
        }
    }

    fn number(&mut self) -> bool {
        let from = self.at;
        while matches!(self.peek(), b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9') {
            self.at += 1;
        }
        let raw = &self.text[from..self.at];
        if raw.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
            let fits = raw.parse::<i64>().is_ok();
            self.number_or_text(raw, fits);
            return fits && raw != "-0";
        }
        let number = raw.parse::<f64>().unwrap_or(f64::INFINITY);
        self.number_or_text(raw, number.abs() < TOO_LARGE_NUMBER);
        number.abs() < TOO_LARGE_NUMBER && trimmed(&format!("{number:.PRINTED_DECIMALS$}")) == raw
    }

    fn number_or_text(&mut self, raw: &str, safe: bool) {
        match safe {
            true => self.out.push_str(raw),
            false => quoted(raw, self.out),
        }
    }

    /// true, false, null
    fn word(&mut self) -> bool {
        while self.peek().is_ascii_alphabetic() {
            self.copy_byte();
        }
        true
    }
}

/// `0.013000` -> `0.013`, `2.000000` -> `2.0`: a double as most producers write it.
fn trimmed(decimals: &str) -> &str {
    let short = decimals.trim_end_matches('0');
    match short.ends_with('.') {
        true => decimals.get(..short.len() + 1).unwrap_or(decimals),
        false => short,
    }
}

/// False if `read_back` returns the text as it is.
pub fn has_decimals(printed: &str) -> bool {
    let is_digit = |at: Option<usize>| at.and_then(|at| printed.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
    printed.match_indices('.').any(|(at, _)| is_digit(at.checked_sub(1)) && is_digit(Some(at + 1)))
}

/// The text that searchd prints for a JSON attribute, with its doubles as they were sent. Strings are unchanged.
pub fn read_back(printed: &str) -> String {
    let mut out = String::with_capacity(printed.len());
    let bytes = printed.as_bytes();
    let (mut from, mut at, mut in_string) = (0, 0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'0'..=b'9' if !in_string => {
                let end = at + bytes[at..].iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
                if printed[at..end].contains('.') {
                    out.push_str(&printed[from..at]);
                    out.push_str(trimmed(&printed[at..end]));
                    from = end;
                }
                at = end - 1;
            }
            _ => {}
        }
        at += 1;
    }
    out.push_str(&printed[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, js: &str, kept: bool) {
        let (mut got, mut exact) = (String::new(), String::new());
        let mut columns = StoredColumns::new(&mut got, &mut exact);
        columns.add("k", value).expect("not deep");
        columns.end();
        assert_eq!(got, format!("{{\"k\":{js}}}"));
        assert_eq!(exact, if kept { String::new() } else { format!("{{\"k\":{value}}}") });
    }

    #[test]
    fn values_that_sphinx_would_change_are_kept_as_text() {
        for kept in ["1", "-1", "0.5", "2.0", "-0.013", "9223372036854775807", "true", "null", r#""é日""#, "[]", "{}"]
        {
            check(kept, kept, true);
        }
        check(r#"{"a":[1,{"b":null}],"":"x"}"#, r#"{"a":[1,{"b":null}],"":"x"}"#, true);
        check(" [ 1 , 2 ] ", "[1,2]", true);
        check(r#""\u00e9\ud83d\ude00\/\n""#, r#""é😀/\n""#, true);
        check("1e-7", "1e-7", false);
        check("1.50", "1.50", false);
        check("123456.789012345", "123456.789012345", false);
        check("0.1000000000000000055", "0.1000000000000000055", false);
        check("1e30", r#""1e30""#, false);
        check("-0", "-0", false);
        check("9223372036854775808", r#""9223372036854775808""#, false);
        check(r#""\u0001x""#, "\"\u{fffd}x\"", false);
        check(r#""\ud800""#, "\"\u{fffd}\"", false);
        check(r#"{"a":1,"a":2}"#, r#"{"a":1,"a":2}"#, false);
        check(r#"{"a":1,"\u0061":2}"#, r#"{"a":1,"a":2}"#, false);
    }

    #[test]
    fn nesting_beyond_the_bound_is_refused() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let (mut js, mut exact) = (String::new(), String::new());
        assert_eq!(StoredColumns::new(&mut js, &mut exact).add("k", &deep(MAX_DEPTH)), Ok(()));
        assert_eq!(StoredColumns::new(&mut js, &mut exact).add("k", &deep(MAX_DEPTH + 2)), Err(TooDeep));
    }

    #[test]
    fn values_too_deep_for_searchd_are_empty_in_js() {
        // each level as the first member, and as the second
        for (open, close, empty, tokens) in
            [("{\"a\":", "}", "{}", 3), ("{\"a\":0,\"b\":", "}", "{}", 5), ("[", "]", "[]", 1), ("[0,", "]", "[]", 3)]
        {
            let levels = (OPEN_TOKENS - 6 - 5) / tokens + 1;
            let nested = |levels: usize, inner: &str| format!("{}{inner}{}", open.repeat(levels), close.repeat(levels));
            if levels <= MAX_DEPTH {
                check(&nested(levels, "1"), &nested(levels, "1"), true);
                check(&nested(levels + 1, "1"), &nested(levels, empty), false);
            }
        }
    }

    #[test]
    fn columns_that_searchd_has_no_room_for_are_in_exact_alone() {
        let (mut js, mut exact) = (String::new(), String::new());
        for (value, fits) in [
            (format!("\"{}\"", "x".repeat(2_000_000)), true),
            (format!("\"{}\"", "x".repeat(2 << 20)), false),
            (format!("[{}1]", "1,".repeat(200_000)), true),
            (format!("[{}1]", "1,".repeat(500_000)), false),
        ] {
            let mut columns = StoredColumns::new(&mut js, &mut exact);
            columns.add("k", &value).expect("not deep");
            assert_eq!(columns.fit(), fits, "{value:.9}");
        }
        let mut columns = StoredColumns::new(&mut js, &mut exact);
        columns.add("k", "1").expect("not deep");
        columns.leave_to_exact();
        columns.add_text("why", "too large");
        columns.end();
        assert_eq!((&*js, &*exact), (r#"{"why":"too large"}"#, r#"{"k":1,"why":"too large"}"#));
    }

    #[test]
    fn doubles_are_read_back_as_they_were_sent() {
        assert_eq!(
            read_back(r#"{"a":0.013000,"b":[2.000000,-1.500000],"c":"0.100000\"1.0"}"#),
            r#"{"a":0.013,"b":[2.0,-1.5],"c":"0.100000\"1.0"}"#
        );
        assert_eq!(read_back("100"), "100");
        for (printed, expect) in [
            (r#"{"a":[0.500000]}"#, true),
            (r#"{"a":"10.0"}"#, true),
            (r#"{"a":"x.1 2.","b":15}"#, false),
            (".1.", false),
        ] {
            assert_eq!(has_decimals(printed), expect, "{printed}");
            assert!(expect || read_back(printed) == printed, "{printed}");
        }
    }
}
