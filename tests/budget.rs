//! A search over its budget shows how far it came, and a link to go on from there: a client that follows these links gets each
//! match once, and comes to an end. A search also ends when its client has left.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::sync::OnceLock;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::support::{Alco, Publisher, SOON, Stack, encoded, wait_until};

const RECORDS: usize = 600;
const MATCHES: usize = 11;
/// No record before this one matches. Checking that many takes more than a budget.
const MIN_FIRST_MATCH: usize = 300;
/// Each message is long and has a letter that is not ASCII: it takes the regex some time to find the ends of words.
const MESSAGE_BYTES: usize = 16_000;
/// The smallest budget that alco.ini takes, and one that no search of these tests uses up.
const BUDGETS: [&str; 2] = ["100ms", "60s"];
/// Its matches have no text in common, so alco has no text to ask the index for.
const PATTERN: &str = r"\b\d{3}\p{L}{2}\b";
const ABSENT: &str = r"\b\d{3}\p{L}{3}\b";
/// Each word may begin a match, and the regex takes long to find that it does not.
const ENDLESS: &str = r"\b(?:\w+\W){30}\d{3}\p{L}{3}\b";

const WORDS: [&str; 8] = ["connection", "to", "the", "gateway", "timed", "out", "after", "retrying"];

struct Records {
    matching: Vec<usize>,
    start: Timestamp,
}

/// The records, which the tests of this file share.
fn records(stack: &'static Stack) -> &'static Records {
    static RECORDED: OnceLock<Records> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let mut random = Rng::with_seed(5);
        let matching: BTreeSet<usize> = random.choose_multiple(MIN_FIRST_MATCH..RECORDS, MATCHES).into_iter().collect();
        // all in one day, and many with the same time
        let start = Timestamp::now() - SignedDuration::from_secs(300);
        let alco = Alco::start(stack, &stack.index("budget"));
        let mut publisher = Publisher::open(&stack.amqp);
        let bodies = (0..RECORDS).map(|n| {
            let mut message = String::from("é");
            while message.len() < MESSAGE_BYTES {
                message.push(' ');
                message.push_str(WORDS[random.usize(..WORDS.len())]);
            }
            if matching.contains(&n) {
                message.push_str(" 123ab ");
            }
            let time = start + SignedDuration::from_millis(n as i64 / 5 * 400);
            format!(r#"{{"@timestamp":"{time}","message":"{message}","seq":{n}}}"#)
        });
        publisher.publish("logstash", "budget.x", bodies);
        publisher.close();
        stack.settled_count("budget", RECORDS as u64, SOON);
        drop(alco);
        Records { matching: matching.into_iter().collect(), start }
    })
}

fn alco(stack: &Stack, budget: &str) -> Alco {
    Alco::start(stack, &format!("[http]\nsearch_budget = {budget}\n{}", stack.index("budget")))
}

/// A page in either of its forms.
struct Part {
    found: Vec<usize>,
    /// the budget ended the search before its end
    is_cut: bool,
    next: Option<String>,
    previous: Option<String>,
}

fn page(alco: &Alco, path: &str) -> Part {
    let page = alco.page(path);
    let is_cut = page.html.contains("The search ran out of time at ");
    let on = page.link_called("Go on from there");
    assert_eq!(on.is_some(), is_cut, "{path}");
    // on the way back, the link leads back
    let back = page.address.contains("cursor=b");
    let (on_next, on_previous) = if back { (None, on) } else { (on, None) };
    Part {
        found: page.lines().iter().map(|line| line.cells.last().unwrap().parse().unwrap()).collect(),
        is_cut,
        next: on_next.or(page.link("rel=\"next\"")),
        previous: on_previous.or(page.link("rel=\"prev\"")),
    }
}

fn answer(alco: &Alco, path: &str) -> Part {
    let reply = alco.get(path);
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    let page: Value = serde_json::from_str(&reply.body).unwrap();
    let link = |name: &str| page[name].as_str().map(|url| url.strip_prefix(&alco.url).unwrap().to_owned());
    let is_cut = page["searched_up_to"].is_string();
    assert_eq!(page["warnings"].to_string().contains("the time ran out at "), is_cut, "{page}");
    let (next, previous) = (link("next"), link("previous"));
    let onward = if path.contains("cursor=b") { &previous } else { &next };
    assert!(!is_cut || onward.is_some(), "{path}: cut, and no way on");
    Part {
        found: page["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|log| log["js"]["seq"].as_u64().unwrap() as usize)
            .collect(),
        is_cut,
        next,
        previous,
    }
}

/// Follows the links from a page on. Returns the matches in that order, the address of the last page, and the number of pages that
/// the budget cut.
#[track_caller]
fn walk(alco: &Alco, ask: fn(&Alco, &str) -> Part, first: &str, back: bool) -> (Vec<usize>, String, usize) {
    let (mut found, mut path, mut cut, mut pages) = (Vec::new(), first.to_owned(), 0, 0);
    loop {
        let part = ask(alco, &path);
        pages += 1;
        cut += usize::from(part.is_cut);
        match back {
            true => drop(found.splice(0..0, part.found)),
            false => found.extend(part.found),
        }
        match if back { part.previous } else { part.next } {
            Some(on) => path = on,
            None => return (found, path, cut),
        }
        // each page gets further
        assert!(pages <= RECORDS, "no end of pages from {first} on");
    }
}

/// There and back, on pages and in the API. `expected` is in the page's order.
#[track_caller]
fn check(parameters: &str, expected: &[usize], limit: usize) {
    let stack = Stack::shared();
    let Records { start, .. } = records(stack);
    let alco = alco(stack, BUDGETS[0]);
    let end = *start + SignedDuration::from_secs(300);
    for (ask, path) in [(page as fn(&Alco, &str) -> Part, "/grep"), (answer, "/api/grep")] {
        let url =
            format!("{path}/budget/?start_ts={start}&end_ts={end}&columns=seq&mode=regex&limit={limit}&{parameters}");
        let (found, last, cut) = walk(&alco, ask, &url, false);
        assert_eq!(found, expected, "{url}");
        assert!(cut > 0, "{url} took less than its budget");
        let mut back = ask(&alco, &last).previous.map_or(Vec::new(), |previous| walk(&alco, ask, &previous, true).0);
        // the budget may cut the last page now
        back.extend(walk(&alco, ask, &last, false).0);
        assert_eq!(back, expected, "back from {last}");
    }
}

#[test]
fn a_search_over_its_budget_goes_on_to_its_end() {
    let mut matching = records(Stack::shared()).matching.clone();
    check(&format!("search={}&order=asc", encoded(PATTERN)), &matching, 3);
    let Records { start, .. } = records(Stack::shared());
    let url = format!("/grep/budget/?start_ts={start}&mode=regex&limit=3&search={}", encoded(PATTERN));
    let (word, count) = alco(Stack::shared(), BUDGETS[0]).page(&url).count();
    assert!(word == "at least" && count <= MATCHES as u64, "{word} {count}");
    matching.reverse();
    check(&format!("search={}&order=desc", encoded(PATTERN)), &matching, 3);
}

#[test]
fn a_search_without_matches_ends() {
    check(&format!("search={}&order=asc", encoded(ABSENT)), &[], 5);
    check(&format!("search={}&order=desc", encoded(ABSENT)), &[], 5);
}

#[test]
fn the_whole_log_begins_with_a_match_that_takes_long_to_find() {
    let matching = &records(Stack::shared()).matching;
    let from_first: Vec<usize> = (matching[0]..RECORDS).collect();
    check(&format!("search={}&context=y", encoded(PATTERN)), &from_first, 80);
    // a reader who comes back to a place before the first match is on the first page, and goes on from there
    let stack = Stack::shared();
    let start = records(stack).start;
    let url = format!("/grep/budget/?start_ts={start}&columns=seq&mode=regex&context=y&search={}", encoded(PATTERN));
    let first = alco(stack, BUDGETS[1]).get(&format!("{url}&limit=1&format=ndjson")).body;
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    let (first, _) = first["@id"].as_str().unwrap().rsplit_once('.').unwrap();
    let alco = alco(stack, BUDGETS[0]);
    let mut part = page(&alco, &format!("{url}&limit=300&cursor=b{first}.0"));
    while part.is_cut {
        assert!(part.found.is_empty(), "it is cut, though it goes on by itself");
        part = page(&alco, &part.previous.expect("a way on"));
    }
    let rest = part.next.map_or(Vec::new(), |next| walk(&alco, page, &next, false).0);
    assert_eq!([part.found, rest].concat(), from_first);
    let from_last: Vec<usize> = (0..=matching[MATCHES - 1]).rev().collect();
    check(&format!("search={}&context=y&order=desc", encoded(PATTERN)), &from_last, 80);
}

/// The number of searches that have ended, and of the records that they checked.
fn searched(alco: &Alco) -> (u64, u64) {
    (alco.metric("alco_search_seconds_count"), alco.metric("alco_search_candidates_total"))
}

#[test]
fn a_search_that_its_client_has_left_ends() {
    let stack = Stack::shared();
    let Records { start, .. } = records(stack);
    let alco = alco(stack, BUDGETS[1]);
    let end = *start + SignedDuration::from_secs(300);
    let search = format!("budget/?start_ts={start}&end_ts={end}&mode=regex&limit=5&search={}", encoded(ENDLESS));
    for path in [format!("/grep/{search}"), format!("/grep/{search}&format=text"), format!("/api/grep/{search}")] {
        let before = searched(&alco);
        let mut client = TcpStream::connect(alco.url.strip_prefix("http://").unwrap()).unwrap();
        write!(client, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        wait_until("it has begun", SOON * 2, || (searched(&alco).1 > before.1).then_some(()));
        drop(client);
        let after = wait_until("it ends", SOON, || Some(searched(&alco)).filter(|after| after.0 > before.0));
        assert!(after.1 - before.1 < RECORDS as u64, "{path}: all records were checked though the client had left");
    }
}
