//! Rule H2: handlers of every kind that panic.

use std::{
    cell::RefCell,
    collections::HashSet,
    panic,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use pusher_channels::{ConnectionState, Error, Pusher, testing::TestServer};

use super::{
    code::Code,
    kinds::{KINDS, Kind, MASTER_KEY, Scene},
    states,
    support::{PATIENCE, eventually},
};

/// Each kind of handler, and the name of its handlers in a report of a panic. A panic in a handler of errors is not
/// reported, because the report would call the same handler again.
const HANDLERS: &[(&str, Option<&str>)] = &[
    ("Channel::bind", Some("event e")),
    ("Channel::bind_as", Some("event e")),
    ("Channel::bind_as_with", Some("event e")),
    ("Channel::on_event", Some("application events")),
    ("Channel::bind_all", Some("all events")),
    ("Channel::on_subscription_succeeded", Some("succeeded subscriptions")),
    ("Channel::on_subscription_error", Some("failed subscriptions")),
    ("Channel::on_subscription_count", Some("subscription counts")),
    ("Channel::on_cache_miss", Some("cache misses")),
    ("Channel::on_decryption_failure", Some("decryption failures")),
    ("Channel::on_member_added", Some("added members")),
    ("Channel::on_member_removed", Some("removed members")),
    ("Pusher::bind", Some("event e")),
    ("Pusher::bind_as", Some("event e")),
    ("Pusher::bind_as_with", Some("event e")),
    ("Pusher::bind_all", Some("all events")),
    ("Pusher::on_event", Some("application events")),
    ("Pusher::on_connection_state_change", Some("connection state changes")),
    ("Pusher::on_error", None),
    ("Pusher::on_subscription_succeeded", Some("succeeded subscriptions")),
    ("Pusher::on_subscription_error", Some("failed subscriptions")),
    ("Pusher::on_subscription_count", Some("subscription counts")),
    ("Pusher::on_cache_miss", Some("cache misses")),
    ("Pusher::on_decryption_failure", Some("decryption failures")),
    ("Pusher::on_member_added", Some("added members")),
    ("Pusher::on_member_removed", Some("removed members")),
    ("User::bind", Some("event e")),
    ("User::bind_as", Some("event e")),
    ("User::bind_as_with", Some("event e")),
    ("User::bind_all", Some("all events")),
    ("User::on_signed_in", Some("sign-ins")),
    ("User::on_watchlist", Some("watchlist events")),
];

#[test]
fn h2_a_panic_in_a_handler_of_any_kind_is_reported_and_affects_no_other_handler() {
    let methods: HashSet<_> = HANDLERS.iter().map(|(name, _)| *name).collect();
    for kind in KINDS.iter().filter(|kind| is_a_method_that_binds(kind)) {
        assert!(methods.contains(kind.name), "{} is missing", kind.name);
    }
    for (name, name_in_reports) in HANDLERS {
        let kind = KINDS.iter().find(|kind| kind.name == *name).unwrap_or_else(|| panic!("{name} is not a kind"));
        check(kind, *name_in_reports);
    }
}

fn is_a_method_that_binds(kind: &Kind) -> bool {
    ["Channel::", "Pusher::", "User::"].iter().any(|handle| kind.name.starts_with(handle))
}

/// Binds two handlers of the kind, of which the first panics, and makes the client call them twice.
fn check(kind: &Kind, name_in_reports: Option<&str>) {
    let builder = TestServer::builder().subscription_counts(true).encryption_master_key(MASTER_KEY);
    let server = builder.start().expect("a free port on loopback");
    let nothing = Code::new(|| ());
    let pusher = Pusher::new((kind.configure)(states::config(&server), &server, &nothing));
    let (reported, reports) = mpsc::channel();
    pusher.on_error(move |error| reported.send(error.clone()).unwrap_or_default());
    let (panicked, called) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (channel, state) = (pusher.channel(kind.room).expect("a valid name"), ConnectionState::Connected);
    let mut scene = Scene {
        server,
        channel,
        user: pusher.user(),
        pusher,
        code: nothing,
        own: None,
        kept: RefCell::default(),
        state,
    };
    let count = Arc::clone(&panicked);
    scene.code = Code::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        // Like `panic!`, but the panic hook does not print it.
        panic::resume_unwind(Box::new("on purpose"));
    });
    (kind.bind)(&scene);
    let count = Arc::clone(&called);
    scene.code = Code::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    });
    (kind.bind)(&scene);
    for round in 1..=2 {
        let before = (panicked.load(Ordering::SeqCst), called.load(Ordering::SeqCst));
        scene.pusher.connect().expect("the embedded server accepts");
        (kind.provoke)(&mut scene);
        eventually(&format!("{}: both run, round {round}", kind.name), || {
            panicked.load(Ordering::SeqCst) > before.0 && called.load(Ordering::SeqCst) > before.1
        });
        scene.pusher.unsubscribe_all();
        scene.pusher.disconnect();
        assert!(scene.server.wait_for_connections(0, PATIENCE));
    }
    // The dispatch thread ends when it has delivered everything.
    drop((scene.channel, scene.user, scene.pusher));
    let reported: Vec<_> = reports.iter().filter_map(text_of_panic).collect();
    let expected = name_in_reports.map(|name| format!("handler: a handler for {name} panicked"));
    let count = if expected.is_some() { panicked.load(Ordering::SeqCst) } else { 0 };
    assert_eq!(reported, vec![expected.unwrap_or_default(); count], "{}", kind.name);
}

fn text_of_panic(error: Error) -> Option<String> {
    matches!(error, Error::HandlerPanicked { .. }).then(|| error.to_string())
}
