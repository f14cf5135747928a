//! The clock goes on, jumps ahead and jumps back: each record is stored once, in the index of the day of its arrival, and no docid
//! is given twice.

use std::fs;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::support::clock::{ClockedRun, day_of};
use crate::support::{LONG, wait_until};

fn midnight_after(time: Timestamp) -> Timestamp {
    day_of(time).tomorrow().unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp()
}

#[test]
fn records_without_time_are_in_the_day_of_their_arrival() {
    let real = Timestamp::now();
    let mut run = ClockedRun::start("clock", "days = 3\n", midnight_after(real).duration_since(real));
    // one hour before the end of the machine's own day, two seconds before it, and after it
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

    // a month ahead, and searchd gets no configuration: the records wait, and are read again when the clock is right
    let right = run.clock.now().duration_since(Timestamp::now());
    fs::write(&run.no_configuration, "").unwrap();
    run.clock.set(right + SignedDuration::from_hours(24 * 30));
    run.publish(100);
    wait_until("the missing day is logged", LONG, || {
        (run.alco.logged("clock: searchd does not serve clock_") == 1).then_some(())
    });
    run.clock.set(right);
    run.all_are_stored_once();
    assert_eq!(run.alco.logged("is no longer kept"), 1, "{}", run.alco.log());
    assert_eq!(run.numbers(run.today()).len(), new.len() + 200, "{}", run.alco.log());
    assert!(run.alco.stop().success());
}

#[test]
fn a_clock_that_is_a_day_off_is_reported_while_alco_runs() {
    let mut run = ClockedRun::start("skewed", "days = 3\n", SignedDuration::from_hours(-24));
    let health = || run.alco.get("/health");
    let wrong = wait_until("it is reported", LONG, || Some(health()).filter(|health| health.status == 503));
    assert!(wrong.body.contains("clock does not work: this host's clock is 86400 s behind that of redis"), "{wrong:?}");
    assert_eq!(run.alco.logged("s behind that of redis"), 1, "{}", run.alco.log());
    run.clock.set(SignedDuration::ZERO);
    wait_until("it is right again", LONG, || Some(health()).filter(|health| health.status == 200));
    assert_eq!(run.alco.logged("agrees with that of redis again"), 1, "{}", run.alco.log());
    run.publish(10);
    run.all_are_stored_once();
    assert!(run.alco.stop().success());
}
