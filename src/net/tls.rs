//! TLS of a client: the certificates that it trusts, the handshake, and in plain words why the handshake failed. The only door to
//! native-tls. Pure: the caller brings any stream that can be read and written, and sets its timeouts.
//!
//! Invariant: a stream that `handshake` returns belongs to the host that was asked for: the certificate bears the host's name, is in
//! date, and is signed by a trusted CA.

use std::fmt;
use std::io::{Read, Write};

use native_tls::{Certificate, HandshakeError, TlsConnector};

pub type Stream<S> = native_tls::TlsStream<S>;

/// The certificates of a `ca_file`. They replace the system's own: a user who names a CA trusts that one only.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorities {
    pem: Vec<u8>,
    count: usize,
}

impl Authorities {
    /// Reads PEM; any text may be between the certificates.
    pub fn parse(pem: Vec<u8>) -> Result<Authorities, String> {
        match certificates(&pem) {
            Ok(found) if found.is_empty() => Err("it holds no certificate (-----BEGIN CERTIFICATE-----)".to_owned()),
            Ok(found) => Ok(Authorities { count: found.len(), pem }),
            Err(error) => Err(format!("a certificate in it is damaged: {error}")),
        }
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} certificates", self.count)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, native_tls::Error> {
    Certificate::stack_from_pem(pem)
}

/// A server as alco.ini describes it, for the handshake and its error texts.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// a name or an address; the certificate must be for it
    pub host: &'a str,
    /// None: the CAs that the system trusts
    pub authorities: Option<&'a Authorities>,
    /// the section of alco.ini
    pub section: &'a str,
    /// the scheme of a url without TLS
    pub plain: &'a str,
}

impl Server<'_> {
    pub fn handshake<S: Read + Write>(&self, stream: S) -> Result<Stream<S>, String> {
        let failed = |error: native_tls::Error| self.sense_of(&error.to_string());
        let mut builder = TlsConnector::builder();
        if let Some(authorities) = self.authorities {
            builder.disable_built_in_roots(true);
            for certificate in certificates(&authorities.pem).map_err(failed)? {
                builder.add_root_certificate(certificate);
            }
        }
        let connector = builder.build().map_err(failed)?;
        connector.connect(self.host, stream).map_err(|error| match error {
            HandshakeError::Failure(error) => failed(error),
            // a read or write timeout of the stream looks like this
            HandshakeError::WouldBlock(_) => {
                format!("it did not answer the TLS handshake in time; {}", self.is_it_plain())
            }
        })
    }

    /// An error text from OpenSSL's. For a certificate, OpenSSL writes the reason in parentheses, after the place in its source.
    fn sense_of(&self, error: &str) -> String {
        let Server { host, section, .. } = self;
        let reason = error.strip_suffix(')').and_then(|error| error.rsplit_once('(')).map(|(_, reason)| reason);
        match reason {
            Some(reason) if reason.contains("mismatch") => format!(
                "its certificate is not for '{host}': {reason}; have [{section}] url name the server as its certificate does"
            ),
            Some(reason) if reason.contains("expired") || reason.contains("not yet valid") => {
                format!("its certificate is out of date: {reason}; renew it (or is a clock wrong?)")
            }
            Some(reason) if error.contains("certificate verify failed") => {
                let cure = match self.authorities {
                    None => format!("set [{section}] ca_file to the CA's certificate"),
                    Some(_) => format!("[{section}] ca_file lacks the certificate of the CA that signed it"),
                };
                format!("its certificate is not trusted: {reason}; {cure}")
            }
            _ if ["wrong version number", "packet length too long", "http request", "bad record type"]
                .iter()
                .any(|sign| error.contains(sign)) =>
            {
                format!("it does not speak TLS ({error}); {}", self.is_it_plain())
            }
            _ => format!("no TLS with it: {error}"),
        }
    }

    fn is_it_plain(&self) -> String {
        format!("if that is its port without TLS, have [{}] url begin with {}://", self.section, self.plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_and_a_damaged_certificate_differ() {
        let block = |what: &str, inside: &str| format!("-----BEGIN {what}-----\n{inside}\n-----END {what}-----\n");
        for (pem, reason) in [
            (String::new(), "no certificate"),
            (block("PRIVATE KEY", "AAAA"), "no certificate"),
            (block("CERTIFICATE", "AAAA"), "damaged"),
            (block("CERTIFICATE", "~~~~"), "damaged"),
        ] {
            let why = Authorities::parse(pem.into_bytes()).expect_err(reason);
            assert!(why.contains(reason), "{why}");
        }
    }

    #[track_caller]
    fn check(error: &str, authorities: Option<&Authorities>, sense: &str) {
        let server = Server { host: "h", authorities, section: "redis", plain: "redis" };
        assert_eq!(server.sense_of(error), sense);
    }

    #[test]
    fn errors_of_openssl_get_a_reason_and_a_cure() {
        let unverified = |why: &str| {
            format!(
                "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed:a.c:1889: ({why})"
            )
        };
        let authorities = Authorities { pem: Vec::new(), count: 0 };
        check(
            &unverified("unable to get local issuer certificate"),
            None,
            "its certificate is not trusted: unable to get local issuer certificate; set [redis] ca_file to the CA's certificate",
        );
        check(
            &unverified("self-signed certificate"),
            Some(&authorities),
            "its certificate is not trusted: self-signed certificate; [redis] ca_file lacks the certificate of the CA that signed it",
        );
        check(
            &unverified("hostname mismatch"),
            None,
            "its certificate is not for 'h': hostname mismatch; have [redis] url name the server as its certificate does",
        );
        check(
            &unverified("certificate is not yet valid"),
            None,
            "its certificate is out of date: certificate is not yet valid; renew it (or is a clock wrong?)",
        );
        check(
            "error:0A00010B:SSL routines:ssl3_get_record:wrong version number:a.c:350:",
            None,
            "it does not speak TLS (error:0A00010B:SSL routines:ssl3_get_record:wrong version number:a.c:350:); if that is its \
             port without TLS, have [redis] url begin with redis://",
        );
        check("unexpected EOF", None, "no TLS with it: unexpected EOF");
    }
}
