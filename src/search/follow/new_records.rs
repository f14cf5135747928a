//! The documents of a search that are new since a follower began, or since it last looked: counted, then fetched, each once.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use crate::search::Searcher;
use crate::search::amount::Amount;
use crate::search::answer::{MAX_ANSWER_BYTES, WHOLE_COLUMNS, away, whole_record};
use crate::search::filter::Looked;
use crate::search::follow::arrivals::{Arrivals, Counted};
use crate::search::follow::by_docid::{all_days, arrived, count, end_of, ids};
use crate::search::hit::{Hit, SearchError};
use crate::search::large::MAX_LARGE_BYTES;
use crate::search::nodes::Heard;
use crate::search::plan::{Plan, Slice, SourcePlan};
use crate::search::scope::Deadline;
use crate::sphinx::client::Fault;
use crate::time::Ts;

/// Rows of a first question, and of later ones at most: they are sorted and handed over together.
const FIRST_ROWS: usize = 100;
const MAX_ROWS: usize = 2000;
/// Bytes of records that a follower holds at a time; there may be many followers.
const MAX_HELD_BYTES: usize = 1 << 19;

pub(super) struct NewRecords<'a> {
    searcher: &'a Searcher,
    plan: &'a Plan,
    /// when it is over, nothing more is fetched
    until: Deadline<'a>,
    streams: Vec<FollowedIndex<'a>>,
    /// fetched and known, not yet taken
    fetched: Vec<Hit>,
    bytes: usize,
    /// the warnings of searchd's last answers
    warnings: Vec<String>,
    /// documents that were counted were not among those fetched: their node went away meanwhile
    lacks_some: bool,
    /// not taken yet
    late: u64,
    left_out: u64,
}

/// The new records of one index.
struct FollowedIndex<'a> {
    plan: &'a SourcePlan,
    all: Slice,
    arrivals: Arrivals,
    /// buckets with new documents that were not fetched yet
    waiting: VecDeque<Counted>,
    /// rows of one question
    rows: usize,
}

impl FollowedIndex<'_> {
    fn asked(&self) -> (&SourcePlan, &Slice) {
        (self.plan, &self.all)
    }
}

impl<'a> NewRecords<'a> {
    /// Takes note of the documents that are there.
    pub(super) fn begin(
        searcher: &'a Searcher,
        plan: &'a Plan,
        now: Ts,
        until: Deadline<'a>,
    ) -> Result<NewRecords<'a>, SearchError> {
        // of each bucket with large records searchd copies one
        let _turn = until.turn(true)?;
        let stream = |source: &'a SourcePlan| {
            let (nodes, all) = (&searcher.nodes, all_days(source));
            let mut arrivals = Arrivals::new(now);
            let counted = searcher.pool.with(|engine| count(nodes, engine, (source, &all), arrivals.first(true)));
            for bucket in arrivals.begin(&counted.map_err(|fault| away(&fault))?.rows, Instant::now()) {
                let ids = searcher.pool.with(|engine| ids(nodes, engine, (source, &all), bucket));
                arrivals.learn(bucket, &ids.map_err(|fault| away(&fault))?.rows);
            }
            Ok(FollowedIndex { plan: source, all, arrivals, waiting: VecDeque::new(), rows: FIRST_ROWS })
        };
        Ok(NewRecords {
            searcher,
            plan,
            until,
            streams: plan.sources.iter().map(stream).collect::<Result<_, SearchError>>()?,
            fetched: Vec::new(),
            bytes: 0,
            warnings: Vec::new(),
            lacks_some: false,
            late: 0,
            left_out: 0,
        })
    }

    /// True if the record was there at the beginning, or has been fetched.
    pub(super) fn knows(&self, hit: &Hit) -> bool {
        let stream = self.streams.iter().find(|stream| stream.plan.index == hit.index);
        stream.is_some_and(|stream| stream.arrivals.knows(hit.place.id))
    }

    /// Counts the documents. Returns how many wait to be fetched; those of held-back batches too if `all`.
    pub(super) fn look(&mut self, all: bool) -> Result<u64, Fault> {
        let mut waiting = 0;
        self.warnings.clear();
        for stream in &mut self.streams {
            let first = stream.arrivals.first(all);
            let counted =
                self.searcher.news.with(|engine| count(&self.searcher.nodes, engine, stream.asked(), first))?;
            self.warnings.extend(counted.missing);
            stream.waiting = stream.arrivals.changed(&counted.rows).into();
            waiting += stream.waiting.iter().map(|counted| stream.arrivals.unknown(counted).max(1)).sum::<u64>();
            stream.arrivals.age(Instant::now());
        }
        Ok(waiting)
    }

    /// The documents that were counted and not fetched.
    pub(super) fn waiting(&self) -> u64 {
        let unknown = |stream: &FollowedIndex| -> u64 {
            stream.waiting.iter().map(|counted| stream.arrivals.unknown(counted)).sum()
        };
        self.streams.iter().map(unknown).sum()
    }

    /// Fetches waiting documents until the room is used up, or the follower has gone.
    pub(super) fn fetch(&mut self) -> Result<(), Fault> {
        for n in 0..self.streams.len() {
            while self.is_room()
                && !self.until.is_over()
                && let Some(counted) = self.streams[n].waiting.front().copied()
            {
                if self.fetch_bucket(n, &counted)? {
                    self.streams[n].waiting.pop_front();
                }
            }
        }
        Ok(())
    }

    fn is_room(&self) -> bool {
        self.fetched.len() < MAX_ROWS && self.bytes < MAX_HELD_BYTES
    }

    /// Fetches the new documents of a bucket. Returns whether these were all.
    fn fetch_bucket(&mut self, n: usize, counted: &Counted) -> Result<bool, Fault> {
        if !self.fetch_rows(n, self.streams[n].arrivals.above(counted.bucket))? {
            return Ok(false);
        }
        let stream = &mut self.streams[n];
        let unknown = stream.arrivals.unknown(counted);
        if unknown > 0 && !stream.arrivals.tells_apart(counted.bucket) {
            self.late += unknown;
        } else if unknown > 0 {
            // two leases meet in this bucket, or some of its days were committed before others
            let ids =
                self.searcher.news.with(|engine| ids(&self.searcher.nodes, engine, stream.asked(), counted.bucket))?;
            self.lacks_some |= !ids.missing.is_empty();
            let mut unknown = ids.rows.iter().filter(|id| !stream.arrivals.knows(**id));
            if let Some(first) = unknown.next() {
                let last = unknown.next_back().unwrap_or(first);
                if !self.fetch_rows(n, *first..last + 1)? {
                    return Ok(false);
                }
            }
        }
        let arrivals = &mut self.streams[n].arrivals;
        // those that are lacking come when their node is back
        let will_come = std::mem::take(&mut self.lacks_some) && arrivals.tells_apart(counted.bucket);
        if !will_come || arrivals.unknown(counted) == 0 {
            arrivals.settle(counted);
        }
        Ok(true)
    }

    /// Fetches the documents of a range that are not known yet. Returns whether these were all.
    fn fetch_rows(&mut self, n: usize, mut range: Range<u64>) -> Result<bool, Fault> {
        let mut amount = Amount::new(self.streams[n].rows);
        loop {
            let end = {
                let (nodes, asked) = (&self.searcher.nodes, self.streams[n].asked());
                self.searcher.news.with(|engine| end_of(nodes, engine, asked, &range, MAX_LARGE_BYTES))?
            };
            let nodes = &self.searcher.nodes;
            let stream = &mut self.streams[n];
            let included = nodes.included(&stream.all, &amount);
            let asked = arrived(stream.plan, &included.slice, range.start..end);
            let statement = asked.documents(WHOLE_COLUMNS, amount.documents);
            let begin = range.start;
            let is_over = || self.until.is_over();
            let (mut seen, mut read, mut is_full) = (0, 0, false);
            let heard = self.searcher.news.with(|engine| {
                nodes.each(engine, &included, &statement, |row| {
                    // the rows of peers are here already, and only after them it is known whether they are all
                    if is_full {
                        return nodes.has_peers();
                    }
                    let (place, record) = whole_record(row);
                    let size = record.message.len() + record.columns.len();
                    seen += 1;
                    read += size;
                    range.start = place.id + 1;
                    let looked = Looked {
                        apart: &stream.plan.apart,
                        ts: place.ts,
                        message: &record.message,
                        columns: &record.columns,
                    };
                    let is_new = stream.arrivals.note(place.id);
                    let accepted = if is_new { self.plan.filters.accept_until(looked, &is_over) } else { Some(false) };
                    if accepted == Some(true) {
                        self.bytes += size;
                        self.fetched.push(Hit { index: stream.plan.index.clone(), place, record, marks: Vec::new() });
                    }
                    // without an answer, no reader is left for the record
                    is_full = accepted.is_none() || self.fetched.len() >= MAX_ROWS || self.bytes >= MAX_HELD_BYTES;
                    !is_full || nodes.has_peers()
                })
            })?;
            self.searcher.counted.candidates.add(seen);
            match heard {
                Heard::Missing(missing) => {
                    self.lacks_some |= !missing.is_empty();
                    let new = missing.into_iter().filter(|what| !self.warnings.contains(what)).collect::<Vec<_>>();
                    self.warnings.extend(new);
                }
                // the records of the others are known already
                Heard::Again => continue,
                Heard::TooLarge(peer) => {
                    amount.lessen(peer);
                    range.start = begin;
                    continue;
                }
            }
            if is_full {
                return Ok(false);
            }
            if seen < amount.documents {
                if end == range.end {
                    return Ok(true);
                }
                range.start = end;
            }
            stream.rows = (amount.documents * 4).min(MAX_ROWS).min(MAX_ANSWER_BYTES / (read / seen.max(1) + 1)).max(1);
            amount = Amount::new(stream.rows);
        }
    }

    /// The fetched records, in the order of their places.
    pub(super) fn take_fetched(&mut self) -> Vec<Hit> {
        self.bytes = 0;
        self.fetched.sort_by_key(|hit| hit.place);
        std::mem::take(&mut self.fetched)
    }

    /// The number of records that came too late to be distinguished from older ones, and of those left out, since this was last
    /// taken.
    pub(super) fn take_lost(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.late), std::mem::take(&mut self.left_out))
    }

    /// The warnings of searchd's last answers.
    pub(super) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Counts the waiting documents as left out; they are known from now on, with those that came since they were counted.
    pub(super) fn leave_out(&mut self) -> Result<(), Fault> {
        for stream in &mut self.streams {
            while let Some(counted) = stream.waiting.front() {
                let ids = self
                    .searcher
                    .news
                    .with(|engine| ids(&self.searcher.nodes, engine, stream.asked(), counted.bucket))?;
                self.left_out += ids.rows.iter().filter(|id| !stream.arrivals.knows(**id)).count() as u64;
                stream.arrivals.learn(counted.bucket, &ids.rows);
                stream.waiting.pop_front();
            }
        }
        Ok(())
    }
}
