//! The servers that a worker asks and waits for. Invariant: a question is asked again until the server answers or the
//! worker is to stop; the begin and the end of an outage are logged once for all workers of the index.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::ingest::outage::{Backoff, OutageNotice, Trouble};
use crate::ingest::shared::{IndexShared, lock};
use crate::metrics::obstacles::Waiter;
use crate::metrics::peer_waits::PeerWait;
use crate::rabbitmq::probe::Probe;
use crate::rabbitmq::{self, Queue};
use crate::redis;
use crate::redis::connection::RedisStore;
use crate::sphinx::client::{Engine, Fault};
use crate::time::Ts;

/// The wait for each answer of searchd, which may be stopped or swapped out for long. A statement that was not answered is sent
/// again with the same docids.
pub(super) const SEARCHD_TIMEOUT: Duration = Duration::from_secs(60);

/// A worker whose searchd is away for longer leaves its records to the queue's other consumers, if there are any. searchd needs less
/// for a restart with a small binlog.
const GIVE_UP: Duration = Duration::from_secs(10);
/// The time between two looks for other consumers while searchd is away.
const OTHERS_LOOK: Duration = Duration::from_secs(10);

/// The reason why a worker leaves its loop.
pub(super) enum Stop {
    /// the session has ended, with the reason; a new one may work
    Session(Trouble),
    /// a new session begins at once, with another limit of deliveries
    AnotherLimit,
    /// searchd is away for long, and the queue has other consumers
    SearchdAway,
    Stopped,
}

impl From<String> for Stop {
    fn from(why: String) -> Stop {
        Stop::Session(Trouble::Away(why))
    }
}

impl From<rabbitmq::Error> for Stop {
    fn from(error: rabbitmq::Error) -> Stop {
        match error {
            rabbitmq::Error::TooMuch(_) => Stop::AnotherLimit,
            rabbitmq::Error::Refused(why) => Stop::Session(Trouble::Refused(why)),
            error => Stop::Session(Trouble::Away(error.to_string())),
        }
    }
}

impl From<redis::Error> for Trouble {
    fn from(error: redis::Error) -> Trouble {
        match error {
            redis::Error::Away(why) => Trouble::Away(why),
            redis::Error::Refused(why) => Trouble::Refused(why),
        }
    }
}

/// The time by the clock of this host.
pub(super) fn now() -> Ts {
    Ts::of(SystemTime::now())
}

pub(super) struct Servers {
    shared: Arc<IndexShared>,
    /// the number of this worker among all of this process
    worker: u32,
    stop: Receiver<Infallible>,
    redis: RedisStore,
    engine: Engine,
    backoffs: Backoffs,
    /// since when searchd is away
    searchd_away: Option<Instant>,
    /// what is known of the consumers of this session's queue; nothing before it consumes
    consumers: Option<Consumers>,
}

/// What the broker last said of a queue's consumers.
#[derive(Clone, Copy, Debug)]
struct Consumers {
    /// There are some of other processes.
    has_others: bool,
    asked: Instant,
}

#[derive(Debug, Default)]
struct Backoffs {
    broker: Backoff,
    searchd: Backoff,
    place: Backoff,
    redis: Backoff,
}

impl Servers {
    /// Does not connect yet. The worker is to stop when the channel `stop` is closed.
    pub(super) fn new(shared: Arc<IndexShared>, worker: u32, stop: Receiver<Infallible>) -> Result<Servers, String> {
        Ok(Servers {
            redis: RedisStore::new(&shared.config.redis, &shared.process, &worker.to_string())?,
            engine: Engine::new(&shared.config.sphinx.address, SEARCHD_TIMEOUT),
            backoffs: Backoffs::default(),
            searchd_away: None,
            consumers: None,
            shared,
            worker,
            stop,
        })
    }

    /// For a question to Redis that is asked once only.
    pub(super) fn redis(&self) -> &RedisStore {
        &self.redis
    }

    /// For questions that are asked once only.
    pub(super) fn engine_and_redis(&mut self) -> (&mut Engine, &RedisStore) {
        (&mut self.engine, &self.redis)
    }

    /// For a question to searchd that is asked once only.
    pub(super) fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Notes the wait of this worker for other nodes, or its end.
    pub(super) fn note_peer_wait(&self, wait: Option<PeerWait>) {
        let waits = &self.shared.counters().peer_waits;
        match wait {
            Some(wait) => waits.begin(self.worker, wait),
            None => waits.end(self.worker),
        }
    }

    /// Leases from now on belong to another connection to the broker.
    pub(super) fn begin_session(&mut self) {
        self.consumers = None;
        self.redis.begin_session();
    }

    /// Notes what the broker has just said of the session's queue.
    pub(super) fn note_queue(&mut self, queue: Queue) {
        let has_others = usize::try_from(queue.consumers).is_ok_and(|all| all > self.shared.index.threads);
        self.consumers = Some(Consumers { has_others, asked: Instant::now() });
    }

    /// True if other processes can take the session's records. They may have come since searchd went away: the session waits, so a
    /// connection of its own asks.
    fn can_be_left(&mut self) -> bool {
        let Some(consumers) = self.consumers else { return false };
        if consumers.has_others || consumers.asked.elapsed() < OTHERS_LOOK {
            return consumers.has_others;
        }
        // a look that fails is not tried again at once
        self.consumers = Some(Consumers { asked: Instant::now(), ..consumers });
        let looked = Probe::open(&self.shared.config.rabbitmq)
            .and_then(|mut broker| broker.queue_named(&self.shared.index.queue));
        match looked {
            Ok(queue) => self.note_queue(queue),
            Err(error) => log::debug!("{}: {error}", self.shared.index.name),
        }
        self.consumers.is_some_and(|consumers| consumers.has_others)
    }

    pub(super) fn ask_searchd<T>(
        &mut self,
        mut question: impl FnMut(&mut Engine) -> Result<T, Fault>,
    ) -> Result<T, Stop> {
        loop {
            match question(&mut self.engine) {
                Ok(answer) => {
                    self.searchd_works();
                    return Ok(answer);
                }
                Err(fault) => self.searchd_failed(fault.why().to_owned())?,
            }
        }
    }

    pub(super) fn ask_redis<T>(
        &mut self,
        mut question: impl FnMut(&RedisStore) -> Result<T, redis::Error>,
    ) -> Result<T, Stop> {
        loop {
            match question(&self.redis) {
                Ok(answer) => {
                    self.redis_works();
                    return Ok(answer);
                }
                Err(error) => self.redis_failed(&error.into())?,
            }
        }
    }

    fn redis_works(&mut self) {
        self.backoffs.redis.reset();
        self.shared.metrics.redis.end(Waiter::Worker(self.worker));
        self.log(lock(&self.shared.outages.redis).over(self.worker, "redis", Instant::now()));
    }

    fn redis_failed(&mut self, trouble: &Trouble) -> Result<(), Stop> {
        self.shared.counters().redis_failures.add(1);
        if !self.backoffs.redis.is_reset() {
            self.shared.metrics.redis.begin(Waiter::Worker(self.worker), trouble.why());
            self.log(lock(&self.shared.outages.redis).failed(self.worker, trouble, Instant::now()));
        }
        let wait = self.backoffs.redis.next(trouble);
        self.wait(wait)
    }

    pub(super) fn searchd_works(&mut self) {
        self.searchd_away = None;
        self.backoffs.searchd.reset();
        self.shared.metrics.searchd.end(Waiter::Worker(self.worker));
        self.log(lock(&self.shared.outages.searchd).over(self.worker, "searchd", Instant::now()));
    }

    pub(super) fn searchd_failed(&mut self, why: String) -> Result<(), Stop> {
        let trouble = Trouble::Away(why);
        self.shared.counters().searchd_failures.add(1);
        if !self.backoffs.searchd.is_reset() {
            self.shared.metrics.searchd.begin(Waiter::Worker(self.worker), trouble.why());
            self.log(lock(&self.shared.outages.searchd).failed(self.worker, &trouble, Instant::now()));
        }
        let since = *self.searchd_away.get_or_insert_with(Instant::now);
        if since.elapsed() > GIVE_UP && self.can_be_left() {
            return Err(Stop::SearchdAway);
        }
        let wait = self.backoffs.searchd.next(&trouble);
        self.wait(wait)
    }

    /// A day index, or the dead queue, has taken records.
    pub(super) fn place_works(&mut self, place: &str) {
        self.backoffs.place.reset();
        self.shared.counters().place.end(Waiter::Worker(self.worker));
        self.log(lock(&self.shared.outages.place).over(self.worker, place, Instant::now()));
    }

    pub(super) fn place_failed(&mut self, trouble: &Trouble) -> Result<(), Stop> {
        self.shared.counters().place.begin(Waiter::Worker(self.worker), trouble.why());
        self.log(lock(&self.shared.outages.place).failed(self.worker, trouble, Instant::now()));
        let wait = self.backoffs.place.next(trouble);
        self.wait(wait)
    }

    pub(super) fn broker_works(&mut self) {
        self.backoffs.broker.reset();
        self.shared.counters().broker.end(Waiter::Worker(self.worker));
        self.log(lock(&self.shared.outages.broker).over(self.worker, "rabbitmq", Instant::now()));
    }

    pub(super) fn broker_failed(&mut self, trouble: &Trouble) -> Result<(), Stop> {
        self.shared.counters().reconnects.add(1);
        self.shared.counters().broker.begin(Waiter::Worker(self.worker), trouble.why());
        self.log(lock(&self.shared.outages.broker).failed(self.worker, trouble, Instant::now()));
        let wait = self.backoffs.broker.next(trouble);
        self.wait(wait)
    }

    fn log(&self, notice: Option<OutageNotice>) {
        let index = &self.shared.index.name;
        match notice {
            Some(OutageNotice::Warning(line)) => log::warn!("{index}: {line}"),
            Some(OutageNotice::Error(line)) => log::error!("{index}: {line}"),
            Some(OutageNotice::Info(line)) => log::info!("{index}: {line}"),
            None => {}
        }
    }

    /// The channel that is closed when the worker is to stop.
    pub(super) fn stop(&self) -> Receiver<Infallible> {
        self.stop.clone()
    }

    /// An error if the worker is to stop before that time has passed.
    pub(super) fn wait(&self, time: Duration) -> Result<(), Stop> {
        match self.stop.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Stop::Stopped),
        }
    }
}
