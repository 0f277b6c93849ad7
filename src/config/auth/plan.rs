//! The checked options of authorising (A2): endpoints, closures, and the secrets to sign with.

use std::{borrow::Cow, time::Duration};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Authenticate, AuthorizeBatch, EndpointOption, http_url::HttpUrl};
use crate::{
    Error, HttpAuth, SubscribeOptions,
    auth::{Authorize, Decoder, RequestOptions},
    config::{Config, endpoint::Address, headers::checked_header, host::is_loopback},
    protocol::{percent, secretbox::SharedSecret},
    secret::Secret,
    surrogates,
};

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

impl Config {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::tests::{local, refused};

    const MASTER: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

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
}
