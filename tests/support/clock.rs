//! A clock that can be set, for alco and for what it tells searchd's configuration: libfaketime stands before the machine's.
//! Only the time of day is moved; what is measured by the monotonic clock is not.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};

use super::{ALCO, directory, executable};

#[derive(Debug)]
pub struct Clock {
    dir: PathBuf,
    /// what to add to the machine's clock, in seconds, for whoever looks at it next
    file: PathBuf,
    /// becomes alco under this clock
    pub alco: PathBuf,
}

impl Clock {
    pub fn new(name: &str) -> Clock {
        let dir = directory(name);
        let (file, alco) = (dir.join("clock"), dir.join("alco"));
        let script = format!(
            "export LD_PRELOAD={} FAKETIME_TIMESTAMP_FILE={} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1\n\
             exec {ALCO} \"$@\"\n",
            library().display(),
            file.display()
        );
        executable(&alco, &script);
        let clock = Clock { dir, file, alco };
        clock.set(SignedDuration::ZERO);
        clock
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// So far from the machine's clock, from now on.
    pub fn set(&self, offset: SignedDuration) {
        // never half written
        let written = self.file.with_extension("new");
        fs::write(&written, format!("{:+.3}\n", offset.as_secs_f64())).unwrap();
        fs::rename(&written, &self.file).unwrap();
    }

    /// What it says.
    pub fn now(&self) -> Timestamp {
        let offset = fs::read_to_string(&self.file).unwrap().trim().parse().unwrap();
        Timestamp::now() + SignedDuration::from_secs_f64(offset)
    }
}

fn library() -> PathBuf {
    let name = "faketime/libfaketimeMT.so.1";
    let folders = ["/usr/lib", "/usr/local/lib"].into_iter().filter_map(|folder| fs::read_dir(folder).ok());
    let mut candidates = folders.flatten().flatten().map(|entry| entry.path().join(name));
    candidates.find(|path| Path::exists(path)).expect("libfaketime is installed (tests/packages check)")
}
