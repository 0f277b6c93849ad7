//! The numbers that functions return, and the failures that they stand for. The numbers are frozen: none is ever changed
//! or used again.

use std::borrow::Cow;

use crate::Error;

/// Each number with its name.
macro_rules! results {
    ($(const $name:ident: i32 = $number:literal;)*) => {
        $(pub(crate) const $name: i32 = $number;)*

        /// The name of a number, with a NUL at its end.
        pub(crate) fn name(result: i32) -> Option<&'static str> {
            match result {
                $($name => Some(concat!(stringify!($name), "\0")),)*
                _ => None,
            }
        }
    };
}

results! {
    const PUSHER_OK: i32 = 0;
    const PUSHER_NOTHING: i32 = 1;
    const PUSHER_CLOSED: i32 = 2;
    const PUSHER_ERR_NULL: i32 = 10;
    const PUSHER_ERR_UTF8: i32 = 11;
    const PUSHER_ERR_HANDLE: i32 = 12;
    const PUSHER_ERR_OPTION: i32 = 13;
    const PUSHER_ERR_VALUE: i32 = 14;
    const PUSHER_ERR_ABI: i32 = 15;
    const PUSHER_ERR_PANIC: i32 = 16;
    const PUSHER_ERR_UNSUPPORTED: i32 = 17;
    const PUSHER_ERR_IO: i32 = 18;
    const PUSHER_ERR_LOGGER: i32 = 19;
    const PUSHER_ERR_TOO_MANY: i32 = 20;
    const PUSHER_ERR_NO_QUEUE: i32 = 21;
    const PUSHER_ERR_CONFIG: i32 = 100;
    const PUSHER_ERR_CHANNEL_NAME: i32 = 101;
    const PUSHER_ERR_CONNECT_TIMEOUT: i32 = 102;
    const PUSHER_ERR_DNS: i32 = 103;
    const PUSHER_ERR_TCP: i32 = 104;
    const PUSHER_ERR_PROXY: i32 = 105;
    const PUSHER_ERR_DIALER: i32 = 106;
    const PUSHER_ERR_TLS: i32 = 107;
    const PUSHER_ERR_UPGRADE_STATUS: i32 = 108;
    const PUSHER_ERR_UPGRADE: i32 = 109;
    const PUSHER_ERR_UNEXPECTED_FIRST_MESSAGE: i32 = 110;
    const PUSHER_ERR_CONNECTION_CLOSED: i32 = 111;
    const PUSHER_ERR_CONNECTION_LOST: i32 = 112;
    const PUSHER_ERR_PONG_TIMEOUT: i32 = 113;
    const PUSHER_ERR_WRITE_TIMEOUT: i32 = 114;
    const PUSHER_ERR_MESSAGE_TOO_LARGE: i32 = 115;
    const PUSHER_ERR_BAD_MESSAGE: i32 = 116;
    const PUSHER_ERR_SERVER: i32 = 117;
    const PUSHER_ERR_SUBSCRIPTION_TIMEOUT: i32 = 118;
    const PUSHER_ERR_SUBSCRIPTION_REFUSED: i32 = 119;
    const PUSHER_ERR_AUTH_NETWORK: i32 = 120;
    const PUSHER_ERR_AUTH_TIMEOUT: i32 = 121;
    const PUSHER_ERR_AUTH_REFUSED: i32 = 122;
    const PUSHER_ERR_AUTH_MALFORMED: i32 = 123;
    const PUSHER_ERR_SIGN_IN_REFUSED: i32 = 124;
    const PUSHER_ERR_SIGN_IN_TIMEOUT: i32 = 125;
    const PUSHER_ERR_NOT_SIGNED_IN: i32 = 126;
    const PUSHER_ERR_CLIENT_EVENT_CHANNEL: i32 = 127;
    const PUSHER_ERR_CLIENT_EVENT_NAME: i32 = 128;
    const PUSHER_ERR_CLIENT_EVENT_TOO_LARGE: i32 = 129;
    const PUSHER_ERR_CLIENT_EVENT_RATE: i32 = 130;
    const PUSHER_ERR_CLIENT_EVENT_QUEUE_FULL: i32 = 131;
    const PUSHER_ERR_ENCODE: i32 = 132;
    const PUSHER_ERR_TOO_MANY_MEMBERS: i32 = 133;
    const PUSHER_ERR_NO_AUTHORIZER: i32 = 134;
    const PUSHER_ERR_NOT_SUBSCRIBED: i32 = 135;
    const PUSHER_ERR_WAIT_TIMEOUT: i32 = 136;
    const PUSHER_ERR_DISCONNECTED: i32 = 137;
    const PUSHER_ERR_WOULD_DEADLOCK: i32 = 138;
    const PUSHER_ERR_LAGGED: i32 = 139;
    const PUSHER_ERR_HANDLER_PANICKED: i32 = 140;
    const PUSHER_ERR_DECODE: i32 = 141;
    const PUSHER_ERR_FORKED: i32 = 142;
    const PUSHER_ERR_THREAD: i32 = 143;
    const PUSHER_ERR_NOT_CONNECTED: i32 = 144;
    const PUSHER_ERR_CLIENT_EVENT_REFUSED: i32 = 145;
}

/// The number of an error. Without a wildcard, so that a new variant gets its own.
pub(crate) fn of(error: &Error) -> i32 {
    match error {
        Error::Config { .. } => PUSHER_ERR_CONFIG,
        Error::ChannelName { .. } => PUSHER_ERR_CHANNEL_NAME,
        Error::ConnectTimeout { .. } => PUSHER_ERR_CONNECT_TIMEOUT,
        Error::Dns { .. } => PUSHER_ERR_DNS,
        Error::Tcp { .. } => PUSHER_ERR_TCP,
        Error::Proxy { .. } => PUSHER_ERR_PROXY,
        Error::Dialer { .. } => PUSHER_ERR_DIALER,
        Error::Tls { .. } => PUSHER_ERR_TLS,
        Error::UpgradeStatus { .. } => PUSHER_ERR_UPGRADE_STATUS,
        Error::Upgrade { .. } => PUSHER_ERR_UPGRADE,
        Error::UnexpectedFirstMessage { .. } => PUSHER_ERR_UNEXPECTED_FIRST_MESSAGE,
        Error::ConnectionClosed { .. } => PUSHER_ERR_CONNECTION_CLOSED,
        Error::ConnectionLost { .. } => PUSHER_ERR_CONNECTION_LOST,
        Error::PongTimeout { .. } => PUSHER_ERR_PONG_TIMEOUT,
        Error::WriteTimeout { .. } => PUSHER_ERR_WRITE_TIMEOUT,
        Error::MessageTooLarge { .. } => PUSHER_ERR_MESSAGE_TOO_LARGE,
        Error::BadMessage { .. } => PUSHER_ERR_BAD_MESSAGE,
        Error::Server { .. } => PUSHER_ERR_SERVER,
        Error::SubscriptionTimeout { .. } => PUSHER_ERR_SUBSCRIPTION_TIMEOUT,
        Error::SubscriptionRefused { .. } => PUSHER_ERR_SUBSCRIPTION_REFUSED,
        Error::AuthNetwork { .. } => PUSHER_ERR_AUTH_NETWORK,
        Error::AuthTimeout { .. } => PUSHER_ERR_AUTH_TIMEOUT,
        Error::AuthRefused { .. } => PUSHER_ERR_AUTH_REFUSED,
        Error::AuthMalformed { .. } | Error::InvalidPermission { .. } => PUSHER_ERR_AUTH_MALFORMED,
        Error::SignInRefused { .. } => PUSHER_ERR_SIGN_IN_REFUSED,
        Error::SignInTimeout { .. } => PUSHER_ERR_SIGN_IN_TIMEOUT,
        Error::NotSignedIn => PUSHER_ERR_NOT_SIGNED_IN,
        Error::ClientEventChannel { .. } => PUSHER_ERR_CLIENT_EVENT_CHANNEL,
        Error::ClientEventName { .. } => PUSHER_ERR_CLIENT_EVENT_NAME,
        Error::ClientEventTooLarge { .. } => PUSHER_ERR_CLIENT_EVENT_TOO_LARGE,
        Error::ClientEventRefused { .. } => PUSHER_ERR_CLIENT_EVENT_REFUSED,
        Error::ClientEventRate { .. } => PUSHER_ERR_CLIENT_EVENT_RATE,
        Error::ClientEventQueueFull { .. } => PUSHER_ERR_CLIENT_EVENT_QUEUE_FULL,
        Error::Encode { .. } => PUSHER_ERR_ENCODE,
        Error::TooManyMembers { .. } => PUSHER_ERR_TOO_MANY_MEMBERS,
        Error::NoAuthorizer { .. } => PUSHER_ERR_NO_AUTHORIZER,
        Error::NotSubscribed { .. } => PUSHER_ERR_NOT_SUBSCRIBED,
        Error::WaitTimeout { .. } => PUSHER_ERR_WAIT_TIMEOUT,
        Error::Disconnected => PUSHER_ERR_DISCONNECTED,
        Error::NotConnected { .. } => PUSHER_ERR_NOT_CONNECTED,
        // The C interface has no `url_with`.
        Error::DialUrl { .. } => PUSHER_ERR_CONFIG,
        Error::WouldDeadlock { .. } => PUSHER_ERR_WOULD_DEADLOCK,
        // No function of C gives a binding to a client.
        Error::OtherClient => PUSHER_ERR_HANDLE,
        Error::Lagged { .. } => PUSHER_ERR_LAGGED,
        Error::HandlerPanicked { .. } => PUSHER_ERR_HANDLER_PANICKED,
        Error::Decode { .. } => PUSHER_ERR_DECODE,
        Error::Forked => PUSHER_ERR_FORKED,
        Error::Thread { .. } => PUSHER_ERR_THREAD,
    }
}

/// The reason why a function failed.
pub(crate) enum Failure {
    /// There is no such value, or not in time.
    Nothing,
    /// The client is gone and nothing waits.
    Closed,
    /// An error of the client.
    Client(Error),
    /// The call itself is wrong: the number of the result, and the reason.
    Misuse(i32, Cow<'static, str>),
}

impl Failure {
    pub fn value(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Misuse(PUSHER_ERR_VALUE, reason.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}
