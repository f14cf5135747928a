//! What alco check asks searchd: its version, clock and binlog, the day indexes of each index and the columns that are `indexed`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::commands::check::report::{Report, listed};
use crate::commands::check::{files, nodes};
use crate::config::{Config, Dialect, Index, field_of_column};
use crate::housekeeping;
use crate::sphinx::client::{Engine, Fault};
use crate::sphinx::day_index::{day_index, own_index, served_days, since};
use crate::sphinx::{dialect, statement};
use crate::time::{Day, Ts};

/// The oldest versions that alco was tested with, or that have all it needs.
const OLDEST_SPHINX: &[u64] = &[2, 2, 11];
/// It counts distinct values exactly if asked to.
const OLDEST_MANTICORE: &[u64] = &[6, 2];

/// Reports what searchd says of itself, and what it serves of each index. An answer may take `timeout`.
pub fn searchd(config: &Config, timeout: Duration, report: &mut Report, now: fn() -> Ts) {
    const PART: &str = "searchd";
    let sphinx = &config.sphinx;
    if sphinx.pid_file.is_some() {
        match housekeeping::signal(sphinx, None) {
            Ok(()) => report.ok(PART, "alco may have it read its configuration again"),
            Err(why) => report.warning(PART, "alco cannot have it read its configuration again", why),
        }
    } else {
        let cure = "set [sphinx] pid_file, or have cron send searchd SIGHUP once a day";
        report.warning(
            PART,
            "alco does not know its process: searchd does not serve a new day's indexes by itself",
            cure,
        );
    }

    let mut engine = Engine::new(&sphinx.address, timeout);
    let cure = "start it, or set [sphinx] address";
    let ours = now();
    let asked = engine.version().and_then(|version| {
        let before = now();
        let time = engine.select(statement::NOW)?.first().and_then(|row| row.int(0));
        Ok((version, time.map(|time| (time, (before, now()))), engine.select(statement::SHOW_TABLES)?))
    });
    let (version, time, tables) = match asked {
        Ok(answers) => answers,
        Err(fault) => return report.error(PART, fault.why(), cure),
    };
    let dialect = dialect::of_version(version);
    if let Some(wrong) = sphinx.misstated(dialect) {
        report.warning(PART, format!("it {wrong}"), "set dialect = auto, and restart searchd");
    }
    let (product, oldest) = match dialect {
        Dialect::Sphinx => ("searchd", OLDEST_SPHINX),
        // a build from its repository has no number
        Dialect::Manticore if version == (0, 0, 0) => ("Manticore's searchd", &[] as &[u64]),
        Dialect::Manticore => ("Manticore's searchd", OLDEST_MANTICORE),
    };
    let version = format!("{}.{}.{}", version.0, version.1, version.2);
    report.server(PART, &sphinx.address.to_string(), product, &version, oldest);
    if let Some((seconds, ours)) = time {
        report.skew(PART, Ts::from_micros(seconds.saturating_mul(1_000_000)), ours);
    }
    files::binlog(config, report);
    let served: BTreeSet<String> = tables.iter().map(|row| row.text(0)).collect();
    for index in &config.indexes {
        let days = served_days(ours.day(), index.days).filter(|day| !served.contains(&day_index(&index.name, *day)));
        match files::written_by_another(&sphinx.data_dir, &index.name, days, dialect) {
            Some((dir, writer)) => {
                let (writer, reader, dir) = (writer.product(), dialect.product(), dir.display());
                let text = format!("searchd does not serve {dir}: {writer} wrote it, and {reader} cannot read it");
                let cure =
                    "stop alco and searchd, move data_dir away, and start both: see docs/operating.md, Manticore";
                report.error(&format!("index {}", index.name), text, cure);
            }
            None => day_indexes(index, &served, &mut engine, report, ours),
        }
    }
    nodes::searchd(config, &mut engine, report);
    let configured = |name: &str| {
        config.indexes.iter().any(|index| {
            let own = own_index(name).strip_prefix(index.name.as_str());
            own.is_some_and(|rest| rest.is_empty() || rest == "_local" || Day::is_written(rest.trim_start_matches('_')))
        })
    };
    let strangers: Vec<&str> = served.iter().map(String::as_str).filter(|name| !configured(name)).collect();
    if !strangers.is_empty() {
        let text = format!("it serves {}, which belong to no index of alco.ini", listed(&strangers));
        report.warning(PART, text, "if they are not yours, have searchd read its configuration again (kill -HUP)");
    }
}

fn day_indexes(index: &Index, served: &BTreeSet<String>, engine: &mut Engine, report: &mut Report, now: Ts) {
    let part = format!("index {}", index.name);
    let expected: Vec<String> = served_days(now.day(), index.days).map(|day| day_index(&index.name, day)).collect();
    let missing: Vec<&str> = expected.iter().map(String::as_str).filter(|name| !served.contains(*name)).collect();
    if !served.contains(index.name.as_str()) || missing.len() == expected.len() {
        let cure = "have searchd read its configuration again (kill -HUP); does it run with sphinx/sphinx.conf?";
        return report.error(&part, format!("searchd does not serve {}", index.name), cure);
    }
    match missing.is_empty() {
        true => report.ok(&part, format!("searchd serves all {} day indexes", expected.len())),
        false => {
            let cure = "have searchd read its configuration again (kill -HUP); their records wait until then";
            report.error(&part, format!("searchd does not serve {}", listed(&missing)), cure);
        }
    }
    let today = day_index(&index.name, now.day());
    let described = match engine.describe(&today) {
        Ok(described) => described,
        // reported above
        Err(Fault::Reject(_)) => return,
        Err(Fault::Retry(why)) => return report.error(&part, why, "start searchd"),
    };
    if described.has_narrow_docids() {
        report.error(&part, "searchd was built with docids of 32 bits", "install one built with --enable-id64");
    }
    if let Some(lacking) = described.lacking() {
        let cure = "stop searchd, remove that index's directory, which alco cannot use, and start searchd";
        report.error(&part, format!("{today} has no '{lacking}': another configuration declared it"), cure);
    }
    indexed(index, engine, report, now);
}

/// A column that became `indexed` has its field only in the day indexes that were declared since then.
fn indexed(index: &Index, engine: &mut Engine, report: &mut Report, now: Ts) {
    if index.indexed.is_empty() {
        return;
    }
    let describe = |day: Day| Some((day, engine.describe(&day_index(&index.name, day)).ok()?));
    let described: Vec<_> = served_days(now.day(), index.days).filter_map(describe).collect();
    for column in &index.indexed {
        let field = field_of_column(column);
        if let Some(day) = since(described.iter().map(|(day, described)| (*day, described.has(&field)))) {
            let text = format!(
                "column '{column}' is indexed from {} on: on older days, declared without it, a filter finds the same and \
                 reads more records",
                day.dashed()
            );
            report.ok(&format!("index {}", index.name), text);
        }
    }
}
