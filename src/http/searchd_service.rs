//! The service that starts searchd here, for the page that shows that it is away.
//!
//! alco.ini names it; else alco remembers the systemd unit in which it saw searchd run; else the directory of the pid file has its name,
//! as /run/alco-searchd/searchd.pid.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::config::Sphinx;

/// A host that systemd runs has this directory.
const SYSTEMD: &str = "/run/systemd/system";

#[derive(Debug)]
pub struct SearchdService {
    named: Option<String>,
    pid_file: Option<PathBuf>,
    seen: Mutex<Option<StartedBy>>,
}

/// searchd's process, when it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
enum StartedBy {
    Unit(String),
    /// as one that a shell or a script has started
    Other,
}

impl SearchdService {
    pub fn new(sphinx: &Sphinx) -> SearchdService {
        let found =
            SearchdService { named: sphinx.service.clone(), pid_file: sphinx.pid_file.clone(), seen: Mutex::default() };
        found.look();
        found
    }

    /// Notes how the searchd that runs at this moment was started.
    pub fn look(&self) {
        let Some(file) = self.pid_file.as_ref().filter(|_| self.named.is_none()) else { return };
        let pid = fs::read_to_string(file).ok().and_then(|pid| pid.trim().parse::<u32>().ok());
        if let Some(groups) = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()) {
            let seen = unit_of(&groups).map_or(StartedBy::Other, StartedBy::Unit);
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        }
    }

    /// The command that shows the state of the service; None: searchd runs in none, or alco does not know which.
    pub fn status_command(&self) -> Option<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let name = match (&self.named, seen) {
            (Some(name), _) => name.clone(),
            (None, Some(StartedBy::Unit(unit))) => unit,
            (None, Some(StartedBy::Other)) => return None,
            (None, None) => service_of_pid_file(self.pid_file.as_deref()?)?,
        };
        Some(match Path::new(SYSTEMD).exists() {
            true => format!("systemctl status {name}"),
            false => format!("service {name} status"),
        })
    }
}

/// The systemd unit of a process, by its /proc/PID/cgroup.
fn unit_of(groups: &str) -> Option<String> {
    let mut names = groups.lines().filter_map(|line| line.rsplit('/').next());
    names.find_map(|name| name.strip_suffix(".service")).map(str::to_owned)
}

fn service_of_pid_file(path: &Path) -> Option<String> {
    let directory = path.parent()?;
    let is_of_services = directory.parent().is_some_and(|parent| parent.ends_with("run"));
    directory.file_name().filter(|_| is_of_services)?.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_known_by_its_process_or_its_pid_file() {
        for (groups, unit) in [
            ("0::/system.slice/alco-searchd.service\n", Some("alco-searchd")),
            ("12:pids:/\n1:name=systemd:/system.slice/sphinxsearch.service\n0::/", Some("sphinxsearch")),
            ("0::/user.slice/user-0.slice/session-3.scope\n", None),
            ("0::/\n", None),
            ("", None),
        ] {
            assert_eq!(unit_of(groups).as_deref(), unit, "{groups}");
        }
        for (path, service) in [
            ("/run/alco-searchd/searchd.pid", Some("alco-searchd")),
            ("/var/run/sphinxsearch/searchd.pid", Some("sphinxsearch")),
            ("/run/searchd.pid", None),
            ("/srv/demo/searchd.pid", None),
        ] {
            assert_eq!(service_of_pid_file(Path::new(path)).as_deref(), service, "{path}");
        }
    }

    #[test]
    fn the_service_of_the_ini_comes_first() {
        let own = std::env::temp_dir().join(format!("alco-pid-{}", std::process::id()));
        fs::write(&own, std::process::id().to_string()).expect("a file");
        let sphinx = Sphinx { pid_file: Some(own.clone()), ..Sphinx::default() };
        let named = Sphinx { service: Some("manticore".to_owned()), ..sphinx.clone() };
        let command = SearchdService::new(&named).status_command().expect("a command");
        assert!(["systemctl status manticore", "service manticore status"].contains(&command.as_str()), "{command}");
        // this test runs in no service, or in that of the tests' runner
        let unit = fs::read_to_string("/proc/self/cgroup").ok().map(|groups| unit_of(&groups));
        let command = SearchdService::new(&sphinx).status_command();
        assert!(unit.is_none_or(|unit| unit.is_some() == command.is_some()), "{command:?}");
        fs::remove_file(own).expect("it is there");
    }
}
