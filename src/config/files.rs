//! Finds alco.ini, and reads the files that it names.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config::ini::Mistake;
use crate::config::sections::{Reading, read};
use crate::config::settings::Config;
use crate::net::tls::Authorities;
use crate::users_file::{ListedUsers, parse};

const PLACES: [&str; 2] = ["/usr/local/etc/alco.ini", "/etc/alco.ini"];

/// The file that alco reads without `--config`. Err: there is none, and a notice that every setting is at its default.
pub fn find() -> Result<PathBuf, String> {
    find_in(env::var_os("ALCO_INI"), |path| path.exists())
}

fn find_in(named: Option<OsString>, exists: impl Fn(&Path) -> bool) -> Result<PathBuf, String> {
    // a file that $ALCO_INI names must exist: `load` reports where it does not
    named
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .or_else(|| PLACES.map(PathBuf::from).into_iter().find(|place| exists(place)))
        .ok_or_else(|| format!("no alco.ini ($ALCO_INI, {}): every setting is at its default", PLACES.join(", ")))
}

impl Config {
    /// Every mistake in `text`, each as a line that begins with the file and the line.
    pub fn parse(text: &str, file_name: &str) -> Result<Config, Vec<String>> {
        finish(read(text), file_name)
    }

    /// Reads alco.ini, puts the passwords of password files into their URLs, and reads the trusted certificates.
    pub fn load(path: &Path) -> Result<Config, Vec<String>> {
        let mut reading = read(&text_of(path)?);
        open_files(&mut reading);
        finish(reading, &path.display().to_string())
    }

    /// For commands that talk to searchd only: `alco sphinx-conf` runs as searchd's user, who needs no password.
    pub fn load_without_secrets(path: &Path) -> Result<Config, Vec<String>> {
        Config::parse(&text_of(path)?, &path.display().to_string())
    }
}

fn finish(reading: Reading, file_name: &str) -> Result<Config, Vec<String>> {
    if reading.mistakes.is_empty() {
        return Ok(reading.config);
    }
    Err(reading.mistakes.iter().map(|Mistake { line, what }| format!("{file_name}:{line}: {what}")).collect())
}

fn text_of(path: &Path) -> Result<String, Vec<String>> {
    let cannot = |why: String| vec![format!("cannot read {}: {why}", path.display())];
    let bytes = fs::read(path).map_err(|error| cannot(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        vec![format!("{}:{line}: the file is not UTF-8; save it as UTF-8", path.display())]
    })
}

fn open_files(reading: &mut Reading) {
    let Reading { config, mistakes, rabbitmq_lines, redis_lines, users_file_line } = reading;
    let mut wrong = |line: usize, section: &str, what: String| {
        mistakes.push(Mistake { line, what: format!("[{section}] {what}") });
    };

    if let Some(path) = &config.rabbitmq.password_file {
        match password(path) {
            Ok(password) => config.rabbitmq.urls.iter_mut().for_each(|url| *url = url.with_password(&password)),
            Err(what) => wrong(rabbitmq_lines.password_file, "rabbitmq", what),
        }
    }
    if let Some(path) = &config.redis.password_file {
        match password(path) {
            Ok(password) => config.redis.urls.iter_mut().for_each(|url| *url = url.with_password(&password)),
            Err(what) => wrong(redis_lines.password_file, "redis", what),
        }
    }
    if let Some(path) = &config.rabbitmq.ca_file {
        match authorities(path) {
            Ok(authorities) => config.rabbitmq.authorities = Some(authorities),
            Err(what) => wrong(rabbitmq_lines.ca_file, "rabbitmq", what),
        }
    }
    if let Some(path) = &config.redis.ca_file {
        match authorities(path) {
            Ok(authorities) => config.redis.authorities = Some(authorities),
            Err(what) => wrong(redis_lines.ca_file, "redis", what),
        }
    }
    if let Some(path) = &config.http.users_file
        && let Err(why) = users(path)
    {
        wrong(*users_file_line, "http", format!("users_file: {why}"));
    }
    mistakes.sort_by_key(|mistake| mistake.line);
}

/// The users of users_file with the hashes of their passwords, and the groups.
pub fn users(path: &Path) -> Result<ListedUsers, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    parse(&text).map_err(|why| format!("{}: {why}", path.display()))
}

fn authorities(path: &Path) -> Result<Authorities, String> {
    let pem = fs::read(path).map_err(|error| format!("ca_file: cannot read {}: {error}", path.display()))?;
    Authorities::parse(pem).map_err(|why| {
        format!("ca_file: cannot use {}: {why}; it should be the CA's certificate in PEM form", path.display())
    })
}

/// The first line, with all its characters.
fn password(path: &Path) -> Result<String, String> {
    let cannot = |why: String| format!("password_file: cannot read {}: {why}", path.display());
    let text = fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(cannot("its first line is empty, and should be the password".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::secret::Secret;

    #[test]
    fn a_named_file_goes_before_the_usual_places() {
        let found = |named: Option<&str>, there: &'static [&str]| {
            let exists = |path: &Path| there.iter().any(|place| Path::new(place) == path);
            find_in(named.map(OsString::from), exists).ok().map(|path| path.display().to_string())
        };
        assert_eq!(found(Some("/x.ini"), &["/etc/alco.ini"]).as_deref(), Some("/x.ini"));
        assert_eq!(found(Some(""), &["/etc/alco.ini"]).as_deref(), Some("/etc/alco.ini"));
        assert_eq!(found(None, &PLACES).as_deref(), Some("/usr/local/etc/alco.ini"));
        assert_eq!(found(None, &[]), None);
    }

    /// A directory of this test's own.
    fn directory(name: &str) -> PathBuf {
        let path = env::temp_dir().join(format!("alco-test-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory for the test");
        path
    }

    #[test]
    fn passwords_come_from_their_files() {
        let at = directory("passwords");
        let file = at.join("secret");
        fs::write(&file, "p@ss word\nsecond line\n").expect("a file for the test");
        let ini = at.join("alco.ini");
        let section = |name: &str, url: &str| format!("[{name}]\nurl = {url}\npassword_file = {}\n", file.display());
        let text = section("rabbitmq", "amqp://a:old@h/v, amqp://b@h") + &section("redis", "redis://h");
        fs::write(&ini, text).expect("a file for the test");
        let config = Config::load(&ini).expect("no mistakes");
        let urls: Vec<&str> = config.rabbitmq.urls.iter().map(Secret::expose).collect();
        assert_eq!(urls, ["amqp://a:p%40ss%20word@h/v", "amqp://b:p%40ss%20word@h"]);
        assert_eq!(config.redis.urls[0].expose(), "redis://:p%40ss%20word@h");
        fs::remove_dir_all(at).expect("the test's own directory");
    }

    #[test]
    fn a_file_of_the_ini_that_cannot_be_used_has_a_line() {
        let at = directory("unreadable");
        let ini = at.join("alco.ini");
        let text = "[redis]\nurl = rediss://h\npassword_file = /nonexistent/pw\nx = 1\nca_file = /nonexistent/ca\n[http]\nusers_file = /nonexistent/users\n";
        fs::write(&ini, text).expect("a file for the test");
        let name = ini.display();
        let missing = "No such file or directory (os error 2)";
        assert_eq!(
            Config::load(&ini).expect_err("mistakes"),
            [
                format!("{name}:3: [redis] password_file: cannot read /nonexistent/pw: {missing}"),
                format!("{name}:4: [redis] unknown key 'x'; the keys are url, sentinel, password_file, ca_file"),
                format!("{name}:5: [redis] ca_file: cannot read /nonexistent/ca: {missing}"),
                format!("{name}:7: [http] users_file: cannot read /nonexistent/users: {missing}"),
            ]
        );
        let ca = at.join("ca.pem");
        fs::write(&ca, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").expect("a file for the test");
        let text = format!("[rabbitmq]\nurl = amqp://h, amqps://h\nca_file = {}\n", ca.display());
        fs::write(&ini, text).expect("a file for the test");
        let mistakes = Config::load(&ini).expect_err("mistakes");
        assert_eq!(
            mistakes,
            [format!(
                "{name}:3: [rabbitmq] ca_file: cannot use {}: it holds no certificate (-----BEGIN CERTIFICATE-----); it should be \
                 the CA's certificate in PEM form",
                ca.display()
            )]
        );
        fs::write(&ini, b"[http]\ntitle = \xe9\n").expect("a file for the test");
        let mistakes = Config::load(&ini).expect_err("mistakes");
        assert_eq!(mistakes, [format!("{name}:2: the file is not UTF-8; save it as UTF-8")]);
        fs::remove_dir_all(&at).expect("the test's own directory");
        assert_eq!(Config::load(&ini).expect_err("no file"), [format!("cannot read {name}: {missing}")]);
    }
}
