//! The pages in Chromium, by WebDriver: what a reader does on them, and what they look like (target/screenshots/).

use std::collections::HashSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Alco, SOON, Stack, directory, wait_until};

/// Where WebDriver's JSON puts an element's id.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

struct Browser {
    driver: Child,
    agent: ureq::Agent,
    /// of the session
    url: String,
}

impl Browser {
    fn start(stack: &Stack) -> Browser {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut driver = Command::new("chromedriver");
        driver.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = driver.spawn().expect("chromedriver is installed");
        stack.adopt(driver.id());
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(2 * SOON));
        let url = format!("http://127.0.0.1:{port}");
        let mut browser = Browser { driver, agent: config.build().into(), url };
        wait_until("chromedriver answers", SOON, || browser.agent.get(format!("{}/status", browser.url)).call().ok());
        let profile = format!("--user-data-dir={}", directory("chromium").display());
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--hide-scrollbars",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            &profile,
        ];
        let capabilities = json!({"goog:chromeOptions": {"args": args}, "goog:loggingPrefs": {"browser": "ALL"}});
        let session = browser.post("/session", json!({"capabilities": {"alwaysMatch": capabilities}}));
        browser.url += &format!("/session/{}", session["sessionId"].as_str().unwrap());
        browser
    }

    #[track_caller]
    fn value(&self, what: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Value {
        let mut answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
        // a screenshot is larger than what ureq takes by default
        let text = answer.body_mut().with_config().limit(100 << 20).read_to_string().unwrap();
        let mut body: Value = serde_json::from_str(&text).unwrap();
        assert!(answer.status().is_success(), "{what}: {}", body["value"]["message"]);
        body["value"].take()
    }

    #[track_caller]
    fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.agent.post(format!("{}{path}", self.url)).send_json(&body);
        self.value(&format!("{path} {body}"), answer)
    }

    #[track_caller]
    fn ask(&self, path: &str) -> Value {
        self.value(path, self.agent.get(format!("{}{path}", self.url)).call())
    }

    #[track_caller]
    fn open(&self, url: &str) {
        self.post("/url", json!({"url": url}));
    }

    #[track_caller]
    fn address(&self) -> String {
        self.ask("/url").as_str().unwrap().to_owned()
    }

    /// What a CSS selector finds.
    #[track_caller]
    fn all(&self, css: &str) -> Vec<String> {
        let found = self.post("/elements", json!({"using": "css selector", "value": css}));
        found.as_array().unwrap().iter().map(|element| element[ELEMENT].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn one(&self, css: &str) -> String {
        let found = self.post("/element", json!({"using": "css selector", "value": css}));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn click(&self, css: &str) {
        self.post(&format!("/element/{}/click", self.one(css)), json!({}));
    }

    #[track_caller]
    fn type_into(&self, css: &str, text: &str) {
        self.post(&format!("/element/{}/value", self.one(css)), json!({"text": text}));
    }

    /// What a reader sees of each.
    #[track_caller]
    fn texts(&self, css: &str) -> Vec<String> {
        let text = |element: &String| self.ask(&format!("/element/{element}/text")).as_str().unwrap().to_owned();
        self.all(css).iter().map(text).collect()
    }

    /// Chrome's own commands.
    #[track_caller]
    fn chrome(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": command, "params": parameters}))
    }

    fn screen(&self, width: u32, height: u32, phone: bool) {
        let screen =
            json!({"width": width, "height": height, "deviceScaleFactor": if phone { 2 } else { 1 }, "mobile": phone});
        self.chrome("Emulation.setDeviceMetricsOverride", screen);
    }

    fn colours(&self, scheme: &str) {
        let feature = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.chrome("Emulation.setEmulatedMedia", json!({"features": feature}));
    }

    /// What is seen without scrolling, as a file below target/.
    #[track_caller]
    fn screenshot(&self, name: &str) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(name), base64(self.ask("/screenshot").as_str().unwrap())).unwrap();
    }

    /// Wider than the screen: what makes a phone's page slide about.
    #[track_caller]
    fn overhang(&self) -> i64 {
        let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.post("/execute/sync", json!({"script": script, "args": []})).as_i64().unwrap()
    }

    /// What Chromium had to complain about: the Content-Security-Policy, the markup, what is missing.
    #[track_caller]
    fn complaints(&self) -> Vec<Value> {
        self.post("/se/log", json!({"type": "browser"})).as_array().unwrap().clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // ends Chromium too
        let _ = self.agent.delete(&self.url).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn base64(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len()), 0u32, 0);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}

/// The sample logs of make demo: six hours of a web shop and its billing.
fn sample(stack: &Stack) {
    let tests: PathBuf = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().with_file_name("examples").join("sample");
    let mut sample = Command::new(&program);
    sample.args(["--url", &stack.amqp, "--queue", "web", "--queue", "billing", "--rate", "0"]);
    let output =
        sample.output().unwrap_or_else(|error| panic!("{}: {error}; cargo build --example sample", program.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_reader_searches_filters_zooms_unfolds_and_goes_on() {
    let stack = Stack::shared();
    let shortcut = "[shortcut errors]\nindex = web, billing\ntitle = Errors of the last 6 hours\nquery = levelname=ERROR&start_ts=-6h\n";
    let alco = Alco::start(stack, &(stack.index("web") + &stack.index("billing") + shortcut));
    sample(stack);
    wait_until("the sample logs are there", SOON, || {
        let total = alco.page("/grep/web,billing/?start_ts=-7h&limit=1").total();
        (total > 6000).then_some(())
    });
    let browser = Browser::start(stack);
    let at = |path: &str| format!("{}{path}", alco.url);
    browser.screen(1280, 900, false);

    // a search is typed, and its matches are marked
    browser.open(&at("/grep/web/?start_ts=-7h"));
    browser.type_into("input[name=search]", "Wrong Password\u{e007}");
    assert_eq!(browser.address(), at("/grep/web/?start_ts=-7h&search=Wrong+Password"));
    let marks = browser.texts("mark");
    assert!(marks.len() > 5 && marks.iter().all(|mark| mark == "wrong password"), "{marks:?}");
    let lines = browser.all(".log .r").len();
    assert_eq!(marks.len(), lines);

    // a value chosen beside the log
    browser.open(&at("/grep/web/?start_ts=-7h&limit=50"));
    browser.click("a[title='only WARNING']");
    assert!(browser.address().contains("levelname=WARNING"), "{}", browser.address());
    assert_eq!(browser.texts(".log .l").into_iter().collect::<HashSet<_>>(), HashSet::from(["WARNING".to_owned()]));
    let total = |text: String| text.split_whitespace().nth(1).unwrap().replace(',', "").parse::<u64>().unwrap();
    let all = total(browser.texts(".total").remove(0));

    // a bar leads into its own time
    browser.click(".hist .bars a:nth-last-of-type(5)");
    assert!(
        browser.address().contains("start_ts=20") && browser.address().contains("levelname=WARNING"),
        "{}",
        browser.address()
    );
    let part = total(browser.texts(".total").remove(0));
    assert!(0 < part && part < all, "{part} of {all}");

    // on to the next page, and back to the same lines
    browser.open(&at("/grep/web/?start_ts=-7h&limit=50&levelname=INFO"));
    let first = browser.texts(".log .t");
    browser.click("a[rel=next]");
    let second = browser.texts(".log .t");
    assert!(second.len() == 50 && second.first() > first.last(), "{first:?} {second:?}");
    browser.click("a[rel=prev]");
    assert_eq!(browser.texts(".log .t"), first);

    // a traceback unfolds in place
    browser.open(&at("/grep/web/?start_ts=-7h&levelname=ERROR&exc_info__exists=1"));
    let traceback = || browser.texts("details.context pre").remove(0);
    assert_eq!(traceback(), "", "it is folded at first");
    browser.click("details.context summary");
    assert!(traceback().starts_with("Traceback (most recent call last):"), "{}", traceback());

    // the time leads to the whole record, and its values to their like
    browser.click(".log .t");
    assert!(browser.address().contains("/grep/web/at/"), "{}", browser.address());
    assert!(browser.texts("#here").remove(0).contains("levelname"), "{:?}", browser.texts("#here"));
    assert!(browser.all(".log .r").len() > 20);
    browser.click("#here .act a");
    assert!(browser.address().contains("/grep/web/?"), "{}", browser.address());

    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    screenshots(&browser, &alco);
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// For people to look at; README.md shows some of them.
fn screenshots(browser: &Browser, alco: &Alco) {
    let at = |path: &str| format!("{}{path}", alco.url);
    let log = at("/grep/web,billing/?start_ts=-132m&search=order&off.application=worker");
    for scheme in ["light", "dark"] {
        browser.colours(scheme);
        browser.screen(1280, 800, false);
        browser.open(&log);
        browser.screenshot(&format!("{scheme}.png"));
    }
    browser.open(&at("/grep/web,billing/?start_ts=-6h&levelname=ERROR"));
    let link = browser.one(".error:has(.context) .t");
    let record = browser.ask(&format!("/element/{link}/property/href")).as_str().unwrap().to_owned();
    for (name, path, width, scheme) in [
        ("index.png", at("/grep/"), 1280, "light"),
        ("plain.png", at("/grep/web/?start_ts=-6h"), 1280, "light"),
        ("wrap.png", at("/grep/web,billing/?start_ts=-6h&levelname=ERROR&wrap=1"), 1280, "dark"),
        ("record.png", record.clone(), 1280, "light"),
        ("nothing.png", at("/grep/web/?search=no+such+text&start_ts=-1h&host=web-01"), 1280, "light"),
        ("refused.png", at("/grep/web/?search=(&mode=regex"), 1280, "light"),
        ("phone.png", log.clone(), 390, "light"),
        ("phone-record.png", record, 390, "dark"),
        ("phone-index.png", at("/grep/"), 390, "dark"),
    ] {
        browser.colours(scheme);
        browser.screen(width, if width < 500 { 844 } else { 800 }, width < 500);
        browser.open(&path);
        assert_eq!(browser.overhang(), 0, "{name} is wider than its screen");
        browser.screenshot(name);
    }
    // a page that refuses is a 400, which Chromium notes
    let noted = browser.complaints();
    assert!(noted.iter().all(|note| note["message"].as_str().unwrap().contains("400")), "{noted:#?}");
}
