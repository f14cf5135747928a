//! A password: asked for twice on a terminal, where it is not shown, or else the first line of stdin. The only door to rpassword.

use std::io::{self, IsTerminal};

pub fn read() -> Result<String, String> {
    let cannot = |error: io::Error| format!("cannot read the password: {error}");
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map_err(cannot)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let password = rpassword::prompt_password("Password: ").map_err(cannot)?;
    match rpassword::prompt_password("The same again: ").map_err(cannot)? == password {
        true => Ok(password),
        false => Err("the two differ; nothing is printed".to_owned()),
    }
}
