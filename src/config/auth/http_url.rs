//! The URL of an auth endpoint, with every character checked (C1).

use tungstenite::http::{Uri, uri::PathAndQuery};
use zeroize::Zeroizing;

use crate::{
    config::{
        endpoint::{BAD_CHARACTER, has_bad_character},
        host::{self, Scheme, authority, default_port, port, port_of},
    },
    protocol::percent,
    secret::wiped_bytes,
};

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

#[cfg(test)]
mod tests {
    use super::*;

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
