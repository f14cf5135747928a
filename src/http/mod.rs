//! Listen, route, reply; a page's panic is a 500. The only door to tiny_http.
//!
//! A request goes one way: the gate, `asked` (its address, decoded), `route` (the one match), a `Reply`. Nothing below here knows
//! of tiny_http, and nothing here knows of HTML.

mod api;
mod assets;
mod columns;
mod follow;
mod gate;
mod grep;
mod head;
mod indexes;
mod lines;
mod live;
mod logs;
mod origin;
mod pages;
mod record;
mod refusal;
mod reply;
#[cfg(test)]
mod samples;
mod socket;
mod stream;
mod text;
mod users;

use std::convert::Infallible;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};
use percent_encoding::percent_decode_str;
use tiny_http::{Header, Method, Request, Response};

use crate::config::{Config, Index};
use crate::metrics::Metrics;
use crate::search::filter::Apart;
use crate::search::{Searcher, Waits};
use crate::time::Ts;
use crate::values::Values;
use follow::Followers;
use gate::{CONNECTIONS, Gate};
use live::Live;
use refusal::{Refusal, our_fault, plain_error, refused};
use reply::Reply;
use socket::Private;
use users::{Claim, Users};

/// Requests answered at a time. They mostly wait for searchd; a slow search must not keep a page from its style sheet.
const THREADS: usize = 8;
/// Longer request lines are refused: our own links stay below, and servers and browsers stop at about as much.
const MAX_URL: usize = 16 * 1024;
/// How long pages go without Redis after it has failed.
const REDIS_REST: Duration = Duration::from_secs(5);

/// What the pages are made from.
pub struct Site {
    pub config: Arc<Config>,
    pub searcher: Searcher,
    values: Values,
    /// when Redis last failed
    values_failed: Mutex<Option<Instant>>,
    pub metrics: Arc<Metrics>,
    /// records are collected in this process too
    pub collects: bool,
    pub started: Ts,
    /// how many are under way
    streams: Arc<AtomicUsize>,
    followers: Arc<Followers>,
    live: Arc<Live>,
    users: Users,
    /// closed when the daemon stops
    stop: Receiver<Infallible>,
}

impl Site {
    fn new(
        config: Arc<Config>,
        metrics: Arc<Metrics>,
        collects: bool,
        stop: Receiver<Infallible>,
    ) -> Result<Site, String> {
        let values = Values::new(&config.redis, "web", "http")?;
        Ok(Site {
            searcher: Searcher::new(&config.sphinx, &config.indexes, metrics.searched.clone()),
            values,
            values_failed: Mutex::new(None),
            followers: Arc::new(Followers::new(config.http.max_followers, metrics.clone())),
            metrics,
            collects,
            started: now(),
            streams: Arc::default(),
            live: Arc::default(),
            users: Users::new(&config.http),
            stop,
            config,
        })
    }

    /// The columns that were seen in an index, each with the second it was last seen; without its time and message, which every
    /// record has. None: Redis is away.
    pub fn columns_seen(&self, index: &Index) -> Option<Vec<(String, i64)>> {
        let mut columns = self.remembered(|values| values.columns(&index.name))?;
        let apart = Apart::of(index);
        columns.retain(|(name, _)| !apart.has(name));
        Some(columns)
    }

    /// What Redis remembers. Pages do without, so while it is away they do not wait for it one after the other.
    pub fn remembered<T>(&self, ask: impl FnOnce(&Values) -> Result<T, String>) -> Option<T> {
        // an instant is whole whoever panicked beside it
        let failed = || self.values_failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed().is_some_and(|at| at.elapsed() < REDIS_REST) {
            return None;
        }
        match ask(&self.values) {
            Ok(answer) => Some(answer),
            Err(why) => {
                log::debug!("pages go without values: {why}");
                *failed() = Some(Instant::now());
                None
            }
        }
    }
}

/// The running web part.
pub struct Server {
    /// hears nothing, and closes when the last thread has ended
    ended: Receiver<Infallible>,
    _private: Private,
}

impl Server {
    /// Listens everywhere it should, or nowhere. Ends when `stop` is closed.
    pub fn start(
        config: Arc<Config>,
        metrics: Arc<Metrics>,
        collects: bool,
        stop: Receiver<Infallible>,
    ) -> Result<Server, String> {
        let cannot = |error: &dyn std::fmt::Display| format!("cannot serve HTTP: {error}");
        let private = Private::new().map_err(|error| cannot(&error))?;
        let listener = UnixListener::bind(private.socket()).map_err(|error| cannot(&error))?;
        let server = tiny_http::Server::from_listener(listener, None).map_err(|error| cannot(&error))?;
        let server = Arc::new(server);
        let (running, ended) = bounded(0);
        // whoever holds the one end hears when the other is dropped, in the same wait as for a socket
        let (stopped, stopper) = UnixStream::pair().map_err(|error| cannot(&error))?;
        let site = Arc::new(Site::new(config, metrics, collects, stop.clone())?);
        let listen = &site.config.http.listen;
        let most = CONNECTIONS + site.config.http.max_followers;
        let gate = Gate::new(listen, most, private.socket(), site.live.clone(), stopped, running.clone())?;

        for number in 1..=THREADS {
            let (server, site, stop) = (server.clone(), site.clone(), stop.clone());
            spawn(&format!("http-{number}"), &running, move || serve(&server, &site, &stop))?;
        }
        spawn("http-gate", &running, move || gate.run())?;
        spawn("http-stop", &running, move || {
            // nothing is ever sent: this returns when the channel is closed
            let _ = stop.recv();
            drop(stopper);
            (0..THREADS).for_each(|_| server.unblock());
        })?;
        Ok(Server { ended, _private: private })
    }

    /// Waits for the threads to end, but not beyond the deadline: a client that reads slowly may hold one.
    pub fn join(self, deadline: Instant) {
        let Err(RecvTimeoutError::Disconnected) = self.ended.recv_deadline(deadline) else {
            log::warn!("a client is still being served");
            return;
        };
    }
}

fn spawn(name: &str, running: &Sender<Infallible>, work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let running = running.clone();
    let body = move || {
        work();
        drop(running);
    };
    let started = thread::Builder::new().name(name.to_owned()).spawn(body);
    started.map(drop).map_err(|error| format!("cannot start thread {name}: {error}"))
}

fn serve(server: &tiny_http::Server, site: &Arc<Site>, stop: &Receiver<Infallible>) {
    loop {
        match server.recv() {
            Ok(request) => respond(request, site),
            // the channel is closed, and this thread was woken for it
            Err(_) if stop.try_recv() == Err(TryRecvError::Disconnected) => return,
            Err(error) => {
                // tiny_http's listener has ended for good. Whoever watches this process starts it again, and nothing is
                // lost: what is not acknowledged stays with the broker
                log::error!("cannot serve HTTP any more: {error}");
                std::process::exit(1);
            }
        }
    }
}

fn respond(request: Request, site: &Arc<Site>) {
    let asker = Asker::of(&request, site);
    let mut reply = match request.method() {
        Method::Get | Method::Head => answer(site, request.url(), &asker, now()),
        method => {
            let why = format!("{method} does nothing here.");
            let todo = "Everything here is a link or a form that asks.";
            unreadable(site, request.url(), 405, "Only GET", &why, todo).with("Allow", "GET, HEAD")
        }
    };
    match reply.stream.take() {
        Some(stream) => stream::respond(request, site, reply, stream, asker.takes_gzip),
        None => send(request, reply, asker.takes_gzip),
    }
}

/// What the headers say of who asks.
#[derive(Debug, Default)]
struct Asker {
    /// which request it is, for those who ask whether anybody still waits for its answer
    number: Option<u64>,
    /// `If-None-Match`
    known: Option<String>,
    /// by which alco is known there: links that programs follow begin with it
    origin: String,
    takes_gzip: bool,
    claim: Claim,
}

impl Asker {
    fn waits(&self, site: &Site) -> Waits {
        self.number.map_or_else(Waits::default, |number| site.live.waits_for(number))
    }

    fn of(request: &Request, site: &Site) -> Asker {
        let header = |name: &str| {
            let is = |header: &&Header| header.field.as_str().as_str().eq_ignore_ascii_case(name);
            request.headers().iter().find(is).map(|header| header.value.to_string())
        };
        let peer = header(head::PEER).unwrap_or_default();
        let (named, authorization) = (site.users.header.as_deref().and_then(header), header("Authorization"));
        let gzip = |accepted: String| {
            accepted.split(',').any(|coding| {
                let mut parts = coding.split(';').map(str::trim);
                parts.next() == Some("gzip") && !parts.any(|part| matches!(part, "q=0" | "q=0.0"))
            })
        };
        Asker {
            number: header(head::NUMBER).and_then(|number| number.parse().ok()),
            known: header("If-None-Match"),
            origin: origin::origin(header, site.users.trusts(&peer), &site.config.http.base_path),
            takes_gzip: header("Accept-Encoding").is_some_and(gzip),
            claim: Claim { peer, named, authorization },
        }
    }
}

fn send(request: Request, reply: Reply, takes_gzip: bool) {
    let status = reply.status;
    let (body, headers) = reply.into_bytes(takes_gzip);
    let mut response = Response::from_data(body).with_status_code(status);
    for (name, value) in headers {
        match Header::from_bytes(name, value) {
            Ok(header) => response.add_header(header),
            Err(()) => log::error!("the header {name} is not ASCII"),
        }
    }
    // a client that has gone away needs no answer
    if let Err(error) = request.respond(response) {
        log::debug!("HTTP: {error}");
    }
}

fn now() -> Ts {
    Ts::of(SystemTime::now())
}

/// The address of a request: the parts of its path, decoded, and its query string, of which it is known that it can be.
struct Asked<'a> {
    parts: Vec<String>,
    query: &'a str,
}

/// The reply to a GET, whatever happens.
fn answer(site: &Site, url: &str, asker: &Asker, now: Ts) -> Reply {
    if url.len() > MAX_URL {
        let why = format!("It has {} bytes; {MAX_URL} are taken.", url.len());
        return unreadable(site, url, 414, "The address is too long", &why, "Take some filters away.");
    }
    let asked = match asked(url) {
        Ok(asked) => asked,
        Err(why) => return unreadable(site, url, 400, "The address cannot be read", &why, "Write % as %25."),
    };
    let panicked = |_| {
        log::error!("a page panicked: {url}");
        match is_for_programs(site, url) {
            true => logs::wrong(500, "the answer could not be made", "what happened is in alco's log"),
            false => our_fault(site),
        }
    };
    // the site is not changed by a page; what a page locks is as whole after a panic as before
    let reply = catch_unwind(AssertUnwindSafe(|| route(site, &asked, asker, now))).unwrap_or_else(panicked);
    log::debug!("{} {url}", reply.status);
    reply
}

/// The reply to a request that cannot be routed, in the form that its asker reads.
fn unreadable(site: &Site, url: &str, status: u16, title: &str, why: &str, todo: &str) -> Reply {
    match is_for_programs(site, url) {
        true => logs::wrong(status, why, todo),
        false => plain_error(site, status, title, why, todo),
    }
}

fn is_for_programs(site: &Site, url: &str) -> bool {
    url.strip_prefix(site.config.http.base_path.as_str()).is_some_and(|path| path.starts_with("api/"))
}

fn route(site: &Site, asked: &Asked, asker: &Asker, now: Ts) -> Reply {
    let base = &site.config.http.base_path;
    let Some(parts) = below(base, &asked.parts) else {
        return refused(site, &Refusal::Gone(format!("Everything here is below {base}.")));
    };
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let query = asked.query;
    let answer = match parts[..] {
        [] | [""] | ["grep", ..] | ["api", "grep", ..] if !site.users.may_read(&asker.claim) => {
            Err(Refusal::NotYou { password: site.users.asks_for_password() })
        }
        [] | [""] => Ok(Reply::redirect(302, &format!("{base}grep/"))),
        ["grep", ""] => Ok(indexes::index_page(site, now)),
        ["grep", "shortcut", name, ""] => indexes::shortcut(site, name, None, query),
        ["grep", "shortcut", name, value, ""] => indexes::shortcut(site, name, Some(value), query),
        ["grep", list, ""] => grep::log_page(site, list, query, now),
        ["grep", list, "at", place, ""] => record::record_page(site, list, place, "", query, now),
        ["grep", list, "at", place, around, ""] => record::record_page(site, list, place, around, query, now),
        ["grep", list, "columns", ""] => columns::columns_page(site, list, query, asker, now),
        ["grep", list, "values", column, ""] => grep::values_page(site, list, column, query, asker, now),
        ["style.css"] => {
            let (style, hash) = (assets::STYLE, assets::style_hash());
            Ok(Reply::file("text/css; charset=utf-8", style, hash, query == hash, asker.known.as_deref()))
        }
        ["collector", "sphinx.conf"] => Ok(api::conf(site, now).unless_known(asker.known.as_deref())),
        ["api", "collector", "indices", ""] => Ok(api::indices(site, now).unless_known(asker.known.as_deref())),
        ["api", "grep", list, ""] => logs::logs(site, list, query, asker, now),
        ["api", "grep", list, "histogram", ""] => logs::histogram(site, list, query, asker, now),
        ["api", "grep", list, "values", column, ""] => logs::values(site, list, column, query, asker, now),
        ["api", "grep", list, "columns", ""] => logs::columns(site, list),
        ["metrics"] => Ok(api::metrics(site, now)),
        ["health"] => Ok(api::health(site, now)),
        // a page's address ends with a slash, since its links begin there
        ["grep", .., last] | ["api", .., last] if !last.is_empty() => Ok(with_slash(base, &parts, query)),
        ["grep"] => Ok(with_slash(base, &parts, query)),
        _ => Err(Refusal::Gone("There is no such page.".to_owned())),
    };
    answer.unwrap_or_else(|refusal| match parts[..] {
        ["api", ..] => logs::refused(refusal),
        _ => refused(site, &refusal),
    })
}

/// What follows `base` in a path; None where the path is elsewhere.
fn below<'a>(base: &str, parts: &'a [String]) -> Option<&'a [String]> {
    let base: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    let at_base = parts.len() >= base.len() && base.iter().zip(parts).all(|(base, part)| base == part);
    at_base.then(|| &parts[base.len()..])
}

fn with_slash(base: &str, parts: &[&str], query: &str) -> Reply {
    let path: String = parts.iter().map(|part| format!("{}/", pages::links::segment(part))).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    Reply::redirect(301, &format!("{base}{path}{query}"))
}

fn asked(url: &str) -> Result<Asked<'_>, String> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    // the absolute form, as it is sent to a proxy
    let path = match path.split_once("://") {
        Some((_, rest)) if !path.starts_with('/') => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => path,
    };
    let path = path.strip_prefix('/').ok_or("It does not begin with /.")?;
    decodable(query)?;
    let parts =
        path.split('/').map(|part| decodable(part).map(|()| percent_decode_str(part).decode_utf8_lossy().into_owned()));
    Ok(Asked { parts: parts.collect::<Result<_, String>>()?, query })
}

/// Each % is followed by two hexadecimal digits, and the whole is UTF-8.
fn decodable(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('%') {
        let digits = text.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            let end = text.len().min(at + 3);
            return Err(format!("'{}' is no escape.", text.get(at..end).unwrap_or("%")));
        }
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("The bytes it stands for are no UTF-8: {error}.")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::path::Path;

    use crossbeam_channel::never;

    use super::*;
    use crate::config::{Address, Index, Shortcut};

    /// Two indexes below /logs/; nobody listens where searchd and Redis should be.
    fn config(listen: Vec<Address>) -> Config {
        let mut config = Config::default();
        let index = config.indexes[0].clone();
        let named = |name: &str| Index { name: name.parse().expect("a name"), ..index.clone() };
        config.indexes = vec![named("web"), named("billing")];
        config.http.base_path = "/logs/".to_owned();
        config.http.listen = listen;
        config.sphinx.address = Address::Unix("/nonexistent/searchd".into());
        config.redis.url = crate::config::Secret::new("redis+unix:///nonexistent/redis".to_owned());
        config.shortcuts = vec![Shortcut {
            name: "slow".to_owned(),
            index: vec!["web".parse().expect("a name"), "billing".parse().expect("a name")],
            title: String::new(),
            query: "search=slow&start_ts=-1h".to_owned(),
            parameter: Some("request_id".to_owned()),
        }];
        config
    }

    fn metrics() -> Arc<Metrics> {
        Arc::new(Metrics::new(std::iter::empty()))
    }

    fn ask(url: &str) -> Reply {
        let config = Arc::new(config(vec![]));
        let site = Site::new(config, metrics(), false, never()).expect("addresses");
        answer(&site, url, &Asker::default(), Ts::from_micros(1_795_341_600_000_000))
    }

    #[track_caller]
    fn check(url: &str, status: u16, contains: &str) {
        let reply = ask(url);
        let location = reply.headers.iter().find(|(name, _)| *name == "Location").map(|(_, value)| value.as_str());
        let text = location.unwrap_or(&reply.body);
        assert_eq!(reply.status, status, "{url}: {text}");
        assert!(text.contains(contains), "{url}: {text}");
        assert!(
            reply.headers.iter().any(|(name, value)| *name == "Content-Security-Policy" && value.contains("'none'"))
        );
    }

    #[test]
    fn every_address_has_its_answer() {
        check("/logs/", 302, "/logs/grep/");
        check("/logs", 302, "/logs/grep/");
        check("/logs/grep/", 200, "href=\"/logs/grep/billing/\"");
        check("/logs/grep/web?search=x", 301, "/logs/grep/web/?search=x");
        check("/logs/grep/shortcut/slow/", 302, "/logs/grep/web,billing/?start_ts=-1h&search=slow");
        check("/logs/grep/shortcut/slow/7f%2F3a/", 302, "request_id=7f/3a");
        check("/logs/grep/shortcut/slow/?value=7f%2F3a+b", 302, "request_id=7f/3a+b");
        check("/logs/grep/shortcut/slow/?value=", 302, "/logs/grep/web,billing/?start_ts=-1h&search=slow");
        check("/logs/style.css", 200, "--bg");
        check("/logs/metrics", 200, "alco_build_info{version=");
        check("/logs/collector/sphinx.conf", 200, "searchd\n{");
        check("/logs/api/collector/indices/?format=json", 200, "{\"name\":\"web\",\"index_names\":[\"2026");
        check("http://alco.example/logs/style.css", 200, "--bg");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_cure() {
        check("/", 404, "below /logs/");
        check("/logs/nothing", 404, "no such page");
        check("/logs/grep/nginx/", 404, "href=\"/logs/grep/web/\"");
        check("/logs/grep/web,nginx/", 404, "no index 'nginx'");
        check("/logs/grep/shortcut/fast/", 404, "no shortcut");
        check("/logs/grep/web/?context=x%3Cb", 400, "x&lt;b");
        check("/logs/grep/web/?search=(x&mode=regex", 400, "name=\"search\" value=\"(x\"");
        check("/logs/grep/web/?search=100%", 400, "Write % as %25");
        check("/logs/grep/web/?search=%ff", 400, "UTF-8");
        check("/logs/grep/%zz/", 400, "%zz");
        check("/logs/grep/web/at/1.2/", 400, "names no record");
        check("/logs/grep/web/at/1.2.3/x/", 400, "20-20");
        check("/logs/health", 503, "does not work");
        check("/logs/grep/web/columns/?start_ts=x", 400, "is no time");
        check("/logs/api/grep/nginx/", 404, "{\"error\":\"there is no index 'nginx'\",\"hint\":");
        check("/logs/api/grep/web/?start_ts=x", 400, "{\"error\":\"'x' is no time");
        check("/logs/api/grep/web/", 503, "alco check");
        check("/logs/api/grep/web/nothing/", 404, "\"hint\":\"paths are");
        check("/logs/api/grep/%zz/", 400, "{\"error\":\"'%zz' is no escape.\",\"hint\":\"Write % as %25.\"}");
        let long = "x".repeat(17_000);
        check(&format!("/logs/grep/web/?search={long}"), 414, "too long");
        check(&format!("/logs/api/grep/web/?search={long}"), 414, "\"hint\":\"Take some filters away.\"}");
    }

    #[test]
    fn a_form_leads_to_a_short_address() {
        let form = "/logs/grep/web/?search=timed+out&mode=literal&in=message&context=0&start_ts=&end_ts=";
        check(form, 302, "/logs/grep/web/?search=timed+out");
        assert!(!ask(form).headers.iter().any(|(_, value)| value.contains("mode")));
    }

    #[test]
    fn a_known_style_sheet_is_not_sent_again() {
        let etag = format!("\"{}\"", assets::style_hash());
        assert_eq!(Reply::file("text/css", "a", assets::style_hash(), true, Some(&etag)).status, 304);
        assert_eq!(Reply::file("text/css", "a", assets::style_hash(), true, Some("\"other\"")).status, 200);
    }

    fn send(path: &Path, request: &str) -> String {
        let mut stream = UnixStream::connect(path).expect("somebody listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer that ends");
        text
    }

    #[test]
    fn it_serves_until_it_is_stopped() {
        let path = std::env::temp_dir().join(format!("alco-http-{}", std::process::id()));
        let listen = vec![Address::Unix(path.clone()), Address::Tcp { host: "127.0.0.1".to_owned(), port: 0 }];
        let (stopper, stop) = crossbeam_channel::bounded::<Infallible>(0);
        let server = Server::start(Arc::new(config(listen)), metrics(), false, stop).expect("started");

        let page = send(&path, "GET /logs/grep/ HTTP/1.0\r\n\r\n");
        assert!(page.starts_with("HTTP/1.0 200") && page.contains("</html>"), "{page}");
        let head = send(&path, "HEAD /logs/grep/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
        let post = send(&path, "POST /logs/grep/ HTTP/1.0\r\n\r\n");
        assert!(post.starts_with("HTTP/1.0 405") && post.contains("Allow: GET, HEAD"), "{post}");

        let raw = send(&path, "GET /logs/grep/web/?context=\u{65e5} HTTP/1.0\r\n\r\n");
        assert!(raw.starts_with("HTTP/1.0 400") && raw.contains("\u{65e5}"), "{raw}");
        let endless = send(&path, &format!("GET /{} HTTP/1.1\r\n", "x".repeat(40_000)));
        assert!(endless.starts_with("HTTP/1.1 431"), "{endless}");
        let twice = "GET /logs/style.css HTTP/1.1\r\nHost: x\r\n\r\nGET /logs/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let twice = send(&path, twice);
        assert!(twice.starts_with("HTTP/1.1 200") && twice.contains("HTTP/1.1 404"), "{twice}");
        let idle = UnixStream::connect(&path).expect("somebody listens");

        drop(stopper);
        // whoever is idle is not waited for, which would take half a minute
        let deadline = Instant::now() + Duration::from_secs(20);
        server.join(deadline);
        assert!(Instant::now() < deadline, "it waited to the end");
        drop(idle);
        assert!(UnixStream::connect(&path).is_err(), "somebody still listens");
    }
}
