//! For programs: the day indexes, searchd's configuration, the metrics, and the health of alco's parts.

use std::borrow::Cow;
use std::fs;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use crate::config::{IndexName, OpenPath};
use crate::http::error::Refusal;
use crate::http::response::{Answer, Reply};
use crate::http::site::Site;
use crate::http::visible::Visible;
use crate::metrics::Collected;
use crate::metrics::obstacles::Obstacles;
use crate::metrics::peers::peers_text;
use crate::metrics::process::Process;
use crate::render::escape::visible_in_line;
use crate::search::nodes::PeerState;
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
pub fn indices(site: &Site, visible: &Visible, now: Ts) -> Reply {
    let served: Vec<_> = visible
        .indexes()
        .iter()
        .map(|index| ServedIndex {
            name: index.name.as_str(),
            index_names: served_days(now.day(), index.days).map(|day| day.to_string()).collect(),
            title: &index.title,
            timestamp: index.timestamp_name(),
            message: index.message_name(),
            timezone: zone_name(&site.http().timezone),
            columns: &index.columns,
            level: &index.level,
            level_numbers: index.level_numbers.name(),
            context: &index.context,
        })
        .collect();
    Reply::json(serde_json::to_string(&served).expect("text and lists of text always have a JSON form"))
}

/// `/collector/sphinx.conf`: of all indexes, since searchd would no longer serve those that a part leaves out.
pub fn conf(site: &Site, visible: &Visible, now: Ts) -> Answer {
    let is_open = site.http().open_paths.contains(&OpenPath::SphinxConf);
    match is_open || visible.is_everything() {
        true => match site.sphinx_conf(now) {
            Ok(conf) => Ok(Reply::text(200, conf)),
            Err(refused) => Ok(Reply::text(500, format!("cannot write searchd's configuration: {refused}\n"))),
        },
        false => Err(Refusal::NotAllowed("searchd's configuration is for users who may see all indexes")),
    }
}

/// `/metrics`
pub fn metrics(site: &Site, visible: &Visible, now: Ts) -> Reply {
    let mut text = site.metrics.text(now, process(site.started), &|index| visible.has(index));
    let peers = site.searcher.peers();
    text.push_str(&peers_text(peers.iter().map(|peer| (peer.address.as_str(), peer.away.is_none()))));
    Reply::metrics(text)
}

/// Reads /proc: where the system is not Linux, only the start is known.
fn process(started: Ts) -> Process {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of_status = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let resident_kib = of_status("VmRSS:").and_then(|line| line.strip_suffix("kB")?.trim().parse::<u64>().ok());
    Process {
        started,
        resident_bytes: resident_kib.map(|kib| kib * 1024),
        threads: of_status("Threads:").and_then(|line| line.parse().ok()),
        // without the one that lists them
        open_files: fs::read_dir("/proc/self/fd").ok().map(|files| (files.count() as u64).saturating_sub(1)),
        max_files: files.and_then(|limits| limits.split_whitespace().next()?.parse().ok()),
    }
}

/// The peers whose records are missing, as the end of a sentence. The other nodes work on: this is no reason for a 503.
fn without_peers(peers: &[PeerState]) -> String {
    let lacking = peers.iter().filter(|peer| !peer.is_replaced);
    let text = |peer: &PeerState| {
        let away = peer.away.as_ref()?;
        Some(format!("; without the records of {}, away since {}: {}", peer.address, away.since, away.why))
    };
    lacking.filter_map(text).collect()
}

/// `/health`: a line for each part that runs here; 200 only when all of them work. Indexes that the client may not see have one line
/// together, without a name.
pub fn health(site: &Site, visible: &Visible, now: Ts) -> Reply {
    let asked = visible.indexes().first().map_or_else(|| site.first_index(), |index| &index.name);
    let searching = match site.searcher.is_alive(asked, now) {
        Ok(()) => Ok(format!("searching works{}", without_peers(&site.searcher.peers()))),
        Err(error) => Err(format!("searching does not work: {}", visible.unless_hidden(error.to_string()))),
    };
    let mut parts = vec![searching];
    if site.collects {
        let (shown, hidden): (Vec<_>, Vec<_>) = site.metrics.indexes.iter().partition(|(name, _)| visible.has(name));
        parts.extend(shown.into_iter().map(|(name, collected)| collecting(site, visible, (name, collected), now)));
        let others = hidden.into_iter().map(|(name, collected)| collecting(site, visible, (name, collected), now));
        parts.extend(others.reduce(Result::and).map(|others| match others {
            Ok(_) => Ok("collecting other indexes works".to_owned()),
            Err(_) => Err("collecting other indexes does not work: alco's log has the reason".to_owned()),
        }));
    }
    // noticed by the part that collects
    parts.extend(site.metrics.clock.why().map(|why| Err(format!("clock does not work: {why}"))));
    let status = if parts.iter().all(Result::is_ok) { 200 } else { 503 };
    // a server's words are in some
    let line = |part: &Result<String, String>| match part {
        Ok(line) | Err(line) => format!("{}\n", visible_in_line(line)),
    };
    Reply::text(status, parts.iter().map(line).collect())
}

fn collecting(
    site: &Site,
    visible: &Visible,
    (name, collected): (&IndexName, &Collected),
    now: Ts,
) -> Result<String, String> {
    let threads = site.threads_of(name);
    if threads == 0 {
        return Ok(format!("collecting {name} is left to other nodes: threads = 0"));
    }
    let working = collected.working.load(Relaxed).max(0);
    let broker = Some(&collected.broker).filter(|_| working == 0);
    let waits = [&site.metrics.redis, &site.metrics.searchd, &collected.place].into_iter().chain(broker);
    let whys: Vec<String> = waits.filter_map(Obstacles::why).map(|why| visible.unless_hidden(why)).collect();
    if !whys.is_empty() {
        return Err(format!("collecting {name} does not work: {}", whys.join("; ")));
    }
    match working {
        0 => Err(format!("collecting {name} does not work: not connected to RabbitMQ yet")),
        working => match collected.peer_waits.text() {
            // no fault of this node, and over by itself
            Some(waits) => Ok(format!(
                "collecting {name} works: {working} of {threads} workers; {waits}, since these may have stored them"
            )),
            None if collected.is_stalled(now) => Err(format!(
                "collecting {name} does not work: {working} of {threads} workers wait for searchd or Redis"
            )),
            None => Ok(format!("collecting {name} works: {working} of {threads} workers")),
        },
    }
}
