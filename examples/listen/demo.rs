//! The embedded server, for users without a server of their own.

use std::{
    io,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use pusher_channels::{
    Config,
    testing::{Publisher, TestServer},
};
use serde::Serialize;

const INTERVAL: Duration = Duration::from_millis(500);

/// A server inside this process that publishes `tick` every half second until it is dropped.
pub(crate) struct Demo {
    server: TestServer,
    /// Both fields are `Some` until the drop.
    stop: Option<Sender<()>>,
    publisher: Option<JoinHandle<()>>,
}

impl Demo {
    pub(crate) fn start(channel: &'static str) -> io::Result<Self> {
        let server = TestServer::start()?;
        let publisher = server.publisher();
        let (stop, stopped) = mpsc::channel();
        let publish = move || {
            let mut n = 0;
            // Waiting for the end, instead of sleeping, ends the thread at once.
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                n += 1;
                tick(&publisher, channel, n);
            }
        };
        let publisher = thread::Builder::new().name("demo-publisher".to_owned()).spawn(publish)?;
        Ok(Self { server, stop: Some(stop), publisher: Some(publisher) })
    }

    pub(crate) fn config(&self) -> Config {
        self.server.config()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(publisher) = self.publisher.take() {
            // The thread's panic hook has printed a panic already.
            let _ = publisher.join();
        }
    }
}

#[derive(Serialize)]
struct Tick {
    n: u64,
    says: &'static str,
}

fn tick(publisher: &Publisher, channel: &str, n: u64) {
    let says = if n % 2 == 1 { "tick" } else { "tock" };
    publisher.trigger(channel, "tick", &Tick { n, says });
}
