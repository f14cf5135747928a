//! What Sphinx 2.2.11 makes of RAM chunks and merges that meet, and the statements by which alco avoids it. Every engine gets them. Pure.

use std::borrow::Cow;

use crate::sphinx::statement;

/// The statements that write a RAM chunk to the disk, for a moment when no process inserts.
///
/// 2.2.11 loses what is committed while FLUSH RAMCHUNK runs: of 1,200 documents that were inserted meanwhile, 760 were left. When
/// it saves by itself, above rt_mem_limit, it loses them if it is killed before the next save: it notes the transactions of that
/// time as saved, and leaves them out when it replays its binlog. Seen with kill -9 under load: with a small rt_mem_limit every
/// kill lost some batches; with no save, or with a save that no insert met, none did. The second statement lets the binlog go.
/// Every engine gets both: they also bound its memory.
pub fn save_ram_chunk(day_index: &str) -> [String; 2] {
    [statement::flush_ram_chunk(day_index), statement::flush_index(day_index)]
}

/// Whether a thread writes the RAM chunk of a day index to the disk. `column` returns the column of that name in the thread's row of
/// SHOW THREADS.
///
/// 2.2.11 names a chunk by the number of those it has when it begins to write, so two saves at once write one file, and serve it as two
/// chunks. The next OPTIMIZE merges the file with itself, and deletes it: nothing is left of the day. With one save after the other,
/// neither happens.
pub fn saves<'r>(column: impl Fn(&str) -> Cow<'r, str>, day_index: &str) -> bool {
    let info = column("Info");
    let mut words = info.split([' ', ';', '`']).filter(|word| !word.is_empty());
    let verb = [words.next(), words.next()].map(|word| word.unwrap_or_default().to_ascii_uppercase());
    verb == ["FLUSH", "RAMCHUNK"] && words.next().is_some_and(|name| name.eq_ignore_ascii_case(day_index))
}

/// The statement that has searchd keep what was committed to an index while it merges the index's chunks.
///
/// After each step of OPTIMIZE, 2.2.11 notes all transactions so far as saved, also those that are in the RAM chunk and the binlog
/// only. If it is killed before the RAM chunk is saved, it leaves them out when it replays its binlog: of 3,600 documents that were
/// stored during a merge, up to 3,600 were lost, in ten of ten trials. With this statement after each insert, none was.
///
/// For the same reason no RAM chunk may become a disk chunk during a merge: 2.2.11 then notes a chunk more than there is. Killed
/// before the next step ends, it did not start again, in ten of 25 trials. Once, the two waited for each other for good.
pub fn keep_in_merge(day_index: &str) -> String {
    statement::flush_index(day_index)
}

/// The figure of SHOW INDEX STATUS that holds the bytes of the RAM chunk. In `ram_bytes`, 2.x counts the disk chunks too.
pub const RAM_CHUNK_BYTES: &str = "ram_chunk";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_save_a_ram_chunk_are_known_by_their_row() {
        let saves = |info: &'static str| {
            saves(|name| Cow::Borrowed(if name == "Info" { info } else { "query" }), "web_20261122")
        };
        for (info, expect) in [
            ("FLUSH RAMCHUNK web_20261122", true),
            ("flush ramchunk `web_20261122`;", true),
            ("FLUSH RAMCHUNK web_20261123", false),
            ("FLUSH RTINDEX web_20261122", false),
            ("SHOW THREADS", false),
            ("", false),
        ] {
            assert_eq!(saves(info), expect, "{info}");
        }
    }
}
