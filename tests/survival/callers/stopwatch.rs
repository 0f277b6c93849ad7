//! Times calls on a machine that does other things too.
//!
//! The wall clock of a call has three parts: the thread runs, it waits for a processor, it is blocked. The first is the
//! call's own in full. The second the kernel counts for each thread (`/proc/thread-self/schedstat`), and it is no fault of
//! the call: it is taken off. The third may still be the machine's doing, when the thread that holds a lock waits for a
//! processor, or when the whole virtual machine stands still. For that a reference thread does nothing but wake up every
//! millisecond: as long as it was due and did not run, no other thread could be expected to, and that is taken off what was
//! blocked. A call that computes fails all the same, and so does one that waits for the network, for a lock that is held too
//! long or for a thread that does something else, because the reference thread is on time then.

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

/// The reference thread wakes up so often.
const TICK: Duration = Duration::from_millis(1);

/// Times the calls of one thread.
pub(super) struct Stopwatch {
    schedstat: File,
    reference: Arc<Overdue>,
}

/// How long a call took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Timed {
    /// What the call itself is to blame for.
    pub(super) own: Duration,
    pub(super) wall: Duration,
}

impl Stopwatch {
    /// For the thread that this is.
    pub(super) fn new(reference: &Reference) -> Self {
        let schedstat = File::open("/proc/thread-self/schedstat").expect("a kernel that counts");
        Self { schedstat, reference: Arc::clone(&reference.overdue) }
    }

    /// Calls that are fast by the wall clock are not looked into.
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
        // A late tick is noted when it comes, so that the last one may still be missing.
        thread::sleep(2 * TICK);
        let blocked = wall.saturating_sub(ran).saturating_sub(waited);
        let own = ran + blocked.saturating_sub(self.reference.within(begin, end));
        (result, Timed { own, wall })
    }

    /// How long this thread has waited for a processor in all its life.
    fn waited(&self) -> Duration {
        let mut text = [0; 64];
        let length = self.schedstat.read_at(&mut text, 0).expect("a readable file");
        let text = std::str::from_utf8(&text[..length]).expect("numbers");
        let nanoseconds = text.split(' ').nth(1).and_then(|number| number.parse().ok());
        Duration::from_nanos(nanoseconds.expect("time run, time waited, slices"))
    }
}

/// How long this thread has run in all its life.
fn ran() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().expect("a time since its beginning")
}

/// The thread that shows what the machine is up to.
pub(super) struct Reference {
    overdue: Arc<Overdue>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Overdue {
    /// From when a tick was due until it came, for those that were late.
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
                // Sleeping less exactly than this is what timers do.
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

/// What is blamed on the machine must not hide a call that blocks, nor one that computes.
#[test]
#[ignore = "run with priority, like what it vouches for"]
fn a_call_that_takes_long_by_itself_is_found() {
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
