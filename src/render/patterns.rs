//! The patterns of a search, for programs and for the terminal: text as `uniq -c` prints it, NDJSON, or CSV. Pure.

use std::fmt::Write;

use crate::query::{Format, Query};
use crate::render::csv;
use crate::render::escape::visible_in_line;
use crate::render::ndjson::{notice, on_one_line, quoted};
use crate::search::hit::Count;
use crate::search::pattern_counts::{PatternCount, PatternCounts, by_level};
use crate::time::Ts;

const CSV_COLUMNS: [&str; 7] = ["count", "level", "first", "last", "pattern", "text", "sample"];
/// They follow if the patterns are compared.
const COMPARED_CSV_COLUMNS: [&str; 2] = ["before", "change"];

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
    if let Some(before) = found.before.filter(|before| !before.exact) {
        lacks.push(format!("the range before is counted in part: at least {} records", before.records));
    }
    lacks
}

/// The change of a number: `×12`, `÷3`, `same`, `≈` for less than a twentieth, `new` or `gone`.
pub fn change_shown(now: u64, before: u64) -> String {
    let (sign, ratio) = match (now, before) {
        (now, before) if now == before => return "same".to_owned(),
        (_, 0) => return "new".to_owned(),
        (0, _) => return "gone".to_owned(),
        (now, before) if now > before => ('×', now as f64 / before as f64),
        (now, before) => ('÷', before as f64 / now as f64),
    };
    match ratio {
        ..1.05 => "≈".to_owned(),
        // one decimal, but for whole numbers
        ..9.95 => format!("{sign}{}", (ratio * 10.0).round() / 10.0),
        _ => format!("{sign}{ratio:.0}"),
    }
}

/// How many patterns are not in the list; None: all are.
pub fn others(found: &PatternCounts) -> Option<Count> {
    let listed = found.patterns.len() as u64;
    match found.number {
        Count::Exact(number) | Count::AtMost(number) => (number > listed).then(|| Count::Exact(number - listed)),
        Count::AtLeast(number) => (number > listed).then(|| Count::AtLeast(number - listed)),
    }
}

/// All of the list in the format of the search. `time` writes the times of CSV.
pub fn written(found: &PatternCounts, query: &Query, time: &dyn Fn(Ts) -> String) -> String {
    let mut out = String::new();
    if query.format == Format::Csv {
        out.extend(query.bom.then_some(csv::BYTE_ORDER_MARK));
        csv::row(csv_columns(query), &mut out);
    }
    for count in &found.patterns {
        match query.format {
            Format::Ndjson => out.extend([object(count, false).as_str(), "\n"]),
            Format::Csv => row(count, time, &mut out),
            // as uniq -c; writing to a String cannot fail
            Format::Text | Format::Page | Format::Json => {
                let shown = visible_in_line(pattern_shown(&count.text));
                let now = count.records();
                let _ = match count.records_before() {
                    Some(before) => writeln!(out, "{now:7} {before:7} {:>6} {shown}", change_shown(now, before)),
                    None => writeln!(out, "{now:7} {shown}"),
                };
            }
        }
    }
    out
}

fn csv_columns(query: &Query) -> impl Iterator<Item = &'static str> {
    let compared = if query.against.is_some() { &COMPARED_CSV_COLUMNS[..] } else { &[] };
    CSV_COLUMNS.into_iter().chain(compared.iter().copied())
}

/// The notices after the list, in the format of the search.
pub fn noted(found: &PatternCounts, query: &Query) -> String {
    let mut out = String::new();
    for lack in notices(found) {
        match query.format {
            Format::Ndjson => out.push_str(&notice(&lack)),
            Format::Csv => {
                let lack = format!("-- {lack}");
                csv::row(csv_columns(query).map(|name| if name == "text" { lack.as_str() } else { "" }), &mut out);
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
    let compared = count.records_before().map(|before| [before.to_string(), change_shown(count.records(), before)]);
    csv::row(cells.into_iter().chain(compared.iter().flatten().map(String::as_str)), out);
}

/// A pattern as a JSON object.
pub fn object(count: &PatternCount, with_bars: bool) -> String {
    let levels = |levels| {
        let levels: Vec<String> = by_level(levels).map(|(level, n)| format!("\"{}\":{n}", level.name())).collect();
        levels.join(",")
    };
    let mut out = format!(
        "{{\"pattern\":\"{}\",\"text\":{},\"sample\":{},\"count\":{},\"level\":\"{}\",\"levels\":{{{}}},\
         \"first\":\"{}\",\"last\":\"{}\"",
        count.pattern,
        quoted(&count.text),
        count.sample.as_deref().map_or("null".to_owned(), quoted),
        count.records(),
        count.worst().name(),
        levels(&count.levels),
        count.first.rfc3339(),
        count.last.rfc3339(),
    );
    if let (Some(levels_before), Some(before)) = (&count.before, count.records_before()) {
        let (levels, change) = (levels(levels_before), change_shown(count.records(), before));
        let _ = write!(out, ",\"before\":{before},\"levels_before\":{{{levels}}},\"change\":\"{change}\"");
    }
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
    use crate::query::Against;
    use crate::record::pattern;
    use crate::search::pattern_counts::CountsBefore;
    use crate::time::Range;

    fn found() -> PatternCounts {
        let count = |message: &str, levels: [u64; 6]| PatternCount {
            pattern: pattern::of(message).hash,
            text: pattern::of(message).text,
            sample: Some(message.to_owned()),
            index: None,
            levels,
            first: Ts::from_micros(1_795_341_600_000_000),
            last: Ts::from_micros(1_795_341_660_000_000),
            bars: vec![5, 0, 7],
            before: None,
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
            before: None,
        }
    }

    #[track_caller]
    fn check(format: Format, expect: &str) {
        check_list(&found(), &Query { format, ..Query::default() }, expect);
    }

    #[track_caller]
    fn check_list(found: &PatternCounts, query: &Query, expect: &str) {
        let hash = pattern::of("order 7 \"paid\"\u{2028}by \u{7}card").hash.to_string();
        let text = written(found, query, &|ts| ts.clock_in(&jiff::tz::TimeZone::UTC, 0));
        let text = text + &noted(found, query);
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

    #[test]
    fn a_comparison_has_both_numbers() {
        let mut found = found();
        found.number = Count::Exact(2);
        (found.exact, found.warnings) = (true, Vec::new());
        let (start, end) = (Ts::from_micros(0), Ts::from_micros(1));
        found.before = Some(CountsBefore { range: Range { start, end }, records: 12, exact: false });
        found.patterns[0].before = Some([0, 0, 1, 0, 0, 0]);
        found.patterns[1].levels = [0; 6];
        found.patterns[1].before = Some([0, 0, 0, 9, 2, 0]);
        let query = |format| Query { format, against: Some(Against::Before), ..Query::default() };
        let part = "the range before is counted in part: at least 12 records";
        let text = format!("     12       1    ×12 order * by card\n      0      11   gone (no text)\n-- {part}\n");
        check_list(&found, &query(Format::Text), &text);
        check_list(
            &found,
            &query(Format::Csv),
            &format!(
                "count,level,first,last,pattern,text,sample,before,change\r\n\
                 12,error,10:00:00,10:01:00,HASH,order * by card,\"order 7 \"\"paid\"\"<U+2028>by ^Gcard\",1,×12\r\n\
                 0,error,10:00:00,10:01:00,000000000000000,,,11,gone\r\n,,,,,'-- {part},,,\r\n"
            ),
        );
        let gone = object(&found.patterns[1], false);
        let numbers = r#""count":0,"level":"error","levels":{},"first":"#;
        let before = r#","before":11,"levels_before":{"error":2,"warning":9},"change":"gone"}"#;
        assert!(gone.contains(numbers) && gone.ends_with(before), "{gone}");
    }

    #[test]
    fn a_change_is_a_ratio() {
        for (now, before, shown) in [
            (12, 1, "×12"),
            (1, 3, "÷3"),
            (3, 2, "×1.5"),
            (19_990, 2000, "×10"),
            (9_940, 1000, "×9.9"),
            (1049, 1000, "≈"),
            (1000, 1049, "≈"),
            (1050, 1000, "×1.1"),
            (7, 7, "same"),
            (0, 0, "same"),
            (5, 0, "new"),
            (0, 5, "gone"),
            (123_456, 1, "×123456"),
        ] {
            assert_eq!(change_shown(now, before), shown, "{now} {before}");
        }
    }
}
