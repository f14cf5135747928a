//! RabbitMQ: connect, declare, bind, prefetch, consume, ack, dead queue. The only door to amiquip.
//!
//! A `Session` is one connection with one channel for one worker. Delivery tags never leave it: alco acknowledges a `Tag`, which
//! holds the delivery of its own session. When an operation on it fails, the session is over, and only a new one helps.

mod amqp_stream;
mod connect;
mod dead_letter;
mod declare;
mod error;
mod frames;
pub mod probe;
pub mod properties;
pub mod publisher;

use std::sync::Arc;
use std::time::Duration;

use amiquip::{AmqpValue, Channel, Confirm, Connection, ConsumerOptions, Error as AmqpError, FieldTable, Publish};
pub use amiquip::{ConsumerMessage as Message, Delivery};
use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};

use crate::config::{Index, QueueType, Rabbitmq, Secret};
use crate::rabbitmq::amqp_stream::StreamNotes;
use crate::rabbitmq::connect::connect;
use crate::rabbitmq::error::cannot;

pub use crate::rabbitmq::error::Error;

/// A broker that is out of memory or disk blocks publishers. A dead record waits for its confirm this long; then alco gives the
/// session up.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(30);

pub struct Session {
    connection: Connection,
    channel: Channel,
    queue_type: QueueType,
    /// for the dead queue only, opened when it is needed
    dead: Option<(Channel, Receiver<Confirm>)>,
    /// texts to log once, about an exchange or a queue that has other properties
    pub notices: Vec<String>,
    /// deliveries of a record after which the broker drops it, if the queue has such a limit
    pub delivery_limit: Option<u64>,
    stream: StreamNotes,
}

/// A queue that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// messages that wait
    pub messages: u32,
    pub consumers: u32,
}

/// A connection with a channel on which the exchange is declared.
struct Opened {
    connection: Connection,
    channel: Channel,
    /// a text to log once, if the exchange has other properties
    notice: Option<String>,
    stream: StreamNotes,
}

/// Receives the deliveries of a session, and then the reason why no more will come.
pub type Deliveries = Receiver<Message>;

/// A delivery without its body: enough to acknowledge it and all before it.
#[derive(Debug)]
pub struct Tag(Delivery);

impl From<Arc<Delivery>> for Tag {
    fn from(delivery: Arc<Delivery>) -> Tag {
        // only the delivery's last record still holds it, unless an earlier one does too
        let mut delivery = Arc::unwrap_or_clone(delivery);
        delivery.body = Vec::new();
        Tag(delivery)
    }
}

/// The part of a delivery that goes to the dead queue.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// the delivery as it came
    Whole,
    /// one of its records: its position and its text, unpacked
    Record(usize, &'a [u8]),
}

impl Session {
    /// Tries the addresses in turn, connects, and declares exchange and queue. The caller then binds the queue.
    pub fn open(rabbitmq: &Rabbitmq, index: &Index) -> Result<Session, Error> {
        let Opened { mut connection, channel, notice, stream } = open(rabbitmq)?;
        let asking = stream.asks();
        let (channel, of_queue) = asking.outcome(declare::queue(&mut connection, channel, index))?;
        let notices = notice.into_iter().chain(of_queue).collect();
        let (_, version) = product(&connection);
        let delivery_limit = declare::delivery_limit(index, &version);
        Ok(Session { connection, channel, queue_type: index.queue_type, dead: None, notices, delivery_limit, stream })
    }

    /// Why the connection was given up, if the broker, or another program, sent what no broker sends.
    pub fn wrong(&self) -> Option<Error> {
        self.stream.wrong()
    }

    /// Notes that the body of a delivery waits no longer.
    pub fn take_body(&self, delivery: &Delivery) {
        self.stream.take_body(delivery.body.len());
    }

    /// The number of deliveries since the last call with text that was not UTF-8, or with headers nested too deep: they came with
    /// U+FFFD, and without what was too deep.
    pub fn take_changed(&self) -> u64 {
        self.stream.take_changed()
    }

    pub fn bind(&self, queue: &str, exchange: &str, routing_key: &str) -> Result<(), Error> {
        let _asking = self.stream.asks();
        self.channel
            .queue_bind(queue, exchange, routing_key, FieldTable::new())
            .map_err(|error| cannot(&format!("bind queue '{queue}' to '{exchange}' with '{routing_key}'"), &error))
    }

    pub fn unbind(&self, queue: &str, exchange: &str, routing_key: &str) -> Result<(), Error> {
        let _asking = self.stream.asks();
        self.channel
            .queue_unbind(queue, exchange, routing_key, FieldTable::new())
            .map_err(|error| cannot(&format!("unbind queue '{queue}' from '{exchange}' with '{routing_key}'"), &error))
    }

    /// Sets the number of deliveries that may be unacknowledged, for the whole channel and for a consumer that runs already.
    ///
    /// A quorum queue has no limit for the whole channel: its limit belongs to the consumer, and stays as it was at the consumer's
    /// start.
    pub fn prefetch(&self, count: u16, queue_type: QueueType) -> Result<(), Error> {
        self.stream.limit(count);
        let _asking = self.stream.asks();
        self.channel
            .qos(0, count, queue_type == QueueType::Classic)
            .map_err(|error| cannot("set the prefetch limit", &error))
    }

    /// The state of the queue, which must exist.
    pub fn queue(&self, queue: &str) -> Result<Queue, Error> {
        let _asking = self.stream.asks();
        let queue = self.channel.queue_declare_passive(queue).map_err(|error| cannot("ask for the backlog", &error))?;
        Ok(Queue {
            messages: queue.declared_message_count().unwrap_or(0),
            consumers: queue.declared_consumer_count().unwrap_or(0),
        })
    }

    /// # Errors
    /// `Unsupported`: the queue has no limit for the whole channel, so it is a quorum queue.
    pub fn consume(&self, queue: &str) -> Result<Deliveries, Error> {
        let _asking = self.stream.asks();
        let consumer = self
            .channel
            .basic_consume(queue, ConsumerOptions::default())
            .map_err(|error| cannot(&format!("consume from queue '{queue}'"), &error))?;
        let deliveries = consumer.receiver().clone();
        // dropping it would ask the broker to cancel, and wait for the answer; it ends with its channel anyway
        std::mem::forget(consumer);
        Ok(deliveries)
    }

    /// Acknowledges that delivery and all before it. The broker does not answer: Ok does not prove that it has the acknowledgement.
    pub fn ack_up_to(&self, tag: Tag) -> Result<(), Error> {
        self.stream.acknowledge_up_to(tag.0.delivery_tag());
        tag.0.ack_multiple(&self.channel).map_err(|error| cannot("acknowledge", &error))
    }

    /// Acknowledges that delivery alone.
    pub fn ack_one(&self, delivery: Delivery) -> Result<(), Error> {
        self.stream.acknowledge_one();
        delivery.ack(&self.channel).map_err(|error| cannot("acknowledge", &error))
    }

    /// Puts a delivery, or one of its records, into the durable queue `<queue>.dead` with the reason, and waits until the broker
    /// has it.
    ///
    /// # Errors
    /// `Refused`: the session goes on, and the same may be tried again. After any other the session is over.
    pub fn dead_letter(&mut self, queue: &str, delivery: &Delivery, part: Part, reason: &str) -> Result<(), Error> {
        let asking = self.stream.asks();
        let outcome = self.put_into_dead_queue(queue, delivery, part, reason);
        drop(asking);
        if let Err(Error::Refused(_)) = outcome {
            // the broker has closed the channel
            self.dead = None;
        }
        outcome
    }

    fn put_into_dead_queue(&mut self, queue: &str, delivery: &Delivery, part: Part, reason: &str) -> Result<(), Error> {
        let fault = |error: AmqpError| cannot(&format!("put a record into '{queue}.dead'"), &error);
        let dead_queue = format!("{queue}.dead");
        if self.dead.is_none() {
            let channel = self.connection.open_channel(None).map_err(fault)?;
            let declared = declare::dead_queue(&mut self.connection, channel, queue, self.queue_type);
            let why = |why| format!("cannot put a record into '{queue}.dead': {why}");
            let channel = declared.map_err(|error| error.with_text(why))?;
            channel.enable_publisher_confirms().map_err(fault)?;
            let confirms = channel.listen_for_publisher_confirms().map_err(fault)?;
            self.dead = Some((channel, confirms));
        }
        let (channel, confirms) = self.dead.as_ref().expect("opened just above");
        let (body, position) = match part {
            Part::Whole => (&delivery.body[..], None),
            Part::Record(position, text) => (text, Some(position)),
        };
        let properties = dead_letter::properties(delivery, position, reason);
        channel.basic_publish("", Publish::with_properties(body, dead_queue.as_str(), properties)).map_err(fault)?;
        match confirms.recv_timeout(CONFIRM_TIMEOUT) {
            Ok(Confirm::Ack(_)) => Ok(()),
            Ok(Confirm::Nack(_)) => Err(Error::Lost(format!("the broker did not take a record for '{dead_queue}'"))),
            Err(RecvTimeoutError::Timeout) => {
                Err(Error::Lost(format!("the broker did not confirm a record for '{dead_queue}'")))
            }
            Err(RecvTimeoutError::Disconnected) => Err(ended(channel, &format!("put a record into '{dead_queue}'"))),
        }
    }

    /// Closes in good order: if this returns Ok, the broker has the acknowledgements that were sent before.
    pub fn close(self) -> Result<(), Error> {
        self.connection.close().map_err(|error| cannot("close the connection", &error))
    }

    /// Drops a session whose broker may be silent. That can block for two heartbeats, so a thread of its own does it.
    pub fn abandon(self) {
        let closing = std::thread::Builder::new().name("broker-close".into()).spawn(move || drop(self));
        if let Err(error) = closing {
            log::warn!("cannot start a thread to close a connection: {error}");
        }
    }
}

/// Product and version, such as `RabbitMQ` and `3.10.8`; empty if the broker does not send them.
fn product(connection: &Connection) -> (String, String) {
    let property = |name: &str| match connection.server_properties().get(name) {
        Some(AmqpValue::LongString(text)) => text.to_string(),
        _ => String::new(),
    };
    (property("product"), property("version"))
}

/// The number of earlier deliveries of a record that ended without an acknowledgement, as quorum queues count them.
pub fn deliveries_before(delivery: &Delivery) -> u64 {
    let counted = delivery.properties.headers().as_ref().and_then(|headers| headers.get("x-delivery-count"));
    match counted {
        Some(AmqpValue::LongLongInt(count)) => u64::try_from(*count).unwrap_or(0),
        Some(AmqpValue::LongInt(count)) => u64::try_from(*count).unwrap_or(0),
        Some(AmqpValue::LongUInt(count)) => u64::from(*count),
        Some(AmqpValue::ShortShortInt(count)) => u64::try_from(*count).unwrap_or(0),
        _ => 0,
    }
}

/// The result of `open` for the first broker with which it succeeds.
///
/// # Errors
/// `Refused` as soon as one of them refuses: the brokers of a cluster have the same users.
fn first_of<T>(rabbitmq: &Rabbitmq, mut open: impl FnMut(&Secret) -> Result<T, Error>) -> Result<T, Error> {
    let (mut failures, mut is_refused) = (Vec::new(), false);
    for url in &rabbitmq.urls {
        match open(url) {
            Ok(opened) => return Ok(opened),
            Err(error) => {
                is_refused |= matches!(error, Error::Refused(_));
                failures.push(format!("rabbitmq at {}: {error}", url.without_password()));
            }
        }
    }
    let why = failures.join("; ");
    Err(if is_refused { Error::Refused(why) } else { Error::Lost(why) })
}

/// Tries the addresses in turn.
fn open(rabbitmq: &Rabbitmq) -> Result<Opened, Error> {
    let (mut connection, channel, stream) = first_of(rabbitmq, |url| {
        let (mut connection, stream) = connect(rabbitmq, url.expose())?;
        let asking = stream.asks();
        let channel = asking.outcome(connection.open_channel(None).map_err(|error| Error::from(&error)))?;
        Ok((connection, channel, stream))
    })?;
    let asking = stream.asks();
    let (channel, notice) = asking.outcome(declare::exchange(&mut connection, channel, rabbitmq))?;
    Ok(Opened { connection, channel, notice, stream })
}

/// The reason why the broker has ended a channel on which alco waited for an answer to `what`: the channel returns it to the next
/// call.
fn ended(channel: &Channel, what: &str) -> Error {
    match channel.enable_publisher_confirms() {
        Err(error) => cannot(what, &error),
        Ok(()) => Error::Lost(format!("cannot {what}: the broker ended its answers")),
    }
}

/// The next message that has come; None if there is none now.
///
/// # Errors
/// The connection broke: no more will come.
pub fn next(deliveries: &Deliveries) -> Result<Option<Message>, Error> {
    match deliveries.try_recv() {
        Ok(message) => Ok(Some(message)),
        Err(TryRecvError::Empty) => Ok(None),
        Err(TryRecvError::Disconnected) => Err(broke()),
    }
}

/// The error of a connection that broke without a reason from the broker.
pub fn broke() -> Error {
    Error::Lost("rabbitmq: the connection broke".to_owned())
}

/// The delivery of a message, or the reason why no more will come.
pub fn delivery(message: Message) -> Result<Delivery, Error> {
    let closed = |what: &str, error: AmqpError| {
        Error::from(&error).with_text(|why| format!("rabbitmq: the broker closed the {what}: {why}"))
    };
    Err(match message {
        Message::Delivery(delivery) => return Ok(delivery),
        Message::ServerCancelled => {
            Error::Lost("rabbitmq: the broker cancelled the consumer (was the queue deleted?)".to_owned())
        }
        Message::ServerClosedChannel(error) => closed("channel", error),
        Message::ServerClosedConnection(error) => closed("connection", error),
        Message::ClientCancelled | Message::ClientClosedChannel | Message::ClientClosedConnection => {
            Error::Lost("rabbitmq: the connection was closed on this side".to_owned())
        }
    })
}
