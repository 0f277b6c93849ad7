//! What waits to be written to one client, and the thread that writes it.
//!
//! The queue is what keeps a slow client from holding up the others: to send is to put shared bytes into it. All that
//! goes to a client goes through its queue, so that frames never interleave.

use std::{
    io::{self, Write},
    net::TcpStream,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tungstenite::Bytes;

/// How long a client has to answer a close frame, or to take what was written before it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// What one entry of the queue costs beside its bytes, so that empty messages are not free.
const ENTRY_COST: usize = 64;
/// How much is put together for one write: enough that the system call is no longer what costs.
const BATCH: usize = 64 * 1024;
/// A buffer that one large message made larger than this is given back.
const MAX_IDLE_BATCH: usize = 1 << 20;
/// How often a blocked write looks whether the connection is being closed.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_millis(100);

/// The sending side of the queue.
pub(crate) struct Outbox {
    queue: Sender<Outgoing>,
    /// Cost of what waits. The queue is bounded in bytes, because messages have 40 of them or 100 000.
    waiting: AtomicUsize,
    limit: usize,
    /// Set when the connection is being closed: nothing is queued any more, and the writer gives up at this time.
    give_up_at: OnceLock<Instant>,
}

/// What became of bytes that were to be queued.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Push {
    Queued,
    /// The connection is being closed, nothing may follow its close frame.
    Closing,
    /// The client does not read fast enough.
    Full,
}

/// An entry of the queue.
pub(crate) enum Outgoing {
    Bytes(Bytes),
    /// A close frame. What comes after it is not written.
    Close(Bytes),
    /// Nothing will come any more.
    End,
}

impl Outbox {
    /// An empty queue for at most `limit` bytes, and its receiving side for [`write_out`].
    pub fn new(limit: usize) -> (Self, Receiver<Outgoing>) {
        let (queue, receiver) = unbounded();
        let outbox = Self { queue, waiting: AtomicUsize::new(0), limit, give_up_at: OnceLock::new() };
        (outbox, receiver)
    }

    /// Never blocks. A message that is larger than the limit passes when nothing else waits.
    pub fn push(&self, bytes: Bytes) -> Push {
        if self.give_up_at.get().is_some() {
            return Push::Closing;
        }
        let cost = bytes.len() + ENTRY_COST;
        let before = self.waiting.fetch_add(cost, Ordering::Relaxed);
        if before > 0 && before + cost > self.limit {
            self.waiting.fetch_sub(cost, Ordering::Relaxed);
            return Push::Full;
        }
        match self.queue.send(Outgoing::Bytes(bytes)) {
            Ok(()) => Push::Queued,
            Err(_) => Push::Closing,
        }
    }

    /// Queues a close frame as the last thing to be written. False if the connection is being closed already.
    pub fn close(&self, frame: Bytes) -> bool {
        self.start_closing() && self.queue.send(Outgoing::Close(frame)).is_ok()
    }

    /// Lets the writer end when it has written what waits.
    pub fn end(&self) {
        self.start_closing();
        // An error means that the writer has ended already.
        let _ = self.queue.send(Outgoing::End);
    }

    fn start_closing(&self) -> bool {
        self.give_up_at.set(Instant::now() + CLOSE_TIMEOUT).is_ok()
    }

    fn must_give_up(&self) -> bool {
        self.give_up_at.get().is_some_and(|time| *time <= Instant::now())
    }
}

/// Writes what is queued until the end of the connection. The socket has [`WRITE_TIMEOUT`].
pub(crate) fn write_out(outbox: &Outbox, queue: &Receiver<Outgoing>, socket: &TcpStream) {
    let mut batch = Vec::with_capacity(1024);
    while let Ok(first) = queue.recv() {
        let (cost, next) = gather(first, queue, &mut batch);
        let written = write_all(outbox, socket, &batch);
        outbox.waiting.fetch_sub(cost, Ordering::Relaxed);
        match (written, next) {
            (Ok(()), BatchEnd::More) => {}
            (Ok(()), BatchEnd::Closed) => return wait_for_end(queue),
            (Ok(()), BatchEnd::Ended) | (Err(_), _) => return,
        }
        batch.clear();
        batch.shrink_to(MAX_IDLE_BATCH);
    }
}

/// What follows a batch.
enum BatchEnd {
    More,
    Closed,
    Ended,
}

/// Appends what waits to `batch`, and tells what it cost.
fn gather(first: Outgoing, queue: &Receiver<Outgoing>, batch: &mut Vec<u8>) -> (usize, BatchEnd) {
    let mut cost = 0;
    let mut entry = first;
    loop {
        match entry {
            Outgoing::Bytes(bytes) => {
                cost += bytes.len() + ENTRY_COST;
                batch.extend_from_slice(&bytes);
            }
            Outgoing::Close(frame) => {
                batch.extend_from_slice(&frame);
                return (cost, BatchEnd::Closed);
            }
            Outgoing::End => return (cost, BatchEnd::Ended),
        }
        if batch.len() >= BATCH {
            return (cost, BatchEnd::More);
        }
        match queue.try_recv() {
            Ok(next) => entry = next,
            Err(_) => return (cost, BatchEnd::More),
        }
    }
}

fn write_all(outbox: &Outbox, mut socket: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                // Which of the two means a timeout depends on the platform.
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if !outbox.must_give_up() => {}
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

/// After our close frame the reader ends the queue when the client's answer has come.
fn wait_for_end(queue: &Receiver<Outgoing>) {
    let deadline = Instant::now() + CLOSE_TIMEOUT;
    while let Ok(entry) = queue.recv_deadline(deadline) {
        if matches!(entry, Outgoing::End) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_refuses() {
        let (outbox, _queue) = Outbox::new(200);
        assert_eq!(outbox.push(Bytes::from_static(b"first")), Push::Queued);
        assert_eq!(outbox.push(Bytes::from_static(b"second")), Push::Queued);
        assert_eq!(outbox.push(Bytes::from_static(b"third")), Push::Full);
    }

    #[test]
    fn a_message_above_the_limit_passes_alone() {
        let (outbox, _queue) = Outbox::new(10);
        assert_eq!(outbox.push(vec![0; 1000].into()), Push::Queued);
        assert_eq!(outbox.push(Bytes::from_static(b"x")), Push::Full);
    }

    #[test]
    fn nothing_follows_a_close_frame() {
        let (outbox, queue) = Outbox::new(1000);
        assert!(outbox.close(Bytes::from_static(b"close")));
        assert!(!outbox.close(Bytes::from_static(b"again")));
        assert_eq!(outbox.push(Bytes::from_static(b"late")), Push::Closing);
        let mut batch = Vec::new();
        let (_, next) = gather(queue.recv().unwrap(), &queue, &mut batch);
        assert!(matches!(next, BatchEnd::Closed));
        assert_eq!(batch, b"close");
    }
}
