//! The program's headers, for the upgrade request and for requests to auth endpoints.

use tungstenite::http::HeaderName;

use super::Config;
use crate::{Error, secret::Secret};

/// The headers of the upgrade request that the client sets itself, because WebSocket depends on them.
const RESERVED_FOR_UPGRADE: [&str; 7] = [
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
pub(crate) fn checked_upgrade_headers(config: &Config) -> Result<Vec<(HeaderName, Secret)>, Error> {
    let origin = config.origin.iter().map(|origin| ("origin", "Origin", origin));
    let headers = config.headers.iter().map(|(name, value)| ("header", name.as_str(), value));
    origin
        .chain(headers)
        .map(|(option, name, value)| {
            let bad = |reason| Error::config(option, format!("{name:?} {reason}"));
            let parsed: HeaderName =
                name.parse().map_err(|_| Error::config(option, "a name is not a valid header name"))?;
            if RESERVED_FOR_UPGRADE.contains(&parsed.as_str()) {
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

/// The headers of requests to auth endpoints that the client sets itself, because they describe the body and the
/// connection.
const RESERVED_FOR_ENDPOINTS: [&str; 6] =
    ["host", "connection", "content-length", "content-type", "transfer-encoding", "expect"];

/// A line of a request has to fit into ureq's buffer. Servers accept 8 to 64 KiB of headers in all.
const MAX_HEADER: usize = 60 * 1024;

/// Parses the name of a header for requests to auth endpoints. The error is the reason why the header cannot be sent. It
/// never shows the value, and shows the name only if it is valid: an invalid name may be a value in the wrong place (X1).
pub(crate) fn checked_header(name: &str, value: &str) -> Result<HeaderName, String> {
    let parsed: HeaderName = name.parse().map_err(|_| "a name is not a valid header name")?;
    if RESERVED_FOR_ENDPOINTS.contains(&parsed.as_str()) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{local, refused};

    #[test]
    fn c1_headers_cannot_inject_or_replace_the_clients_own() {
        let config = || Config::host("k", "h").tls(false);
        let bad = [("X-A", "a\r\nX-B: b"), ("X\r\nA", "a"), ("", "a"), ("Host", "evil"), ("sec-websocket-key", "x")];
        for (name, value) in bad {
            assert!(
                matches!(
                    checked_upgrade_headers(&config().header(name, value)),
                    Err(Error::Config { option: "header", .. })
                ),
                "{name:?}"
            );
        }
        assert!(matches!(
            checked_upgrade_headers(&config().origin("a\nb")),
            Err(Error::Config { option: "origin", .. })
        ));
        let good = checked_upgrade_headers(&config().origin("https://a.example").header("X-A", "b"));
        assert_eq!(good.expect("valid").len(), 2);
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
}
