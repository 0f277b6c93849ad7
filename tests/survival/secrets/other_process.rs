//! The embedded server in another process, so that its log is not recorded.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    process::{ChildStdin, ChildStdout, Command, Stdio},
    sync::Mutex,
};

use pusher_channels::testing::TestServer;

use super::canaries::Canary;
use crate::support::process::KilledOnDrop;

/// The start of each answer of the other process. The test harness prints other lines.
const MARK: &str = "answer: ";

pub(super) struct OtherProcess {
    port: u16,
    urls: (String, String),
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _process: KilledOnDrop,
}

impl OtherProcess {
    pub(super) fn start() -> Self {
        let mut child = Command::new(env::current_exe().expect("this test"))
            .args(["--ignored", "--exact", "--nocapture", "secrets::other_process::serve"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test runs");
        let pipes = (child.stdin.take().expect("piped"), BufReader::new(child.stdout.take().expect("piped")));
        let mut server =
            Self { port: 0, urls: Default::default(), pipes: Mutex::new(pipes), _process: KilledOnDrop(child) };
        let answer = server.command("addresses");
        let mut parts = answer.split(' ').map(str::to_owned);
        let mut next = || parts.next().expect("a port and two URLs");
        (server.port, server.urls) = (next().parse().expect("a port"), (next(), next()));
        server
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn auth_endpoint(&self) -> &str {
        &self.urls.0
    }

    pub(super) fn user_auth_endpoint(&self) -> &str {
        &self.urls.1
    }

    /// The digests that clients have sent.
    pub(super) fn signatures(&self) -> Vec<String> {
        self.command("signatures").split_whitespace().map(str::to_owned).collect()
    }

    /// Sends a command to the other process, and returns its answer.
    pub(super) fn command(&self, command: &str) -> String {
        let mut pipes = self.pipes.lock().expect("no panic under it");
        writeln!(pipes.0, "{command}").expect("the server runs");
        loop {
            let mut line = String::new();
            assert!(pipes.1.read_line(&mut line).expect("a readable pipe") > 0, "the server has ended");
            if let Some((_, answer)) = line.split_once(MARK) {
                return answer.trim_end().to_owned();
            }
        }
    }
}

#[test]
#[ignore = "the server of another test, in a process of its own"]
fn serve() {
    let app = TestServer::builder().app("app-id", "app-key", &Canary::APP_SECRET.text());
    let server = app.encryption_master_key([1; 32]).start().expect("a free port");
    for command in io::stdin().lines() {
        let command = command.expect("a readable pipe");
        println!("{MARK}{}", execute(&server, &command));
    }
}

fn execute(server: &TestServer, command: &str) -> String {
    match command.split_once(' ').unwrap_or((command, "")) {
        ("addresses", _) => format!("{} {} {}", server.port(), server.auth_endpoint(), server.user_auth_endpoint()),
        ("trigger", channel) => server.trigger(channel, "e", "x").to_string(),
        ("drop", _) => server.drop_all().to_string(),
        ("close", code) => server.close_all(code.parse().expect("a code"), "bye").to_string(),
        ("signatures", _) => signatures(server),
        (other, _) => panic!("unknown command: {other}"),
    }
}

fn signatures(server: &TestServer) -> String {
    let received = server.received();
    let after_key = received.iter().filter_map(|message| message.text.split_once("\"app-key:"));
    let digest = |rest: &str| rest.chars().take_while(char::is_ascii_hexdigit).collect::<String>();
    let digests = after_key.map(|(_, rest)| digest(rest)).filter(|digest| digest.len() == 64);
    digests.collect::<Vec<_>>().join(" ")
}
