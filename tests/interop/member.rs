//! The official client as a member of a presence channel: the script `member.mjs`.

use serde_json::{Value, json};

use crate::{process::Process, publisher::script};

/// A running member. It is killed when this value is dropped, without closing its connection.
pub(crate) struct OfficialMember {
    process: Process,
    seen: usize,
}

impl OfficialMember {
    /// Starts the client. Its first report says that it is subscribed.
    pub(crate) fn start(port: u16, channel: &str, user_id: &Value, user_info: &Value) -> Self {
        let member = json!({"user_id": user_id, "user_info": user_info}).to_string();
        let mut command = script("member.mjs");
        command.args(["--port", &port.to_string(), "--channel", channel, "--member", &member]);
        Self { process: Process::start("member.mjs", &mut command), seen: 0 }
    }

    /// Waits for the next report of the client.
    pub(crate) fn next(&mut self) -> Value {
        let came = self.process.stdout.wait_until(|lines| lines.len() > self.seen);
        assert!(came, "member.mjs has reported only {} changes", self.seen);
        self.seen += 1;
        serde_json::from_str(&self.process.stdout.lines()[self.seen - 1]).unwrap()
    }

    /// Sends a client event whose data is this JSON text.
    pub(crate) fn trigger(&self, json: &str) {
        self.process.send(format!("{{\"trigger\":{json}}}\n"));
    }

    pub(crate) fn leave(&self) {
        self.process.send("{\"leave\":true}\n".to_owned());
    }
}
