//! The pool and the HTTP authoriser against an endpoint on loopback (A1-A5, H6, X2).

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{
    auth_pool::{Asker, AuthPool},
    tls,
};
use crate::{
    AuthError, AuthRequest, ChannelAuth, Config, Error, Name, UserAuth,
    session::{Answer, ChannelQuestion, Generation, Question},
};

const PATIENCE: Duration = Duration::from_secs(10);
const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"auth\":\"k:s\"}";

/// An endpoint that keeps what it was sent, and answers what the closure says, which gets the number of the request and the
/// connection.
struct Endpoint {
    url: String,
    requests: Receiver<String>,
}

impl Endpoint {
    fn new(respond: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/auth", listener.local_addr().expect("bound"));
        let (seen, requests) = unbounded();
        let (respond, count) = (Arc::new(respond), Arc::new(AtomicUsize::new(0)));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, respond, count) = (seen.clone(), Arc::clone(&respond), Arc::clone(&count));
                thread::spawn(move || serve(stream, &seen, &*respond, &count));
            }
        });
        Self { url, requests }
    }

    fn saying(response: impl Into<String>) -> Self {
        let response = response.into();
        Self::new(move |_, stream| drop(stream.write_all(response.as_bytes())))
    }

    fn next(&self) -> String {
        self.requests.recv_timeout(PATIENCE).expect("a request")
    }
}

fn serve(
    stream: TcpStream,
    seen: &Sender<String>,
    respond: &(impl Fn(usize, &mut TcpStream) + ?Sized),
    count: &AtomicUsize,
) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let _ = seen.send(request);
        respond(count.fetch_add(1, Ordering::SeqCst), reader.get_mut());
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut request = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        request += line;
        request.push('\n');
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(request + &String::from_utf8(body).ok()?)
}

/// Collects the answers.
struct Desk {
    answers: Sender<Answer>,
}

impl Asker for Desk {
    fn is_current(&self, _: Generation) -> bool {
        true
    }

    fn answered(&self, answer: Answer) {
        let _ = self.answers.send(answer);
    }
}

struct Asking {
    pool: AuthPool,
    desk: Arc<Desk>,
    answers: Receiver<Answer>,
}

impl Asking {
    fn new(config: Config) -> Self {
        config.check().expect("a good configuration");
        let (sender, answers) = unbounded();
        let pool = AuthPool::with_retry(&config, &Arc::<tls::Connector>::default(), Duration::from_millis(1));
        Self { pool, desk: Arc::new(Desk { answers: sender }), answers }
    }

    fn ask(&self, question: Question) {
        for answer in self.pool.ask(&self.desk, question) {
            self.desk.answered(answer);
        }
    }

    fn ask_for(&self, channels: &[&str]) {
        let questions = (1..).zip(channels).map(|(number, channel)| question(number, channel));
        self.ask(Question::Channels(questions.collect()));
    }

    fn channel(&self, channel: &str) -> Result<ChannelAuth, Error> {
        self.ask_for(&[channel]);
        self.next_channel().1
    }

    fn next_channel(&self) -> (String, Result<ChannelAuth, Error>) {
        match self.answers.recv_timeout(PATIENCE).expect("an answer") {
            Answer::Channel { channel, auth, .. } => (channel.to_string(), auth),
            Answer::User { .. } => panic!("nobody signs in"),
        }
    }

    fn user(&self) -> Result<UserAuth, Error> {
        self.ask(Question::User { generation: generation(), number: 1, socket_id: "1.2".into() });
        match self.answers.recv_timeout(PATIENCE).expect("an answer") {
            Answer::User { auth, .. } => auth,
            Answer::Channel { .. } => panic!("no channel was asked for"),
        }
    }

    fn join(&self) {
        self.pool.end(generation());
        self.pool.join_until(Instant::now() + PATIENCE);
    }
}

fn generation() -> Generation {
    Generation::for_tests(1)
}

fn question(number: u64, channel: &str) -> ChannelQuestion {
    let name = Name::from(channel);
    let request = AuthRequest::new(name.clone(), "1.2".into());
    ChannelQuestion { generation: generation(), number, channel: name, request }
}

fn config() -> Config {
    Config::host("278d425bdf160c739803", "localhost").tls(false)
}

fn at(endpoint: &Endpoint) -> Config {
    config().auth_endpoint(&*endpoint.url).user_auth_endpoint(&*endpoint.url)
}

fn status(line: &str) -> String {
    format!("HTTP/1.1 {line}\r\nContent-Length: 4\r\n\r\nbody")
}
