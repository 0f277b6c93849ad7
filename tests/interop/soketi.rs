//! The real server soketi, as a child process on loopback.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    ops::Range,
    path::PathBuf,
    process::{self, Command},
    sync::atomic::{AtomicU16, Ordering},
};

use serde_json::json;

use crate::process::{DEADLINE, Process};

pub(crate) const LOOPBACK: &str = "127.0.0.1";
pub(crate) const APP_ID: &str = "app-id";
pub(crate) const KEY: &str = "app-key";
pub(crate) const SECRET: &str = "app-secret";

/// Where `tests/run interop` has installed the server and the SDK.
pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");

const SERVER: &str = "node_modules/@soketi/soketi/bin/server.js";

/// Where servers look for a port. Below those that systems give to outgoing connections and to servers that take any: one of
/// these could go to another test in the second between the choice and soketi's listening.
const CANDIDATES: Range<u16> = 20_000..32_000;

/// A running soketi. It is killed when the test lets go of it.
pub(crate) struct Soketi {
    ports: Ports,
    config: PathBuf,
    /// The last one is running; the output of all of them is shown when the test fails.
    runs: Vec<Process>,
}

impl Soketi {
    /// Starts the server, and returns when it answers. Clients may send any number of events.
    pub(crate) fn start() -> Self {
        Self::start_with_client_event_rate(-1)
    }

    /// The same, with this many client events that a connection may send in a second.
    pub(crate) fn start_with_client_event_rate(per_second: i32) -> Self {
        let ports = Ports::free();
        let config = ports.write_config(per_second);
        let mut server = Self { ports, config, runs: Vec::new() };
        server.run();
        server
    }

    /// Kills the server without a word to its clients, starts it again on the same port, and returns when it answers.
    pub(crate) fn restart(&mut self) {
        self.runs.iter_mut().for_each(Process::kill);
        // soketi sets SO_REUSEPORT: it would silently share its port with another server and get some of the connections.
        if let Err(error) = TcpListener::bind((LOOPBACK, self.ports.main)) {
            panic!("cannot start soketi again: port {} is not free: {error}", self.ports.main);
        }
        self.run();
    }

    /// The port of both the WebSocket and the HTTP API.
    pub(crate) fn port(&self) -> u16 {
        self.ports.main
    }

    fn run(&mut self) {
        self.runs.push(Process::start("soketi", &mut self.command()));
        let up = |lines: &[String]| lines.iter().any(|line| line.contains("Server is up and running"));
        let stdout = &self.runs[self.runs.len() - 1].stdout;
        assert!(stdout.wait_until(up), "soketi did not start");
        // It says so as well when it could not listen.
        let status = http_status(self.ports.main, "/ready").expect("soketi answers HTTP");
        assert!(status.starts_with("HTTP/1.1 200"), "soketi is not ready: {status}");
    }

    fn command(&self) -> Command {
        let mut command = Command::new("node");
        command.current_dir(FOLDER).arg(SERVER).arg("start").arg(format!("--config={}", self.config.display()));
        // Each of them would override the configuration.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOKETI_")) {
            command.env_remove(name);
        }
        // A library of soketi keeps a folder, which would lie in the user's home.
        command.env("PM2_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/pm2"));
        command
    }
}

impl Drop for Soketi {
    fn drop(&mut self) {
        // A file that stays behind in cargo's folder for temporary files harms nobody.
        let _ = fs::remove_file(&self.config);
    }
}

struct Ports {
    main: u16,
    metrics: u16,
    cluster: u16,
}

impl Ports {
    /// Ports that nobody uses at this moment.
    fn free() -> Self {
        let tcp = |port| TcpListener::bind((LOOPBACK, port)).map(drop);
        let udp = |port| UdpSocket::bind((LOOPBACK, port)).map(drop);
        Self { main: free_port(tcp), metrics: free_port(tcp), cluster: free_port(udp) }
    }

    /// Writes the server's configuration. The keys have to be dotted: a nested object replaces all defaults of its group.
    fn write_config(&self, client_events_per_second: i32) -> PathBuf {
        assert!(
            PathBuf::from(FOLDER).join(SERVER).exists(),
            "soketi is not installed: start these tests with tests/run interop"
        );
        let config = json!({
            "host": LOOPBACK,
            "port": self.main,
            "metrics.host": LOOPBACK,
            "metrics.port": self.metrics,
            // Without these, soketi listens for other servers on all interfaces and broadcasts to the network each second.
            "cluster.hostname": LOOPBACK,
            "cluster.address": LOOPBACK,
            "cluster.unicast": LOOPBACK,
            "cluster.port": self.cluster,
            "eventLimits.maxPayloadInKb": 10,
            // With user authentication on, a connection is closed that has not signed in after this time: longer than any
            // test, because most of them have no user.
            "userAuthenticationTimeout": 600_000,
            // An interrupt at the terminal reaches the server too, and it should not outlive the tests by its default 3 s.
            "shutdownGracePeriod": 0,
            "appManager.array.apps": [{
                "id": APP_ID,
                "key": KEY,
                "secret": SECRET,
                "enabled": true,
                "enableClientMessages": true,
                "enableUserAuthentication": true,
                "maxConnections": -1,
                "maxBackendEventsPerSecond": -1,
                "maxClientEventsPerSecond": client_events_per_second,
                "maxReadRequestsPerSecond": -1,
                "webhooks": [],
            }],
        });
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("soketi-{}.json", self.main));
        fs::write(&path, config.to_string()).unwrap();
        path
    }
}

/// The next candidate that can be bound. No candidate comes twice, so that those which this process has chosen, and perhaps
/// does not listen on yet, differ.
fn free_port(bind: impl Fn(u16) -> io::Result<()>) -> u16 {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    // Other runs of the tests, which choose at the same time, begin elsewhere.
    let begin = process::id() as usize * 37;
    loop {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        assert!(usize::from(tried) < CANDIDATES.len(), "no port in {CANDIDATES:?} is free");
        let port = CANDIDATES.start + ((begin + usize::from(tried)) % CANDIDATES.len()) as u16;
        if bind(port).is_ok() {
            return port;
        }
    }
}

fn http_status(port: u16, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((LOOPBACK, port))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nConnection: close\r\n\r\n")?;
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status)?;
    Ok(status)
}
