//! For programs: the day indexes, searchd's configuration, the metrics, and the health of alco's parts.

use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use crate::http::response::Reply;
use crate::http::site::Site;
use crate::metrics::Process;
use crate::metrics::obstacles::Obstacles;
use crate::sphinx::conf::sphinx_conf;
use crate::sphinx::day_index::served_days;
use crate::time::{Ts, zone_name};

/// The first two are those of the Python program; by the others, `alco grep --url` shows a record as the pages here do.
#[derive(Serialize)]
struct ServedIndex<'a> {
    name: &'a str,
    /// days, as they stand in the names of the day indexes
    index_names: Vec<String>,
    title: &'a str,
    timestamp: &'a str,
    message: &'a str,
    timezone: Cow<'a, str>,
    columns: &'a [String],
    level: &'a [String],
    level_numbers: &'static str,
    context: &'a [String],
}

/// `/api/collector/indices/`
pub fn indices(site: &Site, now: Ts) -> Reply {
    let served: Vec<_> = site
        .config
        .indexes
        .iter()
        .map(|index| ServedIndex {
            name: index.name.as_str(),
            index_names: served_days(now.day(), index.days).map(|day| day.to_string()).collect(),
            title: &index.title,
            timestamp: index.timestamp_name(),
            message: index.message_name(),
            timezone: zone_name(&site.config.http.timezone),
            columns: &index.columns,
            level: &index.level,
            level_numbers: index.level_numbers.name(),
            context: &index.context,
        })
        .collect();
    Reply::json(serde_json::to_string(&served).expect("text and lists of text always have a JSON form"))
}

/// `/collector/sphinx.conf`
pub fn conf(site: &Site, now: Ts) -> Reply {
    Reply::text(200, sphinx_conf(&site.config, now.day()))
}

/// `/metrics`
pub fn metrics(site: &Site, now: Ts) -> Reply {
    let process = Process { started: site.started, resident: resident() };
    Reply::metrics(site.metrics.text(now, process))
}

/// Resident memory in bytes; None where the system is not Linux.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// `/health`: a line for each part that runs here; 200 only when all of them work.
pub fn health(site: &Site, now: Ts) -> Reply {
    let searching = match site.config.indexes.first().map(|index| site.searcher.is_alive(&index.name, now)) {
        None | Some(Ok(())) => Ok("searching works".to_owned()),
        Some(Err(error)) => Err(format!("searching does not work: {error}")),
    };
    let collecting = site.metrics.indexes.iter().map(|(name, collected)| {
        let threads =
            site.config.indexes.iter().find(|index| index.name == *name).map_or(0, |index| index.threads.get());
        let working = collected.working.load(Relaxed).max(0);
        let broker = Some(&collected.broker).filter(|_| working == 0);
        let waits = [&site.metrics.redis, &site.metrics.searchd, &collected.place].into_iter().chain(broker);
        let whys: Vec<String> = waits.filter_map(Obstacles::why).collect();
        if !whys.is_empty() {
            return Err(format!("collecting {name} does not work: {}", whys.join("; ")));
        }
        match working {
            0 => Err(format!("collecting {name} does not work: not connected to RabbitMQ yet")),
            working if collected.is_stalled(now) => Err(format!(
                "collecting {name} does not work: {working} of {threads} workers wait for searchd or Redis"
            )),
            working => Ok(format!("collecting {name} works: {working} of {threads} workers")),
        }
    });
    let parts: Vec<Result<String, String>> =
        [searching].into_iter().chain(collecting.filter(|_| site.collects)).collect();
    let status = if parts.iter().all(Result::is_ok) { 200 } else { 503 };
    let line = |part: &Result<String, String>| match part {
        Ok(line) | Err(line) => format!("{line}\n"),
    };
    Reply::text(status, parts.iter().map(line).collect())
}
