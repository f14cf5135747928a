//! The days that have large records; and of one with very large records, the parts in which searchd is asked for groups: it copies all
//! texts of one document of each group, whatever it is asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::search::answer::{Grouping, first_number};
use crate::search::hit::SearchError;
use crate::search::large::{MAX_COPIED_BYTES, of_sizes};
use crate::search::nodes::Nodes;
use crate::search::plan::{INDEX_SEPARATOR, Slice};
use crate::sphinx::pool::Pool;
use crate::sphinx::select::Restriction;
use crate::sphinx::sizes::Size;
use crate::time::{Range, Ts};

/// What was found out about a day is believed for this time.
const BELIEVED_FOR: Duration = Duration::from_secs(1);
/// The same of its parts: a page asks for groups a dozen times.
const PARTS_BELIEVED_FOR: Duration = Duration::from_secs(2);
/// The sizes that count. Of smaller ones, thousands fit.
const VERY_LARGE: [Size; 2] = [Size::ALL[2], Size::ALL[3]];

/// Which day indexes have large records.
#[derive(Debug, Default)]
pub struct LargeDays {
    looked: Mutex<HashMap<String, DayLooked>>,
    /// the parts of a day, by its index
    divided: Believed<Arc<[DayPart]>>,
    /// bytes of the very large records of questions, by the statement that counts them
    counted: Believed<usize>,
}

#[derive(Clone, Copy, Debug)]
enum DayLooked {
    HasNone(Instant),
    /// for good
    HasSome,
}

impl LargeDays {
    /// True if a day index of the slice may have large records, here or on a peer.
    pub fn may_have(&self, (nodes, pool): (&Nodes, &Pool), slice: &Slice) -> Result<bool, SearchError> {
        let known = || self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut unknown: Vec<&str> = Vec::new();
        for index in slice.indexes() {
            match known().get(index) {
                Some(DayLooked::HasSome) => return Ok(true),
                Some(DayLooked::HasNone(at)) if at.elapsed() < BELIEVED_FOR => {}
                _ => unknown.push(index),
            }
        }
        if unknown.is_empty() {
            return Ok(false);
        }
        let has = |from: String| -> Result<bool, SearchError> {
            let all = Slice::new(from, Range { start: Ts::MIN, end: Ts::MAX });
            let large = of_sizes(&Restriction::default(), &Size::ALL);
            let statement = |slice: &Slice| Grouping::all("id").statement(slice, &large);
            Ok(!nodes.rows(pool, &all, statement)?.rows.is_empty())
        };
        // one question is enough for several days if none of them has any
        let is_none = unknown.len() > 1 && !has(unknown.join(INDEX_SEPARATOR))?;
        let mut has_any = false;
        for index in unknown {
            let has_some = !is_none && has(index.to_owned())?;
            has_any |= has_some;
            let looked = if has_some { DayLooked::HasSome } else { DayLooked::HasNone(Instant::now()) };
            known().insert(index.to_owned(), looked);
        }
        Ok(has_any)
    }

    /// True if a question about a narrowing's documents finds so few very large records that it need not be divided.
    pub fn fit(
        &self,
        (nodes, pool): (&Nodes, &Pool),
        slice: &Slice,
        narrowing: &Restriction,
    ) -> Result<bool, SearchError> {
        let very_large = of_sizes(narrowing, &VERY_LARGE);
        let key = counting(slice, &very_large);
        let bytes = match self.counted.get(&key) {
            Some(bytes) => bytes,
            None => {
                let bytes = most_bytes((nodes, pool), slice, &very_large)?;
                self.counted.put(key, bytes);
                bytes
            }
        };
        Ok(bytes <= MAX_COPIED_BYTES)
    }

    /// The parts of a slice of one day, each with as few very large records as may be copied together, or of one microsecond. None: they
    /// were not found before `is_over`.
    pub fn parts(
        &self,
        (nodes, pool): (&Nodes, &Pool),
        slice: &Slice,
        is_over: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<DayPart>>, SearchError> {
        let day_parts = match self.divided.get(&slice.from) {
            Some(parts) => parts,
            None => {
                let very_large = of_sizes(&Restriction::default(), &VERY_LARGE);
                let bytes_of = |range| match is_over() {
                    false => most_bytes((nodes, pool), &slice.part(range), &very_large).map(Some),
                    true => Ok(None),
                };
                let Some(parts) = parts(slice.range.start.day().range(), bytes_of)? else { return Ok(None) };
                let parts: Arc<[DayPart]> = parts.into();
                self.divided.put(slice.from.clone(), Arc::clone(&parts));
                parts
            }
        };
        let within = |part: &DayPart| {
            let range =
                Range { start: part.range.start.max(slice.range.start), end: part.range.end.min(slice.range.end) };
            (!range.is_empty()).then_some(DayPart { range, ..*part })
        };
        Ok(Some(day_parts.iter().filter_map(within).collect()))
    }
}

/// Answers, with the times since when they are known.
#[derive(Debug)]
struct Believed<V>(Mutex<HashMap<String, (Instant, V)>>);

impl<V> Default for Believed<V> {
    fn default() -> Believed<V> {
        Believed(Mutex::default())
    }
}

impl<V: Clone> Believed<V> {
    fn get(&self, key: &str) -> Option<V> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (at, _)| at.elapsed() < PARTS_BELIEVED_FOR);
        known.get(key).map(|(_, value)| value.clone())
    }

    fn put(&self, key: String, value: V) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (Instant::now(), value));
    }
}

/// A part of a slice's time, with the bytes of its very large records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayPart {
    pub range: Range,
    pub bytes: usize,
}

/// Bytes of a narrowing's documents, at most.
fn most_bytes((nodes, pool): (&Nodes, &Pool), slice: &Slice, narrowing: &Restriction) -> Result<usize, SearchError> {
    let records = first_number(&nodes.rows(pool, slice, |slice| counting(slice, narrowing))?.rows);
    Ok(records as usize * Size::LARGEST.most_bytes)
}

fn counting(slice: &Slice, narrowing: &Restriction) -> String {
    Grouping::all("COUNT(*) AS n").statement(slice, narrowing)
}

/// The range, divided until each part fits, or is one microsecond. None: `bytes_of` gave up.
fn parts<E>(
    range: Range,
    mut bytes_of: impl FnMut(Range) -> Result<Option<usize>, E>,
) -> Result<Option<Vec<DayPart>>, E> {
    let (mut parts, mut waiting): (Vec<DayPart>, Vec<Range>) = (Vec::new(), vec![range]);
    while let Some(range) = waiting.pop() {
        let Some(bytes) = bytes_of(range)? else { return Ok(None) };
        let middle = range.start.plus_micros((range.end.micros() - range.start.micros()) / 2);
        if bytes > MAX_COPIED_BYTES && middle > range.start {
            waiting.extend([Range { start: middle, ..range }, Range { end: middle, ..range }]);
            continue;
        }
        match parts.last_mut() {
            Some(last) if last.bytes + bytes <= MAX_COPIED_BYTES => {
                (last.range.end, last.bytes) = (range.end, last.bytes + bytes);
            }
            _ => parts.push(DayPart { range, bytes }),
        }
    }
    Ok(Some(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of records of 8 MiB at these microseconds.
    fn parts_of(records: &[i64]) -> Vec<(i64, i64, usize)> {
        let day = Range { start: Ts::from_micros(0), end: Ts::from_micros(86_400_000_000) };
        let is_within = |range: Range, at: &&i64| range.contains(Ts::from_micros(**at));
        let bytes = |range| Ok::<_, ()>(Some(records.iter().filter(|at| is_within(range, at)).count() * (8 << 20)));
        let parts = parts(day, bytes).expect("no errors").expect("all are counted");
        assert!(parts.windows(2).all(|pair| pair[0].range.end == pair[1].range.start), "{parts:?}");
        parts.iter().map(|part| (part.range.start.micros(), part.range.end.micros(), part.bytes >> 23)).collect()
    }

    #[test]
    fn a_day_is_divided_until_its_parts_fit() {
        assert_eq!(parts_of(&[]), [(0, 86_400_000_000, 0)]);
        assert_eq!(parts_of(&[7; 8]), [(0, 86_400_000_000, 8)]);
        // nine of one microsecond cannot be told apart
        assert_eq!(parts_of(&[7; 9]), [(0, 7, 0), (7, 8, 9), (8, 86_400_000_000, 0)]);
        let spread: Vec<i64> = (0..20).map(|n| n * 1_000_000).collect();
        let counts: Vec<usize> = parts_of(&spread).iter().map(|(.., records)| *records).collect();
        assert!(counts.iter().all(|records| *records <= 8) && counts.iter().sum::<usize>() == 20, "{counts:?}");
        assert!(counts.len() <= 5, "{counts:?}");
    }
}
