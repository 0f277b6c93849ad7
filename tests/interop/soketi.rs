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

/// The folder in which `tests/run interop` has installed the server and the SDK.
pub(crate) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");

const SERVER: &str = "node_modules/@soketi/soketi/bin/server.js";

/// The range of candidates for a port. It is below the ports that systems give to outgoing connections and to servers
/// that take any port: another test could get one of those between the choice and soketi's listening.
const CANDIDATES: Range<u16> = 20_000..32_000;

/// A running soketi. It is killed when this value is dropped.
pub(crate) struct Soketi {
    ports: Ports,
    config: PathBuf,
    /// The processes so far, of which the last one is running. The output of all is shown if the test fails.
    runs: Vec<Process>,
}

impl Soketi {
    /// Starts the server, and returns when it answers. Clients may send any number of events.
    pub(crate) fn start() -> Self {
        Self::start_with_client_event_rate(-1)
    }

    /// The same, with a limit of client events that a connection may send in a second.
    pub(crate) fn start_with_client_event_rate(per_second: i32) -> Self {
        let ports = Ports::free();
        let config = ports.write_config(per_second);
        let mut server = Self { ports, config, runs: Vec::new() };
        server.run();
        server
    }

    /// Kills the server, starts it again on the same port, and returns when it answers. No client gets a close code.
    pub(crate) fn restart(&mut self) {
        self.runs.iter_mut().for_each(Process::kill);
        // Soketi sets SO_REUSEPORT: it would silently share its port with another server, and get only some of the
        // connections.
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
        // Soketi prints that line even if it could not listen.
        let status = http_status(self.ports.main, "/ready").expect("soketi answers HTTP");
        assert!(status.starts_with("HTTP/1.1 200"), "soketi is not ready: {status}");
    }

    fn command(&self) -> Command {
        let mut command = Command::new("node");
        command.current_dir(FOLDER).arg(SERVER).arg("start").arg(format!("--config={}", self.config.display()));
        // These variables would override the configuration.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SOKETI_")) {
            command.env_remove(name);
        }
        // A library of soketi creates a folder, by default in the user's home.
        command.env("PM2_HOME", concat!(env!("CARGO_TARGET_TMPDIR"), "/pm2"));
        command
    }
}

impl Drop for Soketi {
    fn drop(&mut self) {
        // A file that remains in cargo's folder of temporary files does not matter.
        let _ = fs::remove_file(&self.config);
    }
}

struct Ports {
    main: u16,
    metrics: u16,
    cluster: u16,
}

impl Ports {
    /// Ports that are free at this moment.
    fn free() -> Self {
        let tcp = |port| TcpListener::bind((LOOPBACK, port)).map(drop);
        let udp = |port| UdpSocket::bind((LOOPBACK, port)).map(drop);
        Self { main: free_port(tcp), metrics: free_port(tcp), cluster: free_port(udp) }
    }

    /// Writes the server's configuration. Its keys have dots, because a nested object would replace all defaults of its
    /// group.
    fn write_config(&self, client_events_per_second: i32) -> PathBuf {
        assert!(
            PathBuf::from(FOLDER).join(SERVER).exists(),
            "soketi is not installed: run these tests by tests/run interop"
        );
        let config = json!({
            "host": LOOPBACK,
            "port": self.main,
            "metrics.host": LOOPBACK,
            "metrics.port": self.metrics,
            // Without these, soketi listens for other servers on all interfaces, and broadcasts to the network each
            // second.
            "cluster.hostname": LOOPBACK,
            "cluster.address": LOOPBACK,
            "cluster.unicast": LOOPBACK,
            "cluster.port": self.cluster,
            "eventLimits.maxPayloadInKb": 10,
            // With user authentication, a connection that does not sign in is closed after this time. It is longer than
            // any test, because most tests have no user.
            "userAuthenticationTimeout": 600_000,
            // An interrupt at the terminal reaches the server, too. By default it would run for another 3 s.
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

/// The next candidate that can be bound. No candidate is chosen twice, because this process may not listen yet on one
/// that it has chosen.
fn free_port(bind: impl Fn(u16) -> io::Result<()>) -> u16 {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    // Other runs of the tests begin at other candidates.
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
