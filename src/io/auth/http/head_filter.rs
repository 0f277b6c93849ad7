//! Rewrites the head of an answer for ureq.
//!
//! ureq's own parser rejects a careless head before it reports the status, but the status of a refusal counts before
//! anything else in the answer (A1). So the parser of the upgrade and the proxies reads the head, and ureq gets a new
//! one with the status and the few headers that the client needs. The body is passed on unchanged.

use std::str;

use crate::io::connect::http_head::{self, Head};

/// The header in which ureq gets the `Content-Encoding`. Under the original name ureq would decode the body, if the
/// program enables a compression feature of ureq.
pub(crate) const CODING: &str = "coding";

/// A head for ureq.
pub(crate) struct Filtered {
    pub head: String,
    /// The number of bytes that it replaces.
    pub replaced: usize,
    pub is_refusal: bool,
}

/// Returns the new head, or `None` while the head is incomplete.
pub(crate) fn filter(bytes: &[u8]) -> Result<Option<Filtered>, String> {
    match http_head::parse(bytes) {
        Ok(None) => Ok(None),
        Ok(Some(head)) => {
            Ok(Some(Filtered { head: in_order(&head)?, replaced: head.end, is_refusal: head.is_refusal() }))
        }
        Err(error) => cut_off(bytes).map(Some).ok_or_else(|| error.predicate()),
    }
}

/// The new head for a refusal that ended inside its own head.
pub(crate) fn cut_off(bytes: &[u8]) -> Option<Filtered> {
    let status = http_head::status_of_refusal(bytes)?;
    let head = format!("HTTP/1.1 {status} \r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    Some(Filtered { head, replaced: bytes.len(), is_refusal: true })
}

fn in_order(head: &Head<'_>) -> Result<String, String> {
    let (mut lines, is_clear) = framing(head);
    if !is_clear && !head.is_refusal() {
        return Err("has a body of unknown length".to_owned());
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

/// Returns the header that frames the body (RFC 9112, section 6.3), and whether all headers agree on it. If they
/// disagree, the body of a refusal is read in the likeliest way, and then the connection is closed.
fn framing(head: &Head<'_>) -> (String, bool) {
    let codings = head.values("transfer-encoding").flat_map(|value| value.split(|byte| *byte == b',')).count();
    let chunks = head.has_token("transfer-encoding", "chunked").then(|| "Transfer-Encoding: chunked\r\n".to_owned());
    match (codings, chunks, length(head)) {
        (0, _, Ok(length)) => (length.map_or_else(String::new, |length| format!("Content-Length: {length}\r\n")), true),
        // RFC 9112, section 6.1: HTTP/1.0 has no transfer codings, so a proxy on the way may see another end.
        (1, Some(chunks), Ok(None)) => (chunks, head.minor_version > 0),
        (_, chunks, _) => (chunks.unwrap_or_default(), false),
    }
}

/// The length in the `Content-Length` headers, if there are any. It is an error if one is invalid or two differ.
fn length(head: &Head<'_>) -> Result<Option<u64>, ()> {
    let mut lengths = head.values("content-length").flat_map(|value| value.split(|byte| *byte == b','));
    lengths.try_fold(None, |known, next| {
        let length: u64 = digits(next.trim_ascii()).and_then(|digits| digits.parse().ok()).ok_or(())?;
        if known.is_none_or(|known| known == length) { Ok(Some(length)) } else { Err(()) }
    })
}

/// Accepts digits only: `parse` would accept a sign as well.
fn digits(value: &[u8]) -> Option<&str> {
    let is_number = |digits: &&str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    str::from_utf8(value).ok().filter(is_number)
}

/// The content coding of a body, by a name from a fixed list: errors quote it, and text of the server stays out (X1).
fn coding(value: &[u8]) -> Option<&'static str> {
    const KNOWN: [&str; 8] = ["gzip", "x-gzip", "br", "deflate", "compress", "zstd", "aes128gcm", "UTF-8"];
    if value.is_empty() || value.eq_ignore_ascii_case(b"identity") {
        return None;
    }
    let known = KNOWN.into_iter().find(|name| value.eq_ignore_ascii_case(name.as_bytes()));
    Some(known.unwrap_or("unknown"))
}
