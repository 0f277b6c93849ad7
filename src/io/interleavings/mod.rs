//! The hand-offs between threads, each run in thousands of orders by a model checker: `tests/run survival interleavings`.
//!
//! A wake-up that is lost in some order is found as a deadlock, a thread that outlives its client too. What the model does
//! not have: a clock (`sync::model`), sockets (`reader` plays the server), and memory orders weaker than sequential
//! consistency.

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

use crate::{delivery::Delivery, event::Batch, survival_figures};

/// Enough for a whole client's threads.
const STACK: usize = 512 << 10;

/// With so many changes of the running thread in unlucky places, a schedule of the second kind finds a bug that needs them.
const CHANGES: usize = 3;

/// Runs a hand-off in so many random orders, and in as many that change the running thread seldom, where it hurts most.
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
    survival_figures::record(&format!("hand-off: {hand_off}"), format_args!("{explored} orders"), "no order fails");
}

/// A turn's delivery that has nothing but events.
fn delivery(batch: Batch) -> Delivery {
    Delivery { batch, ..Delivery::default() }
}
