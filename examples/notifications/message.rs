//! The events of the service, and their data.

use serde::{Deserialize, Serialize};

/// The event by which the application notifies a user. No client can send one, because its name has no `client-`.
pub(crate) const FROM_THE_APPLICATION: &str = "notification";

/// The event by which one user notifies another.
pub(crate) const FROM_A_USER: &str = "client-notification";

/// The data of both events, `{"text":"..."}`. Texts are checked when they are sent and when they arrive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(crate) struct Message {
    text: String,
}

#[derive(Deserialize)]
struct Unchecked {
    text: String,
}

impl Message {
    /// The longest text. It fits into the 10 KB of a client event with any characters.
    const MAX: usize = 1_000;

    pub(crate) fn new(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        if text.trim().is_empty() || text.chars().count() > Self::MAX {
            return Err(format!("the text of a notification has 1 to {} characters", Self::MAX));
        }
        Ok(Self { text })
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

impl TryFrom<Unchecked> for Message {
    type Error = String;

    fn try_from(unchecked: Unchecked) -> Result<Self, String> {
        Self::new(unchecked.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_an_object_with_a_text() {
        let message = Message::new("ż").expect("a valid text");
        assert_eq!(serde_json::to_string(&message).expect("JSON"), r#"{"text":"ż"}"#);
        assert_eq!(serde_json::from_str::<Message>(r#"{"text":"ż","later":1}"#).expect("a message"), message);
    }

    #[test]
    fn received_messages_are_checked_like_sent_ones() {
        let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_001));
        for bad in ["", "null", "[]", "{}", r#"{"text":7}"#, r#"{"text":" "}"#, &long] {
            assert!(serde_json::from_str::<Message>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_longest_message_fits_into_a_client_event() {
        // The longest form of a character in JSON is `\u0001`.
        let worst = Message::new("\u{1}".repeat(1_000)).expect("a valid text");
        assert!(serde_json::to_string(&worst).expect("JSON").len() < 10_240);
    }
}
