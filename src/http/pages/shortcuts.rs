//! Searches under a name: the page that saves one, and the page that lists, renames and deletes them.

use maud::{Markup, html};

use crate::http::pages::{Frame, links, note};
use crate::render::escape::{cut, visible_in_line};

/// The longest name; a form's field takes no more.
pub const MAX_NAME_CHARS: usize = 60;
/// Of a search in the list.
const SEARCH_CHARS: usize = 200;

/// The page that asks for the name of a search.
#[derive(Clone, Debug)]
pub struct SaveView<'a> {
    pub frame: Frame<'a>,
    /// the address of the search
    pub link: &'a str,
    /// as its address has it
    pub search: &'a str,
    /// the name as it was typed
    pub name: &'a str,
    /// why it is not saved yet
    pub wrong: Option<&'a str>,
    pub token: &'a str,
}

/// The page of all saved searches.
#[derive(Clone, Debug)]
pub struct ShortcutsView<'a> {
    pub frame: Frame<'a>,
    /// (name, title) of those in alco.ini
    pub configured: Vec<(&'a str, &'a str)>,
    pub saved: Vec<SavedRow>,
    /// why a change was not made
    pub wrong: Option<&'a str>,
    /// why the saved ones are not known
    pub away: Option<&'a str>,
    /// for the forms
    pub token: &'a str,
}

#[derive(Clone, Debug)]
pub struct SavedRow {
    pub name: String,
    /// who saved it, and when
    pub saved: String,
    /// as its address has it
    pub search: String,
    /// the reader may rename and delete it
    pub is_own: bool,
}

impl SaveView<'_> {
    pub fn page(&self) -> Markup {
        let main = html! {
            main #log .error {
                h1 { "Save this search" }
                @if let Some(wrong) = self.wrong { p.why role="alert" { (visible_in_line(wrong)) } }
                p { a href=(self.link) { code { (shown(self.search)) } } }
                form method="post" {
                    input type="hidden" name="token" value=(self.token);
                    label { "name " input name="name" value=(visible_in_line(self.name)) required maxlength=(MAX_NAME_CHARS) size="30" autocomplete="off" autofocus; }
                    " "
                    button { "save" }
                }
                p.dim { "Everyone who may read these indexes sees it in the " a href={ (self.frame.base) "grep/shortcut/" } { "list of shortcuts" } ". A range such as -1h moves with the time." }
            }
        };
        self.frame.page("save a search", main)
    }
}

impl ShortcutsView<'_> {
    pub fn page(&self) -> Markup {
        let path = |name: &str| format!("{}grep/shortcut/{}/", self.frame.base, links::segment(name));
        let main = html! {
            main #log .seen {
                h1 { "Shortcuts" }
                @if let Some(wrong) = self.wrong { (note(html! { (visible_in_line(wrong)) })) }
                @if let Some(away) = self.away { (note(html! { "The saved searches are not known: " (visible_in_line(away)) })) }
                table.indexes {
                    thead { tr { th scope="col" { "name" } th scope="col" { "search" } th scope="col" { "saved" } th scope="col" { "change" } } }
                    tbody {
                        @for (name, title) in &self.configured {
                            tr {
                                th scope="row" { a href=(path(name)) { (if title.is_empty() { name } else { title }) } }
                                td {}
                                td { "alco.ini" }
                                td {}
                            }
                        }
                        @for row in &self.saved {
                            tr {
                                th scope="row" { a href=(path(&row.name)) { (visible_in_line(&row.name)) } }
                                td.example { code { (shown(&row.search)) } }
                                td { (visible_in_line(&row.saved)) }
                                td { @if row.is_own { (self.change(&row.name)) } }
                            }
                        }
                    }
                }
                @if self.saved.is_empty() && self.away.is_none() { p { "No search is saved. \"save\" on the page of a search does it." } }
            }
        };
        self.frame.page("shortcuts", main)
    }

    fn change(&self, name: &str) -> Markup {
        html! {
            form method="post" {
                input type="hidden" name="token" value=(self.token);
                input type="hidden" name="name" value=(name);
                input name="to" value=(name) maxlength=(MAX_NAME_CHARS) size="20" autocomplete="off" aria-label={ "new name of " (name) };
                " "
                button name="do" value="rename" { "rename" }
                " "
                button name="do" value="delete" aria-label={ "delete " (name) } { "delete" }
            }
        }
    }
}

fn shown(search: &str) -> String {
    let (shown, is_cut) = cut(search, SEARCH_CHARS);
    format!("{}{}", visible_in_line(shown), if is_cut { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_searches_have_a_form() {
        let row = |name: &str, is_own| SavedRow {
            name: name.to_owned(),
            saved: "anna, 2026-11-22 10:00".to_owned(),
            search: "web: search=<b>".to_owned(),
            is_own,
        };
        let view = ShortcutsView {
            frame: Frame { base: "/", ..Frame::default() },
            configured: vec![("slow", "Slow requests")],
            saved: vec![row("<i>/x", true), row("theirs", false)],
            wrong: None,
            away: None,
            token: "t0",
        };
        let html = view.page().into_string();
        assert_eq!(html.matches("method=\"post\"").count(), 1, "{html}");
        assert_eq!(html.matches("value=\"t0\"").count(), 1, "{html}");
        for part in ["href=\"/grep/shortcut/%3Ci%3E%2Fx/\">&lt;i&gt;/x</a>", "search=&lt;b&gt;", ">Slow requests</a>"] {
            assert!(html.contains(part), "no {part} in {html}");
        }
        assert!(!html.contains("<i>"), "{html}");
        assert!(html.find("Slow requests") < html.find("theirs"), "those of alco.ini come first: {html}");
    }
}
