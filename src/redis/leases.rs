//! Leases assign docids to the deliveries of a worker's connection; claims assign stored documents to redelivered records.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::Ordering::Relaxed;

use crate::config::IndexName;
use crate::redis::connection::RedisStore;
use crate::redis::error::Error;
use crate::redis::keys::{claims, leases, pk};
use crate::redis::stored::{LeaseSpan, StoredDocument, lost_session, peers_of, searchd_of};
use crate::sphinx::DocId;
use crate::time::Ts;

/// Docids of a lease: enough for some seconds of collecting, at full speed or in batches of one record, so that the cost of
/// leasing does not matter.
const DOCIDS_PER_LEASE: u64 = 16 * DocId::BLOCK_LENGTH;

/// A lease that was not renewed for this time may belong to a consumer that the broker has given up. Two missed heartbeats take
/// twice as long.
const LEASE_TIMEOUT_SECONDS: i64 = 10;

/// A number that is farther ahead of the clock is not alco's: docids from there on would soon end.
const TEN_YEARS_MILLISECONDS: u64 = 10 * 365 * 86_400_000;

/// When Redis has lost its leases, documents of this last time are looked up.
const LOST_MILLISECONDS: u64 = 3_600_000;

/// Docids from `next` to `last`, of one worker on one connection to the broker. While it is live, its documents belong to
/// deliveries of that connection. When the connection has ended, the broker may redeliver the delivery of each of its documents.
#[derive(Debug)]
pub struct Lease {
    first: u64,
    next: u64,
    last: u64,
    /// the time of the lease
    since: Ts,
}

/// The docids of a session that are acknowledged. alco notes an acknowledgement in Redis before it sends it to the broker, so
/// Redis never knows of fewer; the broker may lack the last one, if alco died before sending it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Acknowledged {
    /// documents up to this docid are acknowledged, or are about to be
    up_to: u64,
    /// `up_to` before the last acknowledgement
    before: u64,
}

impl Acknowledged {
    /// After the next acknowledgement, of the deliveries up to `id`.
    pub fn next(self, id: DocId) -> Acknowledged {
        Acknowledged { up_to: id.get(), before: self.up_to }
    }
}

impl Lease {
    pub fn next(&mut self) -> Option<DocId> {
        if self.next > self.last {
            return None;
        }
        self.next += 1;
        DocId::new(self.next - 1)
    }

    /// The first docid of the next block.
    pub fn next_block(&mut self) -> Option<DocId> {
        let begun = DocId::block(self.next);
        let next = if begun == self.next { begun } else { begun + DocId::BLOCK_LENGTH };
        if next > self.last {
            return None;
        }
        self.next = next;
        self.next()
    }

    /// True if it has given out docids, the first of them before `time`.
    pub fn is_older_than(&self, time: Ts) -> bool {
        self.next > self.first && self.since < time
    }

    /// True if all docids that it has given out are acknowledged.
    pub fn ends_by(&self, acknowledged: Acknowledged) -> bool {
        self.next <= acknowledged.up_to + 1
    }

    /// The same lease, which gives out no more docids.
    pub fn ended(self) -> Lease {
        Lease { last: self.next - 1, ..self }
    }
}

/// The leases of an index, as the consumers of one of its queues make them.
#[derive(Clone, Copy, Debug)]
pub struct LeasesOf<'a> {
    pub index: &'a IndexName,
    pub queue: &'a str,
}

impl LeasesOf<'_> {
    /// The field for the time when this Redis first had a lease for the queue. Nodes at one queue are peers of each other, so one of
    /// them can tell for all whether Redis has lost leases; it cannot tell for a mirror, which has another queue.
    fn since(self) -> String {
        match self.queue == self.index.as_str() {
            true => "since".to_owned(),
            false => format!("since {}", self.queue),
        }
    }
}

impl RedisStore {
    /// Leases the next docids for a queue of the index. They are above the highest that Redis knows, above `stored` (the highest in
    /// searchd; None: one of this session is), and not below the docid of the present time.
    ///
    /// A Redis without leases for the queue may have lost its data: then redelivered records may be stored in any searchd. It is new,
    /// if a node without peers (`is_alone`) has no document of the last hour. Then only its own searchd may still get one, by a
    /// statement that is under way.
    pub fn lease(&self, of: LeasesOf, stored: Option<u64>, is_alone: bool, now: Ts) -> Result<Lease, Error> {
        let LeasesOf { index, .. } = of;
        let least = stored.unwrap_or(0).saturating_add(1).max(milliseconds(now) * DocId::PER_MILLISECOND);
        if least > DocId::UPPER_BOUND - 2 * DOCIDS_PER_LEASE {
            return Err(Error::Away(format!("no docids are left for {index}: searchd has one with id {}", least - 1)));
        }
        let most = (milliseconds(now) + TEN_YEARS_MILLISECONDS) * DocId::PER_MILLISECOND;
        // numbers of Lua are doubles: exact up to 2^53, where docids end
        let script = "local known = tonumber(redis.call('GET', KEYS[1])) or 0
            if not (known <= tonumber(ARGV[9])) then known = 0 end
            local first = math.max(known + 1, tonumber(ARGV[1]))
            first = math.ceil(first / tonumber(ARGV[6])) * tonumber(ARGV[6])
            local last = first + tonumber(ARGV[2]) - 1
            local text = function(n) return string.format('%.0f', n) end
            redis.call('SET', KEYS[1], text(last))
            redis.call('HSET', KEYS[2], text(first), text(last) .. ' ' .. ARGV[3] .. ' 0 ' .. ARGV[4] .. ' 0')
            if redis.call('HSETNX', KEYS[2], ARGV[7], ARGV[4]) == 1 then
                local before = text(first - 1)
                redis.call('HSET', KEYS[2], ARGV[5], before .. ' ' .. ARGV[8] .. ' ' .. ARGV[4] .. ' 0 ' .. before)
            end
            return text(first)";
        let is_none_elsewhere = is_alone && stored.is_some_and(|stored| stored < lost_from(now));
        let first: u64 = self.ask(|connection| {
            redis::cmd("EVAL")
                .arg(script)
                .arg(2)
                .arg(pk(index))
                .arg(leases(index))
                .arg(least)
                .arg(DOCIDS_PER_LEASE)
                .arg(self.session())
                .arg(now.seconds())
                .arg(lost_from(now))
                .arg(DocId::BLOCK_LENGTH)
                .arg(of.since())
                .arg(lost_session(is_none_elsewhere.then_some(self.owner.as_str())))
                .arg(most)
                .query(connection)
        })?;
        Ok(Lease { first, next: first, last: first + DOCIDS_PER_LEASE - 1, since: now })
    }

    /// Notes again, before documents are stored under the last of the leases, that these are live, and what is acknowledged: so a
    /// Redis that has lost its data learns of them again. The leases are in the order in which they were made.
    pub fn renew<'a>(
        &self,
        of: LeasesOf,
        live: impl Iterator<Item = &'a Lease> + Clone,
        acknowledged: Acknowledged,
        now: Ts,
    ) -> Result<(), Error> {
        let LeasesOf { index, .. } = of;
        let Some(first) = live.clone().map(|lease| lease.first).next() else { return Ok(()) };
        let mut pipe = redis::pipe();
        for Lease { first, last, .. } in live {
            let (session, renewed) = (self.session(), now.seconds());
            let entry = LeaseEntry { first: *first, last: *last, session, ended: 0, renewed, acknowledged };
            pipe.hset(leases(index), first, entry.line()).ignore();
        }
        pipe.hset_nx(leases(index), of.since(), now.seconds());
        let since: bool = self.ask(|connection| pipe.query(connection).map(|(new,): (bool,)| new))?;
        if since {
            let (last, session, ended) = (first - 1, lost_session(None), now.seconds());
            let acknowledged = Acknowledged { up_to: last, before: last };
            let lost = LeaseEntry { first: lost_from(now), last, session, ended, renewed: 0, acknowledged };
            self.ask(|connection| {
                redis::cmd("HSET").arg(leases(index)).arg(lost.first).arg(lost.line()).query::<()>(connection)
            })?;
        }
        Ok(())
    }

    /// Ends every lease of this worker: its connection to the broker has ended.
    pub fn end_leases(&self, index: &IndexName, now: Ts) -> Result<(), Error> {
        self.end_where(index, now, |entry| entry.ended == 0 && self.is_mine(entry))
    }

    /// Returns the docids whose documents may belong to redelivered records: those of sessions that have ended, or whose process
    /// has died (these count as ended from now on), or of another worker that has not renewed its leases for longer than the
    /// broker waits for a silent consumer. Also returns the number of processes that have collected from the queue since `since`,
    /// the start of this one; at least one.
    pub fn past(&self, index: &IndexName, since: Ts, now: Ts) -> Result<(Vec<LeaseSpan>, usize), Error> {
        let alive = self.processes()?;
        let is_alive = |entry: &LeaseEntry| alive.contains(entry.process());
        // a redelivered record restarts the time of all ended leases: more redelivered records may be on their way
        self.end_where(index, now, |entry| entry.ended != 0 || !is_alive(entry))?;
        let mut entries = self.entries(index)?;
        entries.sort_unstable_by_key(|entry| entry.first);
        let peers = peers_of(entries.iter().map(|entry| entry.session.as_str()));
        let lively: HashSet<&str> = entries
            .iter()
            .filter(|entry| self.is_mine(entry) || entry.renewed >= now.seconds() - LEASE_TIMEOUT_SECONDS)
            .map(|entry| entry.session.as_str())
            .collect();
        let ended = entries.iter().filter(|entry| entry.ended != 0 || !lively.contains(entry.session.as_str()));
        let span = |entry: &LeaseEntry| {
            let session = entry.session.clone();
            let Acknowledged { up_to: acknowledged, before } = entry.acknowledged;
            let peer = searchd_of(&session).and_then(|searchd| peers.get(searchd)).map(|peer| (*peer).to_owned());
            LeaseSpan { first: entry.first, last: entry.last, session, peer, acknowledged, before, in_doubt: None }
        };
        let mut window: Vec<LeaseSpan> = ended.map(span).collect();
        self.read_doubts(index, &mut window)?;
        let collects = |entry: &&LeaseEntry| is_alive(entry) || entry.renewed > since.seconds();
        let processes: BTreeSet<&str> = entries.iter().filter(collects).map(LeaseEntry::process).collect();
        Ok((window, processes.len().max(1)))
    }

    /// Forgets the leases that ended before `before`, or whose documents were all acknowledged before it, and the claims under these
    /// leases. A lease stays if one of its documents is claimed under a lease that stays.
    pub fn retire_leases(&self, index: &IndexName, before: Ts) -> Result<(), Error> {
        let is_done = |entry: &LeaseEntry| match entry.ended {
            0 => entry.acknowledged.up_to >= entry.last && entry.renewed < before.seconds(),
            ended => ended < before.seconds(),
        };
        let (done, kept): (Vec<LeaseEntry>, Vec<LeaseEntry>) = self.entries(index)?.into_iter().partition(is_done);
        if done.is_empty() {
            return Ok(());
        }
        let first = kept.iter().map(|entry| entry.first).min().unwrap_or(u64::MAX);
        let claimed = self.claimed_between(index, first, u64::MAX)?;
        let mut pipe = redis::pipe();
        let is_needed =
            |lease: &LeaseEntry| claimed.iter().any(|found| lease.first <= found.id && found.id <= lease.last);
        for entry in done.iter().filter(|entry| !is_needed(entry)) {
            pipe.hdel(leases(index), entry.first).ignore();
        }
        pipe.cmd("ZREMRANGEBYSCORE").arg(claims(index)).arg("-inf").arg(format!("({first}")).ignore();
        self.send(&pipe)
    }

    /// Assigns documents to redelivered records: each document gets its new place. Returns false, and assigns none, if another record
    /// has claimed one of them meanwhile.
    pub fn claim(&self, index: &IndexName, documents: &[(StoredDocument, u64)]) -> Result<bool, Error> {
        if documents.is_empty() {
            return Ok(true);
        }
        let script = "for at = 1, #ARGV, 3 do
                local is = redis.call('ZSCORE', KEYS[1], ARGV[at])
                is = is and string.format('%.0f', tonumber(is)) or ''
                if is ~= ARGV[at + 1] and is ~= ARGV[at + 2] then return 0 end
            end
            for at = 1, #ARGV, 3 do redis.call('ZADD', KEYS[1], ARGV[at + 2], ARGV[at]) end
            return 1";
        self.ask(|connection| {
            let mut eval = redis::cmd("EVAL");
            eval.arg(script).arg(1).arg(claims(index));
            for (StoredDocument { id, digest, place }, to) in documents {
                let was = if place == id { String::new() } else { place.to_string() };
                eval.arg(format!("{id} {digest}")).arg(was).arg(to);
            }
            eval.query(connection)
        })
    }

    /// The documents with their places.
    pub fn placed(&self, index: &IndexName, documents: &[(u64, i64)]) -> Result<Vec<StoredDocument>, Error> {
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::pipe();
        for (id, digest) in documents {
            pipe.cmd("ZSCORE").arg(claims(index)).arg(format!("{id} {digest}"));
        }
        // docids are exact in a double
        let places: Vec<Option<f64>> = self.ask(|connection| pipe.query(connection))?;
        let placed = documents.iter().zip(places);
        Ok(placed
            .map(|((id, digest), at)| StoredDocument {
                id: *id,
                digest: *digest,
                place: at.map_or(*id, |at| at as u64),
            })
            .collect())
    }

    /// The claimed documents with places from `first` to `last`.
    pub fn claimed_between(&self, index: &IndexName, first: u64, last: u64) -> Result<Vec<StoredDocument>, Error> {
        let all: Vec<(String, f64)> = self.ask(|connection| {
            let mut range = redis::cmd("ZRANGEBYSCORE");
            range.arg(claims(index)).arg(first).arg(last).arg("WITHSCORES").query(connection)
        })?;
        let found = |(member, place): &(String, f64)| {
            let (id, digest) = member.split_once(' ')?;
            Some(StoredDocument { id: id.parse().ok()?, digest: digest.parse().ok()?, place: *place as u64 })
        };
        Ok(all.iter().filter_map(found).collect())
    }

    fn is_mine(&self, entry: &LeaseEntry) -> bool {
        entry.session.rsplit_once('/').is_some_and(|(owner, _)| owner == self.owner)
    }

    fn end_where(&self, index: &IndexName, now: Ts, which: impl Fn(&LeaseEntry) -> bool) -> Result<(), Error> {
        let mut pipe = redis::pipe();
        for entry in self.entries(index)?.into_iter().filter(which) {
            let entry = LeaseEntry { ended: now.seconds(), ..entry };
            pipe.hset(leases(index), entry.first, entry.line()).ignore();
        }
        self.send(&pipe)
    }

    fn entries(&self, index: &IndexName) -> Result<Vec<LeaseEntry>, Error> {
        let all: Vec<(String, String)> =
            self.ask(|connection| redis::cmd("HGETALL").arg(leases(index)).query(connection))?;
        let entries: Vec<LeaseEntry> = all.iter().filter_map(|(first, rest)| LeaseEntry::parse(first, rest)).collect();
        let unread = all.iter().filter(|(field, _)| field.split(' ').next() != Some("since")).count() - entries.len();
        if unread > 0 && !self.has_warned.swap(true, Relaxed) {
            log::warn!(
                "{} in Redis has {unread} fields that are no leases of alco's; they are passed over",
                leases(index)
            );
        }
        Ok(entries)
    }
}

/// An entry of `ALCO:LEASES:<index>`, times in seconds since 1970: `ended` is 0 while its session is live, `renewed` is the last
/// time at which it was known to be.
struct LeaseEntry {
    first: u64,
    last: u64,
    session: String,
    ended: i64,
    renewed: i64,
    acknowledged: Acknowledged,
}

impl LeaseEntry {
    fn parse(first: &str, rest: &str) -> Option<LeaseEntry> {
        let mut words = rest.split(' ');
        let mut entry = LeaseEntry {
            first: first.parse().ok()?,
            last: words.next()?.parse().ok()?,
            session: words.next()?.to_owned(),
            ended: words.next()?.parse().ok()?,
            renewed: words.next()?.parse().ok()?,
            acknowledged: Acknowledged::default(),
        };
        let up_to = words.next()?.parse().ok()?;
        // an older version of alco did not write it
        let before = words.next().map_or(Some(up_to), |before| before.parse().ok())?;
        entry.acknowledged = Acknowledged { up_to, before };
        Some(entry)
    }

    fn line(&self) -> String {
        let LeaseEntry { last, session, ended, renewed, acknowledged: Acknowledged { up_to, before }, .. } = self;
        format!("{last} {session} {ended} {renewed} {up_to} {before}")
    }

    fn process(&self) -> &str {
        self.session.split('/').next().unwrap_or_default()
    }
}

fn milliseconds(now: Ts) -> u64 {
    u64::try_from(now.micros() / 1000).unwrap_or(0)
}

/// The first docid of the time `LOST_MILLISECONDS` before now.
fn lost_from(now: Ts) -> u64 {
    milliseconds(now).saturating_sub(LOST_MILLISECONDS) * DocId::PER_MILLISECOND
}
