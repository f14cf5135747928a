//! alco grep prints what grep prints for the same lines, byte for byte: from searchd and from another alco, on a terminal and in a
//! pipe, as records arrive, and when searchd dies.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fastrand::Rng;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::nginx::Nginx;
use crate::support::{ALCO, Alco, Publisher, SOON, Stack, executable, wait_until};

const LINES: usize = 400;
const WORDS: &[&str] = &[
    "connection",
    "refused",
    "Timeout",
    "timeout=5",
    "ERROR",
    "error",
    "foo",
    "food",
    "foo_bar",
    "x",
    "10.0.0.1",
    "10.0.0.12",
    "%",
    "user=7",
    "日本",
    "東京",
    "Ёлка",
    "ёлка",
    "a",
    "b",
    "ab",
    "abab",
    "[GET]",
    "/api/v2",
    "->",
    "\"quoted\"",
    "it's",
    "\\d",
];

/// The alco.ini of the servers: alco grep does not need the daemon.
fn ini(stack: &Stack) -> PathBuf {
    stack.dir().join("alco.ini")
}

fn grep(ini: &Path, arguments: &[&str]) -> Output {
    command(ini, arguments).output().unwrap()
}

fn command(ini: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(ALCO);
    command.args(["grep", "--config"]).arg(ini).args(arguments).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The command ended with this status and output; `stderr` is a part of its errors.
#[track_caller]
fn check(output: &Output, code: i32, stdout: &str, stderr: &str) {
    let (said, printed) = (text(&output.stderr), text(&output.stdout));
    assert_eq!((output.status.code(), printed.as_str()), (Some(code), stdout), "{said}");
    assert!(said.contains(stderr) && said.is_empty() == stderr.is_empty(), "no '{stderr}' in {said}");
}

fn time(back: Duration) -> String {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::try_from(back).unwrap();
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

fn lines(random: &mut Rng) -> Vec<String> {
    let line = |random: &mut Rng| {
        let words: Vec<&str> = (0..random.usize(0..6)).map(|_| WORDS[random.usize(..WORDS.len())]).collect();
        words.join([" ", ",", "  "][random.usize(..3)])
    };
    (0..LINES).map(|_| line(random)).collect()
}

/// A piece of some line, cut anywhere.
fn literal(lines: &[String], random: &mut Rng) -> String {
    loop {
        let chars: Vec<char> = lines[random.usize(..lines.len())].chars().collect();
        if !chars.is_empty() {
            let from = random.usize(..chars.len());
            let length = 1 + random.usize(..(chars.len() - from).min(9));
            return chars[from..from + length].iter().collect();
        }
    }
}

/// The same, with some characters replaced by parts of a regex that grep and Rust read alike.
fn regex(lines: &[String], random: &mut Rng) -> String {
    let mut regex = String::new();
    for c in literal(lines, random).chars() {
        let plain = if c.is_alphanumeric() || !c.is_ascii() || c == ' ' { c.to_string() } else { format!("[{}]", c) };
        let plain = if matches!(c, '\\' | '[' | ']' | '^') { ".".to_owned() } else { plain };
        match random.usize(..12) {
            0 => regex.push('.'),
            1 => regex.push_str(&format!("{plain}+")),
            2 => regex.push_str(&format!("({plain}|zz)")),
            3 => regex.push_str(&format!("{plain}?")),
            _ => regex.push_str(&plain),
        }
    }
    match random.usize(..6) {
        0 => format!("^{regex}"),
        1 => format!("{regex}$"),
        2 => format!("{regex}|{}", "foo|food|foo_bar"),
        _ => regex,
    }
}

/// Options that are compared with literal patterns, and with regexes.
const LITERAL_OPTIONS: &[&str] = &[
    "",
    "-i",
    "-w",
    "-v",
    "-c",
    "-iw",
    "-ivc",
    "-o",
    "-io",
    "-m3",
    "-m 3 -A2",
    "-A1",
    "-B2",
    "-C3",
    "-iC2",
    "-2",
    "-vm2",
    "-q",
    "-cm2",
    "-vw",
    "-ow",
    "-oi -m4",
    "-c -v -w",
    "-F -B1 -A 3",
    "--context=1 --ignore-case",
    "-oC1",
    "-C0",
    "-iA0",
    "-B0 -m2",
    "-vC0",
    "-oC0",
    "-C3 -C0",
    "-C3 -1 -A0",
    "-m0",
    "-vo",
];
const REGEX_OPTIONS: &[&str] =
    &["-E", "-Ei", "-Ev", "-Ec", "-Eo", "-Eio", "-Ew", "-Ewo", "-EC1", "-EC0", "-E -m2 -o", "-Eq"];

#[test]
fn alco_grep_prints_what_grep_prints() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("terminal"));
    let mut random = Rng::with_seed(6);
    let sent = lines(&mut random);
    let file = stack.dir().join("terminal.log");
    fs::write(&file, sent.join("\n") + "\n").unwrap();
    let mut publisher = Publisher::open(&stack.amqp);
    let start = Duration::from_secs(60);
    let body = |(n, line): (usize, &String)| {
        let at = time(start.checked_sub(Duration::from_millis(n as u64)).unwrap());
        serde_json::json!({"@timestamp": at, "message": line, "seq": n, "levelname": "INFO"}).to_string()
    };
    publisher.publish("logstash", "terminal.key", sent.iter().enumerate().map(body));
    publisher.close();
    stack.settled_count("terminal", LINES as u64, SOON);

    let url = format!("--url={}", alco.url);
    let compare = |options: &str, pattern: &str, remote: bool| {
        let options: Vec<&str> = options.split_whitespace().collect();
        let expect = Command::new("grep")
            .env("LC_ALL", "C.UTF-8")
            .args(if options.iter().any(|option| option.starts_with("-E")) { None } else { Some("-F") })
            .args(&options)
            .args(["-e", pattern])
            .arg(&file)
            .output()
            .unwrap();
        let mut arguments = vec!["--since=-1h", "--bare", "-e", pattern, "terminal"];
        arguments.extend(&options);
        arguments.extend(remote.then_some(url.as_str()));
        let found = grep(&ini(stack), &arguments);
        assert_eq!(
            (text(&found.stdout), found.status.code(), text(&found.stderr)),
            (text(&expect.stdout), expect.status.code(), String::new()),
            "{options:?} {pattern:?} remote: {remote}"
        );
    };
    for nth in 0..8 {
        let pattern = match nth {
            0 => "foo".to_owned(),
            1 => String::new(),
            2 => "nowhere".to_owned(),
            _ => literal(&sent, &mut random),
        };
        for options in LITERAL_OPTIONS {
            // an empty pattern prints every record; with other options, grep treats empty words in its own way
            if pattern.is_empty() && !matches!(*options, "" | "-i" | "-c" | "-m3" | "-q" | "-cm2" | "-o") {
                continue;
            }
            compare(options, &pattern, false);
        }
        let pattern = match nth {
            0 => "foo|food".to_owned(),
            1 => "[[:alpha:]]+[[:space:]][^[:punct:]]".to_owned(),
            _ => regex(&sent, &mut random),
        };
        for options in REGEX_OPTIONS {
            compare(options, &pattern, false);
        }
        if nth < 3 {
            for options in ["-i", "-c", "-cm2", "-cv", "-v", "-o", "-C2", "-C0", "-m2 -A1", "-q", "-Ew"] {
                compare(options, &pattern, true);
            }
        }
    }
}

#[test]
fn a_record_is_printed_with_its_columns_and_found_by_them() {
    let stack = Stack::shared();
    let both = format!("{}{}", stack.index("terminal_too"), stack.index("terminal_new"));
    let alco = Alco::start(stack, &both);
    let mut publisher = Publisher::open(&stack.amqp);
    let at = |seconds| time(Duration::from_secs(seconds));
    let (first, second, third) = (at(30), at(20), at(10));
    let bodies = [
        format!(r#"{{"@timestamp":"{}","message":"an hour old"}}"#, at(3600)),
        format!(
            r#"{{"@timestamp":"{first}","message":"one \u001b[31mred\u001b[0m \u001b]0;title\u0007","levelname":"ERROR","host":"h1","n":1.50,"deep":{{"a":[1,null]}}}}"#
        ),
        format!(r#"{{"@timestamp":"{second}","message":"two\nlines","levelname":"WARNING","n":2,"limit":7}}"#),
        format!(
            r#"{{"@timestamp":"{third}","message":42,"@id":"own","status":"200","exc_info":"Traceback\n  x\u001b[2Jy"}}"#
        ),
    ];
    publisher.publish("logstash", "terminal_too.key", &bodies);
    publisher.publish("logstash", "terminal_new.key", [format!(r#"{{"@timestamp":"{third}","message":"elsewhere"}}"#)]);
    publisher.close();
    stack.settled_count("terminal_too", 4, SOON);
    stack.settled_count("terminal_new", 1, SOON);
    let day = |time: &str| time.replace('T', " ").trim_end_matches('Z').to_owned();
    let (first, second, third) = (day(&first), day(&second), day(&third));
    let one = format!("{first} ERROR h1 one red ^[]0;title^G\n");
    let two = format!("{second} WARNING - two↵lines\n");
    let three = format!("{third} - - 42\n");
    let url = format!("--url={}", alco.url);
    for remote in [None, Some(url.as_str())] {
        let run = |arguments: &[&str]| {
            let arguments: Vec<&str> = remote.into_iter().chain(arguments.iter().copied()).collect();
            grep(&ini(stack), &arguments)
        };
        check(&run(&["terminal_too"]), 0, &format!("{one}{two}{three}"), "");
        check(&run(&["terminal_too", "--reverse", "-m1"]), 0, &three, "");
        let unfolded = format!("{three}    Traceback\n      x^[[2Jy\n");
        check(&run(&["terminal_too", "--tracebacks", "42"]), 0, &unfolded, "");
        check(&run(&["terminal_too", "--since=-2h", "--until=-30m", "--bare"]), 0, "an hour old\n", "");
        check(&run(&["terminal_too", "--bare", "--", "lines"]), 0, "two\nlines\n", "");
        check(
            &run(&["--columns=n,deep", "terminal_too", "levelname=ERROR"]),
            0,
            &format!("{first} 1.50 {{\"a\":[1,null]}} one red ^[]0;title^G\n"),
            "",
        );
        for filter in [
            "n__gt=1.6",
            "levelname__in=WARNING,FATAL",
            "limit=7",
            "js.limit=7",
            "levelname__like=warn",
            "limit__exists=1",
            "@(levelname=WARNING | levelname=FATAL)",
            "any=levelname=FATAL|limit=7 levelname~warn",
        ] {
            check(&run(&["terminal_too", filter]), 0, &two, "");
        }
        check(&run(&["terminal_too", "levelname__not=ERROR", "n__exists=0"]), 0, &three, "");
        check(&run(&["terminal_too", "n=1.5", "deep.a=1", "red"]), 0, &one, "");
        check(
            &run(&["terminal_too,terminal_new", "--columns=", "elsewhere"]),
            0,
            &format!("{third} terminal_new elsewhere\n"),
            "",
        );
        check(&run(&["terminal_too", "--tz=Asia/Tokyo", "-c", "--all", "ERROR"]), 0, "1\n", "");
        check(&run(&["terminal_too", "ERROR"]), 1, "", "");
        check(
            &run(&["terminal_too", "--csv", "--columns=host", "red"]),
            0,
            &format!("time,host,message\r\n{first},h1,one red ^[]0;title^G\r\n"),
            "",
        );
        let json = text(&run(&["terminal_too", "--json"]).stdout);
        json_is_as_sent(&json, &bodies[1..]);
        mistakes_are_explained(&run);
    }
    check(&grep(&ini(stack), &["--since=soon", "terminal_too"]), 2, "", "Try 'alco grep --help'");
    let unreachable = grep(&ini(stack), &["--url=http://127.0.0.1:1", "terminal_too"]);
    check(&unreachable, 2, "", "alco grep: cannot ask http://127.0.0.1:1/: ");
    check(&grep(&ini(stack), &["--url", &format!("{}/grep", alco.url), "terminal_too"]), 2, "", "answers 404");
}

#[track_caller]
fn json_is_as_sent(json: &str, sent: &[String]) {
    assert!(!json.contains('\u{1b}'), "{json}");
    for (line, sent) in json.lines().zip(sent) {
        let (mut read, sent): (Value, Value) =
            (serde_json::from_str(line).unwrap(), serde_json::from_str(sent).unwrap());
        let members = read.as_object_mut().unwrap();
        assert!(members.remove("@id").is_some_and(|id| id.as_str().unwrap().split('.').count() == 4), "{line}");
        if let Some(own) = members.remove("@@id") {
            members.insert("@id".to_owned(), own);
        }
        assert_eq!(read, sent);
    }
    assert!(json.contains("\"n\":1.50"), "to the digit: {json}");
}

/// Text that looks like a filter, and misspelled names.
#[track_caller]
fn mistakes_are_explained(run: &dyn Fn(&[&str]) -> Output) {
    check(
        &run(&["terminal_too", "imeout=5"]),
        1,
        "",
        "no record of that time has a column 'imeout'; to search for text that looks like a filter, write -e before it",
    );
    check(&run(&["terminal_too", "levelnam=ERROR"]), 1, "", "has a column 'levelnam'; did you mean 'levelname'?");
    check(&run(&["terminal_too", "n=99"]), 1, "", "");
    check(&run(&["nothing"]), 2, "", "alco grep: there is no index 'nothing' in ");
    check(
        &run(&["-E", "terminal_too", "("]),
        2,
        "",
        "cannot read the regex: unclosed group at character 1; -F takes every character as it is",
    );
}

#[test]
fn passwords_come_from_netrc_or_the_url() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("terminal_tls"));
    let mut publisher = Publisher::open(&stack.amqp);
    let at = time(Duration::from_secs(10));
    publisher.publish("logstash", "terminal_tls.key", [format!(r#"{{"@timestamp":"{at}","message":"in secret"}}"#)]);
    publisher.close();
    stack.settled_count("terminal_tls", 1, SOON);

    // `p@s:s/w%`
    let users = stack.dir().join("terminal_tls.users");
    let hash = Command::new("openssl").args(["passwd", "-apr1", "p@s:s/w%"]).output().unwrap();
    fs::write(&users, format!("some.one:{}", text(&hash.stdout))).unwrap();
    let nginx = Nginx::with_tls(
        stack,
        &alco,
        &format!("auth_basic alco; auth_basic_user_file {}; proxy_buffering on;", users.display()),
    );
    let run = |user: &str, trusted: &Path, more: &[&str]| {
        let url = format!("--url={}/", nginx.url.replace("://", &format!("://{user}")));
        let mut command = command(&ini(stack), more);
        command.args([url.as_str(), "terminal_tls", "--bare"]).env("SSL_CERT_FILE", trusted).output().unwrap()
    };
    let user = "some.one:p%40s%3As%2Fw%25@";
    let warning = "every user of this host can read the password of --url in the list of processes";
    check(&run(user, &nginx.certificate, &[]), 0, "in secret\n", warning);
    check(&run(user, &nginx.certificate, &["-fm1"]), 0, "in secret\n", warning);
    check(&run(user, &nginx.certificate, &["-e", "nothing"]), 1, "", warning);

    let host = nginx.url.split("://").nth(1).unwrap().split(':').next().unwrap();
    let netrc = stack.dir().join("terminal_tls.netrc");
    fs::write(
        &netrc,
        format!("machine elsewhere login x password y\nmachine {host} login some.one password p@s:s/w%\n"),
    )
    .unwrap();
    let option = format!("--netrc={}", netrc.display());
    for user in ["", "some.one@"] {
        let found = run(user, &nginx.certificate, &[&option]);
        check(&found, 0, "in secret\n", "");
        assert!(found.stderr.is_empty(), "{}", text(&found.stderr));
    }
    check(&run("eve@", &nginx.certificate, &[&option]), 2, "", "does not take this user and password");
    check(&run("", &nginx.certificate, &["--netrc=/nonexistent/netrc"]), 2, "", "cannot read /nonexistent/netrc: ");
    // the usual place
    let home = stack.dir().join("terminal_tls.home");
    fs::create_dir_all(&home).unwrap();
    fs::rename(&netrc, home.join(".netrc")).unwrap();
    let mut grep = command(&ini(stack), &["--url", &nginx.url, "terminal_tls", "--bare"]);
    let found = grep.env("SSL_CERT_FILE", &nginx.certificate).env("HOME", &home).output().unwrap();
    check(&found, 0, "in secret\n", "");

    let wrong = [
        (run("some.one:s3cr3t@", &nginx.certificate, &[]), "does not take this user and password"),
        (run("some.one:s3c/r3t@", &nginx.certificate, &[]), "an '@' after the host"),
        (run("", &nginx.certificate, &[]), "asks for a user and a password"),
        // its issuer is unknown
        (run("some.one:s3cr3t@", Path::new("/dev/null"), &[]), "SSL_CERT_FILE names"),
    ];
    for (output, expect) in wrong {
        check(&output, 2, "", expect);
        let said = text(&output.stderr);
        let lines = said.lines().filter(|line| !line.contains(warning)).count();
        assert!(lines == 1 && !said.contains("r3t"), "{said}");
    }
}

#[test]
fn a_silent_alco_is_not_waited_for_forever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // the system accepts connections, and no program answers
    let begin = Instant::now();
    let output = Command::new(ALCO).args(["grep", "--url", &url, "any"]).env("ALCO_INI", "").output().unwrap();
    check(&output, 2, "", &format!("alco grep: cannot ask {url}/: timeout"));
    assert!(begin.elapsed() < 3 * SOON, "{:?}", begin.elapsed());
}

/// Answers every request with the same bytes; `is_endless`: its last 64 KiB again and again.
fn other_program(answer: Vec<u8>, is_endless: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 1 << 16]);
            let mut sent = client.write_all(&answer);
            while is_endless && sent.is_ok() {
                sent = client.write_all(&answer[answer.len().saturating_sub(1 << 16)..]);
            }
        }
    });
    url
}

#[test]
fn another_alco_is_not_trusted_with_the_terminal_or_memory() {
    let head =
        |status: &str| format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n");
    let wrong = head("400 Bad Request") + r#"{"error": "\u001b]0;x\u0007\u202e", "hint": ""}"#;
    let url = other_program(wrong.into_bytes(), false);
    let asked =
        |url: &str| Command::new(ALCO).args(["grep", "--url", url, "any"]).env("ALCO_INI", "").output().unwrap();
    check(&asked(&url), 2, "", &format!("alco grep: {url}/ answers 400: ^[]0;x^G<U+202E>\n"));
    let endless = head("200 OK").into_bytes().into_iter().chain([b'x'; 1 << 16]).collect();
    let url = other_program(endless, true);
    check(&asked(&url), 2, "", &format!("alco grep: the answer of {url}/ broke off: it is larger than 8 MiB\n"));
    let list = format!("[{}{{\"name\":\"any\"}}]", "{\"name\":\"a\"},".repeat(10_000));
    let url = other_program((head("200 OK") + &list).into_bytes(), false);
    check(&asked(&url), 2, "", &format!("alco grep: {url}/ lists 10001 indexes; 10000 are the limit\n"));
}

/// Lines of a process, as they come.
struct Running {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Running {
    fn start(mut command: Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = std::sync::mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        Running { child, lines }
    }

    #[track_caller]
    fn next(&self) -> String {
        self.lines.recv_timeout(SOON).expect("a line comes")
    }

    fn ended(&mut self) -> Option<i32> {
        wait_until("it ends", SOON, || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn records_are_printed_as_they_arrive() {
    const INI: &str = "[index growing]\ndays = 2\nrouting_keys = growing.#\ncolumns = levelname\n";
    let stack = Stack::private("growing", INI);
    let alco = Alco::start(&stack, INI);
    let mut publisher = Publisher::open(&stack.amqp);
    let mut publish = |messages: &[&str]| {
        let body = |message: &&str| {
            format!(r#"{{"@timestamp":"{}","message":"{message}","levelname":"INFO"}}"#, time(Duration::ZERO))
        };
        publisher.publish("logstash", "growing.key", messages.iter().map(body));
    };
    publish(&["match 0", "other"]);
    stack.settled_count("growing", 2, SOON);
    let url = format!("--url={}", alco.url);
    let mut number = 0;
    for remote in [None, Some(url.as_str())] {
        let arguments = |more: &[&'static str]| -> Vec<&str> {
            more.iter().copied().chain(["growing", "match", "--bare"]).chain(remote).collect()
        };
        let following = Running::start(command(&ini(&stack), &arguments(&["-f"])));
        for known in 0..=number {
            assert_eq!(following.next(), format!("match {known}"));
        }
        let mut first = Running::start(command(&ini(&stack), &arguments(&["-f", "-m2", "--since=now"])));
        let mut quiet = Running::start(command(&ini(&stack), &arguments(&["-qf", "--since=now"])));
        // they have begun when they get a record
        let mut heard = 0;
        wait_until("both have heard enough", SOON, || {
            number += 1;
            publish(&[&format!("match {number}"), "nothing"]);
            assert_eq!(following.next(), format!("match {number}"));
            heard += 1;
            (first.child.try_wait().unwrap().is_some() && quiet.child.try_wait().unwrap().is_some()).then_some(())
        });
        assert!(heard >= 2);
        assert_eq!((first.ended(), quiet.ended()), (Some(0), Some(0)));
        assert_eq!(first.lines.iter().count(), 2, "-m2");
        drop(following);
    }
    // the reader closes the pipe: alco grep ends without waiting for the next line
    let mut left = command(&ini(&stack), &["-f", "growing", "match 0", "--bare"]);
    let mut child = left.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    drop(output);
    let status = wait_until("it notices", SOON, || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");

    // searchd is away: alco grep reports it, and prints the new records when searchd is back
    let mut following = Running::start(command(&ini(&stack), &["-f", "growing", "-E", "late|match 0", "--bare"]));
    let mut errors = BufReader::new(following.child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert_eq!(following.next(), "match 0");
    stack.kill("searchd");
    assert!(errors.next().is_some_and(|line| line.contains("new records are shown when it is back")));
    publish(&["late"]);
    stack.restart("searchd");
    assert_eq!(following.next(), "late");
    assert_eq!(errors.next().as_deref(), Some("alco grep: searchd is back"));
    // not SIGINT: background jobs of a shell, and their children, ignore it
    kill(Pid::from_raw(following.child.id() as i32), Signal::SIGTERM).unwrap();
    following.ended();
}

#[test]
fn a_crash_of_searchd_is_reported_with_the_last_time() {
    const INI: &str = "[index dying]\ndays = 2\nthreads = 2\nrouting_keys = dying.#\n";
    const RECORDS: usize = 40_000;
    let stack = Stack::private("dying", INI);
    let alco = Alco::start(&stack, INI);
    let mut publisher = Publisher::open(&stack.amqp);
    let text_of = "x".repeat(300);
    let at = time(Duration::from_secs(5));
    for from in (0..RECORDS).step_by(10_000) {
        let body = |n| format!(r#"{{"@timestamp":"{at}","seq":{n},"message":"record {n} {text_of}"}}"#);
        publisher.publish("logstash", "dying.key", (from..from + 10_000).map(body));
    }
    stack.settled_count("dying", RECORDS as u64, SOON * 6);
    let url = format!("--url={}", alco.url);
    for remote in [None, Some(url.as_str())] {
        // the test stops reading, so that alco grep is still at work
        let arguments: Vec<&str> = ["dying", "record"].into_iter().chain(remote).collect();
        let mut command = command(&ini(&stack), &arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        output.read_exact(&mut [0; 1000]).unwrap();
        stack.kill("searchd");
        let mut rest = Vec::new();
        output.read_to_end(&mut rest).unwrap();
        let ended = child.wait_with_output().unwrap();
        let said = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.starts_with("alco grep: ") && said.lines().count() == 1, "{said}");
        assert!(said.contains("searchd at 127.0.0.1:"), "why: {said}");
        assert!(said.contains(&format!(" matches up to {at}, and there may be more")), "{said}");
        stack.restart("searchd");
        wait_until("all is served again", SOON, || stack.count("dying").filter(|count| *count == RECORDS as u64));
    }
    stack.stop("searchd");
    check(&grep(&ini(&stack), &["dying"]), 2, "", "alco grep: cannot search: searchd at 127.0.0.1:");
    check(&grep(&ini(&stack), &["-q", "dying"]), 2, "", "cannot search");
}

/// The output of alco grep on a terminal.
fn on_terminal(stack: &Stack, arguments: &str, environment: &[(&str, &str)]) -> String {
    let line = format!("{ALCO} grep --config {} {arguments}", ini(stack).display());
    let mut command = Command::new("script");
    command
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .env_remove("LESS")
        .env_remove("PAGER");
    let output = command.envs(environment.iter().copied()).stdin(Stdio::null()).output().unwrap();
    text(&output.stdout).replace("\r\n", "\n")
}

#[test]
fn only_a_terminal_gets_colours_and_a_pager() {
    const INI: &str = "[index seen]\ndays = 2\nrouting_keys = seen.#\ncolumns = levelname\n";
    let stack = Stack::private("seen", INI);
    let alco = Alco::start(&stack, INI);
    let mut publisher = Publisher::open(&stack.amqp);
    let at = time(Duration::from_secs(5));
    let body =
        |n: usize| format!(r#"{{"@timestamp":"{at}","seq":{n},"message":"a {n} \u001b[2Jb a","levelname":"ERROR"}}"#);
    publisher.publish("logstash", "seen.key", (0..200).map(body));
    stack.settled_count("seen", 200, SOON);
    assert!(alco.stop().success());
    let shown = at.replace('T', " ").trim_end_matches('Z').to_owned();
    let plain = |n: usize| format!("{shown} ERROR a {n} ^[[2Jb a\n");
    let coloured = |n: usize| {
        format!("\x1b[32m{shown}\x1b[m \x1b[31mERROR\x1b[m \x1b[01;31ma\x1b[m {n} ^[[2Jb \x1b[01;31ma\x1b[m\n")
    };

    // a pipe
    check(&grep(&ini(&stack), &["seen", "a", "seq=7"]), 0, &plain(7), "");
    check(&grep(&ini(&stack), &["seen", "a", "seq=7", "--color=always"]), 0, &coloured(7), "");
    check(&grep(&ini(&stack), &["seen", "a 7 ", "-o", "--color=always"]), 0, "\x1b[01;31ma 7 \x1b[m\n", "");
    check(&grep(&ini(&stack), &["seen", "a", "seq=7", "--color"]), 0, &plain(7), "");
    let gaps = text(&grep(&ini(&stack), &["seen", "-E", "a (7|9) ", "-A1", "--color=always", "--bare"]).stdout);
    assert!(!gaps.contains("--"), "they touch: {gaps}");
    let gaps = text(&grep(&ini(&stack), &["seen", "-E", "a (7|90) ", "-A1", "--color=always", "--bare"]).stdout);
    assert!(gaps.contains("\x1b[36m--\x1b[m\n"), "{gaps}");
    // a reader that closes the pipe gets no error
    let line = format!("{ALCO} grep --config {} seen a | head -1; exec sleep 0", ini(&stack).display());
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    assert_eq!((text(&output.stdout), text(&output.stderr)), (plain(0), String::new()));

    // a terminal
    assert_eq!(on_terminal(&stack, "seen a seq=7", &[("PAGER", "cat")]), coloured(7));
    assert_eq!(on_terminal(&stack, "seen a seq=7 --color=never", &[("PAGER", "")]), plain(7));
    assert_eq!(on_terminal(&stack, "seen a seq=7", &[("PAGER", ""), ("NO_COLOR", "1")]), plain(7));
    assert_eq!(on_terminal(&stack, "seen a seq=7", &[("PAGER", ""), ("TERM", "dumb")]), plain(7));
    assert_eq!(on_terminal(&stack, "seen a seq=7", &[("PAGER", "no-such-pager")]), coloured(7));
    // a pager of the reader's own gets the whole output
    let pager = stack.dir().join("pager");
    executable(&pager, "echo \"paged, LESS=$LESS\"; exec cat\n");
    let pager = pager.to_str().unwrap();
    let paged = on_terminal(&stack, "seen a", &[("PAGER", pager)]);
    assert_eq!(paged, format!("paged, LESS=FR\n{}", (0..200).map(coloured).collect::<String>()));
    assert_eq!(
        on_terminal(&stack, "seen a seq=7", &[("PAGER", &format!("{pager} | tail -1")), ("LESS", "x")]),
        coloured(7)
    );
    for unpaged in ["-c seen a", "seen a seq=7 -f -m1", "-q seen a"] {
        assert!(!on_terminal(&stack, unpaged, &[("PAGER", pager)]).contains("paged"), "{unpaged}");
    }
    // less ends by itself if all fits on one screen; otherwise its reader leaves it
    let less = on_terminal(&stack, "seen a seq=7", &[]);
    assert!(less.contains(coloured(7).trim_end()), "{less:?}");
    let mut screen = Screen::start(&ini(&stack), "seen a", None);
    screen.wait(" 20 ^[[2Jb");
    screen.wait(PROMPT);
    screen.keys(b"q");
    let seen = screen.rest();
    assert!(seen.contains("left with 0"), "{seen}");
    assert!(!seen.contains(" 199 ^[[2Jb"), "only a screen of it");
}

/// alco grep on a terminal of 24 lines, with keys.
struct Screen {
    child: Child,
    seen: Vec<u8>,
    /// the end of the text of the last wait
    at: usize,
}

/// less waits for a key.
const PROMPT: &str = ":\x1b[K";

impl Screen {
    /// Prints `left with STATUS` at the end. Without `pager` it is less.
    fn start(ini: &Path, arguments: &str, pager: Option<&str>) -> Screen {
        // Ctrl-C is for the pager and for alco, not for the shell
        let line = format!(
            "trap : INT; stty rows 24 cols 80; {ALCO} grep --config {} {arguments}; echo left with $?",
            ini.display()
        );
        let mut command = Command::new("timeout");
        command.args(["--foreground", "60", "env", "--default-signal=INT", "script", "-qec", &line, "/dev/null"]);
        command.env("TERM", "xterm").env_remove("LESS").env_remove("PAGER");
        command.envs(pager.map(|pager| ("PAGER", pager)));
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Screen { child, seen: Vec::new(), at: 0 }
    }

    fn keys(&mut self, keys: &[u8]) {
        self.child.stdin.as_mut().unwrap().write_all(keys).unwrap();
    }

    /// Reads until that text comes, after the text of the last wait.
    #[track_caller]
    fn wait(&mut self, expect: &str) {
        self.press_until(b"", expect);
    }

    /// The same, pressing a key again and again: a terminal drops pending keys at Ctrl-C.
    #[track_caller]
    fn press_until(&mut self, key: &[u8], expect: &str) {
        let found = |new: &[u8]| new.windows(expect.len()).position(|some| some == expect.as_bytes());
        while found(&self.seen[self.at..]).is_none() {
            let screen = self.child.stdout.as_mut().unwrap();
            let mut readable = [PollFd::new(screen.as_fd(), PollFlags::POLLIN)];
            if poll(&mut readable, PollTimeout::from(500_u16)).unwrap() == 0 {
                self.keys(key);
                continue;
            }
            let mut some = [0; 4096];
            let read = screen.read(&mut some).unwrap();
            assert!(read > 0, "no '{expect}' in {}", text(&self.seen));
            self.seen.extend(&some[..read]);
        }
        self.at += found(&self.seen[self.at..]).unwrap() + expect.len();
    }

    /// The whole output, to its end.
    fn rest(mut self) -> String {
        self.child.stdout.as_mut().unwrap().read_to_end(&mut self.seen).unwrap();
        self.child.wait().unwrap();
        text(&self.seen)
    }
}

#[test]
fn ctrl_c_goes_to_the_pager() {
    const RECORDS: u64 = 5000;
    const INI: &str = "[index paged]\ndays = 2\nrouting_keys = paged.#\ncolumns = levelname\n";
    let stack = Stack::private("paged", INI);
    let alco = Alco::start(&stack, INI);
    let mut publisher = Publisher::open(&stack.amqp);
    let at = time(Duration::from_secs(5));
    let body = |n: u64| format!(r#"{{"@timestamp":"{at}","seq":{n},"message":"record {n} of many"}}"#);
    publisher.publish("logstash", "paged.key", (0..RECORDS).map(body));
    publisher.close();
    stack.settled_count("paged", RECORDS, SOON);
    assert!(alco.stop().success());

    // the output is larger than a pipe: alco is still at work
    let mut screen = Screen::start(&ini(&stack), "--color=never paged of", None);
    screen.wait("record 20 of");
    screen.wait(PROMPT);
    screen.keys(b"\x03");
    screen.press_until(b" ", "record 40 of");
    assert!(!text(&screen.seen).contains("left with"), "{}", text(&screen.seen));
    screen.press_until(b"q", "left with 0");
    let seen = screen.rest();
    assert!(!seen.contains("alco"), "{seen}");
    assert!(!seen.contains(&format!("record {}", RECORDS - 1)), "only some screens of it");

    // the reader leaves the pager while searchd is silent
    let pager = stack.dir().join("pager");
    executable(&pager, "echo begun; read key </dev/tty\n");
    stack.pause("searchd");
    let mut screen = Screen::start(&ini(&stack), "paged nothing", pager.to_str());
    screen.wait("begun");
    screen.keys(b"q\n");
    screen.wait("left with 0");
    stack.resume("searchd");
    let seen = screen.rest();
    assert!(!seen.contains("alco"), "{seen}");
}
