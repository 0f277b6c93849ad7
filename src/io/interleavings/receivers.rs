//! Consumers that sleep until they are woken, and consumers that return notifications, against threads that fill their
//! queue.

use std::{collections::VecDeque, sync::Arc};

use super::{
    delivery, explore,
    queues::{batch_of, number_of},
};
use crate::{
    Config, Overflow,
    io::queues::{
        fan_out::FanOut,
        queue::{Item, PopError, Queue, QueueOptions, Step, Taken, WakeUp},
    },
    sync::{
        Receiver,
        atomic::{AtomicBool, Ordering},
        bounded,
        thread::{self, JoinHandle},
    },
};

fn fan_out() -> Arc<FanOut> {
    let fan_out = FanOut::new(Config::host("key", "host").client_options());
    // The queue of the handlers has no consumer here.
    fan_out.remove_receiver(fan_out.handlers());
    Arc::new(fan_out)
}

fn options() -> QueueOptions {
    QueueOptions::new(10, Overflow::DropOldest)
}

/// Acts as a reader: delivers these batches.
fn deliver(fan_out: &Arc<FanOut>, numbers: std::ops::Range<usize>) -> JoinHandle<()> {
    let fan_out = Arc::clone(fan_out);
    thread::spawn(move || {
        for number in numbers {
            fan_out.post(delivery(batch_of(number)));
            fan_out.deliver();
        }
    })
}

/// A queue whose wake-up closure sends on a channel.
fn with_wake_up(fan_out: &FanOut) -> (Arc<Queue>, Receiver<()>) {
    let (wake, woken) = bounded(1);
    let wake_up: WakeUp = Arc::new(move || {
        let _ = wake.try_send(());
    });
    (fan_out.add_receiver(QueueOptions { wake_up: Some(wake_up), ..options() }), woken)
}

#[test]
fn h4_a_consumer_that_sleeps_until_it_is_woken_misses_nothing() {
    explore("a wake-up against a consumer that polls", 5_000, || {
        let fan_out = fan_out();
        let (queue, woken) = with_wake_up(&fan_out);
        let producers = [deliver(&fan_out, 0..2), deliver(&fan_out, 2..3)];
        let mut taken = 0;
        while taken < 3 {
            woken.recv().expect("the closure holds the sender");
            queue.begin_poll();
            while queue.try_pop().is_ok() {
                taken += 1;
            }
        }
        for producer in producers {
            producer.join().expect("no panic");
        }
    });
}

#[test]
fn h4_a_consumer_that_sleeps_until_it_is_woken_learns_of_the_end() {
    explore("a wake-up against the end of the client", 5_000, || {
        let fan_out = fan_out();
        let (queue, woken) = with_wake_up(&fan_out);
        let producer = deliver(&fan_out, 0..1);
        let close_handle = {
            let fan_out = Arc::clone(&fan_out);
            thread::spawn(move || fan_out.close())
        };
        loop {
            woken.recv().expect("the closure holds the sender");
            queue.begin_poll();
            let end = std::iter::repeat_with(|| queue.try_pop()).find_map(Result::err);
            if end == Some(PopError::Closed) {
                break;
            }
        }
        producer.join().expect("no panic");
        close_handle.join().expect("no panic");
    });
}

#[test]
fn h5_a_removed_receiver_calls_no_wake_up() {
    explore("a wake-up against the end of its receiver", 5_000, || {
        let fan_out = fan_out();
        let (is_gone, late) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let wake_up: WakeUp = {
            let (is_gone, late) = (Arc::clone(&is_gone), Arc::clone(&late));
            Arc::new(move || late.store(is_gone.load(Ordering::SeqCst), Ordering::SeqCst))
        };
        let queue = fan_out.add_receiver(QueueOptions { wake_up: Some(wake_up), ..options() });
        let producer = deliver(&fan_out, 0..1);
        fan_out.remove_receiver(&queue);
        producer.join().expect("no panic");
        is_gone.store(true, Ordering::SeqCst);
        deliver(&fan_out, 1..2).join().expect("no panic");
        assert!(!late.load(Ordering::SeqCst));
    });
}

#[test]
fn h4_a_returned_batch_precedes_those_that_came_meanwhile() {
    explore("a returned batch against those that come", 5_000, || {
        let fan_out = fan_out();
        let queue = fan_out.add_receiver(options());
        let producer = deliver(&fan_out, 0..3);
        let mut numbers = Vec::new();
        while numbers.len() < 3 {
            match queue.take().expect("the queue is open") {
                // The second batch is returned at first.
                Taken::Segment(unused) if numbers.len() == 1 => {
                    queue.return_unused(&mut VecDeque::from([Taken::Segment(unused)]));
                    let Ok(Item::Entry(batch, index)) = queue.try_pop() else { panic!("it was returned") };
                    numbers.push(number_of(&batch, index));
                }
                Taken::Segment(mut segment) => {
                    let Some(Step::Entry(index)) = segment.step() else { panic!("nothing was dropped") };
                    numbers.push(number_of(segment.batch(), index));
                }
                Taken::Lagged(_) => panic!("nothing was dropped"),
            }
        }
        assert_eq!(numbers, ["0", "1", "2"]);
        producer.join().expect("no panic");
    });
}

#[test]
fn h4_the_end_comes_after_a_returned_batch() {
    explore("a returned batch against the end and a consumer that waits for it", 5_000, || {
        let fan_out = fan_out();
        let queue = fan_out.add_receiver(options());
        fan_out.post(delivery(batch_of(0)));
        fan_out.deliver();
        let other = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || std::iter::repeat_with(|| queue.pop_within(None, Some)).map_while(Result::ok).count())
        };
        let close_handle = {
            let fan_out = Arc::clone(&fan_out);
            thread::spawn(move || fan_out.close())
        };
        queue.begin_taking();
        let mut held = VecDeque::new();
        queue.take_batches(1, &mut held);
        queue.return_unused(&mut held);
        if queue.finish() {
            queue.notify_end();
        }
        close_handle.join().expect("no panic");
        assert_eq!(other.join().expect("no panic"), 1, "the returned batch, and then the end");
        assert!(queue.is_closed());
    });
}
