//! The head of an answer, put in order for ureq.
//!
//! ureq's own parser refuses careless heads before it gives their status, but the status of a refusal counts before anything
//! else in the answer (A1). So the reader that the upgrade and the proxies use, too, finds the head that counts, and ureq gets
//! the status and the few headers that an auth endpoint's client needs. The body is left as it is.

use std::str;

use crate::io::http_head::{self, Head};

/// The header in which ureq gets the `Content-Encoding`. Under its own name ureq would decode the body, in programs that build
/// ureq with such a feature for themselves.
pub(super) const CODING: &str = "coding";

/// The head in order, and how many of these bytes it replaces. `None` while the head is not complete.
pub(super) fn filter(bytes: &[u8]) -> Result<Option<(String, usize)>, String> {
    match http_head::parse(bytes) {
        Ok(None) => Ok(None),
        Ok(Some(head)) => Ok(Some((in_order(&head)?, head.end))),
        Err(error) => cut_off(bytes).map(Some).ok_or_else(|| error.predicate()),
    }
}

/// The head of the refusal that these bytes begin with, although it has no end.
pub(super) fn cut_off(bytes: &[u8]) -> Option<(String, usize)> {
    let status = http_head::status_of_refusal(bytes)?;
    Some((format!("HTTP/1.1 {status} \r\nConnection: close\r\nContent-Length: 0\r\n\r\n"), bytes.len()))
}

fn in_order(head: &Head<'_>) -> Result<String, String> {
    let (mut lines, is_clear) = framing(head);
    if !is_clear && head.status < 300 {
        return Err("has a body whose length cannot be told".to_owned());
    }
    let is_asked_to_stay = head.minor_version > 0 || head.has_token("connection", "keep-alive");
    if !is_clear || !is_asked_to_stay || head.has_token("connection", "close") {
        lines += "Connection: close\r\n";
    }
    if let Some(seconds) = head.values("retry-after").find_map(digits) {
        lines += &format!("Retry-After: {seconds}\r\n");
    }
    if let Some(coding) = head.values("content-encoding").find_map(coding) {
        lines += &format!("{CODING}: {coding}\r\n");
    }
    Ok(format!("HTTP/1.1 {:03} \r\n{lines}\r\n", head.status))
}

/// The header that says where the body ends, RFC 9112, section 6.3, and whether all headers agree about that. Where they do
/// not, the body of a refusal may still be read in the likeliest way, but where the next answer begins is unknown.
fn framing(head: &Head<'_>) -> (String, bool) {
    let codings = head.values("transfer-encoding").flat_map(|value| value.split(|byte| *byte == b',')).count();
    let chunks = head.has_token("transfer-encoding", "chunked").then(|| "Transfer-Encoding: chunked\r\n".to_owned());
    match (codings, chunks, length(head)) {
        (0, _, Ok(length)) => (length.map_or_else(String::new, |length| format!("Content-Length: {length}\r\n")), true),
        // RFC 9112, section 6.1: HTTP/1.0 knows no codings, so that a proxy on the way may have seen another end.
        (1, Some(chunks), Ok(None)) => (chunks, head.minor_version > 0),
        (_, chunks, _) => (chunks.unwrap_or_default(), false),
    }
}

/// The length that all `Content-Length` headers give, where there are any. An error where they give none, or several.
fn length(head: &Head<'_>) -> Result<Option<u64>, ()> {
    let mut lengths = head.values("content-length").flat_map(|value| value.split(|byte| *byte == b','));
    lengths.try_fold(None, |known, next| {
        let length: u64 = digits(next.trim_ascii()).and_then(|digits| digits.parse().ok()).ok_or(())?;
        if known.is_none_or(|known| known == length) { Ok(Some(length)) } else { Err(()) }
    })
}

/// Nothing but digits, where a number's own parser would take a sign.
fn digits(value: &[u8]) -> Option<&str> {
    let is_number = |digits: &&str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    str::from_utf8(value).ok().filter(is_number)
}

/// The content coding of a body. The error of the request names it, and so it is none of the server's own words (X1).
fn coding(value: &[u8]) -> Option<&'static str> {
    const KNOWN: [&str; 8] = ["gzip", "x-gzip", "br", "deflate", "compress", "zstd", "aes128gcm", "UTF-8"];
    if value.is_empty() || value.eq_ignore_ascii_case(b"identity") {
        return None;
    }
    let known = KNOWN.into_iter().find(|name| value.eq_ignore_ascii_case(name.as_bytes()));
    Some(known.unwrap_or("unknown"))
}
