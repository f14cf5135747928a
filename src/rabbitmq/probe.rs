//! Looks for the exchange and the queues that alco needs, for `alco check`, and for a worker whose session waits. It declares none
//! that is missing.

use amiquip::{Channel, Connection};

use crate::config::{Index, Rabbitmq};
use crate::rabbitmq::amqp_stream::StreamNotes;
use crate::rabbitmq::connect::connect;
use crate::rabbitmq::error::{Error, cannot};
use crate::rabbitmq::{Queue, declare, first_of, product};

pub struct Probe {
    connection: Connection,
    stream: StreamNotes,
    /// the URL that has answered, without its password
    pub address: String,
}

impl Probe {
    /// Connects to the first broker that answers.
    pub fn open(rabbitmq: &Rabbitmq) -> Result<Probe, Error> {
        first_of(rabbitmq, |url| {
            let (connection, stream) = connect(rabbitmq, url.expose())?;
            Ok(Probe { connection, stream, address: url.without_password() })
        })
    }

    /// Product and version, such as `RabbitMQ` and `3.10.8`; empty if the broker does not send them.
    pub fn product(&self) -> (String, String) {
        product(&self.connection)
    }

    /// A notice if the exchange has other properties than configured.
    ///
    /// # Errors
    /// `NotFound`: there is no such exchange.
    pub fn exchange(&mut self, rabbitmq: &Rabbitmq) -> Result<Option<String>, Error> {
        let _asking = self.stream.asks();
        let channel = self.channel()?;
        channel
            .exchange_declare_passive(rabbitmq.exchange.as_str())
            .map_err(|error| cannot(&format!("use exchange '{}'", rabbitmq.exchange), &error))?;
        // the exchange exists, so declaring it only compares
        declare::exchange(&mut self.connection, channel, rabbitmq).map(|(_, notice)| notice)
    }

    /// The queue, and notices if it has other properties than configured.
    ///
    /// # Errors
    /// `NotFound`: there is no such queue.
    pub fn queue(&mut self, index: &Index) -> Result<(Queue, Vec<String>), Error> {
        let found = self.queue_named(&index.queue)?;
        let _asking = self.stream.asks();
        let channel = self.channel()?;
        // the queue exists, so declaring it only compares
        declare::queue(&mut self.connection, channel, index).map(|(_, notices)| (found, notices))
    }

    /// A queue that may be that of no index.
    ///
    /// # Errors
    /// `NotFound`: there is no such queue.
    pub fn queue_named(&mut self, name: &str) -> Result<Queue, Error> {
        let _asking = self.stream.asks();
        let channel = self.channel()?;
        let queue =
            channel.queue_declare_passive(name).map_err(|error| cannot(&format!("use queue '{name}'"), &error))?;
        Ok(Queue {
            messages: queue.declared_message_count().unwrap_or(0),
            consumers: queue.declared_consumer_count().unwrap_or(0),
        })
    }

    /// Opens a channel, one for each question: a failed one closes its channel.
    fn channel(&mut self) -> Result<Channel, Error> {
        self.connection.open_channel(None).map_err(|error| cannot("open a channel", &error))
    }
}
