//! (to come)
/// A record as it was stored and read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    pub message: String,
    /// the columns as the text of a JSON object, as sent; holds the timestamp's and the message's key only where what was
    /// sent is not what alco would write for it
    pub columns: String,
}
