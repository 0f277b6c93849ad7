//! Rule X1: no secret appears in this crate's log records at any level, in those of all crates at `debug`, in a
//! `Debug`, a
//! `Display`, an error or a panic. With the filters of the page on logging, none appears at `trace` either.
//!
//! A process of its own has a logger that keeps the records of all crates at every level. It drives a client through
//! every
//! operation with secrets, and formats every value that it gets. The embedded server runs in another process, and its
//! log
//! does not count.

mod canaries;
mod other_process;
mod recorder;
mod scripted_peers;

use std::{collections::BTreeSet, time::Duration};

use log::Level;

use pusher_channels::{
    AuthError, Channel, ChannelAuth, Config, ConnectionState, Error, HttpAuth, Pusher, Receiver, Reconnect,
    SubscribeOptions, TlsProblem, UserAuth,
};

use crate::{
    figures,
    support::{PATIENCE, eventually, next_state, run_alone},
};
use canaries::{Canary, ENDPOINT_TEXT, found};
use other_process::OtherProcess;
use recorder::{Record, Recorder};
use scripted_peers::{Answer, endpoint, proxy, refusing_proxy};

#[test]
fn x1_no_secret_appears_anywhere() {
    run_alone("secrets::every_operation_with_secrets");
}

#[test]
#[ignore = "run by x1_no_secret_appears_anywhere in a process of its own, because a process has one logger"]
fn every_operation_with_secrets() {
    let recorder = Recorder::install();
    let server = OtherProcess::start();
    signing_locally(recorder, &server);
    requests_to_an_endpoint(recorder, &server);
    endpoints_with_wrong_answers(recorder, &server);
    closures_with_wrong_answers(recorder, &server);
    connections_through_proxies(recorder, &server);
    refused_configurations(recorder, &server);

    let records = recorder.logged();
    assert!(
        records.iter().filter(|record| record.is_ours()).count() > 100,
        "the logger gets the records of the client"
    );
    let signatures = server.signatures();
    assert!(!signatures.is_empty(), "channels were authorised");
    let secrets = || Canary::ALL.iter().map(|canary| canary.core).chain(signatures.iter().map(String::as_str));
    let mut hits = found(secrets(), &recorder.formatted());
    // The text of an endpoint's answer is in the error, but not in this crate's records.
    assert!(recorder.formatted().contains(ENDPOINT_TEXT));
    hits.extend(found(secrets().chain([ENDPOINT_TEXT]), &text(&records, Record::is_ours)));
    hits.extend(found(secrets(), &text(&records, |record| record.level <= Level::Debug)));
    let filters = documented_filters();
    assert_eq!(filters.len(), 2, "the page on logging has two filters: for everyday use, and for `trace`");
    for filter in &filters {
        hits.extend(found(secrets(), &text(&records, |record| record.passes(filter))));
    }
    assert!(hits.is_empty(), "{hits:#?}");
    check_that_the_filter_is_needed(&records, secrets);
    figures::record("secrets: canaries seen in logs, Debug, Display, errors, panics", hits.len(), "0 hits of 8");
}

/// The records that pass, as one text, because a secret may be spread over several records.
fn text(records: &[Record], passes: impl Fn(&Record) -> bool) -> String {
    let line = |record: &Record| format!("{} {}: {}\n", record.level, record.target, record.text);
    records.iter().filter(|record| passes(record)).map(line).collect()
}

/// The values of `RUST_LOG` on the page on logging.
fn documented_filters() -> Vec<env_filter::Filter> {
    let page = include_str!("../../../src/guide/logging.md");
    let filter = |directives: &str| {
        let mut builder = env_filter::Builder::new();
        builder.try_parse(directives).expect("directives of env_logger");
        builder.build()
    };
    page.lines().filter_map(|line| line.strip_prefix("RUST_LOG=")).map(filter).collect()
}

/// At `trace`, exactly the targets that the page names show secrets.
fn check_that_the_filter_is_needed<'a, S: Iterator<Item = &'a str>>(records: &[Record], secrets: impl Fn() -> S) {
    let shows_one = |record: &&Record| !found(secrets(), &record.text).is_empty();
    let crate_of = |record: &Record| record.target.split("::").next().unwrap_or_default().to_owned();
    let revealing: BTreeSet<_> = records.iter().filter(shows_one).map(crate_of).collect();
    let named = ["tungstenite", "ureq", "ureq_proto"].map(str::to_owned);
    assert!(revealing.iter().all(|found| named.contains(found)), "{revealing:?}");
    assert!(revealing.contains("tungstenite") && revealing.contains("ureq_proto"), "{revealing:?}");
}

/// The options that every client of this test has.
fn config(server: &OtherProcess) -> Config {
    Config::host("app-key", "127.0.0.1")
        .port(server.port())
        .tls(false)
        .header("Cookie", Canary::COOKIE.text())
        .header("Authorization", format!("Bearer {}", Canary::BEARER.text()))
        .auth_header("Cookie", Canary::COOKIE.text())
        .auth_header("Authorization", format!("Bearer {}", Canary::BEARER.text()))
        .auth_param("token", Canary::BEARER.text())
        .auth_timeout(Duration::from_secs(2))
        .reconnect(Reconnect::default().max_delay(Duration::from_millis(20)))
}

fn signed_locally(server: &OtherProcess) -> Config {
    let user = serde_json::json!({"id": "7", "user_info": {"name": Canary::USER_DATA.text()}});
    config(server).secret(Canary::APP_SECRET.text()).user_data(user).encryption_master_key(Canary::MASTER_KEY.key())
}

/// A client whose notifications are all formatted at the end.
struct RecordedClient {
    pusher: Pusher,
    receiver: Receiver,
    recorder: &'static Recorder,
}

impl RecordedClient {
    fn connected(recorder: &'static Recorder, config: Config) -> Self {
        recorder.format(&config);
        let pusher = Pusher::new(config);
        let receiver = pusher.receiver();
        pusher.on_error(|_| panic!("a handler panics"));
        pusher.connect().expect("accepted");
        Self { pusher, receiver, recorder }
    }

    /// Subscribes, and formats the result.
    fn subscribe(&self, name: &str) -> Channel {
        let channel = self.pusher.subscribe(name).expect("a valid name");
        if let Err(error) = channel.wait_subscribed(PATIENCE) {
            self.recorder.format_error(&error);
        }
        self.recorder.format(&(&channel, channel.members(), channel.me()));
        channel
    }
}

impl Drop for RecordedClient {
    fn drop(&mut self) {
        self.pusher.disconnect();
        self.recorder.format(&(&self.pusher, self.pusher.user(), &self.receiver, self.pusher.stats()));
        for notification in self.receiver.try_iter() {
            self.recorder.format(&notification);
            if let pusher_channels::Notification::Error(error) = &notification {
                self.recorder.format_error(error);
            }
        }
    }
}

fn signing_locally(recorder: &'static Recorder, server: &OtherProcess) {
    let client = RecordedClient::connected(recorder, signed_locally(server));
    client.pusher.sign_in().expect("configured");
    client.pusher.user().wait_signed_in(PATIENCE).expect("the server knows the secret");
    for name in ["private-room", "presence-room", "private-encrypted-room"] {
        assert!(client.subscribe(name).is_subscribed(), "{name}");
    }
    // The server encrypts with another key.
    let failures = client.pusher.receiver();
    server.command("trigger private-encrypted-room");
    recorder.format(&failures.recv_timeout(PATIENCE).expect("a decryption failure"));
    server.command("trigger private-room");
    server.command("drop");
    next_state(&failures, ConnectionState::Connected);
    for name in ["private-room", "presence-room", "private-encrypted-room"] {
        client.subscribe(name);
    }
    client.pusher.trigger("presence-room", "client-e", &1).expect("subscribed");
    server.command("close 4100");
    next_state(&failures, ConnectionState::Connected);
}

fn requests_to_an_endpoint(recorder: &'static Recorder, server: &OtherProcess) {
    for json in [false, true] {
        let token = || vec![("X-Token".to_owned(), Canary::BEARER.text())];
        let config = config(server)
            .auth_endpoint(format!("{}?token={}", server.auth_endpoint(), Canary::BEARER.core))
            .user_auth_endpoint(server.user_auth_endpoint())
            .auth_headers_with(token)
            .auth_params_with(token)
            .auth_json(json);
        let client = RecordedClient::connected(recorder, config);
        client.pusher.sign_in().expect("configured");
        client.pusher.user().wait_signed_in(PATIENCE).expect("the endpoint knows the secret");
        assert!(client.subscribe("private-room").is_subscribed());
        let auth = HttpAuth::new(format!("{}?token={}", server.auth_endpoint(), Canary::BEARER.core))
            .header("Cookie", Canary::COOKIE.text())
            .headers_with(token)
            .param("token", Canary::BEARER.text())
            .json(json);
        let options = SubscribeOptions::new().http_auth(auth);
        recorder.format(&options);
        let own = client.pusher.channel("private-own").expect("a valid name");
        own.subscribe_with(options).expect("valid").wait_subscribed(PATIENCE).expect("the endpoint signs");
        server.command("drop");
        eventually("the client reconnects", || client.pusher.stats().connections == 2);
    }
}

fn endpoints_with_wrong_answers(recorder: &'static Recorder, server: &OtherProcess) {
    let signature = Canary::SIGNATURE.text();
    let (key, user) = (Canary::SHARED_SECRET.key(), Canary::USER_DATA.text());
    let bodies = [
        format!(r#"{{"auth":"app-key:{signature}","channel_data":"{user}","shared_secret":"{key}"}}"#),
        format!(r#"{{"auth":"app-key:{signature}","shared_secret":"{signature}","user_data":"{user}"}}"#),
        format!(r#"{{"auth":["{signature}"],"shared_secret":7}}"#),
        format!(r#"{{"auth":"{signature}\n{key}"}}"#),
        format!(r#"{{"auth":"app-key:{signature}","channel_data":{{"user_id":"{user}"}}}}"#),
        format!(r#"{{"auth":"app-key:{signature}","user_data":"{{\"id\":\"\",\"x\":\"{user}\"}}"}}"#),
        format!("<html>{signature} {key} {user}</html>"),
        format!(r#"{{"auth":"{signature}","shared_secret":"{key}"#),
        String::new(),
    ];
    let answers = bodies.into_iter().map(|body| Answer::http(200, &body));
    let refusals =
        [Answer::http(403, ENDPOINT_TEXT), Answer::http(302, ENDPOINT_TEXT), Answer::Nothing, Answer::Junk(signature)];
    for answer in answers.chain(refusals) {
        let url = endpoint(answer);
        let config = config(server).auth_endpoint(&url).user_auth_endpoint(&url);
        let client = RecordedClient::connected(recorder, config.subscription_timeout(Duration::from_secs(3)));
        client.pusher.sign_in().expect("configured");
        if let Err(error) = client.pusher.user().wait_signed_in(PATIENCE) {
            recorder.format_error(&error);
        }
        // A refused sign-in may close the connection for good.
        if client.pusher.state() == ConnectionState::Connected {
            for name in ["private-room", "presence-room", "private-encrypted-room"] {
                client.subscribe(name);
            }
        }
    }
}

fn closures_with_wrong_answers(recorder: &'static Recorder, server: &OtherProcess) {
    let permission = || {
        let auth = ChannelAuth::new(format!("app-key:{}", Canary::SIGNATURE.text()));
        auth.channel_data(Canary::USER_DATA.text()).shared_secret(Canary::SHARED_SECRET.key())
    };
    recorder.format(&permission());
    recorder.format(&UserAuth::new(Canary::SIGNATURE.text(), Canary::USER_DATA.text()));
    let config = config(server)
        .authorizer(move |request| match request.channel() {
            "private-panic" => panic!("the authorizer panics"),
            "private-refused" => Err(AuthError::new("no").status(403)),
            _ => Ok(permission()),
        })
        .user_authenticator(|_| Ok(UserAuth::new(Canary::SIGNATURE.text(), Canary::USER_DATA.text())));
    let client = RecordedClient::connected(recorder, config);
    client.pusher.sign_in().expect("configured");
    if let Err(error) = client.pusher.user().wait_signed_in(PATIENCE) {
        recorder.format_error(&error);
    }
    for name in ["private-panic", "private-refused", "private-wrong", "presence-wrong", "private-encrypted-wrong"] {
        client.subscribe(name);
    }
    let ready = client.pusher.channel("private-ready").expect("a valid name");
    ready.subscribe_with_auth(permission());
    recorder.format_error(&ready.wait_subscribed(PATIENCE).expect_err("an invalid signature"));
}

fn connections_through_proxies(recorder: &'static Recorder, server: &OtherProcess) {
    let user = format!("user:{}", Canary::PROXY_PASSWORD.core);
    let url = |port| format!("http://{user}@127.0.0.1:{port}");
    {
        let config = config(server).proxy(url(proxy())).auth_endpoint(server.auth_endpoint()).allow_insecure_auth();
        let client = RecordedClient::connected(recorder, config);
        assert!(client.subscribe("private-room").is_subscribed());
    }
    for answer in [Answer::http(407, &user), Answer::http(502, &user), Answer::Nothing, Answer::Junk(user.clone())] {
        refuse(recorder, config(server).proxy(url(refusing_proxy(answer))));
    }
    refuse(recorder, config(server).proxy(format!("socks5://{user}@127.0.0.1:{}", refusing_proxy(Answer::Nothing))));
}

/// Attempts that fail before there is a connection, and errors in the configuration.
fn refused_configurations(recorder: &'static Recorder, server: &OtherProcess) {
    let tls = refuse(recorder, config(server).tls(true));
    assert!(!cfg!(feature = "native-tls") || matches!(tls, Error::Tls { problem: TlsProblem::NotTls, .. }), "{tls:?}");
    refuse(recorder, Config::host("other-key", "127.0.0.1").port(server.port()).tls(false));
    let secret = Canary::APP_SECRET.core;
    refuse(recorder, Config::url(format!("ws://user:{secret}@127.0.0.1:1/app/app-key?token={secret}")));
    refuse(recorder, Config::url(format!("ws://127.0.0.1:1/app/app-key?token={secret}")));
    refuse(recorder, Config::url_with(move || format!("ws://127.0.0.1:1/app/app-key?token={secret}")));
    refuse(recorder, Config::url_with(move || format!("ws://user:{secret}@127.0.0.1:1/app/app-key")));
    refuse(recorder, Config::url_with(move || secret.to_owned()));
    refuse(recorder, config(server).http_auth(HttpAuth::new(format!("http://example.com/?token={secret}"))));
    refuse(
        recorder,
        config(server).http_auth(HttpAuth::new("http://localhost/").header("X-Bad", format!("{secret}\r\n"))),
    );
    refuse(recorder, config(server).header("X-Bad", format!("{secret}\r\n")));
    refuse(recorder, config(server).auth_header("X-Bad", format!("{secret}\r\n")));
    refuse(recorder, config(server).auth_endpoint(format!("http://example.com/?token={secret}")));
    refuse(recorder, config(server).auth_endpoint(format!("ftp://user:{secret}@example.com/")));
    refuse(recorder, config(server).proxy(format!("ftp://user:{secret}@example.com/")));
    refuse(recorder, config(server).secret(secret).encryption_master_key(secret));
    refuse(recorder, config(server).secret(secret).user_data(serde_json::json!({"id": 7, "x": secret})));
}

/// Formats a configuration that cannot connect, and the error.
fn refuse(recorder: &'static Recorder, config: Config) -> Error {
    recorder.format(&config);
    let pusher = Pusher::new(config);
    let error = pusher.connect().expect_err("refused");
    recorder.format_error(&error);
    recorder.format(&(&pusher, pusher.stats()));
    error
}
