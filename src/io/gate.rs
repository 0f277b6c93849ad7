//! The stream under TLS and WebSocket that lets nobody wait for the network while holding the link's lock.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

/// One `recv` takes at most this. Measured on loopback, larger blocks win nothing.
const BUFFER: usize = 64 * 1024;

/// How long one hold of the lock may spend writing. Two peers with full buffers would otherwise wait for each other.
const WRITE_SLICE: Duration = Duration::from_millis(50);

/// A TCP stream in one of two modes.
///
/// *Open*, for handshakes: reads and writes block until one absolute deadline. *Gated*, afterwards: a read gets what is
/// buffered, or what one granted `recv` brings, else `WouldBlock`; writes together may take 50 ms for each slice, then
/// they end in `WouldBlock` and are continued later.
pub(crate) struct Gate {
    stream: TcpStream,
    mode: Mode,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    received: u64,
    written: u64,
}

enum Mode {
    Open { deadline: Instant },
    Gated { granted: bool, slice: Slice },
}

/// The time that one hold of the lock may spend writing. It begins with the first write, which therefore always happens.
enum Slice {
    Fresh,
    Until(Instant),
}

impl Gate {
    /// An open gate.
    pub(crate) fn open(stream: TcpStream, deadline: Instant) -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self { stream, mode: Mode::Open { deadline }, buffer, start: 0, end: 0, received: 0, written: 0 }
    }

    /// Ends the handshakes. Reads must be granted from here on.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(None)?;
        self.mode = Mode::Gated { granted: false, slice: Slice::Fresh };
        Ok(())
    }

    /// Allows one `recv`. To be called when the socket is known to be readable, else it blocks.
    pub(crate) fn grant(&mut self) {
        if let Mode::Gated { granted, .. } = &mut self.mode {
            *granted = true;
        }
    }

    /// Begins another slice of writing.
    pub(crate) fn begin_slice(&mut self) {
        if let Mode::Gated { slice, .. } = &mut self.mode {
            *slice = Slice::Fresh;
        }
    }

    /// How many bytes came in so far.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// How many bytes went out so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Ends the connection for everybody, the reader's blocked `peek` included.
    pub(crate) fn shutdown(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn recv(&mut self) -> io::Result<()> {
        let count = uninterrupted(|| self.stream.read(&mut self.buffer))?;
        (self.start, self.end) = (0, count);
        self.received += count as u64;
        Ok(())
    }
}

impl Read for Gate {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end {
            match &mut self.mode {
                Mode::Open { deadline } => {
                    self.stream.set_read_timeout(Some(time_left(*deadline)?))?;
                    self.recv().map_err(timed_out)?;
                }
                Mode::Gated { granted, .. } => {
                    if !std::mem::take(granted) {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    self.recv()?;
                }
            }
        }
        let count = target.len().min(self.end - self.start);
        target[..count].copy_from_slice(&self.buffer[self.start..][..count]);
        self.start += count;
        Ok(count)
    }
}

impl Write for Gate {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = match &mut self.mode {
            Mode::Open { deadline } => {
                self.stream.set_write_timeout(Some(time_left(*deadline)?))?;
                uninterrupted(|| self.stream.write(data)).map_err(timed_out)?
            }
            Mode::Gated { slice, .. } => {
                let now = Instant::now();
                let left = match slice {
                    Slice::Fresh => WRITE_SLICE,
                    Slice::Until(end) => end.saturating_duration_since(now),
                };
                if left.is_zero() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                *slice = Slice::Until(now + left);
                self.stream.set_write_timeout(Some(left))?;
                // Some platforms report the timeout of a write as `TimedOut`, which the layers above take for fatal.
                uninterrupted(|| self.stream.write(data)).map_err(would_block)?
            }
        };
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A signal that is handled on this thread says nothing about the socket.
fn uninterrupted(mut operation: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// `WouldBlock` would tell the layers above to come again, but the deadline is over.
fn timed_out(error: io::Error) -> io::Error {
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
    use super::*;
    use std::net::TcpListener;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let ours = TcpStream::connect(listener.local_addr().expect("bound")).expect("listening");
        (ours, listener.accept().expect("connected").0)
    }

    #[test]
    fn a_closed_gate_reads_only_what_was_granted() {
        let (ours, mut peer) = pair();
        let probe = ours.try_clone().expect("a clone");
        let mut gate = Gate::open(ours, Instant::now() + Duration::from_secs(5));
        gate.close().expect("a socket");
        peer.write_all(b"abc").expect("open");
        let mut buffer = [0; 2];
        assert_eq!(gate.read(&mut buffer).expect_err("nothing granted").kind(), io::ErrorKind::WouldBlock);
        probe.peek(&mut [0]).expect("data");
        gate.grant();
        assert_eq!(gate.read(&mut buffer).expect("granted"), 2);
        assert_eq!(gate.read(&mut buffer).expect("buffered"), 1);
        assert_eq!(gate.read(&mut buffer).expect_err("used up").kind(), io::ErrorKind::WouldBlock);
        assert_eq!(gate.received(), 3);
    }

    #[test]
    fn c3_an_open_gate_times_out_at_its_deadline() {
        let (ours, _peer) = pair();
        let mut gate = Gate::open(ours, Instant::now() + Duration::from_millis(20));
        assert_eq!(gate.read(&mut [0]).expect_err("silence").kind(), io::ErrorKind::TimedOut);
        assert_eq!(gate.read(&mut [0]).expect_err("the deadline is absolute").kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn writing_to_a_peer_that_does_not_read_ends_in_would_block() {
        let (ours, _peer) = pair();
        let mut gate = Gate::open(ours, Instant::now() + Duration::from_secs(5));
        gate.close().expect("a socket");
        gate.begin_slice();
        let block = vec![0; 1 << 20];
        let error = loop {
            if let Err(error) = gate.write_all(&block) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(gate.written() > 0);
    }

    #[test]
    fn a_shutdown_wakes_a_blocked_peek() {
        let (ours, _peer) = pair();
        let probe = ours.try_clone().expect("a clone");
        let gate = Gate::open(ours, Instant::now() + Duration::from_secs(5));
        let waiting = std::thread::spawn(move || probe.peek(&mut [0]));
        gate.shutdown();
        assert_eq!(waiting.join().expect("no panic").expect("end of stream"), 0);
    }
}
