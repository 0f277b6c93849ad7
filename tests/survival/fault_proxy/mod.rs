//! A TCP proxy between one client and its server that does to the connection what a row of a table says.
//!
//! It follows the messages of the connection, so that a [`Fault`] names its place by what is on its way: a FIN after
//! seven bytes of `pusher:connection_established` is one row. Only the connection that meets the armed fault suffers it;
//! those that follow pass unharmed until the next one is armed. A new kind of fault is one [`Action`].

mod fault;
mod messages;
mod passage;
mod port;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

pub(crate) use fault::{Action, Cut, Fault, Stage};
use passage::Command;
use port::Port;

use crate::support::PATIENCE;

/// In front of one server, for one client. Dropping it ends all connections and joins its threads.
pub(crate) struct FaultProxy {
    shared: Arc<Shared>,
}

/// What the port and the connections share.
struct Shared {
    server: SocketAddr,
    port: Port,
    armed: Mutex<Option<Fault>>,
    log: Mutex<Log>,
    changed: Condvar,
}

/// What the proxy saw.
#[derive(Debug, Default, Clone)]
pub(crate) struct Log {
    /// When the last fault struck.
    pub(crate) struck: Option<Instant>,
    /// When each connection last brought the client a byte, by its number.
    last_bytes: BTreeMap<u64, Instant>,
    struck_connection: u64,
    pub(crate) accepted: u64,
    /// How often the client still had an older socket when a new one had been accepted (R9).
    pub(crate) overlaps: u64,
    /// How long the last message of each stage was.
    pub(crate) lengths: BTreeMap<Stage, usize>,
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

    /// In front of a server of this machine.
    pub(crate) fn before(server: SocketAddr) -> Self {
        Self::listen([127, 0, 0, 1], server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.shared.port.number()
    }

    /// The next connection that comes to the fault's place meets it.
    pub(crate) fn arm(&self, fault: Fault) {
        *self.shared.armed.lock() = Some(fault);
    }

    /// Strikes the connection that there is, whatever it is doing.
    pub(crate) fn strike(&self, action: Action) {
        self.arm(Fault { stage: Stage::Idle, cut: Cut::Before, action });
        self.shared.port.command(&Command::Strike);
    }

    /// Lets what [`Action::Hold`] holds go on.
    pub(crate) fn release(&self) {
        self.shared.port.command(&Command::Release);
    }

    /// Closes the port; connections stay.
    pub(crate) fn refuse(&self) {
        self.shared.struck(0);
        self.shared.port.close();
    }

    /// Opens the port that was closed.
    pub(crate) fn reopen(&self) {
        self.shared.open_port();
    }

    /// When the fault struck; `None` if it does not within this time.
    pub(crate) fn wait_struck(&self, timeout: Duration) -> Option<Instant> {
        let deadline = Instant::now() + timeout;
        let mut log = self.shared.log.lock();
        while log.struck.is_none() && !self.shared.changed.wait_until(&mut log, deadline).timed_out() {}
        log.struck
    }

    /// When the fault struck. One that is not about to within this time does not any more, until it is armed again.
    pub(crate) fn wait_struck_or_disarm(&self, timeout: Duration) -> Option<Instant> {
        let struck = self.wait_struck(timeout);
        let is_disarmed = self.shared.armed.lock().take().is_some();
        // What was neither met nor disarmed has just been taken by the connection that it strikes.
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

    /// The fault that a message of this stage meets.
    fn take(&self, stage: Stage, length: usize) -> Option<Fault> {
        self.log.lock().lengths.insert(stage, length);
        self.armed.lock().take_if(|fault| fault.stage == stage)
    }

    fn struck(&self, connection: u64) {
        let mut log = self.log.lock();
        log.struck = Some(Instant::now());
        log.struck_connection = connection;
        self.changed.notify_all();
    }
}

impl Log {
    /// When the connection that the fault struck last brought the client a byte.
    pub(crate) fn last_byte(&self) -> Option<Instant> {
        self.last_bytes.get(&self.struck_connection).copied()
    }
}

#[test]
fn a_fault_that_does_not_strike_in_time_is_met_by_nobody() {
    use pusher_channels::{Pusher, testing::TestServer};

    use crate::subject::config;

    let server = TestServer::start().expect("a free port");
    let proxy = FaultProxy::before(server.addr());
    let closing = Fault { stage: Stage::Closing, cut: Cut::Before, action: Action::Refuse };
    proxy.arm(closing);
    assert!(proxy.wait_struck_or_disarm(Duration::ZERO).is_none(), "nobody has connected");
    let connect_and_close = || {
        Pusher::new(config("127.0.0.1", proxy.port())).connect().expect("the port is open").disconnect();
        assert!(server.wait_for_connections(0, PATIENCE), "the proxy passes the end on");
    };
    connect_and_close();
    assert!(proxy.log().struck.is_none(), "the close frame met nothing");
    proxy.arm(closing);
    connect_and_close();
    assert!(proxy.wait_struck_or_disarm(PATIENCE).is_some());
}
