//! The parsed URL of an auth endpoint.

use tungstenite::http::Uri;

use super::host::{self, authority, default_port, port, port_of};
use crate::protocol::percent;

/// The target of a request. Its `authority` leaves out the path and the query, which may contain tokens.
pub(crate) struct HttpUrl {
    pub(crate) tls: bool,
    /// A name or an address, without brackets. It may end in a dot, or in a zone.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query.
    pub(crate) target: String,
}

/// The `http` crate refuses a longer path and query.
const MAX_TARGET: usize = u16::MAX as usize - 1;

impl HttpUrl {
    /// The error describes the problem and leaves the URL out.
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        if has_user(url) {
            return Err(
                "must have no user name and no password in it; send them by the option auth_header (Authorization)",
            );
        }
        if url.contains(|c: char| c.is_control() || c.is_whitespace() || "#\\".contains(c)) {
            return Err("has a character that does not belong there: white space, control, # or \\");
        }
        let uri: Uri = url.parse().map_err(|_| "is not a URL")?;
        let host = host::of_url(&uri).map_err(|_| "must be a complete URL with a valid host")?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("must begin with http:// or https://"),
        };
        let port = port_of(&uri, default_port(tls)).ok_or("has no valid port")?;
        // `path_and_query` lacks the `/` of a URL that has a query and no path.
        let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
        let target = percent::encode_rest(&format!("{}{query}", uri.path()));
        if target.len() > MAX_TARGET {
            return Err("has more than 64 KiB, percent-encoded");
        }
        Ok(Self { tls, host, port, target })
    }

    /// The value of the `Host` header, with the port unless it is the default.
    pub(crate) fn authority(&self) -> String {
        authority(self.tls, &self.host, self.port)
    }
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

    #[test]
    fn a_url_is_taken_apart() {
        let url = HttpUrl::parse("https://a.example/p?q=\u{17c}%20").unwrap_or_else(|reason| panic!("{reason}"));
        assert_eq!((url.authority().as_str(), url.target.as_str()), ("a.example", "/p?q=%C5%BC%20"));
        let url = HttpUrl::parse("http://h?q").unwrap_or_else(|reason| panic!("{reason}"));
        assert_eq!(url.target, "/?q");
        let url = HttpUrl::parse("http://[::1]:8000").unwrap_or_else(|reason| panic!("{reason}"));
        assert_eq!((url.authority().as_str(), url.target.as_str(), url.host.as_str()), ("[::1]:8000", "/", "::1"));
        let url = HttpUrl::parse("https://[fe80::1%25lo]:8443/").unwrap_or_else(|reason| panic!("{reason}"));
        assert_eq!((url.authority().as_str(), url.host.as_str()), ("[fe80::1]:8443", "fe80::1%lo"));
        let url = HttpUrl::parse("https://WS.example.:8443/").unwrap_or_else(|reason| panic!("{reason}"));
        assert_eq!((url.authority().as_str(), url.host.as_str()), ("WS.example.:8443", "WS.example."));
        assert_eq!(HttpUrl::parse("http://h:80/").map(|url| url.authority()), Ok("h".to_owned()));
    }

    #[test]
    fn c1_a_user_in_a_url_is_refused_with_a_hint_and_not_shown() {
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
        for url in ["https://h/@ann", "https://h?user=a@b", "https://h:80/a@b", "https://[::1]/@"] {
            assert!(HttpUrl::parse(url).is_ok(), "{url}");
        }
    }
}
