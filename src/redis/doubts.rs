//! The unacknowledged records that a session may have stored, noted as it gives up: its searchd is away, and cannot be asked for
//! them. All others that it held are certainly not stored.

use std::collections::HashSet;

use crate::config::IndexName;
use crate::redis::connection::RedisStore;
use crate::redis::error::Error;
use crate::redis::keys::doubts;
use crate::redis::stored::LeaseSpan;

/// Without the note, every record of the session may be stored. The leases are gone some minutes after its end.
const KEPT_SECONDS: usize = 3600;

impl RedisStore {
    /// Notes that of the unacknowledged records of this session only those of these digests may be stored. To be noted before the
    /// broker redelivers them.
    pub fn note_doubts(&self, index: &IndexName, digests: &[i64]) -> Result<(), Error> {
        let digests: Vec<String> = digests.iter().map(i64::to_string).collect();
        self.ask(|connection| {
            let mut set = redis::cmd("SET");
            set.arg(doubts(index, &self.session())).arg(digests.join(" ")).arg("EX").arg(KEPT_SECONDS).query(connection)
        })
    }

    /// Reads what the sessions of these spans have noted.
    pub(super) fn read_doubts(&self, index: &IndexName, window: &mut [LeaseSpan]) -> Result<(), Error> {
        if window.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = window.iter().map(|span| doubts(index, &span.session)).collect();
        let noted: Vec<Option<String>> = self.ask(|connection| redis::cmd("MGET").arg(keys).query(connection))?;
        for (span, noted) in window.iter_mut().zip(noted) {
            let digests =
                |noted: String| noted.split(' ').filter_map(|digest| digest.parse().ok()).collect::<HashSet<_>>();
            span.in_doubt = noted.map(digests);
        }
        Ok(())
    }
}
