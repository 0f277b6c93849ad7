//! Everything that blocks or spawns.
//!
//! | thread | file | what it does | ends when |
//! |---|---|---|---|
//! | `pusher-reader`, one per connection | `reader` | dials, then reads that one socket | its connection does |
//! | `pusher-heartbeat` | `heartbeat` | keeps time, does what handles ask for, supervises readers | the session is idle |
//! | `pusher-dispatch` | `dispatching` | runs the handlers | the heartbeat has ended and the queue is empty |
//! | `pusher-auth`, at most 8 | `auth_pool` | ask those who authorise | nothing is to be asked |
//! | `pusher-resolve`, `pusher-connect` | `reach` | one name resolution, one TCP connect | that does |
//! | `pusher-writer` | `wire` | writes to a stream of the program's own that is no socket | its connection does |
//!
//! What they share is the [`Core`]. None of its locks is ever held while user code runs, and public calls never take the
//! link's (socket and session), under which nothing else is locked. The snapshot, each queue and the registry of channels
//! have a lock of their own for a look or a note, under which nothing is called. Only the table of threads and the list of
//! queues are held across such a look. A delivery is held together by a lock that only those public calls take
//! that run the program's own code and report what it did.

mod allowance;
mod auth_pool;
#[cfg(test)]
mod auth_tests;
mod authorizer;
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
mod rate;
mod reach;
#[cfg_attr(all(test, shuttle), path = "interleavings/reader.rs")]
mod reader;
mod registry;
mod snapshot;
mod stop;
mod stream;
mod tls;
mod traffic;
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
    event::{Interest, Place},
    session::{Answer, ChannelQuestion, ClientEvent, Generation, Input, Session},
    sync::{Mutex, Receiver, Sender, atomic::AtomicUsize, unbounded},
};

use auth_pool::{Asker, AuthPool};
pub(crate) use decode::Decoding;
use dial::DialerCalls;
use dispatcher::Booth;
pub(crate) use facts::ChannelFacts;
use handlers::Registration;
use heartbeat::Command;
use lifecycle::Threads;
use link::{Aftermath, Link, Order};
use outlets::Outlets;
use process::Process;
use rate::RateLimit;
use registry::Registry;
use traffic::Traffic;

/// So many client events may wait to be sent. Servers take ten a second, so that more would be old when it is sent.
const MAX_CLIENT_EVENTS: usize = 1024;

/// What all handles and threads of one client share.
pub(crate) struct Core {
    pub(crate) process: Process,
    pub(crate) config: Config,
    pub(crate) outlets: Outlets,
    pub(crate) registry: Registry,
    /// How decrypted data becomes text, where that is not UTF-8.
    pub(crate) decoding: Option<Decoding>,
    /// How many client events wait to be sent.
    client_events: Arc<AtomicUsize>,
    /// How many may be sent in a second.
    client_event_rate: Option<Mutex<RateLimit>>,
    connector: Arc<tls::Connector>,
    pub(crate) traffic: Arc<Traffic>,
    dialer_calls: DialerCalls,
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
            decoding: config.decoder().map(Decoding::new),
            client_events: Arc::default(),
            client_event_rate: config.events_per_second().map(|limit| Mutex::new(RateLimit::new(limit))),
            connector,
            traffic: Arc::default(),
            dialer_calls: DialerCalls::new(Process::current()),
            link: Mutex::new(Link::new(session, config.max_message())),
            commands: unbounded(),
            booth,
            threads: Mutex::default(),
            user: Interest::new(Interest::USER, ""),
            connection: Interest::new(Interest::CONNECTION, ""),
            config,
        })
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
    pub(crate) fn trigger(&self, event: impl FnOnce(Place) -> ClientEvent) -> Result<(), Error> {
        let place = Place::take(&self.client_events, MAX_CLIENT_EVENTS);
        let place = place.ok_or(Error::ClientEventQueueFull { waiting: MAX_CLIENT_EVENTS })?;
        let threads = self.threads.lock();
        if !threads.heartbeat_runs {
            return Err(Error::Disconnected);
        }
        if let Some(rate) = &self.client_event_rate {
            let mut rate = rate.lock();
            if !rate.allows(Instant::now()) {
                return Err(Error::ClientEventRate { limit: rate.limit() });
            }
        }
        let _ = self.commands.0.send(Command::Trigger(event(place)));
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

    /// One turn under the link's lock, then what it leaves to be done. The orders are for the heartbeat.
    ///
    /// All that is ever written to the socket is written here. User code that forks on a thread of the client and returns in
    /// the child writes nothing (H7).
    fn turn(&self, act: impl FnOnce(&mut Link, Instant) -> Aftermath) -> Vec<Order> {
        if !self.process.is_current() {
            return Vec::new();
        }
        let (orders, mut closed) = {
            let mut link = self.link.lock();
            let Aftermath { batch, orders, closed } = act(&mut link, Instant::now());
            if let Some(batch) = batch {
                // Under the lock, so that batches are posted in the order of the turns.
                self.outlets.post(batch);
            }
            (orders, closed)
        };
        closed.iter_mut().for_each(|socket| socket.gate_mut().shutdown());
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
}

impl Asker for Core {
    fn awaits_channel(&self, question: &ChannelQuestion) -> bool {
        let ChannelQuestion { generation, number, channel, .. } = question;
        self.link.lock().session.awaits_channel(*generation, channel, *number)
    }

    fn awaits_user(&self, generation: Generation, number: u64) -> bool {
        self.link.lock().session.awaits_user(generation, number)
    }

    fn answered(&self, answer: Answer) {
        self.turn_and_order(|link, now| link.handle(Input::Answered(answer), now));
    }
}
