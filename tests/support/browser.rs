//! Chromium by WebDriver, and an alco with sample logs for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Alco, LONG, ROOT, SOON, Stack, directory, free_port, wait_until};

/// The key of an element's id in WebDriver's JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub struct Browser {
    driver: Child,
    agent: ureq::Agent,
    /// of the session
    url: String,
    /// one browser at a time: each is a heavy load
    _one: MutexGuard<'static, ()>,
}

impl Browser {
    pub fn start(stack: &Stack) -> Browser {
        Browser::with(stack, "normal")
    }

    /// A browser that does not wait for the end of a page: some pages have none.
    pub fn impatient(stack: &Stack) -> Browser {
        Browser::with(stack, "none")
    }

    fn with(stack: &Stack, page_load_strategy: &str) -> Browser {
        static ONE: Mutex<()> = Mutex::new(());
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let port = free_port();
        let mut driver = Command::new("chromedriver");
        driver.arg(format!("--port={port}")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = driver.spawn().expect("chromedriver is installed");
        stack.adopt(driver.id());
        let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(LONG));
        let url = format!("http://127.0.0.1:{port}");
        let mut browser = Browser { driver, agent: config.build().into(), url, _one: one };
        wait_until("chromedriver answers", SOON, || browser.agent.get(format!("{}/status", browser.url)).call().ok());
        let profile = format!("--user-data-dir={}", directory(&format!("chromium-{port}")).display());
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
        let capabilities = json!({"goog:chromeOptions": {"args": args}, "goog:loggingPrefs": {"browser": "ALL"},
            "pageLoadStrategy": page_load_strategy});
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
    pub fn post(&self, path: &str, body: Value) -> Value {
        let request = self.agent.post(format!("{}{path}", self.url)).header("Content-Type", "application/json");
        self.value(&format!("{path} {body}"), request.send(body.to_string()))
    }

    #[track_caller]
    pub fn ask(&self, path: &str) -> Value {
        self.value(path, self.agent.get(format!("{}{path}", self.url)).call())
    }

    #[track_caller]
    pub fn open(&self, url: &str) {
        self.post("/url", json!({"url": url}));
    }

    #[track_caller]
    pub fn address(&self) -> String {
        self.ask("/url").as_str().unwrap().to_owned()
    }

    /// The elements that a CSS selector finds.
    #[track_caller]
    pub fn all(&self, css: &str) -> Vec<String> {
        let found = self.post("/elements", json!({"using": "css selector", "value": css}));
        found.as_array().unwrap().iter().map(|element| element[ELEMENT].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    pub fn one(&self, css: &str) -> String {
        let found = self.post("/element", json!({"using": "css selector", "value": css}));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Runs an act that leads to another address. WebDriver waits for a page that loads, but not for one that is about to.
    #[track_caller]
    fn to_go(&self, act: impl FnOnce()) {
        let before = self.address();
        act();
        wait_until("the browser is elsewhere", SOON, || (self.address() != before).then_some(()));
    }

    /// Clicks on a link.
    #[track_caller]
    pub fn click_to_go(&self, css: &str) {
        self.to_go(|| self.click(css));
    }

    /// Types a text and Enter.
    #[track_caller]
    pub fn send(&self, css: &str, text: &str) {
        self.to_go(|| self.type_into(css, &format!("{text}\u{e007}")));
    }

    /// Clicks on an element in the middle of the screen: the bars at its edges cover what is there.
    #[track_caller]
    pub fn click(&self, css: &str) {
        self.script(&format!("document.querySelector({}).scrollIntoView({{block: 'center'}})", json!(css)));
        self.post(&format!("/element/{}/click", self.one(css)), json!({}));
    }

    #[track_caller]
    fn type_into(&self, css: &str, text: &str) {
        self.post(&format!("/element/{}/value", self.one(css)), json!({"text": text}));
    }

    /// The visible texts of the elements.
    #[track_caller]
    pub fn texts(&self, css: &str) -> Vec<String> {
        let text = |element: &String| self.ask(&format!("/element/{element}/text")).as_str().unwrap().to_owned();
        self.all(css).iter().map(text).collect()
    }

    /// Runs a command of Chrome's own.
    #[track_caller]
    pub fn chrome(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": command, "params": parameters}))
    }

    pub fn screen(&self, width: u32, height: u32, phone: bool) {
        let screen =
            json!({"width": width, "height": height, "deviceScaleFactor": if phone { 2 } else { 1 }, "mobile": phone});
        self.chrome("Emulation.setDeviceMetricsOverride", screen);
        self.chrome("Emulation.setTouchEmulationEnabled", json!({"enabled": phone, "maxTouchPoints": 1}));
    }

    pub fn colours(&self, scheme: &str) {
        let feature = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.chrome("Emulation.setEmulatedMedia", json!({"features": feature}));
    }

    /// Writes a picture of the screen, or of one element, to target/screenshots.
    #[track_caller]
    pub fn screenshot(&self, name: &str, css: Option<&str>) {
        let what = css.map_or("/screenshot".to_owned(), |css| format!("/element/{}/screenshot", self.one(css)));
        let dir = Path::new(ROOT).join("target/screenshots");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(name), base64(self.ask(&what).as_str().unwrap())).unwrap();
    }

    /// The pixels by which the page is wider than the screen.
    #[track_caller]
    pub fn overhang(&self) -> i64 {
        let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.post("/execute/sync", json!({"script": script, "args": []})).as_i64().unwrap()
    }

    /// The value of a script. The policy of the pages does not stop WebDriver's scripts.
    #[track_caller]
    pub fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({"script": script, "args": []}))
    }

    /// Holds the modifier, if any, while the key is pressed.
    #[track_caller]
    pub fn press(&self, modifier: Option<char>, key: char) {
        let act = |kind: &str, key: char| json!({"type": kind, "value": key.to_string()});
        let down = modifier.into_iter().chain([key]).map(|key| act("keyDown", key));
        let up = [key].into_iter().chain(modifier).map(|key| act("keyUp", key));
        let actions: Vec<Value> = down.chain(up).collect();
        self.post("/actions", json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
    }

    /// The same for a key that leads elsewhere.
    #[track_caller]
    pub fn press_to_go(&self, modifier: Option<char>, key: char) {
        self.to_go(|| self.press(modifier, key));
    }

    /// The barriers on the page that axe-core finds, which tests/check installs.
    #[track_caller]
    pub fn barriers(&self) -> Vec<Value> {
        let libraries = Path::new(ROOT).join("target/venv/lib");
        let python = fs::read_dir(&libraries).ok().and_then(|mut entries| entries.next()?.ok());
        let python = python.unwrap_or_else(|| panic!("no {}: make check brings axe-core there", libraries.display()));
        let axe = python.path().join("site-packages/axe_playwright_python/axe.min.js");
        let axe =
            fs::read_to_string(&axe).unwrap_or_else(|error| panic!("{}: {error}; make check brings it", axe.display()));
        let run = "const done = arguments[0];
            const node = node => node.target + ': ' + node.failureSummary;
            axe.run(document).then(
                found => done(found.violations.map(violation => violation.id + ': ' + violation.nodes.map(node))),
                error => done([String(error)]))";
        let found = self.post("/execute/async", json!({"script": format!("{axe};\n{run}"), "args": []}));
        found.as_array().unwrap().clone()
    }

    /// The complaints of Chromium: about the Content-Security-Policy, the markup and missing files.
    #[track_caller]
    pub fn complaints(&self) -> Vec<Value> {
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

const SHOP: [&str; 3] = ["web", "billing", "stock"];

/// An alco with the sample logs of make demo, a tenth of them: two days of a web shop, its billing and its stock.
#[track_caller]
pub fn shop(stack: &Stack) -> Alco {
    let shortcut = "[shortcut errors]\nindex = web, billing, stock\ntitle = Errors of the last 6 hours\n\
                    query = levelname=ERROR&start_ts=-6h\n\
                    [shortcut request]\nindex = web\ntitle = One request\nquery = start_ts=-7h\nparameter = request_id\n";
    let ini = SHOP.map(|index| stack.index(index)).concat() + shortcut + "[http]\nshortcuts = all\n";
    // tests share the indexes: the first one fills them
    static FILL: Once = Once::new();
    FILL.call_once(|| fill(stack, &ini));
    Alco::start(stack, &ini)
}

/// One alco alone stores the sample records: another one could write a past day to the disk meanwhile.
#[track_caller]
fn fill(stack: &Stack, ini: &str) {
    let alco = Alco::start(stack, ini);
    let sent = sample(stack);
    wait_until("the sample logs are there", SOON, || {
        let total = alco.page("/grep/web,billing,stock/?start_ts=-3d&limit=1").total();
        (total >= sent).then_some(())
    });
    // as in tests/demo: alco remembers patterns since the first of these logs
    for index in SHOP {
        let since = Timestamp::now() - SignedDuration::from_hours(48);
        let remembered = format!("ALCO:PATTERNS:{index}");
        wait_until("Redis remembers patterns", SOON, || {
            stack.ask_redis::<bool>(&["HEXISTS", &remembered, "since"]).then_some(())
        });
        stack.ask_redis::<()>(&["HSET", &remembered, "since", &since.as_second().to_string()]);
    }
    assert!(alco.stop().success());
}

/// Sends the sample records, and returns their number.
fn sample(stack: &Stack) -> u64 {
    let tests: PathBuf = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().with_file_name("examples").join("sample");
    let mut sample = Command::new(&program);
    sample.args(["--url", &stack.amqp, "--count", "6000", "--once"]);
    for index in SHOP {
        sample.args(["--queue", index]);
    }
    let output =
        sample.output().unwrap_or_else(|error| panic!("{}: {error}; cargo build --example sample", program.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    said.split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{said}"))
}
