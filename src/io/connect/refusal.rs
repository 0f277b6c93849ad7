//! The body of an answer that refuses the upgrade, for the error message.

use std::{
    io::{self, Read},
    time::Duration,
};

use crate::{error::excerpt, io::transport::maybe_tls::MaybeTlsStream};

/// The time for reading the body. The status is known already.
pub(crate) const READ_WITHIN: Duration = Duration::from_secs(1);

/// The most bytes of a body that are read. The error quotes up to 200 characters.
pub(crate) const MAX_BODY: usize = 1024;

/// Reads up to `length` bytes of the body, until an error or the deadline of the stream. `body` has the bytes that came with
/// the head.
pub(crate) fn read(stream: &mut MaybeTlsStream, mut body: Vec<u8>, length: usize, is_chunked: bool) -> String {
    let is_whole = |body: &[u8]| body.len() >= length.min(MAX_BODY) || (is_chunked && content(body).is_whole);
    while !is_whole(&body) && read_some(stream, &mut body).is_ok_and(|count| count > 0) {}
    if is_chunked {
        body = content(&body).bytes;
    }
    excerpt(String::from_utf8_lossy(&body).trim())
}

/// Adds the bytes of one read. Returns 0 at the end of the stream.
pub(crate) fn read_some(stream: &mut MaybeTlsStream, into: &mut Vec<u8>) -> io::Result<usize> {
    let mut chunk = [0; 1024];
    let count = stream.read(&mut chunk)?;
    into.extend_from_slice(chunk.get(..count).unwrap_or_default());
    Ok(count)
}

/// The beginning of a chunked body (RFC 9112, section 7.1).
#[derive(Debug, Default, PartialEq, Eq)]
struct Content {
    bytes: Vec<u8>,
    /// The last chunk has come. Only trailers follow it.
    is_whole: bool,
}

/// Removes the sizes of the chunks. The body may be cut anywhere. Bytes that are not a chunk stay as they are, because a
/// server that frames its body wrongly still explains its refusal.
fn content(mut body: &[u8]) -> Content {
    let mut content = Content::default();
    loop {
        let Some((line, rest)) = split_line(body) else {
            // A line without an end is the beginning of a size. The first line may also be the whole text of the server.
            if content.bytes.is_empty() || size(body).is_none() {
                content.bytes.extend_from_slice(body);
            }
            return content;
        };
        let Some(size) = size(line) else {
            content.bytes.extend_from_slice(body);
            return content;
        };
        if size == 0 {
            content.is_whole = true;
            return content;
        }
        let (chunk, rest) = rest.split_at(size.min(rest.len()));
        content.bytes.extend_from_slice(chunk);
        body = rest.strip_prefix(b"\r").unwrap_or(rest);
        body = body.strip_prefix(b"\n").unwrap_or(body);
        if body.is_empty() {
            return content;
        }
    }
}

fn split_line(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = body.iter().position(|byte| *byte == b'\n')?;
    Some((&body[..end], &body[end + 1..]))
}

/// The size that a line names before its extensions.
fn size(line: &[u8]) -> Option<usize> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    usize::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str) -> String {
        String::from_utf8_lossy(&content(body.as_bytes()).bytes).into_owned()
    }

    #[test]
    fn c6_the_sizes_of_chunks_are_removed() {
        assert_eq!(content(b"9\r\nforbidden\r\n0\r\n\r\n"), Content { bytes: b"forbidden".to_vec(), is_whole: true });
        let cases = [
            ("4\r\nforb\r\n5\r\nidden\r\n0\r\n\r\n", "forbidden"),
            ("4;a=\"b\"\r\nforb\r\n0005 ; c\r\nidden\r\n0\r\nTrailer: x\r\n\r\n", "forbidden"),
            ("9\nforbidden\n0\n\n", "forbidden"),
            ("A\r\n0123\r\n6789\r\n0\r\n\r\n", "0123\r\n6789"),
            ("0\r\n\r\n", ""),
            ("", ""),
        ];
        for (body, expected) in cases {
            assert_eq!(text(body), expected, "{body:?}");
        }
    }

    #[test]
    fn c6_a_chunked_body_may_be_cut_anywhere() {
        let body = "4\r\nforb\r\n5;x\r\nidden\r\n0\r\n\r\n";
        for cut in 3..body.len() {
            assert!("forbidden".starts_with(&text(&body[..cut])), "{:?}", &body[..cut]);
        }
        assert!(!content(&body.as_bytes()[..body.len() - 6]).is_whole);
    }

    #[test]
    fn c6_bytes_that_are_not_a_chunk_stay_as_they_are() {
        let cases = [
            ("forbidden", "forbidden"),
            ("Bad", "Bad"),
            ("no\r\nentry", "no\r\nentry"),
            ("4\r\nforb\r\nxyz\r\nidden", "forbxyz\r\nidden"),
            ("-4\r\nforb", "-4\r\nforb"),
            ("fffffffffffffffff\r\nx", "fffffffffffffffff\r\nx"),
            ("ffffffffffffffff\r\nall", "all"),
            ("\r\nx", "\r\nx"),
        ];
        for (body, expected) in cases {
            assert_eq!(text(body), expected, "{body:?}");
        }
    }
}
