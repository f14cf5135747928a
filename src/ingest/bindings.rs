//! The bindings of an index's queue. Invariant: Redis learns of a binding before the broker does and forgets it after the broker
//! has, so Redis knows every binding that alco has made.

use crate::ingest::servers::{Servers, Stop};
use crate::ingest::shared::IndexShared;
use crate::rabbitmq::Session;

/// Makes the configured bindings, and removes those that this run or an earlier one made and that are no longer configured.
pub(super) fn bind(session: &Session, shared: &IndexShared, servers: &mut Servers) -> Result<(), Stop> {
    let (index, ours) = (&shared.index, &shared.config.rabbitmq.exchange);
    let queue = &index.queue;
    for routing_key in &index.routing_keys {
        servers.ask_redis(|redis| redis.bound(queue, ours, routing_key))?;
        session.bind(queue, ours, routing_key)?;
    }
    for (exchange, routing_key) in servers.ask_redis(|redis| redis.bindings(queue))? {
        let is_configured = exchange == *ours && index.routing_keys.contains(&routing_key);
        if !is_configured {
            session.unbind(queue, &exchange, &routing_key)?;
            servers.ask_redis(|redis| redis.unbound(queue, &exchange, &routing_key))?;
            log::info!("{}: queue '{queue}' is no longer bound to '{exchange}' with '{routing_key}'", index.name);
        }
    }
    Ok(())
}
