//! The proxy that carries the socket and the requests to auth endpoints (C7).

use std::env::VarError;

use tungstenite::http::Uri;

use super::{
    host::{self, address, port_of},
    no_proxy::NoProxy,
};
use crate::{Error, protocol::percent, secret::Secret};

/// How the client reaches servers and auth endpoints.
#[derive(Clone, Default)]
pub(super) enum Choice {
    #[default]
    Direct,
    /// Through the proxy at this URL.
    Always(Secret),
    /// Through the proxy that the environment names, if there is one.
    Environment(Environment),
}

/// The `*_PROXY` variables, as they were when the option was set.
#[derive(Clone)]
pub(super) struct Environment {
    http: Option<Secret>,
    https: Option<Secret>,
    no_proxy: NoProxy,
    /// One of the variables is not Unicode. It may name a proxy, so that connecting past it would be wrong.
    is_unreadable: bool,
}

/// A proxy and its credentials.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    pub(crate) kind: ProxyKind,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// User name and password.
    pub(crate) user: Option<(Secret, Secret)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProxyKind {
    /// HTTP `CONNECT`, RFC 9110, section 9.3.6.
    Http,
    /// The same over TLS.
    Https,
    /// SOCKS 5, RFC 1928, with names resolved by the proxy.
    Socks5,
}

impl Choice {
    /// The proxy for this host, or `None` if the host is reached directly.
    pub(super) fn proxy_for(&self, tls: bool, host: &str, port: u16) -> Result<Option<Proxy>, Error> {
        let url = match self {
            Self::Direct => None,
            Self::Always(url) => Some(url),
            Self::Environment(variables) => variables.url_for(tls, host, port),
        };
        url.map(|url| Proxy::parse(url.expose())).transpose()
    }

    /// Checks everything that may be used later, and logs the entries of `no_proxy` that have no effect.
    pub(super) fn check(&self) -> Result<(), Error> {
        let urls = match self {
            Self::Direct => Vec::new(),
            Self::Always(url) => vec![url],
            Self::Environment(Environment { is_unreadable: true, .. }) => {
                return Err(Error::config("proxy", "a variable of the environment that names it is not Unicode"));
            }
            Self::Environment(Environment { http, https, no_proxy, .. }) => {
                no_proxy.log_unknown();
                http.iter().chain(https).collect()
            }
        };
        urls.into_iter().try_for_each(|url| Proxy::parse(url.expose()).map(drop))
    }
}

impl Environment {
    /// Lower-case names come first. `HTTP_PROXY` is never read, because CGI sets it from a header of the request. In a
    /// CGI program, which has a `REQUEST_METHOD`, `http_proxy` is skipped as well: on Windows, where names have no
    /// case, it is the same variable.
    pub(super) fn read(variable: impl Fn(&str) -> Result<String, VarError>) -> Self {
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

    fn url_for(&self, tls: bool, host: &str, port: u16) -> Option<&Secret> {
        let url = if tls { &self.https } else { &self.http };
        url.as_ref().filter(|_| !self.no_proxy.covers(host, port))
    }
}

impl Proxy {
    /// The error never shows a password.
    fn parse(url: &str) -> Result<Self, Error> {
        let bad = |reason: &str| Error::config("proxy", reason);
        if url.contains(|c: char| c.is_control() || c.is_whitespace() || "#\\".contains(c)) {
            return Err(bad("has a character that does not belong there: white space, control, # or \\"));
        }
        // Environment variables often omit the scheme.
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (kind, default) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (ProxyKind::Http, 80),
            "https" if cfg!(feature = "native-tls") => (ProxyKind::Https, 443),
            "https" => return Err(bad("https needs the feature `native-tls` of pusher-channels, which is off")),
            "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
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
        Ok(Self { kind, host, port, user })
    }

    /// Host and port, for messages.
    pub(crate) fn address(&self) -> String {
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
        ProxyKind::Http | ProxyKind::Https if name.expose().contains(':') => Err(bad("has a colon in its user name")),
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

    fn environment(variables: &[(&str, &str)]) -> Choice {
        let value = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Choice::Environment(Environment::read(|name| value(name).ok_or(VarError::NotPresent)))
    }

    fn host_for(choice: &Choice, tls: bool, host: &str) -> Option<String> {
        choice.proxy_for(tls, host, 443).expect("good URLs").map(|proxy| proxy.host)
    }

    #[test]
    fn c7_a_proxy_is_named_by_a_url() {
        let proxy = parsed("http://proxy.example:3128");
        assert_eq!((proxy.kind, proxy.address().as_str()), (ProxyKind::Http, "proxy.example:3128"));
        assert_eq!((parsed("http://p").port, parsed("socks5://p").port), (80, 1080));
        assert_eq!(parsed("http://[fe80::1%25eth0]:3128").host, "fe80::1%eth0");
        assert_eq!(parsed("socks5h://[::1]:9050/").address(), "[::1]:9050");
        let (name, password) = parsed("http://us%40er:p%3Aw@p:1").user.expect("a user");
        assert_eq!((name.expose(), password.expose()), ("us@er", "p:w"));
    }

    #[test]
    fn c1_a_bad_proxy_is_refused_without_its_password() {
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
        let choice =
            environment(&[("http_proxy", "plain:1"), ("HTTPS_PROXY", "http://secure:2"), ("HTTP_PROXY", "cgi")]);
        assert_eq!(host_for(&choice, false, "h").as_deref(), Some("plain"));
        assert_eq!(host_for(&choice, true, "h").as_deref(), Some("secure"));
        let all = environment(&[("ALL_PROXY", "socks5://all"), ("https_proxy", "")]);
        assert_eq!(host_for(&all, true, "h").as_deref(), Some("all"));
        assert_eq!(host_for(&environment(&[("HTTP_PROXY", "cgi")]), false, "h"), None);
        assert!(environment(&[("http_proxy", "ftp://x")]).check().is_err());
    }

    #[test]
    fn c7_a_variable_that_is_not_unicode_is_refused() {
        for unreadable in ["http_proxy", "HTTPS_PROXY", "all_proxy", "no_proxy"] {
            let value = |name: &str| {
                Err(if name == unreadable { VarError::NotUnicode("canary".into()) } else { VarError::NotPresent })
            };
            let checked = Choice::Environment(Environment::read(value)).check();
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
        let choice = environment(&[("all_proxy", "p:1"), ("no_proxy", "localhost, .example.com,10.0.0.1, [::1]")]);
        for host in ["localhost", "LOCALHOST", "example.com", "a.example.com", "10.0.0.1", "::1"] {
            assert_eq!(host_for(&choice, true, host), None, "{host}");
        }
        for host in ["notexample.com", "example.org", "110.0.0.1", "localhost.example"] {
            assert!(host_for(&choice, true, host).is_some(), "{host}");
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
            assert_eq!((proxy.kind, proxy.address().as_str()), (ProxyKind::Https, "p:443"), "{url}");
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
