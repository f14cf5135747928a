//! The pages over HTTP: every address answers, an error names its cause and its cure, and hostile text is shown harmlessly.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::browser::shop;
use crate::support::page::{Line, Page, text};
use crate::support::{
    ALCO, Alco, Lonely, Publisher, Reply, SOON, Stack, directory, encoded, free_port, try_get, try_get_with, wait_until,
};

const HOSTILE: &str =
    "<script>alert('message')</script><img src=x onerror=alert(1)> & \x1b[31mred\x1b[0m\x07 \u{202e}txet\u{0}.";

/// An alco with ten records: plain ones, one with a traceback, one with hostile text.
fn site() -> Alco {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &(stack.index("pages") + "[http]\nshortcuts = all\n"));
    // tests share the index: the first one fills it
    static FILL: std::sync::Once = std::sync::Once::new();
    FILL.call_once(|| {
        let mut publisher = Publisher::open(&stack.amqp);
        let record = |message: &str, seq: usize| {
            json!({"@timestamp": Timestamp::now().to_string(), "message": message, "seq": seq, "levelname": "INFO",
                "host": "web-01", "logger": "shop.basket", "application": "shop"})
        };
        let mut bodies: Vec<_> =
            (0..8).map(|n| record(&format!("basket {n} is full, said anna@example.org"), n)).collect();
        let mut error = record("payment failed\nsecond line of it", 8);
        error["levelname"] = "ERROR".into();
        error["exc_info"] = "Traceback (most recent call last):\n  File \"x.py\", line 1\nOSError: gone".into();
        let mut hostile = record(HOSTILE, 9);
        hostile["host"] = HOSTILE.into();
        hostile["exc_info"] = HOSTILE.into();
        hostile[HOSTILE] = HOSTILE.into();
        hostile["nested"] = json!({"</dd>": [HOSTILE, {"\u{202e}": "\x1b]0;title\x07"}]});
        bodies.extend([error, hostile]);
        publisher.publish("logstash", "pages.x", bodies.iter().map(ToString::to_string));
        publisher.close();
    });
    wait_until("the records are there", SOON, || (log(&alco).lines().len() >= 10).then_some(()));
    alco
}

const LOG: &str = "/grep/pages/?start_ts=-1h";

fn log(alco: &Alco) -> Page {
    alco.page(LOG)
}

/// A line's own page.
fn place(alco: &Alco, message: &str) -> String {
    let lines = log(alco).lines();
    let line =
        lines.iter().find(|line| line.message.contains(message)).unwrap_or_else(|| panic!("no {message}: {lines:?}"));
    format!("/grep/pages/at/{}/", line.place)
}

#[track_caller]
fn check_headers(path: &str, reply: &Reply) {
    let policy = reply.header("content-security-policy");
    for rule in
        ["default-src 'none'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(rule), "{path}: {policy:?} lacks {rule}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{path}: {policy:?}");
    assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(reply.header("referrer-policy"), "no-referrer", "{path}");
    for of in ["opener", "resource"] {
        assert_eq!(reply.header(&format!("cross-origin-{of}-policy")), "same-origin", "{path}");
    }
    assert!(reply.header("permissions-policy").contains("camera=()"), "{path}");
    assert_eq!(reply.header("server"), "alco", "{path}: without a version");
    assert!(reply.header("content-type").contains('/'), "{path}: {:?}", reply.headers);
}

#[track_caller]
fn check(alco: &Alco, path: &str, status: u16, says: &[&str]) -> Reply {
    let reply = alco.get(path);
    let shown = text(&reply.body);
    assert_eq!(reply.status, status, "{path}: {shown}");
    check_headers(path, &reply);
    for what in says {
        assert!(shown.contains(what), "{path} does not show {what:?}: {shown}");
    }
    reply
}

#[test]
fn every_address_answers_with_strict_headers() {
    let alco = site();
    assert_eq!(check(&alco, "/", 302, &[]).header("location"), "/grep/");
    assert_eq!(check(&alco, "/grep", 301, &[]).header("location"), "/grep/");
    assert_eq!(check(&alco, "/grep/pages?search=a%20b", 301, &[]).header("location"), "/grep/pages/?search=a%20b");
    let index = check(&alco, "/grep/", 200, &["pages", "last 5 min", "10"]);
    assert!(index.body.contains("href=\"/grep/pages/\""), "{}", index.body);
    check(&alco, LOG, 200, &["exactly 10 records", "payment failed", "OSError: gone"]);
    check(&alco, "/grep/pages/?search=PAYMENT&start_ts=-1h", 200, &["exactly 1 record matches"]);
    check(&alco, "/grep/pages/?search=no+such+thing", 200, &["No record matches", "all columns"]);
    check(&alco, "/grep/pages/values/levelname/?start_ts=-1h", 200, &["ERROR", "INFO"]);
    let help =
        check(&alco, "/grep/pages/help/?start_ts=-1h", 200, &["How to search", "@levelname=ERROR", "28.11.2026 15:40"]);
    assert!(help.body.contains("href=\"/grep/pages/?start_ts=-1h&amp;levelname=ERROR\">"), "{}", help.body);
    assert!(log(&alco).html.contains("href=\"/grep/pages/help/?start_ts=-1h\""), "the form leads to the help");
    // its example of a number is one that the index has
    let (_, number) =
        help.body.split_once("href=\"/grep/pages/?start_ts=-1h&amp;seq__gte=").expect("an example of a number");
    let found = alco.page(&format!("/grep/pages/?start_ts=-1h&seq__gte={}", number.split('"').next().unwrap()));
    assert!(found.total() > 0, "{}", found.html);
    check(&alco, "/grep/pages/patterns/?start_ts=-1h", 200, &["exactly 10 records", "basket * is full, said *"]);
    check(&alco, "/health", 200, &["works"]);
    check(&alco, "/style.css", 200, &[]);
    check(&alco, "/nothing", 404, &["no such page"]);
}

#[test]
fn error_pages_name_the_mistake_and_its_cure() {
    let alco = site();
    check(&alco, "/grep/pages/?search=(a&mode=regex", 400, &["Invalid search", "unclosed group"]);
    let unread =
        check(&alco, "/grep/pages/?start_ts=teatime&end_ts=-1h&search=a+%3E", 400, &["teatime", "28.11.2026 15:40"]);
    for field in
        ["name=\"start_ts\" value=\"teatime\"", "name=\"end_ts\" value=\"-1h\"", "name=\"search\" value=\"a &gt;\""]
    {
        assert!(unread.body.contains(field), "the form lost {field}: {}", unread.body);
    }
    check(&alco, "/grep/pages/?limit=none", 400, &["limit", "none", "such as 100"]);
    let unread =
        check(&alco, "/grep/pages/?tz=Atlantis", 400, &["Atlantis", "write UTC, Europe/Berlin, Berlin, MSK or +02:00"]);
    assert!(unread.body.contains("name=\"tz\" value=\"Atlantis\""), "{}", unread.body);
    check(&alco, "/grep/pages/?cursor=x", 400, &["cursor"]);
    let reversed = "/grep/pages/?start_ts=2026-11-28+10:00&end_ts=2026-11-27+9:00";
    let reversed = check(
        &alco,
        reversed,
        200,
        &["The range ends at 2026-11-27 09:00:00, before it begins at 2026-11-28 10:00:00."],
    );
    let swapped = "href=\"?start_ts=2026-11-27+09:00&amp;end_ts=2026-11-28+10:00\">Swap from and to</a>";
    assert!(reversed.body.contains(swapped), "{}", reversed.body);
    check(&alco, "/grep/pages/?invert=1&start_ts=-1h", 200, &["An empty text is in every line, so invert leaves none"]);
    let nothing = alco.get("/api/grep/pages/?invert=1").body;
    assert!(nothing.contains("an empty text is in every line"), "{nothing}");
    for path in ["/grep/pages/patterns/?start_ts=-1h&limit=5000", "/api/grep/pages/patterns/?start_ts=-1h&limit=5000"] {
        let list = alco.get(path).body;
        assert!(list.contains("limit=5000 is more than the 1000 patterns of a list"), "{path}: {list}");
    }
    check(&alco, "/grep/pages/?status__gt=much", 400, &["much"]);
    check(&alco, "/grep/pages/?search=100%", 400, &["Write % as %25"]);
    check(&alco, "/grep/pages/at/1.2/", 400, &["names no record"]);
    check(&alco, "/grep/pages/at/1.2.3/", 404, &["no such record"]);
    let unknown = check(&alco, "/grep/pagse/", 404, &["There is no index 'pagse'", "Available indexes:", "pages"]);
    assert!(unknown.body.contains("href=\"/grep/pages/\""), "{}", unknown.body);
}

#[test]
fn the_zone_is_chosen_next_to_the_range() {
    let alco = site();
    // a form sends every field
    let sent = check(&alco, "/grep/pages/?search=&mode=literal&start_ts=-1h&end_ts=&tz=Berlin", 302, &[]);
    assert_eq!(sent.header("location"), "/grep/pages/?start_ts=-1h&tz=Europe/Berlin");
    let page = check(&alco, sent.header("location"), 200, &["times in Europe/Berlin"]);
    assert!(page.body.contains("name=\"tz\" value=\"Europe/Berlin\""), "{}", page.body);
    assert_eq!(page.body.matches("list=\"zones\"").count(), 1, "{}", page.body);
    check(&alco, "/grep/pages/?start_ts=-1h&tz=%2B02:00", 200, &["times in +02:00"]);
}

#[test]
fn a_browser_keeps_its_habits_and_an_address_comes_first() {
    let alco = site();
    let kept = check(&alco, "/grep/pages/habits/keep/?start_ts=-1h&tz=Berlin&order=asc&wrap=1&columns=host", 302, &[]);
    let habits = "tz=Europe/Berlin&order=asc&wrap=1&columns=host".split('&').collect::<BTreeSet<_>>();
    let place = kept.header("location").to_owned();
    assert_eq!(place.split(['?', '&']).filter(|part| habits.contains(part)).count(), 4, "{place}");
    let cookie = kept.header("set-cookie").to_owned();
    assert!(cookie.ends_with("; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let get = |path: &str, headers: &[(&str, &str)]| {
        let headers: Vec<(&str, &str)> =
            [("Cookie", cookie.as_str())].into_iter().chain(headers.iter().copied()).collect();
        try_get_with(&format!("{}{path}", alco.url), &headers).unwrap()
    };
    let page = get("/grep/pages/?start_ts=-1h", &[]).body;
    assert!(text(&page).contains("times in Europe/Berlin") && page.contains("class=\"log wrap"), "{page}");
    assert!(page.contains("tz=Europe/Berlin") && text(&page).contains("newest first"), "{page}");
    let own = get("/grep/pages/?start_ts=-1h&tz=UTC&wrap=0&order=desc", &[]).body;
    assert!(text(&own).contains("times in UTC") && !own.contains("class=\"log wrap"), "{own}");
    assert!(text(&own).contains("oldest first"), "{own}");
    // a stream is what its address says
    let stream = "/grep/pages/?start_ts=-1h&format=csv";
    assert_eq!(get(stream, &[]).body, alco.get(stream).body);
    // nonsense is ignored, and what only another format's address may say
    let columns = |count: usize| (0..count).map(|n| format!("odd_{n}")).collect::<Vec<_>>().join(",");
    for odd in [
        "tz%3DMars%26wrap%3Dmaybe%ff",
        &format!("columns%3D{}", columns(65)),
        &format!("format%3Dcsv%26columns%3D{}", columns(65)),
        &format!("wrap%3D1%26columns%3D{}", "x".repeat(3000)),
    ] {
        let odd = try_get_with(&format!("{}{LOG}", alco.url), &[("Cookie", &format!("x=y; alco={odd}"))]).unwrap();
        assert!(odd.status == 200 && text(&odd.body).contains("times in UTC"), "{}", odd.body);
        assert!(!odd.body.contains("odd_0") && !odd.body.contains("class=\"log wrap"), "{}", odd.body);
    }
    let refused = get("/grep/pages/habits/keep/?tz=Berlin", &[("Sec-Fetch-Site", "cross-site")]);
    assert!(refused.status == 400 && !refused.headers.contains_key("set-cookie"), "{}", refused.body);
    let forgotten = get("/grep/pages/habits/forget/?start_ts=-1h&tz=UTC", &[]);
    assert_eq!(forgotten.header("location"), "/grep/pages/?start_ts=-1h");
    assert!(forgotten.header("set-cookie").contains("alco=; Path=/; Max-Age=0"), "{:?}", forgotten.headers);
}

#[test]
fn a_mistyped_column_is_named_with_the_nearest() {
    let alco = site();
    wait_until("Redis has the columns", SOON, || {
        alco.get("/api/grep/pages/columns/").body.contains("\"host\"").then_some(())
    });
    let none = check(&alco, "/grep/pages/?start_ts=-1h&hots=web-01", 200, &[]);
    let shown = text(&none.body);
    assert!(shown.contains("No record of this range has a column hots. Did you mean host?"), "{shown}");
    assert!(none.body.contains("href=\"?start_ts=-1h&amp;host=web-01\">host</a>"), "{}", none.body);
    let api = check(&alco, "/api/grep/pages/?start_ts=-1h&hots=web-01", 200, &[]);
    assert!(api.body.contains("no record of that time has a column 'hots'; did you mean 'host'?"), "{}", api.body);
    // all records lack that column, so the filter changes nothing: the page says so above them
    let all = check(&alco, "/grep/pages/?start_ts=-1h&levlname__not=INFO", 200, &["exactly 10 records"]);
    let shown = text(&all.body);
    assert!(shown.contains("No record of this range has a column levlname. Did you mean levelname?"), "{shown}");
    // a column that exists is not named, whatever its filter finds
    for query in ["host=nowhere", "levelname__not=INFO", "message__like=nowhere", "user__exists=0"] {
        let page = check(&alco, &format!("/grep/pages/?start_ts=-1h&{query}"), 200, &[]);
        assert_eq!(text(&page.body).contains("has a column"), query.starts_with("user"), "{query}");
    }
}

#[test]
fn one_of_several_filters_is_enough_everywhere() {
    let alco = site();
    let typed = check(
        &alco,
        "/grep/pages/?start_ts=-1h&mode=literal&search=@(levelname=ERROR|host=web-01+message~full)",
        302,
        &[],
    );
    let place = typed.header("location").to_owned();
    let group = "any=levelname=ERROR+%7C+host=web-01+message~full";
    assert_eq!(place, format!("/grep/pages/?start_ts=-1h&{group}"));
    let page =
        check(&alco, &place, 200, &["exactly 9 records match", "any of levelname=ERROR | host=web-01 message~full"]);
    assert_eq!(Page::new(&place, page).lines().len(), 9);
    let api = format!("/api/grep/pages/count/?start_ts=-1h&{group}");
    check(&alco, &api, 200, &["{\"count\":9,\"missing\":[]}"]);
    let stream = check(&alco, &format!("{place}&format=text"), 200, &[]);
    assert_eq!(stream.body.lines().count(), 9, "{}", stream.body);
    check(&alco, "/grep/pages/?any=refused", 400, &["is not a filter of any; write @(host=a | host=b level=ERROR)"]);
    check(&alco, "/grep/pages/?start_ts=-1h&any=hots=a|x=1", 200, &["has a column hots. Did you mean host?"]);
}

#[test]
fn text_that_finds_nothing_leads_to_what_was_meant() {
    let alco = site();
    wait_until("Redis has the columns", SOON, || {
        alco.get("/api/grep/pages/columns/").body.contains("\"host\"").then_some(())
    });
    // and a value in another case leads to the one that there is
    for filter in ["levelname=error", "search=@level=err"] {
        let page = check(&alco, &format!("/grep/pages/?start_ts=-1h&{filter}"), 200, &["No record matches"]);
        let link = "Did you mean <a href=\"?start_ts=-1h&amp;levelname=ERROR\">@levelname=ERROR</a>?";
        assert!(page.body.contains(link), "no {link} in {}", page.body);
    }
    for (search, typed, url, records) in [
        ("levelname=ERROR", "@levelname=ERROR", "levelname=ERROR", "exactly 1 record matches"),
        ("level:INFO+basket", "@levelname=INFO basket", "search=basket&amp;levelname=INFO", "exactly 8 records match"),
        ("failed+AND+payment", "failed payment", "search=failed+payment&amp;mode=words", "exactly 1 record matches"),
    ] {
        let page = check(&alco, &format!("/grep/pages/?start_ts=-1h&search={search}"), 200, &["No record matches"]);
        let link = format!("href=\"?start_ts=-1h&amp;{url}\">{typed}</a>?");
        assert!(page.body.contains(&format!("Did you mean <a {link}")), "no {link} in {}", page.body);
        check(&alco, &format!("/grep/pages/?start_ts=-1h&{}", url.replace("&amp;", "&")), 200, &[records]);
        assert!(!page.body.contains("No record of this range"), "{}", page.body);
    }
    // what finds nothing either says so, or is not offered
    let neither = "Did you mean @levelname=ERROR basket? No record of this range matches that either.";
    check(&alco, "/grep/pages/?start_ts=-1h&search=level:ERROR+basket", 200, &[neither]);
    for (search, is_offered) in [("failed+payment", true), ("basket+payment", false)] {
        let page = check(&alco, &format!("/grep/pages/?start_ts=-1h&search={search}"), 200, &["No record matches"]);
        assert_eq!(page.body.contains("all the words in any order"), is_offered, "{search}: {}", page.body);
    }
}

#[test]
fn a_record_leads_to_what_came_after_it() {
    let alco = site();
    let record = alco.page(&place(&alco, "payment failed"));
    let since = record.link_called("from here on").unwrap();
    let after = alco.page(&since).lines();
    assert!(after[0].message.starts_with("payment failed") && after.len() >= 2, "{since}: {after:?}");
    let new = record.link_called("what is new since").unwrap();
    assert!(new.starts_with("/grep/pages/patterns/?start_ts=") && new.ends_with("&only_new=1"), "{new}");
    check(&alco, &new, 200, &["exactly"]);
    // a number that was not found out in time is none
    assert!(!record.html.contains("at least 0"), "{}", record.html);
}

#[test]
fn the_time_of_a_line_leads_to_its_record() {
    let alco = site();
    let path = place(&alco, "payment failed");
    let record = alco.page(&path);
    let shown = text(&record.html);
    for what in [
        "payment failed\nsecond line of it",
        "Traceback (most recent call last):\n  File \"x.py\", line 1\nOSError: gone",
        "basket 7 is full",
        "anna@example.org",
        "permanent link",
        "\"levelname\": \"ERROR\"",
    ] {
        assert!(shown.contains(what), "{what:?} is not in {shown}");
    }
    // the surroundings, and among them the record itself
    assert_eq!(record.lines().len(), 10);
    // a value's link leads to its like
    let only = record.link("levelname=ERROR").expect("a link to only this level");
    assert!(alco.page(&only).lines().iter().any(|line| line.message == "payment failed"), "{only}");
    // and a column's name to its values, though no list of filters has the column
    let values = record.link_called("seq").expect("a link to the values");
    assert!(values.starts_with("/grep/pages/values/seq/"), "{values}");
    let listed = Page::new(&values, check(&alco, &values, 200, &["Values of seq"]));
    assert_eq!(alco.page(&listed.link("title=\"only 8\"").expect("a value")).total(), 1);
    // the link of a line keeps the search, and leads back to it
    let found = alco.page("/grep/pages/?search=basket+3&start_ts=-1h");
    let line = found.link("class=t ").unwrap();
    assert!(alco.page(&line).html.contains("<mark>basket 3</mark>"), "{line}");
    let in_all = alco.page("/grep/pages/?search=web-01&in=all&start_ts=-1h").link("class=t ").unwrap();
    assert!(alco.page(&in_all).html.contains("<dd><mark>web-01</mark> "), "{in_all}");
    let back = alco.page(&line).link("href=\"/grep/pages/?start_ts=-1h&amp;search=basket+3\"").unwrap();
    assert_eq!(alco.page(&back).total(), 1);
}

#[test]
fn pages_begin_with_the_newest_line_and_streams_do_not() {
    let alco = site();
    let numbers = |page: &Page| -> Vec<char> {
        let baskets = page.lines().into_iter().filter(|line| line.message.starts_with("basket "));
        baskets.map(|line| line.message.chars().nth(7).unwrap()).collect()
    };
    let up: Vec<char> = ('0'..='7').collect();
    let down: Vec<char> = up.iter().rev().copied().collect();
    let page = log(&alco);
    assert_eq!(numbers(&page), down);
    let old = page.link_called("oldest first").expect("a link to the other order");
    assert_eq!(numbers(&alco.page(&old)), up, "{old}");
    assert_eq!(alco.page(&old).link_called("newest first"), Some(format!("{LOG}&order=desc")));
    assert_eq!(numbers(&alco.page(&format!("{LOG}&order=desc"))), down);
    let refreshing = page.link_called("refresh every 10 s").expect("a link to a page that reloads itself");
    assert_eq!(numbers(&alco.page(&refreshing)), down, "{refreshing}");
    // pages of three, there and back
    let first = alco.page(&format!("{LOG}&search=basket&limit=3"));
    let second = alco.page(&first.link_called("earlier →").expect("a next page"));
    assert_eq!([numbers(&first), numbers(&second)].concat(), down[..6]);
    assert_eq!(numbers(&alco.page(&second.link_called("← later").expect("a page before"))), down[..3]);
    // streams keep the order of time, the page's links to them too
    for form in ["text", "CSV", "NDJSON"] {
        let stream = page.link_called(form).expect(form);
        let text = alco.get(&stream).body;
        let at = |n: usize| text.find(&format!("basket {n} is full")).expect("a line");
        assert!((1..8).all(|n| at(n - 1) < at(n)), "{stream}: {text}");
    }
    let api: serde_json::Value =
        serde_json::from_str(&alco.get(&format!("/api{LOG}&search=basket&limit=3")).body).unwrap();
    assert!(api["results"][0]["logline"].as_str().unwrap().starts_with("basket 0"), "{api}");
    assert!(!api["next"].as_str().unwrap().contains("format"), "{api}");
}

#[test]
fn a_link_to_exactly_this_keeps_range_zone_and_order() {
    let alco = site();
    let page = alco.page(&format!("{LOG}&search=basket&limit=3&tz=Asia/Tokyo"));
    let exact = page.link_called("link to exactly this").expect("a link");
    let shown = alco.page(&exact);
    assert_eq!(shown.lines(), page.lines(), "{exact}");
    for part in ["start_ts=2", "&end_ts=2", "&order=desc", "&tz=Asia/Tokyo", "&search=basket"] {
        assert!(exact.contains(part), "no {part} in {exact}");
    }
    assert_eq!(shown.link_called("link to exactly this"), None, "it is one already");
    let next = alco.page(&shown.link("rel=\"next\"").expect("a next page"));
    assert_eq!(next.link_called("link to exactly this"), None, "a page of it is one too");
}

#[test]
fn an_empty_page_leads_to_the_nearest_record_that_matches() {
    let alco = site();
    for (range, search, words, first_line) in [
        (
            "start_ts=2020-01-01&end_ts=2020-01-02",
            "search=basket+3",
            "The first match after this range was ",
            "basket 3",
        ),
        ("start_ts=2020-01-01&end_ts=2020-01-02", "", "The first record after this range was ", "basket 0"),
        (
            "start_ts=2100-01-01&end_ts=2100-01-02",
            "order=asc&levelname=ERROR",
            "The last match before this range was ",
            "payment",
        ),
        ("start_ts=2100-01-01&end_ts=2100-01-02", "", "The last record before this range was ", "<script>"),
    ] {
        let page = alco.page(&format!("/grep/pages/?{range}&{search}"));
        let shown = text(&page.html);
        assert!(shown.contains(words) && shown.contains("Records are kept from 2"), "{range} {search}: {shown}");
        assert_eq!(shown.contains("Look further back"), range.contains("2100"), "{shown}");
        let there = alco.page(&page.link_called("go there").expect("a link"));
        let lines = there.lines();
        assert!(lines.first().is_some_and(|line| line.message.contains(first_line)), "{range} {search}: {lines:?}");
    }
    let none = alco.page("/grep/pages/?start_ts=2100-01-01&end_ts=2100-01-02&search=no+such+thing");
    assert!(text(&none.html).contains("The last record of any kind was "), "{}", none.html);
    assert!(!alco.page(&none.link_called("go there").expect("a link")).lines().is_empty());
    let none = text(&alco.page("/grep/pages/?start_ts=-1h&search=no+such+thing").html);
    assert!(!none.contains("go there"), "{none}");
    let beyond = text(&alco.page(&format!("{LOG}&order=asc&cursor=a4000000000000000.1.1.1")).html);
    assert!(beyond.contains("beyond the last page") && !beyond.contains("go there"), "{beyond}");
}

#[test]
fn the_next_error_is_found_on_a_later_page() {
    let alco = site();
    let first_line = |page: &Page| page.lines()[0].message.clone();
    for (order, first) in [("&order=asc", "basket 0"), ("", "<script>")] {
        let page = alco.page(&format!("{LOG}&limit=1{order}"));
        assert!(first_line(&page).starts_with(first), "{order}");
        let jump = page.link("class=\"onward\"").expect("a way to the next error");
        let answer = alco.get(&jump);
        let location = answer.header("location");
        assert!(answer.status == 302 && location.ends_with("#e1"), "{jump}: {} {location}", answer.status);
        let error = alco.page(location.trim_end_matches("#e1"));
        assert_eq!(first_line(&error), "payment failed", "{jump}");
        assert_eq!(error.link("class=\"onward\""), None, "there is no other");
    }
    let without = alco.page(&format!("{LOG}&limit=1&levelname=INFO"));
    assert!(without.link("rel=\"next\"").is_some() && without.link("class=\"onward\"").is_none());
    assert_eq!(alco.get("/grep/pages/next-error/?start_ts=-1h").status, 400);
}

#[test]
fn hostile_records_come_out_harmless() {
    let alco = site();
    let record = place(&alco, "<script>");
    let hostile = "5 pages search=%3Cscript%3E <script>alert(1)</script>\u{1b}";
    for name in ["<script>alert(1)</script>", "\u{1b}[31m\u{202e}"] {
        Stack::shared().ask_redis::<()>(&["HSET", "ALCO:SHORTCUTS", name, hostile]);
    }
    for path in [
        LOG,
        &record,
        "/grep/pages/values/host/?start_ts=-1h",
        "/grep/pages/patterns/?start_ts=-1h",
        "/grep/pages/patterns/?start_ts=-1h&only_new=1",
        "/grep/pages/patterns/?start_ts=-30m&against=before",
        "/grep/pages/patterns/?start_ts=-1h&search=no+such+thing&sort=level",
        "/grep/",
        "/grep/pages/?start_ts=-1h&search=%3Cscript%3E",
        "/grep/pages/?start_ts=-1h&search=%1b%5b31m&mode=regex",
        "/grep/pages/?start_ts=-1h&search=%1b%5b31m%e2%80%ae",
        "/grep/pages/?host=%3Cscript%3E%22%27%1b%07%e2%80%ae&start_ts=-1h",
        "/grep/pages/?columns=%3Cscript%3E&start_ts=-1h",
        "/grep/pages/save/?start_ts=-1h&search=%3Cscript%3E%1b",
        "/grep/shortcut/",
        "/grep/%3Cscript%3E/",
        "/%3Cscript%3E",
    ] {
        let reply = alco.get(path);
        check_headers(path, &reply);
        let html = &reply.body;
        for bad in ["<script", "<img", "onerror=alert(1)>", "\x1b", "\x07", "\0", "\u{202e}", " style=", "javascript:"]
        {
            assert!(!html.contains(bad), "{path} contains {bad:?}: {html}");
        }
        check_html(path, html);
    }
    let line = log(&alco).lines().into_iter().find(|line| line.message.contains("<script>")).unwrap();
    let shown = "<script>alert('message')</script><img src=x onerror=alert(1)> & red^G <U+202E>txet";
    assert!(line.message.starts_with(shown), "{}", line.message);
    // a search for the hostile text finds it
    assert_eq!(alco.page("/grep/pages/?start_ts=-1h&search=%3C/script%3E%3Cimg").total(), 1);
    let only = log(&alco).values("host").into_iter().find(|(host, ..)| host.contains("script")).unwrap();
    assert_eq!(alco.page(&only.2).total(), 1);
}

/// tidy finds no error, so that no browser has to guess.
#[track_caller]
fn check_html(path: &str, html: &str) {
    let file = directory("tidy").join(format!("{:x}.html", xxhash_rust::xxh3::xxh3_64(path.as_bytes())));
    fs::write(&file, html).unwrap();
    let output = Command::new("tidy")
        .args(["-quiet", "-errors", "-utf8", "--drop-empty-elements", "no"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // 2: errors; 1: warnings, such as about what HTML 5 allows and tidy does not know yet
    assert!(output.status.code() < Some(2), "{path}: {said}");
    // tidy also dislikes the form of control characters in a field
    let known = [
        "invalid numeric character",
        "proprietary attribute",
        "not approved by W3C",
        "trimming empty",
        "is not recognized",
    ];
    let warnings: Vec<_> =
        said.lines().filter(|line| line.contains(" - ") && !known.iter().any(|w| line.contains(w))).collect();
    assert!(warnings.is_empty(), "{path}: {warnings:#?}");
}

#[test]
fn only_get_and_head_do_anything() {
    let alco = site();
    let agent = ureq::Agent::from(ureq::Agent::config_builder().http_status_as_error(false).build());
    let url = format!("{}{LOG}", alco.url);
    let mut head = agent.head(&url).call().unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-type"], "text/html; charset=utf-8");
    assert!(head.body_mut().read_to_string().unwrap().is_empty());
    for refused in [agent.post(&url).send("x=1"), agent.put(&url).send("x"), agent.delete(&url).call()] {
        let refused = refused.unwrap();
        assert_eq!(refused.status(), 405);
        assert_eq!(refused.headers()["allow"], "GET, HEAD");
    }
}

#[test]
fn a_style_sheet_that_is_known_is_not_sent_again() {
    let alco = site();
    let named =
        alco.page("/grep/").html.split("href=\"/style.css?").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let style = alco.get(&format!("/style.css?{named}"));
    assert!(style.header("cache-control").contains("immutable"), "{:?}", style.headers);
    let agent = ureq::Agent::new_with_defaults();
    let again = agent
        .get(format!("{}/style.css?{named}", alco.url))
        .header("If-None-Match", style.header("etag"))
        .call()
        .unwrap();
    assert_eq!(again.status(), 304);
    let other = agent.get(format!("{}/style.css", alco.url)).header("If-None-Match", "\"other\"").call().unwrap();
    assert_eq!(other.status(), 200);
}

#[test]
fn http_and_sphinx_conf_give_the_same_configuration() {
    let alco = site();
    let printed = Command::new(ALCO).args(["sphinx-conf", "--config"]).arg(&alco.ini).output().unwrap();
    assert!(printed.status.success());
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(alco.get("/collector/sphinx.conf").body, printed);

    let indices = alco.get("/api/collector/indices/?format=json");
    assert_eq!(indices.header("content-type"), "application/json");
    let indices: serde_json::Value = serde_json::from_str(&indices.body).unwrap();
    let mut days = 0;
    for index in indices.as_array().unwrap() {
        let name = index["name"].as_str().unwrap();
        for day in index["index_names"].as_array().unwrap() {
            days += 1;
            assert!(printed.contains(&format!("index {name}_{}", day.as_str().unwrap())), "{name} {day}");
        }
    }
    // every day index has its own files, and nothing else has
    assert_eq!(printed.lines().filter(|line| line.trim_start().starts_with("path =")).count(), days);
}

fn dump(browser: &[&str], url: &str) -> String {
    let output = Command::new(browser[0])
        .args(&browser[1..])
        .arg(url)
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", directory("home"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{browser:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn text_browsers_show_the_log_as_lines() {
    let alco = site();
    let url = format!("{}{LOG}&order=asc", alco.url);
    for browser in
        [&["w3m", "-dump", "-cols", "140"][..], &["lynx", "-dump", "-nolist", "-width=140", "-display_charset=utf-8"]]
    {
        let shown = dump(browser, &url);
        let lines: Vec<&str> = shown.lines().map(str::trim).collect();
        let at = |what: &str| {
            lines.iter().position(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what} in {shown}"))
        };
        for n in 0..8 {
            // time, level, host, logger and message stand in one line
            let line = lines[at(&format!("basket {n} is full"))];
            assert!(line.contains("INFO web-01 shop.basket basket"), "{line}");
            assert_eq!(line.matches(':').count(), 2, "{line}");
        }
        assert!(at("basket 0") < at("basket 7") && at("basket 7") < at("payment failed"), "{shown}");
        assert!(at("OSError: gone") > at("payment failed"), "{shown}");
        assert!(!lines[at("payment failed")].contains("exc_info"), "{shown}");
        assert!(!shown.contains("UTCEurope"), "the zones are for a list that text browsers do not have: {shown}");
        // the log comes before the filters
        assert!(at("payment failed") < at("shown columns"), "{shown}");
        assert!(shown.contains("exactly 10 records"), "{shown}");
        // the form begins a line, and the buttons of the values that lynx shows are not without a word
        assert!(lines[at("search -1h to now")].starts_with("search"), "{shown}");
        assert_eq!(shown.contains("(INFO)"), browser[0] == "lynx", "{shown}");
        assert_eq!(shown.contains("(only lines of) (INFO)"), browser[0] == "lynx", "{shown}");
    }
}

#[test]
fn lynx_tells_what_a_figure_counts() {
    let alco = site();
    let shown =
        dump(&["lynx", "-dump", "-nolist", "-width=250", "-display_charset=utf-8"], &format!("{}/grep/", alco.url));
    // lynx has no columns for a row that is too long or has a field
    let row = shown.lines().find(|line| line.contains("in 5 min")).unwrap_or_else(|| panic!("no row in {shown}"));
    for unit in ["pages ", " today", " errors", " new in 6 h", " waiting", " ago"] {
        assert!(row.contains(unit), "no {unit} in {row}");
    }
}

/// The address of a text browser's link, from the list of links: `[33]later →` and `33. http://…`.
fn followed(shown: &str, text: &str) -> String {
    let (before, _) = shown.split_once(text).unwrap_or_else(|| panic!("no {text} in {shown}"));
    let number = before.rsplit('[').next().unwrap().trim_end_matches(']');
    let wanted = [format!("[{number}] "), format!("{number}. ")];
    let address = shown.lines().rev().map(str::trim_start).find_map(|line| {
        wanted
            .iter()
            .find_map(|number| line.strip_prefix(number.as_str()))
            .filter(|address| address.starts_with("http"))
    });
    address.unwrap_or_else(|| panic!("no address of {number} in {shown}")).to_owned()
}

#[test]
fn text_browsers_can_go_on_with_the_same_search() {
    let alco = site();
    for browser in [
        &["w3m", "-dump", "-cols", "300", "-o", "display_link_number=1"][..],
        &["lynx", "-dump", "-width=300", "-display_charset=utf-8"],
    ] {
        let first = dump(browser, &format!("{}/grep/pages/?start_ts=-1h&search=basket&limit=3&order=asc", alco.url));
        assert!(first.contains("basket 2 is full") && !first.contains("basket 3 is full"), "{first}");
        let second = dump(browser, &followed(&first, "later →"));
        assert!(second.contains("basket 3 is full") && second.contains("basket 5 is full"), "{second}");
        assert!(!second.contains("basket 2 is full"), "{second}");
        // the page shows the search in its field, and the number of matches
        assert!(second.contains("[basket") || second.contains("basket___"), "{second}");
        assert!(second.contains("exactly 8 records match"), "{second}");
        // a bar of the histogram is a link into its own time, and a time leads to the whole record
        let bar = dump(browser, &followed(&first, "█"));
        assert!(bar.contains("records match in") && bar.contains("basket 0 is full"), "{bar}");
        let record = dump(browser, &followed(&first, &time_of(&first, "basket 1 is full")));
        assert!(record.contains("shop.basket") && record.contains("permanent link"), "{record}");
    }
}

/// The time at the start of a line.
fn time_of(shown: &str, message: &str) -> String {
    let line = shown.lines().find(|line| line.contains(message)).unwrap_or_else(|| panic!("no {message} in {shown}"));
    line.trim_start().split(']').nth(1).unwrap().split(' ').next().unwrap().to_owned()
}

/// The chunks of an answer, each of which alco sent as soon as it had it.
fn chunks(alco: &Alco, path: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(alco.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, mut rest) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("Transfer-Encoding: chunked"), "{head}");
    let mut chunks = Vec::new();
    loop {
        let (length, body) = rest.split_once("\r\n").unwrap();
        match usize::from_str_radix(length, 16).unwrap() {
            0 => return chunks,
            length => {
                chunks.push(body[..length].to_owned());
                rest = body[length..].strip_prefix("\r\n").unwrap();
            }
        }
    }
}

#[test]
fn form_log_and_counts_are_sent_in_that_order() {
    let alco = site();
    // alco sends one query for each day, and flushes the page with the first answer
    let chunks = chunks(&alco, "/grep/pages/?start_ts=-3d&limit=9&order=asc");
    let holding = |text: &str| {
        chunks.iter().position(|chunk| chunk.contains(text)).unwrap_or_else(|| panic!("no {text} in {chunks:#?}"))
    };
    let (form, log, histogram) = (holding("<form class=\"search\""), holding("payment failed"), holding("class=hist"));
    let total = holding("class=\"total\"");
    assert!(form < log && log < total && total <= histogram, "{form} {log} {total} {histogram}");
    assert_eq!(holding("<html"), form);
    assert!(chunks.last().unwrap().ends_with("</html>"), "{chunks:#?}");
}

#[test]
fn pages_stay_small_with_huge_records() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("heavy"));
    let now = Timestamp::now().to_string();
    let mut wide = serde_json::Map::new();
    for n in 0..10_000 {
        wide.insert(format!("column {n}"), json!(n));
    }
    wide.insert("x".repeat(30_000), json!("a long key"));
    for absurd in ["", " ", "a.b..c", "js.search", "off.x__not", "</dt>\"'", "\u{202e}\0\n", "[0]", "日本"] {
        wide.insert(absurd.to_owned(), json!("an absurd key"));
    }
    wide.insert("@timestamp".to_owned(), json!(now));
    wide.insert("message".to_owned(), json!("wide"));
    let long = |message: String| json!({"@timestamp": now, "message": message, "levelname": "ERROR", "exc_info": "e\n".repeat(9)});
    let mut bodies = vec![json!(wide), long("long ".repeat(800_000)), long("l\n".repeat(1_000_000))];
    bodies.extend((0..97).map(|n| long(format!("{n} {}", "many words ".repeat(40)))));
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "heavy.x", bodies.iter().map(ToString::to_string));
    publisher.close();
    let path = "/grep/heavy/?start_ts=-1h";
    let page =
        wait_until("the records are there", SOON, || Some(alco.page(path)).filter(|page| page.lines().len() == 100));
    assert!(page.html.len() < 200_000, "{} bytes", page.html.len());
    check_html(path, &page.html);
    for record in
        page.lines().iter().filter(|line| ["wide", "long ", "l"].iter().any(|start| line.message.starts_with(start)))
    {
        let path = format!("/grep/heavy/at/{}/", record.place);
        let whole = alco.page(&path);
        check_html(&path, &whole.html);
        if record.message == "wide" {
            // 498,000 to 507,000, as long as the digest in its links is
            assert!(whole.html.len() < 530_000, "{} bytes", whole.html.len());
            assert!(text(&whole.html).contains("more columns are only in the JSON form"));
            let json: serde_json::Value = serde_json::from_str(&alco.get(&format!("{path}?format=json")).body).unwrap();
            assert_eq!(json, bodies[0]);
        }
    }
    // a match far into a line is seen, and the start of its line too
    let cut = alco.page(&format!("{path}&mode=regex&search=words+$&limit=5")).lines();
    let is_cut = |line: &Line| {
        line.marks == ["words "] && line.message.contains(" many words many words") && line.message.contains(" … ")
    };
    assert!(cut.len() == 5 && cut.iter().all(is_cut), "{cut:?}");
    let columns = alco.page("/grep/heavy/columns/");
    assert!(columns.html.len() < 1_000_000, "{} bytes", columns.html.len());
    check_html("/grep/heavy/columns/", &columns.html);
}

#[test]
fn a_hundred_lines_of_a_shop_make_a_light_page() {
    const MAX_PAGE_BYTES: usize = 80_000;
    const MAX_PACKED_BYTES: usize = 15_000;
    let stack = Stack::shared();
    let alco = shop(stack);
    let start = (Timestamp::now() - SignedDuration::from_hours(7)).strftime("start_ts=%Y-%m-%d+%H:%M").to_string();
    let alternative = |n: u32| format!("(order|user|session|article) [A-Za-z]*[0-9]{{{n},}} (paid|sent|refused)");
    let regex =
        (1..5).map(alternative).chain(["(GET|POST|order|user|answered) .*".to_owned()]).collect::<Vec<_>>().join("|");
    assert!(regex.len() >= 270, "{}", regex.len());
    let wide = "levelname__not=NONE&host__not=x,y&seq__gt=5&off.logger=http.client&application__exists=1\
                &columns=levelname,host,logger,application,process,seq";
    for path in [
        format!("/grep/web/?{start}"),
        format!("/grep/web,billing/?{start}"),
        format!("/grep/web,billing/?{start}&search=order"),
        format!("/grep/web,billing/?{start}&search=wrong+password"),
        format!("/grep/web,billing/?{start}&mode=regex&search={}&{wide}", encoded(&regex)),
    ] {
        let page = alco.page(&path);
        assert!(page.lines().len() == 100 || path.contains("wrong"), "{path}: {} lines", page.lines().len());
        assert!(page.html.len() <= MAX_PAGE_BYTES, "{path} has {} bytes", page.html.len());
        let agent = ureq::Agent::new_with_defaults();
        let packed = agent.get(format!("{}{path}", alco.url)).header("Accept-Encoding", "gzip").call().unwrap();
        assert_eq!(packed.headers().get("content-encoding").unwrap(), "gzip");
        let packed = packed.into_body().read_to_vec().unwrap().len();
        assert!(packed <= MAX_PACKED_BYTES, "{path} has {packed} bytes with gzip");
    }
}

#[test]
fn the_links_of_a_long_search_are_short() {
    let alco = site();
    let search = "start_ts=-1h&search=is+full,+said+anna@example.org&levelname=INFO&application=shop";
    let page = alco.page(&format!("/grep/pages/?{search}"));
    assert_eq!(page.total(), 8, "{}", page.html);
    // a line, a value, a link of the header: they lead to the address with the whole search
    let line = page.link("class=t ").unwrap();
    let (record, token) = line.split_once("?~=").unwrap();
    let to = |path: &str| alco.get(path).header("location").to_owned();
    assert_eq!(to(&line), format!("{record}?{search}#here"));
    let marks: Vec<Vec<String>> = alco.page(&line).lines().into_iter().map(|line| line.marks).collect();
    assert!(marks.contains(&vec!["is full, said anna@example.org".to_owned()]), "{marks:?}");
    let value = page.link("aria-label=\"without web-01\"").unwrap();
    assert_eq!(value, format!("/grep/pages/?~={token}&host__not=web-01"));
    assert_eq!(to(&value), format!("/grep/pages/?{search}&host__not=web-01"));
    let without = page.link("title=\"no longer filter by INFO\"").unwrap();
    assert_eq!(without, format!("/grep/pages/?~={token}&-=levelname"));
    assert_eq!(alco.page(&without).total(), 8);
    assert_eq!(to(&page.link("href=\"patterns/").unwrap()), format!("/grep/pages/patterns/?{search}"));
    // an address that is to be kept or given to programs has the whole search
    let csv = page.link_called("CSV").unwrap();
    assert!(csv.starts_with(&format!("/grep/pages/?{search}&")), "{csv}");

    // of a search that is no longer kept, the record is there still
    let forgotten = "?~=AAAAAAAA";
    assert_eq!(to(&format!("{record}{forgotten}")), format!("{record}#here"));
    check(&alco, &format!("/grep/pages/{forgotten}&host=x"), 404, &["no longer kept", "load the page again"]);
    // a short search is in the links itself
    assert!(!log(&alco).html.contains("~="), "{}", log(&alco).html);
}

#[test]
fn without_redis_links_have_the_whole_search() {
    let stack = Stack::shared();
    site();
    let alco = Lonely::start(&format!(
        "[rabbitmq]\nurl = {}\n[redis]\nurl = redis://127.0.0.1:{}/0\n[sphinx]\naddress = {}\n{}",
        stack.amqp,
        free_port(),
        stack.sphinx,
        stack.index("pages")
    ));
    let search = "start_ts=-1h&search=is+full,+said+anna@example.org&levelname=INFO&application=shop";
    let page = try_get(&format!("{}/grep/pages/?{search}", alco.url)).unwrap();
    assert_eq!(page.status, 200);
    let search = search.replace('&', "&amp;");
    assert!(page.body.contains(&format!("/?{search}#here\"")) && !page.body.contains("~="), "{}", page.body);
    assert_eq!(try_get(&format!("{}/grep/pages/?~=AAAAAAAA", alco.url)).unwrap().status, 503);
}

#[test]
fn missing_servers_are_logged_once_and_shown_on_pages() {
    let (broker, redis, sphinx) = (free_port(), free_port(), free_port());
    let alco = Lonely::start(&format!(
        "[rabbitmq]\nurl = amqp://guest:guest@127.0.0.1:{broker}/%2f\n[redis]\nurl = redis://127.0.0.1:{redis}/0\n\
         [sphinx]\naddress = 127.0.0.1:{sphinx}\n[index web]\nthreads = 3\n[index billing]\n"
    ));
    let page = try_get(&format!("{}/grep/web/", alco.url)).unwrap();
    assert_eq!(page.status, 503);
    check_headers("/grep/web/", &page);
    let shown = text(&page.body);
    for what in ["searchd does not answer", &format!("127.0.0.1:{sphinx}"), "alco check", "not lost"] {
        assert!(shown.contains(what), "no {what:?} in {shown}");
    }
    let page = try_get(&format!("{}/grep/", alco.url)).unwrap();
    assert_eq!(page.status, 200);
    assert!(text(&page.body).contains(&format!("127.0.0.1:{sphinx}")), "{}", text(&page.body));
    assert_eq!(try_get(&format!("{}/health", alco.url)).unwrap().status, 503);

    // logged once an index, for all its workers
    check_said(&alco, &format!("redis at redis://127.0.0.1:{redis}/0: "), 2);
}

#[test]
fn a_missing_broker_does_not_stop_searches() {
    let stack = Stack::shared();
    let broker = free_port();
    let alco = Lonely::start(&format!(
        "[rabbitmq]\nurl = amqp://guest:secret@127.0.0.1:{broker}/%2f\n[redis]\nurl = {}\n[sphinx]\naddress = {}\n{}",
        stack.redis,
        stack.sphinx,
        stack.index("formats")
    ));
    assert_eq!(try_get(&format!("{}/grep/formats/", alco.url)).unwrap().status, 200);
    check_said(&alco, &format!("rabbitmq at amqp://guest@127.0.0.1:{broker}"), 1);
}

/// The text is logged exactly `expected` times, though alco tries again and again.
#[track_caller]
fn check_said(alco: &Lonely, what: &str, expected: usize) {
    let said = || fs::read_to_string(&alco.log).unwrap();
    let times = || said().lines().filter(|line| line.contains(what)).count();
    wait_until(&format!("{what} is logged"), SOON, || (times() >= expected).then_some(()));
    // these requests take time, in which alco tries again
    for _ in 0..20 {
        try_get(&format!("{}/grep/", alco.url)).unwrap();
    }
    assert_eq!(times(), expected, "{}", said());
    assert!(!said().contains("secret"), "{}", said());
}

fn run(ini: &str) -> (Output, PathBuf) {
    let path = directory("mistakes").join("alco.ini");
    fs::write(&path, ini).unwrap();
    (Command::new(ALCO).args(["run", "--config"]).arg(&path).stdin(Stdio::null()).output().unwrap(), path)
}

#[test]
fn every_mistake_in_the_ini_is_printed_at_once() {
    let port = free_port();
    let (output, path) = run(&format!(
        "[redis]\nadress = x\n[http]\nlisten = 127.0.0.1:{port}\npage_size = 0\nno equals sign\n[index Web]\n[rabbitmq]\nbatch_age = 10\n"
    ));
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    for (line, what) in [(2, "adress"), (5, "page_size"), (6, "key = value"), (7, "Web"), (9, "batch_age")] {
        let place = format!("{}:{line}: ", path.display());
        assert!(lines.iter().any(|said| said.starts_with(&place) && said.contains(what)), "no {place}{what} in {said}");
    }
    // nothing else is printed: no thread was started, no port is open
    assert!(lines.iter().all(|line| line.starts_with(&*path.to_string_lossy())), "{said}");
}
