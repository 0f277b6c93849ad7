//! Connections to auth endpoints that are kept for another request.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    thread,
};

use pusher_channels::{Error, Notification, Pusher};

use super::{
    certificates::{Authority, GOOD},
    support::{next, server},
    terminator::terminate_tls,
};

/// The number of bytes that the client reads at once.
const CHUNK: usize = 4096;

/// Answers the first request of each connection, and at the same time sends an answer to a request that nobody made.
fn answer_twice() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut answer = Some(answers());
                // Each request has one empty line. Later requests get no answer.
                for line in BufReader::new(&client).lines().map_while(Result::ok) {
                    if line.is_empty() {
                        let _ = (&client).write_all(answer.take().unwrap_or_default().as_bytes());
                    }
                }
            });
        }
    });
    addr
}

/// Two answers. The first fills a read to its last byte, so that the client sees nothing of the second with it.
fn answers() -> String {
    let head = |padding: usize| {
        format!("HTTP/1.1 403 Forbidden\r\nX: {}\r\nContent-Length: 5\r\n\r\nfirst", "x".repeat(padding))
    };
    let first = head(CHUNK - head(0).len());
    assert_eq!(first.len(), CHUNK);
    first + "HTTP/1.1 418 Teapot\r\nContent-Length: 6\r\n\r\nsecond"
}

#[test]
fn a1_an_answer_without_a_request_does_not_answer_another_request() {
    let (authority, server) = (Authority::new(), server());
    let endpoint = terminate_tls(&authority.make(&GOOD), answer_twice());
    let url = format!("https://localhost:{}/auth", endpoint.port());
    let pusher = Pusher::new(server.config().auth_endpoint(url).root_certificate_pem(authority.root()));
    let receiver = pusher.receiver();
    pusher.connect().expect("accepted");
    for n in 0..12 {
        pusher.subscribe(&format!("private-{n}")).expect("a valid name");
    }
    for _ in 0..12 {
        let error = next(&receiver, |notification| match notification {
            Notification::SubscriptionError(error) => Some(error.error),
            _ => None,
        });
        assert!(matches!(error, Error::AuthRefused { status: Some(403), .. }), "{error}");
    }
}
