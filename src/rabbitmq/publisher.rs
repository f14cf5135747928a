//! Publishes records to the exchange, and counts those that the broker has.
//!
//! Invariant: a record counts as confirmed only if the broker has confirmed it and has not returned it because no queue takes it.

use amiquip::{AmqpProperties, Channel, Confirm, ConfirmSmoother, Connection, Publish, Return};
use crossbeam_channel::{Receiver, select};

use crate::config::Rabbitmq;
use crate::rabbitmq::error::{Error, cannot};
use crate::rabbitmq::{Opened, ended, open};

pub struct Publisher {
    channel: Channel,
    confirms: Receiver<Confirm>,
    returns: Receiver<Return>,
    smoother: ConfirmSmoother,
    exchange: String,
    published: u64,
    confirmed: u64,
    /// records that the broker has returned, since no queue is bound for them
    returned: u64,
    connection: Connection,
}

impl Publisher {
    pub fn open(rabbitmq: &Rabbitmq) -> Result<Publisher, Error> {
        let Opened { connection, channel, .. } = open(rabbitmq)?;
        let confirms = channel
            .enable_publisher_confirms()
            .and_then(|()| channel.listen_for_publisher_confirms())
            .map_err(|error| cannot("ask for confirms", &error))?;
        let returns = channel.listen_for_returns().map_err(|error| cannot("listen for returned records", &error))?;
        Ok(Publisher {
            channel,
            confirms,
            returns,
            smoother: ConfirmSmoother::new(),
            exchange: rabbitmq.exchange.clone(),
            published: 0,
            confirmed: 0,
            returned: 0,
            connection,
        })
    }

    /// Publishes a persistent record, which the broker has to return if no queue takes it.
    pub fn publish(&mut self, routing_key: &str, body: &[u8]) -> Result<(), Error> {
        let properties = AmqpProperties::default().with_content_type("application/json".into()).with_delivery_mode(2);
        let publish = Publish { mandatory: true, ..Publish::with_properties(body, routing_key, properties) };
        self.channel.basic_publish(self.exchange.as_str(), publish).map_err(|error| cannot("publish", &error))?;
        self.published += 1;
        Ok(())
    }

    /// Waits until at most this number of records is unconfirmed.
    pub fn wait(&mut self, at_most: u64) -> Result<(), Error> {
        while self.published - self.confirmed > at_most {
            select! {
                recv(self.confirms) -> confirm => self.note(confirm.map_err(|_| self.closed())?)?,
                recv(self.returns) -> returned => {
                    returned.map_err(|_| self.closed())?;
                    self.returned += 1;
                }
            }
        }
        // the broker returns a record before it confirms it
        self.returned += self.returns.try_iter().count() as u64;
        Ok(())
    }

    /// The reason why no answer will come.
    fn closed(&self) -> Error {
        ended(&self.channel, "publish")
    }

    fn note(&mut self, confirm: Confirm) -> Result<(), Error> {
        let confirms: Vec<Confirm> = self.smoother.process(confirm).collect();
        for confirm in confirms {
            match confirm {
                Confirm::Ack(_) => self.confirmed += 1,
                Confirm::Nack(_) => return Err(Error::Lost("the broker did not take a record".to_owned())),
            }
        }
        Ok(())
    }

    pub fn published(&self) -> u64 {
        self.published
    }

    /// The number of records that the broker has and a queue has taken.
    pub fn confirmed(&self) -> u64 {
        self.confirmed - self.returned.min(self.confirmed)
    }

    pub fn returned(&self) -> u64 {
        self.returned
    }

    pub fn close(self) -> Result<(), Error> {
        self.connection.close().map_err(|error| cannot("close the connection", &error))
    }
}
