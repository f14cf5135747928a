//! A message -> its pattern: the first line, with a `*` for each part that varies.
//!
//! Invariant: a pattern is a pure function of the message, without state or training, so a message has the same pattern on every
//! node and after every restart. Its level, its time and its columns are not part of it.
//!
//! # What it costs
//!
//! At most 4 KiB of white space at the start of a message and 1 KiB of its first line are read, whatever the length of the message. The
//! time is linear in these: words are apart, each byte of a word is read a fixed number of times, and the searches for what closes a
//! quote or bracket read 4 KiB of a line together (`lookahead`). Only `variable_parts` multiplies the ANSI sequences of a line by
//! its variables, and it is for the lines of one page.
//!
//! # The rules
//!
//! In the order in which they apply. A word stands between white space. Its lead (opening brackets, `key=`) and its trail (closing
//! brackets, punctuation) always stay. None of the rules is for one program.
//!
//! | | in the line | in the pattern | because |
//! |---|---|---|---|
//! | | **the line** | | |
//! | 1 | white space around it, lines after it, all after 1 KiB, ANSI sequences | nothing; white space within is one space, and so is a zero byte | they say nothing about what happened; searchd keeps no zero byte |
//! | | **a word by itself** | | |
//! | 2 | text in quotes, and its quotes | `*` | what is quoted is a value |
//! | 3 | … that begins with a command in capitals: `"GET /a"` | `"GET *"` | a command says what was done |
//! | 4 | `key=value`, `key= value`, `key = value`, `a=1,b=2` | `key=*`, `key = *`, `a=*,b=*` | likewise a value |
//! | 5 | `isOpen:true` | `isOpen:*` | likewise |
//! | 6 | … of a key like `msg`, `error`, `reason` | its text, word for word | a text has constants of its own |
//! | 7 | `{…}` with all in it; `name{…}` | `*`; `name{*}` | a dump of a value |
//! | 8 | `name[…]`; `name(…)` with a digit, comma, quote, `=`, `.` or slash in it | `name[*]`; `name(*)` | an index or process id; arguments |
//! | 9 | … with an address in it, or after a variable name | `*` | `mail.example.com[10.0.0.1]` is one host |
//! | 10 | `[a, b]` with single words, `[]` | `[*]` | a list has any length |
//! | 11 | `(111)Connection refused` | `(*)Connection refused` | the number of an error, glued to its text |
//! | 12 | a word with a digit, a slash, a backslash or an `@`, but `I/O` | `*` | numbers, addresses, paths, ids |
//! | 13 | labels with dots that begin with small letters: `db.example.com`, `views.py:pay` | `*` | hosts, files, units, keys |
//! | 14 | … and the full name of a class, `com.example.shop.Order`, but of an exception; not at the start of a line, nor before `:` or ` - `, where a logger stands | `*` | like the key of a configuration |
//! | 15 | eight of `a` to `f` in a row; `$name`; `node-b` | `*` | hexadecimal; a variable; numbered by letters |
//! | 16 | `true`, `false`, `null`, `none`, `nil`, `undefined`, `NaN`, `N/A`, `localhost` | `*` | where else a value stands |
//! | | **a word by its neighbours** | | |
//! | 17 | a weekday, month or zone next to a `*`; a unit after one | part of it | dates, durations, sizes |
//! | 18 | the two words before `[time zone]` at the start of an access log | `*` | ident and user of the common log format |
//! | 19 | a lone `-`, `----` or `****` between two `*`, or after one at the end | part of it | a missing value |
//! | 20 | `key: yes`, `no`, `on`, `off` | `key: *` | a switch |
//! | 21 | values of one word in a list `a: x, b: y` | `a: *, b: *` | pairs again |
//! | 22 | `user NAME` before a `*`, `from`, `is` …, or after `for`, `by`, `invalid` …, `, user NAME` at an end | `user *` | a person |
//! | 23 | `for NAME` after a word like `password` or `session`; `created by NAME` | `for *`, `by *` | a person |
//! | 24 | `from NAME port` | `from * port` | a host |
//! | 25 | `queue mail-eu`, `host web_b`: joints in a word after a thing, but not `read-only` | `queue *` | the name of the thing |
//! | 26 | `volume D:` | `volume *:` | a drive |
//! | 27 | `on node alpha`, `by client Till` before a preposition or the end; `the Print Spooler service` | `on node *`, `the * service` | the name of a thing |
//! | 28 | `process 12 (java)` | `process *` | the name of the process |
//! | | **variables in a row** | | |
//! | 29 | several `*`, with `,` `;` `\|` between them or not | one | a list has any length |
//! | 30 | `* (*)`, `* ()` | `*` | the same in other words: `1190 bytes (1.16 KB)` |
//!
//! Of names in rules 22 to 27 are excepted words of the language (`user not found`) and words that end in `-ed`, `-ing`, `-ion`,
//! `-ment` (`user disconnected`).
//!
//! # When a rule changes
//!
//! A change of a rule, or of a word of `vocabulary`, raises `RULES_VERSION`. Hashes by different rules must never be compared or
//! counted together: a day index names the version that its documents were made with (`sphinx::counting::rules_field`), and alco finds
//! the patterns of the other days from their messages.

#[cfg(test)]
mod accuracy;
mod line_word;
mod lookahead;
pub mod memory;
mod pattern_text;
mod signs;
mod surroundings;
mod vocabulary;
mod words;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use crate::record::digest;
use crate::record::pattern::line_word::LineWord;
use crate::record::pattern::pattern_text::PatternText;

/// The version of the rules above.
pub const RULES_VERSION: u32 = 2;

/// Of a longer first line, the pattern is that of this part: templates differ early.
const MAX_LINE_BYTES: usize = 1024;
/// The first line begins within this part of a message; a message with more white space at its start has no pattern.
const MAX_MARGIN_BYTES: usize = 4096;

/// Bits of a pattern's hash: with a level beside it, it is a positive 64-bit integer.
pub const HASH_BITS: u32 = 60;
/// Digits of its written form.
const HEX_DIGITS: usize = 15;

/// The seed of XXH3 that stands for plain XXH3.
const XXH3_SEED: u64 = 0;

/// The hash of a pattern: the upper 60 bits of the XXH3 of its text. 0 only if there is no pattern, since the first line of the message
/// is empty. A record without a message is not such a one: its body is its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PatternHash(u64);

impl PatternHash {
    /// The hash of a message without a pattern.
    pub const NONE: PatternHash = PatternHash(0);

    fn of_text(text: &str) -> PatternHash {
        match text {
            "" => PatternHash::NONE,
            // one text of 2^60 has the hash 0, and shares that of another
            _ => PatternHash((digest::of_text(text, XXH3_SEED) >> (u64::BITS - HASH_BITS)).max(1)),
        }
    }

    /// From the number that `bits` returns.
    pub fn of_bits(bits: u64) -> PatternHash {
        PatternHash(bits & (u64::MAX >> (u64::BITS - HASH_BITS)))
    }

    /// Below 2^60.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Reads the form that `Display` writes.
    pub fn parse(text: &str) -> Option<PatternHash> {
        let is_written = text.len() == HEX_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_written.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(PatternHash)
    }
}

impl fmt::Display for PatternHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0HEX_DIGITS$x}", self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessagePattern {
    /// empty if the message has no line
    pub text: String,
    pub hash: PatternHash,
}

/// What is needed to find a pattern, kept for the next message.
#[derive(Debug, Default)]
pub struct PatternBuffer {
    plain: PlainLine,
    words: Vec<LineWord>,
    text: PatternText,
}

/// A line without its ANSI sequences, and with a space for each zero byte.
#[derive(Debug, Default)]
struct PlainLine {
    text: String,
    /// where a sequence was taken out, and the bytes that were taken out so far
    cuts: Vec<(usize, usize)>,
}

/// The hash of a message's pattern. Allocates nothing once the buffer has grown.
pub fn hash(message: &str, buffer: &mut PatternBuffer) -> PatternHash {
    buffer.read(message);
    PatternHash::of_text(&buffer.text.text)
}

/// The texts of patterns by their hashes.
pub type PatternTexts = HashMap<PatternHash, String>;

/// The pattern of a message.
pub fn of(message: &str) -> MessagePattern {
    let mut buffer = PatternBuffer::default();
    let hash = hash(message, &mut buffer);
    MessagePattern { text: buffer.text.text, hash }
}

/// The parts of a message that its pattern has a `*` for: bytes of the message, in order, apart from each other.
pub fn variable_parts(message: &str) -> Vec<Range<usize>> {
    let mut buffer = PatternBuffer::default();
    buffer.read(message);
    let start = first_line(message).start;
    let plain = &buffer.plain;
    buffer
        .text
        .variable_parts
        .iter()
        .map(|part| {
            let from = plain.in_line(part.start, true);
            // an empty part next to a sequence is after it
            start + from..start + plain.in_line(part.end, false).max(from)
        })
        .collect()
}

/// The part of a message that decides its pattern: its first line, or the start of that. Its own pattern is the same.
pub fn line(message: &str) -> &str {
    &message[first_line(message)]
}

/// The place of `line`.
fn first_line(message: &str) -> Range<usize> {
    let margin = &message[..message.floor_char_boundary(MAX_MARGIN_BYTES)];
    let is_space = |c: char| c.is_whitespace() || c == '\0';
    let start = margin.len() - margin.trim_start_matches(is_space).len();
    if start == margin.len() {
        return 0..0;
    }
    let rest = &message[start..];
    let rest = &rest[..rest.floor_char_boundary(MAX_LINE_BYTES)];
    let line = rest.split(['\n', '\r']).next().unwrap_or_default().trim_end_matches(is_space);
    start..start + line.len()
}

impl PlainLine {
    fn read(&mut self, line: &str) {
        self.text.clear();
        self.cuts.clear();
        let mut at = 0;
        while let Some(escape) = line[at..].find('\u{1b}') {
            self.text.push_str(&line[at..at + escape]);
            let sequence = &line[at + escape + 1..];
            let bytes = match sequence.strip_prefix('[') {
                // parameters end with a letter or one of a few signs
                Some(rest) => rest.find(|c: char| ('@'..='~').contains(&c)).map_or(sequence.len(), |end| end + 2),
                None => 0,
            };
            at += escape + 1 + bytes;
            self.cuts.push((self.text.len(), at - self.text.len()));
        }
        self.text.push_str(&line[at..]);
        if self.text.contains('\0') {
            self.text = self.text.replace('\0', " ");
        }
    }

    /// The place in the line itself; at a sequence, that after it for a start.
    fn in_line(&self, at: usize, is_start: bool) -> usize {
        let cut = self.cuts.iter().rev().find(|(place, _)| *place < at || is_start && *place == at);
        at + cut.map_or(0, |(_, bytes)| *bytes)
    }
}

impl PatternBuffer {
    /// The text of the last message's pattern.
    pub fn text(&self) -> &str {
        &self.text.text
    }

    fn read(&mut self, message: &str) {
        self.words.clear();
        let line = &message[first_line(message)];
        let mut plain = std::mem::take(&mut self.plain);
        let line = if [0x1b, 0].iter().any(|byte| line.as_bytes().contains(byte)) {
            plain.read(line);
            plain.text.as_str()
        } else {
            plain.cuts.clear();
            line
        };
        words::split(line, &mut self.words);
        surroundings::mark(line, &mut self.words);
        self.text.write(line, &self.words);
        self.plain = plain;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(message: &str, pattern: &str) {
        assert_eq!(of(message).text, pattern, "{message:?}");
    }

    #[test]
    fn each_rule_of_the_table_holds() {
        for (message, pattern) in [
            // 1: the line
            ("", ""),
            (" \n\t", ""),
            (" \n\tserver  \tstarted \r\nsecond 5", "server started"),
            ("\0\n\0took [a,\0b] of\0it\0", "took [*] of it"),
            ("\u{1b}[32mok\u{1b}[0m 5 \u{1b}[1;31mfailed\u{1b}[0m", "ok * failed"),
            // 2: quotes
            ("the \"quoted text\" and 'one' of it's kind", "the * and * of it's kind"),
            ("constraint \"a b\".\"c\", `cron.daily' and 'it's so'.", "constraint * and *."),
            ("an \"open quote and don't", "an \"open quote and don't"),
            // 3: commands
            ("\"GET /a/b HTTP/1.1\" 200 17", "\"GET *\" *"),
            ("\"SELECT name FROM users\" failed", "\"SELECT name FROM users\" failed"),
            // 4: pairs
            ("uid=0 ruser= rhost=a,user=root (x=y)", "uid=* ruser=* rhost=*,user=* (x=*)"),
            ("tag=\"View Lock\", ids=[1, 2] f={a: b}", "tag=*, ids=* f=*"),
            ("my id = abc, drawn= yes, size =big", "my id = *, drawn=*, size =*"),
            ("a == b => c -> d", "a == b => c -> d"),
            // 5: pairs of switches
            ("isOpen:true visible:false std::true", "isOpen:* visible:* std::true"),
            // 6: texts
            ("level=info msg=\"server 5 started\" addr=:8080", "level=* msg=\"server * started\" addr=*"),
            ("level=info msg=started error=\"\"", "level=* msg=started error=*"),
            // 7: dumps
            ("hook {\"a\": {\"b c\": 1}} sent, Token{x y}.", "hook * sent, Token{*}."),
            // 8: indexes and arguments
            ("sshd[1234]: f(7) g(a, b) Foo(Foo.java) init() port(s)", "sshd[*]: f(*) g(*) Foo(*) init() port(s)"),
            ("pam_unix(sshd:auth): KeyError('a b')", "pam_unix(sshd:auth): KeyError(*)"),
            // 9: … of a name that varies
            ("from unknown[10.0.0.1]: a.b.send[17] ran", "from *: * ran"),
            // 10: lists
            ("took [1, 2, 3] [] [a, b] [main]", "took [*] [*] [*] [main]"),
            // 11: numbers of errors
            ("(111)Refused by (2) and (3rd)", "(*)Refused by (*) and (*)"),
            // 12: digits and slashes
            ("r00 at 0x1f, 12%, -5, :8080 a/b c\\d e@f I/O TCP/IP", "* at * I/O TCP/IP"),
            ("listening on [::1]:80 and ::", "listening on * and *"),
            // 13: names with dots
            ("db.example and web.example.com: e.g. wait...done", "* and *: e.g. wait...done"),
            ("nginx.service: java.lang.Exception in views.py:pay.", "*: java.lang.Exception in *."),
            // 14: classes
            ("com.example.Shop opens com.example.Till.", "com.example.Shop opens *."),
            (
                "ran com.example.Shop: closed com.example.Till - closed",
                "ran com.example.Shop: closed com.example.Till - closed",
            ),
            ("done.Next com.example.shop.TillError", "done.Next com.example.shop.TillError"),
            // 15: hexadecimal, variables, letters for numbers
            ("deadbeef added facade $total node-b read-only", "* added facade * read-only"),
            // 16: values
            ("true of NULL in (nil) N/A nothing", "* of * in (*) * nothing"),
            // 17: units and dates
            ("took 5 ms, then 1.5 s more", "took *, then * more"),
            ("at Sat Jun 18 02:08:10 2005 UTC. we may sat", "at *. we may sat"),
            // 18, 19: the common log format, missing values
            ("10.0.0.1 - bob [1/Nov/2026:1:0:0 +0000] \"GET / HTTP/1.1\" 200 -", "* [*] \"GET *\" *"),
            ("0x5 - E_NAME", "* - E_NAME"),
            ("[ 12 **** 7 ] **** end", "[ * ] **** end"),
            // 20, 21: switches and pairs
            ("using password: NO", "using password: *"),
            ("failed, client: bob, server: _, host: x", "failed, client: *, server: *, host: *"),
            ("error: disk full, giving up", "error: disk full, giving up"),
            // 22, 23, 24: persons and hosts
            ("Failed password for root from 1.2.3.4 port 22 ssh2", "Failed password for * from * port *"),
            ("session opened for user bob(uid=7) by (uid=0)", "session opened for user *(*) by (uid=*)"),
            ("user bob logged in; user is gone; user unknown", "user * logged in; user is gone; user unknown"),
            ("user disconnected from 1.2.3.4", "user disconnected from *"),
            ("refused, user bob", "refused, user *"),
            ("refused, user quota exceeded", "refused, user quota exceeded"),
            ("waiting for reply from 1.2.3.4", "waiting for reply from *"),
            ("created by alice. caused by timeout.", "created by *. caused by timeout."),
            ("from gate port 22", "from * port *"),
            // 25, 28: things and processes
            ("queue mail-eu is full, queue full, queue read-only", "queue * is full, queue full, queue read-only"),
            ("volume D: is full. D: is full", "volume *: is full. D: is full"),
            ("on node alpha at 5, of node alpha", "on node * at *, of node *"),
            ("begun by client Till. closed by client request", "begun by client *. closed by client request"),
            ("lost node alpha. on host side", "lost node alpha. on host side"),
            ("the Print Spooler service of The Shop", "the * service of The Shop"),
            ("Killed process 12 (java), error 5 (slow)", "Killed process *, error * (slow)"),
            // 29, 30: rows
            ("(4; 5) a 1, b 2| 3", "(*) a *, b *"),
            ("1190 bytes (1.16 KB) sent from 10.0.0.1 () at 5 (of 6)", "* sent from * at * (of *)"),
            // scripts
            ("日本 5 ٣ x", "日本 * x"),
            ("用户123登录成功", "用户*登录成功"),
            ("Größe: 5\u{a0}µs für Österreich", "Größe: * für Österreich"),
        ] {
            check(message, pattern);
        }
    }

    #[test]
    fn variable_parts_are_places_in_the_message() {
        for (message, parts) in [
            ("", &[][..]),
            ("nothing varies", &[]),
            ("\n took 5 ms, 7 s for sshd[12]: \"a b\"", &["5 ms, 7 s", "12", "\"a b\""]),
            ("\u{1b}[32mGET /x\u{1b}[0m uid=7,x=,y= 1190 bytes (1.2 KB).", &["/x", "7", "", "1190 bytes (1.2 KB)"]),
            ("用户123登录", &["123"]),
            ("amsg=\u{1b}", &[""]),
        ] {
            let found: Vec<&str> = variable_parts(message).into_iter().map(|part| &message[part]).collect();
            assert_eq!(found, parts, "{message:?}");
        }
    }

    #[test]
    fn hash_is_zero_only_without_a_pattern() {
        let mut buffer = PatternBuffer::default();
        assert_eq!(hash("order 7 paid", &mut buffer), of("order 12 paid").hash);
        assert_ne!(hash("order 7 paid", &mut buffer), hash("order 7 sent", &mut buffer));
        assert_eq!(hash(" \n ", &mut buffer), PatternHash::NONE);
        assert_eq!(PatternHash::NONE.bits(), 0);
        let written = of("order 7 paid").hash.to_string();
        assert_eq!(PatternHash::parse(&written.to_uppercase()), Some(of("order 7 paid").hash));
        assert_eq!(PatternHash::NONE.to_string(), "000000000000000");
        for text in ["", "order * paid", "+00000000000001", "0000000000000001", "00000000000000"] {
            assert_eq!(PatternHash::parse(text), None, "{text}");
        }
        // days keep it: neither the machine nor the compiler changes it
        assert_eq!(of("order 7 paid").hash.bits(), 591933906788986297);
    }

    #[test]
    fn only_the_start_of_a_long_message_counts() {
        let long = "word 5 ".repeat(MAX_LINE_BYTES);
        assert_eq!(of(&long), of(&long[..MAX_LINE_BYTES]));
        for sign in ["The ", "(", "[", "{", "\"", "'x ", "a(", "a)", "=", "a=", "[a,", "用", "\u{1b}[", " "] {
            let message = sign.repeat((4 << 20) / sign.len());
            assert!(of(&message).text.len() <= 2 * MAX_LINE_BYTES, "{sign:?}");
        }
    }

    proptest! {
        #[test]
        fn parts_are_as_many_as_variables(message in "([a-f0-9(){}=,;:.'\"*<>\u{1b}\\[\\]用é -]|user |for |msg=|5 ms ){0,60}") {
            let parts = variable_parts(&message);
            let mut end = 0;
            for part in &parts {
                prop_assert!(end <= part.start && part.start <= part.end, "{parts:?}");
                end = part.end;
                prop_assert!(message.get(part.clone()).is_some());
            }
            let constant: usize = message.matches('*').count();
            prop_assert!(of(&message).text.matches('*').count() <= parts.len() + constant);
            prop_assert!(of(&message).text.matches('*').count() >= parts.len());
            prop_assert_eq!(of(line(&message)), of(&message));
        }
    }
}
