//! The pager: where what is printed goes on a terminal. It is the reader's, and the terminal is the pager's: alco outlives it by
//! nothing but what it has to say of a search that failed.

use std::env;
use std::io::{self, IsTerminal};
use std::process::{ChildStdin, Command, Stdio, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::sys::signal::{SigSet, Signal};

/// Reads on as a reader likes; Ctrl-C is the reader's too, who has the last word on when to end.
#[derive(Debug)]
pub struct Pager {
    reader: JoinHandle<()>,
    /// there is nothing more to print
    whole: Arc<AtomicBool>,
}

impl Pager {
    /// Starts `$PAGER`, by default `less -R`, which ends by itself where all fits on one screen. None where there is no terminal,
    /// none is wanted (`PAGER=`, `PAGER=cat`), or it cannot be started: then what would go through it is printed.
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
            // what its own option says, and: end where all fits on one screen
            command.env("LESS", "FR");
        }
        let mut child = command.stdin(Stdio::piped()).spawn().ok()?;
        let stdin = child.stdin.take()?;
        let mut interrupt = SigSet::empty();
        interrupt.add(Signal::SIGINT);
        // a pager that outlives the program it reads from would fight with the shell for the terminal
        let _ = interrupt.thread_block();
        let whole = Arc::new(AtomicBool::new(false));
        let is_whole = Arc::clone(&whole);
        let wait = move || {
            let _ = child.wait();
            // the search may be far from its next line, and its end is nobody's business any more
            if !is_whole.load(Ordering::SeqCst) {
                exit(0);
            }
        };
        let reader = thread::Builder::new().name("pager".to_owned()).spawn(wait).ok()?;
        Some((Pager { reader, whole }, stdin))
    }

    /// That was all: ends what it reads, and waits until the reader has seen enough.
    pub fn wait(self, input: impl Sized) {
        self.whole.store(true, Ordering::SeqCst);
        drop(input);
        let _ = self.reader.join();
    }
}

/// A program with its options; what only a shell understands is a shell's.
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
