//! The documents of a block, and what the neighbours of one of them show about it. Pure.
//!
//! The docids of a batch are a block. Its records come again together, or not, but for the edges of what the broker has forgotten.

use std::collections::{BTreeMap, HashSet};

use crate::record::digest::is_kept_apart;
use crate::redis::stored::StoredDocument;
use crate::sphinx::DocId;

/// A document that a block has or had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockMember {
    /// a place within the block
    pub at: u64,
    pub digest: i64,
    /// the record was redelivered since, and the document has another place
    pub came: bool,
}

impl BlockMember {
    fn has_come(&self, came: &HashSet<i64>) -> bool {
        self.came || came.contains(&self.digest)
    }

    /// False for a record that has not come and whose body the broker keeps apart: it may have forgotten the acknowledgement and
    /// have the body no longer.
    pub(super) fn is_evidence(&self, came: &HashSet<i64>) -> bool {
        self.has_come(came) || !is_kept_apart(self.digest)
    }
}

/// The members of some blocks, in their order, by the block's beginning.
pub type Blocks = BTreeMap<u64, Vec<BlockMember>>;

/// The members of a block: of the documents with docids in it, and those with a place in it that have been claimed.
pub fn members(
    documents: impl Iterator<Item = StoredDocument>,
    claimed: impl Iterator<Item = StoredDocument>,
) -> Vec<BlockMember> {
    let own = documents.map(|StoredDocument { id, digest, place }| BlockMember { at: id, digest, came: id != place });
    let claimed = claimed.map(|StoredDocument { digest, place, .. }| BlockMember { at: place, digest, came: false });
    let mut members: Vec<BlockMember> = own.chain(claimed).collect();
    members.sort_unstable();
    members
}

/// The members of a place's block, as far as they are known.
pub(super) fn members_around(place: u64, blocks: &Blocks) -> &[BlockMember] {
    blocks.get(&DocId::block(place)).map_or(&[][..], Vec::as_slice)
}

/// The number of neighbouring records that are looked at.
pub(super) const NEIGHBOURS_LOOKED_AT: usize = 16;
/// If this many neighbours were redelivered, RabbitMQ has forgotten acknowledgements.
pub(super) const PROVING_NEIGHBOURS: usize = 2;

/// The neighbours of a place in its block that differ from each other: the number of those that were looked at, and of those that
/// were redelivered.
#[derive(Clone, Copy)]
pub(super) struct Support {
    pub(super) looked_at: usize,
    pub(super) came: usize,
}

impl Support {
    /// By the nearest that stand before the place.
    pub(super) fn before(place: u64, blocks: &Blocks, came: &HashSet<i64>) -> Support {
        let members = members_around(place, blocks);
        let before = members.iter().rev().skip_while(|member| member.at >= place);
        Support::of(before.filter(|member| member.is_evidence(came)), came)
    }

    /// By the nearest that stand after the place.
    pub(super) fn after(place: u64, blocks: &Blocks, came: &HashSet<i64>) -> Support {
        let members = members_around(place, blocks);
        let after = members.iter().skip_while(|member| member.at <= place);
        Support::of(after.filter(|member| member.is_evidence(came)), came)
    }

    pub(super) fn of<'a>(members: impl Iterator<Item = &'a BlockMember>, came: &HashSet<i64>) -> Support {
        let mut known = HashSet::new();
        let nearest = members.filter(|member| known.insert(member.digest)).take(NEIGHBOURS_LOOKED_AT);
        nearest.fold(Support { looked_at: 0, came: 0 }, |support, member| Support {
            looked_at: support.looked_at + 1,
            came: support.came + usize::from(member.has_come(came)),
        })
    }

    /// Whether at least half of the neighbours came, or half of the share that one of the sharers knows of.
    pub(super) fn is_enough(self, sharers: usize) -> bool {
        self.came * 2 * sharers >= self.looked_at
    }

    /// Whether the acknowledgement of these neighbours is forgotten.
    pub(super) fn proves(self, sharers: usize) -> bool {
        self.is_enough(sharers) && self.came >= PROVING_NEIGHBOURS
    }
}
