//! Events from client to client, and the rules for them.

use serde_json::value::RawValue;

/// The hosted service's and soketi's limit, in characters.
const MAX_EVENT_NAME: usize = 200;

/// The rules by which a server refuses client events, see
/// [`TestServerBuilder::client_event_rules`](crate::testing::TestServerBuilder::client_event_rules).
///
/// [`Refusals`](crate::testing::Refusals) decides whether the `data` of the errors is a JSON string or an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEventRules {
    /// The data on private and presence channels may be any JSON value. The server answers an event with a name that is
    /// too long, with data that is too large, or over the rate limit with 4301 for its channel. It ignores an event on
    /// another kind of channel or of a client that is not subscribed.
    #[default]
    Soketi,
    /// On channels of every kind the data may be absent, null, an object, an array, a string that holds the JSON text
    /// of one of these, or an empty string; such JSON text arrives as its value. The server answers any other data with
    /// 4200, an event of a client that is not subscribed with 4009, and every event with 4301 while client events are
    /// disabled. The errors name no channel. There is no separate limit for client events: see
    /// [`message_limit`](crate::testing::TestServerBuilder::message_limit) and
    /// [`max_message_size`](crate::testing::TestServerBuilder::max_message_size).
    Reverb,
}

/// The limits of the app.
#[derive(Clone, Debug)]
pub(crate) struct ClientEventLimits {
    pub enabled: bool,
    /// Client events of one connection.
    pub per_second: u32,
    /// Size of the data in bytes.
    pub max_bytes: usize,
    pub rules: ClientEventRules,
    /// Whether client events on presence channels carry the id of their sender.
    pub user_ids: bool,
}

impl Default for ClientEventLimits {
    fn default() -> Self {
        // Ten messages and 10 KB are the limits that Pusher documents.
        Self { enabled: true, per_second: 10, max_bytes: 10 * 1024, rules: ClientEventRules::default(), user_ids: true }
    }
}

/// A message whose event begins with `client-`.
#[derive(Debug)]
pub(crate) struct ClientEvent<'a> {
    pub event: String,
    pub channel: String,
    /// The JSON text as the client sent it.
    pub data: Option<&'a RawValue>,
}

/// Code of soketi's errors for client events.
pub(crate) const REFUSED: u16 = 4301;

/// The message for more events within a second than the limit.
pub(crate) const TOO_MANY: &str = "The rate limit for sending client events exceeded the quota.";

/// The message while client events are disabled.
pub(crate) const SWITCHED_OFF: &str = "The app does not have client messaging enabled.";

impl ClientEvent<'_> {
    /// The JSON text that Reverb sends on. `None` if Reverb refuses the data.
    pub fn structured_data(&self) -> Option<Box<RawValue>> {
        let json = self.data.map_or("null", RawValue::get);
        let text = serde_json::from_str::<String>(json).ok().filter(|text| !text.is_empty());
        let structured: &RawValue = serde_json::from_str(text.as_deref().unwrap_or(json)).ok()?;
        matches!(structured.get().as_bytes(), [b'{' | b'[', ..] | b"null" | b"\"\"").then(|| structured.to_owned())
    }

    /// Checks the event like soketi, with the same error messages and in the same order.
    pub fn check(&self, limits: &ClientEventLimits) -> Result<(), String> {
        if !limits.enabled {
            return Err(SWITCHED_OFF.into());
        }
        if self.event.chars().count() > MAX_EVENT_NAME {
            return Err(format!("Event name is too long. Maximum allowed size is {MAX_EVENT_NAME}."));
        }
        if self.size() > limits.max_bytes {
            let kilobytes = limits.max_bytes as f64 / 1024.0;
            return Err(format!("The event data should be less than {kilobytes} KB."));
        }
        Ok(())
    }

    /// The size of the data in bytes. A string counts without its quotes and escapes, any other value as its JSON text.
    fn size(&self) -> usize {
        let json = self.data.map_or("", RawValue::get);
        serde_json::from_str::<String>(json).map_or(json.len(), |text| text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: &str, data: &str, limits: &ClientEventLimits) -> Result<(), String> {
        let data = RawValue::from_string(data.to_owned()).unwrap();
        ClientEvent { event: event.into(), channel: "private-x".into(), data: Some(&data) }.check(limits)
    }

    #[test]
    fn sizes_are_counted_like_soketi() {
        let limits = ClientEventLimits::default();
        let string = |length| format!("\"{}\"", "x".repeat(length));
        assert_eq!(check("client-x", &string(10_240), &limits), Ok(()));
        assert_eq!(
            check("client-x", &string(10_241), &limits),
            Err("The event data should be less than 10 KB.".into())
        );
        assert!(check("client-x", &format!("[{}]", string(10_237)), &limits).is_err());
        assert_eq!(check("client-x", r#""żó""#, &ClientEventLimits { max_bytes: 4, ..limits }), Ok(()));
    }

    #[test]
    fn names_have_at_most_200_characters() {
        let limits = ClientEventLimits::default();
        let name = format!("client-{}", "ż".repeat(193));
        assert_eq!(check(&name, "1", &limits), Ok(()));
        assert!(check(&format!("{name}x"), "1", &limits).is_err());
    }
}
