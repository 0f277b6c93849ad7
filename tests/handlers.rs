//! Rules H: closures, and the thread that runs them.

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use pusher_channels::{Binding, ConnectionState, Error, Event, Overflow, Pusher, testing::TestServer};
use support::{PATIENCE, connected, eventually, next_error, next_event, quick, room, server, subscribed};

#[test]
fn h1_every_call_is_legal_inside_a_handler_and_calls_that_wait_are_errors() {
    let (server, pusher, channel) = room();
    let (done, dones) = mpsc::channel();
    let (inner, inner_channel) = (pusher.clone(), channel.clone());
    channel.bind("e", move |_| {
        assert!(matches!(inner.connect(), Err(Error::WouldDeadlock { call: "connect" })));
        let waited = inner_channel.wait_subscribed(PATIENCE);
        assert!(matches!(waited, Err(Error::WouldDeadlock { call: "wait_subscribed" })));
        inner.connect_background().expect("it does not wait");
        assert_eq!(inner.state(), ConnectionState::Connected);
        assert!(inner.socket_id().is_some() && inner_channel.is_subscribed());
        let other = inner.subscribe("other").expect("a valid name");
        let binding = other.bind_all(|_| {});
        binding.unbind();
        let _ = inner.on_event(|_| {});
        let _ = inner.receiver().try_recv();
        inner.unsubscribe("other");
        inner.reconnect_now();
        assert_eq!(inner.dispatch(), 0);
        let _ = (inner.channels(), inner.stats(), format!("{inner:?} {inner_channel:?}"));
        done.send(()).unwrap_or_default();
    });
    server.trigger("room", "e", "");
    dones.recv_timeout(PATIENCE).expect("the handler has returned");
}

#[test]
fn h1_a_handler_may_disconnect_and_drop_the_last_handle() {
    let (server, pusher, channel) = room();
    let (done, dones) = mpsc::channel();
    let last = Arc::new(Mutex::new(None));
    let held = Arc::clone(&last);
    channel.bind("disconnect", move |_| {
        let pusher: Pusher = held.lock().expect("not poisoned").take().expect("put there");
        pusher.disconnect();
        assert_eq!(pusher.state(), ConnectionState::Disconnected);
        drop(pusher);
        done.send(()).unwrap_or_default();
    });
    *last.lock().expect("not poisoned") = Some(pusher);
    drop(channel);
    server.trigger("room", "disconnect", "");
    dones.recv_timeout(PATIENCE).expect("the handler has returned");
    assert!(server.wait_for_connections(0, PATIENCE));
}

#[test]
fn h1_a_handler_may_wait_for_another_client() {
    let (server, _pusher, channel) = room();
    let other = Pusher::new(quick(&server));
    let (done, dones) = mpsc::channel();
    channel.bind("e", move |_| done.send(other.connect().is_ok()).unwrap_or_default());
    server.trigger("room", "e", "");
    assert!(dones.recv_timeout(PATIENCE).expect("the handler has returned"));
}

#[test]
fn h2_a_panic_is_caught_and_reported_and_other_handlers_go_on() {
    let (server, pusher, channel) = room();
    let receiver = pusher.receiver();
    let (report, events) = mpsc::channel();
    let (reported, reports) = mpsc::channel();
    pusher.on_error(move |error| reported.send(error.to_string()).unwrap_or_default());
    pusher.on_error(|_| panic!("a handler of errors may panic, too"));
    channel.bind("e", |_| panic!("on purpose"));
    channel.bind("e", move |event| report.send(event.data().to_owned()).unwrap_or_default());
    for n in 0..3 {
        server.trigger("room", "e", &n);
        assert_eq!(events.recv_timeout(PATIENCE).expect("the other handler runs"), n.to_string());
        assert_eq!(reports.recv_timeout(PATIENCE).expect("reported"), "handler: a handler for event e panicked");
        assert!(matches!(next_error(&receiver), Error::HandlerPanicked { .. }));
    }
}

#[test]
fn h3_events_and_state_changes_arrive_in_order_across_channels() {
    let server = server();
    let pusher = connected(&server);
    let (report, reports) = mpsc::channel();
    let states = report.clone();
    pusher.on_connection_state_change(move |change| states.send(change.current.to_string()).unwrap_or_default());
    pusher.on_event(move |event| report.send(event.data().to_owned()).unwrap_or_default());
    subscribed(&pusher, "a");
    subscribed(&pusher, "b");
    for n in 0..500 {
        server.trigger(if n % 2 == 0 { "a" } else { "b" }, "e", &n);
    }
    server.close_all(4200, "");
    let reported: Vec<_> = std::iter::repeat_with(|| reports.recv_timeout(PATIENCE).expect("a report"))
        .skip_while(|line| line != "0")
        .take(502)
        .collect();
    let mut expected: Vec<_> = (0..500).map(|n| n.to_string()).collect();
    expected.extend(["reconnecting".to_owned(), "connecting".to_owned()]);
    assert_eq!(reported, expected);
}

#[test]
fn h3_a_handler_that_blocks_for_three_pong_timeouts_loses_no_connection() {
    let server = TestServer::start().expect("a free port");
    let window = Duration::from_millis(100);
    let pusher = Pusher::new(quick(&server).activity_timeout(window).pong_timeout(window)).connect().expect("accepted");
    let channel = pusher.channel("room").expect("a valid name");
    let (begun, begin) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    channel.bind("block", move |_| {
        begun.send(()).unwrap_or_default();
        let _ = released.recv();
    });
    channel.subscribe();
    channel.wait_subscribed(PATIENCE).expect("confirmed");
    server.trigger("room", "block", "");
    begin.recv_timeout(PATIENCE).expect("the handler runs");
    let blocked = Instant::now();
    // While the handler blocks, the client sends pings and answers those of the server.
    server.send_raw(r#"{"event":"pusher:ping"}"#);
    assert!(server.wait_for_received(|received| received.text.contains("pusher:pong"), PATIENCE));
    let pings = |minimum: usize| {
        server.wait_for(PATIENCE, |snapshot| {
            snapshot.received().filter(|received| received.text.contains("pusher:ping")).count() >= minimum
        })
    };
    assert!(pings(5), "five pings take more than three timeouts");
    assert!(blocked.elapsed() >= 3 * window);
    assert_eq!((pusher.state(), server.accepted()), (ConnectionState::Connected, 1));
    drop(release);
}

#[test]
fn h3_handlers_of_event_channel_and_client_run_in_that_order() {
    let (server, pusher, channel) = room();
    let (report, reports) = mpsc::channel();
    let handler = |line: &'static str| {
        let report = report.clone();
        // The confirmation of the subscription may still be on its way to the handlers of all events.
        move |event: &Event| {
            if event.name() == "e" {
                report.send(line).unwrap_or_default();
            }
        }
    };
    pusher.on_event(handler("client on_event"));
    pusher.bind_all(handler("client all"));
    pusher.bind("e", handler("client e"));
    channel.on_event(handler("channel on_event"));
    channel.bind_all(handler("channel all"));
    channel.bind("e", handler("channel e"));
    channel.bind("other", handler("other"));
    server.trigger("room", "e", "");
    let reported: Vec<_> = (0..6).map(|_| reports.recv_timeout(PATIENCE).expect("a report")).collect();
    let expected = ["channel e", "channel all", "client e", "client all", "channel on_event", "client on_event"];
    assert_eq!(reported, expected);
    assert!(reports.try_recv().is_err());
}

#[test]
fn h5_after_unbind_a_handler_does_not_start_again() {
    let (server, pusher, channel) = room();
    let receiver = pusher.receiver();
    for _ in 0..50 {
        let calls = Arc::new(AtomicUsize::new(0));
        let (counted, unbound) = (Arc::clone(&calls), Arc::new(AtomicBool::new(false)));
        let binding = channel.bind("e", move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        server.trigger("room", "e", "");
        next_event(&receiver);
        binding.unbind();
        unbound.store(true, Ordering::SeqCst);
        // A call that began before `unbind` returned may still run. No other call starts.
        eventually("the dispatcher drops the handler", || Arc::strong_count(&calls) == 1);
        let before = calls.load(Ordering::SeqCst);
        server.trigger("room", "e", "");
        next_event(&receiver);
        assert_eq!(calls.load(Ordering::SeqCst), before);
    }
}

#[test]
fn h5_a_handler_can_unbind_itself_and_bind_another() {
    let (server, _pusher, channel) = room();
    let (report, reports) = mpsc::channel();
    let own = Arc::new(Mutex::new(None::<Binding>));
    let (binding, inner) = (Arc::clone(&own), channel.clone());
    let mut own_slot = own.lock().expect("not poisoned");
    *own_slot = Some(channel.bind("e", move |_| {
        report.send("first").unwrap_or_default();
        if let Some(binding) = binding.lock().expect("not poisoned").take() {
            binding.unbind();
        }
        let report = report.clone();
        inner.bind("e", move |_| report.send("second").unwrap_or_default());
    }));
    drop(own_slot);
    server.trigger("room", "e", "");
    server.trigger("room", "e", "");
    server.trigger("room", "e", "");
    let reported: Vec<_> = (0..3).map(|_| reports.recv_timeout(PATIENCE).expect("a report")).collect();
    assert_eq!(reported, ["first", "second", "second"]);
}

#[test]
fn h5_unbinding_drops_the_handler_even_if_the_dispatch_thread_has_ended() {
    let server = server();
    for disconnects_first in [true, false] {
        let pusher = connected(&server);
        let (report, reports) = mpsc::channel();
        let held = Arc::new(());
        let kept = (Arc::downgrade(&held), pusher.clone());
        let binding = pusher.on_subscription_succeeded(move |_| {
            let _ = (&held, &kept.1);
            report.send(()).unwrap_or_default();
        });
        subscribed(&pusher, "room");
        reports.recv_timeout(PATIENCE).expect("the handler is in place");
        if disconnects_first {
            pusher.disconnect();
        }
        binding.unbind();
        eventually("the handler is dropped", || kept.0.strong_count() == 0);
    }
}

#[test]
fn h5_a_binding_does_not_unbind_when_it_is_dropped() {
    let (server, _pusher, channel) = room();
    let (report, reports) = mpsc::channel();
    drop(channel.bind("e", move |_| report.send(()).unwrap_or_default()));
    server.trigger("room", "e", "");
    reports.recv_timeout(PATIENCE).expect("the handler runs");
}

#[test]
fn h4_a_full_queue_that_blocks_stops_the_reader_and_no_event_is_lost() {
    let server = server();
    let window = Duration::from_millis(100);
    let config = quick(&server).queue_capacity(10).activity_timeout(window).pong_timeout(window);
    let pusher = Pusher::new(config).connect().expect("accepted");
    let channel = pusher.channel("room").expect("a valid name");
    let (release, released) = mpsc::channel::<()>();
    let (report, reports) = mpsc::channel();
    channel.bind("e", move |event| {
        let _ = released.recv();
        report.send(event.json::<usize>().expect("a number")).unwrap_or_default();
    });
    channel.subscribe();
    channel.wait_subscribed(PATIENCE).expect("confirmed");
    for n in 0..20_000 {
        server.trigger("room", "e", &n);
    }
    // Longer than the silence after which a client would take the connection for dead.
    assert!(server.wait_for(PATIENCE, |snapshot| {
        snapshot.received().filter(|received| received.text.contains("pusher:ping")).count() >= 4
    }));
    drop(release);
    for expected in 0..20_000 {
        assert_eq!(reports.recv_timeout(PATIENCE).expect("no event is lost"), expected);
    }
    assert_eq!(pusher.stats().dropped, 0);
    assert_eq!(server.accepted(), 1);
}

#[test]
fn h4_dropped_notifications_of_handlers_are_reported() {
    let server = server();
    let pusher =
        Pusher::new(quick(&server).queue_capacity(10).overflow(Overflow::DropOldest)).connect().expect("accepted");
    let channel = pusher.channel("room").expect("a valid name");
    let (begun, begin) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let delivered = Arc::new(AtomicUsize::new(0));
    let lost = Arc::new(AtomicUsize::new(0));
    let (count, losses) = (Arc::clone(&delivered), Arc::clone(&lost));
    channel.bind("e", move |_| {
        begun.send(()).unwrap_or_default();
        let _ = released.recv();
    });
    // The confirmation of the subscription may be dropped like an event.
    channel.bind_all(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    pusher.on_error(move |error| {
        if let Error::Lagged { dropped } = error {
            losses.fetch_add(usize::try_from(*dropped).expect("few"), Ordering::SeqCst);
        }
    });
    channel.subscribe();
    channel.wait_subscribed(PATIENCE).expect("confirmed");
    for n in 0..1000 {
        server.trigger("room", "e", &n);
    }
    begin.recv_timeout(PATIENCE).expect("the handler runs");
    eventually("all messages are read", || pusher.stats().events == 1000);
    drop(release);
    eventually("delivered + dropped = received", || {
        delivered.load(Ordering::SeqCst) + lost.load(Ordering::SeqCst) == 1001
    });
    assert!(lost.load(Ordering::SeqCst) > 0);
}

#[test]
fn manual_dispatch_runs_handlers_on_the_calling_thread() {
    let server = server();
    let pusher = Pusher::new(quick(&server).manual_dispatch()).connect().expect("accepted");
    let channel = pusher.channel("room").expect("a valid name");
    let (report, reports) = mpsc::channel();
    let inner = pusher.clone();
    channel.bind("e", move |_| {
        assert_eq!(inner.dispatch(), 0, "a handler cannot dispatch");
        report.send(thread::current().id()).unwrap_or_default();
    });
    channel.subscribe();
    channel.wait_subscribed(PATIENCE).expect("confirmed");
    server.trigger("room", "e", "");
    let mut handled = 0;
    eventually("the event is handled", || {
        handled += pusher.dispatch();
        reports.try_recv().is_ok_and(|id| id == thread::current().id())
    });
    assert!(handled >= 3, "two changes of state, the confirmation and the event: {handled}");
    assert_eq!(pusher.dispatch(), 0);
}

#[test]
fn dispatch_does_nothing_without_manual_dispatch() {
    let (server, pusher, _channel) = room();
    let (report, reports) = mpsc::channel();
    pusher.on_event(move |_| {
        report.send(thread::current().name().map(str::to_owned)).unwrap_or_default();
    });
    server.trigger("room", "e", "x");
    eventually("the event is handled", || {
        assert_eq!(pusher.dispatch(), 0);
        reports.try_recv().is_ok_and(|name| name.as_deref() == Some("pusher-dispatch"))
    });
}

#[test]
fn h6_disconnect_does_not_wait_for_a_handler() {
    let (server, pusher, channel) = room();
    let (begun, begin) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    channel.bind("block", move |_| {
        begun.send(()).unwrap_or_default();
        let _ = released.recv();
    });
    server.trigger("room", "block", "");
    begin.recv_timeout(PATIENCE).expect("the handler runs");
    let start = Instant::now();
    pusher.disconnect();
    assert!(start.elapsed() < Duration::from_millis(250), "{:?}", start.elapsed());
    pusher.connect().expect("accepted, although the handler still blocks");
    let (report, reports) = mpsc::channel();
    channel.bind("after", move |_| report.send(()).unwrap_or_default());
    channel.wait_subscribed(PATIENCE).expect("confirmed");
    server.trigger("room", "after", "");
    drop(release);
    reports.recv_timeout(PATIENCE).expect("later handlers run");
}

#[cfg(target_os = "linux")]
#[test]
fn h8_an_idle_connection_wakes_no_thread() {
    support::run_alone("alone_an_idle_connection_wakes_no_thread");
}

/// Counts the wake-ups of the client's threads. Other load on the machine does not change that number.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by h8_an_idle_connection_wakes_no_thread in a process of its own"]
fn alone_an_idle_connection_wakes_no_thread() {
    let server = server();
    let pusher = connected(&server);
    subscribed(&pusher, "room");
    let wake_ups = || -> u64 {
        let tasks = std::fs::read_dir("/proc/self/task").expect("procfs").flatten();
        let statuses = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok());
        let clients = statuses.filter(|status| status.contains("pusher-") && !status.contains("pusher-server"));
        let count = |status: String| -> u64 {
            let line =
                status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap_or_default().to_owned();
            line.split_whitespace().last().and_then(|number| number.parse().ok()).unwrap_or_default()
        };
        clients.map(count).sum()
    };
    // After the subscription, threads may still finish their work: the client is idle after half a second without a
    // wake-up.
    let (mut last, mut since) = (wake_ups(), Instant::now());
    eventually("the client is idle", || {
        let now = wake_ups();
        if now != last {
            (last, since) = (now, Instant::now());
        }
        since.elapsed() > Duration::from_millis(500)
    });
    let before = wake_ups();
    let nothing = pusher.receiver().recv_timeout(Duration::from_secs(2));
    assert!(nothing.is_err());
    assert_eq!(wake_ups(), before, "no thread wakes up");
}
