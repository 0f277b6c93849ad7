//! Random sequences of what can happen, against a server that keeps the rules.

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
    /// The user changes his mind during the turn that comes next.
    ChangeMeanwhile(usize),
    /// The oldest question is answered with a permission.
    Allow,
    /// It is answered with a refusal.
    Refuse,
    /// The server answers its oldest request.
    Confirm,
    Reject,
    /// The oldest question of an older connection is answered yet.
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
        2 => Just(Step::AnswerLate),
    ]
}

/// The session, and the server as it sees its messages.
struct Model {
    scenario: Scenario,
    interests: Vec<Arc<Interest>>,
    /// How many of the scenario's outputs the server has seen.
    seen: usize,
    sockets: u64,
    /// What the server holds as subscribed on the current socket.
    subscribed: BTreeMap<String, u64>,
    /// The requests that the server has not answered.
    requests: Vec<(String, u64)>,
    numbers: u64,
    questions: Vec<ChannelQuestion>,
    late: Vec<ChannelQuestion>,
}

impl Model {
    fn new() -> Self {
        let interests = CHANNELS.iter().zip(2..).map(|(name, id)| Interest::new(id, name)).collect();
        Self {
            scenario: Scenario::new(),
            interests,
            seen: 0,
            sockets: 0,
            subscribed: BTreeMap::new(),
            requests: Vec::new(),
            numbers: 0,
            questions: Vec::new(),
            late: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Connect => self.connect(),
            Step::Drop => self.drop_connection(),
            Step::Subscribe(n) => {
                self.interests[n].want();
                self.wish(n);
            }
            Step::Unsubscribe(n) => {
                self.interests[n].forget();
                self.wish(n);
            }
            Step::UnsubscribeAndSubscribe(n) => {
                self.interests[n].forget();
                self.interests[n].want();
                self.wish(n);
            }
            Step::ChangeMeanwhile(n) => self.scenario.change_meanwhile.push(Arc::clone(&self.interests[n])),
            Step::Allow => self.answer_oldest(true),
            Step::Refuse => self.answer_oldest(false),
            Step::Confirm => self.confirm(true),
            Step::Reject => self.confirm(false),
            Step::AnswerLate => {
                if let Some(question) = self.late.pop() {
                    self.answer(&question, true);
                }
            }
        }
        self.serve();
    }

    fn wish(&mut self, n: usize) {
        let wish = wish(&self.interests[n]);
        self.scenario.input(Input::Wishes(vec![wish]));
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
        self.late.append(&mut self.questions);
        while matches!(self.scenario.session.phase, Phase::Waiting { .. }) {
            let until = self.scenario.session.deadline().expect("backing off");
            self.scenario.now = self.scenario.now.max(until);
            self.scenario.input(Input::Tick);
        }
        self.accept();
    }

    fn accept(&mut self) {
        self.sockets += 1;
        let established = format!(
            r#"{{"event":"pusher:connection_established","data":{{"socket_id":"{}.1","activity_timeout":60}}}}"#,
            self.sockets
        );
        self.scenario.upgrade().receive(&established);
        assert!(self.scenario.session.is_connected());
    }

    fn answer_oldest(&mut self, allowed: bool) {
        if !self.questions.is_empty() {
            let question = self.questions.remove(0);
            self.answer(&question, allowed);
        }
    }

    fn answer(&mut self, question: &ChannelQuestion, allowed: bool) {
        let ChannelQuestion { generation, number, channel, request } = question.clone();
        let auth = ChannelAuth::new(format!("{} {}", request.socket_id(), request.channel()));
        let auth = if allowed { Ok(auth.channel_data(r#"{"user_id":"me"}"#)) } else { Err(refused()) };
        self.scenario.input(Input::Answered(Answer::Channel { generation, number, channel, auth }));
    }

    fn confirm(&mut self, confirmed: bool) {
        if self.requests.is_empty() {
            return;
        }
        let (channel, number) = self.requests.remove(0);
        if confirmed {
            self.scenario.receive(&succeeded(&channel));
        } else {
            // Of a request that was taken back meanwhile, nothing is left to be removed.
            if self.subscribed.get(&channel) == Some(&number) {
                self.subscribed.remove(&channel);
            }
            self.scenario
                .receive(&format!(r#"{{"event":"pusher:subscription_error","channel":"{channel}","data":{{}}}}"#));
        }
    }

    /// Takes in what the session sends and asks, as a server that insists on the rules.
    fn serve(&mut self) {
        let outputs = &self.scenario.outputs[self.seen..];
        for output in outputs {
            match output {
                Output::Ask(Question::Channels(questions)) => self.questions.extend(questions.iter().cloned()),
                Output::Send(text) => {
                    let message: serde_json::Value = serde_json::from_str(text.expose()).expect("JSON");
                    let data = &message["data"];
                    let channel = data["channel"].as_str().unwrap_or_default().to_owned();
                    match message["event"].as_str() {
                        Some("pusher:subscribe") => {
                            let expected = (channel != "room").then(|| format!("{}.1 {channel}", self.sockets));
                            assert_eq!(data["auth"].as_str(), expected.as_deref(), "the permission is for this socket");
                            // S11: also where the user changed his mind during the turn.
                            let wanted = self.interests.iter().any(|i| i.is_wanted() && i.name().as_str() == channel);
                            assert!(wanted, "{channel} is subscribed although it was given up");
                            self.numbers += 1;
                            let before = self.subscribed.insert(channel.clone(), self.numbers);
                            assert!(before.is_none(), "{channel} is subscribed twice");
                            self.requests.push((channel, self.numbers));
                        }
                        Some("pusher:unsubscribe") => {
                            // Answers that are on their way arrive all the same.
                            self.subscribed.remove(&channel);
                        }
                        other => panic!("{other:?}"),
                    }
                }
                _ => {}
            }
        }
        self.seen = self.scenario.outputs.len();
    }

    /// Everything that is pending is answered well.
    fn settle(&mut self) {
        self.connect();
        self.serve();
        // What has failed before is not tried again by itself, but by the next wish.
        for n in 0..CHANNELS.len() {
            if self.interests[n].is_wanted() {
                self.wish(n);
                self.serve();
            }
        }
        while !self.questions.is_empty() || !self.requests.is_empty() {
            self.answer_oldest(true);
            self.serve();
            self.confirm(true);
            self.serve();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r8_after_whatever_happened_the_subscribed_channels_are_the_wanted_ones(steps in prop::collection::vec(step(), 0..60)) {
        let mut model = Model::new();
        for step in steps {
            model.step(step);
        }
        model.settle();
        for interest in &model.interests {
            let name = interest.name().as_str();
            prop_assert_eq!(model.subscribed.contains_key(name), interest.is_wanted(), "the server about {}", name);
            let is_subscribed = model.scenario.session.subscriptions.is_subscribed(interest, interest.epoch());
            prop_assert_eq!(is_subscribed, interest.is_wanted(), "the session about {}", name);
        }
    }
}
