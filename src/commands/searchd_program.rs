//! The searchd for which `alco sphinx-conf` writes: the process that runs the script sphinx.conf, or the program on the PATH.
//!
//! searchd itself cannot be asked over its port: it waits for the script, and takes no connection meanwhile.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::config::Dialect;
use crate::sphinx::dialect::of_banner;

/// Processes between searchd and this one: a shell, the script, and what a script of the administrator's adds.
const MAX_ANCESTORS: usize = 8;

/// The engine of that searchd; None: there is none, or it does not show its version.
pub fn dialect() -> Option<Dialect> {
    let found = ancestor().and_then(|program| asked(program.into()));
    found.or_else(|| asked("searchd".into()))
}

/// The program of the nearest ancestor that is a searchd. It runs even if a package has replaced its file meanwhile. Only Linux shows it.
fn ancestor() -> Option<PathBuf> {
    let mut process = "self".to_owned();
    for _ in 0..MAX_ANCESTORS {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // the name stands in parentheses and may hold any character; the state and the parent follow
        let (_, rest) = stat.rsplit_once(") ")?;
        process = rest.split(' ').nth(1)?.to_owned();
        let program = PathBuf::from(format!("/proc/{process}/exe"));
        let name = fs::read_link(&program).ok()?;
        if name.file_name()?.to_string_lossy().contains("searchd") {
            return Some(program);
        }
    }
    None
}

fn asked(program: std::ffi::OsString) -> Option<Dialect> {
    // Sphinx has no such option, and shows its version before it says so
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    of_banner(&String::from_utf8_lossy(&output.stdout))
}
