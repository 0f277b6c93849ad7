//! The example `listen`, run as users run it: as a process of its own.
//!
//! `cargo test` builds the examples, too. `cargo test --test listen` does not, and runs the program that `cargo build
//! --example listen` has built before.
#![cfg(feature = "test-server")]

// The parts of the example that have unit tests. `cargo test` does not run the unit tests of examples.
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../examples/listen/clock.rs"]
mod clock;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../examples/listen/options.rs"]
mod options;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../examples/listen/status.rs"]
mod status;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../examples/listen/terminal.rs"]
mod terminal;

mod support;

use std::process::{Child, Command, Stdio};

use pusher_channels::testing::TestServer;
use serde_json::Value;
use support::{
    PATIENCE,
    process::{KilledOnDrop, Lines, example},
    server,
};

/// A running `listen`. It is killed when this value is dropped.
struct Listen {
    child: KilledOnDrop,
    /// `None` if the output was closed.
    stdout: Option<Lines>,
    stderr: Lines,
}

/// The exit code of `listen`, and the lines that the test has not read yet.
struct Finished {
    code: Option<i32>,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

impl Listen {
    fn start(args: &str) -> Self {
        Self::of(spawn(&mut command(args)))
    }

    fn of(mut child: Child) -> Self {
        let stdout = child.stdout.take().map(Lines::read);
        Self { stderr: Lines::read(child.stderr.take().expect("piped")), child: KilledOnDrop(child), stdout }
    }

    /// Starts `listen` with a standard output that its reader has closed, as by `head`.
    fn start_unread(args: &str) -> Self {
        let mut child = spawn(&mut command(args));
        drop(child.stdout.take());
        Self::of(child)
    }

    /// Reads the statuses of `--json` up to the first one that has these values.
    fn await_status(&self, fields: &[(&str, Value)]) -> Value {
        while let Some(line) = self.stderr.next() {
            let status = json(&line);
            if fields.iter().all(|(name, value)| status[name] == *value) {
                return status;
            }
        }
        panic!("listen ended without the status {fields:?}")
    }

    fn await_subscription(&self, channel: &str) {
        self.await_status(&[("state", "subscribed".into()), ("channel", channel.into())]);
    }

    fn next_event(&self) -> String {
        self.stdout.as_ref().expect("read").next().expect("an event before the end")
    }

    fn finish(mut self) -> Finished {
        // A process closes its pipes when it ends, and the pipes are read with a deadline.
        let stdout = self.stdout.as_ref().map(Lines::rest).unwrap_or_default();
        let stderr = self.stderr.rest();
        Finished { code: self.child.0.wait().expect("a child of this process").code(), stdout, stderr }
    }
}

fn spawn(command: &mut Command) -> Child {
    command.spawn().expect("the example `listen`; to build it: cargo build --example listen")
}

fn command(args: &str) -> Command {
    let mut command = Command::new(example("listen"));
    command
        .args(args.split_whitespace())
        .env_remove("COLUMNS")
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The arguments for a client of this server.
fn at(server: &TestServer, more: &str) -> String {
    format!("--key app-key --host 127.0.0.1 --port {} --no-tls {more}", server.port())
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is not JSON: {error}"))
}

mod events {
    use super::*;

    #[test]
    fn count_is_the_number_of_lines() {
        let finished = Listen::start("--count 5").finish();
        assert_eq!(finished.code, Some(0), "{:?}", finished.stderr);
        assert_eq!(finished.stdout.len(), 5, "{:?}", finished.stdout);
        for (line, n) in finished.stdout.iter().zip(1..) {
            let parts: Vec<&str> = line.split("  ").collect();
            assert_eq!(parts[0].len(), "12:00:00.123".len(), "{line:?}");
            assert_eq!(parts[1..3], ["demo", "tick"], "{line:?}");
            assert_eq!(json(parts[3])["n"], n, "{line:?}");
        }
        assert_eq!(finished.stderr, ["connecting, attempt 1", "connected", "subscribed to demo"].map(prefixed));
    }

    fn prefixed(status: &str) -> String {
        format!("listen: {status}")
    }

    #[test]
    fn json_prints_an_object_a_line() {
        let finished = Listen::start("--json --count 2").finish();
        assert_eq!(finished.code, Some(0));
        assert_eq!(finished.stdout.len(), 2);
        for line in finished.stdout {
            let event = json(&line);
            let fields: Vec<&String> = event.as_object().expect("an object").keys().collect();
            assert_eq!(fields, ["channel", "data", "event", "time"]);
            assert_eq!((&event["channel"], &event["event"]), (&"demo".into(), &"tick".into()));
            assert!(json(event["data"].as_str().expect("the text of the data"))["n"].is_u64());
            assert_eq!(event["time"].as_str().map(str::len), Some("2026-11-21T12:00:00.123Z".len()));
        }
        let states: Vec<Value> = finished.stderr.iter().map(|line| json(line)["state"].clone()).collect();
        assert_eq!(states, ["connecting", "connected", "subscribed"]);
    }

    #[test]
    fn host_and_port_name_a_server() {
        let server = server();
        let listen = Listen::start(&at(&server, "--channel room --json --count 3"));
        let status = listen.await_status(&[("state", "subscribed".into())]);
        assert_eq!((&status["channel"], &status["resubscribed"]), (&"room".into(), &false.into()));
        for data in ["a", "b", "c"] {
            assert_eq!(server.trigger("room", "greeting", data), 1);
        }
        let finished = listen.finish();
        assert_eq!(finished.code, Some(0));
        let data: Vec<Value> = finished.stdout.iter().map(|line| json(line)["data"].clone()).collect();
        assert_eq!(data, ["a", "b", "c"]);
    }

    #[test]
    fn a_url_names_a_server_and_channels_may_be_repeated() {
        let server = server();
        let args = format!("--url {} --channel a --channel b --json --count 2", server.url());
        let listen = Listen::start(&args);
        listen.await_subscription("a");
        listen.await_subscription("b");
        server.trigger("b", "x", "");
        server.trigger("a", "x", "");
        let finished = listen.finish();
        let channels: Vec<Value> = finished.stdout.iter().map(|line| json(line)["channel"].clone()).collect();
        assert_eq!(channels, ["b", "a"]);
    }

    #[test]
    fn other_events_are_neither_shown_nor_counted() {
        let server = server();
        let listen = Listen::start(&at(&server, "--channel room --event x --event=y --json --count 2"));
        listen.await_subscription("room");
        for event in ["other", "x", "other", "y"] {
            server.trigger("room", event, "");
        }
        let finished = listen.finish();
        let events: Vec<Value> = finished.stdout.iter().map(|line| json(line)["event"].clone()).collect();
        assert_eq!((finished.code, events), (Some(0), vec!["x".into(), "y".into()]));
    }

    #[test]
    fn the_sender_of_an_event_is_shown_if_the_server_names_it() {
        let server = server();
        let listen = Listen::start(&at(&server, "--channel room --json --count 1"));
        listen.await_subscription("room");
        server.send_raw(r#"{"event":"client-moved","channel":"room","data":"{}","user_id":"7"}"#);
        assert_eq!(json(&listen.next_event())["user_id"], "7");
    }

    #[test]
    fn each_event_is_printed_at_once() {
        let server = server();
        let listen = Listen::start(&at(&server, "--channel room --json"));
        listen.await_subscription("room");
        for n in 0..3 {
            server.trigger("room", "x", &n);
            assert_eq!(json(&listen.next_event())["data"], n.to_string());
        }
    }
}

mod terminals {
    use super::*;

    /// A window title, a cleared screen, a C1 control, line breaks and a reversed line.
    const ATTACK: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\n\u{9b}31m\u{7f}\u{202e}end";

    #[test]
    fn published_events_cannot_control_the_terminal() {
        for mode in ["", "--json"] {
            let server = server();
            let listen = Listen::start(&at(&server, &format!("--channel room --count 1 {mode}")));
            assert!(server.wait_for_subscribers("room", 1, PATIENCE));
            server.trigger("room", ATTACK, ATTACK);
            let finished = listen.finish();
            assert_eq!((finished.code, finished.stdout.len()), (Some(0), 1));
            let line = &finished.stdout[0];
            assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
            match mode {
                "--json" => assert_eq!(json(line)["data"], ATTACK),
                _ => assert!(line.ends_with(r"\u{1b}]0;owned\u{7}\u{1b}[2J\r\n\u{9b}31m\u{7f}\u{202e}end")),
            }
        }
    }

    #[test]
    fn reasons_of_the_server_cannot_control_the_terminal() {
        let server = server();
        let listen = Listen::start(&at(&server, "--channel room"));
        assert!(server.wait_for_connections(1, PATIENCE));
        server.close_all(4001, ATTACK);
        let finished = listen.finish();
        assert_eq!(finished.code, Some(1));
        for line in finished.stderr {
            assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
        }
    }

    #[test]
    fn columns_sets_the_width() {
        let server = server();
        let args = at(&server, "--channel room --count 1");
        let listen = Listen::of(spawn(command(&args).env("COLUMNS", "30")));
        assert!(server.wait_for_subscribers("room", 1, PATIENCE));
        server.trigger("room", "x", &"ż".repeat(100));
        let line = listen.next_event();
        assert_eq!(line.chars().count(), 30, "{line:?}");
        assert!(line.ends_with("  room  x  żżżżżż…"), "{line:?}");
    }

    #[test]
    fn a_pipe_gets_the_whole_line() {
        let server = server();
        let listen = Listen::start(&at(&server, "--channel room --count 1"));
        assert!(server.wait_for_subscribers("room", 1, PATIENCE));
        server.trigger("room", "x", &"ż".repeat(1000));
        assert!(listen.next_event().ends_with(&"ż".repeat(1000)));
    }

    #[test]
    fn a_closed_output_ends_the_program_silently() {
        let server = server();
        let listen = Listen::start_unread(&at(&server, "--channel room --json"));
        listen.await_subscription("room");
        server.trigger("room", "x", "");
        let finished = listen.finish();
        assert_eq!((finished.code, finished.stderr.len()), (Some(0), 0), "{:?}", finished.stderr);
    }
}

mod connections {
    use super::*;

    #[test]
    fn listen_goes_on_after_a_lost_connection() {
        let server = server();
        let listen = Listen::start(&at(&server, "--channel room --json --count 2"));
        listen.await_subscription("room");
        server.trigger("room", "x", "before");
        assert_eq!(json(&listen.next_event())["data"], "before");
        server.drop_all();
        let status = listen.await_status(&[("state", "reconnecting".into())]);
        assert!(status["retry_in"].is_number() && status["cause"].is_string(), "{status}");
        assert_eq!(status["attempt"], 2);
        listen.await_status(&[("state", "subscribed".into()), ("resubscribed", true.into())]);
        server.trigger("room", "x", "after");
        assert_eq!(json(&listen.next_event())["data"], "after");
        assert_eq!(listen.finish().code, Some(0));
    }

    #[test]
    fn listen_waits_for_a_server_that_is_not_up_yet() {
        let server = server();
        server.stop_listening();
        let listen = Listen::start(&at(&server, "--channel room --json --count 1"));
        let status = listen.await_status(&[("state", "reconnecting".into())]);
        assert!(status["cause"].as_str().is_some_and(|cause| cause.starts_with("tcp: ")), "{status}");
        server.resume_listening().expect("the port is free");
        listen.await_subscription("room");
        server.trigger("room", "x", "");
        assert_eq!(listen.finish().code, Some(0));
    }

    #[test]
    fn a_final_refusal_ends_the_program() {
        let server = server();
        let args = format!("--key wrong --host 127.0.0.1 --port {} --no-tls", server.port());
        let finished = Listen::start(&args).finish();
        assert_eq!((finished.code, finished.stdout.len()), (Some(1), 0));
        let last = finished.stderr.last().expect("a message");
        assert!(last.starts_with("listen: failed: ") && last.contains("4001"), "{last:?}");

        let finished = Listen::start(&format!("{args} --json")).finish();
        assert_eq!(finished.code, Some(1));
        let last = json(finished.stderr.last().expect("a message"));
        assert_eq!(last["state"], "failed");
        assert!(last["cause"].as_str().is_some_and(|cause| cause.contains("4001")), "{last}");
    }

    #[test]
    fn a_refused_subscription_is_reported() {
        let server = server();
        let listen = Listen::start(&at(&server, "--channel private-room --channel room --json"));
        let status = listen.await_status(&[("state", "subscription_error".into())]);
        assert_eq!(status["channel"], "private-room");
        assert!(status["cause"].as_str().is_some_and(|cause| cause.contains("private-room")), "{status}");
    }

    #[test]
    fn listen_ends_when_every_channel_is_refused() {
        let server = server();
        let finished = Listen::start(&at(&server, "--channel private-a --channel private-b")).finish();
        assert_eq!(finished.code, Some(1));
        let last = finished.stderr.last().expect("a message");
        assert!(last.contains("private-b"), "{last:?}");
    }

    #[test]
    fn a_timeout_without_an_event_is_a_failure() {
        let server = server();
        let finished = Listen::start(&at(&server, "--channel room --timeout 1")).finish();
        assert_eq!((finished.code, finished.stdout.len()), (Some(1), 0));
        let last = finished.stderr.last().expect("a message");
        assert!(last.starts_with("listen: got 0 of 1 events within 1s; "), "{last:?}");
    }

    #[test]
    fn a_timeout_with_too_few_events_is_a_failure() {
        let finished = Listen::start("--count 1000 --timeout 1 --json").finish();
        assert_eq!(finished.code, Some(1));
        assert_eq!(json(finished.stderr.last().expect("a status"))["state"], "timeout");
    }

    #[test]
    fn a_timeout_after_an_event_is_a_success() {
        let server = server();
        let listen = Listen::start(&at(&server, "--channel room --timeout 3 --json"));
        listen.await_subscription("room");
        server.trigger("room", "x", "");
        assert_eq!(listen.finish().code, Some(0));
    }
}

mod command_line {
    use super::*;

    #[test]
    fn the_error_for_a_wrong_option_is_one_line() {
        let wrong = [
            ("--port x", "--port needs a number from 1 to 65535, got \"x\""),
            ("--count 0", "--count needs a number from 1, got \"0\""),
            ("--timeout soon", "--timeout needs a number of seconds above 0, got \"soon\""),
            ("--channel", "--channel needs a value"),
            ("--key k", "--key needs --cluster or --host"),
            ("--cluster eu", "--cluster needs --key"),
            ("--cluster eu --host h --key k", "expected either --cluster or --host, got both"),
        ];
        for (args, message) in wrong {
            assert_eq!(refusal(args), format!("listen: {message}"));
        }
        assert!(refusal("--colour").starts_with("listen: expected one of --key, "));
        assert!(refusal("--url ws://h/app/k --host h").starts_with("listen: --url is a complete address"));
    }

    #[test]
    fn an_option_that_the_library_refuses_is_a_wrong_option() {
        assert!(refusal("--url http://h/app/k").contains("ws:// or wss://"));
        assert!(refusal("--key a/b --host h --no-tls").contains("key"));
        assert!(refusal("--channel not,allowed/").contains("not,allowed/"));
    }

    /// The line that a wrong command line causes.
    fn refusal(args: &str) -> String {
        let mut finished = Listen::start(args).finish();
        assert_eq!((finished.code, finished.stdout.len(), finished.stderr.len()), (Some(2), 0, 1), "{args}");
        finished.stderr.remove(0)
    }

    #[test]
    fn help_is_not_an_error() {
        let finished = Listen::start("--help").finish();
        assert_eq!((finished.code, finished.stderr.len()), (Some(0), 0));
        assert_eq!(finished.stdout.join("\n"), options::USAGE);
        for option in ["--key", "--cluster", "--host", "--port", "--no-tls", "--url", "--channel", "--event"] {
            assert!(options::USAGE.contains(option), "{option}");
        }
    }
}
