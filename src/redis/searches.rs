//! Long searches, which the links of pages name by a token. Invariant: each write bounds their number, and a token means one search
//! only.
//!
//! The searches of a week are one hash, which Redis forgets two weeks after the last of them was added. So a link leads somewhere for
//! a week at least after its page was opened.

use crate::redis::connection::RedisStore;
use crate::redis::error::Error;
use crate::redis::keys;
use crate::time::Ts;

/// Searches of one week; one has about 300 bytes, and 2,000 at most.
const MAX_SEARCHES: usize = 10_000;
const WEEK_SECONDS: i64 = 7 * 86_400;

/// ARGV: the token, the search, how many there may be, the seconds to keep them. A Redis that takes no writes keeps nothing, which is
/// not an error.
const KEEP_SEARCH: &str = "
    local there = redis.call('HGET', KEYS[1], ARGV[1])
    if there then return there == ARGV[2] and 1 or 0 end
    if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
    if type(redis.pcall('HSET', KEYS[1], ARGV[1], ARGV[2])) == 'table' then return 0 end
    redis.pcall('EXPIRE', KEYS[1], ARGV[4])
    return 1";

impl RedisStore {
    /// Returns true if the token means this search from now on.
    pub fn keep_search(&self, token: &str, search: &str, now: Ts) -> Result<bool, Error> {
        let mut command = redis::cmd("EVAL");
        command.arg(KEEP_SEARCH).arg(1).arg(keys::searches(week(now)));
        command.arg(token).arg(search).arg(MAX_SEARCHES).arg(2 * WEEK_SECONDS);
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
