//! Web addresses in the text of a log: where they are. Pure.
//!
//! Invariant: an address is http or https, and has no character that ends an attribute, a tag or a line.

use std::ops::Range;

/// Browsers and servers refuse longer ones; such a text is not a link.
const MAX_BYTES: usize = 2000;
const SCHEMES: [&str; 2] = ["https", "http"];

/// The byte ranges of the addresses in a text, in their order. `is_cut`: the text goes on after its end, so an address there may be
/// half of one, and is left out.
pub fn web_links(text: &str, is_cut: bool) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    // up to here it is read
    let mut done = 0;
    for (colon, sign) in text.match_indices("://") {
        let Some(start) = scheme_start(text, colon).filter(|_| colon >= done) else { continue };
        let rest = &text[colon + sign.len()..];
        let is_end = |(at, c): &(usize, char)| !is_of_address(*c) || *at > MAX_BYTES;
        let all = rest.char_indices().find(is_end).map_or(rest.len(), |(at, _)| at);
        done = colon + sign.len() + all;
        let own = without_end(&rest[..all]);
        let range = start..colon + sign.len() + own.len();
        let has_host = own.starts_with(|c: char| c.is_alphanumeric() || c == '[');
        if has_host && range.len() <= MAX_BYTES && !(is_cut && done == text.len()) {
            found.push(range);
        }
    }
    found
}

/// The start of the scheme before a colon; None: it is another one, or the end of a longer word.
fn scheme_start(text: &str, colon: usize) -> Option<usize> {
    SCHEMES.iter().find_map(|scheme| {
        let start = colon.checked_sub(scheme.len())?;
        let is_scheme = text.get(start..colon)?.eq_ignore_ascii_case(scheme);
        let is_apart = !text[..start].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'));
        (is_scheme && is_apart).then_some(start)
    })
}

/// The characters of RFC 3986 but the apostrophe, which quotes addresses more often than it is in one; and letters and digits of all
/// scripts, as browsers show them.
fn is_of_address(c: char) -> bool {
    c.is_alphanumeric() || "-._~:/?#[]@!$&()*+,;=%".contains(c)
}

/// The address without what belongs to the sentence around it: signs at its end, and brackets that it does not open.
fn without_end(text: &str) -> &str {
    let count = |sign: char| text.matches(sign).count();
    // of those that are left
    let (mut opened, mut closed) = ([count('('), count('[')], [count(')'), count(']')]);
    for (at, last) in text.char_indices().rev() {
        match last {
            '.' | ',' | ';' | ':' | '!' | '?' | '*' | '&' => {}
            '(' => opened[0] -= 1,
            '[' => opened[1] -= 1,
            ')' if closed[0] > opened[0] => closed[0] -= 1,
            ']' if closed[1] > opened[1] => closed[1] -= 1,
            _ => return &text[..at + last.len_utf8()],
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[&str]) {
        let found: Vec<&str> = web_links(text, false).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expect, "{text:?}");
    }

    #[test]
    fn an_address_ends_where_its_sentence_goes_on() {
        check("GET https://a.example/x?y=1&z=[2]#top 200", &["https://a.example/x?y=1&z=[2]#top"]);
        check("see http://a.example/b. And HTTP://c:8080, too", &["http://a.example/b", "HTTP://c:8080"]);
        check(
            "(http://a.example/b_(c)) [https://d] <https://e>",
            &["http://a.example/b_(c)", "https://d", "https://e"],
        );
        check("url='http://a/b' other=\"http://c/d\"", &["http://a/b", "http://c/d"]);
        check("{\"u\":\"https://a/b\"}", &["https://a/b"]);
        check("http://[::1]:8000/grep/", &["http://[::1]:8000/grep/"]);
        check("https://de.example/wiki/Köln!?", &["https://de.example/wiki/Köln"]);
        check("http://proxy/http://a/b", &["http://proxy/http://a/b"]);
        check("http://a/)).,;:", &["http://a/"]);
    }

    #[test]
    fn nothing_else_is_a_web_address() {
        for text in [
            "",
            "://",
            "http://",
            "https:// a",
            "http://.",
            "http:///etc/passwd",
            "javascript://a/%0aalert(1)",
            "ftp://a/b",
            "data:text/html,x",
            "xhttp://a/b",
            "git+https://a/b",
            "é://a",
            "http:/a",
        ] {
            check(text, &[]);
        }
        check(&format!("http://a/{}", "x".repeat(10_000)), &[]);
        check(
            &format!("http://a/{}", "x".repeat(MAX_BYTES - 9)),
            &[&format!("http://a/{}", "x".repeat(MAX_BYTES - 9))],
        );
    }

    #[test]
    fn hostile_characters_end_an_address() {
        check("http://a/\"onclick=x", &["http://a/"]);
        check("http://a/b\x1b[31m\u{202e}c", &["http://a/b"]);
        check("http://a/b\nc\t\0d", &["http://a/b"]);
        check("http://a/b'><script>", &["http://a/b"]);
        check("http://a/`b\\c{d}|^", &["http://a/"]);
    }

    #[test]
    fn half_an_address_is_not_one() {
        assert!(web_links("x http://a/b", true).is_empty());
        assert_eq!(web_links("http://a/b y", true).as_slice(), std::slice::from_ref(&(0..10)));
        assert!(web_links("http://a/b.", true).is_empty());
    }

    #[test]
    fn long_texts_are_read_in_a_moment() {
        let brackets = |number| format!("http://a/{} ", ")".repeat(number));
        for text in [
            "http://".repeat(100_000),
            "http://a/((((".repeat(50_000),
            brackets(400_000),
            brackets(MAX_BYTES - 20).repeat(2000),
        ] {
            let began = std::time::Instant::now();
            web_links(&text, false);
            assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
        }
    }
}
