//! Rule R10 with a proxy that stops answering: `disconnect` does not wait for it.

use std::time::{Duration, Instant};

use pusher_channels::{ConnectionState, Pusher};

use super::{
    destination::{Destination, NAME},
    proxy::{Proxy, Script, Service, Then},
    rows::by,
    support::eventually,
};

/// The scheme of a proxy, and its answers before it becomes silent.
const ROWS: &[(&str, &[&[u8]])] = &[
    ("http", &[]),
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    ("https", &[]),
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    ("https", &[b"HTTP/1.1 200 OK\r\nVia: "]),
    ("http", &[b"HTTP/1.1 200 OK\r\nVia: "]),
    ("socks5", &[]),
    ("socks5", &[&[5, 0]]),
    ("socks5", &[&[5, 0], &[5, 0, 0, 3, 200]]),
];

fn ends_in_time(pusher: &Pusher, case: &str) {
    let start = Instant::now();
    pusher.disconnect();
    assert!(start.elapsed() <= Duration::from_millis(250), "{case}: {:?}", start.elapsed());
    assert_eq!(pusher.state(), ConnectionState::Disconnected, "{case}");
}

#[test]
fn r10_disconnect_ends_a_connection_that_waits_for_its_proxy() {
    let destination = Destination::start("127.0.0.1");
    for (scheme, answers) in ROWS {
        let silent = Script::Answer(answers, Then::Stay);
        let proxy = Proxy::start(silent, silent);
        let pusher = Pusher::new(by(scheme, "", NAME, &proxy, &destination, false));
        pusher.connect_background().expect("started");
        eventually("the proxy has sent all answers", || proxy.answered() == answers.len() && proxy.connections() == 1);
        ends_in_time(&pusher, scheme);
        eventually("the proxy sees the end", || proxy.ended() == 1);
    }
    destination.assert_reached_only_by(&[]);
}

#[test]
fn r10_disconnect_ends_an_auth_request_that_waits_for_its_proxy() {
    let destination = Destination::start("127.0.0.1");
    for (scheme, answers) in ROWS {
        let proxy = Proxy::start(Script::Serve(Service::OPEN), Script::Answer(answers, Then::Stay));
        let pusher =
            Pusher::new(by(scheme, "", NAME, &proxy, &destination, false)).connect().expect("the proxy opens a tunnel");
        pusher.subscribe("private-room").expect("a valid name");
        eventually("the proxy has sent all answers", || proxy.answered() == answers.len() && proxy.connections() == 2);
        ends_in_time(&pusher, scheme);
        eventually("the proxy sees the end", || proxy.ended() == 2);
    }
}
