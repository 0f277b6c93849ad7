//! Measures cases frame by frame, and compares them.

use std::time::Instant;

use super::{
    consumers::Consumer,
    feed::{EVENTS, Pace},
    source::Result,
    table::{self, Figures, Round},
};

/// The first frames warm up caches and cores, and are not counted.
const WARM_UP: usize = 10;

/// The events of a measurement.
#[derive(Clone, Copy)]
pub(crate) struct Frames {
    pub(crate) pace: Pace,
    pub(crate) count: usize,
}

/// A case: its name, and the function that measures it.
pub(crate) type Case<const N: usize> = (&'static str, fn(Frames) -> Result<Figures<N>>);

/// Runs the cases in turn, several times, so that noise of the machine affects all of them.
pub(crate) fn compare<const N: usize>(
    title: &str,
    headings: [&str; N],
    cases: &[Case<N>],
    frames: Frames,
    rounds: usize,
) -> Result<Vec<Round<N>>> {
    let round = |_| cases.iter().map(|(_, measure)| measure(frames)).collect();
    let measured = (0..rounds).map(round).collect::<Result<Vec<Round<N>>>>()?;
    let names: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    table::print(&format!("{title}, medians of {rounds} rounds"), headings, &names, &measured);
    Ok(measured)
}

/// Microseconds of a frame, at the median and at the 99th percentile. `expected` events must reach the consumer in each
/// frame.
pub(crate) fn frame(consumer: &mut impl Consumer, expected: usize, frames: Frames) -> Result<Figures> {
    let mut times = Vec::with_capacity(frames.count);
    for number in 0..WARM_UP + frames.count {
        consumer.fill(frames.pace)?;
        let started = Instant::now();
        let intact = consumer.consume();
        let time = started.elapsed();
        if intact != expected {
            return Err(format!("{intact} events of {expected} in a frame").into());
        }
        if number >= WARM_UP {
            times.push(time);
        }
    }
    times.sort_unstable();
    let percentile = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e6;
    Ok([percentile(50), percentile(99)])
}

/// Nanoseconds of one event, in the median frame.
pub(crate) fn event(consumer: &mut impl Consumer, frames: Frames) -> Result<Figures<1>> {
    let [median, _] = frame(consumer, EVENTS, frames)?;
    Ok([median * 1e3 / EVENTS as f64])
}
