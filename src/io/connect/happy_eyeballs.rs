//! Resolves a host, and connects to its addresses by TCP (RFC 8305).

use std::{
    io,
    net::{IpAddr, Shutdown, SocketAddr, ToSocketAddrs},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    Error,
    io::transport::{cancel::CancelToken, halves::CloseHandle},
    panic_hook,
    sync::{ChannelPair, bounded, select_biased},
};

/// The delay between the connect attempts to two addresses (RFC 8305, section 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// The reason why there is no connection.
pub(crate) enum ConnectError {
    /// The attempt to connect was cancelled.
    Cancelled,
    TimedOut,
    Failed(io::Error),
    /// A thread could not be started.
    Thread(Error),
}

/// All addresses of a host, in the order in which they are tried.
///
/// The resolver of the operating system cannot be interrupted. It runs on a thread of its own, which is left behind at the
/// deadline, and ends when the resolver returns.
pub(crate) fn resolve(
    host: &str,
    port: u16,
    cancel: &CancelToken,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, ConnectError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    // RFC 6761, section 6.3: `localhost` is this machine. With a final dot, some resolvers would ask the network.
    let host = if host.eq_ignore_ascii_case("localhost.") { "localhost" } else { host };
    let (answer, answered) = bounded(1);
    let target = (host.to_owned(), port);
    spawn("pusher-resolve", move || {
        let found = target.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        let _ = answer.send(found);
    })?;
    select_biased! {
        recv(cancel.signal()) -> _ => Err(ConnectError::Cancelled),
        recv(answered) -> found => match found {
            Ok(Ok(found)) if !found.is_empty() => Ok(alternate(found)),
            Ok(Err(error)) => Err(ConnectError::Failed(error)),
            _ => Err(ConnectError::Failed(io::ErrorKind::NotFound.into())),
        },
        default(left(deadline)) => Err(ConnectError::TimedOut),
    }
}

/// Tries the addresses one after another. Each connect attempt to an address begins 250 ms after the one before it, or at
/// once when that one fails. The first connection wins, and `cancel` closes the others.
pub(crate) fn connect(
    addresses: Vec<SocketAddr>,
    cancel: &Arc<CancelToken>,
    deadline: Instant,
) -> Result<Socket, ConnectError> {
    let race = Race { cancel, deadline, results: ChannelPair::unbounded() };
    let mut addresses = addresses.into_iter().enumerate();
    let mut running = 0usize;
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        let started = match addresses.next() {
            Some((attempt, address)) => {
                race.start(attempt, address)?;
                running += 1;
                true
            }
            None if running == 0 && left(deadline).is_zero() => return Err(ConnectError::TimedOut),
            None if running == 0 => return Err(ConnectError::Failed(last_error)),
            None => false,
        };
        match race.first_result(started)? {
            Some((winner, Ok(socket))) => {
                cancel.keep_only(winner);
                return Ok(socket);
            }
            Some((_, Err(error))) => {
                last_error = error;
                running -= 1;
            }
            None => {}
        }
    }
}

/// The running connect attempts to addresses.
struct Race<'a> {
    cancel: &'a Arc<CancelToken>,
    deadline: Instant,
    results: ChannelPair<Connected>,
}

/// The number of the connect attempt to an address, and its result.
type Connected = (usize, io::Result<Socket>);

impl Race<'_> {
    fn start(&self, attempt: usize, address: SocketAddr) -> Result<(), ConnectError> {
        let (cancel, deadline, result) = (Arc::clone(self.cancel), self.deadline, self.results.sender.clone());
        spawn("pusher-connect", move || {
            let _ = result.send((attempt, connect_one(attempt, address, deadline, &cancel)));
        })
    }

    /// Waits for a result. `None` if it is time for the next address.
    fn first_result(&self, another_may_follow: bool) -> Result<Option<Connected>, ConnectError> {
        let time_left = left(self.deadline);
        let patience = if another_may_follow { time_left.min(NEXT_ADDRESS_AFTER) } else { time_left };
        select_biased! {
            recv(self.cancel.signal()) -> _ => Err(ConnectError::Cancelled),
            recv(self.results.receiver) -> result => Ok(result.ok()),
            default(patience) => {
                if left(self.deadline).is_zero() { Err(ConnectError::TimedOut) } else { Ok(None) }
            }
        }
    }
}

fn connect_one(attempt: usize, address: SocketAddr, deadline: Instant, cancel: &CancelToken) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if !cancel.watch(attempt, close_handle_of(&socket)?) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    // A little more than the remaining time: the caller's own deadline comes first, and its error names the phase.
    socket.connect_timeout(&address.into(), left(deadline) + Duration::from_secs(1))?;
    Ok(socket)
}

fn close_handle_of(socket: &Socket) -> io::Result<CloseHandle> {
    let socket = socket.try_clone()?;
    Ok(CloseHandle::new(move || drop(socket.shutdown(Shutdown::Both))))
}

/// RFC 8305, section 4: the address families alternate, beginning with the one that the resolver put first.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|a| a.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut alternated = Vec::new();
    loop {
        match (first.next(), second.next()) {
            (None, None) => return alternated,
            (a, b) => alternated.extend(a.into_iter().chain(b)),
        }
    }
}

pub(crate) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<(), ConnectError> {
    match thread::Builder::new().name(name.to_owned()).spawn(panic_hook::inherited(work)) {
        Ok(_) => Ok(()),
        Err(source) => Err(ConnectError::Thread(Error::Thread { name, source: Arc::new(source) })),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};

    use super::*;

    const LOOPBACK: [IpAddr; 2] = [IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)];

    /// Longer than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn connect_within(addresses: &[SocketAddr], time: Duration) -> Result<SocketAddr, ConnectError> {
        let connected = connect(addresses.to_vec(), &Arc::new(CancelToken::new()), Instant::now() + time);
        connected.map(|socket| TcpStream::from(socket).peer_addr().expect("connected"))
    }

    fn live(address: IpAddr) -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((address, 0)).expect("a free port");
        let address = listener.local_addr().expect("bound");
        (listener, address)
    }

    /// An address without a listener.
    fn refusing(address: IpAddr) -> SocketAddr {
        live(address).1
    }

    /// An address that drops packets, as the kernel does for a listener with a full backlog.
    #[cfg(target_os = "linux")]
    struct DeadAddress {
        address: SocketAddr,
        _listener: Socket,
        _backlog: Vec<TcpStream>,
    }

    #[cfg(target_os = "linux")]
    impl DeadAddress {
        fn at(address: IpAddr) -> Self {
            let any_port = SocketAddr::new(address, 0);
            let listener = Socket::new(Domain::for_address(any_port), Type::STREAM, None).expect("a socket");
            listener.bind(&any_port.into()).expect("a free port");
            listener.listen(0).expect("bound");
            let address = listener.local_addr().expect("bound").as_socket().expect("an IP address");
            let fill = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
            let waiting = std::iter::from_fn(fill).take(100).collect::<Vec<_>>();
            assert!(waiting.len() < 100, "it is full");
            Self { address, _listener: listener, _backlog: waiting }
        }
    }

    #[test]
    fn c5_address_families_alternate() {
        let parse = |text: &str| -> Vec<SocketAddr> { text.split(' ').map(|a| a.parse().expect(a)).collect() };
        let mixed = parse("[::1]:1 [::2]:1 [::3]:1 1.0.0.1:1 1.0.0.2:1");
        assert_eq!(alternate(mixed), parse("[::1]:1 1.0.0.1:1 [::2]:1 1.0.0.2:1 [::3]:1"));
        assert_eq!(alternate(parse("1.0.0.1:1 [::1]:1")), parse("1.0.0.1:1 [::1]:1"));
    }

    #[test]
    fn c5_a_server_on_one_family_is_found_whichever_is_tried_first() {
        for (with, without) in [(LOOPBACK[0], LOOPBACK[1]), (LOOPBACK[1], LOOPBACK[0])] {
            let ((_listener, live), refusing) = (live(with), refusing(without));
            for addresses in [[live, refusing], [refusing, live]] {
                assert!(matches!(connect_within(&addresses, PATIENCE), Ok(to) if to == live), "{addresses:?}");
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn c5_a_dead_address_costs_at_most_300_ms() {
        for (dead, alive) in [(LOOPBACK[0], LOOPBACK[1]), (LOOPBACK[1], LOOPBACK[0])] {
            let (dead, (_listener, live)) = (DeadAddress::at(dead), live(alive));
            let start = Instant::now();
            assert!(matches!(connect_within(&[dead.address, live], PATIENCE), Ok(to) if to == live));
            assert!(start.elapsed() >= NEXT_ADDRESS_AFTER, "the first one has its chance");
            assert!(start.elapsed() <= Duration::from_millis(300), "{:?}", start.elapsed());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn c5_all_addresses_are_tried_inside_the_deadline() {
        let dead: Vec<_> = LOOPBACK.into_iter().chain(LOOPBACK).map(DeadAddress::at).collect();
        let (_listener, live) = live(LOOPBACK[1]);
        let addresses: Vec<_> = dead.iter().map(|dead| dead.address).chain([refusing(LOOPBACK[0]), live]).collect();
        assert!(matches!(connect_within(&addresses, PATIENCE), Ok(to) if to == live));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn c3_dead_addresses_time_out_and_refusals_fail_at_once() {
        let dead = DeadAddress::at(LOOPBACK[1]);
        let refusing = LOOPBACK.map(refusing);
        for addresses in [vec![dead.address], vec![dead.address, refusing[0]], vec![refusing[0], dead.address]] {
            let result = connect_within(&addresses, Duration::from_millis(400));
            assert!(matches!(result, Err(ConnectError::TimedOut)), "{addresses:?}");
        }
        let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        assert!(matches!(connect_within(&refusing, PATIENCE), Err(ConnectError::Failed(error)) if refused(&error)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn r10_connecting_to_dead_addresses_can_be_cancelled() {
        let dead = LOOPBACK.map(DeadAddress::at);
        let cancel = Arc::new(CancelToken::new());
        thread::scope(|scope| {
            let addresses = dead.iter().map(|dead| dead.address).collect();
            let connecting = scope.spawn(|| connect(addresses, &cancel, Instant::now() + PATIENCE));
            cancel.set();
            assert!(matches!(connecting.join().expect("no panic"), Err(ConnectError::Cancelled)));
        });
    }
}
