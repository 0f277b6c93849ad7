//! Recorded traffic of real servers, and every variant that is known of others, through the parser and the session.

use std::fs;

use serde_json::Value;

use super::*;

/// One line of a recording: what a client sent, or what it got.
struct Line {
    connection: String,
    direction: String,
    value: Value,
}

fn recordings() -> Vec<(String, Vec<Line>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let mut files: Vec<_> = fs::read_dir(folder).expect("the corpus").flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| (path.display().to_string(), lines(&fs::read_to_string(&path).expect("text"))))
        .collect()
}

fn lines(text: &str) -> Vec<Line> {
    let values = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("one object a line"));
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    values.map(|value| Line { connection: text(&value, "conn"), direction: text(&value, "dir"), value }).collect()
}

/// One recorded connection, replayed: the client does what the recorded one did.
struct Replay {
    scenario: Scenario,
    channels: Vec<Arc<Interest>>,
    /// Application events of channels that were subscribed: name, data, sender.
    expected: Vec<(String, Value, Option<String>)>,
}

impl Replay {
    fn new() -> Self {
        let mut scenario = Scenario::new();
        scenario.connect_background().upgrade();
        Self { scenario, channels: Vec::new(), expected: Vec::new() }
    }

    fn line(&mut self, line: &Line) {
        let text = line.value["text"].as_str().unwrap_or_default();
        match line.direction.as_str() {
            // Recorded in part only.
            _ if text.ends_with("chars>") => {}
            "send" => self.sent(text),
            "recv" => self.received(text),
            "close" => {
                let code = line.value["code"].as_u64().unwrap_or(1005);
                self.scenario.close(u16::try_from(code).expect("a close code"));
            }
            _ => {}
        }
    }

    fn sent(&mut self, text: &str) {
        let Ok(message) = serde_json::from_str::<Value>(text) else { return };
        let data = &message["data"];
        match (message["event"].as_str(), data["channel"].as_str()) {
            (Some("pusher:subscribe"), Some(channel)) if !channel.starts_with('#') => self.subscribe(channel, data),
            (Some("pusher:unsubscribe"), Some(channel)) => {
                if let Some(interest) = self.channels.iter().find(|interest| *interest.name() == channel).cloned() {
                    self.scenario.forgets(&interest);
                }
            }
            (Some("pusher:signin"), _) => {
                let auth = UserAuth::new(string(&data["auth"]), string(&data["user_data"]));
                let ticket = self.scenario.ticket();
                self.scenario.input(Input::SignIn(ticket));
                let (generation, number) = (self.scenario.session.generation, self.scenario.session.sign_in.number());
                self.scenario.input(Input::Answered(Answer::User { generation, number, auth: Ok(auth) }));
            }
            _ => {}
        }
    }

    fn subscribe(&mut self, channel: &str, data: &Value) {
        let known = self.channels.iter().find(|interest| *interest.name() == channel).cloned();
        let interest = known.unwrap_or_else(|| Interest::new(self.channels.len() as u64 + 2, channel));
        interest.want();
        let mut auth = ChannelAuth::new(string(&data["auth"]));
        if let Some(channel_data) = data["channel_data"].as_str() {
            auth = auth.channel_data(channel_data);
        }
        // The recorded clients had no key to decrypt with; any will do for a subscription.
        auth = auth.shared_secret("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        self.scenario.input(Input::Wishes(vec![Wish { interest: Arc::clone(&interest), ready: Some(ready(auth)) }]));
        self.channels.push(interest);
    }

    fn received(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).expect("servers send JSON");
        let (event, channel) = (string(&message["event"]), message["channel"].as_str());
        if event == "pusher:signin_success" {
            self.scenario.receive(text);
            let id = self.scenario.session.sign_in.user().expect("signed in").clone();
            // soketi sends what is for the user also to those who never subscribed; this client subscribes.
            self.scenario.receive(&succeeded(&format!("#server-to-user-{id}")));
            return;
        }
        if !event.starts_with("pusher") && !channel.is_some_and(|channel| channel.starts_with("private-encrypted")) {
            let sender = message["user_id"].as_str().map(str::to_owned);
            self.expected.push((event, message["data"].clone(), sender));
        }
        self.scenario.receive(text);
    }
}

fn as_event(told: &Notification) -> Option<&Event> {
    match told {
        Notification::Event(event) => Some(event),
        _ => None,
    }
}

/// D1: a string is its text, what is missing is empty, and anything else is its JSON.
fn is_data(text: &str, data: &Value) -> bool {
    match data {
        Value::String(data) => text == data,
        Value::Null => text.is_empty(),
        other => serde_json::from_str::<Value>(text).is_ok_and(|value| value == *other),
    }
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn what_soketi_sends_is_understood() {
    let (mut connections, mut events, mut successes, mut members, mut misses) = (0, 0, 0, 0, 0);
    for (file, lines) in recordings() {
        let mut names: Vec<_> = lines.iter().map(|line| line.connection.clone()).filter(|c| !c.is_empty()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let mut replay = Replay::new();
            lines.iter().filter(|line| line.connection == name).for_each(|line| replay.line(line));
            let s = &replay.scenario;
            let bad: Vec<_> = s.errors().into_iter().filter(|e| matches!(e, Error::BadMessage { .. })).collect();
            assert!(bad.is_empty(), "{file} {name}: {bad:?}");
            let delivered: Vec<_> = s.told.iter().filter_map(as_event).collect();
            assert_eq!(delivered.len(), replay.expected.len(), "{file} {name}");
            for (event, (expected, data, sender)) in delivered.iter().zip(&replay.expected) {
                assert_eq!((event.name(), event.user_id()), (&**expected, sender.as_deref()), "{file} {name}");
                assert!(is_data(event.data(), data), "{file} {name}: {} is not {data}", event.data());
            }
            connections += 1;
            events += delivered.len();
            successes += s.successes().len();
            let count = |pick: fn(&Notification) -> bool| s.told.iter().filter(|told| pick(told)).count();
            members += count(|n| matches!(n, Notification::MemberAdded(_) | Notification::MemberRemoved(_)));
            misses += count(|n| matches!(n, Notification::CacheMiss { .. }));
        }
    }
    println!(
        "{connections} connections, {events} events, {successes} subscriptions, {members} members, {misses} misses"
    );
    assert!(connections >= 50 && events >= 25 && successes >= 25 && members == 8 && misses == 4);
}

/// Section 11 of the protocol's description: what is not recorded, but read in the sources of the servers.
#[test]
fn what_other_servers_send_is_understood() {
    let room = r#"{"event":"pusher_internal:subscription_succeeded","channel":"room""#;
    for confirmed in [format!("{room}}}"), format!(r#"{room},"data":"{{}}"}}"#), format!(r#"{room},"data":{{}}}}"#)] {
        let mut s = Scenario::connected();
        s.wants(2, "room");
        s.receive(&confirmed);
        assert_eq!(s.successes().len(), 1, "{confirmed}");
    }
    for pong in
        [r#"{"event":"pusher:pong"}"#, r#"{"event":"pusher:pong","data":{}}"#, r#"{"event":"pusher:pong","data":"{}"}"#]
    {
        let mut s = Scenario::connected();
        s.receive(pong);
        assert!(s.told.is_empty() && s.session.tally.ignored == 0, "{pong}");
    }
    for unusable in [
        r#"{"event":"pusher:error","data":{"code":4000,"message":"Invalid message format"}}"#,
        r#"{"event":"pusher:error","data":"{\"code\":4200,\"message\":\"Invalid message format\"}"}"#,
    ] {
        let mut s = Scenario::connected();
        s.receive(unusable);
        assert!(matches!(s.errors()[..], [Error::Server { .. }]) && s.states().is_empty(), "{unusable}");
    }
    let reverbs_unknown_app =
        r#"{"event":"pusher:error","data":"{\"code\":4001,\"message\":\"Application does not exist\"}"}"#;
    let mut s = Scenario::new();
    s.connect_background().upgrade().receive(reverbs_unknown_app);
    assert_eq!(s.states(), [Connecting, Failed]);
    let mut s = Scenario::new();
    s.connect_background().upgrade().lose();
    assert_eq!(s.states(), [Connecting, Reconnecting], "Sockudo's unknown app: a 101 and then nothing");
}

#[test]
fn whatever_way_a_server_ends_a_stale_client_it_reconnects_at_once() {
    let error = r#"{"event":"pusher:error","data":{"code":4201,"message":"Pong reply not received"}}"#;
    let text = r#"{"event":"pusher:error","data":"{\"code\":4201,\"message\":\"Pong reply not received\"}"}"#;
    let ends: [fn(&mut Scenario, &str, &str); 3] = [
        |s, _, _| {
            s.close(4201);
        },
        |s, error, _| {
            s.receive(error).close(4201);
        },
        |s, _, text| {
            s.receive(text).lose();
        },
    ];
    for end in ends {
        let mut s = Scenario::connected();
        end(&mut s, error, text);
        assert_eq!(s.states(), [Reconnecting, Connecting]);
    }
}

#[test]
fn a_server_that_shuts_down_or_refuses_before_it_has_confirmed_is_understood() {
    let error = |code: u16| format!(r#"{{"event":"pusher:error","data":{{"code":{code},"message":"m"}}}}"#);
    let mut s = Scenario::new();
    s.connect_background().upgrade().receive(&error(4200));
    assert_eq!(s.states(), [Connecting, Reconnecting, Connecting], "soketi and Sockudo, to new sockets");
    let mut s = Scenario::new();
    s.connect_background().upgrade().receive(&error(4009));
    assert_eq!(s.states(), [Connecting, Failed], "Reverb, to a wrong origin, on a socket that stays open");
    let mut s = Scenario::new();
    s.connect_background().upgrade().receive(&error(4100)).close(4100);
    assert_eq!(s.states(), [Connecting, Reconnecting], "over quota");
    assert!(s.changes()[1].retry_in.expect("backing off") >= SECOND);
    let mut s = Scenario::new();
    s.connect_background().socket(FromSocket::DialFailed(Error::UpgradeStatus { status: 503, body: String::new() }));
    assert_eq!(s.states(), [Connecting, Reconnecting], "Sockudo, shutting down");
}

#[test]
fn presence_comes_with_numbers_lists_and_whole_channel_data() {
    let mut s = Scenario::connected();
    s.wants(2, "presence-room");
    s.answer("presence-room", presence("7")).receive(
        r#"{"event":"pusher_internal:subscription_succeeded","channel":"presence-room","data":"{\"presence\":{\"ids\":[7],\"hash\":[],\"count\":1}}"}"#,
    );
    assert_eq!(s.successes().len(), 1);
    s.forget();
    let added = r#"{"event":"pusher_internal:member_added","channel":"presence-room","data":"{\"user_id\":8,\"user_info\":[],\"more\":1}"}"#;
    s.receive(added)
        .receive(r#"{"event":"pusher_internal:member_removed","channel":"presence-room","data":{"user_id":8}}"#);
    match &s.told[..] {
        [Notification::MemberAdded(came), Notification::MemberRemoved(went)] => {
            assert_eq!((came.member.id(), went.member.id()), ("8", "8"));
        }
        other => panic!("{other:?}"),
    }
    s.forget_told().receive(r#"{"event":"client-x","channel":"presence-room","data":{}}"#);
    assert_eq!(s.events(), [("client-x", "{}")], "Sockudo names no sender");
    s.receive(r#"{"event":"pusher:error","data":{"code":4300,"message":"user_id must be a string"}}"#);
    assert_eq!(s.errors()[0].code(), Some(4300));
}

#[test]
fn client_event_data_arrives_in_whatever_type_it_was_sent() {
    for (data, text) in
        [(r#""{\"x\":1}""#, r#"{"x":1}"#), (r#"{"x":1}"#, r#"{"x":1}"#), ("5", "5"), (r#""plain""#, "plain")]
    {
        let (mut s, _room) = Scenario::subscribed("room");
        s.receive(&format!(r#"{{"event":"client-x","channel":"room","data":{data},"user_id":"7"}}"#));
        assert_eq!(s.events(), [("client-x", text)]);
    }
    let (mut s, _room) = Scenario::subscribed("room");
    s.receive(r#"{"event":"client-x","channel":"room"}"#);
    assert_eq!(s.events(), [("client-x", "")]);
}
