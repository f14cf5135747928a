//! A body that is not text, as a record.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::record::{MAX_BODY, Record, Shape};
use crate::time::Ts;

/// The column that keeps the bytes of a body that is not text, in base64.
pub const BODY_COLUMN: &str = "alco_body";

impl<'a> Record<'a> {
    /// A record of a body that is not text: its readable part is the message, and a column keeps its bytes. Each byte that cannot be
    /// read takes three in the message, which is cut if it would be too long.
    pub fn of_bytes(body: &'a [u8], shape: &Shape, ts: Ts, why: String) -> Record<'a> {
        let mut record = Record::of_text(String::from_utf8_lossy(body), ts, why);
        if record.message.len() >= MAX_BODY {
            let end = record.message.floor_char_boundary(MAX_BODY - 1);
            record.message.to_mut().truncate(end);
            record = record.with_problem("the message is cut");
        }
        if !shape.excluded.iter().any(|excluded| excluded == BODY_COLUMN) {
            let value = format!("\"{}\"", in_base64(body));
            record.columns.push((Cow::Borrowed(BODY_COLUMN), Cow::Owned(value)));
        }
        record
    }
}

/// The form in which a column keeps bytes that are not text.
pub fn in_base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn bytes_are_kept_though_their_message_is_cut() {
        let bytes = vec![0xff; 2 << 20];
        let shape = Shape {
            timestamp: vec!["@timestamp".into()],
            message: vec!["message".into()],
            zone: TimeZone::UTC,
            excluded: Vec::new(),
        };
        let odd = Record::of_bytes(&bytes, &shape, Ts::from_micros(0), "why".to_owned());
        assert_eq!((odd.message.len(), odd.error.as_deref()), (MAX_BODY - 1, Some("why; the message is cut")));
        let (key, value) = &odd.columns[0];
        assert_eq!((&**key, &**value), (BODY_COLUMN, &*format!("\"{}\"", in_base64(&bytes))));
    }
}
