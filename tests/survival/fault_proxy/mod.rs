//! A TCP proxy between one client and its server that causes the faults of a table.
//!
//! The proxy parses the messages of the connection, so that a [`ProxyFault`] names its place by a message: a FIN after seven
//! bytes of `pusher:connection_established` is one row. Only the connection that reaches the armed fault suffers it.
//! Later connections pass until another fault is armed. A new kind of fault is a new [`Action`].

mod connection;
mod fault;
mod messages;
mod port;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use connection::Command;
pub(crate) use fault::{Action, Cut, Phase, ProxyFault};
use port::Port;

use crate::support::PATIENCE;

/// A proxy for one server and one client. Dropping it ends all connections and joins its threads.
pub(crate) struct FaultProxy {
    shared: Arc<Shared>,
}

/// The state that the port and the connections share.
struct Shared {
    server: SocketAddr,
    port: Port,
    armed: Mutex<Option<ProxyFault>>,
    log: Mutex<Log>,
    changed: Condvar,
}

/// The observations of the proxy.
#[derive(Debug, Default, Clone)]
pub(crate) struct Log {
    /// The time of the last fault.
    pub(crate) struck: Option<Instant>,
    /// The time of the last byte that each connection passed to the client, by the number of the connection.
    last_bytes: BTreeMap<u64, Instant>,
    struck_connection: u64,
    pub(crate) accepted: u64,
    /// The number of new connections at which the client still had an older socket (R9).
    pub(crate) overlaps: u64,
    /// The length of the last message of each phase.
    pub(crate) lengths: BTreeMap<Phase, usize>,
}

impl FaultProxy {
    /// Listens on a free port of this address.
    pub(crate) fn listen(address: [u8; 4], server: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            server,
            port: Port::reserve(address),
            armed: Mutex::default(),
            log: Mutex::default(),
            changed: Condvar::new(),
        });
        shared.open_port();
        Self { shared }
    }

    /// A proxy for a server on this machine.
    pub(crate) fn before(server: SocketAddr) -> Self {
        Self::listen([127, 0, 0, 1], server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.shared.port.number()
    }

    /// Arms a fault: the next connection that reaches its place suffers it.
    pub(crate) fn arm(&self, fault: ProxyFault) {
        *self.shared.armed.lock() = Some(fault);
    }

    /// Causes the action on the current connection at once.
    pub(crate) fn strike(&self, action: Action) {
        self.arm(ProxyFault { phase: Phase::Idle, cut: Cut::Before, action });
        self.shared.port.command(&Command::Strike);
    }

    /// Passes on the bytes that [`Action::Hold`] holds.
    pub(crate) fn release(&self) {
        self.shared.port.command(&Command::Release);
    }

    /// Closes the port. Connections stay.
    pub(crate) fn refuse(&self) {
        self.shared.struck(0);
        self.shared.port.close();
    }

    /// Opens the closed port.
    pub(crate) fn reopen(&self) {
        self.shared.open_port();
    }

    /// The time of the fault; `None` if it does not happen within the timeout.
    pub(crate) fn wait_struck(&self, timeout: Duration) -> Option<Instant> {
        let deadline = Instant::now() + timeout;
        let mut log = self.shared.log.lock();
        while log.struck.is_none() && !self.shared.changed.wait_until(&mut log, deadline).timed_out() {}
        log.struck
    }

    /// The time of the fault. A fault that does not happen within the timeout is disarmed.
    pub(crate) fn wait_struck_or_disarm(&self, timeout: Duration) -> Option<Instant> {
        let struck = self.wait_struck(timeout);
        let is_disarmed = self.shared.armed.lock().take().is_some();
        // A fault that was neither suffered nor disarmed is happening right now.
        if struck.is_some() || is_disarmed { struck } else { self.wait_struck(PATIENCE) }
    }

    pub(crate) fn log(&self) -> Log {
        self.shared.log.lock().clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.port.end();
    }
}

impl Shared {
    fn open_port(self: &Arc<Self>) {
        self.port.open(self);
    }

    /// Takes the armed fault if a message of this phase suffers it.
    fn take(&self, phase: Phase, length: usize) -> Option<ProxyFault> {
        self.log.lock().lengths.insert(phase, length);
        self.armed.lock().take_if(|fault| fault.phase == phase)
    }

    fn struck(&self, connection: u64) {
        let mut log = self.log.lock();
        log.struck = Some(Instant::now());
        log.struck_connection = connection;
        self.changed.notify_all();
    }
}

impl Log {
    /// The time of the last byte that the connection with the fault passed to the client.
    pub(crate) fn last_byte(&self) -> Option<Instant> {
        self.last_bytes.get(&self.struck_connection).copied()
    }
}

#[test]
fn a_fault_that_does_not_happen_in_time_is_disarmed() {
    use pusher_channels::{Pusher, testing::TestServer};

    use crate::test_client::config;

    let server = TestServer::start().expect("a free port");
    let proxy = FaultProxy::before(server.addr());
    let closing = ProxyFault { phase: Phase::Closing, cut: Cut::Before, action: Action::Refuse };
    proxy.arm(closing);
    assert!(proxy.wait_struck_or_disarm(Duration::ZERO).is_none(), "no client has connected");
    let connect_and_close = || {
        Pusher::new(config("127.0.0.1", proxy.port())).connect().expect("the port is open").disconnect();
        assert!(server.wait_for_connections(0, PATIENCE), "the proxy passes on the end");
    };
    connect_and_close();
    assert!(proxy.log().struck.is_none(), "the close frame has passed");
    proxy.arm(closing);
    connect_and_close();
    assert!(proxy.wait_struck_or_disarm(PATIENCE).is_some());
}
