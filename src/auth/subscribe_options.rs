//! The options of one subscription, and the decoder that may be among them.

use std::{fmt, sync::Arc};

use super::{AuthError, AuthRequest, Authorize, ChannelAuth, HttpAuth};

/// How one channel is authorised and decoded, in place of what the [`Config`](crate::Config) says for all channels:
/// [`Channel::subscribe_with`](crate::Channel::subscribe_with).
///
/// The client keeps the closures until the channel is unsubscribed. A closure that needs a handle of the client holds a
/// [weak one](crate::Pusher::downgrade), because a [`Pusher`](crate::Pusher) or a [`Channel`](crate::Channel) in it would
/// keep the client alive.
///
/// ```
/// use pusher_channels::{ChannelAuth, Pusher, SubscribeOptions, testing::TestServer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = TestServer::start()?;
/// # let pusher = Pusher::new(server.config()).connect()?;
/// let options = SubscribeOptions::new()
///     .authorizer(|request| Ok(ChannelAuth::sign("app-key", "app-secret", request.socket_id(), request.channel())));
/// pusher.channel("private-orders")?.subscribe_with(options)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct SubscribeOptions {
    authorizer: Option<Authorize>,
    http_auth: Option<HttpAuth>,
    decoder: Option<Decoder>,
}

impl SubscribeOptions {
    /// No options: the configuration applies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Authorises the channel by a closure, as [`Config::authorizer`](crate::Config::authorizer) does. It takes
    /// precedence over [`http_auth`](Self::http_auth).
    pub fn authorizer(
        mut self,
        authorize: impl Fn(&AuthRequest) -> Result<ChannelAuth, AuthError> + Send + Sync + 'static,
    ) -> Self {
        self.authorizer = Some(Arc::new(authorize));
        self
    }

    /// Authorises the channel by this HTTP request.
    pub fn http_auth(mut self, auth: HttpAuth) -> Self {
        self.http_auth = Some(auth);
        self
    }

    /// Makes the text of an event out of the decrypted bytes of an encrypted channel, as
    /// [`Config::encrypted_data_decoder`](crate::Config::encrypted_data_decoder) does.
    pub fn decoder<E: fmt::Display>(
        mut self,
        decode: impl Fn(&[u8]) -> Result<String, E> + Send + Sync + 'static,
    ) -> Self {
        self.decoder = Some(Decoder::new(decode));
        self
    }

    pub(crate) fn own_http_auth(&self) -> Option<&HttpAuth> {
        self.http_auth.as_ref()
    }

    pub(crate) fn into_closures(self) -> (Option<Authorize>, Option<Decoder>) {
        (self.authorizer, self.decoder)
    }
}

impl fmt::Debug for SubscribeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscribeOptions")
            .field("authorizer", &self.authorizer.is_some())
            .field("http_auth", &self.http_auth)
            .field("decoder", &self.decoder.is_some())
            .finish()
    }
}

/// The program's decoder of decrypted data. It returns text, or the reason why the bytes are none. It is user code, so it
/// runs where events are consumed.
#[derive(Clone)]
pub(crate) struct Decoder(Arc<Closure>);

type Closure = dyn Fn(&[u8]) -> Result<String, String> + Send + Sync;

impl Decoder {
    pub(crate) fn new<E: fmt::Display>(decode: impl Fn(&[u8]) -> Result<String, E> + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |bytes| decode(bytes).map_err(|error| error.to_string())))
    }

    /// Runs the closure.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<String, String> {
        (self.0)(bytes)
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoder")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e5_the_error_of_a_decoder_becomes_text() {
        let decoder = Decoder::new(|bytes| String::from_utf8(bytes.to_vec()));
        assert_eq!(decoder.decode(b"text").as_deref(), Ok("text"));
        assert!(decoder.decode(&[255]).is_err_and(|reason| reason.contains("utf-8")));
    }
}
