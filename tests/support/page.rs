//! A page as a reader sees it: its lines, its counts, the addresses of its links. It looks for alco's own markup, and is not an
//! HTML parser.
//!
//! Invariant: text is unescaped.

use super::{Alco, Reply};

#[derive(Debug)]
pub struct Page {
    /// the path of the request, without the query
    path: String,
    /// the request, after the redirect of a short link
    pub address: String,
    pub html: String,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `<ts>~<seq>~<digest>`, in the order of time
    pub place: String,
    /// the level, and the columns
    pub cells: Vec<String>,
    pub message: String,
    /// the marked parts of the message
    pub marks: Vec<String>,
    /// the HTML that is folded under the line
    pub folded: String,
}

impl Alco {
    /// A page that must be there. The link of a long search leads to it by another address.
    #[track_caller]
    pub fn page(&self, path: &str) -> Page {
        let (mut address, mut reply) = (path.to_owned(), self.get(path));
        if path.contains("?~=") && reply.status == 302 {
            address = reply.header("location").split('#').next().unwrap_or_default().to_owned();
            reply = self.get(&address);
        }
        assert_eq!(reply.status, 200, "{path}: {}", text(&reply.body));
        Page { address, ..Page::new(path, reply) }
    }
}

impl Page {
    pub fn new(path: &str, reply: Reply) -> Page {
        Page { path: path.split('?').next().unwrap_or_default().to_owned(), address: path.to_owned(), html: reply.body }
    }

    pub fn lines(&self) -> Vec<Line> {
        // the values that can be clicked, or the links to other pages
        let ends = ["<form method=get hidden>", "<nav class=\"pages\" id=\"e"];
        let end = ends.iter().find_map(|end| self.html.find(end)).unwrap_or(self.html.len());
        self.html[..end].split("<a class=t ").skip(1).map(line).collect()
    }

    /// The number of matches; fails if the page does not show it as exact.
    #[track_caller]
    pub fn total(&self) -> u64 {
        let (word, count) = self.count();
        assert_eq!(word, "exactly", "{count}");
        count
    }

    /// The number of matches, and the word before it: `exactly`, `at least` or `at most`.
    #[track_caller]
    pub fn count(&self) -> (String, u64) {
        let (_, total) = self.html.split_once("<p class=\"total\">").expect("a page of a log");
        let total = text(total.split_once("</p>").unwrap().0);
        let number = total.find(|c: char| c.is_ascii_digit()).expect("a number");
        let (word, rest) = total.split_at(number);
        (word.trim().to_owned(), rest.split(' ').next().unwrap().replace(',', "").parse().unwrap())
    }

    /// The address of a link, found by a piece of its tag, such as `rel="next"`.
    pub fn link(&self, piece: &str) -> Option<String> {
        let tag = self.html.match_indices("<a ").map(|(at, _)| &self.html[at..]).find_map(|tag| {
            let tag = &tag[..=tag.find('>')?];
            tag.contains(piece).then_some(tag)
        })?;
        Some(self.resolve(&attribute(tag, "href")))
    }

    /// The address of the link with that text.
    pub fn link_called(&self, text: &str) -> Option<String> {
        let end = self.html.find(&format!(">{text}</a>"))?;
        let tag = &self.html[self.html[..end].rfind("<a ")?..end];
        Some(self.resolve(&attribute(tag, "href")))
    }

    /// The values next to the log, with their counts and the links that filter by them.
    pub fn values(&self, column: &str) -> Vec<(String, u64, String)> {
        let summary = format!("<summary>{column}</summary><ul>");
        let Some((_, list)) = self.html.split_once(&summary) else { return Vec::new() };
        let list = list.split("</ul>").next().unwrap_or_default();
        let value = |item: &str| {
            let (link, rest) = item.split_once("</a>")?;
            let count = between(rest, "<span class=num>", "</span>").replace(',', "").parse().ok()?;
            Some((text(link), count, self.resolve(&attribute(link, "href"))))
        };
        list.split("<li").skip(1).map(|item| item.split_once('>').unwrap_or_default().1).filter_map(value).collect()
    }

    fn resolve(&self, href: &str) -> String {
        let href = href.split('#').next().unwrap_or_default();
        match href {
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            "./" => self.path.clone(),
            relative => format!("{}{relative}", self.path),
        }
    }
}

fn line(html: &str) -> Line {
    let (row, folded) = html.split_once("</bdi>").unwrap_or((html, ""));
    let (head, message) = row.split_once("<bdi").unwrap_or((row, ""));
    let message = message.split_once('>').unwrap_or_default().1;
    let href = attribute(head, "href");
    let cells = cells(head.split_once("</a>").unwrap_or_default().1);
    let marks = message.split("<mark>").skip(1).map(|mark| text(mark.split("</mark>").next().unwrap_or_default()));
    Line {
        place: between(&href, "at/", "/").to_owned(),
        cells,
        marks: marks.collect(),
        message: text(message),
        folded: folded.to_owned(),
    }
}

/// Each is a word, or in an element of its own.
fn cells(mut head: &str) -> Vec<String> {
    let mut cells = Vec::new();
    while let Some((words, element)) = head.split_once('<') {
        cells.extend(words.split_whitespace().map(unescaped));
        let name = element.split([' ', '>']).next().unwrap_or_default();
        let (cell, rest) = element.split_once(&format!("</{name}>")).unwrap_or((element, ""));
        cells.push(text(cell.split_once('>').unwrap_or_default().1));
        head = rest;
    }
    cells.extend(head.split_whitespace().map(unescaped));
    cells
}

fn attribute(tag: &str, name: &str) -> String {
    let (_, value) = tag.split_once(&format!("{name}=")).unwrap_or_default();
    let end = |c: char| c == ' ' || c == '>';
    unescaped(match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default(),
        None => value.split(end).next().unwrap_or_default(),
    })
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let Some((_, rest)) = text.split_once(start) else { return "" };
    rest.split(end).next().unwrap_or_default()
}

/// The text of a piece of HTML, without its tags.
pub fn text(html: &str) -> String {
    let mut out = String::new();
    for piece in html.split('<').enumerate().map(|(at, piece)| match at {
        0 => piece,
        _ => piece.split_once('>').map_or("", |(_, text)| text),
    }) {
        out.push_str(piece);
    }
    unescaped(&out)
}

fn unescaped(html: &str) -> String {
    html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
