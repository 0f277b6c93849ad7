//! A pipe in memory. A client uses one end.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use pusher_channels::{ByteStream, Config, DialRequest};

/// Small, so that a writer soon waits for the reader.
const CAPACITY: usize = 1024;

/// Two directions. Each half of an end blocks until the pipe is shut down.
#[derive(Clone, Default)]
pub(crate) struct Pipe {
    to_server: Arc<Direction>,
    to_client: Arc<Direction>,
    /// The number of times that the client has shut the pipe down.
    shutdowns: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Direction {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    closed: bool,
}

impl Pipe {
    /// The stream of the client's end.
    pub(crate) fn byte_stream(&self) -> ByteStream {
        let pipe = self.clone();
        let shutdown = move || {
            pipe.shutdowns.fetch_add(1, Ordering::SeqCst);
            pipe.close();
        };
        ByteStream::new(Half(Arc::clone(&self.to_client)), Half(Arc::clone(&self.to_server)), shutdown)
    }

    /// A configuration without TLS whose dialer returns this pipe.
    pub(crate) fn config(&self) -> Config {
        let pipe = self.clone();
        let dial = move |_: &DialRequest| Ok::<_, io::Error>(pipe.byte_stream());
        Config::host("app-key", "nowhere.invalid").tls(false).dialer(dial)
    }

    /// The two halves of the server's end.
    pub(crate) fn server_end(&self) -> (impl Read + use<>, impl Write + use<>) {
        (Half(Arc::clone(&self.to_server)), Half(Arc::clone(&self.to_client)))
    }

    pub(crate) fn close(&self) {
        self.to_server.close();
        self.to_client.close();
    }

    pub(crate) fn shutdowns(&self) -> usize {
        self.shutdowns.load(Ordering::SeqCst)
    }

    /// Whether the client's writer blocks.
    pub(crate) fn is_full(&self) -> bool {
        self.to_server.state.lock().expect("no panic").bytes.len() == CAPACITY
    }
}

impl Direction {
    fn close(&self) {
        self.state.lock().expect("no panic").closed = true;
        self.changed.notify_all();
    }
}

struct Half(Arc<Direction>);

impl Read for Half {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.0.state.lock().expect("no panic");
        let waits = |state: &mut State| state.bytes.is_empty() && !state.closed;
        let mut state = self.0.changed.wait_while(state, waits).expect("no panic");
        let count = state.bytes.read(buffer)?;
        self.0.changed.notify_all();
        Ok(count)
    }
}

impl Write for Half {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let state = self.0.state.lock().expect("no panic");
        let waits = |state: &mut State| state.bytes.len() == CAPACITY && !state.closed;
        let mut state = self.0.changed.wait_while(state, waits).expect("no panic");
        if state.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = data.len().min(CAPACITY - state.bytes.len());
        state.bytes.extend(&data[..count]);
        self.0.changed.notify_all();
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
