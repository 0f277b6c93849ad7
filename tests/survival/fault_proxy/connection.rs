//! One connection through the proxy. One thread owns both of its sockets, so that it can end both at the same time.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    ops::ControlFlow::{self, Break, Continue},
    os::{fd::AsFd, unix::net::UnixStream},
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use socket2::SockRef;

use super::{
    Shared,
    fault::{Action, Phase, ProxyFault},
    messages::{Direction, Messages},
};

/// The kernel delivers a FIN in a software interrupt of its own, perhaps after that of the next SYN. A client that
/// closes one socket before it opens the next is visible within this time.
const DELIVERY: Duration = Duration::from_millis(20);

#[derive(Debug, Clone)]
pub(super) enum Command {
    /// The armed fault happens now.
    Strike,
    Release,
    /// The client has a newer connection, so that it must have closed this one.
    Retire,
    End,
}

/// The proxy's handle of a connection.
pub(super) struct Handle {
    commands: Sender<Command>,
    waker: UnixStream,
    thread: JoinHandle<()>,
}

pub(super) struct Connection {
    shared: Arc<Shared>,
    number: u64,
    client: TcpStream,
    server: TcpStream,
    mode: Mode,
    to_client: Messages,
    to_server: Messages,
    /// The bytes that [`Mode::Held`] holds, with their directions.
    held: Vec<(Direction, Vec<u8>)>,
    client_ended: bool,
    server_ended: bool,
    commands: Receiver<Command>,
    waker: UnixStream,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Stalled,
    Held,
    Losing(Direction),
    Dripping(Duration),
    Late(Duration),
    /// The end was passed to the client. Further bytes of the client are dropped.
    Finished,
}

impl Handle {
    pub(super) fn command(&self, command: Command) {
        // Both fail only if the connection has ended.
        let _ = self.commands.send(command);
        let _ = (&self.waker).write(&[0]);
    }

    pub(super) fn join(self) {
        self.thread.join().expect("a connection does not panic");
    }
}

impl Connection {
    pub(super) fn start(shared: &Arc<Shared>, number: u64, client: TcpStream, server: TcpStream) -> Handle {
        let fault = shared.take(Phase::Accepted, 0);
        for socket in [&client, &server] {
            socket.set_nodelay(true).expect("a connected socket");
        }
        let (commands, received) = mpsc::channel();
        let (waker, woken) = UnixStream::pair().expect("a pair of sockets");
        let mut connection = Self {
            shared: Arc::clone(shared),
            number,
            client,
            server,
            mode: Mode::Open,
            to_client: Messages::new(Direction::ToClient),
            to_server: Messages::new(Direction::ToServer),
            held: Vec::new(),
            client_ended: false,
            server_ended: false,
            commands: received,
            waker: woken,
        };
        let thread = thread::spawn(move || {
            let first = fault.map_or(Continue(()), |fault| connection.strike(fault.action));
            if first.is_continue() {
                while connection.step().is_continue() {}
            }
        });
        Handle { commands, waker, thread }
    }

    /// Waits for bytes or a command, and handles them.
    fn step(&mut self) -> ControlFlow<()> {
        let moves = self.moves();
        let from_client = moves && !self.client_ended;
        let from_server = moves && !self.server_ended && self.mode != Mode::Finished;
        if moves && !from_client && !from_server {
            return Break(());
        }
        let [woken, client, server] =
            ready([(&self.waker, true), (&self.client, from_client), (&self.server, from_server)], None);
        if woken {
            return self.obey();
        }
        if client {
            self.carry(Direction::ToServer)?;
        }
        if server {
            self.carry(Direction::ToClient)?;
        }
        Continue(())
    }

    fn obey(&mut self) -> ControlFlow<()> {
        let _ = self.waker.read(&mut [0]);
        match self.commands.try_recv() {
            Ok(Command::Strike) => {
                let fault = self.shared.take(Phase::Idle, 0);
                fault.map_or(Continue(()), |fault| self.strike(fault.action))
            }
            Ok(Command::Release) => {
                self.mode = Mode::Open;
                let held = std::mem::take(&mut self.held);
                held.into_iter().try_for_each(|(direction, bytes)| self.send(direction, &bytes))
            }
            Ok(Command::Retire) => {
                if self.has_hung_up() {
                    self.carry_last_bytes()?;
                } else {
                    self.shared.log.lock().overlaps += 1;
                }
                Break(())
            }
            Ok(Command::End) => Break(()),
            Err(_) => Continue(()),
        }
    }

    fn strike(&mut self, action: Action) -> ControlFlow<()> {
        // The time is recorded before the action, so that no effect is earlier.
        self.shared.struck(self.number);
        match action {
            Action::Reset => return self.reset(),
            Action::Refuse => {
                self.shared.port.close();
                return self.reset();
            }
            Action::Finish => {
                let _ = self.client.shutdown(Shutdown::Write);
                let _ = self.server.shutdown(Shutdown::Both);
                self.mode = Mode::Finished;
            }
            Action::Stall => self.mode = Mode::Stalled,
            Action::Hold => self.mode = Mode::Held,
            Action::LoseToClient => self.mode = Mode::Losing(Direction::ToClient),
            Action::LoseToServer => self.mode = Mode::Losing(Direction::ToServer),
            Action::Drip(pause) => self.mode = Mode::Dripping(pause),
            Action::Delay(delay) => self.mode = Mode::Late(delay),
            Action::Corrupt => {}
        }
        Continue(())
    }

    fn reset(&self) -> ControlFlow<()> {
        for socket in [&self.client, &self.server] {
            let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
        }
        Break(())
    }

    fn carry(&mut self, direction: Direction) -> ControlFlow<()> {
        let mut chunk = [0; 16 * 1024];
        let read = match direction {
            Direction::ToClient => self.server.read(&mut chunk),
            Direction::ToServer => self.client.read(&mut chunk),
        };
        match read {
            Ok(0) => self.end_of(direction),
            Ok(_) if self.mode == Mode::Losing(direction) || self.mode == Mode::Finished => Continue(()),
            Ok(count) => self.pass(direction, &chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Continue(()),
            Err(_) => self.reset(),
        }
    }

    fn end_of(&mut self, direction: Direction) -> ControlFlow<()> {
        let (ended, peer) = match direction {
            Direction::ToClient => (&mut self.server_ended, &self.client),
            Direction::ToServer => (&mut self.client_ended, &self.server),
        };
        *ended = true;
        if self.mode != Mode::Losing(direction) {
            let _ = peer.shutdown(Shutdown::Write);
        }
        Continue(())
    }

    fn pass(&mut self, direction: Direction, bytes: &[u8]) -> ControlFlow<()> {
        self.messages(direction).push(bytes);
        while let Some((phase, message)) = self.messages(direction).next() {
            match phase.and_then(|phase| self.shared.take(phase, message.len())) {
                Some(fault) => self.suffer(fault, direction, message)?,
                None => self.send(direction, &message)?,
            }
        }
        Continue(())
    }

    fn messages(&mut self, direction: Direction) -> &mut Messages {
        match direction {
            Direction::ToClient => &mut self.to_client,
            Direction::ToServer => &mut self.to_server,
        }
    }

    fn suffer(&mut self, fault: ProxyFault, direction: Direction, mut message: Vec<u8>) -> ControlFlow<()> {
        let cut = fault.cut.of(message.len());
        self.send(direction, &message[..cut])?;
        self.strike(fault.action)?;
        if fault.action == Action::Corrupt {
            message[cut] ^= 0x40;
        }
        self.send(direction, &message[cut..])
    }

    /// Passes on bytes by the current mode.
    fn send(&mut self, direction: Direction, bytes: &[u8]) -> ControlFlow<()> {
        match self.mode {
            Mode::Stalled | Mode::Finished => Continue(()),
            Mode::Losing(lost) if lost == direction => Continue(()),
            Mode::Held => {
                self.held.push((direction, bytes.to_owned()));
                Continue(())
            }
            Mode::Dripping(pause) if direction == Direction::ToClient => bytes.chunks(1).try_for_each(|byte| {
                self.pause(pause);
                self.write(direction, byte)
            }),
            Mode::Late(delay) if direction == Direction::ToClient => {
                self.pause(delay);
                self.write(direction, bytes)
            }
            Mode::Open | Mode::Losing(_) | Mode::Dripping(_) | Mode::Late(_) => self.write(direction, bytes),
        }
    }

    fn write(&mut self, direction: Direction, bytes: &[u8]) -> ControlFlow<()> {
        let peer = match direction {
            Direction::ToClient => &mut self.client,
            Direction::ToServer => &mut self.server,
        };
        if bytes.is_empty() {
            return Continue(());
        }
        if peer.write_all(bytes).is_err() {
            if direction == Direction::ToClient {
                self.carry_last_bytes()?;
            }
            return self.reset();
        }
        if direction == Direction::ToClient {
            self.shared.log.lock().last_bytes.insert(self.number, Instant::now());
        }
        Continue(())
    }

    /// Waits. A command ends the wait.
    fn pause(&self, time: Duration) {
        ready([(&self.waker, true)], Some(time));
    }

    /// R9: whether the client has closed or reset its socket.
    fn has_hung_up(&self) -> bool {
        let hung_up = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut client = [PollFd::new(&self.client, hung_up)];
        let timeout = Timespec::try_from(DELIVERY).expect("a short time");
        poll(&mut client, Some(&timeout)).expect("poll takes sockets");
        client[0].revents().intersects(hung_up)
    }

    /// Passes on the bytes that the client sent before it closed its socket, its close frame included.
    fn carry_last_bytes(&mut self) -> ControlFlow<()> {
        while self.moves() && !self.client_ended && ready([(&self.client, true)], Some(Duration::ZERO)) == [true] {
            self.carry(Direction::ToServer)?;
        }
        Continue(())
    }

    fn moves(&self) -> bool {
        !matches!(self.mode, Mode::Stalled | Mode::Held)
    }
}

/// Waits until one of the enabled sources is readable. Disabled sources are left out of the poll, because `poll` always
/// reports errors and hang-ups.
fn ready<const N: usize>(sources: [(&dyn AsFd, bool); N], timeout: Option<Duration>) -> [bool; N] {
    let enabled: Vec<usize> = (0..N).filter(|n| sources[*n].1).collect();
    let descriptors = sources.map(|(source, _)| source.as_fd());
    let mut polled: Vec<_> = enabled.iter().map(|n| PollFd::from_borrowed_fd(descriptors[*n], PollFlags::IN)).collect();
    let timeout = timeout.map(|time| Timespec::try_from(time).expect("a short time"));
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => panic!("poll takes sockets: {error}"),
    }
    let mut ready = [false; N];
    for (n, polled) in enabled.into_iter().zip(polled) {
        ready[n] = !polled.revents().is_empty();
    }
    ready
}
