//! Random sequences of steps, with a server that keeps the rules.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const CHANNELS: [&str; 4] = ["room", "private-a", "private-b", "presence-c"];

#[derive(Debug, Clone, Copy)]
enum Step {
    Connect,
    /// The connection is lost, and made anew after the back-off.
    Drop,
    Subscribe(usize),
    Unsubscribe(usize),
    /// Both, before the session learns of the first.
    UnsubscribeAndSubscribe(usize),
    /// The program changes the intent during the next turn.
    ChangeMeanwhile(usize),
    /// The oldest request is answered with a permission.
    Allow,
    /// It is answered with a refusal.
    Refuse,
    /// The server answers its oldest message: a request, or a client event, which it takes silently.
    Confirm,
    Reject,
    /// It refuses its oldest message by an error that names nothing.
    RejectNamelessly,
    /// It refuses all unanswered messages, because there were too many.
    Limit,
    /// A client event is sent on the first of the private channels, if that is subscribed.
    Trigger,
    Pass(u64),
    /// The oldest request of an earlier connection is answered late.
    AnswerLate,
}

fn step() -> impl Strategy<Value = Step> {
    let channel = 0..CHANNELS.len();
    prop_oneof![
        1 => Just(Step::Connect),
        1 => Just(Step::Drop),
        4 => channel.clone().prop_map(Step::Subscribe),
        3 => channel.clone().prop_map(Step::Unsubscribe),
        2 => channel.clone().prop_map(Step::UnsubscribeAndSubscribe),
        2 => channel.prop_map(Step::ChangeMeanwhile),
        4 => Just(Step::Allow),
        1 => Just(Step::Refuse),
        4 => Just(Step::Confirm),
        1 => Just(Step::Reject),
        2 => Just(Step::RejectNamelessly),
        1 => Just(Step::Limit),
        2 => Just(Step::Trigger),
        1 => (0..8u64).prop_map(Step::Pass),
        2 => Just(Step::AnswerLate),
    ]
}

/// The session, and the server as it sees its messages.
struct Model {
    scenario: Scenario,
    intents: Vec<Arc<Intent>>,
    /// How many of the scenario's outputs the server has seen.
    seen: usize,
    sockets: u64,
    /// The channels that the server holds as subscribed on the current socket, each with the requests that it has not
    /// refused: a client in doubt may have sent several.
    subscribed: BTreeMap<String, Vec<u64>>,
    /// The messages that the server has not answered, in order: the channel and the number of a request; a client event has
    /// no channel.
    requests: Vec<(Option<String>, u64)>,
    /// How many errors that name nothing the server has sent, other than those of its limit.
    nameless: usize,
    /// The server has sent an error without a name, or an error of its limit, on this connection. The session may have
    /// assigned it to the wrong message.
    doubts: bool,
    numbers: u64,
    pending: Vec<PendingAuth>,
    late: Vec<PendingAuth>,
}

impl Model {
    fn new() -> Self {
        let intents = CHANNELS.iter().zip(2..).map(|(name, id)| Intent::of_channel(id, name)).collect();
        Self {
            scenario: Scenario::new(),
            intents,
            seen: 0,
            sockets: 0,
            subscribed: BTreeMap::new(),
            requests: Vec::new(),
            nameless: 0,
            doubts: false,
            numbers: 0,
            pending: Vec::new(),
            late: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Connect => self.connect(),
            Step::Drop => self.drop_connection(),
            Step::Subscribe(n) => {
                self.intents[n].activate();
                self.change_intent(n);
            }
            Step::Unsubscribe(n) => {
                self.intents[n].withdraw();
                self.change_intent(n);
            }
            Step::UnsubscribeAndSubscribe(n) => {
                self.intents[n].withdraw();
                self.intents[n].activate();
                self.change_intent(n);
            }
            Step::ChangeMeanwhile(n) => self.scenario.change_meanwhile.push(Arc::clone(&self.intents[n])),
            Step::Allow => self.answer_oldest(true),
            Step::Refuse => self.answer_oldest(false),
            Step::Confirm => self.confirm(true),
            Step::Reject => self.confirm(false),
            Step::RejectNamelessly => self.refuse(4009),
            Step::Limit => (0..self.requests.len()).for_each(|_| self.refuse(4301)),
            Step::Trigger => self.trigger(),
            Step::Pass(seconds) => self.pass(Duration::from_secs(seconds)),
            Step::AnswerLate => {
                if let Some(request) = self.late.pop() {
                    self.answer(request, true);
                }
            }
        }
        self.serve();
    }

    fn change_intent(&mut self, n: usize) {
        let change = change_of(&self.intents[n]);
        self.scenario.input(Input::IntentChanges(vec![change]));
    }

    fn connect(&mut self) {
        if self.scenario.session.is_idle() {
            self.scenario.connect_background();
            self.accept();
        }
    }

    fn drop_connection(&mut self) {
        if !self.scenario.session.is_connected() {
            return;
        }
        self.scenario.lose();
        self.subscribed.clear();
        self.requests.clear();
        self.late.append(&mut self.pending);
        self.scenario.wait_for_attempt();
        self.accept();
    }

    fn accept(&mut self) {
        self.sockets += 1;
        self.doubts = false;
        let established = format!(
            r#"{{"event":"pusher:connection_established","data":{{"socket_id":"{}.1","activity_timeout":60}}}}"#,
            self.sockets
        );
        self.scenario.upgrade().receive(&established);
        assert!(self.scenario.session.is_connected());
    }

    fn answer_oldest(&mut self, allowed: bool) {
        if !self.pending.is_empty() {
            let request = self.pending.remove(0);
            self.answer(request, allowed);
        }
    }

    fn answer(&mut self, pending: PendingAuth, allowed: bool) {
        let request = pending.subject.request().expect("it is for a channel");
        let auth = ChannelAuth::new(format!("{} {}", request.socket_id(), request.channel()));
        let auth = if allowed { Ok(auth.channel_data(r#"{"user_id":"me"}"#)) } else { Err(refused()) };
        self.scenario.input(Input::Answered(channel_answer(pending, auth)));
    }

    fn confirm(&mut self, confirmed: bool) {
        let Some((channel, number)) = self.take_oldest() else { return };
        let Some(channel) = channel else { return };
        if confirmed {
            self.scenario.receive(&succeeded(&channel));
        } else {
            self.remove(&channel, number);
            self.scenario
                .receive(&format!(r#"{{"event":"pusher:subscription_error","channel":"{channel}","data":{{}}}}"#));
        }
    }

    fn refuse(&mut self, code: u16) {
        let Some((channel, number)) = self.take_oldest() else { return };
        if let Some(channel) = channel {
            self.remove(&channel, number);
        }
        self.nameless += usize::from(code != 4301);
        self.doubts = true;
        self.scenario.receive(&refusals::error(code));
    }

    fn take_oldest(&mut self) -> Option<(Option<String>, u64)> {
        (!self.requests.is_empty()).then(|| self.requests.remove(0))
    }

    /// Removes a request. Does nothing if the request was withdrawn.
    fn remove(&mut self, channel: &str, number: u64) {
        if let Some(requests) = self.subscribed.get_mut(channel) {
            requests.retain(|request| *request != number);
        }
    }

    fn trigger(&mut self) {
        let room = Arc::clone(&self.intents[1]);
        if self.scenario.session.subscriptions.is_subscribed(&room.stamp()) {
            client_events::triggers(&mut self.scenario, &room, "client-e");
        }
    }

    /// The server answers pings, so that the connection stays.
    fn pass(&mut self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.scenario.pass(SECOND);
            self.serve();
            if self.scenario.session.is_connected() {
                self.scenario.socket(FromSocket::Bytes);
            }
        }
    }

    /// Takes the outputs of the session, as a server that checks the rules.
    fn serve(&mut self) {
        let outputs = &self.scenario.outputs[self.seen..];
        for output in outputs {
            match output {
                Output::Effect(Effect::Authorize(requests)) => self.pending.extend(requests.iter().cloned()),
                // A client event.
                Output::Send(text) if text.expose() == "the message" => {
                    self.numbers += 1;
                    self.requests.push((None, self.numbers));
                }
                Output::Send(text) => {
                    let message: serde_json::Value = serde_json::from_str(text.expose()).expect("JSON");
                    let data = &message["data"];
                    let channel = data["channel"].as_str().unwrap_or_default().to_owned();
                    match message["event"].as_str() {
                        Some("pusher:subscribe") => {
                            let expected = (channel != "room").then(|| format!("{}.1 {channel}", self.sockets));
                            assert_eq!(data["auth"].as_str(), expected.as_deref(), "the permission is for this socket");
                            // S11: also where the program changed the intent during the turn.
                            let wanted = self.intents.iter().any(|i| i.is_active() && i.name().as_str() == channel);
                            assert!(wanted, "{channel} is subscribed although it was given up");
                            self.numbers += 1;
                            let requests = self.subscribed.entry(channel.clone()).or_default();
                            assert!(requests.is_empty() || self.doubts, "{channel} is subscribed twice");
                            requests.push(self.numbers);
                            self.requests.push((Some(channel), self.numbers));
                        }
                        Some("pusher:unsubscribe") => {
                            // Answers that are on their way arrive all the same.
                            self.subscribed.remove(&channel);
                        }
                        Some("pusher:ping") => {}
                        other => panic!("{other:?}"),
                    }
                }
                _ => {}
            }
        }
        self.seen = self.scenario.outputs.len();
    }

    /// Every pending request is answered with a success. A request that was refused without a name, and cannot be
    /// distinguished from others, is made again once it has timed out.
    fn settle(&mut self) {
        self.connect();
        self.serve();
        self.answer_everything();
        self.pass(Duration::from_secs(31));
        // A channel that has failed is tried again by the next intent only.
        for n in 0..CHANNELS.len() {
            if self.intents[n].is_active() {
                self.change_intent(n);
                self.serve();
            }
        }
        // Requests that are held back need time: up to a period, which a silent server can make a minute long, and its halves.
        for _ in 0..200 {
            self.answer_everything();
            if self.scenario.session.subscriptions.holds_nothing_back() {
                break;
            }
            self.pass(SECOND);
        }
    }

    fn answer_everything(&mut self) {
        while !self.pending.is_empty() || !self.requests.is_empty() {
            self.answer_oldest(true);
            self.serve();
            self.confirm(true);
            self.serve();
        }
    }

    /// Takes the steps, lets everything come to an end, and compares the intents with the server and the session.
    fn play(mut self, steps: Vec<Step>) {
        for step in steps {
            self.step(step);
        }
        self.settle();
        assert_eq!(self.attributed(), self.nameless, "each error is reported once");
        for intent in &self.intents {
            let name = intent.name().as_str();
            let is_held = self.subscribed.get(name).is_some_and(|requests| !requests.is_empty());
            assert_eq!(is_held, intent.is_active(), "the server about {name}");
            let is_subscribed = self.scenario.session.subscriptions.is_subscribed(&intent.stamp());
            assert_eq!(is_subscribed, intent.is_active(), "the session about {name}");
        }
        self.end();
    }

    /// Unsubscribes and disconnects. The session is empty then, and its memory budgets are whole (D3).
    fn end(mut self) {
        for n in 0..CHANNELS.len() {
            self.intents[n].withdraw();
            self.change_intent(n);
        }
        self.scenario.input(Input::Disconnect);
        assert!(self.scenario.session.is_idle() && self.scenario.session.is_empty());
    }

    /// The number of reports of errors that name no channel.
    fn attributed(&self) -> usize {
        let is_of_nameless = |notification: &&Notification| match notification {
            Notification::SubscriptionError(failed) => {
                matches!(&failed.error, Error::SubscriptionRefused { status: Some(4009), .. })
            }
            Notification::Error(error) => {
                matches!(
                    **error,
                    Error::Server { code: Some(4009), .. } | Error::ClientEventRefused { code: Some(4009), .. }
                )
            }
            _ => false,
        };
        self.scenario.notifications.iter().filter(is_of_nameless).count()
    }
}

/// Sequences after which the session once took a channel for subscribed that the server had refused, or the reverse.
#[test]
fn r8_sequences_that_once_ended_wrongly_end_well() {
    use Step::*;
    let sequences = [
        vec![
            Connect,
            UnsubscribeAndSubscribe(0),
            ChangeMeanwhile(0),
            ChangeMeanwhile(0),
            RejectNamelessly,
            Pass(5),
            ChangeMeanwhile(0),
            ChangeMeanwhile(0),
            Confirm,
            RejectNamelessly,
        ],
        vec![
            UnsubscribeAndSubscribe(0),
            UnsubscribeAndSubscribe(1),
            Connect,
            Allow,
            Reject,
            Confirm,
            Trigger,
            Subscribe(0),
            RejectNamelessly,
            UnsubscribeAndSubscribe(0),
            Confirm,
            Reject,
        ],
        vec![
            Connect,
            UnsubscribeAndSubscribe(0),
            Unsubscribe(0),
            ChangeMeanwhile(0),
            Limit,
            Pass(1),
            Reject,
            Allow,
            ChangeMeanwhile(0),
        ],
        vec![
            Connect,
            Subscribe(1),
            Allow,
            ChangeMeanwhile(0),
            Limit,
            Pass(1),
            Unsubscribe(0),
            Confirm,
            Subscribe(0),
            Confirm,
            Confirm,
            Reject,
        ],
        vec![
            Connect,
            UnsubscribeAndSubscribe(2),
            Confirm,
            Subscribe(1),
            Refuse,
            Allow,
            Confirm,
            Trigger,
            Pass(5),
            Subscribe(0),
            UnsubscribeAndSubscribe(0),
            RejectNamelessly,
            Confirm,
            Reject,
        ],
    ];
    for steps in sequences {
        Model::new().play(steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r8_after_every_sequence_the_subscribed_channels_are_the_wanted_ones(steps in prop::collection::vec(step(), 0..60)) {
        Model::new().play(steps);
    }
}
