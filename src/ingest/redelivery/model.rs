//! A queue, daemons and their deaths, in memory. Whichever of them dies at any time, a record that equals no other is stored once, and
//! of equal records hardly any is stored twice or not at all.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use fastrand::Rng;

use crate::ingest::redelivery::neighbours::{Blocks, members};
use crate::ingest::redelivery::window::StoredWindow;
use crate::ingest::redelivery::{Claims, Verdict, is_distinctive};
use crate::record::digest::is_kept_apart;
use crate::redis::stored::{LeaseSpan, StoredDocument};

const BATCH: usize = 50;
const PREFETCH: usize = 2 * BATCH;
/// Messages whose acknowledgements the broker writes down together.
const SEGMENT_MESSAGES: usize = 3 * BATCH + 7;
/// Messages of a file in which the broker keeps bodies apart.
const FILE_MESSAGES: usize = BATCH + 13;
/// Docids of a batch: a block.
const BLOCK: u64 = 1024;

#[derive(Clone, Copy)]
struct Message {
    digest: i64,
    redelivered: bool,
}

#[derive(Default)]
struct Worker {
    process: usize,
    session: u64,
    /// positions in the queue of what is not acknowledged, in order
    delivered: VecDeque<usize>,
    /// the number of them that the worker has taken from its connection
    taken: usize,
    stored: VecDeque<Stored>,
    /// the first docid of each batch
    blocks: Vec<u64>,
    /// the acknowledged docid that Redis knows
    acknowledged: u64,
    before: u64,
    /// positions of what was acknowledged last
    last: Vec<usize>,
}

/// A batch that is not acknowledged.
struct Stored {
    count: usize,
    /// its last docid
    last: u64,
    is_distinctive: bool,
}

struct Model {
    random: Rng,
    messages: Vec<Message>,
    /// positions of those that wait
    queue: BTreeSet<usize>,
    documents: BTreeMap<u64, i64>,
    /// of claimed documents: by docid, the place
    claimed: BTreeMap<u64, u64>,
    window: Vec<LeaseSpan>,
    workers: Vec<Worker>,
    processes: Vec<Claims>,
    sessions: u64,
    /// of the next batch
    block: u64,
    /// batches, in the order in which the broker heard of them
    acknowledged: Vec<Vec<usize>>,
    cast: Cast,
}

#[derive(Clone, Copy, Debug)]
struct Cast {
    processes: usize,
    threads: usize,
    /// batches that a worker leaves unacknowledged
    delay: usize,
    /// true: single connections die too, in addition to processes; false: the broker does
    connections: bool,
    /// batches whose acknowledgements a dying broker forgets are fewer
    forgotten: usize,
    /// the broker has written down a segment among those that it forgets
    holes: bool,
    /// in a hundred records, those whose bodies the broker keeps apart
    apart: i64,
    deaths: usize,
}

impl Cast {
    /// The digest of a record with that number.
    fn digest(self, n: i64) -> i64 {
        // the pattern is even, and equal records are kept alike
        n << 1 | i64::from((n * 37).rem_euclid(100) < self.apart)
    }
}

impl Model {
    fn new(seed: u64, digests: Vec<i64>, cast: Cast) -> Model {
        let worker = |n| Worker { process: n / cast.threads, ..Worker::default() };
        let mut model = Model {
            random: Rng::with_seed(seed),
            queue: (0..digests.len()).collect(),
            messages: digests.into_iter().map(|digest| Message { digest, redelivered: false }).collect(),
            documents: BTreeMap::new(),
            claimed: BTreeMap::new(),
            window: Vec::new(),
            workers: (0..cast.processes * cast.threads).map(worker).collect(),
            processes: (0..cast.processes).map(|_| Claims::default()).collect(),
            sessions: 0,
            block: BLOCK,
            acknowledged: Vec::new(),
            cast,
        };
        (0..model.workers.len()).for_each(|worker| model.begin(worker));
        model
    }

    fn begin(&mut self, worker: usize) {
        self.sessions += 1;
        self.workers[worker].session = self.sessions;
    }

    /// A connection is gone, now and then before its last acknowledgement was sent: what it had waits again.
    fn end(&mut self, worker: usize) {
        let process = self.workers[worker].process;
        let mut ended = std::mem::replace(&mut self.workers[worker], Worker { process, ..Worker::default() });
        if self.random.u8(..4) == 0 {
            self.acknowledged.retain(|positions| *positions != ended.last);
            ended.delivered.extend(ended.last);
        }
        for position in ended.delivered {
            self.messages[position].redelivered = true;
            self.queue.insert(position);
        }
        let (session, acknowledged, before) = (ended.session.to_string(), ended.acknowledged, ended.before);
        let span = |first| LeaseSpan {
            first,
            last: first + BLOCK - 1,
            session: session.clone(),
            acknowledged,
            before,
            in_doubt: None,
            peer: None,
        };
        self.window.extend(ended.blocks.into_iter().map(span));
        self.processes[process].end(ended.session);
    }

    fn waiting(&self, worker: usize) -> usize {
        self.workers[worker].stored.iter().map(|stored| stored.count).sum()
    }

    /// In turns to those that have room.
    fn deliver(&mut self) {
        let mut workers: Vec<usize> = (0..self.workers.len()).collect();
        self.random.shuffle(&mut workers);
        for _ in 0..self.random.usize(1..PREFETCH) {
            for worker in &workers {
                if self.workers[*worker].delivered.len() < PREFETCH + self.waiting(*worker)
                    && let Some(position) = self.queue.pop_first()
                {
                    self.workers[*worker].delivered.push_back(position);
                }
            }
        }
    }

    fn take(&mut self, worker: usize) {
        let Worker { process, session, taken, ref delivered, .. } = self.workers[worker];
        for message in delivered.iter().skip(taken).map(|position| self.messages[*position]) {
            if message.redelivered {
                self.processes[process].came(session, message.digest);
            }
        }
        self.workers[worker].taken = self.workers[worker].delivered.len();
    }

    fn take_all(&mut self, process: usize) {
        for worker in 0..self.workers.len() {
            if self.workers[worker].process == process {
                self.take(worker);
            }
        }
    }

    /// Stores a batch, unless the worker dies between its claims and that.
    fn flush(&mut self, worker: usize, dies: bool) {
        self.take(worker);
        let most = if self.random.u8(..) < 20 { 1 } else { BATCH };
        let waiting = self.waiting(worker);
        let batch: Vec<usize> = self.workers[worker].delivered.iter().skip(waiting).take(most).copied().collect();
        if batch.is_empty() {
            return;
        }
        let first = self.block;
        self.block += BLOCK;
        self.workers[worker].blocks.push(first);
        let (process, session) = (self.workers[worker].process, self.workers[worker].session);
        let again: Vec<usize> = (0..batch.len()).filter(|at| self.messages[batch[*at]].redelivered).collect();
        let digests: Vec<i64> = again.iter().map(|at| self.messages[batch[*at]].digest).collect();
        let mut verdict = self.decide(process, &digests);
        if verdict.is_doubtful {
            self.take_all(process);
            verdict = self.decide(process, &digests);
        }
        self.processes[process].decided(session, &digests);
        let mut stored = vec![false; batch.len()];
        for (at, found) in again.into_iter().zip(verdict.stored) {
            if let Some(found) = found {
                let place = first + u64::try_from(at).expect("small");
                self.claimed.insert(found.id, place);
                stored[at] = true;
            }
        }
        if dies {
            return;
        }
        let ids = first..;
        for ((position, id), _) in batch.iter().zip(ids).zip(stored).filter(|(_, stored)| !stored) {
            self.documents.insert(id, self.messages[*position].digest);
        }
        let is_distinctive = is_distinctive(batch.iter().map(|position| self.messages[*position].digest));
        self.workers[worker].stored.push_back(Stored { count: batch.len(), last: first + BLOCK - 1, is_distinctive });
    }

    fn decide(&mut self, process: usize, digests: &[i64]) -> Verdict {
        if digests.is_empty() {
            return Verdict::default();
        }
        let processes = self.processes.len();
        let found = |(id, digest): (&u64, &i64)| StoredDocument {
            id: *id,
            digest: *digest,
            place: self.claimed.get(id).copied().unwrap_or(*id),
        };
        let mut past = StoredWindow::new(self.window.clone(), processes);
        past.add(self.documents.iter().filter(|(_, digest)| digests.contains(digest)).map(found));
        let mut blocks = Blocks::new();
        let read = |wanted: BTreeSet<u64>, blocks: &mut Blocks| {
            for block in wanted {
                let span = block..block + BLOCK;
                let claimed = self.claimed.iter().filter(|(_, place)| span.contains(place));
                let claimed =
                    claimed.map(|(id, place)| StoredDocument { id: *id, digest: self.documents[id], place: *place });
                blocks.insert(block, members(self.documents.range(span.clone()).map(found), claimed));
            }
        };
        let threads = self.workers.len() / processes;
        let claims = &mut self.processes[process];
        read(claims.doubtful(&past), &mut blocks);
        read(claims.learn(&past, &blocks, threads), &mut blocks);
        claims.decide(digests, &past, &blocks, threads)
    }

    fn ack(&mut self, worker: usize) {
        let worker = &mut self.workers[worker];
        // with those before it that are not distinctive
        let distinctive = worker.stored.iter().position(|stored| stored.is_distinctive);
        let batches: Vec<Stored> =
            worker.stored.drain(..distinctive.map_or(worker.stored.len(), |at| at + 1)).collect();
        if let Some(Stored { last, .. }) = batches.last() {
            let count: usize = batches.iter().map(|stored| stored.count).sum();
            worker.last = worker.delivered.drain(..count).collect();
            worker.taken -= count;
            (worker.before, worker.acknowledged) = (worker.acknowledged, *last);
            self.acknowledged.push(worker.last.clone());
        }
    }

    fn step(&mut self) {
        let worker = self.random.usize(..self.workers.len());
        let unacknowledged = self.workers[worker].stored.iter().filter(|stored| stored.is_distinctive).count();
        match self.random.u8(..100) {
            0..40 => self.deliver(),
            40..70 if unacknowledged <= self.cast.delay => self.flush(worker, false),
            70.. if unacknowledged > self.cast.delay || self.random.u8(..) < 20 => self.ack(worker),
            _ => {}
        }
    }

    fn die(&mut self) {
        let worker = self.random.usize(..self.workers.len());
        let process = self.workers[worker].process;
        match self.random.u8(..10) {
            0..4 if self.cast.connections => {
                self.end(worker);
                self.begin(worker);
            }
            0..4 => {
                (0..self.workers.len()).for_each(|worker| self.end(worker));
                // all that it has is marked, and what was acknowledged last may be forgotten
                let kept = self.acknowledged.len().saturating_sub(self.random.usize(..self.cast.forgotten));
                let forgotten: BTreeSet<usize> = self.acknowledged.drain(kept..).flatten().collect();
                // RabbitMQ writes acknowledgements down by segments, and dies between two of them
                let written = match (self.cast.holes, forgotten.first()) {
                    (true, Some(first)) => first + self.random.usize(..BATCH * self.cast.forgotten),
                    _ => usize::MAX,
                };
                let is_written =
                    |position: &usize| (written..written.saturating_add(SEGMENT_MESSAGES)).contains(position);
                let deleted = self.deleted_files();
                let is_deleted = |position: &usize| {
                    is_kept_apart(self.messages[*position].digest) && deleted.contains(&(position / FILE_MESSAGES))
                };
                self.queue
                    .extend(forgotten.into_iter().filter(|position| !is_written(position) && !is_deleted(position)));
                self.queue.iter().for_each(|position| self.messages[*position].redelivered = true);
                (0..self.workers.len()).for_each(|worker| self.begin(worker));
            }
            _ => {
                // in the middle of a batch perhaps
                if self.random.bool() {
                    self.flush(worker, true);
                }
                let all: Vec<usize> =
                    (0..self.workers.len()).filter(|worker| self.workers[*worker].process == process).collect();
                all.iter().for_each(|worker| self.end(*worker));
                self.processes[process] = Claims::default();
                all.iter().for_each(|worker| self.begin(*worker));
            }
        }
    }

    /// The files of bodies of which each is acknowledged. The broker has deleted them, and drops a message without its body.
    fn deleted_files(&self) -> BTreeSet<usize> {
        let is_apart = |position: &&usize| is_kept_apart(self.messages[**position].digest);
        let needed: BTreeSet<usize> = self.queue.iter().filter(is_apart).map(|at| at / FILE_MESSAGES).collect();
        (0..=self.messages.len() / FILE_MESSAGES).filter(|file| !needed.contains(file)).collect()
    }

    /// The number of records that were lost, and of those that were stored twice.
    fn run(mut self) -> (usize, usize) {
        for _ in 0..self.cast.deaths {
            (0..self.random.usize(..60)).for_each(|_| self.step());
            self.die();
        }
        while !self.queue.is_empty() || self.workers.iter().any(|worker| !worker.delivered.is_empty()) {
            self.step();
        }
        let mut balance: HashMap<i64, i64> = HashMap::new();
        self.messages.iter().for_each(|message| *balance.entry(message.digest).or_default() -= 1);
        self.documents.values().for_each(|digest| *balance.entry(*digest).or_default() += 1);
        let sum = |sign: i64| balance.values().map(|n| usize::try_from(n * sign).unwrap_or(0)).sum();
        (sum(-1), sum(1))
    }
}

const RUNS: u64 = 25;
const RECORDS: i64 = 2000;

/// The number of lost records in a million, and of those that are stored twice. `equal` in a hundred are equal to each other,
/// `twins` in a hundred to one shortly before.
fn per_million(equal: usize, twins: usize, cast: Cast) -> (u64, u64) {
    let (mut lost, mut twice) = (0, 0);
    for seed in 0..RUNS {
        let mut random = Rng::with_seed(seed);
        let mut digest = |n: i64| match random.usize(..100) {
            kind if kind < equal => cast.digest(-1),
            kind if kind < equal + twins => cast.digest(n - random.i64(1..200).min(n)),
            _ => cast.digest(n),
        };
        let digests = (0..RECORDS).map(&mut digest).collect();
        let (some_lost, some_twice) = Model::new(seed, digests, cast).run();
        lost += some_lost;
        twice += some_twice;
    }
    let per_million = |n: usize| u64::try_from(n).expect("a count") * 1_000_000 / (RUNS * RECORDS.unsigned_abs());
    (per_million(lost), per_million(twice))
}

/// One process; several processes that share the queue.
const CASTS: [(usize, usize, usize); 6] = [(1, 1, 0), (1, 2, 0), (1, 2, 4), (1, 4, 0), (2, 2, 0), (3, 3, 2)];

fn casts() -> impl Iterator<Item = Cast> {
    let casts = CASTS.into_iter().flat_map(|cast| [(cast, true), (cast, false)]);
    casts.map(|((processes, threads, delay), connections)| Cast {
        processes,
        threads,
        delay,
        connections,
        forgotten: 6,
        holes: false,
        apart: 0,
        deaths: 8,
    })
}

#[test]
fn distinct_records_are_stored_once_whatever_dies() {
    for cast in casts() {
        assert_eq!(per_million(0, 0, cast), (0, 0), "{cast:?}");
    }
}

/// Something dies every 250 records here. None is wrong if one process alone collects and the broker does not die, which forgets
/// acknowledgements.
#[test]
fn of_equal_ones_hardly_any_is_lost_or_stored_twice() {
    for (equal, twins, most_lost, most_twice) in
        [(1, 0, 500, 500), (10, 0, 200, 1000), (67, 0, 1000, 5000), (0, 5, 10_000, 500)]
    {
        for cast in casts() {
            let (lost, twice) = per_million(equal, twins, cast);
            if cast.connections && cast.processes == 1 && twins == 0 {
                assert_eq!((lost, twice), (0, 0), "{equal} {cast:?}");
            }
            assert!(
                lost <= most_lost && twice <= most_twice,
                "{equal} {twins} {cast:?}: {lost} lost, {twice} stored twice"
            );
        }
    }
}

/// A broker that forgets acknowledgements redelivers only those large records whose bodies it still has.
#[test]
fn a_large_record_may_come_again_without_its_neighbours() {
    for apart in [30, 100] {
        for cast in casts().filter(|cast| !cast.connections) {
            let cast = Cast { apart, ..cast };
            assert_eq!(per_million(0, 0, cast), (0, 0), "{cast:?}");
            let (lost, twice) = per_million(10, 0, cast);
            assert!(lost <= 1000 && twice <= 1000, "{cast:?}: {lost} lost, {twice} stored twice");
        }
    }
}

/// A broker that dies once, while it writes acknowledgements down by segments. What is equal and stands at the edge of a segment
/// may be mistaken.
#[test]
fn what_a_broker_forgets_may_have_a_hole() {
    for cast in casts().filter(|cast| cast.processes == 1 && !cast.connections) {
        let cast = Cast { forgotten: 20, holes: true, deaths: 1, ..cast };
        assert_eq!(per_million(0, 0, cast), (0, 0), "{cast:?}");
        let (lost, twice) = per_million(30, 0, cast);
        assert!(lost <= 500 && twice <= 500, "{cast:?}: {lost} lost, {twice} stored twice");
    }
}
