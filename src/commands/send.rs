//! `alco send`: sends stdin to the exchange, one record a line, and has the broker confirm each.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use crate::commands::environment::Environment;
use crate::commands::exit::{Done, FAILURE_STATUS, Failure};
use crate::config::Config;
use crate::ingest::body::{MAX_RECORDS, Pieces, TooManyRecords};
use crate::net::host::host_name;
use crate::rabbitmq::publisher::Publisher;
use crate::record::bytes::{BODY_COLUMN, in_base64};
use crate::record::{MAX_BODY, is_object, without_mark};
use crate::render::ndjson::as_sent;
use crate::time::Ts;

/// Records that were sent and are not confirmed yet: enough to keep the broker busy. After a broken connection the user has to
/// send at most this number again.
const MAX_UNCONFIRMED_RECORDS: u64 = 1000;
/// Routing keys that an error names.
const NAMED_KEYS: usize = 8;
/// Time between two redraws of the bar while stdin is silent.
const TICK: Duration = Duration::from_millis(200);

/// Columns that a record of a plain line has of its own, the last of them if the line is not UTF-8; a column of the command line
/// cannot have such a name.
const WRITTEN: [&str; 5] = ["@timestamp", "@version", "message", "seq", BODY_COLUMN];

/// Send the lines of stdin to the exchange as records, and wait until the broker has confirmed every one.
#[derive(Debug, PartialEq, FromArgs, ArgsInfo)]
#[argh(
    subcommand,
    name = "send",
    help_triggers("-h", "--help"),
    note = "On a terminal, a bar shows the progress and the rate, and the time left if stdin is a file.",
    example = "make 2>&1 | alco send --tee -k logstash.build --logger make job=nightly",
    example = "alco send --json <old.json",
    example = "zcat old.json.gz | alco send --json",
    error_code(0, "the broker has confirmed every line"),
    error_code(1, "some lines are not confirmed: stderr shows how many are, and which line of --json is not a record"),
    error_code(2, "wrong usage, or a mistake in alco.ini")
)]
pub struct Send {
    /// the routing key, which an index must have among its routing_keys; 'logstash' unless given
    #[argh(option, short = 'k', default = "\"logstash\".to_owned()", arg_name = "key")]
    pub routing_key: String,

    /// the lines are JSON records: an object, or an array of objects, on each line; alco sends them unchanged, but for @id and the like of alco grep --json
    #[argh(switch)]
    pub json: bool,

    /// level of plain lines; 'INFO' unless given
    #[argh(option, short = 'l', arg_name = "level")]
    pub levelname: Option<String>,

    /// logger of plain lines
    #[argh(option, arg_name = "name")]
    pub logger: Option<String>,

    /// write the lines to stdout too
    #[argh(switch)]
    pub tee: bool,

    /// column=value: more columns of plain lines
    #[argh(positional, arg_name = "column=value")]
    pub columns: Vec<String>,
}

impl Send {
    pub fn run(self, environment: &Environment) -> Result<Done, Failure> {
        let options =
            SendOptions { columns: self.columns()?, routing_key: self.routing_key, json: self.json, tee: self.tee };
        let config = environment.config()?;
        send(&config, &options, environment.now).map_err(|why| Failure::new("alco send", &why, FAILURE_STATUS))?;
        Ok(Done::status(0))
    }

    /// The columns of every plain line, in addition to its text.
    ///
    /// # Errors
    /// An operand is not `column=value`, names a column of `WRITTEN`, or stands next to `--json`.
    fn columns(&self) -> Result<Vec<(String, String)>, Failure> {
        let wrong = |why: String| Failure::wrong_usage("alco send", &why);
        let named = [("levelname", &self.levelname), ("logger", &self.logger)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        let mut columns: Vec<(String, String)> = named.collect();
        for word in &self.columns {
            match word.split_once('=') {
                Some((column, _)) if WRITTEN.contains(&column) => {
                    return Err(wrong(format!(
                        "'{word}' would replace what a line has of its own; alco send itself writes {}",
                        WRITTEN.join(", ")
                    )));
                }
                Some((column, value)) if !column.is_empty() => columns.push((column.to_owned(), value.to_owned())),
                _ => return Err(wrong(format!("'{word}' is not a column; write column=value"))),
            }
        }
        match self.json && !columns.is_empty() {
            true => Err(wrong("--json sends records as they are: columns cannot be added".to_owned())),
            false => Ok(columns),
        }
    }
}

#[derive(Debug)]
struct SendOptions {
    routing_key: String,
    /// the lines are records already
    json: bool,
    /// `column=value`, for lines that are plain text
    columns: Vec<(String, String)>,
    /// write the lines to stdout too
    tee: bool,
}

/// The routing keys that the indexes take, as far as they fit into a line.
fn taken(config: &Config) -> String {
    let keys: BTreeSet<&str> =
        config.indexes.iter().flat_map(|index| &index.routing_keys).map(String::as_str).collect();
    let more = if keys.len() > NAMED_KEYS { " and others" } else { "" };
    format!("{}{more}", keys.into_iter().take(NAMED_KEYS).collect::<Vec<_>>().join(", "))
}

/// Sends all of stdin and waits for the broker.
///
/// # Errors
/// Not every line was confirmed: how many were, and why not all.
fn send(config: &Config, options: &SendOptions, clock: fn() -> Ts) -> Result<(), String> {
    let mut publisher = Publisher::open(&config.rabbitmq)?;
    let bar = bar();
    let outcome = lines(&mut publisher, options, clock, &bar).and_then(|read| {
        publisher.wait(0)?;
        Ok(read)
    });
    bar.finish_and_clear();
    let (published, confirmed, returned) = (publisher.published(), publisher.confirmed(), publisher.returned());
    let key = &options.routing_key;
    match outcome {
        Err(why) => Err(format!(
            "{why}; of {published} lines {confirmed} were confirmed: the rest may or may not be with the broker"
        )),
        Ok(_) if returned > 0 => Err(format!(
            "{returned} of {published} lines were lost: no queue of exchange '{}' takes the routing key '{key}'; start alco \
             run first, or give another --routing-key: this alco.ini's indexes take {}",
            config.rabbitmq.exchange,
            taken(config)
        )),
        Ok(Input { refused: Some(why), .. }) => {
            publisher.close()?;
            Err(format!("{why}; {confirmed} lines before it were confirmed, and none after it was sent"))
        }
        Ok(Input { long, refused: None }) => {
            publisher.close()?;
            match long {
                0 => Ok(()),
                1 => Err(format!("a line was not sent: its record is longer than {MAX_BODY} bytes")),
                many => Err(format!("{many} lines were not sent: their records are longer than {MAX_BODY} bytes")),
            }
        }
    }
}

/// The lines of stdin that are not sent.
struct Input {
    /// number of lines that were left out, since they are too long
    long: u64,
    /// the line that is not a record, and why; reading ended there
    refused: Option<String>,
}

/// Sends all of stdin, or the lines before the first that is not a record. If JSON is printed over several lines, the lines after
/// it are not records either; else the user sends them after mending that line.
fn lines(
    publisher: &mut Publisher,
    options: &SendOptions,
    clock: fn() -> Ts,
    bar: &ProgressBar,
) -> Result<Input, String> {
    let mut input = io::stdin().lock();
    let mut tee = options.tee.then(io::stdout);
    let (mut line, mut number, mut long) = (Vec::new(), 0_u64, 0);
    let mut record = Plain::new(options);
    loop {
        line.clear();
        // one byte more than a line may have, and the line's end
        let room = MAX_BODY as u64 + 2;
        let read = input.by_ref().take(room).read_until(b'\n', &mut line);
        let read = read.map_err(|error| format!("cannot read stdin: {error}"))?;
        if read == 0 {
            return Ok(Input { long, refused: None });
        }
        number += 1;
        // the reader of stdout may have seen enough and left; the records are still sent
        if tee.as_mut().is_some_and(|out| out.write_all(&line).and_then(|()| out.flush()).is_err()) {
            tee = None;
        }
        bar.inc(read as u64);
        let whole = line.pop_if(|byte| *byte == b'\n').is_some();
        line.pop_if(|byte| *byte == b'\r');
        if line.len() > MAX_BODY {
            long += 1;
            if !whole {
                skip_line(&mut input, bar).map_err(|error| format!("cannot read stdin: {error}"))?;
            }
            continue;
        }
        // the mark of a file from Windows; elsewhere in plain lines, the character is a part of the text
        let text = if options.json || number == 1 { without_mark(&line) } else { &line };
        let body = match options.json {
            true if text.iter().all(u8::is_ascii_whitespace) => continue,
            true => match is_record(text) {
                Ok(()) => match std::str::from_utf8(text).ok().and_then(as_sent) {
                    Some(sent) => Cow::Owned(sent.into_bytes()),
                    None => Cow::Borrowed(text),
                },
                Err(why) => {
                    let refused = format!(
                        "line {number}: {why}; --json takes an object, or an array of objects, on each line, as jq -c prints \
                         them"
                    );
                    return Ok(Input { long, refused: Some(refused) });
                }
            },
            false => Cow::Owned(record.of(&line, text, clock()).into_bytes()),
        };
        if body.len() > MAX_BODY {
            long += 1;
            continue;
        }
        publisher.publish(&options.routing_key, &body)?;
        publisher.wait(MAX_UNCONFIRMED_RECORDS)?;
        bar.set_message(format!("{} lines", publisher.published()));
    }
}

/// Ok if the daemon reads the line as a record, or as several (with `split`).
///
/// # Errors
/// The fault of the line.
fn is_record(line: &[u8]) -> Result<(), String> {
    is_object(line).or_else(|why| match std::str::from_utf8(line).map(Pieces::of) {
        Ok(Ok(Some(_))) => Ok(()),
        Ok(Err(TooManyRecords(count))) => Err(format!("a line of {count} records; alco takes at most {MAX_RECORDS}")),
        Ok(Ok(None)) | Err(_) => Err(why),
    })
}

fn skip_line(input: &mut impl BufRead, bar: &ProgressBar) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let (length, ends) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(length);
        bar.inc(length as u64);
        if ends {
            return Ok(());
        }
    }
}

/// Makes records of plain lines. Each has the same columns, and a `seq` that keeps their order.
struct Plain {
    columns: Map<String, Value>,
    seq: u64,
}

impl Plain {
    fn new(options: &SendOptions) -> Plain {
        let mut columns = Map::new();
        columns.insert("levelname".into(), "INFO".into());
        if let Some(host) = host_name() {
            columns.insert("host".into(), host.into());
        }
        columns.extend(options.columns.iter().map(|(column, value)| (column.clone(), value.as_str().into())));
        Plain { columns, seq: 0 }
    }

    /// `text` is the line without its byte order mark.
    fn of(&mut self, line: &[u8], text: &[u8], now: Ts) -> String {
        self.seq += 1;
        match String::from_utf8_lossy(text) {
            Cow::Borrowed(text) => self.record(text, None, now),
            // as the daemon keeps a body that is not UTF-8: each byte that cannot be read takes three in the message
            Cow::Owned(readable) => {
                let bytes = in_base64(line);
                let room = MAX_BODY.saturating_sub(self.record("", Some(&bytes), now).len());
                self.record(fitting(&readable, room), Some(&bytes), now)
            }
        }
    }

    fn record(&self, message: &str, bytes: Option<&str>, now: Ts) -> String {
        let own = [now.rfc3339().into(), json!(1), message.into(), self.seq.into()].into_iter();
        let own = own.chain(bytes.map(Value::from));
        let mut record: Map<String, Value> = WRITTEN.iter().map(|name| (*name).to_owned()).zip(own).collect();
        record.extend(self.columns.clone());
        Value::Object(record).to_string()
    }
}

/// The longest start of the text that takes at most `room` bytes within JSON.
fn fitting(text: &str, room: usize) -> &str {
    let mut bytes = 0;
    let end = text.char_indices().find(|(_, c)| {
        bytes += match c {
            '"' | '\\' => 2,
            // as \u0000; some have a shorter form
            '\0'..='\x1f' => 6,
            c => c.len_utf8(),
        };
        bytes > room
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// On a terminal, shows the bytes and lines read and the rate; if stdin is a file, the time left too.
fn bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let size = std::fs::metadata("/dev/stdin").ok().filter(|stdin| stdin.is_file()).map(|stdin| stdin.len());
    let (bar, template) = match size {
        Some(size) => (ProgressBar::new(size), "{wide_bar} {bytes}/{total_bytes}  {msg}  {bytes_per_sec}  {eta} left"),
        None => (ProgressBar::no_length(), "{spinner} {bytes}  {msg}  {bytes_per_sec}"),
    };
    bar.enable_steady_tick(TICK);
    bar.with_style(ProgressStyle::with_template(template).expect("the template is a constant, and tested"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_has_the_columns_of_the_command_line() {
        let options = SendOptions {
            routing_key: "build.web".into(),
            json: false,
            columns: vec![("levelname".into(), "DEBUG".into()), ("logger".into(), "make \"x\"".into())],
            tee: false,
        };
        let mut plain = Plain::new(&options);
        let mut of = |line: &[u8], micros| -> Value {
            serde_json::from_str(&plain.of(line, without_mark(line), Ts::from_micros(micros))).expect("JSON")
        };
        of(b"first", 0);
        let record = of(b"caf\xe9 \"q\"", 1_500_000);
        assert_eq!(record["@timestamp"], "1970-01-01T00:00:01.500000Z");
        assert_eq!(record["message"], "caf\u{fffd} \"q\"");
        assert_eq!(record["alco_body"], in_base64(b"caf\xe9 \"q\""));
        assert_eq!((&record["seq"], &record["levelname"]), (&json!(2), &json!("DEBUG")));
        assert_eq!(record["logger"], "make \"x\"");
        let utf8 = of("café".as_bytes(), 0);
        assert_eq!((&utf8["message"], utf8.get("alco_body")), (&json!("café"), None));
        let marked = of(b"\xef\xbb\xbfcaf\xe9", 0);
        assert_eq!(
            (&marked["message"], &marked["alco_body"]),
            (&json!("caf\u{fffd}"), &json!(in_base64(b"\xef\xbb\xbfcaf\xe9")))
        );
    }

    #[test]
    fn bytes_are_whole_though_their_message_is_cut() {
        let options = SendOptions { routing_key: String::new(), json: false, columns: Vec::new(), tee: false };
        let mut plain = Plain::new(&options);
        for (bytes, fits) in [(1 << 20, true), (2 << 20, true), (3_100_000, true), (3 << 20, false)] {
            for byte in [b"\xff\x00", b"\xff\xff"] {
                let line = byte.repeat(bytes / 2);
                let record = plain.of(&line, &line, Ts::from_micros(0));
                assert_eq!(record.len() <= MAX_BODY, fits, "{bytes} bytes of {byte:?}");
                let record: Value = serde_json::from_str(&record).expect("JSON");
                assert_eq!(record["alco_body"], in_base64(&line));
            }
        }
    }

    #[test]
    fn a_line_is_what_the_daemon_takes_apart() {
        for line in [
            "{}",
            "\u{1e}{}",
            r#"{"a":NaN}"#,
            "[{}]",
            r#"[{"a":1}, {"b":NaN}]"#,
            "{}{}",
            "{},{}",
            r#"{"index":{}} {"a":1}"#,
            r#"{"resourceLogs":[]}"#,
        ] {
            assert_eq!(is_record(line.as_bytes()), Ok(()), "{line}");
        }
        for line in ["[]", "[", "{", "[1]", "[{},1]", "{},{}{}", "text", "5", "null", "\"text\""] {
            assert!(is_record(line.as_bytes()).is_err_and(|why| why.starts_with("it is not a JSON object")), "{line}");
        }
        assert_eq!(is_record(b"[{\"a\":\"\xe9\"}]"), Err("it is not UTF-8 at byte 7".to_owned()));
    }

    #[test]
    fn the_rest_of_a_too_long_line_is_skipped() {
        let mut input = io::Cursor::new(b"too long\nnext\n".to_vec());
        skip_line(&mut input, &ProgressBar::hidden()).expect("it is in memory");
        let mut rest = String::new();
        input.read_to_string(&mut rest).expect("it is in memory");
        assert_eq!(rest, "next\n");
    }

    #[test]
    fn the_bars_are_well_formed() {
        for template in ["{wide_bar} {bytes}/{total_bytes}  {msg}  {bytes_per_sec}  {eta} left", "{spinner} {bytes}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }

    #[test]
    fn columns_of_plain_lines_are_checked() {
        let columns = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            Send::from_args(&["send"], &words).expect(line).columns().map_err(|failure| failure.text)
        };
        let pair = |column: &str, value: &str| (column.to_owned(), value.to_owned());
        assert_eq!(columns("-k build.web a=b=c -l DEBUG"), Ok(vec![pair("levelname", "DEBUG"), pair("a", "b=c")]));
        assert_eq!(columns("--json"), Ok(vec![]));
        assert!(columns("--json a=b").is_err_and(|text| text.contains("as they are")));
        assert!(columns("plain").is_err_and(|text| text.contains("column=value")));
        for line in ["message=x", "a=1 message=", "seq=1", "@timestamp=2026-11-22", "@version=2", "alco_body=x"] {
            assert!(columns(line).is_err_and(|text| text.contains("would replace what a line has")), "{line}");
        }
        assert_eq!(columns("Message=x"), Ok(vec![pair("Message", "x")]));
    }
}
