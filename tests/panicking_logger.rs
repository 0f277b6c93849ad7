//! Rule H2: a logger that panics at every record of this crate.

mod support;

use std::{
    panic,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use pusher_channels::{ConnectionState, Error, Pusher, ReceiverOptions, testing::AuthFault};
use support::{PATIENCE, eventually, next_event, next_state, quick, server, subscribed};

/// Counts the records of this crate, and panics at each.
struct PanickingLogger {
    records: AtomicUsize,
}

static LOGGER: PanickingLogger = PanickingLogger { records: AtomicUsize::new(0) };

impl log::Log for PanickingLogger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target().starts_with("pusher_channels") && !record.target().contains("testing") {
            self.records.fetch_add(1, Ordering::Relaxed);
            panic!("on purpose");
        }
    }

    fn flush(&self) {}
}

/// The number of records that an action causes, at least.
#[track_caller]
fn logs_while<T>(action: impl FnOnce() -> T) {
    let before = LOGGER.records.load(Ordering::Relaxed);
    action();
    eventually("a record", || LOGGER.records.load(Ordering::Relaxed) > before);
}

#[test]
fn h2_a_client_goes_on_after_every_panic_of_the_logger() {
    panic::set_hook(Box::new(|_| ()));
    log::set_logger(&LOGGER).expect("no other logger");
    log::set_max_level(log::LevelFilter::Debug);
    let server = server();
    let config = quick(&server).auth_endpoint(server.auth_endpoint()).log_events(true);
    let pusher = Pusher::new(config).connect().expect("accepted");
    let receiver = pusher.receiver();
    let keyed = pusher.receiver_with(ReceiverOptions::new().keep_latest_by(|_| panic!("on purpose")));
    let errors: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&errors);
    pusher.on_error(move |error| seen.lock().expect("no panic").push(error.to_string()));
    let has_panicked = || errors.lock().expect("no panic").iter().any(|error| error.contains("panicked"));
    subscribed(&pusher, "room");

    // More refusals than the pool has threads.
    for n in 0..10 {
        server.push_auth_fault(AuthFault::Body("junk".to_owned()));
        let channel = pusher.subscribe(&format!("private-refused-{n}")).expect("a valid name");
        logs_while(|| assert!(channel.wait_subscribed(PATIENCE).is_err()));
    }
    subscribed(&pusher, "private-room");

    pusher.bind("placed", |_| panic!("on purpose"));
    logs_while(|| server.trigger("room", "placed", &1));
    assert_eq!(next_event(&receiver).1, "1");
    eventually("handlers run after the panics", has_panicked);
    assert!(keyed.recv_timeout(PATIENCE).is_ok(), "the queue takes the event in");

    logs_while(|| server.send_raw("junk"));
    logs_while(|| server.drop_all());
    next_state(&receiver, ConnectionState::Reconnecting);
    next_state(&receiver, ConnectionState::Connected);
    pusher.channel("room").expect("a valid name").wait_subscribed(PATIENCE).expect("subscribed again");
    server.trigger("room", "e", &2);
    assert_eq!(next_event(&receiver).1, "2");

    logs_while(|| pusher.disconnect());
    pusher.connect().map(drop).expect("the threads have ended and start again");
    assert!(!matches!(pusher.trigger("room", "client-e", "x"), Err(Error::Disconnected)));
}
