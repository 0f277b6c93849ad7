//! Faults that a test can order: while a client connects, and at the auth endpoint.

use std::{collections::VecDeque, time::Duration};

/// A fault in the answer to an upgrade request. It applies to one request.
///
/// Only upgrade requests take these faults. See [`TestServer::push_fault`](crate::testing::TestServer::push_fault) and
/// [`TestServer::set_fault`](crate::testing::TestServer::set_fault).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Upgrades, then sends a WebSocket close frame instead of `pusher:connection_established`.
    CloseAfterUpgrade {
        /// Code of the close frame. Any number is sent as it is.
        code: u16,
        /// Reason in the close frame, cut to 123 bytes.
        reason: String,
    },
    /// Upgrades, then sends `pusher:error` instead of `pusher:connection_established`, then closes.
    ErrorThenClose {
        /// `code` in the `data` of the error.
        code: u16,
        /// `message` in the `data` of the error.
        message: String,
        /// Code of the close frame; with `None` the TCP connection ends without a close frame, as Reverb does.
        close_code: Option<u16>,
    },
    /// Upgrades, then ends the TCP connection without a frame, as Sockudo does.
    DropAfterUpgrade,
    /// Answers the upgrade request with an ordinary HTTP response, then closes.
    HttpStatus {
        /// The status, for example 503.
        status: u16,
        /// The body, sent with its `Content-Length`.
        body: String,
        /// Additional headers, for example `Retry-After` or `Location`.
        headers: Vec<(String, String)>,
    },
    /// Accepts the TCP connection and reads from it, but never answers.
    NoUpgradeAnswer,
    /// Sends this text instead of the `101` response, then ends the TCP connection.
    RawHead(String),
    /// Upgrades, and sends this text message instead of `pusher:connection_established`.
    FirstFrame(String),
    /// Upgrades with a `Sec-WebSocket-Accept` that does not belong to the client's key.
    WrongAccept,
    /// Upgrades with an additional header, given by name and value, for example `Sec-WebSocket-Extensions`.
    ExtraUpgradeHeader(String, String),
    /// Upgrades, and never sends `pusher:connection_established`. All other messages are answered.
    NeverEstablished,
    /// Sends the correct `101` response one byte at a time, with this pause before each byte.
    DripHead(Duration),
}

/// A fault of the auth endpoint. It applies to one request.
///
/// Requests to both paths of the endpoint take these faults. See
/// [`TestServer::push_auth_fault`](crate::testing::TestServer::push_auth_fault) and
/// [`TestServer::set_auth_fault`](crate::testing::TestServer::set_auth_fault).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthFault {
    /// Answers with this status. The closure of the test is not called.
    Status {
        /// The status, for example 403, 500 or 429.
        status: u16,
        /// The body, sent with its `Content-Length`.
        body: String,
        /// Additional headers, for example `Retry-After`.
        headers: Vec<(String, String)>,
    },
    /// Answers with status 307, and with this URL as `Location`.
    Redirect(String),
    /// Answers with status 200 and this body, with the content type of JSON.
    Body(String),
    /// Answers correctly after this delay.
    Delay(Duration),
    /// Reads the request, and never answers.
    Hang,
    /// Ends the TCP connection without an answer.
    Drop,
}

/// The faults that wait for requests.
pub(crate) struct Faults<F> {
    queued: VecDeque<F>,
    /// The fault for every request that finds no fault in the queue.
    standing: Option<F>,
}

impl<F> Default for Faults<F> {
    fn default() -> Self {
        Self { queued: VecDeque::new(), standing: None }
    }
}

impl<F: Clone> Faults<F> {
    pub fn push(&mut self, fault: F) {
        self.queued.push_back(fault);
    }

    pub fn set(&mut self, fault: Option<F>) {
        self.standing = fault;
    }

    /// The fault for the next request.
    pub fn take(&mut self) -> Option<F> {
        self.queued.pop_front().or_else(|| self.standing.clone())
    }
}
