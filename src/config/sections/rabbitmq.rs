//! `[rabbitmq]`: the broker, its exchange, and how workers batch. Pure.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::secret::Secret;
use crate::config::section::Reader;
use crate::config::value;
use crate::config::value::{choice, list_of, non_zero, not_empty, number, optional};
use crate::net::tls::Authorities;

/// A record of 4 MiB and a full batch still fit into searchd's max_packet_size of 64M.
const MAX_BATCH_BYTES: usize = 16 << 20;

#[derive(Clone, Debug, PartialEq)]
pub struct Rabbitmq {
    /// where there is a `password_file`, each has the password of that file
    pub urls: Vec<Secret>,
    pub exchange: String,
    pub exchange_type: String,
    pub exchange_durable: ExchangeDurable,
    pub batch: BatchLimits,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    /// what ca_file holds
    pub authorities: Option<Authorities>,
    pub ack_delay: Duration,
    pub redelivery_wait: Duration,
}

/// A worker stores a batch as soon as it reaches one of these limits: the number of its records, the age of its first record,
/// the size of its SphinxQL in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    pub records: NonZeroUsize,
    pub age: Duration,
    pub size: NonZeroUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeDurable {
    Auto,
    Yes,
    No,
}

impl Default for Rabbitmq {
    fn default() -> Rabbitmq {
        Rabbitmq {
            urls: vec![Secret::new("amqp://guest:guest@127.0.0.1:5672/%2f".to_owned())],
            exchange: "logstash".to_owned(),
            exchange_type: "topic".to_owned(),
            exchange_durable: ExchangeDurable::Auto,
            batch: BatchLimits {
                records: NonZeroUsize::new(1000).expect("not 0"),
                age: Duration::from_secs(1),
                size: NonZeroUsize::new(4 << 20).expect("not 0"),
            },
            password_file: None,
            ca_file: None,
            authorities: None,
            ack_delay: Duration::ZERO,
            redelivery_wait: Duration::from_secs(60),
        }
    }
}

impl Rabbitmq {
    /// Takes the keys of the section.
    pub fn read(&mut self, from: &mut Reader) {
        from.take_list("url", &mut self.urls, not_empty(list_of(value::url(&["amqp", "amqps"])), "leave the line out"));
        from.take("exchange", &mut self.exchange, value::amqp_name);
        from.take("exchange_type", &mut self.exchange_type, |value| match value {
            // types of plugins begin with x-
            "topic" | "fanout" | "direct" | "headers" => Ok(value.to_owned()),
            value if value.starts_with("x-") => Ok(value.to_owned()),
            value => Err(format!("'{value}' is not one of topic, fanout, direct, headers, x-…")),
        });
        let durable = [("auto", ExchangeDurable::Auto), ("yes", ExchangeDurable::Yes), ("no", ExchangeDurable::No)];
        from.take("exchange_durable", &mut self.exchange_durable, choice(&durable));
        from.take("batch_records", &mut self.batch.records, |value| non_zero(number(1..=100_000usize)(value)?));
        let ages = Duration::from_millis(1)..=Duration::from_secs(60);
        from.take("batch_age", &mut self.batch.age, value::duration_within(ages));
        from.take("batch_size", &mut self.batch.size, |value| non_zero(value::size(1 << 10..=MAX_BATCH_BYTES)(value)?));
        from.take("password_file", &mut self.password_file, optional(value::path));
        from.take("ca_file", &mut self.ca_file, optional(value::path));
        // for this long a worker keeps the tags of stored deliveries; RabbitMQ's consumer timeout is half an hour
        from.take("ack_delay", &mut self.ack_delay, value::duration_within(Duration::ZERO..=Duration::from_secs(600)));
        let waits = Duration::ZERO..=Duration::from_secs(600);
        from.take("redelivery_wait", &mut self.redelivery_wait, value::duration_within(waits));
        if self.ca_file.is_some() && !self.urls.iter().any(|url| url.expose().starts_with("amqps:")) {
            from.wrong_at("ca_file", value::no_tls("amqps", "5671"));
        }
        if self.password_file.is_some() && self.urls.iter().any(|url| !url.expose().contains('@')) {
            let what = "password_file: an address in url has no user; write amqp://user@host:port/…";
            from.wrong_at("password_file", what.to_owned());
        }
    }
}
