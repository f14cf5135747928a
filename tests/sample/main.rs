//! Sample records for the demo: two days of a small web shop, the last six hours of them busy and with an incident (the same hours
//! of the day before have a quarter of the records), and then a few records a second until killed. `shop` has the story and its
//! solution.
//!
//!     cargo run --example sample -- --url amqp://guest:guest@127.0.0.1:5672/%2f --queue web --queue billing --queue stock
//!
//! Routing keys are `logstash.<project>.<logger>`, bodies have the form of logcollect. The records are persistent, and count as
//! sent when the broker has confirmed them.

mod shop;
mod words;

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use amiquip::{
    AmqpProperties, Channel, Confirm, ConfirmSmoother, Connection, ExchangeDeclareOptions, ExchangeType, Publish,
};
use argh::FromArgs;
use crossbeam_channel::Receiver;
use jiff::{SignedDuration, Timestamp};

use crate::shop::{Record, Shop};

/// Publishes sample log records.
#[derive(FromArgs)]
struct Options {
    /// the broker
    #[argh(option, default = "String::from(\"amqp://guest:guest@127.0.0.1:5672/%2f\")")]
    url: String,
    /// a durable topic exchange
    #[argh(option, default = "String::from(\"logstash\")")]
    exchange: String,
    /// wait until this queue has a consumer; may be repeated
    #[argh(option)]
    queue: Vec<String>,
    /// records of the last six hours
    #[argh(option, default = "60000")]
    count: usize,
    /// end then
    #[argh(switch)]
    once: bool,
}

/// Publishes and waits until the broker has confirmed all that is on its way.
struct Broker {
    channel: Channel,
    confirms: Receiver<Confirm>,
    smoother: ConfirmSmoother,
    waiting: usize,
    exchange: String,
    _connection: Connection,
}

impl Broker {
    fn open(options: &Options) -> Result<Broker, Box<dyn Error>> {
        let mut connection = Connection::insecure_open(&options.url)?;
        for queue in &options.queue {
            let deadline = Instant::now() + Duration::from_secs(30);
            while !has_consumer(&mut connection, queue) {
                if Instant::now() > deadline {
                    return Err(format!("the queue {queue} has no consumer").into());
                }
                thread::sleep(Duration::from_millis(100));
            }
        }
        let channel = connection.open_channel(None)?;
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        channel.exchange_declare(ExchangeType::Topic, &options.exchange, durable)?;
        channel.enable_publisher_confirms()?;
        let confirms = channel.listen_for_publisher_confirms()?;
        let exchange = options.exchange.clone();
        Ok(Broker {
            channel,
            confirms,
            smoother: ConfirmSmoother::new(),
            waiting: 0,
            exchange,
            _connection: connection,
        })
    }

    fn publish(&mut self, (routing_key, body): &Record) -> Result<(), Box<dyn Error>> {
        let properties = AmqpProperties::default().with_delivery_mode(2).with_content_type("application/json".into());
        let body = body.to_string();
        let message = Publish::with_properties(body.as_bytes(), routing_key, properties);
        self.channel.basic_publish(&self.exchange, message)?;
        self.waiting += 1;
        Ok(())
    }

    fn confirmed(&mut self) -> Result<(), Box<dyn Error>> {
        while self.waiting > 0 {
            let confirm =
                self.confirms.recv_timeout(Duration::from_secs(30)).map_err(|_| "the broker does not confirm")?;
            for confirm in self.smoother.process(confirm) {
                if let Confirm::Nack(_) = confirm {
                    return Err("the broker refused a record".into());
                }
                self.waiting -= 1;
            }
        }
        Ok(())
    }
}

/// A queue that does not exist costs the channel.
fn has_consumer(connection: &mut Connection, queue: &str) -> bool {
    let Ok(channel) = connection.open_channel(None) else { return false };
    let consumers = channel.queue_declare_passive(queue).ok().and_then(|queue| queue.declared_consumer_count());
    consumers.is_some_and(|count| count > 0)
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut broker = Broker::open(options)?;
    let now = Timestamp::now();
    let mut shop = Shop::new(now);
    shop.live_until_now(options.count);
    let mut sent = 0;
    while let Some(record) = shop.next_until(now) {
        broker.publish(&record)?;
        sent += 1;
    }
    broker.confirmed()?;
    println!("{sent} records of the last two days sent");
    if options.once {
        return Ok(());
    }
    let mut next_request = Timestamp::now();
    loop {
        let next = shop.next_at().map_or(next_request, |record| record.min(next_request));
        thread::sleep(Timestamp::now().duration_until(next).max(SignedDuration::ZERO).unsigned_abs());
        while next_request <= Timestamp::now() {
            shop.any_request(next_request);
            next_request += shop.until_next_request();
        }
        while let Some(record) = shop.next_until(Timestamp::now()) {
            broker.publish(&record)?;
        }
        broker.confirmed()?;
    }
}

fn main() -> ExitCode {
    let options: Options = argh::from_env();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sample: cannot publish to {}: {error}", options.exchange);
            ExitCode::FAILURE
        }
    }
}
