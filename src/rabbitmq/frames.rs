//! The broker's frames -> frames that amiquip reads. Pure.
//!
//! A producer may put any bytes into a routing key, a property or a header, and RabbitMQ delivers them as they are. amiquip ends
//! the connection at a short string that is not UTF-8, and its parser descends into tables as deep as they go, until the stack of
//! its thread is used up. The broker then hands the same message out again, for ever. Here such text gets U+FFFD for what is
//! not UTF-8, as a body does, and what is nested too deep is left out. All else passes as it is.
//!
//! Invariant: amiquip reads every frame that comes out, and no frame changes the place of the next.

/// Tables and arrays within each other. amiquip's thread has a stack of 2 MiB; a header of a program is a table or two.
const MAX_LEVELS: usize = 32;
/// The largest frame of a broker that keeps to AMQP: alco asks for at most `FRAME_BYTES`, but RabbitMQ sends the header of a message
/// whole, however large.
const MAX_FRAME_BYTES: usize = 16 << 20;
/// Asked for at the login: RabbitMQ's own default.
pub const FRAME_BYTES: u32 = 128 << 10;
/// The largest message that RabbitMQ can be configured to take. amiquip reserves the memory as soon as a length is announced.
const MAX_BODY_BYTES: u64 = 512 << 20;

/// Type, channel, size of the payload.
const HEAD_BYTES: usize = 7;
/// After the payload.
const END_BYTES: usize = 1;
/// For a port at which a client without TLS is not understood.
pub const TLS_CURE: &str = "if that is its port for TLS, have [rabbitmq] url begin with amqps://";
/// The first byte of what a server of TLS sends to a client without it.
const TLS_ALERT: u8 = 0x15;
const METHOD_FRAME: u8 = 1;
const HEADER_FRAME: u8 = 2;
const BODY_FRAME: u8 = 3;
const HEARTBEAT_FRAME: u8 = 8;
/// Class and method of connection.open-ok, which ends the login.
const CONNECTION_OPEN_OK: [u8; 4] = [0, 10, 0, 41];
/// Of the bytes of another program, for the error.
const SHOWN_BYTES: usize = 40;
/// Class and method.
const BASIC_DELIVER: [u8; 4] = [0, 60, 0, 60];
/// Tag of the delivery, and the bit of a redelivery.
const TAG_BYTES: usize = 9;
/// Class, weight and size of the body, before the flags of a content header.
const BEFORE_FLAGS_BYTES: usize = 12;
/// In place of what is nested too deep.
const TOO_DEEP: &str = "nested too deep";

/// The properties of a message, in the order of their flags from the highest bit on.
const PROPERTIES: [FieldKind; 14] = [
    FieldKind::ShortText, // content_type
    FieldKind::ShortText, // content_encoding
    FieldKind::Table,     // headers
    FieldKind::Bytes(1),  // delivery_mode
    FieldKind::Bytes(1),  // priority
    FieldKind::ShortText, // correlation_id
    FieldKind::ShortText, // reply_to
    FieldKind::ShortText, // expiration
    FieldKind::ShortText, // message_id
    FieldKind::Bytes(8),  // timestamp
    FieldKind::ShortText, // type
    FieldKind::ShortText, // user_id
    FieldKind::ShortText, // app_id
    FieldKind::ShortText, // cluster_id
];

#[derive(Clone, Copy)]
enum FieldKind {
    Bytes(usize),
    ShortText,
    LongText,
    /// with its length before it
    LongBytes,
    Array,
    Table,
}

impl FieldKind {
    /// Of a value in a table, by its type as amiquip and RabbitMQ read it.
    fn of(letter: u8) -> Option<FieldKind> {
        Some(match letter {
            b'V' => FieldKind::Bytes(0),
            b't' | b'b' | b'B' => FieldKind::Bytes(1),
            b's' | b'U' | b'u' => FieldKind::Bytes(2),
            b'I' | b'i' | b'f' => FieldKind::Bytes(4),
            b'D' => FieldKind::Bytes(5),
            b'L' | b'l' | b'd' | b'T' => FieldKind::Bytes(8),
            b'S' => FieldKind::LongText,
            b'x' => FieldKind::LongBytes,
            b'A' => FieldKind::Array,
            b'F' => FieldKind::Table,
            _ => return None,
        })
    }
}

/// Bytes of the bodies that the content headers of deliveries announce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    pub all: u64,
    pub last: u64,
}

/// Takes bytes as they come from the broker, and gives them on.
#[derive(Debug, Default)]
pub struct Frames {
    /// the begin of a frame
    received: Vec<u8>,
    /// bytes of the frame under way that pass as they are
    passing: usize,
    readable: Vec<u8>,
    /// bytes of `readable` that were given on
    given: usize,
    /// the begin of the delivery under way was changed
    is_changed: bool,
    /// deliveries that were changed
    changed: u64,
    /// deliveries that have begun
    delivered: u64,
    bodies: Announced,
    /// the login has ended
    pub is_open: bool,
    /// the fields of a frame, kept for the next one
    fields: Vec<u8>,
}

impl Frames {
    /// # Errors
    /// A length that no broker announces.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut received = std::mem::take(&mut self.received);
        received.extend_from_slice(bytes);
        let mut used = 0;
        while let Some(length) = self.step(&received[used..])? {
            used += length;
        }
        received.drain(..used);
        self.received = received;
        Ok(())
    }

    /// Gives on what there is and fits. Returns the number of bytes, 0 if there are none.
    pub fn give(&mut self, buffer: &mut [u8]) -> usize {
        let left = &self.readable[self.given..];
        let length = left.len().min(buffer.len());
        buffer[..length].copy_from_slice(&left[..length]);
        self.given += length;
        if self.given == self.readable.len() {
            self.readable.clear();
            self.given = 0;
        }
        length
    }

    /// The number of deliveries that were changed since the last call.
    pub fn take_changed(&mut self) -> u64 {
        std::mem::take(&mut self.changed)
    }

    /// The number of deliveries that have begun since the last call.
    pub fn take_delivered(&mut self) -> u64 {
        std::mem::take(&mut self.delivered)
    }

    /// The bodies that were announced since the last call.
    pub fn take_announced(&mut self) -> Announced {
        std::mem::take(&mut self.bodies)
    }

    /// Moves on what can be moved, and returns the number of bytes that are used; None if more must come first.
    fn step(&mut self, left: &[u8]) -> Result<Option<usize>, String> {
        if left.is_empty() {
            return Ok(None);
        }
        if self.passing > 0 {
            let length = left.len().min(self.passing);
            self.readable.extend_from_slice(&left[..length]);
            self.passing -= length;
            return Ok(Some(length));
        }
        let max_bytes = match left[0] {
            METHOD_FRAME | BODY_FRAME | HEARTBEAT_FRAME => FRAME_BYTES as usize,
            HEADER_FRAME => MAX_FRAME_BYTES,
            TLS_ALERT => return Err(format!("it sends an alert of TLS; {TLS_CURE}")),
            _ => {
                let shown = left[..left.len().min(SHOWN_BYTES)].escape_ascii();
                return Err(format!("no RabbitMQ answers there: it sends \"{shown}\""));
            }
        };
        let Some(&[kind, _, _, a, b, c, d]) = left.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let size = u32::from_be_bytes([a, b, c, d]) as usize;
        if size > max_bytes {
            return Err(format!("the broker announces a frame of {size} bytes; this is not RabbitMQ, or not AMQP"));
        }
        let whole = HEAD_BYTES + size + END_BYTES;
        if !matches!(kind, METHOD_FRAME | HEADER_FRAME) {
            self.passing = whole;
            return Ok(Some(0));
        }
        let Some(frame) = left.get(..whole) else { return Ok(None) };
        let payload = &frame[HEAD_BYTES..HEAD_BYTES + size];
        if kind == METHOD_FRAME {
            self.delivered += u64::from(payload.starts_with(&BASIC_DELIVER));
            self.is_open |= payload.starts_with(&CONNECTION_OPEN_OK);
        }
        self.fields.clear();
        let is_read = match kind {
            METHOD_FRAME => delivery(payload, &mut self.fields).is_some(),
            _ => match content_header(payload, &mut self.fields)? {
                Some(body) => {
                    self.bodies = Announced { all: self.bodies.all + body, last: body };
                    true
                }
                None => false,
            },
        };
        if is_read && self.fields != payload {
            let length = u32::try_from(self.fields.len()).expect("a frame of 16 MiB grows at most threefold");
            self.readable.extend_from_slice(&frame[..HEAD_BYTES - 4]);
            self.readable.extend_from_slice(&length.to_be_bytes());
            self.readable.extend_from_slice(&self.fields);
            self.readable.extend_from_slice(&frame[HEAD_BYTES + size..]);
            self.is_changed = true;
        } else {
            self.readable.extend_from_slice(frame);
        }
        if kind == HEADER_FRAME && std::mem::take(&mut self.is_changed) {
            self.changed += 1;
        }
        Ok(Some(whole))
    }
}

/// Writes the same method with text that amiquip reads; None if it is not basic.deliver.
fn delivery(payload: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let mut from = Fields(payload.strip_prefix(&BASIC_DELIVER)?);
    to.extend_from_slice(&BASIC_DELIVER);
    from.copy(FieldKind::ShortText, to, 0)?; // the consumer's tag
    from.copy(FieldKind::Bytes(TAG_BYTES), to, 0)?;
    from.copy(FieldKind::ShortText, to, 0)?; // exchange
    from.copy(FieldKind::ShortText, to, 0) // routing key
}

/// Writes the same content header with properties that amiquip reads; it ends at a property that cannot be read. Returns the size of
/// the body in bytes; None if the payload is shorter than a content header.
fn content_header(payload: &[u8], to: &mut Vec<u8>) -> Result<Option<u64>, String> {
    let mut from = Fields(payload);
    let (Some(before), Some(flags)) = (from.bytes(BEFORE_FLAGS_BYTES), from.bytes(2)) else { return Ok(None) };
    let size = u64::from_be_bytes(*before.last_chunk().expect("12 bytes are more than 8"));
    if size > MAX_BODY_BYTES {
        return Err(format!(
            "the broker announces a message of {size} bytes; RabbitMQ has none above {MAX_BODY_BYTES}"
        ));
    }
    let flags = u16::from_be_bytes([flags[0], flags[1]]);
    let mut kept = 0;
    to.extend_from_slice(before);
    to.extend_from_slice(&[0, 0]);
    for (kind, bit) in PROPERTIES.into_iter().zip((2..16).rev()) {
        if flags & 1 << bit == 0 {
            continue;
        }
        if from.copy(kind, to, 0).is_none() {
            break;
        }
        kept |= 1 << bit;
    }
    to[BEFORE_FLAGS_BYTES..BEFORE_FLAGS_BYTES + 2].copy_from_slice(&u16::to_be_bytes(kept));
    Ok(Some(size))
}

/// The fields that are left.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.bytes(4)?;
        self.bytes(u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize)
    }

    /// Copies a field within that many tables and arrays. None: it cannot be read, and nothing is copied.
    fn copy(&mut self, kind: FieldKind, to: &mut Vec<u8>, levels: usize) -> Option<()> {
        match kind {
            FieldKind::Bytes(length) => to.extend_from_slice(self.bytes(length)?),
            FieldKind::ShortText => {
                let length = self.bytes(1)?[0];
                let text = String::from_utf8_lossy(self.bytes(length.into())?);
                // U+FFFD is longer than the byte in whose place it is
                let text = &text[..text.floor_char_boundary(u8::MAX.into())];
                to.push(u8::try_from(text.len()).expect("cut just above"));
                to.extend_from_slice(text.as_bytes());
            }
            FieldKind::LongText => put_long(String::from_utf8_lossy(self.long()?).as_bytes(), to),
            FieldKind::LongBytes => put_long(self.long()?, to),
            FieldKind::Array | FieldKind::Table => {
                let mut inner = Fields(self.long()?);
                let begin = to.len();
                to.extend_from_slice(&[0; 4]);
                while !inner.0.is_empty() {
                    let end = to.len();
                    let key = if let FieldKind::Table = kind {
                        inner.copy(FieldKind::ShortText, to, levels)
                    } else {
                        Some(())
                    };
                    if key.and_then(|()| inner.copy_value(to, levels + 1)).is_none() {
                        // amiquip ends a table here too
                        to.truncate(end);
                        break;
                    }
                }
                let length = u32::try_from(to.len() - begin - 4).expect("a frame of 16 MiB grows at most threefold");
                to[begin..begin + 4].copy_from_slice(&length.to_be_bytes());
            }
        }
        Some(())
    }

    /// Copies a value of a table or an array, with its type.
    fn copy_value(&mut self, to: &mut Vec<u8>, levels: usize) -> Option<()> {
        let letter = self.bytes(1)?[0];
        let kind = FieldKind::of(letter)?;
        if levels > MAX_LEVELS && matches!(kind, FieldKind::Array | FieldKind::Table) {
            self.long()?;
            to.push(b'S');
            put_long(TOO_DEEP.as_bytes(), to);
            return Some(());
        }
        to.push(letter);
        self.copy(kind, to, levels)
    }
}

fn put_long(bytes: &[u8], to: &mut Vec<u8>) {
    let length = u32::try_from(bytes.len()).expect("a frame of 16 MiB grows at most threefold");
    to.extend_from_slice(&length.to_be_bytes());
    to.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use amq_protocol::frame::{AMQPFrame, parse_frame};
    use amq_protocol::protocol::AMQPClass;
    use amq_protocol::protocol::basic::{AMQPMethod, AMQPProperties};
    use amq_protocol::types::AMQPValue;
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&[kind, 0, 1], &length[..], payload, &[0xce]].concat()
    }

    fn short(text: &[u8]) -> Vec<u8> {
        [&[u8::try_from(text.len()).expect("short")], text].concat()
    }

    fn long(bytes: &[u8]) -> Vec<u8> {
        let mut long = Vec::new();
        put_long(bytes, &mut long);
        long
    }

    fn deliver(exchange: &[u8], routing_key: &[u8]) -> Vec<u8> {
        frame(
            METHOD_FRAME,
            &[&BASIC_DELIVER[..], &short(b"tag"), &[0; TAG_BYTES], &short(exchange), &short(routing_key)].concat(),
        )
    }

    fn header(body_bytes: u64, flags: u16, properties: &[u8]) -> Vec<u8> {
        let head = [&[0, 60, 0, 0], &body_bytes.to_be_bytes()[..], &flags.to_be_bytes()].concat();
        frame(HEADER_FRAME, &[&head[..], properties].concat())
    }

    /// What comes out of bytes that come in pieces of that size, and the number of changed deliveries.
    fn through(bytes: &[u8], piece: usize) -> (Vec<u8>, u64) {
        let (mut frames, mut all, mut buffer) = (Frames::default(), Vec::new(), [0; 7]);
        for piece in bytes.chunks(piece) {
            frames.take(piece).expect("lengths are small");
            while let length @ 1.. = frames.give(&mut buffer) {
                all.extend_from_slice(&buffer[..length]);
            }
        }
        (all, frames.take_changed())
    }

    /// The frames in these bytes, as amiquip reads them.
    #[track_caller]
    fn read(mut bytes: &[u8]) -> Vec<AMQPFrame> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let (rest, frame) = parse_frame(bytes).expect("amiquip reads it");
            frames.push(frame);
            bytes = rest;
        }
        frames
    }

    #[track_caller]
    fn properties(flags: u16, properties: &[u8]) -> (AMQPProperties, u64) {
        let (bytes, changed) = through(&header(3, flags, properties), 1000);
        match read(&bytes).pop() {
            Some(AMQPFrame::Header(1, 60, header)) if header.body_size == 3 => (header.properties, changed),
            other => panic!("{other:?}"),
        }
    }

    const HEADERS: u16 = 1 << 13;

    #[test]
    fn readable_frames_pass_as_they_are() {
        let table = [
            &short("k\u{e9}y".as_bytes())[..],
            b"S",
            &long("\u{65e5}".as_bytes()),
            &short(b"void"),
            b"V",
            &short(b"list"),
            b"A",
            &long(b"t\x01V"),
        ];
        let all = [
            deliver(b"logstash", "caf\u{e9}.#".as_bytes()),
            header(5, HEADERS | 1 << 15, &[&short(b"text")[..], &long(&table.concat())].concat()),
            frame(3, &[0xff; 5]),
            frame(8, &[]),
            deliver(b"", b""),
            header(0, 0, &[]),
            frame(METHOD_FRAME, &[0, 60, 0, 71, 0xff, 0xff]),
        ]
        .concat();
        for piece in [1, 3, 1000] {
            assert_eq!(through(&all, piece), (all.clone(), 0), "in pieces of {piece}");
        }
    }

    #[test]
    fn text_that_is_not_utf8_becomes_readable() {
        let all = [deliver(b"\xff", &[0xfe; 255]), header(1, 0, &[]), frame(3, b"\xff")].concat();
        let (bytes, changed) = through(&all, 10);
        let frames = read(&bytes);
        let AMQPFrame::Method(1, AMQPClass::Basic(AMQPMethod::Deliver(deliver))) = &frames[0] else {
            panic!("{frames:?}")
        };
        assert_eq!((deliver.exchange.as_str(), deliver.routing_key.as_str()), ("\u{fffd}", &*"\u{fffd}".repeat(85)));
        assert!(matches!(&frames[2], AMQPFrame::Body(1, body) if body == b"\xff"), "a body is bytes");
        assert_eq!(changed, 1);

        for bit in [15, 14, 10, 9, 8, 7, 5, 4, 3, 2] {
            let is_before_the_mode = bit > 12;
            let (text, mode) = (short(b"a\xffb"), vec![2]);
            let parts = if is_before_the_mode { [text, mode] } else { [mode, text] };
            let (read, changed) = properties(1 << bit | 1 << 12, &parts.concat());
            assert_eq!((read.delivery_mode(), changed), (&Some(2), 1), "bit {bit}");
            assert!(format!("{read:?}").contains("a\u{fffd}b"), "{read:?}");
        }
    }

    #[test]
    fn each_value_of_a_header_survives_its_neighbours() {
        // type, bytes, what amiquip makes of it
        let cases: [(u8, Vec<u8>, &str); 20] = [
            (b't', vec![7], "Boolean(true)"),
            (b'b', vec![0xff], "ShortShortInt(-1)"),
            (b'B', vec![0xff], "ShortShortUInt(255)"),
            (b's', vec![0xff; 2], "ShortInt(-1)"),
            (b'U', vec![0xff; 2], "ShortInt(-1)"),
            (b'u', vec![0xff; 2], "ShortUInt(65535)"),
            (b'I', vec![0xff; 4], "LongInt(-1)"),
            (b'i', vec![0xff; 4], "LongUInt(4294967295)"),
            (b'l', vec![0xff; 8], "LongLongInt(-1)"),
            (b'L', vec![0xff; 8], "LongLongInt(-1)"),
            (b'f', vec![0xff; 4], "Float(NaN)"),
            (b'd', vec![0xff; 8], "Double(NaN)"),
            (b'D', vec![0xff; 5], "DecimalValue(DecimalValue { scale: 255, value: 4294967295 })"),
            (b'T', vec![0xff; 8], "Timestamp(18446744073709551615)"),
            (b'V', vec![], "Void"),
            (b'x', long(b"\xff"), "ByteArray([255])"),
            (b'S', long(b"\xff"), "LongString(\"\u{fffd}\")"),
            (b'S', long(&[0; 70_000]), "LongString(\"\\0\\0"),
            (b'A', long(&[b'S', 0, 0, 0, 1, 0xff, b'V']), "FieldArray([LongString(\"\u{fffd}\"), Void])"),
            (b'F', long(&[1, 0xff, b't', 1]), "FieldTable({\"\u{fffd}\": Boolean(true)})"),
        ];
        for (letter, value, expected) in cases {
            let table =
                [&short(b"a")[..], b"V", &short(b"it\xff"), &[letter], &value, &short(b"z"), b"t", &[1]].concat();
            let (read, changed) = properties(HEADERS | 1 << 7, &[&long(&table)[..], &short(b"id")].concat());
            let headers = read.headers().clone().expect("there are headers");
            let found = format!("{:?}", headers.get("it\u{fffd}").expect("its key is readable"));
            assert!(found.starts_with(expected), "{}: {found}", char::from(letter));
            assert_eq!((headers.get("z"), changed), (Some(&AMQPValue::Boolean(true)), 1));
            assert_eq!(read.message_id().as_deref(), Some("id"));
        }
    }

    #[test]
    fn deep_tables_do_not_use_up_the_stack() {
        for (letter, levels) in [(b'A', 20_000), (b'F', 20_000), (b'A', MAX_LEVELS + 1), (b'A', MAX_LEVELS)] {
            // written from its outermost level inwards, with the lengths that are left
            let each = if letter == b'F' { 6 } else { 5 };
            let mut value = Vec::new();
            for inner in (0..levels).rev() {
                let key: &[u8] = if letter == b'F' || inner + 1 == levels { &[0] } else { &[] };
                let length = u32::try_from(inner * each).expect("short").to_be_bytes();
                value.extend([key, &[letter], &length].concat());
            }
            let (read, changed) = properties(HEADERS, &long(&value));
            let text = format!("{read:?}");
            assert_eq!(text.contains(TOO_DEEP), levels > MAX_LEVELS, "{levels} levels");
            assert_eq!(changed, u64::from(levels > MAX_LEVELS));
        }
    }

    #[test]
    fn unreadable_properties_are_left_out() {
        for (flags, bytes) in [
            (0b11, &[][..]),                         // flags that AMQP does not have
            (1 << 15, &[200, b'x']),                 // a text that does not end
            (HEADERS, &[0xff; 9]),                   // a table that does not
            (HEADERS, &[0, 0, 0, 3, 1, b'k', b'?']), // a type that does not exist
            (1 << 6, &[1]),
        ] {
            let (read, changed) = properties(flags, bytes);
            assert_eq!((read.bitmask() & !HEADERS, changed), (0, 1), "{flags:b} {bytes:?}");
        }
    }

    #[test]
    fn lengths_that_no_broker_announces_are_errors() {
        for (bytes, says) in [
            (vec![METHOD_FRAME, 0, 1, 0xff, 0xff, 0xff, 0xff], "a frame of 4294967295 bytes"),
            (vec![METHOD_FRAME, 0, 1, 0, 0x10, 0, 0], "a frame of 1048576 bytes"),
            (vec![BODY_FRAME, 0, 1, 0, 0x10, 0, 0], "a frame of 1048576 bytes"),
            (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), "it sends \"HTTP/1.1 400 Bad Request\\r\\n\""),
            (b"SSH-2.0".to_vec(), "it sends \"SSH-2.0\""),
            (header(u64::MAX, 0, &[]), "a message of 18446744073709551615 bytes"),
        ] {
            let why = Frames::default().take(&bytes).expect_err(says);
            assert!(why.contains(says), "{why}");
        }
    }

    fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
        // more tables and short lengths than chance has
        let byte = prop_oneof![Just(0u8), Just(1u8), Just(b'F'), Just(b'A'), Just(b'S'), any::<u8>()];
        proptest::collection::vec(byte, 0..most)
    }

    proptest! {
        #[test]
        fn amiquip_reads_what_a_producer_can_send(
            flags in any::<u16>(), exchange in bytes(255), sent in bytes(200), piece in 1..50usize
        ) {
            let all = [deliver(&exchange, &exchange), header(2, flags, &sent), frame(3, b"{}")].concat();
            let frames = read(&through(&all, piece).0);
            prop_assert_eq!(frames.len(), 3);
            let is_body = matches!(&frames[2], AMQPFrame::Body(1, body) if body == b"{}");
            prop_assert!(is_body);
        }
    }
}
