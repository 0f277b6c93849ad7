//! The answer to the upgrade request (C6).

use super::{bytes::Bytes, strict::Head};
use crate::{
    Error,
    io::connect::{
        http_head::MAX_HEAD,
        upgrade::{Answer, read},
    },
};

/// The example of RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The first bytes are the position of the cut, the others are the answer.
pub fn upgrade(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let cut = usize::from(bytes.number());
    let answer = bytes.rest();
    let whole = outcome(answer);
    match whole {
        UpgradeOutcome::Incomplete => assert!(answer.len() <= MAX_HEAD, "D3: a head has an end"),
        UpgradeOutcome::Accepted(head) => check_accepted(&answer[..head]),
        UpgradeOutcome::Refused(status, head) => assert!(status != 101 && head <= answer.len()),
        UpgradeOutcome::Bad => {}
    }
    let part = answer.get(..cut).unwrap_or(answer);
    match (outcome(part), whole) {
        (UpgradeOutcome::Incomplete, UpgradeOutcome::Accepted(head) | UpgradeOutcome::Refused(_, head)) => {
            assert!(part.len() < head)
        }
        (UpgradeOutcome::Incomplete, _) => {}
        (early, late) => assert_eq!(early, late, "further bytes do not change the result"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UpgradeOutcome {
    Incomplete,
    Accepted(usize),
    Refused(u16, usize),
    Bad,
}

fn outcome(answer: &[u8]) -> UpgradeOutcome {
    match read(answer, KEY) {
        Ok(Answer::Incomplete) => UpgradeOutcome::Incomplete,
        Ok(Answer::Accepted { head }) => UpgradeOutcome::Accepted(head),
        Ok(Answer::Refused { status, head, .. }) => UpgradeOutcome::Refused(status, head),
        Err(Error::Upgrade { reason, source: None }) => {
            assert!(reason.is_ascii() && reason.len() < 120, "the reason is a text of this crate: {reason}");
            UpgradeOutcome::Bad
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// Checks the required and the forbidden headers with another parser.
fn check_accepted(head: &[u8]) {
    assert!(head.windows(ACCEPT.len()).any(|window| window == ACCEPT.as_bytes()), "the answer is to this request");
    // That parser refuses some valid heads, for example those with bare line feeds.
    let Some(head) = Head::parse(head) else { return };
    assert!(head.start.starts_with("HTTP/1.1 101"), "{head:?}");
    assert_eq!(head.only("sec-websocket-accept"), Some(ACCEPT));
    let names = || head.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    assert!(!names().any(|name| ["sec-websocket-extensions", "sec-websocket-protocol"].contains(&name.as_str())));
    assert!(names().any(|name| name == "upgrade") && names().any(|name| name == "connection"));
}
