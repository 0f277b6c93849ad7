//! Records of requests and messages, for the assertions of tests.

use std::collections::VecDeque;

use crate::testing::http::auth_endpoint::EndpointRequest;

/// Limit for upgrade requests. A head has at most 16 KiB, so these are at most 16 MiB.
const MAX_REQUESTS: usize = 1024;
/// Limit for requests to the auth endpoint. Head and body have at most 16 KiB each, and the body is kept twice.
const MAX_AUTH_REQUESTS: usize = 1024;
/// Limit for messages: more than any test reads back.
const MAX_RECEIVED: usize = 100_000;
/// Limit for the bytes of messages. A single message may have 1 MiB.
const MAX_RECEIVED_BYTES: usize = 64 << 20;

/// A text message that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Number of the connection. TCP connections are numbered from 1, in the order of their arrival.
    pub connection: u64,
    /// The message, byte for byte.
    pub text: String,
}

/// The upgrade request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpgradeRequest {
    /// Path and query as the client sent them, for example `/app/app-key?protocol=7`.
    pub target: String,
    /// Names and values of the headers in their order. Names keep their case.
    pub headers: Vec<(String, String)>,
}

impl UpgradeRequest {
    /// The part of the target before the `?`.
    pub fn path(&self) -> &str {
        match self.target.split_once('?') {
            Some((path, _)) => path,
            None => &self.target,
        }
    }

    /// The part of the target after the `?`; `None` without one.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The value of the first header with this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Keeps the newest entries of each kind.
#[derive(Default)]
pub(crate) struct Journal {
    received: VecDeque<Received>,
    received_bytes: usize,
    /// Number of messages that were removed: the index of `received[0]` among all messages.
    removed: u64,
    requests: VecDeque<UpgradeRequest>,
    auth_requests: VecDeque<EndpointRequest>,
}

impl Journal {
    pub fn message(&mut self, connection: u64, text: &str) {
        self.received_bytes += text.len();
        self.received.push_back(Received { connection, text: text.to_owned() });
        while self.received.len() > MAX_RECEIVED || self.received_bytes > MAX_RECEIVED_BYTES {
            let Some(oldest) = self.received.pop_front() else {
                break;
            };
            self.received_bytes -= oldest.text.len();
            self.removed += 1;
        }
    }

    pub fn request(&mut self, request: UpgradeRequest) {
        self.requests.push_back(request);
        if self.requests.len() > MAX_REQUESTS {
            self.requests.pop_front();
        }
    }

    pub fn auth_request(&mut self, request: EndpointRequest) {
        self.auth_requests.push_back(request);
        if self.auth_requests.len() > MAX_AUTH_REQUESTS {
            self.auth_requests.pop_front();
        }
    }

    pub fn received(&self) -> impl Iterator<Item = &Received> {
        self.received.iter()
    }

    /// The messages from number `from` on, and the number of the next message. Removed messages count.
    pub fn received_since(&self, from: u64) -> (impl Iterator<Item = &Received>, u64) {
        let skip = usize::try_from(from.saturating_sub(self.removed)).unwrap_or(usize::MAX);
        let next = self.removed + self.received.len() as u64;
        (self.received.iter().skip(skip), next)
    }

    pub fn requests(&self) -> impl Iterator<Item = &UpgradeRequest> {
        self.requests.iter()
    }

    pub fn auth_requests(&self) -> impl Iterator<Item = &EndpointRequest> {
        self.auth_requests.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_messages_are_removed() {
        let mut journal = Journal::default();
        for n in 0..MAX_RECEIVED + 3 {
            journal.message(1, &n.to_string());
        }
        assert_eq!(journal.received().count(), MAX_RECEIVED);
        assert_eq!(journal.received().next().unwrap().text, "3");
        let (mut since, next) = journal.received_since(5);
        assert_eq!(since.next().unwrap().text, "5");
        assert_eq!(next, MAX_RECEIVED as u64 + 3);
    }

    #[test]
    fn messages_are_bounded_in_bytes() {
        let mut journal = Journal::default();
        let large = "x".repeat(MAX_RECEIVED_BYTES / 2);
        for _ in 0..3 {
            journal.message(1, &large);
        }
        assert_eq!(journal.received().count(), 2);
    }

    #[test]
    fn the_oldest_requests_are_removed() {
        let mut journal = Journal::default();
        for n in 0..=MAX_REQUESTS {
            journal.request(UpgradeRequest { target: format!("/{n}?x"), headers: Vec::new() });
        }
        assert_eq!(journal.requests().count(), MAX_REQUESTS);
        assert_eq!(journal.requests().next().unwrap().path(), "/1");
    }
}
