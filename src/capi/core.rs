//! The doors by which the C interface enters private parts of the library. Everything else here uses the interface that
//! Rust programs use. There are four doors:
//!
//! 1. [`config`]: a configuration is checked before a client is made of it, and is asked for what the client will do.
//! 2. [`client`]: C registers callbacks by the number of a kind, ends a client while others use it, and takes from a queue
//!    without looking at the process again.
//! 3. [`events`]: C reads texts where they lie, and parts of notifications one by one. Their texts, and those of errors,
//!    name options and functions as C calls them.
//! 4. [`panics`]: calls of C mark their thread, so that the log gets a panic of the library.

/// The first door.
pub(crate) mod config {
    use std::time::Duration;

    use crate::{Config, Error, config::checked_header, secret::Secret};

    pub(crate) fn check(config: &Config) -> Result<(), Error> {
        config.check()
    }

    /// How long the client waits for a subscription, which is how long an answer of an authorizer is of use.
    pub(crate) fn subscription_timeout(config: &Config) -> Duration {
        config.settings().subscriptions.timeout
    }

    /// Whether the client has a way to sign its user in.
    pub(crate) fn can_sign_in(config: &Config) -> bool {
        config.can_authenticate()
    }

    /// The reason why a header cannot be sent, if it cannot.
    pub(crate) fn check_header(name: &str, value: &str) -> Result<(), String> {
        checked_header(name, value).map(drop)
    }

    /// Sets the user's data to JSON as it was written: a tree of it would be a copy in another order.
    pub(crate) fn user_data(config: Config, json: &str) -> Config {
        config.user_data_text(Secret::new(json))
    }
}

/// The second door.
pub(crate) mod client {
    use crate::{
        Binding, Channel, ConnectionState, Error, Notification, NotificationKind, Pusher, Receiver, TryRecvError,
    };

    /// Registers a handler for the notifications of a kind other than events, of one channel or of all.
    pub(crate) fn on_kind(
        pusher: &Pusher,
        kind: NotificationKind,
        channel: Option<&Channel>,
        handler: impl FnMut(&Notification) + Send + 'static,
    ) -> Binding {
        pusher.on_kind(kind, channel, handler)
    }

    /// Ends the client for good. `meanwhile` releases the threads that wait for the program.
    pub(crate) fn end(pusher: &Pusher, meanwhile: impl FnOnce()) {
        pusher.end(meanwhile);
    }

    pub(crate) fn not_connected(state: ConnectionState) -> Error {
        Error::without_connection(state)
    }

    pub(crate) fn no_way_to_sign_in() -> Error {
        Error::no_way_to_sign_in()
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

/// The third door.
pub(crate) mod events {
    use crate::{ConnectionStateChange, Error, Event, Notification, NotificationKind, error::Named};

    pub(crate) use crate::{
        error::Names,
        event::{BelongsTo, Parts},
    };

    pub(crate) fn error_text(error: &Error, names: &Names) -> String {
        Named(error, names).to_string()
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

    pub(crate) const KINDS: &[NotificationKind] = NotificationKind::ALL;

    pub(crate) fn number(kind: NotificationKind) -> i32 {
        kind.number()
    }

    pub(crate) fn terminated_name(kind: NotificationKind) -> &'static str {
        kind.terminated_name()
    }

    pub(crate) fn belongs_to(kind: NotificationKind) -> BelongsTo {
        kind.belongs_to()
    }

    pub(crate) fn parts(notification: &Notification) -> Parts<'_> {
        notification.parts()
    }

    /// The line for a change of state, with another text for its cause.
    pub(crate) fn line(change: &ConnectionStateChange, cause: Option<&str>) -> String {
        change.line(cause)
    }
}

/// The fourth door.
pub(crate) mod panics {
    pub(crate) use crate::panic_hook::{Quiet, is_quiet};
}
