//! Messages of regular and of hostile servers.

use serde_json::{Value, json};

use super::{
    super::{bytes::Bytes, envelope::encrypt},
    world::{CHANNELS, USER},
};

const EVENTS: [&str; 18] = [
    "pusher:connection_established",
    "pusher_internal:subscription_succeeded",
    "pusher:subscription_error",
    "pusher_internal:subscription_error",
    "pusher_internal:subscription_count",
    "pusher_internal:member_added",
    "pusher_internal:member_removed",
    "pusher_internal:watchlist_events",
    "pusher:cache_miss",
    "pusher:error",
    "pusher:ping",
    "pusher:pong",
    "pusher:signin_success",
    "pusher:subscription_succeeded",
    "pusher_internal:unheard-of",
    "online",
    "client-typing",
    "published",
];

const CODES: [i32; 12] = [4000, 4001, 4009, 4100, 4200, 4201, 4299, 4300, 4301, 0, -1, 70_000];

/// The beginning of all encrypted data, which distinguishes it from other texts.
pub(super) const ENCRYPTED: &str = "encrypted by the publisher";

/// A message, chosen and filled by the bytes. One in eight has a changed byte.
pub(super) fn message(bytes: &mut Bytes<'_>, socket_id: String) -> String {
    let mut message = json!({ "event": bytes.pick(&EVENTS) });
    match bytes.below(CHANNELS.len() + 4) {
        0 | 1 => {}
        2 => message["channel"] = format!("#server-to-user-{USER}").into(),
        3 => message["channel"] = "unheard-of".into(),
        n => message["channel"] = CHANNELS[n - 4].into(),
    }
    let shape = bytes.byte();
    if let Some(data) = data(bytes, socket_id) {
        // Servers send most data as a string that contains JSON, and some as the JSON itself.
        message["data"] = if shape % 2 == 0 && !data.is_string() { data.to_string().into() } else { data };
    }
    let text = message.to_string();
    if shape % 8 == 7 { damaged(text, bytes) } else { text }
}

fn data(bytes: &mut Bytes<'_>, socket_id: String) -> Option<Value> {
    let id = ["u", "me", "", "another"];
    Some(match bytes.below(16) {
        0 => return None,
        1 => Value::Null,
        2 => json!({}),
        3 => json!({ "socket_id": socket_id, "activity_timeout": timeout(bytes) }),
        4 => {
            json!({ "presence": { "ids": [bytes.pick(&id)], "hash": { bytes.pick(&id): timeout(bytes) }, "count": 1 } })
        }
        5 => json!({ "presence": { "ids": [1, 2], "hash": [], "count": bytes.byte() } }),
        6 => json!({ "user_id": bytes.pick(&id), "user_info": timeout(bytes) }),
        7 => json!({ "user_id": bytes.byte() }),
        8 | 9 => json!({ "code": bytes.pick(&CODES), "message": bytes.text() }),
        10 => json!({ "subscription_count": timeout(bytes) }),
        11 => json!({ "user_data": json!({ "id": bytes.pick(&id) }).to_string() }),
        12 => json!({ "events": [{ "name": "online", "user_ids": [bytes.pick(&id), 7] }], "user_ids": [bytes.byte()] }),
        13 => json!({ "type": "AuthError", "error": bytes.text(), "status": bytes.number() }),
        14 => Value::String(encrypt(
            [bytes.byte() % 4; 32],
            [bytes.byte(); 24],
            format!("{ENCRYPTED} {}", bytes.text()).as_bytes(),
        )),
        _ => bytes.text().into(),
    })
}

/// A valid number, or another value in its place (R7).
fn timeout(bytes: &mut Bytes<'_>) -> Value {
    match bytes.below(10) {
        0 => json!(0),
        1 => json!(-1),
        2 => json!(0.001),
        3 => json!(1e300),
        4 => json!(u64::MAX),
        5 => json!("x"),
        6 => json!("30"),
        7 => Value::Null,
        8 => json!([{}]),
        _ => json!(bytes.byte()),
    }
}

fn damaged(text: String, bytes: &mut Bytes<'_>) -> String {
    let mut raw = text.into_bytes();
    let place = usize::from(bytes.number()) % raw.len();
    raw[place] = bytes.byte();
    String::from_utf8_lossy(&raw).into_owned()
}
