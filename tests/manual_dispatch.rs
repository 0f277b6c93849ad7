//! Handlers that run on a thread of the program's choice, and for so long as it likes.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use pusher_channels::{Channel, DispatchBudget, Error, Event, Overflow, Pusher, testing::TestServer};
use support::{dispatched_by_hand, eventually, quick, server};

/// A client that has told its handlers of the beginning.
fn room() -> (TestServer, Pusher, Channel) {
    let server = server();
    let (pusher, channel) = dispatched_by_hand(quick(&server), "room");
    (server, pusher, channel)
}

/// Lets this many events wait for the handlers that are bound.
fn publish(server: &TestServer, pusher: &Pusher, count: usize) {
    for n in 0..count {
        server.trigger("room", "e", &n);
    }
    eventually("the events wait", || pusher.stats().queue_depth == count);
}

#[test]
fn h3_a_dispatch_with_a_number_leaves_the_rest_in_its_order() {
    let (server, pusher, channel) = room();
    let (told, tells) = mpsc::channel();
    channel.bind_sender("e", told);
    publish(&server, &pusher, 10);
    let told = || tells.try_iter().map(|event: Event| event.json::<usize>().expect("a number")).collect::<Vec<_>>();
    assert_eq!((pusher.dispatch_for(0), told()), (0, vec![]));
    assert_eq!((pusher.dispatch_for(3), told()), (3, vec![0, 1, 2]));
    assert_eq!((pusher.dispatch_for(DispatchBudget::Notifications(1)), told()), (1, vec![3]));
    assert_eq!((pusher.dispatch(), told()), (6, vec![4, 5, 6, 7, 8, 9]));
    assert_eq!(pusher.dispatch(), 0);
}

#[test]
fn h3_a_dispatch_with_a_time_begins_nothing_after_it() {
    let (server, pusher, channel) = room();
    let time = Duration::from_millis(5);
    channel.bind("e", move |_| {
        let start = Instant::now();
        while start.elapsed() <= time {
            std::hint::spin_loop();
        }
    });
    publish(&server, &pusher, 5);
    assert_eq!(pusher.dispatch_for(Duration::ZERO), 0);
    let handled: usize = (0..3)
        .map(|_| pusher.dispatch_for(time))
        .inspect(|handled| assert!(*handled <= 1, "each takes all of the time, so that no second one is begun"))
        .sum();
    assert_eq!(pusher.dispatch_for(Duration::MAX), 5 - handled);
}

#[test]
fn h3_a_dispatch_ends_although_each_handler_makes_more_to_do() {
    let (server, pusher, channel) = room();
    let (inner, publisher) = (pusher.clone(), server.publisher());
    channel.bind("e", move |_| {
        let waiting = inner.stats().queue_depth;
        publisher.trigger("room", "e", &0);
        eventually("it has come", || inner.stats().queue_depth > waiting);
    });
    publish(&server, &pusher, 3);
    assert_eq!(pusher.dispatch(), 3);
    assert_eq!(pusher.dispatch_for(Duration::from_secs(3_600)), 3);
}

#[test]
fn h4_handlers_are_told_of_a_loss_where_it_happened() {
    let server = server();
    let config = quick(&server).queue_capacity(4).overflow(Overflow::DropOldest);
    let (pusher, channel) = dispatched_by_hand(config, "room");
    let (told, tells) = mpsc::channel();
    let lost = told.clone();
    channel.bind("e", move |event| told.send(event.data().to_owned()).unwrap_or_default());
    pusher.on_error(move |error| {
        if let Error::Lagged { dropped } = error {
            lost.send(format!("lagged {dropped}")).unwrap_or_default();
        }
    });
    for n in 0..10 {
        server.trigger("room", "e", &n);
    }
    eventually("six are dropped", || pusher.stats().dropped == 6);
    assert_eq!(pusher.dispatch_for(1), 1);
    assert_eq!(tells.try_iter().collect::<Vec<_>>(), ["lagged 6"]);
    assert_eq!(pusher.dispatch(), 4);
    assert_eq!(tells.try_iter().collect::<Vec<_>>(), ["6", "7", "8", "9"]);
}

#[test]
fn h4_a_dispatch_ends_although_each_handler_pushes_events_out() {
    let server = server();
    let config = quick(&server).queue_capacity(2).overflow(Overflow::KeepLatest);
    let (pusher, _channel) = dispatched_by_hand(config, "room");
    let dropped_and_superseded = |pusher: &Pusher| pusher.stats().dropped + pusher.stats().superseded;
    let (inner, names) = (pusher.clone(), AtomicUsize::new(0));
    let push = Arc::new(move || {
        let before = dropped_and_superseded(&inner);
        for _ in 0..4 {
            let name = names.fetch_add(1, Ordering::SeqCst);
            server.trigger("room", &format!("n{name}"), &0);
        }
        eventually("there was no room for all", || dropped_and_superseded(&inner) >= before + 2);
    });
    let push_more = Arc::clone(&push);
    pusher.on_event(move |_| push_more());
    push();
    assert!(pusher.dispatch_for(1) == 1 && pusher.dispatch_for(2) == 2);
    let handled = pusher.dispatch();
    assert!(handled <= 5, "two waited, and a loss before, between and after them: {handled}");
}

#[test]
fn h1_a_handler_that_dispatches_runs_nothing() {
    let (server, pusher, channel) = room();
    let (told, tells) = mpsc::channel();
    let inner = pusher.clone();
    channel.bind("e", move |_| told.send(inner.dispatch_for(10)).unwrap_or_default());
    publish(&server, &pusher, 1);
    assert_eq!((pusher.dispatch(), tells.try_recv()), (1, Ok(0)));
}
