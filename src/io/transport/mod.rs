//! The stream under TLS and WebSocket that lets nobody wait for the network while holding the driver's lock.

pub(crate) mod byte_counters;
pub(crate) mod cancel;
pub(crate) mod halves;
pub(crate) mod maybe_tls;
#[cfg(unix)]
pub(crate) mod readiness;
pub(crate) mod tls;
pub(crate) mod websocket;

use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

use zeroize::{Zeroize, Zeroizing};

use super::transport::halves::{CloseHandle, Halves, ReadHalf, WriteHalf, timed_out};

/// One read takes at most this. Measured on loopback, larger blocks win nothing.
pub(crate) const BUFFER: usize = 64 * 1024;

/// How long one hold of the lock may spend writing. Two peers with full buffers would otherwise wait for each other.
const WRITE_SLICE: Duration = Duration::from_millis(50);

/// A stream in one of two modes.
///
/// *Open*, for handshakes and requests: reads and writes block until one absolute deadline. *Gated*, afterwards: the reader
/// thread has the half that is read, and a read here gets what that thread has brought, else `WouldBlock`; writes together
/// may take 50 ms for each slice, then they end in `WouldBlock` and are continued later.
pub(crate) struct Transport {
    mode: Mode,
    write_half: WriteHalf,
    close_handle: CloseHandle,
    /// Wiped, because the answers of auth endpoints come through it. While it is open, as soon as all of it has been read.
    buffer: Zeroizing<Vec<u8>>,
    /// How much of the buffer has been read.
    start: usize,
    written: u64,
}

enum Mode {
    Open { read_half: ReadHalf, deadline: Instant },
    Gated { slice: Slice, ended: bool },
}

/// The time that one hold of the lock may spend writing. It begins with the first write, which therefore always happens.
enum Slice {
    Fresh,
    Until(Instant),
}

impl Transport {
    /// An open transport.
    pub fn open(halves: Halves, deadline: Instant) -> Self {
        let Halves { read_half, write_half, close_handle } = halves;
        let (mode, buffer) = (Mode::Open { read_half, deadline }, Zeroizing::default());
        Self { mode, write_half, close_handle, buffer, start: 0, written: 0 }
    }

    /// Ends the handshakes, and gives the half that the reader thread reads from here on. `None` when it has it already.
    pub fn close(&mut self) -> io::Result<Option<ReadHalf>> {
        match std::mem::replace(&mut self.mode, Mode::Gated { slice: Slice::Fresh, ended: false }) {
            Mode::Open { read_half, .. } => read_half.wait_for_ever().map(|()| Some(read_half)),
            Mode::Gated { .. } => Ok(None),
        }
    }

    /// Another deadline for what follows, while the transport is open.
    pub fn set_deadline(&mut self, until: Instant) {
        if let Mode::Open { deadline, .. } = &mut self.mode {
            *deadline = until;
        }
    }

    /// Whether reads end at the deadline by themselves. Those from a dialer's halves end when the connection is ended.
    pub fn keeps_deadlines(&self) -> bool {
        matches!(&self.mode, Mode::Open { read_half, .. } if read_half.keeps_deadlines())
    }

    /// What the reader thread has read. Nothing stands for the end of the stream.
    pub fn bring(&mut self, bytes: &[u8]) {
        if self.start == self.buffer.len() {
            self.start = 0;
            self.buffer.clear();
        }
        self.buffer.extend_from_slice(bytes);
        if let Mode::Gated { ended, .. } = &mut self.mode {
            *ended |= bytes.is_empty();
        }
    }

    /// Begins another slice of writing.
    pub fn begin_slice(&mut self) {
        if let Mode::Gated { slice, .. } = &mut self.mode {
            *slice = Slice::Fresh;
        }
    }

    /// How many bytes went out so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Whether a connection that is kept for later can still be used: nothing has come on it, not even its end.
    pub fn is_silent(&self) -> bool {
        let all_read = self.start == self.buffer.len();
        all_read && matches!(&self.mode, Mode::Open { read_half, .. } if read_half.is_silent())
    }

    /// Ends the connection for everybody, the reader's blocked read included.
    pub fn shutdown(&mut self) {
        self.write_half.finish();
        self.close_handle.close();
    }
}

impl Read for Transport {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.start == self.buffer.len() {
            match &mut self.mode {
                Mode::Open { read_half, deadline } => {
                    self.start = 0;
                    self.buffer.resize(BUFFER, 0);
                    let read = read_half.read_until(&mut self.buffer, *deadline);
                    self.buffer.truncate(*read.as_ref().unwrap_or(&0));
                    read?;
                }
                Mode::Gated { ended: false, .. } => return Err(io::ErrorKind::WouldBlock.into()),
                Mode::Gated { ended: true, .. } => return Ok(0),
            }
        }
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let count = target.len().min(rest.len());
        target[..count].copy_from_slice(&rest[..count]);
        self.start += count;
        if self.start == self.buffer.len() && matches!(self.mode, Mode::Open { .. }) {
            self.buffer.as_mut_slice().zeroize();
        }
        Ok(count)
    }
}

impl Write for Transport {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = match &mut self.mode {
            Mode::Open { deadline, .. } => self.write_half.write(data, *deadline).map_err(timed_out)?,
            Mode::Gated { slice, .. } => {
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
        (Transport::open(Halves::of_socket(ours, &Default::default()), Instant::now() + deadline), peer)
    }

    #[test]
    fn a_closed_gate_reads_only_what_was_brought() {
        let (mut transport, mut peer) = transport(Duration::from_secs(5));
        peer.write_all(b"ab").expect("open");
        let mut buffer = [0; 1];
        assert_eq!(transport.read(&mut buffer).expect("open"), 1);
        let mut read_half = transport.close().expect("a socket").expect("the first time");
        assert_eq!(transport.read(&mut buffer).expect("left over from the handshakes"), 1);
        peer.write_all(b"c").expect("open");
        assert_eq!(transport.read(&mut buffer).expect_err("nobody brought it").kind(), io::ErrorKind::WouldBlock);
        let count = read_half.read(&mut buffer).expect("the peer wrote");
        transport.bring(&buffer[..count]);
        assert_eq!((transport.read(&mut buffer).expect("brought"), buffer), (1, *b"c"));
        transport.bring(&[]);
        assert_eq!(transport.read(&mut buffer).expect("the end"), 0);
    }

    #[test]
    fn x1_an_open_gate_wipes_what_has_been_read() {
        let (mut transport, mut peer) = transport(Duration::from_secs(5));
        peer.write_all(b"canary").expect("open");
        let mut buffer = [0; 6];
        transport.read_exact(&mut buffer[..5]).expect("open");
        assert!(transport.buffer.ends_with(b"y"), "what is still to be read stays");
        transport.read_exact(&mut buffer[5..]).expect("open");
        assert_eq!((&buffer, transport.buffer.as_slice()), (b"canary", [0; 6].as_slice()));
    }

    #[test]
    fn c3_an_open_gate_times_out_at_its_deadline() {
        let (mut transport, _peer) = transport(Duration::from_millis(20));
        assert_eq!(transport.read(&mut [0]).expect_err("silence").kind(), io::ErrorKind::TimedOut);
        assert_eq!(transport.read(&mut [0]).expect_err("the deadline is absolute").kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn writing_to_a_peer_that_does_not_read_ends_in_would_block() {
        let (mut transport, _peer) = transport(Duration::from_secs(5));
        transport.close().expect("a socket");
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
    fn a_connection_that_is_kept_is_used_only_while_nothing_comes() {
        let (transport, peer) = transport(Duration::from_secs(5));
        assert!(transport.is_silent());
        drop(peer);
        while transport.is_silent() {
            std::thread::yield_now();
        }
    }
}
