//! Three nodes answer as one node does that has the records of all: every kind of question, over random searches. An answer that
//! lacks something says so.
//!
//! A node of its own, with a queue of its own for the same records, is the oracle. Docids differ, and nothing else may. The nodes
//! are as different as nodes may be: the searchd of one has still to read its configuration of today, and the clock of another is a
//! day ahead; of one index, all have the same ini, of another, each has its own, and a third one is unknown to a node.
//!
//! `make soak` asks more searches; EQUAL_SEED chooses others.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use fastrand::Rng;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde_json::Value;

use crate::support::clock::{Clock, day_of};
use crate::support::corpus::corpus;
use crate::support::follower::Follower;
use crate::support::nodes::{Node, alone, count, nodes};
use crate::support::page::{Page, text};
use crate::support::{Alco, LONG, Publisher, SOON, Stack, body, encoded, soak, wait_until};

/// Of each midnight, and those of a day on which the node that is asked most did not collect: it has none of that day.
const LINES: usize = 1000;
const EARLY_LINES: usize = 60;
const MIDNIGHTS: i64 = 3;
/// Bodies that are equal in every byte.
const EQUAL_RECORDS: usize = 60;
/// Searches in the short form and the long one; each is asked in one or two ways.
const SEARCHES: [usize; 2] = [180, 6000];
/// Pages of a search that are walked through, one way.
const MAX_PAGES: usize = 8;
const FOLLOWED: usize = 400;
/// Of all hosts.
const DOMAIN: &str = ".example.org";
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The sections of one node; the third index is unknown to one.
fn ini(at: Option<usize>) -> String {
    let (unlike, more) = match at {
        None | Some(0) => ("filtered = levelname, host\nindexed = host", ""),
        Some(1) => ("filtered =\nindexed = extra.user", "[sphinx.index unlike]\nmin_infix_len = 3\n"),
        Some(_) => ("filtered = status\nsearch = all\nlevel = status", ""),
    };
    let queue = |name: &str| if at.is_none() { format!("queue = {name}_one\n") } else { String::new() };
    let index = |name: &str, keys: &str| {
        let queue = queue(name);
        format!("[index {name}]\ndays = 7\n{queue}routing_keys = {name}.#\n{keys}\n")
    };
    let third = if at == Some(1) { String::new() } else { index("third", "filtered = levelname") };
    index("alike", "filtered = levelname, host\nindexed = host, odd") + &index("unlike", unlike) + &third + more
}

/// Values that searchd prints like others, or groups by elements.
const ODD: [&str; 9] = ["true", "null", "\"\"", "[]", "[\"x\",\"x\"]", "[1,\"1\"]", "1", "\"true\"", "{\"a\":1}"];

/// Records around several midnights, oldest first, each with its time.
fn records(today: Date, seed: u64) -> Vec<(Timestamp, String)> {
    let mut random = Rng::with_seed(seed);
    let mut all = Vec::new();
    for ago in (0..MIDNIGHTS).rev() {
        for (n, record) in corpus(seed + ago as u64, LINES, midnight(today, ago) - SECOND * 10).into_iter().enumerate()
        {
            let odd = ODD[random.usize(..ODD.len())];
            let body = record.body.strip_suffix('}').unwrap();
            let body = if n % 3 == 0 { format!("{body},\"odd\":{odd}}}") } else { record.body };
            all.push((record.at, body));
        }
    }
    all
}

fn midnight(today: Date, ago: i64) -> Timestamp {
    let day = today.checked_sub(Span::new().days(ago)).unwrap();
    day.to_zoned(TimeZone::UTC).unwrap().timestamp()
}

/// Three nodes, and the oracle; each has all records of its part.
struct Cluster {
    nodes: Vec<Node>,
    alcos: Vec<Alco>,
    _oracle: Stack,
    one: Alco,
    records: Vec<(Timestamp, String)>,
    today: Date,
    _clocks: [Clock; 2],
}

impl Cluster {
    fn start(seed: u64) -> Cluster {
        let today = day_of(Timestamp::now());
        let day = SignedDuration::from_hours(24);
        let mut nodes = nodes("equal", 3, &ini(Some(0)));
        let [behind, ahead] = [("equal_behind", -day), ("equal_ahead", day)].map(|(name, offset)| {
            let clock = Clock::new(name);
            clock.set(offset);
            clock
        });
        for (at, clock) in [(1, &behind), (2, &ahead)] {
            let stack = &mut nodes[at].stack;
            let path = stack.dir().join("alco.ini");
            let own = fs::read_to_string(&path).unwrap().replace(&ini(Some(0)), &ini(Some(at)));
            fs::write(&path, own).unwrap();
            stack.configure_by(&clock.alco);
            stack.stop("searchd");
            // it was declared by another ini
            fs::remove_dir_all(stack.dir().join("searchd/data")).unwrap();
            stack.restart("searchd");
        }
        let oracle = alone("equal_one", &nodes[0].stack.amqp, &ini(None));
        let one = Alco::start(&oracle, &ini(None));
        let mut last = Alco::spawn_as(&ahead.alco, &nodes[2].stack, &ini(Some(2)));
        last.wait_ready(&nodes[2].stack);
        let mut alcos = vec![nodes[1].alco(&ini(Some(1))), last];
        let early: Vec<_> =
            corpus(seed + 99, EARLY_LINES, midnight(today, 4)).into_iter().map(|r| (r.at, r.body)).collect();
        let publish = |records: &[(Timestamp, String)]| {
            let mut publisher = Publisher::open(&oracle.amqp);
            for index in ["alike", "unlike", "third"] {
                publisher.publish("logstash", &format!("{index}.key"), records.iter().map(|(_, body)| body));
            }
            publisher.close();
        };
        let settled = |number: usize| {
            for index in ["alike", "unlike", "third"] {
                wait_until("the oracle has all", LONG, || (oracle.count(index)? >= number as u64).then_some(()));
                wait_until("the nodes have all", LONG, || (count(&nodes, index) >= number as u64).then_some(()));
            }
        };
        publish(&early);
        settled(early.len());
        alcos.insert(0, nodes[0].alco(&ini(Some(0))));
        let mut all = records(today, seed);
        let equal = all[LINES + LINES / 2].clone();
        all.extend(vec![equal; EQUAL_RECORDS]);
        publish(&all);
        all.splice(0..0, early);
        settled(all.len());
        for index in ["alike", "unlike"] {
            let parts = nodes.iter().map(|node| node.stack.count(&format!("{index}_local")).unwrap());
            let parts: Vec<u64> = parts.collect();
            assert!(parts.iter().all(|part| *part > LINES as u64 / 10), "each has a part of {index}: {parts:?}");
        }
        Cluster { nodes, alcos, _oracle: oracle, one, records: all, today, _clocks: [behind, ahead] }
    }
}

/// Random searches.
struct Searches<'a> {
    random: Rng,
    cluster: &'a Cluster,
    patterns: Vec<String>,
}

impl Searches<'_> {
    fn chance(&mut self, percent: u32) -> bool {
        self.random.u32(..100) < percent
    }

    fn one_of<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.random.usize(..of.len())]
    }

    fn body(&mut self) -> Value {
        let (_, body) = &self.cluster.records[self.random.usize(..self.cluster.records.len())];
        serde_json::from_str(body).unwrap()
    }

    /// A piece of some message.
    fn piece(&mut self) -> String {
        loop {
            let body = self.body();
            let line = body["message"].as_str().unwrap().split('\n').next().unwrap().to_owned();
            let chars: Vec<char> = line.chars().filter(|c| *c != '@').collect();
            if chars.is_empty() {
                continue;
            }
            let from = self.random.usize(..chars.len());
            let length = [1, 2, 3, 4, 6, 12, 40][self.random.usize(..7)];
            return chars[from..(from + length).min(chars.len())].iter().collect();
        }
    }

    fn range(&mut self) -> String {
        let Cluster { today, records, .. } = self.cluster;
        let around = midnight(*today, self.random.i64(0..MIDNIGHTS));
        let millis = |random: &mut Rng, most| SignedDuration::from_millis(random.i64(0..most));
        let (start, end) = match self.random.u32(..6) {
            0 => (midnight(*today, 5), midnight(*today, -1)),
            1 => (around - millis(&mut self.random, 9000), around + millis(&mut self.random, 9000)),
            2 => (around, around + SECOND * 86_400),
            3 => (around - SECOND * 86_400, around + SECOND * 172_800),
            4 => {
                let start = around - SECOND * 10 + millis(&mut self.random, 15_000);
                (start, start + millis(&mut self.random, 4000))
            }
            // to the microsecond of two records
            _ => {
                let mut at = || records[self.random.usize(..records.len())].0;
                let (one, other) = (at(), at());
                (one.min(other), one.max(other) + SignedDuration::from_micros(self.random.i64(0..2)))
            }
        };
        // the last day is not over, and a searchd that has still to read its configuration does not have the one after tomorrow
        format!("start_ts={start}&end_ts={}", end.min(midnight(*today, -1)))
    }

    fn filter(&mut self) -> String {
        let body = self.body();
        let (host, level) = (body["host"].as_str().unwrap(), body["levelname"].as_str().unwrap());
        let filter = match self.random.u32(..22) {
            0 => format!("levelname={level}"),
            1 => format!("host={host}"),
            2 => format!("levelname={level}&levelname=ERROR"),
            3 => format!("levelname__not={level},WARNING"),
            4 => format!("host__not={host}"),
            5 => format!("host__in={host},db-03.example.org"),
            6 => format!("host__like={}", &host[..self.random.usize(1..host.len())]),
            7 => "host__like=EB-0*example".to_owned(),
            8 => "status=200".to_owned(),
            9 => "status=200.5&status=404".to_owned(),
            10 => format!("status__{}=301", self.one_of(&["gt", "gte", "lt", "lte"])),
            11 => format!("status__{}=404.5", self.one_of(&["gt", "gte", "lt", "lte"])),
            12 => format!("status__exists={}", self.random.u32(..2)),
            13 => "tags=slow".to_owned(),
            14 => "tags__not=%E9%87%8D%E8%A6%81".to_owned(),
            15 => format!("odd={}", self.one_of(&["x", "1", "true", "", "2"])),
            16 => format!("odd__exists={}", self.random.u32(..2)),
            17 => "extra.user=payment&extra.user=order".to_owned(),
            18 => "extra.deep.n__gte=2".to_owned(),
            19 => format!("seq__lte={}", self.random.usize(..LINES)),
            20 => format!("any={}", encoded(&format!("host={host} levelname={level} | status=404 | tags=nightly"))),
            _ => {
                let pattern = self.patterns[self.random.usize(..self.patterns.len())].clone();
                format!("pattern{}={pattern}", self.one_of(&["", "", "__not"]))
            }
        };
        if self.chance(5) { format!("off.{filter}") } else { filter }
    }

    /// The parameters of a search, but those of the way in which it is asked.
    fn search(&mut self) -> String {
        let mut url = self.range();
        let piece = self.piece();
        let mut searched = match self.random.u32(..10) {
            0..3 => String::new(),
            3 => {
                let words: Vec<&str> = piece.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
                url.push_str("&mode=words");
                words.iter().map(|word| format!("{}{word}", self.one_of(&["", "", "-"]))).collect::<Vec<_>>().join(" ")
            }
            4..6 => {
                url.push_str("&mode=regex");
                let escaped: String = piece
                    .chars()
                    .map(|c| if c.is_alphanumeric() || c == ' ' { c.to_string() } else { ".".to_owned() })
                    .collect();
                match self.random.u32(..4) {
                    0 => format!("{escaped}|timed out"),
                    1 => format!("^{escaped}"),
                    2 => format!("[0-9]{{3}}.*{escaped}"),
                    _ => escaped,
                }
            }
            _ => piece,
        };
        if self.chance(10) {
            searched = format!("@(levelname=ERROR | host=web-01.example.org tags=slow) {searched}");
        }
        if !searched.is_empty() {
            write!(url, "&search={}", encoded(&searched)).unwrap();
        }
        for (percent, parameter) in
            [(25, "case=1"), (15, "word=1"), (10, "invert=1"), (12, "in=all"), (50, "order=desc")]
        {
            if self.chance(percent) {
                write!(url, "&{parameter}").unwrap();
            }
        }
        for _ in 0..[0, 0, 1, 1, 2][self.random.usize(..5)] {
            write!(url, "&{}", self.filter()).unwrap();
        }
        url
    }

    fn context(&mut self) -> String {
        match self.random.u32(..8) {
            0 => "&context=y".to_owned(),
            1 => "&context=0".to_owned(),
            2 => format!("&context={}", self.random.u32(1..5)),
            3 => format!("&before={}", self.random.u32(1..4)),
            4 => format!("&after={}", self.random.u32(1..30)),
            _ => String::new(),
        }
    }

    /// A question: an address, or the first one of a walk through pages.
    fn question(&mut self) -> Question {
        let search = self.search();
        let index = self.one_of(&["alike", "alike", "unlike", "unlike", "third", "alike,unlike", "alike,third"]);
        let column = self.one_of(&["levelname", "host", "status", "tags", "odd", "extra.user", "seq", "message"]);
        let limit = self.random.u32(7..60);
        let context = self.context();
        let api = |what: &str| format!("/api/grep/{index}/{what}?{search}");
        let stream = |format: &str| format!("/grep/{index}/?{search}{context}&format={format}");
        match self.random.u32(..20) {
            0..3 => Question::Json(api("count/")),
            3..5 => Question::Json(api("histogram/")),
            5..8 => Question::Json(api(&format!("values/{column}/"))),
            8..10 => {
                let against = self.one_of(&["", "", "&against=yesterday", "&against=before"]);
                let sort = self.one_of(&["", "&sort=newest", "&sort=rare", "&sort=level"]);
                Question::Json(api("patterns/") + against + sort)
            }
            10..12 => Question::Stream(stream("ndjson")),
            12 => Question::Stream(stream("csv") + "&columns=host,odd,extra.user,status"),
            13..15 => Question::Stream(stream("text") + &format!("&limit={limit}")),
            15..17 => Question::Walk(format!("{}{context}&limit={limit}", api(""))),
            // the texts of patterns are looked up for a moment only
            _ if search.contains("pattern") => Question::Stream(stream("text")),
            _ => Question::Page(format!("/grep/{index}/?{search}{context}&limit={limit}")),
        }
    }
}

#[derive(Clone, Debug)]
enum Question {
    Json(String),
    Stream(String),
    /// pages of the API to the end, and back
    Walk(String),
    /// a page with its figures and one page on
    Page(String),
}

impl Question {
    /// The answer as text, without what differs from node to node.
    fn answer(&self, alco: &Alco) -> String {
        match self {
            Question::Json(path) | Question::Stream(path) => answer(alco, path),
            Question::Walk(path) => {
                let (there, last) = walk(alco, path, "next");
                let (back, _) = walk(alco, &last, "previous");
                format!("{there}\nback\n{back}")
            }
            Question::Page(path) => {
                let page = Page::new(path, alco.get(path));
                let next = page.link("rel=\"next\"").map(|link| Page::new(&link, alco.get(&link)));
                let shown = [Some(page), next]
                    .into_iter()
                    .flatten()
                    .map(|page| without_room(&without_docids(&text(&without_portions(&page.html)))));
                // the time that it took
                let timeless = |page: String| match page.split_once(" match in ").or(page.split_once(" matches in ")) {
                    Some((before, after)) => format!("{before} in {}", after.split_once(" s").unwrap_or_default().1),
                    None => page,
                };
                shown.map(timeless).collect::<Vec<_>>().join("\nnext\n")
            }
        }
    }
}

fn answer(alco: &Alco, path: &str) -> String {
    let reply = alco.get(path);
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    let samples = path.contains("/patterns/");
    reply.body.lines().map(|line| if samples { without_samples(line) } else { without_docids(line) + "\n" }).collect()
}

/// Of the newest records of a pattern, any may be its sample. Of a day that is not over, the same hours of another are compared.
fn without_samples(json: &str) -> String {
    let mut answer: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    if let Some(before) = answer.get_mut("before").and_then(Value::as_object_mut) {
        before.retain(|name, _| name == "records");
    }
    for pattern in answer["patterns"].as_array_mut().unwrap() {
        assert!(pattern.as_object_mut().unwrap().remove("sample").is_some(), "{pattern}");
    }
    answer.to_string()
}

/// The results of all pages, and the address of the last page.
fn walk(alco: &Alco, first: &str, link: &str) -> (String, String) {
    let (mut all, mut path) = (String::new(), first.to_owned());
    for _ in 0..MAX_PAGES {
        let reply = alco.get(&path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        let mut page: Value = serde_json::from_str(&reply.body).unwrap();
        for log in page["results"].as_array_mut().unwrap() {
            assert!(log.as_object_mut().unwrap().remove("id").is_some());
        }
        let has = |link: &str| page[link].is_string();
        writeln!(all, "{} {} {} {}", page["results"], page["warnings"], has("next"), has("previous")).unwrap();
        match page[link].as_str() {
            Some(next) => path = next.trim_start_matches(&alco.url).to_owned(),
            None => break,
        }
    }
    (all, path)
}

/// A page's lines are written in portions, as they are found, and those of several nodes come in others. The hosts of the first
/// portion have an end in common, or none; an error that ends a portion has a link to the next one, also if another error follows; and a
/// value that comes once in its portion is a link, and has no button.
fn without_portions(html: &str) -> String {
    let mut lines = html.split("<a class=t ");
    let before = lines.next().unwrap_or_default().to_owned();
    let whole = |line: &str| {
        let (cells, message) = line.split_once("<bdi").expect("a line has a message");
        let (message, next) = message.split_once("<a class=next ").unwrap_or((message, ""));
        let after_link = next.split_once("</a>").unwrap_or_default().1;
        format!("<a class=t {}<bdi{message}{after_link}", cells.replace(DOMAIN, ""))
    };
    let page = lines.fold(before, |page, line| page + &whole(line));
    match page.split_once("<form method=get hidden>") {
        Some((lines, buttons)) => format!("{lines}{}", buttons.split_once("</form>").expect("its end").1),
        None => page,
    }
}

/// A column is as wide as its values so far.
fn without_room(text: &str) -> String {
    let even = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(even).collect::<Vec<_>>().join("\n")
}

/// A place is `<ts>.<seq>.<digest>.<docid>`: without its last part.
fn without_docids(line: &str) -> String {
    let mut parts = line.split('.').peekable();
    let mut out = String::with_capacity(line.len());
    // the part before this one, and the one before that, end as those of a place do
    let mut is_place = [false, false];
    while let Some(part) = parts.next() {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        if is_place.iter().all(|is| *is) && digits >= 12 {
            out.push_str("DOCID");
            out.push_str(&part[digits..]);
        } else {
            out.push_str(part);
        }
        let number = part.strip_prefix('-').unwrap_or(part);
        is_place = [is_place[1], !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())];
        if parts.peek().is_some() {
            out.push('.');
        }
    }
    out
}

/// The answer without a part that is missing. On a busy machine, a peer may greet too late, and it is asked again soon.
fn whole(answer: impl Fn() -> String) -> String {
    let deadline = Instant::now() + SOON;
    loop {
        let answer = answer();
        if !answer.contains(" are missing: ") || Instant::now() > deadline {
            return answer;
        }
    }
}

/// The first lines that differ.
fn difference(nodes: &str, one: &str) -> String {
    let at = nodes.lines().zip(one.lines()).take_while(|(a, b)| a == b).count();
    let line = |of: &str| -> String {
        let line = of.lines().nth(at).unwrap_or("(nothing)");
        let other = if of == nodes { one } else { nodes }.lines().nth(at).unwrap_or_default();
        let same = line.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
        line.chars().skip(same.saturating_sub(60)).take(400).collect()
    };
    format!(
        "{} and {} lines, line {at}:\n   nodes: {}\n   one:   {}",
        nodes.lines().count(),
        one.lines().count(),
        line(nodes),
        line(one)
    )
}

#[test]
fn three_nodes_answer_as_one_does() {
    let seed = std::env::var("EQUAL_SEED").map_or(5, |seed| seed.parse().expect("a number"));
    let cluster = Cluster::start(seed);
    let Cluster { alcos, one, today, .. } = &cluster;
    let all = format!("start_ts={}&end_ts={}", midnight(*today, 5), midnight(*today, -1));
    let known: Value = serde_json::from_str(&one.get(&format!("/api/grep/alike/patterns/?{all}")).body).unwrap();
    let patterns = known["patterns"].as_array().unwrap().iter();
    let patterns = patterns.map(|pattern| pattern["pattern"].as_str().unwrap().to_owned()).collect();
    let mut searches = Searches { random: Rng::with_seed(seed), cluster: &cluster, patterns };
    let (mut wrong, mut answered) = (Vec::new(), 0);
    for n in 0..SEARCHES[usize::from(soak())] {
        let question = searches.question();
        // the other nodes have another ini for the second index, and none for the third
        let is_alike = |path: &str| path.contains("/alike/");
        let (Question::Json(path) | Question::Stream(path) | Question::Walk(path) | Question::Page(path)) = &question;
        // pages name all indexes, and the hours up to now
        let is_page = matches!(question, Question::Page(_));
        // the third has begun another day, and what it keeps too
        let node = match path.contains("against=") {
            _ if !is_alike(path) || is_page => 0,
            true => n % 2,
            false => n % 3,
        };
        let (nodes, one) = (whole(|| question.answer(&alcos[node])), question.answer(one));
        answered += one.len();
        if nodes != one {
            wrong.push(format!("search {n} at node {node}: {question:?}\n  {}", difference(&nodes, &one)));
        }
    }
    println!("seed {seed}: {answered} bytes of answers compared");
    wrong.extend(links(&cluster, &all));
    wrong.extend(followed(&cluster));
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Permanent links, and the columns that are offered.
fn links(cluster: &Cluster, range: &str) -> Vec<String> {
    let Cluster { alcos, one, .. } = cluster;
    let mut paths = Vec::new();
    for line in one.get(&format!("/grep/alike/?{range}&format=ndjson")).body.lines().step_by(150) {
        let record: Value = serde_json::from_str(line).unwrap();
        let (place, _) = record["@id"].as_str().unwrap().rsplit_once('.').unwrap();
        paths.extend([format!("/grep/alike/at/{place}/"), format!("/grep/alike/at/{place}/?format=json")]);
    }
    let shown = |alco: &Alco, path: &str| {
        let page = Page::new(path, alco.get(path));
        let lines = page.lines().into_iter().map(|line| format!("{} {:?} {}\n", line.place, line.cells, line.message));
        match path.ends_with("json") {
            true => without_docids(&page.html),
            false => lines.collect(),
        }
    };
    let mut wrong: Vec<String> = Vec::new();
    for path in paths {
        let (nodes, one) = (whole(|| shown(&alcos[0], &path)), shown(one, &path));
        assert!(!one.is_empty(), "{path}");
        if nodes != one {
            wrong.push(format!("{path}\n  {}", difference(&nodes, &one)));
        }
    }
    let columns = |alco: &Alco| -> BTreeSet<String> {
        let columns: Value = serde_json::from_str(&alco.get("/api/grep/alike/columns/").body).unwrap();
        columns.as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap().to_owned()).collect()
    };
    wrong.extend(alcos.iter().filter(|alco| columns(alco) != columns(one)).map(|alco| format!("{:?}", columns(alco))));
    wrong
}

fn followed(cluster: &Cluster) -> Vec<String> {
    // the third, by its clock, takes what the others store for what was held back for a day
    let alcos = cluster.alcos[..2].iter().chain([&cluster.one]);
    let path = "/grep/alike/?format=text&follow=1&limit=1&search=followed";
    let followers: Vec<Follower> = alcos.map(|alco| Follower::start(alco, path)).collect();
    let mut publisher = Publisher::open(&cluster.nodes[0].stack.amqp);
    publisher.publish("logstash", "alike.key", (0..FOLLOWED).map(|n| body(&format!("followed {n}"))));
    publisher.close();
    let number = |line: &str| line.rsplit_once("followed ")?.1.trim().parse::<usize>().ok();
    let got = followers.into_iter().map(|mut follower| {
        let mut got = follower.picked(FOLLOWED, number);
        got.sort_unstable();
        got
    });
    let is_wrong = |got: &Vec<usize>| !got.iter().copied().eq(0..FOLLOWED);
    let wrong = got.enumerate().filter(|(_, got)| is_wrong(got));
    wrong.map(|(at, got)| format!("follower {at} got {} of {FOLLOWED} records: {got:?}", got.len())).collect()
}
