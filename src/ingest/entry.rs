//! A record in the batch, and the delivery that it came in. Invariant: an entry keeps its delivery's body until it is stored or
//! dead-lettered.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crate::ingest::body::PieceText;
use crate::rabbitmq::{Delivery, Part};
use crate::record::digest;
use crate::sphinx::DocId;
use crate::time::{Day, Ts};

/// A delivery, with what its records have in common.
pub(super) struct Parcel {
    pub(super) delivery: Arc<Delivery>,
    /// what is kept of it besides the body
    pub(super) properties: Vec<(String, String)>,
    pub(super) digest: i64,
    pub(super) arrived: Ts,
    pub(super) instant: Instant,
}

/// Where a record stands in its delivery.
pub(super) enum InDelivery {
    Whole,
    /// one of several: which, and its text
    One {
        position: usize,
        text: PieceText,
        is_last: bool,
    },
}

impl InDelivery {
    /// The record's digest, from that of the delivery.
    pub(super) fn digest(&self, of_delivery: i64) -> i64 {
        match self {
            InDelivery::Whole => of_delivery,
            InDelivery::One { position, .. } => digest::of_part(of_delivery, *position),
        }
    }
}

pub(super) struct BatchEntry {
    pub(super) delivery: Arc<Delivery>,
    pub(super) place: InDelivery,
    pub(super) id: DocId,
    pub(super) digest: i64,
    pub(super) fate: Fate,
}

pub(super) enum Fate {
    /// to be stored in that day's index; where in the day's statement its tuple stands
    Store(Day, Range<usize>),
    /// for the dead queue, and why
    DeadLetter(String),
    /// stored before: to be acknowledged only
    Stored,
}

impl BatchEntry {
    pub(super) fn ends_delivery(&self) -> bool {
        !matches!(self.place, InDelivery::One { is_last: false, .. })
    }

    /// The part of the delivery that goes to the dead queue.
    pub(super) fn part(&self) -> Part<'_> {
        match &self.place {
            InDelivery::Whole => Part::Whole,
            InDelivery::One { position, text, .. } => Part::Record(*position, text.bytes(&self.delivery.body)),
        }
    }
}
