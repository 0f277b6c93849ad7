//! An endpoint in memory, which answers every request with the same bytes.

use std::{
    fmt,
    io::{self, Read, Write},
    sync::Arc,
    time::Instant,
};

use ureq::unversioned::transport::{ConnectionDetails, Connector};

use super::{
    request::Post,
    transport::{Connection, Socket},
};
use crate::{
    Config,
    config::Plan,
    io::transport::cancel::CancelToken,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The options of the configuration with this endpoint, and without TLS for the socket.
pub(crate) fn plan_with(config: &Config, url: &str) -> Plan {
    config.clone().tls(false).user_auth_endpoint(url).plan().expect("a good configuration")
}

/// A request that signs the user of the connection 1.2 in at the endpoint of the plan.
pub(crate) fn sign_in(plan: &Plan) -> Post<'_> {
    let endpoint = plan.auth.user_endpoint.as_ref().expect("an endpoint");
    Post { url: &endpoint.url, options: &endpoint.request, timeout: plan.auth.timeout, socket_id: "1.2", channel: None }
}

/// The answers of an endpoint, and the requests that it received. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    /// The stream ends after these bytes, unless another request is written.
    answer: Vec<u8>,
    /// The size of each read, less one. Later reads fill their buffer.
    cuts: Vec<u8>,
    /// The number of request bytes after which the endpoint stops reading; `None` if it reads all.
    takes: Option<usize>,
    sent: Arc<Mutex<Vec<u8>>>,
    connections: Arc<AtomicUsize>,
}

impl Scripted {
    pub fn new(answer: &[u8], cuts: &[u8]) -> Self {
        Self { answer: answer.to_vec(), cuts: cuts.to_vec(), ..Self::default() }
    }

    #[cfg(test)]
    pub fn that_takes(self, bytes: usize) -> Self {
        Self { takes: Some(bytes), ..self }
    }

    /// All bytes of the requests.
    pub fn sent(&self) -> Vec<u8> {
        self.sent.lock().clone()
    }

    #[cfg(test)]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Connector for Scripted {
    type Out = Connection<ScriptedStream>;

    fn connect(&self, _: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let stream = ScriptedStream { script: self.clone(), left: Vec::new(), cuts: Vec::new(), is_asked: false };
        Ok(Some(Connection::new(stream, false, Arc::new(CancelToken::new()))))
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

pub(crate) struct ScriptedStream {
    script: Scripted,
    /// The bytes to read next and their cuts, both in reverse order.
    left: Vec<u8>,
    cuts: Vec<u8>,
    /// A request was written, and its answer has yet to be read.
    is_asked: bool,
}

impl Read for ScriptedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_asked = false;
        let size = self.cuts.pop().map_or(buffer.len(), |cut| 1 + usize::from(cut));
        let count = size.min(buffer.len()).min(self.left.len());
        buffer[..count].fill_with(|| self.left.pop().unwrap_or_default());
        Ok(count)
    }
}

impl Write for ScriptedStream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if !self.is_asked {
            self.is_asked = true;
            self.left = self.script.answer.iter().rev().copied().collect();
            self.cuts = self.script.cuts.iter().rev().copied().collect();
        }
        let mut sent = self.script.sent.lock();
        let room = self.script.takes.map_or(data.len(), |takes| takes.saturating_sub(sent.len()).min(data.len()));
        sent.extend_from_slice(&data[..room]);
        if room > 0 { Ok(room) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket for ScriptedStream {
    fn set_deadline(&mut self, _: Instant) {}

    fn is_silent(&self) -> bool {
        self.left.is_empty()
    }
}
