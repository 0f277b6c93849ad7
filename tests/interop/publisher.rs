//! The official server SDK, driven through `publish.mjs`.

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
    let mut command = Command::new("node");
    command.current_dir(FOLDER).arg("publish.mjs");
    command.args(["--host", LOOPBACK, "--port", &port.to_string()]);
    command.args(["--app-id", APP_ID, "--key", KEY, "--secret", SECRET]);
    let mut sdk = Process::start("publish.mjs", &mut command, messages.iter().map(line).collect());
    let status = sdk.finish();
    assert!(status.success(), "publish.mjs ended with {status}");
    assert_eq!(sdk.stdout.lines(), vec!["ok"; messages.len()]);
}

fn line(message: &Message) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        channel: &'a str,
        event: &'a str,
        // Through a `Value` the keys of an object would come out sorted.
        data: &'a RawValue,
    }
    let line = Line {
        channel: &message.delivery.channel,
        event: &message.delivery.event,
        data: serde_json::from_str(&message.json).unwrap(),
    };
    serde_json::to_string(&line).unwrap() + "\n"
}
