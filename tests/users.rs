//! The readers: users with passwords, made by alco passwd, and users whom a trusted proxy names.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::support::clients::{RawClient, passwd, passwd_line};
use crate::support::nginx::Nginx;
use crate::support::{ALCO, Alco, SOON, Stack, wait_until};

/// The status and the whole answer, by curl.
fn ask(url: &str, more: &[&str]) -> (u16, String) {
    let output = Command::new("curl").args(["-sSi", url]).args(more).output().expect("curl is installed");
    let said = String::from_utf8(output.stdout).unwrap();
    let status = said.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{url}: {}", String::from_utf8_lossy(&output.stderr))), said)
}

#[track_caller]
fn check(url: &str, more: &[&str], status: u16, holds: &str) {
    let (got, said) = ask(url, more);
    assert!(got == status && said.contains(holds), "{url} {more:?}: {said}");
}

#[test]
fn logs_are_for_users_with_a_password_or_a_proxys_name() {
    let stack = Stack::shared();
    let file = stack.dir().join("users.users");
    fs::write(&file, passwd_line("anna", "öffne: dich")).unwrap();
    let settings = format!(
        "{}[http]\nusers_file = {}\nuser_header = X-Remote-User\ntrusted_proxies = 127.0.0.2, 10.0.0.0/8\n\
         open_paths = /health, /metrics\n",
        stack.index("users"),
        file.display()
    );
    let alco = Alco::start(stack, &settings);
    let at = |path: &str| format!("{}{path}", alco.url);
    let anna = ["-u", "anna:öffne: dich"];

    // a browser asks for a password, a program gets JSON
    for path in ["/", "/grep/", "/grep/users/", "/grep/users/?format=ndjson", "/grep/users/?follow=1", "/grep/users"] {
        check(&at(path), &[], 401, "WWW-Authenticate: Basic realm=\"alco\", charset=\"UTF-8\"");
    }
    check(&at("/grep/"), &["-u", "anna:öffne: mich"], 401, "name and password are needed");
    check(&at("/grep/users/"), &["-u", "bob:öffne: dich"], 401, "Sign in");
    check(&at("/api/grep/users/"), &[], 401, r#"{"error":"a user's name and password are needed","hint":"send them"#);
    check(&at("/grep/users/"), &anna, 200, "<form class=\"search\"");
    check(&at("/grep/users/?format=ndjson"), &anna, 200, "application/x-ndjson");
    check(&at("/api/grep/users/"), &anna, 200, r#""results":[]"#);
    // open_paths, and the looks of the page that asks for a password
    for path in ["/health", "/metrics", "/style.css"] {
        check(&at(path), &[], 200, "");
    }
    for (path, status) in [("/collector/sphinx.conf", 200), ("/api/collector/indices/", 200), ("/nothing", 404)] {
        check(&at(path), &[], 401, "name and password are needed");
        check(&at(path), &anna, status, "");
    }
    // a stranger learns no name of an index
    for (path, more, status) in [
        ("/grep/users/", &[][..], 401),
        ("/nothing", &[], 401),
        ("/grep/nginx/", &[], 401),
        ("/%zz", &[], 400),
        ("/nothing", &["-X", "POST"], 405),
    ] {
        let (got, said) = ask(&at(path), more);
        assert!(got == status && !said.contains("grep/users/"), "{path}: {said}");
    }

    // the terminal
    let mut grep = Command::new(ALCO);
    grep.args(["grep", "users", "x", "--url", &alco.url.replace("://", "://anna:%C3%B6ffne%3A%20dich@")]);
    assert_eq!(grep.output().unwrap().status.code(), Some(1), "nothing found, and no refusal");

    // alco reads a changed file at once; it keeps the users if the new file is not valid
    fs::write(&file, passwd_line("bob", "b")).unwrap();
    check(&at("/grep/"), &anna, 401, "");
    check(&at("/grep/"), &["-u", "bob:b"], 200, "");
    fs::write(&file, "bob").unwrap();
    check(&at("/grep/"), &["-u", "bob:b"], 200, "");
    wait_until("the mistake is logged", SOON, || alco.log().contains("line 1 is not user:hash").then_some(()));
    fs::remove_file(&file).unwrap();
    for _ in 0..3 {
        check(&at("/grep/"), &["-u", "bob:b"], 200, "");
    }
    assert_eq!(alco.logged("users_file: "), 2, "logged once each, not for every request");

    // alco accepts the name from the trusted proxy only
    let named = ["-H", "X-Remote-User: anna"];
    check(&at("/grep/"), &named, 401, "");
    check(&at("/grep/"), &[&named[..], &["--interface", "127.0.0.2"]].concat(), 200, "");
    check(&at("/grep/"), &["--interface", "127.0.0.2"], 401, "");
    let proxy = "proxy_bind 127.0.0.2; proxy_set_header X-Remote-User \"anna\";";
    let nginx = Nginx::start(stack, &alco, proxy);
    check(&format!("{}/grep/", nginx.url), &[], 200, "alco");
}

#[test]
fn without_passwords_the_proxy_is_the_only_way_in() {
    let stack = Stack::shared();
    let settings = "[http]\nuser_header = X-Remote-User\ntrusted_proxies = 127.0.0.2\n";
    let alco = Alco::start(stack, &format!("{}{settings}", stack.index("users")));
    check(&format!("{}/grep/", alco.url), &["-u", "anna:x"], 403, "Use the address of the proxy that signs users in");
    check(&format!("{}/api/grep/users/", alco.url), &[], 403, "use the address of the proxy");
    check(&format!("{}/grep/", alco.url), &["-H", "X-Remote-User: x", "--interface", "127.0.0.2"], 200, "");
}

#[test]
fn unusable_passwords_make_no_line() {
    for (user, password, why) in [
        ("a:b", "x", "'a:b' cannot be a user's name"),
        ("anna", "", "a password needs at least one character"),
        ("anna", &"x".repeat(73), "has 73 bytes; bcrypt takes 72"),
    ] {
        let output = passwd(user, password);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && output.stdout.is_empty(), "{said}");
        assert!(said.starts_with("alco passwd: ") && said.contains(why) && said.lines().count() == 1, "{said}");
    }
}

/// Median and quartiles.
fn quartiles(times: &mut [Duration]) -> [Duration; 3] {
    times.sort();
    [1, 2, 3].map(|quarter| times[times.len() * quarter / 4])
}

#[cfg(target_os = "linux")] // the addresses 127.0.0.x: an address that fails more often has to wait
#[test]
fn the_time_of_a_refusal_does_not_show_which_names_there_are() {
    const NAMES: u8 = 40;
    let stack = Stack::shared();
    let file = stack.dir().join("times.users");
    let hash = passwd_line("x", "right");
    fs::write(&file, (0..NAMES).map(|n| format!("user{n}{}", &hash[1..])).collect::<String>()).unwrap();
    let alco = Alco::start(stack, &format!("{}[http]\nusers_file = {}\n", stack.index("users"), file.display()));
    let (mut of_users, mut of_others) = (Vec::new(), Vec::new());
    // in turn, so that both have the same load of the machine
    for (n, name, times) in (0..NAMES).flat_map(|n| [(n, "user", true), (n, "other", false)]) {
        let user = format!("{name}{n}");
        let client = RawClient { alco: &alco, from: 10 + 2 * n + u8::from(times), user: Some((&user, "wrong")) };
        for _ in 0..2 {
            let answer = client.get("/grep/users/");
            assert_eq!(answer.status, 401, "{user}: {}", answer.text);
            if times { &mut of_users } else { &mut of_others }.push(answer.took);
        }
    }
    let (of_users, of_others) = (quartiles(&mut of_users), quartiles(&mut of_others));
    println!("of users: {of_users:?}, of others: {of_others:?}");
    let [low, median, _] = of_users;
    assert!(low > Duration::from_millis(5), "a password is hashed");
    // without the hash of a name that no user has, the times would differ by a factor of ten or more
    assert!(median < of_others[1] * 5 / 4 && of_others[1] < median * 5 / 4, "{of_users:?} {of_others:?}");
}
