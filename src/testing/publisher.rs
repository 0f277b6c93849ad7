//! Publishing from another thread.

use std::{fmt, sync::Arc};

use serde::Serialize;

use super::hub::core::Hub;

/// Publishes events to the clients of a [`TestServer`](crate::testing::TestServer), from any thread.
///
/// It does not keep the server alive. After the server is dropped, events reach no client.
#[derive(Clone)]
pub struct Publisher {
    hub: Arc<Hub>,
}

impl Publisher {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }

    /// Publishes an event, see [`TestServer::trigger`](crate::testing::TestServer::trigger).
    ///
    /// # Panics
    ///
    /// When `data` has no JSON text, for example a map whose keys are not strings.
    pub fn trigger(&self, channel: &str, event: &str, data: &(impl Serialize + ?Sized)) -> usize {
        trigger(&self.hub, channel, event, data)
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

pub(crate) fn trigger(hub: &Hub, channel: &str, event: &str, data: &(impl Serialize + ?Sized)) -> usize {
    // `serde_json::Value` would sort the fields of a structure and widen an `f32`.
    let json = serde_json::to_string(data).expect("event data must have a JSON text");
    // The official library encrypts the JSON text of a string, not the string itself.
    let text = hub.encryption.encrypt(channel, &json).unwrap_or_else(|| data_text(json));
    hub.trigger(channel, event, &text, None)
}

/// The text of a JSON string, or the JSON text of any other value.
fn data_text(json: String) -> String {
    if json.starts_with('"') { serde_json::from_str(&json).unwrap_or(json) } else { json }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(data: &(impl Serialize + ?Sized)) -> String {
        data_text(serde_json::to_string(data).unwrap())
    }

    #[test]
    fn strings_are_published_as_they_are() {
        assert_eq!(text_of("plain \"text\""), "plain \"text\"");
        assert_eq!(text_of(&String::from("12")), "12");
        assert_eq!(text_of(r#"{"a":1}"#), r#"{"a":1}"#);
    }

    #[test]
    fn other_values_are_published_as_json() {
        #[derive(Serialize)]
        struct Point {
            y: f32,
            x: Option<u8>,
        }
        assert_eq!(text_of(&Point { y: 0.1, x: None }), r#"{"y":0.1,"x":null}"#);
        assert_eq!(text_of(&42), "42");
    }
}
