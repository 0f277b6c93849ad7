//! The time of a run, and its CPU time.

use std::{fs, io, time::Instant};

use super::table::Figures;

/// The clocks of this process since the start.
pub(crate) struct Meter {
    start: Instant,
    cpu: Option<u64>,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self { cpu: cpu_nanos(), start: Instant::now() }
    }

    /// Events per second, and CPU nanoseconds per event. Threads that have ended are not counted.
    pub(crate) fn stop(self, events: u64) -> Figures {
        let seconds = self.start.elapsed().as_secs_f64();
        let cpu = match (self.cpu, cpu_nanos()) {
            (Some(before), Some(after)) => after.saturating_sub(before) as f64,
            _ => f64::NAN,
        };
        [events as f64 / seconds, cpu / events as f64]
    }
}

/// User and system time of all living threads. Linux counts nanoseconds in `schedstat`, and hundredths of a second
/// elsewhere. Other systems report the time only to C.
fn cpu_nanos() -> Option<u64> {
    let threads: io::Result<Vec<_>> = fs::read_dir("/proc/self/task").ok()?.collect();
    threads.ok()?.iter().map(|thread| nanos_of(&thread.path().join("schedstat"))).sum()
}

/// The CPU time of a thread, or 0 if it has just ended.
fn nanos_of(schedstat: &std::path::Path) -> Option<u64> {
    match fs::read_to_string(schedstat) {
        Ok(text) => text.split_whitespace().next()?.parse().ok(),
        Err(_) if schedstat.parent().is_some_and(|thread| !thread.exists()) => Some(0),
        Err(_) => None,
    }
}
