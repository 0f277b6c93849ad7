//! The byte stream under TLS and WebSocket. No thread waits on it for the network while it holds the driver's lock.

pub(crate) mod cancel;
pub(crate) mod halves;
pub(crate) mod maybe_tls;
pub(crate) mod tls;
pub(crate) mod websocket;

use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use zeroize::{Zeroize, Zeroizing};

use halves::{CloseHandle, Halves, ReadHalf, WriteHalf, timed_out};

/// The most bytes of one read. Larger blocks were not faster when measured on loopback.
pub(crate) const BUFFER: usize = 64 * 1024;

/// The time that one hold of the lock may spend writing. Two peers with full buffers would otherwise wait for each other.
const WRITE_SLICE: Duration = Duration::from_millis(50);

/// A stream in one of two modes.
///
/// *Blocking*, for handshakes and requests: reads and writes block until one absolute deadline.
///
/// *Fed*, afterwards: the reader thread owns the read half, and passes the bytes on with [`feed`](Transport::feed). A read
/// returns these bytes, or `WouldBlock`. The writes of one slice may take 50 ms together. Then they end in `WouldBlock`,
/// and continue in a later slice.
pub(crate) struct Transport {
    mode: Mode,
    write_half: WriteHalf,
    close_handle: CloseHandle,
    /// Bytes to be read. They are wiped, because the answers of auth endpoints are among them: in blocking mode as soon as all
    /// of them have been read.
    buffer: Zeroizing<Vec<u8>>,
    /// The number of bytes of the buffer that have been read.
    start: usize,
    written: u64,
}

enum Mode {
    Blocking { read_half: ReadHalf, deadline: Instant },
    Fed { slice: Slice, has_ended: bool },
}

/// The time of one slice. It begins with the first write, so there is always one.
enum Slice {
    Fresh,
    Until(Instant),
}

impl Transport {
    /// A transport in blocking mode.
    pub fn new(halves: Halves, deadline: Instant) -> Self {
        let Halves { read_half, write_half, close_handle } = halves;
        let (mode, buffer) = (Mode::Blocking { read_half, deadline }, Zeroizing::default());
        Self { mode, write_half, close_handle, buffer, start: 0, written: 0 }
    }

    /// Ends the blocking mode, and returns the read half for the reader thread. `None` if it was taken before.
    pub fn take_read_half(&mut self) -> io::Result<Option<ReadHalf>> {
        match std::mem::replace(&mut self.mode, Mode::Fed { slice: Slice::Fresh, has_ended: false }) {
            Mode::Blocking { read_half, .. } => read_half.wait_for_ever().map(|()| Some(read_half)),
            Mode::Fed { .. } => Ok(None),
        }
    }

    /// Sets another deadline for reads and writes in blocking mode.
    pub fn set_deadline(&mut self, until: Instant) {
        if let Mode::Blocking { deadline, .. } = &mut self.mode {
            *deadline = until;
        }
    }

    /// Whether reads end at the deadline. A read from a dialer's stream ends only when the connection is closed.
    pub fn keeps_deadlines(&self) -> bool {
        matches!(&self.mode, Mode::Blocking { read_half, .. } if read_half.keeps_deadlines())
    }

    /// Takes the bytes of one read of the reader thread. No bytes mean the end of the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start == self.buffer.len() {
            self.start = 0;
            self.buffer.clear();
        }
        self.buffer.extend_from_slice(bytes);
        if let Mode::Fed { has_ended, .. } = &mut self.mode {
            *has_ended |= bytes.is_empty();
        }
    }

    /// Begins another slice of writing.
    pub fn begin_slice(&mut self) {
        if let Mode::Fed { slice, .. } = &mut self.mode {
            *slice = Slice::Fresh;
        }
    }

    /// The number of bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Whether an idle connection can still be used: the peer has sent nothing, not even the end of the stream.
    pub fn is_silent(&self) -> bool {
        let all_read = self.start == self.buffer.len();
        all_read && matches!(&self.mode, Mode::Blocking { read_half, .. } if read_half.is_silent())
    }

    /// Closes the connection. A read that blocks on the reader thread returns.
    pub fn shutdown(&mut self) {
        self.write_half.finish();
        self.close_handle.close();
    }
}

impl Read for Transport {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.start == self.buffer.len() {
            match &mut self.mode {
                Mode::Blocking { read_half, deadline } => {
                    self.start = 0;
                    self.buffer.resize(BUFFER, 0);
                    let read = read_half.read_until(&mut self.buffer, *deadline);
                    self.buffer.truncate(*read.as_ref().unwrap_or(&0));
                    read?;
                }
                Mode::Fed { has_ended: false, .. } => return Err(io::ErrorKind::WouldBlock.into()),
                Mode::Fed { has_ended: true, .. } => return Ok(0),
            }
        }
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let count = target.len().min(rest.len());
        target[..count].copy_from_slice(&rest[..count]);
        self.start += count;
        if self.start == self.buffer.len() && matches!(self.mode, Mode::Blocking { .. }) {
            self.buffer.as_mut_slice().zeroize();
        }
        Ok(count)
    }
}

impl Write for Transport {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = match &mut self.mode {
            Mode::Blocking { deadline, .. } => self.write_half.write(data, *deadline).map_err(timed_out)?,
            Mode::Fed { slice, .. } => {
                let until = match slice {
                    Slice::Fresh => Instant::now() + WRITE_SLICE,
                    Slice::Until(end) => *end,
                };
                *slice = Slice::Until(until);
                self.write_half.write(data, until)?
            }
        };
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn transport(deadline: Duration) -> (Transport, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let ours = TcpStream::connect(listener.local_addr().expect("bound")).expect("listening");
        let peer = listener.accept().expect("connected").0;
        (Transport::new(Halves::of_socket(ours, &Default::default()), Instant::now() + deadline), peer)
    }

    #[test]
    fn a_fed_transport_reads_only_the_bytes_that_it_was_fed() {
        let (mut transport, mut peer) = transport(Duration::from_secs(5));
        peer.write_all(b"ab").expect("open");
        let mut buffer = [0; 1];
        assert_eq!(transport.read(&mut buffer).expect("blocking"), 1);
        let mut read_half = transport.take_read_half().expect("a socket").expect("the first time");
        assert_eq!(transport.read(&mut buffer).expect("left over from the handshakes"), 1);
        peer.write_all(b"c").expect("open");
        assert_eq!(transport.read(&mut buffer).expect_err("it was not fed").kind(), io::ErrorKind::WouldBlock);
        let count = read_half.read(&mut buffer).expect("the peer wrote");
        transport.feed(&buffer[..count]);
        assert_eq!((transport.read(&mut buffer).expect("fed"), buffer), (1, *b"c"));
        transport.feed(&[]);
        assert_eq!(transport.read(&mut buffer).expect("the end"), 0);
    }

    #[test]
    fn x1_a_blocking_transport_wipes_bytes_that_have_been_read() {
        let (mut transport, mut peer) = transport(Duration::from_secs(5));
        peer.write_all(b"canary").expect("open");
        let mut buffer = [0; 6];
        transport.read_exact(&mut buffer[..5]).expect("open");
        assert!(transport.buffer.ends_with(b"y"), "unread bytes stay");
        transport.read_exact(&mut buffer[5..]).expect("open");
        assert_eq!((&buffer, transport.buffer.as_slice()), (b"canary", [0; 6].as_slice()));
    }

    #[test]
    fn c3_a_blocking_transport_times_out_at_its_deadline() {
        let (mut transport, _peer) = transport(Duration::from_millis(20));
        assert_eq!(transport.read(&mut [0]).expect_err("silence").kind(), io::ErrorKind::TimedOut);
        assert_eq!(transport.read(&mut [0]).expect_err("the deadline is absolute").kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn writing_to_a_peer_that_does_not_read_ends_in_would_block() {
        let (mut transport, _peer) = transport(Duration::from_secs(5));
        transport.take_read_half().expect("a socket");
        transport.begin_slice();
        let block = vec![0; 1 << 20];
        let error = loop {
            if let Err(error) = transport.write_all(&block) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(transport.written() > 0);
    }

    #[test]
    fn an_idle_connection_is_usable_until_the_peer_sends_or_ends() {
        let (transport, peer) = transport(Duration::from_secs(5));
        assert!(transport.is_silent());
        drop(peer);
        while transport.is_silent() {
            std::thread::yield_now();
        }
    }
}
