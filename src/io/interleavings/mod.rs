//! The hand-offs between threads. A model checker runs each in thousands of orders: `tests/run survival interleavings`.
//!
//! A lost wake-up shows as a deadlock, and so does a thread that outlives its client. The model has no clock
//! (`sync::model`), no sockets (`reader` plays the server), and only sequentially consistent memory.

mod auth;
mod keyed;
mod lifecycle;
mod order;
mod queues;
mod receivers;
mod stopping;

use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::{
    Config, Runner,
    scheduler::{PctScheduler, RandomScheduler},
};

use crate::{delivery::Delivery, event::Batch, testability::figures};

/// Enough for the threads of a whole client.
const STACK: usize = 512 << 10;

/// The number of forced changes of the running thread in a schedule of the second kind. Most bugs of this kind need no
/// more.
const CHANGES: usize = 3;

/// Runs a hand-off in this number of random orders, and in as many that change the running thread rarely, at the worst
/// places.
fn explore(hand_off: &str, orders: usize, run: impl Fn() + Send + Sync + Clone + 'static) {
    let explored = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = std::sync::Arc::clone(&explored);
    let counted = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        run();
    };
    let mut config = Config::new();
    config.stack_size = STACK;
    Runner::new(RandomScheduler::new(orders), config.clone()).run(counted.clone());
    Runner::new(PctScheduler::new(CHANGES, orders), config).run(counted);
    let explored = explored.load(Ordering::Relaxed);
    assert_eq!(explored, 2 * orders);
    figures::record(&format!("hand-off: {hand_off}"), format_args!("{explored} orders"), "no order fails");
}

/// A delivery with a batch alone.
fn delivery(batch: Batch) -> Delivery {
    Delivery { batch, ..Delivery::default() }
}
