//! searchd merges the disk chunks of a day that is over, while late records of that day arrive, and alco or searchd is killed: all
//! records are there, each once.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use mysql::prelude::Queryable;

use crate::support::clock::ClockedRun;
use crate::support::{Alco, LONG, Publisher, SOON, Stack, is_manticore, not_checked, wait_until};

/// Each step of a merge takes seconds.
const SLOW_MERGE: &str = "[sphinx.searchd]\nrt_merge_iops = 2\nrt_merge_maxiosize = 16K\n";
const SETTINGS: &str = "days = 2\nfiltered =\n";
const CHUNKS: usize = 4;
const RECORDS_PER_CHUNK: usize = 100;

/// The day before, by alco's clock, which gets records.
struct EndedDay {
    run: ClockedRun,
    index: &'static str,
    day: Date,
    publisher: Publisher,
}

impl EndedDay {
    fn new(index: &'static str) -> EndedDay {
        // some minutes later, alco would optimize the day
        let now = Timestamp::now();
        let start = now.to_zoned(TimeZone::UTC).date().at(0, 2, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp();
        let run = ClockedRun::start(index, SETTINGS, start.duration_since(now));
        let path = run.stack.dir().join("alco.ini");
        let ini = fs::read_to_string(&path).unwrap();
        fs::write(&path, ini.replace("[sphinx.searchd]\n", SLOW_MERGE)).unwrap();
        run.stack.stop("searchd");
        run.stack.restart("searchd");
        let day = run.today().yesterday().unwrap();
        let publisher = Publisher::to_queue(&run.stack.amqp, index);
        EndedDay { run, index, day, publisher }
    }

    /// searchd has begun to merge the disk chunks of the day.
    fn merging(index: &'static str) -> EndedDay {
        let mut ended = EndedDay::new(index);
        ended.fill();
        ended.is_due();
        wait_until("alco begins to optimize the day", LONG, || ended.claim().starts_with("begun ").then_some(()));
        ended
    }

    fn stack(&self) -> &Stack {
        &self.run.stack
    }

    fn day_index(&self) -> String {
        format!("{}_{}", self.index, self.day.strftime("%Y%m%d"))
    }

    /// The day gets several disk chunks.
    fn fill(&mut self) {
        for _ in 0..CHUNKS {
            self.publish(RECORDS_PER_CHUNK);
            self.run.all_are_stored_once();
            self.stack().select(&format!("FLUSH RAMCHUNK {}", self.day_index())).unwrap();
        }
        assert_eq!(self.disk_chunks(), CHUNKS as i64);
    }

    /// The time comes when alco optimizes the day, however many records arrive.
    fn is_due(&self) {
        let hours = SignedDuration::from_hours(6);
        self.run.clock.set(self.run.clock.now().duration_since(Timestamp::now()) + hours);
    }

    fn disk_chunks(&self) -> i64 {
        self.stack().index_status(&self.day_index())["disk_chunks"]
    }

    /// What Redis has of the day: who optimizes it, or when that was done.
    fn claim(&self) -> String {
        let claims: Vec<String> = self.stack().ask_redis(&["HGETALL", &format!("ALCO:FINISHED:{}", self.index)]);
        let field = |pair: &&[String]| pair[0].ends_with(&self.day.strftime(" %Y%m%d").to_string());
        claims.chunks(2).find(field).map(|pair| pair[1].clone()).unwrap_or_default()
    }

    /// Records of the day arrive.
    fn publish(&mut self, count: usize) {
        let (day, first) = (self.day, self.run.published);
        let body = |n| format!(r#"{{"@timestamp":"{day}T23:00:00Z","message":"record {n}"}}"#);
        self.publisher.publish("logstash", &format!("{}.key", self.index), (first..first + count).map(body));
        self.run.published += count;
    }
}

/// searchd 2.2.11 notes what it has committed during a merge as saved, though it is not.
#[test]
fn late_records_survive_a_killed_merge() {
    let mut ended = EndedDay::merging("merged");
    let before = ended.run.published;
    wait_until("searchd has merged the day", LONG, || {
        ended.publish(1);
        (ended.disk_chunks() <= 1).then_some(())
    });
    ended.stack().kill("searchd");
    ended.stack().restart("searchd");
    assert!(ended.run.published > before + 1, "the merge was over at once");
    ended.run.all_are_stored_once();
    wait_until("the day is optimized", LONG, || ended.claim().starts_with("done ").then_some(()));
    ended.run.all_are_stored_once();
    assert_eq!(ended.disk_chunks(), 1);
}

/// searchd 2.2.11 that is killed after it has written a RAM chunk during a merge may not start again.
#[test]
fn no_ram_chunk_is_written_during_a_merge() {
    let mut ended = EndedDay::merging("remerged");
    ended.publish(1);
    ended.run.all_are_stored_once();
    let first = ended.claim();
    let ini = format!("[index {0}]\nrouting_keys = {0}.#\n{SETTINGS}", ended.index);
    let again = Alco::spawn_as(&ended.run.clock.alco, ended.stack(), &ini);
    // as by SIGKILL
    drop(std::mem::replace(&mut ended.run.alco, again));
    let mut chunks = ended.disk_chunks();
    assert!(chunks > 1, "the merge was over before alco was killed");
    wait_until("the day is optimized by another alco", LONG, || {
        let now = ended.disk_chunks();
        assert!(chunks == 1 || now <= chunks, "{now} chunks after {chunks}");
        chunks = now;
        let claim = ended.claim();
        (claim != first && claim.starts_with("done ")).then_some(())
    });
    assert_eq!(ended.disk_chunks(), 1);
    ended.run.all_are_stored_once();
}

/// searchd 2.2.11 writes the chunks of two FLUSH RAMCHUNK at once into one file, and deletes it at the next OPTIMIZE.
#[test]
fn a_ram_chunk_is_written_by_one_at_a_time() {
    const LOOKS: Duration = Duration::from_secs(3);
    if is_manticore() {
        return not_checked("two statements FLUSH RAMCHUNK at once", "Manticore gives each chunk a name of its own");
    }
    let mut ended = EndedDay::new("once");
    ended.publish(2_000);
    ended.run.all_are_stored_once();
    // searchd waits for a reader of this file when it writes the chunk's texts
    let file = format!("searchd/data/once/{}/once.0.sps", ended.day.strftime("%Y%m%d"));
    let file = ended.stack().dir().join(file);
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    let statement = format!("FLUSH RAMCHUNK {}", ended.day_index());
    let stack = &ended.run.stack;
    let saves = || {
        let threads: Vec<mysql::Row> = stack.sphinxql().query("SHOW THREADS").unwrap();
        threads.iter().filter(|row| row.get::<String, _>("Info").is_some_and(|info| info == statement)).count()
    };
    thread::scope(|scope| {
        scope.spawn(|| stack.select(&statement).expect_err("searchd is killed"));
        wait_until("an administrator's statement runs", SOON, || (saves() == 1).then_some(()));
        ended.is_due();
        let turn = || {
            let keys: Vec<String> = stack.ask_redis(&["KEYS", "ALCO:SAVING:once:*"]);
            (!keys.is_empty()).then_some(())
        };
        wait_until("alco wants the RAM chunk of the day written", LONG, turn);
        let begun = Instant::now();
        while begun.elapsed() < LOOKS {
            assert_eq!(saves(), 1, "{}", ended.run.alco.log());
        }
        stack.kill("searchd");
    });
    fs::remove_file(&file).unwrap();
    ended.stack().restart("searchd");
    wait_until("the day is optimized", LONG, || ended.claim().starts_with("done ").then_some(()));
    assert_eq!(ended.disk_chunks(), 1);
    ended.run.all_are_stored_once();
}
