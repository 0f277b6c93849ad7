//! From a host and a port to a TCP connection.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{stop::Stop, wire::Closer};
use crate::{
    Error,
    sync::{Receiver, Sender, bounded, select_biased, unbounded},
};

/// RFC 8305, section 5: how long one address may keep the next one waiting.
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Why there is no connection.
pub(super) enum Unreached {
    /// It is not wanted any more.
    Stopped,
    /// The deadline has come.
    TimedOut,
    Failed(io::Error),
    /// A thread that is needed for it could not be started.
    Thread(Error),
}

/// All addresses of a host, in the order in which they are to be tried.
///
/// The resolver of the operating system cannot be interrupted, so it runs on a thread of its own, which is left behind when
/// the time is over and ends when the resolver does.
pub(super) fn resolve(host: &str, port: u16, stop: &Stop, deadline: Instant) -> Result<Vec<SocketAddr>, Unreached> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (answer, answered) = bounded(1);
    let target = (host.to_owned(), port);
    spawn("pusher-resolve", move || {
        let found = target.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        let _ = answer.send(found);
    })?;
    select_biased! {
        recv(stop.signal()) -> _ => Err(Unreached::Stopped),
        recv(answered) -> found => match found {
            Ok(Ok(found)) if !found.is_empty() => Ok(alternate(found)),
            Ok(Err(error)) => Err(Unreached::Failed(error)),
            _ => Err(Unreached::Failed(io::ErrorKind::NotFound.into())),
        },
        default(left(deadline)) => Err(Unreached::TimedOut),
    }
}

/// Tries the addresses one after another, each 250 ms after the one before, or at once when that has failed. The first that
/// connects wins, and `stop` reaches no other afterwards.
pub(super) fn connect(addresses: Vec<SocketAddr>, stop: &Arc<Stop>, deadline: Instant) -> Result<Socket, Unreached> {
    let race = Race { stop, deadline, results: unbounded() };
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
            None if running == 0 && left(deadline).is_zero() => return Err(Unreached::TimedOut),
            None if running == 0 => return Err(Unreached::Failed(last_error)),
            None => false,
        };
        match race.first_result(started)? {
            Some((winner, Ok(socket))) => {
                stop.keep_only(winner);
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

/// The attempts that are under way.
struct Race<'a> {
    stop: &'a Arc<Stop>,
    deadline: Instant,
    results: (Sender<Connected>, Receiver<Connected>),
}

/// The number of the attempt, and what became of it.
type Connected = (usize, io::Result<Socket>);

impl Race<'_> {
    fn start(&self, attempt: usize, address: SocketAddr) -> Result<(), Unreached> {
        let (stop, deadline, result) = (Arc::clone(self.stop), self.deadline, self.results.0.clone());
        spawn("pusher-connect", move || {
            let _ = result.send((attempt, connect_one(attempt, address, deadline, &stop)));
        })
    }

    /// `None` when it is time for the next address.
    fn first_result(&self, another_may_follow: bool) -> Result<Option<Connected>, Unreached> {
        let time_left = left(self.deadline);
        let patience = if another_may_follow { time_left.min(NEXT_ADDRESS_AFTER) } else { time_left };
        select_biased! {
            recv(self.stop.signal()) -> _ => Err(Unreached::Stopped),
            recv(self.results.1) -> result => Ok(result.ok()),
            default(patience) => {
                if left(self.deadline).is_zero() { Err(Unreached::TimedOut) } else { Ok(None) }
            }
        }
    }
}

fn connect_one(attempt: usize, address: SocketAddr, deadline: Instant, stop: &Stop) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if !stop.watch(attempt, Closer::of_socket(Arc::new(socket.try_clone()?))) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    // A little more than there is, so that it is the caller's clock that runs out, which names the phase.
    socket.connect_timeout(&address.into(), left(deadline) + Duration::from_secs(1))?;
    Ok(socket)
}

/// RFC 8305, section 4: the families take turns, beginning with the one that the resolver put first.
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

pub(super) fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) -> Result<(), Unreached> {
    match thread::Builder::new().name(name.to_owned()).spawn(work) {
        Ok(_) => Ok(()),
        Err(source) => Err(Unreached::Thread(Error::Thread { name, source: Arc::new(source) })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c5_address_families_take_turns() {
        let parse = |text: &str| -> Vec<SocketAddr> { text.split(' ').map(|a| a.parse().expect(a)).collect() };
        let mixed = parse("[::1]:1 [::2]:1 [::3]:1 1.0.0.1:1 1.0.0.2:1");
        assert_eq!(alternate(mixed), parse("[::1]:1 1.0.0.1:1 [::2]:1 1.0.0.2:1 [::3]:1"));
        assert_eq!(alternate(parse("1.0.0.1:1 [::1]:1")), parse("1.0.0.1:1 [::1]:1"));
    }
}
