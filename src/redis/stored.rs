//! Documents that stand for deliveries which may come again: what Redis and searchd know of them. Pure.

/// Docids of one session, whose documents the broker may hand out again.
#[derive(Clone, Debug)]
pub struct LeaseSpan {
    pub first: u64,
    pub last: u64,
    /// unlike that of any other session
    pub session: String,
    /// up to that docid alco has acknowledged
    pub acknowledged: u64,
    /// up to that one it had before the last acknowledgement, which may not have been sent
    pub before: u64,
}

/// A document that stands for a delivery which may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    pub id: u64,
    pub digest: i64,
    /// where it stands now: its own docid, or the one of the record that has claimed it
    pub place: u64,
}
