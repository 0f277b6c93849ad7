//! The connections of ureq. They are made like those for the WebSocket, so that every wait ends at the deadline and can
//! be interrupted (C7, C8, H6).

use std::{
    fmt,
    io::{self, Read, Write},
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use ureq::{
    Error as Failed,
    http::{Uri, uri::Authority},
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, ShutdownHandle, Transport},
    },
};
use zeroize::Zeroize;

use super::head_filter::{self, Filtered};
use crate::{
    config::{HttpUrl, Plan},
    io::{
        connect::dial::{Dial, Target},
        transport::{cancel::CancelToken, halves::ByteCounters, maybe_tls::MaybeTlsStream, tls},
    },
    secret::Wiped,
    sync::Mutex,
};

/// The buffer of answers has room for the largest head, the bytes that came with its end, and the rewritten head.
const INPUT: usize = 24 * 1024;

/// The buffer of requests has room for their longest line: a URL of 64 KiB, or a header of 60 KiB.
const OUTPUT: usize = 66 * 1024;

/// The most bytes that one read of a head takes.
const CHUNK: usize = 4096;

/// The limit for reading the body of a refusal. Its status is known already.
const REFUSAL_WITHIN: Duration = Duration::from_secs(1);

/// Makes the connections of one agent.
pub(crate) struct Network {
    pub plan: Arc<Plan>,
    pub connector: Arc<tls::Connector>,
    /// Separate from the counters of the client's socket.
    pub byte_counters: Arc<ByteCounters>,
}

impl Connector for Network {
    type Out = Connection<MaybeTlsStream>;

    /// Registers the [`CancelToken`] before it dials. Registering fails after the agent was shut down.
    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Self::Out>, Failed> {
        let cancel = Arc::new(CancelToken::new());
        let handle: Weak<dyn ShutdownHandle> = Arc::downgrade(&cancel) as Weak<dyn ShutdownHandle>;
        (details.register_shutdown)(handle)?;
        let (plan, connector, byte_counters) = (&*self.plan, &*self.connector, &self.byte_counters);
        let (deadline, timeout) = (end_of(&details.timeout), plan.auth.timeout);
        let dial = Dial { plan, connector, deadline, timeout, cancel: &cancel, byte_counters };
        let (scheme, authority) = (details.uri.scheme_str(), details.uri.authority().map(Authority::as_str));
        let origin = format!("{}://{}/", scheme.unwrap_or_default(), authority.unwrap_or_default());
        let url = HttpUrl::parse(&origin).map_err(|reason| Failed::BadUri(reason.to_owned()))?;
        let target = Target { host: &url.host, port: url.port, scheme: url.scheme, tls_name: plan.tls_name(&url.host) };
        let stream = dial.stream(&target, &|_| ()).map_err(|error| Failed::Other(Box::new(error)))?;
        let is_tls = stream.is_tls();
        Ok(Some(Connection::new(stream, is_tls, cancel)))
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

impl ShutdownHandle for CancelToken {
    fn shutdown(&self) {
        self.set();
    }
}

/// Keeps ureq from resolving names: the connector or a proxy does.
#[derive(Debug)]
pub(crate) struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(&self, _: &Uri, _: &ureq::config::Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Failed> {
        Ok(self.empty())
    }
}

/// A stream to an endpoint.
pub(crate) trait Socket: Read + Write + Send + 'static {
    /// Reads and writes fail with `TimedOut` at this deadline.
    fn set_deadline(&mut self, deadline: Instant);
    /// Whether the peer has sent nothing, not even the end of the stream.
    fn is_silent(&self) -> bool;
}

impl Socket for MaybeTlsStream {
    fn set_deadline(&mut self, deadline: Instant) {
        self.transport_mut().set_deadline(deadline);
    }

    fn is_silent(&self) -> bool {
        Self::is_silent(self)
    }
}

/// A connection to an endpoint, kept for as many requests as the server allows.
pub(crate) struct Connection<S> {
    /// The mutex makes the stream `Sync`. It is never locked, because every method has `&mut self`.
    stream: Mutex<S>,
    buffers: LazyBuffers,
    /// The head of the last answer was read: its body or another request comes next.
    is_answered: bool,
    /// The end of reading the body, if the answer is a refusal.
    body_until: Option<Instant>,
    /// An earlier request was answered.
    is_used: bool,
    /// The error that interrupted writing the request. A server may answer before it has read the whole request.
    unsent: Option<io::Error>,
    is_tls: bool,
    /// Registered with the agent for as long as the connection lives.
    _cancel: Arc<CancelToken>,
}

impl<S: Socket> Connection<S> {
    pub fn new(stream: S, is_tls: bool, cancel: Arc<CancelToken>) -> Self {
        let (stream, buffers) = (Mutex::new(stream), LazyBuffers::new(INPUT, OUTPUT));
        Self {
            stream,
            buffers,
            is_answered: false,
            body_until: None,
            is_used: false,
            unsent: None,
            is_tls,
            _cancel: cancel,
        }
    }

    /// Reads until the head is complete, and replaces it by the head that [`head_filter`] makes.
    fn read_head(&mut self) -> Result<bool, Failed> {
        let Filtered { head, replaced, is_refusal } = loop {
            let error = match self.receive(CHUNK) {
                Ok(0) => io::ErrorKind::UnexpectedEof.into(),
                Ok(_) => match head_filter::filter(self.buffers.input()).map_err(malformed)? {
                    Some(filtered) => break filtered,
                    None => continue,
                },
                Err(Failed::Io(error)) if error.kind() != io::ErrorKind::TimedOut => error,
                Err(failed) => return Err(failed),
            };
            break self.ended(error)?;
        };
        let mut answer = Wiped::with_capacity(INPUT);
        answer.push(head.as_bytes());
        answer.push(self.buffers.input().get(replaced..).unwrap_or_default());
        let received = self.buffers.input().len();
        self.buffers.input_consume(received);
        let room = self.buffers.input_append_buf().get_mut(..answer.len());
        room.ok_or_else(|| malformed("has too large a head".to_owned()))?.copy_from_slice(&answer);
        self.buffers.input_appended(answer.len());
        self.is_answered = true;
        self.body_until = is_refusal.then(|| Instant::now() + REFUSAL_WITHIN);
        Ok(true)
    }

    /// Adds bytes of the stream to the input. Returns 0 at the end of the stream.
    fn receive(&mut self, most: usize) -> Result<usize, Failed> {
        let room = self.buffers.input_append_buf();
        let most = most.min(room.len());
        if most == 0 {
            // The buffer is full. ureq waits for a whole line only in the size of a chunk and in the trailer.
            return Err(malformed("has a line that does not end".to_owned()));
        }
        let count = self.stream.get_mut().read(&mut room[..most]).map_err(Failed::Io)?;
        self.buffers.input_appended(count);
        Ok(count)
    }

    /// Returns the refusal in a head that was cut off, if its status is known. Otherwise the error stands.
    fn ended(&mut self, error: io::Error) -> Result<Filtered, Failed> {
        let input = self.buffers.input();
        match (head_filter::cut_off(input), input.is_empty()) {
            (Some(refusal), _) => Ok(refusal),
            (None, true) if self.is_used => Err(Failed::ConnectionFailed),
            (None, true) => Err(Failed::Io(self.unsent.take().unwrap_or(error))),
            (None, false) => Err(Failed::Io(error)),
        }
    }
}

impl<S> Connection<S> {
    /// Wipes the buffers: requests contain credentials, and answers contain permissions.
    fn wipe(&mut self) {
        let count = self.buffers.input().len();
        self.buffers.input_consume(count);
        self.buffers.input_append_buf().zeroize();
        self.buffers.output().zeroize();
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        self.wipe();
    }
}

impl<S: Socket> Transport for Connection<S> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    /// Never fails: the server may have answered already, and `await_input` reads that answer.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Failed> {
        self.is_used |= std::mem::take(&mut self.is_answered);
        if self.unsent.is_none() {
            let stream = self.stream.get_mut();
            stream.set_deadline(end_of(&timeout));
            self.unsent = stream.write_all(self.buffers.output().get(..amount).unwrap_or_default()).err();
        }
        Ok(())
    }

    /// Fails with `ConnectionFailed` if a reused connection ended before the first byte of an answer.
    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Failed> {
        let end = end_of(&timeout);
        let until = self.body_until.filter(|_| self.is_answered).map_or(end, |until| until.min(end));
        self.stream.get_mut().set_deadline(until);
        let received = if self.is_answered { self.receive(INPUT).map(|count| count > 0) } else { self.read_head() };
        received.map_err(|failed| match failed {
            Failed::Io(error) if error.kind() == io::ErrorKind::TimedOut => Failed::Timeout(timeout.reason),
            // ureq would take a reset for the end of a body.
            Failed::Io(error) => Failed::Other(Box::new(error)),
            failed => failed,
        })
    }

    fn is_open(&mut self) -> bool {
        self.wipe();
        self.unsent.is_none() && self.stream.get_mut().is_silent()
    }

    fn is_tls(&self) -> bool {
        self.is_tls
    }
}

impl<S> fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

/// The reason completes "the answer ..".
fn malformed(reason: String) -> Failed {
    Failed::Other(reason.into())
}

/// The end of this timeout. A day stands for ureq's absence of a timeout; every request has a deadline of its own.
fn end_of(timeout: &NextTimeout) -> Instant {
    Instant::now() + (*timeout.after).min(Duration::from_secs(86_400))
}
