//! What can go wrong while a client connects, or asks the auth endpoint.

use std::{collections::VecDeque, time::Duration};

/// Something that the server does wrong, once, to a client that asks for a WebSocket.
///
/// Faults are taken by upgrade requests only; requests to the HTTP API are always answered. See
/// [`TestServer::push_fault`](crate::testing::TestServer::push_fault) and [`TestServer::set_fault`](crate::testing::TestServer::set_fault).
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
        /// More headers, for example `Retry-After` or `Location`.
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
    /// Upgrades with one more header, for example `Sec-WebSocket-Extensions`: its name and its value.
    ExtraUpgradeHeader(String, String),
    /// Upgrades, and never sends `pusher:connection_established`. Everything else is answered.
    NeverEstablished,
    /// Sends the correct `101` response one byte at a time, with this pause before each byte.
    DripHead(Duration),
}

/// Something that the auth endpoint does wrong, once.
///
/// Requests to both of its paths take them. See [`TestServer::push_auth_fault`](crate::testing::TestServer::push_auth_fault) and
/// [`TestServer::set_auth_fault`](crate::testing::TestServer::set_auth_fault).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthFault {
    /// Answers with this status instead of deciding.
    Status {
        /// The status, for example 403, 500 or 429.
        status: u16,
        /// The body, sent with its `Content-Length`.
        body: String,
        /// More headers, for example `Retry-After`.
        headers: Vec<(String, String)>,
    },
    /// Answers with status 307, and with this URL as `Location`.
    Redirect(String),
    /// Answers with status 200 and this body, said to be JSON, whatever it is.
    Body(String),
    /// Answers correctly, this time later.
    Delay(Duration),
    /// Reads, and never answers.
    Hang,
    /// Ends the TCP connection without an answer.
    Drop,
}

/// The faults that wait for requests.
pub(crate) struct Faults<F> {
    queued: VecDeque<F>,
    /// For every request that finds none in the queue.
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

    /// The fault that the next request meets.
    pub fn take(&mut self) -> Option<F> {
        self.queued.pop_front().or_else(|| self.standing.clone())
    }
}
