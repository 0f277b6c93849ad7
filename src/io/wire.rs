//! A connected stream of bytes, in the parts that different threads need: one reads, one writes, anybody ends it.
//!
//! Sockets have timeouts and write for themselves. Anything else that a dialer has made is written by a thread of its own,
//! because a write that blocks would hold the link's lock.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};
use socket2::Socket;

use super::traffic::Traffic;
use crate::{Error, config::Kind};

/// What is handed over to the writing thread at once, and how many of these wait: 256 KiB, like the buffer of a socket.
const CHUNK: usize = 16 * 1024;
const CHUNKS: usize = 16;

pub(super) struct Wire {
    pub(super) inlet: Inlet,
    pub(super) outlet: Outlet,
    pub(super) closer: Closer,
}

/// The half that is read.
pub(super) struct Inlet {
    source: Source,
    traffic: Arc<Traffic>,
}

enum Source {
    Socket(Arc<Socket>),
    Reader(Box<dyn Read + Send>),
}

/// The half that is written.
pub(super) struct Outlet {
    sink: Sink,
    traffic: Arc<Traffic>,
}

enum Sink {
    Socket(Arc<Socket>),
    /// To the thread that writes.
    Queue(Sender<Box<[u8]>>),
}

/// Ends a stream for everybody. Reads and writes that block return.
#[derive(Clone)]
pub(super) struct Closer(Arc<dyn Fn() + Send + Sync>);

impl Wire {
    /// What goes over it is counted in `traffic`.
    pub(super) fn of_socket(socket: impl Into<Socket>, traffic: &Arc<Traffic>) -> Self {
        let socket = Arc::new(socket.into());
        let halves = (Source::Socket(Arc::clone(&socket)), Sink::Socket(Arc::clone(&socket)));
        Self::new(halves, Closer::of_socket(socket), traffic)
    }

    /// What a dialer has made.
    pub(super) fn of_dialled(stream: Kind, traffic: &Arc<Traffic>) -> Result<Self, Error> {
        match stream {
            Kind::Socket(socket) => Ok(Self::of_socket(socket, traffic)),
            Kind::Halves { reader, writer, shutdown } => {
                // A panic of the program's own closure harms nobody.
                let closer = Closer(Arc::new(move || drop(catch_unwind(AssertUnwindSafe(&shutdown)))));
                let (queue, chunks) = bounded(CHUNKS);
                let ends = closer.clone();
                let write = move || write_chunks(writer, &chunks, &ends);
                let started = thread::Builder::new().name("pusher-writer".to_owned()).spawn(write);
                started.map_err(|source| Error::Thread { name: "pusher-writer", source: Arc::new(source) })?;
                Ok(Self::new((Source::Reader(reader), Sink::Queue(queue)), closer, traffic))
            }
        }
    }

    fn new((source, sink): (Source, Sink), closer: Closer, traffic: &Arc<Traffic>) -> Self {
        let inlet = Inlet { source, traffic: Arc::clone(traffic) };
        Self { inlet, outlet: Outlet { sink, traffic: Arc::clone(traffic) }, closer }
    }
}

/// Ends when nobody sends any more, or nothing can be written.
fn write_chunks(mut writer: Box<dyn Write + Send>, chunks: &Receiver<Box<[u8]>>, closer: &Closer) {
    for chunk in chunks {
        if let Err(error) = writer.write_all(&chunk).and_then(|()| writer.flush()) {
            log::debug!("the stream of the dialer cannot be written: {error}");
            return closer.close();
        }
    }
}

impl Inlet {
    /// Waits for as long as it takes until there is something, the end of the stream, or an error.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = uninterrupted(|| match &mut self.source {
            Source::Socket(socket) => (&**socket).read(buffer),
            Source::Reader(reader) => reader.read(buffer),
        })?;
        self.traffic.received(count);
        Ok(count)
    }

    /// Like `read`, but until the deadline where the stream can be told; what cannot be is ended by its closer.
    pub(super) fn read_until(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let left = time_left(deadline)?;
        if let Source::Socket(socket) = &self.source {
            socket.set_read_timeout(Some(left))?;
        }
        self.read(buffer).map_err(timed_out)
    }

    /// From here on reads have no deadline.
    pub(super) fn wait_for_ever(&self) -> io::Result<()> {
        match &self.source {
            Source::Socket(socket) => socket.set_read_timeout(None),
            Source::Reader(_) => Ok(()),
        }
    }

    /// Whether nothing has come, not even the end of the stream.
    pub(super) fn is_silent(&self) -> bool {
        let Source::Socket(socket) = &self.source else { return false };
        let mut byte = [std::mem::MaybeUninit::uninit()];
        let silent = socket.set_nonblocking(true).is_ok()
            && matches!(socket.peek(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        silent && socket.set_nonblocking(false).is_ok()
    }
}

impl Outlet {
    /// Writes some of it. `WouldBlock` when the time is over and nothing could be written.
    pub(super) fn write(&mut self, data: &[u8], within: Duration) -> io::Result<usize> {
        let count = match &self.sink {
            Sink::Socket(socket) => {
                socket.set_write_timeout(Some(within))?;
                // Some platforms report the timeout of a write as `TimedOut`, which the layers above take for fatal.
                uninterrupted(|| (&**socket).write(data)).map_err(would_block)?
            }
            Sink::Queue(queue) => enqueue(queue, data.get(..CHUNK).unwrap_or(data), within)?,
        };
        self.traffic.sent(count);
        Ok(count)
    }
}

fn enqueue(queue: &Sender<Box<[u8]>>, chunk: &[u8], within: Duration) -> io::Result<usize> {
    match queue.send_timeout(chunk.into(), within) {
        Ok(()) => Ok(chunk.len()),
        Err(SendTimeoutError::Timeout(_)) => Err(io::ErrorKind::WouldBlock.into()),
        Err(SendTimeoutError::Disconnected(_)) => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

impl Closer {
    pub(super) fn of_socket(socket: Arc<Socket>) -> Self {
        Self(Arc::new(move || drop(socket.shutdown(Shutdown::Both))))
    }

    pub(super) fn close(&self) {
        (self.0)();
    }
}

/// What is left until a deadline; an error when nothing is, because sockets take a timeout of zero for none at all.
pub(super) fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A signal that is handled on this thread says nothing about the stream.
fn uninterrupted(mut operation: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// `WouldBlock` would tell the layers above to come again, but the deadline is over.
pub(super) fn timed_out(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    }
}

fn would_block(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::TimedOut => io::ErrorKind::WouldBlock.into(),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let ours = TcpStream::connect(listener.local_addr().expect("bound")).expect("listening");
        (ours, listener.accept().expect("connected").0)
    }

    #[test]
    fn a_closer_wakes_a_read_that_blocks() {
        let (ours, _peer) = pair();
        let Wire { mut inlet, closer, .. } = Wire::of_socket(ours, &Arc::default());
        let waiting = thread::spawn(move || inlet.read(&mut [0]));
        closer.close();
        assert_eq!(waiting.join().expect("no panic").expect("end of stream"), 0);
    }

    #[test]
    fn c11_a_writer_that_takes_nothing_does_not_hold_up_who_writes() {
        struct Stuck(Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (release, stuck) = bounded(0);
        let (closed, is_closed) = bounded(1);
        let shutdown = Box::new(move || closed.try_send(()).unwrap_or_default());
        let halves = Kind::Halves { reader: Box::new(io::empty()), writer: Box::new(Stuck(stuck)), shutdown };
        let mut wire = Wire::of_dialled(halves, &Arc::default()).expect("a thread");
        let error = loop {
            if let Err(error) = wire.outlet.write(&[0; 2 * CHUNK], Duration::from_millis(1)) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(release);
        is_closed.recv().expect("what cannot be written is closed");
    }
}
