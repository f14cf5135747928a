//! Docids: none is given twice, none is 0, and none passes 2^53, even if Redis loses its data or the clock is wrong.

use std::collections::HashSet;

use mysql::prelude::Queryable;
use nix::sys::signal::Signal;

use crate::support::{Alco, Publisher, SOON, Stack, body, wait_until};

const INI: &str = "[index leases]\ndays = 2\nrouting_keys = leases.#\n";

struct NumberedRecords {
    stack: Stack,
    published: usize,
}

impl NumberedRecords {
    /// Publishes `count` numbered records.
    fn publish(&mut self, count: usize) {
        let mut publisher = Publisher::to_queue(&self.stack.amqp, "leases");
        let numbers = self.published..self.published + count;
        publisher.publish("logstash", "leases.key", numbers.map(|n| body(&format!("record {n}"))));
        publisher.close();
        self.published += count;
    }

    /// Waits for all, checks that each is there once, and returns the highest id.
    #[track_caller]
    fn check(&self, strangers: usize) -> u64 {
        let all = self.published + strangers;
        wait_until("all are stored", SOON * 2, || self.stack.count("leases").filter(|n| *n >= all as u64));
        let documents = self.stack.documents("leases");
        assert_eq!(documents.len(), all, "each record once");
        let messages: HashSet<_> = documents.iter().map(|(_, message)| message).collect();
        assert_eq!(messages.len(), all);
        let ids: HashSet<_> = documents.iter().map(|(id, _)| id).collect();
        assert_eq!(ids.len(), all, "each id once");
        assert!(documents.iter().all(|(id, _)| *id > 0 && *id < 1 << 53));
        documents.last().map_or(0, |(id, _)| *id)
    }
}

#[test]
fn docids_are_unique_after_redis_loss_and_clock_jump() {
    let mut run = NumberedRecords { stack: Stack::private("leases", INI), published: 0 };
    // two daemons on one queue and one Redis, for more records than one block has
    run.publish(40_000);
    let (one, two) = (Alco::start(&run.stack, INI), Alco::start(&run.stack, INI));
    let mut highest = run.check(0);
    assert!(one.stop().success() && two.stop().success());

    // another client of Redis has written what alco never writes
    let strange: &[u8] = b"\xff\xfe";
    let mut redis = redis::Client::open(run.stack.redis.as_str()).unwrap().get_connection().unwrap();
    redis::cmd("HSET").arg("ALCO:LEASES:leases").arg(strange).arg(strange).exec(&mut redis).unwrap();
    redis::cmd("ZADD").arg("ALCO:CLAIMS:leases").arg(1).arg(strange).exec(&mut redis).unwrap();
    redis::cmd("SADD").arg("ALCO:BINDINGS:leases").arg(strange).exec(&mut redis).unwrap();

    // a restart in the middle of a block, in good order and not
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let mut alco = Alco::start(&run.stack, INI);
        run.publish(100);
        highest = run.check(0).max(highest);
        alco.signal(signal);
        alco.ended(SOON);
        assert_eq!(alco.logged("ALCO:LEASES:leases in Redis has 1 fields that are no leases"), 1, "{}", alco.log());
    }

    // a number beyond all docids is passed over, and so is what is none
    for number in [((1_u64 << 53) - 1000).to_string().as_str(), "inf", "nan", "-7", "strange"] {
        run.stack.ask_redis::<()>(&["SET", "ALCO:PK:leases", number]);
        let alco = Alco::start(&run.stack, INI);
        run.publish(100);
        let last = run.check(0);
        assert!(last > highest && last < highest + (1 << 40), "{number}: {last} after {highest}");
        highest = last;
        assert!(alco.stop().success());
    }

    // another's turn that has no end gets one
    let nodes: Vec<String> = run.stack.ask_redis(&["HKEYS", "ALCO:NODES"]);
    let saving = format!("ALCO:SAVING:leases:{}", nodes[0]);
    run.stack.ask_redis::<()>(&["SET", &saving, "strange"]);
    let alco = Alco::start(&run.stack, INI);
    run.publish(100);
    let ends = || (run.stack.ask_redis::<i64>(&["TTL", &saving]) > 0).then_some(());
    wait_until("the turn has an end", SOON, ends);
    run.stack.ask_redis::<()>(&["DEL", &saving]);
    highest = run.check(0);
    assert!(alco.stop().success());

    // Redis has forgotten everything
    run.stack.ask_redis::<()>(&["FLUSHALL"]);
    let alco = Alco::start(&run.stack, INI);
    run.publish(100);
    run.check(0);
    let of_run: u64 = run.stack.documents("leases").iter().filter(|(id, _)| *id > highest).count() as u64;
    assert_eq!(of_run, 100, "all ids of this run are above all earlier ones");

    // Redis is emptied while alco runs
    run.stack.ask_redis::<()>(&["FLUSHALL"]);
    run.publish(20_000);
    run.check(0);
    assert!(alco.stop().success());

    // The clock went back by one hour: a stored docid is one hour ahead of it, and Redis has lost that too.
    let ahead = (jiff::Timestamp::now().as_millisecond() as u64 + 3_600_000) * 2048;
    let today = jiff::Timestamp::now().strftime("%Y%m%d");
    let statement = |id: u64| {
        format!(
            "REPLACE INTO leases_{today} (id,ts,seq,digest,logline,js,exact,line,cols) VALUES ({id},{},0,1,'ahead','{{}}','','ahead','')",
            jiff::Timestamp::now().as_microsecond()
        )
    };
    run.stack.sphinxql().query_drop(statement(ahead)).unwrap();
    run.stack.ask_redis::<()>(&["FLUSHALL"]);
    let alco = Alco::start(&run.stack, INI);
    run.publish(100);
    run.check(1);
    let behind = run.stack.documents("leases").iter().filter(|(id, _)| *id > ahead).count();
    assert_eq!(behind, 100, "all ids of this run are above the highest stored one");
    assert!(alco.stop().success());

    // searchd has a docid after which there is none
    run.stack.sphinxql().query_drop(statement((1 << 53) - 5)).unwrap();
    let alco = Alco::start(&run.stack, INI);
    Publisher::to_queue(&run.stack.amqp, "leases").publish("logstash", "leases.key", [body("it waits")]);
    wait_until("it is logged", SOON, || {
        (alco.logged("no docids are left for leases: searchd has one") == 1).then_some(())
    });
    assert!(alco.stop().success());
}
