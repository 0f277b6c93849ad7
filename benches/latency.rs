//! The time from the server's write to the user's code: for a bare loop with one thread hop, for a straightforward
//! client, and for this crate with a closure and with a receiver.
//!
//! `cargo bench --bench latency -- [--rounds N] [--events N]`
//!
//! The source is a thread of the same process, so that both ends read the same clock.
#![forbid(unsafe_code)]

mod support {
    pub(crate) mod bare;
    pub(crate) mod clients;
    pub(crate) mod options;
    pub(crate) mod source;
    pub(crate) mod straightforward;
    pub(crate) mod table;
}

use std::{
    env,
    net::TcpListener,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::unbounded;
use parking_lot::Mutex;

use support::{
    bare, clients,
    options::Options,
    source::{Result, Subscriber, frames},
    table::{self, Figures, Round},
};

/// The lengths of the data.
const SIZES: [usize; 2] = [100, 1_000];

const EVENTS: u64 = 5_000;

const ROUNDS: usize = 3;

/// The first events warm up caches and cores, and are not counted.
const WARM_UP: usize = 200;

/// Long enough that an event has arrived before the next one is written.
const PAUSE: Duration = Duration::from_millis(1);

/// The first case is the reference for the others.
const CASES: [&str; 4] =
    ["a bare loop, one thread hop", "b straightforward client", "c this crate, closure", "d this crate, receiver"];

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    compare(&Options::parse(&arguments)?)
}

/// Runs the cases in turn, several times, so that noise of the machine affects all of them.
fn compare(options: &Options) -> Result<()> {
    for data_len in SIZES {
        let (rounds, events) = (options.rounds(ROUNDS), options.events(EVENTS));
        let round = |_| CASES.iter().map(|case| measure(case, data_len, events)).collect();
        let measured = (0..rounds).map(round).collect::<Result<Vec<Round>>>()?;
        let title =
            format!("{data_len}-byte data, {} events, medians of {rounds} rounds", table::number(events as f64));
        table::print(&title, ["p50 us", "p99 us"], &CASES, &measured);
    }
    table::print_machine();
    Ok(())
}

/// One run of one case. Events arrive in the order in which they were written, so that the *n*th arrival belongs to the
/// *n*th write.
fn measure(case: &str, data_len: usize, events: u64) -> Result<Figures> {
    let events = WARM_UP + usize::try_from(events)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let source = thread::spawn(move || drip(&listener, data_len, events));
    let arrived = arrivals(case, port, data_len, events)?;
    let written = source.join().map_err(|_| "the source has panicked")??;
    if arrived.len() != written.len() {
        return Err(format!("{case}: {} events of {}", arrived.len(), written.len()).into());
    }
    let times = written.iter().zip(&arrived).map(|(written, arrived)| arrived.saturating_duration_since(*written));
    let mut sorted: Vec<Duration> = times.skip(WARM_UP).collect();
    sorted.sort_unstable();
    let percentile = |percent: usize| sorted[(sorted.len() - 1) * percent / 100].as_secs_f64() * 1e6;
    Ok([percentile(50), percentile(99)])
}

/// Writes one event at a time, and records the time of each write.
fn drip(listener: &TcpListener, data_len: usize, events: usize) -> Result<Vec<Instant>> {
    let frame = frames(1, data_len);
    let mut subscriber = Subscriber::accept(listener)?;
    let mut written = Vec::with_capacity(events);
    for _ in 0..events {
        thread::park_timeout(PAUSE);
        written.push(Instant::now());
        subscriber.write(&frame)?;
    }
    // The last event must not disturb the measurement of the one before.
    thread::park_timeout(PAUSE);
    subscriber.finish()?;
    Ok(written)
}

/// The time at which each event arrived at the user's code.
fn arrivals(case: &str, port: u16, data_len: usize, events: usize) -> Result<Vec<Instant>> {
    let arrived = Arc::new(Mutex::new(Vec::with_capacity(events)));
    let arriving = Arc::clone(&arrived);
    // Only data of the right length is counted, so that wrong data makes the count wrong.
    let on_event = move |data: &str| {
        let now = Instant::now();
        if data.len() == data_len {
            arriving.lock().push(now);
        }
    };
    let at_end = || std::mem::take(&mut *arrived.lock());
    match case.chars().next() {
        Some('a') => bare_hop(port, events),
        Some('b') => clients::straightforward(port, on_event, at_end),
        Some('c') => clients::closure(port, on_event, at_end),
        Some('d') => clients::receiver(port, on_event, at_end),
        _ => Err(format!("no such case: {case}").into()),
    }
}

/// The least that a client with one thread for reading and one for handlers has to do.
fn bare_hop(port: u16, events: usize) -> Result<Vec<Instant>> {
    let mut web = bare::subscribe(port)?;
    let (sender, receiver) = unbounded();
    let reader = thread::spawn(move || -> Result<()> {
        // One more than the events: the message after the last event.
        for _ in 0..=events {
            sender.send(web.read()?)?;
        }
        Ok(())
    });
    let mut arrived = Vec::with_capacity(events);
    for message in receiver.iter().take(events) {
        arrived.push(Instant::now());
        drop(message);
    }
    bare::expect_last(&receiver.recv()?)?;
    reader.join().map_err(|_| "the bare reader has panicked")??;
    Ok(arrived)
}
