//! Long searches, which the links of pages name by a token. Invariant: each write bounds their bytes, and a token means one search
//! only.
//!
//! The searches of a week are one hash, which Redis forgets two weeks after the last of them was added. So a link leads somewhere for
//! a week at least after its page was opened.

use crate::redis::connection::RedisStore;
use crate::redis::error::Error;
use crate::redis::keys;
use crate::time::Ts;

/// Of the searches of one week; most have about 300 bytes, and none has more than an address.
const MAX_WEEK_BYTES: usize = 20 << 20;
/// What Redis needs for a search in addition to its text.
const SEARCH_BYTES: usize = 100;
const WEEK_SECONDS: i64 = 7 * 86_400;

/// ARGV: the token, the search, its bytes, those of all that may be, the seconds to keep them. The field `bytes`, which no token is, has
/// their sum. A Redis that takes no writes keeps nothing, which is not an error.
const KEEP_SEARCH: &str = "
    local there = redis.call('HGET', KEYS[1], ARGV[1])
    if there then return there == ARGV[2] and 1 or 0 end
    local bytes = (tonumber(redis.call('HGET', KEYS[1], 'bytes')) or 0) + tonumber(ARGV[3])
    if bytes > tonumber(ARGV[4]) then return 0 end
    if type(redis.pcall('HSET', KEYS[1], ARGV[1], ARGV[2], 'bytes', string.format('%.0f', bytes))) == 'table' then return 0 end
    redis.pcall('EXPIRE', KEYS[1], ARGV[5])
    return 1";

impl RedisStore {
    /// Returns true if the token means this search from now on.
    pub fn keep_search(&self, token: &str, search: &str, now: Ts) -> Result<bool, Error> {
        let mut command = redis::cmd("EVAL");
        command.arg(KEEP_SEARCH).arg(1).arg(keys::searches(week(now)));
        command.arg(token).arg(search).arg(search.len() + SEARCH_BYTES).arg(MAX_WEEK_BYTES).arg(2 * WEEK_SECONDS);
        self.ask(|connection| command.query(connection))
    }

    /// The search that the token means. None: it is no longer kept.
    pub fn kept_search(&self, token: &str, now: Ts) -> Result<Option<String>, Error> {
        let mut pipe = redis::pipe();
        for week in [week(now), week(now) - 1] {
            pipe.hget(keys::searches(week), token);
        }
        let (this, last): (Option<String>, Option<String>) = self.ask(|connection| pipe.query(connection))?;
        Ok(this.or(last))
    }
}

/// The number of a week.
fn week(now: Ts) -> i64 {
    now.seconds().div_euclid(WEEK_SECONDS)
}
