//! JSON text with a line for each member and item. Pure.
//!
//! Invariant: only white space between its tokens changes, so numbers and texts stay as they are written.

/// `json` is one JSON value. None: the lines would have more bytes than that, as those of deep nesting have.
pub fn pretty(json: &str, max_bytes: usize) -> Option<String> {
    let mut out = String::new();
    let mut depth = 0;
    let (mut in_text, mut is_escaped) = (false, false);
    let mut chars = json.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(c) = chars.next() {
        if in_text {
            (in_text, is_escaped) = (is_escaped || c != '"', !is_escaped && c == '\\');
            out.push(c);
            continue;
        }
        match c {
            ' ' | '\t' | '\n' | '\r' => {}
            '{' | '[' => {
                out.push(c);
                while chars.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                match chars.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c => {
                in_text = c == '"';
                out.push(c);
            }
        }
        if out.len() > max_bytes {
            return None;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_changes() {
        for (json, lines) in [
            (
                r#"{"a":1.50,"b":[1,{"c":"x, {\"y\": 1}\\"}],"d":{ }, "e":[]}"#,
                "{\n  \"a\": 1.50,\n  \"b\": [\n    1,\n    {\n      \"c\": \"x, {\\\"y\\\": 1}\\\\\"\n    }\n  ],\n  \"d\": {},\n  \"e\": []\n}",
            ),
            ("[12345678901234567890.10 ,\ttrue]", "[\n  12345678901234567890.10,\n  true\n]"),
        ] {
            assert_eq!(pretty(json, 1000).as_deref(), Some(lines));
        }
    }

    #[test]
    fn deep_nesting_does_not_fill_the_page() {
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(pretty(&deep, 100_000), None);
    }
}
