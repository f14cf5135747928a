//! The gate listens. It limits connections, and the size and age of a head, which tiny_http does not. It passes each request on
//! through a private Unix socket.
//!
//! When all places are taken, a connection that does nothing makes room for a client that comes (`crowd`).
//!
//! Invariant: tiny_http gets whole heads only, one request a connection, and only from the gate.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::config::Address;
use crate::http::server::clients::Clients;
use crate::http::server::crowd::Doing;
use crate::http::server::forward::{Forwarding, STALL_TIME};
use crate::http::server::places::{ClientPlace, Places};
use crate::http::server::refusal;
use crate::http::server::request_head::{self, HEAD_BYTES};
use crate::http::server::request_queue::RequestQueue;
use crate::http::server::send::Incoming;
use crate::http::server::socket::{ClientSocket, Listener};
use crate::http::server::stop::{StopSignal, Wait};
use crate::metrics::client_counts::{ClientCounts, ConnectionRefused, RequestRefused};
use crate::threads;

/// Connections in addition to followers. Each may need four file descriptors; a process usually has 1024.
pub const MAX_CONNECTIONS: usize = 128;
/// From a head's first byte to its last.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Between two requests of a connection.
const IDLE_TIME: Duration = Duration::from_secs(30);
/// For a client to notice that it has its answer.
const PARTING_TIME: Duration = Duration::from_secs(1);
/// Until a file descriptor may be free again.
const PAUSE: Duration = Duration::from_millis(100);

pub struct Gate {
    listeners: Vec<Listener>,
    shared: Arc<GateState>,
}

/// Used by all threads of a gate.
pub struct GateSettings {
    /// where tiny_http listens
    pub inner: PathBuf,
    pub clients: Arc<Clients>,
    pub counted: Arc<ClientCounts>,
    /// those that wait for a thread
    pub requests: Arc<RequestQueue<Incoming>>,
    pub stop: StopSignal,
    /// held until the last thread has ended
    pub _running: Sender<Infallible>,
}

struct GateState {
    settings: GateSettings,
    places: Arc<Places>,
}

impl Gate {
    /// Listens everywhere it should, or nowhere.
    pub fn new(listen: &[Address], places: Places, settings: GateSettings) -> Result<Gate, String> {
        let listeners = listen.iter().map(Listener::new).collect::<Result<_, String>>()?;
        let places = Arc::new(places);
        Ok(Gate { listeners, shared: Arc::new(GateState { settings, places }) })
    }

    pub fn run(self) {
        loop {
            let fds: Vec<BorrowedFd> = self.listeners.iter().map(Listener::fd).collect();
            match self.shared.settings.stop.wait(&fds, None) {
                Wait::Stop => return,
                Wait::Late => {}
                Wait::Ready(at) => match self.listeners[at].accept() {
                    Ok(client) => self.admit(client),
                    Err(error) => {
                        log::warn!("cannot accept a connection: {error}");
                        if let Wait::Stop = self.shared.settings.stop.wait(&[], Some(PAUSE)) {
                            return;
                        }
                    }
                },
            }
        }
    }

    fn admit(&self, client: ClientSocket) {
        let client = Arc::new(client);
        let Some(place) = self.shared.places.take(&client) else {
            self.shared.settings.counted.refuse_connection(ConnectionRefused::Full);
            client.refuse(&refusal::of_connection());
            return;
        };
        let shared = self.shared.clone();
        let serve = move || {
            let outcome = serve(&client, &place, &shared).and_then(|()| part(&client, &shared));
            if let Err(error) = outcome {
                log::debug!("HTTP: {error}");
                // a reply that is not whole must not look whole
                client.reset();
            }
        };
        if let Err(why) = threads::spawn("http-client", serve) {
            log::warn!("{why}");
        }
    }
}

/// Requests of one connection, one after the other.
fn serve(client: &ClientSocket, place: &ClientPlace, shared: &GateState) -> io::Result<()> {
    client.set_write_timeout(STALL_TIME)?;
    let peer = client.peer();
    let mut bytes = Vec::new();
    loop {
        let length = match read_head(client, place, shared, &mut bytes)? {
            Next::Head(length) => length,
            Next::End => return Ok(()),
            Next::Refuse(why) => return refuse(client, place, shared, why),
        };
        let waiting = shared.settings.clients.wait();
        let Some(head) = request_head::rewritten(&bytes[..length], &peer, waiting.number) else {
            return refuse(client, place, shared, RequestRefused::Malformed);
        };
        bytes.drain(..length);
        if !read_form(client, shared, &mut bytes, head.form_bytes)? {
            return refuse(client, place, shared, RequestRefused::Unfinished);
        }
        place.note(Doing::Answering);
        let mut inner = UnixStream::connect(&shared.settings.inner)?;
        inner.write_all(head.text.as_bytes())?;
        inner.write_all(&bytes[..head.form_bytes])?;
        bytes.drain(..head.form_bytes);
        let GateSettings { requests, counted, stop, .. } = &shared.settings;
        let forwarding = Forwarding { client, place, answered: &waiting, requests, counted, stop };
        let keep = forwarding.run(&mut inner, &mut bytes)?;
        place.is_served();
        if waiting.is_broken_off() {
            // wait until what was sent has arrived: a reset discards what is on its way
            shared.settings.stop.wait(&[client.fd()], Some(PARTING_TIME));
            return Err(io::Error::other("a reply is broken off"));
        }
        if !(head.keep && keep) {
            return Ok(());
        }
    }
}

/// Lingering close: reads the client's input for a while before the connection is closed, or TCP resets it and the reply is lost.
fn part(mut client: &ClientSocket, shared: &GateState) -> io::Result<()> {
    client.shutdown()?;
    let until = Instant::now() + PARTING_TIME;
    let mut chunk = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match shared.settings.stop.wait(&[client.fd()], Some(left)) {
            Wait::Ready(_) if !left.is_zero() && client.read(&mut chunk)? > 0 => {}
            _ => return Ok(()),
        }
    }
}

/// The outcome of waiting for the next head.
enum Next {
    /// its length in bytes
    Head(usize),
    /// the client is done, or the daemon is
    End,
    Refuse(RequestRefused),
}

fn read_head(
    mut client: &ClientSocket,
    place: &ClientPlace,
    shared: &GateState,
    bytes: &mut Vec<u8>,
) -> io::Result<Next> {
    let mut began = Instant::now();
    place.note(Doing::Idle);
    bytes.drain(..request_head::empty_lines(bytes));
    loop {
        if let Some(length) = request_head::length(bytes) {
            return Ok(Next::Head(length));
        }
        if bytes.len() > HEAD_BYTES {
            let is_address = !bytes.contains(&b'\n');
            return Ok(Next::Refuse(if is_address { RequestRefused::LongAddress } else { RequestRefused::LongHead }));
        }
        let limit = if bytes.is_empty() { IDLE_TIME } else { HEAD_TIME };
        let left = limit.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Ok(match bytes.is_empty() {
                true => Next::End,
                false => Next::Refuse(RequestRefused::Unfinished),
            });
        }
        match shared.settings.stop.wait(&[client.fd()], Some(left)) {
            Wait::Stop => return Ok(Next::End),
            Wait::Late => continue,
            Wait::Ready(_) => {}
        }
        let mut chunk = [0; 4096];
        let read = client.read(&mut chunk)?;
        if read == 0 {
            return Ok(Next::End);
        }
        let is_first = bytes.is_empty();
        bytes.extend_from_slice(&chunk[..read]);
        bytes.drain(..request_head::empty_lines(bytes));
        if is_first && !bytes.is_empty() {
            began = Instant::now();
            place.note(Doing::Resting);
        }
    }
}

/// Waits for the whole of a form. Returns whether it came in time.
fn read_form(mut client: &ClientSocket, shared: &GateState, bytes: &mut Vec<u8>, length: usize) -> io::Result<bool> {
    let until = Instant::now() + HEAD_TIME;
    while bytes.len() < length {
        let left = until.saturating_duration_since(Instant::now());
        match shared.settings.stop.wait(&[client.fd()], Some(left)) {
            _ if left.is_zero() => return Ok(false),
            Wait::Stop => return Ok(false),
            Wait::Late => {}
            Wait::Ready(_) => {
                let mut chunk = [0; 4096];
                match client.read(&mut chunk)? {
                    0 => return Ok(false),
                    read => bytes.extend_from_slice(&chunk[..read]),
                }
            }
        }
    }
    Ok(true)
}

/// Counts the refusal, and sends it.
fn refuse(mut client: &ClientSocket, place: &ClientPlace, shared: &GateState, why: RequestRefused) -> io::Result<()> {
    if let RequestRefused::Unfinished = why {
        place.stood_still();
    }
    shared.settings.counted.refuse_request(why);
    client.write_all(refusal::of_request(why).as_bytes())
}
