//! Stored documents whose deliveries the broker may redeliver, as Redis and searchd know them. Pure.

/// Docids of one session; the broker may redeliver the records of its documents.
#[derive(Clone, Debug)]
pub struct LeaseSpan {
    pub first: u64,
    pub last: u64,
    /// a name that no other session has
    pub session: String,
    /// alco has acknowledged the documents up to this docid
    pub acknowledged: u64,
    /// `acknowledged` before the last acknowledgement, which may not have been sent
    pub before: u64,
}

/// A stored document whose delivery the broker may redeliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    pub id: u64,
    pub digest: i64,
    /// its own docid, or that of the redelivered record that has claimed it
    pub place: u64,
}
