//! Reading an answer, RFC 9112, with a limit for each of its parts.

use std::{io, io::Read, str};

use httparse::{EMPTY_HEADER, Header, Status};
use zeroize::Zeroizing;

use crate::wiped::Wiped;

/// Frameworks send some twenty headers, and cookies.
const MAX_HEADERS: usize = 100;

/// The head of an answer, and so much of what is not its body: lines of chunks, interim answers.
const MAX_HEAD: usize = 16 * 1024;

/// One read takes at most this.
const CHUNK: usize = 4096;

/// How many bytes of a body are read.
pub(crate) struct Limits {
    /// A success with a larger one is an error.
    pub(crate) success: usize,
    /// Any other answer is cut.
    pub(crate) refusal: usize,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Zeroizing<Vec<u8>>,
    /// In seconds.
    pub(crate) retry_after: Option<u64>,
    /// Another request may be sent on the same connection.
    pub(crate) keeps_connection: bool,
}

impl Response {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// The stream ended or broke before the first byte of it.
    Unheard(io::Error),
    /// The stream ended or broke in the middle of it.
    Io(io::Error),
    /// It is not as it should be, in words that follow `the answer`.
    Malformed(String),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads an answer to a POST.
pub(crate) fn read(stream: &mut impl Read, limits: &Limits) -> Result<Response, Unreadable> {
    // It never holds more, and so leaves no copies behind by growing.
    let bytes = Zeroizing::new(Vec::with_capacity(MAX_HEAD + 2 * CHUNK));
    let mut input = Input { stream, bytes, start: 0, budget: MAX_HEAD };
    let head = loop {
        let head = read_head(&mut input).map_err(|error| input.unheard(error))?;
        // RFC 9110, section 15.2: any number of interim answers may come before the one that counts.
        if !(100..200).contains(&head.status) || head.status == 101 {
            break head;
        }
    };
    let is_success = (200..300).contains(&head.status);
    let limit = if is_success { limits.success } else { limits.refusal };
    let mut body = Body { bytes: Wiped::default(), limit, is_cut: false };
    match read_body(&mut input, &head, &mut body) {
        // The status of a refusal says enough.
        Err(_) if !is_success => body.is_cut = true,
        result => result?,
    }
    if is_success && body.is_cut {
        return Err(malformed(&format!("is larger than {limit} bytes")));
    }
    let keeps_connection = head.keeps_connection && !body.is_cut && input.is_used_up();
    Ok(Response { status: head.status, body: body.bytes.into_bytes(), retry_after: head.retry_after, keeps_connection })
}

/// What the head says.
struct Head {
    status: u16,
    framing: Framing,
    keeps_connection: bool,
    retry_after: Option<u64>,
}

/// RFC 9112, section 6.3: how long the body is.
enum Framing {
    Length(usize),
    Chunks,
    UntilEnd,
}

fn read_head(input: &mut Input<impl Read>) -> Result<Head, Unreadable> {
    loop {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(input.rest()) {
            Ok(Status::Complete(length)) => {
                let (status, version) = (response.code.unwrap_or_default(), response.version.unwrap_or_default());
                let head = understand(status, version, response.headers)?;
                input.advance_counted(length)?;
                return Ok(head);
            }
            Ok(Status::Partial) if input.rest().len() > input.budget => return Err(malformed("has too large a head")),
            Ok(Status::Partial) => input.read_more()?,
            Err(httparse::Error::TooManyHeaders) => return Err(malformed("has too large a head")),
            Err(error) => return Err(malformed(&format!("is not HTTP: {error}"))),
        }
    }
}

fn understand(status: u16, version: u8, headers: &[Header<'_>]) -> Result<Head, Unreadable> {
    let values =
        |name: &'static str| headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(name)).map(|h| text(h.value));
    let has = |name: &'static str, token: &str| {
        values(name).any(|value| value.split(',').any(|found| found.trim().eq_ignore_ascii_case(token)))
    };
    if values("content-encoding").any(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(malformed("is compressed, which was not asked for"));
    }
    let lengths: Vec<_> = values("content-length").collect();
    // Several fields are one list.
    let codings: Vec<_> = values("transfer-encoding").flat_map(|value| value.split(',').map(str::trim)).collect();
    let framing = match (codings.as_slice(), lengths.as_slice()) {
        // RFC 9112, section 6.1: HTTP/1.0 knows no codings, so that somebody on the way may have seen another end.
        ([_, ..], _) if version == 0 => return Err(malformed("has a body whose length cannot be told")),
        _ if matches!(status, 101 | 204 | 304) => Framing::Length(0),
        ([coding], []) if coding.eq_ignore_ascii_case("chunked") => Framing::Chunks,
        ([_, ..], _) => return Err(malformed("has a body whose length cannot be told")),
        ([], []) => Framing::UntilEnd,
        ([], [first, others @ ..]) if others.iter().all(|other| other == first) => Framing::Length(digits(first)?),
        ([], _) => return Err(malformed("has two lengths")),
    };
    let keeps_connection = match framing {
        Framing::UntilEnd => false,
        _ if version == 0 => has("connection", "keep-alive"),
        _ => !has("connection", "close") && status != 101,
    };
    let retry_after = values("retry-after").next().and_then(|value| value.parse().ok());
    Ok(Head { status, framing, keeps_connection, retry_after })
}

/// Nothing but digits, where a number's own parser would take a sign.
fn digits(text: &str) -> Result<usize, Unreadable> {
    let number = if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None };
    number.ok_or_else(|| malformed("has a length that is no number"))
}

fn text(value: &[u8]) -> &str {
    str::from_utf8(value).unwrap_or_default().trim()
}

struct Body {
    bytes: Wiped,
    limit: usize,
    /// There is more than may be kept.
    is_cut: bool,
}

impl Body {
    /// Takes what there is room for. False when there is more.
    fn take(&mut self, part: &[u8]) -> bool {
        let room = self.limit.saturating_sub(self.bytes.len());
        self.bytes.push(part.get(..room).unwrap_or(part));
        self.is_cut = part.len() > room;
        !self.is_cut
    }
}

fn read_body(input: &mut Input<impl Read>, head: &Head, body: &mut Body) -> Result<(), Unreadable> {
    match head.framing {
        Framing::Length(length) => input.pass(length, body).map(drop),
        Framing::Chunks => read_chunks(input, body),
        Framing::UntilEnd => loop {
            let count = input.rest().len();
            if !input.pass(count, body)? || !input.read_once()? {
                return Ok(());
            }
        },
    }
}

/// RFC 9112, section 7.1.
fn read_chunks(input: &mut Input<impl Read>, body: &mut Body) -> Result<(), Unreadable> {
    loop {
        let length = chunk_length(&input.line()?)?;
        if length == 0 {
            // The trailer, up to an empty line.
            while !input.line()?.is_empty() {}
            return Ok(());
        }
        if !input.pass(length, body)? {
            return Ok(());
        }
        if !input.line()?.is_empty() {
            return Err(malformed("has a chunk that does not end where it should"));
        }
    }
}

fn chunk_length(line: &str) -> Result<usize, Unreadable> {
    let digits = line.split(';').next().unwrap_or_default().trim();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let length = if is_number { usize::from_str_radix(digits, 16).ok() } else { None };
    length.ok_or_else(|| malformed("has a chunk without a length"))
}

fn malformed(reason: &str) -> Unreadable {
    Unreadable::Malformed(reason.to_owned())
}

/// What has been read of the stream, and what of that is still to be looked at.
struct Input<'a, S> {
    stream: &'a mut S,
    bytes: Zeroizing<Vec<u8>>,
    start: usize,
    /// What may still come that is not body.
    budget: usize,
}

impl<S: Read> Input<'_, S> {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Whether nothing at all has come makes a difference to an error.
    fn unheard(&self, error: Unreadable) -> Unreadable {
        match error {
            Unreadable::Io(error) if self.is_used_up() && self.budget == MAX_HEAD => Unreadable::Unheard(error),
            other => other,
        }
    }

    fn is_used_up(&self) -> bool {
        self.rest().is_empty()
    }

    /// Reads once. False at the end of the stream.
    fn read_once(&mut self) -> Result<bool, Unreadable> {
        let mut chunk = Zeroizing::new([0; CHUNK]);
        let count = self.stream.read(chunk.as_mut_slice())?;
        let seen = self.start.min(self.bytes.len());
        self.bytes.drain(..seen);
        self.start = 0;
        self.bytes.extend_from_slice(chunk.get(..count).unwrap_or_default());
        Ok(count > 0)
    }

    fn read_more(&mut self) -> Result<(), Unreadable> {
        if self.read_once()? { Ok(()) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) }
    }

    /// Leaves behind what is not body.
    fn advance_counted(&mut self, count: usize) -> Result<(), Unreadable> {
        self.budget = self.budget.checked_sub(count).ok_or_else(|| malformed("has too large a head"))?;
        self.start += count;
        Ok(())
    }

    /// Hands so many bytes over to the body. False when it has no room for them.
    fn pass(&mut self, mut count: usize, body: &mut Body) -> Result<bool, Unreadable> {
        while count > 0 {
            if self.is_used_up() {
                self.read_more()?;
            }
            let part = self.rest().len().min(count);
            let has_room = body.take(self.rest().get(..part).unwrap_or_default());
            self.start += part;
            count -= part;
            if !has_room {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A line, without its end.
    fn line(&mut self) -> Result<String, Unreadable> {
        loop {
            if let Some(end) = self.rest().windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(self.rest().get(..end).unwrap_or_default()).into_owned();
                self.advance_counted(end + 2)?;
                return Ok(line);
            }
            if self.rest().len() > self.budget {
                return Err(malformed("has a line that does not end"));
            }
            self.read_more()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { success: 20, refusal: 5 };

    /// A stream that brings these pieces, then ends.
    struct Pieces<'a>(Vec<&'a [u8]>);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(piece) = self.0.first_mut() else { return Ok(0) };
            let count = piece.read(buffer)?;
            if piece.is_empty() {
                self.0.remove(0);
            }
            Ok(count)
        }
    }

    fn answer(text: &str) -> Result<Response, Unreadable> {
        read(&mut Pieces(vec![text.as_bytes()]), &LIMITS)
    }

    fn body(text: &str) -> String {
        match answer(text) {
            Ok(response) => String::from_utf8_lossy(&response.body).into_owned(),
            Err(error) => panic!("{text:?}: {error:?}"),
        }
    }

    fn reason(text: &str) -> String {
        match answer(text) {
            Err(Unreadable::Malformed(reason)) => reason,
            Err(Unreadable::Io(error)) => format!("{:?}", error.kind()),
            Err(Unreadable::Unheard(error)) => format!("unheard: {:?}", error.kind()),
            Ok(response) => panic!("{text:?}: {:?}", response.body),
        }
    }

    #[test]
    fn a1_a_body_has_a_length_or_chunks_or_ends_with_the_stream() {
        assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcJUNK"), "abc");
        assert_eq!(body("HTTP/1.0 201 OK\r\n\r\nabc"), "abc");
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n";
        assert_eq!(body(chunked), "abc");
        assert_eq!(body("HTTP/1.1 204 No Content\r\n\r\n"), "");
        assert_eq!(body("HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"), "a");
    }

    #[test]
    fn an_answer_is_the_same_wherever_its_bytes_are_cut() {
        let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\na\r\n0123456789\r\n0\r\n\r\n";
        for cut in 1..text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            let response = read(&mut Pieces(vec![head, tail]), &LIMITS).unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!((response.body.as_slice(), response.keeps_connection), (&b"ab0123456789"[..], true), "{cut}");
            let short = read(&mut Pieces(vec![head]), &LIMITS);
            assert!(matches!(short, Err(Unreadable::Io(_))), "ended at {cut}");
        }
    }

    #[test]
    fn a_connection_is_kept_only_when_both_sides_know_where_the_answer_ends() {
        let rows = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nabc", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc", false),
            ("HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\ncut at 5!", false),
            ("HTTP/1.1 200 OK\r\n\r\nabc", false),
        ];
        for (text, expected) in rows {
            assert_eq!(answer(text).map(|response| response.keeps_connection).ok(), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn a5_what_is_not_as_it_should_be_is_malformed() {
        let rows = [
            ("SSH-2.0", "not HTTP"),
            ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", "compressed"),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "no number"),
            ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na", "no number"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "no number"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "two lengths"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "cannot be told"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "cannot be told"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "cannot be told"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "cannot be told",
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "cannot be told"),
            (
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "cannot be told",
            ),
            ("HTTP/1.0 204 No\r\nConnection: keep-alive\r\nTransfer-Encoding: x\r\n\r\n", "cannot be told"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "without a length"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "does not end where"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n0123456789012345678901", "larger than 20"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", "UnexpectedEof"),
            ("HTTP", "UnexpectedEof"),
            ("HTTP/1.1 100 Continue\r\n\r\n", "UnexpectedEof"),
        ];
        for (text, expected) in rows {
            assert!(reason(text).contains(expected), "{text:?}: {}", reason(text));
        }
        assert_eq!(reason(""), "unheard: UnexpectedEof");
        let flood = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(2 * MAX_HEAD));
        assert_eq!(reason(&flood), "has too large a head");
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
        assert_eq!(reason(&interim), "has too large a head");
        let trailer =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n".to_owned() + &"X: y\r\n".repeat(9999);
        assert_eq!(reason(&trailer), "has too large a head");
    }

    #[test]
    fn a4_the_status_of_a_refusal_is_told_also_when_its_body_is_broken() {
        let refused = answer("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 99\r\n\r\nlong words");
        let response = refused.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!((response.status, response.retry_after, response.body.as_slice()), (503, Some(7), &b"long "[..]));
        assert!(!response.is_success());
    }
}
