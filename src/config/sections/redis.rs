//! `[redis]`. Pure.

use std::path::PathBuf;

use crate::config::secret::Secret;
use crate::config::section::Reader;
use crate::config::value;
use crate::config::value::{list_of, not_empty, optional};
use crate::net::tls::Authorities;

#[derive(Clone, Debug, PartialEq)]
pub struct Redis {
    /// where there is a `password_file`, each has the password of that file
    pub urls: Vec<Secret>,
    /// the name of the primary; the addresses are those of Sentinels
    pub sentinel: Option<String>,
    pub password_file: Option<PathBuf>,
    pub ca_file: Option<PathBuf>,
    /// what ca_file holds
    pub authorities: Option<Authorities>,
}

impl Default for Redis {
    fn default() -> Redis {
        Redis {
            urls: vec![Secret::new("redis://127.0.0.1:6379/0".to_owned())],
            sentinel: None,
            password_file: None,
            ca_file: None,
            authorities: None,
        }
    }
}

impl Redis {
    /// Takes the keys of the section.
    pub fn read(&mut self, from: &mut Reader) {
        from.take("url", &mut self.urls, not_empty(list_of(value::url(&["redis", "rediss"])), "leave the line out"));
        from.take("sentinel", &mut self.sentinel, optional(value::text));
        from.take("password_file", &mut self.password_file, optional(value::path));
        from.take("ca_file", &mut self.ca_file, optional(value::path));
        if self.urls.iter().any(|url| url.expose().ends_with("#insecure")) {
            let what =
                "url: certificates are always verified; leave #insecure out, and set ca_file to the CA's certificate";
            from.wrong_at("url", what.to_owned());
        }
        if self.ca_file.is_some() && !self.urls.iter().any(|url| url.expose().starts_with("rediss:")) {
            from.wrong_at("ca_file", value::no_tls("rediss", "tls-port"));
        }
    }
}
