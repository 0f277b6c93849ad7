//! The addresses of the server and of auth endpoints, with every character checked (C1, C2).

use std::borrow::Cow;

use tungstenite::http::{HeaderName, Uri, uri::PathAndQuery};
use zeroize::Zeroizing;

use super::{
    Config,
    dialer::UrlSource,
    host::{self, Scheme, address, authority, default_port, port, port_of},
};
use crate::{
    Error,
    protocol::percent,
    secret::{Secret, wiped_bytes},
};

/// The server's address as the program gave it.
#[derive(Debug, Clone)]
pub(super) enum Address {
    Cluster(String),
    Host(String),
    Url(String),
    /// The closure makes a URL for each attempt to connect.
    UrlWith(UrlSource),
}

/// The server's parsed address, or the closure that knows it.
pub(crate) enum Location {
    Fixed(Endpoint),
    /// The closure makes a URL for each attempt to connect. The client adds the query if the URL has none.
    Changing {
        source: UrlSource,
        query: String,
    },
}

impl Location {
    /// Checks and parses the options that make up the address.
    pub fn of(config: &Config) -> Result<Self, Error> {
        if config.port == Some(0) && !matches!(config.address, Address::UrlWith(_)) {
            return Err(Error::config("port", "must not be 0"));
        }
        let endpoint = match &config.address {
            Address::Cluster(cluster) => {
                Endpoint::of_host(config, cluster_host(cluster, config.cluster_domain.as_deref())?)?
            }
            Address::Host(host) => {
                check_cluster_domain(config)?;
                let host = host::checked(host).map_err(|reason| Error::config("host", reason))?;
                Endpoint::of_host(config, host)?
            }
            Address::Url(url) => {
                check_beside_url(config, "url")?;
                Endpoint::of_url(url, || metadata(config))?
            }
            Address::UrlWith(source) => {
                check_beside_url(config, "url_with")?;
                return Ok(Self::Changing { source: source.clone(), query: metadata(config)? });
            }
        };
        Ok(Self::Fixed(endpoint))
    }

    /// The address for one attempt to connect. May run the closure of the program.
    ///
    /// # Errors
    ///
    /// [`Error::DialUrl`] if the closure panics, or its URL is not valid.
    pub fn endpoint(&self) -> Result<Cow<'_, Endpoint>, Error> {
        match self {
            Self::Fixed(endpoint) => Ok(Cow::Borrowed(endpoint)),
            Self::Changing { source, query } => match Endpoint::of_url(&source.url()?, || Ok(query.clone())) {
                Err(Error::Config { reason, .. }) => Err(Error::DialUrl { reason }),
                endpoint => endpoint.map(Cow::Owned),
            },
        }
    }
}

/// The address to dial, and the target of the upgrade request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub scheme: Scheme,
    /// A name or an address, without brackets. It may end in a dot, or in a zone.
    pub host: String,
    pub port: u16,
    /// Path and query of the request.
    pub target: String,
}

impl Endpoint {
    fn of_host(config: &Config, host: String) -> Result<Self, Error> {
        let tls = config.tls.unwrap_or(true);
        let target =
            format!("{}/app/{}{}", checked_prefix(&config.path_prefix)?, checked_key(&config.key)?, metadata(config)?);
        Ok(Self { scheme: scheme(tls)?, host, port: config.port.unwrap_or(default_port(tls)), target })
    }

    /// Parses a complete URL. `metadata` makes the query if the URL has none.
    fn of_url(url: &str, metadata: impl FnOnce() -> Result<String, Error>) -> Result<Self, Error> {
        let bad = |reason: &str| Error::config("url", reason);
        if url.contains('@') {
            return Err(bad(
                "has an @: a user name and a password are sent by the option header (Authorization); write %40 in a path or a query",
            ));
        }
        if has_bad_character(url) {
            return Err(bad(BAD_CHARACTER));
        }
        let uri: Uri = url.parse().map_err(|_| bad("is not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            _ => return Err(bad("must begin with ws:// or wss://")),
        };
        let host = host::of_url(&uri).map_err(|_| bad("has no valid host"))?;
        let query = match uri.query() {
            Some(query) => format!("?{query}"),
            None => metadata()?,
        };
        let port = port_of(&uri, default_port(tls)).ok_or_else(|| bad("has no valid port"))?;
        let target = percent::encode_rest(&format!("{}{query}", uri.path()));
        Ok(Self { scheme: scheme(tls)?, host, port, target })
    }

    /// The same endpoint over TLS, which the server asked for with close code 4000 (R2).
    pub fn over_tls(mut self) -> Result<Self, Error> {
        let no_tls = || Error::config("tls", "the server asks for TLS, and the feature `native-tls` is off");
        let tls = Scheme::with_tls().ok_or_else(no_tls)?;
        if !self.scheme.is_tls() && self.port == default_port(false) {
            self.port = default_port(true);
        }
        self.scheme = tls;
        Ok(self)
    }

    /// The whole address.
    pub fn url(&self) -> String {
        let scheme = if self.scheme.is_tls() { "wss" } else { "ws" };
        let zone = self.host.split_once('%').map(|(_, zone)| format!("%25{zone}]"));
        let authority = match zone {
            Some(zone) => self.authority().replacen(']', &zone, 1),
            None => self.authority(),
        };
        format!("{scheme}://{authority}{}", self.target)
    }

    /// The value of the `Host` header, with the port unless it is the default.
    pub fn authority(&self) -> String {
        authority(self.scheme.is_tls(), &self.host, self.port)
    }

    /// Host and port, for messages.
    pub fn address(&self) -> String {
        address(&self.host, self.port)
    }
}

/// The URL of an auth endpoint.
#[derive(Clone)]
pub(crate) struct HttpUrl {
    pub scheme: Scheme,
    /// A name or an address, without brackets. It may end in a dot, or in a zone.
    pub host: String,
    pub port: u16,
    /// With the path and the query as they are sent. They may contain tokens, so this memory is wiped.
    uri: Uri,
}

/// The `http` crate refuses a longer path and query.
const MAX_TARGET: usize = u16::MAX as usize - 1;

impl HttpUrl {
    /// The error describes the problem and leaves the URL out.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        if has_user(url) {
            return Err(
                "must have no user name and no password in it; send them by the option auth_header (Authorization)",
            );
        }
        if has_bad_character(url) {
            return Err(BAD_CHARACTER);
        }
        let uri = Uri::from_maybe_shared(wiped_bytes(url)).map_err(|_| "is not a URL")?;
        let host = host::of_url(&uri).map_err(|_| "must be a complete URL with a valid host")?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("must begin with http:// or https://"),
        };
        let port = port_of(&uri, default_port(tls)).ok_or("has no valid port")?;
        let uri = with_encoded_target(uri)?;
        let scheme = Scheme::of(tls).ok_or("https needs the feature `native-tls` of pusher-channels, which is off")?;
        Ok(Self { scheme, host, port, uri })
    }

    /// The URL of a request.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The value of the `Host` header, with the port unless it is the default. Leaves out the path and the query.
    pub fn authority(&self) -> String {
        authority(self.scheme.is_tls(), &self.host, self.port)
    }
}

/// The same URL with its path and its query percent-encoded.
fn with_encoded_target(uri: Uri) -> Result<Uri, &'static str> {
    // `path_and_query` lacks the `/` of a URL that has a query and no path.
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let target = Zeroizing::new(percent::encode_rest(&format!("{}{query}", uri.path())));
    if target.len() > MAX_TARGET {
        return Err("has more than 64 KiB, percent-encoded");
    }
    let target = PathAndQuery::from_maybe_shared(wiped_bytes(&target)).map_err(|_| "is not a URL")?;
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map_err(|_| "is not a URL")
}

/// Whether the URL has a user name or a password. A password may contain a slash that should have been encoded; the
/// text before that slash then looks like a host with an invalid port.
fn has_user(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, after) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    let has_no_port =
        || authority.split_once(':').is_some_and(|(_, text)| !authority.starts_with('[') && port(text).is_none());
    authority.contains('@') || (after.contains('@') && has_no_port())
}

/// The reason for the refusal of a URL by [`has_bad_character`].
pub(crate) const BAD_CHARACTER: &str = "has a character that does not belong there: white space, control, # or \\";

/// Whether a URL has one of the characters that would end it, or that proxies and servers read in different ways.
pub(crate) fn has_bad_character(url: &str) -> bool {
    url.contains(|c: char| c.is_control() || c.is_whitespace() || "#\\".contains(c))
}

fn scheme(tls: bool) -> Result<Scheme, Error> {
    let no_tls = || Error::config("tls", "wss needs the feature `native-tls` of pusher-channels, which is off");
    Scheme::of(tls).ok_or_else(no_tls)
}

/// Checks the options that a complete URL has no place for.
fn check_beside_url(config: &Config, option: &'static str) -> Result<(), Error> {
    if config.port.is_some() || config.tls.is_some() || !config.path_prefix.is_empty() {
        return Err(Error::config(option, "is complete: port, tls and path_prefix cannot be set beside it"));
    }
    check_cluster_domain(config)
}

fn check_cluster_domain(config: &Config) -> Result<(), Error> {
    match (&config.cluster_domain, &config.address) {
        (None, _) | (Some(_), Address::Cluster(_)) => Ok(()),
        _ => Err(Error::config("cluster_domain", "works only with `cluster`")),
    }
}

fn cluster_host(cluster: &str, domain: Option<&str>) -> Result<String, Error> {
    let is_label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !is_label(cluster) {
        return Err(Error::config("cluster", "must be a short name such as `eu`: letters, digits, hyphens"));
    }
    let domain = domain.unwrap_or("pusher.com");
    // As in other hosts, a final dot marks a name as complete.
    if !domain.strip_suffix('.').unwrap_or(domain).split('.').all(is_label) {
        return Err(Error::config("cluster_domain", "must be a domain such as `example.com`, without a port"));
    }
    Ok(format!("ws-{cluster}.{domain}"))
}

fn checked_key(key: &str) -> Result<String, Error> {
    if key.is_empty() {
        return Err(Error::config("key", "is empty"));
    }
    refuse_url_syntax("key", key, "/?#@")?;
    if key == "." || key == ".." {
        return Err(Error::config("key", "is a relative path"));
    }
    Ok(percent::encode(key))
}

fn checked_prefix(prefix: &str) -> Result<String, Error> {
    refuse_url_syntax("path_prefix", prefix, "?#@\\")?;
    let segments = prefix.split('/').filter(|segment| !segment.is_empty());
    let mut path = String::new();
    for segment in segments {
        if segment == "." || segment == ".." {
            return Err(Error::config("path_prefix", "has a relative segment"));
        }
        path.push('/');
        path.push_str(&percent::encode(segment));
    }
    Ok(path)
}

/// The query with which the client introduces itself.
fn metadata(config: &Config) -> Result<String, Error> {
    let Some((name, version)) = &config.metadata else { return Ok(String::new()) };
    if name.is_empty() || version.is_empty() {
        return Err(Error::config("client_name", "name and version must not be empty"));
    }
    refuse_url_syntax("client_name", name, "/?#@")?;
    refuse_url_syntax("client_name", version, "/?#@")?;
    Ok(format!("?protocol=7&client={}&version={}", percent::encode(name), percent::encode(version)))
}

fn refuse_url_syntax(option: &'static str, value: &str, syntax: &str) -> Result<(), Error> {
    let found = value.chars().find(|c| c.is_control() || c.is_whitespace() || syntax.contains(*c));
    match found {
        Some(c) => Err(Error::config(option, format!("has the character {c:?}, which does not belong there"))),
        None => Ok(()),
    }
}

/// The headers of the upgrade request that the client sets itself, because WebSocket depends on them.
const RESERVED: [&str; 7] = [
    "host",
    "connection",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
];

/// Checks and parses the program's headers. Errors never show a value, because it may be a token. They leave an invalid
/// name out as well: it may be a value in the wrong place (X1).
pub(crate) fn checked_headers(config: &Config) -> Result<Vec<(HeaderName, Secret)>, Error> {
    let origin = config.origin.iter().map(|origin| ("origin", "Origin", origin));
    let headers = config.headers.iter().map(|(name, value)| ("header", name.as_str(), value));
    origin
        .chain(headers)
        .map(|(option, name, value)| {
            let bad = |reason| Error::config(option, format!("{name:?} {reason}"));
            let parsed: HeaderName =
                name.parse().map_err(|_| Error::config(option, "a name is not a valid header name"))?;
            if RESERVED.contains(&parsed.as_str()) {
                return Err(bad("is set by the client itself"));
            }
            if !is_field_value(value.expose()) {
                return Err(bad("has a value that no header can have"));
            }
            Ok((parsed, value.clone()))
        })
        .collect()
}

/// RFC 9110, section 5.5: visible characters, bytes beyond ASCII, spaces and tabs. The check makes no `HeaderValue`,
/// which would be a copy of a token that stays in memory (X1).
pub(crate) fn is_field_value(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(config: Config) -> Result<Endpoint, Error> {
        Location::of(&config)?.endpoint().map(Cow::into_owned)
    }

    fn option_of(config: Config) -> &'static str {
        match parsed(config) {
            Err(Error::Config { option, .. }) => option,
            other => panic!("{other:?}"),
        }
    }

    #[cfg(feature = "native-tls")]
    #[test]
    fn c2_a_cluster_selects_the_host_of_the_service() {
        let endpoint = parsed(Config::cluster("key", "eu").client_name("x", "1")).expect("valid");
        assert_eq!(endpoint.host, "ws-eu.pusher.com");
        assert_eq!((endpoint.port, endpoint.scheme), (443, Scheme::Tls));
        assert_eq!(endpoint.target, "/app/key?protocol=7&client=x&version=1");
        assert_eq!(endpoint.authority(), "ws-eu.pusher.com");
    }

    #[test]
    fn c2_host_port_prefix_and_encoding() {
        let config =
            Config::host("k&=ż", "localhost").tls(false).port(6001).path_prefix("/a b".trim()).without_metadata();
        assert_eq!(option_of(config.clone()), "path_prefix");
        let endpoint = parsed(config.path_prefix("ws/v1/")).expect("valid");
        assert_eq!(endpoint.target, "/ws/v1/app/k%26%3D%C5%BC");
        assert_eq!(endpoint.authority(), "localhost:6001");
        let endpoint = parsed(Config::host("k", "::1").tls(false)).expect("valid");
        assert_eq!((endpoint.authority().as_str(), endpoint.port), ("[::1]", 80));
    }

    #[test]
    fn c2_a_complete_url_gets_metadata_only_when_it_has_no_query() {
        let target = |url| parsed(Config::url(url).client_name("x", "1")).expect(url).target;
        assert_eq!(target("ws://h:1/p/app/k"), "/p/app/k?protocol=7&client=x&version=1");
        assert_eq!(target("ws://h:1/app/k?protocol=7"), "/app/k?protocol=7");
        let endpoint = parsed(Config::url("ws://[::1]:6001/app/k")).expect("valid");
        assert_eq!((endpoint.host.as_str(), endpoint.port), ("::1", 6001));
    }

    #[test]
    fn c1_bad_options_are_refused_and_named() {
        for key in ["", "a b", "a/b", "a?b", "a#b", "a@b", "a\r\nb", "a\0b", ".."] {
            assert_eq!(option_of(Config::host(key, "h").tls(false)), "key", "{key:?}");
        }
        let hosts = ["", "a b", "a/b", "user@h", "h:80", "h#", "h?", "h\r\nX: y", "ż.pl", "[h]", "[::1"];
        for host in hosts.into_iter().chain([".", "..", "a..b", ".a", "fe80::1%", "fe80::1%l o", "127.0.0.1%lo"]) {
            assert_eq!(option_of(Config::host("k", host).tls(false)), "host", "{host:?}");
        }
        for cluster in ["", "eu.evil.example", "eu/..", "e u", "eu@", "eu\n"] {
            assert_eq!(option_of(Config::cluster("k", cluster)), "cluster", "{cluster:?}");
        }
        let urls = [
            "",
            "h",
            "http://h/app/k",
            "ws://",
            "ws:///app/k",
            "ws://./app/k",
            "ws://a..b/app/k",
            "ws://[fe80::1%25]]/app/k",
            "ws://[fe80::1%25l%0Ao]/app/k",
            "ws://h/a b",
            "ws://h/#x",
            "ws://h:0/",
            "ws://h:99999/",
            "ws://h:/app",
            "ws://h\r\n/",
            "ws://h\\x/",
        ];
        for url in urls {
            assert_eq!(option_of(Config::url(url)), "url", "{url:?}");
        }
        assert_eq!(option_of(Config::url("ws://h/app/k").port(1)), "url");
        assert_eq!(option_of(Config::host("k", "h").tls(false).port(0)), "port");
        assert_eq!(option_of(Config::host("k", "h").tls(false).client_name("a&b", "1 2")), "client_name");
    }

    #[test]
    fn c1_a_user_in_the_url_is_refused_with_a_hint() {
        let urls = [
            "ws://ann:canary@host/app/k",
            "ws://canary@host/app/k",
            "ws://:canary@host/app/k",
            "ws://canary:@host/app/k",
            "ws://an%40n:canary%3A@host:80/app/k",
            "ws://ann:canary@[::1]:80/app/k",
            "ws://ann:can/ary@host/app/k",
            "ws://ann:can ary@host/app/k",
            "ws://ann:can#ary@host/app/k",
            "ws://@host/app/k",
            "ann:canary@host/app/k",
        ];
        for url in urls {
            let error = parsed(Config::url(url)).expect_err(url);
            assert!(matches!(error, Error::Config { option: "url", .. }), "{url}: {error:?}");
            let shown = format!("{error} {error:?}");
            assert!(
                shown.contains("the option header") && !shown.contains("ary") && !shown.contains("ann"),
                "{url}: {shown}"
            );
        }
    }

    #[test]
    fn c1_a_host_may_end_in_a_dot_or_in_a_zone() {
        let cases = [
            (Config::host("k", "WS.example.").tls(false), "WS.example.", "WS.example."),
            (Config::host("k", "ws.example.").tls(false).port(8080), "ws.example.", "ws.example.:8080"),
            (Config::url("ws://ws.example./app/k"), "ws.example.", "ws.example."),
            (Config::url("ws://ws.example.:8080/app/k"), "ws.example.", "ws.example.:8080"),
            (Config::host("k", "fe80::1%eth0").tls(false), "fe80::1%eth0", "[fe80::1]"),
            (Config::host("k", "[fe80::1%lo]").tls(false).port(8080), "fe80::1%lo", "[fe80::1]:8080"),
            (Config::url("ws://[fe80::1%25lo]/app/k"), "fe80::1%lo", "[fe80::1]"),
            (Config::url("ws://[fe80::1%lo]:8080/app/k"), "fe80::1%lo", "[fe80::1]:8080"),
        ];
        for (config, host, authority) in cases {
            let endpoint = parsed(config).expect(host);
            assert_eq!((endpoint.host.as_str(), endpoint.authority().as_str()), (host, authority));
        }
    }

    #[test]
    fn c1_headers_cannot_inject_or_replace_the_clients_own() {
        let config = || Config::host("k", "h").tls(false);
        let bad = [("X-A", "a\r\nX-B: b"), ("X\r\nA", "a"), ("", "a"), ("Host", "evil"), ("sec-websocket-key", "x")];
        for (name, value) in bad {
            assert!(
                matches!(checked_headers(&config().header(name, value)), Err(Error::Config { option: "header", .. })),
                "{name:?}"
            );
        }
        assert!(matches!(checked_headers(&config().origin("a\nb")), Err(Error::Config { option: "origin", .. })));
        let good = checked_headers(&config().origin("https://a.example").header("X-A", "b"));
        assert_eq!(good.expect("valid").len(), 2);
    }

    #[cfg(feature = "native-tls")]
    #[test]
    fn r2_the_default_port_follows_the_scheme_when_the_server_asks_for_tls() {
        let port = |config: Config| parsed(config).and_then(Endpoint::over_tls).expect("valid").port;
        assert_eq!(port(Config::host("k", "h").tls(false)), 443);
        assert_eq!(port(Config::host("k", "h").tls(false).port(6001)), 6001);
    }

    #[cfg(not(feature = "native-tls"))]
    #[test]
    fn wss_without_the_feature_names_the_feature() {
        let error = parsed(Config::cluster("k", "eu")).expect_err("no TLS in this build");
        assert!(error.to_string().contains("native-tls"));
    }

    fn http_url(url: &str) -> HttpUrl {
        HttpUrl::parse(url).unwrap_or_else(|reason| panic!("{url}: {reason}"))
    }

    #[test]
    fn the_url_of_an_auth_endpoint_is_taken_apart() {
        let target = |url: &HttpUrl| url.uri().path_and_query().map(|target| target.as_str().to_owned());
        let url = http_url("http://a.example/p?q=\u{17c}%20");
        assert_eq!((url.authority().as_str(), target(&url).as_deref()), ("a.example", Some("/p?q=%C5%BC%20")));
        assert_eq!(target(&http_url("http://h?q")).as_deref(), Some("/?q"));
        let url = http_url("http://[::1]:8000");
        assert_eq!((url.authority().as_str(), url.host.as_str()), ("[::1]:8000", "::1"));
        assert_eq!(target(&url).as_deref(), Some("/"));
        let url = http_url("http://[fe80::1%25lo]:8443/");
        assert_eq!((url.authority().as_str(), url.host.as_str()), ("[fe80::1]:8443", "fe80::1%lo"));
        let url = http_url("http://WS.example.:8443/");
        assert_eq!((url.authority().as_str(), url.host.as_str()), ("WS.example.:8443", "WS.example."));
        assert_eq!(http_url("http://h:80/").authority(), "h");
    }

    #[cfg(feature = "native-tls")]
    #[test]
    fn the_default_port_of_an_auth_endpoint_follows_its_scheme() {
        for url in ["https://a.example/p", "https://a.example:443"] {
            let url = http_url(url);
            assert_eq!((url.scheme, url.port, url.authority().as_str()), (Scheme::Tls, 443, "a.example"));
        }
        assert_eq!(http_url("https://a.example:80/").authority(), "a.example:80");
    }

    #[test]
    fn c1_a_user_in_the_url_of_an_auth_endpoint_is_refused_with_a_hint() {
        let urls = [
            "https://ann:canary@h/auth",
            "https://canary@h/auth",
            "https://:canary@h/",
            "https://canary:@h",
            "https://an%40n:canary%3A@h/",
            "https://ann:canary@[::1]:8000/",
            "https://ann:can/ary@h/",
            "https://ann:can?ary@h/",
            "https://ann:can#ary@h/",
            "https://ann:can ary@h/",
            "https://@h/",
            "ann:canary@h/auth",
        ];
        for url in urls {
            let reason = HttpUrl::parse(url).err().unwrap_or_else(|| panic!("{url}"));
            assert!(reason.contains("the option auth_header") && !reason.contains("can"), "{url}: {reason}");
        }
        for url in ["http://h/@ann", "http://h?user=a@b", "http://h:80/a@b", "http://[::1]/@"] {
            assert!(HttpUrl::parse(url).is_ok(), "{url}");
        }
    }
}
