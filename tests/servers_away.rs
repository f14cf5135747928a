//! Servers that go away or misbehave: alco logs one line when an outage begins and one when it ends, for all workers together.
//! Collecting goes on by itself, and records that were published meanwhile are stored exactly once.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use amiquip::{Connection, ExchangeDeclareOptions, ExchangeType, QueueDeleteOptions};

use crate::support::{ALCO, Alco, LONG, Publisher, Stack, body, directory, executable, queue_state, soak, wait_until};

const SERVERS: [&str; 3] = ["rabbitmq", "redis", "searchd"];

/// The servers, and what was published for the index `away`.
struct Outages {
    stack: Stack,
    published: u64,
}

impl Outages {
    fn start(stack: Stack) -> Outages {
        let publisher = Publisher::to_queue(&stack.amqp, "away");
        publisher.close();
        Outages { stack, published: 0 }
    }

    fn publish_to(&mut self, exchange: &str, key: &str) {
        let mut publisher = Publisher::open(&self.stack.amqp);
        let numbers = self.published..self.published + 100;
        publisher.publish(exchange, key, numbers.map(|n| body(&format!("record {n}"))));
        publisher.close();
        self.published += 100;
    }

    fn publish(&mut self) {
        self.publish_to("logstash", "away.key");
    }

    #[track_caller]
    fn all_are_stored_once(&self) {
        let stored = self.stack.settled("away", self.published, LONG);
        let twice: Vec<_> = stored.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
        assert_eq!(stored.len() as u64, self.published);
    }

    /// A server is away between `begins` and `ends`: alco logs each once, and stores the records that are published meanwhile.
    #[track_caller]
    fn outage(&mut self, alco: &Alco, what: &str, begins: impl FnOnce(&Stack), ends: impl FnOnce(&Stack)) {
        let (began, ended) = (alco.logged(BEGINS), alco.logged(ENDS));
        begins(&self.stack);
        self.publish();
        wait_until("the outage is logged", LONG, || (alco.logged(BEGINS) > began).then_some(()));
        ends(&self.stack);
        wait_until("its end is logged", LONG, || (alco.logged(ENDS) > ended).then_some(()));
        self.all_are_stored_once();
        let lines = (alco.logged(BEGINS) - began, alco.logged(ENDS) - ended);
        assert_eq!(lines, (1, 1), "lines when '{what}' began and ended:\n{}", alco.log());
    }
}

const BEGINS: &str = "trying again until it works";
const ENDS: &str = "is back after";

fn ini(more: &str) -> String {
    format!("[index away]\ndays = 2\nrouting_keys = away.#\n{more}")
}

#[test]
fn outages_of_searchd_and_redis_are_logged_once() {
    // searchd serves only yesterday's index while that file is there
    let dir = directory("without-today");
    let (standin, without) = (dir.join("alco"), dir.join("without"));
    let script = format!(
        "[ -e {without} ] || exec {ALCO} \"$@\"\n\
         {ALCO} \"$@\" | awk '/^index away_[0-9]/ {{ skip = n++ }} !skip {{ print }} /^}}/ {{ skip = 0 }}'\n",
        without = without.display()
    );
    executable(&standin, &script);
    // two workers notice it, and alco logs it once
    let ini = ini("threads = 2\n");
    let mut run = Outages::start(Stack::of("away", &SERVERS, &standin, &ini));

    run.stack.stop("searchd");
    let alco = Alco::spawn(&run.stack, &ini);
    run.outage(&alco, "searchd is down at the start", |_| (), |stack| stack.restart("searchd"));
    run.outage(&alco, "searchd is killed", |stack| stack.kill("searchd"), |stack| stack.restart("searchd"));
    a_day_is_missing_after_a_restart(&mut run, &alco, &without);
    searchd_is_silent(&mut run, &alco);
    run.outage(&alco, "redis is killed", |stack| stack.kill("redis"), |stack| stack.restart("redis"));
    let lose = |stack: &Stack| {
        stack.kill("redis");
        fs::remove_dir_all(stack.dir().join("redis/appendonlydir")).unwrap();
    };
    run.outage(&alco, "redis comes back empty", lose, |stack| stack.restart("redis"));
    let set = |key: &'static str, value: &'static str| {
        move |stack: &Stack| stack.ask_redis::<()>(&["CONFIG", "SET", key, value])
    };
    run.outage(&alco, "redis is read-only", set("min-replicas-to-write", "1"), set("min-replicas-to-write", "0"));
    run.outage(&alco, "redis is out of memory", set("maxmemory", "1000"), set("maxmemory", "0"));
    assert!(alco.stop().success());
    redis_is_down_at_the_start(&mut run, &ini);
}

/// alco does not log a restart of searchd between two batches, but it logs the day that is missing after it.
#[track_caller]
fn a_day_is_missing_after_a_restart(run: &mut Outages, alco: &Alco, without: &Path) {
    let (began, ended) = (alco.logged(BEGINS), alco.logged(ENDS));
    fs::write(without, "").unwrap();
    run.stack.stop("searchd");
    run.stack.restart("searchd");
    run.publish();
    wait_until("the outage is logged", LONG, || (alco.logged("searchd does not serve away_") == 1).then_some(()));
    assert_eq!((alco.logged(BEGINS) - began, alco.logged(ENDS) - ended), (1, 0), "{}", alco.log());
    fs::remove_file(without).unwrap();
    run.stack.reread();
    wait_until("its end is logged", LONG, || (alco.logged(ENDS) - ended == 1).then_some(()));
    run.all_are_stored_once();
    assert_eq!(alco.logged(BEGINS) - began, 1, "{}", alco.log());
}

/// A searchd that is silent for a while is not away: alco waits for the answer.
#[track_caller]
fn searchd_is_silent(run: &mut Outages, alco: &Alco) {
    let before = alco.logged(BEGINS);
    run.stack.pause("searchd");
    run.publish();
    wait_until("they are delivered", LONG, || queue_state(&run.stack.amqp, "away").filter(|queue| queue.messages == 0));
    if soak() {
        thread::sleep(Duration::from_secs(30));
    }
    run.stack.resume("searchd");
    run.all_are_stored_once();
    assert_eq!(alco.logged(BEGINS), before, "{}", alco.log());
}

#[track_caller]
fn redis_is_down_at_the_start(run: &mut Outages, ini: &str) {
    run.stack.stop("redis");
    let alco = Alco::spawn(&run.stack, ini);
    run.publish();
    wait_until("the outage is logged", LONG, || (alco.logged(BEGINS) > 0).then_some(()));
    run.stack.restart("redis");
    wait_until("its end is logged", LONG, || (alco.logged(ENDS) > 0).then_some(()));
    run.all_are_stored_once();
    assert_eq!((alco.logged(BEGINS), alco.logged(ENDS)), (1, 1), "{}", alco.log());
    assert!(alco.stop().success());
}

#[test]
fn outages_of_rabbitmq_are_logged_once() {
    let mut run = Outages::start(Stack::private("broker", &ini("")));
    let alco = bindings_leave_the_ini(&mut run);
    the_broker_has_no_memory(&mut run);
    the_queue_is_deleted(&mut run, &alco);
    the_broker_is_killed(&mut run, &alco);
    the_broker_is_silent(&mut run, &alco);
    assert!(alco.stop().success());
    an_acknowledgement_is_late(&mut run);
    the_broker_is_down_at_the_start(&mut run);
    the_exchange_has_other_properties(&mut run);
}

fn open(stack: &Stack) -> Connection {
    Connection::insecure_open(&stack.amqp).unwrap()
}

/// Bindings that are no longer configured.
#[track_caller]
fn bindings_leave_the_ini(run: &mut Outages) -> Alco {
    let alco = Alco::start(&run.stack, &ini("").replace("away.#", "away.#, former.#"));
    run.publish_to("logstash", "former.key");
    run.all_are_stored_once();
    assert!(alco.stop().success());
    let alco = Alco::start(&run.stack, &ini(""));
    assert_eq!(alco.logged("is no longer bound to 'logstash' with 'former.#'"), 1, "{}", alco.log());
    let mut publisher = Publisher::open(&run.stack.amqp);
    publisher.publish("logstash", "former.key", [body("no queue takes this")]);
    publisher.close();
    run.publish();
    run.all_are_stored_once();
    alco
}

/// A broker without memory takes no records, but still delivers those that it holds.
#[track_caller]
fn the_broker_has_no_memory(run: &mut Outages) {
    run.publish();
    run.stack.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1"]);
    run.all_are_stored_once();
    run.stack.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "512MB"]);
}

/// The queue is deleted, and with it the consumer cancelled.
#[track_caller]
fn the_queue_is_deleted(run: &mut Outages, alco: &Alco) {
    let (began, ended) = (alco.logged(BEGINS), alco.logged(ENDS));
    let mut connection = open(&run.stack);
    let channel = connection.open_channel(None).unwrap();
    channel.queue_delete("away", QueueDeleteOptions::default()).unwrap();
    wait_until("it is back", LONG, || (alco.logged(ENDS) > ended).then_some(()));
    // alco may be polling the queue's length at that moment, and learns it from that answer
    let told = alco.logged("cancelled the consumer") + alco.logged("no queue 'away'");
    assert_eq!((alco.logged(BEGINS) - began, told), (1, 1), "{}", alco.log());
    run.publish();
    run.all_are_stored_once();
}

/// Killed, and there again.
#[track_caller]
fn the_broker_is_killed(run: &mut Outages, alco: &Alco) {
    run.publish();
    let (began, ended) = (alco.logged(BEGINS), alco.logged(ENDS));
    run.stack.kill("rabbitmq");
    run.stack.restart("rabbitmq");
    wait_until("it is back", LONG, || (alco.logged(ENDS) > ended).then_some(()));
    run.publish();
    run.all_are_stored_once();
    assert_eq!((alco.logged(BEGINS) - began, alco.logged(ENDS) - ended), (1, 1), "{}", alco.log());
}

/// A half-open connection gives neither an answer nor an end; alco notices after two heartbeats.
#[track_caller]
fn the_broker_is_silent(run: &mut Outages, alco: &Alco) {
    let (began, ended) = (alco.logged(BEGINS), alco.logged(ENDS));
    run.stack.pause("rabbitmq");
    wait_until("the outage is logged", LONG, || (alco.logged(BEGINS) > began).then_some(()));
    run.stack.resume("rabbitmq");
    wait_until("it is back", LONG, || (alco.logged(ENDS) > ended).then_some(()));
    run.publish();
    run.all_are_stored_once();
    assert_eq!((alco.logged(BEGINS) - began, alco.logged(ENDS) - ended), (1, 1), "{}", alco.log());
}

/// A late acknowledgement: the broker closes the channel.
#[track_caller]
fn an_acknowledgement_is_late(run: &mut Outages) {
    let timeouts = |consumer: u32, tick: u32| {
        format!(
            "application:set_env(rabbit, consumer_timeout, {consumer}), application:set_env(rabbit, channel_tick_interval, {tick})."
        )
    };
    run.stack.rabbitmqctl(&["eval", &timeouts(1000, 500)]);
    let alco = Alco::start(&run.stack, &ini("[rabbitmq]\nack_delay = 8s\n"));
    run.publish();
    wait_until("the channel is closed", LONG, || (alco.logged("closed the channel") > 0).then_some(()));
    run.stack.rabbitmqctl(&["eval", &timeouts(1_800_000, 60_000)]);
    let closed = alco.logged("closed the channel");
    wait_until("all are acknowledged", LONG, || {
        // the last session with the short timeout ends by it
        (alco.logged(ENDS) >= closed && queue_state(&run.stack.amqp, "away")?.consumers == 1).then_some(())
    });
    run.publish();
    run.all_are_stored_once();
    assert!(alco.stop().success());
}

/// No broker listens when alco starts, nor for some time after.
#[track_caller]
fn the_broker_is_down_at_the_start(run: &mut Outages) {
    run.stack.stop("rabbitmq");
    let alco = Alco::spawn(&run.stack, &ini(""));
    wait_until("the outage is logged", LONG, || (alco.logged(BEGINS) > 0).then_some(()));
    run.stack.restart("rabbitmq");
    wait_until("it is back", LONG, || (alco.logged(ENDS) > 0).then_some(()));
    run.publish();
    run.all_are_stored_once();
    assert_eq!((alco.logged(BEGINS), alco.logged(ENDS)), (1, 1), "{}", alco.log());
    assert!(alco.stop().success());
}

/// Another program has declared the exchange with other properties.
#[track_caller]
fn the_exchange_has_other_properties(run: &mut Outages) {
    let mut connection = open(&run.stack);
    let channel = connection.open_channel(None).unwrap();
    channel.exchange_declare(ExchangeType::Topic, "odd", ExchangeDeclareOptions::default()).unwrap();
    let odd = |durable: &str| ini(&format!("[rabbitmq]\nexchange = odd\nexchange_durable = {durable}\n"));
    let alco = Alco::start(&run.stack, &odd("auto"));
    assert_eq!(alco.logged("exists with other properties and is used as it is"), 1, "{}", alco.log());
    run.publish_to("odd", "away.key");
    run.all_are_stored_once();
    assert!(alco.stop().success());
    let alco = Alco::spawn(&run.stack, &odd("yes"));
    wait_until("the outage is logged", LONG, || (alco.logged(BEGINS) > 0).then_some(()));
    let log = alco.log();
    let line = log.lines().find(|line| line.contains(BEGINS)).unwrap();
    for part in ["'odd'", "durable = true", "'durable'", "'true'", "'false'", "exchange_durable"] {
        assert!(line.contains(part), "no {part} in: {line}");
    }
    channel.exchange_delete("odd", false).unwrap();
    wait_until("it is back", LONG, || (alco.logged(ENDS) > 0).then_some(()));
    assert_eq!((alco.logged(BEGINS), alco.logged(ENDS)), (1, 1), "{}", alco.log());
    run.publish_to("odd", "away.key");
    run.all_are_stored_once();
    assert!(alco.stop().success());
}
