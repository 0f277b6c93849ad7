//! A client over connections that a dialer of the program has made.

use std::{
    error::Error as _,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use pusher_channels::{ByteStream, Config, ConnectPhase, ConnectionState, Error, Pusher, Reconnect};

use super::{
    pipe::Pipe,
    support::{PATIENCE, next_state, server, subscribed, works_like_a_socket},
    ways::Way,
};

#[test]
fn c11_a_connection_of_the_program_is_as_good_as_a_socket() {
    for way in Way::ALL {
        let server = server();
        works_like_a_socket(&server, way.config(server.addr()));
    }
}

#[cfg(all(feature = "native-tls", target_os = "linux"))]
#[test]
fn c11_tls_works_over_a_dialer_and_is_verified() {
    use super::{
        certificates::{Authority, Certificate, GOOD},
        terminator::terminate_tls,
    };
    let authority = Authority::new();
    let files = authority.make(&Certificate { names: "DNS:nowhere.invalid", ..GOOD });
    for way in Way::ALL {
        let server = server();
        let config = way.config(terminate_tls(&files, server.addr())).tls(true);
        let error = Pusher::new(config.clone()).connect().expect_err("the root is not trusted");
        assert!(matches!(error, Error::Tls { problem: pusher_channels::TlsProblem::UnknownIssuer, .. }), "{error:?}");
        assert_eq!(server.attempts(), 0, "nothing was sent in plain text");
        works_like_a_socket(&server, config.root_certificate_pem(authority.root()));
    }
}

#[test]
fn c11_a_dialer_gets_host_port_and_time_and_is_called_for_each_attempt() {
    let server = server();
    let (report, requests) = mpsc::channel();
    let config = Config::host("app-key", "nowhere.invalid").port(7).tls(false).dialer(move |request| {
        report.send((request.host().to_owned(), request.port(), request.time_left())).unwrap_or_default();
        std::net::TcpStream::connect(server.addr()).map(ByteStream::tcp)
    });
    let pusher = Pusher::new(config.connect_timeout(Duration::from_secs(60)));
    for _ in 0..3 {
        pusher.connect().expect("the dialer connects");
        let (host, port, time_left) = requests.try_recv().expect("the dialer was called");
        assert_eq!((host.as_str(), port), ("nowhere.invalid", 7));
        assert!(time_left <= Duration::from_secs(60) && time_left > Duration::from_secs(30), "{time_left:?}");
        pusher.disconnect();
    }
    assert!(requests.try_recv().is_err(), "the dialer was called once for each connection");
}

#[test]
fn c11_reconnecting_calls_the_dialer_again_after_an_error_and_after_a_panic() {
    let server = server();
    let (calls, addr) = (Arc::new(AtomicUsize::new(0)), server.addr());
    let count = Arc::clone(&calls);
    let config = Config::host("app-key", "nowhere.invalid").tls(false).dialer(move |_| {
        match count.fetch_add(1, Ordering::SeqCst) {
            1 => Err(io::Error::other("no tunnel")),
            2 => panic!("on purpose"),
            _ => Way::Pipe.dial(addr),
        }
    });
    let policy = Reconnect::default().max_delay(Duration::from_millis(20));
    let pusher = Pusher::new(config.reconnect(policy));
    let receiver = pusher.receiver();
    pusher.connect().expect("the first call connects");
    server.drop_all();
    let mut causes = Vec::new();
    while causes.len() < 3 {
        causes.push(next_state(&receiver, ConnectionState::Reconnecting).cause.expect("a cause").to_string());
    }
    next_state(&receiver, ConnectionState::Connected);
    assert_eq!((&*causes[1], &*causes[2]), ("dialer: no tunnel", "dialer: it panicked"));
    assert_eq!(calls.load(Ordering::SeqCst), 4);
}

#[test]
fn c11_the_socket_of_a_dialer_may_be_non_blocking() {
    let server = server();
    let addr = server.addr();
    let pusher = Pusher::new(Config::host("app-key", "nowhere.invalid").tls(false).dialer(move |_| {
        let stream = std::net::TcpStream::connect(addr)?;
        stream.set_nonblocking(true)?;
        stream.set_read_timeout(Some(Duration::from_millis(1)))?;
        Ok::<_, io::Error>(ByteStream::tcp(stream))
    }));
    subscribed(&pusher.connect().expect("the dialer connects"), "room");
    assert_eq!(server.accepted(), 1, "there was only one connection");
}

#[test]
fn c11_an_error_of_the_dialer_is_reported_with_its_source() {
    let config = Config::host("app-key", "nowhere.invalid").tls(false);
    let config = config.dialer(|_| Err::<ByteStream, _>(io::Error::from(io::ErrorKind::HostUnreachable)));
    let error = Pusher::new(config).connect().expect_err("no stream");
    assert!(matches!(error, Error::Dialer { .. }), "{error:?}");
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>()).expect("the error of the dialer");
    assert_eq!(source.kind(), io::ErrorKind::HostUnreachable);
    assert!(error.is_retryable());
}

#[test]
fn c6_a_refusal_without_an_end_is_read_in_time_over_a_stream_without_deadlines() {
    let pipe = Pipe::default();
    let (_from, mut to) = pipe.server_end();
    // Neither a length nor the end of the stream marks the end of the body.
    to.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\nbusy").expect("open");
    let error = Pusher::new(pipe.config().connect_timeout(PATIENCE)).connect().expect_err("refused");
    assert!(matches!(&error, Error::UpgradeStatus { status: 503, body } if body == "busy"), "{error:?}");
}

#[test]
fn c3_the_deadline_holds_over_a_stream_without_deadlines() {
    type Case = (&'static str, bool, &'static [u8], ConnectPhase);
    let cases: &[Case] = &[
        ("no answer", false, b"", ConnectPhase::Upgrade),
        ("half an answer", false, b"HTTP/1.1 101 Switching", ConnectPhase::Upgrade),
        #[cfg(feature = "native-tls")]
        ("no handshake", true, b"", ConnectPhase::Tls),
    ];
    for (case, tls, answer, phase) in cases {
        let pipe = Pipe::default();
        let (mut from, mut to) = pipe.server_end();
        to.write_all(answer).expect("open");
        let config = pipe.config().tls(*tls).connect_timeout(Duration::from_millis(300));
        let start = Instant::now();
        let error = Pusher::new(config).connect().expect_err(case);
        assert!(matches!(error, Error::ConnectTimeout { phase: p, .. } if p == *phase), "{case}: {error}");
        assert!(start.elapsed() < PATIENCE / 2, "{case}: {:?}", start.elapsed());
        // The copy ends because the client shuts the pipe down.
        io::copy(&mut from, &mut io::sink()).expect("an end");
        assert!(pipe.shutdowns() > 0, "{case}");
    }
}
