//! Pages of made-up views, written to target/pages/: for a look at them, and for the checkers of HTML.

use std::fs;
use std::path::PathBuf;

use jiff::tz::TimeZone;

use crate::config::{IndexName, LevelNumbers};
use crate::http::assets;
use crate::http::body::Gzip;
use crate::http::pages::day_bars::HalfHour;
use crate::http::pages::line::{LineView, Role};
use crate::http::pages::links::SearchLinks;
use crate::http::pages::log::LogRow;
use crate::http::pages::log::foot::{LogFoot, NearestRecords, Total};
use crate::http::pages::log::view::LogView;
use crate::http::pages::neighbourhood::{Neighbourhood, NeighbourhoodView};
use crate::http::pages::{
    FORM_KEYS, Frame, LOG_KEYS, error, filters, help, histogram, index_list, log, patterns, record,
};
use crate::query::cursor::Place;
use crate::query::difference::KeptSearch;
use crate::query::suggestion::{MissingColumn, Suggestion};
use crate::query::{Format, Mode, Query};
use crate::record::column_value::{ColumnValue, ListItems};
use crate::record::level::Level;
use crate::record::pattern::memory::{FirstSeen, Novelty};
use crate::record::pattern::{self, MessagePattern, PatternTexts};
use crate::render::cells::Cell;
use crate::search::hit::Count;
use crate::search::pattern_counts::{PatternCount, PatternCounts};
use crate::time::{Range, Ts};

/// Of a page of 100 lines, also of one with a search of 700 characters and six columns, of which each cell can be clicked.
const MAX_PAGE_BYTES: usize = 80_000;
const MAX_PACKED_BYTES: usize = 11_000;
const NOW: i64 = 1_795_341_600_000_000;
const TRACEBACK: &str = "Traceback (most recent call last):\n  File \"/srv/app/shop/checkout.py\", line 400, in \
                         create_order\n    result = gateway.authorise(order, amount)\n  File \
                         \"/srv/app/billing/ledger.py\", line 599, in book\n    entry = \
                         Entry.objects.select_for_update().get(pk=pk)\nTimeoutError: timed out\n";
/// level, host, logger, message
const RECORDS: [(&str, &str, &str, &str); 8] = [
    (
        "INFO",
        "edge-03",
        "nginx.access",
        "20.223.41.55 \"GET /product/ceramic-mug-3892/ HTTP/2.0\" 200 640 rt=0.182 ua=\"curl/8.5.0\"",
    ),
    (
        "INFO",
        "web-06",
        "django.server",
        "\"GET /wishlist/ HTTP/1.1\" 200 2017 148ms ip=10.6.200.81 ua=\"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1\"",
    ),
    (
        "ERROR",
        "web-07",
        "http.client",
        "connection timed out to ledger.internal:7001 after 83ms, giving up on request 3d5b5f2a",
    ),
    (
        "DEBUG",
        "web-08",
        "django.db.backends",
        "(0.013) SELECT \"customers\".\"id\"\n  FROM \"customers\"\n WHERE \"customers\".\"id\" = 17\n LIMIT 21",
    ),
    ("WARNING", "job-05", "celery.beat", "Scheduler: task <b>cms.publish</b> is \u{202e}late\x07 by 3 s"),
    ("INFO", "web-08", "search.query", "search \"kids steel\" by user liam.obrien: 24026 hits in 34ms from shard 6"),
    ("CRITICAL", "db-01", "postgres", "\x1b[31mFATAL\x1b[0m: the database system is in recovery mode"),
    ("INFO", "web-02", "i18n", "検索: 日本語のメッセージ, עברית, العربية, emoji 👩‍👩‍👧"),
];

fn names(names: &[&str]) -> Vec<IndexName> {
    names.iter().map(|name| name.parse().expect("a name")).collect()
}

fn frame<'a>(indexes: &'a [IndexName], query: Option<&Query>) -> Frame<'a> {
    Frame {
        base: "/",
        indexes: indexes.iter().collect(),
        searched: query.map(|query| query.indexes.clone()).unwrap_or_default(),
        zone: "UTC".to_owned(),
        state: query.map(Query::pairs),
        ..Frame::default()
    }
}

fn line(at: usize, role: Role, marks: &'static [std::ops::Range<usize>]) -> LineView<'static> {
    let (level, host, logger, message) = RECORDS[at % RECORDS.len()];
    let ts = Ts::from_micros(NOW + at as i64 * 1_234_567);
    let cell = |text: &str, column: &str| Cell {
        text: Some(text.to_owned()),
        column: Some(column.to_owned()),
        is_level: column == "levelname",
        ..Cell::default()
    };
    LineView {
        role,
        place: Place { ts, seq: at as i64, digest: -7_046_029_254_386_353_131, id: 1 },
        level: Level::of(level, LevelNumbers::Auto),
        cells: vec![cell(level, "levelname"), cell(host, "host"), cell(logger, "logger")],
        message,
        marks,
        context: if at % 16 == 2 { vec![("exc_info".to_owned(), TRACEBACK.to_owned())] } else { vec![] },
        matches: vec![],
    }
}

fn bars() -> Vec<histogram::HistogramBar> {
    let range = |at: i64| Range {
        start: Ts::from_micros(NOW).plus_seconds(at * 60),
        end: Ts::from_micros(NOW).plus_seconds(at * 60 + 60),
    };
    (0..60u64)
        .map(|at| {
            let total = 200 + (at * 7919) % 170 + if (37..41).contains(&at) { 180 } else { 0 };
            let errors = if (37..41).contains(&at) { 150 } else { (at * 31) % 7 };
            histogram::HistogramBar { range: range(at as i64), total, warnings: at % 11 + 4, errors }
        })
        .collect()
}

fn columns() -> Vec<filters::FilterColumn> {
    let column = |name: &str, values: &[(&str, Option<u64>)], more| filters::FilterColumn {
        name: name.to_owned(),
        values: values.iter().map(|(value, count)| ((*value).to_owned(), *count)).collect(),
        more,
        note: None,
    };
    vec![
        column(
            "levelname",
            &[
                ("INFO", Some(4487)),
                ("DEBUG", Some(1379)),
                ("WARNING", Some(329)),
                ("ERROR", Some(105)),
                ("CRITICAL", None),
            ],
            false,
        ),
        column(
            "application",
            &[
                ("worker", Some(3472)),
                ("backend", Some(1526)),
                ("", Some(3)),
                ("a-very-long-value-that-does-not-fit-into-the-column-beside-the-log", Some(12)),
            ],
            false,
        ),
        column(
            "host",
            &[("web-07.example.org", Some(490)), ("web-05.example.org", Some(455)), ("edge-02.example.org", Some(448))],
            true,
        ),
    ]
}

fn log_page(url: &str, rows: Vec<LogRow>) -> String {
    let indexes = names(&["web", "billing", "nginx", "cron"]);
    let query = Query::from_url(names(&["web"]), url).expect(url);
    let links = SearchLinks::new((url.len() > 40).then(|| KeptSearch::of(&query)));
    let shown = query.columns.clone().unwrap_or_else(|| ["levelname", "host", "logger"].map(str::to_owned).to_vec());
    let range = Range { start: Ts::from_micros(NOW), end: Ts::from_micros(NOW).plus_seconds(3600) };
    let empty = rows.is_empty();
    let place = Place { ts: range.start, seq: 1, digest: 2, id: 3 };
    let view = LogView {
        frame: Frame {
            has_search_form: true,
            keys: LOG_KEYS,
            keep: links.parameters(&query),
            links,
            ..frame(&indexes, Some(&query))
        },
        query: &query,
        pattern_texts: PatternTexts::new(),
        now: range.end,
        zone: &TimeZone::UTC,
        range,
        shown_columns: shown,
        formats: &Format::STREAMS,
        page_size: 100,
        may_save: true,
        grows: false,
    };
    let missing =
        |node: &str| format!("the records of {node} are missing: away since 2026-11-22T10:00:00Z: query timed out");
    let found = LogFoot {
        previous: (!empty).then_some(place),
        next: (!empty).then_some(place),
        total: if empty { Total::Exactly(0) } else { Total::Exactly(1284) },
        in_all: empty.then_some(Total::Exactly(3)),
        has_later_error: !empty,
        reached: (url.contains("slow")).then_some(place),
        seeks_first: false,
        warnings: if url.contains("slow") { vec![missing("b:9312"), missing("c:9312")] } else { vec![] },
        nearest: NearestRecords {
            kept: Some(Range { start: range.start.plus_seconds(-90_000), end: range.start.plus_seconds(-8000) }),
            before: Some(range.start.plus_seconds(-9000)),
            after: None,
        },
        missing_columns: if empty {
            vec![MissingColumn { name: "hots<b>".to_owned(), nearest: Some("host".to_owned()) }]
        } else {
            vec![]
        },
        meant_may_find: false,
        words_may_find: true,
        meant: empty.then(|| Suggestion { typed: "@host=<b>".to_owned(), query: query.clone() }),
    };
    let mut log = log::LogWriter::new(&view);
    log.lacks(found.warnings.iter().take(1).cloned().collect());
    let mut page = view.opening().into_string();
    page += &log.rows(&rows).into_string();
    page += &log.end(&found).into_string();
    page += &view.histogram(&if empty { vec![] } else { bars() }, false).into_string();
    page += &view.filters_opening().into_string();
    page.extend(columns().iter().map(|column| view.filter(column).into_string()));
    let others = ["application", "request_id", "<b>"].into_iter().map(str::to_owned);
    let others: Vec<String> = others.chain((0..20).map(|at| format!("column_{at}"))).collect();
    page + &view.closing(&others).into_string()
}

/// A regex of 300 characters, five filters and six columns.
fn longest_search() -> String {
    let order = |shop: u32| format!("payment of order [0-9]+ in shop{shop} (refused|timed out) after \\d+");
    let search = (1..=5).map(order).collect::<Vec<_>>().join("|");
    let query = Query { search, mode: Mode::Regex, ..Query::default() }.to_url();
    format!(
        "start_ts=2026-11-22+10:00&end_ts=2026-11-22+11:00&{query}&application=worker&host__not=web-03.example.org,web-04.example.org\
         &status__gte=500&off.logger=http.client&request_id__exists=1&columns=levelname,host,logger,application,thread,status&tz=Europe/Berlin"
    )
}

/// A line with six columns.
fn wide(row: LogRow) -> LogRow {
    let LogRow::Line(mut line) = row else { return row };
    for (column, value) in [("application", "worker"), ("thread", "3d5b5f2a"), ("status", "502")] {
        let value = if column == "thread" { format!("{value}{}", line.place.seq % 20) } else { value.to_owned() };
        line.cells.push(Cell { text: Some(value), column: Some(column.to_owned()), ..Cell::default() });
    }
    LogRow::Line(line)
}

fn record_page() -> String {
    let indexes = names(&["web", "billing", "nginx", "cron"]);
    let query = Query::from_url(names(&["web"]), "search=timed+out&start_ts=-1h").expect("a query");
    let value = |name: &str, text: &str| (name.to_owned(), ColumnValue::One(text.to_owned()));
    let columns = [
        value("host", "web-07.example.org"),
        value("levelname", "ERROR"),
        value("logger", "http.client"),
        (
            "tags".to_owned(),
            ColumnValue::Many(ListItems { texts: vec!["slow".to_owned(), "retry".to_owned()], more: 0 }),
        ),
        value("request.headers.user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        value("<script>alert(1)</script>", "\x1b[31mred\x1b[0m and \u{202e}backwards"),
        ("empty".to_owned(), ColumnValue::Json("[]".to_owned())),
    ];
    let view = record::RecordView {
        frame: frame(&indexes, Some(&query)),
        index: &indexes[0],
        query: &query,
        around: &query,
        nearby: Range { start: Ts::from_micros(NOW).plus_seconds(-1800), end: Ts::from_micros(NOW).plus_seconds(1800) },
        neighbourhood: NeighbourhoodView {
            chosen: &Neighbourhood::Searched,
            choices: vec![Neighbourhood::Searched, Neighbourhood::OwnIndex, Neighbourhood::Same("host".to_owned())],
            searched: query.indexes.title(),
        },
        list: &query.indexes,
        sides: (20, 20),
        came_from_a_search: true,
        zone: &TimeZone::UTC,
        record: LineView { role: Role::Here, ..line(18, Role::Here, &[]) },
        shown_columns: &["levelname", "host", "logger"].map(str::to_owned),
        pattern: &pattern::of(line(18, Role::Here, &[]).message),
        first_seen: Some(FirstSeen { at: Ts::from_micros(NOW), is_sure: true }),
        alike: Some(Count::AtLeast(1234)),
        columns: columns.iter().collect(),
        unread_columns: 0,
        in_columns: None,
        bytes: 1000,
        json: Some(vec![
            ("\"host\"".to_owned(), "\"web-07.example.org\"".to_owned()),
            ("\"n\"".to_owned(), "12345678901234567890.10".to_owned()),
        ]),
        before: (0..18).map(|at| line(at, Role::Near, &[])).collect(),
        after: (19..39).map(|at| line(at, Role::Near, &[])).collect(),
        more_before: Some((38, 20)),
        more_after: Some((20, 60)),
        warnings: &[],
    };
    let mut html = String::new();
    view.write(&mut html).expect("a String takes everything");
    html
}

fn patterns_page() -> String {
    let indexes = names(&["web", "billing", "nginx", "cron"]);
    let query = Query::from_url(names(&["web"]), "search=timed+out&start_ts=-1h&sort=level").expect("a query");
    let count = |at: usize| {
        let (level, _, _, message) = RECORDS[at];
        let MessagePattern { text, hash } = pattern::of(message);
        let records = 4000 / (at as u64 + 1);
        let mut levels = [0, 0, records / 50, 0, 0, 0];
        levels[Level::of(level, LevelNumbers::Auto) as usize] += records;
        PatternCount {
            pattern: hash,
            text,
            sample: Some(pattern::line(message).to_owned()),
            index: None,
            levels,
            first: Ts::from_micros(NOW),
            last: Ts::from_micros(NOW).plus_seconds(3000),
            bars: bars().iter().take(30).map(|bar| bar.total / (at as u64 + 1)).collect(),
            before: None,
        }
    };
    let found = PatternCounts {
        patterns: (0..RECORDS.len()).map(count).collect(),
        number: Count::Exact(30),
        records: 12_345,
        bars: Vec::new(),
        exact: false,
        has_whole_bars: true,
        only_frequent: false,
        warnings: vec![],
        before: None,
    };
    patterns::PatternsView {
        frame: Frame { has_search_form: true, keys: FORM_KEYS, ..frame(&indexes, Some(&query)) },
        query: &query,
        pattern_texts: PatternTexts::new(),
        found: &found,
        moment: &|ts| ts.clock_in(&TimeZone::UTC, 0),
        novelty: &|pattern| (pattern == found.patterns[1].pattern).then_some(Novelty::New),
        unknown: None,
        before: None,
        until: Ts::from_micros(1_795_341_600_000_000),
        more: std::num::NonZeroUsize::new(1000),
    }
    .page()
    .into_string()
}

fn help_page() -> String {
    let indexes = names(&["web", "billing", "nginx", "cron"]);
    let query = Query::from_url(names(&["web"]), "start_ts=-1h&host=%3Cb%3E").expect("a query");
    let columns = help::ExampleColumns {
        level: "levelname".to_owned(),
        levels: ["ERROR", "INFO"].map(str::to_owned),
        other: "host".to_owned(),
        number: None,
        values: ["web-07.example.org", "<b>web 05\u{202e}</b>"].map(str::to_owned),
    };
    help::HelpView { frame: frame(&indexes, Some(&query)), query: &query, columns }.page().into_string()
}

fn index_page() -> String {
    let indexes = names(&["web", "billing", "nginx", "cron"]);
    let now = Ts::from_micros(NOW);
    let index = |at: usize, title: &'static str, recent, seconds: Option<i64>| index_list::IndexRow {
        name: &indexes[at],
        title,
        figures: Some(index_list::IndexFigures {
            recent,
            last: seconds.map(|seconds| now.plus_seconds(-seconds)),
            half_hours: (0..48)
                .map(|n| HalfHour {
                    total: (n * 37 + at as u64 * 11) % 50 + 10,
                    errors: if n % 9 == 0 { 8 } else { 0 },
                })
                .collect(),
            today: recent * 100,
            errors_today: Some(recent / 10),
        }),
        last_seen: None,
        kept: Some(index_list::KeptRecords {
            days: 12,
            most_days: 30,
            since: Some("2026-11-11".to_owned()),
            disk_bytes: Some(1_234_567_890),
        }),
        collecting: None,
        new_patterns: Some(match at {
            0 => index_list::NewPatterns::Count(2, vec!["card * declined: *".to_owned()]),
            _ => index_list::NewPatterns::Count(0, vec![]),
        }),
        shortcuts: if at == 0 {
            let shortcut = |name: &str, title: &str, parameter: Option<&str>| index_list::ShortcutLink {
                name: name.to_owned(),
                title: title.to_owned(),
                parameter: parameter.map(str::to_owned),
                saved: None,
            };
            vec![
                shortcut("errors", "Errors of the last hour", None),
                shortcut("request", "One request", Some("request_id")),
            ]
        } else {
            vec![]
        },
    };
    index_list::IndexListView {
        frame: frame(&indexes, None),
        now,
        indexes: vec![
            index(0, "Web shop", 41_203, Some(0)),
            index(1, "Billing", 1120, Some(2)),
            index(2, "Edge", 188_940, Some(1)),
            index(3, "Cron jobs", 0, Some(10_900)),
        ],
        new_patterns: Some(index_list::NewPatterns::Count(2, vec!["card * declined: *".to_owned()])),
        shortcuts: vec![],
        lists_shortcuts: true,
        hours: ["10:30", "16:30", "22:30", "04:30"].map(str::to_owned),
        warnings: vec![],
    }
    .page()
    .into_string()
}

#[test]
#[allow(clippy::single_range_in_vec_init)] // one mark is a list of one
fn the_pages_are_small_and_can_be_looked_at() {
    let rows: Vec<LogRow> = (0..100)
        .flat_map(|at| match at % 8 {
            2 => vec![LogRow::Line(line(at, Role::Match, &[11..20]))],
            7 => vec![LogRow::Line(line(at, Role::Near, &[])), LogRow::Gap],
            _ => vec![LogRow::Line(line(at, Role::Near, &[]))],
        })
        .collect();
    let plain: Vec<LogRow> = (0..100).map(|at| LogRow::Line(line(at, Role::Match, &[]))).collect();
    let marked: Vec<LogRow> = (0..100).map(|at| LogRow::Line(line(at, Role::Match, &[2..9, 11..18]))).collect();
    let searched = "search=timed+out&context=3&start_ts=2026-11-22+10:00&end_ts=2026-11-22+11:00&application=worker&off.host__not=web-03";
    let indexes = names(&["web", "billing"]);
    let error = error::ErrorView {
        frame: frame(&indexes, None),
        status: 503,
        title: "The search engine is away",
        why: "searchd at 127.0.0.1:9306: Connection refused (os error 111)",
        todo: error::Todo::CheckSphinx {
            address: "127.0.0.1:9306",
            status_command: Some("systemctl status alco-searchd"),
        },
        form: None,
    };
    let pages = [
        ("log.html", log_page(searched, rows)),
        ("plain.html", log_page("start_ts=-1h", plain.clone())),
        ("wrap.html", log_page("start_ts=-1h&wrap=1&search=slow&order=desc", plain)),
        ("long.html", log_page(&longest_search(), marked.into_iter().map(wide).collect())),
        ("empty.html", log_page("search=no+such+text&host=web-01", vec![])),
        ("record.html", record_page()),
        ("patterns.html", patterns_page()),
        ("help.html", help_page()),
        ("index.html", index_page()),
        ("error.html", error.page().into_string()),
    ];
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    fs::create_dir_all(&dir).expect("a directory under target");
    fs::write(dir.join("style.css"), assets::STYLE).expect("style.css");
    let mut heavy = Vec::new();
    for (name, html) in pages {
        assert!(!html.contains(['\x1b', '\u{202e}', '\x07']) && !html.contains("<script"), "hostile text in {name}");
        assert!(!html.contains(" style=") && !html.contains(" onclick"), "{name} breaks the Content-Security-Policy");
        let (bytes, packed) = (html.len(), Gzip::new().end(html.as_bytes()).len());
        if bytes > MAX_PAGE_BYTES || packed > MAX_PACKED_BYTES {
            heavy.push(format!("{name} has {bytes} bytes, {packed} with gzip"));
        }
        fs::write(dir.join(name), html.replace("/style.css?", "style.css?")).expect(name);
    }
    assert!(heavy.is_empty(), "{heavy:#?}");
}

#[test]
fn a_missing_part_is_told_once_and_before_the_lines() {
    let line = LogRow::Line(line(0, Role::Match, &[]));
    for (rows, result) in [(vec![line], "id=\"log\""), (vec![], "class=\"nothing\"")] {
        let has_lines = !rows.is_empty();
        let page = log_page("start_ts=-1h&search=slow", rows);
        let place = |what: &str| page.find(what).expect(what);
        for (node, is_known) in [("b:9312", true), ("c:9312", !has_lines)] {
            let told = format!("the records of {node} are missing");
            assert_eq!(page.matches(&told).count(), 1, "{page}");
            assert_eq!(place(&told) < place(result), is_known, "{told}: {page}");
        }
    }
}
