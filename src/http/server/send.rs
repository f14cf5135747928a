//! A request as tiny_http has it, and a reply on its way to the client: at once, or written as it is found.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use httpdate::fmt_http_date;
use tiny_http::{HTTPVersion, Header, Method, Request, Response};

use crate::http::body::{Aborted, Body};
use crate::http::error::Refusal;
use crate::http::request::Client;
use crate::http::response::{GZIPPED, Reply, StreamedBody, WriteBody};
use crate::http::server::request_head::MAX_FORM_BYTES;
use crate::http::site::Site;
use crate::metrics::client_counts::RequestRefused;
use crate::net::household::Household;
use crate::threads;

/// Makes a page of the reason why there is no answer.
pub type Refuse = Box<dyn FnOnce(&Site, &Refusal) -> Reply + Send>;

/// The receiver of whole requests from the gate.
pub struct Requests(tiny_http::Server);

/// One request, whose headers and address can be read before it is answered.
pub struct Incoming(Request);

impl Requests {
    /// Listens at that path.
    pub fn new(socket: &Path) -> Result<Requests, String> {
        let listener = UnixListener::bind(socket).map_err(|error| error.to_string())?;
        tiny_http::Server::from_listener(listener, None).map(Requests).map_err(|error| error.to_string())
    }

    /// Waits for a request.
    ///
    /// # Errors
    /// After `unblock`, or where tiny_http's listener has ended for good.
    pub fn next(&self) -> io::Result<Incoming> {
        self.0.recv().map(Incoming)
    }

    /// Ends one wait.
    pub fn unblock(&self) {
        self.0.unblock();
    }
}

impl Incoming {
    pub fn url(&self) -> &str {
        self.0.url()
    }

    /// `GET` and the like.
    pub fn method(&self) -> &str {
        self.0.method().as_str()
    }

    /// All values of a header, in order.
    pub fn headers(&self, name: &str) -> Vec<String> {
        let is = |header: &&Header| header.field.as_str().as_str().eq_ignore_ascii_case(name);
        self.0.headers().iter().filter(is).map(|header| header.value.to_string()).collect()
    }

    /// The body of a form that was sent; None: the request has none.
    pub fn form(&mut self) -> Option<String> {
        if *self.0.method() != Method::Post {
            return None;
        }
        let mut body = Vec::new();
        // the gate has read the whole body: nothing is waited for
        let read = self.0.as_reader().take(MAX_FORM_BYTES as u64).read_to_end(&mut body);
        read.is_ok().then(|| String::from_utf8_lossy(&body).into_owned())
    }

    /// Sends the reply; one that is written as it is found, perhaps by a thread of its own.
    pub fn answer(self, site: &Arc<Site>, mut reply: Reply, client: &Client, refuse: Refuse) {
        let number = client.number.unwrap_or_default();
        match reply.stream.take() {
            None => self.send(reply, client.takes_gzip),
            Some(StreamedBody::Page(write)) => {
                let reply = match client.takes_gzip {
                    true => GZIPPED.iter().fold(reply, |reply, (name, value)| reply.with(name, value)),
                    false => reply,
                };
                let writing = Writing { reply, number, trailer: "", gzip: client.takes_gzip, refuse };
                writing.run(self.0, site, write);
            }
            Some(StreamedBody::Download(write)) => {
                let household = Household::of(&site.users.address(&client.credentials));
                let Some(slot) = site.downloads.take(household) else {
                    site.metrics.clients.refuse_request(RequestRefused::Download);
                    let max = site.downloads.max();
                    let why = format!("{max} downloads are under way, or those of your address; try again later\n");
                    return self.send(Reply::text(503, why).with("Retry-After", "5"), false);
                };
                // missing parts are known only at the end
                let trailer = "Trailer: Alco-Missing\r\n";
                let writing = Writing { reply, number, trailer, gzip: false, refuse: Box::new(in_a_line) };
                self.detach("http-stream", site, slot, writing, write);
            }
            Some(StreamedBody::Following(slot, write)) => {
                let refuse = if reply.is_page() { refuse } else { Box::new(in_a_line) };
                // a trailer is announced before anything can be missing; a follower's response has no end
                let writing = Writing { reply, number, trailer: "", gzip: false, refuse };
                self.detach(&format!("follow-{}", slot.number()), site, slot, writing, write);
            }
        }
    }

    /// Sends a reply that is there as a whole.
    pub fn send(self, reply: Reply, takes_gzip: bool) {
        let status = reply.status;
        let (body, headers) = reply.into_bytes(takes_gzip);
        let mut response = Response::from_data(body).with_status_code(status);
        for (name, value) in headers {
            match Header::from_bytes(name, value) {
                Ok(header) => response.add_header(header),
                Err(()) => log::error!("the header {name} is not ASCII"),
            }
        }
        // a client that has left needs no answer
        if let Err(error) = self.0.respond(response) {
            log::debug!("HTTP: {error}");
        }
    }

    /// By a thread of its own, which keeps `held` until it ends.
    fn detach(self, name: &str, site: &Arc<Site>, held: impl Send + 'static, writing: Writing, write: WriteBody) {
        let site = site.clone();
        let work = move || {
            let _held = held;
            writing.run(self.0, &site, write);
        };
        if let Err(why) = threads::spawn(name, work) {
            // the request went with the thread, and was answered with 500
            log::warn!("{why}");
        }
    }
}

fn in_a_line(_: &Site, refusal: &Refusal) -> Reply {
    let (status, why) = refusal.explain();
    Reply::text(status, format!("{why}\n"))
}

/// The way a body is written, and the reply that is sent instead if nothing of it was.
struct Writing {
    reply: Reply,
    /// the number of the request that it answers
    number: u64,
    /// headers that announce a trailer
    trailer: &'static str,
    gzip: bool,
    refuse: Refuse,
}

impl Writing {
    fn run(self, request: Request, site: &Site, write: WriteBody) {
        let chunked = *request.http_version() >= HTTPVersion(1, 1);
        let trailer = self.trailer;
        let framing = if chunked { format!("Transfer-Encoding: chunked\r\n{trailer}") } else { String::new() };
        let head = head(&self.reply, &framing);
        if *request.method() == Method::Head {
            // a client that has left needs no answer
            let _ = request.into_writer().write_all(head.as_bytes());
            return;
        }
        let url = request.url().to_owned();
        let mut body = Body::new(request.into_writer(), head, chunked, site.clients.clone(), self.number);
        if self.gzip {
            body = body.gzipped();
        }
        // writing does not change the site, and a panic leaves its locked values whole
        let all = AssertUnwindSafe(|| write(site, &mut body).and_then(|()| body.end().map_err(Aborted::from)));
        let ended = catch_unwind(all).unwrap_or_else(|_| {
            log::error!("a route panicked while it wrote: {url}");
            Err(Aborted::Refused(Refusal::Internal))
        });
        match ended {
            Ok(()) => log::debug!("{} {url}", self.reply.status),
            Err(Aborted::ClientLeft) => log::debug!("left {url}"),
            Err(Aborted::Refused(refusal)) if body.take_head().is_some() => {
                let reply = (self.refuse)(site, &refusal);
                log::debug!("{} {url}", reply.status);
                let _ = body.write_raw(&format!("{}{}", self::head(&reply, ""), reply.body));
            }
            Err(Aborted::Refused(refusal)) => {
                body.break_off();
                log::warn!("a stream is broken off: {}: {url}", refusal.explain().1);
            }
        }
    }
}

/// `framing`: the headers by which the client finds the end of the body; without any, it ends with the connection.
fn head(reply: &Reply, framing: &str) -> String {
    let reason = tiny_http::StatusCode(reply.status).default_reason_phrase();
    let date = fmt_http_date(SystemTime::now());
    let mut head = format!("HTTP/1.1 {} {reason}\r\nDate: {date}\r\nConnection: close\r\n{framing}", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head + "\r\n"
}
