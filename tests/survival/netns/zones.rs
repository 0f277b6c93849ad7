//! Rule C1 on a real link: addresses that are valid only together with an interface.

use pusher_channels::{Config, Error, Pusher, Reconnect, testing::TestServer};

use super::network::{Network, at_server};
use crate::{
    relay::{Answers, Relay},
    support::PATIENCE,
};

/// The address of the server, whose interface is named `cable` as well.
const SERVER: &str = "fe80::77:1%cable";

#[test]
fn c1_an_address_with_a_zone_connects_through_its_interface() {
    let network = Network::set_up();
    let output = network.run_in_client("netns::zones::inside_the_client_namespace");
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output_text.contains("1 passed"), "{output_text}");
}

#[test]
#[ignore = "run by c1_an_address_with_a_zone_connects_through_its_interface in the client's namespace"]
fn inside_the_client_namespace() {
    let (server, relay) = at_server(|| {
        let server = TestServer::start().expect("a free port");
        let relay = Relay::start(SERVER, server.addr(), Answers::All);
        (server, relay)
    });
    let port = relay.port();
    let at = |url: &str| url.replace("{}", &port.to_string());
    let by_host = |host: &str| Config::host("app-key", host).port(port).tls(false);
    let rows = [
        (by_host(SERVER), "http://[fe80::77:1%25cable]:{}/pusher/auth"),
        (by_host("[fe80::77:1%cable]"), "http://[fe80::77:1%cable]:{}/pusher/auth"),
        (by_host("FE80::77:1%cable"), "http://[FE80::77:1%25cable]:{}/pusher/auth"),
        (Config::url(at("ws://[fe80::77:1%25cable]:{}/app/app-key")), "http://[fe80::77:1%25cable]:{}/pusher/auth"),
        (Config::url(at("ws://[fe80::77:1%cable]:{}/app/app-key")), "http://[fe80::77:1%25cable]:{}/pusher/auth"),
    ];
    for (config, endpoint) in rows {
        let config = config.auth_endpoint(at(endpoint)).allow_insecure_auth();
        let pusher = Pusher::new(config).connect().unwrap_or_else(|error| panic!("{endpoint}: {error}"));
        let channel = pusher.subscribe("private-room").expect("a valid name");
        channel.wait_subscribed(PATIENCE).unwrap_or_else(|error| panic!("{endpoint}: {error}"));
    }
    let upgrades = server.requests().into_iter().map(|request| request.headers);
    let requests = server.auth_requests().into_iter().map(|request| request.headers);
    for headers in upgrades.chain(requests) {
        let host =
            headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host")).map(|(_, value)| value.to_lowercase());
        assert_eq!(host, Some(at("[fe80::77:1]:{}")), "the zone has a meaning on this machine only");
    }
    for zone in ["nope", "lo", "4294967295"] {
        let config = by_host(&format!("fe80::77:1%{zone}")).reconnect(Reconnect::never());
        let error = Pusher::new(config).connect().expect_err("a wrong or an unknown interface");
        assert!(matches!(error, Error::Dns { .. } | Error::Tcp { .. }), "{zone}: {error}");
        assert!(error.to_string().contains(&format!("fe80::77:1%{zone}")), "{error}");
    }
}
