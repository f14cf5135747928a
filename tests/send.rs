//! `alco send`: every confirmed line is stored as it was sent, and the command reports the lines that are not confirmed.

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::support::{ALCO, Alco, SOON, Stack, wait_until};

/// Runs `alco send` with that input on its stdin.
#[track_caller]
fn send(stack: &Stack, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(ALCO)
        .arg("send")
        .args(arguments)
        .arg("--config")
        .arg(stack.dir().join("alco.ini"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    // an alco send that ends early does not read the rest
    let _ = writer.join().unwrap();
    output
}

#[track_caller]
fn check(output: &Output, code: i32, says: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(says), "no '{says}' in {text}");
    assert!(text.lines().count() <= 1, "more than a line: {text}");
}

#[test]
fn sent_lines_are_stored_as_records() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("send"));

    // more lines than may be unconfirmed at a time
    let plain: String = (0..3000).map(|n| format!("line {n} <&> \"q\"\r\n")).collect();
    let output =
        send(stack, &["--tee", "-k", "send.build", "-l", "DEBUG", "--logger=make", "job=nightly"], plain.as_bytes());
    check(&output, 0, "");
    assert!(output.stdout == plain.as_bytes(), "--tee passes on what came, byte for byte");
    // a byte order mark, an empty line, a number that is not JSON's, no line end at the end
    let json = b"\xef\xbb\xbf{\"message\":\"as it is\",\"n\":1e-7}\n\n{\"message\":\"no number\",\"n\":NaN}\n{\"message\":\"the last\"}";
    check(&send(stack, &["--json", "-k", "send.json"], json), 0, "");
    check(&send(stack, &["-k", "send.none"], b""), 0, "");

    let stored = stack.settled("send", 3003, SOON);
    assert_eq!(stored.get("line 2999 <&> \"q\""), Some(&1));
    assert_eq!(stored.get("as it is"), Some(&1));
    assert_eq!(stored.get("no number"), Some(&1));
    assert_eq!(stored.get("the last"), Some(&1));
    let all = "levelname=DEBUG&logger=make&job=nightly&seq=3000";
    assert_eq!(alco.page(&format!("/grep/send/?{all}")).lines().len(), 1, "columns of the command line");

    // a line that is not a record is not sent, and the lines after it are not either
    let line = |number: u32, why: &str| format!("line {number}: {why}");
    let pretty = "{\n  \"message\": \"pretty\"\n}\n";
    for (input, says) in [
        (pretty.as_bytes(), line(1, "it is not a JSON object: EOF while parsing")),
        (b"{\"message\":\"before\"}\n\n[\n{\"message\":\"after\"}\n", line(3, "it is not a JSON object")),
        (b"plain\n", line(1, "it is not a JSON object: expected value")),
        (b"\"text\"\n", line(1, "it is not a JSON object: invalid type: string")),
        (b"{\"message\":\"caf\xe9\"}\n", line(1, "it is not UTF-8 at byte 15")),
    ] {
        check(&send(stack, &["--json", "-k", "send.json"], input), 1, &says);
    }
    let replaced = send(stack, &["-k", "send.x", "message=x"], b"a\n");
    assert_eq!(replaced.status.code(), Some(2), "{}", String::from_utf8_lossy(&replaced.stderr));
    let stored = stack.settled("send", 3004, SOON);
    assert_eq!((stored.get("before"), stored.get("after")), (Some(&1), None));

    let nowhere = send(stack, &["-k", "no.queue"], b"a\nb\n");
    check(&nowhere, 1, "2 of 2 lines were lost: no queue of exchange 'logstash' takes the routing key 'no.queue'");
    let mut long = vec![b'x'; 5 << 20];
    long.extend(b"\nafter it\n");
    check(&send(stack, &["-k", "send.long"], &long), 1, "a line was not sent: its record is longer than 4194304 bytes");
    wait_until("the others are stored", SOON, || {
        stack.settled("send", 3005, SOON).contains_key("after it").then_some(())
    });

    // what is not UTF-8 is there to the byte
    let latin1 = b"\xef\xbb\xbfcaf\xe9 au lait";
    check(&send(stack, &["-k", "send.latin1"], &[&latin1[..], b"\n"].concat()), 0, "");
    // such bytes are three times longer in the message, which is cut, and 4/3 in the column, which is not
    let long = [b"overlong ", vec![0xe9; 2 << 20].as_slice(), b"\n"].concat();
    check(&send(stack, &["-k", "send.latin1"], &long), 0, "");
    let longer = [vec![0xe9; 3 << 20], b"\n".to_vec()].concat();
    check(&send(stack, &["-k", "send.latin1"], &longer), 1, "a line was not sent: its record is longer");
    // what the daemon takes apart
    let several = b"[{\"message\":\"of an array 1\"},{\"message\":\"of an array 2\"}]\n{\"message\":\"of a line\"}\n";
    check(&send(stack, &["--json", "-k", "send.json"], several), 0, "");
    let stored = stack.settled("send", 3010, SOON);
    for message in ["caf\u{fffd} au lait", "of an array 1", "of an array 2", "of a line"] {
        assert_eq!(stored.get(message), Some(&1), "{message}");
    }
    let too_large = Some("columns larger than searchd's JSON may be: filters do not find them");
    for (word, bytes, error) in [("lait", &latin1[..], None), ("overlong", &long[..long.len() - 1], too_large)] {
        let line = alco.get(&format!("/grep/send/?format=ndjson&start_ts=-1h&search={word}")).body;
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        let kept = BASE64_STANDARD.decode(record["alco_body"].as_str().unwrap()).unwrap();
        assert!(kept == bytes, "{word}: {} bytes", kept.len());
        assert_eq!(record.get("alco_error").and_then(|error| error.as_str()), error, "{word}");
    }
    printed_records_are_sent_as_they_came(stack, &alco);
}

/// Records that `alco grep --json` has printed are moved without its `@id`; an `alco_error` is the record's own by then.
#[track_caller]
fn printed_records_are_sent_as_they_came(stack: &Stack, alco: &Alco) {
    let printed = || -> Vec<serde_json::Value> {
        let lines = alco.get("/grep/send/?format=ndjson&start_ts=-1h&search=as%20it%20is").body;
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let before = printed();
    assert_eq!(before.len(), 1, "{before:?}");
    check(&send(stack, &["--json", "-k", "send.json"], before[0].to_string().as_bytes()), 0, "");
    let after = wait_until("it is there twice", SOON, || Some(printed()).filter(|lines| lines.len() == 2));
    for mut record in after {
        let own = record.as_object_mut().unwrap();
        own.remove("@id").unwrap();
        assert!(
            own.keys().all(|key| ["@timestamp", "alco_error", "@alco_error", "message", "n"].contains(&key.as_str())),
            "{own:?}"
        );
    }
}

/// An `alco send` that waits for lines, to a queue without a consumer.
fn sending(stack: &Stack, queue: &str) -> Child {
    let publisher = crate::support::Publisher::to_queue(&stack.amqp, queue);
    publisher.close();
    Command::new(ALCO)
        .args(["send", "-k", &format!("{queue}.x"), "--config"])
        .arg(stack.dir().join("alco.ini"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_lost_broker_is_reported_with_what_it_confirmed() {
    let stack = Stack::of("send-broken", &["rabbitmq"], ALCO.as_ref(), "[index send]\nrouting_keys = send.#\n");
    let mut child = sending(&stack, "send");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one\ntwo\n").unwrap();
    wait_until("they are there", SOON, || {
        crate::support::queue_state(&stack.amqp, "send").filter(|queue| queue.messages == 2)
    });
    stack.kill("rabbitmq");
    // the system decides how many lines it takes after the end of the connection
    let writer = std::thread::spawn(move || while stdin.write_all(b"three\n").is_ok() {});
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    check(&output, 1, "were confirmed: the rest may or may not be with the broker");
    check(&send(&stack, &[], b"x\n"), 1, "alco send: rabbitmq at amqp://");
}

#[test]
fn confirmed_lines_survive_the_brokers_death() {
    const LINES: usize = 60_000;
    let stack = Stack::of("send-held", &["rabbitmq"], ALCO.as_ref(), "[index held]\nrouting_keys = held.#\n");
    let mut child = sending(&stack, "held");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"the first\n").unwrap();
    let there = |count: u32| {
        move |stack: &Stack| crate::support::queue_state(&stack.amqp, "held").filter(|queue| queue.messages == count)
    };
    wait_until("the first is there", SOON, || there(1)(&stack));

    stack.pause("rabbitmq");
    let written = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&written);
    let writer = std::thread::spawn(move || {
        for n in 1..LINES {
            writeln!(stdin, "line {n} {}", "x".repeat(200)).unwrap();
            counting.store(n, Relaxed);
        }
    });
    let (mut last, mut since) = (0, Instant::now());
    wait_until("alco send reads no more lines", SOON, || {
        let now = written.load(Relaxed);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        (now > 0 && since.elapsed() > Duration::from_secs(1)).then_some(())
    });
    stack.resume("rabbitmq");
    assert!(last < LINES - 1, "all were taken");
    let output = child.wait_with_output().unwrap();
    check(&output, 0, "");
    writer.join().unwrap();
    wait_until("all are there", SOON, || there(LINES as u32)(&stack));
    stack.kill("rabbitmq");
    stack.restart("rabbitmq");
    wait_until("all are there still", SOON, || there(LINES as u32)(&stack));
}

/// The output of a command on a terminal.
fn on_terminal(line: &str) -> String {
    let line = format!("stty rows 24 cols 120; {line}; echo exit $?");
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").stdin(Stdio::null());
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
}

#[test]
fn only_a_terminal_shows_a_progress_bar() {
    let stack = Stack::of("send-bar", &["rabbitmq"], ALCO.as_ref(), "[index bar]\nrouting_keys = bar.#\n");
    let publisher = crate::support::Publisher::to_queue(&stack.amqp, "bar");
    publisher.close();
    let lines = stack.dir().join("lines");
    std::fs::write(&lines, "a line of a log that is sent to the broker\n".repeat(20_000)).unwrap();
    let send = format!("{ALCO} send -k bar.x --config {}", stack.dir().join("alco.ini").display());
    let lines = lines.display();

    // 43 bytes a line
    let file = on_terminal(&format!("{send} <{lines}"));
    for part in ["/839.84 KiB  ", " lines  ", "iB/s  ", " left"] {
        assert!(file.contains(part), "no '{part}' in {file:?}");
    }
    let pipe = on_terminal(&format!("cat {lines} | {send}"));
    for part in ["KiB  ", " lines  ", "iB/s"] {
        assert!(pipe.contains(part), "no '{part}' in {pipe:?}");
    }
    assert!(!pipe.contains(" left"), "the length of a pipe is unknown: {pipe:?}");
    let said = stack.dir().join("said");
    let silent = on_terminal(&format!("{send} <{lines} 2>{}", said.display()));
    assert_eq!((silent.trim(), std::fs::read_to_string(said).unwrap().as_str()), ("exit 0", ""));
    assert!(file.ends_with("exit 0\r\n") && pipe.ends_with("exit 0\r\n"), "{file:?} {pipe:?}");
    wait_until("all are there", SOON, || {
        crate::support::queue_state(&stack.amqp, "bar").filter(|queue| queue.messages == 60_000)
    });
}

/// The examples of `alco send --help`, run by a shell in a directory with what they name.
#[test]
fn the_examples_of_its_help_work_as_they_are() {
    let stack = Stack::private("examples", "[index logs]\ndays = 2\n");
    let alco = Alco::start(&stack, "[index logs]\ndays = 2\n");
    let dir = stack.dir().join("examples");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("Makefile"), "all:\n\t@echo built the program\n").unwrap();
    std::fs::write(dir.join("old.json"), "{\"message\":\"an old record\"}\n").unwrap();
    let zipped = Command::new("gzip").arg("-k").arg(dir.join("old.json")).status().unwrap();
    assert!(zipped.success());

    let help = Command::new(ALCO).args(["send", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, examples) = help.split_once("Examples:\n").expect("examples");
    let examples: Vec<&str> = examples.split("\n\n").next().unwrap().lines().map(str::trim).collect();
    assert_eq!(examples.len(), 3, "{examples:?}");
    let path = std::path::Path::new(ALCO).parent().unwrap().display().to_string();
    for example in &examples {
        let output = Command::new("sh")
            .args(["-c", example])
            .current_dir(&dir)
            .env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap()))
            .env("ALCO_INI", stack.dir().join("alco.ini"))
            // below another make, a make prints its directory too
            .env_remove("MAKELEVEL")
            .env_remove("MAKEFLAGS")
            .output()
            .unwrap();
        assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let stored = stack.settled("logs", 3, SOON);
    assert_eq!(stored.get("built the program"), Some(&1), "{stored:?}");
    assert_eq!(stored.get("an old record"), Some(&2), "{stored:?}");
    assert!(alco.stop().success());
}
