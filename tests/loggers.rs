//! alco reads the records of the usual loggers without a setting: time, level and message of each. The record comes back whole.

use jiff::Timestamp;
use serde_json::Value;

use crate::support::{Alco, Publisher, SOON, Stack, wait_until};

/// A record as its logger's documentation has it: `{rfc3339}`, `{s}`, `{ms}`, `{us}`, `{ns}`, `{…}` stand for its time.
struct Sample {
    logger: &'static str,
    body: &'static str,
    /// digits of a second that the time has
    digits: u32,
    level: &'static str,
}

const fn sample(logger: &'static str, digits: u32, level: &'static str, body: &'static str) -> Sample {
    Sample { logger, body, digits, level }
}

/// `{name}` is the logger's name, by which its line is found.
const SAMPLES: &[Sample] = &[
    sample(
        "python-logstash",
        6,
        "INFO",
        r#"{"@timestamp":"{rfc3339}","@version":"1","message":"{name}","host":"h","path":"a.py","tags":[],"type":"logstash","level":"INFO","logger_name":"a","stack_info":null}"#,
    ),
    sample(
        "logcollect",
        6,
        "ERROR",
        r#"{"@timestamp":"{rfc3339}","@version":1,"message":"{name}","seq":3,"levelname":"ERROR","host":"h","logger":"a"}"#,
    ),
    sample(
        "logstash-logback-encoder",
        3,
        "WARN",
        r#"{"@timestamp":"{rfc3339}","@version":"1","message":"{name}","logger_name":"org.App","thread_name":"main","level":"WARN","level_value":30000}"#,
    ),
    sample(
        "log4j2 JsonTemplateLayout (ECS)",
        3,
        "INFO",
        r#"{"@timestamp":"{rfc3339}","ecs.version":"1.2.0","log.level":"INFO","message":"{name}","process.thread.name":"main","log.logger":"App"}"#,
    ),
    sample(
        "log4j2 JsonLayout",
        6,
        "INFO",
        r#"{"instant":{"epochSecond":{s},"nanoOfSecond":{nano}},"thread":"main","level":"INFO","loggerName":"App","message":"{name}","endOfBatch":false,"threadId":1,"threadPriority":5}"#,
    ),
    sample("pino", 3, "30", r#"{"level":30,"time":{ms},"pid":657,"hostname":"h","msg":"{name}"}"#),
    sample(
        "bunyan",
        3,
        "30",
        r#"{"name":"app","hostname":"h","pid":7,"level":30,"msg":"{name}","time":"{rfc3339}","v":0}"#,
    ),
    sample("winston", 3, "info", r#"{"level":"info","message":"{name}","timestamp":"{rfc3339}"}"#),
    sample(
        "zap (production)",
        6,
        "info",
        r#"{"level":"info","ts":{seconds},"caller":"a/b.go:1","msg":"{name}","attempt":3}"#,
    ),
    sample("zap (nanoseconds)", 6, "info", r#"{"level":"info","ts":{ns},"msg":"{name}"}"#),
    sample("zerolog", 0, "debug", r#"{"level":"debug","time":{s},"message":"{name}"}"#),
    sample("logrus", 0, "warning", r#"{"animal":"walrus","level":"warning","msg":"{name}","time":"{rfc3339}"}"#),
    sample("slog", 6, "INFO", r#"{"time":"{offset}","level":"INFO","msg":"{name}","count":3}"#),
    sample("Go's time as text", 6, "INFO", r#"{"time":"{go}","level":"INFO","msg":"{name}"}"#),
    sample(
        "Serilog CLEF",
        6,
        "Error",
        r#"{"@t":"{rfc3339}","@mt":"template {User}","@m":"{name}","@l":"Error","@i":"7c","User":"a"}"#,
    ),
    sample("Serilog CLEF, not rendered", 6, "-", r#"{"@t":"{rfc3339}","@mt":"{name}","User":"a"}"#),
    sample(
        "Serilog JsonFormatter",
        6,
        "-",
        r#"{"Timestamp":"{offset}","Level":"Information","MessageTemplate":"{name}","Properties":{"a":1}}"#,
    ),
    sample("NLog JsonLayout", 3, "Info", r#"{"time":"{comma}","level":"Info","logger":"App","message":"{name}"}"#),
    sample(
        ".NET JsonConsole",
        3,
        "-",
        r#"{"Timestamp":"{rfc3339}","EventId":0,"LogLevel":"Information","Category":"App","Message":"{name}","State":{"Message":"{name}"}}"#,
    ),
    sample(
        "GELF",
        3,
        "6",
        r#"{"version":"1.1","host":"h","short_message":"{name}","full_message":"and\nmore","timestamp":{seconds},"level":6,"_user_id":9001}"#,
    ),
    sample(
        "journald",
        6,
        "6",
        r#"{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"{us}","PRIORITY":"6","_HOSTNAME":"h","SYSLOG_IDENTIFIER":"sshd","MESSAGE":"{name}"}"#,
    ),
    sample("journald, bytes", 6, "3", r#"{"__REALTIME_TIMESTAMP":"{us}","PRIORITY":"3","MESSAGE":{bytes}}"#),
    sample(
        "OTLP",
        6,
        "Information",
        r#"{"timeUnixNano":"{ns}","severityNumber":9,"severityText":"Information","body":{"stringValue":"{name}"},"attributes":[]}"#,
    ),
    sample(
        "OTLP without a text of its severity",
        6,
        "17",
        r#"{"timeUnixNano":"0","observedTimeUnixNano":"{ns}","severityNumber":17,"body":{"stringValue":"{name}"}}"#,
    ),
    sample("Fluent Bit", 6, "-", r#"{"date":{seconds},"log":"{name}","stream":"stderr","t":"5 min"}"#),
    sample(
        "ECS, nested",
        3,
        "warn",
        r#"{"@timestamp":"{rfc3339}","log":{"level":"warn","logger":"a"},"message":"{name}","event":{"dataset":"a"}}"#,
    ),
    sample(
        "rsyslog jsonmesg",
        6,
        "notice",
        r#"{"msg":"{name}","timereported":"{offset}","hostname":"h","severity":"notice","programname":"su"}"#,
    ),
    sample(
        "syslog-ng",
        0,
        "info",
        r#"{"PROGRAM":"su","PRIORITY":"info","MESSAGE":"{name}","HOST":"h","DATE":"{bsd}"}"#,
    ),
    sample("Docker json-file", 6, "-", r#"{"log":"{name}","stream":"stdout","time":"{rfc3339}"}"#),
    sample(
        "nginx",
        0,
        "-",
        r#"{"time_local":"{clf}","remote_addr":"::1","request":"{name}","status":200,"request_time":0.004}"#,
    ),
    sample(
        "Caddy",
        6,
        "info",
        r#"{"level":"info","ts":{seconds},"logger":"http.log.access","msg":"{name}","request":{"method":"GET"},"status":200}"#,
    ),
    sample(
        "Monolog",
        6,
        "-",
        r#"{"message":"{name}","context":{},"level_name":"WARNING","channel":"app","datetime":"{offset}","extra":{}}"#,
    ),
    sample("structlog", 6, "info", r#"{"user":"a","event":"{name}","level":"info","timestamp":"{rfc3339}"}"#),
    sample(
        "loguru",
        6,
        "-",
        r#"{"text":"as printed\n","record":{"level":{"name":"INFO","no":20},"message":"{name}","time":{"repr":"x","timestamp":{seconds}}}}"#,
    ),
    sample("python-json-logger", 3, "INFO", r#"{"asctime":"{comma}","levelname":"INFO","message":"{name}"}"#),
    sample(
        "tracing",
        6,
        "INFO",
        r#"{"timestamp":"{rfc3339}","level":"INFO","fields":{"message":"{name}","yaks":3},"target":"app"}"#,
    ),
    sample("hclog", 6, "-", r#"{"@level":"info","@message":"{name}","@timestamp":"{offset}"}"#),
    sample(
        "MongoDB",
        3,
        "-",
        r#"{"t":{"$date":"{rfc3339}"},"s":"I","c":"NETWORK","id":22943,"ctx":"listener","msg":"{name}","attr":{}}"#,
    ),
    sample("PostgreSQL jsonlog", 3, "-", r#"{"timestamp":"{utc}","pid":1,"error_severity":"LOG","message":"{name}"}"#),
    sample("Java with its zone", 3, "INFO", r#"{"timestamp":"{java}","level":"INFO","message":"{name}"}"#),
    sample("Kubernetes (klog)", 3, "-", r#"{"ts":{ms}.0,"caller":"a.go:1","msg":"{name}","v":0}"#),
    sample(
        "Celery",
        6,
        "INFO",
        r#"{"@timestamp":"{rfc3339}","message":"{name}","levelname":"INFO","logger":"celery.worker","task_id":"7f"}"#,
    ),
];

/// The body that this logger writes at that time, and the time in the logger's own precision.
fn written(sample: &Sample, now: Timestamp) -> (String, Timestamp) {
    let unit = 10_i64.pow(6 - sample.digits);
    let at = Timestamp::from_microsecond(now.as_microsecond() / unit * unit).unwrap();
    let (s, us) = (at.as_second(), at.as_microsecond());
    let rfc3339 = format!("{at:.0$}", sample.digits as usize);
    let time = |format: &str| at.strftime(format).to_string();
    let name = sample.logger;
    let body = [
        ("{rfc3339}", rfc3339.clone()),
        ("{offset}", rfc3339.replace('Z', "+00:00")),
        ("{java}", rfc3339.replace('Z', "+00:00[Europe/London]")),
        ("{comma}", time("%Y-%m-%d %H:%M:%S,%3f")),
        ("{utc}", time("%Y-%m-%d %H:%M:%S.%3f UTC")),
        ("{go}", time("%Y-%m-%d %H:%M:%S.%6f +0000 UTC m=+0.012345")),
        ("{clf}", time("%d/%b/%Y:%H:%M:%S +0000")),
        ("{bsd}", time("%b %e %H:%M:%S")),
        ("{seconds}", format!("{s}.{:06}", us - s * 1_000_000)),
        ("{s}", s.to_string()),
        ("{nano}", at.subsec_nanosecond().to_string()),
        ("{ms}", at.as_millisecond().to_string()),
        ("{us}", us.to_string()),
        ("{ns}", at.as_nanosecond().to_string()),
        ("{bytes}", serde_json::to_string(name.as_bytes()).unwrap()),
        ("{name}", name.to_owned()),
    ]
    .iter()
    .fold(sample.body.to_owned(), |body, (mark, text)| body.replace(mark, text));
    (body, at)
}

#[test]
fn the_usual_loggers_need_no_setting() {
    let stack = Stack::shared();
    let alco = Alco::start(stack, &stack.index("loggers"));
    let now = Timestamp::now();
    let sent: Vec<(String, Timestamp)> = SAMPLES.iter().map(|sample| written(sample, now)).collect();
    let mut publisher = Publisher::open(&stack.amqp);
    publisher.publish("logstash", "loggers.key", sent.iter().map(|(body, _)| body));
    wait_until("all are stored", SOON, || stack.count("loggers").filter(|n| *n >= SAMPLES.len() as u64));

    let mut expected: Vec<String> = SAMPLES
        .iter()
        .zip(&sent)
        .map(|(sample, (_, at))| format!("{} {} {}", at.strftime("%Y-%m-%d %H:%M:%S.%6f"), sample.level, sample.logger))
        .collect();
    let text = alco.get("/grep/loggers/?format=text&columns=levelname").body;
    let mut lines: Vec<&str> = text.lines().collect();
    expected.sort();
    lines.sort();
    assert_eq!(lines, expected);

    // all that was sent is there under its own names, with time and message under alco's in addition
    let ndjson = alco.get("/grep/loggers/?format=ndjson").body;
    for (sample, (body, _)) in SAMPLES.iter().zip(&sent) {
        let read = ndjson.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut read = read.into_iter().find(|read| read["message"] == sample.logger).expect(sample.logger);
        let sent: Value = serde_json::from_str(body).unwrap();
        read.as_object_mut()
            .unwrap()
            .retain(|key, _| sent.get(key).is_some() || !matches!(key.as_str(), "@id" | "@timestamp" | "message"));
        assert_eq!(read, sent, "{}", sample.logger);
    }
}
