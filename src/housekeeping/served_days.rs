//! Compares the day indexes that searchd serves with those that it should serve. Where they differ, alco has searchd read its
//! configuration again, and looks again later.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::config::{Config, Index, Sphinx};
use crate::housekeeping::agents;
use crate::sphinx::client::Engine;
use crate::sphinx::day_index::{day_index, local_index, peer_index, served_days};
use crate::sphinx::{dialect, statement};
use crate::time::Day;

/// searchd runs its script twice, at most 10 s each time, and then opens the new indexes.
const GRACE: Duration = Duration::from_secs(30);
/// The longest wait between two signals: searchd accepts no new connection while it reads its configuration.
const LAST_WAIT: Duration = Duration::from_secs(600);

/// Names of indexes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    missing: Vec<String>,
    /// days past retention, and the days of indexes that alco.ini no longer has
    beyond: Vec<String>,
}

impl Difference {
    /// `is_resolved`: whether the name of the peer of that number can be resolved, which may take long. searchd does not serve the
    /// indexes of others.
    fn of(config: &Config, is_resolved: &dyn Fn(usize) -> bool, today: Day, served: &BTreeSet<String>) -> Difference {
        let of_days = |index: &Index| {
            let days = served_days(today, index.days).map(|day| day_index(&index.name, day));
            days.chain([local_index(&index.name)]).collect::<Vec<String>>()
        };
        let own: Vec<String> = config.indexes.iter().flat_map(of_days).collect();
        let of_peers = (1..=config.sphinx.peers.iter().flatten().count()).flat_map(|number| {
            let names: Vec<String> = own.iter().map(|own| peer_index(own, number)).collect();
            let is_expected = names.iter().all(|name| served.contains(name)) || is_resolved(number);
            names.into_iter().filter(move |_| is_expected)
        });
        let all_nodes = config.indexes.iter().map(|index| index.name.to_string());
        let expected: BTreeSet<String> = own.iter().cloned().chain(of_peers).chain(all_nodes).collect();
        // searchd may serve other indexes too, which are not alco's
        let is_ours = |name: &str| {
            let (index, day) = name.rsplit_once('_').unwrap_or_default();
            Day::is_written(day) && served.contains(&format!("{index}_local"))
        };
        Difference {
            missing: expected.difference(served).cloned().collect(),
            beyond: served.difference(&expected).filter(|name| is_ours(name)).cloned().collect(),
        }
    }

    /// The difference as the end of a sentence that begins with searchd; None if there is none.
    fn text(&self) -> Option<String> {
        let some = |names: &[String]| match names {
            [] => None,
            [only] => Some(only.clone()),
            [first, rest @ ..] => Some(format!("{first} and {} more", rest.len())),
        };
        match (some(&self.missing), some(&self.beyond)) {
            (Some(missing), _) => Some(format!("does not serve {missing}")),
            (None, Some(beyond)) => Some(format!("serves {beyond}, which it should no longer serve")),
            (None, None) => None,
        }
    }
}

/// The state of an attempt to remove a difference: the last signal, and the last warning.
#[derive(Debug, Default)]
pub struct Days {
    /// the time of the last signal to searchd, and the wait until the next one
    signalled: Option<(Instant, Duration)>,
    /// the last warning
    logged: Option<String>,
    /// searchd is another engine than alco.ini states
    is_misstated: bool,
}

impl Days {
    /// searchd is reading its configuration, and the outcome is not known.
    pub fn is_waiting(&self) -> bool {
        self.signalled.is_some_and(|(at, _)| at.elapsed() < GRACE)
    }

    /// Another day has begun: its difference is a new one.
    pub fn turn(&mut self) {
        self.signalled = None;
    }

    /// Compares, and signals searchd where there is a difference. `idle`: no records are being stored.
    pub fn look(&mut self, config: &Config, today: Day, engine: &mut Engine, idle: bool) {
        // the workers log an outage of searchd
        let Ok(tables) = engine.select(statement::SHOW_TABLES) else { return };
        self.compare_dialect(&config.sphinx, engine);
        if idle {
            keep_binlog_in_use(config, today, engine);
        }
        let served = tables.iter().map(|row| row.text(0)).collect();
        let difference = Difference::of(config, &|peer| agents::is_resolved(config, peer), today, &served);
        let Some(text) = difference.text().or_else(|| agents::difference(config, today, engine)) else {
            if self.signalled.take().is_some() | self.logged.take().is_some() {
                log::info!("searchd serves all day indexes, from {}", span(config, today));
            }
            return;
        };
        let wait = match self.signalled {
            Some((at, wait)) if at.elapsed() < wait => return,
            Some((_, wait)) => {
                self.warn(format!(
                    "searchd {text}, though alco had it read its configuration again: does it run sphinx/sphinx.conf, and \
                     does `alco sphinx-conf` work for its user? searchd's log has the reason"
                ));
                (wait * 2).min(LAST_WAIT)
            }
            None => GRACE,
        };
        keep_binlog_in_use(config, today, engine);
        match reread(&config.sphinx) {
            Ok(()) => {
                if self.signalled.is_none() {
                    log::info!("searchd {text}: alco has it read its configuration again");
                }
            }
            Err(why) => self.warn(format!("searchd {text}: {why}")),
        }
        self.signalled = Some((Instant::now(), wait));
    }

    /// Logs once that searchd is another engine than alco.ini states.
    fn compare_dialect(&mut self, sphinx: &Sphinx, engine: &mut Engine) {
        let misstated = engine.dialect().ok().and_then(|found| sphinx.misstated(found));
        if let (Some(wrong), false) = (&misstated, self.is_misstated) {
            log::warn!("searchd {wrong}: set dialect = auto, and restart searchd");
        }
        self.is_misstated = misstated.is_some();
    }

    /// Logs a line once, and not again until searchd serves all day indexes.
    fn warn(&mut self, line: String) {
        if self.logged.as_ref() != Some(&line) {
            log::warn!("{line}");
            self.logged = Some(line);
        }
    }
}

fn span(config: &Config, today: Day) -> String {
    let days = || config.indexes.iter().flat_map(|index| served_days(today, index.days));
    match (days().min(), days().max()) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => unreachable!("a Config is never without an index, nor an index without a day"),
    }
}

/// Writes a transaction without which searchd may crash (see `dialect`): before alco signals searchd, and now and then while it
/// stores nothing, since an administrator may signal searchd too. alco does not do so always: the transaction keeps old binlogs
/// until rt_flush_period.
fn keep_binlog_in_use(config: &Config, today: Day, engine: &mut Engine) {
    let Some(index) = config.indexes.first() else { return };
    let tomorrow = day_index(&index.name, today.plus(1));
    // the workers log an outage of searchd
    let Ok(dialect) = engine.dialect() else { return };
    if let Some(statement) = dialect::keep_binlog_in_use(dialect, &tomorrow) {
        // if searchd does not serve tomorrow's index, the workers log it
        let _ = engine.select(&statement);
    }
}

/// Has searchd read its configuration again: sends SIGHUP to the process that its pid file names.
fn reread(sphinx: &Sphinx) -> Result<(), String> {
    signal(sphinx, Some(Signal::SIGHUP))
}

/// Sends a signal to the process that searchd's pid file names. With None, only checks that alco may do so.
///
/// # Errors
/// Why it cannot, and what the administrator has to do.
pub fn signal(sphinx: &Sphinx, signal: Option<Signal>) -> Result<(), String> {
    let by_hand = "have it read its configuration again (kill -HUP)";
    let Some(path) = &sphinx.pid_file else {
        return Err(format!("{by_hand}, or set [sphinx] pid_file in alco.ini"));
    };
    let pid = pid_in(path).map_err(|why| format!("cannot read {}: {why}; {by_hand}", path.display()))?;
    kill(pid, signal).map_err(|error| match error {
        Errno::EPERM => format!("process {pid} is another user's; run alco as searchd's user, or {by_hand} once a day"),
        Errno::ESRCH => format!("{} names process {pid}, which is gone; start searchd", path.display()),
        error => format!("cannot signal process {pid}: {error}; {by_hand}"),
    })
}

fn pid_in(path: &Path) -> Result<Pid, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    match text.trim().parse() {
        // kill(2) takes 0 and negative numbers for groups of processes
        Ok(pid) if pid > 1 => Ok(Pid::from_raw(pid)),
        _ => Err("it holds no process id".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(served: &str, expect: Option<&str>) {
        let config =
            Config::parse("[index web]\ndays = 2\n[index web_x]\ndays = 1\n", "alco.ini").expect("no mistakes");
        let today = Day::parse_compact("20261122").expect("a day");
        let served = served.split_whitespace().map(str::to_owned).collect();
        assert_eq!(Difference::of(&config, &|_| false, today, &served).text().as_deref(), expect);
    }

    #[test]
    fn days_of_peers_are_wanted_too() {
        let config =
            Config::parse("[sphinx]\npeers = b:1|c:1\n[index web]\ndays = 1\n", "alco.ini").expect("no mistakes");
        let today = Day::parse_compact("20261122").expect("a day");
        let own = ["web_local", "web_20261122", "web_20261123", "web_20261124"];
        let mut served: BTreeSet<String> = own.iter().map(|name| name.to_string()).collect();
        served.insert("web".to_owned());
        let of_peers = own.iter().flat_map(|name| [1, 2].map(|number| format!("{name}_p{number}")));
        served.extend(of_peers);
        // no name is resolved without need
        assert_eq!(Difference::of(&config, &|_| panic!("nothing is missing"), today, &served), Difference::default());
        served.remove("web_20261123_p2");
        let of = |is_resolved: &dyn Fn(usize) -> bool| Difference::of(&config, is_resolved, today, &served);
        let missing = vec!["web_20261123_p2".to_owned()];
        assert_eq!(of(&|peer| peer == 2), Difference { missing, beyond: Vec::new() });
        assert_eq!(of(&|peer| peer == 1), Difference::default());
    }

    const ALL: &str = "web web_local web_20261121 web_20261122 web_20261123 web_20261124 \
                       web_x web_x_local web_x_20261122 web_x_20261123 web_x_20261124";

    #[test]
    fn served_day_indexes_are_compared_with_the_wanted() {
        check(ALL, None);
        check(&ALL.replace("web_20261124", ""), Some("does not serve web_20261124"));
        check(&ALL.replace("web_x_local", ""), Some("does not serve web_x_local"));
        check("", Some("does not serve web and 10 more"));
        check(&format!("{ALL} web_20261120"), Some("serves web_20261120, which it should no longer serve"));
        check(&format!("{} web_20261120", ALL.replace("web_20261124", "")), Some("does not serve web_20261124"));
        // an index that alco.ini no longer has, and one that is not alco's
        check(
            &format!("{ALL} gone gone_local gone_20261121 gone_20261122"),
            Some("serves gone_20261121 and 1 more, which it should no longer serve"),
        );
        check(&format!("{ALL} own own_20261121 documents"), None);
    }
}
