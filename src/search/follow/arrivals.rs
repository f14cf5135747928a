//! Recognizes new documents by their docids, whatever the times of their records. Pure: the time is an argument.
//!
//! A lease begins after every docid given out before, and gives out docids in order for about a minute (`ingest`). So a
//! document that is committed now has a docid above the highest one of a little more than a minute ago, unless a worker held it
//! back while a server was away. Docids are counted in buckets: if searchd counts more documents than are known, some are new.
//!
//! Invariant: `note` is true once for each docid.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::sphinx::DocId;
use crate::time::Ts;

/// About the docids of a lease.
pub const DOCIDS_PER_BUCKET: u64 = 16_384;
/// The age of the oldest docid that is committed without delay: a lease gives out docids for a minute and is checked every 5 s;
/// then its last batch is gathered and committed.
const LEASED: Duration = Duration::from_secs(80);
/// A batch that a worker held back during an outage is still shown if it is no older than this.
const HELD_UP: Duration = Duration::from_secs(3600);
/// The highest docid is noted this often.
const MARK_EVERY: Duration = Duration::from_secs(10);
/// Buckets to remember, of 2 kB each.
const MAX_BUCKETS: usize = 1024;
/// Documents whose docids are learnt at the first look: those of more leases than there are workers.
const TOLD_APART: u64 = 200_000;

const WORDS_PER_BUCKET: usize = (DOCIDS_PER_BUCKET / 64) as usize;

/// The documents that searchd has in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub bucket: u64,
    pub documents: u64,
    /// the highest docid
    pub high: u64,
}

#[derive(Debug)]
pub struct Arrivals {
    buckets: BTreeMap<u64, Bucket>,
    /// the first bucket that is looked at, and the first with documents that were not held back
    oldest: u64,
    recent: u64,
    /// the highest bucket, by time
    marks: VecDeque<(Instant, u64)>,
}

#[derive(Debug, Default)]
struct Bucket {
    known: u64,
    high: u64,
    /// None: only their number `known` and the highest, `high`, are known
    ids: Option<Box<[u64]>>,
}

impl Arrivals {
    pub fn new(now: Ts) -> Arrivals {
        let highest = u64::try_from(now.micros() / 1000).unwrap_or(0) * DocId::PER_MILLISECOND / DOCIDS_PER_BUCKET;
        let oldest = highest.saturating_sub(buckets(HELD_UP));
        Arrivals { buckets: BTreeMap::new(), oldest, recent: oldest, marks: VecDeque::new() }
    }

    /// The first docid to count from: of all documents, or only of those that were not held back.
    pub fn first(&self, all: bool) -> u64 {
        (if all { self.oldest } else { self.recent }) * DOCIDS_PER_BUCKET
    }

    /// A first look: documents that are there are not new. Returns the buckets for `learn`: more documents may come among theirs.
    pub fn begin(&mut self, counted: &[Counted], at: Instant) -> Vec<u64> {
        for &Counted { bucket, documents, high } in counted {
            self.buckets.insert(bucket, Bucket { known: documents, high, ids: None });
        }
        if let Some((highest, _)) = self.buckets.last_key_value() {
            // by the docids: the clocks of other hosts may differ
            self.recent = self.oldest.max(highest.saturating_sub(buckets(LEASED)));
        }
        self.age(at);
        let mut left = TOLD_APART;
        let recent = self.buckets.range(self.recent..).rev();
        let told = recent.take_while(|(_, bucket)| {
            let is_room = left > 0;
            left = left.saturating_sub(bucket.known);
            is_room
        });
        told.map(|(number, _)| *number).collect()
    }

    /// Takes note of all docids of a bucket.
    pub fn learn(&mut self, bucket: u64, ids: &[u64]) {
        self.buckets.insert(bucket, Bucket { known: 0, high: 0, ids: Some(vec![0; WORDS_PER_BUCKET].into()) });
        for id in ids {
            self.note(*id);
        }
    }

    /// The buckets with new documents, the oldest first.
    pub fn changed(&self, counted: &[Counted]) -> Vec<Counted> {
        let is_new = |counted: &&Counted| match self.buckets.get(&counted.bucket) {
            // a peer that is away takes its documents out of the count
            Some(bucket) => counted.documents > bucket.known || counted.high > bucket.high,
            None => counted.bucket >= self.oldest,
        };
        let mut changed: Vec<Counted> = counted.iter().filter(is_new).copied().collect();
        changed.sort_unstable_by_key(|counted| counted.bucket);
        changed
    }

    /// The number of these documents that are not known yet.
    pub fn unknown(&self, counted: &Counted) -> u64 {
        counted.documents.saturating_sub(self.buckets.get(&counted.bucket).map_or(0, |bucket| bucket.known))
    }

    /// Docids of a bucket above all known ones: new documents nearly always have one of these.
    pub fn above(&self, bucket: u64) -> Range<u64> {
        let first = self.buckets.get(&bucket).map_or(0, |bucket| bucket.high + 1);
        first.max(bucket * DOCIDS_PER_BUCKET)..(bucket + 1) * DOCIDS_PER_BUCKET
    }

    /// True if new documents of a bucket can be distinguished from the earlier ones.
    pub fn tells_apart(&self, bucket: u64) -> bool {
        self.buckets.get(&bucket).is_none_or(|bucket| bucket.ids.is_some())
    }

    /// From now on all documents that searchd counts there are known; the others are given up.
    pub fn settle(&mut self, counted: &Counted) {
        let bucket = self.buckets.entry(counted.bucket).or_default();
        bucket.known = bucket.known.max(counted.documents);
        bucket.high = bucket.high.max(counted.high);
    }

    /// Takes note of a docid; returns whether it was new.
    pub fn note(&mut self, id: u64) -> bool {
        let number = id / DOCIDS_PER_BUCKET;
        if number < self.oldest {
            return false;
        }
        let fresh = || Bucket { known: 0, high: 0, ids: Some(vec![0; WORDS_PER_BUCKET].into()) };
        let bucket = self.buckets.entry(number).or_insert_with(fresh);
        let is_new = match &mut bucket.ids {
            None => id > bucket.high,
            Some(ids) => {
                let (word, bit) = place(id);
                let was = ids[word];
                ids[word] |= bit;
                was & bit == 0
            }
        };
        bucket.known += u64::from(is_new);
        bucket.high = bucket.high.max(id);
        is_new
    }

    pub fn knows(&self, id: u64) -> bool {
        let number = id / DOCIDS_PER_BUCKET;
        match self.buckets.get(&number) {
            None => number < self.oldest,
            Some(Bucket { ids: None, high, .. }) => id <= *high,
            Some(Bucket { ids: Some(ids), .. }) => {
                let (word, bit) = place(id);
                ids[word] & bit != 0
            }
        }
    }

    /// Time has passed: forgets the buckets that are too old to receive new documents.
    pub fn age(&mut self, at: Instant) {
        let highest = self.buckets.last_key_value().map_or(self.recent, |(highest, _)| *highest);
        if self.marks.back().is_none_or(|(marked, _)| at.duration_since(*marked) >= MARK_EVERY) {
            self.marks.push_back((at, highest));
        }
        let before = |time: Duration, marks: &VecDeque<(Instant, u64)>| {
            let old = marks.iter().rev().find(|(marked, _)| at.duration_since(*marked) >= time);
            old.map_or(0, |(_, bucket)| *bucket)
        };
        self.recent = self.recent.max(before(LEASED, &self.marks));
        self.oldest = self.oldest.max(before(HELD_UP, &self.marks));
        if let Some(over) = self.buckets.len().checked_sub(MAX_BUCKETS)
            && let Some((first, _)) = self.buckets.iter().nth(over)
        {
            self.oldest = self.oldest.max(*first);
        }
        self.recent = self.recent.max(self.oldest);
        self.buckets = self.buckets.split_off(&self.oldest);
        while self.marks.get(1).is_some_and(|(marked, _)| at.duration_since(*marked) >= HELD_UP) {
            self.marks.pop_front();
        }
    }
}

/// The most buckets that are filled in a time.
fn buckets(time: Duration) -> u64 {
    time.as_secs() * 1000 * DocId::PER_MILLISECOND / DOCIDS_PER_BUCKET
}

fn place(id: u64) -> (usize, u64) {
    let at = id % DOCIDS_PER_BUCKET;
    // at most WORDS_PER_BUCKET
    ((at / 64) as usize, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const FIRST: u64 = 1_795_341_600_000 * DocId::PER_MILLISECOND;

    /// The counts that searchd would return.
    fn counted(ids: &BTreeSet<u64>, first: u64) -> Vec<Counted> {
        let mut buckets: BTreeMap<u64, Counted> = BTreeMap::new();
        for id in ids.range(first..) {
            let bucket = id / DOCIDS_PER_BUCKET;
            let counted = buckets.entry(bucket).or_insert(Counted { bucket, documents: 0, high: 0 });
            counted.documents += 1;
            counted.high = counted.high.max(*id);
        }
        buckets.into_values().collect()
    }

    fn within(ids: &BTreeSet<u64>, range: Range<u64>) -> Vec<u64> {
        ids.range(range).copied().collect()
    }

    /// A follower that begins with these documents, as `follow` does.
    fn begun(ids: &BTreeSet<u64>, at: Instant) -> Arrivals {
        let mut arrivals = Arrivals::new(Ts::from_micros(1_795_341_600_000_000 + 3_600_000_000));
        for bucket in arrivals.begin(&counted(ids, arrivals.first(true)), at) {
            arrivals.learn(bucket, &within(ids, bucket * DOCIDS_PER_BUCKET..(bucket + 1) * DOCIDS_PER_BUCKET));
        }
        arrivals
    }

    /// The documents that it finds, and the number that it knows to have missed.
    fn found(arrivals: &mut Arrivals, ids: &BTreeSet<u64>, all: bool, at: Instant) -> (Vec<u64>, u64) {
        let (mut found, mut late) = (Vec::new(), 0);
        for counted in arrivals.changed(&counted(ids, arrivals.first(all))) {
            let new = |range: Range<u64>, arrivals: &mut Arrivals| {
                within(ids, range).into_iter().filter(|id| arrivals.note(*id)).collect::<Vec<_>>()
            };
            let above = arrivals.above(counted.bucket);
            found.extend(new(above, arrivals));
            if arrivals.unknown(&counted) > 0 {
                match arrivals.tells_apart(counted.bucket) {
                    true => found.extend(new(
                        counted.bucket * DOCIDS_PER_BUCKET..(counted.bucket + 1) * DOCIDS_PER_BUCKET,
                        arrivals,
                    )),
                    false => late += arrivals.unknown(&counted),
                }
            }
            arrivals.settle(&counted);
        }
        arrivals.age(at);
        (found, late)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Workers lease docids and commit batches of them, in any order among each other; some hold a batch back
        /// for as long as a lease may live.
        #[test]
        fn each_document_arrives_once_whichever_worker_commits_it_when(
            steps in prop::collection::vec((0_usize..4, 0_usize..3, 1_u64..3000, 0_u64..9), 1..100),
            begin in 0_usize..60,
        ) {
            let start = Instant::now();
            let (mut now, mut leased) = (0_u64, FIRST);
            let mut workers = [(0_u64, 0_u64, 0_u64); 4];
            let mut held: Vec<(u64, Vec<u64>)> = Vec::new();
            let (mut stored, mut shown, mut before) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
            let mut arrivals = None;
            for (step, (worker, hold, count, seconds)) in steps.iter().enumerate() {
                now += seconds;
                let at = start + Duration::from_secs(now);
                if step == begin {
                    before = stored.clone();
                    arrivals = Some(begun(&stored, at));
                }
                let lease = &mut workers[*worker];
                let mut batch = Vec::new();
                for _ in 0..*count {
                    if lease.0 == lease.1 || now - lease.2 > 60 {
                        leased = (leased + 1).max(FIRST + now * 1000 * DocId::PER_MILLISECOND);
                        *lease = (leased, leased + 16_384, now);
                        leased += 16_383;
                    }
                    batch.push(lease.0);
                    lease.0 += 1;
                }
                held.push((now + if *hold == 0 { 6 } else { 0 }, batch));
                held.retain(|(due, batch)| {
                    let is_due = *due <= now;
                    if is_due {
                        stored.extend(batch.iter().copied());
                    }
                    !is_due
                });
                if let Some(arrivals) = &mut arrivals {
                    let (found, late) = found(arrivals, &stored, false, at);
                    prop_assert_eq!(late, 0);
                    shown.extend(found);
                }
            }
            if arrivals.is_some() {
                shown.sort_unstable();
                prop_assert_eq!(shown, stored.difference(&before).copied().collect::<Vec<u64>>());
            }
        }
    }

    #[test]
    fn documents_that_a_worker_held_back_come_or_are_counted() {
        let at = Instant::now();
        let lease = |minutes: u64| FIRST + minutes * 60_000 * DocId::PER_MILLISECOND;
        // an old lease, of which something was stored, a recent one, and one that is held up
        let mut ids = BTreeSet::from([lease(10), lease(10) + 5, lease(59), lease(59) + 1]);
        let mut arrivals = begun(&ids, at);
        assert_eq!(found(&mut arrivals, &ids, true, at), (vec![], 0));
        ids.extend([lease(10) + 3, lease(10) + 6, lease(30), lease(59) + 2]);
        assert_eq!(found(&mut arrivals, &ids, false, at), (vec![lease(59) + 2], 0));
        assert_eq!(found(&mut arrivals, &ids, true, at), (vec![lease(10) + 6, lease(30)], 1));
        assert_eq!(found(&mut arrivals, &ids, true, at), (vec![], 0));
        assert!(arrivals.knows(lease(10)) && arrivals.knows(lease(59) + 2) && !arrivals.knows(lease(59) + 3));
    }

    #[test]
    fn a_peer_that_is_away_for_a_while_shows_nothing_twice() {
        let at = Instant::now();
        let ids = |nth: &[u64]| nth.iter().map(|n| FIRST + n).collect::<BTreeSet<u64>>();
        let mut arrivals = begun(&ids(&[0, 1, 2]), at);
        assert_eq!(found(&mut arrivals, &ids(&[1]), false, at), (vec![], 0));
        assert_eq!(found(&mut arrivals, &ids(&[1, 3]), false, at), (vec![FIRST + 3], 0));
        assert_eq!(found(&mut arrivals, &ids(&[0, 1, 2, 3]), false, at), (vec![], 0));
    }

    #[test]
    fn a_day_at_full_speed_is_remembered_in_little_memory() {
        let start = Instant::now();
        let mut arrivals = begun(&BTreeSet::new(), start);
        for second in 0..4000 {
            // searchd counts, and nothing is left to fetch
            let high = FIRST + second * 1000 * DocId::PER_MILLISECOND;
            arrivals.note(high);
            arrivals.note(high + DOCIDS_PER_BUCKET);
            arrivals.age(start + Duration::from_secs(second));
        }
        assert!(arrivals.buckets.len() <= MAX_BUCKETS && arrivals.marks.len() <= 362, "{}", arrivals.marks.len());
        assert!(arrivals.first(false) > FIRST + 3900 * 1000 * DocId::PER_MILLISECOND);
    }
}
