//! The pool and its requests, against an endpoint on loopback (A1-A5, H6).

mod closures;
mod endpoints;
#[cfg(feature = "native-tls")]
mod over_tls;
mod threads;

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

use super::pool::{AuthPool, Requester};
use crate::{
    AuthError, AuthRequest, ChannelAuth, Config, Error, Name, UserAuth,
    config::Plan,
    io::{intents::LentOptions, transport::tls},
    session::{AttemptId, AuthAnswer, AuthOutcome, AuthSubject, Generation, PendingAuth},
};

const PATIENCE: Duration = Duration::from_secs(10);
const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"auth\":\"k:s\"}";

/// An endpoint that keeps the requests. The closure writes the answers, and gets the number of the request and the
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
struct Client {
    answers: Sender<AuthAnswer>,
}

impl Requester for Client {
    fn own_options(&self, _: &str) -> Option<LentOptions> {
        None
    }

    fn awaits(&self, request: &PendingAuth) -> bool {
        request.subject.channel() != Some("private-withdrawn")
    }

    fn answered(&self, answer: AuthAnswer) {
        let _ = self.answers.send(answer);
    }
}

struct Asking {
    plan: Arc<Plan>,
    pool: AuthPool,
    client: Arc<Client>,
    answers: Receiver<AuthAnswer>,
}

impl Asking {
    fn new(config: Config) -> Self {
        let plan = Arc::new(config.plan().expect("a good configuration"));
        let (sender, answers) = unbounded();
        let pool = AuthPool::with_retry(&Arc::<tls::Connector>::default(), Duration::from_millis(1));
        Self { plan, pool, client: Arc::new(Client { answers: sender }), answers }
    }

    fn ask(&self, requests: Vec<PendingAuth>) {
        for answer in self.pool.ask(&self.plan, &self.client, requests) {
            self.client.answered(answer);
        }
    }

    fn ask_for(&self, channels: &[&str]) {
        self.ask((1..).zip(channels).map(|(attempt, channel)| request(attempt, channel)).collect());
    }

    fn channel(&self, channel: &str) -> Result<ChannelAuth, Error> {
        self.ask_for(&[channel]);
        self.next_channel().1
    }

    fn next_channel(&self) -> (String, Result<ChannelAuth, Error>) {
        match self.answers.recv_timeout(PATIENCE).expect("an answer").outcome {
            AuthOutcome::Channel { channel, auth } => (channel.to_string(), auth),
            AuthOutcome::User(_) => panic!("no sign-in was requested"),
        }
    }

    fn user(&self) -> Result<UserAuth, Error> {
        let subject = AuthSubject::User { socket_id: "1.2".into() };
        self.ask(vec![PendingAuth { generation: generation(), attempt: AttemptId(1), subject }]);
        match self.answers.recv_timeout(PATIENCE).expect("an answer").outcome {
            AuthOutcome::User(permission) => permission.map(|permission| permission.auth),
            AuthOutcome::Channel { .. } => panic!("no channel was requested"),
        }
    }

    fn join(&self) {
        self.pool.end(generation());
        self.pool.join_until(Instant::now() + PATIENCE);
    }
}

fn generation() -> Generation {
    Generation::default()
}

fn request(attempt: u64, channel: &str) -> PendingAuth {
    let subject = AuthSubject::Channel(AuthRequest::new(Name::from(channel), "1.2".into()));
    PendingAuth { generation: generation(), attempt: AttemptId(attempt), subject }
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
