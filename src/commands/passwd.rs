//! `alco passwd`: prints a line for users_file. On a terminal it asks for the password twice and does not show it; otherwise the
//! password is the first line of stdin. The only door to rpassword.

use std::io::{self, IsTerminal};

use argh::{ArgsInfo, FromArgs};

use crate::commands::exit::{Done, Failure, WRONG_USAGE_STATUS};
use crate::users_file;

/// Print a line for users_file: a user and the hash of a password. On a terminal, the command asks for the password; otherwise
/// the password is the first line of stdin.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "passwd",
    help_triggers("-h", "--help"),
    note = "The hash is bcrypt, as htpasswd -B makes it. alco reads a changed users_file at once, without a restart.",
    example = "alco passwd anna >>/usr/local/etc/alco.users",
    error_code(0, "the line was printed"),
    error_code(2, "wrong usage, or a password that cannot be used")
)]
pub struct Passwd {
    /// the name, as the user will type it
    #[argh(positional)]
    pub user: String,
}

impl Passwd {
    pub fn run(&self) -> Result<Done, Failure> {
        let line = read().and_then(|password| users_file::line(&self.user, &password));
        let line = line.map_err(|why| Failure::new("alco passwd", &why, WRONG_USAGE_STATUS))?;
        Ok(Done::text(format!("{line}\n")))
    }
}

fn read() -> Result<String, String> {
    let cannot = |error: io::Error| format!("cannot read the password: {error}");
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map_err(cannot)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let password = rpassword::prompt_password("Password: ").map_err(cannot)?;
    match rpassword::prompt_password("Repeat the password: ").map_err(cannot)? == password {
        true => Ok(password),
        false => Err("cannot use the password: the two that were typed differ".to_owned()),
    }
}
