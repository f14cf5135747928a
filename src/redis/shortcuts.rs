//! Searches that users have saved under a name. Invariant: each write bounds their number, all and of each user, whichever alco writes.
//!
//! A field of the hash is a name -> `at indexes query by`: when it was saved, in epoch seconds; the indexes and the query string as in
//! an address, so without spaces; who saved it, empty if no user was known.

use crate::redis::connection::RedisStore;
use crate::redis::error::Error;
use crate::redis::keys;
use crate::time::Ts;

/// Saved searches of all users.
const MAX_SAVED: usize = 200;
/// Saved searches of one user.
const MAX_SAVED_BY_ONE: usize = 50;

/// Reads of as many, among which others may have written what alco cannot read.
const MAX_READS: usize = 10;

/// Names and values, as Redis has them.
type RawFields = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedShortcut {
    pub name: String,
    /// the user who saved it, if one was known
    pub by: Option<String>,
    pub at: Ts,
    /// as in an address: `web,billing`, `*`
    pub indexes: String,
    /// a query string, as in an address
    pub query: String,
}

/// The outcome of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortcutChange {
    Done,
    /// the name is that of another one
    Taken,
    /// as many are saved as may be, by this user or by all
    Full,
    NotThere,
    /// another user saved it
    OfAnother,
}

/// The user of a value, in Lua.
const OWNER: &str = "local owner = function(value) return string.match(value, '^%d+ [^ ]* [^ ]* (.*)$') end ";

/// ARGV: the name, the value, the user, how many all and one may save.
const SAVE: &str = "
    if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 'taken' end
    local own = 0
    for _, value in ipairs(redis.call('HVALS', KEYS[1])) do if owner(value) == ARGV[3] then own = own + 1 end end
    if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) or own >= tonumber(ARGV[5]) then return 'full' end
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
    return 'done'";

/// ARGV: the name, the new name or an empty text to delete it, the user.
const CHANGE: &str = "
    local value = redis.call('HGET', KEYS[1], ARGV[1])
    if not value then return 'not there' end
    local by = owner(value)
    if by and by ~= '' and by ~= ARGV[3] then return 'of another' end
    if ARGV[2] ~= '' then
        if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 then return 'taken' end
        redis.call('HSET', KEYS[1], ARGV[2], value)
    end
    redis.call('HDEL', KEYS[1], ARGV[1])
    return 'done'";

impl RedisStore {
    /// All of them, by name. A value that alco cannot read is left out, and what others have written beyond the number that alco saves.
    pub fn shortcuts(&self) -> Result<Vec<SavedShortcut>, Error> {
        let (mut all, mut cursor): (Vec<SavedShortcut>, u64) = (Vec::new(), 0);
        for _ in 0..MAX_READS {
            let (next, raw): (u64, RawFields) = self.ask(|connection| {
                redis::cmd("HSCAN").arg(keys::shortcuts()).arg(cursor).arg("COUNT").arg(MAX_SAVED).query(connection)
            })?;
            all.extend(raw.iter().filter_map(|(name, value)| read(name, value)));
            cursor = next;
            if cursor == 0 || all.len() >= MAX_SAVED {
                break;
            }
        }
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        // Redis may pass one twice
        all.dedup_by(|a, b| a.name == b.name);
        Ok(all)
    }

    pub fn save_shortcut(&self, shortcut: &SavedShortcut) -> Result<ShortcutChange, Error> {
        let by = shortcut.by.as_deref().unwrap_or_default();
        let value = format!("{} {} {} {by}", shortcut.at.seconds(), shortcut.indexes, shortcut.query);
        let limits = [MAX_SAVED, MAX_SAVED_BY_ONE].map(|limit| limit.to_string());
        self.change(SAVE, &[&shortcut.name, &value, by, &limits[0], &limits[1]])
    }

    /// `by`: the user who renames it.
    pub fn rename_shortcut(&self, name: &str, to: &str, by: Option<&str>) -> Result<ShortcutChange, Error> {
        self.change(CHANGE, &[name, to, by.unwrap_or_default()])
    }

    /// `by`: the user who deletes it.
    pub fn delete_shortcut(&self, name: &str, by: Option<&str>) -> Result<ShortcutChange, Error> {
        self.change(CHANGE, &[name, "", by.unwrap_or_default()])
    }

    fn change(&self, script: &str, arguments: &[&str]) -> Result<ShortcutChange, Error> {
        let mut command = redis::cmd("EVAL");
        command.arg(format!("{OWNER}{script}")).arg(1).arg(keys::shortcuts()).arg(arguments);
        let outcome: String = self.ask(|connection| command.query(connection))?;
        Ok(match outcome.as_str() {
            "done" => ShortcutChange::Done,
            "taken" => ShortcutChange::Taken,
            "full" => ShortcutChange::Full,
            "of another" => ShortcutChange::OfAnother,
            _ => ShortcutChange::NotThere,
        })
    }
}

fn read(name: &[u8], value: &[u8]) -> Option<SavedShortcut> {
    let mut parts = std::str::from_utf8(value).ok()?.splitn(4, ' ');
    let mut next = || parts.next();
    let (at, indexes, query, by) = (next()?.parse().ok()?, next()?, next()?, next()?);
    Some(SavedShortcut {
        name: String::from_utf8(name.to_vec()).ok()?,
        by: Some(by.to_owned()).filter(|by| !by.is_empty()),
        at: Ts::from_micros(0).plus_seconds(at),
        indexes: indexes.to_owned(),
        query: query.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_cannot_be_read_is_left_out() {
        let all = read(b"slow", b"1795341600 web,billing search=slow anna b").expect("a shortcut");
        assert_eq!((all.indexes.as_str(), all.query.as_str()), ("web,billing", "search=slow"));
        assert_eq!((all.by.as_deref(), all.at.seconds()), (Some("anna b"), 1_795_341_600));
        let bare = read(b"x", b"5 *  ").expect("a shortcut");
        assert_eq!((bare.indexes.as_str(), bare.query.as_str(), bare.by), ("*", "", None));
        for value in [&b""[..], b"x web q by", b"5 web", b"5 web q", b"5 web q \xff"] {
            assert_eq!(read(b"x", value), None, "{value:?}");
        }
    }
}
