//! The files on this host: password files, data_dir and searchd's binlog, and their permissions.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::statvfs::statvfs;
use nix::unistd::{Uid, User};

use crate::commands::check::report::{Report, listed};
use crate::config::{Address, Config, Dialect, IndexName, Secret};
use crate::sphinx::conf::binlog_path;
use crate::sphinx::dialect;
use crate::time::Day;

/// Free space that the disk should have: searchd takes no records if the disk is full.
const ENOUGH_BYTES: u64 = 2 << 30;
const TOO_FEW_BYTES: u64 = 100 << 20;

/// Warns of files with passwords that every user of this host may read.
pub fn secrets(config: &Config, ini: Option<&Path>, report: &mut Report) {
    // guest:guest is not a secret: it is in RabbitMQ's manual
    let is_secret = |url: &Secret| url.expose() != url.without_password() && !url.expose().contains("://guest:guest@");
    let (rabbitmq, redis) = (&config.rabbitmq, &config.redis);
    // Config has put the passwords of the password files into the URLs
    let in_ini = rabbitmq.password_file.is_none() && rabbitmq.urls.iter().any(is_secret)
        || redis.password_file.is_none() && redis.urls.iter().any(is_secret);
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
            let text = format!("every user of this host may read {path}, which has passwords or their hashes");
            report.warning(part, text, format!("chmod 640 {path}, with the group of alco's user"));
        }
    }
}

/// Reports whether searchd keeps a binlog in the directory that alco's configuration names: without a binlog, a searchd that dies
/// loses records that it had confirmed. No variable of searchd shows it, but searchd holds a lock there while it has a binlog.
///
/// binlog_flush cannot be seen. alco.ini takes no value but 2, and a searchd with another configuration most likely has its binlog
/// elsewhere. If searchd runs on another host, nothing is examined.
pub fn binlog(config: &Config, report: &mut Report) {
    const PART: &str = "searchd";
    let sphinx = &config.sphinx;
    let is_here = match &sphinx.address {
        Address::Unix(_) => true,
        Address::Tcp { host, .. } => {
            host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
    };
    // `data_dir` below reports a directory that is missing
    if !is_here || fs::read_dir(&sphinx.data_dir).is_err() {
        return;
    }
    let dir = binlog_path(sphinx);
    let (shown, lock) = (dir.display(), dir.join("binlog.lock"));
    match is_held(&lock) {
        Ok(true) => {
            report.ok(PART, format!("its binlog is in {shown}: confirmed records outlive a crash"));
            if let Ok(about) = fs::metadata(&lock) {
                directories(config, &dir, Uid::from_raw(about.uid()), report);
            }
        }
        Ok(false) => {
            let text = format!("it keeps no binlog in {shown}: if searchd dies, confirmed records are lost");
            report.error(
                PART,
                text,
                "stop it, and start it with sphinx/sphinx.conf: does it run with another configuration?",
            );
        }
        Err(error) => {
            let text = format!("cannot see whether it keeps a binlog: {}: {error}", lock.display());
            report.warning(PART, text, "run alco check as searchd's user, or as root");
        }
    }
}

/// True if a process has locked that file; false if there is no such file.
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

/// Reports directories that searchd's user may not write, since another user made them: searchd would not serve that day.
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

/// A guess from the mode: the groups of the user are not known.
fn may_write(user: Uid, about: &Metadata) -> bool {
    let (is_owner, mode) = (about.uid() == user.as_raw(), about.mode());
    user.is_root() || mode & if is_owner { 0o200 } else { 0o022 } != 0
}

/// Of these days of an index, the first that another engine than `engine` wrote, with that engine: searchd does not serve it. None if
/// searchd runs on another host, too.
pub fn written_by_another(
    data_dir: &Path,
    index: &IndexName,
    days: impl Iterator<Item = Day>,
    engine: Dialect,
) -> Option<(PathBuf, Dialect)> {
    let mut written = days.filter_map(|day| {
        let dir = data_dir.join(index.as_str()).join(day.to_string());
        let mut head = [0; 8];
        File::open(dir.join(format!("{index}.meta"))).ok()?.read_exact(&mut head).ok()?;
        Some((dir, dialect::of_meta(&head)?))
    });
    written.find(|(_, writer)| *writer != engine)
}

/// Reports the free space of data_dir, and directories of indexes that alco.ini no longer has.
pub fn data_dir(config: &Config, report: &mut Report) {
    const PART: &str = "data_dir";
    let dir = &config.sphinx.data_dir;
    let shown = dir.display();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            let cure = "right if searchd runs on another host; else create it for searchd's user";
            let text =
                format!("cannot read {shown}: {error}; neither its free space nor searchd's binlog was examined");
            return report.warning(PART, text, cure);
        }
    };
    match statvfs(dir) {
        Ok(found) => {
            let free = found.blocks_available() * found.fragment_size();
            let text = format!("{shown}: {:.1} GiB free", free as f64 / f64::from(1 << 30));
            let cure = "lower days of an index, or free space: searchd takes no records if the disk is full";
            match free {
                0..TOO_FEW_BYTES => report.error(PART, text, cure),
                TOO_FEW_BYTES..ENOUGH_BYTES => report.warning(PART, text, cure),
                _ => report.ok(PART, text),
            }
        }
        Err(error) => report.warning(PART, format!("cannot read the free space of {shown}: {error}"), "see df"),
    }
    let mut left: Vec<String> = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours = config.indexes.iter().any(|index| index.name.as_str() == name);
        let holds_days = || {
            let mut inside = fs::read_dir(entry.path()).into_iter().flatten().flatten();
            inside.any(|day| Day::is_written(&day.file_name().to_string_lossy()))
        };
        if !is_ours && holds_days() {
            left.push(name);
        }
    }
    left.sort_unstable();
    for name in left {
        let text = format!("{shown}/{name} holds days of an index that alco.ini no longer has");
        report.warning(PART, text, "remove the directory if the days are no longer needed");
    }
}
