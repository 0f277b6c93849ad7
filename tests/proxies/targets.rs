//! The targets that a client gives its proxy. No connection bypasses the proxy.

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

/// The scheme of the proxy, the configured host, and the expected target.
type Row = (&'static str, &'static str, fn(u16) -> Target);

const ROWS: &[Row] = &[
    ("http", NAME, |port| Target::Http(format!("{NAME}:{port}"))),
    ("http", "127.0.0.1", |port| Target::Http(format!("127.0.0.1:{port}"))),
    ("http", "::1", |port| Target::Http(format!("[::1]:{port}"))),
    // The proxy gets a final dot. A zone has a meaning only on this machine, so that the proxy does not get it.
    ("http", "pusher.test.", |port| Target::Http(format!("pusher.test.:{port}"))),
    ("http", "PUSHER.test.", |port| Target::Http(format!("PUSHER.test.:{port}"))),
    ("http", "::1%lo", |port| Target::Http(format!("[::1]:{port}"))),
    ("socks5", "pusher.test.", |port| Target::SocksName("pusher.test.".to_owned(), port)),
    ("socks5", "::1%lo", |port| Target::SocksAddress(LOOPBACK_V6, port)),
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    ("https", NAME, |port| Target::Http(format!("{NAME}:{port}"))),
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    ("https", "::1%lo", |port| Target::Http(format!("[::1]:{port}"))),
    // This machine knows this name, but the proxy resolves it.
    ("http", "localhost", |port| Target::Http(format!("localhost:{port}"))),
    ("socks5", "localhost", |port| Target::SocksName("localhost".to_owned(), port)),
    ("socks5h", NAME, |port| Target::SocksName(NAME.to_owned(), port)),
    ("socks5", "127.0.0.1", |port| Target::SocksAddress(LOOPBACK_V4, port)),
    ("socks5", "::1", |port| Target::SocksAddress(LOOPBACK_V6, port)),
];

#[test]
fn c7_the_proxy_resolves_names_and_gets_addresses_unchanged() {
    for (scheme, host, target) in ROWS {
        for tls in Destination::SCHEMES.iter().filter(|tls| !**tls || *host != "localhost") {
            let destination = Destination::start(if host.starts_with("::1") { "::1" } else { "127.0.0.1" });
            let proxy = Proxy::start(Script::Serve(Service::OPEN), Script::Serve(Service::OPEN));
            let config = by(scheme, "", host, &proxy, &destination, *tls);
            let pusher = Pusher::new(config).connect().unwrap_or_else(|error| panic!("{scheme}, {host}: {error}"));
            let channel = pusher.subscribe("private-room").expect("a valid name");
            channel.wait_subscribed(PATIENCE).unwrap_or_else(|error| panic!("{scheme}, {host}: {error}"));
            let expected = target(destination.port(*tls));
            assert_eq!(
                proxy.targets(),
                [expected.clone(), expected],
                "{scheme}: one for the socket, and one for the auth request"
            );
            destination.assert_reached_only_by(&[proxy]);
        }
    }
}

#[test]
fn c7_every_reconnect_goes_through_the_proxy() {
    let destination = Destination::start("127.0.0.1");
    let proxy = Proxy::start(Script::Serve(Service::OPEN), Script::Serve(Service::OPEN));
    let config = destination.config(NAME, false).proxy(format!("http://{}", proxy.addr()));
    let pusher = Pusher::new(config).connect().expect("the proxy opens a tunnel");
    for _ in 0..5 {
        pusher.disconnect();
        pusher.connect().expect("the proxy opens a tunnel");
    }
    assert_eq!(proxy.targets().len(), 6);
    destination.assert_reached_only_by(&[proxy]);
}

/// Whether the error says that there is no proxy at this address.
fn is_absent(error: &Error, proxy: &str) -> bool {
    let absent = |address: &str| address == proxy && error.is_retryable() && error.to_string().contains(proxy);
    matches!(error, Error::Proxy { address, problem: ProxyProblem::Absent, source: Some(_), .. } if absent(address))
}

#[test]
fn c7_an_absent_proxy_is_an_error_and_is_not_bypassed() {
    let destination = Destination::start("127.0.0.1");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let absent = listener.local_addr().expect("bound");
    drop(listener);
    for scheme in ["http", "socks5"] {
        // A direct connection to the destination would succeed.
        let config = |proxy: &str| destination.config("127.0.0.1", false).proxy(format!("{scheme}://{proxy}"));
        let error = Pusher::new(config(&absent.to_string())).connect().expect_err("there is no proxy");
        assert!(is_absent(&error, &absent.to_string()), "{error:?}");
        let error = Pusher::new(config("user:canary@proxy.invalid:1")).connect().expect_err("no such name");
        assert!(is_absent(&error, "proxy.invalid:1"), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
    destination.assert_reached_only_by(&[]);
}
