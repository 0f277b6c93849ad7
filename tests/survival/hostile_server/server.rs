//! Plays a script to the first connection, and is a good server to all others.

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use super::{ROOM, Scenario, Stage, Step, wire};

pub(crate) struct Server {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    goes_on: Sender<()>,
}

/// What the first connection gets.
struct Play {
    stage: Stage,
    script: Vec<Step>,
    /// How many subscriptions the client asks for.
    channels: usize,
    /// Whether the connection is to survive the script.
    stays: bool,
    /// Told when that was seen.
    seen: Receiver<()>,
}

impl Server {
    pub(crate) fn start(scenario: &Scenario, stays: bool) -> Self {
        let (goes_on, seen) = channel();
        let (stage, script) = (scenario.stage, scenario.script.clone());
        let play =
            Play { stage, script, channels: 1 + scenario.channels.len() + usize::from(scenario.signs_in), stays, seen };
        Self::with(Some(play), goes_on)
    }

    /// A server that is good to everybody.
    pub(crate) fn good() -> Self {
        Self::with(None, channel().0)
    }

    fn with(play: Option<Play>, goes_on: Sender<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (accepted, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, over) = (Arc::clone(&accepted), Arc::clone(&ended));
        thread::spawn(move || serve(&listener, play, &count, &over));
        Self { address, accepted, ended, goes_on }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// The first connection has survived, and may end.
    pub(crate) fn go_on(&self) {
        let _ = self.goes_on.send(());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// A connection that goes wrong for the server is one that the client has ended.
fn serve(listener: &TcpListener, mut play: Option<Play>, accepted: &AtomicUsize, ended: &AtomicBool) {
    for stream in listener.incoming().flatten() {
        if ended.load(Ordering::SeqCst) {
            return;
        }
        accepted.fetch_add(1, Ordering::SeqCst);
        // Otherwise small messages would wait for the acknowledgement of those before them.
        let _ = stream.set_nodelay(true);
        let play = play.take();
        thread::spawn(move || match play {
            Some(play) => play.perform(stream),
            None => be_good(stream),
        });
    }
}

impl Play {
    fn perform(self, mut stream: TcpStream) -> io::Result<()> {
        let request = wire::read_head(&mut stream)?;
        if self.stage != Stage::Upgrade {
            stream.write_all(wire::switching_protocols(&request).as_bytes())?;
        }
        if matches!(self.stage, Stage::Requested | Stage::Subscribed) {
            stream.write_all(&wire::text(wire::ESTABLISHED))?;
            self.await_subscriptions(&mut stream)?;
        }
        let comes_first = self.stage == Stage::First && self.stays;
        if comes_first {
            self.play(&mut stream, &request)?;
            self.confirm_room(&mut stream)?;
        }
        let mut client = stream.try_clone()?;
        // The client may say what it likes, so that neither side waits for the other.
        let drain = thread::spawn(move || io::copy(&mut client, &mut io::sink()));
        if !comes_first {
            self.play(&mut stream, &request)?;
        }
        if self.stays {
            stream.write_all(&wire::event("stays", ROOM))?;
            let _ = self.seen.recv();
            stream.write_all(&wire::close(1001, b""))?;
        } else {
            let _ = drain.join();
        }
        Ok(())
    }

    fn play(&self, stream: &mut TcpStream, request: &str) -> io::Result<()> {
        self.script.iter().try_for_each(|step| step.perform(stream, request))
    }

    fn confirm_room(&self, stream: &mut TcpStream) -> io::Result<()> {
        while let Some(channel) = next_subscription(stream)? {
            if channel == ROOM {
                return stream.write_all(&wire::succeeded(ROOM));
            }
        }
        Ok(())
    }

    fn await_subscriptions(&self, stream: &mut TcpStream) -> io::Result<()> {
        for _ in 0..self.channels {
            let Some(channel) = next_subscription(stream)? else { return Ok(()) };
            if channel == ROOM || self.stage == Stage::Subscribed {
                stream.write_all(&wire::succeeded(&channel))?;
            }
        }
        Ok(())
    }
}

impl Step {
    fn perform(&self, stream: &mut TcpStream, request: &str) -> io::Result<()> {
        match self {
            Self::Bytes(bytes) => stream.write_all(bytes),
            Self::Repeat(bytes, times) => repeat(stream, bytes, *times),
            Self::Count(before, end, after) => count(stream, before, *end, after),
            Self::Drip(bytes, pause) => bytes.iter().try_for_each(|byte| {
                thread::sleep(*pause);
                stream.write_all(&[*byte])
            }),
            Self::Upgrade(headers) => {
                let good = wire::switching_protocols(request);
                stream.write_all(good.trim_end().as_bytes())?;
                stream.write_all(b"\r\n")?;
                stream.write_all(headers.as_bytes())?;
                stream.write_all(b"\r\n")
            }
            Self::Accept => stream.write_all(wire::accept_of(request).as_bytes()),
            Self::Close => stream.shutdown(std::net::Shutdown::Write),
        }
    }
}

/// In blocks, because the many calls would take longer than the bytes.
fn repeat(stream: &mut TcpStream, bytes: &[u8], times: u64) -> io::Result<()> {
    let in_block = (65_536 / bytes.len().max(1)).max(1) as u64;
    let block = bytes.repeat(usize::try_from(in_block.min(times)).expect("a small number"));
    for _ in 0..times / in_block {
        stream.write_all(&block)?;
    }
    stream.write_all(&block[..bytes.len() * usize::try_from(times % in_block).expect("a small number")])
}

fn count(stream: &mut TcpStream, before: &str, end: u32, after: &str) -> io::Result<()> {
    let mut block = Vec::with_capacity(128 << 10);
    for number in 0..end {
        block.extend_from_slice(&wire::text(&format!("{before}{number}{after}")));
        if block.len() > 64 << 10 || number + 1 == end {
            stream.write_all(&block)?;
            block.clear();
        }
    }
    Ok(())
}

fn be_good(mut stream: TcpStream) -> io::Result<()> {
    let request = wire::read_head(&mut stream)?;
    stream.write_all(wire::switching_protocols(&request).as_bytes())?;
    stream.write_all(&wire::text(wire::ESTABLISHED))?;
    while let Some(channel) = next_subscription(&mut stream)? {
        stream.write_all(&wire::succeeded(&channel))?;
        if channel == ROOM {
            stream.write_all(&wire::event("good", ROOM))?;
        }
    }
    Ok(())
}

/// The channel of the next subscription that the client asks for. A sign-in is confirmed, other messages are passed over.
fn next_subscription(stream: &mut TcpStream) -> io::Result<Option<String>> {
    while let Some((opcode, payload)) = wire::read_frame(stream)? {
        if opcode == wire::CLOSE {
            return Ok(None);
        }
        let message: serde_json::Value = serde_json::from_slice(&payload).unwrap_or_default();
        if message["event"] == "pusher:signin" {
            stream.write_all(&wire::text(wire::SIGNED_IN))?;
        }
        if message["event"] == "pusher:subscribe" {
            return Ok(message["data"]["channel"].as_str().map(str::to_owned));
        }
    }
    Ok(None)
}
