//! What is published, and what has to arrive.

use serde_json::json;

/// The channel of all messages.
pub(crate) const CHANNEL: &str = "room";

/// One event as a subscriber sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) channel: String,
    pub(crate) event: String,
    pub(crate) data: String,
}

/// One event as the publisher is given it, with what has to arrive of it.
pub(crate) struct Message {
    /// The data as JSON text.
    pub(crate) json: String,
    pub(crate) delivery: Delivery,
}

/// The first `count` messages of a fixed sequence, in which no two are equal and every kind of data comes up again and
/// again.
///
/// There is no empty text among them: soketi refuses to publish it.
pub(crate) fn messages(count: usize) -> Vec<Message> {
    (0..count).map(message).collect()
}

fn message(n: usize) -> Message {
    match n % 11 {
        // The keys are not in alphabetical order: one that came back sorted was parsed on its way.
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
        // Texts that look like JSON of another type stay the texts that they are.
        6 => text("number-text", n, &n.to_string()),
        7 => text("quoted-text", n, &format!("\"{n}\"")),
        8 => value("null", n, "null".to_owned()),
        9 => value("boolean", n, "true".to_owned()),
        // Three bytes a character: just below the 10 KiB that a publisher may send.
        _ => text("long", n, &format!("{n} {}", "☃".repeat(3_390))),
    }
}

/// The SDK sends a text as it stands.
fn text(kind: &str, n: usize, text: &str) -> Message {
    let delivery = Delivery { channel: CHANNEL.to_owned(), event: format!("{kind}-{n}"), data: text.to_owned() };
    Message { json: json!(text).to_string(), delivery }
}

/// The SDK sends any other value as its JSON text, which is `json` itself where it is written as JavaScript writes it.
fn value(kind: &str, n: usize, json: String) -> Message {
    let delivery = Delivery { channel: CHANNEL.to_owned(), event: format!("{kind}-{n}"), data: json.clone() };
    Message { json, delivery }
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
