//! Manual dispatch: handlers run on a thread of the program, with a limit of number or time.

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
use support::{eventually, quick, server, with_manual_dispatch};

/// A client whose handlers have run for the connection and the subscription.
fn room() -> (TestServer, Pusher, Channel) {
    let server = server();
    let (pusher, channel) = with_manual_dispatch(quick(&server), "room");
    (server, pusher, channel)
}

/// Publishes events, and waits until all are queued for the handlers.
fn publish(server: &TestServer, pusher: &Pusher, count: usize) {
    for n in 0..count {
        server.trigger("room", "e", &n);
    }
    eventually("the events wait", || pusher.stats().queue_depth == count);
}

#[test]
fn h3_a_dispatch_with_a_number_leaves_the_rest_in_order() {
    let (server, pusher, channel) = room();
    let (report, reports) = mpsc::channel();
    channel.bind_sender("e", report);
    publish(&server, &pusher, 10);
    let reported =
        || reports.try_iter().map(|event: Event| event.json::<usize>().expect("a number")).collect::<Vec<_>>();
    assert_eq!((pusher.dispatch_for(0), reported()), (0, vec![]));
    assert_eq!((pusher.dispatch_for(3), reported()), (3, vec![0, 1, 2]));
    assert_eq!((pusher.dispatch_for(DispatchBudget::Notifications(1)), reported()), (1, vec![3]));
    assert_eq!((pusher.dispatch(), reported()), (6, vec![4, 5, 6, 7, 8, 9]));
    assert_eq!(pusher.dispatch(), 0);
}

#[test]
fn h3_a_dispatch_with_a_time_runs_no_handler_after_it() {
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
        .inspect(|handled| assert!(*handled <= 1, "the first event takes all of the time"))
        .sum();
    assert_eq!(pusher.dispatch_for(Duration::MAX), 5 - handled);
}

#[test]
fn h3_a_dispatch_ends_although_each_handler_causes_another_event() {
    let (server, pusher, channel) = room();
    let (inner, publisher) = (pusher.clone(), server.publisher());
    channel.bind("e", move |_| {
        let waiting = inner.stats().queue_depth;
        publisher.trigger("room", "e", &0);
        eventually("the event is queued", || inner.stats().queue_depth > waiting);
    });
    publish(&server, &pusher, 3);
    assert_eq!(pusher.dispatch(), 3);
    assert_eq!(pusher.dispatch_for(Duration::from_secs(3_600)), 3);
}

#[test]
fn h4_handlers_get_a_loss_in_its_place() {
    let server = server();
    let config = quick(&server).queue_capacity(4).overflow(Overflow::DropOldest);
    let (pusher, channel) = with_manual_dispatch(config, "room");
    let (report, reports) = mpsc::channel();
    let lost = report.clone();
    channel.bind("e", move |event| report.send(event.data().to_owned()).unwrap_or_default());
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
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), ["lagged 6"]);
    assert_eq!(pusher.dispatch(), 4);
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), ["6", "7", "8", "9"]);
}

#[test]
fn h4_a_dispatch_ends_although_each_handler_causes_losses() {
    let server = server();
    let config = quick(&server).queue_capacity(2).overflow(Overflow::KeepLatest);
    let (pusher, _channel) = with_manual_dispatch(config, "room");
    let dropped_and_superseded = |pusher: &Pusher| pusher.stats().dropped + pusher.stats().superseded;
    let (inner, names) = (pusher.clone(), AtomicUsize::new(0));
    let push = Arc::new(move || {
        let before = dropped_and_superseded(&inner);
        for _ in 0..4 {
            let name = names.fetch_add(1, Ordering::SeqCst);
            server.trigger("room", &format!("n{name}"), &0);
        }
        eventually("the queue is too small for all events", || dropped_and_superseded(&inner) >= before + 2);
    });
    let push_more = Arc::clone(&push);
    pusher.on_event(move |_| push_more());
    push();
    assert!(pusher.dispatch_for(1) == 1 && pusher.dispatch_for(2) == 2);
    let handled = pusher.dispatch();
    assert!(handled <= 5, "two events, and a loss before, between and after them: {handled}");
}

#[test]
fn h1_a_handler_that_dispatches_runs_nothing() {
    let (server, pusher, channel) = room();
    let (report, reports) = mpsc::channel();
    let inner = pusher.clone();
    channel.bind("e", move |_| report.send(inner.dispatch_for(10)).unwrap_or_default());
    publish(&server, &pusher, 1);
    assert_eq!((pusher.dispatch(), reports.try_recv()), (1, Ok(0)));
}
