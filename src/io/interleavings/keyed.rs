//! Queues with keys from the program: the closure that makes the keys runs without a lock, between a delivery and the
//! consumer.

use std::sync::Arc;

use super::{delivery, explore};
use crate::{
    Config, Event, Overflow,
    event::Batch,
    io::{
        queues::{
            fan_out::FanOut,
            queue::{Item, KeyOf, PopError, Queue, QueueOptions},
        },
        transport::cancel::CancelToken,
    },
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        thread::{self, JoinHandle},
    },
};

fn fan_out() -> Arc<FanOut> {
    let fan_out = FanOut::new(Config::host("key", "host").client_options());
    // The queue of the handlers has no consumer here.
    fan_out.remove_receiver(fan_out.handlers());
    Arc::new(fan_out)
}

/// The key of each event is its name. The keys are recorded in the order of the calls.
#[derive(Default)]
struct Keys {
    running: AtomicUsize,
    seen: Mutex<Vec<String>>,
}

impl Keys {
    fn closure(self: &Arc<Self>) -> KeyOf {
        let keys = Arc::clone(self);
        Arc::new(move |event: &Event| {
            assert_eq!(keys.running.fetch_add(1, Ordering::SeqCst), 0, "one thread at a time makes keys");
            thread::yield_now();
            keys.seen.lock().push(event.name().to_owned());
            keys.running.fetch_sub(1, Ordering::SeqCst);
            Some(event.name().to_owned())
        })
    }
}

fn keyed(fan_out: &FanOut, keys: &Arc<Keys>, capacity: usize) -> Arc<Queue> {
    fan_out.add_receiver(QueueOptions {
        key_of: Some(keys.closure()),
        ..QueueOptions::new(capacity, Overflow::KeepLatest)
    })
}

/// One event with this name.
fn event(name: &str) -> Batch {
    let mut batch = Batch::default();
    batch.push_event(None, name, None, 0, |_| ());
    batch
}

fn deliver(fan_out: &Arc<FanOut>, name: &'static str) -> JoinHandle<()> {
    let fan_out = Arc::clone(fan_out);
    fan_out.post(delivery(event(name)));
    thread::spawn(move || fan_out.deliver())
}

/// Takes events until the end of the queue.
fn drain(queue: &Queue) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        match queue.pop_within(None, Some) {
            Ok(Item::Entry(batch, index)) => names.push(batch.name(index).to_owned()),
            Ok(Item::Lagged(count)) => panic!("{count} were dropped"),
            Err(PopError::Closed) => return names,
            Err(error) => panic!("the consumer is not woken: {error:?}"),
        }
    }
}

#[test]
fn h4_keys_are_made_in_the_order_of_deliveries_by_one_thread_at_a_time() {
    explore("keys of a queue: three threads that deliver", 5_000, || {
        let (fan_out, keys) = (fan_out(), Arc::new(Keys::default()));
        let queue = keyed(&fan_out, &keys, 10);
        let threads = ["a", "b", "c"].map(|name| deliver(&fan_out, name));
        for thread in threads {
            thread.join().expect("no panic");
        }
        fan_out.close();
        assert_eq!(drain(&queue), ["a", "b", "c"]);
        assert_eq!(*keys.seen.lock(), ["a", "b", "c"]);
    });
}

#[test]
fn h4_an_event_that_waits_for_its_key_is_received_before_the_end() {
    explore("keys of a queue: deliveries against the end of the client", 5_000, || {
        let (fan_out, keys) = (fan_out(), Arc::new(Keys::default()));
        let queue = keyed(&fan_out, &keys, 10);
        let consumer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || drain(&queue))
        };
        let threads = ["a", "b"].map(|name| deliver(&fan_out, name));
        fan_out.deliver();
        // Both events are staged. The closures of the other threads may still run.
        fan_out.close();
        assert_eq!(consumer.join().expect("no panic"), ["a", "b"]);
        for thread in threads {
            thread.join().expect("no panic");
        }
    });
}

#[test]
fn h4_a_reader_that_waits_for_keys_goes_on_when_the_receiver_is_gone() {
    explore("keys of a queue: a reader that waits against the end of the receiver", 5_000, || {
        let (fan_out, keys, cancel) = (fan_out(), Arc::new(Keys::default()), CancelToken::new());
        let queue = keyed(&fan_out, &keys, 1);
        let other = deliver(&fan_out, "a");
        let remover = {
            let (fan_out, queue) = (Arc::clone(&fan_out), Arc::clone(&queue));
            thread::spawn(move || fan_out.remove_receiver(&queue))
        };
        fan_out.post(delivery(event("b")));
        fan_out.deliver();
        fan_out.wait_for_room(&cancel);
        other.join().expect("no panic");
        remover.join().expect("no panic");
        assert!(fan_out.has_room());
        let made = keys.seen.lock().len();
        fan_out.post(delivery(event("c")));
        fan_out.deliver();
        assert_eq!(keys.seen.lock().len(), made, "no keys are made for a removed receiver");
    });
}
