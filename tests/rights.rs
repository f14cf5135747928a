//! Rights by index: for users who may not see an index, it does not exist, whatever they ask. The router's own text names all
//! addresses, so a new page is asked too.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Alco, Publisher, Reply, SOON, Stack, body, try_get_with, wait_until};

#[path = "../src/http/walk.rs"]
mod walk;

/// In every record of the index that bob may not see, and nowhere else.
const SECRET: &str = "xylophone";
const HIDDEN: &str = "rights_pay";
/// As long, and not in alco.ini.
const MISSING: &str = "rights_not";

struct Rights {
    alco: Alco,
    users_file: std::path::PathBuf,
}

impl Rights {
    /// The index with the secret is for the group ops, and anna is in it.
    fn start() -> Rights {
        let stack = Stack::shared();
        let users_file = stack.dir().join(format!("rights-{:?}.users", std::thread::current().id()));
        fs::write(&users_file, "@ops: anna\n").unwrap();
        let settings = format!(
            "{}{}users = @ops\n[http]\nusers_file = {}\nuser_header = X-User\ngroup_header = X-Groups\ntrusted_proxies = 127.0.0.1\n\
             open_paths = /health, /metrics\n[shortcut slow]\nquery = start_ts=-1h\n[shortcut pay]\nindex = {HIDDEN}\nquery = start_ts=-1h\n",
            stack.index("rights_web"),
            stack.index(HIDDEN),
            users_file.display()
        );
        let alco = Alco::start(stack, &settings);
        let mut publisher = Publisher::open(&stack.amqp);
        publisher.publish("logstash", "rights.web", (0..20).map(|n| body(&format!("visit {n}"))));
        publisher.publish("logstash", "rights.pay", (0..20).map(|n| body(&format!("{SECRET} {n}"))));
        publisher.close();
        for index in ["rights_web", HIDDEN] {
            wait_until("all is stored", SOON, || stack.count(index).filter(|count| *count >= 20));
        }
        Rights { alco, users_file }
    }

    fn ask(&self, user: &str, path: &str) -> Reply {
        let headers = [("X-User", user)];
        let headers = if user.is_empty() { &[][..] } else { &headers };
        try_get_with(&format!("{}{path}", self.alco.url), headers).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

/// Status, headers and body without what differs by time.
fn told(reply: &Reply) -> String {
    let headers = reply.headers.iter().filter(|(name, _)| !["date", "etag"].contains(&name.as_str()));
    let headers: Vec<String> = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    format!("{} {} {}", reply.status, headers.join("\n"), reply.body).replace(HIDDEN, MISSING)
}

#[test]
fn an_index_of_others_does_not_exist_on_any_page() {
    let rights = Rights::start();
    let formats = ["", "?format=text&start_ts=-1h", "?format=ndjson", "?format=csv", "?format=json", "?only_new=1"];
    let mut with_secret = 0;
    for (hidden, missing) in walk::paths(HIDDEN).into_iter().zip(walk::paths(MISSING)) {
        for format in formats {
            let (hidden, missing) = (format!("/{hidden}{format}"), format!("/{missing}{format}"));
            if hidden != missing {
                let replies = (rights.ask("bob", &hidden), rights.ask("bob", &missing));
                assert_eq!(told(&replies.0), told(&replies.1), "{hidden}");
                assert_eq!(replies.0.status, 404, "{hidden}");
                with_secret += usize::from(rights.ask("anna", &hidden).body.contains(SECRET));
            }
        }
    }
    assert!(with_secret >= 10, "anna should read it: {with_secret}");
    // what a search over everything that bob may see shows him, and what has no list of indexes
    let mut with_name = 0;
    for path in walk::paths("*").iter().chain(&walk::paths("rights*")) {
        for format in formats {
            let url = format!("/{path}{format}");
            let replies = (rights.ask("bob", &url), rights.ask("anna", &url));
            let shown = format!("{:?} {}", replies.0.headers, replies.0.body);
            assert!(!shown.contains(HIDDEN) && !shown.contains(SECRET), "{url}: {shown}");
            with_name += usize::from(replies.1.body.contains(HIDDEN));
        }
    }
    assert!(with_name >= 20, "anna should see its name: {with_name}");
}

#[test]
fn a_client_without_a_user_learns_no_name_from_open_paths() {
    let rights = Rights::start();
    for path in ["/health", "/metrics"] {
        let (stranger, anna) = (rights.ask("", path), rights.ask("anna", path));
        assert!(!stranger.body.contains(HIDDEN) && stranger.body.contains("rights_web"), "{}", stranger.body);
        assert!(anna.body.contains(HIDDEN), "{}", anna.body);
    }
    assert!(rights.ask("", "/health").body.contains("collecting other indexes works"));
    for path in ["/collector/sphinx.conf", "/api/collector/indices/", "/grep/"] {
        assert_eq!(rights.ask("", path).status, 401, "{path}");
    }
    assert_eq!(rights.ask("bob", "/collector/sphinx.conf").status, 403);
    assert!(rights.ask("anna", "/collector/sphinx.conf").body.contains(HIDDEN));
}

#[test]
fn a_pattern_of_others_shows_no_text_by_its_hash() {
    let rights = Rights::start();
    let list = rights.ask("anna", &format!("/grep/{HIDDEN}/patterns/?format=ndjson")).body;
    let hash = list.split("\"pattern\":\"").nth(1).expect("a pattern").split('"').next().unwrap().to_owned();
    // anna's pages have shown its text
    let page = format!("/grep/*/?pattern={hash}");
    assert!(rights.ask("anna", &page).body.contains(SECRET));
    for url in
        [page, format!("/grep/rights_web/?pattern={hash}"), format!("/grep/*/?pattern={hash}&search=(&mode=regex")]
    {
        let reply = rights.ask("bob", &url);
        assert!(reply.body.contains(&hash) && !reply.body.contains(SECRET), "{url}: {}", reply.body);
    }
}

#[test]
fn groups_come_from_the_file_and_from_the_proxy() {
    let rights = Rights::start();
    let url = format!("{}/grep/{HIDDEN}/?format=text&start_ts=-1h", rights.alco.url);
    let ask = |headers: &[(&str, &str)]| try_get_with(&url, headers).unwrap();
    for (headers, status) in [
        (&[("X-User", "anna")][..], 200),
        (&[("X-User", "bob")], 404),
        (&[("X-User", "bob"), ("X-Groups", "web, ops")], 200),
        (&[("X-User", "bob"), ("X-Groups", "opsx")], 404),
        (&[("X-User", "ops")], 404),
        (&[("X-Groups", "ops")], 401),
        // a client's own header next to the proxy's
        (&[("X-User", "anna"), ("X-User", "bob")], 401),
        (&[("X-User", "bob"), ("X-Groups", "ops"), ("X-Groups", "web")], 404),
    ] {
        let reply = ask(headers);
        assert_eq!(reply.status, status, "{headers:?}: {}", reply.body);
    }
}

#[test]
fn a_changed_file_changes_rights_at_once_and_ends_following() {
    let rights = Rights::start();
    let url = format!("{}/grep/{HIDDEN}/?format=text&follow=1", rights.alco.url);
    let mut curl = Command::new("curl");
    curl.args(["-sSN", "-H", "X-User: anna", &url]).stdout(Stdio::piped());
    let mut following = curl.spawn().expect("curl is installed");
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains(SECRET)), "anna follows it");
    assert_eq!(rights.ask("anna", &format!("/grep/{HIDDEN}/")).status, 200);
    fs::write(&rights.users_file, "@ops: bob, eve\n").unwrap();
    assert_eq!(rights.ask("anna", &format!("/grep/{HIDDEN}/")).status, 404);
    assert_eq!(rights.ask("bob", &format!("/grep/{HIDDEN}/")).status, 200);
    let last = lines.last().expect("a notice");
    assert!(last.contains("the user may no longer see it"), "{last}");
    assert!(following.wait().unwrap().success());
}

#[test]
fn the_time_of_an_answer_does_not_show_that_an_index_exists() {
    let rights = Rights::start();
    let median = |path: &str| {
        let mut times: Vec<Duration> = (0..60)
            .map(|_| {
                let began = Instant::now();
                assert_eq!(rights.ask("bob", path).status, 404);
                began.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[times.len() / 2]
    };
    for path in ["/grep/NAME/", "/api/grep/NAME/count/", "/grep/NAME/patterns/?format=ndjson"] {
        let of = |name| median(&path.replace("NAME", name));
        let (hidden, missing) = (of(HIDDEN), of(MISSING));
        // a search would add milliseconds
        assert!(
            hidden < missing * 3 + Duration::from_millis(1),
            "{path}: {hidden:?}, and {missing:?} of a missing one"
        );
    }
}
