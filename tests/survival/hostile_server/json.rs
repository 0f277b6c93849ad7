//! Messages that are not JSON, JSON that is too large, and values of a wrong type (D1, D2, R5, S8).

use super::{Phase, Scenario, Shows, Step, raw_frames};

use Shows::{Ends, Ignores, Refuses, Reports, Tolerates};

pub(super) fn scenarios() -> Vec<Scenario> {
    [texts(), sizes(), types()].into_iter().flatten().collect()
}

const BAD: Shows = Reports("BadMessage");

fn row(name: impl Into<String>, message: impl AsRef<str>, shows: Shows) -> Scenario {
    let script = vec![Step::Bytes(raw_frames::text(message.as_ref()))];
    Scenario::new(format!("json: {}", name.into()), Phase::Subscribed, script, shows)
}

/// An event whose data is this JSON.
fn event(data: &str) -> String {
    format!(r#"{{"event":"e","channel":"room","data":{data}}}"#)
}

fn texts() -> Vec<Scenario> {
    vec![
        row("blanks", " \r\n\t ", BAD),
        row("a NUL", "\0", BAD),
        row("a byte order mark", format!("\u{FEFF}{}", event("1")), BAD),
        row("HTML", "<html>", BAD),
        row("half of an object", r#"{"event":"e""#, BAD),
        row("an object and more", format!("{} junk", event("1")), BAD),
        row("two objects", event("1").repeat(2), BAD),
        row("a comma at the end", r#"{"event":"e",}"#, BAD),
        row("a comment", r#"{/* */"event":"e"}"#, BAD),
        row("single quotes", "{'event':'e'}", BAD),
        row("a key that is not a string", r#"{1:2,"event":"e"}"#, BAD),
        row("NaN", event("NaN"), BAD),
        row("Infinity", event("-Infinity"), BAD),
        row("a number with a zero first", event("01"), BAD),
        row("a number that ends in a point", event("1."), BAD),
        row("a hexadecimal number", event("0x10"), BAD),
        row("an unknown escape", event(r#""\x""#), BAD),
        row("a raw line break in a string", event("\"\n\""), BAD),
        row("an upper half of a pair in data", event(r#""\uD800""#), Tolerates),
        row("a lower half of a pair in data", event(r#""\uDC00""#), Tolerates),
        row("two upper halves in data", event(r#""\uD800\uD800""#), Tolerates),
        row("half of a pair in a name", r#"{"event":"\uD800","channel":"room"}"#, Tolerates),
        row("half of a pair in a channel", r#"{"event":"e","channel":"\uDFFF"}"#, Ignores),
        row("half of a pair in a user id", r#"{"event":"e","channel":"room","user_id":"\uD800"}"#, Tolerates),
        row("half of a pair inside an object", event(r#"{"a":"\uD800"}"#), Tolerates),
        row(
            "half of a pair in a platform event",
            r#"{"event":"pusher:error","data":{"message":"\uD800"}}"#,
            Reports("Server"),
        ),
        row("a huge number", event("1e999999999"), Tolerates),
        row("a number with a hundred thousand digits", event(&"9".repeat(100_000)), Tolerates),
        row("a tiny number", event("1e-999999999"), Tolerates),
        row("an escaped NUL", event(r#""\u0000""#), Tolerates),
        row("a name twice", r#"{"event":"pusher:error","event":"e","channel":"room"}"#, Tolerates),
        row("a channel twice", r#"{"event":"e","channel":"room","channel":"other"}"#, Ignores),
        row("data twice", r#"{"event":"e","channel":"room","data":1,"data":2}"#, Tolerates),
        row("a code twice", r#"{"event":"pusher:error","data":{"code":4001,"code":4200}}"#, Reports("Server")),
        row("a list", "[1]", BAD),
        row("a list of fields", r#"["e","room","x",null]"#, BAD),
        row("a string", r#""event""#, BAD),
        row("a number", "7", BAD),
        row("null", "null", BAD),
        row("true", "true", BAD),
        row("an empty object", "{}", BAD),
        row("an empty name", r#"{"event":"","channel":"room"}"#, Tolerates),
        row("an empty channel", r#"{"event":"e","channel":""}"#, Ignores),
        row("escapes in every name", "{\"\\u0065vent\":\"\\u0065\",\"ch\\u0061nnel\":\"r\\u006Fom\"}", Tolerates),
    ]
}

fn sizes() -> Vec<Scenario> {
    let nested = |open: &str, depth: usize, close: &str| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let mut rows = Vec::new();
    for depth in [10, 127] {
        rows.push(row(format!("{depth} lists in data"), event(&nested("[", depth, "]")), Tolerates));
    }
    for depth in [128, 1000, 100_000, 500_000] {
        rows.push(row(format!("{depth} lists in data"), event(&nested("[", depth, "]")), BAD));
    }
    rows.push(row("100,000 objects in data", event(&nested(r#"{"a":"#, 100_000, "}").replace(":}", ":0}")), BAD));
    rows.push(row(
        "500,000 lists under an unknown key",
        format!(r#"{{"event":"e","x":{}}}"#, nested("[", 500_000, "]")),
        BAD,
    ));
    rows.push(row("a million open lists", "[".repeat(1_000_000), BAD));
    rows.push(row("a million open lists in data", format!(r#"{{"event":"e","data":{}"#, "[".repeat(1_000_000)), BAD));
    rows.push(row(
        "500,000 lists in the text of data",
        event(&format!("\"{}\"", nested("[", 500_000, "]"))),
        Tolerates,
    ));
    rows.push(row("500,000 lists as the name", format!(r#"{{"event":{}}}"#, nested("[", 500_000, "]")), BAD));
    rows.push(row(
        "100,000 unknown keys",
        {
            let keys: String = (0..60_000).map(|n| format!(r#""key-{n}":0,"#)).collect();
            format!(r#"{{{keys}"event":"e","channel":"room"}}"#)
        },
        Tolerates,
    ));
    rows.push(row("100,000 names", format!(r#"{{{}"channel":"room"}}"#, r#""event":"e","#.repeat(80_000)), Tolerates));
    rows.push(row("half a million numbers in data", event(&format!("[0{}]", ",0".repeat(500_000))), Tolerates));
    rows.push(row(
        "a name of a megabyte",
        format!(r#"{{"event":"{}","channel":"room"}}"#, "e".repeat(1_000_000)),
        Tolerates,
    ));
    rows.push(row(
        "a channel of a megabyte",
        format!(r#"{{"event":"e","channel":"{}"}}"#, "c".repeat(1_000_000)),
        Ignores,
    ));
    rows.push(row(
        "a user id of a megabyte",
        format!(r#"{{"event":"e","channel":"room","user_id":"{}"}}"#, "u".repeat(1_000_000)),
        Tolerates,
    ));
    rows.push(row(
        "a key of a megabyte",
        format!(r#"{{"{}":0,"event":"e","channel":"room"}}"#, "k".repeat(1_000_000)),
        Tolerates,
    ));
    for (name, event) in [
        ("pusher:error", "pusher:error"),
        ("a refusal", "pusher:subscription_error"),
        ("a list of members", "pusher_internal:subscription_succeeded"),
    ] {
        let objects = format!("[{}0]", r#"{"":0},"#.repeat(140_000));
        let message = format!(r#"{{"event":"{event}","channel":"unknown","data":{{"message":{objects}}}}}"#);
        rows.push(row(
            format!("{name} of 140,000 objects"),
            message,
            if name == "pusher:error" { Reports("Server") } else { Ignores },
        ));
    }
    rows
}

/// Values of a wrong type for a field. `None`: the field is missing.
const WRONG: [Option<&str>; 8] =
    [None, Some("null"), Some("true"), Some("7"), Some("-1.5e300"), Some("\"x\""), Some("[]"), Some("{}")];

/// A message with one field left open, and the expected reaction of the client to each value.
struct Field {
    name: &'static str,
    phase: Phase,
    /// `%` stands for the field and the comma before it.
    message: &'static str,
    key: &'static str,
    shows: fn(Option<&str>) -> Shows,
}

fn is_text(value: Option<&str>) -> bool {
    value.is_some_and(|value| value.starts_with('"'))
}

/// A string, or a number, which stands for its text.
fn is_id(value: Option<&str>) -> bool {
    value.is_some_and(|value| value.starts_with(['"', '-', '7']))
}

const FIELDS: [Field; 29] = [
    Field {
        name: "connection_established, socket_id",
        phase: Phase::First,
        message: r#"{"event":"pusher:connection_established","data":{"activity_timeout":30%}}"#,
        key: "socket_id",
        shows: |value| if is_id(value) { Tolerates } else { Ends("UnexpectedFirstMessage") },
    },
    Field {
        name: "connection_established, activity_timeout",
        phase: Phase::First,
        message: r#"{"event":"pusher:connection_established","data":{"socket_id":"1.2"%}}"#,
        key: "activity_timeout",
        shows: |_| Tolerates,
    },
    Field {
        name: "connection_established, data",
        phase: Phase::First,
        message: r#"{"event":"pusher:connection_established"%}"#,
        key: "data",
        shows: |_| Ends("UnexpectedFirstMessage"),
    },
    Field {
        name: "first message, event",
        phase: Phase::First,
        message: r#"{"data":{"socket_id":"1.2"}%}"#,
        key: "event",
        shows: |_| Ends("UnexpectedFirstMessage"),
    },
    Field {
        name: "event, event",
        phase: Phase::Subscribed,
        message: r#"{"channel":"room"%}"#,
        key: "event",
        shows: |value| if is_text(value) { Tolerates } else { BAD },
    },
    Field {
        name: "event, channel",
        phase: Phase::Subscribed,
        message: r#"{"event":"e"%}"#,
        key: "channel",
        // An event without a channel is for the client itself (S8).
        shows: |value| match value {
            None | Some("null") => Tolerates,
            value if is_text(value) => Ignores,
            _ => BAD,
        },
    },
    Field {
        name: "event, data",
        phase: Phase::Subscribed,
        message: r#"{"event":"e","channel":"room"%}"#,
        key: "data",
        shows: |_| Tolerates,
    },
    Field {
        name: "event, user_id",
        phase: Phase::Subscribed,
        message: r#"{"event":"e","channel":"room"%}"#,
        key: "user_id",
        shows: |_| Tolerates,
    },
    Field {
        name: "error, data",
        phase: Phase::Subscribed,
        message: r#"{"event":"pusher:error"%}"#,
        key: "data",
        shows: |_| Reports("Server"),
    },
    Field {
        name: "error, code",
        phase: Phase::Subscribed,
        message: r#"{"event":"pusher:error","data":{"message":"m"%}}"#,
        key: "code",
        shows: |_| Reports("Server"),
    },
    Field {
        name: "error, message",
        phase: Phase::Subscribed,
        message: r#"{"event":"pusher:error","data":{"code":4301%}}"#,
        key: "message",
        shows: |_| Reports("Server { code: Some(4301)"),
    },
    Field {
        name: "ping, data",
        phase: Phase::Subscribed,
        message: r#"{"event":"pusher:ping"%}"#,
        key: "data",
        shows: |_| Tolerates,
    },
    Field {
        name: "pong, data",
        phase: Phase::Subscribed,
        message: r#"{"event":"pusher:pong"%}"#,
        key: "data",
        shows: |_| Tolerates,
    },
    Field {
        name: "confirmation, channel",
        phase: Phase::Requested,
        message: r#"{"event":"pusher_internal:subscription_succeeded"%}"#,
        key: "channel",
        shows: |value| if is_text(value) || matches!(value, None | Some("null")) { Ignores } else { BAD },
    },
    Field {
        name: "confirmation, data",
        phase: Phase::Requested,
        message: r#"{"event":"pusher_internal:subscription_succeeded","channel":"presence-target"%}"#,
        key: "data",
        shows: |_| Tolerates,
    },
    Field {
        name: "confirmation, presence",
        phase: Phase::Requested,
        message: r#"{"event":"pusher_internal:subscription_succeeded","channel":"presence-target","data":{"x":0%}}"#,
        key: "presence",
        shows: |_| Tolerates,
    },
    Field {
        name: "confirmation, ids",
        phase: Phase::Requested,
        message: r#"{"event":"pusher_internal:subscription_succeeded","channel":"presence-target","data":{"presence":{"count":1%}}}"#,
        key: "ids",
        shows: |_| Tolerates,
    },
    Field {
        name: "confirmation, hash",
        phase: Phase::Requested,
        message: r#"{"event":"pusher_internal:subscription_succeeded","channel":"presence-target","data":{"presence":{"count":1%}}}"#,
        key: "hash",
        shows: |_| Tolerates,
    },
    Field {
        name: "confirmation, count",
        phase: Phase::Requested,
        message: r#"{"event":"pusher_internal:subscription_succeeded","channel":"presence-target","data":{"presence":{"ids":["a"]%}}}"#,
        key: "count",
        shows: |_| Tolerates,
    },
    Field {
        name: "refusal, data",
        phase: Phase::Requested,
        message: r#"{"event":"pusher:subscription_error","channel":"presence-target"%}"#,
        key: "data",
        shows: |_| Refuses("SubscriptionRefused"),
    },
    Field {
        name: "refusal, type",
        phase: Phase::Requested,
        message: r#"{"event":"pusher:subscription_error","channel":"presence-target","data":{"error":"no"%}}"#,
        key: "type",
        shows: |_| Refuses("SubscriptionRefused"),
    },
    Field {
        name: "refusal, error",
        phase: Phase::Requested,
        message: r#"{"event":"pusher:subscription_error","channel":"presence-target","data":{"type":"AuthError"%}}"#,
        key: "error",
        shows: |_| Refuses("SubscriptionRefused"),
    },
    Field {
        name: "refusal, status",
        phase: Phase::Requested,
        message: r#"{"event":"pusher:subscription_error","channel":"presence-target","data":{"error":"no"%}}"#,
        key: "status",
        shows: |_| Refuses("SubscriptionRefused"),
    },
    Field {
        name: "count, data",
        phase: Phase::Subscribed,
        message: r#"{"event":"pusher_internal:subscription_count","channel":"room"%}"#,
        key: "data",
        shows: |_| Ignores,
    },
    Field {
        name: "count, subscription_count",
        phase: Phase::Subscribed,
        message: r#"{"event":"pusher_internal:subscription_count","channel":"room","data":{"x":0%}}"#,
        key: "subscription_count",
        shows: |value| if value == Some("7") { Tolerates } else { Ignores },
    },
    Field {
        name: "member_added, user_id",
        phase: Phase::Subscribed,
        message: r#"{"event":"pusher_internal:member_added","channel":"presence-target","data":{"user_info":{}%}}"#,
        key: "user_id",
        shows: |value| if is_id(value) { Tolerates } else { Ignores },
    },
    Field {
        name: "member_added, user_info",
        phase: Phase::Subscribed,
        message: r#"{"event":"pusher_internal:member_added","channel":"presence-target","data":{"user_id":"a"%}}"#,
        key: "user_info",
        shows: |_| Tolerates,
    },
    Field {
        name: "member_removed, user_id",
        phase: Phase::Subscribed,
        message: r#"{"event":"pusher_internal:member_removed","channel":"presence-target","data":{"x":0%}}"#,
        key: "user_id",
        shows: |_| Ignores,
    },
    Field {
        name: "cache_miss, data",
        phase: Phase::Subscribed,
        message: r#"{"event":"pusher:cache_miss","channel":"room"%}"#,
        key: "data",
        shows: |_| Tolerates,
    },
];

fn types() -> Vec<Scenario> {
    let mut rows = Vec::new();
    for Field { name, phase, message, key, shows } in FIELDS {
        for value in WRONG {
            let field = value.map_or(String::new(), |value| format!(r#","{key}":{value}"#));
            let message = message.replace('%', &field);
            let mut row = row(format!("{name}: {}", value.unwrap_or("missing")), message, shows(value));
            row.phase = phase;
            rows.push(if phase == Phase::First { row } else { row.with(&["presence-target"]) });
        }
    }
    rows
}
