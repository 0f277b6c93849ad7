//! The official server SDK: the script `publish.mjs`.

use std::process::Command;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    message::Message,
    process::Process,
    soketi::{APP_ID, FOLDER, KEY, LOOPBACK, SECRET},
};

/// Publishes the messages in order, and returns when the server has accepted all of them.
pub(crate) fn publish(port: u16, messages: &[Message]) {
    run(port, &[], messages.iter().map(|message| line(Target::Channel(&message.delivery.channel), message)));
}

/// The same, encrypted with keys derived from this master key, 32 bytes in base64.
pub(crate) fn publish_encrypted(port: u16, master_key: &str, messages: &[Message]) {
    let lines = messages.iter().map(|message| line(Target::Channel(&message.delivery.channel), message));
    run(port, &["--master-key", master_key], lines);
}

/// Sends the messages to a user. Their channels are ignored.
pub(crate) fn send_to_user(port: u16, user: &str, messages: &[Message]) {
    run(port, &[], messages.iter().map(|message| line(Target::User(user), message)));
}

fn run(port: u16, options: &[&str], lines: impl ExactSizeIterator<Item = String>) {
    let count = lines.len();
    let mut sdk =
        Process::start("publish.mjs", script("publish.mjs").args(["--port", &port.to_string()]).args(options));
    sdk.send(lines.collect());
    let status = sdk.finish();
    assert!(status.success(), "publish.mjs ended with {status}");
    assert_eq!(sdk.stdout.lines(), vec!["ok"; count]);
}

/// A script of this folder, with the options for the host and the app.
pub(crate) fn script(name: &str) -> Command {
    let mut command = Command::new("node");
    command.current_dir(FOLDER).arg(name);
    command.args(["--host", LOOPBACK, "--app-id", APP_ID, "--key", KEY, "--secret", SECRET]);
    command
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Target<'a> {
    Channel(&'a str),
    User(&'a str),
}

fn line(target: Target<'_>, message: &Message) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(flatten)]
        target: Target<'a>,
        event: &'a str,
        // A `Value` would sort the keys of an object.
        data: &'a RawValue,
    }
    let line = Line { target, event: &message.delivery.event, data: serde_json::from_str(&message.json).unwrap() };
    serde_json::to_string(&line).unwrap() + "\n"
}
