//! A clock that can be set, for `alco run` and for the alco that writes searchd's configuration, by libfaketime. It moves the time
//! of day only, not the monotonic clock.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{ALCO, Alco, LONG, Publisher, Stack, directory, executable, make_an_hour_old};

#[derive(Debug)]
pub struct Clock {
    dir: PathBuf,
    /// the seconds to add to the machine's clock; libfaketime reads it each time
    file: PathBuf,
    /// becomes alco under this clock
    pub alco: PathBuf,
}

impl Clock {
    pub fn new(name: &str) -> Clock {
        let dir = directory(name);
        let (file, alco) = (dir.join("clock"), dir.join("alco"));
        let script = format!(
            "export LD_PRELOAD={} FAKETIME_TIMESTAMP_FILE={} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1\n\
             exec {ALCO} \"$@\"\n",
            library().display(),
            file.display()
        );
        executable(&alco, &script);
        let clock = Clock { dir, file, alco };
        clock.set(SignedDuration::ZERO);
        clock
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Sets the distance to the machine's clock.
    pub fn set(&self, offset: SignedDuration) {
        // written whole, and then renamed
        let written = self.file.with_extension("new");
        fs::write(&written, format!("{:+.3}\n", offset.as_secs_f64())).unwrap();
        fs::rename(&written, &self.file).unwrap();
    }

    /// The time by this clock.
    pub fn now(&self) -> Timestamp {
        let offset = fs::read_to_string(&self.file).unwrap().trim().parse().unwrap();
        Timestamp::now() + SignedDuration::from_secs_f64(offset)
    }
}

/// Servers, an alco and its clock, and a queue for records without a time of their own.
pub struct ClockedRun {
    pub clock: Clock,
    pub stack: Stack,
    pub alco: Alco,
    index: &'static str,
    publisher: Publisher,
    pub published: usize,
    /// while this file is there, alco gives searchd no configuration
    pub no_configuration: PathBuf,
}

impl ClockedRun {
    /// `offset`: the distance of alco's clock to the machine's at the start.
    pub fn start(index: &'static str, more: &str, offset: SignedDuration) -> ClockedRun {
        let ini = format!("[index {index}]\nrouting_keys = {index}.#\n{more}");
        let clock = Clock::new(&format!("{index}-clock"));
        clock.set(offset);
        let (source, no_configuration) = (clock.dir().join("source"), clock.dir().join("no-configuration"));
        let script =
            format!("[ ! -e {} ] || exit 1\nexec {} \"$@\"\n", no_configuration.display(), clock.alco.display());
        executable(&source, &script);
        let stack = Stack::of(index, &["rabbitmq", "redis", "searchd"], &source, &ini);
        let publisher = Publisher::to_queue(&stack.amqp, index);
        let mut alco = Alco::spawn_as(&clock.alco, &stack, &ini);
        alco.wait_ready(&stack);
        ClockedRun { clock, stack, alco, index, publisher, published: 0, no_configuration }
    }

    /// Sets the clock as `Clock::set` does, as if searchd had its configuration for an hour: only then are files of days removed.
    pub fn set_hours_later(&self, offset: SignedDuration) {
        make_an_hour_old(&self.stack.dir().join("searchd/data/sphinx.conf.last")).unwrap();
        self.clock.set(offset);
    }

    pub fn publish(&mut self, count: usize) {
        let numbers = self.published..self.published + count;
        let bodies = numbers.map(|n| format!(r#"{{"message":"record {n}"}}"#));
        self.publisher.publish("logstash", &format!("{}.key", self.index), bodies);
        self.published += count;
    }

    /// The day by alco's clock.
    pub fn today(&self) -> Date {
        day_of(self.clock.now())
    }

    /// The numbers of a day's records.
    pub fn numbers(&self, day: Date) -> Vec<usize> {
        let documents = self.stack.documents(&format!("{}_{}", self.index, day.strftime("%Y%m%d")));
        documents.iter().map(|(_, message)| message.trim_start_matches("record ").parse().unwrap()).collect()
    }

    #[track_caller]
    pub fn all_are_stored_once(&self) {
        let stored = self.stack.settled(self.index, self.published as u64, LONG);
        assert!(stored.len() == self.published && stored.values().all(|count| *count == 1), "{}", self.alco.log());
    }
}

/// The UTC day of a time.
pub fn day_of(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

fn library() -> PathBuf {
    let name = "faketime/libfaketimeMT.so.1";
    let folders = ["/usr/lib", "/usr/local/lib"].into_iter().filter_map(|folder| fs::read_dir(folder).ok());
    let mut candidates = folders.flatten().flatten().map(|entry| entry.path().join(name));
    candidates.find(|path| Path::exists(path)).expect("libfaketime is installed (tests/packages check)")
}
