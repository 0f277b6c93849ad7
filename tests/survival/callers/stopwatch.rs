//! Times calls on a machine that does other work, too.
//!
//! The time of a call has three parts: its thread runs, waits for a processor, or is blocked. The first part belongs to
//! the call. The kernel measures the second part for each thread (`/proc/thread-self/schedstat`), and it is subtracted.
//! The third part may still be caused by the machine: the thread that holds a lock may wait for a processor, or the
//! whole virtual machine may stand still. To detect that, a reference thread wakes up every millisecond. While it is
//! late, no other thread can be expected to run, and that time is subtracted from the blocked time. A call that
//! computes still fails, and so does one that waits for the network, for a lock or for
//! another thread, because the reference thread is on time then.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};

/// The interval of the reference thread.
const TICK: Duration = Duration::from_millis(1);

/// Times the calls of one thread.
pub(super) struct Stopwatch {
    schedstat: File,
    reference: Arc<Overdue>,
}

/// The time of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Timed {
    /// The part that belongs to the call.
    pub(super) own: Duration,
    pub(super) wall: Duration,
}

impl Stopwatch {
    /// A stopwatch for the current thread.
    pub(super) fn new(reference: &Reference) -> Self {
        let schedstat = File::open("/proc/thread-self/schedstat").expect("a kernel that counts");
        Self { schedstat, reference: Arc::clone(&reference.overdue) }
    }

    /// Times a call. The time of a call within [`TICK`] is not split into its parts.
    pub(super) fn time<T>(&self, call: impl FnOnce() -> T) -> (T, Timed) {
        let (ran, waited) = (ran(), self.waited());
        let begin = Instant::now();
        let result = call();
        let end = Instant::now();
        let wall = end - begin;
        if wall <= TICK {
            return (result, Timed { own: wall, wall });
        }
        let (ran, waited) = (self::ran() - ran, self.waited() - waited);
        // A late tick is recorded when it happens, so that the last one may still be missing.
        thread::sleep(2 * TICK);
        let blocked = wall.saturating_sub(ran).saturating_sub(waited);
        let own = ran + blocked.saturating_sub(self.reference.within(begin, end));
        (result, Timed { own, wall })
    }

    /// The total time for which this thread has waited for a processor.
    fn waited(&self) -> Duration {
        let mut text = [0; 64];
        let length = self.schedstat.read_at(&mut text, 0).expect("a readable file");
        let text = std::str::from_utf8(&text[..length]).expect("numbers");
        let nanoseconds = text.split(' ').nth(1).and_then(|number| number.parse().ok());
        Duration::from_nanos(nanoseconds.expect("time run, time waited, slices"))
    }
}

/// The total time for which this thread has run.
fn ran() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("a time since its beginning")
}

/// The thread that shows whether the machine stands still.
pub(super) struct Reference {
    overdue: Arc<Overdue>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Overdue {
    /// For each late tick, the time at which it was due, and the time at which it happened.
    times: Mutex<Vec<(Instant, Instant)>>,
    ended: AtomicBool,
}

impl Reference {
    pub(super) fn start() -> Self {
        let overdue = Arc::<Overdue>::default();
        let shared = Arc::clone(&overdue);
        let thread = thread::spawn(move || {
            while !shared.ended.load(Ordering::Relaxed) {
                let due = Instant::now() + TICK;
                thread::sleep(TICK);
                let woken = Instant::now();
                // A smaller delay is the usual inaccuracy of timers.
                if woken > due + TICK / 2 {
                    shared.times.lock().push((due, woken));
                }
            }
        });
        Self { overdue, thread: Some(thread) }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.overdue.ended.store(true, Ordering::Relaxed);
        let joined = self.thread.take().map(JoinHandle::join);
        assert!(joined.is_some_and(|result| result.is_ok()), "the reference thread does not panic");
    }
}

impl Overdue {
    fn within(&self, begin: Instant, end: Instant) -> Duration {
        let times = self.times.lock();
        times.iter().map(|(due, woken)| (*woken).min(end).saturating_duration_since((*due).max(begin))).sum()
    }
}

/// Subtracting the time of the machine must not hide a call that blocks or computes.
#[test]
#[ignore = "run with the priority of the calls"]
fn a_call_that_blocks_or_computes_for_long_is_found() {
    let reference = Reference::start();
    let stopwatch = Stopwatch::new(&reference);
    let limit = Duration::from_millis(10);
    let (_, blocked) = stopwatch.time(|| thread::sleep(Duration::from_millis(100)));
    assert!(blocked.own > limit, "{blocked:?}");
    let (_, computed) = stopwatch.time(|| {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(100) {}
    });
    assert!(computed.own > limit, "{computed:?}");
}
