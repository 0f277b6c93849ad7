//! The client under test in the suites of faults, with a history of its notifications.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use pusher_channels::{Config, ConnectionState, ConnectionStateChange, Pusher, Reconnect, testing::TestServer};

use crate::support::PATIENCE;

/// One channel of each kind that needs a different permission: none, a signature, a signature with a user.
pub(crate) const CHANNELS: [&str; 3] = ["room", "private-room", "presence-room"];

/// Small, so that many cases fit into a minute, and large enough that a busy machine does not look like a dead peer.
pub(crate) const ACTIVITY: Duration = Duration::from_millis(300);
pub(crate) const PONG: Duration = Duration::from_millis(300);
pub(crate) const CONNECT: Duration = Duration::from_millis(1000);

/// The delay that R6 allows for noticing silence, in addition to the two timeouts; also used for the deadline of C3.
pub(crate) const NOTICE: Duration = Duration::from_millis(250);

/// The allowed time for reconnecting, in addition to the back-off.
pub(crate) const RECOVERY: Duration = Duration::from_secs(1);

/// A client that subscribes to all [`CHANNELS`].
pub(crate) struct TestClient {
    pub(crate) pusher: Pusher,
    observed: Arc<Observed>,
}

#[derive(Default)]
struct Observed {
    history: Mutex<History>,
    changed: Condvar,
}

/// The calls of the handlers, and their times.
#[derive(Default, Clone)]
pub(crate) struct History {
    changes: Vec<(Instant, ConnectionStateChange)>,
    /// The channels that the present connection has confirmed.
    confirmed: Vec<String>,
    /// The times at which a connection had confirmed every channel.
    recovered: Vec<Instant>,
    events: BTreeMap<(String, String), usize>,
}

/// A lost connection or a failed attempt.
pub(crate) struct Loss {
    pub(crate) at: Instant,
    /// Whether the client gave up itself, because a time limit had passed.
    pub(crate) timed_out: bool,
    pub(crate) was_connected: bool,
    /// The time at which the failed attempt began.
    pub(crate) attempt_began: Option<Instant>,
}

/// For the default app of a test server, with the timeouts above and short delays.
pub(crate) fn config(host: &str, port: u16) -> Config {
    Config::host("app-key", host)
        .port(port)
        .tls(false)
        .secret("app-secret")
        .user_data(serde_json::json!({"id": "ann"}))
        .activity_timeout(ACTIVITY)
        .pong_timeout(PONG)
        .connect_timeout(CONNECT)
        .client_event_limit(None)
        .reconnect(Reconnect::default().max_delay(Duration::from_millis(50)))
}

impl TestClient {
    pub(crate) fn new(config: Config) -> Self {
        let pusher = Pusher::new(config);
        let observed = Arc::new(Observed::default());
        let share = |observed: &Arc<Observed>| Arc::clone(observed);
        let state = share(&observed);
        pusher.on_connection_state_change(move |change| state.note(|history| history.change(change)));
        let succeeded = share(&observed);
        pusher.on_subscription_succeeded(move |s| succeeded.note(|history| history.confirm(&s.channel)));
        let events = share(&observed);
        pusher.on_event(move |event| {
            let key = (event.channel().unwrap_or_default().to_owned(), event.name().to_owned());
            events.note(|history| *history.events.entry(key).or_default() += 1);
        });
        for channel in CHANNELS {
            pusher.subscribe(channel).expect("a valid name");
        }
        Self { pusher, observed }
    }

    /// Waits until the history satisfies `enough` or the time is over, and returns the history at that moment.
    pub(crate) fn wait(&self, enough: impl Fn(&History) -> bool) -> History {
        let deadline = Instant::now() + PATIENCE;
        let mut history = self.observed.history.lock();
        while !enough(&history) && !self.observed.changed.wait_until(&mut history, deadline).timed_out() {}
        history.clone()
    }

    pub(crate) fn wait_subscribed(&self) {
        let history = self.wait(History::is_recovered);
        assert!(history.is_recovered(), "{history}");
    }

    /// Publishes an event to each channel, and returns an error unless each arrived exactly once. No event can follow
    /// late,
    /// because the last event came after them on the only connection.
    pub(crate) fn each_event_arrives_once(&self, server: &TestServer) -> Result<(), String> {
        for name in ["after", "last"] {
            for channel in CHANNELS {
                server.trigger(channel, name, "");
            }
        }
        let history = self.wait(|history| CHANNELS.iter().all(|channel| history.arrivals(channel, "last") > 0));
        for channel in CHANNELS {
            let arrivals = ["after", "last"].map(|name| history.arrivals(channel, name));
            if arrivals != [1, 1] {
                return Err(format!("events of {channel} arrived {arrivals:?} times"));
            }
        }
        Ok(())
    }
}

impl Observed {
    fn note(&self, note: impl FnOnce(&mut History)) {
        note(&mut self.history.lock());
        self.changed.notify_all();
    }
}

impl History {
    fn change(&mut self, change: &ConnectionStateChange) {
        self.confirmed.clear();
        self.changes.push((Instant::now(), change.clone()));
    }

    fn confirm(&mut self, channel: &str) {
        self.confirmed.push(channel.to_owned());
        if self.confirmed.len() == CHANNELS.len() {
            self.recovered.push(Instant::now());
        }
    }

    /// Whether the present connection has confirmed every channel exactly once.
    pub(crate) fn is_recovered(&self) -> bool {
        let connected = self.changes.last().is_some_and(|(_, change)| change.current == ConnectionState::Connected);
        connected && CHANNELS.iter().all(|channel| self.confirmed.iter().filter(|name| name == channel).count() == 1)
    }

    /// Whether the present connection has confirmed this channel, at least once.
    pub(crate) fn has_confirmed(&self, channel: &str) -> bool {
        self.confirmed.iter().any(|name| name == channel)
    }

    /// The time at which the present connection had confirmed everything, if that was after `since`.
    pub(crate) fn recovered_after(&self, since: Instant) -> Option<Instant> {
        self.recovered.last().copied().filter(|at| self.is_recovered() && *at >= since)
    }

    /// All losses after `since`, in order.
    pub(crate) fn losses_since(&self, since: Instant) -> Vec<Loss> {
        use ConnectionState::{Connected, Connecting, Reconnecting, Unavailable};
        let mut attempt_began = None;
        let mut losses = Vec::new();
        for (at, change) in &self.changes {
            let at = *at;
            match (change.previous, change.current) {
                (_, Connecting) => attempt_began = Some(at),
                (previous @ (Connected | Connecting), Reconnecting | Unavailable) if at >= since => {
                    let timed_out = change.cause.as_ref().is_some_and(|cause| cause.is_timeout());
                    losses.push(Loss { at, timed_out, was_connected: previous == Connected, attempt_began });
                }
                _ => {}
            }
        }
        losses
    }

    /// The part of this time in which the client waited because of its back-off.
    pub(crate) fn backed_off(&self, from: Instant, until: Instant) -> Duration {
        let waits = self.changes.iter().filter_map(|(at, change)| Some((*at, change.retry_in?)));
        waits.map(|(at, delay)| (at + delay).min(until).saturating_duration_since(at.max(from))).sum()
    }

    fn arrivals(&self, channel: &str, event: &str) -> usize {
        self.events.get(&(channel.to_owned(), event.to_owned())).copied().unwrap_or_default()
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((begin, _)) = self.changes.first() else { return f.write_str("no notifications") };
        for (at, change) in &self.changes {
            write!(f, "{:?} {}", *at - *begin, change.current)?;
            if let Some(cause) = &change.cause {
                write!(f, " ({cause})")?;
            }
            f.write_str(", ")?;
        }
        write!(f, "confirmed {:?}, events {:?}", self.confirmed, self.events)
    }
}
