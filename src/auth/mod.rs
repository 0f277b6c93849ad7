//! Requests for permissions, and the answers: the types that authorizers see.

mod http_auth;
mod subscribe_options;

use std::{fmt, sync::Arc};

use crate::{Error, Name, secret::Secret};

pub use http_auth::HttpAuth;
pub(crate) use http_auth::{Pairs, RequestOptions};
pub(crate) use subscribe_options::Decoder;
pub use subscribe_options::SubscribeOptions;

/// The program's closure that authorises channels.
pub(crate) type Authorize = Arc<dyn Fn(&AuthRequest) -> Result<ChannelAuth, AuthError> + Send + Sync>;

/// The request for the permission to subscribe to a channel.
#[derive(Debug, Clone)]
pub struct AuthRequest {
    channel: Name,
    socket_id: Arc<str>,
}

impl AuthRequest {
    pub(crate) fn new(channel: Name, socket_id: Arc<str>) -> Self {
        Self { channel, socket_id }
    }

    pub(crate) fn name(&self) -> &Name {
        &self.channel
    }

    /// The channel to be subscribed.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// The connection that the answer is for. A signature is worthless on any other.
    pub fn socket_id(&self) -> &str {
        &self.socket_id
    }
}

/// The permission to subscribe to a channel, as an auth endpoint gives it.
///
/// ```
/// use pusher_channels::ChannelAuth;
///
/// let private = ChannelAuth::new("app-key:signature");
/// let presence = ChannelAuth::new("app-key:signature").channel_data(r#"{"user_id":"7"}"#);
/// let answered = ChannelAuth::from_json(r#"{"auth":"app-key:signature"}"#)?;
/// # Ok::<_, pusher_channels::Error>(())
/// ```
#[derive(Clone)]
pub struct ChannelAuth {
    auth: Secret,
    channel_data: Option<Secret>,
    shared_secret: Option<Secret>,
}

impl ChannelAuth {
    /// The signature: the app's key, a colon, and the digest in hexadecimal digits.
    pub fn new(auth: impl Into<String>) -> Self {
        Self { auth: Secret::new(auth), channel_data: None, shared_secret: None }
    }

    /// For a presence channel, who this client is: JSON text with `user_id` and perhaps `user_info`. It is sent to the
    /// server byte for byte, because it is signed.
    pub fn channel_data(mut self, text: impl Into<String>) -> Self {
        self.channel_data = Some(Secret::new(text));
        self
    }

    /// For an encrypted channel, its key: 32 bytes in standard base64. It never leaves the client.
    pub fn shared_secret(mut self, base64: impl Into<String>) -> Self {
        self.shared_secret = Some(Secret::new(base64));
        self
    }

    pub(crate) fn signature(&self) -> &str {
        self.auth.expose()
    }

    pub(crate) fn member(&self) -> Option<&str> {
        self.channel_data.as_ref().map(Secret::expose)
    }

    pub(crate) fn key(&self) -> Option<&str> {
        self.shared_secret.as_ref().map(Secret::expose)
    }

    /// About how many bytes of memory it holds.
    pub(crate) fn bytes(&self) -> usize {
        let texts = [Some(self.signature()), self.member(), self.key()];
        texts.into_iter().flatten().map(str::len).sum()
    }
}

/// The permission of a user to sign in, as a user authentication endpoint gives it.
#[derive(Clone)]
pub struct UserAuth {
    auth: Secret,
    user_data: Secret,
}

impl UserAuth {
    /// The signature, and the signed JSON text with `id`, and perhaps `user_info` and `watchlist`.
    pub fn new(auth: impl Into<String>, user_data: impl Into<String>) -> Self {
        Self { auth: Secret::new(auth), user_data: Secret::new(user_data) }
    }

    pub(crate) fn signature(&self) -> &str {
        self.auth.expose()
    }

    pub(crate) fn data(&self) -> &str {
        self.user_data.expose()
    }
}

/// The reason why an authorizer of the program gives no permission.
///
/// Every error converts into it, so that `?` works in an authorizer; [`new`](Self::new) takes a text. After a
/// [`status`](Self::status) of 408, 429 or 500-599, and after a [`std::io::Error`], the client repeats the request, up to
/// three times. After any other reason, it requests the permission again only on the next connection, or when the
/// program subscribes again. A status makes a reason temporary:
///
/// ```
/// use pusher_channels::AuthError;
///
/// fn temporary(error: impl std::error::Error) -> AuthError {
///     AuthError::new(error.to_string()).status(503)
/// }
/// ```
///
/// An [`Error`](crate::Error) of this crate keeps its status, and a malformed answer is reported as
/// [`Error::AuthMalformed`](crate::Error::AuthMalformed). All other reasons are reported as
/// [`Error::AuthRefused`](crate::Error::AuthRefused).
#[derive(Debug, Clone)]
pub struct AuthError {
    message: String,
    status: Option<u16>,
    cause: AuthErrorCause,
}

/// The kind of error that an [`AuthError`] was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthErrorCause {
    Refusal,
    /// An error of the operating system, which may pass.
    Io,
    /// The backend responded, and the message names the mistake in its response.
    Malformed,
}

impl AuthError {
    /// A refusal, with its reason as text for people.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), status: None, cause: AuthErrorCause::Refusal }
    }

    /// Sets the HTTP status of the refusal. After 408, 429 and 5xx the client repeats the request.
    pub fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    pub(crate) fn into_parts(self) -> (String, Option<u16>) {
        (self.message, self.status)
    }

    pub(crate) fn cause(&self) -> AuthErrorCause {
        self.cause
    }

    fn of(error: &Error) -> Self {
        match error {
            Error::InvalidPermission { reason } | Error::AuthMalformed { reason, .. } => {
                Self { cause: AuthErrorCause::Malformed, ..Self::new(reason) }
            }
            Error::AuthRefused { message, status, .. } => Self { status: *status, ..Self::new(message) },
            other => Self { status: other.status(), ..Self::new(other.to_string()) },
        }
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Because of this conversion, `AuthError` cannot implement [`Error`](std::error::Error) itself.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for AuthError {
    fn from(error: E) -> Self {
        let error: &(dyn std::error::Error + 'static) = &error;
        match error.downcast_ref::<Error>() {
            Some(own) => Self::of(own),
            None if error.is::<std::io::Error>() => Self { cause: AuthErrorCause::Io, ..Self::new(error.to_string()) },
            None => Self::new(error.to_string()),
        }
    }
}

impl fmt::Debug for ChannelAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelAuth([hidden])")
    }
}

impl fmt::Debug for UserAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserAuth([hidden])")
    }
}
