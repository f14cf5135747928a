//! alco asks a day index only for parts of words that are as long as its own `min_infix_len`, which may differ from alco.ini's:
//! the index would not find shorter ones.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Alco, Publisher, SOON, Stack, encoded};

/// One is declared with infixes of two letters, the other with infixes of three.
const INDEXES: [&str; 2] = ["pairs", "pairs_long"];

#[test]
fn days_with_another_infix_length_are_searched_exactly() {
    let stack = Stack::shared();
    let sections = INDEXES.map(|index| stack.index(index)).concat();
    let by_default = Alco::start(stack, &sections);
    let longer = Alco::start(stack, &format!("{sections}\n[sphinx.index]\nmin_infix_len = 3\n"));
    let words = ["abc", "xy", "q7", "timeout", "12:30", "日本", "zip", "a", "über"];
    let messages: Vec<String> =
        (0..200).map(|n| format!("{} {}-{}", words[n % 9], words[n * 7 % 8], words[n / 9 % 9])).collect();
    let mut publisher = Publisher::open(&stack.amqp);
    let now = jiff::Timestamp::now();
    let body = |(n, message)| format!(r#"{{"@timestamp":"{now}","message":"{message}","k":"{message}","seq":{n}}}"#);
    publisher.publish("logstash", "pairs.x", messages.iter().enumerate().map(body));
    publisher.close();
    INDEXES.iter().for_each(|index| stack.settled_count(index, messages.len() as u64, SOON));

    for alco in [&by_default, &longer] {
        for index in INDEXES {
            for part in ["bc", "ab", "xy", "y-", "q7", "im", "t", "2:3", "ip", "本", "ÜB", "c x", "xy-a", "zq"] {
                let expected: BTreeSet<u64> = (0..messages.len())
                    .filter(|n| messages[*n].to_lowercase().contains(&part.to_lowercase()))
                    .map(|n| n as u64)
                    .collect();
                let text = encoded(part);
                for search in [format!("search={text}"), format!("mode=regex&search={text}"), format!("k__like={text}")]
                {
                    let url = format!("/grep/{index}/?start_ts=-1h&{search}");
                    let seq = |line: &str| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap();
                    let found: BTreeSet<u64> =
                        alco.get(&format!("{url}&format=ndjson")).body.lines().map(seq).collect();
                    assert_eq!(found, expected, "{url}");
                    assert_eq!(alco.page(&url).total(), expected.len() as u64, "{url}");
                }
            }
        }
        // if the part is long enough, alco asks the index, which knows that no record has it
        let looked = |index: &str| {
            let before = alco.metric("alco_search_candidates_total");
            assert!(alco.get(&format!("/grep/{index}/?start_ts=-1h&format=text&search=zq")).body.is_empty());
            alco.metric("alco_search_candidates_total") - before
        };
        assert_eq!(INDEXES.map(looked), [0, messages.len() as u64]);
    }
}
