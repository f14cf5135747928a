//! The address by which a client knows this alco. The API's links begin with it, since programs follow links as they are. Pure.
//!
//! It is read from the headers of a trusted proxy (X-Forwarded-Host, -Proto and -Prefix, or RFC 7239's Forwarded), else from the
//! Host header. All of these come from outside: a text that is not a host, a scheme or a path counts as missing.

use std::net::Ipv6Addr;

/// `https://logs.example.org/prefix`, without a slash at its end; empty if no header names it, and links are then paths. `header`
/// returns a header's value; `base` is the base_path that links have already.
pub fn origin(header: impl Fn(&str) -> Option<String>, is_trusted: bool, base: &str) -> String {
    let forwarded = |name: &str| header(name).filter(|_| is_trusted);
    // of several proxies, the first is the client's
    let first = |name: &str| forwarded(name).map(|list| list.split(',').next().unwrap_or_default().trim().to_owned());
    let forwarded = first("Forwarded").unwrap_or_default();
    let host = first("X-Forwarded-Host").filter(|host| is_host(host));
    let host = host.or_else(|| parameter(&forwarded, "host").filter(|host| is_host(host)));
    let Some(host) = host.or_else(|| header("Host").filter(|host| is_host(host))) else { return String::new() };
    // every client may set this: it changes only the links of its own answer, and a proxy that passes the host on needs no
    // trusted_proxies
    let scheme = header("X-Forwarded-Proto").map(|list| list.split(',').next().unwrap_or_default().trim().to_owned());
    let scheme = scheme.or_else(|| parameter(&forwarded, "proto")).unwrap_or_default();
    let scheme = if scheme.eq_ignore_ascii_case("https") { "https" } else { "http" };
    let prefix = first("X-Forwarded-Prefix").unwrap_or_default();
    let prefix = prefix.trim_end_matches('/');
    // the proxy has not removed a prefix that is in base_path
    let is_new = is_path(prefix) && !base.starts_with(&format!("{prefix}/"));
    format!("{scheme}://{host}{}", if is_new { prefix } else { "" })
}

/// Of RFC 7239's `for=192.0.2.43;host="example.org:8443";proto=https`.
fn parameter(element: &str, name: &str) -> Option<String> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let value = pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1;
    Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value).to_owned())
}

/// RFC 3986's host, as names and addresses are written, and a port if there is one.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            if address.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            ("v6", port)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_name = host.starts_with(|c: char| c.is_ascii_alphanumeric())
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    is_name && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// `/a/b`, of characters that need no encoding.
fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && !text.contains("//")
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(is_trusted: bool, base: &str, headers: &[(&str, &str)], expect: &str) {
        let header = |name: &str| Some(headers.iter().find(|(key, _)| *key == name)?.1.to_owned());
        assert_eq!(origin(header, is_trusted, base), expect, "{headers:?}");
    }

    const ALCO: (&str, &str) = ("Host", "127.0.0.1:8000");

    #[test]
    fn a_trusted_proxy_names_the_address_of_its_clients() {
        let forwarded = [
            ALCO,
            ("X-Forwarded-Host", "logs.example.org"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Prefix", "/logs/"),
        ];
        check(true, "/", &forwarded, "https://logs.example.org/logs");
        check(true, "/logs/", &forwarded, "https://logs.example.org");
        check(true, "/logstash/", &forwarded, "https://logs.example.org/logs");
        check(false, "/", &forwarded, "https://127.0.0.1:8000");
        let chain = [ALCO, ("X-Forwarded-Host", "a.example.org:8443, b"), ("X-Forwarded-Proto", "https, http")];
        check(true, "/", &chain, "https://a.example.org:8443");
        let rfc = [ALCO, ("Forwarded", "for=192.0.2.43; Host=\"[2001:db8::1]:81\";proto=https, for=10.0.0.1;host=b")];
        check(true, "/", &rfc, "https://[2001:db8::1]:81");
        check(false, "/", &rfc, "http://127.0.0.1:8000");
        check(true, "/", &[ALCO], "http://127.0.0.1:8000");
        check(false, "/", &[("Host", "logs"), ("X-Forwarded-Proto", "https")], "https://logs");
        check(true, "/", &[], "");
    }

    #[test]
    fn other_than_a_host_or_a_path_counts_as_missing() {
        for bad in [
            "",
            " ",
            "a b",
            "a/b",
            "evil.org/@x",
            "a@b",
            "a:b",
            "a:0",
            "a:70000",
            "a:",
            "a:+1",
            "-a",
            ".",
            "[::1",
            "[x]",
            "[::1]x",
            "[::1]:",
            "a\u{e9}",
            "a\"b",
            "javascript:x",
            "a?b",
            "a#b",
            "a\\b",
            "<b>",
            "::1",
        ] {
            check(false, "/", &[("Host", bad)], "");
            check(true, "/", &[ALCO, ("X-Forwarded-Host", bad)], "http://127.0.0.1:8000");
            check(true, "/", &[ALCO, ("Forwarded", &format!("host=\"{bad}\""))], "http://127.0.0.1:8000");
        }
        for bad in ["logs", "//evil.org", "/a//b", "/a b", "/a?b", "/\"", "/a@b", "/"] {
            check(true, "/", &[ALCO, ("X-Forwarded-Prefix", bad)], "http://127.0.0.1:8000");
        }
        for bad in ["javascript", "ftp", "", "https:"] {
            check(true, "/", &[ALCO, ("X-Forwarded-Proto", bad)], "http://127.0.0.1:8000");
        }
        for good in ["a", "a_b.c-d:65535", "[::1]:80", "10.0.0.1"] {
            check(false, "/", &[("Host", good)], &format!("http://{good}"));
        }
    }
}
