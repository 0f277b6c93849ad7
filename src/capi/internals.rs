//! The four internal interfaces of the client that the C interface needs, because the public interface has no equal of
//! them. No other file of the C interface uses a private part of the client.
//!
//! 1. [`config`] reads two options of a configuration, and checks headers.
//! 2. [`client`] checks the configuration of a client before it connects, registers a callback by its kind, and ends a
//!    client or a receiver while other threads use it.
//! 3. [`texts`] has the table of kinds, the texts of events where they lie in memory, and errors with the names of C.
//! 4. [`panics`] marks the threads of C calls, so that their panics go to the log.

/// The first interface: configurations.
pub(crate) mod config {
    use std::time::Duration;

    use crate::{Config, config::checked_header, secret::Secret};

    /// The time for which the client waits for a subscription, and thus for an authorizer.
    pub(crate) fn subscription_timeout(config: &Config) -> Duration {
        config.time_to_subscribe()
    }

    /// Whether the client has a way to sign its user in.
    pub(crate) fn can_sign_in(config: &Config) -> bool {
        config.can_authenticate()
    }

    /// Returns the reason if the header cannot be sent.
    pub(crate) fn check_header(name: &str, value: &str) -> Result<(), String> {
        checked_header(name, value).map(drop)
    }

    /// Sets the user's data to JSON as it was written, because a parsed copy could have another order.
    pub(crate) fn user_data(config: Config, json: &str) -> Config {
        config.user_data_text(Secret::new(json))
    }
}

/// The second interface: clients and receivers.
pub(crate) mod client {
    use crate::{Binding, Channel, Error, Notification, NotificationKind, Pusher, Receiver, TryRecvError};

    /// Checks the configuration. A call to connect uses the result, so that the options are parsed once.
    pub(crate) fn check(pusher: &Pusher) -> Result<(), Error> {
        pusher.check()
    }

    /// Registers a handler for the notifications of a kind other than events, of one channel or of all.
    pub(crate) fn on_kind(
        pusher: &Pusher,
        kind: NotificationKind,
        channel: Option<&Channel>,
        handler: impl FnMut(&Notification) + Send + 'static,
    ) -> Binding {
        pusher.on_kind(kind, channel, handler)
    }

    /// Ends the client for good, even if other handles of it exist. `meanwhile` runs during the shutdown, and releases the
    /// threads that wait for the program.
    pub(crate) fn end(pusher: &Pusher, meanwhile: impl FnOnce()) {
        pusher.end(meanwhile);
    }

    /// The next notification, for a caller that has looked at the process already.
    pub(crate) fn take_one(receiver: &Receiver) -> Result<Notification, TryRecvError> {
        receiver.take_one()
    }

    /// Ends all waiting for a receiver, while other threads use it.
    pub(crate) fn close(receiver: &Receiver) {
        receiver.close();
    }

    /// The descriptor of a receiver, which stays usable as a receiver.
    #[cfg(unix)]
    pub(crate) fn descriptor(receiver: &Receiver) -> std::io::Result<std::os::fd::RawFd> {
        receiver.descriptor()
    }
}

/// The third interface: kinds, and the texts of events and errors.
pub(crate) mod texts {
    use crate::{ConnectionState, ConnectionStateChange, Error, Event, error::Named};

    pub(crate) use crate::{
        error::Names,
        event::{BelongsTo, kinds},
    };

    pub(crate) fn error_text(error: &Error, names: &Names) -> String {
        Named(error, names).to_string()
    }

    pub(crate) fn not_connected(state: ConnectionState) -> Error {
        Error::without_connection(state)
    }

    pub(crate) fn no_way_to_sign_in() -> Error {
        Error::no_way_to_sign_in()
    }

    /// The line for a change of state, with another text for its cause.
    pub(crate) fn line(change: &ConnectionStateChange, cause: &str) -> String {
        change.line(Some(cause))
    }

    /// The texts of an event, each with the NUL that follows it in memory.
    pub(crate) struct Texts<'a>(pub &'a Event);

    impl<'a> Texts<'a> {
        pub fn channel(self) -> Option<&'a str> {
            self.0.terminated_channel()
        }

        pub fn name(self) -> &'a str {
            self.0.terminated_name()
        }

        pub fn data(self) -> &'a str {
            self.0.terminated_data()
        }

        pub fn user_id(self) -> Option<&'a str> {
            self.0.terminated_user_id()
        }
    }
}

/// The fourth interface: panics.
pub(crate) mod panics {
    pub(crate) use crate::panic_hook::{Quiet, is_quiet};
}
