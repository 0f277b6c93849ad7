//! Clients of the embedded server, and helpers for the tests.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use pusher_channels::testing::TestServer;
use serde_json::{Value, json};
use tungstenite::error::ProtocolError;
use tungstenite::{Error, HandshakeError, Message, WebSocket};
/// A time limit far above the duration of anything in these tests.
pub(crate) const SOON: Duration = Duration::from_secs(10);
/// Long enough to see that no message comes.
pub(crate) const QUIET: Duration = Duration::from_millis(100);

pub(crate) type Client = WebSocket<TcpStream>;

/// A handshake by hand, with the key of RFC 6455, 1.3.
pub(crate) const HANDSHAKE: &[u8] = b"GET /app/app-key HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
pub(crate) const HANDSHAKE_ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

pub(crate) fn start() -> TestServer {
    TestServer::start().unwrap()
}

pub(crate) fn tcp(server: &TestServer) -> TcpStream {
    let stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

pub(crate) fn try_open(server: &TestServer, url: &str) -> Result<Client, Error> {
    match tungstenite::client(url, tcp(server)) {
        Ok((client, _)) => Ok(client),
        Err(HandshakeError::Failure(error)) => Err(error),
        Err(HandshakeError::Interrupted(_)) => panic!("the handshake timed out"),
    }
}

/// A WebSocket that has not read anything yet.
pub(crate) fn open(server: &TestServer) -> Client {
    let url = format!("{}?protocol=7&client=test&version=1.0.0", server.url());
    try_open(server, &url).unwrap()
}

pub(crate) fn read_text(client: &mut Client) -> String {
    match client.read().unwrap() {
        Message::Text(text) => text.to_string(),
        other => panic!("{other:?} is not a text"),
    }
}

pub(crate) fn read_json(client: &mut Client) -> Value {
    serde_json::from_str(&read_text(client)).unwrap()
}

/// The code of the close frame that comes next.
pub(crate) fn read_close(client: &mut Client) -> (u16, String) {
    match client.read().unwrap() {
        Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("{other:?} is not a close frame"),
    }
}

/// A client that has received its socket id.
pub(crate) fn connect(server: &TestServer) -> (Client, String) {
    let mut client = open(server);
    let established = read_json(&mut client);
    assert_eq!(established["event"], "pusher:connection_established");
    let data: Value = serde_json::from_str(established["data"].as_str().unwrap()).unwrap();
    let socket_id = data["socket_id"].as_str().unwrap().to_owned();
    (client, socket_id)
}

pub(crate) fn send(client: &mut Client, text: &str) {
    client.send(Message::text(text)).unwrap();
}

pub(crate) fn subscribe(client: &mut Client, channel: &str) {
    let message = json!({"event": "pusher:subscribe", "data": {"channel": channel}});
    send(client, &message.to_string());
}

/// A client with a confirmed subscription.
pub(crate) fn subscriber(server: &TestServer, channel: &str) -> (Client, String) {
    let (mut client, socket_id) = connect(server);
    subscribe(&mut client, channel);
    assert_eq!(
        read_text(&mut client),
        format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{channel}"}}"#)
    );
    (client, socket_id)
}

pub(crate) fn assert_quiet(client: &mut Client) {
    client.get_ref().set_read_timeout(Some(QUIET)).unwrap();
    match client.read() {
        Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
        other => panic!("{other:?} instead of nothing"),
    }
    client.get_ref().set_read_timeout(Some(SOON)).unwrap();
}

/// Whether the TCP connection has ended without a close frame.
pub(crate) fn is_cut(client: &mut Client) -> bool {
    matches!(client.read(), Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_)))
}

/// The data that an event carries as a JSON text in a string.
pub(crate) fn data_of(event: &Value) -> Value {
    serde_json::from_str(event["data"].as_str().unwrap()).unwrap()
}

/// Requests a subscription, signed as the app's backend would sign it.
pub(crate) fn subscribe_signed(server: &TestServer, client: &mut Client, socket_id: &str, channel: &str) {
    let auth = server.sign_channel(socket_id, channel, None);
    let message = json!({"event": "pusher:subscribe", "data": {"channel": channel, "auth": auth}});
    send(client, &message.to_string());
}

/// Requests a subscription to a presence channel as a member.
pub(crate) fn join(server: &TestServer, client: &mut Client, socket_id: &str, channel: &str, channel_data: &str) {
    let auth = server.sign_channel(socket_id, channel, Some(channel_data));
    let data = json!({"channel": channel, "auth": auth, "channel_data": channel_data});
    send(client, &json!({"event": "pusher:subscribe", "data": data}).to_string());
}

/// A client with a confirmed subscription to a channel that needs a signature and has no members.
pub(crate) fn signed_subscriber(server: &TestServer, channel: &str) -> (Client, String) {
    let (mut client, socket_id) = connect(server);
    subscribe_signed(server, &mut client, &socket_id, channel);
    assert_eq!(read_json(&mut client)["event"], "pusher_internal:subscription_succeeded");
    (client, socket_id)
}

/// A client that is a member of a presence channel, and the data of its confirmation.
pub(crate) fn member(server: &TestServer, channel: &str, channel_data: &str) -> (Client, Value) {
    let (mut client, socket_id) = connect(server);
    join(server, &mut client, &socket_id, channel, channel_data);
    let confirmed = read_json(&mut client);
    assert_eq!(confirmed["event"], "pusher_internal:subscription_succeeded");
    (client, data_of(&confirmed))
}

/// Requests a sign-in, signed as the app's backend would sign it.
pub(crate) fn sign_in(server: &TestServer, client: &mut Client, socket_id: &str, user_data: &str) {
    let auth = server.sign_user(socket_id, user_data);
    let message = json!({"event": "pusher:signin", "data": {"auth": auth, "user_data": user_data}});
    send(client, &message.to_string());
}

/// A client that is signed in.
pub(crate) fn signed_in(server: &TestServer, user_data: &str) -> (Client, String) {
    let (mut client, socket_id) = connect(server);
    sign_in(server, &mut client, &socket_id, user_data);
    assert_eq!(read_json(&mut client)["event"], "pusher:signin_success");
    (client, socket_id)
}
