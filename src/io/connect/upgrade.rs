//! The WebSocket upgrade (RFC 6455, section 4): the request, and the check of the answer (C2, C6).

use tungstenite::{handshake::derive_accept_key, http::HeaderName};

use super::http_head::{self, Head, HeadError};
use crate::{
    Error,
    secret::{Secret, Wiped},
};

/// The request for a WebSocket. It may contain tokens.
pub(crate) fn request(target: &str, authority: &str, key: &str, headers: &[(HeaderName, Secret)]) -> Wiped {
    let mut request = Wiped::with_capacity(1024);
    let own = [
        ("Host", authority),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key),
    ];
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.expose()));
    for part in ["GET ", target, " HTTP/1.1\r\n"] {
        request.push(part.as_bytes());
    }
    for (name, value) in own.into_iter().chain(headers) {
        for part in [name, ": ", value, "\r\n"] {
            request.push(part.as_bytes());
        }
    }
    request.push(b"\r\n");
    request
}

/// The answer to the upgrade request, as far as it has arrived.
#[derive(Debug)]
pub(crate) enum Answer {
    /// More bytes are needed.
    Incomplete,
    /// The connection is a WebSocket. Its frames follow the head of this length.
    Accepted { head: usize },
    /// The server refuses. The body follows the head of this length. `body` is its length, if the head names one.
    Refused { status: u16, head: usize, body: Option<usize>, is_chunked: bool },
}

/// Reads the answer to a request with this key.
///
/// # Errors
///
/// [`Error::Upgrade`] if the answer breaks the protocol.
pub(crate) fn read(answer: &[u8], key: &str) -> Result<Answer, Error> {
    match http_head::parse(answer) {
        Ok(None) => Ok(Answer::Incomplete),
        Ok(Some(head)) if head.status == 101 => check(&head, key).map(|()| Answer::Accepted { head: head.end }),
        Ok(Some(head)) => {
            let is_chunked = head.has_token("transfer-encoding", "chunked");
            let body = head.content_length().filter(|_| !is_chunked);
            Ok(Answer::Refused { status: head.status, head: head.end, body, is_chunked })
        }
        Err(error) => cut_off(answer).ok_or_else(|| {
            // A port that expects TLS answers a plain request with an alert.
            let is_http = !matches!(error, HeadError::NotHttp(_));
            let hint = if is_http { "" } else { "; a port that expects TLS answers so, too" };
            bad(&format!("the answer {}{hint}", error.predicate()))
        }),
    }
}

/// The refusal in an answer that ended inside its head, if its status is known.
pub(crate) fn cut_off(answer: &[u8]) -> Option<Answer> {
    let status = http_head::status_of_refusal(answer)?;
    Some(Answer::Refused { status, head: answer.len(), body: Some(0), is_chunked: false })
}

/// The checks that RFC 6455, section 4.1, asks of a client.
fn check(head: &Head<'_>, key: &str) -> Result<(), Error> {
    if head.minor_version != 1 {
        return Err(bad("the server switches protocols in HTTP/1.0, which cannot"));
    }
    if !head.has_token("upgrade", "websocket") || !head.has_token("connection", "upgrade") {
        return Err(bad("the server switches protocols, but not to WebSocket"));
    }
    let expected = derive_accept_key(key.as_bytes());
    if !head.values("sec-websocket-accept").eq([expected.as_bytes()]) {
        return Err(bad("Sec-WebSocket-Accept is not the answer to this request; a cache may stand between"));
    }
    if head.values("sec-websocket-extensions").next().is_some() {
        return Err(bad("the server uses an extension that was not asked for"));
    }
    if head.values("sec-websocket-protocol").next().is_some() {
        return Err(bad("the server chose a subprotocol, and none was asked for"));
    }
    Ok(())
}

fn bad(reason: &str) -> Error {
    Error::Upgrade { reason: reason.to_owned(), source: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455, section 1.3.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    fn refused(answer: &str) -> String {
        match read(answer.as_bytes(), KEY) {
            Err(error) => error.to_string(),
            other => panic!("{answer:?}: {other:?}"),
        }
    }

    #[test]
    fn c2_the_request_is_exact() {
        let token = Secret::new("t");
        let request = request("/app/k?protocol=7", "h:1", KEY, &[(HeaderName::from_static("x-token"), token)]);
        let expected = format!(
            "GET /app/k?protocol=7 HTTP/1.1\r\nHost: h:1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\nx-token: t\r\n\r\n"
        );
        assert_eq!(String::from_utf8_lossy(&request), expected);
    }

    #[test]
    fn c6_a_good_answer_is_accepted_and_ends_where_the_frames_begin() {
        let with_frame = format!("{GOOD}\u{1}frame");
        for cut in 0..GOOD.len() {
            let part = read(&with_frame.as_bytes()[..cut], KEY);
            assert!(matches!(part, Ok(Answer::Incomplete)), "cut at {cut}: {part:?}");
        }
        assert!(matches!(read(with_frame.as_bytes(), KEY), Ok(Answer::Accepted { head }) if head == GOOD.len()));
    }

    #[test]
    fn c6_every_part_of_the_answer_is_checked() {
        let rows = [
            ("HTTP/1.1", "HTTP/1.0", "HTTP/1.0"),
            ("Upgrade: WebSocket\r\n", "", "not to WebSocket"),
            ("Upgrade: WebSocket", "Upgrade: h2c", "not to WebSocket"),
            (", Upgrade", "", "not to WebSocket"),
            ("s3pP", "xxxx", "Sec-WebSocket-Accept"),
            ("Sec-WebSocket-Accept", "X-Accept", "Sec-WebSocket-Accept"),
            ("Connection", "Sec-WebSocket-Accept: second\r\nConnection", "Sec-WebSocket-Accept"),
            ("Connection", "Sec-WebSocket-Extensions: permessage-deflate\r\nConnection", "extension"),
            ("Connection", "Sec-WebSocket-Protocol: chat\r\nConnection", "subprotocol"),
            ("HTTP/1.1 101", "\u{15}\u{3}\u{1}", "not HTTP"),
        ];
        for (from, to, part) in rows {
            let answer = GOOD.replacen(from, to, 1);
            assert!(refused(&answer).contains(part), "{answer}: {}", refused(&answer));
        }
    }

    #[test]
    fn c6_a_careless_answer_is_accepted() {
        let with = |headers: &str| GOOD.replacen("Connection", &format!("{headers}Connection"), 1);
        let blanks = [
            with("X-Powered-By : PHP\r\n"),
            with("X-Powered-By\t: PHP\r\n"),
            with("X-Powered-By   :PHP\r\n"),
            GOOD.replacen("Connection:", "Connection :", 1),
            GOOD.replace("Accept:", "Accept :"),
        ];
        let many = [61, 64, 80, 100, 117].map(|count| with(&"X: y\r\n".repeat(count)));
        for answer in blanks.into_iter().chain(many) {
            let read = read(answer.as_bytes(), KEY);
            assert!(matches!(read, Ok(Answer::Accepted { head }) if head == answer.len()), "{answer}: {read:?}");
        }
    }

    #[test]
    fn c6_interim_answers_are_passed_over() {
        let answer = format!("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{GOOD}frame");
        let head = answer.len() - "frame".len();
        assert!(matches!(read(answer.as_bytes(), KEY), Ok(Answer::Accepted { head: found }) if found == head));
        assert!(refused(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000)).contains("16 KiB"));
    }

    #[test]
    fn c6_any_other_status_is_a_refusal_with_that_status() {
        for (line, expected) in [("HTTP/1.1 302 Found", 302), ("HTTP/1.0 404 Not Found", 404), ("HTTP/1.1 503 ", 503)] {
            let answer = format!("{line}\r\nLocation: ws://elsewhere\r\nContent-Length: 3\r\n\r\nwhy");
            let read = read(answer.as_bytes(), KEY);
            let as_expected = matches!(read, Ok(Answer::Refused { status, body: Some(3), .. }) if status == expected);
            assert!(as_expected, "{line}: {read:?}");
        }
        let chunked = "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: Chunked\r\nContent-Length: 3\r\n\r\n";
        let read = read(chunked.as_bytes(), KEY);
        assert!(matches!(read, Ok(Answer::Refused { body: None, is_chunked: true, .. })), "{read:?}");
    }

    #[test]
    fn c6_a_refusal_that_ends_inside_its_head_keeps_its_status() {
        let endless = format!("HTTP/1.1 403 Forbidden\r\nX: {}", "y".repeat(http_head::MAX_HEAD));
        let read = read(endless.as_bytes(), KEY);
        assert!(matches!(read, Ok(Answer::Refused { status: 403, body: Some(0), .. })), "{read:?}");
        for part in ["HTTP/1.1 403 Forbidden\r\nX", "HTTP/1.1 503 \r\n", "HTTP/1.1 404 Not Found\r\nA: b\r\n"] {
            assert!(matches!(cut_off(part.as_bytes()), Some(Answer::Refused { .. })), "{part}");
        }
        for part in ["HTTP/1.1 101 Switching\r\nX", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 4", "junk"] {
            assert!(cut_off(part.as_bytes()).is_none(), "{part}");
        }
    }

    #[test]
    fn d3_the_size_of_a_head_is_limited() {
        let flood = GOOD.replacen("Connection", &format!("{}Connection", "X: y\r\n".repeat(118)), 1);
        assert_eq!(refused(&flood), "upgrade: the answer has 121 headers, more than 120");
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(http_head::MAX_HEAD));
        assert!(refused(&endless).contains("16 KiB"));
    }
}
