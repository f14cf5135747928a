//! The head of a request as a client sent it -> a head that tiny_http reads: in ASCII, one request on one connection. Pure.
//!
//! tiny_http drops a connection without a reply when a head is not ASCII, as that of `curl …?search=日本`.

use std::fmt::Write;

/// The private header with the client's address; one that a client sent is dropped.
pub const PEER: &str = "X-Alco-Peer";
/// The private header with the request's number.
pub const NUMBER: &str = "X-Alco-Request";

/// Request line and headers; the request line of a page of ours is at most half of it.
pub const HEAD_BYTES: usize = 32 * 1024;
/// Bytes of a form's body; alco's forms have some hundred. A longer body is not read.
pub const MAX_FORM_BYTES: usize = 16 * 1024;

#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub text: String,
    /// bytes of the form that follows
    pub form_bytes: usize,
    /// the client may ask again on the same connection
    pub keep: bool,
}

/// The length in bytes of the head at the start of `bytes`, with its empty line; None if it has not ended.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let end = |sequence: &[u8]| bytes.windows(sequence.len()).position(|w| w == sequence).map(|at| at + sequence.len());
    match (end(b"\r\n\r\n"), end(b"\n\n")) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The length in bytes of the empty lines before a request, which RFC 9112 has a server ignore.
pub fn empty_lines(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// Returns true if the head of a reply has `Connection: close`, as that of a stream: such a reply may be broken off.
pub fn closes(reply: &[u8]) -> bool {
    let head = &reply[..length(reply).unwrap_or(reply.len())];
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.any(|line| line.eq_ignore_ascii_case(b"connection: close"))
}

/// The head for tiny_http; None if it is not HTTP/1.0 or 1.1.
pub fn rewritten(head: &[u8], peer: &str, number: u64) -> Option<Head> {
    let head = with_plain_target(head)?;
    let lines = head.iter().filter(|byte| **byte == b'\n').count();
    let mut headers = vec![httparse::EMPTY_HEADER; lines];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(&head).ok().filter(httparse::Status::is_complete)?;
    let (method, target, minor) = (request.method?, request.path?, request.version?);
    if !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let (mut keep, mut hosts, mut lengths, mut is_chunked) = (minor == 1, 0, 0, false);
    let mut form_bytes = 0;
    let mut text = format!("{method} {target} HTTP/1.{minor}\r\n");
    for httparse::Header { name, value } in request.headers.iter() {
        let value = value.trim_ascii();
        match name.to_ascii_lowercase().as_str() {
            "connection" => keep &= !value.to_ascii_lowercase().windows(5).any(|w| w == b"close"),
            // another body than a form is not read, so nothing that follows it could be
            "content-length" => {
                lengths += 1;
                // `parse` takes a sign
                let digits = std::str::from_utf8(value).ok().filter(|_| value.iter().all(u8::is_ascii_digit));
                let length = digits.and_then(|digits| digits.parse::<usize>().ok());
                match length.filter(|length| method == "POST" && *length <= MAX_FORM_BYTES) {
                    Some(length) => form_bytes = length,
                    None => keep &= value == b"0",
                }
            }
            "transfer-encoding" => (keep, is_chunked) = (false, true),
            "expect" | "upgrade" | "te" | "keep-alive" | "proxy-connection" => {}
            _ if name.eq_ignore_ascii_case(PEER) || name.eq_ignore_ascii_case(NUMBER) => {}
            name_in_small => {
                hosts += usize::from(name_in_small == "host");
                // tiny_http takes ASCII only; the name stays, so that a header which is there twice is seen to be
                let value = std::str::from_utf8(value).ok().filter(|value| value.is_ascii()).unwrap_or_default();
                write!(text, "{name}: {value}\r\n").expect("a String takes all");
            }
        }
    }
    // others on the way to alco may understand such a request in another way; RFC 9112 wants a Host from 1.1 on
    if hosts > 1 || hosts < usize::from(minor) || lengths > 1 || lengths > 0 && is_chunked {
        return None;
    }
    if form_bytes > 0 {
        write!(text, "Content-Length: {form_bytes}\r\n").expect("a String takes all");
    }
    write!(text, "Connection: close\r\n{PEER}: {peer}\r\n{NUMBER}: {number}\r\n\r\n").expect("a String takes all");
    Some(Head { text, form_bytes, keep })
}

/// The same head; what a target cannot hold is percent-encoded: other than ASCII, controls, and spaces within.
fn with_plain_target(head: &[u8]) -> Option<Vec<u8>> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let start = line.iter().position(|byte| *byte == b' ')? + 1;
    let end = line.iter().rposition(|byte| *byte == b' ')?;
    let mut plain = head[..start].to_vec();
    for byte in line.get(start..end)?.trim_ascii() {
        match byte {
            b'!'..=b'~' => plain.push(*byte),
            _ => plain.extend(format!("%{byte:02X}").bytes()),
        }
    }
    plain.extend(&head[end..]);
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, expect: Option<(&str, bool)>) {
        let got = rewritten(head.as_bytes(), "10.0.0.1", 7);
        let form_bytes = expect.and_then(|(text, _)| text.split_once("Content-Length: ")?.1.trim().parse().ok());
        let expect = expect.map(|(text, keep)| Head {
            form_bytes: form_bytes.unwrap_or(0),
            text: format!("{text}Connection: close\r\nX-Alco-Peer: 10.0.0.1\r\nX-Alco-Request: 7\r\n\r\n"),
            keep,
        });
        assert_eq!(got, expect, "{head:?}");
    }

    #[test]
    fn a_head_becomes_ascii_with_the_headers_of_alco() {
        check("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Some(("GET / HTTP/1.1\r\nHost: x\r\n", true)));
        check("GET /a HTTP/1.0\n\n", Some(("GET /a HTTP/1.0\r\n", false)));
        check("GET /?q=é z HTTP/1.1\r\nHost: x\r\n\r\n", Some(("GET /?q=%C3%A9%20z HTTP/1.1\r\nHost: x\r\n", true)));
        let get = "GET / HTTP/1.1\r\nHost: x\r\n";
        check(&format!("{get}Connection: keep-alive, Close\r\n\r\n"), Some((get, false)));
        check(&format!("{get}Content-Length: 5\r\n\r\n"), Some((get, false)));
        let post = "POST / HTTP/1.1\r\nHost: x\r\n";
        check(&format!("{post}Content-Length: 5\r\n\r\n"), Some((&format!("{post}Content-Length: 5\r\n"), true)));
        check(&format!("{post}Content-Length: 16385\r\n\r\n"), Some((post, false)));
        check(&format!("{post}Content-Length: +5\r\n\r\n"), Some((post, false)));
        let own = "x-alco-peer: 127.0.0.1\r\nx-alco-request: 1\r\n";
        check(&format!("{get}{own}X: \u{e9}\r\nY: b\r\n\r\n"), Some((&format!("{get}X: \r\nY: b\r\n"), true)));
    }

    #[test]
    fn other_than_http_is_not_passed_on() {
        for bad in [
            "",
            "\r\n\r\n",
            "GET\r\n\r\n",
            "GET /\r\n\r\n",
            "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            "get / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET  HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            check(bad, None);
        }
        for bad in [
            "host: a\r\n",
            "Content-Length: 0\r\nContent-Length: 0\r\n",
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            "no colon\r\n",
            " folded: x\r\n",
            "space : x\r\n",
            "X: a\rb: c\r\n",
            "X: \0\r\n",
        ] {
            check(&format!("GET / HTTP/1.1\r\nHost: a\r\n{bad}\r\n"), None);
        }
        check("GET / HTTP/1.1\r\n\r\n", None);
        check("\u{16}\u{3}\u{1} / HTTP/1.1\r\nHost: a\r\n\r\n", None);
    }

    #[test]
    fn a_head_ends_at_its_empty_line() {
        assert_eq!(length(b"GET / HTTP/1.1\r\n\r\nmore\n\n"), Some(18));
        assert_eq!(length(b"GET / HTTP/1.0\n\nmore"), Some(16));
        assert_eq!(length(b"GET / HTTP/1.1\r\n"), None);
        for (bytes, empty) in [(&b"\r\nGET /"[..], 2), (b"GET /\r\n", 0), (b"\n\r\n\n", 4), (b"", 0)] {
            assert_eq!(empty_lines(bytes), empty);
        }
    }
}
