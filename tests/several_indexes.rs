//! One search over several indexes: by names, by patterns of names, or over all; in pages, streams, the API and `alco grep`.

use std::process::{Command, Output};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::page::{Page, text};
use crate::support::{ALCO, Alco, Publisher, SOON, Stack, wait_until};

const INDEXES: [&str; 3] = ["several_web", "several_jobs", "apart"];
const RECORDS_PER_INDEX: usize = 10;

/// An alco whose three indexes have records by turns, a second from one to the next. Each index has one record of request 7f3a, on
/// the host of its name.
fn site() -> Alco {
    let stack = Stack::shared();
    let ini: String = INDEXES.iter().map(|name| stack.index(name)).collect();
    let alco = Alco::start(stack, &format!("{ini}[shortcut trace]\ntitle = Trace\nparameter = request\n"));
    // tests share the indexes: the first one fills them
    static FILL: std::sync::Once = std::sync::Once::new();
    FILL.call_once(|| {
        let mut publisher = Publisher::open(&stack.amqp);
        let start = Timestamp::now() - SignedDuration::from_secs(120);
        for (nth, index) in INDEXES.iter().enumerate() {
            let key = format!("several.{}", index.strip_prefix("several_").unwrap_or(index));
            let record = |n: usize| {
                let time = start + SignedDuration::from_secs((3 * n + nth) as i64);
                let (host, level) = (["one", "two"][n % 2], ["INFO", "NOTICE", "WARNING"][nth]);
                let request = if n == 4 { "7f3a".to_owned() } else { format!("{index}{n}") };
                json!({"@timestamp": time.to_string(), "message": format!("line {} of {index}", 3 * n + nth), "host": host,
                    "levelname": level, "request": request})
                .to_string()
            };
            publisher.publish("logstash", &key, (0..RECORDS_PER_INDEX).map(record));
            stack.settled_count(index, RECORDS_PER_INDEX as u64, SOON);
        }
        publisher.close();
    });
    alco
}

/// The numbers of the lines of a page.
fn numbers(page: &Page) -> Vec<usize> {
    page.lines().iter().map(|line| number(&line.message)).collect()
}

fn number(message: &str) -> usize {
    message.split(' ').nth(1).unwrap().parse().unwrap_or_else(|_| panic!("{message}"))
}

fn grep(alco: &Alco, options: &[&str]) -> Output {
    Command::new(ALCO).arg("grep").args(options).arg("--config").arg(&alco.ini).output().unwrap()
}

#[test]
fn a_pattern_of_names_searches_all_that_it_matches() {
    let alco = site();
    let all: Vec<usize> = (0..30).collect();
    for (list, expected) in [
        ("*", all.clone()),
        ("several_*", (0..30).filter(|n| n % 3 < 2).collect()),
        ("a*,several_web", (0..30).filter(|n| n % 3 != 1).collect()),
    ] {
        let url = format!("/grep/{list}/?start_ts=-1h");
        assert_eq!(numbers(&alco.page(&format!("{url}&order=asc"))), expected, "{list}");
        // the links of its page stay over the same list
        let first = alco.page(&format!("{url}&limit=5&order=asc"));
        let next = first.link("rel=\"next\"").expect("a next page");
        assert_eq!(numbers(&alco.page(&next)), expected[5..10], "{next}");
        let record = alco.page(&first.link("class=t ").expect("a line"));
        let back = record.link_called("← back to the search").expect("a link back");
        assert!(back.starts_with(&format!("/grep/{list}/?")), "{back}");

        let stream = alco.get(&format!("{url}&format=text")).body;
        let streamed: Vec<usize> = stream.lines().map(|line| number(&line[line.find("line ").unwrap()..])).collect();
        assert_eq!(streamed, expected, "{stream}");
        let count: Value =
            serde_json::from_str(&alco.get(&format!("/api{}", url.replace("/?", "/count/?"))).body).unwrap();
        assert_eq!(count["count"], expected.len(), "{list}");
        let values = alco.page(&url).values("host");
        assert_eq!(values.iter().map(|value| value.1).sum::<u64>(), expected.len() as u64, "{values:?}");
        let patterns = alco.page(&url.replace("/?", "/patterns/?"));
        assert!(text(&patterns.html).contains(&format!("exactly {} records", expected.len())), "{}", patterns.html);
        // each index has another level, and one of them does not keep it
        let levels = if list == "a*,several_web" { 1 } else { 2 };
        wait_until("Redis has the values", SOON, || {
            let columns = alco.page(&url.replace("/?", "/columns/?")).html;
            columns.contains(&format!("/values/levelname/?start_ts=-1h\">{levels}</a>")).then_some(())
        });

        let options = ["--since=-1h", list, "line", "--bare"];
        let remote = format!("--url={}", alco.url);
        for options in [&options[..], &[&options[..], &[remote.as_str()]].concat()] {
            let printed = grep(&alco, options);
            assert_eq!(printed.status.code(), Some(0), "{}", String::from_utf8_lossy(&printed.stderr));
            let printed = String::from_utf8(printed.stdout).unwrap();
            assert_eq!(printed.lines().map(number).collect::<Vec<_>>(), expected, "{options:?}");
        }
    }
    let head = text(&alco.page("/grep/*/").html);
    assert!(head.contains("Log of all indexes"), "{head}");
}

#[test]
fn a_pattern_that_matches_no_name_is_refused() {
    let alco = site();
    for path in ["/grep/x*/", "/grep/several_web,x*/?format=text", "/grep/x*/patterns/"] {
        let reply = alco.get(path);
        let shown = text(&reply.body);
        assert_eq!(reply.status, 404, "{path}");
        for what in ["No index has a name like 'x*'", "Available indexes:", "several_jobs"] {
            assert!(shown.contains(what), "{path} does not show {what}: {shown}");
        }
    }
    let reply = alco.get("/api/grep/x*/");
    let error: Value = serde_json::from_str(&reply.body).unwrap();
    let why = "no index has a name like 'x*'; there are several_web, several_jobs, apart";
    assert_eq!((reply.status, error["error"].as_str()), (404, Some(why)));
    let remote = format!("--url={}", alco.url);
    for options in [&["x*"][..], &["x*", &remote]] {
        let printed = grep(&alco, options);
        let said = String::from_utf8(printed.stderr).unwrap();
        assert_eq!(printed.status.code(), Some(2));
        let (start, end) = why.split_once("; ").unwrap();
        assert!(said.starts_with(&format!("alco grep: {start} in ")) && said.contains(end), "{said}");
    }
}

#[test]
fn the_list_of_indexes_leads_to_several_of_them() {
    let alco = site();
    let list = alco.page("/grep/");
    assert_eq!(list.link_called("<b>all indexes</b>").as_deref(), Some("/grep/*/"));
    assert_eq!(list.html.matches("type=\"checkbox\"").count(), INDEXES.len());
    // as the form sends its boxes
    let chosen = alco.get("/grep/?index=apart&index=several_web");
    assert_eq!((chosen.status, chosen.header("location")), (302, "/grep/apart,several_web/"));
    assert_eq!(alco.get("/grep/?index=nope").status, 404);
    // a shortcut without an index is one over all, and stands there once
    assert_eq!(list.html.matches("action=\"/grep/shortcut/trace/\"").count(), 1, "{}", list.html);
    let shortcut = alco.get("/grep/shortcut/trace/7f3a/");
    assert_eq!((shortcut.status, shortcut.header("location")), (302, "/grep/*/?request=7f3a"));
    assert_eq!(numbers(&alco.page("/grep/*/?request=7f3a")), [14, 13, 12]);
}

#[test]
fn the_header_takes_the_search_to_other_indexes() {
    let alco = site();
    let search = "start_ts=-1h&search=line+%5B0-9%5D*2&mode=regex&host=one&wrap=1";
    let page = alco.page(&format!("/grep/several_web/?{search}&limit=3&cursor=a1.2.3.4"));
    // the links of a search of this size have its token
    let whole = |link: &str| alco.get(link).header("location").to_owned();
    for (link, list) in [
        (page.link_called("several_jobs"), "several_jobs"),
        (page.link("aria-label=\"search apart too\""), "several_web,apart"),
        (page.link_called("all indexes"), "*"),
    ] {
        let link = link.expect(list);
        assert_eq!(whole(&link), format!("/grep/{list}/?{search}"));
        alco.page(&link);
    }
    let both = alco.page(&format!("/grep/several_web,apart/?{search}"));
    assert_eq!(numbers(&both), [26, 24, 20, 12, 2]);
    let too = both.link("aria-label=\"search several_jobs too\"").unwrap();
    assert_eq!(whole(&too), format!("/grep/several_web,apart,several_jobs/?{search}"));
    // a very long search, too
    let long = format!("start_ts=-1h&search={}", "x".repeat(3000));
    let link = alco.page(&format!("/grep/several_web/?{long}")).link_called("all indexes").unwrap();
    assert_eq!(whole(&link), format!("/grep/*/?{long}"));
}

/// The page of line 13, which the index several_jobs has, as a search over `list` leads to it.
fn record_of_13(alco: &Alco, list: &str) -> Page {
    let found = alco.page(&format!("/grep/{list}/?start_ts=-1h&search=line+13"));
    alco.page(&found.link("class=t ").expect("the line"))
}

#[test]
fn the_lines_around_a_record_are_of_the_indexes_that_were_searched() {
    let alco = site();
    let all: Vec<usize> = (0..30).collect();
    let of = |nths: &[usize]| -> Vec<usize> { all.iter().copied().filter(|n| nths.contains(&(n % 3))).collect() };
    let page = record_of_13(&alco, "*");
    assert_eq!(numbers(&page), all);
    assert!(page.lines()[12].cells.contains(&"several_web".to_owned()), "{:?}", page.lines()[12]);
    // the links of its lines and for more of them keep to the same lines
    let line = page.link("class=t ").expect("a line");
    assert!(line.starts_with("/grep/*/at/"), "{line}");
    assert_eq!(numbers(&alco.page(&line)), all[..21]);
    let fewer = page.link_called("this index").expect("a choice").replace("/20-20/", "/2-1/");
    let fewer = alco.page(&fewer);
    assert_eq!(numbers(&fewer), [7, 10, 13, 16]);
    assert_eq!(
        numbers(&alco.page(&fewer.link("accesskey=\"n\"").expect("later lines"))),
        [7, 10, 13, 16, 19, 22, 25, 28]
    );

    for (list, choice, expected) in [
        ("*", "this index", of(&[1])),
        ("*", "this host", all.iter().copied().filter(|n| n / 3 % 2 == 0).collect()),
        ("several_*", "several_*", of(&[0, 1])),
        ("several_*", "this index", of(&[1])),
        ("several_*", "all indexes", all.clone()),
        ("several_jobs", "several_jobs", of(&[1])),
        ("several_jobs", "all indexes", all.clone()),
        ("several_jobs,apart", "this host", of(&[1, 2]).into_iter().filter(|n| n / 3 % 2 == 0).collect()),
    ] {
        let page = record_of_13(&alco, list);
        let nav = page.html.split("aria-label=\"Lines around it\"").nth(1).unwrap().split("</nav>").next().unwrap();
        let nav = Page::new(
            &page.link("rel=\"bookmark\"").unwrap(),
            crate::support::Reply { body: nav.to_owned(), ..alco.get("/grep/") },
        );
        let chosen = nav.link_called(choice).unwrap_or_else(|| panic!("{list}: no {choice} in {}", nav.html));
        let chosen = alco.page(&chosen);
        assert_eq!(numbers(&chosen), expected, "{list}: {choice}");
        // a line's own page has the same lines around it, and the way back is the search
        let line = chosen.link("class=t ").expect("a line");
        assert_eq!(numbers(&alco.page(&line)), expected[..expected.len().min(21)], "{list}: {choice}: {line}");
        assert!(
            chosen.link_called("← back to the search").unwrap().starts_with(&format!("/grep/{list}/?")),
            "{choice}"
        );
    }
    let single = record_of_13(&alco, "several_jobs");
    assert!(!single.html.contains(">this index</a>"), "the index is what was searched");
    assert_eq!(alco.get(&page.link("rel=\"bookmark\"").unwrap().replace("/at/", "/at/x/")).status, 400);
}

#[test]
fn a_value_is_traced_through_all_indexes() {
    let alco = site();
    let found = alco.page("/grep/several_jobs/?start_ts=-1h&search=line+13&host=one&tz=Europe/Berlin");
    let record = alco.page(&found.link("class=t ").expect("the line"));
    let (_, request) = record.html.split_once(">request</a></dt>").expect("the column");
    let trace =
        request.split(">trace</a>").next().unwrap().rsplit("href=\"").next().unwrap().split('"').next().unwrap();
    let trace = trace.replace("&amp;", "&");
    assert!(
        trace.starts_with("/grep/*/?start_ts=2") && trace.ends_with("&request=7f3a&order=asc&tz=Europe/Berlin"),
        "{trace}"
    );
    let page = alco.page(&trace);
    assert_eq!(numbers(&page), [12, 13, 14]);
    assert!(text(&page.html).contains("in 1 h") || text(&page.html).contains("in 60 min"), "{}", text(&page.html));
}
