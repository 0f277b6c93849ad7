//! Measures the client's part of each frame.
//!
//! A frame may take longer for many reasons. One of them does not concern the program: on a shared machine, the system
//! may give the processor to another thread in the middle of a call. Linux reports how long a thread was ready to run
//! and waited for a processor (`/proc/thread-self/schedstat`: time on a processor, time waiting for one, both in
//! nanoseconds). The stopwatch subtracts that time. The rest is the time in which calls ran or were blocked, for
//! example by a lock or a socket. On other systems, nothing is subtracted.

use std::{
    fs::File,
    io::{Read, Seek},
    time::{Duration, Instant},
};

/// Adds up the time of the calls of each frame, for one thread.
pub(crate) struct Stopwatch {
    waiting: Waiting,
    frame: Duration,
    longest: Duration,
}

impl Stopwatch {
    /// A stopwatch for the calls of this thread.
    pub(crate) fn start() -> Self {
        Self { waiting: Waiting::of_this_thread(), frame: Duration::ZERO, longest: Duration::ZERO }
    }

    /// Makes a call, and adds its time to this frame.
    pub(crate) fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let (start, waited) = (Instant::now(), self.waiting.so_far());
        let outcome = call();
        let (elapsed, waited) = (start.elapsed(), self.waiting.so_far().saturating_sub(waited));
        self.count(elapsed, waited);
        outcome
    }

    fn count(&mut self, elapsed: Duration, waited: Duration) {
        self.frame += elapsed.saturating_sub(waited);
        self.longest = self.longest.max(self.frame);
    }

    pub(crate) fn end_frame(&mut self) {
        self.frame = Duration::ZERO;
    }

    /// The time of all calls of the longest frame.
    pub(crate) fn longest_frame(&self) -> Duration {
        self.longest
    }
}

/// How long the thread was ready to run while another one had the processor.
struct Waiting {
    /// `None` if the system does not report it.
    schedstat: Option<File>,
}

impl Waiting {
    fn of_this_thread() -> Self {
        Self { schedstat: File::open("/proc/thread-self/schedstat").ok() }
    }

    fn so_far(&mut self) -> Duration {
        self.read().and_then(|text| waited(&text)).unwrap_or_default()
    }

    fn read(&mut self) -> Option<String> {
        let file = self.schedstat.as_mut()?;
        let mut text = String::new();
        file.rewind().ok()?;
        file.read_to_string(&mut text).ok()?;
        Some(text)
    }
}

/// The second number.
fn waited(schedstat: &str) -> Option<Duration> {
    schedstat.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_calls_of_a_frame_are_added_up_and_the_longest_frame_is_kept() {
        let mut stopwatch = Stopwatch::start();
        for calls in [&[2, 3][..], &[1, 7], &[4]] {
            calls.iter().for_each(|call| stopwatch.count(MS * *call, Duration::ZERO));
            stopwatch.end_frame();
        }
        assert_eq!(stopwatch.longest_frame(), MS * 8);
    }

    #[test]
    fn waiting_for_a_processor_does_not_count() {
        let mut stopwatch = Stopwatch::start();
        stopwatch.count(MS * 100, MS * 97);
        stopwatch.count(MS, MS * 2);
        assert_eq!(stopwatch.longest_frame(), MS * 3);
    }

    #[test]
    fn a_call_that_blocks_counts() {
        let mut stopwatch = Stopwatch::start();
        let (_sender, never) = std::sync::mpsc::channel::<()>();
        assert!(stopwatch.time(|| never.recv_timeout(MS * 20)).is_err());
        // The thread waits for its wake-up, and only then for a processor.
        assert!(stopwatch.longest_frame() >= MS * 10, "{:?}", stopwatch.longest_frame());
    }

    #[test]
    fn the_second_number_is_the_waiting_time() {
        assert_eq!(waited("2042119 3534707 12\n"), Some(Duration::from_nanos(3_534_707)));
        assert_eq!(waited(""), None);
    }
}
