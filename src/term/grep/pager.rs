//! The pager: where what is printed goes on a terminal.

use std::env;
use std::io::{self, IsTerminal};
use std::process::{Child, ChildStdin, Command, Stdio};

use nix::sys::signal::{SigSet, Signal};

/// Reads on as a reader likes; Ctrl-C is the reader's too, who has the last word on when to end.
#[derive(Debug)]
pub struct Pager {
    child: Child,
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
        Some((Pager { child }, stdin))
    }

    /// Until the reader has seen enough.
    pub fn wait(mut self) {
        let _ = self.child.wait();
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
