//! The URL of an auth endpoint, taken apart.

use tungstenite::http::Uri;

use super::endpoint::{authority, checked_host, default_port, port_of};
use crate::protocol::percent;

/// Where a request goes. What it shows of itself has neither the path nor the query, where tokens may stand.
pub(crate) struct HttpUrl {
    pub(crate) tls: bool,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path and query.
    pub(crate) target: String,
}

impl HttpUrl {
    /// The error says what is wrong, without the URL.
    pub(crate) fn parse(url: &str) -> Result<Self, &'static str> {
        if url.contains(|c: char| c.is_control() || c.is_whitespace() || "#\\".contains(c)) {
            return Err("has a character that does not belong there: white space, control, # or \\");
        }
        let uri: Uri = url.parse().map_err(|_| "is not a URL")?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("must not have user information in it; use auth_header");
        }
        let host =
            checked_host(uri.host().unwrap_or_default()).map_err(|_| "must be a complete URL with a valid host")?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("must begin with http:// or https://"),
        };
        let port = port_of(&uri, default_port(tls)).ok_or("has no valid port")?;
        // Not `path_and_query`, which has no path where the URL has none, but a query.
        let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
        let target = percent::encode_rest(&format!("{}{query}", uri.path()));
        Ok(Self { tls, host, port, target })
    }

    /// The value of the `Host` header: the port only where it is not the default.
    pub(crate) fn authority(&self) -> String {
        authority(self.tls, &self.host, self.port)
    }

    /// What a connection is kept for.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}:{}", if self.tls { "https" } else { "http" }, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let url = HttpUrl::parse("https://a.example/p?q=\u{17c}%20").unwrap_or_else(|reason| panic!("{reason}"));
        assert_eq!((url.authority().as_str(), url.target.as_str()), ("a.example", "/p?q=%C5%BC%20"));
        assert_eq!(url.origin(), "https://a.example:443");
        let url = HttpUrl::parse("http://h?q").unwrap_or_else(|reason| panic!("{reason}"));
        assert_eq!(url.target, "/?q");
        let url = HttpUrl::parse("http://[::1]:8000").unwrap_or_else(|reason| panic!("{reason}"));
        assert_eq!((url.authority().as_str(), url.target.as_str(), url.host.as_str()), ("[::1]:8000", "/", "::1"));
        assert_eq!(HttpUrl::parse("http://h:80/").map(|url| url.authority()), Ok("h".to_owned()));
    }
}
