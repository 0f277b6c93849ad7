//! The HTTP side of the embedded server: the API of backends, the auth endpoint, upgrade requests.

use super::{bytes::Bytes, strict::Head};
use crate::testing::in_memory::{answers, signed};

/// The first byte chooses the meaning of the others: everything that a client sends, the body of a request with a valid
/// signature, or such a body and further bytes on the same connection.
pub fn http_api(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    match bytes.below(3) {
        0 => drop(check(&answers(bytes.rest()))),
        1 => {
            let statuses = check(&answers(&signed("/apps/app-id/events", bytes.rest())));
            assert!(statuses == [200] || statuses == [400], "a valid signature is never refused: {statuses:?}");
        }
        _ => {
            let request = signed("/apps/app-id/users/7/terminate_connections", bytes.slice());
            let statuses = check(&answers(&[&request, bytes.rest()].concat()));
            assert_eq!(statuses.first(), Some(&200), "the bytes after it make no difference");
        }
    }
}

/// Checks that the server sends complete, well-formed responses to any input. Returns their statuses.
fn check(mut sent: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    while !sent.is_empty() {
        let end = sent.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head") + 4;
        let head = Head::parse(&sent[..end]).unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(sent)));
        let status = head.start.strip_prefix("HTTP/1.1 ").and_then(|line| line.get(..3));
        let status: u16 = status.and_then(|status| status.parse().ok()).expect("a status");
        // Before a final answer, and in place of one, there is a head without a body.
        let length = if status < 200 { 0 } else { length_in(&head) };
        sent = sent.get(end + length..).expect("the whole body");
        statuses.extend((status != 100).then_some(status));
    }
    statuses
}

fn length_in(head: &Head) -> usize {
    head.only("content-length").and_then(|length| length.parse().ok()).expect("one length")
}
