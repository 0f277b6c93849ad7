//! An application's backend with the official SDK: the script `backend.mjs`.

use pusher_channels::Config;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{process::Process, publisher::script, soketi::LOOPBACK};

const AUTHORIZATION: &str = "Authorization";
const TOKEN: &str = "a token of the application";

/// A running backend. It is killed when this value is dropped.
pub(crate) struct Backend {
    process: Process,
    port: u16,
}

/// A request that the backend has answered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Request {
    pub(crate) path: String,
    #[serde(rename = "type")]
    pub(crate) content_type: String,
    pub(crate) channel: Option<String>,
    pub(crate) status: u16,
}

impl Backend {
    /// Starts a backend, and returns when it answers.
    pub(crate) fn start() -> Self {
        Self::launch(&[])
    }

    /// The same, with a master key of encrypted channels: 32 bytes in base64.
    pub(crate) fn with_master_key(base64: &str) -> Self {
        Self::launch(&["--master-key", base64])
    }

    fn launch(options: &[&str]) -> Self {
        let process = Process::start("backend.mjs", script("backend.mjs").args(["--token", TOKEN]).args(options));
        assert!(process.stdout.wait_until(|lines| !lines.is_empty()), "backend.mjs did not start");
        let report: Value = serde_json::from_str(&process.stdout.lines()[0]).unwrap();
        Self { process, port: report["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port") }
    }

    /// The configuration of a client that this backend authorises as this user.
    pub(crate) fn serve(&self, config: Config, user: &str) -> Config {
        config
            .auth_endpoint(self.channel_endpoint())
            .user_auth_endpoint(self.user_endpoint())
            .auth_header(AUTHORIZATION, bearer())
            .auth_param("user_id", user)
    }

    pub(crate) fn channel_endpoint(&self) -> String {
        format!("http://{LOOPBACK}:{}/channels/auth", self.port)
    }

    pub(crate) fn user_endpoint(&self) -> String {
        format!("http://{LOOPBACK}:{}/users/auth", self.port)
    }

    /// The headers that every request needs, as an object.
    pub(crate) fn headers() -> Value {
        json!({AUTHORIZATION: bearer()})
    }

    /// Gives the backend another master key, and returns when the backend uses it.
    pub(crate) fn rotate_master_key(&self, base64: &str) {
        let rotations = |lines: &[String]| lines.iter().filter(|line| line.contains("rotated")).count();
        let before = rotations(&self.process.stdout.lines());
        self.process.send(json!({"masterKey": base64}).to_string() + "\n");
        assert!(self.process.stdout.wait_until(|lines| rotations(lines) > before), "backend.mjs did not take the key");
    }

    /// Waits for `count` requests, and returns all so far.
    pub(crate) fn requests(&self, count: usize) -> Vec<Request> {
        let requests = |lines: &[String]| -> Vec<Request> {
            lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
        };
        self.process.stdout.wait_until(|lines| requests(lines).len() >= count);
        requests(&self.process.stdout.lines())
    }
}

/// The info that the backend gives a user.
pub(crate) fn info_of(user: &str) -> Value {
    json!({"name": format!("{user} ☃"), "level": 7})
}

fn bearer() -> String {
    format!("Bearer {TOKEN}")
}
