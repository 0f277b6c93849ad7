//! A server for one client that sends numbered events as fast as the client reads them.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use pusher_channels::Config;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

/// The name of all events. Their data is their number, counted from 0 over all channels.
pub(crate) const EVENT: &str = "numbered";

/// The number of bytes in one write.
const BLOCK: usize = 64 << 10;

/// All numbers have this many digits, so that all frames have the same length.
const DIGITS: usize = 8;

pub(crate) struct Source {
    port: u16,
    go: mpsc::Sender<u64>,
    thread: thread::JoinHandle<()>,
}

impl Source {
    /// Listens, confirms the first client's subscriptions to these channels, and waits for [`send`](Self::send).
    pub(crate) fn start(channels: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (go, ready) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut stream = greet(&listener, channels.len());
            let Ok(count) = ready.recv() else { return };
            write_events(&mut stream, channels, count);
            // Until the client closes the connection.
            let mut ignored = [0; 1024];
            while stream.read(&mut ignored).is_ok_and(|read| read > 0) {}
        });
        Self { port, go, thread }
    }

    pub(crate) fn config(&self) -> Config {
        Config::host("key", "127.0.0.1").port(self.port).tls(false)
    }

    /// Sends this many events, to one channel after another.
    pub(crate) fn send(&self, count: u64) {
        self.go.send(count).expect("the source waits");
    }

    /// Waits until the client has closed the connection.
    pub(crate) fn end(self) {
        self.thread.join().expect("the source has written everything");
    }
}

fn greet(listener: &TcpListener, channels: usize) -> TcpStream {
    let (stream, _) = listener.accept().expect("a client");
    stream.set_nodelay(true).expect("an open socket");
    let mut web = tungstenite::accept(stream.try_clone().expect("a descriptor")).expect("a request for a WebSocket");
    send(&mut web, json!({ "event": "pusher:connection_established", "data": { "socket_id": "1.1" } }));
    for _ in 0..channels {
        let request = web.read().expect("a subscription");
        let request: Value = serde_json::from_str(request.to_text().expect("text")).expect("JSON");
        let channel = &request["data"]["channel"];
        send(&mut web, json!({ "event": "pusher_internal:subscription_succeeded", "channel": channel, "data": "{}" }));
    }
    stream
}

fn send(web: &mut WebSocket<TcpStream>, message: Value) {
    web.send(Message::text(message.to_string())).expect("an open socket");
}

fn write_events(stream: &mut TcpStream, channels: &[&str], count: u64) {
    let mut frames: Vec<_> = channels.iter().map(|channel| frame(channel)).collect();
    let mut block = Vec::with_capacity(2 * BLOCK);
    for number in 0..count {
        let frame = &mut frames[number as usize % channels.len()];
        set_number(frame, number);
        block.extend_from_slice(frame);
        if block.len() >= BLOCK {
            stream.write_all(&block).expect("the client reads");
            block.clear();
        }
    }
    stream.write_all(&block).expect("the client reads");
}

/// RFC 6455, section 5.2: one short text frame, unmasked because a server sends it. It ends with the number.
fn frame(channel: &str) -> Vec<u8> {
    let text = format!(r#"{{"event":"{EVENT}","channel":"{channel}","data":"{}"}}"#, "0".repeat(DIGITS));
    let mut frame = vec![0x81, u8::try_from(text.len()).ok().filter(|len| *len < 126).expect("a short message")];
    frame.extend(text.as_bytes());
    frame
}

fn set_number(frame: &mut [u8], mut number: u64) {
    let end = frame.len() - r#""}"#.len();
    for digit in frame[end - DIGITS..end].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
