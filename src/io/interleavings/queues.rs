//! Full queues against consumers, closing and cancellation; permits; the snapshot against waiting calls.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{delivery, explore};
use crate::{
    Config, ConnectionState, Error, Notification, Overflow,
    delivery::{
        ConnectId, SnapshotUpdate,
        client_event_pacing::{ClientEventPace, PaceNote},
    },
    event::{Batch, Intent},
    io::{
        guard::user_code::Permit,
        queues::{
            fan_out::FanOut,
            queue::{Item, PopError, Queue, QueueOptions},
            snapshot::Snapshot,
        },
        transport::cancel::CancelToken,
    },
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        model,
        thread::{self, JoinHandle},
    },
};

/// Queues that block, with a capacity of one notification.
fn fan_out() -> Arc<FanOut> {
    let fan_out = FanOut::new(Config::host("key", "host").overflow(Overflow::Block).queue_capacity(1).client_options());
    // The queue of the handlers has no consumer here.
    fan_out.remove_receiver(fan_out.handlers());
    Arc::new(fan_out)
}

fn of_one() -> QueueOptions {
    QueueOptions::new(1, Overflow::Block)
}

pub(crate) fn batch_of(error: usize) -> Batch {
    let mut batch = Batch::default();
    batch.push_notice(Notification::Error(Arc::new(Error::lost(error.to_string()))));
    batch
}

/// The number with which the batch was made.
pub(crate) fn number_of(batch: &Batch, index: usize) -> String {
    let Some(Notification::Error(error)) = batch.notice(index) else { panic!("an error was produced") };
    error.to_string().rsplit(' ').next().unwrap_or_default().to_owned()
}

/// Acts as a reader: delivers `count` batches, and waits for room after each. Returns the number of deliveries.
fn produce(fan_out: &Arc<FanOut>, cancel: &Arc<CancelToken>, count: usize) -> JoinHandle<usize> {
    let (fan_out, cancel) = (Arc::clone(fan_out), Arc::clone(cancel));
    thread::spawn(move || {
        for number in 0..count {
            fan_out.post(delivery(batch_of(number)));
            fan_out.deliver();
            fan_out.wait_for_room(&cancel);
            if cancel.is_set() {
                return number + 1;
            }
        }
        count
    })
}

/// Takes `count` notifications, and checks that they are the first ones in order.
fn consume(queue: &Arc<Queue>, count: usize) -> JoinHandle<()> {
    let queue = Arc::clone(queue);
    thread::spawn(move || {
        for number in 0..count {
            let Ok(Item::Entry(batch, index)) = queue.pop_within(None, Some) else { panic!("the queue is open") };
            assert_eq!(number_of(&batch, index), number.to_string());
        }
    })
}

#[test]
fn h4_a_reader_that_waits_for_room_is_woken_when_there_is_some() {
    explore("a full queue against its consumer", 2_000, || {
        let (fan_out, cancel) = (fan_out(), Arc::new(CancelToken::new()));
        let queue = fan_out.add_receiver(of_one());
        let consumer = consume(&queue, 3);
        assert_eq!(produce(&fan_out, &cancel, 3).join().expect("no panic"), 3);
        consumer.join().expect("all in order");
    });
}

#[test]
fn h4_two_full_queues_need_room_in_both() {
    explore("two full queues against their consumers", 2_000, || {
        let (fan_out, cancel) = (fan_out(), Arc::new(CancelToken::new()));
        let consumers =
            [fan_out.add_receiver(of_one()), fan_out.add_receiver(of_one())].map(|queue| consume(&queue, 3));
        assert_eq!(produce(&fan_out, &cancel, 3).join().expect("no panic"), 3);
        for consumer in consumers {
            consumer.join().expect("all in order");
        }
    });
}

#[test]
fn r10_a_full_queue_does_not_delay_a_cancellation() {
    explore("a full queue against cancel", 5_000, || {
        let (fan_out, cancel) = (fan_out(), Arc::new(CancelToken::new()));
        let queue = fan_out.add_receiver(of_one());
        let producer = produce(&fan_out, &cancel, 3);
        cancel.set();
        let delivered = producer.join().expect("no panic");
        assert!((1..=3).contains(&delivered) && queue.len() <= 3);
    });
}

#[test]
fn h4_a_removed_full_queue_is_not_waited_for() {
    explore("a full queue against the end of its receiver", 5_000, || {
        let (fan_out, cancel) = (fan_out(), Arc::new(CancelToken::new()));
        let queue = fan_out.add_receiver(of_one());
        let producer = produce(&fan_out, &cancel, 3);
        fan_out.remove_receiver(&queue);
        assert_eq!(producer.join().expect("no panic"), 3);
    });
}

#[test]
fn all_consumers_of_a_receiver_end_with_it() {
    explore("two consumers of a queue against its close", 5_000, || {
        let fan_out = fan_out();
        let queue = fan_out.add_receiver(of_one());
        let consumers = [(), ()].map(|()| {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let mut taken = 0;
                loop {
                    match queue.pop_within(None, Some) {
                        Ok(_) => taken += 1,
                        Err(PopError::Closed) => return taken,
                        Err(error) => panic!("the consumers are not woken: {error:?}"),
                    }
                }
            })
        });
        for number in 0..2 {
            fan_out.post(delivery(batch_of(number)));
            fan_out.deliver();
        }
        fan_out.close();
        let taken: usize = consumers.map(|consumer| consumer.join().expect("no panic")).iter().sum();
        assert_eq!(taken, 2, "the contents of the closed queue are delivered, once");
    });
}

#[test]
fn h3_batches_are_delivered_in_the_order_in_which_they_were_posted() {
    explore("two threads that deliver at the same time", 5_000, || {
        let fan_out = fan_out();
        let queue = fan_out.add_receiver(of_one());
        let other = {
            let fan_out = Arc::clone(&fan_out);
            fan_out.post(delivery(batch_of(0)));
            thread::spawn(move || fan_out.deliver())
        };
        fan_out.post(delivery(batch_of(1)));
        fan_out.deliver();
        consume(&queue, 2).join().expect("in order, and both are there once deliver has returned");
        other.join().expect("no panic");
    });
}

#[test]
fn t1_client_events_of_several_threads_keep_the_limit_and_are_counted_once() {
    explore("client events against the limit", 5_000, || {
        let (pace, now) = (Arc::new(Mutex::new(ClientEventPace::new(Some(2), Duration::ZERO))), Instant::now());
        let threads = [(); 3].map(|()| {
            let pace = Arc::clone(&pace);
            thread::spawn(move || {
                let is_accepted = pace.lock().reserve(now).is_ok();
                if is_accepted {
                    pace.lock().apply(PaceNote::Written { triggered: now, at: now });
                }
                is_accepted
            })
        });
        let sent = threads.map(|thread| thread.join().expect("no panic"));
        assert_eq!(sent.iter().filter(|sent| **sent).count(), 2, "as many as the limit, in any order");
        assert!(pace.lock().reserve(now).is_err());
        assert!(pace.lock().reserve(now + Duration::from_secs(2)).is_ok(), "the places are free again");
    });
}

#[test]
fn c11_permits_for_calls_of_a_dialer_are_bounded_and_returned() {
    explore("permits for calls of a dialer", 5_000, || {
        let taken = Arc::new(AtomicUsize::new(0));
        let takers = [(); 3].map(|()| {
            let taken = Arc::clone(&taken);
            thread::spawn(move || {
                let permit = Permit::take(&taken, 2);
                assert!(taken.load(Ordering::SeqCst) <= 2);
                permit.is_some()
            })
        });
        let got = takers.map(|taker| taker.join().expect("no more permits than the limit"));
        assert!(got.contains(&true));
        assert_eq!(taken.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn c4_every_waiting_call_gets_its_outcome() {
    explore("the snapshot against calls that wait for an outcome", 5_000, || {
        let snapshot = Arc::new(Snapshot::default());
        let waiting = [(), ()].map(|()| {
            let snapshot = Arc::clone(&snapshot);
            let call = snapshot.issue_connect_id();
            (call, thread::spawn(move || snapshot.wait_for_outcome(call)))
        });
        let [first, second] = waiting;
        finish(&snapshot, first.0, Ok(()));
        finish(&snapshot, second.0, Err(Arc::new(Error::Disconnected)));
        assert!(first.1.join().expect("no panic").is_ok());
        assert!(second.1.join().expect("no panic").is_err());
    });
}

fn finish(snapshot: &Snapshot, call: ConnectId, outcome: Result<(), Arc<Error>>) {
    let update =
        SnapshotUpdate { accepted_connect: Some(call), outcomes: vec![(call, outcome)], ..SnapshotUpdate::default() };
    deliver_update(snapshot, &update);
}

#[test]
fn s3_a_call_that_waits_for_a_withdrawn_subscription_returns() {
    explore("a withdrawn subscription against a call that waits for it", 5_000, || {
        model::let_deadlines_come(false);
        let snapshot = Arc::new(Snapshot::default());
        connected(&snapshot);
        let room = Intent::of_channel(2, "room");
        room.activate();
        let waiting = {
            let (snapshot, room) = (Arc::clone(&snapshot), Arc::clone(&room));
            thread::spawn(move || snapshot.wait_subscribed(&room, Duration::from_secs(5)))
        };
        room.withdraw();
        snapshot.forget(&[room]);
        assert!(matches!(waiting.join().expect("no panic"), Err(Error::NotSubscribed { .. })));
    });
}

fn connected(snapshot: &Snapshot) {
    let update = SnapshotUpdate { state: Some(ConnectionState::Connected), ..SnapshotUpdate::default() };
    deliver_update(snapshot, &update);
}

/// Acts as a thread that delivers.
fn deliver_update(snapshot: &Snapshot, update: &SnapshotUpdate) {
    assert!(snapshot.apply(&Batch::default(), update), "it is news");
    snapshot.mark_delivered();
}
