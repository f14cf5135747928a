//! Debian's nginx, with its default settings, in front of an alco; over TLS with a certificate of its own.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Alco, SOON, Stack, free_port, wait_until};

pub struct Nginx {
    child: Child,
    pub url: String,
    /// the certificate that a client has to trust if the URL is https
    pub certificate: PathBuf,
}

impl Nginx {
    /// An nginx in front of alco, with more settings for its location.
    pub fn start(stack: &Stack, alco: &Alco, settings: &str) -> Nginx {
        Nginx::listening(stack, alco, settings, false)
    }

    pub fn with_tls(stack: &Stack, alco: &Alco, settings: &str) -> Nginx {
        Nginx::listening(stack, alco, settings, true)
    }

    fn listening(stack: &Stack, alco: &Alco, settings: &str, tls: bool) -> Nginx {
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let dir = stack.dir().join(format!("nginx-{port}"));
        fs::create_dir_all(&dir).unwrap();
        let certificate = dir.join("certificate.pem");
        let ssl = if tls {
            certify(&dir);
            format!("ssl; ssl_certificate {}; ssl_certificate_key {}/key.pem", certificate.display(), dir.display())
        } else {
            String::new()
        };
        // as Debian's nginx.conf has it: gzip is on for pages
        let conf = format!(
            "daemon off; pid {0}/pid; error_log {0}/error.log; worker_processes 1;
             events {{ worker_connections 64; }}
             http {{ access_log off; gzip on; client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c;
                     uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;
                     server {{ listen {address} {ssl}; location / {{ proxy_pass {1}; {settings} }} }} }}",
            dir.display(),
            alco.url
        );
        fs::write(dir.join("nginx.conf"), conf).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-c").arg(dir.join("nginx.conf")).args(["-e", "stderr"]);
        command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("nginx is installed");
        stack.adopt(child.id());
        wait_until("nginx listens", SOON, || TcpStream::connect(&address).ok());
        let scheme = if tls { "https" } else { "http" };
        Nginx { child, url: format!("{scheme}://{address}"), certificate }
    }
}

/// A certificate that is its own authority.
fn certify(dir: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.current_dir(dir).args(["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl.args(["-days", "2", "-subj", "/CN=alco", "-addext", "subjectAltName=IP:127.0.0.1"]);
    let output =
        openssl.args(["-keyout", "key.pem", "-out", "certificate.pem"]).output().expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // its worker ends with it
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
