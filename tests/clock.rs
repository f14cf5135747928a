//! The clock goes on, jumps ahead and jumps back: each record is in the index of the day it arrived, once, and no docid is given
//! twice.

use std::fs;
use std::path::PathBuf;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::support::clock::Clock;
use crate::support::{Alco, LONG, Publisher, Stack, executable, wait_until};

const SERVERS: [&str; 3] = ["rabbitmq", "redis", "searchd"];

/// Servers, an alco and its clock, and how many records without a time of their own were published.
pub struct Run {
    pub clock: Clock,
    pub stack: Stack,
    pub alco: Alco,
    index: &'static str,
    publisher: Publisher,
    published: usize,
    /// while this file is there, alco gives searchd no configuration
    no_configuration: PathBuf,
}

impl Run {
    /// `offset`: of alco's clock at its start.
    pub fn start(index: &'static str, more: &str, offset: SignedDuration) -> Run {
        let ini = format!("[index {index}]\nrouting_keys = {index}.#\n{more}");
        let clock = Clock::new(&format!("{index}-clock"));
        clock.set(offset);
        let (source, no_configuration) = (clock.dir().join("source"), clock.dir().join("no-configuration"));
        let script =
            format!("[ ! -e {} ] || exit 1\nexec {} \"$@\"\n", no_configuration.display(), clock.alco.display());
        executable(&source, &script);
        let stack = Stack::of(index, &SERVERS, &source, &ini);
        let publisher = Publisher::open(&stack.amqp);
        publisher.declare_exchange("logstash");
        publisher.declare_queue(index, "logstash", &format!("{index}.#"));
        let mut alco = Alco::spawn_as(&clock.alco, &stack, &ini);
        alco.wait_ready(&stack);
        Run { clock, stack, alco, index, publisher, published: 0, no_configuration }
    }

    fn publish(&mut self, count: usize) {
        let numbers = self.published..self.published + count;
        let bodies = numbers.map(|n| format!(r#"{{"message":"record {n}"}}"#));
        self.publisher.publish("logstash", &format!("{}.key", self.index), bodies);
        self.published += count;
    }

    /// The day it is by alco's clock.
    pub fn today(&self) -> Date {
        day_of(self.clock.now())
    }

    /// The numbers of a day's records.
    pub fn numbers(&self, day: Date) -> Vec<usize> {
        let documents = self.stack.documents(&format!("{}_{}", self.index, day.strftime("%Y%m%d")));
        documents.iter().map(|(_, message)| message.trim_start_matches("record ").parse().unwrap()).collect()
    }

    #[track_caller]
    fn all_are_stored_once(&self) {
        let stored = self.stack.settled(self.index, self.published as u64, LONG);
        assert!(stored.len() == self.published && stored.values().all(|count| *count == 1), "{}", self.alco.log());
    }
}

fn day_of(time: Timestamp) -> Date {
    time.to_zoned(TimeZone::UTC).date()
}

fn midnight_after(time: Timestamp) -> Timestamp {
    day_of(time).tomorrow().unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp()
}

#[test]
fn a_record_belongs_to_the_day_of_its_arrival_over_midnight_and_whatever_the_clock_does() {
    let real = Timestamp::now();
    let mut run = Run::start("clock", "days = 3\n", midnight_after(real).duration_since(real));
    // an hour before the midnight that ends the day which the machine's clock has, two seconds before it, and behind it
    let midnight = midnight_after(real);
    let before = day_of(real);
    let from_midnight = |seconds| midnight.duration_since(Timestamp::now()) + SignedDuration::from_secs(seconds);
    run.clock.set(from_midnight(-3600));
    run.publish(20);
    run.all_are_stored_once();
    run.clock.set(from_midnight(-2));
    while run.clock.now() < midnight + SignedDuration::from_secs(1) {
        run.publish(20);
    }
    run.publish(20);
    run.all_are_stored_once();
    let (old, new) = (run.numbers(before), run.numbers(before.tomorrow().unwrap()));
    assert!(!old.is_empty() && !new.is_empty() && old.len() + new.len() == run.published);
    assert!(old.iter().max() < new.iter().min(), "in the order of their arrival");

    // an hour back, and two ahead: no id is given twice, and nothing waits
    for hours in [-1, 1] {
        let offset = run.clock.now().duration_since(Timestamp::now());
        run.clock.set(offset + SignedDuration::from_hours(hours));
        run.publish(100);
        run.all_are_stored_once();
    }

    // a month ahead, and searchd's configuration cannot be had: what arrives then waits, and is read anew when the clock is right
    let right = run.clock.now().duration_since(Timestamp::now());
    fs::write(&run.no_configuration, "").unwrap();
    run.clock.set(right + SignedDuration::from_hours(24 * 30));
    run.publish(100);
    wait_until("it is said", LONG, || (run.alco.said("clock: searchd does not serve clock_") == 1).then_some(()));
    run.clock.set(right);
    run.all_are_stored_once();
    assert_eq!(run.alco.said("is not kept any more"), 1, "{}", run.alco.log());
    assert_eq!(run.numbers(run.today()).len(), new.len() + 200, "{}", run.alco.log());
    assert!(run.alco.stop().success());
}
