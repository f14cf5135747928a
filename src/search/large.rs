//! Large records. searchd makes an answer in its memory before it sends the first byte, whatever is read of it: it copies all texts of
//! each document, also those that were not asked for (7 ms for 8 MiB), and prints those that were (nested JSON at 100 MB a second). So a
//! question that might find many large records is preceded by one that lists them (`sphinx::sizes`), and ends before they are too many.
//! Pure.

use crate::sphinx::select::Restriction;
use crate::sphinx::sizes::Size;

/// Bytes of large records that one question may ask for: a page holds twice as many.
pub const MAX_LARGE_BYTES: usize = 4 << 20;
/// The same of a question that does not have them printed.
pub const MAX_COPIED_BYTES: usize = 64 << 20;

/// The large records that a question would find, by what it orders its records by, as far as they fit into one answer, and one more.
#[derive(Debug, PartialEq, Eq)]
pub struct LargeRecords<K> {
    /// in the order of the question, with the bytes that each may have
    listed: Vec<(K, usize)>,
    /// of one question
    most_bytes: usize,
}

impl<K: Ord + Copy> LargeRecords<K> {
    /// `most_bytes`: of one question. `ask` returns the first records of these sizes, at most so many, in the order of the question.
    pub fn list<E>(
        backwards: bool,
        most_bytes: usize,
        mut ask: impl FnMut(&[Size], usize) -> Result<Vec<K>, E>,
    ) -> Result<LargeRecords<K>, E> {
        let sizes = sizes_found(&mut ask)?;
        LargeRecords::list_of(sizes, backwards, most_bytes, ask)
    }

    /// The same where it is known which sizes it would find.
    pub fn list_of<E>(
        sizes: &[Size],
        backwards: bool,
        most_bytes: usize,
        mut ask: impl FnMut(&[Size], usize) -> Result<Vec<K>, E>,
    ) -> Result<LargeRecords<K>, E> {
        let mut listed: Vec<(K, usize)> = Vec::new();
        for size in sizes {
            let keys = ask(std::slice::from_ref(size), (most_bytes / size.most_bytes).max(1) + 1)?;
            listed.extend(keys.into_iter().map(|key| (key, size.most_bytes)));
        }
        listed.sort_unstable();
        if backwards {
            listed.reverse();
        }
        Ok(LargeRecords { listed, most_bytes })
    }

    /// The first that does not fit, with the number of those that do: one at least, however large.
    pub fn first_beyond(&self) -> Option<(K, usize)> {
        let mut bytes = 0;
        let mut fits = |(_, more): &(K, usize)| {
            bytes += more;
            bytes <= self.most_bytes
        };
        let fitting = self.listed.iter().take_while(|record| fits(record)).count().max(1);
        self.listed.get(fitting).map(|(key, _)| (*key, fitting))
    }
}

/// The sizes that a question would find; `ask` as for a list.
pub fn sizes_found<K, E>(mut ask: impl FnMut(&[Size], usize) -> Result<Vec<K>, E>) -> Result<&'static [Size], E> {
    // most questions find none
    if ask(&Size::ALL, 1)?.is_empty() {
        return Ok(&[]);
    }
    Ok(if ask(&Size::HEAVY, 1)?.is_empty() { &Size::LIGHT } else { &Size::ALL })
}

/// A narrowing's documents of these sizes.
pub fn of_sizes(narrowing: &Restriction, sizes: &[Size]) -> Restriction {
    let matching: Vec<String> = narrowing.matching.iter().cloned().chain([Size::expression(sizes)]).collect();
    Restriction { matching: Some(matching.join(" ")), conditions: narrowing.conditions.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of records with these bytes, in the order of their numbers.
    fn listed(bytes: &[usize]) -> LargeRecords<usize> {
        let ask = |sizes: &[Size], at_most: usize| {
            let smaller = Size::ALL.iter().rfind(|size| size.most_bytes < sizes[0].most_bytes);
            let least = smaller.map_or(32 << 10, |size| size.most_bytes);
            let of_sizes = least + 1..=sizes[sizes.len() - 1].most_bytes;
            Ok::<_, ()>((0..bytes.len()).filter(|n| of_sizes.contains(&bytes[*n])).take(at_most).collect())
        };
        LargeRecords::list(false, MAX_LARGE_BYTES, ask).expect("no errors")
    }

    #[test]
    fn a_question_ends_before_its_large_records_are_too_many() {
        const KIB: usize = 1 << 10;
        const MIB: usize = 1 << 20;
        assert_eq!(listed(&[]).first_beyond(), None);
        assert_eq!(listed(&[KIB; 1000]).first_beyond(), None);
        assert_eq!(listed(&[40 * KIB; 32]).first_beyond(), None);
        assert_eq!(listed(&[40 * KIB; 33]).first_beyond(), Some((32, 32)));
        assert_eq!(listed(&[4 * MIB; 60]).first_beyond(), Some((1, 1)));
        assert_eq!(listed(&[40 * KIB, 4 * MIB, 4 * MIB]).first_beyond(), Some((1, 1)));
        let mut mixed = [40 * KIB; 200];
        (mixed[3], mixed[40]) = (MIB, 3 * MIB);
        // 2 MiB of 4 are for one of them: 16 of 128 KiB remain
        assert_eq!(listed(&mixed).first_beyond(), Some((17, 17)));
    }
}
