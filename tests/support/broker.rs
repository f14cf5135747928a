//! RabbitMQ as producers see it, and the records that alco dead-letters.

use amiquip::{
    AmqpProperties, Channel, Confirm, ConfirmSmoother, Connection, ExchangeDeclareOptions, ExchangeType, Publish,
    QueueDeclareOptions,
};
use crossbeam_channel::Receiver;

use super::SOON;

#[derive(Clone, Copy, Debug)]
pub struct QueueState {
    /// ready to be delivered, those in flight not counted
    pub messages: u32,
    pub consumers: u32,
}

/// None if there is no such queue, or no broker.
pub fn queue_state(amqp: &str, queue: &str) -> Option<QueueState> {
    let mut connection = Connection::insecure_open(amqp).ok()?;
    let channel = connection.open_channel(None).ok()?;
    let queue = channel.queue_declare_passive(queue).ok()?;
    let state = QueueState { messages: queue.declared_message_count()?, consumers: queue.declared_consumer_count()? };
    let _ = connection.close();
    Some(state)
}

/// A producer that waits for the broker's confirms.
pub struct Publisher {
    // before the connection, which must outlive it
    channel: Channel,
    confirms: Receiver<Confirm>,
    smoother: ConfirmSmoother,
    connection: Connection,
}

impl Publisher {
    #[track_caller]
    pub fn open(amqp: &str) -> Publisher {
        let mut connection = Connection::insecure_open(amqp).unwrap();
        let channel = connection.open_channel(None).unwrap();
        channel.enable_publisher_confirms().unwrap();
        let confirms = channel.listen_for_publisher_confirms().unwrap();
        Publisher { channel, confirms, smoother: ConfirmSmoother::new(), connection }
    }

    /// A durable topic exchange, as producers declare it.
    #[track_caller]
    fn declare_exchange(&self, name: &str) {
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        self.channel.exchange_declare(ExchangeType::Topic, name, durable).unwrap();
    }

    /// Declares a durable queue before alco does.
    #[track_caller]
    fn declare_queue(&self, name: &str, exchange: &str, routing_key: &str) {
        let durable = QueueDeclareOptions { durable: true, ..Default::default() };
        self.channel.queue_declare(name, durable).unwrap();
        self.channel.queue_bind(name, exchange, routing_key, Default::default()).unwrap();
    }

    /// Declares the exchange `logstash`, and a queue that takes its keys `<queue>.#`, before alco does.
    #[track_caller]
    pub fn to_queue(amqp: &str, queue: &str) -> Publisher {
        let publisher = Publisher::open(amqp);
        publisher.declare_exchange("logstash");
        publisher.declare_queue(queue, "logstash", &format!("{queue}.#"));
        publisher
    }

    /// Publishes persistent messages in order, and returns when the broker has confirmed the last.
    #[track_caller]
    pub fn publish(&mut self, exchange: &str, routing_key: &str, bodies: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        let properties = AmqpProperties::default().with_content_type("application/json".into());
        self.publish_as(exchange, routing_key, bodies.into_iter().map(|body| (body, properties.clone())));
    }

    /// As `publish`, with properties for each message.
    #[track_caller]
    pub fn publish_as(
        &mut self,
        exchange: &str,
        routing_key: &str,
        messages: impl IntoIterator<Item = (impl AsRef<[u8]>, AmqpProperties)>,
    ) {
        let mut waiting = 0;
        for (body, properties) in messages {
            // 2: persistent
            let properties = properties.with_delivery_mode(2);
            let message = Publish::with_properties(body.as_ref(), routing_key, properties);
            self.channel.basic_publish(exchange, message).unwrap();
            waiting += 1;
        }
        while waiting > 0 {
            let confirm = self.confirms.recv_timeout(SOON).expect("the broker confirms");
            for confirm in self.smoother.process(confirm) {
                assert!(matches!(confirm, Confirm::Ack(_)), "the broker refused a message");
                waiting -= 1;
            }
        }
    }

    pub fn close(self) {
        let _ = self.channel.close();
        let _ = self.connection.close();
    }
}

/// A dead-lettered record.
#[derive(Debug)]
pub struct Dead {
    pub body: Vec<u8>,
    pub reason: String,
    pub exchange: String,
    pub routing_key: String,
}

/// Takes all records from `<queue>.dead`; none as long as there is no such queue.
#[track_caller]
pub fn take_dead(amqp: &str, queue: &str) -> Vec<Dead> {
    if queue_state(amqp, &format!("{queue}.dead")).is_none() {
        return Vec::new();
    }
    let mut connection = Connection::insecure_open(amqp).unwrap();
    let channel = connection.open_channel(None).unwrap();
    let mut dead = Vec::new();
    while let Some(got) = channel.basic_get(format!("{queue}.dead"), true).unwrap() {
        let headers = got.delivery.properties.headers().clone().unwrap();
        let text = |key: &str| match headers.get(key) {
            Some(amiquip::AmqpValue::LongString(text)) => text.clone(),
            other => panic!("{key} is {other:?}"),
        };
        let (reason, exchange) = (text("x-alco-reason"), text("x-alco-exchange"));
        let routing_key = text("x-alco-routing-key");
        dead.push(Dead { body: got.delivery.body, reason, exchange, routing_key });
    }
    let _ = channel.close();
    let _ = connection.close();
    dead
}
