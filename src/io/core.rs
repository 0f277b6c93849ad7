//! The state that all handles and threads of one client share.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use crate::{
    Error, Event,
    config::{ClientOptions, Config, Plan},
    delivery::client_event_pacing::ClientEventPace,
    event::{EntryNumber, Intent, IntentId},
    io::{
        auth::pool::{AuthPool, Requester},
        connect::dial::DialerCalls,
        dispatch::bindings::Scope,
        dispatch::{bindings::Bindings, dispatcher::DispatcherCell, handlers::Registration},
        driver::{Driver, TurnResult},
        guard::{
            fork::ForkGuard,
            reentrancy::{self, ReentrancyGuard},
            user_code,
            worker::Worker,
        },
        intents::{Intents, LentOptions},
        queues::fan_out::FanOut,
        transport::{halves::ByteCounters, tls},
    },
    protocol::secretbox::data_of,
    random,
    session::{AuthAnswer, Effect, Generation, Input, PendingAuth, Session},
    sync::{ChannelPair, Mutex, MutexGuard},
};

/// A message to the heartbeat, from a handle or from another thread.
#[derive(Debug)]
pub(crate) enum Command {
    /// There are posted requests, or the deadline of the session is earlier than before.
    Wake,
    /// Work that a turn of another thread left.
    Effect(Effect),
}

/// The work that turns leave to the heartbeat.
#[derive(Default)]
pub(crate) struct HeartbeatWork {
    pub effects: Vec<Effect>,
    /// The heartbeat must wake up earlier than planned.
    pub rearms: bool,
}

/// The threads that run while the client is connected or connects.
#[derive(Default)]
pub(crate) struct Threads {
    pub heartbeat: Option<Worker>,
    pub heartbeat_runs: bool,
    pub dispatch: Option<Worker>,
    pub dispatch_runs: bool,
    /// The dispatch thread ends when its queue is empty.
    pub dispatch_ends: bool,
    /// The client was shut down. No thread starts after that.
    pub is_shut_down: bool,
}

/// The state that all handles and threads of one client share.
pub(crate) struct Core {
    pub process: ForkGuard,
    /// The options as the program gave them. Those with texts to parse are used in plans only.
    config: Config,
    /// Made by the first call that finds the configuration without errors.
    plan: OnceLock<Arc<Plan>>,
    pub fan_out: FanOut,
    pub intents: Intents,
    /// The pace of client events, for the calls that trigger them.
    pub(super) client_events: Mutex<ClientEventPace>,
    pub(super) connector: Arc<tls::Connector>,
    pub byte_counters: Arc<ByteCounters>,
    pub(super) dialer_calls: DialerCalls,
    pub auth: AuthPool,
    pub(super) driver: Mutex<Driver>,
    /// Unbounded, because sending must not block. It stays short: there is one wake-up for each call, and effects come
    /// only while a heartbeat takes them.
    pub(super) commands: ChannelPair<Command>,
    pub(super) dispatcher_cell: DispatcherCell,
    pub(super) bindings: Bindings,
    pub(super) threads: Mutex<Threads>,
    /// The channel of the signed-in user, for its handlers.
    pub user: Arc<Intent>,
    /// The intent to be connected. Events of a connection are delivered only while it lasts.
    pub(super) connection: Arc<Intent>,
}

impl Core {
    pub fn new(config: Config) -> Arc<Self> {
        let settings = config.settings();
        let pace = ClientEventPace::new(settings.client_event_limit, settings.client_event_patience);
        let session = Session::new(settings, random::seed());
        let connector = Arc::<tls::Connector>::default();
        Arc::new(Self {
            process: ForkGuard::current(),
            plan: OnceLock::new(),
            auth: AuthPool::new(&connector),
            fan_out: FanOut::new(config.client_options()),
            intents: Intents::default(),
            client_events: Mutex::new(pace),
            connector,
            byte_counters: Arc::default(),
            dialer_calls: DialerCalls::new(ForkGuard::current()),
            driver: Mutex::new(Driver::new(session, config.client_options().limits.max_message_size)),
            commands: ChannelPair::unbounded(),
            dispatcher_cell: DispatcherCell::default(),
            bindings: Bindings::default(),
            threads: Mutex::default(),
            user: Intent::new(IntentId::USER, ""),
            connection: Intent::new(IntentId::CONNECTION, ""),
            config,
        })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The options without texts to parse.
    pub fn options(&self) -> &ClientOptions {
        self.config.client_options()
    }

    /// The parsed configuration. The first call checks all options. It does no I/O: `connect` checks the certificates.
    pub fn plan(&self) -> Result<Arc<Plan>, Error> {
        if let Some(plan) = self.plan.get() {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(self.config.plan()?);
        // If another thread was faster, its plan is used; the two are alike.
        Ok(Arc::clone(self.plan.get_or_init(|| plan)))
    }

    /// Binds a handler for one channel, or for all. `scope` is the handle on which it was registered.
    pub fn bind(&self, scope: Scope, channel: Option<Arc<Intent>>, registration: Registration) {
        self.bindings.add(scope, registration.event(), registration.bound());
        // A handler that is bound inside a handler gets everything that follows there, including entries that were
        // delivered before.
        let position = || if self.runs_handlers_here() { EntryNumber::default() } else { self.fan_out.position() };
        self.dispatcher_cell.bind(channel, registration, position);
        self.fan_out.handlers().wake();
    }

    /// Unbinds the handlers of one event that were registered on this handle.
    pub fn unbind_event(&self, scope: Scope, event: &str) {
        self.bindings.end_event(scope, event);
        self.unbound();
    }

    /// Unbinds all handlers that were registered on this handle.
    pub fn unbind_all(&self, scope: Scope) {
        self.bindings.end_all(scope);
        self.unbound();
    }

    /// Lets the dispatcher drop the unbound handlers.
    pub fn unbound(&self) {
        let unbound = self.dispatcher_cell.unbound();
        self.fan_out.handlers().wake();
        // The closures are dropped without a lock, because dropping them runs user code.
        drop(unbound);
    }

    /// Feeds the session with the posted calls, each in a turn of its own, and then makes this turn. Returns the work
    /// for the heartbeat.
    ///
    /// All writes to the socket happen here. User code that forks on a thread of the client, and returns in the child,
    /// writes nothing (H7).
    pub(super) fn turn(&self, act: impl FnOnce(&mut Driver, Instant) -> TurnResult) -> HeartbeatWork {
        let mut work = HeartbeatWork::default();
        let mut last_posted = None;
        while self.process.is_current() {
            let mut driver = self.driver.lock();
            let last = *last_posted.get_or_insert_with(|| driver.take_posted(&self.intents));
            match driver.next_posted(last, self.connection.is_active()) {
                Some(input) => self.make_turn(driver, |driver, now| driver.handle(input, now), &mut work),
                None => {
                    self.make_turn(driver, act, &mut work);
                    break;
                }
            }
        }
        work
    }

    /// Makes one turn under the lock of the driver, and does the rest without it.
    fn make_turn(
        &self,
        mut driver: MutexGuard<'_, Driver>,
        act: impl FnOnce(&mut Driver, Instant) -> TurnResult,
        work: &mut HeartbeatWork,
    ) {
        let TurnResult { delivery, effects, rearms, mut closed } = act(&mut driver, Instant::now());
        let has_posted = delivery.is_some();
        if let Some(delivery) = delivery {
            // Under the lock, so that deliveries are posted in the order of the turns.
            self.fan_out.post(delivery);
        }
        let notes = driver.session.take_pace_notes();
        if !notes.is_empty() {
            let mut pace = self.client_events.lock();
            notes.into_iter().for_each(|note| pace.apply(note));
        }
        drop(driver);
        closed.iter_mut().for_each(|socket| socket.transport_mut().shutdown());
        if has_posted {
            self.fan_out.deliver();
        }
        work.effects.extend(effects);
        work.rearms |= rearms;
    }

    /// Asks the session, after it has taken the posted calls. False in a forked child.
    pub(super) fn query(&self, question: impl FnOnce(&Session) -> bool) -> bool {
        let mut answer = false;
        self.turn_and_command(|driver, _| {
            answer = question(&driver.session);
            TurnResult::default()
        });
        answer
    }

    /// Makes a turn on another thread than the heartbeat, which gets the remaining work as commands.
    pub(super) fn turn_and_command(&self, act: impl FnOnce(&mut Driver, Instant) -> TurnResult) {
        let HeartbeatWork { effects, rearms } = self.turn(act);
        let wake = (rearms && effects.is_empty()).then_some(Command::Wake);
        for command in effects.into_iter().map(Command::Effect).chain(wake) {
            let _ = self.commands.sender.send(command);
        }
    }

    /// Sets the time at which the heartbeat wakes up by itself, and returns it.
    pub(super) fn arm(&self) -> Option<Instant> {
        self.driver.lock().arm()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.driver.lock().session.is_idle()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.driver.lock().session.is_connected()
    }

    pub(super) fn is_current(&self, generation: Generation) -> bool {
        self.driver.lock().session.is_current_generation(generation)
    }
}

impl Requester for Core {
    fn own_options(&self, channel: &str) -> Option<LentOptions> {
        self.intents.own_options(channel)
    }

    fn awaits(&self, request: &PendingAuth) -> bool {
        self.query(|session| session.awaits(request))
    }

    fn answered(&self, answer: AuthAnswer) {
        self.turn_and_command(|driver, now| driver.handle(Input::Answered(answer), now));
    }
}

impl Core {
    /// Returns an error if a waiting call would wait for its own thread.
    pub fn deny_reentrant(&self, call: &'static str) -> Result<(), Error> {
        if reentrancy::is_needed_by(self.identity()) { Err(Error::WouldDeadlock { call }) } else { Ok(()) }
    }

    /// Whether this is called inside a handler of this client.
    pub fn runs_handlers_here(&self) -> bool {
        reentrancy::runs_handlers_of(self.identity())
    }

    /// Marks this thread as one that the client needs.
    pub fn mark_thread(&self) -> ReentrancyGuard {
        ReentrancyGuard::mark(self.identity())
    }

    pub fn identity(&self) -> usize {
        self.fan_out.identity()
    }
}

impl Core {
    /// The event with its data as text, or the report that the decoder failed. `None` if the data is text already. The
    /// channel decides which decoder is used; without a decoder, the data must be UTF-8.
    pub fn decoded(&self, event: &Event) -> Option<Event> {
        let bytes = event.encoded()?;
        if !self.process.is_current() {
            // A handler of an earlier event has forked, and in the child nothing is locked (H7).
            return Some(event.decoded(Err("this process is a fork of the client's".to_owned())));
        }
        let options = event.channel().and_then(|channel| self.intents.own_options(channel));
        let own = options.as_ref().and_then(|options| options.as_options()?.decoder.as_ref());
        let decoded = match own.or(self.options().decoder.as_ref()) {
            Some(decoder) => user_code::catch(|| decoder.decode(bytes).map(data_of))
                .unwrap_or_else(|_| Err("the decoder panicked".to_owned())),
            None => String::from_utf8(bytes.to_vec()).map(data_of).map_err(|_| "it is not UTF-8".to_owned()),
        };
        Some(event.decoded(decoded))
    }
}
