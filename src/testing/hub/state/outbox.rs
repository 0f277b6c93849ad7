//! The queue of messages to one client, and the loop that writes them.
//!
//! Because of the queue, a slow client does not delay the others: sending puts shared bytes into the queue. All bytes
//! to a client go through its queue, so that frames never interleave.

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

/// The time that a client has to answer a close frame, and to read the bytes before it.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The cost of an entry beside its bytes, so that empty messages count as well.
const ENTRY_COST: usize = 64;
/// The size of one write: large enough that system calls are a small part of the cost.
const BATCH: usize = 64 * 1024;
/// A buffer that is larger than this after a large message is freed.
const MAX_IDLE_BATCH: usize = 1 << 20;
/// The interval at which a blocked write checks whether the connection is closing.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_millis(100);

/// The sending side of the queue.
pub(crate) struct Outbox {
    queue: Sender<Outgoing>,
    /// Cost of the waiting entries. The queue is bounded in bytes, because messages have between 40 and 100 000 bytes.
    waiting: AtomicUsize,
    limit: usize,
    /// Set when the connection begins to close: further messages are dropped, and the writer gives up at this time.
    give_up_at: OnceLock<Instant>,
}

/// The result of adding bytes to the queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Push {
    Queued,
    /// The connection is closing. Its close frame is the last frame.
    Closing,
    /// The queue is full, because the client reads too slowly.
    Full,
}

/// An entry of the queue.
pub(crate) enum Outgoing {
    Bytes(Bytes),
    /// A close frame. Later entries are not written.
    Close(Bytes),
    /// The end of the queue.
    End,
}

impl Outbox {
    /// An empty queue for at most `limit` bytes, and its receiving side for [`write_out`].
    pub fn new(limit: usize) -> (Self, Receiver<Outgoing>) {
        let (queue, receiver) = unbounded();
        let outbox = Self { queue, waiting: AtomicUsize::new(0), limit, give_up_at: OnceLock::new() };
        (outbox, receiver)
    }

    /// Adds bytes without blocking. An empty queue accepts a message of any size.
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

    /// Adds a close frame as the last entry. False if the connection is closing already.
    pub fn close(&self, frame: Bytes) -> bool {
        self.start_closing() && self.queue.send(Outgoing::Close(frame)).is_ok()
    }

    /// Lets the writer end after the waiting entries.
    pub fn end(&self) {
        self.start_closing();
        // The writer may have ended already.
        let _ = self.queue.send(Outgoing::End);
    }

    fn start_closing(&self) -> bool {
        self.give_up_at.set(Instant::now() + CLOSE_TIMEOUT).is_ok()
    }

    fn must_give_up(&self) -> bool {
        self.give_up_at.get().is_some_and(|time| *time <= Instant::now())
    }
}

/// Writes the entries until the end of the connection. The caller has set [`WRITE_TIMEOUT`] on the socket.
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

/// The state after a batch.
enum BatchEnd {
    More,
    Closed,
    Ended,
}

/// Appends the waiting entries to `batch`, and returns their cost.
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
                // The error kind of a timeout depends on the platform.
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if !outbox.must_give_up() => {}
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

/// Waits for the client's answer to the close frame: the reader then ends the queue.
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
