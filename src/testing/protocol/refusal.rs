//! The refusals of subscriptions and sign-ins, which differ between servers.

use serde::Serialize;
use tungstenite::Bytes;

use super::frames;

/// Code of the error for a forbidden request.
const UNAUTHORIZED: u16 = 4009;

/// The form of refused subscriptions and sign-ins, see
/// [`TestServerBuilder::refusals`](crate::testing::TestServerBuilder::refusals).
///
/// The choice of a server also decides whether the `data` of the errors for client events and terminated users is a
/// JSON string or an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusals {
    /// A subscription is refused with `pusher:subscription_error` for its channel, and the connection stays. A sign-in
    /// is refused with `pusher:error` 4009, and the connection is closed with 4009.
    #[default]
    Soketi,
    /// A subscription is refused with `pusher:error` 4009, a sign-in with 4200. The errors name no channel, their
    /// `data` is a JSON string, and the connection stays.
    Reverb,
    /// Both are refused with a `pusher:error` 4009 that names no channel and whose `data` is an object. The connection
    /// stays.
    Sockudo,
}

/// The reason of a refused subscription: the `data` of `pusher:subscription_error`, with soketi's fields and texts.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Refusal {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    error: &'static str,
    status: u16,
}

impl Refusal {
    pub const UNAUTHORIZED: Self =
        Self { kind: Some("AuthError"), error: "The connection is unauthorized.", status: 401 };

    pub const INVALID_NAME: Self = Self {
        kind: None,
        error: "The channel name is not allowed. Read channel conventions: \
                https://pusher.com/docs/channels/using_channels/channels/#channel-naming-conventions",
        status: 4009,
    };

    pub const LONG_NAME: Self = Self {
        kind: Some("LimitReached"),
        error: "The channel name is longer than the allowed 200 characters.",
        status: 4009,
    };

    pub const INVALID_MEMBER: Self =
        Self { kind: Some("ServerError"), error: "A server error has occured.", status: 4302 };

    pub const LARGE_MEMBER: Self =
        Self { kind: Some("LimitReached"), error: "The maximum size for a channel member is 2 KB.", status: 4301 };

    pub const TOO_MANY_MEMBERS: Self = Self {
        kind: Some("LimitReached"),
        error: "The maximum members per presence channel limit was reached",
        status: 4100,
    };

    /// The connection has reached the limit of subscriptions.
    pub const TOO_MANY_SUBSCRIPTIONS: Self =
        Self { kind: Some("LimitReached"), error: "The connection has too many subscriptions.", status: 429 };
}

/// The frames that refuse a sign-in.
pub(crate) struct SignInRefusal {
    pub error: Bytes,
    /// The close frame after the error. Without one the connection stays.
    pub close: Option<Bytes>,
}

impl Refusals {
    pub(crate) fn subscription(self, channel: &str, refusal: &Refusal) -> Bytes {
        match self {
            Self::Soketi => frames::object_event("pusher:subscription_error", Some(channel), refusal),
            Self::Reverb => self.error(None, UNAUTHORIZED, "Connection is unauthorized"),
            Self::Sockudo => self.error(None, UNAUTHORIZED, refusal.error),
        }
    }

    pub(crate) fn sign_in(self) -> SignInRefusal {
        let (code, message) = match self {
            Self::Soketi | Self::Sockudo => (UNAUTHORIZED, "Connection not authorized."),
            Self::Reverb => (4200, "Invalid message format"),
        };
        let close = (self == Self::Soketi).then(|| frames::close(UNAUTHORIZED, ""));
        SignInRefusal { error: self.error(None, code, message), close }
    }

    /// A `pusher:error` with `data` in the form of this server.
    pub(crate) fn error(self, channel: Option<&str>, code: u16, message: &str) -> Bytes {
        let data = frames::ErrorData { code, message };
        match self {
            Self::Soketi | Self::Sockudo => frames::object_event("pusher:error", channel, &data),
            Self::Reverb => frames::platform_event("pusher:error", channel, &data),
        }
    }
}
