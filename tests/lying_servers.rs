//! Programs that answer at the ports of searchd, Redis and RabbitMQ and are none of them, or lie: alco says what answers there, serves
//! what it can meanwhile, and takes little memory for it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::link::Link;
use crate::support::{ALCO, Alco, LONG, SOON, Stack, executable, memory_kib, try_get, wait_until};

/// A lie, by its name: it speaks on a connection until the client has gone.
type Lie = (&'static str, fn(&mut TcpStream) -> std::io::Result<()>);

/// Answers each connection with the lie that is chosen.
struct Liar {
    port: u16,
    chosen: Arc<AtomicUsize>,
    lies: &'static [Lie],
}

impl Liar {
    fn start(lies: &'static [Lie]) -> Liar {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let chosen = Arc::new(AtomicUsize::new(0));
        let lie = chosen.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, lie) = (stream.unwrap(), lie.load(SeqCst));
                // the client ends the connection, sooner or later
                thread::spawn(move || lies[lie].1(&mut stream));
            }
        });
        Liar { port, chosen, lies }
    }

    /// Tells each lie in turn.
    fn each(&self, mut check: impl FnMut(&str)) {
        for (number, (name, _)) in self.lies.iter().enumerate() {
            self.chosen.store(number, SeqCst);
            check(name);
        }
    }
}

/// An alco over the stack's servers but for one: a line of its ini names the liar instead.
fn alco_with(stack: &Stack, begin_of_line: &str, line: &str) -> Alco {
    let program = stack.dir().join(format!("alco-with-{}", begin_of_line.trim_end_matches([' ', '='])));
    executable(&program, &format!("sed -i 's|^{begin_of_line}.*|{line}|' \"$3\"\nexec {ALCO} \"$@\"\n"));
    let alco = Alco::spawn_as(&program, stack, &format!("{}[http]\nsearch_budget = 2s\n", stack.index("liars")));
    wait_until("alco listens", SOON, || try_get(&format!("{}/style.css", alco.url)).ok());
    alco
}

/// Reads until the client has gone.
fn listen(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut chunk = [0; 1 << 16];
    while stream.read(&mut chunk)? > 0 {}
    Ok(())
}

/// A packet of SphinxQL.
fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap() | u32::from(sequence) << 24;
    [&length.to_le_bytes(), payload].concat()
}

/// Greets as searchd 2.2.11, takes the login and a statement.
fn as_searchd(stream: &mut TcpStream) -> std::io::Result<()> {
    let greeting = [
        b"\x0a2.2.11-id64-release (95ae9a6)\0\x01\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\0\x08\x82\0\x02\0",
        &[0; 26][..],
    ];
    stream.write_all(&packet(0, &greeting.concat()))?;
    read_packet(stream)?;
    stream.write_all(&packet(2, b"\0\0\0\x02\0\0\0"))?;
    read_packet(stream)
}

fn read_packet(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let mut payload = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
    stream.read_exact(&mut payload)
}

/// The columns of an answer with one column.
fn column(stream: &mut TcpStream) -> std::io::Result<()> {
    let definition = b"\x03def\0\0\0\x02id\0\x0c\x21\0\xff\0\0\0\xfe\0\0\0\0\0";
    stream.write_all(&[packet(1, b"\x01"), packet(2, definition), packet(3, b"\xfe\0\0\x02\0")].concat())
}

fn endless_rows(stream: &mut TcpStream, bytes: usize) -> std::io::Result<()> {
    as_searchd(stream)?;
    column(stream)?;
    let length = u32::try_from(bytes).unwrap().to_le_bytes();
    let row = [&[0xfd], &length[..3], &vec![b'7'; bytes]].concat();
    for sequence in (0..=u8::MAX).cycle().skip(4) {
        stream.write_all(&packet(sequence, &row))?;
    }
    Ok(())
}

const SEARCHDS: &[Lie] = &[
    ("a number of columns of 2^64", |stream| {
        as_searchd(stream)?;
        stream.write_all(&packet(1, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff"))?;
        listen(stream)
    }),
    ("a number of columns of 2^40", |stream| {
        as_searchd(stream)?;
        stream.write_all(&packet(1, b"\xfe\0\0\0\0\0\x01\0\0"))?;
        listen(stream)
    }),
    ("a value of 2^64 bytes", |stream| {
        as_searchd(stream)?;
        column(stream)?;
        stream.write_all(&packet(4, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xffabc"))?;
        listen(stream)
    }),
    ("an empty packet", |stream| {
        as_searchd(stream)?;
        stream.write_all(&packet(1, b""))?;
        listen(stream)
    }),
    ("an empty row", |stream| {
        as_searchd(stream)?;
        column(stream)?;
        stream.write_all(&packet(4, b""))?;
        listen(stream)
    }),
    ("rows without an end", |stream| endless_rows(stream, 1000)),
    ("rows of 15 MB without an end", |stream| endless_rows(stream, 15_000_000)),
    ("a request for a file", |stream| {
        as_searchd(stream)?;
        stream.write_all(&packet(1, b"\xfb/etc/passwd"))?;
        listen(stream)
    }),
    ("a refused greeting", |stream| stream.write_all(&packet(0, b"\xff\x10\x04Too many connections"))),
    ("an early end", |stream| stream.write_all(&packet(0, b"\x0a2.2.11"))),
    ("SSH", |stream| stream.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n").and_then(|()| listen(stream))),
    ("HTTP", |stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").and_then(|()| listen(stream))),
    ("searchd's other port", |stream| stream.write_all(b"\0\0\0\x01").and_then(|()| listen(stream))),
    ("a packet of 16 MB that stops", |stream| {
        as_searchd(stream)?;
        column(stream)?;
        stream.write_all(&[&[0xfe, 0xff, 0xff, 4][..], &[b'7'; 100_000]].concat())?;
        listen(stream)
    }),
    ("a byte now and then", |stream| {
        as_searchd(stream)?;
        column(stream)?;
        stream.write_all(&[0xfe, 0xff, 0xff, 4])?;
        loop {
            stream.write_all(b"7")?;
            thread::sleep(Duration::from_millis(100));
        }
    }),
    ("silence", listen),
];

/// alco's memory that is its own, in MiB.
fn own_memory(pid: u32) -> u64 {
    memory_kib(pid, "RssAnon").unwrap() / 1024
}

/// Of 24 pages that are asked for at a time. Four of them may hold about 75 MiB of large rows.
const MAX_MEMORY_MIB: u64 = 450;
/// alco promises 1 s; the tests run on busy machines.
const HEALTH_TIME: Duration = Duration::from_secs(10);

/// alco promises five seconds; three more are for a busy machine.
const MAX_STOP: Duration = Duration::from_secs(5 + 3);

/// Asks for that page from many clients, who leave after a while, and returns the most memory meanwhile.
fn clients(url: &str, pid: u32, path: &str) -> u64 {
    let host = url.strip_prefix("http://").unwrap();
    let mut streams: Vec<TcpStream> = (0..24)
        .map(|_| {
            let mut stream = TcpStream::connect(host).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: alco\r\n\r\n").unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    let (begun, mut most, mut answered) = (Instant::now(), 0, vec![false; streams.len()]);
    while begun.elapsed() < Duration::from_millis(1500) && answered.contains(&false) {
        for (stream, answered) in streams.iter_mut().zip(&mut answered) {
            *answered |= stream.read(&mut [0; 4096]).is_ok();
        }
        most = most.max(own_memory(pid));
        thread::sleep(Duration::from_millis(10));
    }
    most
}

#[test]
fn a_lying_searchd_costs_pages_and_no_more() {
    let stack = Stack::shared();
    let liar = Liar::start(SEARCHDS);
    let alco = alco_with(stack, "address = ", &format!("address = 127.0.0.1:{}", liar.port));
    liar.each(|lie| {
        let most = clients(&alco.url, alco.pid(), "/grep/liars/?start_ts=-1h&search=x");
        let begun = Instant::now();
        let health = alco.get("/health");
        let took = begun.elapsed();
        println!("{lie}: {most} MiB at most, /health after {took:?}: {}", health.body);
        assert!(took < HEALTH_TIME, "{lie}: /health took {took:?}");
        assert_eq!(health.status, 503, "{lie}: {}", health.body);
        assert!(most < MAX_MEMORY_MIB, "{lie}: {most} MiB");
        if matches!(lie, "SSH" | "HTTP") {
            assert!(health.body.contains("no searchd answers there: it begins with \""), "{}", health.body);
        }
    });
    assert_eq!(alco.logged("panicked"), 0, "{}", alco.log());
    let begun = Instant::now();
    assert!(alco.stop().success());
    assert!(begun.elapsed() < MAX_STOP, "the stop took {:?}", begun.elapsed());
}

/// Replies of a Redis that lies, to whatever it is asked.
const REDISES: &[Lie] = &[
    ("a text of 2^63 bytes", |stream| repeat(stream, b"$9223372036854775807\r\n", b"x")),
    ("a list of 2^63", |stream| repeat(stream, b"*9223372036854775807\r\n", b":1\r\n")),
    ("lists within each other", |stream| repeat(stream, b"", b"*1\r\n")),
    ("a reply without an end", |stream| repeat(stream, b"+", b"x")),
    ("replies without an end", |stream| repeat(stream, b"", b"+OK\r\n")),
    ("SSH", |stream| stream.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n").and_then(|()| listen(stream))),
    ("HTTP", |stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").and_then(|()| listen(stream))),
    ("a byte now and then", |stream| {
        loop {
            stream.write_all(b"+")?;
            thread::sleep(Duration::from_millis(100));
        }
    }),
    ("silence", listen),
];

/// Sends the begin, and the rest until the client has gone. Reads nothing: the client's questions fit into the buffers.
fn repeat(stream: &mut TcpStream, begin: &[u8], rest: &[u8]) -> std::io::Result<()> {
    stream.write_all(begin)?;
    let many = rest.repeat(10_000);
    loop {
        stream.write_all(&many)?;
    }
}

#[test]
fn a_lying_redis_costs_pages_only_values() {
    let stack = Stack::shared();
    let liar = Liar::start(REDISES);
    liar.each(|lie| {
        // pages do without Redis for a while after it has failed, so each lie gets an alco
        let alco = alco_with(stack, "url = redis", &format!("url = redis://127.0.0.1:{}", liar.port));
        let most = clients(&alco.url, alco.pid(), "/grep/liars/");
        let begun = Instant::now();
        let page = alco.get("/grep/liars/?start_ts=-1h");
        println!("{lie}: {most} MiB at most, a page after {:?}", begun.elapsed());
        assert_eq!(page.status, 200, "{lie}: {}", page.body);
        assert!(begun.elapsed() < HEALTH_TIME, "{lie}: {:?}", begun.elapsed());
        assert!(most < MAX_MEMORY_MIB, "{lie}: {most} MiB");
        if matches!(lie, "SSH" | "HTTP") {
            let says = "no Redis answers there: it sends \"";
            wait_until("/health names it", LONG, || alco.get("/health").body.contains(says).then_some(()));
        }
        assert_eq!(alco.logged("panicked"), 0, "{}", alco.log());
        let begun = Instant::now();
        assert!(alco.stop().success());
        assert!(begun.elapsed() < MAX_STOP, "{lie}: the stop took {:?}", begun.elapsed());
    });
}

#[test]
fn a_slow_redis_costs_pages_only_values() {
    let stack = Stack::shared();
    let (port, db) = stack.redis.rsplit(':').next().unwrap().split_once('/').unwrap();
    let link = Link::to(port.parse().unwrap());
    let redis = format!("[redis]\nurl = redis://127.0.0.1:{}/{db}\n", link.port);
    let alco = Alco::spawn(stack, &format!("{}threads = 0\n{redis}", stack.index("slowredis")));
    wait_until("alco listens", SOON, || try_get(&format!("{}/style.css", alco.url)).ok());
    let now = jiff::Timestamp::now().as_second().to_string();
    stack.ask_redis::<()>(&["ZADD", "ALCO:COLUMNS:slowredis", &now, "of_redis"]);
    let has_values = || {
        let page = alco.get("/grep/slowredis/columns/");
        assert_eq!(page.status, 200, "{}", page.body);
        let [has, lacks] = ["of_redis", "Redis is away or slow"].map(|text| page.body.contains(text));
        assert_eq!(has, !lacks, "{}", page.body);
        has
    };
    wait_until("there are values", SOON, || has_values().then_some(()));
    link.delay(200);
    wait_until("pages do without them", SOON, || (!has_values()).then_some(()));
    assert_eq!(alco.logged("ms for an answer"), 1, "{}", alco.log());
    // one of them may be the one that tries again
    let with: usize = (0..6).map(|_| usize::from(has_values())).sum();
    assert!(with <= 1, "{with} of 6 pages waited for Redis");
    // what is asked for is waited for
    let page = alco.get("/grep/shortcut/nosuchname/");
    assert_eq!(page.status, 404, "{}", page.body);
    link.delay(0);
    wait_until("there are values again", SOON, || has_values().then_some(()));
    assert_eq!(alco.logged("answers quickly again"), 1, "{}", alco.log());
}

/// A frame of AMQP.
fn frame(kind: u8, channel: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 0, channel], &length[..], payload, &[0xce]].concat()
}

fn connection_start(properties: &[u8]) -> Vec<u8> {
    let long = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    frame(1, 0, &[&[0, 10, 0, 10, 0, 9][..], &long(properties), &long(b"PLAIN"), &long(b"en_US")].concat())
}

/// Class and method of basic.consume.
const CONSUME: (u8, u8) = (60, 20);

/// Grants whatever is asked, until the client asks for that method.
fn as_broker(stream: &mut TcpStream, last: (u8, u8)) -> std::io::Result<()> {
    stream.read_exact(&mut [0; 8])?;
    stream.write_all(&connection_start(b""))?;
    loop {
        let mut head = [0; 7];
        stream.read_exact(&mut head)?;
        let mut payload = vec![0; u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize + 1];
        stream.read_exact(&mut payload)?;
        let [0, class, 0, method] = payload[..4] else { return Ok(()) };
        if (class, method) == last {
            return Ok(());
        }
        let (answer, arguments): ((u8, u8), &[u8]) = match (class, method) {
            (10, 11) => ((10, 30), &[0, 9, 0, 2, 0, 0, 0, 0]),
            (10, 31) => continue,
            (10, 40) => ((10, 41), b"\0"),
            (20, 10) => ((20, 11), b"\0\0\0\0"),
            (50, 10) => ((50, 11), b"\x01q\0\0\0\0\0\0\0\0"),
            (class, method) => ((class, method + 1), b""),
        };
        stream.write_all(&frame(1, head[2], &[&[0, answer.0, 0, answer.1], arguments].concat()))?;
    }
}

/// What a broker sends that lies, and what alco says of it.
const BROKERS: &[Lie] = &[
    ("no RabbitMQ answers there: it sends \"SSH-2.0", |stream| {
        stream.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").and_then(|()| listen(stream))
    }),
    ("no RabbitMQ answers there: it sends \"HTTP/1.1 400", |stream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").and_then(|()| listen(stream))
    }),
    ("the broker announces a frame of 4294967295 bytes", |stream| {
        stream.write_all(&[1, 0, 0, 0xff, 0xff, 0xff, 0xff]).and_then(|()| listen(stream))
    }),
    ("the broker announces a frame of 3200", |stream| {
        stream.write_all(&connection_start(&b"\x01aS\0\0\0\x01x".repeat(400_000)))?;
        listen(stream)
    }),
    ("the broker has not ended the login in time", |stream| {
        loop {
            stream.write_all(&frame(8, 0, b""))?;
            thread::sleep(Duration::from_millis(100));
        }
    }),
    ("the broker has not answered for 30 s", |stream| {
        as_broker(stream, (20, 10))?;
        loop {
            stream.write_all(&frame(8, 0, b""))?;
            thread::sleep(Duration::from_millis(100));
        }
    }),
    ("the broker delivers more than the prefetch limit allows", |stream| {
        as_broker(stream, CONSUME)?;
        stream.write_all(&frame(1, 1, b"\0\x3c\0\x15\x03tag"))?;
        for tag in 1u64.. {
            let deliver = [b"\0\x3c\0\x3c\x03tag", &tag.to_be_bytes()[..], b"\0\0\0"].concat();
            let body = vec![b'x'; 100_000];
            let header = [b"\0\x3c\0\0", &(body.len() as u64).to_be_bytes()[..], b"\0\0"].concat();
            stream.write_all(&[frame(1, 1, &deliver), frame(2, 1, &header), frame(3, 1, &body)].concat())?;
        }
        Ok(())
    }),
];

#[test]
fn a_lying_broker_is_named_and_left() {
    let stack = Stack::shared();
    let liar = Liar::start(BROKERS);
    liar.each(|says| {
        let alco = alco_with(stack, "url = amqp", &format!("url = amqp://127.0.0.1:{}", liar.port));
        wait_until(says, LONG, || alco.get("/health").body.contains(says).then_some(()));
        let most = own_memory(alco.pid());
        println!("{says}: {most} MiB");
        assert!(most < MAX_MEMORY_MIB, "{says}: {most} MiB");
        assert_eq!(alco.get("/grep/liars/?start_ts=-1h").status, 200, "{says}");
        assert_eq!(alco.logged("panicked"), 0, "{}", alco.log());
        let begun = Instant::now();
        assert!(alco.stop().success());
        assert!(begun.elapsed() < MAX_STOP, "{says}: the stop took {:?}", begun.elapsed());
    });
}

/// A TLS record of 16 KiB, a byte now and then: its reader has enough bytes after half an hour.
const TLS_SERVERS: &[Lie] = &[("a handshake byte by byte", |stream| {
    stream.write_all(b"\x16\x03\x03\x40\0")?;
    loop {
        stream.write_all(b"\x02")?;
        thread::sleep(Duration::from_millis(100));
    }
})];

#[test]
fn a_tls_handshake_byte_by_byte_is_left() {
    let stack = Stack::shared();
    let says = "it did not answer the TLS handshake in time";
    let liar = Liar::start(TLS_SERVERS);
    let of_redis = alco_with(stack, "url = redis", &format!("url = rediss://127.0.0.1:{}", liar.port));
    let begun = Instant::now();
    assert_eq!(of_redis.get("/grep/liars/?start_ts=-1h").status, 200);
    println!("a page after {:?}", begun.elapsed());
    assert!(begun.elapsed() < HEALTH_TIME, "{:?}", begun.elapsed());
    let of_broker = alco_with(stack, "url = amqp", &format!("url = amqps://127.0.0.1:{}", liar.port));
    for alco in [of_redis, of_broker] {
        wait_until("/health names it", LONG, || alco.get("/health").body.contains(says).then_some(()));
        let begun = Instant::now();
        assert!(alco.stop().success());
        assert!(begun.elapsed() < MAX_STOP, "the stop took {:?}", begun.elapsed());
    }
}
