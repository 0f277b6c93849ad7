//! The port that the client connects to, which can be closed and opened again.

use std::{
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;
use rustix::net::sockopt::set_socket_reuseport;
use socket2::{Domain, SockRef, Socket, Type};

use super::{
    Shared,
    connection::{self, Command, Connection},
};

pub(super) struct Port {
    /// Bound but not listening. It keeps the number while the port is closed.
    reserved: Socket,
    listener: Mutex<Option<Arc<TcpListener>>>,
    /// The threads that accept connections, or did so before the port was closed.
    threads: Mutex<Vec<JoinHandle<()>>>,
    connections: Mutex<Vec<connection::Handle>>,
}

impl Port {
    pub(super) fn reserve(address: [u8; 4]) -> Self {
        let reserved = bound((address, 0).into());
        Self { reserved, listener: Mutex::default(), threads: Mutex::default(), connections: Mutex::default() }
    }

    fn address(&self) -> SocketAddr {
        self.reserved.local_addr().ok().and_then(|address| address.as_socket()).expect("a bound socket")
    }

    pub(super) fn number(&self) -> u16 {
        self.address().port()
    }

    /// Opens the port, unless it is open.
    pub(super) fn open(&self, shared: &Arc<Shared>) {
        let mut open = self.listener.lock();
        if open.is_some() {
            return;
        }
        let socket = bound(self.address());
        socket.listen(128).expect("a port of this proxy's own");
        let listener = Arc::new(TcpListener::from(socket));
        *open = Some(Arc::clone(&listener));
        let shared = Arc::clone(shared);
        self.threads.lock().push(thread::spawn(move || {
            // A listener that was shut down accepts no more connections.
            while let Ok((client, _)) = listener.accept() {
                shared.port.admit(&shared, client);
            }
        }));
    }

    /// Closes the port, so that new connections are refused. Existing ones stay.
    pub(super) fn close(&self) {
        if let Some(listener) = self.listener.lock().take() {
            SockRef::from(&*listener).shutdown(Shutdown::Both).expect("a listening socket");
        }
    }

    /// Starts a connection. A client has only one, so that all older ones must end.
    fn admit(&self, shared: &Arc<Shared>, client: TcpStream) {
        let number = {
            let mut log = shared.log.lock();
            log.accepted += 1;
            log.accepted
        };
        let Ok(server) = TcpStream::connect(shared.server) else {
            // Without the proxy, the client would get a reset, too.
            let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
            return;
        };
        let older = std::mem::take(&mut *self.connections.lock());
        self.connections.lock().push(Connection::start(shared, number, client, server));
        for handle in older {
            handle.command(Command::Retire);
            handle.join();
        }
    }

    pub(super) fn command(&self, command: &Command) {
        self.connections.lock().iter().for_each(|handle| handle.command(command.clone()));
    }

    pub(super) fn end(&self) {
        self.close();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            thread.join().expect("the accepting thread does not panic");
        }
        for handle in std::mem::take(&mut *self.connections.lock()) {
            handle.command(Command::End);
            handle.join();
        }
    }
}

fn bound(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
    // Both sockets, the reservation and the listener, have the same port.
    set_socket_reuseport(&socket, true).expect("an option that every system has");
    socket.bind(&address.into()).expect("a free port");
    socket
}
