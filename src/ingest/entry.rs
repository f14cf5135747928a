//! A record in the batch, and the delivery that it came in. Invariant: an entry keeps its delivery's body until it is stored or
//! dead-lettered.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crate::config::Property;
use crate::ingest::body::{self, Content, MAX_RECORDS, PieceText, Pieces, TooManyRecords};
use crate::ingest::inbox::Arrival;
use crate::rabbitmq::{self, Delivery, Part};
use crate::record::digest;
use crate::sphinx::DocId;
use crate::time::{Day, Ts};

/// A delivery, with what its records have in common.
pub(super) struct Parcel {
    pub(super) delivery: Arc<Delivery>,
    /// its properties that are kept, in addition to the body
    pub(super) properties: Vec<(String, String)>,
    pub(super) digest: i64,
    pub(super) arrived: Ts,
    pub(super) instant: Instant,
}

impl Parcel {
    /// `properties` are those that are kept as columns.
    pub(super) fn new(arrival: Arrival, properties: &[Property]) -> Parcel {
        let Arrival { delivery, digest, at: arrived, instant } = arrival;
        let properties = rabbitmq::properties::columns(&delivery, properties);
        Parcel { delivery: Arc::new(delivery), properties, digest, arrived, instant }
    }

    /// Puts the unpacked body in the place of the packed one: from now on only its records may be dead-lettered, each by itself.
    pub(super) fn unpack(&mut self, unpacked: String) {
        let mut delivery = Delivery::clone(&self.delivery);
        delivery.body = unpacked.into_bytes();
        self.delivery = Arc::new(delivery);
    }
}

/// The content of a delivery's body, and its records if it has several. With `split` false it is always one. Its content is an error if
/// it cannot be stored, and then it is one too.
pub(super) fn open(delivery: &Delivery, split: bool) -> (Result<Content<'_>, String>, Option<Pieces>) {
    let encoding = delivery.properties.content_encoding().as_ref().map(|encoding| encoding.as_str());
    let content = body::read(&delivery.body, encoding);
    let pieces = match &content {
        Ok(Content::Text(text, None)) if split => Pieces::of(text),
        _ => Ok(None),
    };
    match pieces {
        Ok(pieces) => (content, pieces),
        Err(TooManyRecords(count)) => {
            (Err(format!("a body of {count} records; alco takes at most {MAX_RECORDS} in one")), None)
        }
    }
}

/// The place of a record in its delivery.
pub(super) enum InDelivery {
    Whole,
    /// one of several: its position and its text
    One {
        position: usize,
        text: PieceText,
        is_last: bool,
    },
}

pub(super) struct BatchEntry {
    pub(super) delivery: Arc<Delivery>,
    pub(super) place: InDelivery,
    pub(super) id: DocId,
    pub(super) digest: i64,
    pub(super) fate: Fate,
    /// its tuple after the docid, if it may be stored where it cannot be looked for: with that in its `alco_error`
    pub(super) doubtful: Option<String>,
}

pub(super) enum Fate {
    /// to be stored in that day's index; the place of its tuple in the day's statement
    Store(Day, Range<usize>),
    /// for the dead queue, with the reason
    DeadLetter(String),
    /// stored before: to be acknowledged only
    Stored,
}

impl InDelivery {
    /// The record's digest, from that of the delivery.
    pub(super) fn digest(&self, of_delivery: i64) -> i64 {
        match self {
            InDelivery::Whole => of_delivery,
            InDelivery::One { position, .. } => digest::of_part(of_delivery, *position),
        }
    }

    /// True if no further record of the delivery follows.
    pub(super) fn ends_delivery(&self) -> bool {
        !matches!(self, InDelivery::One { is_last: false, .. })
    }
}

impl BatchEntry {
    /// The part of the delivery that goes to the dead queue.
    pub(super) fn part(&self) -> Part<'_> {
        match &self.place {
            InDelivery::Whole => Part::Whole,
            InDelivery::One { position, text, .. } => Part::Record(*position, text.bytes(&self.delivery.body)),
        }
    }
}
