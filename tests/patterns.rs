//! A filter for patterns finds the same records whether searchd or alco decides: on a day of today's rules, of other rules, and where
//! both have stored records. Pages show the text of a pattern, not its hash.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{ALCO, Alco, Publisher, SOON, Stack, encoded};

const HOST: [&str; 3] = ["alpha", "beta", "gamma"];
/// Messages and their patterns; # is a number that is another one each time.
const TEMPLATES: [(&str, &str); 6] = [
    ("order # paid by card", "order * paid by card"),
    ("order # sent\n  with parcel #", "order * sent"),
    ("", "(no text)"),
    ("took\0# ms \0", "took *"),
    ("\u{1b}[32mGET /items/#\u{1b}[0m <done>", "GET * <done>"),
    ("用户#登录成功", "用户*登录成功"),
];

fn index(level: &str) -> String {
    format!("[index patterns]\ndays = 2\nrouting_keys = patterns.#\nfiltered = host\nlevel = {level}\n")
}

fn host(n: usize) -> &'static str {
    HOST[n / TEMPLATES.len() % HOST.len()]
}

fn template(n: usize) -> usize {
    n % TEMPLATES.len()
}

/// A real column of the filter's name.
fn own_pattern(n: usize) -> &'static str {
    ["blue", "red"][n / 7 % 2]
}

fn publish(stack: &Stack, numbers: std::ops::Range<usize>) {
    let now = Timestamp::now();
    let body = |n: usize| {
        let message = TEMPLATES[template(n)].0.replace('#', &(1000 + 7 * n).to_string());
        json!({"@timestamp": now.to_string(), "message": message, "seq": n, "host": host(n), "pattern": own_pattern(n),
            "levelname": "INFO"})
        .to_string()
    };
    let count = numbers.end as u64;
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "patterns.key", numbers.map(body));
    publisher.close();
    stack.settled_count("patterns", count, SOON);
}

type Accepts<'a> = Box<dyn Fn(usize) -> bool + 'a>;

/// Filters for patterns, alone and with other conditions, each with the records that it accepts.
fn searches(hashes: &[String]) -> Vec<(String, Accepts<'_>)> {
    let mut searches: Vec<(String, Accepts)> = Vec::new();
    for (one, hash) in hashes.iter().enumerate() {
        let next = (one + 1) % hashes.len();
        let is_one = move |n| template(n) == one;
        let is_both = move |n| template(n) == one || template(n) == next;
        searches.push((format!("pattern={hash}"), Box::new(is_one)));
        searches.push((format!("pattern__not={hash}"), Box::new(move |n| !is_one(n))));
        searches.push((format!("pattern={hash}&pattern={}", hashes[next]), Box::new(is_both)));
        searches.push((format!("pattern__in={hash},{}&host=beta", hashes[next]), {
            Box::new(move |n| is_both(n) && host(n) == "beta")
        }));
        searches.push((format!("pattern__not={hash},{}&host__not=beta", hashes[next]), {
            Box::new(move |n| !is_both(n) && host(n) != "beta")
        }));
        searches.push((format!("pattern={hash}&js.pattern=blue"), {
            Box::new(move |n| is_one(n) && own_pattern(n) == "blue")
        }));
        searches.push((format!("pattern={hash}&search=order"), Box::new(move |n| is_one(n) && one < 2)));
        searches.push((format!("pattern__not={hash}&search=order&invert=1"), {
            Box::new(move |n| !is_one(n) && template(n) >= 2)
        }));
        searches.push((format!("off.pattern={hash}&host=alpha"), Box::new(|n| host(n) == "alpha")));
    }
    searches.push(("pattern=0123456789abcde".to_owned(), Box::new(|_| false)));
    searches.push(("pattern__not=0123456789abcde".to_owned(), Box::new(|_| true)));
    searches
}

#[track_caller]
fn check(alco: &Alco, hashes: &[String], stored: usize) {
    for (parameters, accepts) in searches(hashes) {
        let expected: BTreeSet<usize> = (0..stored).filter(|n| accepts(*n)).collect();
        let search = format!("?start_ts=-1h&end_ts=2099-01-01&{parameters}");
        let reply = alco.get(&format!("/grep/patterns/{search}&format=ndjson"));
        assert_eq!(reply.status, 200, "{search}: {}", reply.body);
        let seq = |line: &str| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap() as usize;
        let found: BTreeSet<usize> = reply.body.lines().map(seq).collect();
        assert_eq!(found, expected, "{search}");
        assert_eq!(alco.page(&format!("/grep/patterns/{search}")).total(), expected.len() as u64, "{search}");
        let get = |what: &str| -> Value {
            let reply = alco.get(&format!("/api/grep/patterns/{what}/{search}"));
            let answer: Value = serde_json::from_str(&reply.body).unwrap();
            assert_eq!(answer["exact"], true, "{what} {search}: {}", reply.body);
            answer
        };
        let bars = get("histogram");
        let counted: u64 = bars["bars"].as_array().unwrap().iter().map(|bar| bar["total"].as_u64().unwrap()).sum();
        assert_eq!(counted, expected.len() as u64, "bars of {search}");
        for column in ["host", "pattern"].into_iter().filter(|column| {
            // the values of a column are counted without its own filters
            !parameters.contains("host") && !parameters.contains(&format!("js.{column}"))
        }) {
            let values = get(&format!("values/{column}"));
            let counted = values["values"].as_array().unwrap().iter().map(|value| value["count"].as_u64().unwrap());
            assert_eq!(counted.sum::<u64>(), expected.len() as u64, "{column} of {search}");
        }
    }
}

/// The chips of pages show patterns by their texts, and records name theirs.
#[track_caller]
fn check_pages(alco: &Alco, hashes: &[String], stored: usize) {
    for (at, ((_, text), hash)) in TEMPLATES.iter().zip(hashes).enumerate() {
        let text = text.replace('<', "&lt;").replace('>', "&gt;");
        for (parameter, sign) in [("pattern", "="), ("pattern__not", "≠")] {
            let page = alco.page(&format!("/grep/patterns/?start_ts=-1h&{parameter}={hash}"));
            let chip = format!("<b>pattern</b> {sign} {text}</a>");
            assert!(page.html.contains(&chip), "no {chip}: {}", page.html);
        }
        let page = alco.page(&format!("/grep/patterns/?start_ts=-1h&pattern={hash}"));
        let record = alco.page(&page.link("class=t ").expect("a link of a line"));
        assert!(record.html.contains(&format!("<dt>pattern</dt> <dd>{text} ")), "no {text}: {}", record.html);
        let only = record.link(&format!("pattern={hash}")).expect("a link to its lines");
        let expected = (0..stored).filter(|n| template(*n) == at).count() as u64;
        assert_eq!(alco.page(&only).total(), expected, "{only}");
    }
    let page = alco.page("/grep/patterns/?start_ts=-1h&pattern=0123456789abcde");
    assert!(page.html.contains("<b>pattern</b> = 0123456789abcde</a>"), "no record has it: {}", page.html);
}

#[test]
fn patterns_are_found_by_any_rules_of_a_day() {
    let stack = Stack::private("patterns", &index("levelname"));
    let alco = Alco::start(&stack, &index("levelname"));
    publish(&stack, 0..60);
    let kinds = stack.select("SELECT kind FROM patterns WHERE seq<6 ORDER BY seq ASC").unwrap();
    let hashes: Vec<String> = kinds.iter().map(|kind| format!("{:015x}", kind.parse::<i64>().unwrap() >> 3)).collect();
    assert_eq!((hashes.iter().collect::<BTreeSet<_>>().len(), &*hashes[2]), (TEMPLATES.len(), "000000000000000"));
    check_pages(&alco, &hashes, 60);
    check(&alco, &hashes, 60);
    assert_eq!(candidates(&alco, &hashes[0]), 10, "searchd knows them");
    assert!(alco.stop().success());

    // another column has the level: these are not the rules of today's index
    let alco = Alco::start(&stack, &index("severity"));
    check(&alco, &hashes, 60);
    assert_eq!(candidates(&alco, &hashes[0]), 60, "alco checks all");
    publish(&stack, 60..90);
    assert_eq!(stack.select("SELECT COUNT(*) FROM patterns WHERE kind=7").unwrap(), ["30"], "alco has to check these");
    check_pages(&alco, &hashes, 90);
    check(&alco, &hashes, 90);
    assert!(alco.stop().success());

    let alco = Alco::start(&stack, &index("levelname"));
    check(&alco, &hashes, 90);
    check_pages(&alco, &hashes, 90);
    assert_eq!(candidates(&alco, &hashes[0]), 10 + 30, "alco checks those of other rules");
    check_terminal(&alco, &hashes);
    check_following(&stack, &alco, &hashes);
    let refused = alco.get("/grep/patterns/?pattern=blue");
    assert!(refused.status == 400 && refused.body.contains("is js.pattern"), "{}", refused.body);
    assert!(alco.stop().success());
}

/// The records that searchd returns for a list of the lines of a pattern.
fn candidates(alco: &Alco, hash: &str) -> u64 {
    let before = alco.metric("alco_search_candidates_total");
    alco.get(&format!("/grep/patterns/?start_ts=-1h&format=text&pattern={hash}"));
    alco.metric("alco_search_candidates_total") - before
}

#[track_caller]
fn check_terminal(alco: &Alco, hashes: &[String]) {
    let count = |arguments: &[&str]| {
        let mut command = Command::new(ALCO);
        command.args(["grep", "--config"]).arg(&alco.ini).args(["-c", "--since", "-1h", "patterns"]).args(arguments);
        let output = command.stdin(Stdio::null()).output().unwrap();
        (String::from_utf8(output.stdout).unwrap().trim().to_owned(), String::from_utf8(output.stderr).unwrap())
    };
    let paid = &hashes[0];
    for (arguments, expected) in [
        (&[&*format!("pattern={paid}")][..], "15"),
        (&["order", &format!("pattern__not={paid}")], "15"),
        (&[&format!("pattern__in={paid},{}", hashes[1])], "30"),
        (&["js.pattern=blue"], "48"),
    ] {
        assert_eq!(count(arguments).0, expected, "{arguments:?}");
    }
    let (_, why) = count(&["pattern=blue"]);
    assert!(why.contains("invalid pattern 'blue'") && why.contains("js.pattern"), "{why}");
    // a pattern is not a column that is missing
    let (_, why) = count(&["pattern=0123456789abcde"]);
    assert_eq!(why, "");
}

#[track_caller]
fn check_following(stack: &Stack, alco: &Alco, hashes: &[String]) {
    let parameters = format!("format=ndjson&follow=1&limit=1&start_ts=-1h&pattern={}", encoded(&hashes[0]));
    let mut curl = Command::new("curl")
        .args(["-sSN", "--max-time", "60", &format!("{}/grep/patterns/?{parameters}", alco.url)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut seqs = BufReader::new(curl.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Value>(line.trim()).ok().and_then(|record| record["seq"].as_u64()));
    assert_eq!(seqs.next(), Some(84), "the last stored one");
    publish(stack, 90..97);
    assert_eq!([seqs.next(), seqs.next()], [Some(90), Some(96)], "those that arrive");
    curl.kill().unwrap();
    curl.wait().unwrap();
}
