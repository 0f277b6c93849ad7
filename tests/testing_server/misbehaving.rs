//! A server that is silent, stalled, closed or dropped.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pusher_channels::testing::Fault;
use tungstenite::Message;

use crate::support::{
    HANDSHAKE, QUIET, SOON, assert_quiet, connect, is_cut, open, read_json, send, start, subscriber, tcp,
};

#[test]
fn a_silent_server_reads_but_does_not_answer() {
    let server = start();
    let (mut client, _) = subscriber(&server, "room");
    server.set_silent(true);
    send(&mut client, r#"{"event":"pusher:ping"}"#);
    client.send(Message::Ping("hi".into())).unwrap();
    assert_eq!(server.trigger("room", "e", "x"), 0);
    assert!(server.wait_for_received(|message| message.text.contains("ping"), SOON));
    assert_quiet(&mut client);
    assert_quiet(&mut open(&server));
    client.close(None).unwrap();
    assert_quiet(&mut client);
    assert!(server.connections() >= 1);
}

#[test]
fn a_silent_server_does_not_answer_a_broken_frame() {
    let server = start();
    let (mut client, _) = connect(&server);
    server.set_silent(true);
    // A text frame that is not masked.
    client.get_mut().write_all(&[0x81, 0x01, b'x']).unwrap();
    assert_quiet(&mut client);
    assert_eq!(server.connections(), 1);
    drop(client);
    assert!(server.wait_for_connections(0, SOON));
}

#[test]
fn a_silent_server_can_answer_again() {
    let server = start();
    let (mut client, _) = subscriber(&server, "room");
    server.set_silent(true);
    server.trigger("room", "lost", "x");
    server.set_silent(false);
    assert_eq!(server.trigger("room", "e", "x"), 1);
    assert_eq!(read_json(&mut client)["event"], "e");
}

#[test]
fn a_stalled_server_makes_writes_block() {
    let server = start();
    let (client, _) = connect(&server);
    server.set_stalled(true);
    let mut stream = client.get_ref();
    stream.set_write_timeout(Some(QUIET)).unwrap();
    let blocked = (0..1_000).find_map(|_| stream.write_all(&[0; 100_000]).err());
    let kind = blocked.expect("a write must block").kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut));
}

#[test]
fn a_stalled_server_still_delivers_and_reads_on_later() {
    let server = start();
    let (mut client, _) = subscriber(&server, "room");
    server.set_stalled(true);
    send(&mut client, r#"{"event":"pusher:ping"}"#);
    assert_quiet(&mut client);
    assert_eq!(server.trigger("room", "e", "x"), 1);
    assert_eq!(read_json(&mut client)["event"], "e");
    server.set_stalled(false);
    assert_eq!(read_json(&mut client)["event"], "pusher:pong");
}

#[test]
fn a_closed_port_refuses_and_opens_again() {
    let server = start();
    let (mut client, _) = subscriber(&server, "room");
    server.stop_listening();
    server.stop_listening();
    let refused = TcpStream::connect(server.addr()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(server.trigger("room", "e", "x"), 1);
    assert_eq!(read_json(&mut client)["event"], "e");
    server.resume_listening().unwrap();
    server.resume_listening().unwrap();
    let _second = connect(&server);
    assert_eq!(server.connections(), 2);
}

#[test]
fn dropping_the_server_closes_the_port_and_the_connections() {
    let server = start();
    let addr = server.addr();
    let (mut client, _) = connect(&server);
    drop(server);
    assert!(is_cut(&mut client));
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn dropping_the_server_does_not_wait_for_slow_clients() {
    let server = start();
    server.push_fault(Fault::DripHead(Duration::from_secs(3600)));
    let mut dripping = tcp(&server);
    dripping.write_all(HANDSHAKE).unwrap();
    assert!(server.wait_for(SOON, |state| state.requests().count() == 1));
    let (_full, _) = subscriber(&server, "room");
    let (mut stalled, _) = connect(&server);
    let _idle = tcp(&server);
    server.trigger("room", "e", &"x".repeat(20_000_000));
    server.set_stalled(true);
    send(&mut stalled, "x");
    server.set_silent(true);
    assert!(server.wait_for(SOON, |state| state.attempts() == 4));
    let since = Instant::now();
    drop(server);
    let took = since.elapsed();
    assert!(took < Duration::from_millis(250), "{took:?}");
}
