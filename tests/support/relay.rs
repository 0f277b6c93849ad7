//! A relay in front of a server on loopback. It records its clients and every byte, and may hold back the server's
//! answers.
#![allow(dead_code, reason = "every test target uses its own part of this")]

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use super::support::eventually;

/// The part of the server's answers that the relay passes on, for each connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answers {
    All,
    /// The connection ends after this number of bytes.
    EndAfter(usize),
    /// Nothing is passed on after this number of bytes, and the connection stays open.
    HoldAfter(usize),
}

pub(crate) struct Relay {
    addr: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// The ports of the clients.
    peers: Vec<u16>,
    /// The bytes that all clients have sent.
    written: Vec<u8>,
    /// The number of bytes that all clients have received.
    answered: usize,
    ended: usize,
}

impl Relay {
    /// Listens on this address, of IPv4 or IPv6.
    pub(crate) fn start(host: &str, target: SocketAddr, answers: Answers) -> Self {
        let listener = TcpListener::bind((host, 0)).expect("a free port");
        let relay = Self { addr: listener.local_addr().expect("bound"), seen: Arc::default() };
        let seen = Arc::clone(&relay.seen);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || carry(&client, target, answers, &seen));
            }
        });
        relay
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn port(&self) -> u16 {
        self.addr.port()
    }

    /// The ports of the clients, in order.
    pub(crate) fn peers(&self) -> Vec<u16> {
        self.seen.lock().expect("no panic").peers.clone()
    }

    /// Whether any client has sent this text.
    pub(crate) fn has_seen(&self, text: &str) -> bool {
        let seen = self.seen.lock().expect("no panic");
        seen.written.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// Whether any client has sent anything.
    pub(crate) fn has_received(&self) -> bool {
        !self.seen.lock().expect("no panic").written.is_empty()
    }

    /// The number of bytes that all clients have received.
    pub(crate) fn answered(&self) -> usize {
        self.seen.lock().expect("no panic").answered
    }

    /// Waits until a client has connected, and all clients have closed their connections.
    pub(crate) fn wait_for_the_end_of_all_clients(&self) {
        eventually("every connection ends", || {
            let seen = self.seen.lock().expect("no panic");
            seen.ended > 0 && seen.ended == seen.peers.len()
        });
    }
}

fn carry(client: &TcpStream, target: SocketAddr, answers: Answers, seen: &Arc<Mutex<Seen>>) {
    seen.lock().expect("no panic").peers.push(client.peer_addr().expect("connected").port());
    let server = TcpStream::connect(target).expect("the server listens");
    thread::scope(|scope| {
        scope.spawn(|| answer(&server, client, answers, seen));
        copy(client, &server, |bytes| seen.lock().expect("no panic").written.extend_from_slice(bytes));
        let _ = server.shutdown(Shutdown::Both);
    });
    seen.lock().expect("no panic").ended += 1;
}

fn answer(server: &TcpStream, client: &TcpStream, answers: Answers, seen: &Mutex<Seen>) {
    let limit = match answers {
        Answers::All => u64::MAX,
        Answers::EndAfter(limit) | Answers::HoldAfter(limit) => limit as u64,
    };
    copy(server.take(limit), client, |bytes| seen.lock().expect("no panic").answered += bytes.len());
    if !matches!(answers, Answers::HoldAfter(_)) {
        let _ = client.shutdown(Shutdown::Both);
    }
}

fn copy(mut from: impl Read, mut to: impl Write, mut note: impl FnMut(&[u8])) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        note(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
