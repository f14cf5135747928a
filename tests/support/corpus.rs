//! Log lines of many kinds from a seed, with text that is hard for tokenizers, encodings and terminals.

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// A body as it is sent, and the values that tests compare.
#[derive(Clone, Debug)]
pub struct Record {
    pub body: String,
    pub message: String,
    pub level: &'static str,
    pub host: String,
    pub status: Value,
    pub tags: Vec<&'static str>,
    pub at: Timestamp,
}

impl Record {
    /// The texts of all its columns.
    pub fn columns(&self) -> Vec<String> {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let mut texts = Vec::new();
        for (key, value) in body.as_object().unwrap() {
            let stays = !matches!(key.as_str(), "@timestamp" | "message");
            if stays {
                each_text(value, &mut texts);
            }
        }
        texts
    }
}

fn each_text(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| each_text(value, texts)),
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            texts.push(key.clone());
            each_text(value, texts);
        }),
        value => texts.push(value.to_string()),
    }
}

const LEVELS: [&str; 4] = ["DEBUG", "INFO", "WARNING", "ERROR"];
const TAGS: [&str; 3] = ["slow", "nightly", "重要"];

const TEXTS: &[&str] = &[
    // an application
    "connection to {host}:{port} timed out after {n}ms",
    "user {word}.{word} signed in from {ip}",
    "order {hex} placed: {n} items, {money} EUR",
    "Timeout={small} exceeded (limit={small}) -> retrying #{small}",
    "cache miss for key user:{n}:profile_v{small}, filled in {small}.{n}s",
    "{word}_{word}({small}, \"{word}\") returned None; expected {word}",
    "100% of {word} done, {small}% left \\o/ C:\\{word}\\new\\table",
    "payload {\"id\": {n}, \"name\": \"{word} {word}\", \"ok\": true, \"price\": {money}}",
    "SELECT id, {word} FROM {word}s WHERE {word} = '{word}' AND id IN ({n}, {n}, {n}) LIMIT {small}",
    "token eyJhbGciOiJIUzI1NiJ9.{hex}{hex}{hex}{hex}{hex}{hex}.{hex}-{hex}_{hex}",
    "/srv/{word}/releases/{n}/{word}/{word}-{hex}.tar.gz: No such file or directory",
    "[{word}] [pid {n}] <{word}@example.org> {{word}} ~{word}~ `{word}` $HOME ^{small} |{word}| & done!",
    // a web server
    "{ip} - - [22/Nov/2026:10:{two}:{two} +0000] \"GET /{word}/{n}?q={word}+{word}&page={small} HTTP/1.1\" {status} {n} \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\"",
    "{ip} - {word} [22/Nov/2026:10:{two}:{two} +0000] \"POST /api/v{small}/{word} HTTP/2.0\" {status} {n} rt=0.{n}",
    // syslog
    "Nov 22 10:{two}:{two} {host} sshd[{n}]: Failed password for invalid user {word} from {ip} port {port} ssh2",
    "Nov 22 10:{two}:{two} {host} kernel: [{n}.{n}] eth0: link up, {n} Mbps, full-duplex (MAC {hex:2}:{hex:2}:{hex:2})",
    "<{small}>1 2026-11-22T10:{two}:{two}.{n}Z {host} cron {n} - - (root) CMD (/usr/bin/{word} --{word}={n})",
    // other alphabets
    "Ошибка соединения с {host}: превышено время ожидания ({n} мс)",
    "Пользователь {cyrillic} вошёл в систему с {ip}, №{small}",
    "Αποτυχία σύνδεσης: ο διακομιστής {host} δεν απαντά, ΟΔΟΣ οδός {small}",
    "Größe überschritten: {n} Bytes für „{word}“, Straße {small}, ÄÖÜ äöü ÿ Ÿ",
    "naïve café résumé ÉCOLE œuvre Œuvre ñandú {word} ¿{word}? ¡{word}!",
    "Zażółć gęślą jaźń {n}, Łódź {word}, ŠKODA škoda",
    "خطأ في الاتصال بالخادم {host} بعد {n} ثانية",
    "שגיאה בחיבור אל {host}: פסק זמן {n}",
    "{host} से कनेक्ट करने में त्रुटि {n}",
    "การเชื่อมต่อ {host} ล้มเหลว {n}",
    "x² + y² ≤ {small}½, ① {word} ② {word}, 5 µs, 20 °C, {money} €",
    // without spaces between words
    "日本語のログ：{host}への接続がタイムアウトしました（{n}ミリ秒）",
    "用户{cjk}登录失败，来源{ip}，第{small}次",
    "한국어 오류: {host} 연결 시간이 초과되었습니다 ({n})",
    "ﾊﾝｶｸ ｶﾅ ＡＢＣ ａｂｃ １２３ {cjk}{cjk}",
    "𠮷野家 𝒳 🔥🔥 {word} 👩‍👩‍👧 burning {small} ✓ → ⇒ «{word}»",
    // hard to see
    "\tindented\t{word}\t{n}\t\t{word}",
    "{word}\u{a0}{word}\u{200b}{word}\u{2009}{n} e\u{301}te\u{301}",
    "\u{1b}[32m{ip}\u{1b}[0m \u{1b}[1mPOST\u{1b}[0m /{word} \u{1b}[33m{status}\u{1b}[0m {n}ms",
    "it's \"{word}\" 'n' \"{word}'s\" \\\"{word}\\\" ``{word}'' “{word}”",
    "{word}  {word}   {n}    trailing  ",
    "a",
    "",
    " ",
    "-",
    "{hex}",
    "{word}",
    "=== {word} === *** {word} *** --- {word} ---",
];

const WORDS: &[&str] = &[
    "payment",
    "declined",
    "shipping",
    "Timeout",
    "gateway",
    "basket",
    "request",
    "refused",
    "ERROR",
    "index",
    "update",
    "Table",
    "naming",
    "order",
    "ordering",
    "reorder",
    "x",
    "io",
    "db",
    "the",
    "foo",
    "food",
    "foo_bar",
    "__init__",
    "CamelCase",
    "v2",
    "b2b",
    "utf8",
    "a1b2c3",
    "internationalization",
    "Donaudampfschifffahrtsgesellschaftskapitän",
];
const CYRILLIC: &[&str] = &["Иванов", "петрова", "СИДОРОВ", "ёлка", "Їжак"];
const CJK: &[&str] = &["张伟", "王芳", "李娜", "東京", "大阪", "データ", "数据库"];

/// `count` records from `start` on; some have equal times.
pub fn corpus(seed: u64, count: usize, start: Timestamp) -> Vec<Record> {
    let mut random = Rng::with_seed(seed);
    let mut at = start;
    (0..count)
        .map(|n| {
            if random.usize(..3) > 0 {
                at += SignedDuration::from_micros(random.i64(1..60_000));
            }
            record(&mut random, n, at)
        })
        .collect()
}

fn record(random: &mut Rng, n: usize, at: Timestamp) -> Record {
    let template = TEXTS[random.usize(..TEXTS.len())];
    let mut message = fill(template, random);
    match random.usize(..200) {
        // long lines
        0 => {
            while message.chars().count() < 8000 {
                let more = fill(TEXTS[random.usize(..TEXTS.len())], random);
                message = format!("{message} {more}");
            }
        }
        1 => message = format!("{message}{}", fill("{hex}", random).repeat(100)),
        // several lines
        2..=6 => {
            let lines: Vec<String> =
                (0..random.usize(1..6)).map(|_| fill(TEXTS[random.usize(..TEXTS.len())], random)).collect();
            message = format!("{message}\n{}{}", lines.join("\n"), ["", "\n", "\n\n"][random.usize(..3)]);
        }
        7..=9 => message = format!("{message}\n{}", traceback(random)),
        _ => {}
    }
    let level = LEVELS[random.usize(..LEVELS.len())];
    let host = fill("{host}", random);
    let number = [200, 200, 200, 301, 404, 500][random.usize(..6)];
    let status = match random.usize(..5) {
        0 => json!(number.to_string()),
        1 => Value::Null,
        2 => json!(f64::from(number) + 0.5),
        _ => json!(number),
    };
    let tags: Vec<&str> = TAGS.into_iter().filter(|_| random.usize(..4) == 0).collect();
    let mut body = json!({
        // in alco's own form, so that alco does not keep it as a column too
        "@timestamp": at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(), "message": message, "seq": n, "levelname": level, "host": host, "status": status, "tags": tags,
    });
    if random.usize(..20) == 0 {
        body["exc_info"] = traceback(random).into();
    }
    if random.usize(..10) == 0 {
        body["extra"] =
            json!({"user": fill("{word}", random), "deep": {"Ключ": fill("{cyrillic}", random), "n": [1, 2.5, true]}});
    }
    Record { body: body.to_string(), message, level, host, status, tags, at }
}

fn traceback(random: &mut Rng) -> String {
    fill(
        "Traceback (most recent call last):\n  File \"/srv/{word}/views.py\", line {n}, in {word}\n    answer = {word}(request, \
         **{word})\nTimeoutError: [Errno {small}] {word} {word}",
        random,
    )
}

fn fill(template: &str, random: &mut Rng) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let slot = rest[at + 1..].find(['{', '}']).map_or("", |end| &rest[at + 1..at + 1 + end]);
        let Some(value) = slot_value(slot, random) else {
            text.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
            continue;
        };
        text.push_str(&rest[..at]);
        text.push_str(&value);
        rest = &rest[at + slot.len() + 2..];
    }
    text + rest
}

fn slot_value(name: &str, random: &mut Rng) -> Option<String> {
    let mut one = |of: &[&str]| of[random.usize(..of.len())].to_owned();
    Some(match name {
        "word" => one(WORDS),
        "cyrillic" => one(CYRILLIC),
        "cjk" => one(CJK),
        "status" => one(&["200", "301", "404", "500", "503"]),
        "host" => format!("{}-{:02}.example.org", ["web", "db", "job"][random.usize(..3)], random.u8(..12)),
        "ip" => format!("10.{}.{}.{}", random.u8(..3), random.u8(..20), random.u8(..)),
        "port" => random.u32(1024..65535).to_string(),
        "n" => random.u32(..100_000).to_string(),
        "small" => random.u32(..10).to_string(),
        "two" => format!("{:02}", random.u32(..60)),
        "hex" => format!("{:016x}", random.u64(..)),
        "hex:2" => format!("{:02x}", random.u8(..)),
        "money" => format!("{}.{:02}", random.u32(1..200), random.u32(..100)),
        _ => return None,
    })
}
