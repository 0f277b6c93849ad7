//! Rule X1: secrets are wiped. When a client and its configuration are dropped, no secret is left in the memory of the
//! process, including freed memory and the stacks of ended threads.
//!
//! The client runs in its own process, which knows its secrets only in disguise. The servers, which do not wipe, are in
//! this one.
#![cfg(target_os = "linux")]

#[cfg(feature = "capi")]
mod c;
#[path = "../support/certificates.rs"]
mod certificates;
#[allow(dead_code, reason = "the proxies' own tests use everything")]
#[path = "../proxies/conversation.rs"]
mod conversation;
mod disguise;
mod memory;
#[allow(dead_code, reason = "the proxies' own tests use everything")]
#[path = "../proxies/proxy.rs"]
mod proxy;
#[path = "../support/mod.rs"]
mod support;

use std::{env, process::Command};

use base64::{Engine, engine::general_purpose::STANDARD};
use pusher_channels::{Config, Pusher, testing::TestServer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use certificates::{Authority, GOOD};
use disguise::Disguised;
use proxy::{Proxy, Script, Service};
use support::{PATIENCE, eventually};

/// The secrets that the client gets.
const SECRETS: [&str; 13] = [
    "auth_header",
    "auth_headers_with",
    "auth_param in a form",
    "auth_params_with in a form",
    "auth_param in JSON",
    "auth_params_with in JSON",
    "header of the upgrade",
    "password of the proxy",
    "secret",
    "user_data",
    "user_data in C",
    "name of an option in C",
    "control",
];

const KEY_START: &str = "-----BEGIN PRIVATE KEY-----\n";
const KEY_END: &str = "-----END PRIVATE KEY-----";

const MASTER_KEY: [u8; 32] = [0x42; 32];
const ENCRYPTED: &str = "private-encrypted-room";

/// Long enough that the requests exceed any reserved buffer.
const PADDING: usize = 8 * 1024;

/// Enough copies that their memory is not all used again at once.
const TOKENS: usize = 100;

fn canary(name: &str) -> String {
    Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The key of the channel, as the official libraries derive it.
fn shared_secret() -> [u8; 32] {
    Sha256::digest([ENCRYPTED.as_bytes(), &MASTER_KEY].concat()).into()
}

#[test]
fn x1_no_secret_is_left_in_memory() {
    let password: &'static str = canary("password of the proxy").leak();
    let app = TestServer::builder().app("1", "app-key", &canary("secret")).encryption_master_key(MASTER_KEY);
    let server = app.start().expect("a free port");
    let service = Script::Serve(Service { user: Some(("us", password)), ..Service::OPEN });
    let proxy = Proxy::start(service, service);

    let mut client = Command::new(env::current_exe().expect("this test"));
    client.args(["--ignored", "--exact", "client_with_secrets", "--nocapture"]).env_clear();
    for name in SECRETS {
        client.env(format!("TEST {name}"), Disguised::new(canary(name).as_bytes()).to_string());
    }
    let in_base64 = STANDARD.encode(format!("us:{password}"));
    let forms = [
        ("password of the proxy in base64", in_base64.into_bytes()),
        ("shared_secret", shared_secret().to_vec()),
        ("shared_secret in base64", STANDARD.encode(shared_secret()).into_bytes()),
    ];
    let (certificate, key) = Authority::new().make(&GOOD).read();
    let key = String::from_utf8(key).expect("PEM is ASCII");
    let key = key.strip_prefix(KEY_START).and_then(|key| key.trim_end().strip_suffix(KEY_END)).expect("PKCS 8");
    client.env("CERTIFICATE", String::from_utf8(certificate).expect("PEM is ASCII"));
    client.env("TEST key of the client", Disguised::new(key.as_bytes()).to_string());
    for (name, form) in forms {
        client.env(format!("TEST {name}"), Disguised::new(&form).to_string());
    }
    client.env("PORT", server.port().to_string()).env("ENDPOINT", server.auth_endpoint());
    let output = client.env("PROXY", proxy.addr().to_string()).output().expect("this test runs");

    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{text}");
    assert_that_all_were_used(&server, &proxy);
}

/// A secret that the client does not send would prove nothing.
fn assert_that_all_were_used(server: &TestServer, proxy: &Proxy) {
    let requests = format!("{:?}", server.auth_requests());
    let upgrades = format!("{:?}", server.requests());
    for name in &SECRETS[..6] {
        assert!(requests.contains(&canary(name)), "{name} in {requests}");
    }
    assert!(upgrades.contains(&canary("header of the upgrade")), "{upgrades}");
    assert_eq!(proxy.targets().len(), 4, "two sockets, and a request for each");
    assert_eq!(server.accepted(), 4);
}

#[test]
#[ignore = "run by x1_no_secret_is_left_in_memory in a process of its own"]
fn client_with_secrets() {
    let threads = memory::threads();
    for json in [false, true] {
        drop(subscribed(by_endpoint(json), ENCRYPTED));
    }
    let signing = || at("PORT").secret(secret("secret").reveal());
    drop(subscribed(signing(), "private-room"));
    drop(subscribed(signing().user_data(user()), "presence-room"));
    #[cfg(feature = "capi")]
    c::make_a_client(secret("user_data in C"), secret("name of an option in C"));
    eventually("the client's threads end", || memory::threads() == threads);
    let names = env::vars().filter_map(|(name, _)| name.strip_prefix("TEST ").map(str::to_owned));
    let copies = names.filter(|name| name != "control").map(|name| (memory::copies(&secret(&name)), name));
    assert_eq!(copies.filter(|(copies, _)| *copies > 0).collect::<Vec<_>>(), []);
    let control = secret("control");
    drop((0..100).map(|_| control.reveal()).collect::<Vec<_>>());
    assert!(memory::copies(&control) > 0, "a secret that is dropped without wiping is found");
}

fn subscribed(config: Config, channel: &str) -> Pusher {
    let pusher = Pusher::new(config).connect().expect("accepted");
    pusher.subscribe(channel).expect("a valid name").wait_subscribed(PATIENCE).expect("authorised");
    pusher
}

fn by_endpoint(json: bool) -> Config {
    let kind = if json { "JSON" } else { "a form" };
    let fresh = |name: &str, value: Disguised| {
        let name = name.to_owned();
        move || vec![(name.clone(), value.reveal()), ("padding".to_owned(), "y".repeat(PADDING))]
    };
    at("PORT")
        .client_identity_pem(variable("CERTIFICATE"), secret("key of the client").reveal_between(KEY_START, KEY_END))
        .header("X-Token", secret("header of the upgrade").reveal())
        .header("X-Padding", "y".repeat(PADDING))
        .proxy(secret("password of the proxy").reveal_between("http://us:", &format!("@{}", variable("PROXY"))))
        .auth_endpoint(variable("ENDPOINT"))
        .allow_insecure_auth()
        .auth_json(json)
        .auth_header("Authorization", secret("auth_header").reveal_between("Bearer ", ""))
        .auth_headers_with(fresh("X-Token", secret("auth_headers_with")))
        .auth_param("token", secret(&format!("auth_param in {kind}")).reveal_between("\"&", "=\u{17c}"))
        .auth_params_with(fresh("fresh", secret(&format!("auth_params_with in {kind}"))))
}

/// Fields that are not part of a member are not sent.
fn user() -> Value {
    let token = secret("user_data");
    let tokens = (0..TOKENS).map(|_| Value::String(token.reveal())).collect();
    Value::Object([("id".to_owned(), Value::from("7")), ("tokens".to_owned(), tokens)].into_iter().collect())
}

fn at(port: &str) -> Config {
    Config::host("app-key", "127.0.0.1").port(variable(port).parse().expect("a port")).tls(false)
}

fn secret(name: &str) -> Disguised {
    variable(&format!("TEST {name}")).parse().expect("digits")
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is set by the parent process"))
}
