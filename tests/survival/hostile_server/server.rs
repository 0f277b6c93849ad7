//! A server that runs a script on the first connection, and serves all others correctly.

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

use super::{Phase, ROOM, Scenario, Step, raw_frames};

pub(crate) struct Server {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    next: Sender<()>,
}

/// The task for the first connection.
struct Script {
    phase: Phase,
    steps: Vec<Step>,
    /// The number of subscriptions that the client requests.
    channels: usize,
    /// Whether the connection should survive the script.
    stays: bool,
    /// Receives a message when the test has seen that.
    checked: Receiver<()>,
}

impl Server {
    pub(crate) fn start(scenario: &Scenario, stays: bool) -> Self {
        let (next, checked) = channel();
        let (phase, steps) = (scenario.phase, scenario.script.clone());
        let script = Script {
            phase,
            steps,
            channels: 1 + scenario.channels.len() + usize::from(scenario.signs_in),
            stays,
            checked,
        };
        Self::with(Some(script), next)
    }

    /// A server that serves every connection correctly.
    pub(crate) fn good() -> Self {
        Self::with(None, channel().0)
    }

    fn with(script: Option<Script>, next: Sender<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (accepted, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, over) = (Arc::clone(&accepted), Arc::clone(&ended));
        thread::spawn(move || serve(&listener, script, &count, &over));
        Self { address, accepted, ended, next }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Ends the first connection, which has survived.
    pub(crate) fn end_first(&self) {
        let _ = self.next.send(());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// An error on the server's side of a connection is ignored: then the client has ended it.
fn serve(listener: &TcpListener, mut script: Option<Script>, accepted: &AtomicUsize, ended: &AtomicBool) {
    for stream in listener.incoming().flatten() {
        if ended.load(Ordering::SeqCst) {
            return;
        }
        accepted.fetch_add(1, Ordering::SeqCst);
        // Otherwise small messages would wait for the acknowledgement of those before them.
        let _ = stream.set_nodelay(true);
        let script = script.take();
        thread::spawn(move || match script {
            Some(script) => script.run(stream),
            None => serve_well(stream),
        });
    }
}

impl Script {
    fn run(self, mut stream: TcpStream) -> io::Result<()> {
        let request = raw_frames::read_head(&mut stream)?;
        if self.phase != Phase::Upgrade {
            stream.write_all(raw_frames::switching_protocols(&request).as_bytes())?;
        }
        if matches!(self.phase, Phase::Requested | Phase::Subscribed) {
            stream.write_all(&raw_frames::text(raw_frames::ESTABLISHED))?;
            self.await_subscriptions(&mut stream)?;
        }
        let comes_first = self.phase == Phase::First && self.stays;
        if comes_first {
            self.send(&mut stream, &request)?;
            self.confirm_room(&mut stream)?;
        }
        let mut client = stream.try_clone()?;
        // The client may send anything, so that neither side waits for the other.
        let drain = thread::spawn(move || io::copy(&mut client, &mut io::sink()));
        if !comes_first {
            self.send(&mut stream, &request)?;
        }
        if self.stays {
            stream.write_all(&raw_frames::event("stays", ROOM))?;
            let _ = self.checked.recv();
            stream.write_all(&raw_frames::close(1001, b""))?;
        } else {
            let _ = drain.join();
        }
        Ok(())
    }

    fn send(&self, stream: &mut TcpStream, request: &str) -> io::Result<()> {
        self.steps.iter().try_for_each(|step| step.perform(stream, request))
    }

    fn confirm_room(&self, stream: &mut TcpStream) -> io::Result<()> {
        while let Some(channel) = next_subscription(stream)? {
            if channel == ROOM {
                return stream.write_all(&raw_frames::succeeded(ROOM));
            }
        }
        Ok(())
    }

    fn await_subscriptions(&self, stream: &mut TcpStream) -> io::Result<()> {
        for _ in 0..self.channels {
            let Some(channel) = next_subscription(stream)? else { return Ok(()) };
            if channel == ROOM || self.phase == Phase::Subscribed {
                stream.write_all(&raw_frames::succeeded(&channel))?;
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
                let good = raw_frames::switching_protocols(request);
                stream.write_all(good.trim_end().as_bytes())?;
                stream.write_all(b"\r\n")?;
                stream.write_all(headers.as_bytes())?;
                stream.write_all(b"\r\n")
            }
            Self::Accept => stream.write_all(raw_frames::accept_of(request).as_bytes()),
            Self::Close => stream.shutdown(std::net::Shutdown::Write),
        }
    }
}

/// In blocks, because many small writes would take longer.
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
        block.extend_from_slice(&raw_frames::text(&format!("{before}{number}{after}")));
        if block.len() > 64 << 10 || number + 1 == end {
            stream.write_all(&block)?;
            block.clear();
        }
    }
    Ok(())
}

fn serve_well(mut stream: TcpStream) -> io::Result<()> {
    let request = raw_frames::read_head(&mut stream)?;
    stream.write_all(raw_frames::switching_protocols(&request).as_bytes())?;
    stream.write_all(&raw_frames::text(raw_frames::ESTABLISHED))?;
    while let Some(channel) = next_subscription(&mut stream)? {
        stream.write_all(&raw_frames::succeeded(&channel))?;
        if channel == ROOM {
            stream.write_all(&raw_frames::event("good", ROOM))?;
        }
    }
    Ok(())
}

/// The channel of the next subscription that the client requests. A sign-in is confirmed, other messages are ignored.
fn next_subscription(stream: &mut TcpStream) -> io::Result<Option<String>> {
    while let Some((opcode, payload)) = raw_frames::read_frame(stream)? {
        if opcode == raw_frames::CLOSE {
            return Ok(None);
        }
        let message: serde_json::Value = serde_json::from_slice(&payload).unwrap_or_default();
        if message["event"] == "pusher:signin" {
            stream.write_all(&raw_frames::text(raw_frames::SIGNED_IN))?;
        }
        if message["event"] == "pusher:subscribe" {
            return Ok(message["data"]["channel"].as_str().map(str::to_owned));
        }
    }
    Ok(None)
}
