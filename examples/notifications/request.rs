//! The part of HTTP that the backend needs: a POST with a form, and an answer.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// The largest request. A client sends a few hundred bytes, and others must not fill the memory.
const MAX_SIZE: usize = 16 * 1024;

/// The time for a whole request. Others must not occupy the backend.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request to authorise a channel.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    method: String,
    /// Without the query.
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// The answer to a request.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into() }
    }

    pub(crate) fn send(&self, stream: &mut TcpStream) -> io::Result<()> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            413 => "Content Too Large",
            _ => "Error",
        };
        let kind = if self.status == 200 { "application/json" } else { "text/plain; charset=utf-8" };
        let (status, length, body) = (self.status, self.body.len(), &self.body);
        let answer = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(answer.as_bytes())
    }
}

impl Request {
    /// Reads one request. An inner error is the answer to a malformed request. An outer error means that no answer is
    /// possible.
    pub(crate) fn read(stream: &mut TcpStream) -> io::Result<Result<Self, Answer>> {
        let deadline = Instant::now() + PATIENCE;
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match Self::parse(&received) {
                Parsed::Complete(request) => return Ok(Ok(request)),
                Parsed::Wrong(reason) => return Ok(Err(Answer::new(400, reason))),
                Parsed::Partial if received.len() > MAX_SIZE => return Ok(Err(Answer::new(413, "too large"))),
                Parsed::Partial => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => received.extend_from_slice(&buffer[..count]),
            }
        }
    }

    fn parse(received: &[u8]) -> Parsed {
        let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else { return Parsed::Partial };
        let Ok(head) = std::str::from_utf8(&received[..end]) else { return Parsed::Wrong("the head is not UTF-8") };
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
            (first.next(), first.next(), first.next(), first.next())
        else {
            return Parsed::Wrong("this is not HTTP/1");
        };
        let Some(headers) = lines.map(header).collect::<Option<Vec<_>>>() else {
            return Parsed::Wrong("a header has no colon");
        };
        let path = target.split('?').next().unwrap_or_default().to_owned();
        let mut request = Self { method: method.to_owned(), path, headers, body: String::new() };
        let Ok(length) = request.header("content-length").unwrap_or("0").parse::<usize>() else {
            return Parsed::Wrong("the length of the body is not a number");
        };
        let body = &received[end + 4..];
        if body.len() < length {
            return Parsed::Partial;
        }
        let Ok(body) = std::str::from_utf8(&body[..length]) else { return Parsed::Wrong("the body is not UTF-8") };
        request.body = body.to_owned();
        Parsed::Complete(request)
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The token of `Authorization: Bearer TOKEN`.
    pub(crate) fn bearer_token(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// A field of the form in the body.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let fields = self.body.split('&').filter_map(|field| field.split_once('='));
        fields.filter(|(key, _)| decode(key).as_deref() == Some(name)).find_map(|(_, value)| decode(value))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// The result of parsing the bytes received so far.
#[derive(Debug, PartialEq)]
enum Parsed {
    Complete(Request),
    Partial,
    Wrong(&'static str),
}

fn header(line: &str) -> Option<(String, String)> {
    line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
}

/// Percent-decoding with `+` for a space, as in forms. `None` if the text is malformed or not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "POST /auth?x=1 HTTP/1.1\r\nHost: a\r\nauthorization: bearer  t\r\nContent-Length: 23\r\n\r\n\
                         socket_id=1.2&a=%C5%BC+";

    #[test]
    fn a_request_is_complete_with_its_body() {
        for end in 0..WHOLE.len() {
            assert_eq!(Request::parse(&WHOLE.as_bytes()[..end]), Parsed::Partial, "{end}");
        }
        let Parsed::Complete(request) = Request::parse(WHOLE.as_bytes()) else { panic!("complete") };
        assert_eq!((request.method(), request.path(), request.bearer_token()), ("POST", "/auth", Some("t")));
        assert_eq!(request.field("socket_id").as_deref(), Some("1.2"));
        assert_eq!(request.field("a").as_deref(), Some("ż "));
        assert_eq!(request.field("b"), None);
    }

    #[test]
    fn malformed_requests_are_refused() {
        let heads: [&[u8]; 6] = [
            b"",
            b"GET /",
            b"GET / HTTP/2",
            b"\xff / HTTP/1.1",
            b"POST / HTTP/1.1\r\nno colon",
            b"POST / HTTP/1.1\r\nContent-Length: -1",
        ];
        for head in heads {
            let parsed = Request::parse(&[head, b"\r\n\r\n"].concat());
            assert!(matches!(parsed, Parsed::Wrong(_)), "{head:?}: {parsed:?}");
        }
    }

    #[test]
    fn malformed_fields_are_none() {
        for bad in ["%", "%1", "%zz", "%ff", "%é0"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
        assert_eq!(decode("a%2Bb").as_deref(), Some("a+b"));
    }
}
