//! Who authorises channels and signs users in, and the other options of channels that need it.

use std::{borrow::Cow, fmt, fmt::Write as _, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::value::RawValue;
use tungstenite::http::HeaderName;
use zeroize::Zeroize;

use super::{Address, Config, HttpUrl, endpoint::is_field_value, host::is_loopback};
use crate::{
    AuthError, AuthRequest, ChannelAuth, Error, HttpAuth, SubscribeOptions, UserAuth,
    auth::{Authorize, Decoder, RequestOptions},
    protocol::{percent, secretbox::SharedSecret},
    secret::{Secret, Wiped},
    surrogates,
};

pub(crate) type AuthorizeBatch = Arc<dyn Fn(&[AuthRequest]) -> Vec<Result<ChannelAuth, AuthError>> + Send + Sync>;
pub(crate) type Authenticate = Arc<dyn Fn(&str) -> Result<UserAuth, AuthError> + Send + Sync>;

/// The options of authorising, as they were given.
#[derive(Clone)]
pub(crate) struct Auth {
    pub(crate) endpoint: Option<AuthEndpoint>,
    pub(crate) user_endpoint: Option<AuthEndpoint>,
    /// For endpoints that were given by their URLs.
    pub(crate) request: RequestOptions,
    pub(crate) authorizer: Option<Authorize>,
    pub(crate) batch_authorizer: Option<AuthorizeBatch>,
    pub(crate) user_authenticator: Option<Authenticate>,
    pub(crate) secret: Option<Secret>,
    /// JSON text.
    pub(crate) user_data: Option<Secret>,
    pub(crate) master_key: Option<Secret>,
    pub(crate) timeout: Duration,
    insecure: bool,
    client_event_limit: Option<u32>,
    client_event_size: Option<usize>,
    client_event_patience: Duration,
    max_presence_members: usize,
    max_presence_bytes: usize,
    decoder: Option<Decoder>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            endpoint: None,
            user_endpoint: None,
            request: RequestOptions::default(),
            authorizer: None,
            batch_authorizer: None,
            user_authenticator: None,
            secret: None,
            user_data: None,
            master_key: None,
            timeout: Duration::from_secs(10),
            insecure: false,
            client_event_limit: Some(10),
            client_event_size: Some(10_240),
            client_event_patience: Duration::from_secs(2),
            max_presence_members: 100_000,
            max_presence_bytes: 20 << 20,
            decoder: None,
        }
    }
}

/// An endpoint, and how it is asked.
#[derive(Clone)]
pub(crate) enum AuthEndpoint {
    /// With the options of the configuration.
    Url(Secret),
    /// With options of its own.
    Complete(HttpAuth),
}

impl Auth {
    /// The URL of an endpoint, and the options of requests to it.
    pub(crate) fn request_to<'a>(&'a self, endpoint: &'a AuthEndpoint) -> (&'a str, &'a RequestOptions) {
        match endpoint {
            AuthEndpoint::Url(url) => (url.expose(), &self.request),
            AuthEndpoint::Complete(auth) => (auth.url(), auth.request()),
        }
    }
}

/// Authorising: private, presence and encrypted channels need a signature, and so does signing in.
///
/// When several ways are configured, the first of these answers. For channels: [`authorizer`](Self::authorizer),
/// [`batch_authorizer`](Self::batch_authorizer), [`auth_endpoint`](Self::auth_endpoint) or
/// [`http_auth`](Self::http_auth), [`secret`](Self::secret). For users:
/// [`user_authenticator`](Self::user_authenticator), [`user_auth_endpoint`](Self::user_auth_endpoint) or
/// [`user_http_auth`](Self::user_http_auth), [`secret`](Self::secret) with [`user_data`](Self::user_data). All but the
/// last run on threads of their own, at most 8 at a time, and delay nothing else. A channel may have ways of its own, which
/// come before these: [`Channel::subscribe_with`](crate::Channel::subscribe_with).
impl Config {
    /// The URL that authorises channels, by a POST with `socket_id` and `channel_name`. Defaults to none.
    ///
    /// Redirects are not followed, any 2xx is success, and the answer may have up to 1 MiB. Network errors, timeouts,
    /// 408, 429 and 5xx are tried again up to three times. The status of a refusal counts even if the rest of the
    /// answer is malformed. A success may begin with a byte order mark, may be encoded twice as JSON, and may name a
    /// `Content-Encoding` that it does not have. A body that is really compressed is an [`Error::AuthMalformed`].
    ///
    /// Hosts and TLS are as for the socket ([`host`](Self::host), [`root_certificate_pem`](Self::root_certificate_pem),
    /// [`client_identity_pem`](Self::client_identity_pem), [`tls_server_name`](Self::tls_server_name)). An `http://`
    /// URL is an [`Error::Config`] if its host is not loopback, or is behind a proxy, unless
    /// [`allow_insecure_auth`](Self::allow_insecure_auth) is set. A user name or a password in the URL is an
    /// [`Error::Config`], too: send them by [`auth_header`](Self::auth_header), as `Authorization`.
    pub fn auth_endpoint(mut self, url: impl Into<String>) -> Self {
        self.auth.endpoint = Some(AuthEndpoint::Url(Secret::new(url)));
        self
    }

    /// The request that authorises channels, with headers, parameters and field names of its own, in place of
    /// [`auth_endpoint`](Self::auth_endpoint). Of these two, the last call counts. Defaults to none. Options such as
    /// [`auth_header`](Self::auth_header) have no effect on it, and are an [`Error::Config`] if there is no other endpoint
    /// that they apply to.
    pub fn http_auth(mut self, auth: HttpAuth) -> Self {
        self.auth.endpoint = Some(AuthEndpoint::Complete(auth));
        self
    }

    /// The URL that signs users in, by a POST with `socket_id`. Defaults to none. Everything else is as with
    /// [`auth_endpoint`](Self::auth_endpoint).
    pub fn user_auth_endpoint(mut self, url: impl Into<String>) -> Self {
        self.auth.user_endpoint = Some(AuthEndpoint::Url(Secret::new(url)));
        self
    }

    /// Adds a header to every request to [`auth_endpoint`](Self::auth_endpoint) and
    /// [`user_auth_endpoint`](Self::user_auth_endpoint). An [`HttpAuth`] has headers of its own. May be called several
    /// times. The client itself sets the headers that describe the body or the connection. A header may have up to 60 KiB,
    /// and `Authorization` must be ASCII.
    pub fn auth_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.auth.request.headers.push((name.into(), Secret::new(value)));
        self
    }

    /// Further headers, evaluated anew for every request to the endpoints, for tokens that expire. They come after those of
    /// [`auth_header`](Self::auth_header). Runs on the thread of the request.
    pub fn auth_headers_with(mut self, headers: impl Fn() -> Vec<(String, String)> + Send + Sync + 'static) -> Self {
        self.auth.request.headers_with = Some(Arc::new(headers));
        self
    }

    /// A parameter of every request to [`auth_endpoint`](Self::auth_endpoint) and
    /// [`user_auth_endpoint`](Self::user_auth_endpoint), beside `socket_id` and `channel_name`. An [`HttpAuth`] has
    /// parameters of its own. May be called several times.
    pub fn auth_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.auth.request.params.push((name.into(), Secret::new(value)));
        self
    }

    /// Further parameters, evaluated anew for every request to the endpoints. Runs on the thread of the request.
    pub fn auth_params_with(mut self, params: impl Fn() -> Vec<(String, String)> + Send + Sync + 'static) -> Self {
        self.auth.request.params_with = Some(Arc::new(params));
        self
    }

    /// Whether the endpoints get a JSON object instead of a form. Defaults to `false`.
    pub fn auth_json(mut self, json: bool) -> Self {
        self.auth.request.json = json;
        self
    }

    /// Authorises channels by a closure. It may take its time, and up to 8 calls run at once. Defaults to none.
    ///
    /// An [`AuthError`] with a status of 408, 429 or 5xx is tried again up to three times. A panic is a refusal.
    pub fn authorizer(
        mut self,
        authorize: impl Fn(&AuthRequest) -> Result<ChannelAuth, AuthError> + Send + Sync + 'static,
    ) -> Self {
        self.auth.authorizer = Some(Arc::new(authorize));
        self
    }

    /// Authorises many channels in one call of a closure, which returns a result for each request, in order. Defaults to
    /// none. Retries are as with [`authorizer`](Self::authorizer); a retry asks only for the channels that failed.
    pub fn batch_authorizer(
        mut self,
        authorize: impl Fn(&[AuthRequest]) -> Vec<Result<ChannelAuth, AuthError>> + Send + Sync + 'static,
    ) -> Self {
        self.auth.batch_authorizer = Some(Arc::new(authorize));
        self
    }

    /// Signs users in by a closure that gets the socket id. Defaults to none. Retries are as with
    /// [`authorizer`](Self::authorizer).
    pub fn user_authenticator(
        mut self,
        authenticate: impl Fn(&str) -> Result<UserAuth, AuthError> + Send + Sync + 'static,
    ) -> Self {
        self.auth.user_authenticator = Some(Arc::new(authenticate));
        self
    }

    /// The app's secret. With it the client signs by itself. Set it only in programs that nobody else can inspect: the
    /// secret gives full control of the app. Defaults to none.
    pub fn secret(mut self, app_secret: impl Into<String>) -> Self {
        self.auth.secret = Some(Secret::new(app_secret));
        self
    }

    /// The user of this client, for [`secret`](Self::secret): a JSON object with a non-empty string `id`, and optionally
    /// `user_info` and `watchlist`. The client signs the user in with it, and makes the `channel_data` of presence channels
    /// from it. Defaults to none.
    pub fn user_data(self, mut user_data: serde_json::Value) -> Self {
        let mut text = Wiped::default();
        // Writing a value to memory cannot fail.
        let _ = write!(text, "{user_data}");
        wipe(&mut user_data);
        let text = String::from_utf8(std::mem::take(&mut *text.into_bytes())).unwrap_or_default();
        self.user_data_text(Secret::new(text))
    }

    /// The same as text, of which no other copy has to be made.
    pub(crate) fn user_data_text(mut self, json: Secret) -> Self {
        self.auth.user_data = Some(json);
        self
    }

    /// The key from which those of encrypted channels are derived, with [`secret`](Self::secret): 32 bytes in standard
    /// base64. Defaults to none.
    pub fn encryption_master_key(mut self, base64: impl Into<String>) -> Self {
        self.auth.master_key = Some(Secret::new(base64));
        self
    }

    /// The request that signs users in, in place of [`user_auth_endpoint`](Self::user_auth_endpoint). Of these two, the
    /// last call counts. The request has the socket id, and no channel. Defaults to none.
    pub fn user_http_auth(mut self, auth: HttpAuth) -> Self {
        self.auth.user_endpoint = Some(AuthEndpoint::Complete(auth));
        self
    }

    /// How long each request to an endpoint may take in all, from 1 ms to a year. Defaults to 10 s. Closures have no limit.
    pub fn auth_timeout(mut self, timeout: Duration) -> Self {
        self.auth.timeout = timeout;
        self
    }

    /// Lets credentials travel over plain `http://` to hosts other than this machine. Anybody on the way can read them.
    pub fn allow_insecure_auth(mut self) -> Self {
        self.auth.insecure = true;
        self
    }

    /// How many client events go out in any second, at least 1; `None` for no limit. Defaults to 10, which is the
    /// hosted service's limit for a connection.
    ///
    /// Client events over the limit wait for their turn, in the order of the calls, for up to
    /// [`client_event_patience`](Self::client_event_patience). The time at which they are written to the socket counts.
    /// The client counts a second as up to 1.01 s, because a network delivers some messages faster than others. This
    /// slows down a loop that triggers at exactly the limit: after some minutes, its events are sent up to half a
    /// second late. From then on the client counts seconds without this reserve, and a server that counts strictly may
    /// refuse an event now and then. A loop that stays a little below the limit avoids both.
    ///
    /// A server that limits messages of every kind, as Laravel Reverb can, counts client events as well: lower this
    /// option if [`on_error`](crate::Pusher::on_error) reports 4301 for them.
    pub fn client_event_limit(mut self, per_second: Option<u32>) -> Self {
        self.auth.client_event_limit = per_second;
        self
    }

    /// How long a client event over the [limit](Self::client_event_limit) may wait for its turn. Defaults to 2 s. For
    /// an event that would wait longer, [`trigger`](crate::Pusher::trigger) returns [`Error::ClientEventRate`] at once:
    /// it never blocks.
    ///
    /// A second's events become free together, about 1 s after a burst: less than 1.01 s helps no burst, and with 2 s a
    /// burst of twice the limit is sent. With zero, only what can be sent at once is sent. Up to 1,024 client events wait, however long the patience is.
    pub fn client_event_patience(mut self, patience: Duration) -> Self {
        self.auth.client_event_patience = patience;
        self
    }

    /// How many bytes the data of a client event may have as JSON, at least 1, a string without its quotes; `None` for
    /// no limit. Defaults to 10,240, which the hosted service documents. Larger data is [`Error::ClientEventTooLarge`].
    ///
    /// Raise it for a server that takes more: soketi takes 100 KB of data by default. Laravel Reverb takes 10,000 bytes
    /// for the whole message, with the names of channel and event and about 40 bytes more, and closes the connection
    /// with code 1009 above that (its option `max_message_size`): lower this option for Reverb. Such an end of the
    /// connection is reported at [`on_error`](crate::Pusher::on_error) as [`Error::ClientEventTooLarge`], and the
    /// client connects again.
    pub fn client_event_size(mut self, bytes: Option<usize>) -> Self {
        self.auth.client_event_size = bytes;
        self
    }

    /// How many members are kept of each presence channel, at least 1. Defaults to 100,000. The others are reported
    /// ([`Error::TooManyMembers`]).
    ///
    /// A channel with more or larger members needs up to three options: this one for their number,
    /// [`max_presence_bytes`](Self::max_presence_bytes) for the memory that they take, and
    /// [`max_message_size`](Self::max_message_size) for the message with the whole list, which a server sends with the
    /// confirmation: 100,000 members with ids of 10 and infos of 50 bytes are a message of about 9 MB.
    pub fn max_presence_members(mut self, members: usize) -> Self {
        self.auth.max_presence_members = members;
        self
    }

    /// How much memory the members of all presence channels of the client may take, in bytes. Defaults to 20 MiB.
    /// Members beyond this bound are reported as those beyond [`max_presence_members`](Self::max_presence_members) are.
    /// A member counts with its id, its info and about 130 bytes for its places in lists. The default has room for
    /// 100,000 members with ids of 10 and infos of 50 bytes.
    pub fn max_presence_bytes(mut self, bytes: usize) -> Self {
        self.auth.max_presence_bytes = bytes;
        self
    }

    /// Makes the text of an event out of the decrypted bytes of an encrypted channel. Defaults to UTF-8. An error is
    /// reported as a decryption failure.
    pub fn encrypted_data_decoder<E: fmt::Display>(
        mut self,
        decode: impl Fn(&[u8]) -> Result<String, E> + Send + Sync + 'static,
    ) -> Self {
        self.auth.decoder = Some(Decoder::new(decode));
        self
    }

    pub(crate) fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Whether somebody is configured who authorises channels.
    pub(crate) fn can_authorize(&self) -> bool {
        let auth = &self.auth;
        auth.authorizer.is_some() || auth.batch_authorizer.is_some() || auth.endpoint.is_some() || auth.secret.is_some()
    }

    /// Whether somebody is configured who signs users in.
    pub(crate) fn can_authenticate(&self) -> bool {
        let auth = &self.auth;
        let signs = auth.secret.is_some() && auth.user_data.is_some();
        auth.user_authenticator.is_some() || auth.user_endpoint.is_some() || signs
    }

    pub(crate) fn events_per_second(&self) -> Option<u32> {
        self.auth.client_event_limit
    }

    pub(crate) fn event_patience(&self) -> Duration {
        self.auth.client_event_patience
    }

    pub(crate) fn event_size(&self) -> Option<usize> {
        self.auth.client_event_size
    }

    pub(crate) fn members_kept(&self) -> usize {
        self.auth.max_presence_members
    }

    pub(crate) fn member_bytes_kept(&self) -> usize {
        self.auth.max_presence_bytes
    }

    pub(crate) fn decoder(&self) -> Option<&Decoder> {
        self.auth.decoder.as_ref()
    }

    /// The app's key, with which signatures begin. Out of a complete URL it is what follows `/app/`.
    pub(crate) fn app_key(&self) -> Option<String> {
        let key = match &self.address {
            Address::Url(url) => {
                let path = url.split('?').next()?;
                percent::decode(path.rsplit_once("/app/")?.1)?
            }
            Address::UrlWith(_) => return None,
            Address::Cluster(_) | Address::Host(_) => self.key.clone(),
        };
        (!key.is_empty()).then_some(key)
    }

    /// Checks the options of authorising. Their values never appear in an error.
    pub(super) fn check_auth(&self) -> Result<(), Error> {
        let auth = &self.auth;
        self.check_either_endpoint(("auth_endpoint", "http_auth"), auth.endpoint.as_ref())?;
        self.check_either_endpoint(("user_auth_endpoint", "user_http_auth"), auth.user_endpoint.as_ref())?;
        check_request(&auth.request, ("auth_header", "auth_param"))?;
        let mut endpoints = [&auth.endpoint, &auth.user_endpoint].into_iter().flatten().peekable();
        let is_unused = endpoints.peek().is_some() && endpoints.all(|e| matches!(e, AuthEndpoint::Complete(_)));
        if let Some(option) = auth.request.first_set().filter(|_| is_unused) {
            return Err(Error::config(option, "has no effect beside an HttpAuth; give it to the HttpAuth"));
        }
        if auth.client_event_limit == Some(0) {
            return Err(Error::config("client_event_limit", "must be at least 1, or None for no limit"));
        }
        if auth.client_event_size == Some(0) {
            return Err(Error::config("client_event_size", "must be at least 1, or None for no limit"));
        }
        if auth.max_presence_members == 0 {
            return Err(Error::config("max_presence_members", "must be at least 1"));
        }
        self.check_signing()
    }

    /// Checks the options of one channel.
    pub(crate) fn check_options(&self, options: &SubscribeOptions) -> Result<(), Error> {
        options.own_http_auth().map_or(Ok(()), |auth| self.check_http_auth("http_auth", auth))
    }

    /// Checks the endpoint of channels or of users. The options are those that set it by its URL and as a value.
    fn check_either_endpoint(
        &self,
        (by_url, by_value): (&'static str, &'static str),
        endpoint: Option<&AuthEndpoint>,
    ) -> Result<(), Error> {
        match endpoint {
            Some(AuthEndpoint::Url(url)) => self.check_endpoint(by_url, url.expose()),
            Some(AuthEndpoint::Complete(auth)) => self.check_http_auth(by_value, auth),
            None => Ok(()),
        }
    }

    fn check_http_auth(&self, option: &'static str, auth: &HttpAuth) -> Result<(), Error> {
        self.check_endpoint(option, auth.url())?;
        let request = auth.request();
        let fields = [&request.channel_field, &request.socket_field];
        if fields.iter().any(|field| field.is_empty()) || fields[0] == fields[1] {
            return Err(Error::config(option, "needs two different field names"));
        }
        check_request(request, (option, option))
    }

    fn check_endpoint(&self, option: &'static str, url: &str) -> Result<(), Error> {
        let bad = |reason: &str| Error::config(option, reason);
        let url = HttpUrl::parse(url).map_err(bad)?;
        if url.tls && !cfg!(feature = "native-tls") {
            return Err(bad("https needs the feature `native-tls` of pusher-channels, which is off"));
        }
        if url.tls || self.auth.insecure {
            return Ok(());
        }
        if !is_loopback(&url.host) {
            return Err(bad("must be https, because credentials travel there; or set allow_insecure_auth"));
        }
        // Loopback behind a proxy is another machine, even if the proxy is reached over TLS.
        match self.proxy_for(url.tls, &url.host, url.port)? {
            Some(_) => {
                Err(bad("must be https, because credentials travel there by the proxy; or set allow_insecure_auth"))
            }
            None => Ok(()),
        }
    }

    fn check_signing(&self) -> Result<(), Error> {
        let auth = &self.auth;
        let Some(secret) = &auth.secret else {
            let alone = [("user_data", auth.user_data.is_some()), ("encryption_master_key", auth.master_key.is_some())];
            return match alone.iter().find(|(_, is_set)| *is_set) {
                Some((option, _)) => Err(Error::config(option, "works only with `secret`")),
                None => Ok(()),
            };
        };
        if secret.expose().is_empty() {
            return Err(Error::config("secret", "is empty"));
        }
        if self.asks_for_url() {
            return Err(Error::config("secret", "needs an app key that is known beforehand, which `url_with` has not"));
        }
        if self.app_key().is_none() {
            return Err(Error::config("secret", "needs the app's key, and the URL does not end in /app/{key}"));
        }
        if let Some(key) = &auth.master_key {
            SharedSecret::from_base64(key.expose()).map_err(|reason| Error::config("encryption_master_key", reason))?;
        }
        auth.user_data.as_ref().map_or(Ok(()), |data| check_user_data(data.expose()))
    }
}

/// Checks the options of a request. `header` and `param` name the options that set its headers and its parameters.
fn check_request(request: &RequestOptions, (header, param): (&'static str, &'static str)) -> Result<(), Error> {
    for (name, value) in &request.headers {
        checked_header(name, value.expose()).map_err(|reason| Error::config(header, reason))?;
    }
    let own = [&request.socket_field, &request.channel_field];
    if request.params.iter().any(|(name, _)| own.contains(&name)) {
        let reason = format!("must not be {} or {}, which the client fills in", own[0], own[1]);
        return Err(Error::config(param, reason));
    }
    Ok(())
}

/// Wipes the texts of a value, which may be secrets as well (X1).
fn wipe(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => text.zeroize(),
        serde_json::Value::Array(values) => values.iter_mut().for_each(wipe),
        serde_json::Value::Object(fields) => fields.values_mut().for_each(wipe),
        _ => {}
    }
}

fn check_user_data(text: &str) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct User<'a> {
        #[serde(borrow)]
        id: Cow<'a, str>,
        #[serde(borrow, rename = "user_info")]
        _info: Option<&'a RawValue>,
    }
    // An array would do for serde as well.
    let repaired = surrogates::repaired(text);
    let json = repaired.as_deref().map_or(text, String::as_str);
    let user = serde_json::from_str::<User<'_>>(json).ok().filter(|user| text.starts_with('{') && !user.id.is_empty());
    user.map(drop).ok_or_else(|| Error::config("user_data", "must be an object with a string `id` that is not empty"))
}

/// The headers that describe the body and the connection. They are the client's own.
const RESERVED: [&str; 6] = ["host", "connection", "content-length", "content-type", "transfer-encoding", "expect"];

/// A line of a request has to fit into ureq's buffer. Servers accept 8 to 64 KiB of headers in all.
const MAX_HEADER: usize = 60 * 1024;

/// The name of a header that can be sent, or the reason why the header cannot. The reason never shows the value. It shows
/// the name only if that is valid: an invalid name may be a value in the wrong place (X1).
pub(crate) fn checked_header(name: &str, value: &str) -> Result<HeaderName, String> {
    let parsed: HeaderName = name.parse().map_err(|_| "a name is not a valid header name")?;
    if RESERVED.contains(&parsed.as_str()) {
        return Err(format!("{name:?} is set by the client itself"));
    }
    // RFC 9110, section 11.4: credentials are ASCII.
    if !is_field_value(value) || parsed == "authorization" && !value.is_ascii() {
        return Err(format!("{name:?} has a value that no header can have"));
    }
    if name.len() + value.len() > MAX_HEADER {
        return Err(format!("{name:?} has a value longer than {} KiB", MAX_HEADER / 1024));
    }
    Ok(parsed)
}

impl fmt::Debug for Auth {
    /// Tells which ways are configured, and nothing that is in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("authorizer", &self.authorizer.is_some())
            .field("batch_authorizer", &self.batch_authorizer.is_some())
            .field("endpoint", &self.endpoint.is_some())
            .field("user_authenticator", &self.user_authenticator.is_some())
            .field("user_endpoint", &self.user_endpoint.is_some())
            .field("secret", &self.secret)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MASTER: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

    fn local() -> Config {
        Config::host("key", "localhost").tls(false)
    }

    fn refused(config: Config) -> (&'static str, String) {
        match config.check() {
            Err(Error::Config { option, reason }) => (option, reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn x2_credentials_go_over_http_to_loopback_only() {
        for url in ["http://localhost/a", "http://LOCALHOST:1", "http://127.8.9.1:80/x?y=z", "http://[::1]:8000/"] {
            assert!(local().auth_endpoint(url).check().is_ok(), "{url}");
            assert!(local().user_auth_endpoint(url).check().is_ok(), "{url}");
        }
        let elsewhere = ["http://example.com/", "http://localhost.example.com/", "http://128.0.0.1/", "http://[::2]/"];
        for url in elsewhere {
            assert_eq!(refused(local().auth_endpoint(url)).0, "auth_endpoint", "{url}");
            assert_eq!(refused(local().user_auth_endpoint(url)).0, "user_auth_endpoint", "{url}");
            assert!(local().auth_endpoint(url).allow_insecure_auth().check().is_ok(), "{url}");
        }
    }

    #[test]
    fn x2_behind_a_proxy_no_host_is_loopback() {
        for url in ["http://localhost/a", "http://127.0.0.1/a", "http://[::1]/a"] {
            let config = || local().proxy("http://127.0.0.1:3128").auth_endpoint(url);
            assert_eq!(refused(config()).0, "auth_endpoint", "{url}");
            assert!(config().allow_insecure_auth().check().is_ok(), "{url}");
        }
        assert_eq!(refused(local().proxy("junk://p").auth_endpoint("http://localhost/a")).0, "proxy");
    }

    #[test]
    fn c1_endpoints_that_are_no_urls_are_refused_without_showing_them() {
        let urls = [
            "",
            "canary",
            "/canary",
            "ftp://localhost/canary",
            "http://",
            "http:///canary",
            "http://canary@localhost/",
            "http://user:canary@localhost/",
            "http://localhost:0/canary",
            "http://localhost:99999/canary",
            "http://localhost:/canary",
            "http://local host/canary",
            "http://localhost/canary\r\nX: y",
            "http://localhost/#canary",
            "http://localhost\\@canary/",
        ];
        for url in urls {
            let (option, reason) = refused(local().auth_endpoint(url));
            assert_eq!(option, "auth_endpoint", "{url:?}");
            assert!(!reason.contains("canary"), "{reason}");
        }
    }

    #[cfg(not(feature = "native-tls"))]
    #[test]
    fn https_without_the_feature_names_the_feature() {
        assert!(refused(local().auth_endpoint("https://example.com/")).1.contains("native-tls"));
    }

    #[test]
    fn headers_cannot_inject_or_replace_the_clients_own() {
        let bad = [("X-A", "canary\r\nX-B: b"), ("X\nA", "a"), ("", "a"), ("X", "canary\0"), ("Content-Length", "1")];
        for (name, value) in bad {
            let (option, reason) = refused(local().auth_header(name, value));
            assert!(option == "auth_header" && !reason.contains("canary"), "{reason}");
        }
        assert!(local().auth_header("Authorization", "Bearer a").check().is_ok());
        let (_, reason) = refused(local().auth_header("Authorization", "Bearer canary \u{17c}"));
        assert!(reason.contains("no header can have") && !reason.contains("canary"), "{reason}");
        assert!(local().auth_header("X-Name", "\u{17c}".repeat(30_000)).check().is_ok());
        let (_, reason) = refused(local().auth_header("X-Name", "\u{17c}".repeat(31_000)));
        assert_eq!(reason, "\"X-Name\" has a value longer than 60 KiB");
    }

    #[test]
    fn options_of_signing_are_checked() {
        let signing = || local().secret("s");
        assert!(signing().user_data(json!({"id": "7"})).encryption_master_key(MASTER).check().is_ok());
        assert_eq!(refused(local().secret("")).0, "secret");
        assert_eq!(refused(local().user_data(json!({"id": "7"}))).0, "user_data");
        assert_eq!(refused(local().encryption_master_key(MASTER)).0, "encryption_master_key");
        assert_eq!(refused(signing().encryption_master_key("AAAA")).0, "encryption_master_key");
        for data in [json!(null), json!({}), json!({"id": 7}), json!({"id": ""}), json!(["7", null]), json!("7")] {
            assert_eq!(refused(signing().user_data(data)).0, "user_data");
        }
        assert_eq!(refused(Config::url("ws://localhost/socket").secret("s")).0, "secret");
    }

    #[test]
    fn other_options_that_cannot_work_are_refused_and_named() {
        assert_eq!(refused(local().auth_timeout(Duration::ZERO)).0, "auth_timeout");
        assert_eq!(refused(local().auth_timeout(Duration::MAX)).0, "auth_timeout");
        assert_eq!(refused(local().client_event_limit(Some(0))).0, "client_event_limit");
        assert_eq!(refused(local().client_event_size(Some(0))).0, "client_event_size");
        assert_eq!(refused(local().max_presence_members(0)).0, "max_presence_members");
        assert_eq!((local().event_size(), local().client_event_size(None).event_size()), (Some(10_240), None));
        assert_eq!(local().event_patience(), Duration::from_secs(2));
        assert_eq!(local().client_event_limit(None).events_per_second(), None);
        assert_eq!((local().events_per_second(), local().members_kept()), (Some(10), 100_000));
        assert_eq!(local().member_bytes_kept(), 20 << 20);
    }

    #[test]
    fn the_key_of_a_url_is_what_follows_app() {
        let key = |url: &str| Config::url(url).app_key();
        assert_eq!(key("ws://h/p/app/a%20b?protocol=7").as_deref(), Some("a b"));
        assert_eq!(key("ws://h/app/k").as_deref(), Some("k"));
        assert_eq!(key("ws://h/k"), None);
        assert_eq!(key("ws://h/app/"), None);
        assert_eq!(key("ws://h/app/%zz"), None);
        assert_eq!(local().app_key().as_deref(), Some("key"));
    }

    #[test]
    fn who_can_be_asked() {
        assert!(!local().can_authorize() && !local().can_authenticate());
        assert!(local().secret("s").can_authorize() && !local().secret("s").can_authenticate());
        assert!(local().secret("s").user_data(json!({"id": "7"})).can_authenticate());
        assert!(local().authorizer(|_| Err(AuthError::new("no"))).can_authorize());
        assert!(local().batch_authorizer(|_| Vec::new()).can_authorize());
        assert!(local().user_authenticator(|_| Err(AuthError::new("no"))).can_authenticate());
    }

    #[test]
    fn x1_debug_shows_no_secret() {
        let config = local()
            .auth_endpoint("http://localhost/canary")
            .auth_header("X", "canary")
            .auth_param("p", "canary")
            .secret("canary")
            .user_data(json!({"id": "canary"}))
            .encryption_master_key("canary");
        assert!(!format!("{config:?}").contains("canary"));
        assert!(!format!("{:?}", config.check()).contains("canary"));
    }
}
