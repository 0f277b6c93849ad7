//! Everything that blocks or spawns.
//!
//! | thread | file | what it does | ends when |
//! |---|---|---|---|
//! | `pusher-reader`, one per connection | `reader` | dials, then reads that one socket | its connection does |
//! | `pusher-heartbeat` | `heartbeat` | keeps time, does what handles ask for, supervises readers | the session is idle |
//! | `pusher-dispatch` | `dispatching` | runs the handlers | the heartbeat has ended and the queue is empty |
//! | `pusher-auth`, at most 8 | `auth_pool` | asks authorizers | no question is left |
//! | `pusher-resolve`, `pusher-connect` | `reach` | one name resolution, one TCP connect | that does |
//! | `pusher-writer` | `wire` | writes to a stream of the program's own that is no socket | its connection does |
//!
//! They share the [`Core`].
//!
//! # Locks
//!
//! 1. No lock is held while user code runs.
//! 2. Public calls never take the link's lock (socket and session). Two locks are taken under it: the registry's, only
//!    if the registry says without its lock that a user call has posted something, and that of the pacing.
//! 3. The snapshot, each queue, the registry, the pacing of client events, the list of bindings and the inbox of the
//!    dispatcher have a short lock each. Nothing is called under it.
//! 4. Only the table of threads and the list of queues are held while a lock of rule 3 is taken. A queue with keys of
//!    the program's own has a second lock, for its staged batches, which is taken under its first.
//! 5. One lock serialises deliveries; locks of rule 3 are taken under it. Of the public calls, only those that run the
//!    program's own code and report its errors take it.
//!
//! # Order
//!
//! The order of events between threads (S11, H9). Each rule holds by construction.
//!
//! 1. **One path.** [`Core::turn`] is the only way into the session: for the socket, for answers of authorizers, for
//!    the result of a dial, for time, and for user calls. A turn holds the link's lock from its input to its last
//!    output.
//! 2. **Calls before everything else.** A user call posts its request in the [`Registry`] before it returns. A turn
//!    first feeds the session with all requests that were posted before the turn began, and then with its own input. So
//!    a late answer meets the wishes that were made before it arrived: after `unsubscribe` or `disconnect` has
//!    returned, nothing waits for that answer. A pool thread checks in the same way that a request is still wanted
//!    before it asks.
//! 3. **Calls among each other.** Calls to connect, to disconnect and to trigger keep their order. The wishes for
//!    channels follow them, merged: the last one for each channel counts. A client event that was triggered before
//!    `unsubscribe` is fed before it. With more wishes than one turn follows, `disconnect` overtakes the rest of them.
//! 4. **A wish before its message.** A subscribe is written only while the wish that it answers is the current one,
//!    even if `unsubscribe` comes during a turn. One that is being written at that moment goes out, and an unsubscribe
//!    follows it.
//! 5. **Batches in the order of turns.** A turn posts its batch under the link's lock. One thread at a time delivers,
//!    and it takes all posted batches in their order. A turn that has posted returns when its batch is delivered.
//! 6. **A delivery in four steps.** The entries of the batch get their numbers, and the batch its receivers; then the
//!    snapshot shows it; then it is pushed to the queues; then waiting calls return. A queue with keys of the program's
//!    own has its closure run afterwards, without a lock, so that its consumer sees the entries a moment later. A
//!    receiver or a handler that is made after `connect` or `wait_*` has returned, or after the state was seen, does
//!    not get that batch; older queues have it.
//! 7. **A handler by its position.** A handler gets the entries with higher numbers than the newest entry at the time
//!    of binding. A handler that is bound inside a handler of the same client gets everything that follows in the
//!    handlers' queue, beginning with the next entry. Confirmations that other handlers already got are repeated at
//!    that point (S4).

mod allowance;
mod auth_pool;
#[cfg(test)]
mod auth_tests;
mod authorizer;
mod bindings;
mod chunked;
mod decode;
mod dial;
mod dispatcher;
mod dispatching;
mod facts;
mod gate;
pub(crate) mod handlers;
mod heartbeat;
pub(crate) mod http;
pub(crate) mod http_head;
mod inside;
#[cfg(all(test, shuttle))]
mod interleavings;
mod lifecycle;
mod link;
mod outlets;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod queue;
mod reach;
#[cfg_attr(all(test, shuttle), path = "interleavings/reader.rs")]
mod reader;
mod registry;
mod snapshot;
mod stop;
mod stream;
mod tls;
mod traffic;
mod warnings;
pub(crate) mod websocket;
mod wire;
pub(crate) mod worker;

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Instant,
};

use crate::{
    Error,
    config::Config,
    event::{Interest, Pacing, Permit},
    session::{Answer, ChannelQuestion, ClientEvent, Generation, Input, Session},
    sync::{Mutex, MutexGuard, Receiver, Sender, unbounded},
};

use auth_pool::{Asker, AuthPool};
use bindings::Bindings;
pub(crate) use bindings::Scope;
use dial::DialerCalls;
use dispatcher::Booth;
pub(crate) use facts::ChannelFacts;
use handlers::Registration;
use heartbeat::Command;
use lifecycle::Threads;
use link::{Aftermath, Link, Order};
use outlets::Outlets;
use process::Process;
pub(crate) use registry::Withdrawn;
use registry::{LentOptions, Registry};
use traffic::Traffic;
use warnings::Warnings;

/// What all handles and threads of one client share.
pub(crate) struct Core {
    pub(crate) process: Process,
    pub(crate) config: Config,
    pub(crate) outlets: Outlets,
    pub(crate) registry: Registry,
    pub(crate) warnings: Warnings,
    /// How many client events wait, and when the last ones were written.
    client_events: Arc<Pacing>,
    connector: Arc<tls::Connector>,
    pub(crate) traffic: Arc<Traffic>,
    dialer_calls: DialerCalls,
    pub(crate) auth: AuthPool,
    link: Mutex<Link>,
    /// Unbounded, because sending must not block. It stays short: a call is announced once, and orders come only while
    /// a heartbeat takes them.
    commands: (Sender<Command>, Receiver<Command>),
    booth: Booth,
    bindings: Bindings,
    threads: Mutex<Threads>,
    /// The signed-in user, for handlers of what is sent to that user.
    pub(crate) user: Arc<Interest>,
    /// The wish to be connected. What is delivered answers it, and ends with it.
    connection: Arc<Interest>,
}

impl Core {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        let session = Session::new(config.settings(), RandomState::new().hash_one(0));
        let connector = Arc::<tls::Connector>::default();
        let booth = Booth::new(session.budget());
        Arc::new(Self {
            process: Process::current(),
            auth: AuthPool::new(&config, &connector),
            outlets: Outlets::new(&config),
            registry: Registry::default(),
            warnings: Warnings::default(),
            client_events: Arc::clone(session.pacing()),
            connector,
            traffic: Arc::default(),
            dialer_calls: DialerCalls::new(Process::current()),
            link: Mutex::new(Link::new(session, config.max_message())),
            commands: unbounded(),
            booth,
            bindings: Bindings::default(),
            threads: Mutex::default(),
            user: Interest::new(Interest::USER, ""),
            connection: Interest::new(Interest::CONNECTION, ""),
            config,
        })
    }

    pub(crate) fn reconnect_now(&self) {
        let threads = self.threads.lock();
        if threads.heartbeat_runs {
            self.post(Input::ReconnectNow);
        }
    }

    /// Posts a call for the next turn, which is that of the heartbeat unless another thread is faster.
    fn post(&self, call: Input<'static>) {
        self.registry.post(call);
        self.wishes_changed();
    }

    /// Tells the heartbeat that the registry has something for the session.
    pub(crate) fn wishes_changed(&self) {
        let _ = self.commands.0.send(Command::Look);
    }

    /// Posts a client event.
    pub(crate) fn trigger(&self, event: impl FnOnce(Permit) -> ClientEvent) -> Result<(), Error> {
        let threads = self.threads.lock();
        if !threads.heartbeat_runs {
            return Err(Error::Disconnected);
        }
        // Under the lock, so that events are posted in the order of their permits.
        let permit = self.client_events.reserve(Instant::now())?;
        self.post(Input::Trigger(event(permit)));
        Ok(())
    }

    /// Binds a handler for one channel, or for all. `scope` is the handle that it was registered on.
    pub(crate) fn bind(&self, scope: Scope, channel: Option<Arc<Interest>>, registration: Registration) {
        self.bindings.add(scope, registration.event(), registration.bound());
        // A handler that is bound inside a handler gets everything that follows there, even entries that were
        // delivered.
        let position = || if self.runs_handlers_here() { 0 } else { self.outlets.position() };
        self.booth.bind(channel, registration, position);
        self.outlets.handlers().wake();
    }

    /// Unbinds the handlers of one event that were registered on this handle.
    pub(crate) fn unbind_event(&self, scope: Scope, event: &str) {
        self.bindings.end_event(scope, event);
        self.unbound();
    }

    /// Unbinds all handlers that were registered on this handle.
    pub(crate) fn unbind_all(&self, scope: Scope) {
        self.bindings.end_all(scope);
        self.unbound();
    }

    /// A handler was unbound; the dispatcher lets go of it.
    pub(crate) fn unbound(&self) {
        let unbound = self.booth.unbound();
        self.outlets.handlers().wake();
        // Here, without a lock, because dropping a closure runs user code.
        drop(unbound);
    }

    /// Feeds the session with the posted user calls, each in a turn of its own, and then makes this turn. The orders
    /// are for the heartbeat.
    ///
    /// All that is ever written to the socket is written here. User code that forks on a thread of the client and returns in
    /// the child writes nothing (H7).
    fn turn(&self, act: impl FnOnce(&mut Link, Instant) -> Aftermath) -> Vec<Order> {
        let mut orders = Vec::new();
        let mut last_posted = None;
        while self.process.is_current() {
            let mut link = self.link.lock();
            let last = *last_posted.get_or_insert_with(|| link.take_posted(&self.registry));
            match link.next_posted(last, self.connection.is_wanted()) {
                Some(input) => orders.extend(self.make_turn(link, |link, now| link.handle(input, now))),
                None => {
                    orders.extend(self.make_turn(link, act));
                    break;
                }
            }
        }
        orders
    }

    /// One turn under the link's lock, then its remaining work without the lock.
    fn make_turn(
        &self,
        mut link: MutexGuard<'_, Link>,
        act: impl FnOnce(&mut Link, Instant) -> Aftermath,
    ) -> Vec<Order> {
        let Aftermath { batch, orders, mut closed } = act(&mut link, Instant::now());
        let has_posted = batch.is_some();
        if let Some(batch) = batch {
            // Under the lock, so that batches are posted in the order of the turns.
            self.outlets.post(batch);
        }
        drop(link);
        closed.iter_mut().for_each(|socket| socket.gate_mut().shutdown());
        if has_posted {
            self.outlets.deliver();
        }
        orders
    }

    /// Asks the session something, after it has taken the posted user calls. False in a forked child.
    fn asks(&self, question: impl FnOnce(&Session) -> bool) -> bool {
        let mut answer = false;
        self.turn_and_order(|link, _| {
            answer = question(&link.session);
            Aftermath::default()
        });
        answer
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

    fn is_current(&self, generation: Generation) -> bool {
        self.link.lock().session.is_current(generation)
    }
}

impl Asker for Core {
    fn own_options(&self, channel: &str) -> Option<LentOptions> {
        self.registry.own_options(channel)
    }

    fn awaits_channel(&self, question: &ChannelQuestion) -> bool {
        let ChannelQuestion { generation, number, channel, .. } = question;
        self.asks(|session| session.awaits_channel(*generation, channel, *number))
    }

    fn awaits_user(&self, generation: Generation, number: u64) -> bool {
        self.asks(|session| session.awaits_user(generation, number))
    }

    fn answered(&self, answer: Answer) {
        self.turn_and_order(|link, now| link.handle(Input::Answered(answer), now));
    }
}
