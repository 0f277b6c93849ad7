//! Messages, close frames and cuts on request of a test.

use std::time::{Duration, Instant};

use tungstenite::{Error, Message};

use crate::support::{SOON, connect, is_cut, read_close, start, subscriber};

#[test]
fn raw_texts_binaries_and_pings_go_to_every_connection() {
    let server = start();
    let (mut one, _) = connect(&server);
    let (mut two, _) = connect(&server);
    assert_eq!(server.send_raw("not json"), 2);
    assert_eq!(server.send_binary(&[1, 2]), 2);
    assert_eq!(server.send_ws_ping(b"beat"), 2);
    for client in [&mut one, &mut two] {
        assert_eq!(client.read().unwrap(), Message::text("not json"));
        assert_eq!(client.read().unwrap(), Message::Binary(vec![1, 2].into()));
        assert_eq!(client.read().unwrap(), Message::Ping("beat".into()));
    }
}

#[test]
fn raw_bytes_are_not_framed() {
    let server = start();
    let (mut client, _) = connect(&server);
    assert_eq!(server.send_raw_bytes(&[0x81, 0x02, b'h']), 1);
    assert_eq!(server.send_raw_bytes(b"i"), 1);
    assert_eq!(client.read().unwrap(), Message::text("hi"));
}

#[test]
fn closing_sends_code_and_reason_and_ends_after_the_answer() {
    let server = start();
    let (mut client, _) = connect(&server);
    assert_eq!(server.close_all(4200, "please reconnect"), 1);
    assert_eq!(server.close_all(4200, "again"), 0);
    assert_eq!(read_close(&mut client), (4200, "please reconnect".to_owned()));
    assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
    assert!(server.wait_for_connections(0, SOON));
}

#[test]
fn closing_ends_without_an_answer_after_a_second() {
    let server = start();
    let (client, _) = connect(&server);
    let since = Instant::now();
    assert_eq!(server.close_all(4200, ""), 1);
    assert!(server.wait_for_connections(0, SOON));
    assert!(since.elapsed() >= Duration::from_millis(900));
    drop(client);
}

#[test]
fn closing_ends_a_client_that_does_not_read() {
    let server = start();
    let (client, _) = subscriber(&server, "room");
    server.trigger("room", "e", &"x".repeat(20_000_000));
    assert_eq!(server.close_all(4200, ""), 1);
    assert!(server.wait_for_connections(0, SOON));
    drop(client);
}

#[test]
fn dropping_cuts_without_a_close_frame() {
    let server = start();
    let (mut client, _) = connect(&server);
    assert_eq!(server.drop_all(), 1);
    assert!(is_cut(&mut client));
    assert_eq!(server.connections(), 0);
}
