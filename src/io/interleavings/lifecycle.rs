//! Whole clients, from `connect` to the drop of the last handle, with calls on several threads. The checker finds
//! threads of a client that do not end.

use std::sync::Arc;

use super::explore;
use crate::{
    Config, ConnectionState, ConnectionStateChange, Error, Overflow, Pusher, Reconnect,
    io::threads::reader::{Server, set_server},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        bounded, model, thread,
    },
};

fn client() -> Pusher {
    Pusher::new(Config::host("key", "127.0.0.1").tls(false).reconnect(Reconnect::never()))
}

/// Makes a call on a thread of its own.
fn beside<T: Send + 'static>(
    pusher: &Pusher,
    call: impl FnOnce(&Pusher) -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let pusher = pusher.clone();
    thread::spawn(move || call(&pusher))
}

#[test]
fn r10_a_client_connects_and_disconnects() {
    explore("connect, then disconnect", 300, || {
        model::let_deadlines_come(false);
        set_server(Server::Accepts { messages: 0 });
        let pusher = client();
        for _ in 0..2 {
            pusher.connect().expect("the server accepts");
            assert_eq!(pusher.state(), ConnectionState::Connected);
            pusher.disconnect();
            assert_eq!(pusher.state(), ConnectionState::Disconnected);
        }
    });
}

#[test]
fn c4_a_connect_that_comes_when_the_heartbeat_ends_is_not_lost() {
    explore("connect against the end of the heartbeat", 300, || {
        model::let_deadlines_come(true);
        set_server(Server::Refuses);
        let pusher = client();
        let other = beside(&pusher, |pusher| pusher.connect().map(drop));
        assert!(pusher.connect().is_err());
        assert!(other.join().expect("no panic").is_err());
        assert_eq!(pusher.state(), ConnectionState::Disconnected);
    });
}

#[test]
fn r10_disconnect_against_connect() {
    explore("disconnect against connect", 300, || {
        model::let_deadlines_come(true);
        set_server(Server::Accepts { messages: 0 });
        let pusher = client();
        let other = beside(&pusher, |pusher| pusher.connect().map(drop));
        pusher.disconnect();
        // `connect` has a result in either order.
        let connected = other.join().expect("no panic");
        assert!(matches!(connected, Ok(()) | Err(Error::Disconnected)), "{connected:?}");
        // No other call connects, so this one waits until everything has ended.
        model::let_deadlines_come(false);
        pusher.disconnect();
        assert_eq!(pusher.state(), ConnectionState::Disconnected);
    });
}

#[test]
fn r10_two_threads_disconnect() {
    explore("disconnect against disconnect", 300, || {
        model::let_deadlines_come(false);
        set_server(Server::Accepts { messages: 1 });
        let pusher = client();
        pusher.connect().expect("the server accepts");
        let other = beside(&pusher, Pusher::disconnect);
        pusher.disconnect();
        assert_eq!(pusher.state(), ConnectionState::Disconnected);
        other.join().expect("no panic");
    });
}

#[test]
fn h6_disconnect_while_the_server_fills_a_full_queue() {
    explore("disconnect against a full queue", 300, || {
        model::let_deadlines_come(false);
        set_server(Server::Accepts { messages: 4 });
        let config = Config::host("key", "127.0.0.1").tls(false).overflow(Overflow::Block).queue_capacity(1);
        let pusher = Pusher::new(config);
        let receiver = pusher.receiver();
        pusher.connect_background().expect("threads can be started");
        pusher.disconnect();
        assert_eq!(pusher.state(), ConnectionState::Disconnected);
        drop(receiver);
    });
}

#[test]
fn h1_the_last_handle_may_be_dropped_inside_a_handler() {
    explore("the drop of the last handle in a handler", 300, || {
        model::let_deadlines_come(true);
        set_server(Server::Accepts { messages: 0 });
        let pusher = client();
        let last = Arc::new(Mutex::new(None));
        let (report, dropped) = bounded(1);
        let in_handler = Arc::clone(&last);
        pusher.on_connection_state_change(move |change: &ConnectionStateChange| {
            if change.current == ConnectionState::Connected {
                drop(in_handler.lock().take());
                let _ = report.try_send(());
            }
        });
        pusher.connect_background().expect("threads can be started");
        *last.lock() = Some(pusher);
        // The handler dropped it, or ran too early and left it to be dropped here.
        let _ = dropped.recv();
        let left = last.lock().take();
        drop(left);
    });
}

#[test]
fn h5_an_unbound_handler_does_not_start_again() {
    explore("unbind against the thread that runs handlers", 300, || {
        model::let_deadlines_come(false);
        set_server(Server::Accepts { messages: 3 });
        let pusher = client();
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&runs);
        let binding = pusher.on_error(move |_: &Error| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        pusher.connect().expect("the server accepts");
        binding.unbind();
        let at_that_moment = runs.load(Ordering::SeqCst);
        pusher.disconnect();
        // One run may have been starting.
        assert!(runs.load(Ordering::SeqCst) <= at_that_moment + 1);
    });
}

#[test]
fn h1_a_manual_dispatch_on_two_threads() {
    explore("dispatch on two threads against bind", 300, || {
        model::let_deadlines_come(false);
        set_server(Server::Accepts { messages: 2 });
        let pusher = Pusher::new(Config::host("key", "127.0.0.1").tls(false).manual_dispatch());
        let changes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&changes);
        pusher.on_connection_state_change(move |_: &ConnectionStateChange| {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let other = beside(&pusher, |pusher| {
            pusher.on_error(|_: &Error| {});
            pusher.dispatch();
        });
        pusher.connect().expect("the server accepts");
        pusher.dispatch();
        other.join().expect("no panic");
        pusher.disconnect();
        while pusher.dispatch() > 0 {}
        assert_eq!(changes.load(Ordering::SeqCst), 4, "connecting, connected, disconnecting, disconnected");
    });
}
