//! Text that means something to searchd, to SphinxQL, to a regex or to a URL is only text for alco: as a pattern in each mode, as a
//! filter's value, as a column's name, on pages, in the API and in streams. It finds the records with it, and breaks nothing.

use std::collections::BTreeSet;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::{Value, json};

use crate::support::page::text;
use crate::support::{Alco, Publisher, SOON, Stack, encoded, list};

const OPERATORS: &str = "\"(-@\\/^$=<|~!)*'%&;,{";
/// The forms of an answer, each asked in turn.
const FORMS: [&str; 5] = ["{}", "/api{}", "{}&format=ndjson", "{}&format=text", "{}&format=csv&context=1"];
/// Texts that would break out of a string, of MATCH or of a statement if an escape were missing.
const INJECTIONS: [&str; 12] = [
    "'; DROP TABLE hostile; --",
    "\\'; DELETE FROM hostile WHERE id>0; --",
    "\\\\' OR 1=1 --",
    "') AND id>0 OPTION max_matches=1 --",
    "x' UNION SELECT 1; SHUTDOWN; --",
    "@(line) x",
    "@* x",
    "\"a b\"~10 NEAR/3 c",
    "a MAYBE b << c ZONE:x =d ^e f$",
    "js['x'] AS f0",
    "/*! comment */ -- # \r",
    "\u{1a}\u{8}\t\u{7f}\u{85}\u{2028}",
];
const EVIL: [&str; 7] = [
    "(a+)+$",
    "(?:a{1000}){1000}",
    "(a|a)*(a|aa)+b$",
    "(x+x+)+y",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "(?:.*a){40}",
    r"(?i)\p{L}{500}\b\w{500}",
];
/// Bytes that are not UTF-8: too short, too long, a surrogate, no first byte.
const BYTES: [&[u8]; 5] = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"a\xf0\x9f", b"\x80b"];

/// Of a search by words.
const MAX_WORDS: usize = 100;

fn texts() -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let signs: Vec<char> = OPERATORS.chars().collect();
    for (n, sign) in signs.iter().enumerate() {
        let next = signs[(n + 7) % signs.len()];
        texts.extend([format!("{sign}"), format!("{sign}{sign}"), format!("{next}{sign} {sign}x{next}")]);
    }
    texts.push(OPERATORS.to_owned());
    texts.extend(["   ", "\t \t", "\n", "a\nb", "\0", "a\0b", "é\u{301}日本\u{202e}"].map(str::to_owned));
    texts.extend(INJECTIONS.iter().chain(&EVIL).map(|text| (*text).to_owned()));
    texts.push((0..1000).map(|n| format!("w{n}")).collect::<Vec<_>>().join("|"));
    texts.extend(["aZ9(".repeat(2500), "x".repeat(10_000), "\\".repeat(5000)]);
    texts
}

/// As `grep -F -i`: a line of one in a line of the other. searchd's strings hold no zero byte: it is a space in a message.
fn holds(message: &str, pattern: &str) -> bool {
    let pattern = pattern.to_lowercase();
    message
        .replace('\0', " ")
        .to_lowercase()
        .split('\n')
        .any(|line| pattern.split('\n').any(|pattern| line.contains(pattern)))
}

/// The longest address that is taken.
const MAX_ADDRESS_BYTES: usize = 16 * 1024;

/// The status, where the address is not too long for an answer.
fn expected_status(path: &str, status: u16) -> u16 {
    if path.len() > MAX_ADDRESS_BYTES { 414 } else { status }
}

/// The numbers of the records that a stream gives.
#[track_caller]
fn found(alco: &Alco, path: &str) -> BTreeSet<u64> {
    let reply = alco.get(path);
    assert_eq!(reply.status, 200, "{path:.300}: {:.300}", reply.body);
    let seq = |line: &str| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap();
    reply.body.lines().map(seq).collect()
}

struct Stored {
    alco: Alco,
    texts: Vec<String>,
}

/// For each text a record: as its message, as a column's value, and as a column's name.
fn stored(index: &str) -> Stored {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index(index));
    let texts = texts();
    let mut publisher = Publisher::open(&stack.amqp);
    let bodies = texts.iter().enumerate().map(|(n, text)| {
        let mut body = json!({"message": text, "seq": n, "k": text});
        body["@timestamp"] = jiff::Timestamp::now().to_string().into();
        body[text] = "here".into();
        body.to_string()
    });
    publisher.publish("logstash", &format!("{index}.x"), bodies);
    publisher.close();
    stack.settled_count(index, texts.len() as u64, SOON);
    Stored { alco, texts }
}

#[test]
fn a_pattern_of_any_characters_gets_an_answer_in_each_form() {
    let Stored { alco, texts } = stored("hostile");
    for (n, pattern) in texts.iter().enumerate() {
        let search = encoded(pattern);
        let expected: BTreeSet<u64> =
            (0..texts.len()).filter(|n| holds(&texts[*n], pattern)).map(|n| n as u64).collect();
        let url = format!("/grep/hostile/?start_ts=-1h&columns=seq&search={search}");
        assert_eq!(found(&alco, &format!("{url}&format=ndjson")), expected, "{url:.300}");
        assert_eq!(alco.page(&url).lines().len(), expected.len().min(100), "{url:.300}");
        for (nth, mode) in ["", "&mode=words", "&mode=regex"].into_iter().enumerate() {
            let path = FORMS[(n + nth) % FORMS.len()].replace("{}", &format!("{url}{mode}"));
            let reply = alco.get(&path);
            // not every text is a regex, and one has more words than a search takes
            let may_be_refused =
                mode == "&mode=regex" || mode == "&mode=words" && pattern.split('|').count() > MAX_WORDS;
            let is_answer = reply.status == expected_status(&path, 200) || reply.status == 400 && may_be_refused;
            assert!(is_answer, "{path:.300}: {} {:.300}", reply.status, text(&reply.body));
        }
    }
    assert_eq!(Stack::shared().count("hostile"), Some(texts.len() as u64), "all are still there");
}

#[test]
fn a_filter_takes_any_characters_for_a_name_and_for_a_value() {
    let Stored { alco, texts } = stored("hostile_columns");
    let all: BTreeSet<u64> = (0..texts.len() as u64).collect();
    for (n, own) in texts.iter().enumerate() {
        let text = encoded(own);
        let equal: BTreeSet<u64> = all.iter().copied().filter(|n| texts[*n as usize] == *own).collect();
        let listed = encoded(&list(&[own]));
        let of = |parameter: &str| {
            let path = format!("/grep/hostile_columns/?start_ts=-1h&{parameter}");
            let other = FORMS[n % FORMS.len()].replace("{}", &path);
            let reply = alco.get(&other);
            assert_eq!(reply.status, expected_status(&other, 200), "{other:.300}: {:.300}", reply.body);
            let path = format!("{path}&format=ndjson");
            (path.len() <= MAX_ADDRESS_BYTES).then(|| found(&alco, &path))
        };
        let check = |parameter: &str, expected: &BTreeSet<u64>| {
            if let Some(found) = of(parameter) {
                assert_eq!(found, *expected, "{parameter:.300}");
            }
        };
        check(&format!("k={text}"), &equal);
        check(&format!("k__in={listed}"), &equal);
        check(&format!("k__not={listed}"), &(&all - &equal));
        check(&format!("js.{text}=here&columns={text}"), &equal);
        let like = of(&format!("k__like={text}"));
        assert!(like.is_none_or(|like| equal.is_subset(&like)), "{own:.300}");
        for path in ["/grep/hostile_columns/values/{}/", "/api/grep/hostile_columns/values/{}/"] {
            let path = path.replace("{}", &text);
            let reply = alco.get(&format!("{path}?start_ts=-1h"));
            assert_eq!(reply.status, 200, "{path:.300}: {:.300}", reply.body);
        }
        assert_eq!(alco.get(&format!("/grep/hostile_columns/?k__gt={text}")).status, 400, "no number: {own:.300}");
    }
    assert_eq!(Stack::shared().count("hostile_columns"), Some(texts.len() as u64), "all are still there");
}

#[test]
fn invalid_parameters_are_refused() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("hostile"));
    for parameter in
        ["cursor", "start_ts", "end_ts", "tz", "limit", "context", "order", "mode", "in", "format", "follow"]
    {
        for text in texts().iter().filter(|text| !text.trim().is_empty()) {
            let path = format!("/grep/hostile/?{parameter}={}", encoded(text));
            let reply = alco.get(&path);
            assert_eq!(reply.status, 400, "{path:.300}: {:.300}", reply.body);
            assert_eq!(alco.get(&format!("/api{path}")).status, 400, "{path:.300}");
        }
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("hostile"));
    for bytes in BYTES {
        let bytes = percent_encode(bytes, NON_ALPHANUMERIC);
        for path in [
            format!("/grep/hostile/?search={bytes}"),
            format!("/grep/hostile/?{bytes}=x"),
            format!("/grep/hostile/?host={bytes}&format=text"),
            format!("/api/grep/hostile/?search={bytes}"),
            format!("/api/grep/hostile/values/{bytes}/"),
        ] {
            let reply = alco.get(&path);
            assert!(reply.status == 400 && reply.body.contains("not UTF-8"), "{path}: {} {}", reply.status, reply.body);
        }
    }
}
