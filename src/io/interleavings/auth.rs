//! The pool of auth threads: a request that is withdrawn, and the end of a generation.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::explore;
use crate::{
    AuthError, AuthRequest, ChannelAuth, Config, Name,
    config::Plan,
    io::{
        auth::pool::{AuthPool, Requester},
        intents::LentOptions,
    },
    session::{AttemptId, AuthAnswer, AuthSubject, Generation, PendingAuth},
    sync::{
        Receiver, Sender,
        atomic::{AtomicBool, Ordering},
        model, thread, unbounded,
    },
};

/// A client with a pool. It keeps the answers.
struct FakeClient {
    answers: Sender<(Generation, AttemptId)>,
    /// The request with this attempt may be withdrawn.
    withdrawn: AtomicBool,
    /// The pool asked whether this request is awaited, and it was.
    is_to_be_asked: AtomicBool,
}

const WITHDRAWN: AttemptId = AttemptId(1);

impl Requester for FakeClient {
    fn own_options(&self, _: &str) -> Option<LentOptions> {
        None
    }

    fn awaits(&self, request: &PendingAuth) -> bool {
        if request.attempt != WITHDRAWN {
            return true;
        }
        let is_awaited = !self.withdrawn.load(Ordering::SeqCst);
        self.is_to_be_asked.store(is_awaited, Ordering::SeqCst);
        is_awaited
    }

    fn answered(&self, answer: AuthAnswer) {
        let _ = self.answers.send((answer.generation, answer.attempt));
    }
}

fn client() -> (Arc<FakeClient>, Receiver<(Generation, AttemptId)>) {
    let (answers, received) = unbounded();
    let (withdrawn, is_to_be_asked) = (AtomicBool::new(false), AtomicBool::new(false));
    (Arc::new(FakeClient { answers, withdrawn, is_to_be_asked }), received)
}

/// A pool. A repeated request waits for longer than the test, which has no clock.
fn pool() -> Arc<AuthPool> {
    Arc::new(AuthPool::with_retry(&Arc::default(), Duration::from_secs(10)))
}

fn plan_with(authorize: impl Fn(&AuthRequest) -> Result<ChannelAuth, AuthError> + Send + Sync + 'static) -> Arc<Plan> {
    let config = Config::host("key", "127.0.0.1").tls(false).authorizer(authorize);
    Arc::new(config.plan().expect("a good configuration"))
}

fn request(generation: u64, attempt: AttemptId, channel: &str) -> PendingAuth {
    let subject = AuthSubject::Channel(AuthRequest::new(Name::from(channel), "1.2".into()));
    PendingAuth { generation: Generation(generation), attempt, subject }
}

fn permit(_: &AuthRequest) -> Result<ChannelAuth, AuthError> {
    thread::yield_now();
    Ok(ChannelAuth::new("k:s"))
}

/// Waits for the end of all threads. A thread that waits for ever is found as a deadlock.
fn wait_for_end(pool: &AuthPool) {
    while pool.threads() > 0 {
        pool.join_until(Instant::now());
        thread::yield_now();
    }
}

#[test]
fn a3_a_request_that_was_withdrawn_before_its_turn_is_not_asked() {
    explore("a request that is withdrawn against the thread that takes it", 2_000, || {
        model::let_deadlines_come(false);
        let (client, answers) = client();
        let (pool, authorizing) = (pool(), Arc::clone(&client));
        let plan = plan_with(move |request| {
            let is_withdrawn = request.channel() == "private-withdrawn";
            assert!(!is_withdrawn || authorizing.is_to_be_asked.load(Ordering::SeqCst), "asked without a check");
            permit(request)
        });
        let requests = [(WITHDRAWN, "private-withdrawn"), (AttemptId(2), "private-a"), (AttemptId(3), "private-b")];
        let requests = requests.map(|(attempt, channel)| request(1, attempt, channel));
        assert!(pool.ask(&plan, &client, requests.to_vec()).is_empty(), "a closure answers on a thread");
        client.withdrawn.store(true, Ordering::SeqCst);
        wait_for_end(&pool);
        let mut attempts: Vec<_> = answers.try_iter().map(|(_, attempt)| attempt).collect();
        attempts.sort_unstable();
        let was_asked = client.is_to_be_asked.load(Ordering::SeqCst);
        let expected = [AttemptId(1), AttemptId(2), AttemptId(3)];
        assert_eq!(attempts, if was_asked { &expected[..] } else { &expected[1..] }, "one answer to each request");
    });
}

#[test]
fn h6_the_end_of_a_generation_ends_its_threads_and_leaves_the_next_one_alone() {
    explore("the end of a generation against its answers and the next one", 2_000, || {
        model::let_deadlines_come(false);
        let (client, answers) = client();
        let pool = pool();
        let plan = plan_with(|request| match request.channel() {
            // This request is repeated, so a thread waits for its time.
            "private-busy" => Err(AuthError::new("busy").status(503)),
            _ => permit(request),
        });
        let of_first = [request(1, AttemptId(2), "private-busy"), request(1, AttemptId(3), "private-a")];
        pool.ask(&plan, &client, of_first.to_vec());
        let ending = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || pool.end(Generation(1)))
        };
        pool.ask(&plan, &client, vec![request(2, AttemptId(4), "private-a")]);
        ending.join().expect("no panic");
        wait_for_end(&pool);
        pool.ask(&plan, &client, vec![request(1, AttemptId(5), "private-late")]);
        assert_eq!(pool.threads(), 0, "a late request starts no thread");
        let answers: Vec<_> = answers.try_iter().collect();
        let count = |attempt| answers.iter().filter(|(_, of)| *of == AttemptId(attempt)).count();
        assert_eq!((count(4), count(5)), (1, 0), "the next generation is answered, and a late request is not");
        assert!(count(2) == 0 && count(3) <= 1, "{answers:?}");
    });
}
