//! Events from client to client: what they may be like.

use serde_json::value::RawValue;

/// The hosted service's and soketi's limit, in characters.
const MAX_EVENT_NAME: usize = 200;

/// What the app allows.
#[derive(Clone, Debug)]
pub(super) struct ClientEventLimits {
    pub(super) enabled: bool,
    /// Messages of a connection.
    pub(super) per_second: u32,
    /// Size of the data in bytes.
    pub(super) max_bytes: usize,
}

impl Default for ClientEventLimits {
    fn default() -> Self {
        // Ten messages and 10 KB are the limits that Pusher documents.
        ClientEventLimits { enabled: true, per_second: 10, max_bytes: 10 * 1024 }
    }
}

/// A message whose event begins with `client-`.
#[derive(Debug)]
pub(super) struct ClientEvent<'a> {
    pub(super) event: String,
    pub(super) channel: String,
    /// JSON text as it was sent, so that an object stays an object and a string a string.
    pub(super) data: Option<&'a RawValue>,
}

/// Code of the error for all that is wrong with a client event.
pub(super) const REFUSED: u16 = 4301;

/// Sent when there were too many within a second.
pub(super) const TOO_MANY: &str = "The rate limit for sending client events exceeded the quota.";

impl ClientEvent<'_> {
    /// The error message for an event that no client may send, with soketi's texts and in its order.
    pub(super) fn check(&self, limits: &ClientEventLimits) -> Result<(), String> {
        if !limits.enabled {
            return Err("The app does not have client messaging enabled.".into());
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

    /// Bytes of the data: of a string without its quotes and escapes, of anything else as JSON text.
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
    fn sizes_are_counted_as_soketi_does() {
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
