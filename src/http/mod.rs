//! The web part: listen, route, reply.
//!
//! A request goes one way: the gate (`server`), its headers and address (`request`), the one match (`router`), a route, the
//! page of the same name, a reply (`response`), and out by `server::send`. `error` has the reasons why there is no answer.

mod assets;
mod auth;
mod body;
mod error;
mod followers;
mod form;
mod kept_answers;
mod logins;
mod origin;
mod pages;
mod request;
mod response;
mod router;
mod routes;
#[cfg(test)]
mod samples;
mod searchd_service;
mod server;
mod site;
mod user;
mod visible;
#[cfg(test)]
mod walk;

// for arbitrary bytes
#[cfg(any(test, fuzzing))]
pub use crate::http::{request::RequestUrl, server::request_head::rewritten};

use std::convert::Infallible;
use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use crate::config::Config;
use crate::http::request::{Client, may_take_long};
use crate::http::server::gate::{Gate, GateSettings, MAX_CONNECTIONS};
use crate::http::server::places::{ConnectionBounds, MAX_LEAVING_CONNECTIONS, Places};
use crate::http::server::request_queue::{Asked, RequestQueue, ThreadShares, Work};
use crate::http::server::send::{Incoming, Requests};
use crate::http::server::socket::{Private, connections_with_files};
use crate::http::server::stop::StopSignal;
use crate::http::site::Site;
use crate::metrics::Metrics;
use crate::net::household::Household;
use crate::threads::{End, spawn_watched};
use crate::time::Ts;

/// Requests answered at a time. They mostly wait for searchd, for a turn among long searches, or for a password to be hashed; none
/// of that must keep a page from its style sheet.
const POOL_THREADS: usize = 24;
/// Threads for what must be answered while all of these wait: /health, /metrics and the style sheet.
const URGENT_THREADS: usize = 3;
/// Of the pool, for the clients of one address.
const MAX_THREADS_OF_CLIENT: usize = POOL_THREADS / 2;

/// The time between two questions whether a peer that is away answers again; others are asked less often.
const PROBE_EVERY: Duration = Duration::from_secs(2);
const TURNS_PER_PROBE_OF_ALL: u64 = 5;

/// The running web part.
pub struct WebServer {
    /// receives nothing, and closes when the last connection has ended
    ended: Receiver<Infallible>,
    /// threads whose ends are sent
    pub watched: usize,
    _private: Private,
}

impl WebServer {
    /// Listens everywhere it should, or nowhere. Its threads end when `stop` is closed, and each sends its end to `ends`.
    ///
    /// # Errors
    /// One line: the address that cannot be listened on, or the system's error for a socket or thread.
    pub fn start(
        config: Arc<Config>,
        metrics: Arc<Metrics>,
        collects: bool,
        stop: Receiver<Infallible>,
        ends: &Sender<End>,
    ) -> Result<WebServer, String> {
        let cannot = |error: &dyn std::fmt::Display| format!("cannot serve HTTP: {error}");
        let private = Private::new().map_err(|error| cannot(&error))?;
        let requests = Arc::new(Requests::new(&private.socket()).map_err(|error| cannot(&error))?);
        let (running, ended) = bounded(0);
        // the gate waits on one end together with its sockets; it ends when the other is dropped
        let (stopped, stopper) = UnixStream::pair().map_err(|error| cannot(&error))?;
        let workers: usize = config.indexes.iter().filter(|_| collects).map(|index| index.threads).sum();
        let site = Arc::new(Site::new(config, metrics, collects, now(), stop.clone())?);
        let listen = &site.http().listen;
        let wanted = MAX_CONNECTIONS + site.http().max_followers;
        let (open, limit) = connections_with_files(wanted + MAX_LEAVING_CONNECTIONS, workers);
        let bounds = ConnectionBounds::new(open, wanted);
        if let Some(limit) = limit.filter(|_| bounds.served < wanted) {
            log::warn!(
                "the process may have {limit} open files, so {} clients may be connected at a time and not {wanted}; \
                 raise the limit (ulimit -n, LimitNOFILE of a systemd unit)",
                bounds.served
            );
        }
        // as long as two searches may take that are before it
        let patience = 2 * site.http().search_budget;
        let shares = |all, of_household| ThreadShares { all, of_household, patience };
        let usual = Arc::new(RequestQueue::new(shares(POOL_THREADS, MAX_THREADS_OF_CLIENT)));
        let urgent = Arc::new(RequestQueue::new(shares(URGENT_THREADS, URGENT_THREADS)));
        let counted = &site.metrics.clients;
        let settings = GateSettings {
            inner: private.socket(),
            clients: site.clients.clone(),
            counted: counted.clone(),
            requests: usual.clone(),
            stop: StopSignal(stopped),
            _running: running,
        };
        let places = Places::new(bounds, site.http().trusted_proxies.clone(), counted.clone());
        let gate = Gate::new(listen, places, settings)?;

        for number in 1..=POOL_THREADS + URGENT_THREADS {
            let requests = if number <= POOL_THREADS { usual.clone() } else { urgent.clone() };
            let site = site.clone();
            spawn_watched(&format!("http-{number}"), ends, move || serve(&requests, &site))?;
        }
        spawn_watched("http-gate", ends, move || gate.run())?;
        let (probing, stopped_probing) = (site.clone(), stop.clone());
        let (receiver, queues, stopping) = (requests.clone(), [usual, urgent], stop.clone());
        spawn_watched("http-receiver", ends, move || {
            let why = receive(&receiver, &site, &queues);
            queues.iter().for_each(|queue| queue.close());
            // this thread was woken to end, or tiny_http's listener has ended for good
            if stopping.try_recv() != Err(TryRecvError::Disconnected) {
                log::error!("cannot serve HTTP any longer: {why}");
            }
        })?;
        spawn_watched("http-stop", ends, move || {
            // nothing is ever sent: this returns when the channel is closed
            let _ = stop.recv();
            drop(stopper);
            requests.unblock();
        })?;
        let mut watched = POOL_THREADS + URGENT_THREADS + 3;
        if probing.searcher.has_peers() {
            spawn_watched("peers", ends, move || probe_peers(&probing, &stopped_probing))?;
            watched += 1;
        }
        Ok(WebServer { ended, watched, _private: private })
    }

    /// Waits for the connections to end, but not beyond the deadline: a client that reads slowly may hold one.
    pub fn join(self, deadline: Instant) {
        let Err(RecvTimeoutError::Disconnected) = self.ended.recv_deadline(deadline) else {
            log::warn!("a client is still being served");
            return;
        };
    }
}

/// Puts the requests that come into their queues, and returns the reason why no more will come.
fn receive(requests: &Requests, site: &Site, [usual, urgent]: &[Arc<RequestQueue<Incoming>>; 2]) -> io::Error {
    loop {
        let request = match requests.next() {
            Ok(request) => request,
            Err(error) => return error,
        };
        let credentials = Client::credentials(|name| request.headers(name), site);
        // the threads that answer /health never wait for a password to be hashed
        let is_urgent = router::is_urgent(&site.http().base_path, request.url()) && !site.users.may_hash(&credentials);
        let household = Household::of(&site.users.address(&credentials));
        let asked = Asked { household, may_take_long: !is_urgent && may_take_long(request.url()) };
        (if is_urgent { urgent } else { usual }).put(asked, request);
    }
}

/// Answers requests until no more will come; the daemon then ends the process.
fn serve(requests: &RequestQueue<Incoming>, site: &Arc<Site>) {
    while let Some((work, _taken)) = requests.take() {
        let work = || match work {
            Work::Answer(request) => answer(request, site),
            Work::Refuse(request) => refuse(request, site),
        };
        // a panic must not end the thread, which later requests need
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            log::error!("answering a request panicked; the thread goes on");
        }
    }
}

/// Looks for peers that are away, and for those that answer again, until `stop` is closed.
fn probe_peers(site: &Site, stop: &Receiver<Infallible>) {
    for turn in 0_u64.. {
        site.searcher.probe_peers(now(), !turn.is_multiple_of(TURNS_PER_PROBE_OF_ALL));
        if stop.recv_timeout(PROBE_EVERY) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

fn answer(mut request: Incoming, site: &Arc<Site>) {
    let form = request.form();
    let client = Client { form, ..Client::of(|name| request.headers(name), site) };
    if !client.waits(site).yes() {
        // it has left while the request waited for a thread
        return;
    }
    let _thread = client.number.map(|number| site.clients.hold_thread(number));
    let (reply, visible) = router::reply(site, request.method(), request.url(), &client, now());
    request.answer(
        site,
        reply,
        &client,
        Box::new(move |site, refusal| routes::error::refused(site, &visible, refusal)),
    );
}

fn refuse(request: Incoming, site: &Site) {
    let reply = router::refused_as_late(site, request.url());
    request.send(reply, false);
}

fn now() -> Ts {
    Ts::of(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::path::Path;
    use std::time::Duration;

    use crossbeam_channel::never;

    use super::*;
    use crate::config::{Address, Index, Shortcut};
    use crate::http::response::Reply;

    /// Two indexes below /logs/; no server listens at the addresses of searchd and Redis.
    fn config(listen: Vec<Address>) -> Config {
        let mut config = Config::default();
        let index = config.indexes[0].clone();
        let named = |name: &str| Index { name: name.parse().expect("a name"), ..index.clone() };
        config.indexes = vec![named("web"), named("billing")];
        config.http.base_path = "/logs/".to_owned();
        config.http.listen = listen;
        config.sphinx.address = Address::Unix("/nonexistent/searchd".into());
        config.sphinx.service = Some("alco-searchd".to_owned());
        config.redis.urls = vec![crate::config::Secret::new("redis+unix:///nonexistent/redis".to_owned())];
        config.shortcuts = vec![Shortcut {
            name: "slow".to_owned(),
            index: vec!["web".parse().expect("a name"), "billing".parse().expect("a name")],
            title: String::new(),
            query: "search=slow&start_ts=-1h".to_owned(),
            parameter: Some("request_id".to_owned()),
            line: 0,
        }];
        config
    }

    fn metrics() -> Arc<Metrics> {
        Arc::new(Metrics::new(std::iter::empty()))
    }

    fn ask(url: &str) -> Reply {
        let config = Arc::new(config(vec![]));
        let now = Ts::from_micros(1_795_341_600_000_000);
        let site = Site::new(config, metrics(), false, now, never()).expect("addresses");
        router::reply(&site, "GET", url, &Client::default(), now).0
    }

    /// A reply to a user whom the proxy names, with all that is sent of it.
    fn told(site: &Site, user: &str, url: &str) -> String {
        let credentials =
            auth::Credentials { peer: "unix".to_owned(), named: Some(user.to_owned()), ..auth::Credentials::default() };
        let token = Some("0".repeat(32));
        let client = Client { credentials, token, origin: "http://logs".to_owned(), ..Client::default() };
        let (reply, _) = router::reply(site, "GET", url, &client, Ts::from_micros(1_795_341_600_000_000));
        let streamed = if reply.stream.is_some() { "written as it is found" } else { "" };
        format!("{} {:?} {}{streamed}", reply.status, reply.headers, reply.body)
    }

    /// `payroll` is for anna; bob may see `web` and `billing`.
    fn site_with_rights() -> Site {
        let mut config = config(vec![]);
        config.http.user_header = Some("X-User".to_owned());
        config.http.trusted_proxies = vec!["unix".parse().expect("a proxy")];
        config.http.open_paths = vec![];
        let mut hidden = Index { name: "payroll".parse().expect("a name"), ..config.indexes[0].clone() };
        hidden.users = vec!["anna".parse().expect("a user")];
        config.indexes.push(hidden);
        let name = |name: &str| name.parse().expect("a name");
        let shortcut = |indexes: &[&str], shortcut: &str| Shortcut {
            name: shortcut.to_owned(),
            index: indexes.iter().map(|index| name(index)).collect(),
            title: format!("title of {shortcut}"),
            query: "search=slow".to_owned(),
            parameter: Some("request_id".to_owned()),
            line: 0,
        };
        config.shortcuts = vec![
            shortcut(&["web", "billing", "payroll"], "slow"),
            shortcut(&["payroll", "web"], "both"),
            shortcut(&["payroll"], "salaries"),
        ];
        let metrics = Metrics::new(config.indexes.iter().map(|index| index.name.clone()));
        let now = Ts::from_micros(1_795_341_600_000_000);
        Site::new(Arc::new(config), Arc::new(metrics), true, now, never()).expect("addresses")
    }

    #[test]
    fn every_route_answers_as_if_a_hidden_index_did_not_exist() {
        let site = site_with_rights();
        let (hidden, missing) = ("payroll", "nothing");
        let lists = ["payroll", "web,payroll", "pay*", "payroll,*", "p%61yroll", "payroll,web"];
        let queries = [
            "",
            "?format=ndjson",
            "?format=json",
            "?follow=1",
            "?limit=x",
            "?only_new=1",
            "?index=payroll",
            "?index=web&index=payroll",
        ];
        let other_list = |list: &str| list.replace("p%61yroll", hidden).replace(hidden, missing).replace("pay", "not");
        // the words of the addresses, as the replies repeat them
        let plain = |text: &str| {
            let words = [hidden, missing, "p%61yroll", "pay*", "not*"];
            words.iter().fold(text.to_owned(), |text, word| text.replace(word, "…"))
        };
        let mut not_found = 0;
        for (list, query) in lists.iter().flat_map(|list| queries.iter().map(move |query| (list, query))) {
            let others = walk::paths(&other_list(list));
            for (path, other) in walk::paths(list).iter().zip(&others).filter(|(path, _)| *path != "metrics") {
                let url = format!("/logs/{path}{query}");
                let told_of_missing = told(&site, "bob", &format!("/logs/{other}{}", query.replace(hidden, missing)));
                let told = told(&site, "bob", &url);
                assert!(plain(&told) == plain(&told_of_missing), "{url}: {told}\nbut {told_of_missing}");
                not_found += usize::from(told.starts_with("404"));
            }
        }
        assert!(not_found > 500, "{not_found}");
        // what names no index, and leads everywhere
        let mut names = 0;
        for path in walk::paths("*").into_iter().chain(walk::paths("web")).chain(["grep/".to_owned()]) {
            for query in queries.iter().filter(|query| !query.contains(hidden)) {
                let url = format!("/logs/{path}{query}");
                let (bob, anna) = (told(&site, "bob", &url), told(&site, "anna", &url));
                assert!(!bob.contains(hidden) && !bob.contains("salaries"), "{url}: {bob}");
                names += usize::from(anna.contains(hidden));
            }
        }
        assert!(names > 100, "{names}: anna should see it in the header of each page");
    }

    #[test]
    fn shortcuts_lead_to_what_the_user_may_see() {
        let site = site_with_rights();
        for (user, shortcut, expected) in [
            ("anna", "slow", "/logs/grep/*/?search=slow"),
            ("anna", "both", "/logs/grep/payroll,web/?search=slow"),
            ("anna", "salaries", "/logs/grep/payroll/?search=slow"),
            ("bob", "slow", "/logs/grep/*/?search=slow"),
            ("bob", "both", "/logs/grep/web/?search=slow"),
        ] {
            let told = told(&site, user, &format!("/logs/grep/shortcut/{shortcut}/"));
            assert!(told.starts_with("302") && told.contains(&format!("\"{expected}\"")), "{user} {shortcut}: {told}");
        }
        let (hidden, missing) = ("salaries", "holidays");
        let of = |name: &str| told(&site, "bob", &format!("/logs/grep/shortcut/{name}/")).replace(name, "…");
        assert_eq!(of(hidden), of(missing));
        // without Redis, alco does not know whether a user saved a search of that name
        assert!(of(hidden).starts_with("503"));
    }

    #[test]
    fn searchds_configuration_is_whole_or_refused() {
        let site = site_with_rights();
        let told = |user| told(&site, user, "/logs/collector/sphinx.conf");
        assert!(told("anna").starts_with("200") && told("anna").contains("payroll_2026"));
        assert!(told("bob").starts_with("403") && !told("bob").contains("payroll"));
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
        check("/logs/grep/shortcut/slow/", 302, "/logs/grep/*/?start_ts=-1h&search=slow");
        check("/logs/grep/shortcut/slow/7f%2F3a/", 302, "request_id=7f/3a");
        check("/logs/grep/shortcut/slow/?value=7f%2F3a+b", 302, "request_id=7f/3a+b");
        check("/logs/grep/shortcut/slow/?value=", 302, "/logs/grep/*/?start_ts=-1h&search=slow");
        check("/logs/style.css", 200, "--bg");
        check("/logs/metrics", 200, "alco_build_info{version=");
        check("/logs/collector/sphinx.conf", 200, "searchd\n{");
        check("/logs/api/collector/indices/?format=json", 200, "{\"name\":\"web\",\"index_names\":[\"2026");
        check("http://alco.example/logs/style.css", 200, "--bg");
    }

    #[test]
    fn an_error_comes_with_its_cure() {
        check("/", 404, "below /logs/");
        check("/logs/nothing", 404, "no such page");
        check("/logs/grep/nginx/", 404, "href=\"/logs/grep/web/\"");
        check("/logs/grep/web,nginx/", 404, "no index 'nginx'");
        check("/logs/grep/shortcut/fast/", 503, "the saved searches are not known: redis at");
        check("/logs/grep/web/?context=x%3Cb", 400, "x&lt;b");
        check("/logs/grep/web/?search=(x&mode=regex", 400, "name=\"search\" value=\"(x\"");
        check("/logs/grep/web/?search=100%", 400, "Write % as %25");
        check("/logs/grep/web/?search=%ff", 400, "UTF-8");
        check("/logs/grep/%zz/", 400, "%zz");
        check("/logs/grep/web/at/1.2/", 400, "names no record");
        check("/logs/grep/web/at/1.2.3/x/", 400, "20-20");
        check("/logs/health", 503, "does not work");
        check("/logs/grep/web/columns/?start_ts=x", 400, "is not a time");
        check("/logs/grep/web/at/1.2.3/?search=lost+x", 503, "name=\"search\" value=\"lost x\"");
        check("/logs/grep/web/at/1.2.3/?search=lost+x", 503, "alco-searchd");
        check(
            "/logs/api/grep/nginx/",
            404,
            "{\"error\":\"there is no index 'nginx'; there are web, billing\",\"hint\":",
        );
        check("/logs/api/grep/web/?start_ts=x", 400, "{\"error\":\"'x' is not a time");
        check("/logs/api/grep/web/", 503, "alco check");
        check("/logs/api/grep/web/nothing/", 404, "\"hint\":\"paths are");
        check("/logs/api/grep/%zz/", 400, "{\"error\":\"'%zz' is not a valid escape\",\"hint\":\"Write % as %25.\"}");
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
        let mut stream = UnixStream::connect(path).expect("the gate listens");
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
        let (stopper, stop) = bounded::<Infallible>(0);
        let (ends, _ended) = crossbeam_channel::unbounded();
        let server = WebServer::start(Arc::new(config(listen)), metrics(), false, stop, &ends).expect("started");

        let page = send(&path, "GET /logs/grep/ HTTP/1.0\r\n\r\n");
        assert!(page.starts_with("HTTP/1.0 200") && page.contains("</html>"), "{page}");
        let head = send(&path, "HEAD /logs/grep/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
        let post = send(&path, "POST /logs/grep/ HTTP/1.0\r\n\r\n");
        assert!(post.starts_with("HTTP/1.0 405") && post.contains("Allow: GET, HEAD"), "{post}");

        let raw = send(&path, "GET /logs/grep/web/?context=\u{65e5} HTTP/1.0\r\n\r\n");
        assert!(raw.starts_with("HTTP/1.0 400") && raw.contains("\u{65e5}"), "{raw}");
        let endless = send(&path, &format!("GET /{} HTTP/1.1\r\n", "x".repeat(40_000)));
        assert!(endless.starts_with("HTTP/1.1 414"), "{endless}");
        let endless = send(&path, &format!("GET / HTTP/1.1\r\nX: {}\r\n", "x".repeat(40_000)));
        assert!(endless.starts_with("HTTP/1.1 431"), "{endless}");
        let two_hosts = send(&path, "\r\n\nGET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
        assert!(two_hosts.starts_with("HTTP/1.1 400") && two_hosts.contains("Connection: close"), "{two_hosts}");
        let after_empty_lines = send(&path, "\r\n\nGET /logs/style.css HTTP/1.0\r\n\r\n");
        assert!(after_empty_lines.starts_with("HTTP/1.0 200"), "{after_empty_lines}");
        let twice = "GET /logs/style.css HTTP/1.1\r\nHost: x\r\n\r\nGET /logs/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let twice = send(&path, twice);
        assert!(twice.starts_with("HTTP/1.1 200") && twice.contains("HTTP/1.1 404"), "{twice}");
        let idle = UnixStream::connect(&path).expect("the gate listens");

        drop(stopper);
        // alco does not wait for an idle client, which would take half a minute
        let deadline = Instant::now() + Duration::from_secs(20);
        server.join(deadline);
        assert!(Instant::now() < deadline, "it waited to the end");
        drop(idle);
        assert!(UnixStream::connect(&path).is_err(), "the gate still listens");
    }
}
