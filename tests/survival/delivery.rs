//! Rules H3, H4 and R12: every event arrives once and in order while the client is connected. With a queue that drops,
//! delivered and dropped events together are all events.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Instant,
};

use parking_lot::Mutex;
use pusher_channels::{Error, Event, Notification, Overflow, Pusher, TryRecvError};

use super::{
    figures,
    source::{EVENT, Source},
    support::{PATIENCE, eventually},
};

/// The channels of the source. Consecutive numbers go through them in turn.
const CHANNELS: [&str; 4] = ["prices", "scores", "positions", "messages"];

const EVENTS: u64 = 10_000_000;

/// The number of events for each slow consumer.
const EVENTS_FOR_THE_SLOW: u64 = 2_000_000;

/// The number in an event.
fn number(event: &Event) -> u64 {
    event.data().parse().expect("a number")
}

/// Connects the client, and waits until all channels are confirmed.
fn connect_and_subscribe(pusher: &Pusher) {
    let confirmed = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&confirmed);
    let binding = pusher.on_subscription_succeeded(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    pusher.connect().expect("the source accepts");
    for channel in CHANNELS {
        pusher.subscribe(channel).expect("a valid name");
    }
    eventually("all channels confirmed", || confirmed.load(Ordering::Relaxed) == CHANNELS.len() as u64);
    binding.unbind();
}

/// A handler that expects the numbers from `first` on, in steps of `step`.
fn in_order(first: u64, step: u64) -> impl FnMut(&Event) {
    let mut next = first;
    move |event| {
        assert_eq!(number(event), next, "the next event of {:?}", event.channel());
        next += step;
    }
}

#[test]
fn h3_ten_million_events_arrive_once_and_in_order() {
    let source = Source::start(&CHANNELS);
    let pusher = Pusher::new(source.config().overflow(Overflow::Block));
    let (failed, failures) = mpsc::channel();
    pusher.on_error(move |error| drop(failed.send(error.clone())));
    connect_and_subscribe(&pusher);
    let receiver = pusher.receiver();
    for (first, name) in (0..).zip(CHANNELS) {
        pusher.channel(name).expect("a valid name").bind(EVENT, in_order(first, CHANNELS.len() as u64));
    }
    let (last, handled) = mpsc::channel();
    let mut check = in_order(0, 1);
    pusher.on_event(move |event| {
        check(event);
        if number(event) == EVENTS - 1 {
            last.send(()).expect("the test waits");
        }
    });

    let began = Instant::now();
    source.send(EVENTS);
    let mut check = in_order(0, 1);
    for _ in 0..EVENTS {
        match receiver.recv().expect("the client is alive") {
            Notification::Event(event) => check(&event),
            other => panic!("an event was expected, not {other:?}"),
        }
    }
    handled.recv_timeout(PATIENCE).expect("the handlers get the last event, too");
    let took = began.elapsed();
    // A failed check in a handler is a panic, which is reported.
    assert!(failures.try_recv().is_err() && receiver.is_empty());
    let stats = pusher.stats();
    assert_eq!((stats.events, stats.dropped, stats.ignored, stats.bad_messages), (EVENTS, 0, 0, 0));
    pusher.disconnect();
    source.end();
    let measured = format_args!("{EVENTS} of {EVENTS} by handlers and a receiver, {:.1} s", took.as_secs_f64());
    figures::record("delivery while connected", measured, "10,000,000 events, none lost, doubled or out of order");
}

/// The events that a consumer got, and the losses that were reported in their places.
#[derive(Default)]
struct Account {
    next: u64,
    delivered: u64,
    dropped: u64,
}

impl Account {
    fn event(&mut self, event: &Event) {
        assert_eq!(number(event), self.next, "a missing event is reported as dropped in its place");
        self.next += 1;
        self.delivered += 1;
    }

    fn lagged(&mut self, dropped: u64) {
        self.next += dropped;
        self.dropped += dropped;
    }

    fn is_complete(&self) -> bool {
        self.delivered + self.dropped == EVENTS_FOR_THE_SLOW
    }
}

/// Makes a consumer slow: after some events it takes no more until others were dropped.
struct Slowness {
    random: u64,
    left: u64,
    client: Pusher,
}

impl Slowness {
    fn new(seed: u64, client: &Pusher) -> Self {
        Self { random: seed, left: 0, client: client.clone() }
    }

    /// Called before each event.
    fn wait(&mut self, dropped: impl Fn() -> u64) {
        if self.left == 0 {
            // Knuth's linear congruential generator.
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.left = 1 + (self.random >> 33) % 3000;
            let before = dropped();
            // No event is dropped after all were received.
            while dropped() == before && self.client.stats().events < EVENTS_FOR_THE_SLOW {
                std::thread::yield_now();
            }
        }
        self.left -= 1;
    }
}

#[test]
fn h4_with_a_slow_consumer_delivered_and_dropped_events_are_all_events() {
    let mut measured = Vec::new();
    for (seed, overflow) in [(1, Overflow::DropOldest), (2, Overflow::DropNewest)] {
        let [receiver, handlers] = account_for(seed, overflow);
        for (consumer, account) in [("a receiver", receiver), ("handlers", handlers)] {
            let Account { delivered, dropped, .. } = account;
            assert_eq!(delivered + dropped, EVENTS_FOR_THE_SLOW, "{overflow:?}, {consumer}, seed {seed}");
            assert!(dropped > 1000 && delivered > 1000, "{consumer}: {delivered} delivered, {dropped} dropped");
            measured.push(format!("{overflow:?} {consumer}: {delivered} + {dropped}"));
        }
    }
    figures::record("delivery to slow consumers", measured.join(", "), "delivered + dropped = 2,000,000 sent");
}

/// The events that a slow receiver and slow handlers of one client get.
fn account_for(seed: u64, overflow: Overflow) -> [Account; 2] {
    let source = Source::start(&CHANNELS);
    let pusher = Pusher::new(source.config().overflow(overflow).queue_capacity(1000));
    connect_and_subscribe(&pusher);
    let receiver = pusher.receiver();
    let handlers = Arc::new(Mutex::new(Account::default()));
    let account = Arc::clone(&handlers);
    let (mut slowness, client) = (Slowness::new(seed, &pusher), pusher.clone());
    pusher.on_event(move |event| {
        slowness.wait(|| client.stats().dropped);
        account.lock().event(event);
    });
    let account = Arc::clone(&handlers);
    pusher.on_error(move |error| match error {
        Error::Lagged { dropped } => account.lock().lagged(*dropped),
        other => panic!("{other}"),
    });

    source.send(EVENTS_FOR_THE_SLOW);
    let mut account = Account::default();
    let mut slowness = Slowness::new(!seed, &pusher);
    let deadline = Instant::now() + PATIENCE;
    while !account.is_complete() || !handlers.lock().is_complete() {
        assert!(
            Instant::now() < deadline,
            "{overflow:?}: of {} events, {} were delivered",
            account.next,
            account.delivered
        );
        match receiver.try_recv() {
            Ok(Notification::Event(event)) => {
                slowness.wait(|| receiver.dropped());
                account.event(&event);
            }
            Ok(Notification::Lagged(dropped)) => account.lagged(dropped),
            Ok(other) => panic!("an event was expected, not {other:?}"),
            Err(TryRecvError::Empty) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
    let of_handlers = std::mem::take(&mut *handlers.lock());
    assert_eq!(receiver.dropped(), account.dropped);
    assert_eq!(pusher.stats().dropped, account.dropped + of_handlers.dropped);
    pusher.disconnect();
    source.end();
    [account, of_handlers]
}
