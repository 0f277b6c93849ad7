//! The application's backend: an HTTP endpoint that authorises the channels of clients.
//!
//! The README shows the same endpoint for Node and PHP. A real one is reached by TLS, and finds its users in a
//! database.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use pusher_channels::ChannelAuth;
use sha2::{Digest, Sha256};

use crate::{
    channels::{self, User},
    request::{Answer, Request},
};

const PATH: &str = "/pusher/auth";

/// The number of requests that are served at once. A client makes up to 8, and the others wait in the system's queue.
const WORKERS: usize = 4;

/// The app as the Pusher server knows it. Clients never get the secret.
pub(crate) struct App {
    pub(crate) key: String,
    pub(crate) secret: String,
}

/// A running backend, until it is dropped.
pub(crate) struct Backend {
    addr: SocketAddr,
    stopping: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

impl Backend {
    /// Listens on a free port of this machine. A request with one of these tokens is one of its user.
    pub(crate) fn start<'a>(app: App, tokens: impl IntoIterator<Item = (&'a str, User)>) -> io::Result<Self> {
        let listener = Arc::new(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
        let policy = Arc::new(Policy::new(app, tokens));
        // If a thread cannot be started, dropping the backend ends the others.
        let mut backend = Self { addr: listener.local_addr()?, stopping: Arc::default(), workers: Vec::new() };
        for _ in 0..WORKERS {
            let (listener, policy, stopping) = (listener.clone(), policy.clone(), backend.stopping.clone());
            let worker = thread::Builder::new().name("backend".to_owned());
            backend.workers.push(worker.spawn(move || serve(&listener, &policy, &stopping))?);
        }
        Ok(backend)
    }

    /// The URL for [`Config::auth_endpoint`](pusher_channels::Config::auth_endpoint).
    pub(crate) fn url(&self) -> String {
        format!("http://{}{PATH}", self.addr)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // The standard library cannot interrupt `accept`. Each connection wakes one worker.
        let wakes: Vec<_> = self.workers.iter().map(|_| TcpStream::connect(self.addr)).collect();
        for worker in self.workers.drain(..) {
            // The thread's panic hook has printed a panic already.
            let _ = worker.join();
        }
        drop(wakes);
    }
}

fn serve(listener: &TcpListener, policy: &Policy, stopping: &AtomicBool) {
    while !stopping.load(Ordering::SeqCst) {
        match listener.accept() {
            // A client that disconnects, or is too slow, gets no answer.
            Ok((mut stream, _)) if !stopping.load(Ordering::SeqCst) => drop(answer(&mut stream, policy)),
            Ok(_) => {}
            // The usual cause is too many open files. Other connections must be closed first.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn answer(stream: &mut TcpStream, policy: &Policy) -> io::Result<()> {
    let answer = match Request::read(stream)? {
        Ok(request) => policy.decide(&request).unwrap_or_else(|refusal| refusal),
        Err(refusal) => refusal,
    };
    answer.send(stream)
}

/// The app and its users, by which the backend decides.
struct Policy {
    app: App,
    /// The users by the digests of their tokens, as in a database: a digest cannot be turned back into a token, and the
    /// time of a look-up reveals nothing about one.
    users: HashMap<[u8; 32], User>,
}

impl Policy {
    fn new<'a>(app: App, tokens: impl IntoIterator<Item = (&'a str, User)>) -> Self {
        Self { app, users: tokens.into_iter().map(|(token, user)| (digest(token), user)).collect() }
    }

    fn decide(&self, request: &Request) -> Result<Answer, Answer> {
        if request.path() != PATH {
            return Err(Answer::new(404, "not found"));
        }
        if request.method() != "POST" {
            return Err(Answer::new(405, "use POST"));
        }
        let token = request.bearer_token().ok_or_else(|| Answer::new(401, "a bearer token is missing"))?;
        let user = self.users.get(&digest(token)).ok_or_else(|| Answer::new(401, "unknown token"))?;
        let field = |name: &str| request.field(name).ok_or_else(|| Answer::new(400, format!("{name} is missing")));
        let (socket_id, channel) = (field("socket_id")?, field("channel_name")?);
        if !is_socket_id(&socket_id) {
            return Err(Answer::new(400, "socket_id is malformed"));
        }
        if !channels::may_enter(user, &channel) {
            return Err(Answer::new(403, "not your channel"));
        }
        let auth = ChannelAuth::sign(&self.app.key, &self.app.secret, &socket_id, &channel);
        Ok(Answer::new(200, auth.to_json()))
    }
}

/// Whether a text has the form of a socket id: two numbers with a dot between them.
fn is_socket_id(text: &str) -> bool {
    let is_number = |part: &str| (1..=20).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(before, after)| is_number(before) && is_number(after))
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    const BODY: &str = "socket_id=1.2&channel_name=private-user-ann";

    fn backend() -> Backend {
        let app = App { key: "key".to_owned(), secret: "secret".to_owned() };
        Backend::start(app, [("t", User::parse("ann").expect("a valid id"))]).expect("a free port")
    }

    /// The status of the answer, and its body.
    fn asked(backend: &Backend, line: &str, authorization: &str, body: &str) -> (String, String) {
        let length = body.len();
        let request =
            format!("{line} HTTP/1.1\r\nContent-Length: {length}\r\nAuthorization: {authorization}\r\n\r\n{body}");
        let mut stream = TcpStream::connect(backend.addr).expect("it listens");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head[9..12].to_owned(), body.to_owned())
    }

    #[test]
    fn a_request_with_a_known_token_gets_a_signature() {
        let (status, body) = asked(&backend(), "POST /pusher/auth", "Bearer t", BODY);
        let auth = ChannelAuth::sign("key", "secret", "1.2", "private-user-ann");
        assert_eq!((status.as_str(), body), ("200", auth.to_json()));
    }

    #[test]
    fn a_socket_id_is_two_numbers() {
        assert!(is_socket_id("1234.5678"));
        for bad in ["", ".", "1", "1.", ".1", "1.2.3", "1.2:private-user-bob", "1.a", "-1.2", "1.2\n", "1.²"] {
            assert!(!is_socket_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn every_other_request_is_refused() {
        let backend = backend();
        let status = |line, authorization, body| asked(&backend, line, authorization, body).0;
        let right = "POST /pusher/auth";
        assert_eq!(status("POST /other", "Bearer t", BODY), "404");
        assert_eq!(status("GET /pusher/auth", "Bearer t", BODY), "405");
        assert_eq!(status(right, "Bearer wrong", BODY), "401");
        assert_eq!(status(right, "Basic t", BODY), "401");
        assert_eq!(status(right, "Bearer t", "socket_id=1.2"), "400");
        assert_eq!(status(right, "Bearer t", "socket_id=1.2:x&channel_name=private-user-ann"), "400");
        assert_eq!(status(right, "Bearer t", "socket_id=1.2&channel_name=private-user-bob"), "403");
        assert_eq!(status("nonsense", "Bearer t", BODY), "400");
    }
}
