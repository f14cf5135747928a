//! A line -> its words, each with what makes it variable by itself.
//!
//! A word stands between white space. A pair, a name with brackets after it and a change of script end a word too: the next one is
//! then glued to it. Invariant: the words are in order, and cover the line but for its white space.

use std::cell::OnceCell;
use std::ops::Range;

use crate::record::pattern::line_word::LineWord;
use crate::record::pattern::lookahead::{Lookahead, begins_with_command, has_arguments, is_address, is_list};
use crate::record::pattern::signs::{BYTE_SIGNS, WordSigns, sign};
use crate::record::pattern::vocabulary::{WordRoles, roles};

/// Their values are texts with constants of their own, not parts that vary: `msg="server started"`.
const TEXT_KEYS: &[&str] = &["msg", "message", "event", "error", "err", "reason"];

/// Brackets that close, each with what opens it.
const CLOSERS: [(u8, u8); 4] = [(b')', b'('), (b']', b'['), (b'}', b'{'), (b'>', b'<')];

/// Adds the words of a line.
pub fn split(line: &str, words: &mut Vec<LineWord>) {
    let mut scanner = Scanner { line, bytes: line.as_bytes(), lookahead: Lookahead::new(line) };
    let mut at = 0;
    while let Some(byte) = scanner.bytes.get(at) {
        match byte {
            b' ' => at += 1,
            _ => match scanner.white_space(at) {
                Some(bytes) => at += bytes,
                None => {
                    let (word, bracket) = scanner.word(at);
                    words.push(word);
                    words.extend(bracket);
                    at = bracket.map_or(word.end, |bracket| bracket.end);
                }
            },
        }
    }
}

struct Scanner<'a> {
    line: &'a str,
    bytes: &'a [u8],
    lookahead: Lookahead<'a>,
}

/// How the reading of a word goes on after one of its signs.
enum ScanStep {
    /// the word goes on at this byte; it may lose none of the bytes before it as punctuation
    Within(usize),
    /// the signs before this byte belong to the lead
    Lead(usize),
    /// the word ends here
    End,
    /// it ends with this bracket, whose content varies
    Bracket(LineWord),
    /// it is this word instead
    Whole(LineWord),
}

impl Scanner<'_> {
    /// The word that begins there, and the bracket that is glued to it.
    fn word(&mut self, start: usize) -> (LineWord, Option<LineWord>) {
        let mut core = start;
        let mut signs = WordSigns::default();
        let mut at = start;
        // what the end of the word cannot lose
        let mut kept = start;
        if self.bytes[at] == b'<' && !matches!(self.bytes.get(at + 1), None | Some(b'0'..=b'9' | b' ' | b'<' | b'-')) {
            core += 1;
            at += 1;
        }
        while let Some(byte) = self.bytes.get(at) {
            let kind = BYTE_SIGNS[usize::from(*byte)];
            if kind & sign::SPECIAL_BIT == 0 {
                signs.add(kind);
                at += 1;
                continue;
            }
            let next = match byte {
                b'=' => self.equals(start..core, at, &signs),
                b'"' | b'\'' | b'`' => self.quote(core, at, &mut signs),
                b'(' | b'[' | b'{' => self.bracket(start..core, at, &mut signs),
                128.. => self.other_script(start..core, at, &mut signs),
                0..=b' ' => ScanStep::End,
                _ => ScanStep::Within(at),
            };
            match next {
                ScanStep::Within(to) if to > at => {
                    at = to;
                    kept = to;
                }
                ScanStep::Within(_) => {
                    signs.add(sign::OTHER_BIT);
                    at += 1;
                }
                ScanStep::Lead(to) => {
                    at = to;
                    core = to;
                    signs = WordSigns::default();
                }
                ScanStep::End => break,
                ScanStep::Bracket(bracket) => return (self.finish(start..core, at..at, &signs), Some(bracket)),
                ScanStep::Whole(word) => return (word, None),
            }
        }
        (self.finish(start..core, kept.max(core)..at, &signs), None)
    }

    /// The word of which all signs are known; `tail` is what its end may lose.
    fn finish(&self, head: Range<usize>, tail: Range<usize>, signs: &WordSigns) -> LineWord {
        let Range { start, end: core } = head;
        let core_end = self.trimmed(start, core, tail.clone());
        let text = &self.line[core..core_end];
        let mut word = LineWord::variable(start, core..core_end, tail.end);
        if text.is_empty() {
            let (lead, trail) = (word.lead(self.line), word.trail(self.line));
            word.is_variable = lead.ends_with('[') && trail.starts_with(']');
            if trail == "::" {
                // the address of all addresses
                word = LineWord::variable(start, core..tail.end, tail.end);
            }
            return word;
        }
        let signs = if word.is_bare_after() { *signs } else { signs.trimmed(text) };
        word.is_variable = signs.is_variable(text);
        if signs.is_letters() {
            word.roles = roles(text);
            word.is_variable |= word.roles.has(WordRoles::VALUE);
        } else if matches!(text, "µs" | "μs" | "%") {
            word.roles = WordRoles::UNIT;
        }
        let is_source = || {
            let after = &self.bytes[core_end..];
            start == 0 || after.starts_with(b":") || after.starts_with(b" - ")
        };
        word.is_variable |= signs.is_qualified_name(text) && !is_source();
        if signs.has(sign::COLON_BIT)
            && let Some((key, value)) = text.split_once(':')
            && is_colon_pair(key, value)
        {
            return LineWord::variable(start, core + key.len() + 1..core_end, tail.end);
        }
        word.is_compound = !word.is_variable && signs.is_compound(text);
        word
    }

    /// Where the core ends: punctuation, and brackets that it did not open, stand after it.
    fn trimmed(&self, start: usize, core: usize, tail: Range<usize>) -> usize {
        let mut end = tail.end;
        // what is taken off is never an opener, so one look at the whole word is enough for each
        let has_opener: [OnceCell<bool>; CLOSERS.len()] = Default::default();
        while end > tail.start {
            let byte = self.bytes[end - 1];
            match CLOSERS.iter().position(|(closer, _)| *closer == byte) {
                Some(at) => {
                    let opener = CLOSERS[at].1;
                    let is_opened = || self.bytes[core..tail.end].contains(&opener);
                    // -> and => are words
                    let is_arrow = || byte == b'>' && !self.bytes[start..core].contains(&opener);
                    if *has_opener[at].get_or_init(|| is_opened() || is_arrow()) {
                        break;
                    }
                }
                None if b",;:.!?\"'`".contains(&byte) => {}
                None => break,
            }
            end -= 1;
        }
        end
    }

    /// `key=value` is a word of which `key=` is the lead; the next pair begins after a separator.
    fn equals(&mut self, head: Range<usize>, at: usize, signs: &WordSigns) -> ScanStep {
        let is_operator = matches!(self.bytes.get(at + 1), Some(b'=' | b'>' | b'~'));
        let key = &self.line[head.end..at];
        let is_key = match self.bytes.get(head.end) {
            _ if is_operator => false,
            Some(b'=') => self.bytes.get(at + 1).is_some_and(|byte| *byte > b' '),
            _ => {
                signs.only(sign::LETTER_BIT | sign::HEX_BIT | sign::DASH_BIT | sign::DOT_BIT | sign::COLON_BIT)
                    && is_key_start(key)
            }
        };
        if !is_key {
            return ScanStep::Within(at);
        }
        if TEXT_KEYS.contains(&key) {
            if let Some(quote @ (b'"' | b'\'')) = self.bytes.get(at + 1)
                && self.bytes.get(at + 2) == Some(quote)
            {
                return ScanStep::Whole(LineWord::variable(head.start, at + 1..at + 3, self.trail_end(at + 3)));
            }
            let is_quoted = matches!(self.bytes.get(at + 1), Some(b'"' | b'\''));
            return ScanStep::Lead(at + 1 + usize::from(is_quoted));
        }
        let core = at + 1;
        let (mut at, mut kept) = (core, core);
        let mut is_next_pair = false;
        while let Some(byte) = self.bytes.get(at) {
            match byte {
                b'"' | b'\'' | b'`' if at == core || !self.bytes[at - 1].is_ascii_alphanumeric() => {
                    if let Some(close) = self.lookahead.closing_quote(at) {
                        (at, kept) = (close, close + 1);
                    }
                }
                b'(' | b'[' | b'{' => {
                    if let Some(close) = self.lookahead.closing_bracket(at) {
                        (at, kept) = (close, close + 1);
                    }
                }
                b',' | b';' | b'&' | b'|' if self.lookahead.begins_pair(at + 1) => {
                    is_next_pair = true;
                    break;
                }
                _ if self.white_space(at).is_some() => break,
                _ => {}
            }
            at += 1;
        }
        let core_end = self.trimmed(head.start, core, kept..at);
        ScanStep::Whole(LineWord::variable(head.start, core..core_end, at + usize::from(is_next_pair)))
    }

    /// Quoted text is variable, unless it begins with a command in capitals: `"GET /x"`.
    fn quote(&mut self, core: usize, at: usize, signs: &mut WordSigns) -> ScanStep {
        let is_within_word = at > core && self.bytes[at - 1].is_ascii_alphanumeric();
        match if is_within_word { None } else { self.lookahead.closing_quote(at) } {
            Some(close) if !begins_with_command(&self.bytes[at + 1..close]) => {
                signs.add(sign::SURE_BIT);
                ScanStep::Within(close + 1)
            }
            _ if at == core => ScanStep::Lead(at + 1),
            _ => ScanStep::Within(at),
        }
    }

    fn bracket(&mut self, head: Range<usize>, at: usize, signs: &mut WordSigns) -> ScanStep {
        let is_first = at == head.end;
        let bracket = self.bytes[at];
        let is_after_name = !is_first && (self.bytes[at - 1].is_ascii_alphanumeric() || self.bytes[at - 1] == b')');
        let close = match bracket {
            b'{' => self.lookahead.closing_bracket(at),
            b'[' if is_first || is_after_name => self.lookahead.closing_bracket(at),
            b'(' if is_after_name => self.lookahead.closing_bracket(at),
            b'(' if is_first && self.bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {
                self.lookahead.closing_bracket(at)
            }
            _ => None,
        };
        let Some(close) = close.filter(|close| bracket == b'{' || *close > at + 1) else {
            return if is_first { ScanStep::Lead(at + 1) } else { ScanStep::Within(at) };
        };
        let inner = &self.bytes[at + 1..close];
        if is_first && bracket == b'(' {
            // (111)Connection refused
            let is_number =
                inner.iter().all(u8::is_ascii_digit) && self.bytes.get(close + 1).is_some_and(u8::is_ascii_alphabetic);
            return match is_number {
                true => ScanStep::Whole(LineWord::variable(head.start, at + 1..close, close + 1)),
                false => ScanStep::Lead(at + 1),
            };
        }
        // [::1]:80
        if is_first && bracket == b'[' && self.bytes[close + 1..].starts_with(b":") && is_address(inner) {
            signs.add(sign::SURE_BIT);
            return ScanStep::Within(close + 1);
        }
        let is_value = match bracket {
            b'(' => has_arguments(inner),
            b'[' => !is_first || is_list(inner),
            _ => true,
        };
        if !is_value {
            return if is_first { ScanStep::Lead(at + 1) } else { ScanStep::Within(at) };
        }
        let is_address = || bracket == b'[' && is_address(inner);
        if if is_first { bracket == b'{' } else { is_address() || signs.is_variable(&self.line[head.end..at]) } {
            signs.add(sign::SURE_BIT);
            return ScanStep::Within(close + 1);
        }
        let word = |start| LineWord::variable(start, at + 1..close, self.trail_end(close));
        if is_first { ScanStep::Whole(word(head.start)) } else { ScanStep::Bracket(word(at)) }
    }

    /// A word that is not ASCII. Scripts without white space change to digits and names within a line: there a word ends.
    fn other_script(&self, head: Range<usize>, at: usize, signs: &mut WordSigns) -> ScanStep {
        let Some(c) = self.line[at..].chars().next() else { return ScanStep::End };
        if c.is_whitespace() {
            return ScanStep::End;
        }
        if is_ideograph(c) && at > head.end && self.bytes[at - 1].is_ascii_alphanumeric() {
            return ScanStep::End;
        }
        let to = at + c.len_utf8();
        signs.add(match c {
            _ if c.is_numeric() => sign::SURE_BIT,
            _ if c.is_alphabetic() => sign::OTHER_LETTER_BIT,
            _ => sign::OTHER_BIT,
        });
        if is_ideograph(c) && self.bytes.get(to).is_some_and(u8::is_ascii_alphanumeric) {
            return ScanStep::Whole(self.finish(head, to..to, signs));
        }
        ScanStep::Within(to)
    }

    /// Where the word ends whose last core ends there: after its punctuation if nothing else follows, and after one bracket otherwise.
    fn trail_end(&self, from: usize) -> usize {
        let closers = self.bytes[from..].iter().take_while(|byte| br#")]}>,;:.!?"'`"#.contains(byte)).count();
        let end = from + closers;
        if end == self.bytes.len() || self.white_space(end).is_some() { end } else { from + usize::from(closers > 0) }
    }

    /// The length of the white space there, if it is white space.
    fn white_space(&self, at: usize) -> Option<usize> {
        match self.bytes[at] {
            0..=b' ' => Some(1),
            33..128 => None,
            // none within a character
            _ => self.line.get(at..)?.chars().next().filter(|c| c.is_whitespace()).map(char::len_utf8),
        }
    }
}

fn is_key_start(key: &str) -> bool {
    key.trim_start_matches('-').starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// `isOpen:true`
fn is_colon_pair(key: &str, value: &str) -> bool {
    key.len() > 1
        && key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && roles(value).has(WordRoles::VALUE)
}

fn is_ideograph(c: char) -> bool {
    // Chinese and Japanese, with their punctuation; Korean has white space
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}' | '\u{20000}'..='\u{3ffff}')
}
