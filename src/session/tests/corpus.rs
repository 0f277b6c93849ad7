//! Recorded traffic of real servers, and every variant that is known of others, through the parser and the session.

use std::fs;

use serde_json::Value;

use super::{client_events::triggers_sized, refusals::reports, *};

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

/// One connection of a recording, replayed.
fn replay(lines: &[Line], connection: &str) -> Replay {
    let mut replay = Replay::new();
    lines.iter().filter(|line| line.connection == connection).for_each(|line| replay.line(line));
    replay
}

/// One connection of a recording of Reverb, replayed.
fn of_reverb(scenario: &str, connection: &str) -> Scenario {
    let name = format!("reverb__{scenario}.jsonl");
    let (_, lines) = recordings().into_iter().find(|(file, _)| file.ends_with(&name)).expect("the recording");
    replay(&lines, connection).scenario
}

/// One recorded connection, replayed: the client does what the recorded one did, when it did it.
struct Replay {
    scenario: Scenario,
    begin: Instant,
    channels: Vec<Arc<Intent>>,
    /// Application events of channels that were subscribed: name, data, sender.
    expected: Vec<(String, Value, Option<String>)>,
}

impl Replay {
    fn new() -> Self {
        let mut scenario = Scenario::new();
        scenario.connect_background().upgrade();
        Self { begin: scenario.now, scenario, channels: Vec::new(), expected: Vec::new() }
    }

    fn line(&mut self, line: &Line) {
        let text = line.value["text"].as_str().unwrap_or_default();
        let at = self.begin + Duration::from_millis(line.value["t"].as_u64().unwrap_or_default());
        if self.scenario.session.is_connected() {
            self.scenario.pass(at.saturating_duration_since(self.scenario.now));
        }
        match line.direction.as_str() {
            // Recorded in part only.
            "send" if text.ends_with("chars>") => self.sent_large(text),
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
                if let Some(intent) = self.channels.iter().find(|intent| *intent.name() == channel).cloned() {
                    self.scenario.withdraws(&intent);
                }
            }
            (Some("pusher:signin"), _) => {
                let auth = UserAuth::new(string(&data["auth"]), string(&data["user_data"]));
                self.scenario.sign_in();
                let answer = user_answer(self.scenario.request_of_user(), Ok(auth));
                self.scenario.input(Input::Answered(answer));
            }
            (Some(event), _) if event.starts_with("client-") => {
                let channel = message["channel"].as_str().unwrap_or_default();
                self.trigger(event, channel, data.to_string().len());
            }
            _ => {}
        }
    }

    /// A client event that is recorded only in part: its beginning and its length.
    fn sent_large(&mut self, text: &str) {
        let between = |before: &str, after: &str| text.split(before).nth(1)?.split(after).next();
        let field = |name: &str| between(&format!("\"{name}\":\""), "\"").expect("a name");
        let size = between("<", " chars>").and_then(|size| size.parse().ok()).expect("a length");
        self.trigger(field("event"), field("channel"), size);
    }

    fn trigger(&mut self, event: &str, channel: &str, size: usize) {
        // The recorded clients also sent what this one does not: on channels to which they were not subscribed.
        if let Some(intent) = self.channels.iter().find(|intent| *intent.name() == channel).cloned() {
            triggers_sized(&mut self.scenario, &intent, event, size);
        }
    }

    fn subscribe(&mut self, channel: &str, data: &Value) {
        let known = self.channels.iter().find(|intent| *intent.name() == channel).cloned();
        let intent = known.unwrap_or_else(|| Intent::of_channel(self.channels.len() as u64 + 1, channel));
        intent.activate();
        // Some recorded clients sent none where one is needed.
        let mut auth = ChannelAuth::new(data["auth"].as_str().unwrap_or("app-key:none").to_owned());
        if let Some(channel_data) = data["channel_data"].as_str() {
            auth = auth.channel_data(channel_data);
        }
        // The recorded clients had no key to decrypt with; any will do for a subscription.
        auth = auth.shared_secret("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        self.scenario
            .input(Input::IntentChanges(vec![IntentChange { ready: Some(ready(auth)), ..change_of(&intent) }]));
        self.channels.push(intent);
    }

    fn received(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).expect("servers send JSON");
        let (event, channel) = (string(&message["event"]), message["channel"].as_str());
        if event == "pusher:signin_success" {
            self.scenario.receive(text);
            let id = self.scenario.session.sign_in.user().expect("signed in").clone();
            // soketi sends events for the user to clients that never subscribed, too. This client subscribes.
            self.scenario.receive(&succeeded(&format!("#server-to-user-{id}")));
            return;
        }
        if !event.starts_with("pusher") && !channel.is_some_and(|channel| channel.starts_with("private-encrypted")) {
            let sender = match &message["user_id"] {
                Value::String(id) => Some(id.clone()),
                Value::Number(id) => Some(id.to_string()),
                _ => None,
            };
            self.expected.push((event, message["data"].clone(), sender));
        }
        self.scenario.receive(text);
    }
}

fn as_event(notification: &Notification) -> Option<&Event> {
    match notification {
        Notification::Event(event) => Some(event),
        _ => None,
    }
}

/// D1: a string is its text, what is missing is empty, and anything else is its JSON.
fn is_data(text: &str, data: &Value) -> bool {
    match data {
        Value::String(data) => text == data,
        // Absent, or null.
        Value::Null => text.is_empty() || text == "null",
        other => serde_json::from_str::<Value>(text).is_ok_and(|value| value == *other),
    }
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn messages_of_real_servers_are_understood() {
    let (mut connections, mut events, mut successes, mut members, mut misses) = (0, 0, 0, 0, 0);
    for (file, lines) in recordings() {
        let mut names: Vec<_> = lines.iter().map(|line| line.connection.clone()).filter(|c| !c.is_empty()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let replay = replay(&lines, &name);
            let s = &replay.scenario;
            let bad: Vec<_> = s.errors().into_iter().filter(|e| matches!(e, Error::BadMessage { .. })).collect();
            assert!(bad.is_empty(), "{file} {name}: {bad:?}");
            let delivered: Vec<_> = s.notifications.iter().filter_map(as_event).collect();
            assert_eq!(delivered.len(), replay.expected.len(), "{file} {name}");
            for (event, (expected, data, sender)) in delivered.iter().zip(&replay.expected) {
                assert_eq!((event.name(), event.user_id()), (&**expected, sender.as_deref()), "{file} {name}");
                assert!(is_data(event.data(), data), "{file} {name}: {} is not {data}", event.data());
            }
            connections += 1;
            events += delivered.len();
            successes += s.successes().len();
            let count = |pick: fn(&Notification) -> bool| s.notifications.iter().filter(|each| pick(each)).count();
            members += count(|n| matches!(n, Notification::MemberAdded(_) | Notification::MemberRemoved(_)));
            misses += count(|n| matches!(n, Notification::CacheMiss { .. }));
        }
    }
    println!(
        "{connections} connections, {events} events, {successes} subscriptions, {members} members, {misses} misses"
    );
    assert!(connections >= 95 && events >= 80 && successes >= 65 && members == 23 && misses == 8);
}

#[test]
fn s6_the_order_of_reverbs_answers_shows_the_refused_request() {
    let s = of_reverb("order", "a");
    let expected = [
        "private-c confirmed",
        "event client-t on private-c Some(4200)",
        "room confirmed",
        "private-1 refused Some(4009)",
        "private-2 refused Some(4009)",
        "private-3 confirmed",
        "room-4 confirmed",
        "sign-in Some(4200)",
        "room-5 confirmed",
        "private-6 refused Some(4009)",
        "server Some(4009)",
        "room-8 confirmed",
    ];
    assert_eq!(reports(&s), expected, "private-7 was withdrawn, so its refusal is not reported");
}

#[test]
fn s6_a_refusal_of_reverb_without_a_channel_reaches_the_channel() {
    for connection in ["a", "b"] {
        let s = of_reverb("private_bad_auth", connection);
        assert_eq!(reports(&s), ["private-x refused Some(4009)"]);
    }
    assert_eq!(reports(&of_reverb("private_bad_auth", "c")), ["presence-x refused Some(4009)"]);
    for connection in ["a", "b"] {
        assert_eq!(reports(&of_reverb("signin", connection)), ["sign-in Some(4200)"]);
    }
}

#[test]
fn s10_a_request_that_reverb_refuses_because_of_its_limit_is_sent_again() {
    let s = of_reverb("rate_limit", "a");
    let reports = reports(&s);
    assert_eq!(reports[0], "private-c confirmed");
    assert!(reports[1..].iter().all(|report| report == "event client-n on private-c Some(4301)"), "{reports:?}");
    let requests = s.sent().iter().filter(|text| **text == subscribe("room")).count();
    assert!(requests > 1, "{requests}");
}

#[test]
fn t2_a_refusal_of_a_client_event_by_reverb_names_the_event() {
    let s = of_reverb("client_events", "a");
    let refused: Vec<_> = reports(&s).into_iter().filter(|report| report.contains("4200")).collect();
    assert_eq!(refused.len(), 6, "texts, numbers and booleans: {refused:?}");
    assert!(refused.iter().all(|refused| refused.ends_with("on private-c Some(4200)")), "{refused:?}");
    let s = of_reverb("client_events", "big");
    let size = s.errors().into_iter().find_map(|error| match error {
        Error::ClientEventTooLarge { size, limit: 0 } => Some(*size),
        _ => None,
    });
    assert_eq!(size, Some(10_001));
}

/// Section 11 of the protocol's description: what is not recorded, but read in the sources of the servers.
#[test]
fn messages_of_other_servers_are_understood() {
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
        assert!(s.notifications.is_empty() && s.session.counters.ignored == 0, "{pong}");
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
fn a_stale_client_reconnects_at_once_in_each_way_that_a_server_ends_it() {
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
    match &s.notifications[..] {
        [Notification::MemberAdded(came), Notification::MemberRemoved(went)] => {
            assert_eq!((came.member.id(), went.member.id()), ("8", "8"));
        }
        other => panic!("{other:?}"),
    }
    s.forget_notifications().receive(r#"{"event":"client-x","channel":"presence-room","data":{}}"#);
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
