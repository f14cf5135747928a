//! Searches that users save under a name: kept in Redis for all alcos that share it, changed only by forms of alco's own pages.

use std::process::Command;

use crate::support::page::text;
use crate::support::{Alco, Stack, encoded};

const INI: &str = "[index saved]\ndays = 2\nrouting_keys = saved.#\n";

/// A browser that keeps the token of forms.
struct Reader<'a> {
    alco: &'a Alco,
    user: Option<&'a str>,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Reader<'_> {
    fn ask(&self, path: &str, more: &[&str]) -> Answer {
        let mut command = Command::new("curl");
        command.args(["-sSi", "--max-time", "30"]).args(more).arg(format!("{}{path}", self.alco.url));
        if let Some(user) = self.user {
            command.args(["-H", &format!("X-User: {user}")]);
        }
        let said = String::from_utf8(command.output().expect("curl is installed").stdout).unwrap();
        let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{path}: {said}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Sends the form of a page as a browser does.
    fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.ask(path, &[]);
        let (_, token) =
            page.body.split_once("name=\"token\" value=\"").unwrap_or_else(|| panic!("no form: {}", page.body));
        let token = token.split_once('"').unwrap().0;
        assert!(page.head.contains(&format!("alco_form={token}; Path=/; SameSite=Strict; HttpOnly")), "{}", page.head);
        self.post(path, &format!("{}&token={token}", form(fields)), &["-H", &format!("Cookie: x=y; alco_form={token}")])
    }

    fn post(&self, path: &str, form: &str, more: &[&str]) -> Answer {
        let data = ["-d", form];
        self.ask(path, &[&data[..], more].concat())
    }

    fn list(&self) -> String {
        self.ask("/grep/shortcut/", &[]).body
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

#[track_caller]
fn refuses(answer: &Answer, status: u16, why: &str) {
    assert_eq!(answer.status, status, "{}", text(&answer.body));
    assert!(text(&answer.body).contains(why), "no {why:?} in {}", text(&answer.body));
}

#[test]
fn a_search_is_saved_renamed_and_deleted_by_its_user() {
    let stack = Stack::private("saved", INI);
    let users = "[http]\nuser_header = X-User\ntrusted_proxies = 127.0.0.1\n";
    let [alco, other] = [(), ()].map(|()| Alco::start(&stack, &format!("{INI}{users}")));
    let (anna, ben) = (Reader { alco: &alco, user: Some("anna") }, Reader { alco: &other, user: Some("ben") });
    const SEARCH: &str = "/grep/saved/save/?search=refused&start_ts=-1h&cursor=a1.2.3.4";
    assert!(
        anna.ask("/grep/saved/?search=refused&start_ts=-1h", &[])
            .body
            .contains("href=\"save/?start_ts=-1h&amp;search=refused\"")
    );

    let done = anna.send(SEARCH, &[("name", "  Refused <b>\t& co/1 ")]);
    assert_eq!(done.status, 303, "{}", text(&done.body));
    assert!(done.head.contains("Location: /grep/shortcut/\r\n"), "{}", done.head);
    // the other alco has it at once, without a form for another user
    let list = ben.list();
    assert!(
        list.contains("/grep/shortcut/Refused%20%3Cb%3E%20%26%20co%2F1/\">Refused &lt;b&gt; &amp; co/1</a>"),
        "{list}"
    );
    assert!(list.contains("anna, 20") && !list.contains("method=\"post\""), "{list}");
    assert!(ben.ask("/grep/", &[]).body.contains(">Refused &lt;b&gt; &amp; co/1</a>"));
    let opened = ben.ask("/grep/shortcut/Refused%20%3Cb%3E%20%26%20co%2F1/", &[]);
    assert!(opened.head.contains("Location: /grep/saved/?start_ts=-1h&search=refused\r\n"), "{}", opened.head);

    // names
    let taken = ben.send(SEARCH, &[("name", "Refused <b> & co/1")]);
    refuses(&taken, 400, "another search has this name");
    assert!(taken.body.contains("value=\"Refused &lt;b&gt; &amp; co/1\""), "what was typed is gone: {}", taken.body);
    for (name, why) in [
        ("", "a name is needed"),
        ("..", "cannot be a name"),
        ("a\u{202e}b", "cannot be seen"),
        ("a\u{1b}[2J", "cannot be seen"),
        ("\u{ad}\u{61c}", "cannot be seen"),
        ("\u{3164}", "cannot be seen"),
        (&"ж".repeat(61), "more than 60 characters"),
    ] {
        refuses(&ben.send(SEARCH, &[("name", name)]), 400, why);
    }
    let long = format!("/grep/saved/save/?search={}", "x".repeat(2100));
    refuses(&ben.send(&long, &[("name", "long")]), 400, "longer than 2000 bytes");

    // changes
    let change =
        |name: &str, what: &str, to: &str| anna.send("/grep/shortcut/", &[("name", name), ("do", what), ("to", to)]);
    assert_eq!(change("Refused <b> & co/1", "rename", "Refused").status, 303);
    assert_eq!(ben.send(SEARCH, &[("name", "of ben")]).status, 303);
    refuses(&change("of ben", "delete", ""), 400, "another user has saved this search");
    refuses(&change("of ben", "rename", "mine"), 400, "another user has saved this search");
    refuses(&change("Refused", "rename", "of ben"), 400, "another search has this name");
    refuses(&change("none", "delete", ""), 400, "no longer there");
    assert_eq!(change("Refused", "delete", "").status, 303);
    assert!(!anna.list().contains("Refused") && anna.list().contains("of ben"));
    refuses(&anna.ask("/grep/shortcut/Refused/", &[]), 404, "There is no shortcut 'Refused'");
    forged(&anna, &ben);

    // their number is bounded
    for n in 1..50 {
        stack.ask_redis::<()>(&["HSET", "ALCO:SHORTCUTS", &format!("n{n}"), "5 saved  ben"]);
    }
    refuses(&ben.send(SEARCH, &[("name", "one more")]), 400, "as many searches are saved as may be");
    assert_eq!(anna.send(SEARCH, &[("name", "hers")]).status, 303);

    // an index that this alco lacks
    stack.ask_redis::<()>(&["HSET", "ALCO:SHORTCUTS", "elsewhere", "5 nginx search=x anna"]);
    assert!(!anna.list().contains("elsewhere"));
    refuses(&change("elsewhere", "delete", ""), 400, "no longer there");
    refuses(&anna.ask("/grep/shortcut/elsewhere/", &[]), 404, "There is no shortcut 'elsewhere'");

    // another client of Redis has saved what alco would not save
    let each = |call: &str| {
        let script = format!("for n = 1, 20000 do redis.call({call}) end return 1");
        stack.ask_redis::<u8>(&["EVAL", &script, "1", "ALCO:SHORTCUTS"])
    };
    each("'HSET', KEYS[1], 'strange-' .. n, '5 saved search=x anna'");
    let strange = anna.list().matches(">strange-").count();
    assert!((1..1000).contains(&strange), "{strange} are listed");
    each("'HDEL', KEYS[1], 'strange-' .. n");

    stack.stop("redis");
    let away = anna.list();
    assert!(
        text(&away).contains("saved searches are not known") && text(&away).contains("redis at"),
        "{}",
        text(&away)
    );
    refuses(&anna.ask("/grep/shortcut/hers/", &[]), 503, "Redis does not answer");
    refuses(&anna.send(SEARCH, &[("name", "lost")]), 400, "redis at");
    assert_eq!(anna.ask("/grep/", &[]).status, 200);
}

/// What another site can have a browser send.
#[track_caller]
fn forged(anna: &Reader, ben: &Reader) {
    let token = "0123456789abcdef0123456789abcdef";
    let cookie = format!("Cookie: alco_form={token}");
    let delete = form(&[("name", "of ben"), ("do", "delete"), ("token", token)]);
    for (form, more) in [
        (delete.as_str(), vec![]),
        (delete.as_str(), vec!["-H", &cookie, "-H", "Sec-Fetch-Site: cross-site"]),
        (delete.as_str(), vec!["-H", &cookie, "-H", "Sec-Fetch-Site: same-site"]),
        (delete.as_str(), vec!["-H", "Cookie: alco_form=ffffffffffffffffffffffffffffffff"]),
        ("name=of+ben&do=delete&token=", vec!["-H", "Cookie: alco_form="]),
        ("", vec!["-H", &cookie]),
    ] {
        refuses(&ben.post("/grep/shortcut/", form, &more), 400, "was not sent by a page of alco");
    }
    // nor by an address
    ben.ask(&format!("/grep/shortcut/?{delete}"), &["-H", &cookie]);
    assert!(anna.list().contains("of ben"));
    assert_eq!(ben.post("/grep/saved/", &delete, &["-H", &cookie]).status, 405);
    // a body that is no form of alco's
    let large = "x".repeat(20_000);
    refuses(
        &ben.post("/grep/shortcut/", &large, &["-H", &cookie, "-H", "Expect:"]),
        400,
        "was not sent by a page of alco",
    );
}

#[test]
fn without_users_searches_are_saved_only_if_the_ini_has_all() {
    let stack = Stack::shared();
    let ini = |more: &str| {
        format!("[index send]\ndays = 2\nrouting_keys = saved-none.#\nqueue = saved_none\n[http]\n{more}\n")
    };
    let save = "/grep/send/save/?search=x";
    for (more, why) in [("", "Only users who are signed in"), ("shortcuts = none", "shortcuts = none in alco.ini")] {
        let alco = Alco::start(stack, &ini(more));
        let reader = Reader { alco: &alco, user: Some("anna") };
        refuses(&reader.ask(save, &[]), 404, why);
        refuses(&reader.post("/grep/shortcut/", "name=x", &[]), 404, why);
        assert!(!reader.ask("/grep/send/?search=x", &[]).body.contains("href=\"save/"));
        assert!(!reader.ask("/grep/", &[]).body.contains("all shortcuts"));
        assert!(alco.stop().success());
    }
    let alco = Alco::start(stack, &ini("shortcuts = all"));
    let reader = Reader { alco: &alco, user: None };
    let name = format!("by all {}", std::process::id());
    assert_eq!(reader.send(save, &[("name", &name)]).status, 303);
    assert!(reader.list().contains(&name), "{}", reader.list());
    assert_eq!(reader.send("/grep/shortcut/", &[("name", &name), ("do", "delete")]).status, 303);
    assert!(!reader.list().contains(&name), "{}", reader.list());
    assert!(alco.stop().success());
}
