//! The messages that are published, and the events that must arrive.

use serde_json::{Value, json};

/// One event as a subscriber sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) channel: String,
    pub(crate) event: String,
    pub(crate) data: String,
}

/// An event as it is published, and as it must arrive.
#[derive(Clone)]
pub(crate) struct Message {
    /// The data as JSON text.
    pub(crate) json: String,
    pub(crate) delivery: Delivery,
}

impl Message {
    /// The data as a client that decodes JSON sees it.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(&self.json).unwrap()
    }
}

/// The number of kinds of data. Each kind occurs once in this many consecutive messages.
pub(crate) const KINDS: usize = 11;

/// The first `count` messages of a fixed sequence. All are different, and every kind of data occurs repeatedly. The
/// longest data has about `longest` bytes.
///
/// No data is an empty text, because soketi refuses to publish that.
pub(crate) fn messages(channel: &str, longest: usize, count: usize) -> Vec<Message> {
    (0..count).map(|n| message(channel, longest, n)).collect()
}

fn message(channel: &str, longest: usize, n: usize) -> Message {
    let text = |kind: &str, n: usize, data: &str| text(channel, &format!("{kind}-{n}"), data);
    let value = |kind: &str, n: usize, json: String| value(channel, &format!("{kind}-{n}"), json);
    match n % KINDS {
        // The keys are not in alphabetical order, so that JSON that was parsed and written again is noticed.
        0 => value(
            "object",
            n,
            format!(r#"{{"seq":{n},"text":"żółć ☃ 𝄞","list":[1,2.5,null,true,{{}}],"a":{{"b":[]}}}}"#),
        ),
        1 => text("żółć ☃", n, &format!("{n} żółć ☃ 𝄞")),
        2 => value("number", n, n.to_string()),
        3 => text("json-text", n, &json!({"seq": n, "inner": json!({"deep": ["\"", "\\"]}).to_string()}).to_string()),
        4 => value("array", n, format!(r#"[{n},"a\"b\\c",false]"#)),
        5 => text("escapes", n, &format!("{n} \" \\ / \t \r\n \0 \u{1} \u{7f} \u{2028} \u{2029} \u{feff} e\u{301}")),
        // Texts that look like other JSON must stay texts.
        6 => text("number-text", n, &n.to_string()),
        7 => text("quoted-text", n, &format!("\"{n}\"")),
        8 => value("null", n, "null".to_owned()),
        9 => value("boolean", n, "true".to_owned()),
        // Three bytes a character.
        _ => text("long", n, &format!("{n} {}", "☃".repeat(longest / 3))),
    }
}

/// The SDK sends a text unchanged.
pub(crate) fn text(channel: &str, event: &str, text: &str) -> Message {
    Message { json: json!(text).to_string(), delivery: delivery(channel, event, text) }
}

/// The SDK sends any other value as its JSON text. That is `json` itself if it is written as JavaScript writes it.
pub(crate) fn value(channel: &str, event: &str, json: String) -> Message {
    Message { delivery: delivery(channel, event, &json), json }
}

fn delivery(channel: &str, event: &str, data: &str) -> Delivery {
    Delivery { channel: channel.to_owned(), event: event.to_owned(), data: data.to_owned() }
}

/// Panics with the first difference, if there is one.
pub(crate) fn assert_delivered(subscriber: &str, published: &[Message], received: &[Delivery]) {
    let expected = || published.iter().map(|message| &message.delivery);
    if expected().eq(received) {
        return;
    }
    let equal = expected().zip(received).take_while(|(expected, received)| expected == received).count();
    panic!(
        "{subscriber}: {} events were published and {} received; they differ at number {equal}:\npublished {:?}\n received {:?}",
        published.len(),
        received.len(),
        expected().nth(equal),
        received.get(equal),
    );
}
