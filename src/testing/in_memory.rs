//! A connection without a socket: what a client would have sent, and what it would have got. For the fuzzers.

use std::io::{self, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use md5::{Digest, Md5};

use super::encryption::{Encryption, MasterKey};
use super::http::{RequestError, Requests};
use super::hub::Hub;
use super::serve::until_upgrade;
use super::signature::{hex, sign};
use super::upgrade::{self, Answer};
use super::{TestServerBuilder, api::string_to_sign};

/// All that the server sends over a connection on which the client has sent this, up to an upgrade to WebSocket.
pub(crate) fn answers(sent: &[u8]) -> Vec<u8> {
    let hub = Hub::new(TestServerBuilder::default().settings, Encryption::new(Some(MasterKey([7; 32]))));
    let mut connection = Connection { sent, received: Vec::new() };
    let mut requests = Requests::new(&mut connection);
    let last = match until_upgrade(&hub, 1, &mut requests) {
        Err(RequestError::Gone) => return connection.received,
        Err(RequestError::Refused(response)) => response,
        Ok(head) => match upgrade::answer(&hub.settings.app, &head, None) {
            Answer::Http(response) => response,
            Answer::Upgrade { head, .. } => return [connection.received, head.into_bytes()].concat(),
            other => unreachable!("without a fault: {other:?}"),
        },
    };
    // A vector takes every write.
    let _ = requests.respond(&last, false);
    connection.received
}

/// A request to the HTTP API with this body, signed as a backend signs it.
pub(crate) fn signed(path: &str, body: &[u8]) -> Vec<u8> {
    let app = super::app::App::default();
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

/// The bytes that one side has sent, and those that it gets.
pub(crate) struct Connection<'a> {
    pub(crate) sent: &'a [u8],
    pub(crate) received: Vec<u8>,
}

impl Read for Connection<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.sent.read(buffer)
    }
}

impl Write for Connection<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.received.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
