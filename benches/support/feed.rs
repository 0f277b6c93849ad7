//! The server of one client, and the events that it sends in each frame.

use std::{
    net::TcpListener,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::source::{EVENT, Result, Subscriber, frames_of};

/// 10,000 events a second, at 60 frames a second.
pub(crate) const EVENTS: usize = 170;

pub(crate) const DATA_LEN: usize = 100;

/// The longest time that the events of a frame may take to arrive.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// How the events of a frame are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// In one write, which a client receives in a few reads.
    Together,
    /// Each after the one before has arrived, so that a client needs a read for each.
    OneByOne,
}

/// The server of one client, with the frames that it sends repeatedly.
pub(crate) struct Feed {
    subscriber: Subscriber,
    frames: Vec<u8>,
}

/// A server that waits for its client.
pub(crate) struct Waiting {
    port: u16,
    accepting: JoinHandle<Result<Subscriber>>,
}

impl Waiting {
    pub(crate) fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        Ok(Self { port, accepting: thread::spawn(move || Subscriber::accept(&listener)) })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Waits until the client has subscribed. The events have `names` different names in turn.
    pub(crate) fn feed(self, names: usize) -> Result<Feed> {
        let subscriber = self.accepting.join().map_err(|_| "the source has panicked")??;
        let names: Vec<String> = (0..names).map(event_name).collect();
        let frames = frames_of(names.iter().map(String::as_str).cycle().take(EVENTS), DATA_LEN);
        Ok(Feed { subscriber, frames })
    }
}

impl Feed {
    /// Sends the events of a frame, and returns when `waiting` has counted all of them.
    pub(crate) fn send(&mut self, pace: Pace, waiting: impl Fn() -> usize) -> Result<()> {
        match pace {
            Pace::Together => {
                self.subscriber.write(&self.frames)?;
                wait_for(|| waiting() == EVENTS)
            }
            Pace::OneByOne => {
                let frames = self.frames.chunks(self.frames.len() / EVENTS);
                for (sent, frame) in (1..).zip(frames) {
                    self.subscriber.write(frame)?;
                    wait_for(|| waiting() == sent)?;
                }
                Ok(())
            }
        }
    }
}

/// The name of an event. All names have the same length.
pub(crate) fn event_name(number: usize) -> String {
    format!("{EVENT}{number:02}")
}

/// Whether the data has its length and its last byte, so that the compiler cannot remove the code that produces it.
pub(crate) fn is_intact(data: &str) -> bool {
    data.len() == DATA_LEN && data.ends_with('}')
}

pub(crate) fn wait_for(condition: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        if Instant::now() > deadline {
            return Err("the events of a frame have not arrived".into());
        }
        thread::yield_now();
    }
    Ok(())
}
