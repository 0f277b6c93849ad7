//! An auth endpoint that follows a script for one channel, and answers requests for all others well.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use socket2::SockRef;

use super::{GOOD, Scenario, Step, answer};
use crate::hostile_server::raw_frames;

pub(crate) struct Endpoint {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Endpoint {
    pub(crate) fn start(scenario: &Scenario, elsewhere: &OtherHost) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let requests = Arc::new(AtomicUsize::new(0));
        let responder = Responder {
            script: scenario.script.clone(),
            marker: format!("channel_name={}&", scenario.channel),
            elsewhere: elsewhere.address,
            requests: Arc::clone(&requests),
        };
        let responder = Arc::new(responder);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let responder = Arc::clone(&responder);
                thread::spawn(move || responder.serve(stream));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/auth?token=canary-query", self.address)
    }

    /// The number of requests for the channel.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

struct Responder {
    script: Vec<Step>,
    /// A part of the requests that are answered by the script.
    marker: String,
    elsewhere: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Responder {
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            if matches!(self.script.first(), Some(Step::Unread)) && self.is_about_target(&stream)? {
                self.requests.fetch_add(1, Ordering::SeqCst);
                return self.perform(&mut stream);
            }
            let request = read_request(&mut stream)?;
            if !request.contains(&self.marker) {
                answer("200 OK", "", GOOD).iter().try_for_each(|step| self.step(step, &mut stream))?;
                continue;
            }
            self.requests.fetch_add(1, Ordering::SeqCst);
            self.perform(&mut stream)?;
            if !matches!(self.script.last(), Some(Step::Keep)) {
                return stream.shutdown(Shutdown::Write);
            }
        }
    }

    /// Peeks at the request, and returns whether it is for the channel of the script.
    fn is_about_target(&self, stream: &TcpStream) -> io::Result<bool> {
        let mut seen = [0; 4096];
        loop {
            let count = stream.peek(&mut seen)?;
            let text = String::from_utf8_lossy(&seen[..count]);
            if count == 0 || text.contains("channel_name=") && text.ends_with("canary-param") {
                return Ok(text.contains(&self.marker));
            }
            thread::yield_now();
        }
    }

    fn perform(&self, stream: &mut TcpStream) -> io::Result<()> {
        self.script.iter().try_for_each(|step| self.step(step, stream))
    }

    fn step(&self, step: &Step, stream: &mut TcpStream) -> io::Result<()> {
        match step {
            Step::Bytes(bytes) => stream.write_all(bytes),
            Step::Endless(bytes) => loop {
                stream.write_all(bytes)?;
            },
            Step::Drip(bytes, pause) => bytes.iter().try_for_each(|byte| {
                thread::sleep(*pause);
                stream.write_all(&[*byte])
            }),
            Step::Hold => stream.read_to_end(&mut Vec::new()).map(drop),
            Step::Redirect(status) => {
                let head = format!("HTTP/1.1 {status} OtherHost\r\nLocation: http://{}/auth\r\n", self.elsewhere);
                stream.write_all(head.as_bytes())?;
                stream.write_all(b"Content-Length: 0\r\n\r\n")
            }
            Step::Reset => SockRef::from(&*stream).set_linger(Some(std::time::Duration::ZERO)),
            Step::Unread | Step::Keep => Ok(()),
        }
    }
}

/// Reads the head and the body of a request.
fn read_request(stream: &mut TcpStream) -> io::Result<String> {
    let head = raw_frames::read_head(stream)?;
    let is_length = |line: &&str| line.to_ascii_lowercase().starts_with("content-length:");
    let length = head.lines().find(is_length).and_then(|line| line[15..].trim().parse().ok()).unwrap_or_default();
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(format!("{head}{}&", String::from_utf8_lossy(&body)))
}

/// Another host. No request may reach it. It counts every byte and every connection.
pub(crate) struct OtherHost {
    address: SocketAddr,
    bytes: Arc<AtomicUsize>,
}

impl OtherHost {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let bytes = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&bytes);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                // A connection alone counts, too.
                count.fetch_add(1, Ordering::SeqCst);
                let mut got = Vec::new();
                let _ = stream.read_to_end(&mut got);
                count.fetch_add(got.len(), Ordering::SeqCst);
            }
        });
        Self { address, bytes }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }
}
