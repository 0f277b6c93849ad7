//! The variables of the environment, which are read only when that is asked for. Each row has a process of its own, because
//! the environment is everybody's.

use std::{
    env,
    process::{Command, Output},
};

use pusher_channels::Pusher;

use super::{
    destination::{Destination, NAME},
    proxy::{Proxy, Script, Service},
    support::PATIENCE,
};

struct Row {
    /// The variables that are set. `{}` stands for the address of the proxy.
    variables: &'static [(&'static str, &'static str)],
    host: &'static str,
    tls: bool,
    asks: bool,
    way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    ByProxy,
    Direct,
    /// It is refused with this option, and nothing is reached.
    Refused(&'static str),
}
use Way::{ByProxy, Direct, Refused};

const fn plain(variables: &'static [(&'static str, &'static str)], host: &'static str, way: Way) -> Row {
    Row { variables, host, tls: false, asks: true, way }
}

#[cfg(all(feature = "native-tls", target_os = "linux"))]
const fn secure(variables: &'static [(&'static str, &'static str)], way: Way) -> Row {
    Row { variables, host: "127.0.0.1", tls: true, asks: true, way }
}

const HERE: &str = "127.0.0.1";

const ROWS: &[Row] = &[
    plain(&[("http_proxy", "http://{}")], NAME, ByProxy),
    plain(&[("http_proxy", "{}")], HERE, ByProxy),
    plain(&[("all_proxy", "socks5://{}")], NAME, ByProxy),
    plain(&[("ALL_PROXY", "socks5h://{}")], NAME, ByProxy),
    plain(&[("http_proxy", "http://{}"), ("all_proxy", "http://proxy.invalid")], NAME, ByProxy),
    // Web servers set this one to what a client says.
    plain(&[("HTTP_PROXY", "http://proxy.invalid")], HERE, Direct),
    plain(&[("http_proxy", "http://proxy.invalid"), ("REQUEST_METHOD", "GET")], HERE, Direct),
    plain(&[("https_proxy", "http://proxy.invalid")], HERE, Direct),
    plain(&[("http_proxy", "")], HERE, Direct),
    plain(&[("http_proxy", "http://proxy.invalid"), ("no_proxy", "example.com, 127.0.0.1")], HERE, Direct),
    plain(&[("http_proxy", "http://proxy.invalid"), ("NO_PROXY", "*")], HERE, Direct),
    plain(&[("http_proxy", "http://{}"), ("no_proxy", "127.0.0.1")], NAME, ByProxy),
    plain(&[("http_proxy", "ftp://user:canary@{}")], HERE, Refused("proxy")),
    Row { asks: false, ..plain(&[("http_proxy", "http://proxy.invalid"), ("all_proxy", "x")], HERE, Direct) },
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    secure(&[("https_proxy", "http://{}")], ByProxy),
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    secure(&[("HTTPS_PROXY", "http://{}")], ByProxy),
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    secure(&[("http_proxy", "http://proxy.invalid")], Direct),
];

#[test]
fn c7_the_environment_names_the_proxy_for_who_asks_and_for_nobody_else() {
    for row in ROWS {
        let destination = Destination::start("127.0.0.1");
        let proxy = Proxy::start(Script::Serve(Service::OPEN), Script::Serve(Service::OPEN));
        let output = run(row, &destination, &proxy);
        let said = String::from_utf8_lossy(&output.stdout);
        let case = format!("{:?}: {said}", row.variables);
        assert!(!said.contains("canary"), "{case}");
        let (asked, reached) = (proxy.targets().len(), destination.peers().len());
        let refused = |option: &str| said.contains(&format!("config: {option}: "));
        match row.way {
            ByProxy => assert!(output.status.success() && (asked, reached) == (2, 2), "{case}"),
            Direct => assert!(output.status.success() && (asked, reached) == (0, 2), "{case}"),
            Refused(option) => assert!(refused(option) && (asked, reached) == (0, 0), "{case}"),
        }
    }
}

/// The ignored test below, with these variables and no others.
fn run(row: &Row, destination: &Destination, proxy: &Proxy) -> Output {
    let mut command = Command::new(env::current_exe().expect("this test"));
    command.args(["--ignored", "--exact", "environment::alone_connects_by_the_environment"]).env_clear();
    for (name, value) in row.variables {
        command.env(name, value.replace("{}", &proxy.addr().to_string()));
    }
    let asks = if row.asks { "yes" } else { "no" };
    command.env("TEST_HOST", row.host).env("TEST_PORT", destination.port(row.tls).to_string()).env("TEST_ASKS", asks);
    command.env("TEST_ROOT", destination.root(row.tls)).output().expect("this test runs")
}

#[test]
#[ignore = "run by the test above in a process of its own"]
fn alone_connects_by_the_environment() {
    let variable = |name: &str| env::var(name).expect("set by the test above");
    let (port, root) = (variable("TEST_PORT").parse().expect("a port"), variable("TEST_ROOT"));
    let config = Destination::config_at(&variable("TEST_HOST"), port, &root);
    let config = if variable("TEST_ASKS") == "yes" { config.proxy_from_env() } else { config };
    let pusher = Pusher::new(config).connect().unwrap_or_else(|error| panic!("{error}"));
    pusher.subscribe("private-room").expect("a valid name").wait_subscribed(PATIENCE).expect("authorised");
}
