//! The Autobahn cases, run by an echo client over this crate's stream. `tests/run survival autobahn` starts the server,
//! and checks the reports.

use std::{env, io, sync::Arc, time::Duration, time::Instant};

use tungstenite::Message;

use super::dial::{Dial, DialerCalls, Dialled};
use crate::Config;
use crate::io::{
    guard::fork::ForkGuard,
    transport::{cancel::CancelToken, tls::Connector, websocket::*},
};

/// The largest messages of the cases have 16 MiB.
const LIMIT: usize = 64 << 20;

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is set by tests/run survival autobahn"))
}

fn dial(path: &str) -> Dialled {
    let mut config = Config::url(format!("{}{path}", variable("AUTOBAHN_URL"))).max_message_size(LIMIT);
    if let Ok(file) = env::var("AUTOBAHN_ROOT") {
        config = config.root_certificate_pem(std::fs::read(file).expect("a readable certificate"));
    }
    let plan = config.plan().expect("a good configuration");
    let endpoint = plan.endpoint().expect("a URL");
    let timeout = Duration::from_secs(10);
    let (connector, cancel, byte_counters) = (Connector::default(), Arc::new(CancelToken::new()), Arc::default());
    let dial = Dial {
        plan: &plan,
        connector: &connector,
        deadline: Instant::now() + timeout,
        timeout,
        cancel: &cancel,
        byte_counters: &byte_counters,
    };
    dial.web_socket(endpoint, false, &DialerCalls::new(ForkGuard::current()), |_| ())
        .expect("the server of the cases listens")
}

/// Sends every message back, until the connection ends. Returns the last text.
fn echo(path: &str) -> String {
    let Dialled { mut web, mut read_half } = dial(path);
    let mut buffer = vec![0; 64 * 1024];
    let (mut last, mut messages) = (String::new(), Vec::new());
    let mut result = web.begin(|message| keep(&mut messages, message));
    loop {
        for message in messages.drain(..) {
            last = message.to_text().unwrap_or_default().to_owned();
            write(&mut web, |web| web.codec.write(&mut web.stream, message));
        }
        if let Some(code) = result.as_ref().err().and_then(ReadError::close_code) {
            write(&mut web, |web| web.close(code));
        }
        write(&mut web, WebSocket::flush);
        if result.is_err() {
            web.transport_mut().shutdown();
            return last;
        }
        let count = read_half.read(&mut buffer).unwrap_or(0);
        result = web.receive(&buffer[..count], |message| keep(&mut messages, message));
    }
}

fn keep(messages: &mut Vec<Message>, message: Message) -> bool {
    let is_close = message.is_close();
    if message.is_text() || message.is_binary() {
        messages.push(message);
    }
    !is_close
}

/// Writes everything, slice by slice. An error shows at the next read.
fn write(web: &mut WebSocket, begin: impl FnOnce(&mut WebSocket) -> io::Result<()>) {
    web.transport_mut().begin_slice();
    let mut result = begin(web);
    while result.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
        web.transport_mut().begin_slice();
        result = web.flush();
    }
}

#[test]
#[ignore = "needs the server of the cases: tests/run survival autobahn"]
fn autobahn_cases() {
    let agent = variable("AUTOBAHN_AGENT");
    let count: usize = echo("/getCaseCount").parse().expect("a number of cases");
    for case in 1..=count {
        echo(&format!("/runCase?case={case}&agent={agent}"));
    }
    echo(&format!("/updateReports?agent={agent}"));
}
