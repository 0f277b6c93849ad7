//! A day in the life of a session, by an injected clock: whatever happens, its memory does not grow.

use std::collections::VecDeque;

use super::{
    encrypted::{encrypted_event, permission},
    presence::list,
    users::{CONFIRMED, user_permission},
    *,
};
use crate::testability::figures;

const HOURS: usize = 24;

/// The growth that tables and lists may show, although they are never fuller than in the first hour.
const SLACK: i64 = 4 << 10;

/// The number of channels that are wanted at a time. Each new one has a name that was never used before.
const CHANNELS: usize = 20;

const ENCRYPTED: &str = "private-encrypted-room";
const LOBBY: &str = "presence-lobby";
const REFUSED: &str = "private-refused";

/// Every how many seconds, and what.
type Happening = (u64, fn(&mut Day));

/// The events of the day and their periods: prime numbers, so that everything meets everything else in the course of a
/// day.
const HAPPENINGS: [Happening; 17] = [
    (1, Day::an_event_for_every_channel),
    (2, Day::a_member_comes_or_goes),
    (3, Day::an_encrypted_event),
    (5, Day::a_client_event),
    (7, Day::an_event_with_another_key),
    (11, Day::an_event_for_the_user),
    (13, Day::junk),
    (17, Day::a_message_for_no_channel),
    (19, Day::another_channel),
    (41, Day::a_channel_that_is_refused),
    (101, Day::a_lost_connection),
    (211, Day::another_sign_in),
    (307, Day::a_refused_sign_in),
    (401, Day::another_key_for_good),
    (601, Day::a_server_that_closes),
    (1009, Day::an_outage),
    (3001, Day::a_disconnect),
];

#[test]
#[ignore = "takes long: tests/run survival"]
fn survival_24_hours_by_an_injected_clock_do_not_grow_the_memory() {
    let mut day = Day::begin();
    let mut grown = 0;
    let mut after_hours = Vec::new();
    for _ in 0..HOURS {
        grown += allocation_counter::measure(|| day.hour()).bytes_current;
        after_hours.push(grown);
    }
    let first = after_hours[0];
    let most = after_hours.iter().map(|hour| hour - first).max().expect("hours");
    assert!(most <= SLACK, "bytes held more than before, after each hour: {after_hours:?}");
    day.assert_that_everything_happened();
    let measured = format_args!("at most {most:+} bytes beside the first hour, {} inputs", day.inputs);
    figures::record("24 hours by an injected clock: memory", measured, "does not grow");
}

/// A session, its server, its authorizers, and the time.
struct Day {
    s: Scenario,
    second: u64,
    inputs: u64,
    channels: VecDeque<Arc<Intent>>,
    /// How many channels there ever were.
    named: u64,
    /// The key of encrypted events.
    key: u8,
    refuses_until: Instant,
    refuses_sign_in: bool,
    seen: Seen,
}

/// The notifications of the user, by kind.
#[derive(Debug, Default)]
struct Seen {
    events: u64,
    resubscriptions: u64,
    refusals: u64,
    members: u64,
    failures: u64,
    sign_ins: u64,
    unavailable: u64,
    errors: u64,
}

impl Day {
    fn begin() -> Self {
        let mut day = Self {
            s: Scenario::new(),
            second: 0,
            inputs: 0,
            channels: VecDeque::new(),
            named: 0,
            key: 1,
            refuses_until: Instant::now(),
            refuses_sign_in: false,
            seen: Seen::default(),
        };
        day.s.connect_background();
        for (id, name) in (2..).zip([ENCRYPTED, LOBBY]) {
            day.s.wants(id, name);
        }
        for _ in 0..CHANNELS {
            day.another_channel();
        }
        day.another_sign_in();
        day
    }

    /// Ends connected, so that hours can be compared.
    fn hour(&mut self) {
        for _ in 0..3600 {
            self.second();
            let second = self.second;
            for (_, happens) in HAPPENINGS.iter().filter(|(every, _)| second % every == 0) {
                happens(self);
                self.serve();
            }
        }
        while !self.s.session.is_connected() {
            self.second();
        }
    }

    fn second(&mut self) {
        self.second += 1;
        self.s.pass(SECOND);
        self.serve();
    }

    /// Answers what the session sends and asks, until it wants nothing more.
    fn serve(&mut self) {
        while !self.s.outputs.is_empty() {
            for output in std::mem::take(&mut self.s.outputs) {
                self.inputs += 1;
                match output {
                    Output::Effect(Effect::Dial { .. }) if self.s.now < self.refuses_until => {
                        self.s.socket(FromSocket::DialFailed(Error::lost("refused")));
                    }
                    Output::Effect(Effect::Dial { .. }) => {
                        self.s.establish();
                    }
                    Output::Send(text) => self.reply(text.expose()),
                    Output::Effect(Effect::Authorize(requests)) => self.answer(requests),
                    Output::Close { .. } | Output::Effect(Effect::StopReader(_)) => {}
                }
            }
        }
        self.listen();
    }

    fn reply(&mut self, text: &str) {
        let message: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let channel = message["data"]["channel"].as_str().unwrap_or_default();
        match message["event"].as_str().expect("an event") {
            "pusher:subscribe" if channel == LOBBY => self.s.receive(&list(LOBBY, r#""1","2","3""#)),
            "pusher:subscribe" => self.s.receive(&succeeded(channel)),
            "pusher:signin" if self.refuses_sign_in => {
                self.s.receive(r#"{"event":"pusher:error","data":{"code":4009,"message":"no"}}"#)
            }
            "pusher:signin" => self.s.receive(CONFIRMED),
            "pusher:ping" => self.s.receive(r#"{"event":"pusher:pong","data":{}}"#),
            _ => return,
        };
    }

    fn answer(&mut self, requests: Vec<PendingAuth>) {
        for request in requests {
            let answer = match request.subject.channel() {
                None => user_answer(request, user_permission()),
                Some(ENCRYPTED) => channel_answer(request, permission(self.key)),
                Some(LOBBY) => channel_answer(request, presence("1")),
                Some(REFUSED) => channel_answer(request, Err(refused())),
                Some(_) => channel_answer(request, private()),
            };
            self.s.input(Input::Answered(answer));
        }
    }

    /// Counts the notifications, and drops them.
    fn listen(&mut self) {
        let seen = &mut self.seen;
        for notification in std::mem::take(&mut self.s.notifications) {
            let counter = match &notification {
                Notification::Event(_) => &mut seen.events,
                Notification::SubscriptionSucceeded(succeeded) if succeeded.resubscribed => &mut seen.resubscriptions,
                Notification::SubscriptionError(_) => &mut seen.refusals,
                Notification::MemberAdded(_) | Notification::MemberRemoved(_) => &mut seen.members,
                Notification::DecryptionFailure(_) => &mut seen.failures,
                Notification::SignedIn { .. } => &mut seen.sign_ins,
                Notification::ConnectionStateChange(change) if change.current == Unavailable => &mut seen.unavailable,
                Notification::Error(_) => &mut seen.errors,
                _ => continue,
            };
            *counter += 1;
        }
        self.s.settled = Vec::new();
    }

    fn assert_that_everything_happened(&self) {
        let Seen { events, resubscriptions, refusals, members, failures, sign_ins, unavailable, errors } = self.seen;
        let least = [events, resubscriptions, refusals, members, failures, sign_ins, errors].into_iter().min();
        assert!(least >= Some(100) && unavailable >= 10, "{:?}", self.seen);
    }
}

/// One event of the day.
impl Day {
    fn receive(&mut self, text: &str) {
        self.inputs += 1;
        self.s.receive(text);
    }

    fn an_event_for_every_channel(&mut self) {
        for n in 0..self.channels.len() {
            let text = event(self.channels[n].name(), "some data");
            self.receive(&text);
        }
    }

    fn a_member_comes_or_goes(&mut self) {
        // More ids than members are kept.
        let id = self.second * 7919 % 150;
        let kind = if self.second % 3 == 0 { "member_removed" } else { "member_added" };
        let data = format!(r#"{{"user_id":"{id}","user_info":{{"name":"{}"}}}}"#, self.second);
        self.receive(&format!(r#"{{"event":"pusher_internal:{kind}","channel":"{LOBBY}","data":{data}}}"#));
    }

    fn an_encrypted_event(&mut self) {
        self.receive(&encrypted_event(ENCRYPTED, self.key, b"\"secret\""));
    }

    fn an_event_with_another_key(&mut self) {
        self.receive(&encrypted_event(ENCRYPTED, self.key + 1, b"\"secret\""));
    }

    fn another_key_for_good(&mut self) {
        self.key = self.key % 100 + 1;
    }

    fn a_client_event(&mut self) {
        let channel = Arc::clone(&self.channels[self.channels.len() / 2]);
        let triggered = self.s.now;
        self.s.pace().reserve(triggered).expect("the places are given back");
        let text = event(channel.name(), "from here");
        let name = "client-e".into();
        self.s.input(Input::Trigger(ClientEvent { channel: channel.stamp(), name, size: 9, text, triggered }));
    }

    fn an_event_for_the_user(&mut self) {
        self.receive(&event("#server-to-user-7", "x"));
        self.receive(
            r#"{"event":"pusher_internal:watchlist_events","data":{"events":[{"name":"online","user_ids":["8"]}]}}"#,
        );
    }

    fn junk(&mut self) {
        for text in ["", "null", "[1]", r#"{"event":7}"#, r#"{"event":"pusher:error","data":{"code":4301}}"#] {
            self.receive(text);
        }
    }

    fn a_message_for_no_channel(&mut self) {
        let text = event(&format!("not-wanted-{}", self.second), "x");
        self.receive(&text);
        self.receive(&succeeded(&format!("not-requested-{}", self.second)));
    }

    /// A new one comes, and the oldest goes.
    fn another_channel(&mut self) {
        self.named += 1;
        let kind = ["", "private-", "cache-", "private-cache-"][self.named as usize % 4];
        let intent = self.s.wants(self.named + 100, &format!("{kind}{:08}", self.named));
        self.channels.push_back(intent);
        if self.channels.len() > CHANNELS {
            let oldest = self.channels.pop_front().expect("not empty");
            self.s.withdraws(&oldest);
        }
    }

    fn a_channel_that_is_refused(&mut self) {
        let intent = self.s.wants(self.second + (1 << 32), REFUSED);
        self.serve();
        self.s.withdraws(&intent);
    }

    fn a_lost_connection(&mut self) {
        self.s.lose();
    }

    fn a_server_that_closes(&mut self) {
        self.receive(r#"{"event":"pusher:error","data":{"code":4200,"message":"restarting"}}"#);
        self.s.close(4200);
    }

    fn an_outage(&mut self) {
        self.refuses_until = self.s.now + 60 * SECOND;
        self.s.close(1006);
    }

    fn another_sign_in(&mut self) {
        self.refuses_sign_in = false;
        self.s.sign_in();
    }

    fn a_refused_sign_in(&mut self) {
        self.refuses_sign_in = true;
        self.s.lose();
    }

    fn a_disconnect(&mut self) {
        self.s.input(Input::Disconnect);
        self.serve();
        self.s.connect_background();
    }
}
