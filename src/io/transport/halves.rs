//! A connected byte stream in parts for different threads: a read half, a write half, and a handle that closes it.
//!
//! Sockets have timeouts, and the thread with the write half writes to them directly. A dialer's stream that is not a
//! socket has a thread of its own for writing, because a write that blocks would hold the driver's lock.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::SendTimeoutError;

use crate::{
    Error,
    config::StreamParts,
    io::guard::{fork::ForkGuard, user_code, worker::Worker},
    sync::{
        Mutex, Receiver, Sender,
        atomic::{AtomicU64, Ordering},
        bounded,
    },
};

/// The size of the blocks for the writing thread, and the number of blocks that may wait: 256 KiB, like the buffer of a
/// socket.
const CHUNK: usize = 16 * 1024;
const CHUNKS: usize = 16;

/// The time that the writing thread has for the last blocks, which contain a close frame.
const FINISH_WITHIN: Duration = Duration::from_millis(50);

pub(crate) struct Halves {
    pub read_half: ReadHalf,
    pub write_half: WriteHalf,
    pub close_handle: CloseHandle,
}

pub(crate) struct ReadHalf {
    source: Source,
    byte_counters: Arc<ByteCounters>,
}

enum Source {
    Socket(Arc<TcpStream>),
    Reader { reader: Box<dyn Read + Send>, write_error: WriteError },
}

pub(crate) struct WriteHalf {
    sink: Sink,
    byte_counters: Arc<ByteCounters>,
}

enum Sink {
    Socket(Arc<TcpStream>),
    /// A queue to the writing thread.
    Writer {
        queue: Sender<Box<[u8]>>,
        thread: Worker,
    },
    /// No more bytes are written.
    Finished,
}

/// The error that ended the writing thread. The read half returns it.
type WriteError = Arc<Mutex<Option<io::Error>>>;

/// Closes a stream. Reads and writes that block return.
#[derive(Clone)]
pub(crate) struct CloseHandle(Arc<dyn Fn() + Send + Sync>);

impl Halves {
    /// The halves of a socket. `byte_counters` count its bytes. The standard library's socket never raises SIGPIPE, and never
    /// rounds a timeout down to zero.
    pub fn of_socket(socket: TcpStream, byte_counters: &Arc<ByteCounters>) -> Self {
        let socket = Arc::new(socket);
        let halves = (Source::Socket(Arc::clone(&socket)), Sink::Socket(Arc::clone(&socket)));
        Self::new(halves, CloseHandle::new(move || drop(socket.shutdown(Shutdown::Both))), byte_counters)
    }

    /// The halves of a dialer's stream.
    pub fn of_dialled(stream: StreamParts, byte_counters: &Arc<ByteCounters>) -> Result<Self, Error> {
        match stream {
            StreamParts::Socket(socket) => {
                // The program may have set it to non-blocking.
                socket.set_nonblocking(false).map_err(|source| Error::Dialer { source: Arc::new(source) })?;
                Ok(Self::of_socket(socket, byte_counters))
            }
            StreamParts::Halves { reader, writer, shutdown } => {
                // A panic in the program's own closure is ignored: the stream counts as closed.
                let close_handle = CloseHandle::new(move || {
                    let _ = user_code::catch(&shutdown);
                });
                let (queue, chunks) = bounded(CHUNKS);
                let (ends, write_error) = (close_handle.clone(), WriteError::default());
                let ended_by = Arc::clone(&write_error);
                let thread = Worker::spawn("pusher-writer", move || write_chunks(writer, &chunks, &ends, &ended_by))?;
                let halves = (Source::Reader { reader, write_error }, Sink::Writer { queue, thread });
                Ok(Self::new(halves, close_handle, byte_counters))
            }
        }
    }

    fn new((source, sink): (Source, Sink), close_handle: CloseHandle, byte_counters: &Arc<ByteCounters>) -> Self {
        let read_half = ReadHalf { source, byte_counters: Arc::clone(byte_counters) };
        Self { read_half, write_half: WriteHalf { sink, byte_counters: Arc::clone(byte_counters) }, close_handle }
    }
}

/// The writing thread. Ends when the write half is finished, or after an error, which also closes the stream. If the
/// program's writer forks, the thread writes nothing more in the child (H7).
fn write_chunks(
    mut writer: Box<dyn Write + Send>,
    chunks: &Receiver<Box<[u8]>>,
    close_handle: &CloseHandle,
    ended_by: &Mutex<Option<io::Error>>,
) {
    let process = ForkGuard::current();
    while let Ok(chunk) = chunks.recv() {
        let written = guarded("writer", || writer.write_all(&chunk).and_then(|()| writer.flush()));
        if !process.is_current() {
            return;
        }
        if let Err(error) = written {
            *ended_by.lock() = Some(error);
            return close_handle.close();
        }
    }
}

/// Calls a half that the program made. A panic in it is an error of the stream.
fn guarded<T>(half: &str, code: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let panicked = |_| Err(io::Error::other(format!("the {half} of the dialer's stream panicked")));
    user_code::catch(code).unwrap_or_else(panicked)
}

impl ReadHalf {
    /// Waits, without a limit, for bytes, the end of the stream, or an error.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = loop {
            match self.read_once(buffer) {
                // A signal was handled on this thread. The stream is unaffected.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.byte_counters.received(count);
        Ok(count)
    }

    /// Like `read`, but a read from a socket ends at the deadline.
    pub fn read_until(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let count = loop {
            let left = time_left(deadline)?;
            if let Source::Socket(socket) = &self.source {
                socket.set_read_timeout(Some(left))?;
            }
            match self.read_once(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.map_err(timed_out)?,
            }
        };
        self.byte_counters.received(count);
        Ok(count)
    }

    fn read_once(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.source {
            Source::Socket(socket) => (&**socket).read(buffer),
            Source::Reader { reader, write_error } => match guarded("reader", || reader.read(buffer)) {
                Ok(count) if count > 0 => Ok(count),
                end => {
                    // The error that is replaced may be the program's own type, so it is dropped without the lock.
                    let cause = write_error.lock().take();
                    cause.map_or(end, Err)
                }
            },
        }
    }

    /// Whether `read_until` ends at its deadline.
    pub fn keeps_deadlines(&self) -> bool {
        matches!(&self.source, Source::Socket(_))
    }

    /// Removes the deadline of reads.
    pub fn wait_for_ever(&self) -> io::Result<()> {
        match &self.source {
            Source::Socket(socket) => socket.set_read_timeout(None),
            Source::Reader { .. } => Ok(()),
        }
    }

    /// Whether the peer has sent nothing, not even the end of the stream.
    pub fn is_silent(&self) -> bool {
        let Source::Socket(socket) = &self.source else { return false };
        let silent = socket.set_nonblocking(true).is_ok()
            && matches!(socket.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        silent && socket.set_nonblocking(false).is_ok()
    }
}

impl WriteHalf {
    /// Writes some of the bytes. `WouldBlock` if none could be written in time.
    pub fn write(&mut self, data: &[u8], until: Instant) -> io::Result<usize> {
        let count = loop {
            match self.write_once(data, time_left(until).map_err(would_block)?) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Some platforms report the timeout of a write as `TimedOut`, which is fatal for the layers above.
                result => break result.map_err(would_block)?,
            }
        };
        self.byte_counters.sent(count);
        Ok(count)
    }

    fn write_once(&self, data: &[u8], within: Duration) -> io::Result<usize> {
        match &self.sink {
            Sink::Socket(socket) => {
                socket.set_write_timeout(Some(within))?;
                (&**socket).write(data)
            }
            Sink::Writer { queue, .. } => {
                let chunk = data.get(..CHUNK).unwrap_or(data);
                match queue.send_timeout(chunk.into(), within) {
                    Ok(()) => Ok(chunk.len()),
                    Err(SendTimeoutError::Timeout(_)) => Err(io::ErrorKind::WouldBlock.into()),
                    Err(SendTimeoutError::Disconnected(_)) => Err(io::ErrorKind::BrokenPipe.into()),
                }
            }
            Sink::Finished => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Ends writing. Blocks that wait for the writing thread are written if that is quick.
    pub fn finish(&mut self) {
        if let Sink::Writer { queue, thread } = std::mem::replace(&mut self.sink, Sink::Finished) {
            drop(queue);
            thread.join_until(Instant::now() + FINISH_WITHIN);
        }
    }
}

impl CloseHandle {
    pub fn new(close: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(close))
    }

    pub fn close(&self) {
        (self.0)();
    }
}

/// Counts the bytes at the socket, with those that TLS and WebSocket add.
#[derive(Debug, Default)]
pub(crate) struct ByteCounters {
    received: AtomicU64,
    sent: AtomicU64,
}

impl ByteCounters {
    pub fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn total_received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub fn total_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// The time until a deadline. An error if it is over, because a timeout of zero means none to sockets.
fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// With `WouldBlock` the layers above would try again, although the deadline is over.
pub(crate) fn timed_out(error: io::Error) -> io::Error {
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
    use std::{net::TcpListener, thread};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let ours = TcpStream::connect(listener.local_addr().expect("bound")).expect("listening");
        (ours, listener.accept().expect("connected").0)
    }

    #[test]
    fn a_close_handle_wakes_a_read_that_blocks() {
        let (ours, _peer) = pair();
        let Halves { mut read_half, close_handle, .. } = Halves::of_socket(ours, &Arc::default());
        let waiting = thread::spawn(move || read_half.read(&mut [0]));
        close_handle.close();
        assert_eq!(waiting.join().expect("no panic").expect("end of stream"), 0);
    }

    /// A writer whose closure handles each write.
    struct Writer<F>(F);

    impl<F: FnMut(&[u8]) -> io::Result<usize>> Write for Writer<F> {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            (self.0)(data)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A stream with this writer, whose reader waits until it is shut down.
    fn connection(write: impl FnMut(&[u8]) -> io::Result<usize> + Send + 'static) -> Halves {
        struct Silent(Receiver<()>);
        impl Read for Silent {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                self.0.recv().map(|()| 0).map_err(io::Error::other)
            }
        }
        let (close, closed) = bounded(1);
        let shutdown = Box::new(move || close.try_send(()).unwrap_or_default());
        let halves =
            StreamParts::Halves { reader: Box::new(Silent(closed)), writer: Box::new(Writer(write)), shutdown };
        Halves::of_dialled(halves, &Arc::default()).expect("a thread")
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn c11_a_writer_that_blocks_does_not_delay_the_write_half() {
        let (release, stuck) = bounded::<()>(0);
        let mut halves =
            connection(move |_| Err(stuck.recv().map_or_else(io::Error::other, |()| io::ErrorKind::Other.into())));
        let error = loop {
            if let Err(error) = halves.write_half.write(&[0; 2 * CHUNK], Instant::now() + Duration::from_millis(1)) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(release);
        assert!(halves.read_half.read(&mut [0]).is_err(), "the stream is closed, and the read half returns the error");
    }

    #[test]
    fn c11_the_read_half_returns_the_error_of_the_writer() {
        let mut halves = connection(|_| Err(io::ErrorKind::StorageFull.into()));
        halves.write_half.write(b"x", soon()).expect("it is only queued");
        assert_eq!(halves.read_half.read(&mut [0]).expect_err("closed").kind(), io::ErrorKind::StorageFull);
        let mut halves = connection(|_| panic!("on purpose"));
        halves.write_half.write(b"x", soon()).expect("it is only queued");
        assert!(halves.read_half.read(&mut [0]).expect_err("closed").to_string().contains("panicked"));
    }

    #[test]
    fn c11_waiting_blocks_are_written_before_the_end() {
        let (taken, all) = crossbeam_channel::unbounded();
        let mut halves = connection(move |data| taken.send(data.len()).map(|()| data.len()).map_err(io::Error::other));
        for _ in 0..3 {
            halves.write_half.write(b"close", soon()).expect("there is room");
        }
        halves.write_half.finish();
        assert_eq!(all.try_iter().sum::<usize>(), 15);
        assert_eq!(halves.write_half.write(b"late", soon()).expect_err("finished").kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn c3_a_deadline_that_is_nearly_over_is_kept() {
        let (ours, _peer) = pair();
        ours.set_read_timeout(Some(Duration::from_nanos(1))).expect("a socket");
        assert!(ours.read_timeout().expect("a socket").is_some(), "not rounded down to none");
        let mut halves = Halves::of_socket(ours, &Arc::default());
        let read = halves.read_half.read_until(&mut [0], Instant::now() + Duration::from_micros(1));
        assert_eq!(read.expect_err("silence").kind(), io::ErrorKind::TimedOut);
    }
}
