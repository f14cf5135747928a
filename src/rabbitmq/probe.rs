//! What the broker has of what alco needs, for `alco check`: nothing is declared that is not there.

use amiquip::{AmqpValue, Channel, Connection};

use crate::config::{Index, Rabbitmq};
use crate::rabbitmq::connect::connect;
use crate::rabbitmq::error::{NOT_FOUND, cannot, is_reply};
use crate::rabbitmq::{declare_exchange, declare_queue};

pub struct Probe {
    connection: Connection,
    /// which of the URLs answered
    pub address: String,
}

/// A queue that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// that wait
    pub messages: u32,
    pub consumers: u32,
}

impl Probe {
    /// The first of the brokers that answers.
    pub fn open(rabbitmq: &Rabbitmq) -> Result<Probe, String> {
        let mut failures = Vec::new();
        for url in &rabbitmq.urls {
            let address = url.without_password();
            match connect(rabbitmq, url.expose()) {
                Ok(connection) => return Ok(Probe { connection, address }),
                Err(why) => failures.push(format!("{address}: {why}")),
            }
        }
        Err(failures.join("; "))
    }

    /// `RabbitMQ 3.10.8`, as far as the broker says.
    pub fn product(&self) -> (String, String) {
        let property = |name: &str| match self.connection.server_properties().get(name) {
            Some(AmqpValue::LongString(text)) => text.to_string(),
            _ => String::new(),
        };
        (property("product"), property("version"))
    }

    /// Some: it is there, and perhaps what should be said of how. None: there is no such exchange.
    pub fn exchange(&mut self, rabbitmq: &Rabbitmq) -> Result<Option<Option<String>>, String> {
        let channel = self.channel()?;
        match channel.exchange_declare_passive(rabbitmq.exchange.as_str()) {
            Ok(_) => {}
            Err(error) if is_reply(&error, NOT_FOUND) => return Ok(None),
            Err(error) => return Err(cannot(&format!("use exchange '{}'", rabbitmq.exchange), &error)),
        }
        // it is there, so this compares
        declare_exchange(&mut self.connection, channel, rabbitmq).map(|(_, notice)| Some(notice))
    }

    /// None: there is no such queue. An error: it may not be used. With it, perhaps what should be said of how it is.
    pub fn queue(&mut self, index: &Index) -> Result<Option<(Queue, Option<String>)>, String> {
        let channel = self.channel()?;
        let found = match channel.queue_declare_passive(index.queue.as_str()) {
            Ok(queue) => Queue {
                messages: queue.declared_message_count().unwrap_or(0),
                consumers: queue.declared_consumer_count().unwrap_or(0),
            },
            Err(error) if is_reply(&error, NOT_FOUND) => return Ok(None),
            Err(error) => return Err(cannot(&format!("use queue '{}'", index.queue), &error)),
        };
        declare_queue(&mut self.connection, channel, index).map(|(_, notice)| Some((found, notice)))
    }

    /// A failed question closes its channel.
    fn channel(&mut self) -> Result<Channel, String> {
        self.connection.open_channel(None).map_err(|error| cannot("open a channel", &error))
    }
}
