//! Which day indexes searchd should serve, which it does, and what is done about the difference: it is told to read its
//! configuration anew, and looked at again.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::config::{Config, Sphinx};
use crate::sphinx::client::Engine;
use crate::sphinx::day_index::{day_index, served_days};
use crate::sphinx::{DocId, statement};
use crate::time::Day;

/// searchd runs its script twice, each at most 10 s, and then opens what is new.
const GRACE: Duration = Duration::from_secs(30);
/// searchd answers nobody new while it reads, so it is not told again and again.
const LAST_WAIT: Duration = Duration::from_secs(600);

/// Names of indexes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    missing: Vec<String>,
    /// days that are kept no more, and the days of indexes that alco.ini has no more
    beyond: Vec<String>,
}

impl Difference {
    fn of(config: &Config, today: Day, served: &BTreeSet<String>) -> Difference {
        let expected: BTreeSet<String> = config
            .indexes
            .iter()
            .flat_map(|index| {
                let days = served_days(today, index.days).map(|day| day_index(&index.name, day));
                [index.name.to_string(), format!("{}_local", index.name)].into_iter().chain(days)
            })
            .collect();
        // what else searchd serves may be somebody's own
        let is_ours = |name: &str| {
            let (index, day) = name.rsplit_once('_').unwrap_or_default();
            let is_day = day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit());
            is_day && served.contains(&format!("{index}_local"))
        };
        Difference {
            missing: expected.difference(served).cloned().collect(),
            beyond: served.difference(&expected).filter(|name| is_ours(name)).cloned().collect(),
        }
    }

    /// None where there is none.
    fn text(&self) -> Option<String> {
        let some = |names: &[String]| match names {
            [] => None,
            [only] => Some(only.clone()),
            [first, rest @ ..] => Some(format!("{first} and {} more", rest.len())),
        };
        match (some(&self.missing), some(&self.beyond)) {
            (Some(missing), _) => Some(format!("does not serve {missing}")),
            (None, Some(beyond)) => Some(format!("serves {beyond}, to be served no more")),
            (None, None) => None,
        }
    }
}

/// What was done about a difference, and what was said.
#[derive(Debug, Default)]
pub struct Days {
    /// when searchd was last told to read its configuration anew, and how long it has until it is told again
    told: Option<(Instant, Duration)>,
    said: Option<String>,
}

impl Days {
    /// searchd was told to read anew, and the outcome is not known.
    pub fn is_waiting(&self) -> bool {
        self.told.is_some_and(|(at, _)| at.elapsed() < GRACE)
    }

    /// Another day: whatever was done before, it is to be done anew.
    pub fn turn(&mut self) {
        self.told = None;
    }

    /// `idle`: nothing is being stored.
    pub fn look(&mut self, config: &Config, today: Day, engine: &mut Engine, idle: bool) {
        // searchd being away is said by those who need it
        let Ok(tables) = engine.select(statement::SHOW_TABLES) else { return };
        if idle {
            keep_binlog_in_use(config, today, engine);
        }
        let served = tables.iter().map(|row| row.text(0)).collect();
        let difference = Difference::of(config, today, &served);
        let Some(text) = difference.text() else {
            if self.told.take().is_some() | self.said.take().is_some() {
                log::info!("searchd serves all day indexes, from {}", span(config, today));
            }
            return;
        };
        let wait = match self.told {
            Some((at, wait)) if at.elapsed() < wait => return,
            Some((_, wait)) => {
                self.say(format!(
                    "searchd {text}, though it was told to read its configuration anew: is sphinx/sphinx.conf what it runs, and \
                     does `alco sphinx-conf` work for its user? Its log says what it did"
                ));
                (wait * 2).min(LAST_WAIT)
            }
            None => GRACE,
        };
        keep_binlog_in_use(config, today, engine);
        match reread(&config.sphinx) {
            Ok(()) => {
                if self.told.is_none() {
                    log::info!("searchd {text}: told it to read its configuration anew");
                }
            }
            Err(why) => self.say(format!("searchd {text}: {why}")),
        }
        self.told = Some((Instant::now(), wait));
    }

    /// A line is said once, and no more until all was well.
    fn say(&mut self, line: String) {
        if self.said.as_ref() != Some(&line) {
            log::warn!("{line}");
            self.said = Some(line);
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

/// Deletes a document that never was, from an index that is empty.
///
/// searchd 2.2.11 dies of the first insert after it was told to serve an index no more, if at that moment all that its binlog
/// held was in the indexes' files: as it is when records were few for longer than rt_flush_period, or a day was just finished.
/// Seen each time. With a transaction in it the binlog stays. So this comes before alco tells searchd, and now and then while
/// nothing is stored, since others may tell it. Not always: the transaction keeps old binlogs until rt_flush_period.
fn keep_binlog_in_use(config: &Config, today: Day, engine: &mut Engine) {
    if let Some(index) = config.indexes.first() {
        // where tomorrow is not served, collecting says so
        let _ = engine.select(&statement::delete(&day_index(&index.name, today.plus(1)), DocId::NEVER));
    }
}

/// SIGHUP to the process that searchd's pid file names.
fn reread(sphinx: &Sphinx) -> Result<(), String> {
    signal(sphinx, Some(Signal::SIGHUP))
}

/// Sends a signal to the process that searchd's pid file names; None: says whether one could.
pub fn signal(sphinx: &Sphinx, signal: Option<Signal>) -> Result<(), String> {
    let by_hand = "have it read its configuration anew (kill -HUP)";
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
        // 0 and below would mean groups of processes
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
        assert_eq!(Difference::of(&config, today, &served).text().as_deref(), expect);
    }

    const ALL: &str = "web web_local web_20261121 web_20261122 web_20261123 web_20261124 \
                       web_x web_x_local web_x_20261122 web_x_20261123 web_x_20261124";

    #[test]
    fn what_searchd_serves_is_compared_with_what_it_should() {
        check(ALL, None);
        check(&ALL.replace("web_20261124", ""), Some("does not serve web_20261124"));
        check(&ALL.replace("web_x_local", ""), Some("does not serve web_x_local"));
        check("", Some("does not serve web and 10 more"));
        check(&format!("{ALL} web_20261120"), Some("serves web_20261120, to be served no more"));
        check(&format!("{} web_20261120", ALL.replace("web_20261124", "")), Some("does not serve web_20261124"));
        // an index that alco.ini has no more, and somebody's own
        check(
            &format!("{ALL} gone gone_local gone_20261121 gone_20261122"),
            Some("serves gone_20261121 and 1 more, to be served no more"),
        );
        check(&format!("{ALL} own own_20261121 documents"), None);
    }
}
