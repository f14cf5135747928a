//! The alco that runs on this host, by what its `/health` reports. A process that works knows what no other can ask for without a
//! change: whether RabbitMQ lets it bind a queue, or write to a dead queue.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::commands::check::report::Report;
use crate::config::{Address, Config};
use crate::net::tcp::dial;

const PART: &str = "alco";
/// `/health` asks searchd, and a user waits at a terminal for the answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A line for each index, with its reasons: alco never sends more, another server might.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// Reports the health of the first alco that answers at an address of `[http] listen`. Without one, it reports nothing: alco may run
/// with `--collect-only`, or elsewhere.
pub fn health(config: &Config, report: &mut Report) {
    let path = health_path(config);
    let mut answers = config.http.listen.iter().filter_map(|address| Some((address, ask(address, &path).ok()?)));
    let alco = answers.find(|(_, answer)| parts(answer).is_some());
    let Some((address, parts)) = alco.as_ref().and_then(|(address, answer)| Some((address, parts(answer)?))) else {
        return;
    };
    let (fails, works): (Vec<&str>, Vec<&str>) = parts.iter().copied().partition(fails);
    let (waits, works): (Vec<&str>, Vec<&str>) =
        works.into_iter().partition(|part| part.contains(" records wait for "));
    if fails.is_empty() && !works.is_empty() {
        report.ok(PART, format!("alco at {address} reports: {}", works.join("; ")));
    }
    for part in waits {
        let cure = "start searchd there: else they are stored after that time, with an alco_error";
        report.warning(PART, format!("alco at {address} reports: {part}"), cure);
    }
    for part in fails {
        report.error(PART, format!("alco at {address} reports: {part}"), "its log shows since when");
    }
}

fn fails(part: &&str) -> bool {
    part.contains(" does not work: ")
}

/// True if an alco answers that reports a fault; it may have begun a moment ago.
pub fn reports_fault(config: &Config) -> bool {
    let path = health_path(config);
    let mut answers = config.http.listen.iter().filter_map(|address| ask(address, &path).ok());
    answers.any(|answer| parts(&answer).is_some_and(|parts| parts.iter().any(fails)))
}

fn health_path(config: &Config) -> String {
    format!("{}health", config.http.base_path)
}

/// The whole response to HTTP/1.0, after which the server closes the connection.
fn ask(address: &Address, path: &str) -> Result<String, String> {
    match address {
        Address::Tcp { host, port } => dial(host, *port, TIMEOUT, |stream| exchange(stream, path)),
        Address::Unix(socket) => UnixStream::connect(socket)
            .and_then(|stream| {
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                Ok(stream)
            })
            .map_err(|error| error.to_string())
            .and_then(|stream| exchange(stream, path)),
    }
}

fn exchange(mut stream: impl Read + Write, path: &str) -> Result<String, String> {
    let mut answer = String::new();
    let read = |stream: &mut dyn Read, answer: &mut String| stream.take(MAX_ANSWER_BYTES).read_to_string(answer);
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .and_then(|()| read(&mut stream, &mut answer))
        .map_err(|error: io::Error| error.to_string())?;
    Ok(answer)
}

/// The lines of `/health`; None if another server answered.
fn parts(answer: &str) -> Option<Vec<&str>> {
    let (_, body) = answer.split_once("\r\n\r\n")?;
    body.starts_with("searching ").then(|| body.lines().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_alco_has_parts() {
        for (answer, expected) in [
            ("HTTP/1.0 200 OK\r\n\r\nsearching works\n", Some(vec!["searching works"])),
            (
                "HTTP/1.1 503 x\r\na: b\r\n\r\nsearching works\ncollecting m does not work: why\n",
                Some(vec!["searching works", "collecting m does not work: why"]),
            ),
            ("HTTP/1.1 404 Not Found\r\n\r\n<html>", None),
            ("HTTP/1.1 200 OK\r\n\r\n", None),
            ("", None),
        ] {
            assert_eq!(parts(answer), expected, "{answer}");
        }
    }
}
