//! The examples, run as users run them: as processes of their own, without arguments and without environment variables.
//! `listen` has a test file of its own.
//!
//! `cargo test` builds the examples, too. `cargo test --test examples` does not, and runs the programs that `cargo
//! build --examples` has built before.
#![cfg(feature = "test-server")]

// All modules of `notifications`, with their unit tests. `cargo test` does not run the unit tests of examples.
#[path = "../examples/notifications/backend.rs"]
mod backend;
#[path = "../examples/notifications/channels.rs"]
mod channels;
#[path = "../examples/notifications/directory.rs"]
mod directory;
#[path = "../examples/notifications/history.rs"]
mod history;
#[path = "../examples/notifications/inbox.rs"]
mod inbox;
#[path = "../examples/notifications/message.rs"]
mod message;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../examples/notifications/options.rs"]
mod options;
#[path = "../examples/notifications/request.rs"]
mod request;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../examples/notifications/session.rs"]
mod session;

mod support;

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use directory::DataDirectory;
use support::process::{KilledOnDrop, Lines, example};

/// The exit code and the output of a process.
#[derive(Debug, PartialEq)]
struct Finished {
    code: Option<i32>,
    stdout: Vec<String>,
    stderr: Vec<String>,
}

/// Starts an example. Only the folder of temporary files is set, so that a test sees the files that are left in it.
fn spawn(temporary: &Path, name: &str, args: &[&str]) -> KilledOnDrop {
    let mut command = Command::new(example(name));
    command.args(args).env_clear().env("TMPDIR", temporary).env("TMP", temporary);
    if let Some(root) = env::var_os("SystemRoot") {
        // Sockets on Windows need this variable.
        command.env("SystemRoot", root);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    KilledOnDrop(command.spawn().expect("the example; to build it: cargo build --examples"))
}

fn run_in(temporary: &Path, name: &str, args: &[&str]) -> Finished {
    let mut child = spawn(temporary, name, args);
    let stdout = Lines::read(child.0.stdout.take().expect("piped"));
    let stderr = Lines::read(child.0.stderr.take().expect("piped"));
    // A process closes its pipes when it ends, and the pipes are read with a deadline.
    let (stdout, stderr) = (stdout.rest(), stderr.rest());
    Finished { code: child.0.wait().expect("a child of this process").code(), stdout, stderr }
}

fn run(name: &str, args: &[&str]) -> Finished {
    run_in(directory().path(), name, args)
}

fn directory() -> DataDirectory {
    DataDirectory::open(None).expect("a directory for temporary files")
}

/// The output of an example that succeeds.
fn prints(name: &str, args: &[&str]) -> String {
    let finished = run(name, args);
    assert_eq!((finished.code, finished.stderr), (Some(0), Vec::new()), "{:?}", finished.stdout);
    finished.stdout.join("\n")
}

#[test]
fn quickstart_prints_an_event() {
    assert_eq!(prints("quickstart", &[]), r#"Some("news") published hello, world"#);
}

#[test]
fn private_channel_receives_an_event_and_is_refused() {
    let expected = "\
private-orders: subscribed
private-orders: placed {\"id\":1}
auth: private-orders: refused with 403 (it does not allow this user): \"Forbidden\"
is_auth: true; is_retryable: false
news: subscribed nevertheless";
    assert_eq!(prints("private_channel", &[]), expected);
}

#[test]
fn presence_chat_shows_members_and_messages() {
    let expected = "\
[ann] in the room: Ann
[bob] in the room: Ann, Bob
[ann] Bob joins
[ann] bob says \"Is there any coffee left?\"
[bob] ann says \"A cup. Hurry!\"
[ann] Bob leaves
[ann] in the room: Ann";
    assert_eq!(prints("presence_chat", &[]), expected);
}

#[test]
fn encrypted_decrypts_until_the_key_changes_and_again_after_another_subscription() {
    let expected = "\
decrypted: \"Ann gets 3 % more\"
the master key is rotated
decrypted: \"Bob gets 2 % more\"
the master key is rotated again
not decrypted: raise on private-encrypted-payroll: the key does not fit
subscribed again
decrypted: \"Cid gets 1 % more\"";
    assert_eq!(prints("encrypted", &[]), expected);
}

mod notifications {
    use super::*;

    /// The inboxes of the users after one run.
    const INBOXES: &str = "\
ann's inbox: 1 of 1 pending
  * #1 from bob: \"Gladly.\"
bob's inbox: 1 of 2 pending
  * #1 from ann: \"Lunch at noon?\"
    #2: \"The build is green\"";

    fn complains(args: &[&str], code: i32) -> String {
        let finished = run("notifications", args);
        assert_eq!((finished.code, finished.stderr.len()), (Some(code), 1), "{:?}", finished.stderr);
        finished.stderr[0].strip_prefix("notifications: ").expect("the program's name").to_owned()
    }

    #[test]
    fn the_history_survives_the_end_of_the_sessions() {
        let expected = format!(
            "\
== Ann and Bob are connected
ann's inbox: 0 of 0 pending
bob's inbox: 0 of 0 pending
bob gets #1 from ann: \"Lunch at noon?\"
ann gets #1 from bob: \"Gladly.\"
bob gets #2: \"The build is green\"
bob opens #2
{INBOXES}
== Both are disconnected
a notification to bob reaches 0 connections, and is not replayed
== Ann and Bob are connected again
{INBOXES}
== Another client claims to be Bob
auth: private-user-bob: refused with 401 (it does not recognise the user; check the credentials (Config::auth_header), or renew them (auth_headers_with)): \"unknown token\""
        );
        assert_eq!(prints("notifications", &[]), expected);
    }

    #[test]
    fn nothing_is_left_in_the_directory_for_temporary_files() {
        let temporary = directory();
        assert_eq!(run_in(temporary.path(), "notifications", &[]).code, Some(0));
        assert_eq!(fs::read_dir(temporary.path()).expect("readable").count(), 0);
    }

    #[test]
    fn the_history_survives_the_end_of_the_program() {
        let kept = directory();
        let data = ["--data", kept.path().to_str().expect("UTF-8")];
        prints("notifications", &data);
        let second = prints("notifications", &data);
        assert!(
            second.starts_with(&format!("== Ann and Bob are connected\n{INBOXES}\nbob gets #3 from ann")),
            "{second}"
        );
    }

    #[test]
    fn a_corrupted_history_is_reported_and_left_as_it_is() {
        let kept = directory();
        let file = kept.path().join("bob.json");
        fs::write(&file, "{").expect("a writable directory");
        let complaint = complains(&["--data", kept.path().to_str().expect("UTF-8")], 1);
        assert!(complaint.contains("bob.json") && complaint.contains("is corrupted"), "{complaint}");
        assert_eq!(fs::read_to_string(file).expect("readable"), "{");
    }

    #[test]
    fn the_error_for_a_wrong_option_is_one_line() {
        assert_eq!(complains(&["--colour"], 2), "expected --data DIR or --help, got \"--colour\"");
        assert_eq!(complains(&["--data"], 2), "--data needs a directory");
    }

    #[test]
    fn a_closed_output_ends_the_program_silently() {
        let temporary = directory();
        let mut child = spawn(temporary.path(), "notifications", &[]);
        drop(child.0.stdout.take());
        let stderr = Lines::read(child.0.stderr.take().expect("piped"));
        assert!(stderr.rest().is_empty());
        assert_eq!(child.0.wait().expect("a child of this process").code(), Some(0));
    }

    #[test]
    fn help_is_printed() {
        assert!(prints("notifications", &["--help"]).starts_with("notifications: an internal notification service"));
    }
}
