//! What the sample records are made of: names, frames of tracebacks, and lines that a page has to cope with.

pub const USERS: &[&str] = &[
    "ada",
    "bertil",
    "chiara",
    "dmitri",
    "emil.larsen",
    "fatou",
    "greta.h",
    "hiroshi",
    "inês",
    "jorge",
    "kasia",
    "luuk",
];
pub const GOODS: &[&str] = &[
    "rain barrel",
    "tomato seeds",
    "bird feeder",
    "pruning saw",
    "watering can",
    "bee hotel",
    "wheelbarrow",
    "hemp twine",
];
pub const PATHS: &[&str] =
    &["/", "/basket", "/search?q=seeds", "/garden/tools", "/garden/seeds", "/account", "/api/stock", "/assets/app.css"];
pub const CITIES: &[&str] = &["Ghent", "Utrecht", "Aarhus", "Kraków", "Porto", "Tartu", "Graz", "Bern"];
pub const JOBS: &[&str] =
    &["nightly-report", "reindex-catalogue", "expire-baskets", "send-newsletter", "import-prices"];
/// The bank of the incident.
pub const EXPIRED_BANK: &str = BANKS[0];
pub const BANKS: &[&str] = &["nordbank", "mercur", "gardia", "postbank"];

/// File, function and line; the frames of a worker are the last two.
pub const FRAMES: &[(&str, &str, &str)] = &[
    ("shop/web.py", "handle", "answer = view(request, **arguments)"),
    ("shop/views/checkout.py", "pay", "receipt = gateway.reserve(order, card)"),
    ("shop/payments/gateway.py", "reserve", "answer = self.post('/reservations', body, timeout=5)"),
    ("shop/payments/gateway.py", "post", "return self.pool.urlopen('POST', path, body=body)"),
    ("shop/jobs/run.py", "attempt", "rows = job.run(connection)"),
    ("shop/database.py", "execute", "return cursor.execute(statement, values)"),
];

/// Age in seconds, application, level, logger, message.
pub const REMARKABLE: &[(i64, &str, &str, &str, &str)] = &[
    (40, "backend", "WARNING", "requests", "GET /account/orders slow: answered with 200 in 8412ms for user ada"),
    (
        75,
        "frontend",
        "INFO",
        "access",
        "\u{1b}[32m10.0.3.17\u{1b}[0m \u{1b}[1mPOST\u{1b}[0m /basket \u{1b}[33m302\u{1b}[0m 12ms",
    ),
    (
        110,
        "backend",
        "WARNING",
        "database",
        "slow statement, its plan:\n  Sort  (cost=8214.11..8221.46 rows=2940 width=96)\n    Sort Key: placed_at DESC\n    \
         ->  Seq Scan on orders  (cost=0.00..8044.80 rows=2940 width=96)\n          Filter: (city = 'Ghent'::text)",
    ),
    (
        150,
        "backend",
        "INFO",
        "search",
        "「如雨露 大きい」 found 3 times in 9ms; «садовый инвентарь» found 41 times in 7ms",
    ),
    (185, "backend", "INFO", "login", "محمد signed in from 10.2.41.9 🌱"),
    (220, "frontend", "WARNING", "access", "10.3.66.6 GET /search?q=<script>alert(1)</script>&amp; 400: not a search"),
    (
        260,
        "worker",
        "INFO",
        "jobs",
        r#"import-prices read {"file": "prices.csv", "rows": 4120, "skipped": [17, 2208]}"#,
    ),
];
