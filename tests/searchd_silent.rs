//! A searchd that is stopped (SIGSTOP) or away: readers learn it soon, and go on with what alco knows without it.

use std::time::{Duration, Instant};

use crate::support::page::text;
use crate::support::{Alco, LONG, Publisher, Reply, Stack, body, try_get, wait_until};

const INI: &str = "[index silent]\ndays = 2\nrouting_keys = silent.#\n";
const SEARCH: &str = "/grep/silent/?search=record+7&start_ts=-1h";
/// The two seconds of search_budget, one more, and what a busy machine adds.
const SOON: Duration = Duration::from_secs(5);

#[track_caller]
fn get(alco: &Alco, path: &str, status: u16, at_most: Duration) -> Reply {
    let asked = Instant::now();
    let reply = alco.get(path);
    assert_eq!(reply.status, status, "{path}: {}", text(&reply.body));
    assert!(asked.elapsed() < at_most, "{path} took {:?}", asked.elapsed());
    reply
}

#[track_caller]
fn shows(reply: &Reply, what: &str) {
    assert!(text(&reply.body).contains(what), "no {what:?} in {}", text(&reply.body));
}

#[test]
fn readers_do_not_wait_for_a_silent_searchd() {
    let stack = Stack::private("silent", INI);
    let publisher = Publisher::to_queue(&stack.amqp, "silent");
    publisher.close();
    let alco = Alco::start(&stack, &format!("{INI}[http]\nsearch_budget = 2s\n"));
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "silent.key", (0..20).map(|n| body(&format!("record {n}"))));
    publisher.close();
    stack.settled_count("silent", 20, LONG);
    get(&alco, SEARCH, 200, SOON);
    wait_until("the list has them", LONG, || text(&alco.get("/grep/").body).contains("max 20").then_some(()));

    stack.pause("searchd");
    let page = get(&alco, SEARCH, 503, SOON);
    shows(&page, "it has not answered for 2.5 s");
    assert!(page.body.contains("name=\"search\" value=\"record 7\""), "the form is gone: {}", page.body);
    // while searchd is known to be silent, no reader waits for it as long as the first one
    for path in [SEARCH, "/grep/silent/patterns/", "/grep/silent/columns/"] {
        let asked = Instant::now();
        alco.get(path);
        assert!(asked.elapsed() < Duration::from_secs(2), "{path} took {:?}", asked.elapsed());
    }
    let list = get(&alco, "/grep/", 200, SOON);
    for what in ["has not answered for", "the figures here are those of", "max 20"] {
        shows(&list, what);
    }
    get(&alco, "/health", 503, Duration::from_millis(1500));
    assert_eq!(alco.logged("pages show an error until it answers"), 1, "{}", alco.log());

    stack.resume("searchd");
    wait_until("pages are there again", LONG, || (alco.get(SEARCH).status == 200).then_some(()));
    assert_eq!(alco.logged("answers again"), 1, "{}", alco.log());
    let list = get(&alco, "/grep/", 200, SOON);
    assert!(!text(&list.body).contains("has not answered"), "{}", text(&list.body));

    stack.stop("searchd");
    let page = get(&alco, SEARCH, 503, SOON);
    shows(&page, "Does searchd run?");
    assert!(page.body.contains("name=\"search\" value=\"record 7\""), "the form is gone: {}", page.body);
    // an alco that has never had an answer has Redis' time of the last record
    let late = Alco::spawn(&stack, &format!("{INI}[http]\nsearch_budget = 2s\n"));
    wait_until("its pages answer", LONG, || try_get(&format!("{}/style.css", late.url)).ok());
    let list = get(&late, "/grep/", 200, SOON);
    shows(&list, "Connection refused");
    assert!(!text(&list.body).contains("no records yet"), "{}", text(&list.body));
    assert!(list.body.contains(" s ago</span>") || list.body.contains(" min ago</span>"), "{}", list.body);
}
