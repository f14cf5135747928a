//! The columns of the lines of a page: how wide each is, so that they stand below each other; the end that all its host names
//! share, which is left out; and the values that a click keeps.
//!
//! Lines are written as they are found, so all of it grows: a later line never takes back what an earlier one was given.
//!
//! Spaces after a value make it as wide as its column. A class for each width would be heavier, and a copied line keeps its columns.
//!
//! A value that is clicked is the `<label>` of a button in one form after the lines. A link in each cell, with the search in each
//! address, would double the weight of a page. Only a value that comes once is a link, where that is lighter than label and button.

use std::collections::HashMap;

use maud::{Markup, html};

use crate::http::pages::lean::lean;
use crate::http::pages::links::SearchLinks;
use crate::http::pages::marked::{CELL_CHARS, excerpt};
use crate::http::pages::search;
use crate::query::group::parameters;
use crate::query::{Condition, Filter, Query, edit};
use crate::render::cells::Cell;
use crate::render::escape::{cut, visible_in_line};

/// A longer value stands out of its column, so that one does not push all messages to the right.
const MAX_WIDTH_CHARS: usize = 24;
/// The name of a column makes it no wider than this.
const MAX_NAME_CHARS: usize = 10;
/// A time of day, as `10:00:00.123`.
const TIME_CHARS: usize = 12;
/// Of the tags of a label and its button, beyond those of a link.
const BUTTON_BYTES: usize = 35;
/// A longer value is not clicked: the page would hold it twice.
const MAX_VALUE_BYTES: usize = 200;
/// Columns of host names are known by these parts of their names.
const HOST_COLUMNS: [&str; 5] = ["host", "node", "server", "fqdn", "machine"];

#[derive(Debug, Default)]
pub struct LineColumns<'a> {
    /// the names of the columns that the lines show
    shown: &'a [String],
    /// the search that a click on a value narrows, and the links near it; None: values are not clicked
    clicked: Option<(&'a Query, &'a SearchLinks)>,
    /// of each cell of a line; empty before the first one
    columns: Vec<LineColumn>,
    /// the first cell of each line is its level: style.css knows it by its place
    pub begins_with_level: bool,
    /// the parameters that a click adds, in the order of their buttons
    buttons: Vec<(String, String)>,
    /// column -> value
    clicks: HashMap<String, HashMap<String, Click>>,
}

/// How a click on a value reaches the search for it.
#[derive(Debug)]
enum Click {
    /// the number of its button
    Button(usize),
    /// an address
    Link(String),
}

#[derive(Clone, Debug, Default)]
struct LineColumn {
    name: String,
    width_chars: usize,
    /// `.dc1.example.org`; empty: nothing is left out
    end: String,
}

impl LineColumn {
    fn of(name: &str) -> LineColumn {
        LineColumn { width_chars: shown_name(name).chars().count(), name: name.to_owned(), end: String::new() }
    }
}

impl<'a> LineColumns<'a> {
    pub fn new(shown: &'a [String], clicked: Option<(&'a Query, &'a SearchLinks)>) -> LineColumns<'a> {
        LineColumns { shown, clicked, ..LineColumns::default() }
    }

    /// Takes the lines that are written next.
    pub fn learn<'l>(&mut self, lines: impl Iterator<Item = &'l [Cell]> + Clone) {
        if let (true, Some(line)) = (self.columns.is_empty(), lines.clone().next()) {
            let mut shown = self.shown.iter();
            let name = |cell: &Cell| if cell.is_index { Some("index") } else { shown.next().map(String::as_str) };
            self.columns = line.iter().map(name).map(|name| LineColumn::of(name.unwrap_or_default())).collect();
        }
        let mut times: HashMap<(&str, &str), usize> = HashMap::new();
        for value in lines.clone().flatten().filter_map(value_of) {
            *times.entry(value).or_default() += 1;
        }
        for at in 0..self.columns.len() {
            let cells = lines.clone().filter_map(|line| line.get(at));
            let column = &mut self.columns[at];
            if column.end.is_empty() && is_of_hosts(&column.name) {
                column.end = common_end(cells.clone().filter_map(|cell| cell.text.as_deref()));
            }
            for cell in cells {
                let text = cell.text.as_deref().map_or("-", |text| shortened(text, &column.end));
                let chars = text.chars().take(MAX_WIDTH_CHARS + 1).count();
                if chars <= MAX_WIDTH_CHARS {
                    column.width_chars = column.width_chars.max(chars);
                }
            }
        }
        let Some((query, links)) = self.clicked else { return };
        for cell in lines.flatten() {
            let Some((column, value)) = value_of(cell) else { continue };
            // the colour of a level is not that of a link
            let is_once = times[&(column, value)] == 1 && !cell.is_level;
            let of_column = self.clicks.entry(column.to_owned()).or_default();
            if !of_column.contains_key(value)
                && let Some(click) = click(query, links, (column, value), is_once, &mut self.buttons)
            {
                of_column.insert(value.to_owned(), click);
            }
        }
    }

    /// The cell at that place of a line, and the space up to the next one.
    pub fn cell(&self, at: usize, cell: &Cell) -> Markup {
        let whole = cell.text.as_deref().unwrap_or("-");
        let column = self.columns.get(at);
        let text = column.filter(|_| cell.marks.is_empty()).map_or(whole, |column| shortened(whole, &column.end));
        let click = value_of(cell).and_then(|(column, value)| self.clicks.get(column)?.get(value));
        let (room, space) = room(text, column);
        let is_bare = !cell.is_level && cell.marks.is_empty() && is_one_word(text);
        let is_known = at == 0 && self.begins_with_level;
        let class = if cell.is_level { Some("l").filter(|_| !is_known) } else { room.as_ref().map(|_| "c") };
        html! {
            @match click {
                Some(Click::Button(number)) => label class=[class] for=(number) data-room=[room] { (excerpt(text, &cell.marks)) },
                Some(Click::Link(address)) => a class=[class] href=(address) data-room=[room] tabindex="-1" { (excerpt(text, &cell.marks)) },
                None if is_bare => (text),
                None => span class=[class] data-room=[room] { (excerpt(text, &cell.marks)) },
            }
            (space)
        }
    }

    /// The names of the columns, each a link to its values. The Tab key goes on to the lines. `first`: one of the lines below.
    pub fn heading(&self, query: &Query, links: &SearchLinks, first: &[Cell]) -> Markup {
        html! {
            @if !self.columns.is_empty() { div.heads role="listitem" {
                span { "time" } (" ".repeat(TIME_CHARS + 1 - "time".len()))
                @for (column, cell) in self.columns.iter().zip(first) {
                    @let name = shown_name(&column.name);
                    @let (room, space) = room(&name, Some(column));
                    @let left_out = match column.end.as_str() {
                        "" => String::new(),
                        end => format!("; {} is left out at their ends", visible_in_line(end)),
                    };
                    @let title = format!("values of {}{left_out}", visible_in_line(&column.name));
                    @if cell.is_index { span { (name) } }
                    @else { a class=[room.as_ref().map(|_| "c")] href=(links.values("", query, &column.name)) title=(title) data-room=[room] tabindex="-1" { (name) } }
                    (space)
                }
                span { "message" }
            } }
        }
    }

    /// The buttons of the values, which the lines' labels press.
    pub fn form(&self) -> Markup {
        let Some((query, links)) = self.clicked.filter(|_| !self.buttons.is_empty()) else { return html! {} };
        let added: Vec<&str> = self.buttons.iter().map(|(name, _)| name.as_str()).collect();
        lean(html! {
            form method="get" hidden {
                // lynx shows the buttons, by their values; w3m does not
                button disabled value="only lines of" {}
                " "
                @for (name, value) in links.fields(&edit::first(query).pairs(), &added) { input type="hidden" name=(search::field(&name)) value=(search::field(&value)); }
                @for (at, (name, value)) in self.buttons.iter().enumerate() {
                    " "
                    button id=(at) name=(search::field(name)) value=(search::field(value)) {}
                }
            }
        })
    }
}

/// The way to the search for a value, which comes once in these lines or more often. None: the search asks for it and no other already.
fn click(
    query: &Query,
    links: &SearchLinks,
    (column, value): (&str, &str),
    is_once: bool,
    buttons: &mut Vec<(String, String)>,
) -> Option<Click> {
    let is = Condition::In(vec![value.to_owned()]);
    let filter = Filter { column: column.to_owned(), is, off: false };
    if query.filters.contains(&filter) {
        return None;
    }
    let parameter = parameters(&filter, &query.filters).pop()?;
    if is_once {
        let mut only = edit::first(query);
        only.filters.push(filter);
        let address = links.to("", &only);
        if address.len() < parameter.0.len() + parameter.1.len() + BUTTON_BYTES {
            return Some(Click::Link(address));
        }
    }
    buttons.push(parameter);
    Some(Click::Button(buttons.len() - 1))
}

/// The column and the value that a click on the cell keeps. A form cannot send control characters as they are.
fn value_of(cell: &Cell) -> Option<(&str, &str)> {
    let (column, value) = (cell.column.as_deref()?, cell.text.as_deref()?);
    (value.len() <= MAX_VALUE_BYTES && !value.contains(char::is_control) && !value.is_empty())
        .then_some((column, value))
}

/// The space after a text in a column. Letters may be wider or narrower than a space: for a text that has such ones, the first is the room
/// that style.css keeps for it.
fn room(text: &str, column: Option<&LineColumn>) -> (Option<String>, String) {
    let Some(column) = column else { return (None, " ".to_owned()) };
    let width_chars = column.width_chars.div_ceil(2) * 2;
    match text.chars().all(|c| matches!(c, ' '..='~' | 'À'..='ž' | 'А'..='я')) {
        true => (None, " ".repeat(width_chars.saturating_sub(text.chars().count()) + 1)),
        false => (Some(" ".repeat(width_chars)), " ".to_owned()),
    }
}

/// Nothing in it has to be set apart from what stands next to it.
fn is_one_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= CELL_CHARS && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn shown_name(name: &str) -> String {
    match cut(name, MAX_NAME_CHARS) {
        (_, false) => visible_in_line(name).into_owned(),
        _ => format!("{}…", visible_in_line(cut(name, MAX_NAME_CHARS - 1).0)),
    }
}

fn is_of_hosts(column: &str) -> bool {
    let lower = column.to_ascii_lowercase();
    HOST_COLUMNS.iter().any(|part| lower.contains(part))
}

fn shortened<'t>(text: &'t str, end: &str) -> &'t str {
    text.strip_suffix(end).filter(|start| !start.is_empty()).unwrap_or(text)
}

/// The domain that all the host names share, with the dot before it; each keeps one label at least. Empty if they share none, are all
/// the same, or are addresses.
fn common_end<'t>(hosts: impl Iterator<Item = &'t str>) -> String {
    let mut first: Option<&str> = None;
    let mut common = 0;
    let mut differ = false;
    for host in hosts.filter(|host| host.contains('.')) {
        let Some(first) = first else {
            first = Some(host);
            common = host.len();
            continue;
        };
        differ |= host != first;
        let equal = host.bytes().rev().zip(first.bytes().rev()).take(common).take_while(|(a, b)| a == b).count();
        // one of the two has to keep a label
        common = equal.min(host.len() - 1).min(first.len() - 1);
    }
    let end = first.filter(|_| differ).and_then(|first| first.get(first.len() - common..)).unwrap_or_default();
    let end = end.find('.').map_or("", |dot| &end[dot..]);
    let is_domain = end.rsplit('.').next().is_some_and(|last| last.contains(|c: char| c.is_ascii_alphabetic()));
    if is_domain { end.to_owned() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: [&str; 2] = ["level", "host"];

    fn line(level: &str, host: Option<&str>) -> Vec<Cell> {
        let cell = |column: usize, text: Option<&str>| Cell {
            text: text.map(str::to_owned),
            column: Some(SHOWN[column].to_owned()),
            is_level: column == 0,
            ..Cell::default()
        };
        vec![cell(0, Some(level)), cell(1, host)]
    }

    /// The second cell of the last line, and the form, where the lines are those of the page.
    fn written(query: &str, lines: &[Vec<Cell>]) -> (String, String) {
        let shown = SHOWN.map(str::to_owned);
        let query = Query::from_url(vec!["web".parse().expect("a name")], query).expect(query);
        let links = SearchLinks::default();
        let mut columns = LineColumns::new(&shown, Some((&query, &links)));
        columns.learn(lines.iter().map(Vec::as_slice));
        let last = lines.last().expect("a line");
        (columns.cell(1, &last[1]).into_string(), columns.form().into_string())
    }

    #[test]
    fn a_column_is_as_wide_as_its_values() {
        let hosts = |hosts: &[&str]| {
            let lines: Vec<Vec<Cell>> = hosts.iter().map(|host| line("INFO", Some(host))).collect();
            let (cell, _) = written("", &lines);
            let (_, text) = cell.split_once('>').expect("a tag");
            text.replace("</a>", "")
        };
        assert_eq!(hosts(&["a"]), "a    ", "the column's name");
        assert_eq!(hosts(&["web-001", "b"]), "b        ");
        assert_eq!(hosts(&["x".repeat(300).as_str(), "wéb-00001"]), "wéb-00001  ", "one that is too long stands out");
        let longest = "x".repeat(24);
        assert_eq!(hosts(&[longest.as_str()]), longest.clone() + " ");
        // its letters have a width of their own
        let (cell, _) = written("", &[line("INFO", Some("日本"))]);
        let address = "?host=%E6%97%A5%E6%9C%AC";
        assert_eq!(cell, format!("<a class=\"c\" href=\"{address}\" data-room=\"    \" tabindex=\"-1\">日本</a> "));
    }

    #[test]
    fn the_end_that_all_host_names_share_is_left_out() {
        for (hosts, end) in [
            (&["app-1.dc1.example.org", "app-2.dc1.example.org", "db"][..], ".dc1.example.org"),
            (&["app-1.dc1.example.org", "app-1.dc2.example.org"], ".example.org"),
            (&["app-1.example.org", "example.org"], ".org"),
            (&["xapp.example.org", "app.example.org"], ".example.org"),
            (&["app-1.example.org", "app-1.example.org"], ""),
            (&["app-1.example.org", "app-1.example.com"], ""),
            (&["10.1.0.1", "10.2.0.1"], ""),
            (&["é.org", "è.org"], ".org"),
            (&[".org", "..org"], ""),
            (&["a", "b"], ""),
            (&[], ""),
        ] {
            assert_eq!(common_end(hosts.iter().copied()), end, "{hosts:?}");
        }
        let lines = [line("INFO", Some("app-1.example.org")), line("INFO", Some("<b>.example.org"))];
        let (cell, _) = written("", &lines);
        assert_eq!(cell, "<a href=\"?host=%3Cb%3E.example.org\" tabindex=\"-1\">&lt;b&gt;</a>    ");
        assert!(!is_of_hosts("logger") && is_of_hosts("source_host"));
    }

    #[test]
    fn a_click_on_a_value_adds_its_filter() {
        let (cell, form) =
            written("search=x&cursor=a1.2.3.4&host=b", &[line("INFO", Some("a\"b")), line("INFO", Some("a\"b"))]);
        assert_eq!(cell, "<label for=\"1\">a&quot;b</label>  ");
        let value = "<button id=1 name=host__in value=a&quot;b></button>";
        let level = "<button id=0 name=level value=INFO></button>";
        let told = "<button disabled value=\"only lines of\"></button>";
        let search = "<input type=hidden name=search value=x><input type=hidden name=host value=b>";
        assert_eq!(form, format!("<form method=get hidden>{told} {search} {level} {value}</form>"));
        // one that comes once is a link, unless the search in it is heavier than a button
        let once = [line("INFO", Some("a\"b"))];
        let (cell, _) = written("search=x&host=b", &once);
        assert_eq!(cell, "<a href=\"?search=x&amp;host=b&amp;host__in=a%22b\" tabindex=\"-1\">a&quot;b</a>  ");
        assert_eq!(written(&format!("search={}", "x".repeat(40)), &once).0, "<label for=\"1\">a&quot;b</label>  ");
    }

    #[test]
    fn a_value_that_no_form_can_send_is_not_clicked() {
        let long = "x".repeat(MAX_VALUE_BYTES + 1);
        for (query, host) in [
            ("", None),
            ("", Some("")),
            ("", Some("a\nb")),
            ("", Some("\x1b[31m")),
            ("", Some(long.as_str())),
            // it is asked for already
            ("host=a", Some("a")),
        ] {
            let (cell, _) = written(query, &[line("INFO", host)]);
            assert!(!cell.contains("<label") && !cell.contains("<a"), "{cell}");
        }
    }
}
