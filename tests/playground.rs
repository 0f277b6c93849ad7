//! The example `playground`, run as users run it: as a process of its own, with a program.
//!
//! The programs are ignored tests of this file, so that they run on every platform. `cargo test` builds the example,
//! too. `cargo test --test playground` does not, and runs the program that `cargo build --examples` has built before.
#![cfg(feature = "test-server")]

// `cargo test` does not run the unit tests of examples.
#[path = "../examples/playground/options.rs"]
mod options;

mod support;

use std::{
    env,
    process::{self, Command, Stdio},
    thread,
};

use pusher_channels::{Config, Notification, Pusher, Receiver, SubscriptionSucceeded};
use support::{
    PATIENCE, next, next_event,
    process::{KilledOnDrop, Lines, example},
};

/// The exit code and the output of `playground`.
struct Finished {
    code: Option<i32>,
    /// The lines of the playground itself, without its name.
    lines: Vec<String>,
}

fn playground(args: &[&str]) -> KilledOnDrop {
    let mut command = Command::new(example("playground"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    KilledOnDrop(command.spawn().expect("the example; to build it: cargo build --example playground"))
}

fn finish(args: &[&str]) -> Finished {
    let mut child = playground(args);
    // Reading keeps the pipes from filling up.
    let stdout = Lines::read(child.0.stdout.take().expect("piped"));
    let stderr = Lines::read(child.0.stderr.take().expect("piped"));
    let own = |line: String| line.strip_prefix("playground: ").map(str::to_owned);
    let lines = stderr.rest().into_iter().filter_map(own).collect();
    stdout.rest();
    Finished { code: child.0.wait().expect("a child of this process").code(), lines }
}

/// Runs the playground with a test of this file as its program.
fn tried(options: &[&str], program: &str) -> Finished {
    let this = env::current_exe().expect("this test");
    let this = this.to_str().expect("a UTF-8 path");
    finish(&[options, &[this, "--ignored", "--exact", program]].concat())
}

/// The lines about a program that has ended with this code and has done these steps.
fn findings(code: i32, is_seen: [bool; 4]) -> Vec<String> {
    let whats = [
        "subscribed to all three channels",
        "said client-hello on presence-kitchen",
        "subscribed to all of them again, on another connection",
        "left no connection open",
    ];
    let line = |(what, is_seen)| format!("{}: {what}", if is_seen { "ok" } else { "MISSING" });
    let end = format!("the program has ended with {code}");
    [end].into_iter().chain(whats.into_iter().zip(is_seen).map(line)).collect()
}

mod programs {
    use super::*;

    fn variable(name: &str) -> String {
        env::var(name).expect("set by the playground")
    }

    fn connected() -> (Pusher, Receiver) {
        let config = Config::host(variable("PUSHER_KEY"), variable("PUSHER_HOST"))
            .port(variable("PUSHER_PORT").parse().expect("a port"))
            .tls(false)
            .auth_endpoint(variable("PUSHER_AUTH_ENDPOINT"))
            .user_auth_endpoint(variable("PUSHER_USER_AUTH_ENDPOINT"))
            .auth_param("user_id", "bob");
        let pusher = Pusher::new(config);
        let receiver = pusher.receiver();
        pusher.connect().expect("the playground's server");
        (pusher, receiver)
    }

    fn subscription(receiver: &Receiver) -> SubscriptionSucceeded {
        next(receiver, |notification| match notification {
            Notification::SubscriptionSucceeded(success) => Some(success),
            _ => None,
        })
    }

    #[test]
    #[ignore = "run by the playground"]
    fn complete() {
        let (pusher, receiver) = connected();
        for channel in ["news", "private-orders", "presence-kitchen"] {
            pusher
                .subscribe(channel)
                .expect("a valid name")
                .wait_subscribed(PATIENCE)
                .expect("the channel is authorised");
        }
        let kitchen = pusher.channel("presence-kitchen").expect("a valid name");
        assert_eq!(kitchen.me().expect("a member").id(), "bob");
        assert_eq!(kitchen.member("ann").expect("a member").id(), "ann");
        kitchen.trigger("client-hello", "hello").expect("a subscribed channel");
        while next_event(&receiver).0 != "client-welcome" {}
        // Confirmations from before the cut may come first.
        let renewed = std::iter::repeat_with(|| subscription(&receiver)).filter(|success| success.gap.is_some());
        assert_eq!(renewed.take(3).count(), 3);
        assert_eq!(next_event(&receiver).0, "published");
        pusher.sign_in().expect("an endpoint is configured");
        pusher.user().wait_signed_in(PATIENCE).expect("the endpoint signs");
        assert_eq!(pusher.user().id().as_deref(), Some("bob"));
    }

    #[test]
    #[ignore = "run by the playground"]
    fn without_a_hello() {
        let (pusher, _) = connected();
        for channel in ["news", "private-orders", "presence-kitchen"] {
            pusher
                .subscribe(channel)
                .expect("a valid name")
                .wait_subscribed(PATIENCE)
                .expect("the channel is authorised");
        }
    }

    #[test]
    #[ignore = "run by the playground"]
    fn with_a_code() {
        process::exit(7);
    }

    #[test]
    #[ignore = "run by the playground"]
    fn without_an_end() {
        loop {
            thread::park();
        }
    }
}

#[test]
fn a_program_that_does_everything_passes() {
    let finished = tried(&[], "programs::complete");
    assert_eq!(finished.lines, findings(0, [true; 4]));
    assert_eq!(finished.code, Some(0));
}

#[test]
fn missing_steps_are_a_failure() {
    let finished = tried(&[], "programs::without_a_hello");
    assert_eq!(finished.lines, findings(0, [true, false, false, true]));
    assert_eq!(finished.code, Some(1));
}

#[test]
fn the_exit_code_is_that_of_the_program() {
    let finished = tried(&[], "programs::with_a_code");
    assert_eq!(finished.lines, findings(7, [false, false, false, true]));
    assert_eq!(finished.code, Some(7));
}

#[test]
fn a_program_that_does_not_end_is_killed() {
    let finished = tried(&["--seconds", "1"], "programs::without_an_end");
    assert_eq!(finished.lines[0], "the program had not ended after 1s, and was killed");
    assert_eq!(finished.code, Some(1));
}

#[test]
fn the_error_for_a_program_that_cannot_run_is_one_line() {
    let absent = finish(&["./no such program"]);
    assert_eq!((absent.code, absent.lines.len()), (Some(1), 1), "{:?}", absent.lines);
    assert!(absent.lines[0].starts_with("cannot start \"./no such program\": "), "{:?}", absent.lines);
    let wrong = finish(&["--colour"]);
    assert_eq!(wrong.code, Some(2));
    assert_eq!(wrong.lines, ["expected a program, --seconds N or --help, got \"--colour\""]);
}

#[test]
fn without_a_program_the_playground_prints_the_variables_and_serves() {
    let mut child = playground(&[]);
    let stdout = Lines::read(child.0.stdout.take().expect("piped"));
    let names = ["URL", "HOST", "PORT", "KEY", "SECRET", "AUTH_ENDPOINT", "USER_AUTH_ENDPOINT"];
    let [url, host, port, key, ..] = names.map(|name| {
        let line = stdout.next().expect("a line for each variable");
        line.strip_prefix(&format!("export PUSHER_{name}=")).expect(name).to_owned()
    });
    let by_host = Config::host(&*key, &*host).port(port.parse().expect("a port")).tls(false);
    for config in [by_host, Config::url(url)] {
        let pusher = Pusher::new(config);
        let receiver = pusher.receiver();
        pusher.connect().expect("the server accepts").subscribe("news").expect("a valid name");
        assert_eq!(next_event(&receiver).0, "published");
    }
}
