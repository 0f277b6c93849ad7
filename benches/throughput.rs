//! Events per second and CPU time per event: of a bare loop, a straightforward client, and this crate with a closure
//! and with a receiver.
//!
//! `cargo bench --bench throughput -- [--rounds N] [--events N]`
//!
//! Each run is two processes, so that the client's CPU time does not include the source's. The bench starts itself once
//! as `source` and once as `client`.
#![forbid(unsafe_code)]

mod support {
    pub(crate) mod bare;
    pub(crate) mod clients;
    pub(crate) mod meter;
    pub(crate) mod options;
    pub(crate) mod source;
    pub(crate) mod straightforward;
    pub(crate) mod table;
}

use std::{
    env,
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use support::{
    bare, clients,
    meter::Meter,
    options::Options,
    source::{Result, Subscriber, frames},
    table::{self, Figures, Round},
};

/// The length of the data, and the number of events of one run, which takes about a second.
const SIZES: [(usize, u64); 2] = [(100, 2_000_000), (1_000, 600_000)];

const ROUNDS: usize = 5;

/// The first case is the reference for the others.
const CASES: [&str; 4] =
    ["a bare tungstenite loop", "b straightforward client", "c this crate, closure", "d this crate, receiver"];

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["source", data_len, events] => source(data_len.parse()?, events.parse()?),
        ["client", case, data_len, events, port] => {
            let [speed, cpu] = client(case, data_len.parse()?, events.parse()?, port.parse()?)?;
            println!("{speed} {cpu}");
            Ok(())
        }
        _ => compare(&Options::parse(&arguments)?),
    }
}

/// Runs the cases in turn, several times, so that noise of the machine affects all of them.
fn compare(options: &Options) -> Result<()> {
    for (data_len, events) in SIZES {
        let (rounds, events) = (options.rounds(ROUNDS), options.events(events));
        let round = |_| CASES.iter().map(|case| measure(case, data_len, events)).collect();
        let measured = (0..rounds).map(round).collect::<Result<Vec<Round>>>()?;
        let title =
            format!("{data_len}-byte data, {} events, medians of {rounds} rounds", table::number(events as f64));
        table::print(&title, ["events/s", "CPU ns/event"], &CASES, &measured);
        let c_to_b = |column| table::fraction(table::median_ratio(&measured, [2, 1], column));
        println!("c to b: {} times the events per second, {} times the CPU per event", c_to_b(0), c_to_b(1));
    }
    table::print_machine();
    Ok(())
}

/// One run of one case.
fn measure(case: &str, data_len: usize, events: u64) -> Result<Figures> {
    let (data_len, events) = (data_len.to_string(), events.to_string());
    let mut source = Running::start(&["source", &data_len, &events])?;
    let port = source.line()?;
    let mut client = Running::start(&["client", case, &data_len, &events, &port])?;
    let figures = client.line()?;
    let (speed, cpu) = figures.split_once(' ').ok_or_else(|| format!("{case} has failed"))?;
    client.end()?;
    source.end()?;
    Ok([speed.parse()?, cpu.parse()?])
}

/// This program in another role. The process ends with this one, even after an error.
struct Running(Child);

impl Running {
    fn start(arguments: &[&str]) -> Result<Self> {
        let program = env::current_exe()?;
        Ok(Self(Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?))
    }

    /// The line that the process prints.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if let Some(stdout) = self.0.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        Ok(line.trim().to_owned())
    }

    fn end(mut self) -> Result<()> {
        let status = self.0.wait()?;
        if status.success() { Ok(()) } else { Err(format!("a part of the bench has failed: {status}").into()) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Writes events as fast as TCP accepts them.
fn source(data_len: usize, events: u64) -> Result<()> {
    /// Enough that the cost of a write is small, and few enough to stay in the cache.
    const BLOCK: usize = 1_000;
    let block = frames(BLOCK, data_len);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let mut subscriber = Subscriber::accept(&listener)?;
    let (blocks, rest) = (events / BLOCK as u64, events as usize % BLOCK);
    for _ in 0..blocks {
        subscriber.write(&block)?;
    }
    subscriber.write(&block[..block.len() / BLOCK * rest])?;
    Ok(subscriber.finish()?)
}

/// Receives exactly this many events, and measures itself meanwhile.
fn client(case: &str, data_len: usize, events: u64, port: u16) -> Result<Figures> {
    let received = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&received);
    // Reading the data keeps the compiler from removing the code that produces it. Data of another length makes the
    // count wrong.
    let on_event = move |data: &str| {
        counter.fetch_add(u64::from(data.len() == data_len), Ordering::Relaxed);
    };
    let meter = Meter::start();
    let at_end = || meter.stop(events);
    let figures = match case.chars().next() {
        Some('a') => return bare_loop(port, events, at_end),
        Some('b') => clients::straightforward(port, on_event, at_end),
        Some('c') => clients::closure(port, on_event, at_end),
        Some('d') => clients::receiver(port, on_event, at_end),
        _ => Err(format!("no such case: {case}").into()),
    }?;
    match received.load(Ordering::Relaxed) {
        count if count == events => Ok(figures),
        count => Err(format!("{case}: {count} events of {events}").into()),
    }
}

/// The limit: reads the messages, and parses nothing.
fn bare_loop(port: u16, events: u64, at_end: impl FnOnce() -> Figures) -> Result<Figures> {
    let mut web = bare::subscribe(port)?;
    for _ in 0..events {
        web.read()?;
    }
    let last = web.read()?;
    let figures = at_end();
    bare::expect_last(&last)?;
    Ok(figures)
}
