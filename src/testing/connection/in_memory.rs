//! A connection without a socket, for the fuzzers.

use std::{
    io::{self, Read, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use md5::{Digest, Md5};

use super::requests::until_upgrade;
use crate::testing::{
    auth::{
        app::{App, hex, sign},
        encryption::{Encryption, MasterKey},
    },
    http::{
        api::string_to_sign,
        http1::{RequestError, Requests},
        upgrade::{self, UpgradeResponse},
    },
    hub::{core::Hub, settings::Settings},
};

/// Everything that the server sends in answer to these bytes of a client, up to an upgrade to WebSocket.
pub(crate) fn answers(sent: &[u8]) -> Vec<u8> {
    let hub = Hub::new(Settings::default(), Encryption::new(Some(MasterKey([7; 32]))));
    let mut connection = MemoryStream { sent, received: Vec::new() };
    let mut requests = Requests::new(&mut connection);
    let last = match until_upgrade(&hub, 1, &mut requests) {
        Err(RequestError::Gone) => return connection.received,
        Err(RequestError::Refused(response)) => response,
        Ok(head) => match upgrade::answer(&hub.settings.app, &head, None) {
            UpgradeResponse::Http(response) => response,
            UpgradeResponse::Upgrade { head, .. } => return [connection.received, head.into_bytes()].concat(),
            other => unreachable!("without a fault: {other:?}"),
        },
    };
    // A write to a vector always succeeds.
    let _ = requests.respond(&last, false);
    connection.received
}

/// A request to the HTTP API with this body and the signature of a backend.
pub(crate) fn signed(path: &str, body: &[u8]) -> Vec<u8> {
    let app = App::default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let query = [
        ("auth_key", app.key.clone()),
        ("auth_timestamp", now.to_string()),
        ("auth_version", "1.0".to_owned()),
        ("body_md5", hex(&Md5::digest(body))),
    ];
    let query = query.map(|(name, value)| (name.to_owned(), value));
    let text = string_to_sign("POST", path, &query);
    let parameters = text.rsplit('\n').next().unwrap_or_default();
    let head = format!(
        "POST {path}?{parameters}&auth_signature={} HTTP/1.1\r\nContent-Length: {}\r\n\r\n",
        sign(&app.secret, &text),
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The bytes that one side sends and receives.
pub(crate) struct MemoryStream<'a> {
    pub sent: &'a [u8],
    pub received: Vec<u8>,
}

impl Read for MemoryStream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.sent.read(buffer)
    }
}

impl Write for MemoryStream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.received.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
