//! The threads that ask those who authorise: on demand, at most 8, and gone when there is nothing to do (A3, H8).
//!
//! What is asked waits in one list. A thread takes what is due, asks without any lock, and hands the answer back. What failed
//! and may be asked again goes back into the list with a time before which it is not due (A4); while nothing is due, one
//! thread waits for the earliest of these times, and all others end.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    authorizer::{self, Outcome, Retry, Work},
    http::Http,
};
use crate::{
    config::Plan,
    io::{guard::worker::Worker, intents::LentOptions, transport::tls},
    session::{Answer, ChannelQuestion, Generation, Question},
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Enough to hide the latency of an endpoint, and few enough not to flood it after a reconnect.
const PLACES: usize = 8;

/// One request, and three more.
const ATTEMPTS: u32 = 4;

/// Before the second request; each further one waits twice as long.
const FIRST_RETRY: Duration = Duration::from_millis(500);

/// Who gets the answers.
pub(crate) trait Asker: Send + Sync + 'static {
    /// The channel's own options, if it has any.
    fn own_options(&self, channel: &str) -> Option<LentOptions>;

    /// Whether the answer is still of use: for the connection there is, and for a wish that was not withdrawn.
    fn awaits_channel(&self, question: &ChannelQuestion) -> bool;

    fn awaits_user(&self, generation: Generation, number: u64) -> bool;

    fn answered(&self, answer: Answer);
}

pub(crate) struct AuthPool {
    shared: Arc<Shared>,
}

struct Shared {
    connector: Arc<tls::Connector>,
    first_retry: Duration,
    retries: AtomicU64,
    state: Mutex<State>,
    /// Rung when something becomes due earlier than the thread that waits believes.
    waker: Condvar,
}

#[derive(Default)]
struct State {
    jobs: Vec<Job>,
    threads: Vec<Member>,
    /// Threads that have not left. The others in `threads` only have to be joined.
    alive: usize,
    /// Threads that are asking.
    busy: usize,
    /// One of the others waits for what is not due yet.
    waits: bool,
    /// Exists while there are threads. Idle connections end with it.
    http: Option<Arc<Http>>,
    /// Everything up to this generation is over.
    over: Option<Generation>,
}

struct Job {
    plan: Arc<Plan>,
    work: Work,
    attempt: u32,
    /// The time of the first request. Its answer is awaited for the timeout of a subscription.
    asked: Instant,
    not_before: Instant,
    asker: Arc<dyn Asker>,
}

struct Member {
    worker: Worker,
    /// It runs user code, which nobody waits for.
    inside: Arc<AtomicBool>,
}

impl AuthPool {
    pub fn new(connector: &Arc<tls::Connector>) -> Self {
        Self::with_retry(connector, FIRST_RETRY)
    }

    pub fn with_retry(connector: &Arc<tls::Connector>, first_retry: Duration) -> Self {
        let shared = Shared {
            connector: Arc::clone(connector),
            first_retry,
            retries: AtomicU64::new(0),
            state: Mutex::default(),
            waker: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Asks. Returns the answers that are there at once; all others go to the asker, from threads of the pool.
    pub fn ask(&self, plan: &Arc<Plan>, asker: &Arc<impl Asker>, question: Question) -> Vec<Answer> {
        let (mut answers, works) = authorizer::at_once(&plan.auth, &|channel| asker.own_options(channel), question);
        if works.is_empty() {
            return answers;
        }
        let now = Instant::now();
        let mut state = self.shared.state.lock();
        for work in works {
            if state.wants(&work) {
                let (plan, asker) = (Arc::clone(plan), Arc::clone(asker) as Arc<dyn Asker>);
                state.jobs.push(Job { plan, work, attempt: 1, asked: now, not_before: now, asker });
            }
        }
        answers.extend(self.shared.recruit(&mut state, now));
        drop(state);
        answers
    }

    /// Drops what is asked for this generation and older ones, and interrupts the requests under way.
    pub fn end(&self, generation: Generation) {
        let dropped = {
            let mut state = self.shared.state.lock();
            state.over = state.over.max(Some(generation));
            let jobs = std::mem::take(&mut state.jobs);
            let (dropped, kept): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| !state.wants(&job.work));
            state.jobs = kept;
            // What a newer generation asks with the same connections is asked again.
            (dropped, state.http.take())
        };
        if let Some(http) = &dropped.1 {
            http.end();
        }
        self.shared.waker.notify_all();
    }

    /// Joins the threads that end until then. Those that run user code are not waited for.
    pub fn join_until(&self, deadline: Instant) {
        let ending: Vec<_> = {
            let state = self.shared.state.lock();
            let waitable = |member: &&Member| !member.inside.load(Ordering::Acquire);
            if state.jobs.is_empty() {
                state.threads.iter().filter(waitable).map(|m| m.worker.end()).collect()
            } else {
                Vec::new()
            }
        };
        for end in ending {
            end.wait_until(deadline);
        }
        let ended = self.shared.state.lock().take_ended();
        for member in ended {
            member.worker.join_until(deadline);
        }
    }

    #[cfg(test)]
    pub fn threads(&self) -> usize {
        self.shared.state.lock().alive
    }

    /// How often something was asked again.
    pub fn retries(&self) -> u64 {
        self.shared.retries.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Starts as many threads as there is work due for. Returns the answers to what nobody could be started for.
    fn recruit(self: &Arc<Self>, state: &mut State, now: Instant) -> Vec<Answer> {
        let due = state.jobs.iter().filter(|job| job.not_before <= now).count();
        if state.waits {
            self.waker.notify_all();
        }
        let free = state.alive - state.busy;
        let wanted = due.saturating_sub(free).min(PLACES - state.alive);
        for _ in 0..wanted {
            let inside = Arc::new(AtomicBool::new(false));
            let (shared, flag) = (Arc::clone(self), Arc::clone(&inside));
            match Worker::spawn("pusher-auth", move || shared.work(&flag)) {
                Ok(worker) => {
                    state.alive += 1;
                    state.threads.push(Member { worker, inside });
                }
                Err(error) if state.alive == 0 => {
                    return std::mem::take(&mut state.jobs)
                        .into_iter()
                        .flat_map(|job| job.work.failed(&error))
                        .collect();
                }
                // The others do its work.
                Err(_) => break,
            }
        }
        Vec::new()
    }

    /// The thread.
    fn work(self: &Arc<Self>, inside: &AtomicBool) {
        while let Some((job, http)) = self.next_job() {
            let back = self.ask(job, &http, inside);
            let mut state = self.state.lock();
            state.busy -= 1;
            let (kept, dropped) = back.into_iter().partition::<Vec<_>, _>(|job| state.wants(&job.work));
            state.jobs.extend(kept);
            // Without the lock, because the last handle of a client may go with it.
            drop(state);
            drop(dropped);
        }
    }

    /// What is due. `None` when the thread is not needed any more, and has left.
    fn next_job(self: &Arc<Self>) -> Option<(Job, Arc<Http>)> {
        let mut state = self.state.lock();
        loop {
            let now = Instant::now();
            let earliest = state.jobs.iter().enumerate().min_by_key(|(_, job)| job.not_before);
            match earliest.map(|(index, job)| (index, job.not_before)) {
                Some((index, not_before)) if not_before <= now => {
                    let job = state.jobs.remove(index);
                    state.busy += 1;
                    let http = state.http.get_or_insert_with(|| Arc::new(Http::new(&job.plan, &self.connector)));
                    let http = Arc::clone(http);
                    // This thread lives, so that nothing stays unasked.
                    self.recruit(&mut state, now);
                    return Some((job, http));
                }
                Some((_, not_before)) if !state.waits => {
                    state.waits = true;
                    self.waker.wait_until(&mut state, not_before);
                    state.waits = false;
                }
                _ => break,
            }
        }
        self.leave(state);
        None
    }

    fn leave(&self, mut state: MutexGuard<'_, State>) {
        state.alive -= 1;
        // The one that waits may wait for something later than what this thread has brought back.
        self.waker.notify_all();
        let ended = state.take_ended();
        let http = if state.alive == 0 { state.http.take() } else { None };
        drop(state);
        drop((ended, http));
    }

    /// Asks without a lock. Returns the job when it is to be asked again.
    fn ask(&self, job: Job, http: &Http, inside: &AtomicBool) -> Option<Job> {
        let Job { plan, work, attempt, asked, asker, .. } = job;
        let work = still_wanted(work, &*asker)?;
        let delay = self.delay(attempt);
        let end = asked.checked_add(plan.subscription_timeout).filter(|_| attempt < ATTEMPTS);
        let retry = Retry { delay, end: end.unwrap_or(asked) };
        let Outcome { answers, again } =
            authorizer::ask(&plan.auth, &|channel| asker.own_options(channel), http, work, retry, inside);
        for answer in answers {
            asker.answered(answer);
        }
        let (work, at_least) = again?;
        self.retries.fetch_add(1, Ordering::Relaxed);
        let delay = delay.max(at_least.unwrap_or_default());
        Some(Job { plan, work, attempt: attempt + 1, asked, not_before: Instant::now() + delay, asker })
    }

    /// Doubles with each attempt, and is up to a quarter longer, so that many clients do not come back together.
    fn delay(&self, attempt: u32) -> Duration {
        let delay = self.first_retry * 2u32.pow(attempt.saturating_sub(1).min(ATTEMPTS));
        let random = RandomState::new().hash_one(attempt) % 1000;
        delay + delay.mul_f64(random as f64 / 4000.0)
    }
}

/// What is still wanted of it.
fn still_wanted(work: Work, asker: &dyn Asker) -> Option<Work> {
    match work {
        Work::Channel(question) => asker.awaits_channel(&question).then_some(Work::Channel(question)),
        Work::Batch(mut questions) => {
            questions.retain(|question| asker.awaits_channel(question));
            (!questions.is_empty()).then_some(Work::Batch(questions))
        }
        Work::User { generation, number, .. } => asker.awaits_user(generation, number).then_some(work),
    }
}

impl State {
    fn wants(&self, work: &Work) -> bool {
        Some(work.generation()) > self.over
    }

    /// Those that have done their work, to be joined or let go without a lock.
    fn take_ended(&mut self) -> Vec<Member> {
        let (ended, running) = std::mem::take(&mut self.threads).into_iter().partition(|m| m.worker.is_done());
        self.threads = running;
        ended
    }
}
