//! Looks through Redis' replies (RESP2) on their way to the redis crate. Pure.
//!
//! The crate reserves and waits for what a length announces, however much that is. Another program may answer at Redis' port, or a
//! Redis that is broken. Invariant: the memory of a reply that passes is bounded, and its texts are UTF-8.

use redis::Value;

/// Of a whole reply. The largest of alco's are 20,000 patterns with their texts, about 4 MB, and the list of all clients.
const MAX_REPLY_BYTES: usize = 64 << 20;
/// Of a whole reply: each takes about 50 bytes of memory. alco keeps at most 20,000 members in a key, two elements each; a key of
/// leases or claims after a long outage has more.
const MAX_ELEMENTS: usize = 1 << 20;
/// Of a status or an error; a script's error has a part of the script.
const MAX_LINE_BYTES: usize = 64 << 10;
/// Lists within each other; alco's have two.
const MAX_LEVELS: usize = 8;
/// Of the bytes of another program, for the error.
const SHOWN_BYTES: usize = 40;

/// The first byte of what a port for TLS sends to a client without it.
const TLS_ALERT: u8 = 0x15;
pub const TLS_CURE: &str = "if that is its port for TLS, have [redis] url begin with rediss://";

#[derive(Debug, Default)]
pub struct Replies {
    step: ReplyStep,
    /// of each list under way: the elements to come
    left: Vec<usize>,
    bytes: usize,
    elements: usize,
}

#[derive(Debug, Default)]
enum ReplyStep {
    /// the next byte is the kind of a value
    #[default]
    Kind,
    /// a line so far
    Line(u8, Vec<u8>),
    /// the bytes of a text that are to come, with their line end
    Text(usize),
}

impl Replies {
    /// Looks at bytes as they come, in pieces of any size.
    ///
    /// # Errors
    /// One line: it is not a reply of Redis, or none that alco takes.
    pub fn look(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while let Some((first, rest)) = bytes.split_first() {
            match &mut self.step {
                ReplyStep::Kind => {
                    if *first == TLS_ALERT {
                        return Err(format!("it expects TLS; {TLS_CURE}"));
                    }
                    if !matches!(first, b'+' | b'-' | b':' | b'$' | b'*') {
                        let shown = bytes[..bytes.len().min(SHOWN_BYTES)].escape_ascii();
                        return Err(format!("no Redis answers there: it sends \"{shown}\""));
                    }
                    self.elements += 1;
                    if self.elements > MAX_ELEMENTS {
                        return Err(too_long("a list", self.elements));
                    }
                    self.step = ReplyStep::Line(*first, Vec::new());
                    self.count(1)?;
                    bytes = rest;
                }
                ReplyStep::Line(kind, line) => {
                    let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
                    line.extend_from_slice(&bytes[..end]);
                    if line.len() > MAX_LINE_BYTES {
                        return Err(too_long("a line", line.len()));
                    }
                    let whole = line.ends_with(b"\n").then(|| (*kind, std::mem::take(line)));
                    bytes = &bytes[end..];
                    self.count(end)?;
                    if let Some((kind, line)) = whole {
                        self.line(kind, &line)?;
                    }
                }
                ReplyStep::Text(left) => {
                    let taken = bytes.len().min(*left);
                    *left -= taken;
                    if *left == 0 {
                        self.ended();
                    }
                    bytes = &bytes[taken..];
                    // the length was counted when it was announced
                }
            }
        }
        Ok(())
    }

    fn line(&mut self, kind: u8, line: &[u8]) -> Result<(), String> {
        if !matches!(kind, b'$' | b'*') {
            self.ended();
            return Ok(());
        }
        let number = std::str::from_utf8(line).ok().and_then(|line| line.trim_end().parse::<i64>().ok());
        let Some(number) = number else {
            return Err(format!(
                "no Redis answers there: it sends a length of \"{}\"",
                line.trim_ascii().escape_ascii()
            ));
        };
        // -1 stands for nothing
        let Ok(length) = usize::try_from(number) else {
            self.ended();
            return Ok(());
        };
        if kind == b'$' {
            self.count(length)?;
            self.step = ReplyStep::Text(length + 2);
            return Ok(());
        }
        if length > MAX_ELEMENTS || self.elements + length > MAX_ELEMENTS {
            return Err(too_long("a list", length));
        }
        if self.left.len() >= MAX_LEVELS {
            return Err(format!("no Redis answers there: its lists are nested more than {MAX_LEVELS} deep"));
        }
        self.step = ReplyStep::Kind;
        if length > 0 {
            self.left.push(length);
        } else {
            self.ended();
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(bytes);
        match self.bytes > MAX_REPLY_BYTES {
            true => Err(too_long("a reply", self.bytes)),
            false => Ok(()),
        }
    }

    /// A value has ended, and with it perhaps the lists around it.
    fn ended(&mut self) {
        self.step = ReplyStep::Kind;
        while let Some(left) = self.left.last_mut() {
            *left -= 1;
            if *left > 0 {
                return;
            }
            self.left.pop();
        }
        (self.bytes, self.elements) = (0, 0);
    }
}

/// The reply with texts only that are UTF-8. alco writes no others, and one that another program wrote must not keep alco from reading
/// those around it.
pub fn readable(reply: Value) -> Value {
    match reply {
        Value::BulkString(text) => Value::BulkString(match String::from_utf8(text) {
            Ok(text) => text.into_bytes(),
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned().into_bytes(),
        }),
        Value::Array(elements) => Value::Array(elements.into_iter().map(readable).collect()),
        other => other,
    }
}

fn too_long(what: &str, length: usize) -> String {
    format!("it sends {what} of {length}, and alco takes no such reply: no Redis answers there, or it is broken")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same bytes in pieces of several sizes; an error names this.
    #[track_caller]
    fn check(bytes: &[u8], refused: Option<&str>) {
        for size in [1, 3, 8192] {
            let mut replies = Replies::default();
            let looked = bytes.chunks(size).try_for_each(|piece| replies.look(piece));
            match (refused, looked) {
                (None, Ok(())) => {
                    assert!(matches!(replies.step, ReplyStep::Kind) && replies.left.is_empty(), "{replies:?}");
                    assert_eq!((replies.bytes, replies.elements), (0, 0));
                }
                (Some(says), Err(why)) if why.contains(says) => {}
                (_, other) => panic!("{}: {other:?}", bytes[..bytes.len().min(60)].escape_ascii()),
            }
        }
    }

    #[test]
    fn replies_of_redis_pass() {
        check(b"+OK\r\n:17\r\n-ERR no\r\n$-1\r\n*-1\r\n*0\r\n$0\r\n\r\n", None);
        check(b"*3\r\n$3\r\na\nb\r\n*2\r\n:1\r\n*0\r\n+x\r\n", None);
        check(&[b"$100000\r\n", &[b'*'; 100_000][..], b"\r\n"].concat(), None);
        check(&[&b"*1000000\r\n"[..], &b":1\r\n".repeat(1_000_000)].concat(), None);
    }

    #[test]
    fn what_has_no_bound_is_refused() {
        check(b"$9223372036854775807\r\n", Some("a reply of 92233720368547"));
        check(b"$9223372036854775808\r\n", Some("a length of \"9223372036854775808\""));
        check(b"*9223372036854775807\r\n", Some("a list of 9223372036854775807"));
        check(&b"*1\r\n".repeat(1_000_000), Some("nested more than 8 deep"));
        check(&[b"*1000000\r\n*1000000\r\n", &b":1\r\n".repeat(1_100_000)[..]].concat(), Some("a list of"));
        check(&[b"*9\r\n*100000\r\n", &b":1\r\n".repeat(100_000)[..], b"*1000000\r\n"].concat(), Some("a list of"));
        check(&[b"+", &[b'x'; 70_000][..]].concat(), Some("a line of"));
        check(&[b"*3\r\n$60000000\r\n", &[0; 60_000_002][..], b"$60000000\r\n"].concat(), Some("a reply of"));
    }

    #[test]
    fn texts_are_utf8() {
        let text = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
        let reply = Value::Array(vec![text(b"\xff 1"), Value::Array(vec![text("日".as_bytes()), Value::Int(1)])]);
        let expected = vec![text("\u{fffd} 1".as_bytes()), Value::Array(vec![text("日".as_bytes()), Value::Int(1)])];
        assert_eq!(readable(reply), Value::Array(expected));
    }

    #[test]
    fn other_protocols_are_named() {
        check(b"HTTP/1.1 400 Bad Request\r\n", Some("it sends \"H"));
        check(b"SSH-2.0-OpenSSH_9.2p1\r\n", Some("it sends \"S"));
        check(b"\x15\x03\x01\0\x02\x02\x16", Some("rediss://"));
        check(b"%1\r\n+a\r\n+b\r\n", Some("it sends \"%"));
        check(b"$x\r\n", Some("a length of \"x\""));
    }
}
