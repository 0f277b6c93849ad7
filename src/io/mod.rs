//! Everything that blocks or spawns.
//!
//! | thread | file | what it does | ends when |
//! |---|---|---|---|
//! | `pusher-reader`, one per connection | `reader` | dials, then reads that one socket | its connection does |
//! | `pusher-heartbeat` | `heartbeat` | keeps time, does what handles ask for, supervises readers | the session is idle |
//! | `pusher-dispatch` | here | runs the handlers | the heartbeat has ended and the queue is empty |
//! | `pusher-auth`, at most 8 | `auth_pool` | ask those who authorise | nothing is to be asked |
//! | `pusher-resolve`, `pusher-connect` | `dial`, `http_connect` | one name resolution, one TCP connect | that does |
//! | `pusher-auth`, at most 8 | `auth_pool` | asks those who authorise | nothing is asked, or the connection ends |
//!
//! What they share is the [`Core`]. None of its locks is ever held while user code runs, and public calls never take the
//! link's (socket and session), under which nothing else is locked. The snapshot, each queue and the registry of channels
//! have a lock of their own for a look or a note, under which nothing is called. Only the table of threads and the list of
//! queues are held across such a look.

mod auth_pool;
#[cfg(test)]
mod auth_tests;
mod authorizer;
mod backlog;
mod decode;
mod dial;
mod dispatcher;
mod facts;
mod gate;
pub(crate) mod handlers;
mod heartbeat;
mod http;
mod http_connect;
mod link;
mod outlets;
pub(crate) mod queue;
mod rate;
mod reader;
mod registry;
mod snapshot;
mod stop;
mod stream;
mod tls;
mod worker;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, unbounded};
use parking_lot::Mutex;

use crate::{
    ConnectionState, Error,
    config::Config,
    event::{Interest, Place, Ticket},
    session::{Answer, ClientEvent, Generation, Input, Session},
};

use auth_pool::{Asker, AuthPool};
pub(crate) use decode::Decoding;
use dispatcher::{Booth, Dispatcher, Stage};
pub(crate) use facts::ChannelFacts;
use handlers::Registration;
use heartbeat::Command;
use link::{Aftermath, Link, Order};
use outlets::Outlets;
use queue::Nothing;
use rate::TokenBucket;
use registry::Registry;
use worker::{End, Worker};

/// `disconnect` and drop return within 250 ms; this leaves a margin for the scheduler.
const JOIN_WITHIN: Duration = Duration::from_millis(200);

/// How long `disconnect` waits for the last handlers, which usually have run by then. One that takes longer is not
/// waited for.
const DISPATCH_WITHIN: Duration = Duration::from_millis(50);

/// So many client events may wait to be sent. Servers take ten a second, so that more would be old when it is sent.
const MAX_CLIENT_EVENTS: usize = 1024;

/// What all handles and threads of one client share.
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) outlets: Outlets,
    pub(crate) registry: Registry,
    /// How decrypted data becomes text, where that is not UTF-8.
    pub(crate) decoding: Option<Decoding>,
    /// How many client events wait to be sent.
    client_events: Arc<AtomicUsize>,
    /// How many may be sent in a second.
    client_event_rate: Option<Mutex<TokenBucket>>,
    connector: Arc<tls::Connector>,
    pub(crate) auth: AuthPool,
    link: Mutex<Link>,
    /// Unbounded, because posting must not block. It stays short: wishes are merged in the registry, and the other
    /// commands are posted only while a heartbeat takes them.
    commands: (Sender<Command>, Receiver<Command>),
    booth: Booth,
    threads: Mutex<Threads>,
    /// The signed-in user, for handlers of what is sent to that user.
    pub(crate) user: Arc<Interest>,
    /// The wish to be connected. What is delivered answers it, and ends with it.
    connection: Arc<Interest>,
}

#[derive(Default)]
struct Threads {
    heartbeat: Option<Worker>,
    heartbeat_runs: bool,
    dispatch: Option<Worker>,
    dispatch_runs: bool,
    /// The dispatch thread ends when its queue is empty.
    dispatch_ends: bool,
}

impl Core {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        let session = Session::new(config.settings(), RandomState::new().hash_one(0));
        let connector = Arc::<tls::Connector>::default();
        Arc::new(Self {
            auth: AuthPool::new(&config, &connector),
            outlets: Outlets::new(&config),
            registry: Registry::default(),
            decoding: config.decoder().map(Decoding::new),
            client_events: Arc::default(),
            client_event_rate: config
                .events_per_second()
                .map(|limit| Mutex::new(TokenBucket::new(limit, Instant::now()))),
            connector,
            link: Mutex::new(Link::new(session, config.max_message())),
            commands: unbounded(),
            booth: Booth::new(),
            threads: Mutex::default(),
            user: Interest::new(Interest::USER, ""),
            connection: Interest::new(Interest::CONNECTION, ""),
            config,
        })
    }

    /// Connects, and waits for the outcome of the first attempt.
    pub(crate) fn connect(self: &Arc<Self>) -> Result<(), Error> {
        self.refuse_inside("connect")?;
        let ticket = self.start(Command::ConnectOnce)?;
        let outcome = self.outlets.snapshot.wait_for_outcome(ticket);
        if outcome.is_err() {
            self.join_ended();
        }
        outcome
    }

    /// Connects in the background, and keeps trying by the policy.
    pub(crate) fn connect_background(self: &Arc<Self>) -> Result<(), Error> {
        self.start(Command::ConnectForGood).map(drop)
    }

    /// Starts the threads that do not run, and hands the call over to the heartbeat. When a thread cannot be started,
    /// nothing is wished for, and the other one ends by itself.
    fn start(self: &Arc<Self>, command: impl FnOnce(Arc<Interest>, Ticket) -> Command) -> Result<Ticket, Error> {
        self.config.check()?;
        tls::Connector::check(&self.config)?;
        let mut threads = self.threads.lock();
        if !threads.heartbeat_runs {
            let core = Arc::clone(self);
            threads.heartbeat = Some(Worker::spawn("pusher-heartbeat", move || heartbeat::run(core))?);
            threads.heartbeat_runs = true;
        }
        if !self.config.is_dispatched_by_hand() {
            self.start_dispatching(&mut threads)?;
        }
        self.connection.want();
        // Under the lock, so that the numbers are in the order of the commands.
        let ticket = self.outlets.snapshot.issue_ticket();
        let _ = self.commands.0.send(command(Arc::clone(&self.connection), ticket));
        Ok(ticket)
    }

    fn start_dispatching(self: &Arc<Self>, threads: &mut Threads) -> Result<(), Error> {
        if !threads.dispatch_runs {
            let core = Arc::clone(self);
            threads.dispatch = Some(Worker::spawn("pusher-dispatch", move || core.run_handlers())?);
            threads.dispatch_runs = true;
        }
        threads.dispatch_ends = false;
        Ok(())
    }

    /// Disconnects in every state (R10).
    pub(crate) fn disconnect(&self) {
        let heartbeat = {
            let threads = self.threads.lock();
            self.connection.forget();
            if threads.heartbeat_runs {
                let _ = self.commands.0.send(Command::Disconnect);
            }
            threads.heartbeat.as_ref().map(Worker::end)
        };
        self.join_threads(heartbeat);
    }

    /// Joins the threads that ended by themselves after a failed `connect`, unless somebody has asked to go on trying.
    fn join_ended(&self) {
        let at_rest = matches!(self.outlets.snapshot.state(), ConnectionState::Disconnected | ConnectionState::Failed);
        let heartbeat = {
            let threads = self.threads.lock();
            let ends = at_rest || !threads.heartbeat_runs;
            threads.heartbeat.as_ref().filter(|_| ends).map(Worker::end)
        };
        self.join_threads(heartbeat);
    }

    /// Waits for the heartbeat, then for the dispatch thread; not for the one that this is, and for none too long.
    fn join_threads(&self, heartbeat: Option<End>) {
        let own = std::thread::current().id();
        let deadline = Instant::now() + JOIN_WITHIN;
        if heartbeat.is_some_and(|end| !end.wait_until(deadline)) {
            log::debug!("the heartbeat goes on, because somebody connects again");
        }
        self.auth.join_until(deadline);
        let dispatch = {
            let threads = self.threads.lock();
            let ends = threads.dispatch_ends || !threads.dispatch_runs;
            threads.dispatch.as_ref().filter(|worker| ends && worker.id() != own).map(Worker::end)
        };
        if let Some(end) = dispatch {
            end.wait_until(deadline.min(Instant::now() + DISPATCH_WITHIN));
        }
        let ended = {
            let mut threads = self.threads.lock();
            [threads.heartbeat.take_if(|worker| worker.is_done()), threads.dispatch.take_if(|worker| worker.is_done())]
        };
        for worker in ended.into_iter().flatten() {
            worker.join_until(deadline);
        }
    }

    /// Ends everything for good: no handle is left.
    pub(crate) fn shut_down(&self) {
        self.disconnect();
        self.outlets.close();
    }

    pub(crate) fn reconnect_now(&self) {
        let threads = self.threads.lock();
        if threads.heartbeat_runs {
            let _ = self.commands.0.send(Command::ReconnectNow);
        }
    }

    /// Tells the heartbeat that there are changed wishes.
    pub(crate) fn wishes_changed(&self) {
        let _ = self.commands.0.send(Command::Wishes);
    }

    /// Hands a client event over to the heartbeat.
    pub(crate) fn trigger(&self, channel: Arc<Interest>, epoch: u64, text: String) -> Result<(), Error> {
        if let Some(rate) = &self.client_event_rate {
            let mut rate = rate.lock();
            if !rate.take(Instant::now()) {
                return Err(Error::ClientEventRate { limit: rate.limit() });
            }
        }
        let place = Place::take(&self.client_events, MAX_CLIENT_EVENTS);
        let place = place.ok_or(Error::ClientEventQueueFull { waiting: MAX_CLIENT_EVENTS })?;
        let threads = self.threads.lock();
        if !threads.heartbeat_runs {
            return Err(Error::Disconnected);
        }
        let _ = self.commands.0.send(Command::Trigger(ClientEvent { channel, epoch, text, place }));
        Ok(())
    }

    pub(crate) fn bind(&self, channel: Option<Arc<Interest>>, registration: Registration) {
        self.booth.bind(channel, registration);
        self.outlets.handlers().wake();
    }

    /// A handler was unbound; the dispatcher lets go of it.
    pub(crate) fn unbound(&self) {
        let unbound = self.booth.unbound();
        self.outlets.handlers().wake();
        // Here, without a lock, because dropping a closure runs user code.
        drop(unbound);
    }

    /// Runs the pending handlers on this thread. Returns how many notifications were handled.
    pub(crate) fn dispatch(&self) -> usize {
        if !self.config.is_dispatched_by_hand() {
            return 0;
        }
        let Some(mut dispatcher) = self.booth.take() else { return 0 };
        let queue = self.outlets.handlers();
        dispatcher.look(&self.stage());
        let mut handled = 0;
        // What comes while handlers run is for the next call, so that this one ends.
        let mut pending = queue.len();
        while pending > 0 {
            let Ok(taken) = queue.try_take() else { break };
            pending = pending.saturating_sub(taken.len());
            handled += dispatcher.run(&self.stage(), taken);
        }
        self.booth.put_back(dispatcher);
        handled
    }

    /// The dispatch thread.
    fn run_handlers(&self) {
        let Some(mut dispatcher) = self.booth.take() else { return };
        loop {
            match self.outlets.handlers().take() {
                Ok(taken) => {
                    dispatcher.run(&self.stage(), taken);
                }
                Err(nothing) => {
                    dispatcher.look(&self.stage());
                    match self.end_of_dispatching(nothing, dispatcher) {
                        Some(goes_on) => dispatcher = goes_on,
                        None => return,
                    }
                }
            }
        }
    }

    /// Puts the dispatcher back when the thread may end; gives it back to the thread when not. Decided under the lock
    /// under which threads are started, so that a new thread finds the dispatcher in its place.
    fn end_of_dispatching(&self, nothing: Nothing, dispatcher: Box<Dispatcher>) -> Option<Box<Dispatcher>> {
        let mut threads = self.threads.lock();
        let told_to = nothing == Nothing::Closed || threads.dispatch_ends;
        let queue = self.outlets.handlers();
        if !told_to || queue.len() > 0 {
            if told_to {
                // The wake-up that told it is used up, and it has to look again after what still waits.
                queue.wake();
            }
            return Some(dispatcher);
        }
        self.booth.put_back(dispatcher);
        threads.dispatch_runs = false;
        None
    }

    fn stage(&self) -> Stage<'_> {
        Stage { booth: &self.booth, outlets: &self.outlets, decoder: self.decoding.as_ref(), client: self.identity() }
    }

    /// Waiting calls return an error where they would wait for the very thread that they are on (H1).
    pub(crate) fn refuse_inside(&self, call: &'static str) -> Result<(), Error> {
        if dispatcher::is_inside(self.identity()) { Err(Error::WouldDeadlock { call }) } else { Ok(()) }
    }

    fn identity(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// One turn under the link's lock, then what it leaves to be done. The orders are for the heartbeat.
    fn turn(&self, act: impl FnOnce(&mut Link, Instant) -> Aftermath) -> Vec<Order> {
        let orders = {
            let mut link = self.link.lock();
            let Aftermath { batch, orders } = act(&mut link, Instant::now());
            if let Some(batch) = batch {
                // Under the lock, so that batches are posted in the order of the turns.
                self.outlets.post(batch);
            }
            orders
        };
        self.outlets.deliver();
        orders
    }

    /// A turn on another thread than the heartbeat's.
    fn turn_and_order(&self, act: impl FnOnce(&mut Link, Instant) -> Aftermath) {
        for order in self.turn(act) {
            let _ = self.commands.0.send(Command::Order(order));
        }
    }

    /// When the heartbeat has to look again.
    fn arm(&self) -> Option<Instant> {
        self.link.lock().arm()
    }

    fn is_idle(&self) -> bool {
        self.link.lock().session.is_idle()
    }

    fn is_connected(&self) -> bool {
        self.link.lock().session.is_connected()
    }

    /// True when the heartbeat may end: nobody has asked for anything. From then on a `connect` starts another one.
    fn end_heartbeat(&self) -> bool {
        let mut threads = self.threads.lock();
        let ends = self.commands.1.is_empty();
        if ends {
            threads.heartbeat_runs = false;
        }
        ends
    }

    /// The heartbeat has panicked. Everything ends as after `disconnect`, also what was asked for meanwhile, so that
    /// nobody waits for ever.
    fn heartbeat_failed(&self) {
        log::error!("the heartbeat has failed, which is a bug");
        self.outlets.report(Error::lost("the heartbeat has failed, which is a bug"));
        loop {
            for command in self.commands.1.try_iter() {
                if let Command::ConnectOnce(wish, ticket) = command {
                    self.turn(|link, now| link.handle(Input::ConnectOnce(wish, ticket), now));
                }
            }
            self.turn(|link, now| link.handle(Input::Disconnect, now));
            if self.end_heartbeat() {
                return;
            }
        }
    }

    /// The dispatch thread may end once it has told everything.
    fn end_dispatching(&self) {
        let mut threads = self.threads.lock();
        if !threads.heartbeat_runs {
            threads.dispatch_ends = true;
        }
        drop(threads);
        self.outlets.handlers().wake();
    }
}

impl Asker for Core {
    fn is_current(&self, generation: Generation) -> bool {
        self.link.lock().session.is_current(generation)
    }

    fn answered(&self, answer: Answer) {
        self.turn_and_order(|link, now| link.handle(Input::Answered(answer), now));
    }
}
