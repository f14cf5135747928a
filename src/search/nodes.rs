//! searchd of this node, and through it those of the other nodes: which of them a question includes, and which are away.
//!
//! For each day index, this node's searchd has a name for the same day of each peer (`sphinx::conf`). A question names those of
//! the peers that answer. A peer that does not is left out from then on, so only one question waits for it, until `probe` finds that
//! it answers again. Of mirrors, one is asked (`shard`): docids differ between mirrors, and a question may use those of the one
//! before.
//!
//! Invariant: an answer without the records of a peer says so in `missing`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::search::amount::{Amount, OWN_NODE};
use crate::search::answer::{GroupRows, away, not_served};
use crate::search::hit::SearchError;
use crate::search::peer_answer::{PeerAnswer, SMALL_QUESTION_TIME, is_of_connection, of_agent, small_answer};
use crate::search::plan::{INDEX_SEPARATOR, Slice};
use crate::search::shard::{Away, Mirror, Shard};
use crate::sphinx::client::{Engine, Fault, Row, Watch, too_large};
use crate::sphinx::day_index::peer_index;
use crate::sphinx::dialect::{
    first_match, is_of_size, is_of_statistics, lacks_part, unserved_index, waits_for_silent_agents,
};
use crate::sphinx::pool::Pool;
use crate::sphinx::statement;
use crate::time::Ts;

/// Connections that searchd opens at once for one question about several days, to all peers together.
const MAX_CONNECTIONS: usize = 32;
/// The wait for an answer before alco looks whether the peers are silent.
const TIME_BEFORE_LOOK: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub struct Nodes {
    shards: Vec<Shard>,
    /// whether the index of a peer has a field or an attribute; it keeps what it was declared with
    parts: Mutex<HashMap<(String, IndexPart), bool>>,
}

/// A part of an index that an older one, or one of another configuration, may lack.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IndexPart {
    Field(String),
    Attribute(String),
}

/// A peer as it was found last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerState {
    pub address: String,
    pub away: Option<Away>,
    /// a mirror has the same records and answers
    pub is_replaced: bool,
}

/// What a question includes.
#[derive(Clone, Debug)]
pub struct Included {
    /// with the indexes of this node and of its peers
    pub slice: Slice,
    /// with the indexes of this node
    own: Slice,
    /// the numbers of the peers
    peers: Vec<usize>,
    missing: Vec<String>,
}

/// What the warnings after an answer mean.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// a peer that was asked is away: without it, or with its mirror, the answer is another
    Again,
    /// the rows of the peer of that number do not fit into one answer
    TooLarge(usize),
    /// the parts that are missing, as texts for the user
    Missing(Vec<String>),
}

impl Nodes {
    /// `peers` are shards, each a list of mirrors.
    pub fn new(peers: &[Vec<String>]) -> Nodes {
        let mut numbers = 1..;
        let mut mirror = |address: &String| Some(Mirror::new(address, numbers.next()?));
        let shards = peers.iter().map(|mirrors| Shard(mirrors.iter().filter_map(&mut mirror).collect())).collect();
        Nodes { shards, parts: Mutex::default() }
    }

    fn mirrors(&self) -> impl Iterator<Item = &Mirror> {
        self.shards.iter().flat_map(|Shard(mirrors)| mirrors)
    }

    pub fn has_peers(&self) -> bool {
        !self.shards.is_empty()
    }

    /// How many slices one question may ask for. With peers, a question costs searchd much more than a day does: it starts a thread,
    /// and waits for the peers. It connects to each peer for each day, all at once.
    pub fn max_slices(&self) -> usize {
        match self.shards.len() {
            0 => 1,
            shards => (MAX_CONNECTIONS / shards).max(1),
        }
    }

    /// The question about so many documents of a slice of this node, with the same slice of its peers.
    pub fn included(&self, slice: &Slice, amount: &Amount) -> Included {
        let (mut from, mut peers, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for shard in &self.shards {
            match shard.asked(now()) {
                Some(Mirror { number, address, .. }) if amount.leaves_out(*number) => missing.push(format!(
                    "the records of {address} are missing: its answer is larger than searchd's max_packet_size here"
                )),
                Some(mirror) => {
                    from.extend(slice.indexes().map(|own| peer_index(own, mirror.number)));
                    peers.push(mirror.number);
                    missing.extend(shard.lacks(mirror, now()));
                }
                None => missing.extend(shard.lacking()),
            }
        }
        if from.is_empty() || !amount.leaves_out(OWN_NODE) {
            from.insert(0, slice.from.clone());
        }
        Included { slice: slice.of(from.join(INDEX_SEPARATOR)), own: slice.clone(), peers, missing }
    }

    /// Passes each row of the answer to `take` until that returns false, and reads the warnings after it.
    pub fn each(
        &self,
        engine: &mut Engine,
        asked: &Included,
        statement: &str,
        take: impl FnMut(Row) -> bool,
    ) -> Result<Heard, Fault> {
        match self.watched(engine, asked, |engine, watch| engine.each(statement, watch, take))? {
            None => Ok(Heard::Again),
            Some(()) => Ok(self.heard(asked, &self.warnings(engine)?)),
        }
    }

    /// Asks, and looks whether the peers are silent while no answer comes, unless searchd does so itself. None: a peer turns out to
    /// be away.
    fn watched<T>(
        &self,
        engine: &mut Engine,
        asked: &Included,
        ask: impl FnOnce(&mut Engine, Option<Watch>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        if asked.peers.is_empty() || engine.known_dialect().is_some_and(|dialect| !waits_for_silent_agents(dialect)) {
            return ask(engine, None).map(Some);
        }
        let (searchd, own) = (engine.address().clone(), asked.own.indexes().next());
        let is_silent = |mirror: &&Mirror| match own.map(|own| small_answer(&searchd, own, mirror)) {
            Some(PeerAnswer::Away(why)) => {
                mirror.set(Some(why), now());
                true
            }
            _ => false,
        };
        let mut silent = None;
        let mut look = || {
            silent = self.mirrors().filter(|mirror| asked.peers.contains(&mirror.number)).find(is_silent);
            silent.map(|mirror| format!("the peer {} is silent", mirror.address))
        };
        let answer = ask(engine, Some(Watch { after: TIME_BEFORE_LOOK, gives_up: &mut look }));
        if silent.is_some() { Ok(None) } else { answer.map(Some) }
    }

    /// Reads the warnings after an answer.
    fn heard(&self, asked: &Included, warnings: &[String]) -> Heard {
        let mut missing = asked.missing.clone();
        for mirror in self.mirrors().filter(|mirror| asked.peers.contains(&mirror.number)) {
            let reports = warnings.iter().flat_map(|warning| of_agent(warning, mirror));
            // a peer that does not serve the day has no records of it
            let reports = reports.filter(|why| unserved_index(why).is_none() && !is_of_statistics(why));
            for why in reports {
                if is_of_size(why) {
                    return Heard::TooLarge(mirror.number);
                }
                if is_of_connection(why) {
                    mirror.set(Some(why.to_owned()), now());
                    return Heard::Again;
                }
                if lacks_part(why) {
                    // its index is another one than it was
                    self.parts().clear();
                }
                missing.push(format!("the records of {} are missing: {why}", mirror.address));
            }
        }
        Heard::Missing(missing)
    }

    /// True if searchd here does not know a peer that was asked: it could not resolve the name, or has still to read its
    /// configuration. The peer is away from then on.
    pub fn lacks_peer(&self, asked: &Included, fault: &Fault) -> bool {
        let Fault::Reject(why) = fault else { return false };
        let Some(name) = unserved_index(why) else { return false };
        let lacking = self.mirrors().filter(|mirror| asked.peers.contains(&mirror.number));
        let is_of = |mirror: &&Mirror| asked.own.indexes().any(|own| name == peer_index(own, mirror.number));
        let lacking = lacking.filter(is_of).collect::<Vec<_>>();
        let text = format!("searchd here does not serve {name}; alco check has the cure");
        lacking.iter().for_each(|mirror| mirror.set(Some(text.clone()), now()));
        !lacking.is_empty()
    }

    /// The rows of a statement about a slice, and what is missing.
    ///
    /// # Errors
    ///
    /// `SearchError::Away`: searchd does not answer.
    pub fn rows(
        &self,
        pool: &Pool,
        slice: &Slice,
        statement: impl Fn(&Slice) -> String,
    ) -> Result<GroupRows<Vec<Row>>, SearchError> {
        served(pool.with(|engine| self.rows_by(engine, slice, statement)))
    }

    /// The same by this connection.
    pub fn rows_by(
        &self,
        engine: &mut Engine,
        slice: &Slice,
        statement: impl Fn(&Slice) -> String,
    ) -> Result<GroupRows<Vec<Row>>, Fault> {
        let own = statement(slice);
        // sums of the peers would not be added up if this node has nothing to add
        let is_for_peers = self.has_peers()
            && match first_match(&own) {
                Some(probe) => !engine.select(&probe)?.iter().any(|row| row.named("n") != "0"),
                None => false,
            };
        let mut amount = if is_for_peers { Amount::of_peers(1) } else { Amount::new(1) };
        self.ask(engine, slice, &mut amount, |slice, _| statement(slice))
    }

    /// The rows of the first of these documents, of as many as fit into one answer, and the number of those that were asked for.
    pub fn rows_of_some<T>(
        &self,
        pool: &Pool,
        slice: &Slice,
        documents: &[T],
        statement: impl Fn(&Slice, &[T]) -> String,
    ) -> Result<(GroupRows<Vec<Row>>, usize), SearchError> {
        let mut amount = Amount::new(documents.len());
        let some =
            |slice: &Slice, amount: &Amount| statement(slice, &documents[..documents.len().min(amount.documents)]);
        let answer = served(pool.with(|engine| self.ask(engine, slice, &mut amount, some)))?;
        Ok((answer, documents.len().min(amount.documents)))
    }

    /// Asks again without a peer that turns out to be away, and about fewer documents if they do not fit into one answer.
    fn ask(
        &self,
        engine: &mut Engine,
        slice: &Slice,
        amount: &mut Amount,
        statement: impl Fn(&Slice, &Amount) -> String,
    ) -> Result<GroupRows<Vec<Row>>, Fault> {
        loop {
            let included = self.included(slice, amount);
            let question = statement(&included.slice, amount);
            let (rows, warnings) =
                match self.watched(engine, &included, |engine, watch| engine.select_watched(&question, watch)) {
                    Ok(None) => continue,
                    Err(fault) if self.lacks_peer(&included, &fault) => continue,
                    // where only peers are asked and none answers, searchd has an error for what is a warning else
                    Err(Fault::Reject(why)) if self.is_of_peer(&why) => (Vec::new(), vec![why]),
                    Ok(Some((_, false))) if amount.documents > 1 => {
                        amount.lessen(OWN_NODE);
                        continue;
                    }
                    Ok(Some((_, false))) => return Err(Fault::Reject(format!("searchd: {}", too_large()))),
                    Ok(Some((rows, true))) => (rows, self.warnings(engine)?),
                    Err(fault) => return Err(fault),
                };
            match self.heard(&included, &warnings) {
                Heard::Missing(missing) => return Ok(GroupRows { rows, missing }),
                // each turn leaves out a peer more
                Heard::Again => {}
                Heard::TooLarge(peer) => amount.lessen(peer),
            }
        }
    }

    /// True if the day index of each peer that answers has this part.
    pub fn have(&self, pool: &Pool, own: &str, part: &IndexPart) -> bool {
        let asked = self.shards.iter().filter_map(|shard| shard.asked(now()));
        asked.map(|mirror| peer_index(own, mirror.number)).all(|index| self.has(pool, index, part))
    }

    fn is_of_peer(&self, error: &str) -> bool {
        self.mirrors().any(|mirror| of_agent(error, mirror).next().is_some())
    }

    fn parts(&self) -> MutexGuard<'_, HashMap<(String, IndexPart), bool>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, pool: &Pool, index: String, part: &IndexPart) -> bool {
        let key = (index, part.clone());
        if let Some(has) = self.parts().get(&key) {
            return *has;
        }
        let statement = match part {
            IndexPart::Field(name) => statement::asks_for_field(&key.0, name),
            IndexPart::Attribute(name) => statement::asks_for_attribute(&key.0, name),
        };
        let has = match pool.with(|engine| Engine::new(engine.address(), SMALL_QUESTION_TIME).select(&statement)) {
            Ok(_) => true,
            // a peer that does not serve the day has no records of it, and may serve it soon
            Err(Fault::Reject(why)) if unserved_index(&why).is_some() => return true,
            Err(Fault::Reject(why)) if lacks_part(&why) => false,
            Err(_) => return false,
        };
        self.parts().insert(key, has);
        has
    }

    /// searchd's warnings after a statement: only peers cause any that concern a search.
    fn warnings(&self, engine: &mut Engine) -> Result<Vec<String>, Fault> {
        if self.has_peers() { engine.warnings() } else { Ok(Vec::new()) }
    }

    /// What a question asked now would lack, as texts for the user: those that `Heard::Missing` has.
    pub fn missing(&self) -> Vec<String> {
        let lacks = |shard: &Shard| match shard.asked(now()) {
            Some(mirror) => shard.lacks(mirror, now()),
            None => shard.lacking(),
        };
        self.shards.iter().filter_map(lacks).collect()
    }

    pub fn states(&self) -> Vec<PeerState> {
        let of_shard = |Shard(mirrors): &Shard| -> Vec<PeerState> {
            let is_replaced = mirrors.iter().any(|mirror| !mirror.is_away());
            let state = |mirror: &Mirror| PeerState {
                address: mirror.address.clone(),
                away: mirror.away(),
                is_replaced: is_replaced && mirror.is_away(),
            };
            mirrors.iter().map(state).collect()
        };
        self.shards.iter().flat_map(of_shard).collect()
    }

    /// Asks each peer for a document of this index of its own, to learn whether it answers; only those that are away if `away`.
    pub fn probe(&self, pool: &Pool, own: &str, away: bool) {
        for mirror in self.mirrors().filter(|mirror| !away || mirror.is_away()) {
            match pool.with(|engine| Ok(small_answer(engine.address(), own, mirror))) {
                Ok(PeerAnswer::Away(why)) => mirror.set(Some(why), now()),
                Ok(PeerAnswer::Answers) => mirror.set(None, now()),
                Ok(PeerAnswer::Unknown) | Err(_) => {}
            }
        }
    }
}

/// A day index that searchd here does not serve is a part that is missing.
fn served(answer: Result<GroupRows<Vec<Row>>, Fault>) -> Result<GroupRows<Vec<Row>>, SearchError> {
    answer.or_else(|fault| match not_served(&fault) {
        Some(why) => Ok(GroupRows { rows: Vec::new(), missing: vec![why] }),
        None => Err(away(&fault)),
    })
}

fn now() -> Ts {
    Ts::of(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Range;

    fn slice(name: &str) -> Slice {
        Slice::new(name.to_owned(), Range { start: Ts::MIN, end: Ts::MAX })
    }

    fn nodes() -> Nodes {
        let peers = [vec!["b:9312".to_owned(), "c:9312".to_owned()], vec!["d:9312".to_owned()]];
        Nodes::new(&peers)
    }

    /// As Sphinx reports it.
    fn warning(agent: &str, why: &str) -> Vec<String> {
        vec![format!("index web_20261122, web_20261122_p1, web_20261122_p3: agent {agent}: {why}")]
    }

    #[test]
    fn a_question_names_one_of_each_mirrors() {
        let nodes = nodes();
        let asked = nodes.included(&slice("web_20261122"), &Amount::new(1));
        assert_eq!(asked.slice.from, "web_20261122, web_20261122_p1, web_20261122_p3");
        assert_eq!(nodes.heard(&asked, &[]), Heard::Missing(Vec::new()));
        assert_eq!(nodes.heard(&asked, &warning("b:9312", "connect() timed out")), Heard::Again);
        let asked = nodes.included(&slice("web_20261122"), &Amount::new(1));
        assert_eq!(asked.slice.from, "web_20261122, web_20261122_p2, web_20261122_p3");
        assert_eq!(nodes.heard(&asked, &[]), Heard::Missing(Vec::new()), "a mirror has its records");
        let replaced: Vec<bool> = nodes.states().iter().map(|peer| peer.is_replaced).collect();
        assert_eq!(replaced, [true, false, false]);
    }

    #[test]
    fn a_question_for_several_days_names_each_of_each_peer() {
        let (nodes, next) = (nodes(), slice("web_20261123"));
        let days = slice("web_20261122").joined(&next);
        let asked = nodes.included(&days, &Amount::new(1));
        let own = "web_20261122, web_20261123";
        assert_eq!(
            asked.slice.from,
            format!("{own}, web_20261122_p1, web_20261123_p1, web_20261122_p3, web_20261123_p3")
        );
        // every report counts
        let reports =
            ["remote query error: unknown local index 'web_20261122' in search request", "connect() timed out"];
        let reports = reports.map(|why| format!("index {own}: agent d:9312: {why}")).join(";\n");
        assert_eq!(nodes.heard(&asked, &[reports]), Heard::Again);
        let fault = |name| Fault::Reject(format!("searchd reports: unknown local index '{name}' in search request"));
        assert!(
            nodes.lacks_peer(&asked, &fault("web_20261123_p1")) && !nodes.lacks_peer(&asked, &fault("web_20261123"))
        );
    }

    #[test]
    fn a_shard_without_an_answer_is_missing() {
        let nodes = nodes();
        let asked = nodes.included(&slice("web_20261122"), &Amount::new(1));
        let why = "connect() failed: errno=111, Operation now in progress";
        assert_eq!(nodes.heard(&asked, &warning("d:9312", why)), Heard::Again);
        let asked = nodes.included(&slice("web_20261122"), &Amount::new(1));
        assert_eq!(asked.slice.from, "web_20261122, web_20261122_p1");
        let Heard::Missing(missing) = nodes.heard(&asked, &[]) else { panic!("the rest is an answer") };
        assert!(missing.len() == 1 && missing[0].contains("d:9312") && missing[0].contains(why), "{missing:?}");
    }

    /// The reports of Sphinx 2.2.11 (2.3.2 has the same) and of Manticore 29.2.2.
    #[test]
    fn reports_of_each_engine_are_understood() {
        let missing =
            |why| Heard::Missing(vec![format!("the records of d:9312 are missing: remote query error: {why}")]);
        let none = || Heard::Missing(Vec::new());
        let (sphinx_lacks, manticore_lacks) = (
            "index web_20261122: query error: no field 'x0_a' found in schema",
            "query error: no field 'x0_a' found in schema",
        );
        for (report, expect) in [
            ("index D: agent P: remote query error: unknown local index 'web_20261122' in search request", none()),
            ("table D: agent P: remote query error: unknown local table(s) 'web_20261122' in search request", none()),
            (&format!("index D: agent P: remote query error: {sphinx_lacks}"), missing(sphinx_lacks)),
            (&format!("table D: agent P: remote query error: {manticore_lacks}"), missing(manticore_lacks)),
            (
                "index D: agent P: invalid packet size (status=0, len=300202, max_packet_size=131072)",
                Heard::TooLarge(3),
            ),
            (
                "table D: agent P: invalid packet size (status=0, len=300206, max_packet_size=131072)",
                Heard::TooLarge(3),
            ),
            ("index D: agent P: remote query warning: index 'web_20261122': query word(s) mismatch: example", none()),
            // a searchd that is stopped, a host that does not answer, and a searchd that is gone
            ("index D: agent P: connect() timed out", Heard::Again),
            ("table D: agent P: query timed out", Heard::Again),
            ("table D: agent P: connect and query timed out", Heard::Again),
            ("index D: agent P: connect() failed: errno=111, Operation now in progress", Heard::Again),
            ("table D: agent P: receiving failure (errno=111, msg=Connection refused)", Heard::Again),
            // a peer of an older version
            ("table D: agent P: remote error: client version is higher than daemon version", Heard::Again),
            // two peers, of which the other has the first report
            ("index D: agent Q: connect() timed out;\nindex D: agent P: connect() timed out", Heard::Again),
            ("table D: agent Q: query timed out", none()),
        ] {
            let nodes = nodes();
            let asked = nodes.included(&slice("web_20261122"), &Amount::new(1));
            let text = report.replace('D', &asked.slice.from).replace('P', "d:9312").replace('Q', "e:9312");
            assert_eq!(nodes.heard(&asked, &[text]), expect, "{report}");
            let is_away = nodes.states().iter().any(|peer| peer.away.is_some());
            assert_eq!(is_away, expect == Heard::Again, "{report}");
        }
    }

    #[test]
    fn an_answer_that_is_too_large_is_asked_for_in_parts() {
        let (nodes, mut amount) = (nodes(), Amount::new(20));
        let asked: Vec<usize> = (0..3)
            .map(|_| {
                amount.lessen(3);
                amount.documents
            })
            .collect();
        // one document alone is too large: the others are asked for
        assert_eq!((asked, amount.is_less()), (vec![2, 1, 20], false));
        let asked = nodes.included(&slice("web_20261122"), &amount);
        assert_eq!(asked.slice.from, "web_20261122, web_20261122_p1");
        let Heard::Missing(missing) = nodes.heard(&asked, &[]) else { panic!("the rest is an answer") };
        assert!(missing.len() == 1 && missing[0].contains("d:9312"), "{missing:?}");
    }
}
