//! Messages of clients, and the answers of the server.

use std::time::Duration;

use tungstenite::{Error, Message};

use crate::support::{SOON, connect, read_json, read_text, send, start};

#[test]
fn a_pusher_ping_is_answered() {
    let server = start();
    let (mut client, _) = connect(&server);
    send(&mut client, r#"{"event":"pusher:ping","data":{}}"#);
    assert_eq!(read_text(&mut client), r#"{"event":"pusher:pong","data":{}}"#);
}

#[test]
fn a_websocket_ping_is_answered() {
    let server = start();
    let (mut client, _) = connect(&server);
    client.send(Message::Ping("hi".into())).unwrap();
    assert_eq!(client.read().unwrap(), Message::Pong("hi".into()));
}

#[test]
fn invalid_messages_are_counted_and_ignored() {
    let server = start();
    let (mut client, _) = connect(&server);
    for text in ["nonsense", "[1]", r#"{"event":"pusher:subscribe","data":"x"}"#] {
        send(&mut client, text);
    }
    client.send(Message::Binary(vec![1, 2, 3].into())).unwrap();
    assert!(server.wait_for(SOON, |state| state.ignored() == 4));
    send(&mut client, r#"{"event":"pusher:ping"}"#);
    assert_eq!(read_json(&mut client)["event"], "pusher:pong");
}

#[test]
fn messages_are_recorded_in_order_with_their_connection() {
    let server = start();
    let (mut first, _) = connect(&server);
    let (mut second, _) = connect(&server);
    send(&mut first, "a");
    assert!(server.wait_for_received(|message| message.text == "a", SOON));
    send(&mut second, "b");
    assert!(server.wait_for_received(|message| message.text == "b", SOON));
    let received: Vec<_> = server.received().into_iter().map(|message| (message.connection, message.text)).collect();
    assert_eq!(received, [(1, "a".to_owned()), (2, "b".to_owned())]);
}

#[test]
fn waiting_ends_with_the_timeout() {
    let server = start();
    assert!(!server.wait_for_received(|_| true, Duration::ZERO));
    assert!(!server.wait_for_connections(1, Duration::from_millis(1)));
    assert!(server.wait_for_connections(0, Duration::MAX));
}

#[test]
fn a_close_frame_is_answered() {
    let server = start();
    let (mut client, _) = connect(&server);
    client.close(None).unwrap();
    assert!(matches!(client.read(), Ok(Message::Close(None))));
    assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
    assert!(server.wait_for_connections(0, SOON));
}
