//! A producer that writes AMQP 0-9-1 byte by byte: amiquip's values are text, and cannot be wrong.

use std::io::{Read, Write};
use std::net::TcpStream;

use url::Url;

use super::SOON;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
/// RabbitMQ's own default.
const FRAME_BYTES: u32 = 128 << 10;

/// A short string.
pub fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

/// A long string, or the fields of a table or of an array.
pub fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

/// A message with bytes of any kind.
#[derive(Clone, Debug, Default)]
pub struct RawMessage {
    pub exchange: Vec<u8>,
    pub routing_key: Vec<u8>,
    /// those of the properties that follow, from the highest bit on
    pub flags: u16,
    pub properties: Vec<u8>,
    pub body: Vec<u8>,
}

/// Waits for the broker's confirm of each message.
pub struct RawPublisher(TcpStream);

impl RawPublisher {
    #[track_caller]
    pub fn open(amqp: &str) -> RawPublisher {
        let url = Url::parse(amqp).unwrap();
        let stream = TcpStream::connect((url.host_str().unwrap(), url.port().unwrap())).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut publisher = RawPublisher(stream);
        publisher.0.write_all(b"AMQP\0\0\x09\x01").unwrap();
        publisher.expect(10, 10);
        let login = format!("\0{}\0{}", url.username(), url.password().unwrap());
        publisher.call(0, 10, 11, &[&long(b"")[..], &short(b"PLAIN"), &long(login.as_bytes()), &short(b"en_US")]);
        publisher.expect(10, 30);
        publisher.call(0, 10, 31, &[&[0, 9], &FRAME_BYTES.to_be_bytes(), &[0, 0]]);
        publisher.call(0, 10, 40, &[&short(b"/"), &[0, 0]]);
        publisher.expect(10, 41);
        publisher.call(1, 20, 10, &[&[0]]);
        publisher.expect(20, 11);
        publisher.call(1, 85, 10, &[&[0]]);
        publisher.expect(85, 11);
        publisher
    }

    #[track_caller]
    pub fn publish(&mut self, message: &RawMessage) {
        self.call(1, 60, 40, &[&[0, 0], &short(&message.exchange), &short(&message.routing_key), &[0]]);
        let length = (message.body.len() as u64).to_be_bytes();
        self.frame(
            HEADER,
            1,
            &[&[0, 60, 0, 0], &length[..], &message.flags.to_be_bytes(), &message.properties].concat(),
        );
        for part in message.body.chunks(FRAME_BYTES as usize - 8) {
            self.frame(BODY, 1, part);
        }
        self.expect(60, 80);
    }

    fn call(&mut self, channel: u16, class: u8, method: u8, arguments: &[&[u8]]) {
        self.frame(METHOD, channel, &[&[0, class, 0, method], &arguments.concat()[..]].concat());
    }

    fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let frame = [&[kind], &channel.to_be_bytes()[..], &long(payload), &[0xce]].concat();
        self.0.write_all(&frame).unwrap();
    }

    #[track_caller]
    fn expect(&mut self, class: u8, method: u8) {
        let mut head = [0; 7];
        self.0.read_exact(&mut head).unwrap();
        let mut payload = vec![0; u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize + 1];
        self.0.read_exact(&mut payload).unwrap();
        let said = String::from_utf8_lossy(&payload);
        assert_eq!((head[0], payload.get(..4)), (METHOD, Some(&[0, class, 0, method][..])), "{said}");
    }
}
