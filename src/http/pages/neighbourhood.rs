//! The lines around a record: whose lines they are, as a part of the record's address, and the links that choose others.

use maud::{Markup, html};

use crate::http::pages::links;
use crate::render::escape::{cut, visible_in_line};

const NAME_CHARS: usize = 40;

/// The stream whose lines stand around a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Neighbourhood {
    /// of the indexes that were searched
    #[default]
    Searched,
    /// of the record's own index
    OwnIndex,
    AllIndexes,
    /// of the indexes that were searched, with the record's value in this column
    Same(String),
}

impl Neighbourhood {
    /// From the parts of a path; None: they mean nothing.
    pub fn parse(parts: &[&str]) -> Option<Neighbourhood> {
        match parts {
            [] => Some(Neighbourhood::Searched),
            ["index"] => Some(Neighbourhood::OwnIndex),
            ["all"] => Some(Neighbourhood::AllIndexes),
            ["same", column] => Some(Neighbourhood::Same((*column).to_owned())),
            _ => None,
        }
    }

    /// The end of the address of a record with this number of lines before and after it.
    pub fn path(&self, (before, after): (usize, usize)) -> String {
        let own = match self {
            Neighbourhood::Searched => String::new(),
            Neighbourhood::OwnIndex => "index/".to_owned(),
            Neighbourhood::AllIndexes => "all/".to_owned(),
            Neighbourhood::Same(column) => format!("same/{}/", links::segment(column)),
        };
        format!("{before}-{after}/{own}")
    }

    /// `searched`: the words for what was searched.
    fn words(&self, searched: &str) -> String {
        match self {
            Neighbourhood::Searched => searched.to_owned(),
            Neighbourhood::OwnIndex => "this index".to_owned(),
            Neighbourhood::AllIndexes => "all indexes".to_owned(),
            Neighbourhood::Same(column) => format!("this {}", visible_in_line(cut(column, NAME_CHARS).0)),
        }
    }
}

/// The surroundings that a record may have.
#[derive(Clone, Debug)]
pub struct NeighbourhoodView<'a> {
    pub chosen: &'a Neighbourhood,
    pub choices: Vec<Neighbourhood>,
    /// the words for what was searched
    pub searched: &'a str,
}

impl NeighbourhoodView<'_> {
    /// `href` makes the address of a choice.
    pub fn markup(&self, href: impl Fn(&Neighbourhood) -> String) -> Markup {
        html! {
            nav.quick aria-label="Lines around it" {
                span.dim { "lines around it: " }
                @for choice in &self.choices {
                    a href=(href(choice)) aria-current=[(choice == self.chosen).then_some("true")] { (choice.words(self.searched)) }
                    " "
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_survives_their_address() {
        for of in [
            Neighbourhood::Searched,
            Neighbourhood::OwnIndex,
            Neighbourhood::AllIndexes,
            Neighbourhood::Same("a".to_owned()),
        ] {
            let path = of.path((20, 60));
            let parts: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).collect();
            assert_eq!(Neighbourhood::parse(&parts), Some(of), "{path}");
        }
        assert_eq!(Neighbourhood::Same("a/ b".to_owned()).path((1, 2)), "1-2/same/a%2F%20b/");
        assert_eq!(Neighbourhood::parse(&["same"]), None);
    }
}
