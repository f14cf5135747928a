//! Declares an exchange or a queue; one that exists with other properties is used as it is. A quorum queue gets dead-lettering, so
//! that the broker drops no record that it has delivered too often: it goes to the dead queue.

use amiquip::{AmqpValue, Channel, Connection, ExchangeDeclareOptions, ExchangeType, FieldTable, QueueDeclareOptions};

use crate::config::{Argument, ExchangeDurable, Index, QueueType, Rabbitmq};
use crate::rabbitmq::error::{Error, cannot};

/// The limit of a quorum queue that has none of its own, since RabbitMQ 4.
const RABBITMQ_4_DELIVERY_LIMIT: u64 = 20;

/// Returns a channel on which the exchange is declared, and a text to log once if it has other properties.
pub fn exchange(
    connection: &mut Connection,
    channel: Channel,
    rabbitmq: &Rabbitmq,
) -> Result<(Channel, Option<String>), Error> {
    let name = &rabbitmq.exchange;
    let durable = rabbitmq.exchange_durable != ExchangeDurable::No;
    let kind = match rabbitmq.exchange_type.as_str() {
        "topic" => ExchangeType::Topic,
        "fanout" => ExchangeType::Fanout,
        "direct" => ExchangeType::Direct,
        "headers" => ExchangeType::Headers,
        other => ExchangeType::Custom(other.to_owned()),
    };
    let options = ExchangeDeclareOptions { durable, ..ExchangeDeclareOptions::default() };
    let Err(error) = channel.exchange_declare(kind, name.as_str(), options) else { return Ok((channel, None)) };
    let cannot_declare = |error: Error| {
        error.with_text(|why| {
            format!("cannot declare exchange '{name}' ({}, durable = {durable}): {why}", rabbitmq.exchange_type)
        })
    };
    let why = match Error::from(&error) {
        Error::Mismatch(why) if rabbitmq.exchange_durable == ExchangeDurable::Auto => why,
        refused @ Error::Refused(_) => return Err(cannot_declare(refused)),
        other => {
            return Err(cannot_declare(other).with_text(|why| {
                format!("{why}; set [rabbitmq] exchange_type and exchange_durable as the producers declare it")
            }));
        }
    };
    // the error has closed the channel; a new one uses the exchange as it is
    let channel = connection.open_channel(None).map_err(|error| cannot("open a channel", &error))?;
    channel
        .exchange_declare_passive(name.as_str())
        .map_err(|error| cannot(&format!("use exchange '{name}'"), &error))?;
    let notice = format!("exchange '{name}' exists with other properties and is used as it is: {why}");
    Ok((channel, Some(notice)))
}

/// Returns a channel on which the queue is declared, and the texts to log once if it has other properties: alco uses such a queue as
/// it is.
pub fn queue(connection: &mut Connection, channel: Channel, index: &Index) -> Result<(Channel, Vec<String>), Error> {
    let name = &index.queue;
    let dead_letters = dead_lettering(index);
    let mut channel = channel;
    let mut notices = Vec::new();
    if !dead_letters.is_empty() {
        // the broker drops what it dead-letters to a queue that does not exist
        channel = match dead_queue(connection, channel, name, index.queue_type) {
            Ok(channel) => channel,
            Err(lost @ Error::Lost(_)) => return Err(lost),
            Err(error) => {
                notices.push(format!("{error}: RabbitMQ drops a record that it has delivered too often"));
                open(connection)?
            }
        };
    }
    let Err(error) = declare(&channel, index, &dead_letters) else { return Ok((channel, notices)) };
    let cannot_declare = |error: Error| error.with_text(|why| format!("cannot declare queue '{name}': {why}"));
    let look = |error: Error| {
        cannot_declare(error).with_text(|why| format!("{why}; look at the queue and at [index {}]", index.name))
    };
    let why = match Error::from(&error) {
        Error::Mismatch(why) => why,
        refused @ Error::Refused(_) => return Err(cannot_declare(refused)),
        other => return Err(look(other)),
    };
    // the error has closed the channel
    let channel = open(connection)?;
    if !dead_letters.is_empty() && declare(&channel, index, &FieldTable::new()).is_ok() {
        notices.push(format!(
            "queue '{name}' was declared without dead-lettering: RabbitMQ drops a record that it has delivered too often; have it \
             go to '{name}.dead' by rabbitmqctl set_policy, unless a policy does so already"
        ));
        return Ok((channel, notices));
    }
    let channel = if dead_letters.is_empty() { channel } else { open(connection)? };
    if let Err(error) = channel.queue_declare_passive(name.as_str()) {
        return Err(match cannot(&format!("use queue '{name}'"), &error) {
            // an argument that no queue may have
            Error::NotFound(_) => look(Error::Mismatch(why)),
            other => other,
        });
    }
    notices.push(format!("queue '{name}' exists with other properties and is used as it is: {why}"));
    Ok((channel, notices))
}

/// The deliveries of a record after which a quorum queue drops it; None: it drops none, or a policy decides.
pub fn delivery_limit(index: &Index, version: &str) -> Option<u64> {
    let own = index.queue_arguments.iter().find(|(key, _)| key == "x-delivery-limit");
    match own {
        // -1 stands for none
        Some((_, Argument::Number(limit))) => u64::try_from(*limit).ok().filter(|limit| *limit > 0),
        Some(_) => None,
        None => {
            let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
            (index.queue_type == QueueType::Quorum && major >= Some(4)).then_some(RABBITMQ_4_DELIVERY_LIMIT)
        }
    }
}

fn open(connection: &mut Connection) -> Result<Channel, Error> {
    connection.open_channel(None).map_err(|error| cannot("open a channel", &error))
}

/// The arguments by which the broker puts a record that it would drop into the dead queue.
fn dead_lettering(index: &Index) -> FieldTable {
    let own = |(key, _): &(String, Argument)| key.starts_with("x-dead-letter-");
    let mut arguments = FieldTable::new();
    if index.queue_type == QueueType::Quorum && !index.queue_arguments.iter().any(own) {
        let dead_queue = format!("{}.dead", index.queue);
        arguments.insert("x-dead-letter-exchange".into(), AmqpValue::LongString("".into()));
        arguments.insert("x-dead-letter-routing-key".into(), AmqpValue::LongString(dead_queue.as_str().into()));
    }
    arguments
}

fn declare(channel: &Channel, index: &Index, more: &FieldTable) -> Result<(), amiquip::Error> {
    let mut arguments = more.clone();
    if index.queue_type == QueueType::Quorum {
        arguments.insert("x-queue-type".into(), AmqpValue::LongString("quorum".into()));
    }
    for (key, argument) in &index.queue_arguments {
        let value = match argument {
            Argument::Number(number) => AmqpValue::LongLongInt(*number),
            Argument::Flag(flag) => AmqpValue::Boolean(*flag),
            Argument::Text(text) => AmqpValue::LongString(text.as_str().into()),
        };
        arguments.insert(key.as_str().into(), value);
    }
    let options = QueueDeclareOptions { durable: index.durable, arguments, ..QueueDeclareOptions::default() };
    channel.queue_declare(index.queue.as_str(), options).map(drop)
}

/// Returns a channel on which `<queue>.dead` is declared, of the same type as the queue: in a cluster, it outlives the node that has
/// it.
pub fn dead_queue(
    connection: &mut Connection,
    channel: Channel,
    queue: &str,
    queue_type: QueueType,
) -> Result<Channel, Error> {
    let name = format!("{queue}.dead");
    let mut arguments = FieldTable::new();
    if queue_type == QueueType::Quorum {
        arguments.insert("x-queue-type".into(), AmqpValue::LongString("quorum".into()));
    }
    let options = QueueDeclareOptions { durable: true, arguments, ..QueueDeclareOptions::default() };
    let Err(error) = channel.queue_declare(name.as_str(), options) else { return Ok(channel) };
    match cannot(&format!("declare queue '{name}'"), &error) {
        // it exists, of another type
        Error::Mismatch(_) => open(connection),
        other => Err(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_queue_of_rabbitmq_4_has_a_delivery_limit() {
        let quorum = {
            let mut index = Index::new("web".parse().expect("a name"));
            index.queue_type = QueueType::Quorum;
            index
        };
        let with = |argument: Argument| Index {
            queue_arguments: vec![("x-delivery-limit".to_owned(), argument)],
            ..quorum.clone()
        };
        let classic = Index { queue_type: QueueType::Classic, ..quorum.clone() };
        for (index, version, expected) in [
            (&quorum, "3.10.8", None),
            (&quorum, "4.0.1", Some(20)),
            (&quorum, "", None),
            (&classic, "4.0.1", None),
            (&with(Argument::Number(3)), "3.10.8", Some(3)),
            (&with(Argument::Number(-1)), "4.0.1", None),
            (&with(Argument::Text("no".to_owned())), "4.0.1", None),
        ] {
            assert_eq!(delivery_limit(index, version), expected, "{version} {:?}", index.queue_arguments);
        }
    }
}
