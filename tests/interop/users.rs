//! Events that the official SDK sends to a user reach that user's clients, and no others.

use std::sync::mpsc;

use pusher_channels::{Config, ConnectionState, ConnectionStateChange, Error, Pusher};
use serde_json::json;

use crate::{
    backend::Backend,
    message::{Message, text, value},
    process::DEADLINE,
    publisher::send_to_user,
    recorder::Recorder,
    server::{Server, against_both_servers},
    soketi::SECRET,
};

against_both_servers!(a_user_gets_only_the_events_for_that_user, a_wrong_signature_of_a_user_is_refused);

const EVENT: &str = "invoice";

fn a_user_gets_only_the_events_for_that_user(server: &Server) {
    let backend = Backend::start();
    let by_endpoint = || backend.serve(server.config(), "ann");
    let by_secret = server.config().secret(SECRET).user_data(json!({"id": "bob", "user_info": {"name": "Bób"}}));
    let mut ann = SignedIn::new(by_endpoint(), "ann");
    let mut ann_again = SignedIn::new(by_endpoint(), "ann");
    let mut bob = SignedIn::new(by_secret, "bob");

    let for_ann = messages("ann");
    let for_bob = messages("bob");
    send_to_user(server.port(), "ann", &for_ann);
    send_to_user(server.port(), "bob", &for_bob);
    ann.gets(&for_ann);
    ann_again.gets(&for_ann);
    bob.gets(&for_bob);

    // On a new connection the client signs in again.
    ann.pusher.disconnect();
    ann.pusher.connect().unwrap();
    ann.wait("ann");
    let more = [text(&channel_of("ann"), EVENT, "more")];
    send_to_user(server.port(), "ann", &more);
    let all: Vec<Message> = for_ann.into_iter().chain(more).collect();
    ann.gets(&all);
    ann_again.gets(&all);
    bob.gets(&for_bob);
}

fn a_wrong_signature_of_a_user_is_refused(server: &Server) {
    let backend = Backend::start();
    let pusher = Pusher::new(backend.serve(server.config(), "ann-missigned"));
    let (sender, reports) = mpsc::channel();
    let errors = sender.clone();
    pusher.on_error(move |error| {
        // Sending fails only after the test has failed.
        let _ = errors.send(Report::Error(error.clone()));
    });
    pusher.on_connection_state_change(move |change| {
        let _ = sender.send(Report::State(change.current));
    });
    pusher.connect().unwrap();
    pusher.sign_in().unwrap();
    let error = pusher.user().wait_signed_in(DEADLINE).expect_err("it is refused");
    assert!(error.is_auth() && error.code() == Some(4009), "{error:?}");

    // First comes the error. Then soketi closes the connection, which is final and so reported, too (H11).
    let next = || reports.recv_timeout(DEADLINE).expect("a report");
    assert!(matches!(next(), Report::State(ConnectionState::Connecting)));
    assert!(matches!(next(), Report::State(ConnectionState::Connected)));
    match next() {
        Report::Error(Error::SignInRefused { code: Some(4009), message }) => {
            assert_eq!(message, "Connection not authorized.");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(next(), Report::Error(Error::ConnectionClosed { code: 4009, .. })));
    assert!(matches!(next(), Report::State(ConnectionState::Failed)));
    assert!(!pusher.user().is_signed_in());
}

#[derive(Debug)]
enum Report {
    Error(Error),
    State(ConnectionState),
}

fn messages(user: &str) -> Vec<Message> {
    let channel = channel_of(user);
    vec![
        value(&channel, EVENT, format!(r#"{{"total":12.5,"for":"{user} ☃","items":[1,null]}}"#)),
        text(&channel, EVENT, "żółć ☃ 𝄞"),
        value(&channel, EVENT, "42".to_owned()),
    ]
}

fn channel_of(user: &str) -> String {
    format!("#server-to-user-{user}")
}

struct SignedIn {
    pusher: Pusher,
    events: Recorder,
}

impl SignedIn {
    fn new(config: Config, id: &str) -> Self {
        let pusher = Pusher::new(config);
        let events = Recorder::new("User::bind");
        pusher.user().bind(EVENT, events.handler());
        pusher.sign_in().unwrap();
        pusher.connect().unwrap();
        let signed_in = Self { pusher, events };
        signed_in.wait(id);
        signed_in
    }

    /// Waits until the user is signed in. From then on, no event for the user is lost.
    fn wait(&self, id: &str) {
        self.pusher.user().wait_signed_in(DEADLINE).unwrap();
        assert_eq!(self.pusher.user().id().as_deref(), Some(id));
    }

    fn gets(&mut self, messages: &[Message]) {
        self.events.wait_for(messages);
        self.events.has(messages);
    }
}
