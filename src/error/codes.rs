//! The meaning of the codes of servers and endpoints, and hints for the user. Names of options stand in braces.

/// The hint for refused signatures.
pub(super) const BAD_SIGNATURE: &str = "check which backend signs, for which app, and with which secret";

/// The meaning of a close code, or of the code of a `pusher:error` in place of one. `None` if the code has no agreed
/// meaning.
///
/// The Pusher codes are those of the protocol documentation, "Error Codes". Self-hosted servers use them with the same
/// meaning. The WebSocket codes are those of RFC 6455, section 7.4.1, and of its registry.
pub(super) fn close(code: u16) -> Option<&'static str> {
    Some(match code {
        1000 => "it no longer needs the connection",
        1001 => "it is going away",
        1002 => "it says that this client broke the WebSocket protocol",
        1003 | 1007 => "it cannot read a message of this client",
        1005 => "it gave no reason",
        1008 => "its policy forbids a message of this client",
        1009 => "this client sent a message that is too large for it",
        1011 => "it has an internal error",
        1012 => "it restarts",
        1013 => "it is temporarily overloaded",
        4000 => "the app accepts only TLS; set {tls}(true)",
        4001 => "it has no app with this key; check the key, and the cluster or host",
        4003 => "the app is disabled; enable it in the server's settings",
        4004 => "the app has as many connections as its quota allows",
        4005 => "it does not know the path; check {path_prefix}, or the URL",
        4006 => "it cannot read the version of the client; check {client_name}",
        4007 => "it does not support this version of the protocol",
        4008 => "the version of the protocol is missing; the URL's query needs protocol=7",
        4009 => "not authorised; check which backend signs, with which secret, and whether the app allows the origin",
        4002 | 4010..=4099 => "it refuses this client permanently",
        4100 => "it is over its capacity",
        4101..=4199 => "it asks to come back later",
        4200 => "it asks to connect again",
        4201 => "it got no answer to its ping",
        4202 => "the client was silent for too long",
        4203..=4299 => "it asks to connect again at once",
        4301 | 4302 => return refusal(code),
        _ => return None,
    })
}

/// The meaning of the code of a `pusher:error` about one message of the client. `None` for codes that self-hosted
/// servers use for any invalid message, such as 4000 and 4200.
pub(super) fn refusal(code: u16) -> Option<&'static str> {
    Some(match code {
        4001 => return close(code),
        4009 => BAD_SIGNATURE,
        4301 => "too many messages, or a client event that is too large or not enabled in the app",
        4302 => "the watchlist has too many users",
        _ => return None,
    })
}

/// The meaning of the code of a `pusher:error` about a client event.
pub(super) fn client_event(code: u16) -> Option<&'static str> {
    Some(match code {
        4009 => "the server has no subscription of the client to the channel",
        4200 => "Reverb accepts null, objects and arrays as data",
        4301 => "too many, too large, or not enabled in the app",
        _ => return None,
    })
}

/// The meaning of an HTTP status in answer to an upgrade request.
pub(super) fn upgrade_status(status: u16) -> Option<&'static str> {
    Some(match status {
        200..=299 => "it is not a Pusher server, or a login page of the network answered instead",
        300..=399 => "it redirects to another URL, which the client does not follow; use that URL",
        401 | 403 => "it does not allow this client; check the origin and the headers",
        404 => "there is no WebSocket at this path; check the host, the port and {path_prefix}",
        426 => "it requires another protocol; check the host and the port",
        429 => "it received too many requests",
        500..=599 => "it, or a proxy in front of it, has an internal error",
        _ => return None,
    })
}

/// The meaning of an HTTP status of an auth endpoint, or of an authorizer.
pub(super) fn auth_status(status: u16) -> Option<&'static str> {
    Some(match status {
        300..=399 => "it redirects to another URL, which the client does not follow; set that URL in Config",
        401 => {
            "it does not recognise the user; check the credentials ({auth_header}), or renew them (auth_headers_with)"
        }
        403 => "it does not allow this user",
        404 | 405 => "there is no such endpoint; check {auth_endpoint}",
        415 => "it requires another format of the request; see {auth_json}",
        419 => "it requires a CSRF token; add it with {auth_header}",
        429 => "it received too many requests",
        500..=599 => "it has an internal error",
        _ => return None,
    })
}

/// Whether the same request may succeed later after this HTTP status.
pub(crate) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_of_the_protocol_has_a_distinct_meaning() {
        let codes = (4000..=4001).chain(4003..=4009).chain([4100]).chain(4200..=4202).chain(4301..=4302);
        let mut meanings: Vec<_> = codes.map(|code| close(code).unwrap_or_else(|| panic!("{code}"))).collect();
        let count = meanings.len();
        meanings.sort_unstable();
        meanings.dedup();
        assert_eq!(meanings.len(), count);
        assert_eq!(close(4303), None);
    }
}
