//! Looks for queues that alco has bound for an index that no alco.ini has any longer. Such a queue stays bound: its records fill the
//! broker's disk.
//!
//! Redis remembers every binding that alco has made, and what each node has noted names the queues of the other nodes.

use std::collections::BTreeSet;

use crate::commands::check::nodes;
use crate::commands::check::report::Report;
use crate::config::Config;
use crate::rabbitmq::probe::Probe;
use crate::redis::connection::RedisStore;
use crate::time::Ts;

/// Warns of each queue that no node collects from. RabbitMQ and Redis have answered by then, so an error here is none of theirs: it is
/// that of a queue which this user may not see.
pub fn left(config: &Config, probe: &mut Probe, redis: &RedisStore, now: Ts, report: &mut Report) {
    let mut needed: BTreeSet<String> = config.indexes.iter().map(|index| index.queue.clone()).collect();
    needed.extend(nodes::queues(config, redis, now));
    let bound = redis.bound_queues().unwrap_or_default();
    for name in bound.difference(&needed) {
        if let Ok(queue) = probe.queue_named(name)
            && queue.consumers == 0
        {
            let text = format!(
                "no node has an index with queue '{name}', which alco has bound: nothing collects from it, and {} records wait",
                queue.messages
            );
            let cure = format!("if none needs it, rabbitmqctl delete_queue {name}: its records fill RabbitMQ's disk");
            report.warning("rabbitmq", text, cure);
        }
    }
}
