//! Markup without what HTML does not need: quotes around values, their escapes in text, and those of `&` in short links. The lines
//! of a page have hundreds of attributes, and messages that are JSON hundreds of quotes.

use maud::{Markup, PreEscaped};

/// The same markup, without quotes around the values of attributes that HTML can do without, and with plain quotes in text. Such a
/// value is not empty and has none of white space, quotes, `=`, `<`, `>` and backticks. An `&` before these signs, with which short links
/// go on, begins no name of a character.
pub fn lean(markup: Markup) -> Markup {
    let html = markup.into_string();
    let mut out = String::with_capacity(html.len());
    // maud writes a quote only around a value: in a text it is `&quot;`
    for (at, piece) in html.split('"').enumerate() {
        if at % 2 == 0 {
            out.push_str(&piece.replace("&quot;", "\""));
            continue;
        }
        let quote = if is_bare(piece) { "" } else { "\"" };
        out.extend([quote, &piece.replace("&amp;~", "&~").replace("&amp;-", "&-"), quote]);
    }
    PreEscaped(out)
}

/// A slash at the end would be taken for that of the tag by some readers.
fn is_bare(value: &str) -> bool {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/#?&;,+%".contains(&byte);
    !value.is_empty() && !value.ends_with('/') && value.bytes().all(is_bare)
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::*;

    #[test]
    fn only_quotes_that_html_does_not_need_are_left_out() {
        let hostile = "a\" onclick=\"x";
        let markup = html! {
            a.t href="at/1.2.-3/?a=b" title="x" { "\"=\" 'q'" }
            a href="at/" id="" class="a b" title=(hostile) { (hostile) }
            a href="#e1" title="é" { "<" }
            a href="?~=t&-=a&~=b&lt=c" { "&-" }
            input hidden value="a`b";
        };
        assert_eq!(
            lean(markup).into_string(),
            "<a class=t href=\"at/1.2.-3/?a=b\" title=x>\"=\" 'q'</a>\
             <a href=\"at/\" id=\"\" class=\"a b\" title=\"a&quot; onclick=&quot;x\">a\" onclick=\"x</a>\
             <a href=#e1 title=\"é\">&lt;</a><a href=\"?~=t&-=a&~=b&amp;lt=c\">&amp;-</a>\
             <input hidden value=\"a`b\">"
        );
    }
}
