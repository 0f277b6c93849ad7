//! The options that authorise channels and sign users in, and their checks.

use std::{borrow::Cow, fmt, fmt::Write as _, sync::Arc, time::Duration};

use serde::Deserialize;
use serde_json::value::RawValue;
use tungstenite::http::HeaderName;
use zeroize::Zeroize;

use super::{
    Config,
    endpoint::{Address, HttpUrl, is_field_value},
    host::is_loopback,
};
use crate::{
    AuthError, AuthRequest, ChannelAuth, Error, HttpAuth, SubscribeOptions, UserAuth,
    auth::{Authorize, Decoder, RequestOptions},
    protocol::{percent, secretbox::SharedSecret},
    secret::{Secret, Wiped},
    surrogates,
};

pub(crate) type AuthorizeBatch = Arc<dyn Fn(&[AuthRequest]) -> Vec<Result<ChannelAuth, AuthError>> + Send + Sync>;
pub(crate) type Authenticate = Arc<dyn Fn(&str) -> Result<UserAuth, AuthError> + Send + Sync>;

/// The authorizers of channels and of users. The client uses the first of those that are set, in the order of the fields.
pub(crate) struct AuthPlan {
    pub authorizer: Option<Authorize>,
    pub batch_authorizer: Option<AuthorizeBatch>,
    pub endpoint: Option<AuthEndpoint>,
    pub user_authenticator: Option<Authenticate>,
    pub user_endpoint: Option<AuthEndpoint>,
    pub signer: Option<Signer>,
    /// The limit for each request to an endpoint.
    pub timeout: Duration,
}

/// An auth endpoint, and the options of requests to it.
#[derive(Clone)]
pub(crate) struct AuthEndpoint {
    pub url: HttpUrl,
    pub request: RequestOptions,
}

/// The secrets with which the client signs by itself.
pub(crate) struct Signer {
    pub app_key: String,
    pub secret: Secret,
    pub user: Option<SignedUser>,
    /// For the keys of encrypted channels.
    pub master_key: Option<SharedSecret>,
}

/// The user that the client signs in by itself.
pub(crate) struct SignedUser {
    /// JSON text.
    pub data: Secret,
    /// The `channel_data` on presence channels.
    pub member: Secret,
}

/// The options of one channel without errors. They take precedence over those of all channels.
#[derive(Clone, Default)]
pub(crate) struct ChannelPlan {
    pub authorizer: Option<Authorize>,
    pub endpoint: Option<AuthEndpoint>,
    pub decoder: Option<Decoder>,
}

impl ChannelPlan {
    pub fn can_authorize(&self) -> bool {
        self.authorizer.is_some() || self.endpoint.is_some()
    }
}

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
    /// JSON, and may have a wrong `Content-Encoding`. A body that is really compressed is an [`Error::AuthMalformed`].
    ///
    /// Hosts and TLS work as for the socket: see [`host`](Self::host),
    /// [`root_certificate_pem`](Self::root_certificate_pem), [`client_identity_pem`](Self::client_identity_pem) and
    /// [`tls_server_name`](Self::tls_server_name). An `http://` URL must have a loopback host that is reached without a
    /// proxy, unless [`allow_insecure_auth`](Self::allow_insecure_auth) is set; other hosts are an [`Error::Config`]. So
    /// is a user name or a password in the URL: send them by [`auth_header`](Self::auth_header), as `Authorization`.
    pub fn auth_endpoint(mut self, url: impl Into<String>) -> Self {
        self.auth.endpoint = Some(EndpointOption::Url(Secret::new(url)));
        self
    }

    /// The request that authorises channels, with headers, parameters and field names of its own. It replaces
    /// [`auth_endpoint`](Self::auth_endpoint): the last call of the two counts. Defaults to none.
    ///
    /// Options such as [`auth_header`](Self::auth_header) have no effect on this request. They are an
    /// [`Error::Config`] if no endpoint uses them.
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
    /// connection are set by the client; setting one of them is an [`Error::Config`].
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
        self
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

    /// Checks and parses the options of authorising. Their values never appear in an error.
    pub(crate) fn auth_plan(&self) -> Result<AuthPlan, Error> {
        let auth = &self.auth;
        let endpoint = self.endpoint_of(("auth_endpoint", "http_auth"), auth.endpoint.as_ref())?;
        let user_endpoint = self.endpoint_of(("user_auth_endpoint", "user_http_auth"), auth.user_endpoint.as_ref())?;
        check_request(&auth.request, ("auth_header", "auth_param"))?;
        let mut endpoints = [&auth.endpoint, &auth.user_endpoint].into_iter().flatten().peekable();
        let is_unused = endpoints.peek().is_some() && endpoints.all(|e| matches!(e, EndpointOption::Complete(_)));
        if let Some(option) = auth.request.first_set().filter(|_| is_unused) {
            return Err(Error::config(option, "has no effect beside an HttpAuth; give it to the HttpAuth"));
        }
        self.limits.check_traffic()?;
        Ok(AuthPlan {
            authorizer: auth.authorizer.clone(),
            batch_authorizer: auth.batch_authorizer.clone(),
            endpoint,
            user_authenticator: auth.user_authenticator.clone(),
            user_endpoint,
            signer: self.signer()?,
            timeout: auth.timeout,
        })
    }

    /// Checks and parses the options of one channel.
    pub(crate) fn channel_plan(&self, options: SubscribeOptions) -> Result<ChannelPlan, Error> {
        let endpoint = options.own_http_auth().map(|auth| self.endpoint_of_request("http_auth", auth)).transpose()?;
        let (authorizer, decoder) = options.into_closures();
        Ok(ChannelPlan { authorizer, endpoint, decoder })
    }

    /// Parses the endpoint of channels or of users. The names are those of the options that set it by a URL and by an
    /// [`HttpAuth`].
    fn endpoint_of(
        &self,
        (by_url, by_value): (&'static str, &'static str),
        endpoint: Option<&EndpointOption>,
    ) -> Result<Option<AuthEndpoint>, Error> {
        match endpoint {
            Some(EndpointOption::Url(url)) => {
                let (url, request) = (self.http_url(by_url, url.expose())?, self.auth.request.clone());
                Ok(Some(AuthEndpoint { url, request }))
            }
            Some(EndpointOption::Complete(auth)) => self.endpoint_of_request(by_value, auth).map(Some),
            None => Ok(None),
        }
    }

    fn endpoint_of_request(&self, option: &'static str, auth: &HttpAuth) -> Result<AuthEndpoint, Error> {
        let url = self.http_url(option, auth.url())?;
        let request = auth.request();
        let fields = [&request.channel_field, &request.socket_field];
        if fields.iter().any(|field| field.is_empty()) || fields[0] == fields[1] {
            return Err(Error::config(option, "needs two different field names"));
        }
        check_request(request, (option, option))?;
        Ok(AuthEndpoint { url, request: request.clone() })
    }

    fn http_url(&self, option: &'static str, url: &str) -> Result<HttpUrl, Error> {
        let bad = |reason: &str| Error::config(option, reason);
        let url = HttpUrl::parse(url).map_err(bad)?;
        if url.scheme.is_tls() || self.auth.insecure {
            return Ok(url);
        }
        if !is_loopback(&url.host) {
            return Err(bad("must be https, because credentials travel there; or set allow_insecure_auth"));
        }
        // Loopback behind a proxy is another machine, even if the proxy is reached over TLS.
        if self.proxy.is_used_without_tls(&url.host, url.port)? {
            return Err(bad(
                "must be https, because credentials travel there by the proxy; or set allow_insecure_auth",
            ));
        }
        Ok(url)
    }

    fn signer(&self) -> Result<Option<Signer>, Error> {
        let auth = &self.auth;
        let Some(secret) = &auth.secret else {
            let alone = [("user_data", auth.user_data.is_some()), ("encryption_master_key", auth.master_key.is_some())];
            return match alone.iter().find(|(_, is_set)| *is_set) {
                Some((option, _)) => Err(Error::config(option, "works only with `secret`")),
                None => Ok(None),
            };
        };
        if secret.expose().is_empty() {
            return Err(Error::config("secret", "is empty"));
        }
        let app_key = self.app_key()?;
        let master_key = auth.master_key.as_ref().map(|key| {
            SharedSecret::from_base64(key.expose()).map_err(|reason| Error::config("encryption_master_key", reason))
        });
        let master_key = master_key.transpose()?;
        let user = auth.user_data.as_ref().map(signed_user).transpose()?;
        Ok(Some(Signer { app_key, secret: secret.clone(), user, master_key }))
    }

    /// The app's key, with which signatures begin. In a complete URL it follows `/app/`.
    fn app_key(&self) -> Result<String, Error> {
        let bad = |reason: &str| Error::config("secret", reason);
        let key = match &self.address {
            Address::Url(url) => {
                let path = url.split_once('?').map_or(&**url, |(path, _)| path);
                path.rsplit_once("/app/").and_then(|(_, key)| percent::decode(key))
            }
            Address::UrlWith(_) => {
                return Err(bad("needs an app key that is known beforehand, which `url_with` has not"));
            }
            Address::Cluster(_) | Address::Host(_) => Some(self.key.clone()),
        };
        let key = key.filter(|key| !key.is_empty());
        key.ok_or_else(|| bad("needs the app's key, and the URL does not end in /app/{key}"))
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

fn signed_user(data: &Secret) -> Result<SignedUser, Error> {
    let bad = || Error::config("user_data", "must be an object with a string `id` that is not empty");
    let member = member_of(data.expose()).ok_or_else(bad)?;
    Ok(SignedUser { data: data.clone(), member })
}

/// The user's `channel_data` on presence channels.
fn member_of(user_data: &str) -> Option<Secret> {
    #[derive(Deserialize)]
    struct User<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
        #[serde(borrow)]
        user_info: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Id<'a>(#[serde(borrow)] Cow<'a, str>);
    const ID: &str = r#"{"user_id":"#;
    const INFO: &str = r#","user_info":"#;
    // serde would accept an array as well.
    if !user_data.starts_with('{') {
        return None;
    }
    let repaired = surrogates::repaired(user_data);
    let user: User<'_> = serde_json::from_str(repaired.as_deref().map_or(user_data, String::as_str)).ok()?;
    serde_json::from_str::<Id<'_>>(user.id.get()).ok().filter(|id| !id.0.is_empty())?;
    let info = user.user_info.map_or("", RawValue::get);
    // With its final capacity, because growing would leave a copy of the beginning in memory, as would a tree of values
    // (X1).
    let mut member = String::with_capacity(ID.len() + user.id.get().len() + INFO.len() + info.len() + 1);
    member.push_str(ID);
    member.push_str(user.id.get());
    if !info.is_empty() {
        member.push_str(INFO);
        member.push_str(info);
    }
    member.push('}');
    Some(Secret::new(member))
}

/// The headers that describe the body and the connection. The client sets them.
const RESERVED: [&str; 6] = ["host", "connection", "content-length", "content-type", "transfer-encoding", "expect"];

/// A line of a request has to fit into ureq's buffer. Servers accept 8 to 64 KiB of headers in all.
const MAX_HEADER: usize = 60 * 1024;

/// Parses the name of a header for requests to auth endpoints. The error is the reason why the header cannot be sent. It
/// never shows the value, and shows the name only if it is valid: an invalid name may be a value in the wrong place (X1).
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

    const MASTER: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

    fn refused(config: Config) -> (&'static str, String) {
        match config.plan() {
            Err(Error::Config { option, reason }) => (option, reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn x2_credentials_go_over_http_to_loopback_only() {
        for url in ["http://localhost/a", "http://LOCALHOST:1", "http://127.8.9.1:80/x?y=z", "http://[::1]:8000/"] {
            assert!(local().auth_endpoint(url).plan().is_ok(), "{url}");
            assert!(local().user_auth_endpoint(url).plan().is_ok(), "{url}");
        }
        let elsewhere = ["http://example.com/", "http://localhost.example.com/", "http://128.0.0.1/", "http://[::2]/"];
        for url in elsewhere {
            assert_eq!(refused(local().auth_endpoint(url)).0, "auth_endpoint", "{url}");
            assert_eq!(refused(local().user_auth_endpoint(url)).0, "user_auth_endpoint", "{url}");
            assert!(local().auth_endpoint(url).allow_insecure_auth().plan().is_ok(), "{url}");
        }
    }

    #[test]
    fn x2_behind_a_proxy_no_host_is_loopback() {
        for url in ["http://localhost/a", "http://127.0.0.1/a", "http://[::1]/a"] {
            let config = || local().proxy("http://127.0.0.1:3128").auth_endpoint(url);
            assert_eq!(refused(config()).0, "auth_endpoint", "{url}");
            assert!(config().allow_insecure_auth().plan().is_ok(), "{url}");
        }
        assert_eq!(refused(local().proxy("junk://p").auth_endpoint("http://localhost/a")).0, "proxy");
    }

    #[test]
    fn c1_the_error_for_a_bad_endpoint_hides_its_url() {
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
        assert!(local().auth_header("Authorization", "Bearer a").plan().is_ok());
        let (_, reason) = refused(local().auth_header("Authorization", "Bearer canary \u{17c}"));
        assert!(reason.contains("no header can have") && !reason.contains("canary"), "{reason}");
        assert!(local().auth_header("X-Name", "\u{17c}".repeat(30_000)).plan().is_ok());
        let (_, reason) = refused(local().auth_header("X-Name", "\u{17c}".repeat(31_000)));
        assert_eq!(reason, "\"X-Name\" has a value longer than 60 KiB");
    }

    #[test]
    fn options_of_signing_are_checked() {
        let signing = || local().secret("s");
        assert!(signing().user_data(json!({"id": "7"})).encryption_master_key(MASTER).plan().is_ok());
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
    fn a_timeout_out_of_range_is_refused() {
        assert_eq!(refused(local().auth_timeout(Duration::ZERO)).0, "auth_timeout");
        assert_eq!(refused(local().auth_timeout(Duration::MAX)).0, "auth_timeout");
    }

    #[test]
    fn the_key_of_a_url_follows_app() {
        let key = |url: &str| Config::url(url).app_key().ok();
        assert_eq!(key("ws://h/p/app/a%20b?protocol=7").as_deref(), Some("a b"));
        assert_eq!(key("ws://h/app/k").as_deref(), Some("k"));
        assert_eq!(key("ws://h/k"), None);
        assert_eq!(key("ws://h/app/"), None);
        assert_eq!(key("ws://h/app/%zz"), None);
        assert_eq!(local().app_key().ok().as_deref(), Some("key"));
    }

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
