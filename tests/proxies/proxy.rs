//! A proxy that follows a script, and records the targets of its clients and its own connections.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use socket2::SockRef;

use super::conversation::{self, Target};

/// The behaviour of a proxy on a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Script {
    /// Opens tunnels, by HTTP or SOCKS 5, as the client asks.
    Serve(Service),
    /// Sends one of these answers after each message of the client, without reading it, and then does this.
    Answer(&'static [&'static [u8]], Then),
    /// Sends the first text, and then the second one endlessly.
    Endless(&'static [u8], &'static [u8]),
    /// Sends one byte of this text every 200 ms.
    Drip(&'static [u8]),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Then {
    /// Ends its side of the connection.
    End,
    Reset,
    /// Sends nothing more.
    Stay,
}

/// The options of a proxy that opens tunnels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    /// The name and the password that a client must have.
    pub(crate) user: Option<(&'static str, &'static str)>,
    /// The head of the answer to `CONNECT`.
    pub(crate) head: &'static str,
    /// The kind of address, the address and the port in the answer of SOCKS.
    pub(crate) bound: &'static [u8],
    /// Data that is sent together with the answer, as if it came from the tunnel.
    pub(crate) early: &'static [u8],
}

impl Service {
    pub(crate) const OPEN: Self = Self {
        user: None,
        head: "HTTP/1.1 200 Connection established\r\n\r\n",
        bound: &[1, 0, 0, 0, 0, 0, 0],
        early: b"",
    };
}

pub(crate) struct Proxy {
    addr: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    targets: Vec<Target>,
    /// The local ports of the proxy's own connections.
    outgoing: Vec<u16>,
    connections: usize,
    /// The number of answers of a script that were sent.
    answered: usize,
    /// The number of connections that have ended.
    ended: usize,
}

impl Proxy {
    /// Starts a proxy that follows the first script on its first connection, and the other one on all later
    /// connections.
    pub(crate) fn start(first: Script, later: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let proxy = Self { addr: listener.local_addr().expect("bound"), seen: Arc::default() };
        let seen = Arc::clone(&proxy.seen);
        thread::spawn(move || {
            let scripts = std::iter::once(first).chain(std::iter::repeat(later));
            for (client, script) in listener.incoming().flatten().zip(scripts) {
                let seen = Arc::clone(&seen);
                seen.lock().expect("no panic").connections += 1;
                thread::spawn(move || {
                    // An error ends the connection, and the client must notice that.
                    let _ = follow(script, &client, &seen);
                    seen.lock().expect("no panic").ended += 1;
                });
            }
        });
        proxy
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().expect("no panic").connections
    }

    /// The number of answers of a script that were sent.
    pub(crate) fn answered(&self) -> usize {
        self.seen.lock().expect("no panic").answered
    }

    /// The number of connections that have ended.
    pub(crate) fn ended(&self) -> usize {
        self.seen.lock().expect("no panic").ended
    }

    /// The targets of the clients, in order.
    pub(crate) fn targets(&self) -> Vec<Target> {
        self.seen.lock().expect("no panic").targets.clone()
    }

    /// The local ports of the proxy's own connections.
    pub(crate) fn outgoing(&self) -> Vec<u16> {
        self.seen.lock().expect("no panic").outgoing.clone()
    }
}

fn follow(script: Script, mut client: &TcpStream, seen: &Mutex<Seen>) -> io::Result<()> {
    match script {
        Script::Serve(service) => {
            if let Some(target) = conversation::target(client, &service)? {
                seen.lock().expect("no panic").targets.push(target.clone());
                return tunnel(client, &target, &service, seen);
            }
        }
        Script::Answer(answers, then) => {
            for answer in answers {
                read_some(client)?;
                client.write_all(answer)?;
                seen.lock().expect("no panic").answered += 1;
            }
            match then {
                Then::End => client.shutdown(Shutdown::Write)?,
                Then::Reset => return SockRef::from(client).set_linger(Some(Duration::ZERO)),
                Then::Stay => {}
            }
            while read_some(client)? > 0 {}
        }
        Script::Endless(first, again) => {
            client.write_all(first)?;
            while client.write_all(again).is_ok() {}
        }
        Script::Drip(answer) => {
            for byte in answer {
                thread::sleep(Duration::from_millis(200));
                client.write_all(&[*byte])?;
            }
        }
    }
    Ok(())
}

fn read_some(mut client: &TcpStream) -> io::Result<usize> {
    client.read(&mut [0; 4096])
}

fn tunnel(client: &TcpStream, target: &Target, service: &Service, seen: &Mutex<Seen>) -> io::Result<()> {
    let server = TcpStream::connect(target.addr())?;
    seen.lock().expect("no panic").outgoing.push(server.local_addr()?.port());
    conversation::accept(client, target, service)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::copy(&mut &server, &mut &*client);
            let _ = client.shutdown(Shutdown::Both);
        });
        let _ = io::copy(&mut &*client, &mut &server);
        let _ = server.shutdown(Shutdown::Both);
    });
    Ok(())
}
