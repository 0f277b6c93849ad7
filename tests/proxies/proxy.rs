//! A proxy that does what its script says, and remembers what it was asked for and whom it connected to.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use socket2::SockRef;

use super::conversation::{self, Target};

/// What a proxy does with a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Script {
    /// Makes tunnels, by HTTP or SOCKS 5, whichever the client speaks.
    Serve(Service),
    /// Gives one of these answers to each thing that the client says, without understanding it, and then waits for its end.
    Answer(&'static [&'static [u8]], Then),
    /// Answers with the first, and then with the second, again and again.
    Endless(&'static [u8], &'static [u8]),
    /// One byte of it every 200 ms.
    Drip(&'static [u8]),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Then {
    /// Ends its own side.
    End,
    Reset,
    /// Says nothing more.
    Stay,
}

/// How a proxy works that makes tunnels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    /// Name and password of the only one who may use it.
    pub(crate) user: Option<(&'static str, &'static str)>,
    /// The head of the answer to `CONNECT`.
    pub(crate) head: &'static str,
    /// The kind of address, address and port in the answer of SOCKS.
    pub(crate) bound: &'static [u8],
    /// What it sends together with its answer, as if it came out of the tunnel.
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
    /// The ports from which it connected.
    outgoing: Vec<u16>,
    connections: usize,
    /// How many scripted answers it has given.
    answered: usize,
    /// How many connections have ended.
    ended: usize,
}

impl Proxy {
    /// Follows the first script on its first connection, and the other one on all others.
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
                    // What goes wrong here ends the connection, which is for the client to notice.
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

    /// How many scripted answers it has given.
    pub(crate) fn answered(&self) -> usize {
        self.seen.lock().expect("no panic").answered
    }

    /// How many connections have ended.
    pub(crate) fn ended(&self) -> usize {
        self.seen.lock().expect("no panic").ended
    }

    /// What it was asked to connect to, in order.
    pub(crate) fn targets(&self) -> Vec<Target> {
        self.seen.lock().expect("no panic").targets.clone()
    }

    /// The ports from which it connected.
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
                hear(client)?;
                client.write_all(answer)?;
                seen.lock().expect("no panic").answered += 1;
            }
            match then {
                Then::End => client.shutdown(Shutdown::Write)?,
                Then::Reset => return SockRef::from(client).set_linger(Some(Duration::ZERO)),
                Then::Stay => {}
            }
            while hear(client)? > 0 {}
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

fn hear(mut client: &TcpStream) -> io::Result<usize> {
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
