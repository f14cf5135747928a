//! The replies of the gate itself, to what it does not pass on. Pure.

use crate::metrics::client_counts::RequestRefused;

pub fn of_connection() -> String {
    plain(503, "Service Unavailable", "Retry-After: 1\r\n", "too many connections; try again in 1 s")
}

pub fn of_request(why: RequestRefused) -> String {
    match why {
        RequestRefused::LongAddress => plain(414, "URI Too Long", "", "the address is too long"),
        RequestRefused::LongHead => plain(431, "Request Header Fields Too Large", "", "the request is too long"),
        RequestRefused::Unfinished => plain(408, "Request Timeout", "", "the request did not end"),
        _ => plain(400, "Bad Request", "", "this is not an HTTP request"),
    }
}

fn plain(status: u16, reason: &str, headers: &str, text: &str) -> String {
    let length = text.len() + 1;
    format!(
        "HTTP/1.1 {status} {reason}\r\nServer: alco\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         {headers}Connection: close\r\n\r\n{text}\n"
    )
}
