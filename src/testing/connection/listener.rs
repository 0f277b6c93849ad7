//! The port: the thread that accepts connections, and the threads of the connections.

use std::{
    io,
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;
use socket2::{SockRef, Socket};

use super::requests::serve;
use crate::testing::hub::core::Hub;

/// Limit for the connection that wakes the accepting thread. On loopback it takes microseconds.
const WAKE_TIMEOUT: Duration = Duration::from_millis(100);
/// Pause after a failed accept. A lack of descriptors, for example, is temporary.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

/// A port that can be closed and opened again.
pub(crate) struct Listener {
    addr: SocketAddr,
    port: Mutex<Port>,
}

struct Port {
    accepting: Option<Accepting>,
    /// Reserves the port number while the port is closed.
    reserved: Option<Socket>,
    /// Threads of connections that were accepted before the port was last closed.
    threads: Vec<JoinHandle<()>>,
}

struct Accepting {
    listener: Arc<TcpListener>,
    stop: Arc<AtomicBool>,
    /// Returns the threads of the connections.
    thread: JoinHandle<Vec<JoinHandle<()>>>,
}

impl Listener {
    /// Listens on this port of 127.0.0.1. 0 takes a free port.
    pub fn start(hub: &Arc<Hub>, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let addr = listener.local_addr()?;
        let accepting = Accepting::start(hub, listener)?;
        Ok(Self { addr, port: Mutex::new(Port { accepting: Some(accepting), reserved: None, threads: Vec::new() }) })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes the port. Existing connections stay. Does nothing if the port is closed.
    pub fn close(&self) {
        let mut port = self.port.lock();
        if let Some(accepting) = port.accepting.take() {
            let threads = accepting.stop(self.addr);
            port.threads.extend(threads);
            port.threads.retain(|thread| !thread.is_finished());
            // Without a reservation another program could take the port, and `reopen` would fail. That is unlikely.
            port.reserved = reserve(self.addr).ok();
        }
    }

    /// Opens the port again. Does nothing if the port is open.
    pub fn reopen(&self, hub: &Arc<Hub>) -> io::Result<()> {
        let mut port = self.port.lock();
        if port.accepting.is_some() {
            return Ok(());
        }
        let listener = match port.reserved.take() {
            Some(socket) => {
                socket.listen(128)?;
                socket.into()
            }
            None => TcpListener::bind(self.addr)?,
        };
        port.accepting = Some(Accepting::start(hub, listener)?);
        Ok(())
    }

    /// Waits for the threads of the connections. The caller has cut the connections.
    pub fn join(&self) {
        let threads = std::mem::take(&mut self.port.lock().threads);
        for thread in threads {
            // An error means that the thread panicked. It has ended as well.
            let _ = thread.join();
        }
    }
}

impl Accepting {
    fn start(hub: &Arc<Hub>, listener: TcpListener) -> io::Result<Self> {
        let listener = Arc::new(listener);
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (hub, listener, stop) = (hub.clone(), listener.clone(), stop.clone());
            thread::Builder::new().name("pusher-server-accept".into()).spawn(move || accept(&hub, &listener, &stop))?
        };
        Ok(Self { listener, stop, thread })
    }

    fn stop(self, addr: SocketAddr) -> Vec<JoinHandle<()>> {
        self.stop.store(true, Ordering::Release);
        // Linux wakes the thread when the listening socket is shut down; elsewhere a connection does it.
        if SockRef::from(&*self.listener).shutdown(Shutdown::Both).is_err() {
            let _ = TcpStream::connect_timeout(&addr, WAKE_TIMEOUT);
        }
        self.thread.join().unwrap_or_default()
    }
}

fn accept(hub: &Arc<Hub>, listener: &TcpListener, stop: &AtomicBool) -> Vec<JoinHandle<()>> {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    loop {
        let accepted = listener.accept();
        if stop.load(Ordering::Acquire) {
            return threads;
        }
        threads.retain(|thread| !thread.is_finished());
        match accepted {
            Ok((socket, _)) => threads.extend(start_serving(hub, socket)),
            Err(error) => {
                log::warn!("test server: accept: {error}");
                thread::sleep(ACCEPT_RETRY);
            }
        }
    }
}

fn start_serving(hub: &Arc<Hub>, socket: TcpStream) -> Option<JoinHandle<()>> {
    let socket = Arc::new(socket);
    let id = hub.admit(&socket)?;
    let worker = {
        let hub = hub.clone();
        move || serve(&hub, id, &socket)
    };
    let started = thread::Builder::new().name(format!("pusher-server-read-{id}")).spawn(worker);
    if let Err(error) = &started {
        log::warn!("test server: connection {id}: thread: {error}");
        hub.cut(id);
    }
    started.ok()
}

/// A socket that is bound and does not listen. Other programs cannot take the port, and connections are refused.
#[cfg(unix)]
fn reserve(addr: SocketAddr) -> io::Result<Socket> {
    use socket2::{Domain, Type};
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    // As in `TcpListener::bind`: connections of the closed listener still use the port.
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// On other platforms the required option has another meaning.
#[cfg(not(unix))]
fn reserve(_addr: SocketAddr) -> io::Result<Socket> {
    Err(io::ErrorKind::Unsupported.into())
}
