//! The official client and this one in the same presence channel.

use std::{collections::BTreeMap, time::Instant};

use pusher_channels::{Channel, Member, Notification, Pusher, Receiver};
use serde_json::{Value, json, value::RawValue};

use crate::{
    backend::{Backend, info_of},
    member::OfficialMember,
    message::{Message, text, value},
    process::DEADLINE,
    server::{Server, against_both_servers},
};

against_both_servers!(
    members_see_each_other_join_and_leave,
    client_events_arrive_unchanged_in_both_directions,
    a_number_as_an_id_becomes_its_digits,
);

const CHANNEL: &str = "presence-room";
const ANN: &str = "ann żółć & co";

fn members_see_each_other_join_and_leave(server: &Server) {
    let backend = Backend::start();
    let ann = ThisClient::new(server, &backend, ANN);
    assert_eq!(ann.members(), members([(ANN, info_of(ANN))]));

    let zoe_info = json!({"name": "Zoë ☃", "tags": [1, null, {"a": "\""}]});
    let mut zoe = OfficialMember::start(server.port(), CHANNEL, &json!("zoe"), &zoe_info);
    let expected = json!({
        "me": {"id": "zoe", "info": zoe_info},
        "members": {ANN: info_of(ANN), "zoe": zoe_info},
    });
    assert_eq!(zoe.next(), json!({"subscribed": expected}));
    assert_eq!(ann.next_change(), Change::Added("zoe".to_owned(), zoe_info.clone()));
    assert_eq!(ann.members(), members([(ANN, info_of(ANN)), ("zoe", zoe_info.clone())]));

    let bob = ThisClient::new(server, &backend, "bob");
    assert_eq!(bob.members(), members([(ANN, info_of(ANN)), ("bob", info_of("bob")), ("zoe", zoe_info.clone())]));
    assert_eq!(bob.channel.me().expect("a member").id(), "bob");
    assert_eq!(ann.next_change(), Change::Added("bob".to_owned(), info_of("bob")));
    assert_eq!(zoe.next(), json!({"added": {"id": "bob", "info": info_of("bob")}}));

    // A second connection of a user adds no member, and closing one of two connections removes none. A wrong change
    // would arrive before the next one.
    let second = ThisClient::new(server, &backend, "bob");
    assert_eq!(second.members(), bob.members());
    drop(second);

    bob.channel.unsubscribe();
    assert_eq!(ann.next_change(), Change::Removed("bob".to_owned(), info_of("bob")));
    assert_eq!(zoe.next(), json!({"removed": {"id": "bob", "info": info_of("bob")}}));

    zoe.leave();
    assert_eq!(ann.next_change(), Change::Removed("zoe".to_owned(), zoe_info.clone()));
    assert_eq!(ann.members(), members([(ANN, info_of(ANN))]));

    // A client that is killed leaves, too.
    let mut eve = OfficialMember::start(server.port(), CHANNEL, &json!("eve"), &Value::Null);
    assert!(eve.next()["subscribed"].is_object());
    assert_eq!(ann.next_change(), Change::Added("eve".to_owned(), Value::Null));
    drop(eve);
    assert_eq!(ann.next_change(), Change::Removed("eve".to_owned(), Value::Null));
}

fn client_events_arrive_unchanged_in_both_directions(server: &Server) {
    let backend = Backend::start();
    let ann = ThisClient::new(server, &backend, ANN);
    let mut zoe = OfficialMember::start(server.port(), CHANNEL, &json!("zoe ☃"), &json!({}));
    assert!(zoe.next()["subscribed"].is_object());

    for message in client_events() {
        zoe.trigger(&message.json);
        assert_eq!(ann.next_event(), (message.delivery.event, message.delivery.data, Some("zoe ☃".to_owned())));
    }
    for message in client_events() {
        let data: Box<RawValue> = serde_json::from_str(&message.json).unwrap();
        ann.channel.trigger(&message.delivery.event, &data).unwrap();
        assert_eq!(zoe.next(), json!({"event": {"data": message.value(), "user_id": ANN}}));
    }
}

fn a_number_as_an_id_becomes_its_digits(server: &Server) {
    let backend = Backend::start();
    let ann = ThisClient::new(server, &backend, ANN);
    let mut seven = OfficialMember::start(server.port(), CHANNEL, &json!(7), &json!({}));
    assert!(seven.next()["subscribed"].is_object());
    assert_eq!(ann.next_change(), Change::Added("7".to_owned(), json!({})));
    seven.trigger("1");
    assert_eq!(ann.next_event().2.as_deref(), Some("7"));
    let bob = ThisClient::new(server, &backend, "bob");
    assert_eq!(bob.channel.member("7").expect("a member").id(), "7");
    drop(seven);
    assert_eq!(bob.next_change(), Change::Removed("7".to_owned(), json!({})));
}

/// Fewer events than the 10 that a client may send in a second. None of the texts is JSON, because the official client
/// would parse it.
fn client_events() -> Vec<Message> {
    let text = |data: &str| text(CHANNEL, "client-message", data);
    let value = |json: &str| value(CHANNEL, "client-message", json.to_owned());
    vec![
        // The keys are not in alphabetical order, so that JSON that was parsed and written again is noticed.
        value(r#"{"seq":1,"text":"żółć ☃ 𝄞","list":[1,2.5,null,true,{}],"a":{"b":[]}}"#),
        text("a text"),
        text("żółć ☃ 𝄞 \" \\ / \t \r\n \0 \u{1} \u{7f} \u{2028} \u{2029} \u{feff} e\u{301}"),
        value("42"),
        value("-0.5"),
        value(r#"["array",false]"#),
        value("true"),
        // 9 KB, with three bytes a character and with one.
        text(&"☃".repeat(3_072)),
        value(&format!(r#"{{"long":"{}"}}"#, "x".repeat(9_216))),
    ]
}

/// This client in the channel.
struct ThisClient {
    channel: Channel,
    receiver: Receiver,
    _pusher: Pusher,
}

#[derive(Debug, PartialEq)]
enum Change {
    Added(String, Value),
    Removed(String, Value),
}

impl ThisClient {
    fn new(server: &Server, backend: &Backend, user: &str) -> Self {
        let pusher = Pusher::new(backend.serve(server.config(), user)).connect().unwrap();
        let receiver = pusher.receiver();
        let channel = pusher.subscribe(CHANNEL).unwrap();
        channel.wait_subscribed(DEADLINE).unwrap();
        Self { channel, receiver, _pusher: pusher }
    }

    fn members(&self) -> BTreeMap<String, Value> {
        let entry = |member: &Member| (member.id().to_owned(), info(member));
        self.channel.members().iter().map(entry).collect()
    }

    fn next_change(&self) -> Change {
        self.next(|notification| match notification {
            Notification::MemberAdded(change) => {
                Some(Change::Added(change.member.id().to_owned(), info(&change.member)))
            }
            Notification::MemberRemoved(change) => {
                Some(Change::Removed(change.member.id().to_owned(), info(&change.member)))
            }
            _ => None,
        })
    }

    /// Name, data and user of the next event.
    fn next_event(&self) -> (String, String, Option<String>) {
        self.next(|notification| match notification {
            Notification::Event(event) => {
                Some((event.name().to_owned(), event.data().to_owned(), event.user_id().map(str::to_owned)))
            }
            _ => None,
        })
    }

    /// The first result of `pick`. Notifications before it are dropped.
    fn next<T>(&self, pick: impl Fn(&Notification) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let notification = self.receiver.recv_timeout(left).expect("the awaited notification in time");
            if let Notification::Error(error) = &notification {
                panic!("{error}");
            }
            if let Some(found) = pick(&notification) {
                return found;
            }
        }
    }
}

fn members<const N: usize>(list: [(&str, Value); N]) -> BTreeMap<String, Value> {
    list.into_iter().map(|(id, info)| (id.to_owned(), info)).collect()
}

fn info(member: &Member) -> Value {
    member.info_as().unwrap()
}
