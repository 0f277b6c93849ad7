//! The request to an auth endpoint, as a value.

use std::{fmt, sync::Arc};

use super::Secret;

/// Headers or parameters that the program evaluates for each request.
pub(crate) type Pairs = Arc<dyn Fn() -> Vec<(String, String)> + Send + Sync>;

/// The built-in request that authorises channels, as a value: for
/// [`Config::http_auth`](crate::Config::http_auth), and for single channels
/// [`SubscribeOptions::http_auth`](crate::SubscribeOptions::http_auth).
///
/// It is a POST with the socket id and the channel's name. [`Config::auth_endpoint`](crate::Config::auth_endpoint)
/// describes how the answer is read, and which URLs are accepted. An `HttpAuth` is complete: options such as
/// [`Config::auth_header`](crate::Config::auth_header) add nothing to it. Only
/// [`Config::auth_timeout`](crate::Config::auth_timeout),
/// [`Config::allow_insecure_auth`](crate::Config::allow_insecure_auth) and the options of TLS and proxies hold for it, too.
///
/// ```
/// use pusher_channels::{Config, HttpAuth};
///
/// let auth = HttpAuth::new("https://example.com/broadcasting/auth")
///     .header("Authorization", "Bearer token")
///     .json(true)
///     .field_names("channelName", "socketId");
/// let config = Config::cluster("app-key", "eu").http_auth(auth);
/// ```
#[derive(Clone)]
pub struct HttpAuth {
    url: Secret,
    request: RequestOptions,
}

/// The options of a request to an auth endpoint.
#[derive(Clone)]
pub(crate) struct RequestOptions {
    pub(crate) headers: Vec<(String, Secret)>,
    pub(crate) headers_with: Option<Pairs>,
    pub(crate) params: Vec<(String, Secret)>,
    pub(crate) params_with: Option<Pairs>,
    pub(crate) json: bool,
    /// The field with the channel's name.
    pub(crate) channel_field: String,
    /// The field with the socket id.
    pub(crate) socket_field: String,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            headers_with: None,
            params: Vec::new(),
            params_with: None,
            json: false,
            channel_field: "channel_name".to_owned(),
            socket_field: "socket_id".to_owned(),
        }
    }
}

impl RequestOptions {
    /// The name of the first option that was set, as the configuration calls it.
    pub(crate) fn first_set(&self) -> Option<&'static str> {
        let options = [
            ("auth_header", !self.headers.is_empty()),
            ("auth_headers_with", self.headers_with.is_some()),
            ("auth_param", !self.params.is_empty()),
            ("auth_params_with", self.params_with.is_some()),
            ("auth_json", self.json),
        ];
        options.into_iter().find_map(|(option, is_set)| is_set.then_some(option))
    }
}

impl HttpAuth {
    /// A POST of a form to this URL, with the fields `channel_name` and `socket_id`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: Secret::new(url), request: RequestOptions::default() }
    }

    /// Adds a header. May be called several times. The limits are those of
    /// [`Config::auth_header`](crate::Config::auth_header).
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.headers.push((name.into(), Secret::new(value)));
        self
    }

    /// Further headers, evaluated anew for every request, for tokens that expire. They come after those of
    /// [`header`](Self::header). The closure runs on the thread of the request.
    pub fn headers_with(mut self, headers: impl Fn() -> Vec<(String, String)> + Send + Sync + 'static) -> Self {
        self.request.headers_with = Some(Arc::new(headers));
        self
    }

    /// Adds a parameter to the body. May be called several times. It cannot replace the channel's name or the socket id.
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.params.push((name.into(), Secret::new(value)));
        self
    }

    /// Further parameters, evaluated anew for every request. The closure runs on the thread of the request.
    pub fn params_with(mut self, params: impl Fn() -> Vec<(String, String)> + Send + Sync + 'static) -> Self {
        self.request.params_with = Some(Arc::new(params));
        self
    }

    /// Whether the body is a JSON object instead of a form. Defaults to `false`.
    pub fn json(mut self, json: bool) -> Self {
        self.request.json = json;
        self
    }

    /// The names of the two fields, for a backend with names of its own. Defaults to `channel_name` and `socket_id`.
    pub fn field_names(mut self, channel: impl Into<String>, socket_id: impl Into<String>) -> Self {
        self.request.channel_field = channel.into();
        self.request.socket_field = socket_id.into();
        self
    }

    pub(crate) fn url(&self) -> &str {
        self.url.expose()
    }

    pub(crate) fn request(&self) -> &RequestOptions {
        &self.request
    }
}

/// Shows no value, because the URL and the headers may contain tokens.
impl fmt::Debug for HttpAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAuth").field("json", &self.request.json).finish_non_exhaustive()
    }
}
