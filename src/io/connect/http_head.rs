//! The head of an HTTP answer, RFC 9112: a status line and headers.
//!
//! The upgrade, proxies and auth endpoints share this parser. It is lenient where real servers are careless: a blank
//! before the colon of a header is accepted, and the status of a refusal counts even if its headers are malformed.

use std::str;

use httparse::{EMPTY_HEADER, Header, ParserConfig, Response, Status};

/// The limit in bytes for the final head, together with the interim answers before it.
pub(crate) const MAX_HEAD: usize = 16 * 1024;

/// The most headers of a success. Frameworks send about twenty, and cookies.
pub(crate) const MAX_HEADERS: usize = 120;

/// Headers beyond this number are counted, but not parsed.
const MOST_HEADERS: usize = 256;

/// The final head. RFC 9110, section 15.2: any number of interim answers may come before it.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub status: u16,
    /// 0 for HTTP/1.0, 1 for HTTP/1.1.
    pub minor_version: u8,
    pub headers: Vec<Header<'a>>,
    /// The offset of the first byte after the head, interim answers included.
    pub end: usize,
}

/// The reason why bytes are not the head of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// The head is larger than [`MAX_HEAD`].
    TooLarge,
    /// The head has this many headers, more than [`MAX_HEADERS`].
    TooManyHeaders(usize),
    /// The bytes are not HTTP/1.
    NotHttp(httparse::Error),
}

impl HeadError {
    /// The reason as a predicate: "has 121 headers, ..".
    pub fn predicate(&self) -> String {
        match self {
            Self::TooLarge => format!("has a head larger than {} KiB", MAX_HEAD / 1024),
            Self::TooManyHeaders(count) => format!("has {count} headers, more than {MAX_HEADERS}"),
            Self::NotHttp(error) => format!("is not HTTP ({error})"),
        }
    }
}

/// Parses the final head. Returns `None` while more bytes are needed.
pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Head<'_>>, HeadError> {
    let mut start = 0;
    loop {
        match parse_one(bytes.get(start..).unwrap_or_default())? {
            Some(head) if is_interim(head.status) => start += head.end,
            Some(head) => {
                let end = start + head.end;
                return if end > MAX_HEAD { Err(HeadError::TooLarge) } else { Ok(Some(Head { end, ..head })) };
            }
            None if bytes.len() > MAX_HEAD => return Err(HeadError::TooLarge),
            None => return Ok(None),
        }
    }
}

/// The status of a refusal with an incomplete or too large head, if the status line is complete.
pub(crate) fn status_of_refusal(bytes: &[u8]) -> Option<u16> {
    let mut rest = bytes;
    while let Ok(Some(head)) = parse_one(rest) {
        if !is_interim(head.status) {
            break;
        }
        rest = rest.get(head.end..).unwrap_or_default();
    }
    status_of(rest).filter(|status| is_refusal(*status))
}

/// Whether another answer to the same request follows. 101 is final.
fn is_interim(status: u16) -> bool {
    (100..200).contains(&status) && status != 101
}

fn is_refusal(status: u16) -> bool {
    status >= 300
}

/// The bytes after the empty lines that the parser skips before the status line.
fn after_empty_lines(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"\r\n").or_else(|| bytes.strip_prefix(b"\n")) {
        bytes = rest;
    }
    bytes
}

/// The status of a valid status line, once a byte follows it.
fn status_of(bytes: &[u8]) -> Option<u16> {
    const LENGTH: usize = "HTTP/1.1 403".len();
    let bytes = after_empty_lines(bytes);
    let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| end + 1);
    let line = bytes.get(..end).filter(|line| line.len() > LENGTH)?;
    let mut response = Response::new(&mut []);
    response.parse(line).ok().and(response.code)
}

/// Parses one head. The headers of a success must be valid; in a refusal or an interim answer, invalid ones are
/// skipped.
fn parse_one(bytes: &[u8]) -> Result<Option<Head<'_>>, HeadError> {
    let careless = status_of(bytes).filter(|status| is_refusal(*status) || is_interim(*status));
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    let mut response = Response::new(&mut headers);
    let mut config = ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(careless.is_some())
        .ignore_invalid_headers_in_responses(careless.is_some());
    match (config.parse_response(&mut response, bytes), careless) {
        (Ok(Status::Partial), _) => Ok(None),
        (Ok(Status::Complete(_)), None) if response.headers.len() > MAX_HEADERS => {
            Err(HeadError::TooManyHeaders(response.headers.len()))
        }
        (Ok(Status::Complete(end)), _) => Ok(Some(Head {
            status: response.code.unwrap_or_default(),
            minor_version: response.version.unwrap_or_default(),
            headers: response.headers.to_vec(),
            end,
        })),
        // Some bytes, such as a NUL, cancel httparse even when it ignores invalid headers.
        (Err(_), Some(status)) => {
            Ok(end_of_head(bytes).map(|end| Head { status, minor_version: 0, headers: Vec::new(), end }))
        }
        (Err(httparse::Error::TooManyHeaders), None) => match end_of_head(bytes) {
            Some(end) => Err(HeadError::TooManyHeaders(lines(bytes.get(..end).unwrap_or_default()))),
            None => Ok(None),
        },
        (Err(error), None) => Err(HeadError::NotHttp(error)),
    }
}

/// The lines between the status line and the empty line.
fn lines(head: &[u8]) -> usize {
    head.iter().filter(|byte| **byte == b'\n').count().saturating_sub(2)
}

/// The offset after the empty line that ends a head.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    // Empty lines may stand before the status line.
    let head = after_empty_lines(bytes);
    let ends = [&b"\n\r\n"[..], b"\n\n"];
    let end = |empty: &[u8]| head.windows(empty.len()).position(|window| window == empty).map(|at| at + empty.len());
    ends.into_iter().filter_map(end).min().map(|end| bytes.len() - head.len() + end)
}

impl<'a> Head<'a> {
    pub fn is_refusal(&self) -> bool {
        is_refusal(self.status)
    }

    /// The values of the headers with this name, in any case.
    pub fn values(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value.trim_ascii())
    }

    /// Whether this header, a list of tokens, has this token, in any case.
    pub fn has_token(&self, name: &'static str, token: &str) -> bool {
        let mut tokens = self.values(name).flat_map(|value| value.split(|byte| *byte == b','));
        tokens.any(|found| found.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The value of `Content-Length`, if there is exactly one such header.
    pub fn content_length(&self) -> Option<usize> {
        let mut lengths = self.values("content-length");
        let length = str::from_utf8(lengths.next()?).ok()?.parse().ok()?;
        lengths.next().is_none().then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Head<'_> {
        match parse(text.as_bytes()) {
            Ok(Some(head)) => head,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    fn with_headers(start: &str, count: usize) -> String {
        format!("{start}\r\n{}\r\n", "X: y\r\n".repeat(count))
    }

    #[test]
    fn c6_a_blank_before_the_colon_of_a_header_is_accepted() {
        for line in ["X-Powered-By : PHP", "X-Powered-By\t: PHP", "X-Powered-By  :PHP", "x-powered-by: PHP"] {
            let text = format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n");
            let head = parsed(&text);
            assert_eq!(head.values("x-powered-by").collect::<Vec<_>>(), [b"PHP"], "{line}");
        }
    }

    #[test]
    fn c6_up_to_120_headers_are_accepted_and_the_error_beyond_names_the_count() {
        for count in [0, 64, 80, 120] {
            assert_eq!(parsed(&with_headers("HTTP/1.1 101 Switching Protocols", count)).headers.len(), count);
        }
        for count in [121, 256, 257, 2000] {
            let text = with_headers("HTTP/1.1 101 Switching Protocols", count);
            let error = parse(text.as_bytes()).expect_err("too many");
            assert_eq!(error, HeadError::TooManyHeaders(count));
            assert_eq!(error.predicate(), format!("has {count} headers, more than 120"));
        }
    }

    #[test]
    fn a1_the_status_of_a_refusal_counts_even_if_its_headers_are_malformed() {
        let strange = ["no colon", "bad name: x", ": no name", "X: folded\r\n over two lines", "\u{fc}: x"];
        for line in strange {
            let refusal = format!("HTTP/1.1 503 Unavailable\r\n{line}\r\nRetry-After: 7\r\n\r\nbody");
            let head = parsed(&refusal);
            assert_eq!((head.status, head.end), (503, refusal.len() - 4), "{line:?}");
            assert_eq!(head.values("retry-after").collect::<Vec<_>>(), [b"7"], "{line:?}");
            let success = refusal.replacen("503 Unavailable", "200 OK", 1);
            assert!(matches!(parse(success.as_bytes()), Err(HeadError::NotHttp(_))), "{line:?}");
        }
        for count in [121, 256, 257, 2000] {
            assert_eq!(parsed(&with_headers("HTTP/1.1 403 Forbidden", count)).status, 403);
        }
        let after_interim = "HTTP/1.1 100 Continue\r\nno colon\r\n\r\nHTTP/1.1 503 Unavailable\r\n\r\n";
        assert_eq!(parsed(after_interim).status, 503);
        for unreadable in ["X: a\0b\r\n\r\n", "X: a\0b\n\n", "X: a\rb\r\nY: z\r\n\r\n"] {
            let refusal = format!("HTTP/1.1 403 Forbidden\r\n{unreadable}");
            assert_eq!((parsed(&refusal).status, parsed(&refusal).end), (403, refusal.len()), "{unreadable:?}");
        }
    }

    #[test]
    fn interim_answers_come_before_the_head_that_counts() {
        let text = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 200 OK\r\n\r\nbody";
        let head = parsed(text);
        assert_eq!((head.status, head.minor_version, head.end), (200, 0, text.len() - 4));
        assert_eq!(parsed("HTTP/1.1 101 Switching Protocols\r\n\r\n").status, 101);
    }

    #[test]
    fn a_head_is_the_same_wherever_its_bytes_are_cut() {
        for text in [
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\nno colon\r\nA : b\r\n\r\n".to_owned(),
            with_headers("HTTP/1.1 101 Switching Protocols", 120),
        ] {
            for cut in 0..text.len() {
                let part = parse(&text.as_bytes()[..cut]);
                assert!(matches!(part, Ok(None)), "cut at {cut}: {part:?}");
            }
            assert_eq!(parsed(&text).end, text.len());
        }
    }

    #[test]
    fn c6_an_invalid_status_line_is_no_refusal() {
        for line in ["HTTP/1.1 99999 X", "HTTP/1.1 4o3 X", "HTTP/1.1 -403 X", "HTTP/3.0 403 X", "HTTP/1.1 40"] {
            let text = format!("{line}\r\nX: y\r\n\r\n");
            assert!(parse(text.as_bytes()).is_err(), "{line}");
            assert_eq!(status_of_refusal(text.as_bytes()), None, "{line}");
        }
        assert_eq!(status_of_refusal(b"HTTP/1.1 403"), None, "more digits may follow");
        assert_eq!(status_of_refusal(b"HTTP/1.1 403 Fo"), Some(403));
        assert_eq!(status_of_refusal(b"HTTP/1.1 403\r\n"), Some(403));
    }

    #[test]
    fn a1_empty_lines_before_an_unreadable_refusal_are_skipped() {
        let text = "\r\n\r\nHTTP/1.1 501 No\r\nX: a\0b\r\n\r\nbody";
        assert_eq!((parsed(text).status, parsed(text).end), (501, text.len() - 4));
    }

    #[test]
    fn d3_the_size_of_a_head_is_limited() {
        let floods = [
            format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(MAX_HEAD)),
            format!("HTTP/1.1 403 No\r\n{}", "X: y\r\n".repeat(MAX_HEAD / 6)),
            "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000),
        ];
        for flood in floods {
            assert_eq!(parse(flood.as_bytes()).expect_err("endless"), HeadError::TooLarge);
        }
    }

    #[test]
    fn bytes_of_another_protocol_are_refused_at_once() {
        for bytes in [&b"SSH-2.0-x\r\n"[..], b"\x15\x03\x01\x00\x02", b"HTTP/2 200\r\n", b"<html>"] {
            assert!(matches!(parse(bytes), Err(HeadError::NotHttp(_))), "{bytes:?}");
        }
    }

    #[test]
    fn a_length_counts_if_it_is_the_only_one() {
        assert_eq!(parsed("HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\n").content_length(), Some(3));
        for headers in ["", "Content-Length: x\r\n", "Content-Length: 3\r\nContent-Length: 4\r\n"] {
            assert_eq!(parsed(&format!("HTTP/1.1 403 No\r\n{headers}\r\n")).content_length(), None);
        }
    }
}
