//! R2: every close code from 1000 to 4999, and the reaction of the client.

use std::{
    collections::{HashMap, HashSet},
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use pusher_channels::{Config, ConnectionState, Pusher, Reconnect};

use crate::{
    figures,
    hostile_server::raw_frames,
    support::{PATIENCE, next, next_state},
};

const CODES: std::ops::RangeInclusive<u16> = 1000..=4999;

/// The number of clients at once. Most of them only wait for a second.
const CLIENTS: usize = 50;

/// A server that closes the first connection of each app key with that key as the code, and keeps all later ones.
struct ClosingServer {
    address: SocketAddr,
    visits: Arc<Mutex<HashMap<u16, u32>>>,
    /// The addresses of the clients that connected with TLS.
    tls: Arc<Mutex<HashSet<SocketAddr>>>,
}

impl ClosingServer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (visits, tls) = (Arc::default(), Arc::default());
        let closing = Self { address, visits: Arc::clone(&visits), tls: Arc::clone(&tls) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (visits, tls) = (Arc::clone(&visits), Arc::clone(&tls));
                thread::spawn(move || serve(stream, &visits, &tls));
            }
        });
        closing
    }

    fn visits(&self, code: u16) -> u32 {
        self.visits.lock().get(&code).copied().unwrap_or_default()
    }
}

fn serve(mut stream: TcpStream, visits: &Mutex<HashMap<u16, u32>>, tls: &Mutex<HashSet<SocketAddr>>) -> io::Result<()> {
    /// The record type of a TLS handshake.
    const HANDSHAKE: u8 = 22;
    let mut first = [0];
    stream.peek(&mut first)?;
    if first[0] == HANDSHAKE {
        tls.lock().insert(stream.peer_addr()?);
        return Ok(());
    }
    let request = raw_frames::read_head(&mut stream)?;
    let key = request.split(['/', '?']).nth(2).unwrap_or_default();
    let code = key.parse().expect("the key is a code");
    let visit = {
        let mut visits = visits.lock();
        let visit = visits.entry(code).or_default();
        *visit += 1;
        *visit
    };
    let answer =
        [raw_frames::switching_protocols(&request).into_bytes(), raw_frames::text(raw_frames::ESTABLISHED)].concat();
    stream.write_all(&answer)?;
    if visit == 1 {
        return stream.write_all(&raw_frames::close(code, b"gone"));
    }
    // Waits until the client disconnects.
    stream.read_to_end(&mut Vec::new()).map(drop)
}

/// Connects with this code as the app key, and checks the reaction of the client.
fn check(closing: &ClosingServer, code: u16) {
    let config = Config::host(code.to_string(), closing.address.ip().to_string())
        .port(closing.address.port())
        .tls(false)
        .connect_timeout(PATIENCE)
        .reconnect(Reconnect::default().max_delay(Duration::from_millis(10)));
    let pusher = Pusher::new(config);
    let receiver = pusher.receiver();
    pusher.connect_background().expect("started");
    next_state(&receiver, ConnectionState::Connected);
    let lost = next(&receiver, |notification| match notification {
        pusher_channels::Notification::ConnectionStateChange(change)
            if change.current != ConnectionState::Connected =>
        {
            Some(change)
        }
        _ => None,
    });
    let end = Instant::now();
    match code {
        4000 => {
            assert_eq!(lost.current, ConnectionState::Reconnecting, "{code}");
            next_state(&receiver, ConnectionState::Connecting);
            let refused = next_state(&receiver, ConnectionState::Reconnecting);
            assert!(!closing.tls.lock().is_empty(), "{code}: no TLS was tried, but {refused:?}");
            assert_eq!(closing.visits(code), 1, "{code}: no other attempt without TLS");
        }
        4001..=4099 => {
            assert_eq!(lost.current, ConnectionState::Failed, "{code}");
            assert_eq!(lost.cause.as_ref().and_then(|cause| cause.code()), Some(code));
            assert_eq!((closing.visits(code), pusher.stats().attempts), (1, 1), "{code}");
            pusher.connect().unwrap_or_else(|error| panic!("{code}: the next connection: {error}"));
        }
        _ => {
            let delay = lost.retry_in.unwrap_or_else(|| panic!("{code}: {lost:?}"));
            match code {
                4100..=4199 => assert!(delay >= Duration::from_secs(1), "{code}: {delay:?}"),
                4200..=4299 => assert_eq!(delay, Duration::ZERO, "{code}"),
                _ => assert!(delay <= Duration::from_millis(10), "{code}: {delay:?}"),
            }
            next_state(&receiver, ConnectionState::Connected);
            assert!(
                end.elapsed() >= delay.saturating_sub(Duration::from_millis(50)),
                "{code}: before the reported delay"
            );
            assert_eq!(closing.visits(code), 2, "{code}");
        }
    }
}

#[test]
fn r2_every_close_code_has_the_action_of_its_range() {
    let closing = ClosingServer::start();
    let next = AtomicU16::new(*CODES.start());
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let code = next.fetch_add(1, Ordering::Relaxed);
                    if !CODES.contains(&code) {
                        return;
                    }
                    check(&closing, code);
                }
            });
        }
    });
    figures::record("close codes 1000-4999", format!("{0} of {0}", CODES.count()), "4000 of 4000");
}
