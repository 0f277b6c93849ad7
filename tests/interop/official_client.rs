//! The official client works with the embedded server, its auth endpoint and its encryption as it works with soketi and
//! a backend of the official SDK.

use pusher_channels::{
    Pusher,
    testing::{AuthUser, TestServer},
};
use serde_json::{Value, json};

use crate::{
    backend::Backend,
    message::{Delivery, Message, text, value},
    process::Process,
    publisher::{publish, publish_encrypted, script, send_to_user},
    server::{MASTER_KEY, Server, against_both_servers},
    soketi::{APP_ID, KEY, SECRET},
};

against_both_servers!(
    the_official_client_gets_the_events_of_every_kind_of_channel,
    the_official_client_gets_the_events_of_its_user,
);

const USER: &str = "zoë & co";

fn the_official_client_gets_the_events_of_every_kind_of_channel(server: &Server) {
    let mut client = OfficialClient::start(server);
    for channel in ["room", "private-room", "presence-room", "private-encrypted-room"] {
        client.subscribe(channel);
        assert_eq!(client.next_name(), (channel.to_owned(), "pusher:subscription_succeeded".to_owned()));
        client.gets_events_of(channel, server);
    }
    for channel in ["cache-room", "private-cache-room", "presence-cache-room", "private-encrypted-cache-room"] {
        client.subscribe(channel);
        assert_eq!(client.next_name(), (channel.to_owned(), "pusher:subscription_succeeded".to_owned()));
        assert_eq!(client.next_name(), (channel.to_owned(), "pusher:cache_miss".to_owned()));
        client.gets_events_of(channel, server);
        // A later subscriber gets the last event.
        let mut late = OfficialClient::start(server);
        late.subscribe(channel);
        assert_eq!(late.next_name(), (channel.to_owned(), "pusher:subscription_succeeded".to_owned()));
        late.expect(&messages(channel)[3..]);
    }
}

fn the_official_client_gets_the_events_of_its_user(server: &Server) {
    let mut client = OfficialClient::start(server);
    client.sign_in();
    assert_eq!(client.next(), json!({"signedIn": USER}));
    let messages = messages("");
    match server {
        Server::Embedded(server) => {
            for message in &messages {
                server.send_to_user(USER, &message.delivery.event, &message.value());
            }
        }
        Server::Soketi(_) => send_to_user(server.port(), USER, &messages),
    }
    for message in &messages {
        let expected = json!({"user": USER, "event": message.delivery.event, "data": message.value()});
        assert_eq!(client.next(), expected);
    }
}

#[test]
fn the_official_client_gets_counts_and_watchlists_of_the_embedded_server() {
    let server = TestServer::builder()
        .app(APP_ID, KEY, SECRET)
        .subscription_counts(true)
        .encryption_master_key([1; 32])
        .auth_user(|request| {
            let user = AuthUser::new(request.parameter("user_id")?);
            Some(if request.parameter("user_id") == Some(USER) { user.watchlist(["ann"]) } else { user })
        })
        .start()
        .expect("a free port on loopback");
    let config = server.config().user_auth_endpoint(server.user_auth_endpoint()).auth_param("user_id", "ann");
    let ann = Pusher::new(config).connect().unwrap();
    let server = Server::Embedded(server);
    let mut client = OfficialClient::start(&server);

    client.subscribe("room");
    assert_eq!(client.next_name(), ("room".to_owned(), "pusher:subscription_succeeded".to_owned()));
    let count = |count: u32| json!({"channel": "room", "event": "pusher:subscription_count", "data": {"subscription_count": count}});
    assert_eq!(client.next(), count(1));
    let room = ann.subscribe("room").unwrap();
    assert_eq!(client.next(), count(2));
    room.unsubscribe();
    assert_eq!(client.next(), count(1));

    client.sign_in();
    let mut reports = [client.next(), client.next()];
    reports.sort_by_key(Value::to_string);
    assert_eq!(reports, [json!({"offline": ["ann"]}), json!({"signedIn": USER})]);
    ann.sign_in().unwrap();
    assert_eq!(client.next(), json!({"online": ["ann"]}));
    drop((room, ann));
    assert_eq!(client.next(), json!({"offline": ["ann"]}));
}

#[test]
fn the_official_client_gets_a_new_key_of_the_embedded_server() {
    const CHANNEL: &str = "private-encrypted-room";
    let server = Server::embedded();
    let mut client = OfficialClient::start(&server);
    client.subscribe(CHANNEL);
    assert_eq!(client.next_name(), (CHANNEL.to_owned(), "pusher:subscription_succeeded".to_owned()));
    client.gets_events_of(CHANNEL, &server);
    let Server::Embedded(embedded) = &server else { unreachable!() };
    embedded.rotate_master_key([7; 32]);
    // The official client requests a key for each event that it cannot decrypt, so that a second event could overtake
    // this one. The encrypted text is the JSON of the data, so that a text that looks like JSON stays a text.
    let first = text(CHANNEL, "first", "42");
    embedded.trigger(CHANNEL, "first", "42");
    client.expect(&[first]);
    client.gets_events_of(CHANNEL, &server);
}

/// None of these texts is JSON, because the official client would parse it.
fn messages(channel: &str) -> Vec<Message> {
    vec![
        value(channel, "object", r#"{"seq":1,"text":"żółć ☃ 𝄞","a":{"b":[1,2.5,null,true,{}]}}"#.to_owned()),
        text(channel, "text", "żółć ☃ 𝄞 \" \\ \r\n \u{2028}"),
        value(channel, "number", "42".to_owned()),
        text(channel, "long", &"☃".repeat(2_500)),
    ]
}

struct OfficialClient {
    process: Process,
    seen: usize,
    _backend: Option<Backend>,
}

impl OfficialClient {
    fn start(server: &Server) -> Self {
        // The embedded server is its own backend.
        let backend = matches!(server, Server::Soketi(_)).then(|| Backend::with_master_key(MASTER_KEY));
        let (channels, users) = match (server, &backend) {
            (Server::Embedded(server), _) => (server.auth_endpoint(), server.user_auth_endpoint()),
            (Server::Soketi(_), backend) => {
                let backend = backend.as_ref().expect("soketi has a backend");
                (backend.channel_endpoint(), backend.user_endpoint())
            }
        };
        let mut command = script("observer.mjs");
        command.args([
            "--port",
            &server.port().to_string(),
            "--channel-endpoint",
            &channels,
            "--user-endpoint",
            &users,
        ]);
        command.args(["--headers", &Backend::headers().to_string(), "--params", &json!({"user_id": USER}).to_string()]);
        Self { process: Process::start("observer.mjs", &mut command), seen: 0, _backend: backend }
    }

    fn sign_in(&self) {
        self.process.send("{\"signin\":true}\n".to_owned());
    }

    fn subscribe(&self, channel: &str) {
        self.process.send(json!({"subscribe": channel}).to_string() + "\n");
    }

    fn gets_events_of(&mut self, channel: &str, server: &Server) {
        let messages = messages(channel);
        match server {
            Server::Embedded(server) => {
                for message in &messages {
                    server.trigger(channel, &message.delivery.event, &message.value());
                }
            }
            Server::Soketi(_) if channel.starts_with("private-encrypted-") => {
                publish_encrypted(server.port(), MASTER_KEY, &messages);
            }
            Server::Soketi(_) => publish(server.port(), &messages),
        }
        self.expect(&messages);
    }

    fn expect(&mut self, messages: &[Message]) {
        for message in messages {
            let Delivery { channel, event, .. } = &message.delivery;
            assert_eq!(self.next(), json!({"channel": channel, "event": event, "data": message.value()}));
        }
    }

    /// Channel and name of the next event.
    fn next_name(&mut self) -> (String, String) {
        let event = self.next();
        let text = |key: &str| event[key].as_str().unwrap_or_else(|| panic!("no {key}: {event}")).to_owned();
        (text("channel"), text("event"))
    }

    fn next(&mut self) -> Value {
        let came = self.process.stdout.wait_until(|lines| lines.len() > self.seen);
        assert!(came, "observer.mjs has reported only {} events", self.seen);
        self.seen += 1;
        serde_json::from_str(&self.process.stdout.lines()[self.seen - 1]).unwrap()
    }
}
