//! The values that a key may have: text -> types that cannot be wrong. Pure. An error is the end of a sentence that
//! begins with the key: `batch_age: '10' has no unit; write 500ms, 2s, 10m, 1h or 1d`.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::config::address::Address;
use crate::config::secret::Secret;

type Value<T> = Result<T, String>;

/// Any text that is not empty.
pub fn text(value: &str) -> Value<String> {
    match value {
        "" => Err("is empty; leave the line out for the default".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// The name of an exchange or a queue, or a routing key: AMQP has one byte for its length.
pub fn amqp_name(value: &str) -> Value<String> {
    match value.len() {
        // 5: room for `.dead`
        ..=250 => text(value),
        _ => Err("is longer than 250 bytes".to_owned()),
    }
}

/// The name of a unit of systemd or of an rc.d script, which is part of a command.
pub fn service_name(value: &str) -> Value<String> {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ':');
    match value.chars().all(is_safe) && !value.starts_with('-') {
        true => Ok(value.to_owned()),
        false => Err(format!("'{value}' is not the name of a service, such as sphinxsearch")),
    }
}

pub fn choice<T: Copy>(choices: &[(&str, T)]) -> impl Fn(&str) -> Value<T> {
    move |value| match choices.iter().find(|(name, _)| *name == value) {
        Some((_, choice)) => Ok(*choice),
        None => {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            Err(format!("'{value}' is not one of {}", names.join(", ")))
        }
    }
}

pub fn yes_no(value: &str) -> Value<bool> {
    choice(&[("yes", true), ("no", false)])(value)
}

pub fn number<T: FromStr + PartialOrd + Display>(range: RangeInclusive<T>) -> impl Fn(&str) -> Value<T> {
    move |value| match value.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("'{value}' is not a whole number from {} to {}", range.start(), range.end())),
    }
}

/// For the numbers whose range begins at 1.
pub fn non_zero<T, N: TryFrom<T>>(number: T) -> Result<N, String> {
    N::try_from(number).map_err(|_| "is 0".to_owned())
}

/// A number and what follows it.
fn quantity(value: &str) -> Option<(u64, &str)> {
    let (number, unit) = value.split_at(value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len()));
    Some((number.parse().ok()?, unit.trim_start()))
}

pub fn duration(value: &str) -> Value<Duration> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let cure = "write 500ms, 2s, 10m, 1h or 1d";
    match quantity(value) {
        Some((_, "")) => Err(format!("'{value}' has no unit; {cure}")),
        Some((number, unit)) => units
            .iter()
            .find(|(name, _)| *name == unit)
            .and_then(|(_, millis)| number.checked_mul(*millis))
            .map(Duration::from_millis)
            .ok_or_else(|| format!("'{value}' is not a duration; {cure}")),
        None => Err(format!("'{value}' is not a duration; {cure}")),
    }
}

pub fn duration_within(range: RangeInclusive<Duration>) -> impl Fn(&str) -> Value<Duration> {
    move |value| match duration(value)? {
        found if range.contains(&found) => Ok(found),
        _ => Err(format!("'{value}' is not within {:?} and {:?}", range.start(), range.end())),
    }
}

/// Bytes.
pub fn size(range: RangeInclusive<usize>) -> impl Fn(&str) -> Value<usize> {
    move |value| {
        let units = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
        let Some((number, unit)) = quantity(value) else {
            return Err(format!("'{value}' is not a size; write 512KiB or 4MiB"));
        };
        if unit.is_empty() {
            return Err(format!("'{value}' has no unit; write 512KiB or 4MiB"));
        }
        let factor = units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let bytes = factor.and_then(|factor| usize::try_from(number).ok()?.checked_mul(factor));
        match bytes {
            Some(bytes) if range.contains(&bytes) => Ok(bytes),
            Some(_) => Err(format!("'{value}' is not within {}KiB and {}KiB", range.start() >> 10, range.end() >> 10)),
            None => Err(format!("'{value}' is not a size; write 512KiB or 4MiB")),
        }
    }
}

/// A routing key, or a pattern of some.
pub fn routing_key(value: &str) -> Value<String> {
    match value.contains([' ', '\t', ';']) {
        true => Err(format!("'{value}' has a space or a semicolon; write a comma between routing keys")),
        false => amqp_name(value),
    }
}

/// `a, b`; empty is the empty list. A single name with a space or a semicolon is more likely a list without commas; if it is one, a
/// comma ends it.
pub fn list(value: &str) -> Value<Vec<String>> {
    let divides = |c: char| c.is_whitespace() || c == ';';
    if value.contains(divides) && !value.contains(',') {
        let items: Vec<&str> = value.split(divides).filter(|item| !item.is_empty()).collect();
        return Err(format!("'{value}' has no comma; write {}; or '{value},' if that is one name", items.join(", ")));
    }
    let single = value.strip_suffix(',').filter(|name| name.contains(divides) && !name.contains(','));
    list_of(|item| Ok(item.to_owned()))(single.unwrap_or(value))
}

pub fn list_of<T>(parse: impl Fn(&str) -> Value<T>) -> impl Fn(&str) -> Value<Vec<T>> {
    move |value| {
        let items: Vec<&str> = if value.is_empty() { Vec::new() } else { value.split(',').map(str::trim).collect() };
        for (at, item) in items.iter().enumerate() {
            if item.is_empty() {
                return Err("has a comma with nothing before or after it".to_owned());
            }
            if items[..at].contains(item) {
                return Err(match item.contains("://") {
                    true => "has an address twice; keep one".to_owned(),
                    false => format!("has '{item}' twice; keep one"),
                });
            }
        }
        items.into_iter().map(&parse).collect()
    }
}

pub fn not_empty<T>(parse: impl Fn(&str) -> Value<Vec<T>>, cure: &str) -> impl Fn(&str) -> Value<Vec<T>> {
    move |value| match parse(value)? {
        items if items.is_empty() => Err(format!("is empty; {cure}")),
        items => Ok(items),
    }
}

/// A whole path, since a daemon is started from anywhere.
pub fn path(value: &str) -> Value<PathBuf> {
    match value.starts_with('/') {
        true => Ok(PathBuf::from(value)),
        false => Err(format!("'{value}' is not an absolute path; begin it with /")),
    }
}

pub fn optional<T>(parse: impl Fn(&str) -> Value<T>) -> impl Fn(&str) -> Value<Option<T>> {
    move |value| if value.is_empty() { Ok(None) } else { parse(value).map(Some) }
}

/// Text that searchd's configuration can hold: there `#` begins a comment, `\` continues a line.
pub fn for_searchd(value: &str) -> Value<&str> {
    match value.find(['#', '\\']) {
        None => Ok(value),
        Some(_) => Err(format!("'{value}': # and \\ mean something else in searchd's configuration")),
    }
}

/// `host:port`, `[::1]:port`, or the path of a Unix socket.
pub fn address(value: &str) -> Value<Address> {
    if value.starts_with('/') {
        return Ok(Address::Unix(PathBuf::from(value)));
    }
    match host_and_port(value) {
        Some((host, Some(port))) => Ok(Address::Tcp { host: host.to_owned(), port }),
        _ => Err(format!("'{value}' is not an address; write 127.0.0.1:8000, [::1]:8000 or /path/of/a/socket")),
    }
}

/// The host without brackets, and the port where there is one; None where it is neither.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_host = !host.is_empty() && (text.starts_with('[') || host.chars().all(name));
    let port = match port {
        None => None,
        // parse() would take +1
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => Some(port.parse().ok().filter(|port| *port > 0)?),
        Some(_) => return None,
    };
    is_host.then_some((host, port))
}

/// `a:9312|b:9312, c:9312`: shards, each of mirrors.
pub fn peers(value: &str) -> Value<Vec<Vec<String>>> {
    list_of(|shard| {
        let mirror = |mirror: &str| match address(mirror.trim())? {
            Address::Tcp { .. } => Ok(mirror.trim().to_owned()),
            Address::Unix(_) => Err(format!("'{mirror}' is on this host; write another node's host:9312")),
        };
        shard.split('|').map(mirror).collect()
    })(value)
}

/// A URL with one of these schemes. It may hold a password, so no message shows it.
pub fn url(schemes: &'static [&'static str]) -> impl Fn(&str) -> Value<Secret> {
    move |value| {
        let known = schemes.iter().find_map(|scheme| value.strip_prefix(scheme)?.strip_prefix("://"));
        let Some(rest) = known else {
            return Err(format!("an address begins with {}://", schemes.join(":// or ")));
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        // a / or # of a password ends the host too early, and leaves its @ in the path
        if host_and_port(host).is_none() || path.contains('@') || value.contains(char::is_whitespace) {
            return Err(format!(
                "an address is {}://user:password@host:port/…, with : / @ , # % of user and password percent-encoded \
                 (or the password in password_file)",
                schemes[0]
            ));
        }
        Ok(Secret::new(value.to_owned()))
    }
}

/// The mistake of a ca_file if no address begins with that scheme.
pub fn no_tls(scheme: &str, port: &str) -> String {
    format!(
        "ca_file: has no effect without TLS; begin url with {scheme}:// and name that port ({port}), or leave ca_file \
         out"
    )
}

/// Begins and ends with `/`.
pub fn base_path(value: &str) -> Value<String> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
    let dots = value.split('/').any(|part| matches!(part, "." | ".."));
    match value.starts_with('/') && value.chars().all(safe) && !value.contains("//") && !dots {
        true if value.ends_with('/') => Ok(value.to_owned()),
        true => Ok(format!("{value}/")),
        false => {
            Err(format!("'{value}' is not a path; write / or /logs/: letters, digits and - _ . ~ between slashes"))
        }
    }
}

/// The name of a header of HTTP.
pub fn header_name(value: &str) -> Value<String> {
    match value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
        true => text(value),
        false => Err(format!("'{value}' is not the name of a header; write one such as X-Remote-User")),
    }
}

/// Longer words have no neighbours: to compare two takes time by the product of their lengths.
const MAX_COMPARED_BYTES: usize = 64;

/// The nearest of the known words, if it is near enough to be meant.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let is_short = |word: &str| word.len() <= MAX_COMPARED_BYTES;
    if !is_short(word) {
        return None;
    }
    let near = |known: &'k str| (distance(word, known), known);
    let (distance, known) = known.into_iter().filter(|known| is_short(known)).map(near).min()?;
    // one slip in three letters, two neighbours changed about, and never another word altogether
    (distance <= 1 + word.len() / 3 && distance < word.len()).then_some(known)
}

/// The number of letters to insert, drop or change (Levenshtein), row by row.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: PartialEq + std::fmt::Debug>(parse: impl Fn(&str) -> Value<T>, value: &str, expect: Option<T>) {
        assert_eq!(parse(value).ok(), expect, "{value}");
    }

    #[test]
    fn units_are_part_of_a_value() {
        check(duration, "500ms", Some(Duration::from_millis(500)));
        check(duration, "2 s", Some(Duration::from_secs(2)));
        check(duration, "1d", Some(Duration::from_secs(86_400)));
        for bad in ["", "1", "s", "-1s", "1.5s", "1w", "99999999999999999999s", "9999999999999999d"] {
            check(duration, bad, None);
        }
        check(size(1..=8 << 20), "4MiB", Some(4 << 20));
        check(size(1..=8 << 20), "512KiB", Some(512 << 10));
        for bad in ["", "4", "4MB", "4M", "16MiB", "0B", "99999999999GiB"] {
            check(size(1..=8 << 20), bad, None);
        }
    }

    #[test]
    fn addresses_are_hosts_with_ports_or_sockets() {
        let tcp = |host: &str, port| Some(Address::Tcp { host: host.to_owned(), port });
        check(address, "127.0.0.1:9306", tcp("127.0.0.1", 9306));
        check(address, "db-1.example:1", tcp("db-1.example", 1));
        check(address, "[::1]:8000", tcp("::1", 8000));
        check(address, "/var/run/s.sock", Some(Address::Unix("/var/run/s.sock".into())));
        for bad in ["", "h", "h:", ":1", "h:0", "h:+1", "h:70000", "::1:80", "[::1]", "[::1]80", "[h]:1", "a b:1"] {
            check(address, bad, None);
        }
    }

    #[test]
    fn urls_are_checked_and_not_shown() {
        let amqp = url(&["amqp", "amqps"]);
        for good in ["amqp://h", "amqps://u:p%2f@h:5671/%2f?heartbeat=10", "amqp://u@[::1]:5672"] {
            assert_eq!(amqp(good).map(|url| url.expose().to_owned()).as_deref(), Ok(good));
        }
        for bad in ["", "h", "http://s3cret@h", "amqp://", "amqp://u:s3cret/w@h", "amqp://u:s3cret", "amqp://h:s3cret/"]
        {
            let why = amqp(bad).expect_err(bad);
            assert!(!why.contains("s3cret"), "{why}");
        }
    }

    #[test]
    fn lists_hold_each_item_once() {
        let items = |items: &[&str]| Some(items.iter().map(|&item| item.to_owned()).collect::<Vec<String>>());
        check(list, "", items(&[]));
        check(list, "a,b , c d", items(&["a", "b", "c d"]));
        check(list, "Remote Addr,", items(&["Remote Addr"]));
        for bad in [",", "a,", "a,,b", "a, a", "a b", "a;b", "a, b,"] {
            check(list, bad, None);
        }
        let shard = |mirrors: &[&str]| mirrors.iter().map(|&mirror| mirror.to_owned()).collect::<Vec<String>>();
        check(peers, "a:9312 | b:9312, c:1", Some(vec![shard(&["a:9312", "b:9312"]), shard(&["c:1"])]));
        check(peers, "a", None);
        check(peers, "/sock", None);
    }

    #[test]
    fn texts_of_links_and_headers_are_harmless() {
        check(base_path, "/", Some("/".to_owned()));
        check(base_path, "/logs", Some("/logs/".to_owned()));
        for bad in ["", "logs", "//h", "/a?b", "/../", "/é"] {
            check(base_path, bad, None);
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        let keys = ["address", "data_dir", "pid_file", "url", "dialect"];
        assert_eq!(nearest("adress", keys), Some("address"));
        assert_eq!(nearest("datadir", keys), Some("data_dir"));
        assert_eq!(nearest("urls", keys), Some("url"));
        assert_eq!(nearest("retention", keys), None);
        assert_eq!(nearest("x", ["y"]), None);
        let long = "a".repeat(MAX_COMPARED_BYTES + 1);
        assert_eq!(nearest(&long, [&long[1..]]), None);
        assert_eq!(nearest(&long[1..], [&*long, &long[2..]]), Some(&long[2..]));
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
