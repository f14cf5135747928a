//! The pages in Chromium, by WebDriver: a reader uses them, and screenshots are kept (target/screenshots/).

use std::collections::HashSet;

use serde_json::json;

use crate::support::browser::{Browser, shop};
use crate::support::page::Line;
use crate::support::{Alco, Stack};

/// The places of the lines, which begin with their moments: unlike the times of day on the page, these go on at midnight.
fn places(browser: &Browser) -> Vec<String> {
    let places = "return [...document.querySelectorAll('.log .t')].map(line => line.pathname.split('/at/')[1])";
    let found = browser.script(places);
    found.as_array().unwrap().iter().map(|place| place.as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_reader_finds_a_record_with_the_mouse() {
    let stack = Stack::shared();
    let alco = shop(stack);
    let browser = Browser::start(stack);
    let at = |path: &str| format!("{}{path}", alco.url);
    browser.screen(1280, 900, false);

    // a search is typed, and its matches are marked
    browser.open(&at("/grep/web/?start_ts=-7h"));
    browser.send("input[name=search]", "Wrong Password");
    assert_eq!(browser.address(), at("/grep/web/?start_ts=-7h&search=Wrong+Password"));
    let marks = browser.texts("mark");
    assert!(marks.len() > 5 && marks.iter().all(|mark| mark == "wrong password"), "{marks:?}");
    let lines = browser.all(".log .t").len();
    assert_eq!(marks.len(), lines);

    // the reader chooses a value next to the log
    browser.open(&at("/grep/web/?start_ts=-7h&limit=50"));
    browser.click_to_go("a[title='only WARNING']");
    assert!(browser.address().contains("levelname=WARNING"), "{}", browser.address());
    assert_eq!(browser.texts(".log .t + *").into_iter().collect::<HashSet<_>>(), HashSet::from(["WARNING".to_owned()]));
    let total = |text: String| text.split_whitespace().nth(1).unwrap().replace(',', "").parse::<u64>().unwrap();
    let all = total(browser.texts(".total").remove(0));

    // and one in a line, of which only the name of the host is shown
    let host = browser.texts(".log .t + * + label").remove(0);
    browser.click_to_go(".log .t + * + label");
    let address = browser.address();
    assert!(address.contains("&levelname=WARNING") && address.contains("&limit=50"), "{address}");
    assert!(address.contains(&format!("&host={host}.example.org")), "{address}");
    let filtered = alco.page(address.strip_prefix(&alco.url).unwrap()).lines();
    let hosts: HashSet<&str> = filtered.iter().map(|line| line.cells[1].as_str()).collect();
    assert_eq!(hosts, HashSet::from([format!("{host}.example.org").as_str()]));
    browser.open(&at("/grep/web/?start_ts=-7h&limit=50&levelname=WARNING"));

    // a bar leads into its own time
    browser.click_to_go(".hist .bars a:nth-last-of-type(5)");
    assert!(
        browser.address().contains("start_ts=20") && browser.address().contains("levelname=WARNING"),
        "{}",
        browser.address()
    );
    let part = total(browser.texts(".total").remove(0));
    assert!(0 < part && part < all, "{part} of {all}");
    // the histogram shows the whole still, and a second bar ends the range
    assert!(browser.address().contains("&overview=-7h"), "{}", browser.address());
    assert!(browser.texts(".peaks").remove(0).contains("Another bar ends the range there."));
    browser.click_to_go(".hist .bars a:nth-last-of-type(3)");
    let range = total(browser.texts(".total").remove(0));
    assert!(part < range && range < all && !browser.address().contains("overview"), "{part} {range} {all}");
    let ticks = browser.all(".hist .ticks text").len() - 2;
    assert!((2..=5).contains(&ticks), "{ticks}");

    // on to the next page, and back to the same lines
    browser.open(&at("/grep/web/?start_ts=-7h&limit=50&levelname=INFO&order=asc"));
    let first = places(&browser);
    browser.click_to_go("a[rel=next]");
    let second = places(&browser);
    assert!(second.len() == 50 && second.first() > first.last(), "{first:?} {second:?}");
    browser.click_to_go("a[rel=prev]");
    assert_eq!(places(&browser), first);

    // a traceback unfolds in place
    browser.open(&at("/grep/web/?start_ts=-7h&levelname=ERROR&exc_info__exists=1"));
    let traceback = || browser.texts("details.context pre").remove(0);
    assert_eq!(traceback(), "", "it is folded at first");
    browser.click("details.context summary");
    assert!(traceback().starts_with("Traceback (most recent call last):"), "{}", traceback());

    // the time leads to the whole record, and its values to their like
    browser.click_to_go(".log .t");
    assert!(browser.address().contains("/grep/web/at/"), "{}", browser.address());
    assert!(browser.texts("#here").remove(0).contains("levelname"), "{:?}", browser.texts("#here"));
    assert!(browser.all(".log .t").len() > 20);
    browser.click_to_go("#here .act a");
    assert!(browser.address().contains("/grep/web/?"), "{}", browser.address());

    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    screenshots(&browser, &alco);
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// The record's page shows an error among the lines around it.
#[track_caller]
fn assert_lines_around_an_error(browser: &Browser) {
    assert!(browser.address().contains("/at/"), "{}", browser.address());
    assert_eq!(browser.all("#here.error").len(), 1);
    for side in ["#log > .near:has(~ #here)", "#here ~ .near"] {
        assert!(browser.all(side).len() >= 20, "{side}");
    }
}

/// The targets of the visible links that jump to the next error.
const SHOWN_JUMPS: &str =
    "return [...document.querySelectorAll('.log .next')].filter(a => a.checkVisibility()).map(a => a.hash)";

#[test]
fn the_lines_around_an_error_are_two_clicks_away() {
    let stack = Stack::shared();
    let alco = shop(stack);
    let browser = Browser::start(stack);
    browser.screen(1280, 900, false);

    // from the list of indexes: a shortcut, a time
    browser.open(&format!("{}/grep/", alco.url));
    browser.click_to_go("a[href$='/shortcut/errors/']");
    browser.click_to_go(".log > :last-child .t");
    assert_lines_around_an_error(&browser);

    // from a log: the next error, its time
    browser.open(&format!("{}/grep/web,billing/?start_ts=-6h&limit=1000&order=asc", alco.url));
    browser.click_to_go("a[accesskey=e]");
    assert!(browser.address().ends_with("#e1"), "{}", browser.address());
    browser.click_to_go(":target .t");
    assert_lines_around_an_error(&browser);

    // the link of a page's last error leads to the next page, which begins with an error
    browser.open(&format!("{}/grep/web,billing/?start_ts=-6h&levelname=ERROR&limit=2&order=asc", alco.url));
    assert_eq!(browser.script(SHOWN_JUMPS), json!(["#e2"]));
    browser.click_to_go(".log > :last-child .next");
    assert!(browser.address().ends_with("#e2"), "{}", browser.address());
    browser.click_to_go(":target a.onward");
    assert!(browser.address().contains("cursor=a") && browser.address().ends_with("#e1"), "{}", browser.address());
    assert_eq!(browser.all("#e1.error:target").len(), 1);

    // no way on from the last error of all
    browser.open(&format!("{}/grep/web,billing/?start_ts=-6h&levelname=ERROR&limit=1&order=asc", alco.url));
    browser.click_to_go(".pages a[accesskey='0']");
    assert_eq!(browser.script(SHOWN_JUMPS), json!([]), "{}", browser.address());
    assert!(browser.all(".onward").is_empty());
    // nor where no line is an error
    browser.open(&format!("{}/grep/web,billing/?start_ts=-6h&levelname=INFO", alco.url));
    assert_eq!(browser.script("return document.querySelector('.bar .err').checkVisibility()"), false);
}

#[test]
fn the_cause_of_the_demo_s_incident_is_two_clicks_away() {
    let stack = Stack::shared();
    let alco = shop(stack);
    let browser = Browser::start(stack);
    browser.screen(1280, 900, false);
    browser.open(&format!("{}/grep/web,billing,stock/patterns/?start_ts=-6h", alco.url));
    browser.click_to_go(".bar a[href*='only_new=1']");
    let new = browser.texts(".patterns .p > a:first-of-type");
    let full = "all * pieces of article * are reserved for orders that are not paid";
    assert_eq!(new, ["certificate of * has expired, payment of order * refused", full]);
    browser.click_to_go(".patterns .p > a");
    let lines = browser.texts(".log > :has(.t)");
    let cause = "certificate of pay.nordbank.example:443 has expired";
    assert!(lines.len() > 20 && lines.iter().all(|line| line.contains(cause)), "{lines:#?}");
}

/// Keys, as WebDriver names them.
const ALT: char = '\u{e00a}';
const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';

#[test]
fn a_keyboard_is_enough() {
    let stack = Stack::shared();
    let alco = shop(stack);
    let browser = Browser::start(stack);
    browser.screen(1280, 900, false);
    let focused = |what: &str| browser.script(&format!("return String(document.activeElement.{what})"));

    // a search, its next page and back, the newest
    browser.open(&format!("{}/grep/web/?start_ts=-7h&limit=20&order=asc", alco.url));
    browser.press(Some(ALT), 's');
    assert_eq!(focused("name"), "search");
    "order".chars().for_each(|key| browser.press(None, key));
    browser.press_to_go(None, ENTER);
    assert_eq!(browser.address(), format!("{}/grep/web/?start_ts=-7h&search=order&order=asc&limit=20", alco.url));
    let first = places(&browser);
    browser.press_to_go(Some(ALT), 'n');
    assert!(places(&browser).first() > first.last(), "{}", browser.address());
    browser.press_to_go(Some(ALT), 'p');
    assert_eq!(places(&browser), first);
    browser.press_to_go(Some(ALT), '0');
    assert!(browser.all("a[rel=next]").is_empty() && browser.address().contains("cursor=b"), "{}", browser.address());
    // the legend names them all
    let keys: HashSet<String> = browser.texts(".keys kbd").into_iter().collect();
    for key in browser.all("[accesskey]") {
        let key = browser.ask(&format!("/element/{key}/property/accessKey"));
        assert!(keys.contains(key.as_str().unwrap()), "{key} is not in {keys:?}");
    }

    // past the frame to the first line, whose record opens; the focus is visible
    browser.open(&format!("{}/grep/web/?start_ts=-7h&levelname=ERROR&exc_info__exists=1&limit=20", alco.url));
    browser.press(None, TAB);
    assert_eq!(focused("hash"), "#log");
    browser.press_to_go(None, ENTER);
    browser.press(None, TAB);
    assert_eq!(focused("className"), "t");
    let outline = browser.script("return getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid");
    // the traceback follows its line in the tab order, and unfolds
    while focused("tagName") != "SUMMARY" {
        browser.press(None, TAB);
    }
    browser.press(None, ENTER);
    assert_eq!(browser.all("details[open] > summary:focus").len(), 1);
    // the Tab key skips the bars of the histogram on the way to the filters
    browser.script("document.querySelector('.pages a').focus()");
    for _ in 0..10 {
        browser.press(None, TAB);
    }
    assert_eq!(browser.script("return Boolean(document.activeElement.closest('aside'))"), true);

    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn the_columns_of_all_lines_stand_below_each_other() {
    let stack = Stack::shared();
    let alco = shop(stack);
    let browser = Browser::start(stack);
    browser.screen(1280, 900, false);
    for path in ["/grep/web/?start_ts=-7h", "/grep/web,billing/?start_ts=-7h&search=order&wrap=1"] {
        browser.open(&format!("{}{path}", alco.url));
        let lefts = browser.script(
            "const lefts = cells => [...cells].map(cell => Math.round(cell.getBoundingClientRect().left)).join();
            const lines = [...document.querySelectorAll('.log > :has(> .t)')].map(line => line.querySelectorAll(':scope > label, :scope > a[tabindex]'));
            return [document.querySelectorAll('.heads > a'), ...lines.filter(cells => cells.length == 3)].map(lefts)",
        );
        assert!(lefts.as_array().unwrap().len() > 50, "{lefts}");
        let lefts: HashSet<&str> = lefts.as_array().unwrap().iter().map(|left| left.as_str().unwrap()).collect();
        assert_eq!(lefts.len(), 1, "{path}: {lefts:?}");
    }
    // a column's name leads to its values
    browser.click_to_go(".heads a");
    assert!(
        browser.address().ends_with("/values/levelname/?start_ts=-7h&search=order&wrap=1"),
        "{}",
        browser.address()
    );
}

#[test]
fn search_and_pages_stay_in_sight() {
    let stack = Stack::shared();
    let alco = shop(stack);
    let browser = Browser::start(stack);
    browser.screen(1280, 900, false);
    browser.open(&format!("{}/grep/web/?start_ts=-7h&limit=300", alco.url));
    browser.script("scrollTo(0, 3000)");
    let seen = |css: &str| {
        browser.script(&format!(
            "const box = document.querySelector('{css}').getBoundingClientRect(); \
             return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)?.closest('{css}') != null"
        ))
    };
    for css in ["input[name=search]", "input[name=start_ts]", "a[rel=next]"] {
        assert_eq!(seen(css), true, "{css}");
    }
    assert_eq!(seen(".total"), false, "the page is scrolled");
    // a jump ends below the form
    browser.open(&format!("{}/grep/web/?start_ts=-7h&limit=300#e3", alco.url));
    assert_eq!(seen("#e3 .t"), true);
    // the figures next to the log end in one line, whatever stands after them
    browser.open(&format!("{}/grep/web/?start_ts=-7h&levelname=INFO&host__not=app-1.example.org", alco.url));
    let ends = browser.script("return [...document.querySelectorAll('aside .num:not(:empty)')].map(number => Math.round(number.getBoundingClientRect().right))");
    let ends = ends.as_array().unwrap();
    assert!(ends.len() > 5 && ends.iter().all(|end| *end == ends[0]), "{ends:?}");
    // the worst level comes first
    let levels = browser.texts("aside details:first-of-type li > a:first-child");
    assert_eq!(levels, ["ERROR", "WARNING", "✓ INFO", "DEBUG"]);
}

#[test]
fn lines_that_are_copied_are_the_lines_alone() {
    let stack = Stack::shared();
    let alco = shop(stack);
    let browser = Browser::start(stack);
    browser.screen(1280, 900, false);
    for wrap in ["", "&wrap=1"] {
        let path = format!("/grep/web,billing/?start_ts=-7h&levelname=ERROR&limit=20{wrap}");
        browser.open(&format!("{}{path}", alco.url));
        let copied = browser
            .script("getSelection().selectAllChildren(document.querySelector('.log')); return String(getSelection())");
        let copied = copied.as_str().unwrap().lines().filter(|line| !line.is_empty());
        // a day stands above its lines, and a midnight may be among them
        let (days, lines): (Vec<&str>, Vec<&str>) = copied.partition(|line| !line.contains(' '));
        assert!(!days.is_empty() && days.iter().all(|day| day.len() == "2026-11-22".len()), "{days:#?}");
        // the columns of the copy stand below each other, as on the page
        let start = |line: &&str| line.find(" web ").or_else(|| line.find(" billing "));
        let starts: HashSet<_> = lines.iter().map(start).collect();
        assert_eq!(starts, HashSet::from([Some("10:00:00.123 levelname ".len())]), "{lines:#?}");
        let words = |line: &Line| [&line.cells[..], std::slice::from_ref(&line.message)].concat().join(" ");
        let expected: Vec<String> = alco.page(&path).lines().iter().map(words).collect();
        let one_space = |text: &str| text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let without_time: Vec<String> = lines.iter().map(|line| one_space(line.split_once(' ').unwrap().1)).collect();
        let expected: Vec<String> = expected.iter().map(|line| one_space(line)).collect();
        assert_eq!(without_time, expected, "{path}");
    }
}

#[test]
fn a_phone_s_page_does_not_slide_and_begins_with_the_log() {
    let stack = Stack::shared();
    let alco = shop(stack);
    let browser = Browser::start(stack);
    browser.screen(375, 667, true);
    let wide = "/grep/web,billing/?start_ts=-6h&levelname=ERROR";
    browser.open(&format!("{}{wide}", alco.url));
    let record = browser.script("return document.querySelector('.log .t').href");
    let record = record.as_str().unwrap().strip_prefix(&alco.url).unwrap().to_owned();
    for path in [
        "/grep/",
        wide,
        &format!("{wide}&wrap=1&context=2&search=order"),
        &record,
        "/grep/web/columns/",
        "/grep/web/help/?start_ts=-6h",
        "/grep/web,billing,stock/patterns/?start_ts=-6h",
        "/grep/web,billing,stock/patterns/?start_ts=-6h&against=before",
        "/grep/nope/",
    ] {
        browser.open(&format!("{}{path}", alco.url));
        assert_eq!(browser.overhang(), 0, "{path} is wider than the screen");
        let small = "return [...document.querySelectorAll('main *')].filter(e => parseFloat(getComputedStyle(e).fontSize) < 12).length";
        assert_eq!(browser.script(small), 0, "{path} has text that is too small");
    }
    browser.open(&format!("{}{wide}", alco.url));
    let top = |css: &str| {
        browser.script(&format!("return document.querySelector('{css}').getBoundingClientRect().top")).as_f64()
    };
    assert!(
        top(".hist") < top(".log") && top(".log") < top("aside"),
        "the log does not stand between histogram and filters"
    );
    // the form is one line that shows what is searched
    assert_eq!(browser.script("return document.querySelector('input[name=search]').checkVisibility()"), false);
    let form = browser.texts(".unfold summary").remove(0);
    assert_eq!(form, "search -6h to now · levelname = ERROR");
    let height = "return document.querySelector('form.search').getBoundingClientRect().height";
    assert!(browser.script(height).as_f64().unwrap() < 667.0 / 8.0);
    let overlaps = "const boxes = [...document.querySelectorAll('.bar a')].filter(a => a.checkVisibility()).map(a => a.getBoundingClientRect());
        return boxes.slice(1).filter((box, at) => box.left < boxes[at].right && box.top < boxes[at].bottom).length";
    assert_eq!(browser.script(overlaps), 0, "links write over each other");
    browser.click(".unfold summary");
    // what is tapped is high enough for a finger
    let low = browser.script(
        "return [...document.querySelectorAll('.top a, .unfold summary, form.search :is(input, select, button, a), .bar a, .pages a, aside :is(a, summary), .log .t')]
            .filter(e => e.checkVisibility() && e.type != 'checkbox' && e.getBoundingClientRect().height < 44)
            .map(e => e.outerHTML.slice(0, 80) + e.getBoundingClientRect().height)",
    );
    assert_eq!(low, json!([]));
    assert_eq!(browser.overhang(), 0, "the unfolded form is wider than the screen");
    browser.click(".unfold summary");
    browser.click_to_go("a.phone");
    assert!(top("aside").unwrap() < 667.0, "the filters are not reached with one tap");
}

#[test]
fn a_printed_page_has_its_search_and_no_controls() {
    let stack = Stack::shared();
    let alco = shop(stack);
    let browser = Browser::start(stack);
    browser.screen(1000, 900, false);
    browser.chrome("Emulation.setEmulatedMedia", json!({"media": "print"}));
    let path = "/grep/web,billing/?start_ts=-7h&search=failed&levelname=ERROR&exc_info__exists=1&off.host=x&limit=5";
    browser.open(&format!("{}{path}", alco.url));
    let search = browser.texts(".unfold summary").remove(0);
    assert_eq!(search, "search -7h to now UTC · failed · levelname = ERROR · exc_info is there");
    let total = "const total = document.querySelector('.total'); return total.innerText + getComputedStyle(total.lastElementChild, '::after').content";
    let total = browser.script(total);
    assert!(
        total.as_str().unwrap().starts_with("exactly ") && total.as_str().unwrap().contains("attr(title)")
            || total.as_str().unwrap().contains(" to 20"),
        "{total}"
    );
    let seen = "filter(e => e.checkVisibility({contentVisibilityAuto: true}) && e.getBoundingClientRect().height > 0)";
    let tracebacks = browser.script(&format!("return [...document.querySelectorAll('.context pre')].{seen}.length"));
    assert_eq!(tracebacks, 5, "tracebacks are unfolded");
    let controls = format!(
        "return [...document.querySelectorAll('input, select, button, aside, .pages, .bar a, header nav, footer')].{seen}.length"
    );
    assert_eq!(browser.script(&controls), 0);
}

#[test]
fn axe_finds_no_barrier_on_any_page() {
    let stack = Stack::shared();
    let alco = shop(stack);
    let browser = Browser::start(stack);
    browser.screen(1280, 900, false);
    browser.open(&format!("{}/grep/web,billing/?start_ts=-7h&levelname=ERROR&exc_info__exists=1", alco.url));
    let record = browser.script("return document.querySelector('.log .t').href");
    let record = record.as_str().unwrap().strip_prefix(&alco.url).unwrap().to_owned();
    // no user saved it, so each reader has its form
    stack.ask_redis::<()>(&["HSET", "ALCO:SHORTCUTS", "of axe", "1795341600 web search=refused "]);
    for scheme in ["light", "dark"] {
        browser.colours(scheme);
        for path in [
            "/grep/",
            "/grep/web/?start_ts=-7h&limit=30",
            "/grep/web,billing/?start_ts=-7h&search=refused&context=2&limit=10&host=app-1.example.org&off.logger=x&columns=levelname",
            "/grep/web,billing/?start_ts=-7h&levelname=ERROR&limit=10&wrap=1&order=desc",
            "/grep/web/?search=no+such+text",
            &record,
            "/grep/web/values/host/?start_ts=-7h",
            "/grep/web/columns/",
            "/grep/web/help/",
            "/grep/web,billing/patterns/?start_ts=-7h&limit=30&off.logger=x",
            "/grep/web,billing/patterns/?start_ts=-3h&against=before",
            "/grep/web/patterns/?search=no+such+text",
            "/grep/web/?search=(&mode=regex",
            "/grep/web/save/?search=refused&start_ts=-1h",
            "/grep/shortcut/",
            "/grep/nope/",
        ] {
            browser.open(&format!("{}{path}", alco.url));
            browser.script("document.querySelectorAll('details').forEach(details => details.open = true)");
            let barriers = browser.barriers();
            assert!(barriers.is_empty(), "{scheme} {path}: {barriers:#?}");
        }
    }
    // two of them refuse, which Chromium notes; it notes nothing else
    let noted = browser.complaints();
    let expected =
        |note: &serde_json::Value| note["message"].as_str().is_some_and(|text| text.contains("status of 40"));
    assert!(noted.iter().all(expected), "{noted:#?}");
}

/// For people to look at; README.md shows some of them.
fn screenshots(browser: &Browser, alco: &Alco) {
    let at = |path: &str| format!("{}{path}", alco.url);
    let log = at("/grep/web,billing/?start_ts=-3h&search=order&off.application=worker");
    for scheme in ["light", "dark"] {
        browser.colours(scheme);
        browser.screen(1280, 800, false);
        browser.open(&log);
        browser.screenshot(&format!("{scheme}.png"), None);
    }
    browser.colours("light");
    browser.open(&log);
    browser.screenshot("histogram.png", Some(".hist"));
    browser.open(&at("/grep/web,billing/?start_ts=-6h&levelname=ERROR"));
    browser.click(".error:nth-of-type(n+6) .context summary");
    browser.screenshot("unfolded.png", None);
    browser.open(&at("/grep/web,billing/?start_ts=-6h&levelname=ERROR"));
    let link = browser.one(".error:has(.context) .t");
    let record = browser.ask(&format!("/element/{link}/property/href")).as_str().unwrap().to_owned();
    for (name, path, width, scheme) in [
        ("index.png", at("/grep/"), 1280, "light"),
        ("plain.png", at("/grep/web/?start_ts=-6h"), 1280, "light"),
        ("wrap.png", at("/grep/web,billing/?start_ts=-6h&levelname=ERROR&wrap=1"), 1280, "dark"),
        ("record.png", record.clone(), 1280, "light"),
        ("nothing.png", at("/grep/web/?search=no+such+text&start_ts=-1h&host=web-01"), 1280, "light"),
        ("refused.png", at("/grep/web/?search=(&mode=regex"), 1280, "light"),
        ("phone.png", log.clone(), 390, "light"),
        ("phone-record.png", record, 390, "dark"),
        ("patterns.png", at("/grep/web,billing,stock/patterns/?start_ts=-6h&sort=level"), 1280, "light"),
        ("patterns-dark.png", at("/grep/web,billing,stock/patterns/?start_ts=-6h&sort=level"), 1280, "dark"),
        ("phone-patterns.png", at("/grep/web,billing,stock/patterns/?start_ts=-6h"), 390, "light"),
        ("patterns-against.png", at("/grep/web,billing,stock/patterns/?start_ts=-1h&against=before"), 1280, "light"),
        (
            "phone-patterns-against.png",
            at("/grep/web,billing,stock/patterns/?start_ts=-1h&against=before"),
            375,
            "dark",
        ),
        ("phone-index.png", at("/grep/"), 390, "dark"),
    ] {
        browser.colours(scheme);
        browser.screen(width, if width < 500 { 844 } else { 800 }, width < 500);
        browser.open(&path);
        assert_eq!(browser.overhang(), 0, "{name} is wider than its screen");
        browser.screenshot(name, None);
    }
    // a page that refuses is a 400, which Chromium notes
    let noted = browser.complaints();
    assert!(noted.iter().all(|note| note["message"].as_str().unwrap().contains("400")), "{noted:#?}");
}
