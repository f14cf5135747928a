//! The patterns of a search, for programs and for the terminal: text as `uniq -c` prints it, NDJSON, or CSV. Pure.

use std::fmt::Write;

use crate::query::Format;
use crate::render::csv;
use crate::render::escape::visible_in_line;
use crate::render::ndjson::{notice, on_one_line, quoted};
use crate::search::hit::Count;
use crate::search::pattern_counts::{PatternCount, PatternCounts};
use crate::time::Ts;

const CSV_COLUMNS: [&str; 7] = ["count", "level", "first", "last", "pattern", "text", "sample"];

/// The end of the notice about patterns that are not in the list, which is no fault of the answer.
const OTHERS: &str = " other patterns";

/// The text of a pattern, for people.
pub fn pattern_shown(text: &str) -> &str {
    if text.is_empty() { "(no text)" } else { text }
}

/// What the list lacks, each as a text for people.
pub fn shortcomings(found: &PatternCounts) -> Vec<String> {
    let mut lacks = found.warnings.clone();
    if !found.exact {
        lacks.push(format!("counted in part: at least {} records", found.records));
    } else if !found.has_whole_bars {
        lacks.push("the time was over before all bars were counted".to_owned());
    }
    lacks
}

/// How many patterns are not in the list; None: all are.
pub fn others(found: &PatternCounts) -> Option<Count> {
    let listed = found.patterns.len() as u64;
    match found.number {
        Count::Exact(number) | Count::AtMost(number) => (number > listed).then(|| Count::Exact(number - listed)),
        Count::AtLeast(number) => (number > listed).then(|| Count::AtLeast(number - listed)),
    }
}

/// All of the list in that format. `time` writes the times of CSV; `has_mark`: CSV begins with a byte order mark.
pub fn written(found: &PatternCounts, format: Format, time: &dyn Fn(Ts) -> String, has_mark: bool) -> String {
    let mut out = String::new();
    if format == Format::Csv {
        out.extend(has_mark.then_some(csv::BYTE_ORDER_MARK));
        csv::row(CSV_COLUMNS.into_iter(), &mut out);
    }
    for count in &found.patterns {
        match format {
            Format::Ndjson => out.extend([object(count, false).as_str(), "\n"]),
            Format::Csv => row(count, time, &mut out),
            // as uniq -c
            Format::Text | Format::Page | Format::Json => {
                let shown = visible_in_line(pattern_shown(&count.text));
                // writing to a String cannot fail
                let _ = writeln!(out, "{:7} {shown}", count.records());
            }
        }
    }
    out
}

/// The notices after the list, in that format.
pub fn noted(found: &PatternCounts, format: Format) -> String {
    let mut out = String::new();
    for lack in notices(found) {
        match format {
            Format::Ndjson => out.push_str(&notice(&lack)),
            Format::Csv => {
                let lack = format!("-- {lack}");
                csv::row(CSV_COLUMNS.into_iter().map(|name| if name == "text" { lack.as_str() } else { "" }), &mut out);
            }
            Format::Text | Format::Page | Format::Json => {
                let _ = writeln!(out, "-- {}", visible_in_line(&lack));
            }
        }
    }
    out
}

fn notices(found: &PatternCounts) -> impl Iterator<Item = String> {
    shortcomings(found).into_iter().chain(others_noted(found))
}

/// The number of the others, as a text for people.
pub fn others_noted(found: &PatternCounts) -> Option<String> {
    others(found).map(|others| match others {
        Count::Exact(number) | Count::AtMost(number) => format!("{number}{OTHERS}"),
        Count::AtLeast(number) => format!("at least {number}{OTHERS}"),
    })
}

/// True if a notice is about patterns that are not in the list.
pub fn is_about_others(notice: &str) -> bool {
    notice.ends_with(OTHERS)
}

fn row(count: &PatternCount, time: &dyn Fn(Ts) -> String, out: &mut String) {
    let (number, pattern) = (count.records().to_string(), count.pattern.to_string());
    let (first, last, sample) = (time(count.first), time(count.last), count.sample.as_deref().unwrap_or_default());
    let cells = [&number, count.worst().name(), &first, &last, &pattern, &count.text, sample];
    csv::row(cells.into_iter(), out);
}

/// A pattern as a JSON object.
pub fn object(count: &PatternCount, with_bars: bool) -> String {
    let levels: Vec<String> = count.by_level().map(|(level, n)| format!("\"{}\":{n}", level.name())).collect();
    let mut out = format!(
        "{{\"pattern\":\"{}\",\"text\":{},\"sample\":{},\"count\":{},\"level\":\"{}\",\"levels\":{{{}}},\
         \"first\":\"{}\",\"last\":\"{}\"",
        count.pattern,
        quoted(&count.text),
        count.sample.as_deref().map_or("null".to_owned(), quoted),
        count.records(),
        count.worst().name(),
        levels.join(","),
        count.first.rfc3339(),
        count.last.rfc3339(),
    );
    if with_bars {
        let bars: Vec<String> = count.bars.iter().map(u64::to_string).collect();
        let _ = write!(out, ",\"bars\":[{}]", bars.join(","));
    }
    out.push('}');
    on_one_line(0, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::pattern;

    fn found() -> PatternCounts {
        let count = |message: &str, levels: [u64; 6]| PatternCount {
            pattern: pattern::of(message).hash,
            text: pattern::of(message).text,
            sample: Some(message.to_owned()),
            levels,
            first: Ts::from_micros(1_795_341_600_000_000),
            last: Ts::from_micros(1_795_341_660_000_000),
            bars: vec![5, 0, 7],
        };
        PatternCounts {
            patterns: vec![
                count("order 7 \"paid\"\u{2028}by \u{7}card", [0, 0, 9, 0, 3, 0]),
                count("", [1, 0, 0, 0, 0, 0]),
            ],
            number: Count::Exact(5),
            records: 24,
            bars: Vec::new(),
            exact: false,
            has_whole_bars: true,
            only_frequent: false,
            warnings: vec!["a day\nis away".to_owned()],
        }
    }

    #[track_caller]
    fn check(format: Format, expect: &str) {
        let hash = pattern::of("order 7 \"paid\"\u{2028}by \u{7}card").hash.to_string();
        let text = written(&found(), format, &|ts| ts.clock_in(&jiff::tz::TimeZone::UTC, 0), false);
        let text = text + &noted(&found(), format);
        assert_eq!(text.replace(&hash, "HASH"), expect);
    }

    #[test]
    fn text_is_that_of_uniq() {
        let notices = "-- a day↵is away\n-- counted in part: at least 24 records\n-- 3 other patterns\n";
        check(Format::Text, &format!("     12 order * by card\n      1 (no text)\n{notices}"));
    }

    #[test]
    fn ndjson_has_an_object_for_each() {
        let first = r#"{"pattern":"HASH","text":"order * by card","sample":"order 7 \"paid\"\u2028by \u0007card","count":12,"level":"error","levels":{"error":3,"info":9},"first":"2026-11-22T10:00:00.000000Z","last":"2026-11-22T10:01:00.000000Z"}"#;
        let second = r#"{"pattern":"000000000000000","text":"","sample":"","count":1,"level":"unknown","levels":{"unknown":1},"first":"2026-11-22T10:00:00.000000Z","last":"2026-11-22T10:01:00.000000Z"}"#;
        let notices = "{\"@alco\":\"a day↵is away\"}\n{\"@alco\":\"counted in part: at least 24 records\"}\n{\"@alco\":\"3 other patterns\"}\n";
        check(Format::Ndjson, &format!("{first}\n{second}\n{notices}"));
        assert!(object(&found().patterns[0], true).ends_with(",\"bars\":[5,0,7]}"));
    }

    #[test]
    fn csv_has_a_row_for_each() {
        check(
            Format::Csv,
            "count,level,first,last,pattern,text,sample\r\n\
             12,error,10:00:00,10:01:00,HASH,order * by card,\"order 7 \"\"paid\"\"<U+2028>by ^Gcard\"\r\n\
             1,unknown,10:00:00,10:01:00,000000000000000,,\r\n\
             ,,,,,\"'-- a day\nis away\",\r\n,,,,,'-- counted in part: at least 24 records,\r\n,,,,,'-- 3 other patterns,\r\n",
        );
    }
}
