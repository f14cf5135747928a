//! The names that common loggers use for what each record has: the defaults of an index. Pure.

/// The names that common loggers give the time. A name that may mean something else is later.
pub const TIMESTAMP_NAMES: &[&str] = &[
    "@timestamp",
    "timestamp",
    "time",
    "ts",
    "@t",
    "Timestamp",
    "datetime",
    "asctime",
    "t",
    "instant",
    "timeMillis",
    "timeUnixNano",
    "observedTimeUnixNano",
    "__REALTIME_TIMESTAMP",
    "timereported",
    "ISODATE",
    "DATE",
    "date",
    "EventTime",
    "time_iso8601",
    "time_local",
    "msec",
    "record.time.timestamp",
];

/// The names that common loggers give the text.
pub const MESSAGE_NAMES: &[&str] = &[
    "message",
    "msg",
    "short_message",
    "MESSAGE",
    "Message",
    "@m",
    "@mt",
    "@message",
    "body.stringValue",
    "body",
    "log",
    "event",
    "fields.message",
    "record.message",
    "RenderedMessage",
    "MessageTemplate",
    "text",
    "textPayload",
    "request",
];

/// The names that common loggers give the level.
pub const LEVEL_NAMES: &[&str] =
    &["levelname", "level", "severity", "log.level", "severityText", "severityNumber", "PRIORITY", "@l"];
