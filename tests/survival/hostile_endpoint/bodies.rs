//! Bodies without a valid permission (A5 to A7).

use super::{Scenario, Shows, ok};

const MALFORMED: Shows = Shows::Final("AuthMalformed");

pub(super) fn scenarios() -> Vec<Scenario> {
    [texts(), wrapped(), types(), keys()].into_iter().flatten().collect()
}

fn row(name: impl Into<String>, body: impl AsRef<str>, shows: Shows) -> Scenario {
    Scenario::new(format!("body: {}", name.into()), ok(body.as_ref()), shows)
}

fn texts() -> Vec<Scenario> {
    let bad = |name: &str, body: &str| row(name, body, MALFORMED);
    vec![
        bad("empty", ""),
        bad("blanks", " \r\n\t"),
        bad("HTML", "<!DOCTYPE html><html><body>Log in</body></html>"),
        bad("null", "null"),
        bad("a number", "7"),
        bad("a string", "\"k:s\""),
        bad("a list", "[]"),
        bad("a list of fields", r#"["k:s",null,null,null]"#),
        bad("true", "true"),
        bad("an empty object", "{}"),
        bad("half of an object", r#"{"auth":"k:s""#),
        bad("an object and more", r#"{"auth":"k:s"} junk"#),
        bad("single quotes", "{'auth':'k:s'}"),
        bad("another case", r#"{"Auth":"k:s"}"#),
        bad("deep lists", &"[".repeat(500_000)),
        bad("deep objects", &r#"{"a":"#.repeat(100_000)),
        bad("a deep auth", &format!(r#"{{"auth":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000))),
        bad("auth twice", r#"{"auth":"k:s","auth":"k:t"}"#),
        bad("a line break in auth", r#"{"auth":"k:s\r\nX: y"}"#),
        bad("a NUL in auth", r#"{"auth":"\u0000"}"#),
        bad("an empty auth", r#"{"auth":""}"#),
        bad("two megabytes", &" ".repeat(2 << 20)),
        row("half of a surrogate pair", r#"{"auth":"k:\uD800","\uDC00":0}"#, Shows::Subscribed),
        row(
            "a deep unknown key",
            format!(r#"{{"x":{}0{},"auth":"k:s"}}"#, "[".repeat(100), "]".repeat(100)),
            Shows::Subscribed,
        ),
        row(
            "100,000 unknown keys",
            format!(r#"{{{}"auth":"k:s"}}"#, (0..60_000).map(|n| format!(r#""{n}":0,"#)).collect::<String>()),
            Shows::Subscribed,
        ),
        row(
            "140,000 objects under an unknown key",
            format!(r#"{{"x":[{}0],"auth":"k:s"}}"#, r#"{"":0},"#.repeat(140_000)),
            Shows::Subscribed,
        ),
        row("blanks around", format!("\r\n  {}\r\n", super::GOOD), Shows::Subscribed),
    ]
}

/// Bodies with a byte order mark, and objects that were encoded twice.
fn wrapped() -> Vec<Scenario> {
    let good = [
        ("a byte order mark", "\u{FEFF}{\"auth\":\"k:s\"}"),
        ("a byte order mark after blanks", "\r\n\u{FEFF}{\"auth\":\"k:s\"}"),
        ("a byte order mark before blanks", "\u{FEFF}\r\n {\"auth\":\"k:s\"}"),
        ("an object in a string", r#""{\"auth\":\"k:s\"}""#),
        ("an object in a string with blanks", r#" " \n{\"auth\":\"k:s\"}\t" "#),
        ("an object in a string of escapes", r#""\u007b\u0022auth\u0022:\u0022k:s\u0022\u007d""#),
        ("an object in a string after a mark", "\u{FEFF}\"{\\\"auth\\\":\\\"k:s\\\"}\""),
        ("an object after a mark in a string", r#""\ufeff{\"auth\":\"k:s\"}""#),
    ];
    let bad = [
        ("only a byte order mark", "\u{FEFF}"),
        ("two byte order marks", "\u{FEFF}\u{FEFF}{\"auth\":\"k:s\"}"),
        ("a byte order mark at the end", "{\"auth\":\"k:s\"}\u{FEFF}"),
        ("a string in a string", r#""\"{\\\"auth\\\":\\\"k:s\\\"}\"""#),
        ("a list in a string", r#""[\"k:s\"]""#),
        ("an empty string", r#""""#),
        ("half of an object in a string", r#""{\"auth\":\"k:s\"""#),
        ("an object in half of a string", r#""{\"auth\":\"k:s\"}"#),
    ];
    let good = good.map(|(name, body)| row(name, body, Shows::Subscribed));
    let bad = bad.map(|(name, body)| row(name, body, MALFORMED));
    good.into_iter().chain(bad).collect()
}

fn types() -> Vec<Scenario> {
    const WRONG: [&str; 7] = ["null", "true", "7", "1e400", "[]", "{}", "[\"k:s\"]"];
    let mut rows = Vec::new();
    for value in WRONG {
        rows.push(row(format!("auth of {value}"), format!(r#"{{"auth":{value}}}"#), MALFORMED));
        let data = format!(r#"{{"auth":"k:s","channel_data":{value}}}"#);
        rows.push(row(format!("channel_data of {value}"), data, MALFORMED).on("presence-target"));
        let secret = format!(r#"{{"auth":"k:s","shared_secret":{value}}}"#);
        rows.push(row(format!("shared_secret of {value}"), secret, MALFORMED).on("private-encrypted-target"));
    }
    for (name, data) in [
        ("empty", ""),
        ("not JSON", "junk"),
        ("null", "null"),
        ("a list", "[]"),
        ("without a user_id", "{}"),
        ("user_id of null", r#"{\"user_id\":null}"#),
        ("an empty user_id", r#"{\"user_id\":\"\"}"#),
        ("user_id of a list", r#"{\"user_id\":[7]}"#),
    ] {
        let body = format!(r#"{{"auth":"k:s","channel_data":"{data}"}}"#);
        rows.push(row(format!("channel_data that is {name}"), body, MALFORMED).on("presence-target"));
    }
    rows.push(row("no channel_data", super::GOOD, MALFORMED).on("presence-target"));
    rows
}

fn keys() -> Vec<Scenario> {
    let good = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let bad = [
        ("empty", String::new()),
        ("31 bytes long", "A".repeat(42) + "=="),
        ("33 bytes long", "A".repeat(44)),
        ("without padding", good.trim_end_matches('=').to_owned()),
        ("with too much padding", format!("{good}=")),
        ("URL-safe", good.replacen('A', "_", 1)),
        ("hexadecimal", "00".repeat(32)),
        ("after a blank", format!(" {good}")),
        ("before a line break", format!("{good}\\n")),
        ("with bits beyond its end", good.replacen("AAA=", "AAB=", 1)),
        ("of a megabyte", "A".repeat(1_000_000)),
    ];
    let row = |name: &str, key: &str, shows| {
        let body = format!(r#"{{"auth":"k:s","shared_secret":"{key}"}}"#);
        row(format!("shared_secret {name}"), body, shows).on("private-encrypted-target")
    };
    let mut rows: Vec<_> = bad.iter().map(|(name, key)| row(name, key, MALFORMED)).collect();
    rows.push(row("that is good", good, Shows::Subscribed));
    rows.push(Scenario::new("body: no shared_secret", ok(super::GOOD), MALFORMED).on("private-encrypted-target"));
    rows
}
