//! The page of an error: its reason, and what to do.

use maud::{Markup, html};

use crate::http::pages::Frame;
use crate::render::escape::visible;

#[derive(Clone, Debug)]
pub struct ErrorView<'a> {
    pub frame: Frame<'a>,
    pub status: u16,
    /// the error in a few words
    pub title: &'a str,
    /// why, if it is known; may hold text of a client or a server
    pub why: &'a str,
    pub todo: Todo<'a>,
    /// of the search, for the user to correct it
    pub form: Option<Markup>,
}

#[derive(Clone, Debug)]
pub enum Todo<'a> {
    Text(&'a str),
    /// go to one of the indexes
    PickAnIndex,
    /// searchd is away
    CheckSphinx {
        address: &'a str,
        /// the command that shows the state of its service, if alco knows it
        status_command: Option<&'a str>,
    },
}

impl ErrorView<'_> {
    pub fn page(&self) -> Markup {
        let main = html! {
            @if let Some(form) = &self.form { (form) }
            main #log .error {
                h1 { (self.title) " " span.dim { (self.status) } }
                p.why { (visible(self.why)) }
                (self.todo())
            }
        };
        self.frame.page(self.title, main)
    }

    fn todo(&self) -> Markup {
        let base = self.frame.base;
        match &self.todo {
            Todo::Text(text) => html! { p { (text) } },
            Todo::PickAnIndex if self.frame.indexes.is_empty() => html! {
                p { "Go to " a href={ (base) "grep/" } { "the list of indexes" } "." }
            },
            Todo::PickAnIndex => html! {
                p { "Available indexes:" }
                ul { @for name in &self.frame.indexes { li { a href={ (base) "grep/" (name) "/" } { (name) } } } }
            },
            Todo::CheckSphinx { address, status_command } => html! {
                p { "Records are not lost: what cannot be stored waits in the queues." }
                ul {
                    li {
                        "Does searchd run? "
                        @if let Some(command) = status_command { "On its host: " code { (command) } }
                        @else { "alco knows no service that starts it: look for the process on its host. " code { "[sphinx] service" } " in alco.ini can name one." }
                    }
                    li { "Does it listen for SphinxQL at " code { (address) } "? That is " code { "[sphinx] address" } " in alco.ini." }
                    li { code { "alco check" } " shows what is wrong and what to do." }
                    li { "Then reload this page." }
                }
            },
        }
    }
}
