//! Client events: what must be right about them before anything is sent (T1).

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    ConnectionState, Error,
    error::excerpt,
    event::Interest,
    io::Core,
    protocol::{frame, name::ChannelKind},
    session::ClientEvent,
};

/// The servers' limit for the name of an event.
const MAX_NAME: usize = 200;

/// The largest data that the hosted service documents, 10 KB.
const MAX_DATA: usize = 10_240;

/// Sends an event to the other subscribers of a channel.
pub(crate) fn trigger<T: Serialize + ?Sized>(
    core: &Core,
    channel: &Arc<Interest>,
    event: &str,
    data: &T,
) -> Result<(), Error> {
    if !ChannelKind::of(channel.name()).carries_client_events() {
        return Err(Error::ClientEventChannel { channel: channel.name().to_string() });
    }
    check_name(event)?;
    let data = checked_data(event, data)?;
    let snapshot = &core.outlets.snapshot;
    let epoch = channel.epoch();
    if snapshot.state() != ConnectionState::Connected {
        return Err(Error::Disconnected);
    }
    if !snapshot.is_subscribed(channel) {
        return Err(Error::NotSubscribed { channel: channel.name().to_string() });
    }
    core.trigger(|place| ClientEvent {
        channel: Arc::clone(channel),
        epoch,
        name: event.into(),
        size: size_of(&data),
        text: frame::client_event(event, channel.name(), &data),
        place,
    })
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

fn checked_data<T: Serialize + ?Sized>(event: &str, data: &T) -> Result<Box<RawValue>, Error> {
    let encoded =
        to_raw_value(data).map_err(|source| Error::Encode { event: event.to_owned(), source: Arc::new(source) })?;
    let size = size_of(&encoded);
    if size > MAX_DATA {
        return Err(Error::ClientEventTooLarge { size, limit: MAX_DATA });
    }
    Ok(encoded)
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
    fn t1_data_is_at_most_10240_bytes_and_a_string_counts_without_its_quotes() {
        let size_of = |data: &serde_json::Value| checked_data("client-x", data).map(drop);
        assert!(size_of(&"x".repeat(10_240).into()).is_ok());
        assert!(matches!(size_of(&"x".repeat(10_241).into()), Err(Error::ClientEventTooLarge { size: 10_241, .. })));
        assert!(size_of(&serde_json::json!(["x".repeat(10_236)])).is_ok());
        assert!(size_of(&serde_json::json!(["x".repeat(10_237)])).is_err());
    }

    #[test]
    fn t2_data_is_the_json_value_and_what_is_none_is_an_error() {
        let encoded = |data: &dyn erased::Encode| data.encode();
        assert_eq!(encoded(&"text"), "\"text\"");
        assert_eq!(encoded(&serde_json::json!({"a": [1, null]})), r#"{"a":[1,null]}"#);
        let unencodable = std::collections::HashMap::from([((1, 2), 3)]);
        assert!(matches!(checked_data("client-x", &unencodable), Err(Error::Encode { .. })));
    }

    /// Any value that can be sent.
    mod erased {
        pub(super) trait Encode {
            fn encode(&self) -> String;
        }

        impl<T: serde::Serialize> Encode for T {
            fn encode(&self) -> String {
                super::checked_data("client-x", self).expect("JSON").get().to_owned()
            }
        }
    }
}
