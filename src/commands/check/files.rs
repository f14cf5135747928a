//! What lies on this host's disk: the files of passwords, data_dir, searchd's binlog, and who may read and write them.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::statvfs::statvfs;
use nix::unistd::{Uid, User};

use crate::commands::check::report::{Report, listed};
use crate::config::{Address, Config, Dialect, Secret};
use crate::sphinx::conf::binlog_path;

/// Room that the disk should have: searchd stops taking records when there is none.
const ENOUGH_BYTES: u64 = 2 << 30;
const TOO_FEW_BYTES: u64 = 100 << 20;

/// Passwords that everybody on this host may read.
pub fn secrets(config: &Config, ini: Option<&Path>, report: &mut Report) {
    // RabbitMQ's guest:guest is in its manual
    let is_secret = |url: &Secret| url.expose() != url.without_password() && !url.expose().contains("://guest:guest@");
    let (rabbitmq, redis) = (&config.rabbitmq, &config.redis);
    // what a password file holds was put into the URLs
    let in_ini = rabbitmq.password_file.is_none() && rabbitmq.urls.iter().any(is_secret)
        || redis.password_file.is_none() && is_secret(&redis.url);
    let files = [
        ("alco.ini", ini.filter(|_| in_ini)),
        ("rabbitmq", rabbitmq.password_file.as_deref()),
        ("redis", redis.password_file.as_deref()),
        ("http", config.http.users_file.as_deref()),
    ];
    for (part, path) in files {
        if let Some(path) = path
            && fs::metadata(path).is_ok_and(|about| about.mode() & 0o004 != 0)
        {
            let path = path.display();
            let text = format!("everybody on this host may read {path}, and passwords or their hashes stand in it");
            report.warning(part, text, format!("chmod 640 {path}; its group: that of alco's user"));
        }
    }
}

/// Whether searchd keeps a binlog where the configuration that alco generates says so: without one, its death loses what was
/// confirmed. searchd does not tell (its variables have nothing of it), but while it has a binlog it holds a lock there.
///
/// What cannot be seen: binlog_flush. alco.ini takes no value but 2, and a searchd that runs by another configuration has its
/// binlog elsewhere, most likely. Nor is anything looked at where searchd has a host of its own, or is Manticore.
pub fn binlog(config: &Config, report: &mut Report) {
    const PART: &str = "searchd";
    let sphinx = &config.sphinx;
    let is_here = match &sphinx.address {
        Address::Unix(_) => true,
        Address::Tcp { host, .. } => {
            host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
    };
    // data_dir that is not there is told of by itself
    if !is_here || sphinx.dialect != Dialect::Sphinx || fs::read_dir(&sphinx.data_dir).is_err() {
        return;
    }
    let dir = binlog_path(sphinx);
    let (shown, lock) = (dir.display(), dir.join("binlog.lock"));
    match is_held(&lock) {
        Ok(true) => {
            report.ok(PART, format!("its binlog is in {shown}: what was confirmed outlives it"));
            if let Ok(about) = fs::metadata(&lock) {
                directories(config, &dir, Uid::from_raw(about.uid()), report);
            }
        }
        Ok(false) => {
            let text = format!("it keeps no binlog in {shown}: if it dies, records are lost that were confirmed");
            report.error(
                PART,
                text,
                "stop it, and start it with sphinx/sphinx.conf: is it run by another configuration?",
            );
        }
        Err(error) => {
            let text = format!("cannot see whether it keeps a binlog: {}: {error}", lock.display());
            report.warning(PART, text, "run alco check as searchd's user, or as root");
        }
    }
}

/// Whether some process has locked that file, which need not be there.
fn is_held(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
        #[cfg(target_os = "freebsd")]
        l_sysid: 0,
    };
    fcntl(&file, FcntlArg::F_GETLK(&mut lock))?;
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}

/// What somebody else has made is not searchd's to write: it would not serve that day.
fn directories(config: &Config, binlog: &Path, user: Uid, report: &mut Report) {
    let data_dir = &config.sphinx.data_dir;
    let mut all = vec![data_dir.clone(), binlog.to_owned()];
    for index in &config.indexes {
        let dir = data_dir.join(index.name.as_str());
        all.extend(fs::read_dir(&dir).into_iter().flatten().flatten().map(|day| day.path()));
        all.push(dir);
    }
    let is_closed = |path: &PathBuf| fs::metadata(path).is_ok_and(|about| about.is_dir() && !may_write(user, &about));
    let mut closed: Vec<String> = all.into_iter().filter(is_closed).map(|path| path.display().to_string()).collect();
    closed.sort_unstable();
    if closed.is_empty() {
        return;
    }
    let name = User::from_uid(user).ok().flatten().map_or(user.to_string(), |user| user.name);
    let closed: Vec<&str> = closed.iter().map(String::as_str).collect();
    let text = format!("searchd runs as {name}, who may not write {}", listed(&closed));
    report.error("data_dir", text, format!("chown -R {name} {}", data_dir.display()));
}

/// As far as can be told: which groups the user is in is not asked.
fn may_write(user: Uid, about: &Metadata) -> bool {
    let (is_owner, mode) = (about.uid() == user.as_raw(), about.mode());
    user.is_root() || mode & if is_owner { 0o200 } else { 0o022 } != 0
}

pub fn is_day(name: &str) -> bool {
    name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_digit())
}

pub fn data_dir(config: &Config, report: &mut Report) {
    const PART: &str = "data_dir";
    let dir = &config.sphinx.data_dir;
    let shown = dir.display();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            let cure = "right if searchd has a host of its own; else make it, for searchd's user";
            let text = format!("cannot read {shown}: {error}; neither its room nor searchd's binlog was looked at");
            return report.warning(PART, text, cure);
        }
    };
    match statvfs(dir) {
        Ok(found) => {
            let free = found.blocks_available() * found.fragment_size();
            let text = format!("{shown}: {:.1} GiB free", free as f64 / f64::from(1 << 30));
            let cure = "shorten days of some index, or make room: searchd takes no records when the disk is full";
            match free {
                0..TOO_FEW_BYTES => report.error(PART, text, cure),
                TOO_FEW_BYTES..ENOUGH_BYTES => report.warning(PART, text, cure),
                _ => report.ok(PART, text),
            }
        }
        Err(error) => report.warning(PART, format!("cannot tell how much room {shown} has: {error}"), "look with df"),
    }
    let mut left: Vec<String> = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours = config.indexes.iter().any(|index| index.name.as_str() == name);
        let holds_days = || {
            let mut inside = fs::read_dir(entry.path()).into_iter().flatten().flatten();
            inside.any(|day| is_day(&day.file_name().to_string_lossy()))
        };
        if !is_ours && holds_days() {
            left.push(name);
        }
    }
    left.sort_unstable();
    for name in left {
        let text = format!("{shown}/{name} holds days of an index that alco.ini has no more");
        report.warning(PART, text, "remove the directory if nobody needs them");
    }
}
