//! What travels: the events, and their data.

use serde::{Deserialize, Serialize};

/// The event by which the application notifies a user. No client can send one, because its name has no `client-`.
pub(crate) const FROM_THE_APPLICATION: &str = "notification";

/// The event by which one user notifies another.
pub(crate) const FROM_A_USER: &str = "client-notification";

/// The data of both events, `{"text":"..."}`. The rule for the text holds for what is sent and for what comes.
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
    /// Leaves room below the 10 KB of a client event, whatever the characters are.
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
    fn it_is_an_object_with_a_text() {
        let message = Message::new("ż").expect("a valid text");
        assert_eq!(serde_json::to_string(&message).expect("JSON"), r#"{"text":"ż"}"#);
        assert_eq!(serde_json::from_str::<Message>(r#"{"text":"ż","later":1}"#).expect("a message"), message);
    }

    #[test]
    fn what_comes_is_checked_like_what_is_sent() {
        let long = format!(r#"{{"text":"{}"}}"#, "x".repeat(1_001));
        for bad in ["", "null", "[]", "{}", r#"{"text":7}"#, r#"{"text":" "}"#, &long] {
            assert!(serde_json::from_str::<Message>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_longest_fits_a_client_event() {
        // The worst that JSON makes of a character is `\u0001`.
        let worst = Message::new("\u{1}".repeat(1_000)).expect("a valid text");
        assert!(serde_json::to_string(&worst).expect("JSON").len() < 10_240);
    }
}
