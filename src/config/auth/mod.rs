//! The options that authorise channels and sign users in.

pub(crate) mod http_url;
pub(crate) mod plan;

use std::{fmt, fmt::Write as _, sync::Arc, time::Duration};

use zeroize::Zeroize;

use super::Config;
use crate::{
    AuthError, AuthRequest, ChannelAuth, HttpAuth, UserAuth,
    auth::{Authorize, RequestOptions},
    secret::{Secret, Wiped},
};

pub(crate) type AuthorizeBatch = Arc<dyn Fn(&[AuthRequest]) -> Vec<Result<ChannelAuth, AuthError>> + Send + Sync>;
pub(crate) type Authenticate = Arc<dyn Fn(&str) -> Result<UserAuth, AuthError> + Send + Sync>;

/// The options of authorising, as the program gave them.
#[derive(Clone)]
pub(crate) struct AuthOptions {
    endpoint: Option<EndpointOption>,
    user_endpoint: Option<EndpointOption>,
    /// For endpoints that are given by their URLs.
    request: RequestOptions,
    authorizer: Option<Authorize>,
    batch_authorizer: Option<AuthorizeBatch>,
    user_authenticator: Option<Authenticate>,
    secret: Option<Secret>,
    /// JSON text.
    user_data: Option<Secret>,
    master_key: Option<Secret>,
    pub timeout: Duration,
    insecure: bool,
}

/// An auth endpoint, as the program gave it.
#[derive(Clone)]
enum EndpointOption {
    /// Requests have the options of the configuration.
    Url(Secret),
    /// Requests have options of their own.
    Complete(HttpAuth),
}

impl Default for AuthOptions {
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
        }
    }
}

/// Authorisation. Private, presence and encrypted channels need a signature, and so does signing in.
///
/// If several authorizers are configured, the client uses the first in this order. For channels:
/// [`authorizer`](Self::authorizer), [`batch_authorizer`](Self::batch_authorizer),
/// [`auth_endpoint`](Self::auth_endpoint) or [`http_auth`](Self::http_auth), [`secret`](Self::secret). For users:
/// [`user_authenticator`](Self::user_authenticator), [`user_auth_endpoint`](Self::user_auth_endpoint) or
/// [`user_http_auth`](Self::user_http_auth), [`secret`](Self::secret) with [`user_data`](Self::user_data). Closures and
/// requests run on threads of their own, at most 8 at a time, and delay nothing else. The options of
/// [`Channel::subscribe_with`](crate::Channel::subscribe_with) take precedence for their channel.
impl Config {
    /// The URL of the endpoint that authorises channels. The client sends a POST with `socket_id` and `channel_name`.
    /// Defaults to none.
    ///
    /// Any 2xx status is success, and redirects are not followed. The body may have up to 1 MiB. After a network error, a
    /// timeout, 408, 429 or 5xx, the client asks again, up to three times. The status of a refusal counts even if the
    /// rest of the response is malformed. The body of a success may begin with a byte order mark, may be encoded twice as
    /// JSON, and may have a wrong `Content-Encoding`. A body that is really compressed is an
    /// [`Error::AuthMalformed`](crate::Error::AuthMalformed).
    ///
    /// Hosts and TLS work as for the socket: see [`host`](Self::host),
    /// [`root_certificate_pem`](Self::root_certificate_pem), [`client_identity_pem`](Self::client_identity_pem) and
    /// [`tls_server_name`](Self::tls_server_name). An `http://` URL must have a loopback host that is reached without a
    /// proxy, unless [`allow_insecure_auth`](Self::allow_insecure_auth) is set; other hosts are an
    /// [`Error::Config`](crate::Error::Config). So is a user name or a password in the URL: send them by
    /// [`auth_header`](Self::auth_header), as `Authorization`.
    pub fn auth_endpoint(mut self, url: impl Into<String>) -> Self {
        self.auth.endpoint = Some(EndpointOption::Url(Secret::new(url)));
        self
    }

    /// The request that authorises channels, with headers, parameters and field names of its own. It replaces
    /// [`auth_endpoint`](Self::auth_endpoint): the last call of the two counts. Defaults to none.
    ///
    /// Options such as [`auth_header`](Self::auth_header) have no effect on this request. They are an
    /// [`Error::Config`](crate::Error::Config) if no endpoint uses them.
    pub fn http_auth(mut self, auth: HttpAuth) -> Self {
        self.auth.endpoint = Some(EndpointOption::Complete(auth));
        self
    }

    /// The URL of the endpoint that signs users in. The client sends a POST with `socket_id`. Defaults to none.
    /// Everything else is as with [`auth_endpoint`](Self::auth_endpoint).
    pub fn user_auth_endpoint(mut self, url: impl Into<String>) -> Self {
        self.auth.user_endpoint = Some(EndpointOption::Url(Secret::new(url)));
        self
    }

    /// Adds a header to every request to [`auth_endpoint`](Self::auth_endpoint) and
    /// [`user_auth_endpoint`](Self::user_auth_endpoint). May be called several times. An [`HttpAuth`] has headers of its
    /// own. A header may have up to 60 KiB, and `Authorization` must be ASCII. The headers that describe the body and the
    /// connection are set by the client; setting one of them is an [`Error::Config`](crate::Error::Config).
    pub fn auth_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.auth.request.headers.push((name.into(), Secret::new(value)));
        self
    }

    /// Adds headers that a closure returns, for tokens that expire. The closure is called for every request to the
    /// endpoints, on the thread of the request. Its headers follow those of [`auth_header`](Self::auth_header). Defaults
    /// to none.
    pub fn auth_headers_with(mut self, headers: impl Fn() -> Vec<(String, String)> + Send + Sync + 'static) -> Self {
        self.auth.request.headers_with = Some(Arc::new(headers));
        self
    }

    /// Adds a parameter to every request to [`auth_endpoint`](Self::auth_endpoint) and
    /// [`user_auth_endpoint`](Self::user_auth_endpoint), beside `socket_id` and `channel_name`. May be called several
    /// times. An [`HttpAuth`] has parameters of its own.
    pub fn auth_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.auth.request.params.push((name.into(), Secret::new(value)));
        self
    }

    /// Adds parameters that a closure returns. The closure is called for every request to the endpoints, on the thread
    /// of the request. Defaults to none.
    pub fn auth_params_with(mut self, params: impl Fn() -> Vec<(String, String)> + Send + Sync + 'static) -> Self {
        self.auth.request.params_with = Some(Arc::new(params));
        self
    }

    /// Whether the body of requests to the endpoints is a JSON object instead of a form. Defaults to `false`.
    pub fn auth_json(mut self, json: bool) -> Self {
        self.auth.request.json = json;
        self
    }

    /// Authorises channels by a closure. It may block, and up to 8 calls run at once. Defaults to none.
    ///
    /// After an [`AuthError`] with the status 408, 429 or 5xx, the client calls the closure again, up to three times. A
    /// panic counts as a refusal.
    pub fn authorizer(
        mut self,
        authorize: impl Fn(&AuthRequest) -> Result<ChannelAuth, AuthError> + Send + Sync + 'static,
    ) -> Self {
        self.auth.authorizer = Some(Arc::new(authorize));
        self
    }

    /// Authorises many channels in one call of a closure, which returns one result for each request, in the same order.
    /// Defaults to none. Retries are as with [`authorizer`](Self::authorizer); a retry asks only for the channels that
    /// failed.
    pub fn batch_authorizer(
        mut self,
        authorize: impl Fn(&[AuthRequest]) -> Vec<Result<ChannelAuth, AuthError>> + Send + Sync + 'static,
    ) -> Self {
        self.auth.batch_authorizer = Some(Arc::new(authorize));
        self
    }

    /// Signs users in by a closure, which gets the socket id. Defaults to none. Retries are as with
    /// [`authorizer`](Self::authorizer).
    pub fn user_authenticator(
        mut self,
        authenticate: impl Fn(&str) -> Result<UserAuth, AuthError> + Send + Sync + 'static,
    ) -> Self {
        self.auth.user_authenticator = Some(Arc::new(authenticate));
        self
    }

    /// The app's secret, with which the client signs without a server. The secret gives full control of the app: set it
    /// only in programs that you alone can inspect. Defaults to none.
    pub fn secret(mut self, app_secret: impl Into<String>) -> Self {
        self.auth.secret = Some(Secret::new(app_secret));
        self
    }

    /// The user of this client: a JSON object with a non-empty string `id`, and optionally `user_info` and `watchlist`.
    /// The client signs it to sign the user in, and derives the `channel_data` of presence channels from it. Works only
    /// with [`secret`](Self::secret). Defaults to none.
    pub fn user_data(self, mut user_data: serde_json::Value) -> Self {
        let mut text = Wiped::default();
        // Writing a value to memory cannot fail.
        let _ = write!(text, "{user_data}");
        wipe(&mut user_data);
        let text = String::from_utf8(std::mem::take(&mut *text.into_bytes())).unwrap_or_default();
        self.user_data_text(Secret::new(text))
    }

    /// [`user_data`](Self::user_data) as JSON text, which needs no further copy of the secrets in it.
    pub(crate) fn user_data_text(mut self, json: Secret) -> Self {
        self.auth.user_data = Some(json);
        self
    }

    /// The master key, from which the client derives the key of each encrypted channel: 32 bytes in standard base64.
    /// Works only with [`secret`](Self::secret). Defaults to none.
    pub fn encryption_master_key(mut self, base64: impl Into<String>) -> Self {
        self.auth.master_key = Some(Secret::new(base64));
        self
    }

    /// The request that signs users in, with options of its own. It replaces
    /// [`user_auth_endpoint`](Self::user_auth_endpoint): the last call of the two counts. The request has the socket id
    /// and no channel. Defaults to none.
    pub fn user_http_auth(mut self, auth: HttpAuth) -> Self {
        self.auth.user_endpoint = Some(EndpointOption::Complete(auth));
        self
    }

    /// How long each request to an endpoint may take in all, from 1 ms to a year. Defaults to 10 s. Closures may take any
    /// time.
    pub fn auth_timeout(mut self, timeout: Duration) -> Self {
        self.auth.timeout = timeout;
        self.check_time("auth_timeout", timeout)
    }

    /// Allows `http://` endpoints on other machines. Credentials then travel unencrypted, and everybody on the way can
    /// read them. Defaults to refusing such endpoints.
    pub fn allow_insecure_auth(mut self) -> Self {
        self.auth.insecure = true;
        self
    }

    /// Whether an authorizer for channels is configured.
    pub(crate) fn can_authorize(&self) -> bool {
        let auth = &self.auth;
        auth.authorizer.is_some() || auth.batch_authorizer.is_some() || auth.endpoint.is_some() || auth.secret.is_some()
    }

    /// Whether an authenticator for users is configured.
    pub(crate) fn can_authenticate(&self) -> bool {
        let auth = &self.auth;
        let signs = auth.secret.is_some() && auth.user_data.is_some();
        auth.user_authenticator.is_some() || auth.user_endpoint.is_some() || signs
    }
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

impl fmt::Debug for AuthOptions {
    /// Shows which authorizers are configured, without their values.
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

    use super::{super::tests::local, *};

    #[test]
    fn authorizers_and_authenticators_are_recognised() {
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
        assert!(!format!("{:?}", config.plan()).contains("canary"));
    }
}
