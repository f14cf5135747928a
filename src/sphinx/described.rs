//! The fields and attributes of a day index, by searchd's answer to DESCRIBE. Pure.

use crate::sphinx::dialect::{is_field, is_narrow_docid};
use crate::sphinx::statement::COLUMNS;

/// The fields and attributes of a day index, with their types, as searchd lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedIndex(pub Vec<(String, String)>);

impl DescribedIndex {
    /// True if it has a field or an attribute of that name.
    pub fn has(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }

    /// The first name that every day index of alco has and this one lacks: another configuration declared it.
    pub fn lacking(&self) -> Option<&'static str> {
        COLUMNS.into_iter().find(|column| !self.has(column))
    }

    /// True if searchd was built with docids of 32 bits, which are too few for alco.
    pub fn has_narrow_docids(&self) -> bool {
        self.0.iter().any(|(name, kind)| name == "id" && is_narrow_docid(kind.as_bytes()))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The agents of a distributed index.
    pub fn agents(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, kind)| kind.starts_with("remote_")).map(|(name, _)| name.as_str())
    }

    /// The names of its full-text fields.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, kind)| is_field(kind.as_bytes())).map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(columns: &[(&str, &str)]) -> DescribedIndex {
        DescribedIndex(columns.iter().map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned())).collect())
    }

    #[test]
    fn fields_are_known_by_the_types_of_each_engine() {
        let sphinx =
            described(&[("id", "bigint"), ("line", "field"), ("seq", "uint"), ("logline", "string"), ("js", "json")]);
        let manticore =
            described(&[("id", "bigint"), ("line", "text"), ("seq", "uint"), ("logline", "string"), ("js", "json")]);
        for engine in [sphinx, manticore] {
            assert_eq!(engine.fields().collect::<Vec<_>>(), ["line"]);
        }
    }

    #[test]
    fn an_index_of_another_configuration_is_recognized() {
        let all = COLUMNS.map(|column| (column, if column == "line" { "field" } else { "bigint" }));
        assert_eq!(described(&all).lacking(), None);
        assert_eq!(described(&all).fields().collect::<Vec<_>>(), ["line"]);
        let older = all.iter().filter(|(name, _)| *name != "cols").copied().collect::<Vec<_>>();
        assert_eq!(described(&older).lacking(), Some("cols"));
        assert_eq!(described(&[]).lacking(), Some("id"));
        assert!(!described(&all).has_narrow_docids());
        assert!(described(&[("id", "uint")]).has_narrow_docids());
    }
}
