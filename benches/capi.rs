//! The cost of an event that a program takes through the C interface, compared with the receiver of this crate.
//!
//! `cargo bench --features capi --bench capi -- [--rounds N] [--events N]`
//!
//! Both consumers take one event a call, and read its channel, name and data. Events come through the whole client,
//! from a socket. The bench measures only the consumer's part, from the moment when all events of a frame are queued.

mod support {
    #[allow(dead_code, reason = "other benches connect with it, too")]
    pub(crate) mod bare;
    pub(crate) mod called;
    #[allow(dead_code, reason = "other benches compare more consumers")]
    pub(crate) mod consumers;
    pub(crate) mod feed;
    pub(crate) mod frames;
    pub(crate) mod options;
    #[allow(dead_code, reason = "other benches use its last event")]
    pub(crate) mod source;
    pub(crate) mod table;
}

use std::env;

use support::{
    called::Called,
    consumers::{OneByOne, Polled},
    feed::{EVENTS, Pace},
    frames::{Case, Frames, compare, event},
    options::Options,
    source::Result,
    table,
};

/// The events of one case in one round, in 200 frames.
const ALL_EVENTS: u64 = 200 * EVENTS as u64;

const ROUNDS: usize = 5;

const EVENT: [Case<1>; 3] = [
    ("a Receiver::try_recv", |frames| event(&mut OneByOne::all()?, frames)),
    ("b pusher_next, accessors, free", |frames| event(&mut Called::all()?, frames)),
    ("c Receiver::try_iter", |frames| event(&mut Polled::all()?, frames)),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let options = Options::parse(&arguments)?;
    let count = usize::try_from(options.events(ALL_EVENTS))?.div_ceil(EVENTS);
    for (how, pace) in [("together", Pace::Together), ("one by one", Pace::OneByOne)] {
        let title = format!("an event of {EVENTS} that came {how}");
        let measured = compare(&title, ["ns/event"], &EVENT, Frames { pace, count }, options.rounds(ROUNDS))?;
        println!("b to a: {} times", table::fraction(table::median_ratio(&measured, [1, 0], 0)));
    }
    table::print_machine();
    Ok(())
}
