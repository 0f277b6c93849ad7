//! The proxy that carries the socket and the requests to auth endpoints (C7).

mod no_proxy;

use std::env::VarError;

use tungstenite::http::Uri;

use super::{
    Config,
    endpoint::{BAD_CHARACTER, has_bad_character},
    host::{self, Scheme, address, port_of},
};
use crate::{Error, protocol::percent, secret::Secret};
use no_proxy::NoProxy;

/// The way to servers and auth endpoints, as the options say it.
#[derive(Clone, Default)]
pub(crate) enum ProxyOption {
    #[default]
    Direct,
    /// Through the proxy at this URL.
    Always(Secret),
    /// Through the proxy that the environment names, if there is one.
    Environment(Environment),
}

/// The `*_PROXY` variables, as they were when the option was set.
#[derive(Clone)]
pub(crate) struct Environment {
    http: Option<Secret>,
    https: Option<Secret>,
    no_proxy: NoProxy,
    /// One of the variables is not Unicode. It may name a proxy, so the client must not connect without it.
    is_unreadable: bool,
}

/// The way to servers and auth endpoints, with parsed URLs.
pub(crate) enum Route {
    Direct,
    Always(Proxy),
    Environment { http: Option<Proxy>, https: Option<Proxy>, no_proxy: NoProxy },
}

/// A proxy and its credentials.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    pub kind: ProxyKind,
    /// How the connection to the proxy itself is secured. SOCKS has no TLS.
    #[cfg_attr(not(feature = "native-tls"), allow(dead_code, reason = "only TLS reads it"))]
    pub scheme: Scheme,
    pub host: String,
    pub port: u16,
    /// User name and password.
    pub user: Option<(Secret, Secret)>,
}

/// The protocol that a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProxyKind {
    /// HTTP `CONNECT`, RFC 9110, section 9.3.6.
    Http,
    /// SOCKS 5, RFC 1928, with names resolved by the proxy.
    Socks5,
}

/// Proxies, for the socket and for the requests to auth endpoints.
impl Config {
    /// A proxy for the socket and for the requests to auth endpoints. Defaults to none.
    ///
    /// | URL | proxy | default port |
    /// |---|---|---|
    /// | `http://[user:password@]host[:port]` | HTTP `CONNECT` | 80 |
    /// | `https://[user:password@]host[:port]` | HTTP `CONNECT`, over TLS to the proxy | 443 |
    /// | `socks5://[user:password@]host[:port]` | SOCKS 5 | 1080 |
    ///
    /// A URL without a scheme is `http`. `socks5h://` is the same as `socks5://`: the proxy always resolves names.
    /// Percent-encode special characters of the user name and the password. Everything goes through the proxy, loopback
    /// included. The certificate of an `https://` proxy is verified by the host in its URL, with the platform's roots
    /// and those of [`root_certificate_pem`](Self::root_certificate_pem); TLS to the server runs inside the tunnel. A
    /// URL of another form is an [`Error::Config`], and so is `https://` without the feature `native-tls`.
    ///
    /// This option replaces [`proxy_from_env`](Self::proxy_from_env): the last call of the two counts.
    ///
    /// If the proxy refuses or cannot be reached, the error is an [`Error::Proxy`]. The client tries again by the
    /// [`Reconnect`](crate::Reconnect) policy, even after a wrong password.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), pusher_channels::Error> {
    /// use pusher_channels::{Config, Pusher};
    ///
    /// // The password is p@ss:word.
    /// let config = Config::cluster("app-key", "eu").proxy("http://ann:p%40ss%3Aword@proxy.example.com:3128");
    /// let pusher = Pusher::new(config).connect()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = ProxyOption::Always(Secret::new(url));
        self
    }

    /// Reads the proxy from the environment, at the time of this call: `https_proxy` for `wss` and `https`,
    /// `http_proxy` for `ws` and `http`, and `all_proxy` if the variable for the scheme is not set. The values are as
    /// with [`proxy`](Self::proxy). The hosts in `no_proxy` are reached directly. Without this call the environment is
    /// not read.
    ///
    /// `no_proxy` has entries of these forms, separated by commas or blanks:
    ///
    /// | entry | hosts that are reached directly |
    /// |---|---|
    /// | `*` | all |
    /// | `example.com`, `.example.com` | that host and its subdomains |
    /// | `*.example.com` | its subdomains |
    /// | `10.0.0.1`, `::1`, `[::1]` | that address, in any spelling |
    /// | `10.0.0.0/8`, `fd00::/8` | the addresses in that range; host names are not resolved for it |
    ///
    /// An entry may end in a port, and then covers that port only: `example.com:8080`, `[::1]:8080`, `10.0.0.0/8:8080`.
    /// A final dot makes no difference. An entry of another form has no effect, and is logged at `warn`, once for a
    /// configuration and its clones.
    ///
    /// This option replaces [`proxy`](Self::proxy): the last call of the two counts, even if the environment names no
    /// proxy. An empty variable counts as absent, and the lower-case name comes before the upper-case one. Put an `http://` auth
    /// endpoint on this machine into `no_proxy` (`localhost,127.0.0.1`), because the proxy would get its requests in plain
    /// text.
    ///
    /// The names of the variables may be upper-case, except for `HTTP_PROXY`, which web servers let clients set. In a
    /// CGI program, which has a `REQUEST_METHOD`, `http_proxy` is skipped as well: on Windows, where names have no
    /// case, it is the same variable. A value that is not Unicode is an [`Error::Config`].
    ///
    /// ```no_run
    /// # fn main() -> Result<(), pusher_channels::Error> {
    /// use pusher_channels::{Config, Pusher};
    ///
    /// let pusher = Pusher::new(Config::cluster("app-key", "eu").proxy_from_env()).connect()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn proxy_from_env(mut self) -> Self {
        self.proxy = ProxyOption::Environment(Environment::read(|name| std::env::var(name)));
        self
    }
}

impl ProxyOption {
    /// Whether connections to this host without TLS go through a proxy.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the URL of that proxy is not valid.
    pub fn is_used_without_tls(&self, host: &str, port: u16) -> Result<bool, Error> {
        let url = match self {
            Self::Direct => None,
            Self::Always(url) => Some(url),
            Self::Environment(Environment { http, no_proxy, .. }) => {
                http.as_ref().filter(|_| !no_proxy.covers(host, port))
            }
        };
        Ok(url.map(|url| Proxy::parse(url.expose())).transpose()?.is_some())
    }

    /// Parses every URL that may be used, and logs the entries of `no_proxy` that have no effect.
    pub fn route(&self) -> Result<Route, Error> {
        let parsed = |url: &Option<Secret>| url.as_ref().map(|url| Proxy::parse(url.expose())).transpose();
        match self {
            Self::Direct => Ok(Route::Direct),
            Self::Always(url) => Proxy::parse(url.expose()).map(Route::Always),
            Self::Environment(Environment { is_unreadable: true, .. }) => {
                Err(Error::config("proxy", "a variable of the environment that names it is not Unicode"))
            }
            Self::Environment(Environment { http, https, no_proxy, .. }) => {
                no_proxy.log_unknown();
                let (http, https) = (parsed(http)?, parsed(https)?);
                Ok(Route::Environment { http, https, no_proxy: no_proxy.clone() })
            }
        }
    }
}

impl Route {
    /// The proxy for this host, or `None` if the host is reached directly.
    pub fn proxy_for(&self, tls: bool, host: &str, port: u16) -> Option<&Proxy> {
        match self {
            Self::Direct => None,
            Self::Always(proxy) => Some(proxy),
            Self::Environment { http, https, no_proxy } => {
                let proxy = if tls { https } else { http };
                proxy.as_ref().filter(|_| !no_proxy.covers(host, port))
            }
        }
    }
}

impl Environment {
    /// Lower-case names come first. `HTTP_PROXY` is never read, because CGI sets it from a header of the request. In a
    /// CGI program, which has a `REQUEST_METHOD`, `http_proxy` is skipped as well: on Windows, where names have no
    /// case, it is the same variable.
    fn read(variable: impl Fn(&str) -> Result<String, VarError>) -> Self {
        let mut is_unreadable = false;
        let mut first = |names: &[&str]| {
            let mut values = names.iter().filter_map(|name| match variable(name) {
                Err(VarError::NotUnicode(_)) => {
                    is_unreadable = true;
                    None
                }
                value => value.ok().filter(|value| !value.is_empty()),
            });
            values.next()
        };
        let is_cgi = !matches!(variable("REQUEST_METHOD"), Err(VarError::NotPresent));
        let http = if is_cgi { None } else { first(&["http_proxy"]) };
        let http = http.or_else(|| first(&["all_proxy", "ALL_PROXY"]));
        let https = first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]);
        let no_proxy = first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
        Self {
            http: http.map(Secret::new),
            https: https.map(Secret::new),
            no_proxy: NoProxy::parse(&no_proxy),
            is_unreadable,
        }
    }
}

impl Proxy {
    /// Parses the URL of a proxy. The error never shows a password.
    fn parse(url: &str) -> Result<Self, Error> {
        let bad = |reason: &str| Error::config("proxy", reason);
        if has_bad_character(url) {
            return Err(bad(BAD_CHARACTER));
        }
        // Environment variables often omit the scheme.
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (kind, scheme, default) = match (scheme.to_ascii_lowercase().as_str(), Scheme::with_tls()) {
            ("http", _) => (ProxyKind::Http, Scheme::Plain, 80),
            ("https", Some(tls)) => (ProxyKind::Http, tls, 443),
            ("https", None) => {
                return Err(bad("https needs the feature `native-tls` of pusher-channels, which is off"));
            }
            ("socks5" | "socks5h", _) => (ProxyKind::Socks5, Scheme::Plain, 1080),
            _ => return Err(bad("must begin with http://, https:// or socks5://")),
        };
        let (authority, after) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        // Otherwise the user name would be taken for the host, and the beginning of the password for the port.
        if after.contains('@') {
            return Err(bad("has an @ after / or ?; percent-encode these in the user name and the password"));
        }
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, authority),
        };
        let user = user.map(|user| user_of(user, kind)).transpose()?;
        let uri: Uri = format!("http://{address}/").parse().map_err(|_| bad("is not a URL"))?;
        let port = port_of(&uri, default).ok_or_else(|| bad("has no valid port"))?;
        let host = host::of_url(&uri).map_err(|_| bad("has no valid host"))?;
        Ok(Self { kind, scheme, host, port, user })
    }

    /// Host and port, for messages.
    pub fn address(&self) -> String {
        address(&self.host, self.port)
    }
}

fn user_of(text: &str, kind: ProxyKind) -> Result<(Secret, Secret), Error> {
    let bad = |reason: &str| Error::config("proxy", reason);
    let (name, password) = text.split_once(':').unwrap_or((text, ""));
    let decode = |part| percent::decode(part).ok_or_else(|| bad("has a broken escape in its user name or password"));
    let (name, password) = (Secret::new(decode(name)?), Secret::new(decode(password)?));
    // RFC 7617: a colon ends the name. RFC 1929: a length is one byte.
    match kind {
        ProxyKind::Http if name.expose().contains(':') => Err(bad("has a colon in its user name")),
        ProxyKind::Socks5 if ![&name, &password].iter().all(|text| (1..=255).contains(&text.expose().len())) => {
            Err(bad("needs a user name and a password of 1 to 255 bytes for SOCKS"))
        }
        _ => Ok((name, password)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Proxy {
        Proxy::parse(url).expect(url)
    }

    fn environment(variables: &[(&str, &str)]) -> ProxyOption {
        let value = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        ProxyOption::Environment(Environment::read(|name| value(name).ok_or(VarError::NotPresent)))
    }

    fn host_for(option: &ProxyOption, tls: bool, host: &str) -> Option<String> {
        option.route().expect("good URLs").proxy_for(tls, host, 443).map(|proxy| proxy.host.clone())
    }

    #[test]
    fn c7_a_url_describes_a_proxy() {
        let proxy = parsed("http://proxy.example:3128");
        assert_eq!((proxy.kind, proxy.scheme), (ProxyKind::Http, Scheme::Plain));
        assert_eq!(proxy.address(), "proxy.example:3128");
        assert_eq!((parsed("http://p").port, parsed("socks5://p").port), (80, 1080));
        assert_eq!(parsed("http://[fe80::1%25eth0]:3128").host, "fe80::1%eth0");
        assert_eq!(parsed("socks5h://[::1]:9050/").address(), "[::1]:9050");
        let (name, password) = parsed("http://us%40er:p%3Aw@p:1").user.expect("a user");
        assert_eq!((name.expose(), password.expose()), ("us@er", "p:w"));
    }

    #[test]
    fn c1_the_error_for_a_bad_proxy_hides_its_password() {
        let urls = [
            "",
            "ftp://canary@p",
            "https://u:canary@",
            "https://u:canary@p:0",
            "https+socks://u:canary@p",
            "http://",
            "http://u:canary@",
            "http://u:canary@p:0",
            "http://u:canary@p:99999",
            "http://u:canary@p p",
            "http://u:canary@p\r\nX: y",
            "http://u:%zzcanary@p",
            "http://a%3Ab:canary@p",
            "socks5://canary@p",
            "http://alice:12345/canary@p:3128",
            "http://canary?x:12345@p:3128",
            "alice:12345/canary@p:3128",
        ];
        for url in urls {
            let error = Proxy::parse(url).expect_err(url);
            assert!(matches!(error, Error::Config { option: "proxy", .. }), "{url:?}: {error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
            assert!(!format!("{error} {error:?}").contains("12345"), "{error}");
        }
    }

    #[test]
    fn c7_the_environment_names_a_proxy_for_each_scheme() {
        let option =
            environment(&[("http_proxy", "plain:1"), ("HTTPS_PROXY", "http://secure:2"), ("HTTP_PROXY", "cgi")]);
        assert_eq!(host_for(&option, false, "h").as_deref(), Some("plain"));
        assert_eq!(host_for(&option, true, "h").as_deref(), Some("secure"));
        let all = environment(&[("ALL_PROXY", "socks5://all"), ("https_proxy", "")]);
        assert_eq!(host_for(&all, true, "h").as_deref(), Some("all"));
        assert_eq!(host_for(&environment(&[("HTTP_PROXY", "cgi")]), false, "h"), None);
        assert!(environment(&[("http_proxy", "ftp://x")]).route().is_err());
    }

    #[test]
    fn c7_a_variable_that_is_not_unicode_is_refused() {
        for unreadable in ["http_proxy", "HTTPS_PROXY", "all_proxy", "no_proxy"] {
            let value = |name: &str| {
                Err(if name == unreadable { VarError::NotUnicode("canary".into()) } else { VarError::NotPresent })
            };
            let checked = ProxyOption::Environment(Environment::read(value)).route().map(drop);
            let error = checked.expect_err(unreadable);
            assert!(matches!(error, Error::Config { option: "proxy", .. }), "{error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }

    #[test]
    fn c7_a_proxy_header_of_a_cgi_request_is_not_taken_for_a_proxy() {
        let cgi = environment(&[("REQUEST_METHOD", "GET"), ("http_proxy", "cgi"), ("https_proxy", "secure:2")]);
        assert_eq!(host_for(&cgi, false, "h"), None);
        assert_eq!(host_for(&cgi, true, "h").as_deref(), Some("secure"));
    }

    #[test]
    fn c7_no_proxy_names_hosts_that_are_reached_directly() {
        let option = environment(&[("all_proxy", "p:1"), ("no_proxy", "localhost, .example.com,10.0.0.1, [::1]")]);
        for host in ["localhost", "LOCALHOST", "example.com", "a.example.com", "10.0.0.1", "::1"] {
            assert_eq!(host_for(&option, true, host), None, "{host}");
        }
        for host in ["notexample.com", "example.org", "110.0.0.1", "localhost.example"] {
            assert!(host_for(&option, true, host).is_some(), "{host}");
        }
        let everything = environment(&[("all_proxy", "p:1"), ("NO_PROXY", "*")]);
        assert_eq!(host_for(&everything, true, "h"), None);
        let with_port = environment(&[("all_proxy", "p:1"), ("no_proxy", "h:443 i:80")]);
        assert_eq!((host_for(&with_port, true, "h"), host_for(&with_port, false, "i").as_deref()), (None, Some("p")));
    }

    #[cfg(feature = "native-tls")]
    #[test]
    fn c7_a_proxy_may_be_reached_over_tls() {
        let urls = ["https://p", "HTTPS://p/", "https://p:443", "https://u:pw@p?x"];
        for url in urls {
            let proxy = parsed(url);
            assert_eq!((proxy.kind, proxy.scheme), (ProxyKind::Http, Scheme::Tls), "{url}");
            assert_eq!(proxy.address(), "p:443", "{url}");
        }
        assert_eq!(parsed("https://[::1]:3129").address(), "[::1]:3129");
        assert_eq!(host_for(&environment(&[("https_proxy", "https://secure")]), true, "h").as_deref(), Some("secure"));
    }

    #[cfg(not(feature = "native-tls"))]
    #[test]
    fn c7_a_proxy_over_tls_without_the_feature_names_the_feature() {
        let error = Proxy::parse("https://u:canary@p").expect_err("no TLS in this build");
        assert!(error.to_string().contains("native-tls") && !error.to_string().contains("canary"), "{error}");
    }
}
