//! The answer to an upgrade request: by the protocol, or by a [`Fault`]. This module uses no sockets.

use std::time::Duration;

use tungstenite::handshake::derive_accept_key;

use super::{
    fault::Fault,
    http1::{Head, Response, percent_decode},
};
use crate::testing::auth::app::App;

/// The answer to an upgrade request.
#[derive(Debug)]
pub(crate) enum UpgradeResponse {
    /// The connection becomes a WebSocket.
    Upgrade {
        /// The `101` response.
        head: String,
        /// The pause before each byte of the head. Without it the head is sent at once.
        drip: Option<Duration>,
        greeting: Greeting,
    },
    /// An ordinary response, then the connection ends.
    Http(Response),
    /// This text, then the connection ends.
    Raw(String),
    /// No answer. The connection stays until the client ends it.
    Nothing,
}

/// The first message on a new WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    Established,
    Text(String),
    Nothing,
    /// The server refuses the connection.
    Refusal {
        /// Code and message of a `pusher:error`.
        error: Option<(u16, String)>,
        /// Code and reason of a close frame. Without it the TCP connection ends.
        close: Option<(u16, String)>,
    },
}

/// Whether this is an upgrade request.
pub(crate) fn is_upgrade(head: &Head) -> bool {
    head.method == "GET" && head.header_has("upgrade", "websocket")
}

/// Whether the server has WebSockets at this path.
pub(crate) fn is_app_path(path: &str) -> bool {
    app_key(path).is_some()
}

/// The answer to an upgrade request that meets this fault.
pub(crate) fn answer(app: &App, head: &Head, fault: Option<Fault>) -> UpgradeResponse {
    match fault {
        Some(Fault::HttpStatus { status, body, headers }) => {
            return UpgradeResponse::Http(Response { status, headers, body });
        }
        Some(Fault::NoUpgradeAnswer) => return UpgradeResponse::Nothing,
        Some(Fault::RawHead(text)) => return UpgradeResponse::Raw(text),
        _ => {}
    }
    let Some(app_key) = app_key(head.path()) else {
        return UpgradeResponse::Http(Response::text(404, "no such path"));
    };
    let accept = match accept_key(head) {
        Ok(accept) => accept,
        Err(response) => return UpgradeResponse::Http(response),
    };
    let greeting = greeting(app, &percent_decode(app_key), &head.query());
    upgrade(&accept, greeting, fault)
}

/// The key in the path, still percent-encoded.
fn app_key(path: &str) -> Option<&str> {
    path.strip_prefix("/app/").filter(|key| !key.is_empty() && !key.contains('/'))
}

/// The value of `Sec-WebSocket-Accept`, RFC 6455, 4.2.2.
fn accept_key(head: &Head) -> Result<String, Response> {
    if head.header("sec-websocket-version") != Some("13") {
        return Err(
            Response::text(426, "only version 13 of WebSocket is spoken").with_header("Sec-WebSocket-Version", "13")
        );
    }
    match head.header("sec-websocket-key") {
        Some(key) if head.header_has("connection", "upgrade") => Ok(derive_accept_key(key.as_bytes())),
        _ => Err(Response::text(400, "this is not a WebSocket handshake")),
    }
}

fn greeting(app: &App, key: &str, query: &[(String, String)]) -> Greeting {
    if key != app.key {
        let message = format!("Could not find app by key {key}");
        return Greeting::Refusal { error: Some((4001, message.clone())), close: Some((4001, message)) };
    }
    let protocol = query.iter().find(|(name, _)| name == "protocol");
    match protocol.map(|(_, value)| value.as_str()) {
        None | Some("5" | "6" | "7") => Greeting::Established,
        // Since protocol 6 the server sends a close code without a `pusher:error`.
        Some(_) => Greeting::Refusal { error: None, close: Some((4007, "Unsupported protocol version".into())) },
    }
}

fn upgrade(accept: &str, greeting: Greeting, fault: Option<Fault>) -> UpgradeResponse {
    let plain = |greeting| UpgradeResponse::Upgrade { head: switching_protocols(accept, None), drip: None, greeting };
    match fault {
        Some(Fault::CloseAfterUpgrade { code, reason }) => {
            plain(Greeting::Refusal { error: None, close: Some((code, reason)) })
        }
        Some(Fault::ErrorThenClose { code, message, close_code }) => plain(Greeting::Refusal {
            error: Some((code, message)),
            close: close_code.map(|code| (code, String::new())),
        }),
        Some(Fault::DropAfterUpgrade) => plain(Greeting::Refusal { error: None, close: None }),
        Some(Fault::FirstFrame(text)) => plain(Greeting::Text(text)),
        Some(Fault::NeverEstablished) => plain(Greeting::Nothing),
        Some(Fault::WrongAccept) => UpgradeResponse::Upgrade {
            head: switching_protocols(&derive_accept_key(b"another key"), None),
            drip: None,
            greeting,
        },
        Some(Fault::ExtraUpgradeHeader(name, value)) => {
            UpgradeResponse::Upgrade { head: switching_protocols(accept, Some((&name, &value))), drip: None, greeting }
        }
        Some(Fault::DripHead(pause)) => {
            UpgradeResponse::Upgrade { head: switching_protocols(accept, None), drip: Some(pause), greeting }
        }
        // These faults are answered without an upgrade.
        Some(Fault::HttpStatus { .. } | Fault::NoUpgradeAnswer | Fault::RawHead(_)) | None => plain(greeting),
    }
}

fn switching_protocols(accept: &str, extra: Option<(&str, &str)>) -> String {
    let mut head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    );
    if let Some((name, value)) = extra {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head
}
