//! The pager shows the output on a terminal until the reader ends it. While it runs, the terminal belongs to it. After its end,
//! alco writes only the reason of a failed search.

use std::env;
use std::io::{self, IsTerminal};
use std::process::{ChildStdin, Command, Stdio, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::sys::signal::{SigSet, Signal};

/// A running pager. Ctrl-C goes to the pager: the reader decides when to end.
#[derive(Debug)]
pub struct Pager {
    reader: JoinHandle<()>,
    /// all lines were written
    whole: Arc<AtomicBool>,
}

impl Pager {
    /// Starts `$PAGER`, by default `less -R`, which ends by itself if all fits on one screen. None if stdout is not a terminal, if
    /// the user wants no pager (`PAGER=`, `PAGER=cat`), or if it cannot be started: then the output goes to stdout.
    pub fn start() -> Option<(Pager, ChildStdin)> {
        if !io::stdout().is_terminal() {
            return None;
        }
        let pager = env::var("PAGER").unwrap_or_else(|_| "less -R".to_owned());
        if matches!(pager.trim(), "" | "cat") {
            return None;
        }
        let mut command = command(&pager)?;
        if env::var_os("LESS").is_none() {
            // R as in `-R`; F: end if all fits on one screen
            command.env("LESS", "FR");
        }
        let mut child = command.stdin(Stdio::piped()).spawn().ok()?;
        let stdin = child.stdin.take()?;
        let mut interrupt = SigSet::empty();
        interrupt.add(Signal::SIGINT);
        // if Ctrl-C ended alco but not the pager, the pager and the shell would both read from the terminal
        let _ = interrupt.thread_block();
        let whole = Arc::new(AtomicBool::new(false));
        let is_whole = Arc::clone(&whole);
        let wait = move || {
            let _ = child.wait();
            // the reader has ended the pager: no reader waits for the search, which may be far from its next line
            if !is_whole.load(Ordering::SeqCst) {
                exit(0);
            }
        };
        let reader = thread::Builder::new().name("pager".to_owned()).spawn(wait).ok()?;
        Some((Pager { reader, whole }, stdin))
    }

    /// After the last line: closes the pager's input, and waits until the reader ends the pager.
    pub fn wait(self, input: impl Sized) {
        self.whole.store(true, Ordering::SeqCst);
        drop(input);
        let _ = self.reader.join();
    }
}

/// The command of `$PAGER`: a program with its options, or `sh -c` for text that only a shell understands.
fn command(pager: &str) -> Option<Command> {
    if pager.contains(|c: char| !c.is_alphanumeric() && !" \t-_./=+,:".contains(c)) {
        let mut shell = Command::new("sh");
        shell.args(["-c", pager]);
        return Some(shell);
    }
    let mut words = pager.split_whitespace();
    let mut command = Command::new(words.next()?);
    command.args(words);
    Some(command)
}
