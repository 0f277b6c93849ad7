//! A connected stream of bytes, in the parts that different threads need: one reads, one writes, anybody ends it.
//!
//! Sockets have timeouts and write for themselves. Anything else that a dialer has made is written by a thread of its own,
//! because a write that blocks would hold the driver's lock.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, bounded};
use parking_lot::Mutex;

use super::byte_counters::ByteCounters;
use crate::{Error, config::StreamParts, io::guard::worker::Worker};

/// What is handed over to the writing thread at once, and how many of these wait: 256 KiB, like the buffer of a socket.
const CHUNK: usize = 16 * 1024;
const CHUNKS: usize = 16;

/// How long the writing thread may take for the last of what waits, which is a close frame.
const FINISH_WITHIN: Duration = Duration::from_millis(50);

pub(crate) struct Halves {
    pub read_half: ReadHalf,
    pub write_half: WriteHalf,
    pub close_handle: CloseHandle,
}

/// The half that is read.
pub(crate) struct ReadHalf {
    source: Source,
    byte_counters: Arc<ByteCounters>,
}

enum Source {
    Socket(Arc<TcpStream>),
    Reader { reader: Box<dyn Read + Send>, write_error: WriteError },
}

/// The half that is written.
pub(crate) struct WriteHalf {
    sink: Sink,
    byte_counters: Arc<ByteCounters>,
}

enum Sink {
    Socket(Arc<TcpStream>),
    /// To the thread that writes.
    Writer {
        queue: Sender<Box<[u8]>>,
        thread: Worker,
    },
    /// Nothing more is written.
    Finished,
}

/// Why the writing thread ended the stream. It is told where the stream is read.
type WriteError = Arc<Mutex<Option<io::Error>>>;

/// Ends a stream for everybody. Reads and writes that block return.
#[derive(Clone)]
pub(crate) struct CloseHandle(Arc<dyn Fn() + Send + Sync>);

impl Halves {
    /// What goes over it is counted in `byte_counters`. The standard library's socket, because it asks for no SIGPIPE, and no
    /// timeout of it is rounded down to none.
    pub fn of_socket(socket: TcpStream, byte_counters: &Arc<ByteCounters>) -> Self {
        let socket = Arc::new(socket);
        let halves = (Source::Socket(Arc::clone(&socket)), Sink::Socket(Arc::clone(&socket)));
        Self::new(halves, CloseHandle::new(move || drop(socket.shutdown(Shutdown::Both))), byte_counters)
    }

    /// What a dialer has made.
    pub fn of_dialled(stream: StreamParts, byte_counters: &Arc<ByteCounters>) -> Result<Self, Error> {
        match stream {
            StreamParts::Socket(socket) => {
                // Whatever the program did with it before: here reads and writes wait.
                socket.set_nonblocking(false).map_err(|source| Error::Dialer { source: Arc::new(source) })?;
                Ok(Self::of_socket(socket, byte_counters))
            }
            StreamParts::Halves { reader, writer, shutdown } => {
                // A panic of the program's own closure harms nobody.
                let close_handle = CloseHandle::new(move || drop(catch_unwind(AssertUnwindSafe(&shutdown))));
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

/// Ends when nobody sends any more, or nothing can be written, and then ends the stream.
fn write_chunks(
    mut writer: Box<dyn Write + Send>,
    chunks: &Receiver<Box<[u8]>>,
    close_handle: &CloseHandle,
    ended_by: &Mutex<Option<io::Error>>,
) {
    for chunk in chunks {
        if let Err(error) = guarded("writer", || writer.write_all(&chunk).and_then(|()| writer.flush())) {
            *ended_by.lock() = Some(error);
            return close_handle.close();
        }
    }
}

/// Runs a half of the program's own. A panic of it is an error of the stream.
fn guarded<T>(half: &str, code: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let panicked = |_| Err(io::Error::other(format!("the {half} of the dialer's stream panicked")));
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(panicked)
}

impl ReadHalf {
    /// Waits for as long as it takes until there is something, the end of the stream, or an error.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = loop {
            match self.read_once(buffer) {
                // A signal that is handled on this thread says nothing about the stream.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        self.byte_counters.received(count);
        Ok(count)
    }

    /// Like `read`, but until the deadline where the stream can be told; what cannot be is ended by its close_handle.
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
                end => write_error.lock().take().map_or(end, Err),
            },
        }
    }

    /// Whether `read_until` ends by itself.
    pub fn keeps_deadlines(&self) -> bool {
        matches!(&self.source, Source::Socket(_))
    }

    /// From here on reads have no deadline.
    pub fn wait_for_ever(&self) -> io::Result<()> {
        match &self.source {
            Source::Socket(socket) => socket.set_read_timeout(None),
            Source::Reader { .. } => Ok(()),
        }
    }

    /// Whether nothing has come, not even the end of the stream.
    pub fn is_silent(&self) -> bool {
        let Source::Socket(socket) = &self.source else { return false };
        let silent = socket.set_nonblocking(true).is_ok()
            && matches!(socket.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        silent && socket.set_nonblocking(false).is_ok()
    }
}

impl WriteHalf {
    /// Writes some of it. `WouldBlock` when the time is over and nothing could be written.
    pub fn write(&mut self, data: &[u8], until: Instant) -> io::Result<usize> {
        let count = loop {
            match self.write_once(data, time_left(until).map_err(would_block)?) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Some platforms report the timeout of a write as `TimedOut`, which the layers above take for fatal.
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

    /// Nothing more is written. What waits for the writing thread is written, if that takes no time.
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

/// What is left until a deadline; an error when nothing is, because sockets take a timeout of zero for none at all.
fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// `WouldBlock` would tell the layers above to come again, but the deadline is over.
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
    fn a_closer_wakes_a_read_that_blocks() {
        let (ours, _peer) = pair();
        let Halves { mut read_half, close_handle, .. } = Halves::of_socket(ours, &Arc::default());
        let waiting = thread::spawn(move || read_half.read(&mut [0]));
        close_handle.close();
        assert_eq!(waiting.join().expect("no panic").expect("end of stream"), 0);
    }

    /// Does with each write what the closure says.
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
    fn c11_a_writer_that_takes_nothing_does_not_hold_up_who_writes() {
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
        assert!(
            halves.read_half.read(&mut [0]).is_err(),
            "what cannot be written is closed, and the reader is told why"
        );
    }

    #[test]
    fn c11_the_end_of_the_writer_is_told_where_the_stream_is_read() {
        let mut halves = connection(|_| Err(io::ErrorKind::StorageFull.into()));
        halves.write_half.write(b"x", soon()).expect("it is only queued");
        assert_eq!(halves.read_half.read(&mut [0]).expect_err("closed").kind(), io::ErrorKind::StorageFull);
        let mut halves = connection(|_| panic!("on purpose"));
        halves.write_half.write(b"x", soon()).expect("it is only queued");
        assert!(halves.read_half.read(&mut [0]).expect_err("closed").to_string().contains("panicked"));
    }

    #[test]
    fn c11_what_waits_is_written_before_the_end() {
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
    fn c3_a_deadline_that_has_nearly_come_is_no_deadline_that_never_comes() {
        let (ours, _peer) = pair();
        ours.set_read_timeout(Some(Duration::from_nanos(1))).expect("a socket");
        assert!(ours.read_timeout().expect("a socket").is_some(), "not rounded down to none");
        let mut halves = Halves::of_socket(ours, &Arc::default());
        let read = halves.read_half.read_until(&mut [0], Instant::now() + Duration::from_micros(1));
        assert_eq!(read.expect_err("silence").kind(), io::ErrorKind::TimedOut);
    }
}
