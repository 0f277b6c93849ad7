//! The meanings of the numbers of servers and endpoints, as hints for the user. Names of options stand in braces.

/// What is the matter with most refused signatures.
pub(super) const BAD_SIGNATURE: &str = "check who signs, for which app, and with which secret";

/// What the code of a close, or of a `pusher:error` in its stead, means. `None` where nothing is agreed about it.
///
/// The Pusher codes are those of the protocol documentation, "Error Codes"; self-hosted servers use them for the same
/// reasons. The WebSocket codes are those of RFC 6455, section 7.4.1, and of its registry.
pub(super) fn close(code: u16) -> Option<&'static str> {
    Some(match code {
        1000 => "it was done with the connection",
        1001 => "it is going away",
        1002 => "it says that this client broke the WebSocket protocol",
        1003 | 1007 => "it cannot take what this client sent",
        1005 => "without giving a reason",
        1008 => "its policy forbids what this client sent",
        1009 => "this client sent a message that is too large for it",
        1011 => "it has an error of its own",
        1012 => "it restarts",
        1013 => "it is overloaded for the moment",
        4000 => "the app takes TLS only; set {tls}(true)",
        4001 => "it has no app with this key; check the key, and the cluster or host",
        4003 => "the app is disabled; enable it in the server's settings",
        4004 => "the app has as many connections as its quota allows",
        4005 => "it does not know the path; check {path_prefix}, or the URL",
        4006 => "it cannot read the version of the client; check {client_name}",
        4007 => "it does not speak this version of the protocol",
        4008 => "it is not told the version of the protocol; the URL's query needs protocol=7",
        4009 => "not authorised; check who signs, with which secret, and whether it allows the origin",
        4002 | 4010..=4099 => "it refuses this client for good",
        4100 => "it is over its capacity",
        4101..=4199 => "it asks to come back later",
        4200 => "it asks to connect again",
        4201 => "it got no answer to its ping",
        4202 => "nothing was sent for too long",
        4203..=4299 => "it asks to connect again at once",
        4301 | 4302 => return refusal(code),
        _ => return None,
    })
}

/// What the code of a `pusher:error` about one message of ours means. `None` also for codes that self-hosted servers give for
/// whatever they cannot use, 4000 and 4200 among them.
pub(super) fn refusal(code: u16) -> Option<&'static str> {
    Some(match code {
        4001 => return close(code),
        4009 => BAD_SIGNATURE,
        4301 => "more messages than it takes, or a client event that is too large or not enabled in the app",
        4302 => "the watchlist has more users than it takes",
        _ => return None,
    })
}

/// The meaning of the code of a `pusher:error` about a client event.
pub(super) fn client_event(code: u16) -> Option<&'static str> {
    Some(match code {
        4009 => "the client is not subscribed to the channel there",
        4200 => "Reverb takes null, objects and arrays for data",
        4301 => "too many, too large, or not enabled in the app",
        _ => return None,
    })
}

/// What an HTTP status means that came instead of a WebSocket.
pub(super) fn upgrade_status(status: u16) -> Option<&'static str> {
    Some(match status {
        200..=299 => "it is no Pusher server, or a login page of the network answered in its place",
        300..=399 => "it points elsewhere, which is not followed; connect there",
        401 | 403 => "it does not allow this client; check the origin and the headers",
        404 => "there is no WebSocket at this path; check the host, the port and {path_prefix}",
        426 => "it wants another protocol; check the host and the port",
        429 => "it has had too many requests",
        500..=599 => "it, or what stands in front of it, is out of order",
        _ => return None,
    })
}

/// The meaning of an HTTP status of an auth endpoint, or of an authorizer.
pub(super) fn auth_status(status: u16) -> Option<&'static str> {
    Some(match status {
        300..=399 => "it points elsewhere, which is not followed; name that URL in Config",
        401 => "it does not know who asks; check the credentials ({auth_header}), or renew them (auth_headers_with)",
        403 => "it does not let this user in",
        404 | 405 => "there is no such endpoint; check {auth_endpoint}",
        415 => "it wants another form of the request; see {auth_json}",
        419 => "it wants a CSRF token; add it by {auth_header}",
        429 => "it has had too many requests",
        500..=599 => "it is out of order",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_protocol_has_a_meaning_of_its_own() {
        let codes = (4000..=4001).chain(4003..=4009).chain([4100]).chain(4200..=4202).chain(4301..=4302);
        let mut meanings: Vec<_> = codes.map(|code| close(code).unwrap_or_else(|| panic!("{code}"))).collect();
        let count = meanings.len();
        meanings.sort_unstable();
        meanings.dedup();
        assert_eq!(meanings.len(), count);
        assert_eq!(close(4303), None);
    }
}
