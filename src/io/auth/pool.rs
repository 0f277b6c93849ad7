//! The threads that ask for permissions: started on demand, up to 8, and ended when nothing is left to do (A3, H8).
//!
//! Requests wait in one list. A thread takes a job that is due, asks without a lock, and passes the answers on. A job that
//! failed and may be repeated goes back into the list, with a time before which it is not due (A4). While no job is due,
//! one thread waits for the earliest of these times, and all others end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    authorizer::{Authorizer, Exchange, Retry},
    http::Http,
};
use crate::{
    config::Plan,
    io::{
        guard::{fork::ForkGuard, user_code::CallContext, worker::Worker},
        intents::LentOptions,
        transport::tls,
    },
    random,
    session::{AuthAnswer, Generation, PendingAuth},
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

/// Enough to hide the latency of an endpoint, and few enough not to flood it after a reconnect.
const MAX_THREADS: usize = 8;

/// The number of requests after the first one.
const MAX_RETRIES: u32 = 3;

/// The wait before the second request. Each further wait is twice as long.
const FIRST_RETRY: Duration = Duration::from_millis(500);

/// The client that the pool works for.
pub(crate) trait Requester: Send + Sync + 'static {
    /// The channel's own options, if it has any.
    fn own_options(&self, channel: &str) -> Option<LentOptions>;

    /// Whether the answer is still of use: the connection exists, and the request was not withdrawn.
    fn awaits(&self, request: &PendingAuth) -> bool;

    fn answered(&self, answer: AuthAnswer);
}

pub(crate) struct AuthPool {
    shared: Arc<Shared>,
}

struct Shared {
    process: ForkGuard,
    connector: Arc<tls::Connector>,
    first_retry: Duration,
    retries: AtomicU64,
    jobs: Mutex<Jobs>,
    /// Notified when a job becomes due earlier than the waiting thread expects.
    changed: Condvar,
}

/// The requests and the threads of a pool.
#[derive(Default)]
struct Jobs {
    list: Vec<Job>,
    threads: Vec<Worker>,
    /// The number of threads that have not left. The others in `threads` only have to be joined.
    alive: usize,
    /// The number of threads that are asking.
    busy: usize,
    /// One of the other threads waits until a job is due.
    is_waited_for: bool,
    /// Exists while there are threads. Idle connections end with it.
    http: Option<Arc<Http>>,
    /// This generation and all before it have ended.
    ended: Option<Generation>,
}

/// Requests that one HTTP request, or one call of a closure, answers.
struct Job {
    plan: Arc<Plan>,
    group: Vec<PendingAuth>,
    /// The number of requests that have failed.
    retries: u32,
    /// The time of the first request. The session waits for the answer for the timeout of a subscription.
    begun: Instant,
    not_before: Instant,
    requester: Arc<dyn Requester>,
}

impl AuthPool {
    pub fn new(connector: &Arc<tls::Connector>) -> Self {
        Self::with_retry(connector, FIRST_RETRY)
    }

    pub fn with_retry(connector: &Arc<tls::Connector>, first_retry: Duration) -> Self {
        let shared = Shared {
            process: ForkGuard::current(),
            connector: Arc::clone(connector),
            first_retry,
            retries: AtomicU64::new(0),
            jobs: Mutex::default(),
            changed: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Asks for permissions. Returns the answers that need no waiting. The requester gets the others from threads of the
    /// pool.
    pub fn ask(
        &self,
        plan: &Arc<Plan>,
        requester: &Arc<impl Requester>,
        requests: Vec<PendingAuth>,
    ) -> Vec<AuthAnswer> {
        let own_options = |channel: &str| requester.own_options(channel);
        let (mut answers, groups) = self.shared.authorizer(plan, &own_options).answer_at_once(requests);
        if groups.is_empty() {
            return answers;
        }
        let now = Instant::now();
        let mut jobs = self.shared.jobs.lock();
        for group in groups {
            let (plan, requester) = (Arc::clone(plan), Arc::clone(requester) as Arc<dyn Requester>);
            let job = Job { plan, group, retries: 0, begun: now, not_before: now, requester };
            if jobs.is_current(&job) {
                jobs.list.push(job);
            }
        }
        answers.extend(self.shared.start_threads(&mut jobs, now));
        drop(jobs);
        answers
    }

    /// Drops the requests of this generation and older ones, and interrupts those under way.
    pub fn end(&self, generation: Generation) {
        let (dropped, http) = {
            let mut jobs = self.shared.jobs.lock();
            jobs.ended = jobs.ended.max(Some(generation));
            let (kept, dropped): (Vec<_>, Vec<_>) =
                std::mem::take(&mut jobs.list).into_iter().partition(|job| jobs.is_current(job));
            jobs.list = kept;
            // A request of a newer generation that uses the same connections is interrupted too, and repeated.
            (dropped, jobs.http.take())
        };
        if let Some(http) = &http {
            http.end();
        }
        self.shared.changed.notify_all();
        // Without the lock, because a job may own the last handle of a client.
        drop((dropped, http));
    }

    /// Joins the threads that end before the deadline. Threads that run code of the program are not waited for.
    pub fn join_until(&self, deadline: Instant) {
        let ending: Vec<_> = {
            let jobs = self.shared.jobs.lock();
            if jobs.list.is_empty() {
                jobs.threads.iter().filter(|worker| !worker.runs_user_code()).map(Worker::end).collect()
            } else {
                Vec::new()
            }
        };
        for end in ending {
            end.wait_until(deadline);
        }
        let ended = self.shared.jobs.lock().take_ended_threads();
        for worker in ended {
            worker.join_until(deadline);
        }
    }

    #[cfg(test)]
    pub fn threads(&self) -> usize {
        self.shared.jobs.lock().alive
    }

    /// The number of requests that were repeated.
    pub fn retries(&self) -> u64 {
        self.shared.retries.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn authorizer<'a>(&self, plan: &'a Plan, own_options: &'a dyn Fn(&str) -> Option<LentOptions>) -> Authorizer<'a> {
        Authorizer { auth: &plan.auth, own_options, context: CallContext::new(self.process) }
    }

    /// Starts a thread for each job that is due, up to the limit. Returns the answers to requests for which no thread
    /// could be started.
    fn start_threads(self: &Arc<Self>, jobs: &mut Jobs, now: Instant) -> Vec<AuthAnswer> {
        let due = jobs.list.iter().filter(|job| job.not_before <= now).count();
        if jobs.is_waited_for {
            self.changed.notify_all();
        }
        let free = jobs.alive - jobs.busy;
        let wanted = due.saturating_sub(free).min(MAX_THREADS - jobs.alive);
        for _ in 0..wanted {
            let shared = Arc::clone(self);
            match Worker::spawn("pusher-auth", move || shared.run()) {
                Ok(worker) => {
                    jobs.alive += 1;
                    jobs.threads.push(worker);
                }
                Err(error) if jobs.alive == 0 => {
                    let unasked = std::mem::take(&mut jobs.list).into_iter().flat_map(|job| job.group);
                    return unasked.map(|pending| pending.failed(error.clone())).collect();
                }
                // The other threads do its work.
                Err(_) => break,
            }
        }
        Vec::new()
    }

    /// The thread.
    fn run(self: &Arc<Self>) {
        while let Some((job, http)) = self.next_job() {
            let repeated = {
                let _left = PanicGuard(self);
                self.ask(job, &http)
            };
            if !self.process.is_current() {
                // A closure has forked, and returned in the child, where nothing is locked (H7).
                return;
            }
            let mut jobs = self.jobs.lock();
            jobs.busy -= 1;
            let (kept, dropped): (Vec<_>, Vec<_>) = repeated.into_iter().partition(|job| jobs.is_current(job));
            jobs.list.extend(kept);
            // Without the lock, because a job may own the last handle of a client.
            drop(jobs);
            drop(dropped);
        }
    }

    /// Takes a job that is due. `None` when the thread is no longer needed, and has left.
    fn next_job(self: &Arc<Self>) -> Option<(Job, Arc<Http>)> {
        let mut jobs = self.jobs.lock();
        loop {
            let now = Instant::now();
            let earliest = jobs.list.iter().enumerate().min_by_key(|(_, job)| job.not_before);
            match earliest.map(|(index, job)| (index, job.not_before)) {
                Some((index, not_before)) if not_before <= now => {
                    let job = jobs.list.remove(index);
                    jobs.busy += 1;
                    let http = jobs.http.get_or_insert_with(|| Arc::new(Http::new(&job.plan, &self.connector)));
                    let http = Arc::clone(http);
                    // No answers: this thread is alive.
                    self.start_threads(&mut jobs, now);
                    return Some((job, http));
                }
                Some((_, not_before)) if !jobs.is_waited_for => {
                    jobs.is_waited_for = true;
                    self.changed.wait_until(&mut jobs, not_before);
                    jobs.is_waited_for = false;
                }
                _ => break,
            }
        }
        self.leave(jobs);
        None
    }

    fn leave(&self, mut jobs: MutexGuard<'_, Jobs>) {
        jobs.alive -= 1;
        // The thread that waits may wait for a later time than that of the job that this thread has put back.
        self.changed.notify_all();
        let ended = jobs.take_ended_threads();
        let http = if jobs.alive == 0 { jobs.http.take() } else { None };
        drop(jobs);
        drop((ended, http));
    }

    /// Asks, without a lock. Returns the job if it is to be repeated.
    fn ask(&self, job: Job, http: &Http) -> Option<Job> {
        let Job { plan, mut group, retries, begun, requester, .. } = job;
        group.retain(|request| requester.awaits(request));
        if group.is_empty() {
            return None;
        }
        let delay = self.delay(retries);
        let end = begun.checked_add(plan.settings.subscriptions.timeout).filter(|_| retries < MAX_RETRIES);
        let retry = Retry { delay, end: end.unwrap_or(begun) };
        let own_options = |channel: &str| requester.own_options(channel);
        let Exchange { answers, to_repeat, retry_after } = self.authorizer(&plan, &own_options).ask(http, group, retry);
        for answer in answers {
            requester.answered(answer);
        }
        if to_repeat.is_empty() {
            return None;
        }
        self.retries.fetch_add(1, Ordering::Relaxed);
        let not_before = Instant::now() + delay.max(retry_after);
        Some(Job { plan, group: to_repeat, retries: retries + 1, begun, not_before, requester })
    }

    /// The wait doubles with each retry. A random quarter on top keeps many clients from coming back together.
    fn delay(&self, retries: u32) -> Duration {
        let delay = self.first_retry * 2u32.pow(retries.min(MAX_RETRIES));
        delay + delay.mul_f64(random::fraction() / 4.0)
    }
}

/// Counts a thread out that ends by a panic, which is a bug, so that others can take its place.
struct PanicGuard<'a>(&'a Shared);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut jobs = self.0.jobs.lock();
            jobs.busy -= 1;
            jobs.alive -= 1;
        }
    }
}

impl Jobs {
    /// Whether the generation of the job has not ended.
    fn is_current(&self, job: &Job) -> bool {
        job.group.first().is_some_and(|request| Some(request.generation) > self.ended)
    }

    /// Threads that have done their work, to be joined or dropped without a lock.
    fn take_ended_threads(&mut self) -> Vec<Worker> {
        let (ended, running) = std::mem::take(&mut self.threads).into_iter().partition(Worker::is_done);
        self.threads = running;
        ended
    }
}
