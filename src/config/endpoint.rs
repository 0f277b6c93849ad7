//! From options to the address that is dialled and the request that is sent, with every character checked (C1, C2).

use tungstenite::http::{HeaderName, Uri};

use super::{
    Address, Config,
    host::{self, address, authority, default_port, port_of},
};
use crate::{Error, protocol::percent, secret::Secret};

/// The address to dial, and the target of the upgrade request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) tls: bool,
    /// A name or an address, without brackets. It may end in a dot, or in a zone.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query of the request.
    pub(crate) target: String,
}

impl Endpoint {
    /// Checks everything that ends up in the request.
    pub(super) fn of(config: &Config) -> Result<Self, Error> {
        let endpoint = match &config.address {
            Address::Cluster(cluster) => {
                Self::of_host(config, cluster_host(cluster, config.cluster_domain.as_deref())?)?
            }
            Address::UrlWith(_) => return Err(Error::config("url_with", "has no URL between two attempts")),
            Address::Host(host) => {
                check_cluster_domain(config)?;
                let host = host::checked(host).map_err(|reason| Error::config("host", reason))?;
                Self::of_host(config, host)?
            }
            Address::Url(url) => Self::of_url(config, url)?,
        };
        if endpoint.tls && !cfg!(feature = "native-tls") {
            return Err(Error::config("tls", "wss needs the feature `native-tls` of pusher-channels, which is off"));
        }
        Ok(endpoint)
    }

    fn of_host(config: &Config, host: String) -> Result<Self, Error> {
        let tls = config.tls.unwrap_or(true);
        let target =
            format!("{}/app/{}{}", checked_prefix(&config.path_prefix)?, checked_key(&config.key)?, metadata(config)?);
        Ok(Self { tls, host, port: config.port.unwrap_or(default_port(tls)), target })
    }

    fn of_url(config: &Config, url: &str) -> Result<Self, Error> {
        check_beside_url(config, "url")?;
        let bad = |reason: &str| Error::config("url", reason);
        if url.contains('@') {
            return Err(bad(
                "has an @: a user name and a password are sent by the option header (Authorization); write %40 in a path or a query",
            ));
        }
        if url.contains(|c: char| c.is_control() || c.is_whitespace() || "#\\".contains(c)) {
            return Err(bad("has a character that does not belong there: white space, control, # or \\"));
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
            None => metadata(config)?,
        };
        let port = port_of(&uri, default_port(tls)).ok_or_else(|| bad("has no valid port"))?;
        Ok(Self { tls, host, port, target: percent::encode_rest(&format!("{}{query}", uri.path())) })
    }

    /// The same endpoint over TLS, which the server asked for with close code 4000 (R2).
    pub(crate) fn over_tls(mut self) -> Result<Self, Error> {
        if !cfg!(feature = "native-tls") {
            return Err(Error::config("tls", "the server asks for TLS, and the feature `native-tls` is off"));
        }
        if !self.tls && self.port == default_port(false) {
            self.port = default_port(true);
        }
        self.tls = true;
        Ok(self)
    }

    /// The whole address.
    pub(super) fn url(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        let zone = self.host.split_once('%').map(|(_, zone)| format!("%25{zone}]"));
        let authority = match zone {
            Some(zone) => self.authority().replacen(']', &zone, 1),
            None => self.authority(),
        };
        format!("{scheme}://{authority}{}", self.target)
    }

    /// The value of the `Host` header, with the port unless it is the default.
    pub(crate) fn authority(&self) -> String {
        authority(self.tls, &self.host, self.port)
    }

    /// Host and port, for messages.
    pub(crate) fn address(&self) -> String {
        address(&self.host, self.port)
    }
}

/// Checks the options that a complete URL has no place for.
pub(super) fn check_beside_url(config: &Config, option: &'static str) -> Result<(), Error> {
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

pub(super) fn metadata(config: &Config) -> Result<String, Error> {
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

/// Checks the user's headers. Errors never show a value, because it may be a token. They leave an invalid name out as
/// well: it may be a value in the wrong place (X1).
pub(super) fn checked_headers(config: &Config) -> Result<Vec<(HeaderName, &Secret)>, Error> {
    let origin = config.origin.iter().map(|origin| ("origin", "Origin", origin));
    let headers = config.headers.iter().map(|(name, value)| ("header", name.as_str(), value));
    origin
        .chain(headers)
        .map(|(option, name, value)| {
            let bad = |what| Error::config(option, format!("{name:?} {what}"));
            let parsed: HeaderName =
                name.parse().map_err(|_| Error::config(option, "a name is not a valid header name"))?;
            if RESERVED.contains(&parsed.as_str()) {
                return Err(bad("is set by the client itself"));
            }
            if !is_field_value(value.expose()) {
                return Err(bad("has a value that no header can have"));
            }
            Ok((parsed, value))
        })
        .collect()
}

/// RFC 9110, section 5.5: visible characters, bytes beyond ASCII, spaces and tabs. The check makes no `HeaderValue`,
/// which would be a copy of a token that stays in memory (X1).
pub(super) fn is_field_value(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option_of(config: Config) -> &'static str {
        match config.endpoint() {
            Err(Error::Config { option, .. }) => option,
            other => panic!("{other:?}"),
        }
    }

    #[cfg(feature = "native-tls")]
    #[test]
    fn c2_a_cluster_names_the_host_of_the_service() {
        let endpoint = Config::cluster("key", "eu").client_name("x", "1").endpoint().expect("valid");
        assert_eq!(endpoint.host, "ws-eu.pusher.com");
        assert_eq!((endpoint.port, endpoint.tls), (443, true));
        assert_eq!(endpoint.target, "/app/key?protocol=7&client=x&version=1");
        assert_eq!(endpoint.authority(), "ws-eu.pusher.com");
    }

    #[test]
    fn c2_host_port_prefix_and_encoding() {
        let config =
            Config::host("k&=ż", "localhost").tls(false).port(6001).path_prefix("/a b".trim()).without_metadata();
        assert_eq!(option_of(config.clone()), "path_prefix");
        let endpoint = config.path_prefix("ws/v1/").endpoint().expect("valid");
        assert_eq!(endpoint.target, "/ws/v1/app/k%26%3D%C5%BC");
        assert_eq!(endpoint.authority(), "localhost:6001");
        let endpoint = Config::host("k", "::1").tls(false).endpoint().expect("valid");
        assert_eq!((endpoint.authority().as_str(), endpoint.port), ("[::1]", 80));
    }

    #[test]
    fn c2_a_complete_url_gets_metadata_only_when_it_has_no_query() {
        let target = |url| Config::url(url).client_name("x", "1").endpoint().expect(url).target;
        assert_eq!(target("ws://h:1/p/app/k"), "/p/app/k?protocol=7&client=x&version=1");
        assert_eq!(target("ws://h:1/app/k?protocol=7"), "/app/k?protocol=7");
        let endpoint = Config::url("ws://[::1]:6001/app/k").endpoint().expect("valid");
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
    fn c1_a_user_in_the_url_is_refused_with_a_hint_and_not_shown() {
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
            let error = Config::url(url).endpoint().expect_err(url);
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
            let endpoint = config.endpoint().expect(host);
            assert_eq!((endpoint.host.as_str(), endpoint.authority().as_str()), (host, authority));
        }
    }

    #[test]
    fn c1_headers_cannot_inject_or_replace_the_clients_own() {
        let config = || Config::host("k", "h").tls(false);
        let bad = [("X-A", "a\r\nX-B: b"), ("X\r\nA", "a"), ("", "a"), ("Host", "evil"), ("sec-websocket-key", "x")];
        for (name, value) in bad {
            assert!(
                matches!(config().header(name, value).headers(), Err(Error::Config { option: "header", .. })),
                "{name:?}"
            );
        }
        assert!(matches!(config().origin("a\nb").headers(), Err(Error::Config { option: "origin", .. })));
        assert_eq!(config().origin("https://a.example").header("X-A", "b").headers().expect("valid").len(), 2);
    }

    #[cfg(feature = "native-tls")]
    #[test]
    fn r2_the_default_port_follows_the_scheme_when_the_server_asks_for_tls() {
        let port = |config: Config| config.endpoint().and_then(Endpoint::over_tls).expect("valid").port;
        assert_eq!(port(Config::host("k", "h").tls(false)), 443);
        assert_eq!(port(Config::host("k", "h").tls(false).port(6001)), 6001);
    }

    #[cfg(not(feature = "native-tls"))]
    #[test]
    fn wss_without_the_feature_names_the_feature() {
        let error = Config::cluster("k", "eu").endpoint().expect_err("no TLS in this build");
        assert!(error.to_string().contains("native-tls"));
    }
}
