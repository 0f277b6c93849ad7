//! What proxies are asked to connect to, and that nothing is reached without them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

use pusher_channels::{Error, ProxyProblem, Pusher};

use super::{
    conversation::Target,
    destination::{Destination, NAME},
    proxy::{Proxy, Script, Service},
    rows::by,
    support::PATIENCE,
};

const LOOPBACK_V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LOOPBACK_V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// The scheme of the proxy, the host that is configured, and what the proxy is to hear.
type Row = (&'static str, &'static str, fn(u16) -> Target);

const ROWS: &[Row] = &[
    ("http", NAME, |port| Target::Http(format!("{NAME}:{port}"))),
    ("http", "127.0.0.1", |port| Target::Http(format!("127.0.0.1:{port}"))),
    ("http", "::1", |port| Target::Http(format!("[::1]:{port}"))),
    // A final dot is left to the proxy. A zone has a meaning on this machine only.
    ("http", "pusher.test.", |port| Target::Http(format!("pusher.test.:{port}"))),
    ("http", "PUSHER.test.", |port| Target::Http(format!("PUSHER.test.:{port}"))),
    ("http", "::1%lo", |port| Target::Http(format!("[::1]:{port}"))),
    ("socks5", "pusher.test.", |port| Target::SocksName("pusher.test.".to_owned(), port)),
    ("socks5", "::1%lo", |port| Target::SocksAddress(LOOPBACK_V6, port)),
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    ("https", NAME, |port| Target::Http(format!("{NAME}:{port}"))),
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    ("https", "::1%lo", |port| Target::Http(format!("[::1]:{port}"))),
    // A name that this machine knows as well, and the proxy is to resolve.
    ("http", "localhost", |port| Target::Http(format!("localhost:{port}"))),
    ("socks5", "localhost", |port| Target::SocksName("localhost".to_owned(), port)),
    ("socks5h", NAME, |port| Target::SocksName(NAME.to_owned(), port)),
    ("socks5", "127.0.0.1", |port| Target::SocksAddress(LOOPBACK_V4, port)),
    ("socks5", "::1", |port| Target::SocksAddress(LOOPBACK_V6, port)),
];

#[test]
fn c7_the_proxy_resolves_names_and_gets_addresses_as_such() {
    for (scheme, host, target) in ROWS {
        for tls in Destination::SCHEMES.iter().filter(|tls| !**tls || *host != "localhost") {
            let destination = Destination::start(if host.starts_with("::1") { "::1" } else { "127.0.0.1" });
            let proxy = Proxy::start(Script::Serve(Service::OPEN), Script::Serve(Service::OPEN));
            let config = by(scheme, "", host, &proxy, &destination, *tls);
            let pusher = Pusher::new(config).connect().unwrap_or_else(|error| panic!("{scheme}, {host}: {error}"));
            let channel = pusher.subscribe("private-room").expect("a valid name");
            channel.wait_subscribed(PATIENCE).unwrap_or_else(|error| panic!("{scheme}, {host}: {error}"));
            let asked = target(destination.port(*tls));
            assert_eq!(proxy.targets(), [asked.clone(), asked], "{scheme}: one for the socket, one for the request");
            destination.assert_reached_only_by(&[proxy]);
        }
    }
}

#[test]
fn c7_every_reconnect_goes_through_the_proxy() {
    let destination = Destination::start("127.0.0.1");
    let proxy = Proxy::start(Script::Serve(Service::OPEN), Script::Serve(Service::OPEN));
    let config = destination.config(NAME, false).proxy(format!("http://{}", proxy.addr()));
    let pusher = Pusher::new(config).connect().expect("the proxy serves");
    for _ in 0..5 {
        pusher.disconnect();
        pusher.connect().expect("the proxy serves");
    }
    assert_eq!(proxy.targets().len(), 6);
    destination.assert_reached_only_by(&[proxy]);
}

/// Whether it says that the proxy at this address is not there.
fn is_absent(error: &Error, proxy: &str) -> bool {
    let absent = |address: &str| address == proxy && error.is_retryable() && error.to_string().contains(proxy);
    matches!(error, Error::Proxy { address, problem: ProxyProblem::Absent, source: Some(_), .. } if absent(address))
}

#[test]
fn c7_a_proxy_that_is_not_there_is_an_error_and_not_a_reason_to_do_without() {
    let destination = Destination::start("127.0.0.1");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let nobody = listener.local_addr().expect("bound");
    drop(listener);
    for scheme in ["http", "socks5"] {
        // The destination itself could be reached.
        let config = |proxy: &str| destination.config("127.0.0.1", false).proxy(format!("{scheme}://{proxy}"));
        let error = Pusher::new(config(&nobody.to_string())).connect().expect_err("nobody listens");
        assert!(is_absent(&error, &nobody.to_string()), "{error:?}");
        let error = Pusher::new(config("user:canary@proxy.invalid:1")).connect().expect_err("no such name");
        assert!(is_absent(&error, "proxy.invalid:1"), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
    destination.assert_reached_only_by(&[]);
}
