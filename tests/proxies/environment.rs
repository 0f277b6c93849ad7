//! The environment variables of proxies, which the client reads only with `proxy_from_env`. Each row has a process of
//! its own, because a process has one environment.

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
    /// The variables that are set. `{}` stands for the address of the proxy, `{tls}` for its address with TLS, and
    /// `{port}` for the port of the destination.
    variables: &'static [(&'static str, &'static str)],
    host: &'static str,
    tls: bool,
    reads_environment: bool,
    way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    ByProxy,
    Direct,
    /// The client refuses the option, and connects nowhere.
    Refused(&'static str),
}
use Way::{ByProxy, Direct, Refused};

const fn plain(variables: &'static [(&'static str, &'static str)], host: &'static str, way: Way) -> Row {
    Row { variables, host, tls: false, reads_environment: true, way }
}

#[cfg(all(feature = "native-tls", target_os = "linux"))]
const fn secure(variables: &'static [(&'static str, &'static str)], way: Way) -> Row {
    Row { variables, host: "127.0.0.1", tls: true, reads_environment: true, way }
}

const HERE: &str = "127.0.0.1";

const ROWS: &[Row] = &[
    plain(&[("http_proxy", "http://{}")], NAME, ByProxy),
    plain(&[("http_proxy", "{}")], HERE, ByProxy),
    plain(&[("all_proxy", "socks5://{}")], NAME, ByProxy),
    plain(&[("ALL_PROXY", "socks5h://{}")], NAME, ByProxy),
    plain(&[("http_proxy", "http://{}"), ("all_proxy", "http://proxy.invalid")], NAME, ByProxy),
    // Web servers set this variable from a header of the client.
    plain(&[("HTTP_PROXY", "http://proxy.invalid")], HERE, Direct),
    plain(&[("http_proxy", "http://proxy.invalid"), ("REQUEST_METHOD", "GET")], HERE, Direct),
    plain(&[("https_proxy", "http://proxy.invalid")], HERE, Direct),
    plain(&[("http_proxy", "")], HERE, Direct),
    plain(&[("http_proxy", "http://proxy.invalid"), ("no_proxy", "example.com, 127.0.0.1")], HERE, Direct),
    plain(&[("http_proxy", "http://proxy.invalid"), ("NO_PROXY", "*")], HERE, Direct),
    plain(&[("http_proxy", "http://{}"), ("no_proxy", "127.0.0.1")], NAME, ByProxy),
    plain(&[("http_proxy", "http://proxy.invalid"), ("no_proxy", "127.0.0.0/8")], HERE, Direct),
    plain(&[("http_proxy", "http://proxy.invalid"), ("no_proxy", "::1\ta b 127.0.0.1:{port}")], HERE, Direct),
    plain(&[("http_proxy", "http://proxy.invalid"), ("no_proxy", "LOCALHOST.:{port}")], "localhost", Direct),
    plain(&[("http_proxy", "http://proxy.invalid"), ("no_proxy", "localhost")], "localhost.", Direct),
    plain(&[("http_proxy", "http://proxy.invalid"), ("no_proxy", "http://u:canary@h/ *:{port}")], HERE, Direct),
    plain(&[("http_proxy", "http://{}"), ("no_proxy", "127.0.0.1:1, 127.0.0.0/8:2, 128.0.0.0/1")], HERE, ByProxy),
    plain(&[("http_proxy", "http://{}"), ("no_proxy", "test:1 *.pusher.test http://pusher.test")], NAME, ByProxy),
    plain(&[("http_proxy", "ftp://user:canary@{}")], HERE, Refused("proxy")),
    Row {
        reads_environment: false,
        ..plain(&[("http_proxy", "http://proxy.invalid"), ("all_proxy", "x")], HERE, Direct)
    },
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    secure(&[("https_proxy", "http://{}")], ByProxy),
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    secure(&[("HTTPS_PROXY", "http://{}")], ByProxy),
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    secure(&[("http_proxy", "http://proxy.invalid")], Direct),
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    secure(&[("https_proxy", "https://{tls}")], ByProxy),
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    secure(&[("all_proxy", "HTTPS://u:canary@{tls}/"), ("no_proxy", "10.0.0.0/8")], ByProxy),
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    secure(&[("https_proxy", "https://proxy.invalid"), ("no_proxy", "127.0.0.0/8:{port}")], Direct),
];

#[test]
fn c7_the_environment_is_read_only_with_proxy_from_env() {
    for row in ROWS {
        let destination = Destination::start("127.0.0.1");
        let proxy = Proxy::start(Script::Serve(Service::OPEN), Script::Serve(Service::OPEN));
        let output = run(row, &destination, &proxy);
        let text = text_of(&output);
        let case = format!("{:?}: {text}", row.variables);
        assert!(!text.contains("canary"), "{case}");
        let (requested, reached) = (proxy.targets().len(), destination.peers().len());
        let refused = |option: &str| text.contains(&format!("config: {option}: "));
        match row.way {
            ByProxy => assert!(output.status.success() && (requested, reached) == (2, 2), "{case}"),
            Direct => assert!(output.status.success() && (requested, reached) == (0, 2), "{case}"),
            Refused(option) => assert!(refused(option) && (requested, reached) == (0, 0), "{case}"),
        }
    }
}

/// Runs the ignored test below with only these variables.
fn run(row: &Row, destination: &Destination, proxy: &Proxy) -> Output {
    let mut command = Command::new(env::current_exe().expect("this test"));
    command.args(["--ignored", "--nocapture", "--exact", "environment::connects_by_the_environment_alone"]).env_clear();
    for (name, value) in row.variables {
        command.env(name, filled_in(value, row, destination, proxy));
    }
    let reads = if row.reads_environment { "yes" } else { "no" };
    command
        .env("TEST_HOST", row.host)
        .env("TEST_PORT", destination.port(row.tls).to_string())
        .env("TEST_READS_ENVIRONMENT", reads);
    command.env("TEST_ROOT", destination.root(row.tls)).output().expect("this test runs")
}

fn text_of(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

fn filled_in(value: &str, row: &Row, destination: &Destination, proxy: &Proxy) -> String {
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    if value.contains("{tls}") {
        return value.replace("{tls}", &destination.secured(proxy).to_string());
    }
    value.replace("{}", &proxy.addr().to_string()).replace("{port}", &destination.port(row.tls).to_string())
}

#[test]
fn c7_an_invalid_entry_of_no_proxy_is_logged_once_without_its_text() {
    let unknown = |no_proxy: &'static str| [("http_proxy", "http://proxy.invalid"), ("no_proxy", no_proxy)];
    let rows = [
        ("http://us:canary@h/ 127.0.0.1", vec![1]),
        ("127.0.0.1, canary:x, 10.0.0.0/canary", vec![2, 3]),
        ("127.0.0.0/8 [canary]", vec![2]),
        ("*,canary..,canary:0", vec![2, 3]),
        ("127.0.0.1 canary.example", vec![]),
    ];
    for (no_proxy, places) in rows {
        let destination = Destination::start("127.0.0.1");
        let proxy = Proxy::start(Script::Serve(Service::OPEN), Script::Serve(Service::OPEN));
        let variables = Box::leak(Box::new(unknown(no_proxy)));
        let output = run(&plain(variables, HERE, Direct), &destination, &proxy);
        let text = text_of(&output);
        assert!(output.status.success() && !text.contains("canary"), "{no_proxy}: {text}");
        let logged: Vec<_> = text.lines().filter_map(|line| line.split_once("WARN config: no_proxy: entry ")).collect();
        let logged = logged.iter().map(|(_, rest)| rest.split(' ').next().and_then(|place| place.parse().ok()));
        assert_eq!(logged.collect::<Vec<_>>(), places.into_iter().map(Some::<usize>).collect::<Vec<_>>(), "{no_proxy}");
    }
}

/// Prints the records of the client.
struct Printer;

impl log::Log for Printer {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("pusher_channels")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            println!("{} {}", record.level(), record.args());
        }
    }

    fn flush(&self) {}
}

#[test]
#[ignore = "run by the other tests of this module in a process of its own"]
fn connects_by_the_environment_alone() {
    log::set_logger(&Printer).expect("no other logger");
    log::set_max_level(log::LevelFilter::Trace);
    let variable = |name: &str| env::var(name).expect("set by the parent process");
    let (port, root) = (variable("TEST_PORT").parse().expect("a port"), variable("TEST_ROOT"));
    let config = Destination::config_at(&variable("TEST_HOST"), port, &root);
    let config = if variable("TEST_READS_ENVIRONMENT") == "yes" { config.proxy_from_env() } else { config };
    let pusher = Pusher::new(config).connect().unwrap_or_else(|error| panic!("{error}"));
    pusher.subscribe("private-room").expect("a valid name").wait_subscribed(PATIENCE).expect("authorised");
    // This checks the options again, and must log nothing more.
    pusher.connect().expect("it is connected");
}
