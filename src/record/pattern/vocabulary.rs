//! The words that mean something to the rules: units, months, prepositions, nouns before a name. English, in any case of letters.
//!
//! Invariant: the table is full at most by a half, so a look-up ends after a few steps.

/// What a word may be; several at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WordRoles(u32);

impl WordRoles {
    pub const NONE: WordRoles = WordRoles(0);
    /// says what the number before it means: `5 ms` and `2 s` are one kind of value
    pub const UNIT: WordRoles = WordRoles(1);
    /// a weekday, month or zone, if it has a capital
    pub const DATE: WordRoles = WordRoles(1 << 1);
    /// is a value itself
    pub const VALUE: WordRoles = WordRoles(1 << 2);
    /// a name of a person may follow
    pub const USER: WordRoles = WordRoles(1 << 3);
    pub const FOR: WordRoles = WordRoles(1 << 4);
    pub const BY: WordRoles = WordRoles(1 << 5);
    pub const FROM: WordRoles = WordRoles(1 << 6);
    pub const PORT: WordRoles = WordRoles(1 << 7);
    /// a person does it: `submitted by NAME`
    pub const ACTION: WordRoles = WordRoles(1 << 14);
    /// a value after `key:`
    pub const SWITCH: WordRoles = WordRoles(1 << 15);
    /// stands before a thing that is named
    pub const PREPOSITION: WordRoles = WordRoles(1 << 16);
    /// a thing whose name is often a word of the language: `on node alpha`
    pub const NAMED: WordRoles = WordRoles(1 << 17);
    pub const THE: WordRoles = WordRoles(1 << 18);
    /// a thing whose name stands before it: `the Print Spooler service`
    pub const TITLED: WordRoles = WordRoles(1 << 19);
    /// stands before `user`, if a name follows
    pub const BEFORE_USER: WordRoles = WordRoles(1 << 8);
    /// stands after a name
    pub const AFTER_NAME: WordRoles = WordRoles(1 << 9);
    /// is not a name, even after `user`
    pub const NOT_NAME: WordRoles = WordRoles(1 << 10);
    /// a thing that people name: `queue orders-eu`
    pub const THING: WordRoles = WordRoles(1 << 11);
    /// the line is about somebody who proves who he is
    pub const LOGIN: WordRoles = WordRoles(1 << 12);
    /// a number and a name follow: `process 12 (java)`
    pub const PROCESS: WordRoles = WordRoles(1 << 13);

    pub fn has(self, any: WordRoles) -> bool {
        self.0 & any.0 != 0
    }

    pub const fn or(self, other: WordRoles) -> WordRoles {
        WordRoles(self.0 | other.0)
    }
}

/// Longer words have no role.
const MAX_WORD_BYTES: usize = size_of::<Letters>();
/// A word in small letters, filled up with zeros.
type Letters = u128;

const LISTS: &[(WordRoles, &[&str])] = &[
    (
        WordRoles::UNIT,
        &[
            "b", "kb", "mb", "gb", "tb", "pb", "kib", "mib", "gib", "tib", "pib", "bit", "bits", "byte", "bytes", "ns",
            "us", "ms", "msec", "msecs", "s", "sec", "secs", "second", "seconds", "min", "mins", "minute", "minutes",
            "h", "hour", "hours", "day", "days", "week", "weeks", "am", "pm", "bps", "kbps", "mbps", "gbps", "hz",
            "khz", "mhz", "ghz", "percent",
        ],
    ),
    (
        WordRoles::DATE,
        &[
            "mon", "tue", "wed", "thu", "fri", "sat", "sun", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug",
            "sep", "oct", "nov", "dec", "utc", "gmt", "cet", "cest", "est", "edt", "pst", "pdt",
        ],
    ),
    (WordRoles::VALUE, &["true", "false", "null", "none", "nil", "undefined", "nan", "localhost"]),
    (WordRoles::SWITCH, &["yes", "no", "on", "off"]),
    (WordRoles::USER, &["user", "username"]),
    (WordRoles::FOR, &["for"]),
    (WordRoles::BY, &["by"]),
    (WordRoles::FROM, &["from"]),
    (WordRoles::PORT, &["port"]),
    (WordRoles::BEFORE_USER, &["for", "of", "by", "as", "invalid", "illegal", "unknown", "authenticating"]),
    (
        WordRoles::AFTER_NAME,
        &[
            "from",
            "logged",
            "by",
            "on",
            "at",
            "to",
            "via",
            "has",
            "was",
            "is",
            "not",
            "connected",
            "disconnected",
            "joined",
            "left",
        ],
    ),
    (
        WordRoles::NOT_NAME,
        &[
            "is", "was", "has", "had", "not", "does", "did", "can", "cannot", "could", "will", "may", "must", "and",
            "or", "with", "without", "from", "in", "on", "to", "of", "by", "for", "at", "as", "the", "a", "an", "this",
            "that", "all", "any", "no", "other", "name", "names", "id", "agent", "group", "role", "type", "quota",
            "list", "count", "error", "space", "mode", "input", "request", "data", "session", "account", "password",
            "logged", "user", "users", "client", "server", "peer", "remote", "host", "signal", "kernel", "system",
            "default", "invalid", "unknown", "illegal", "login", "logout", "message", "process", "thread", "time",
            "level", "limit", "number", "service", "device", "access", "added", "left", "lost", "found", "gone",
            "sent", "timeout", "failure", "success", "attempt", "attempts", "profile", "settings", "cache", "down",
            "up", "side", "key", "keys", "full", "empty", "state", "policy", "firewall", "watchdog", "config", "lock",
            "size", "length", "depth", "overflow", "status", "health",
        ],
    ),
    (
        WordRoles::THING,
        &[
            "host",
            "hostname",
            "node",
            "server",
            "queue",
            "topic",
            "exchange",
            "table",
            "database",
            "index",
            "bucket",
            "container",
            "pod",
            "service",
            "unit",
            "job",
            "task",
            "worker",
            "thread",
            "device",
            "interface",
            "module",
            "plugin",
            "image",
            "volume",
            "cluster",
            "namespace",
            "key",
            "channel",
            "via",
            "dev",
            "backend",
            "replica",
            "drive",
            "disk",
            "type",
            "language",
            "locale",
            "region",
            "zone",
            "cipher",
            "algorithm",
            "rule",
            "reservation",
            "shard",
            "bridge",
            "group",
            "policy",
            "branch",
            "tag",
            "switch",
            "pool",
            "partition",
            "peer",
            "member",
            "client",
            "domain",
            "guest",
            "project",
        ],
    ),
    (
        WordRoles::LOGIN,
        &[
            "password",
            "authentication",
            "login",
            "logon",
            "logged",
            "session",
            "auth",
            "publickey",
            "credentials",
            "token",
            "accepted",
        ],
    ),
    (
        WordRoles::ACTION,
        &[
            "submitted",
            "created",
            "deleted",
            "changed",
            "opened",
            "requested",
            "updated",
            "removed",
            "approved",
            "modified",
            "configured",
            "uploaded",
            "edited",
            "owned",
            "assigned",
            "cancelled",
            "canceled",
            "console",
            "saved",
            "started",
            "stopped",
            "restarted",
            "destroyed",
            "rebuilt",
            "booted",
            "taken",
            "locked",
            "unlocked",
            "renamed",
            "moved",
            "added",
            "merged",
            "published",
            "paused",
            "resumed",
            "revoked",
            "granted",
            "enabled",
            "disabled",
            "restored",
            "installed",
            "launched",
        ],
    ),
    (WordRoles::THE, &["the"]),
    (WordRoles::PREPOSITION, &["on", "from", "to", "at", "via", "of", "for"]),
    (WordRoles::TITLED, &["service", "application", "driver", "device", "task", "job"]),
    (WordRoles::NAMED, &["host", "node", "queue", "pool", "topic", "bucket", "project", "tenant", "guest", "shard"]),
    (WordRoles::PROCESS, &["process", "pid", "program"]),
];

/// A power of two, of which a half is more than all words of the lists.
const SLOT_COUNT: usize = 1024;

static TABLE: [(Letters, WordRoles); SLOT_COUNT] = table();

const fn table() -> [(Letters, WordRoles); SLOT_COUNT] {
    let mut table = [(0, WordRoles::NONE); SLOT_COUNT];
    let mut list = 0;
    while list < LISTS.len() {
        let (role, words) = LISTS[list];
        let mut word = 0;
        while word < words.len() {
            let letters = letters(words[word].as_bytes());
            let mut slot = first_slot(letters);
            while table[slot].0 != 0 && table[slot].0 != letters {
                slot = (slot + 1) % SLOT_COUNT;
            }
            table[slot] = (letters, table[slot].1.or(role));
            word += 1;
        }
        list += 1;
    }
    table
}

const fn letters(word: &[u8]) -> Letters {
    assert!(word.len() <= MAX_WORD_BYTES, "a word of the lists is too long");
    let mut letters = 0;
    let mut at = 0;
    while at < word.len() {
        letters = letters << u8::BITS | word[at].to_ascii_lowercase() as Letters;
        at += 1;
    }
    letters
}

const fn first_slot(letters: Letters) -> usize {
    // an odd number of random bits spreads words over the upper bits of the product
    const SPREAD_BITS: u64 = 0x9E37_79B9_7F4A_7C15;
    let folded = letters as u64 ^ ((letters >> u64::BITS) as u64).rotate_left(29);
    (folded.wrapping_mul(SPREAD_BITS) >> (u64::BITS - SLOT_COUNT.ilog2())) as usize
}

/// The roles of a word of ASCII letters.
pub fn roles(word: &str) -> WordRoles {
    if word.len() > MAX_WORD_BYTES {
        return WordRoles::NONE;
    }
    let letters = letters(word.as_bytes());
    let mut slot = first_slot(letters);
    while TABLE[slot].0 != 0 {
        if TABLE[slot].0 == letters {
            return TABLE[slot].1;
        }
        slot = (slot + 1) % SLOT_COUNT;
    }
    WordRoles::NONE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_the_lists_has_its_role() {
        for (role, words) in LISTS {
            for word in *words {
                assert!(roles(word).has(*role) && roles(&word.to_uppercase()).has(*role), "{word}");
            }
        }
        for word in ["", "shipped", "form", "userx", "authenticationauthentication"] {
            assert_eq!(roles(word), WordRoles::NONE, "{word}");
        }
        assert!(TABLE.iter().filter(|(letters, _)| *letters != 0).count() <= SLOT_COUNT / 2, "the table is too full");
    }
}
