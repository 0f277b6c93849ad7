//! The pool and the HTTP authorizer against an endpoint on loopback (A1-A5, H6, X2).

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

use super::pool::{Asker, AuthPool};
use crate::{
    AuthError, AuthRequest, ChannelAuth, Config, Error, Name, UserAuth,
    config::Plan,
    delivery::CallId,
    event::Intent,
    io::{intents::LentOptions, transport::tls},
    session::{Answer, ChannelQuestion, Effect, Generation, Input, Output, Question, Session},
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
    fn own_options(&self, _: &str) -> Option<LentOptions> {
        None
    }

    fn awaits_channel(&self, question: &ChannelQuestion) -> bool {
        question.request.channel() != "private-withdrawn"
    }

    fn awaits_user(&self, _: Generation, _: u64) -> bool {
        true
    }

    fn answered(&self, answer: Answer) {
        let _ = self.answers.send(answer);
    }
}

struct Asking {
    plan: Arc<Plan>,
    pool: AuthPool,
    desk: Arc<Desk>,
    answers: Receiver<Answer>,
}

impl Asking {
    fn new(config: Config) -> Self {
        let plan = Arc::new(config.plan().expect("a good configuration"));
        let (sender, answers) = unbounded();
        let pool = AuthPool::with_retry(&Arc::<tls::Connector>::default(), Duration::from_millis(1));
        Self { plan, pool, desk: Arc::new(Desk { answers: sender }), answers }
    }

    fn ask(&self, question: Question) {
        for answer in self.pool.ask(&self.plan, &self.desk, question) {
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
    Generation::default()
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

#[test]
fn a3_what_nobody_wants_any_more_is_not_asked() {
    let endpoint = Endpoint::saying(GOOD);
    let asking = Asking::new(at(&endpoint));
    asking.ask_for(&["private-withdrawn", "private-a"]);
    assert_eq!(asking.next_channel().0, "private-a");
    assert!(endpoint.next().contains("private-a"));
    asking.join();
    assert!(asking.answers.is_empty());
}

#[test]
fn a1_a_form_and_its_headers_are_exact() {
    let endpoint = Endpoint::saying(GOOD);
    let count = AtomicUsize::new(0);
    let asking = Asking::new(
        at(&endpoint)
            .auth_header("X-Static", "a")
            .auth_headers_with(move || vec![("X-Fresh".into(), count.fetch_add(1, Ordering::SeqCst).to_string())])
            .auth_param("token", "a&b ż"),
    );
    assert_eq!(asking.channel("private-a=1").expect("good").signature(), "k:s");
    let request = endpoint.next();
    assert!(request.starts_with("POST /auth HTTP/1.1\n"), "{request}");
    assert!(request.ends_with("\n\nsocket_id=1.2&channel_name=private-a%3D1&token=a%26b%20%C5%BC"), "{request}");
    for header in ["content-type: application/x-www-form-urlencoded\n", "x-static: a\n", "x-fresh: 0\n"] {
        assert!(request.to_ascii_lowercase().contains(header), "{request}");
    }
    asking.channel("private-b").expect("good");
    assert!(endpoint.next().to_ascii_lowercase().contains("x-fresh: 1\n"), "evaluated for every request");
}

#[test]
fn a1_json_and_a_sign_in_without_a_channel() {
    let endpoint = Endpoint::saying(GOOD);
    let asking = Asking::new(at(&endpoint).auth_json(true).auth_param("p", "\""));
    asking.channel("private-a").expect("good");
    let request = endpoint.next();
    assert!(
        request.ends_with("\n\n{\"channel_name\":\"private-a\",\"p\":\"\\\"\",\"socket_id\":\"1.2\"}"),
        "{request}"
    );
    assert!(request.to_ascii_lowercase().contains("content-type: application/json\n"), "{request}");

    let body = r#"{"auth":"k:s","user_data":"{\"id\":\"7\"}"}"#;
    let length = body.len();
    let endpoint = Endpoint::saying(format!("HTTP/1.1 201 Created\r\nContent-Length: {length}\r\n\r\n{body}"));
    let asking = Asking::new(at(&endpoint));
    assert_eq!(asking.user().expect("any 2xx").data(), r#"{"id":"7"}"#);
    assert!(endpoint.next().ends_with("\n\nsocket_id=1.2"));
}

#[test]
fn a1_a_redirect_is_a_refusal_and_no_credential_is_sent_on() {
    let elsewhere = Endpoint::saying(GOOD);
    for code in [301, 302, 307, 308] {
        let head = format!("HTTP/1.1 {code} Elsewhere\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url);
        let endpoint = Endpoint::saying(head);
        let asking = Asking::new(at(&endpoint).auth_header("Authorization", "canary"));
        let error = asking.channel("private-a").map(drop).expect_err("refused");
        assert!(matches!(error, Error::AuthRefused { status: Some(status), .. } if status == code), "{error:?}");
        assert!(endpoint.next().contains("canary"));
    }
    assert!(elsewhere.requests.is_empty());
}

#[test]
fn a4_what_may_pass_is_asked_four_times_and_a_refusal_once() {
    for code in [408, 429, 500, 503] {
        let endpoint = Endpoint::saying(status(&code.to_string()));
        let asking = Asking::new(at(&endpoint));
        let error = asking.channel("private-a").map(drop).expect_err("refused");
        assert!(
            matches!(&error, Error::AuthRefused { status: Some(s), message, .. } if *s == code && message == "body"),
            "{error:?}"
        );
        assert_eq!((endpoint.requests.len(), asking.pool.retries()), (4, 3), "{code}");
    }
    for code in [400, 401, 403, 404] {
        let endpoint = Endpoint::saying(status(&code.to_string()));
        let asking = Asking::new(at(&endpoint));
        assert!(asking.channel("private-a").is_err());
        assert_eq!((endpoint.requests.len(), asking.pool.retries()), (1, 0), "{code}");
    }
}

#[test]
fn a4_a_success_after_failures_is_a_success_and_retry_after_is_honoured() {
    let endpoint = Endpoint::new(|number, stream| {
        let response = match number {
            0 => String::new(),
            1 => "HTTP/1.1 429 Later\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n".to_owned(),
            _ => GOOD.to_owned(),
        };
        let _ = stream.write_all(response.as_bytes());
        if response.is_empty() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    });
    let asking = Asking::new(at(&endpoint));
    let start = Instant::now();
    asking.channel("private-a").expect("the third time");
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(endpoint.requests.len(), 3);
}

#[test]
fn a4_nobody_there_is_a_network_error() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    drop(listener);
    let asking = Asking::new(config().auth_endpoint(url));
    let error = asking.channel("private-a").map(drop).expect_err("nobody listens");
    assert!(matches!(error, Error::AuthNetwork { .. }), "{error:?}");
    assert_eq!(asking.pool.retries(), 3);
}

#[test]
fn a5_garbage_is_malformed_and_final() {
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n{}", " ".repeat(2_000_000));
    let html = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>";
    let empty = "HTTP/1.1 204 No Content\r\n\r\n";
    for response in ["junk\r\n\r\n", html, empty, &*large] {
        let endpoint = Endpoint::saying(response);
        let asking = Asking::new(at(&endpoint));
        let error = asking.channel("private-a").map(drop).expect_err("malformed");
        assert!(matches!(error, Error::AuthMalformed { .. }), "{error:?}");
        assert_eq!(asking.pool.retries(), 0);
    }
}

#[test]
fn a1_the_deadline_is_absolute_also_for_one_that_drips() {
    let endpoint = Endpoint::new(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    });
    let asking = Asking::new(at(&endpoint).auth_timeout(Duration::from_millis(100)));
    let error = asking.channel("private-a").map(drop).expect_err("too slow");
    assert!(matches!(error, Error::AuthTimeout { after, .. } if after == Duration::from_millis(100)), "{error:?}");
    assert_eq!(endpoint.requests.len(), 4);
}

#[test]
fn h6_the_end_interrupts_what_hangs_and_drops_what_waits() {
    let (hold, held) = unbounded::<()>();
    let endpoint = Endpoint::new(move |_, _| held.recv().unwrap_or_default());
    let asking = Asking::new(at(&endpoint));
    let channels: Vec<_> = (0..20).map(|n| format!("private-{n}")).collect();
    asking.ask_for(&channels.iter().map(String::as_str).collect::<Vec<_>>());
    for _ in 0..8 {
        endpoint.next();
    }
    assert!(endpoint.requests.is_empty(), "no more than 8 at a time");
    let start = Instant::now();
    asking.pool.end(generation());
    asking.pool.join_until(start + Duration::from_millis(200));
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    assert_eq!(asking.pool.threads(), 0);
    asking.ask_for(&["private-late"]);
    assert_eq!(asking.pool.threads(), 0, "that generation is over");
    drop(hold);
}

#[test]
fn h8_no_thread_is_left_when_everything_is_answered() {
    let endpoint = Endpoint::saying(GOOD);
    let asking = Asking::new(at(&endpoint));
    for round in 0..5 {
        let channels: Vec<_> = (0..30).map(|n| format!("private-{round}-{n}")).collect();
        asking.ask_for(&channels.iter().map(String::as_str).collect::<Vec<_>>());
        let mut answered: Vec<_> = channels.iter().map(|_| asking.next_channel().0).collect();
        answered.sort_unstable();
        let mut expected = channels;
        expected.sort_unstable();
        assert_eq!(answered, expected, "each once");
    }
    let deadline = Instant::now() + PATIENCE;
    while asking.pool.threads() > 0 {
        assert!(Instant::now() < deadline, "idle threads stay");
        thread::yield_now();
    }
}

#[test]
fn a4_a_job_that_waits_for_its_retry_takes_no_place() {
    let endpoint = Endpoint::new(|_, stream| {
        let later = "HTTP/1.1 503 Later\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n";
        let _ = stream.write_all(later.as_bytes());
    });
    let asking = Asking::new(at(&endpoint));
    let channels: Vec<_> = (0..20).map(|n| format!("private-{n}")).collect();
    asking.ask_for(&channels.iter().map(String::as_str).collect::<Vec<_>>());
    (0..20).for_each(|_| drop(endpoint.next()));
    let deadline = Instant::now() + PATIENCE;
    while asking.pool.threads() > 1 {
        assert!(Instant::now() < deadline, "only one thread waits");
        thread::yield_now();
    }
    let start = Instant::now();
    asking.join();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(asking.answers.is_empty());
}

#[test]
fn a4_a_refusal_is_the_answer_where_the_next_request_would_come_too_late() {
    for (after, status) in [(30, 429), (60, 503), (3600, 500)] {
        let endpoint = Endpoint::new(move |_, stream| {
            let later = format!("HTTP/1.1 {status} Later\r\nRetry-After: {after}\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(later.as_bytes());
        });
        let asking = Asking::new(at(&endpoint));
        let answer = asking.channel("private-a");
        assert!(matches!(answer, Err(Error::AuthRefused { status: Some(found), .. }) if found == status), "{answer:?}");
    }
}

#[test]
fn a2_closures_come_before_endpoints_and_a_panic_is_a_refusal() {
    let asking =
        Asking::new(config().auth_endpoint("http://127.0.0.1:1/").authorizer(|request| match request.channel() {
            "private-good" => Ok(ChannelAuth::new(format!("k:{}", request.socket_id()))),
            "private-encrypted-a" => Ok(ChannelAuth::new("k:s").shared_secret("junk")),
            "private-panic" => panic!("canary"),
            _ => Err(AuthError::new("no").status(403)),
        }));
    assert_eq!(asking.channel("private-good").expect("good").signature(), "k:1.2");
    let error = |channel: &str| asking.channel(channel).map(drop).expect_err(channel);
    assert!(matches!(error("private-encrypted-a"), Error::AuthMalformed { .. }));
    assert!(matches!(error("private-b"), Error::AuthRefused { status: Some(403), message, .. } if message == "no"));
    let panicked = error("private-panic");
    assert!(matches!(&panicked, Error::AuthRefused { status: None, .. }) && !panicked.to_string().contains("canary"));
}

#[test]
fn a2_a_batch_is_one_call_and_only_what_failed_is_asked_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let asking = Asking::new(config().batch_authorizer(move |requests: &[AuthRequest]| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        let answer = |request: &AuthRequest| match request.channel() {
            "private-b" if first => Err(AuthError::new("busy").status(503)),
            channel => Ok(ChannelAuth::new(format!("k:{}{channel}", requests.len()))),
        };
        requests.iter().map(answer).take(2).collect()
    }));
    asking.ask_for(&["private-a", "private-b", "private-c"]);
    let mut answers: Vec<_> = (0..3).map(|_| asking.next_channel()).collect();
    answers.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(answers[0].1.as_ref().expect("good").signature(), "k:3private-a");
    assert_eq!(answers[1].1.as_ref().expect("good").signature(), "k:1private-b");
    assert!(matches!(answers[2].1, Err(Error::AuthMalformed { .. })), "it was forgotten");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn h6_a_closure_that_runs_is_not_waited_for() {
    let (entered, inside) = unbounded();
    let (leave, left) = unbounded::<()>();
    let asking = Asking::new(config().authorizer(move |_| {
        let _ = entered.send(());
        let _ = left.recv();
        Err(AuthError::new("late"))
    }));
    asking.ask_for(&["private-a"]);
    inside.recv_timeout(PATIENCE).expect("it was called");
    let start = Instant::now();
    asking.join();
    assert!(start.elapsed() < Duration::from_millis(200));
    drop(leave);
}

#[test]
fn a2_the_secret_signs_at_once_and_without_a_thread() {
    let user = serde_json::json!({"id": "10", "user_info": {"name": "Bob"}, "watchlist": ["x"]});
    let master = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let asking = Asking::new(config().secret("7ad3773142a6692b25b8").user_data(user).encryption_master_key(master));
    let presence = asking.channel("presence-a").expect("signed");
    assert_eq!(presence.member(), Some(r#"{"user_id":"10","user_info":{"name":"Bob"}}"#));
    assert!(presence.signature().starts_with("278d425bdf160c739803:"));
    let encrypted = asking.channel("private-encrypted-room").expect("signed");
    assert_eq!(encrypted.key(), Some("L38rkfo40L+fzS0K+KbYNXjQzEkJllc8+TgyPF0gM/4="));
    assert!(asking.user().expect("signed").data().contains(r#""watchlist":["x"]"#));
    assert_eq!(asking.pool.threads(), 0);

    let bare = Asking::new(config().secret("s"));
    for channel in ["presence-a", "private-encrypted-a"] {
        assert!(matches!(bare.channel(channel), Err(Error::AuthRefused { .. })), "{channel}");
    }
    assert!(bare.user().is_err());
    assert!(matches!(Asking::new(config()).channel("private-a"), Err(Error::NoAuthorizer { .. })));
}

/// The number that a session gives to its first attempt.
fn later_generation() -> Generation {
    let mut session = Session::new(config().settings(), 0);
    let now = Instant::now();
    session.handle(Input::ConnectForGood(Intent::new(0, "").stamp(), CallId::default()), now);
    match session.poll_output(now, &|_| true) {
        Some(Output::Effect(Effect::Dial { generation, .. })) => generation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn r10_a_later_connection_is_authorised_again() {
    let endpoint = Endpoint::saying(GOOD);
    let asking = Asking::new(at(&endpoint));
    asking.channel("private-a").expect("good");
    asking.join();
    let again = ChannelQuestion { generation: later_generation(), ..question(2, "private-a") };
    asking.ask(Question::Channels(vec![again]));
    asking.next_channel().1.expect("with new connections");
    assert_eq!(endpoint.requests.len(), 2);
}

/// A full backlog leaves further connections without an answer, and the kernel says that they wait for one.
#[cfg(target_os = "linux")]
#[test]
fn h6_a_connect_that_hangs_is_interrupted() {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let address: std::net::SocketAddr = "127.0.0.1:0".parse().expect("an address");
    socket.bind(&address.into()).expect("a free port");
    socket.listen(0).expect("a listener");
    let address = socket.local_addr().expect("bound").as_socket().expect("an IPv4 address");
    let _taken = TcpStream::connect(address).expect("the only place");
    let asking = Asking::new(config().auth_endpoint(format!("http://{address}/")));
    asking.ask_for(&["private-a"]);
    let deadline = Instant::now() + PATIENCE;
    let waits = format!(":{:04X} 02 ", address.port());
    while !std::fs::read_to_string("/proc/net/tcp").expect("Linux").contains(&waits) {
        assert!(Instant::now() < deadline, "nobody connects");
        thread::yield_now();
    }
    let start = Instant::now();
    asking.join();
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
}

#[cfg(feature = "native-tls")]
mod over_tls {
    use std::{fs, path::PathBuf, process::Command};

    use native_tls::{Identity, TlsAcceptor};

    use super::*;

    /// A certificate for `localhost` that vouches for itself, its key, and the folder that they are removed with.
    struct SelfSigned(PathBuf);

    impl SelfSigned {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("pusher-channels-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).expect("a writable folder");
            let made = Self(folder);
            let output = Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
                .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
                .arg("-keyout")
                .arg(made.0.join("key.pem"))
                .arg("-out")
                .arg(made.0.join("certificate.pem"))
                .output()
                .expect("openssl is installed");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            made
        }

        fn read(&self, name: &str) -> Vec<u8> {
            fs::read(self.0.join(name)).expect("openssl wrote it")
        }
    }

    impl Drop for SelfSigned {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Answers every TLS connection that is made. Returns the URL.
    fn endpoint(certificate: &SelfSigned) -> String {
        let identity = Identity::from_pkcs8(&certificate.read("certificate.pem"), &certificate.read("key.pem"));
        let acceptor = TlsAcceptor::new(identity.expect("what openssl wrote")).expect("a good identity");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Ok(mut tls) = acceptor.accept(stream) else { continue };
                let mut request = [0; 4096];
                let _ = tls.read(&mut request);
                let _ = tls.write_all(GOOD.as_bytes());
                let _ = tls.shutdown();
            }
        });
        format!("https://localhost:{port}/auth")
    }

    #[test]
    fn c8_https_is_verified_by_the_users_root_and_nothing_is_sent_without_it() {
        let certificate = SelfSigned::new("auth");
        let url = endpoint(&certificate);
        let trusting = config().auth_endpoint(&*url).root_certificate_pem(certificate.read("certificate.pem"));
        assert_eq!(Asking::new(trusting).channel("private-a").expect("trusted").signature(), "k:s");

        let error = Asking::new(config().auth_endpoint(url)).channel("private-a").map(drop).expect_err("unknown");
        assert!(matches!(error, Error::AuthNetwork { .. }), "{error:?}");
        assert!(error.to_string().contains("tls: handshake with localhost failed"), "{error}");
    }

    #[test]
    fn h6_a_handshake_that_hangs_is_interrupted_and_has_a_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("https://localhost:{}/", listener.local_addr().expect("bound").port());
        let hasty = config().auth_endpoint(&*url).auth_timeout(Duration::from_millis(50));
        let error = Asking::new(hasty).channel("private-a").map(drop).expect_err("nobody answers");
        assert!(matches!(error, Error::AuthTimeout { .. }), "{error:?}");

        // Four sockets of the requests before wait to be accepted, too.
        let asking = Asking::new(config().auth_endpoint(url));
        asking.ask_for(&["private-a"]);
        let mut connections = listener.incoming().flatten();
        for mut connection in connections.by_ref().take(5) {
            let _ = connection.read(&mut [0; 1]);
        }
        let start = Instant::now();
        asking.join();
        assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    }
}
