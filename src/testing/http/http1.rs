//! Requests and responses of HTTP/1.1, as far as the server needs them.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// Limit for a request head. A request head of the official SDKs has less than 1 KiB.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// Limit for a request body. The hosted service accepts 10 kB of data per event. Self-hosted servers are often
/// configured for more.
const MAX_BODY: usize = 1 << 20;
/// Limits for reading after a response that ends the connection. Closing a socket with unread bytes would reset it, and
/// the client would lose the response.
const LINGER_TIME: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 8 << 20;

/// The first line and the headers of a request.
#[derive(Debug)]
pub(crate) struct Head {
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    pub headers: Vec<(String, String)>,
    /// Whether the client wants to send another request over this connection.
    pub keep_alive: bool,
}

/// The requests of one connection. Tests use a stream in memory instead of a socket.
pub(crate) struct Requests<S> {
    socket: S,
    /// Bytes that were read and not used yet.
    buffer: Vec<u8>,
}

/// The reason for a missing request.
pub(crate) enum RequestError {
    /// The client closed the connection, or the connection broke.
    Gone,
    /// The server sends this response and closes the connection.
    Refused(Response),
}

impl Head {
    /// The value of the first header with this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether a list header, such as `Connection`, contains this word.
    pub fn header_has(&self, name: &str, word: &str) -> bool {
        self.headers
            .iter()
            .filter(|(candidate, _)| candidate.eq_ignore_ascii_case(name))
            .flat_map(|(_, value)| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(word))
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The decoded parameters of the query, in their order.
    pub fn query(&self) -> Vec<(String, String)> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        pairs(query).map(|(name, value)| (percent_decode(name), percent_decode(value))).collect()
    }
}

impl<S: Read + Write> Requests<S> {
    pub fn new(socket: S) -> Self {
        Self { socket, buffer: Vec::new() }
    }

    /// Waits for the head of the next request.
    pub fn head(&mut self) -> Result<Head, RequestError> {
        loop {
            match parse_head(&self.buffer) {
                Ok(Some((head, length))) => {
                    self.buffer.drain(..length);
                    return Ok(head);
                }
                Ok(None) if self.buffer.len() >= MAX_HEAD => {
                    return refuse(431, "the request head is too large");
                }
                Ok(None) => self.read()?,
                Err(httparse::Error::TooManyHeaders) => {
                    return refuse(431, "the request has too many headers");
                }
                Err(_) => return refuse(400, "the request is not HTTP/1.1"),
            }
        }
    }

    /// Waits for the body of this request.
    pub fn body(&mut self, head: &Head) -> Result<Vec<u8>, RequestError> {
        if head.header("transfer-encoding").is_some() {
            return refuse(411, "a body needs a content-length");
        }
        let length = match head.header("content-length").map(str::parse::<usize>) {
            None => 0,
            Some(Ok(length)) if length <= MAX_BODY => length,
            Some(Ok(_)) => return refuse(413, "the body is larger than 1 MiB"),
            Some(Err(_)) => return refuse(400, "the content-length is not a number"),
        };
        if head.header_has("expect", "100-continue") && self.buffer.len() < length {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        while self.buffer.len() < length {
            self.read()?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    pub fn respond(&mut self, response: &Response, keep_alive: bool) -> Result<(), RequestError> {
        self.send(&response.encode(keep_alive))
    }

    /// Reads until the connection ends.
    pub fn wait_for_end(&mut self) {
        let mut chunk = [0; 4096];
        while matches!(self.socket.read(&mut chunk), Ok(count) if count > 0) {}
    }

    /// The bytes after the last request: the beginning of the WebSocket stream.
    pub fn into_rest(self) -> Vec<u8> {
        self.buffer
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), RequestError> {
        self.socket.write_all(bytes).map_err(|_| RequestError::Gone)
    }

    fn read(&mut self) -> Result<(), RequestError> {
        let mut chunk = [0; 4096];
        loop {
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(RequestError::Gone),
                Ok(count) => {
                    self.buffer.extend_from_slice(&chunk[..count]);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(RequestError::Gone),
            }
        }
    }
}

impl Requests<&TcpStream> {
    /// Ends the sending side, and reads the rest of the client's data.
    pub fn linger(mut self) {
        if self.socket.shutdown(std::net::Shutdown::Write).is_err() {
            return;
        }
        let deadline = Instant::now() + LINGER_TIME;
        let mut chunk = [0; 4096];
        let mut total = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || total > LINGER_BYTES {
                return;
            }
            let read = self.socket.set_read_timeout(Some(left)).and_then(|()| self.socket.read(&mut chunk));
            match read {
                Ok(0) | Err(_) => return,
                Ok(count) => total += count,
            }
        }
    }
}

/// An ordinary response.
#[derive(Debug)]
pub(crate) struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    /// A response with a text for people.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: vec![("Content-Type".into(), "text/plain; charset=utf-8".into())], body: body.into() }
    }

    pub fn json(body: impl Into<String>) -> Self {
        Self { status: 200, headers: vec![("Content-Type".into(), "application/json".into())], body: body.into() }
    }

    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn encode(&self, keep_alive: bool) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let connection = if keep_alive { "keep-alive" } else { "close" };
        text.push_str(&format!("Content-Length: {}\r\nConnection: {connection}\r\n\r\n{}", self.body.len(), self.body));
        text.into_bytes()
    }
}

fn refuse<T>(status: u16, text: &str) -> Result<T, RequestError> {
    Err(RequestError::Refused(Response::text(status, text)))
}

/// The head and its length; `None` while it is incomplete.
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, httparse::Error> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(bytes)? else {
        return Ok(None);
    };
    let mut head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        headers: request
            .headers
            .iter()
            .map(|header| {
                let value = String::from_utf8_lossy(header.value).into_owned();
                (header.name.to_owned(), value)
            })
            .collect(),
        keep_alive: false,
    };
    head.keep_alive = match request.version {
        Some(1) => !head.header_has("connection", "close"),
        _ => head.header_has("connection", "keep-alive"),
    };
    Ok(Some((head, length)))
}

/// The decoded parameters of a form, in their order. A plus is a space in forms.
pub(crate) fn parse_form(body: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode(&text.replace('+', " "));
    pairs(body).map(|(name, value)| (decode(name), decode(value))).collect()
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Replaces `%XX`. Invalid escapes stay unchanged.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        match (first, after) {
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(hex_digit(*high) * 16 + hex_digit(*low));
                rest = tail;
            }
            _ => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Content Too Large",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        parse_head(text.as_bytes()).unwrap().unwrap().0
    }

    #[test]
    fn the_query_is_split_and_decoded() {
        let head = head("GET /app/k?a=1&b=%C5%BC%zz&&c HTTP/1.1\r\n\r\n");
        assert_eq!(head.path(), "/app/k");
        let pairs = [("a", "1"), ("b", "ż%zz"), ("c", "")];
        assert_eq!(head.query(), pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn keep_alive_depends_on_the_version() {
        assert!(head("GET / HTTP/1.1\r\n\r\n").keep_alive);
        assert!(!head("GET / HTTP/1.1\r\nconnection: x, Close\r\n\r\n").keep_alive);
        assert!(!head("GET / HTTP/1.0\r\n\r\n").keep_alive);
        assert!(head("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
    }

    #[test]
    fn an_incomplete_head_is_not_an_error() {
        assert!(parse_head(b"GET / HTTP/1.1\r\nHost:").unwrap().is_none());
        assert!(parse_head(b"\x16\x03\x01\x00").is_err());
    }
}
