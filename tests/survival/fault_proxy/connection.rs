//! One connection through the proxy: a thread that owns both of its sockets, so that it can end them in one instant.

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
    fault::{Action, Fault, Stage},
    messages::{Direction, Messages},
};

/// The kernel hands over a FIN by a software interrupt of its own, which may come after the one for the next SYN. A client
/// that closes one socket before it opens the next is far inside this.
const HANDED_OVER: Duration = Duration::from_millis(20);

#[derive(Debug, Clone)]
pub(super) enum Command {
    /// The armed fault need not wait for a message.
    Strike,
    Release,
    /// The client has a newer connection. By now it must have closed this one.
    Retire,
    End,
}

/// What the proxy keeps of a connection.
pub(super) struct Handle {
    commands: Sender<Command>,
    bell: UnixStream,
    thread: JoinHandle<()>,
}

pub(super) struct Passage {
    shared: Arc<Shared>,
    number: u64,
    client: TcpStream,
    server: TcpStream,
    mode: Mode,
    to_client: Messages,
    to_server: Messages,
    /// What [`Mode::Held`] holds, in both directions.
    held: Vec<(Direction, Vec<u8>)>,
    client_ended: bool,
    server_ended: bool,
    commands: Receiver<Command>,
    bell: UnixStream,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Stalled,
    Held,
    Losing(Direction),
    Dripping(Duration),
    Late(Duration),
    /// The client was told the end. What it still sends is for nobody.
    Finished,
}

impl Handle {
    pub(super) fn command(&self, command: Command) {
        // Either fails when the connection has ended, and there is nothing to strike.
        let _ = self.commands.send(command);
        let _ = (&self.bell).write(&[0]);
    }

    pub(super) fn join(self) {
        self.thread.join().expect("a passage does not panic");
    }
}

impl Passage {
    pub(super) fn start(shared: &Arc<Shared>, number: u64, client: TcpStream, server: TcpStream) -> Handle {
        let fault = shared.take(Stage::Accepted, 0);
        for socket in [&client, &server] {
            socket.set_nodelay(true).expect("a connected socket");
        }
        let (commands, received) = mpsc::channel();
        let (bell, rung) = UnixStream::pair().expect("a pair of sockets");
        let mut passage = Self {
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
            bell: rung,
        };
        let thread = thread::spawn(move || {
            let first = fault.map_or(Continue(()), |fault| passage.strike(fault.action));
            if first.is_continue() {
                while passage.step().is_continue() {}
            }
        });
        Handle { commands, bell, thread }
    }

    /// Waits for something to happen, and passes it on.
    fn step(&mut self) -> ControlFlow<()> {
        let moves = self.moves();
        let from_client = moves && !self.client_ended;
        let from_server = moves && !self.server_ended && self.mode != Mode::Finished;
        if moves && !from_client && !from_server {
            return Break(());
        }
        let [rung, client, server] =
            ready([(&self.bell, true), (&self.client, from_client), (&self.server, from_server)], None);
        if rung {
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
        let _ = self.bell.read(&mut [0]);
        match self.commands.try_recv() {
            Ok(Command::Strike) => {
                let fault = self.shared.take(Stage::Idle, 0);
                fault.map_or(Continue(()), |fault| self.strike(fault.action))
            }
            Ok(Command::Release) => {
                self.mode = Mode::Open;
                let held = std::mem::take(&mut self.held);
                held.into_iter().try_for_each(|(direction, bytes)| self.send(direction, &bytes))
            }
            Ok(Command::Retire) => {
                if self.has_hung_up() {
                    self.carry_last_words()?;
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
        // Before it happens, so that nothing that follows from it is earlier.
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
        let (ended, sink) = match direction {
            Direction::ToClient => (&mut self.server_ended, &self.client),
            Direction::ToServer => (&mut self.client_ended, &self.server),
        };
        *ended = true;
        if self.mode != Mode::Losing(direction) {
            let _ = sink.shutdown(Shutdown::Write);
        }
        Continue(())
    }

    fn pass(&mut self, direction: Direction, bytes: &[u8]) -> ControlFlow<()> {
        self.messages(direction).push(bytes);
        while let Some((stage, message)) = self.messages(direction).next() {
            match stage.and_then(|stage| self.shared.take(stage, message.len())) {
                Some(fault) => self.meet(fault, direction, message)?,
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

    fn meet(&mut self, fault: Fault, direction: Direction, mut message: Vec<u8>) -> ControlFlow<()> {
        let cut = fault.cut.of(message.len());
        self.send(direction, &message[..cut])?;
        self.strike(fault.action)?;
        if fault.action == Action::Corrupt {
            message[cut] ^= 0x40;
        }
        self.send(direction, &message[cut..])
    }

    /// Passes bytes on as the mode of the moment has it.
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
        let sink = match direction {
            Direction::ToClient => &mut self.client,
            Direction::ToServer => &mut self.server,
        };
        if bytes.is_empty() {
            return Continue(());
        }
        if sink.write_all(bytes).is_err() {
            if direction == Direction::ToClient {
                self.carry_last_words()?;
            }
            return self.reset();
        }
        if direction == Direction::ToClient {
            self.shared.log.lock().last_bytes.insert(self.number, Instant::now());
        }
        Continue(())
    }

    /// A command cuts it short.
    fn pause(&self, time: Duration) {
        ready([(&self.bell, true)], Some(time));
    }

    /// R9: a socket that the client has closed, or that was reset, shows that here.
    fn has_hung_up(&self) -> bool {
        let hung_up = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut client = [PollFd::new(&self.client, hung_up)];
        let timeout = Timespec::try_from(HANDED_OVER).expect("a short time");
        poll(&mut client, Some(&timeout)).expect("poll takes sockets");
        client[0].revents().intersects(hung_up)
    }

    /// What the client sent before it hung up is on its way, its close frame too, also where this proxy comes to it late.
    fn carry_last_words(&mut self) -> ControlFlow<()> {
        while self.moves() && !self.client_ended && ready([(&self.client, true)], Some(Duration::ZERO)) == [true] {
            self.carry(Direction::ToServer)?;
        }
        Continue(())
    }

    fn moves(&self) -> bool {
        !matches!(self.mode, Mode::Stalled | Mode::Held)
    }
}

/// Waits until one of those that are looked at is readable. The others are left out altogether, because an error or a
/// hang-up is told unasked.
fn ready<const N: usize>(sources: [(&dyn AsFd, bool); N], timeout: Option<Duration>) -> [bool; N] {
    let looked_at: Vec<usize> = (0..N).filter(|n| sources[*n].1).collect();
    let descriptors = sources.map(|(source, _)| source.as_fd());
    let mut polled: Vec<_> =
        looked_at.iter().map(|n| PollFd::from_borrowed_fd(descriptors[*n], PollFlags::IN)).collect();
    let timeout = timeout.map(|time| Timespec::try_from(time).expect("a short time"));
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => panic!("poll takes sockets: {error}"),
    }
    let mut ready = [false; N];
    for (n, polled) in looked_at.into_iter().zip(polled) {
        ready[n] = !polled.revents().is_empty();
    }
    ready
}
