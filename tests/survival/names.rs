//! Hostile names and values through real sockets (C1, C2, S7): the client refuses them before any packet, or sends them
//! encoded.
//!
//! A unit test, `survival_c1_hostile_names_are_refused_or_encoded`, does the same for a million of them, and looks at
//! the
//! bytes before they are sent. Both share the generator of the names and the parsers of the bytes.

#[path = "../../src/testability/fuzzing/evil.rs"]
mod evil;
#[path = "../../src/testability/fuzzing/strict.rs"]
mod strict;

use std::{
    io::{Read, Write},
    net::{Ipv6Addr, TcpListener, TcpStream},
    sync::mpsc::{self, Receiver, TryRecvError},
    thread,
};

use pusher_channels::{Config, Error, Pusher, Reconnect};

use crate::{
    figures,
    support::{PATIENCE, connected, quick, server, subscribed},
};
use evil::Evil;
use strict::{Head, Json, form, percent_decoded};

const SEED: u64 = 5;

/// A server that records the bytes of each request, and refuses it.
struct RecordingServer {
    port: u16,
    heads: Receiver<Vec<u8>>,
}

impl RecordingServer {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let port = listener.local_addr().expect("it is bound").port();
        let (sender, heads) = mpsc::channel();
        // The thread ends with the process. Only the test connects.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if sender.send(refuse(stream)).is_err() {
                    return;
                }
            }
        });
        Self { port, heads }
    }

    /// The head of the request with this configuration; `None` when the client refuses it before.
    fn head_of(&self, config: Config) -> Option<Head> {
        let config = config.reconnect(Reconnect::never());
        match Pusher::new(config).connect().map(drop).expect_err("the server refuses everything") {
            Error::Config { .. } => {
                assert_eq!(self.heads.try_recv(), Err(TryRecvError::Empty), "it is refused before any packet");
                None
            }
            Error::UpgradeStatus { status: 403, .. } => {
                let head = self.heads.recv_timeout(PATIENCE).expect("the server records each request that it answers");
                Some(Head::parse(&head).unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(&head))))
            }
            other => panic!("{other:?}"),
        }
    }

    fn config(&self, key: &str) -> Config {
        Config::host(key, "127.0.0.1").port(self.port).tls(false)
    }
}

/// Reads up to an empty line, or to the end.
fn refuse(mut stream: TcpStream) -> Vec<u8> {
    let (mut head, mut chunk) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => head.extend_from_slice(&chunk[..count]),
            _ => return head,
        }
    }
    // The client may have closed the connection. Its bytes are recorded anyway.
    let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    head
}

/// The number of headers that the client sends by default.
fn own_headers(server: &RecordingServer) -> usize {
    server.head_of(server.config("key")).expect("a valid configuration").headers.len()
}

/// The path and the parameters of a request.
fn parts(head: &Head) -> (String, Vec<(String, String)>) {
    let (path, query) = head.target().and_then(|target| target.split_once('?')).expect("a path and a query");
    (path.to_owned(), form(query).expect("the query has the shape of a form"))
}

#[test]
fn c1_hostile_names_in_the_upgrade_request_are_refused_or_encoded() {
    const CASES: usize = 4000;
    let server = RecordingServer::listen();
    let (own, mut generator, mut sent) = (own_headers(&server), Evil::new(SEED), [0; 6]);
    for case in 0..CASES {
        let (place, value) = (case % sent.len(), generator.text());
        let config = match place {
            0 => server.config(&value),
            1 => server.config("key").path_prefix(&value),
            2 => server.config("key").client_name(&value, &value),
            3 => server.config("key").header(&value, "v"),
            4 => server.config("key").header("X-N", &value),
            _ => server.config("key").origin(&value),
        };
        let Some(head) = server.head_of(config) else { continue };
        sent[place] += 1;
        let (path, query) = parts(&head);
        let decoded = |text: &str| String::from_utf8(percent_decoded(text).expect("no broken escape")).expect("UTF-8");
        let trimmed = value.trim_matches([' ', '\t']);
        match place {
            0 => assert_eq!(path.strip_prefix("/app/").map(decoded), Some(value), "seed {SEED}, case {case}"),
            1 => {
                let prefix = path.strip_suffix("/app/key").expect("the key comes last");
                let given = value.split('/').filter(|part| !part.is_empty());
                assert!(prefix.split('/').skip(1).map(decoded).eq(given), "seed {SEED}, case {case}: {prefix}");
            }
            2 => {
                assert_eq!(query[1..], [("client".to_owned(), value.clone()), ("version".to_owned(), value)]);
            }
            3 => assert_eq!((head.only(&value), head.headers.len()), (Some("v"), own + 1), "seed {SEED}, case {case}"),
            4 => {
                assert_eq!((head.only("X-N"), head.headers.len()), (Some(trimmed), own + 1), "seed {SEED}, case {case}")
            }
            _ => assert_eq!(
                (head.only("Origin"), head.headers.len()),
                (Some(trimmed), own + 1),
                "seed {SEED}, case {case}"
            ),
        }
    }
    println!("seed {SEED}, sent by place: {sent:?}");
    assert!(sent.iter().all(|sent| *sent > 10), "{sent:?}");
    figures::record("hostile names in upgrade requests, raw on the wire", format!("0 of {CASES}"), "0");
}

/// Whether it is an IPv6 address with a zone, which the resolver of this machine would look up.
fn has_a_zone(value: &str) -> bool {
    let bare = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(value);
    let is_zone = |zone: &str| zone.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c));
    bare.split_once('%').is_some_and(|(address, zone)| address.parse::<Ipv6Addr>().is_ok() && is_zone(zone))
}

/// Only values that the client must refuse: the others would go to a resolver, and could leave this machine.
#[test]
fn c1_hostile_hosts_and_clusters_are_refused_before_any_packet() {
    const CASES: usize = 4000;
    let (mut generator, mut refused) = (Evil::new(SEED), 0);
    while refused < CASES {
        let value = generator.text();
        let is_host = value.chars().all(|c| c.is_ascii_alphanumeric() || "-._:[]".contains(c));
        if (is_host && !value.is_empty()) || has_a_zone(&value) {
            continue;
        }
        for config in [Config::host("key", &value), Config::cluster("key", &value)] {
            let result = Pusher::new(config.reconnect(Reconnect::never())).connect().map(drop);
            assert!(matches!(result, Err(Error::Config { .. })), "seed {SEED}: {value:?}: {result:?}");
            refused += 1;
        }
    }
    figures::record("hostile hosts and clusters, connected to", format!("0 of {refused}"), "0");
}

#[test]
fn s7_hostile_channel_names_are_refused_or_sent_unchanged() {
    const CASES: usize = 4000;
    let server = server();
    let pusher = connected(&server);
    let mut generator = Evil::new(SEED);
    let mut accepted = Vec::new();
    for _ in 0..CASES {
        // Each name once, public or with the permission that it needs.
        let name = generator.text();
        match pusher.subscribe(&name) {
            Ok(_) if accepted.contains(&name) => {}
            Ok(_) => accepted.push(name),
            Err(error) => assert!(matches!(error, Error::ChannelName { .. }), "seed {SEED}: {name:?}: {error:?}"),
        }
    }
    subscribed(&pusher, "the-last-one");
    let public = accepted.iter().filter(|name| !name.starts_with("private-") && !name.starts_with("presence-"));
    let expected: Vec<_> = public.map(String::as_str).chain(["the-last-one"]).collect();
    let sent: Vec<_> = server.received().iter().map(|message| subscribe_of(&message.text)).collect();
    assert_eq!(sent, expected, "seed {SEED}");
    assert!(sent.len() > 100, "{}", sent.len());
    figures::record("hostile channel names, raw on the wire", format!("0 of {CASES}"), "0");
}

/// The channel that this message requests. It contains nothing else.
fn subscribe_of(text: &str) -> String {
    let message = Json::parse(text).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(message.member("event").and_then(Json::text), Some("pusher:subscribe"), "{text}");
    let channel = message.member("data").and_then(|data| data.member("channel")).and_then(Json::text);
    channel.unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn a1_hostile_parameters_and_headers_reach_the_endpoint_encoded_or_not_at_all() {
    const CASES: usize = 600;
    let server = server();
    let (mut generator, mut sent) = (Evil::new(SEED), [0; 2]);
    for case in 0..CASES {
        let (name, value, json) = (generator.text(), generator.text(), case % 2 == 0);
        let config = quick(&server).auth_endpoint(server.auth_endpoint()).auth_json(json);
        let config = config.auth_param(&name, &value).auth_header("X-N", &value);
        let before = server.auth_requests().len();
        match Pusher::new(config).connect() {
            Ok(pusher) => subscribed(&pusher, "private-a"),
            Err(error) => {
                assert!(matches!(error, Error::Config { option: "auth_header", .. }), "seed {SEED}: {error:?}");
                assert_eq!(server.auth_requests().len(), before);
                continue;
            }
        };
        let request = server.auth_requests().pop().expect("the endpoint was requested");
        assert_eq!(request.header("X-N"), Some(value.trim_matches([' ', '\t'])), "seed {SEED}, case {case}");
        let fields = if json { json_fields(&request.body) } else { form(&request.body).expect("a form") };
        let given = fields.iter().filter(|(field, _)| !["socket_id", "channel_name"].contains(&field.as_str()));
        assert!(given.eq([&(name, value)]), "seed {SEED}, case {case}: {}", request.body);
        assert_eq!(fields.len(), 3);
        sent[usize::from(json)] += 1;
    }
    assert!(sent.iter().all(|sent| *sent > 50), "{sent:?}");
    figures::record("hostile auth parameters and headers, raw on the wire", format!("0 of {CASES}"), "0");
}

/// The texts of an object.
fn json_fields(body: &str) -> Vec<(String, String)> {
    let Some(Json::Object(members)) = Json::parse(body) else { panic!("{body}") };
    let text = |value: Json| value.text().map(str::to_owned);
    members.into_iter().map(|(name, value)| (name, text(value).expect("all are texts"))).collect()
}
