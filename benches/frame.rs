//! The cost of one frame of a game: asking a queue that is empty, taking the events of a 60th of a second, and bindings
//! that do not match. Each is compared with a bare crossbeam receiver.
//!
//! `cargo bench --bench frame -- [--rounds N] [--events N]`
//!
//! Events come through the whole client, from a socket. The bench measures only the consumer's part, from the moment
//! when all events of a frame are queued.
#![forbid(unsafe_code)]

mod support {
    #[allow(dead_code, reason = "other benches connect with it, too")]
    pub(crate) mod bare;
    #[allow(dead_code, reason = "other benches take events one by one")]
    pub(crate) mod consumers;
    pub(crate) mod feed;
    pub(crate) mod frames;
    pub(crate) mod options;
    #[allow(dead_code, reason = "other benches use its last event")]
    pub(crate) mod source;
    pub(crate) mod table;
}

use std::{env, hint::black_box, time::Instant};

use support::{
    consumers::{Bare, Consumer, Dispatched, NAMES, Polled},
    feed::{EVENTS, Pace},
    frames::{Case, Frames, compare, event, frame},
    options::Options,
    source::Result,
    table::{self, Figures},
};

/// The events of one case in one round, in 200 frames.
const ALL_EVENTS: u64 = 200 * EVENTS as u64;

const ROUNDS: usize = 5;

/// Enough calls for the clock to measure the cost of one.
const CALLS: u32 = 100_000;

/// The first case of each table is the reference for the others.
const NOTHING: [Case<1>; 2] = [
    ("a bare crossbeam receiver", |_| Ok(nothing(&mut Bare::start()))),
    ("b this crate, try_iter", |_| Ok(nothing(&mut Polled::all()?))),
];

const FRAME: [Case<2>; 4] = [
    ("a bare crossbeam receiver, owned events", |frames| frame(&mut Bare::start(), EVENTS, frames)),
    ("b this crate, try_iter", |frames| frame(&mut Polled::all()?, EVENTS, frames)),
    ("c this crate, try_iter, KeepLatest", |frames| frame(&mut Polled::latest()?, NAMES, frames)),
    ("d this crate, dispatch, one closure", |frames| frame(&mut Dispatched::connect(1)?, EVENTS, frames)),
];

const BINDINGS: [Case<1>; 3] = [
    ("a bare crossbeam receiver, owned events", |frames| event(&mut Bare::start(), frames)),
    ("b this crate, dispatch, 1 binding", |frames| event(&mut Dispatched::connect(1)?, frames)),
    ("c this crate, dispatch, 1,000 bindings", |frames| event(&mut Dispatched::connect(1_000)?, frames)),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let options = Options::parse(&arguments)?;
    let together =
        Frames { pace: Pace::Together, count: usize::try_from(options.events(ALL_EVENTS))?.div_ceil(EVENTS) };
    let one_by_one = Frames { pace: Pace::OneByOne, ..together };
    let rounds = options.rounds(ROUNDS);

    compare("a frame without events", ["ns"], &NOTHING, together, rounds)?;
    for (how, frames) in [("together", together), ("one by one", one_by_one)] {
        let title = format!("a frame of {EVENTS} events that came {how}");
        compare(&title, ["p50 us/frame", "p99 us/frame"], &FRAME, frames, rounds)?;
    }
    let title = "an event that one of a channel's bindings matches";
    let measured = compare(title, ["ns/event"], &BINDINGS, together, rounds)?;
    println!("c to b: {} times", table::fraction(table::median_ratio(&measured, [2, 1], 0)));
    table::print_machine();
    Ok(())
}

/// Nanoseconds of a call on an empty queue.
fn nothing(consumer: &mut impl Consumer) -> Figures<1> {
    let started = Instant::now();
    for _ in 0..CALLS {
        black_box(consumer.consume());
    }
    [started.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)]
}
