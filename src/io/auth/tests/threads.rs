//! The threads of the pool: which requests they take, and their end (A3, H6, H8).

use super::*;

#[test]
fn a3_a_request_that_was_withdrawn_is_not_made() {
    let endpoint = Endpoint::saying(GOOD);
    let asking = Asking::new(at(&endpoint));
    asking.ask_for(&["private-withdrawn", "private-a"]);
    assert_eq!(asking.next_channel().0, "private-a");
    assert!(endpoint.next().contains("private-a"));
    asking.join();
    assert!(asking.answers.is_empty());
}

#[test]
fn h6_the_end_interrupts_running_requests_and_drops_waiting_ones() {
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
fn r10_a_later_connection_is_authorised_again() {
    let endpoint = Endpoint::saying(GOOD);
    let asking = Asking::new(at(&endpoint));
    asking.channel("private-a").expect("good");
    asking.join();
    asking.ask(vec![PendingAuth { generation: Generation(1), ..request(2, "private-a") }]);
    asking.next_channel().1.expect("with new connections");
    assert_eq!(endpoint.requests.len(), 2);
}

/// A full backlog leaves further connections without an answer. The kernel lists them as waiting.
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
        assert!(Instant::now() < deadline, "no connection is tried");
        thread::yield_now();
    }
    let start = Instant::now();
    asking.join();
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
}
