//! Client events, and the checks before anything is sent (T1).

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    ConnectionState, Error,
    error::excerpt,
    event::Intent,
    io::Core,
    protocol::{channel_name::ChannelKind, frame, json::number::Finite},
    session::ClientEvent,
};

/// The servers' limit for the name of an event.
const MAX_NAME: usize = 200;

/// Sends an event to the other subscribers of a channel.
pub(crate) fn trigger<T: Serialize + ?Sized>(
    core: &Core,
    channel: &Arc<Intent>,
    event: &str,
    data: &T,
) -> Result<(), Error> {
    if !ChannelKind::of(channel.name()).carries_client_events() {
        return Err(Error::ClientEventChannel { channel: channel.name().to_string() });
    }
    check_name(event)?;
    let data = checked_data(event, data, core.options().limits.client_event_size)?;
    let snapshot = &core.fan_out.snapshot;
    let stamp = channel.stamp();
    let state = snapshot.state();
    if state != ConnectionState::Connected {
        // A call to connect may have returned before its state is published.
        let is_connecting = snapshot.is_about_to_connect();
        return Err(Error::without_connection(if is_connecting { ConnectionState::Connecting } else { state }));
    }
    if !snapshot.is_subscribed(channel) {
        return Err(Error::NotSubscribed { channel: channel.name().to_string() });
    }
    core.trigger(|triggered| ClientEvent {
        channel: stamp,
        name: event.into(),
        size: size_of(&data),
        text: frame::client_event(event, channel.name(), &data),
        triggered,
    })?;
    if core.options().log_events {
        record!(debug, "sending {event} on {}: {}", channel.name(), data.get());
    }
    Ok(())
}

fn check_name(event: &str) -> Result<(), Error> {
    let reason = if !event.starts_with("client-") {
        "it does not begin with client-"
    } else if event.chars().count() > MAX_NAME {
        "it is longer than 200 characters"
    } else {
        return Ok(());
    };
    Err(Error::ClientEventName { name: excerpt(event), reason })
}

/// Serialising runs the program's own code, so no lock is held here.
fn checked_data<T: Serialize + ?Sized>(event: &str, data: &T, limit: Option<usize>) -> Result<Box<RawValue>, Error> {
    let encoded = to_raw_value(&Finite(data))
        .map_err(|source| Error::Encode { event: event.to_owned(), source: Arc::new(source) })?;
    let size = size_of(&encoded);
    match limit {
        Some(limit) if size > limit => Err(Error::ClientEventTooLarge { size, limit }),
        _ => Ok(encoded),
    }
}

/// A string counts without its quotes.
fn size_of(data: &RawValue) -> usize {
    let text = data.get();
    if text.starts_with('"') { text.len() - 2 } else { text.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t1_names_begin_with_client_and_have_at_most_200_characters() {
        assert!(check_name("client-x").is_ok());
        assert!(check_name(&format!("client-{}", "ż".repeat(193))).is_ok());
        for bad in ["", "x", "Client-x", "client", &format!("client-{}", "x".repeat(194))] {
            assert!(matches!(check_name(bad), Err(Error::ClientEventName { .. })), "{bad}");
        }
    }

    #[test]
    fn t1_data_is_at_most_as_large_as_allowed_and_a_string_counts_without_its_quotes() {
        let checked = |data: &serde_json::Value, limit| checked_data("client-x", data, limit).map(drop);
        for limit in [1, 4, 10_240, 102_400] {
            let text = |length| serde_json::Value::from("x".repeat(length));
            assert!(checked(&text(limit), Some(limit)).is_ok());
            let refused = checked(&text(limit + 1), Some(limit)).map_err(|error| error.to_string());
            assert_eq!(
                refused,
                Err(format!(
                    "client event: {} bytes of data exceed the limit of {limit} (Config::client_event_size)",
                    limit + 1
                ))
            );
        }
        assert!(checked(&serde_json::json!(["x".repeat(10_236)]), Some(10_240)).is_ok());
        assert!(checked(&serde_json::json!(["x".repeat(10_237)]), Some(10_240)).is_err());
        assert!(checked(&"x".repeat(1 << 20).into(), None).is_ok());
    }

    #[test]
    fn t1_a_number_that_json_cannot_hold_is_an_error_that_says_so() {
        for number in [f64::NAN, f64::INFINITY] {
            let error = checked_data("client-x", &[0.5, number], None).expect_err("it is refused");
            assert!(matches!(&error, Error::Encode { event, .. } if event == "client-x"), "{error:?}");
            let said = format!(
                "client event: the data of client-x cannot be written as JSON: it contains the number {number}, which JSON cannot represent"
            );
            assert_eq!(error.to_string(), said);
        }
    }

    #[test]
    fn t2_data_is_a_json_value_or_an_error() {
        let encoded = |data: &dyn erased::Encode| data.encode();
        assert_eq!(encoded(&"text"), "\"text\"");
        assert_eq!(encoded(&serde_json::json!({"a": [1, null]})), r#"{"a":[1,null]}"#);
        let unencodable = std::collections::HashMap::from([((1, 2), 3)]);
        assert!(matches!(checked_data("client-x", &unencodable, None), Err(Error::Encode { .. })));
    }

    /// Erases the type of a value that can be sent.
    mod erased {
        pub(super) trait Encode {
            fn encode(&self) -> String;
        }

        impl<T: serde::Serialize> Encode for T {
            fn encode(&self) -> String {
                super::checked_data("client-x", self, None).expect("JSON").get().to_owned()
            }
        }
    }
}
