//! Words that are variable by what stands next to them: units and months, values after a key, names of persons and things.

use crate::record::pattern::line_word::LineWord;
use crate::record::pattern::vocabulary::WordRoles;

/// `the Background Intelligent Transfer service` has three; without a bound, a line of `The The The` took quadratic time.
const MAX_TITLE_WORDS: usize = 6;

/// Marks them. The rules are those of the table at `pattern`, in its order.
pub fn mark(line: &str, words: &mut [LineWord]) {
    dates_and_units(line, words);
    common_log_format(line, words);
    let mut is_login = false;
    for at in 0..words.len() {
        if words[at].roles.has(WordRoles::THE) {
            title(line, &mut words[at + 1..]);
        }
        let around = Surroundings { line, words, at };
        if !words[at].is_variable {
            is_login |= words[at].roles.has(WordRoles::LOGIN);
            words[at].is_variable = around.is_value() || around.is_name(is_login);
        }
    }
}

/// They are part of a variable next to them.
fn dates_and_units(line: &str, words: &mut [LineWord]) {
    let is_date = |word: &LineWord| {
        word.roles.has(WordRoles::DATE) && word.text(line).starts_with(|c: char| c.is_ascii_uppercase())
    };
    for at in (0..words.len()).rev() {
        if is_date(&words[at]) && words.get(at + 1).is_some_and(|next| next.is_variable && next.is_bare_before()) {
            words[at].is_variable = true;
        }
    }
    for at in 1..words.len() {
        let (before, word) = (&words[at - 1], &words[at]);
        if (word.roles.has(WordRoles::UNIT) || is_date(word))
            && word.is_bare_before()
            && before.is_variable
            && before.is_bare_after()
            && before.core_end > before.core
        {
            words[at].is_variable = true;
        }
    }
}

/// `host ident user [time] …`: the first words of the format that most servers of HTTP write.
fn common_log_format(line: &str, words: &mut [LineWord]) {
    if let [host, ident, user, time, zone, ..] = words
        && host.is_variable
        && time.is_variable
        && time.lead(line) == "["
        && zone.is_variable
        && zone.trail(line) == "]"
    {
        ident.is_variable = true;
        user.is_variable = true;
    }
}

/// `the Print Spooler service`: capitals between `the` and a thing are its name.
fn title(line: &str, after_the: &mut [LineWord]) {
    let is_title = |word: &LineWord| {
        word.is_bare_before() && word.is_bare_after() && word.text(line).starts_with(|c: char| c.is_ascii_uppercase())
    };
    let words = after_the.iter().take(MAX_TITLE_WORDS).take_while(|word| is_title(word)).count();
    if after_the.get(words).is_some_and(|word| word.roles.has(WordRoles::TITLED) && word.is_bare_before()) {
        after_the[..words].iter_mut().for_each(|word| word.is_variable = true);
    }
}

struct Surroundings<'a> {
    line: &'a str,
    words: &'a [LineWord],
    at: usize,
}

impl Surroundings<'_> {
    fn before(&self, words: usize) -> Option<&LineWord> {
        self.at.checked_sub(words).map(|at| &self.words[at])
    }

    fn after(&self) -> Option<&LineWord> {
        self.words.get(self.at + 1)
    }

    fn word(&self) -> &LineWord {
        &self.words[self.at]
    }

    /// A value by its place: after `=`, in a list of `key: value`, or a `-` for a missing one.
    fn is_value(&self) -> bool {
        let Some(before) = self.before(1) else { return false };
        let word = self.word();
        if before.is_bare_after() && before.text(self.line) == "=" {
            return true;
        }
        let is_empty_pair = before.core == before.end && before.lead(self.line).ends_with('=');
        if is_empty_pair && word.is_bare_before() && before.end < word.start {
            return true;
        }
        let is_missing = || {
            is_blank(word.text(self.line))
                && before.is_variable
                && before.is_bare_after()
                && self.after().is_none_or(|after| after.is_variable || is_blank(after.text(self.line)))
        };
        let is_switch = || {
            word.roles.has(WordRoles::SWITCH)
                && before.trail(self.line) == ":"
                && (self.after().is_none() || !word.is_bare_after())
        };
        is_missing() || is_switch() || self.is_listed()
    }

    /// The value of one of several `key: value,` one after the other.
    fn is_listed(&self) -> bool {
        let trail = |word: Option<&LineWord>| word.map_or("", |word| word.trail(self.line));
        let ends_value = |trail: &str| matches!(trail, "," | ";");
        let word = self.word();
        if trail(self.before(1)) != ":" || word.core == word.core_end || !word.is_bare_before() {
            return false;
        }
        let key_follows = || ends_value(word.trail(self.line)) && trail(self.words.get(self.at + 2)) == ":";
        let key_follows_at_once = || ends_value(word.trail(self.line)) && trail(self.after()) == ":";
        let is_last = || {
            ends_value(trail(self.before(2)))
                && (self.after().is_none() || word.trail(self.line).starts_with([',', ';', ')']))
        };
        key_follows_at_once() || key_follows() || is_last()
    }

    /// The name of a person, a thing or a process by the words around it.
    fn is_name(&self, is_login: bool) -> bool {
        let Some(before) = self.before(1) else { return false };
        let word = self.word();
        let has = |word: Option<&LineWord>, roles| word.is_some_and(|word| word.roles.has(roles));
        if word.core == word.core_end || before.is_variable {
            let is_process = || {
                word.lead(self.line) == "("
                    && word.trail(self.line).starts_with(')')
                    && before.is_bare_after()
                    && has(self.before(2), WordRoles::PROCESS)
            };
            return word.core < word.core_end && is_process();
        }
        let starts_with_letter = word.text(self.line).starts_with(char::is_alphabetic);
        if !word.is_bare_before()
            || !starts_with_letter
            || word.roles.has(WordRoles::NOT_NAME)
            || is_no_noun(word.text(self.line))
        {
            return false;
        }
        let after = self.after();
        if !before.is_bare_after() {
            return before.roles.has(WordRoles::USER) && before.trail(self.line) == ":";
        }
        let is_before_name_end = || match after {
            None => true,
            Some(_) if !word.is_bare_after() => true,
            Some(after) => after.roles.has(WordRoles::AFTER_NAME) || !after.is_bare_before(),
        };
        let begins_clause =
            || self.before(2).is_some_and(|word| matches!(word.trail(self.line), "," | ";")) && is_before_name_end();
        let is_user = || {
            before.roles.has(WordRoles::USER)
                && (has(self.before(2), WordRoles::BEFORE_USER)
                    || begins_clause()
                    || matches!(word.trail(self.line), ":" | "," | ")")
                    || has(after, WordRoles::AFTER_NAME)
                    || after.is_some_and(|after| after.is_variable))
        };
        let is_person = || {
            before.roles.has(WordRoles::FOR) && is_login && is_before_name_end()
                || before.roles.has(WordRoles::BY) && has(self.before(2), WordRoles::ACTION) && is_before_name_end()
        };
        let is_origin = || before.roles.has(WordRoles::FROM) && word.is_bare_after() && has(after, WordRoles::PORT);
        let is_proper = || {
            has(self.before(2), WordRoles::BY)
                && word.text(self.line).starts_with(|c: char| c.is_ascii_uppercase())
                && is_before_name_end()
        };
        let is_thing = || {
            before.roles.has(WordRoles::THING)
                && (word.is_compound && !is_state(word.text(self.line))
                    || is_drive_letter(word, self.line)
                    || is_proper())
        };
        let is_named = || {
            before.roles.has(WordRoles::NAMED)
                && has(self.before(2), WordRoles::PREPOSITION)
                && !word.roles.has(WordRoles::NAMED.or(WordRoles::THING))
                && (is_before_name_end()
                    || after.is_some_and(|after| {
                        after.roles.has(WordRoles::PREPOSITION) || is_no_noun(after.text(self.line))
                    }))
        };
        is_user() || is_person() || is_origin() || is_thing() || is_named()
    }
}

/// `-`, `----`, `****`: in the place of a value that is missing.
fn is_blank(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'-' | b'*' | b'?'))
}

/// `partition read-only`, `queue shut-down`: what a thing is, and not its name.
fn is_state(compound: &str) -> bool {
    ["only", "down", "up", "out", "off"]
        .iter()
        .any(|end| compound.strip_suffix(end).is_some_and(|start| start.ends_with(['-', '_'])))
}

/// `volume D:`
fn is_drive_letter(word: &LineWord, line: &str) -> bool {
    matches!(word.text(line).as_bytes(), [b'A'..=b'Z']) && word.trail(line).starts_with(':')
}

/// `user connected`, `user registration`: what happens to a user, and not a name.
fn is_no_noun(word: &str) -> bool {
    // shorter ones are names: Fred, Ahmed, Ming
    const MIN_CHANGED_BYTES: usize = 6;
    word.len() >= MIN_CHANGED_BYTES && ["ed", "ing", "ion", "ment"].iter().any(|end| word.ends_with(end))
}
