//! The client that suffers a fault, and what it has told since.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use pusher_channels::{Config, ConnectionState, ConnectionStateChange, Pusher, Reconnect, testing::TestServer};

use crate::support::PATIENCE;

/// One of each kind that needs something else of the client: nothing, a signature, a signature with a user.
pub(crate) const CHANNELS: [&str; 3] = ["room", "private-room", "presence-room"];

/// So small that many cases fit into a minute, and so large that a busy machine is not taken for a dead peer.
pub(crate) const ACTIVITY: Duration = Duration::from_millis(300);
pub(crate) const PONG: Duration = Duration::from_millis(300);
pub(crate) const CONNECT: Duration = Duration::from_millis(1000);

/// What R6 allows for noticing silence beyond the two timeouts; also taken for the deadline of C3.
pub(crate) const NOTICE: Duration = Duration::from_millis(250);

/// What the issue allows for coming back beyond the back-off.
pub(crate) const RECOVERY: Duration = Duration::from_secs(1);

/// A client with all [`CHANNELS`] wanted.
pub(crate) struct Subject {
    pub(crate) pusher: Pusher,
    told: Arc<Told>,
}

#[derive(Default)]
struct Told {
    history: Mutex<History>,
    changed: Condvar,
}

/// What handlers were told, and when.
#[derive(Default, Clone)]
pub(crate) struct History {
    changes: Vec<(Instant, ConnectionStateChange)>,
    /// What the present connection has confirmed.
    confirmed: Vec<String>,
    /// When each connection had confirmed every channel.
    recovered: Vec<Instant>,
    events: BTreeMap<(String, String), usize>,
}

/// How a connection was lost, or an attempt failed.
pub(crate) struct Loss {
    pub(crate) at: Instant,
    /// Whether the client gave up by itself, because a time was over.
    pub(crate) timed_out: bool,
    pub(crate) was_connected: bool,
    /// When the attempt began that failed.
    pub(crate) attempt_began: Option<Instant>,
}

/// For the app of a server of which nothing else was said, with the timeouts above and delays that do not hold tests up.
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

impl Subject {
    pub(crate) fn new(config: Config) -> Self {
        let pusher = Pusher::new(config);
        let told = Arc::new(Told::default());
        let hear = |told: &Arc<Told>| Arc::clone(told);
        let state = hear(&told);
        pusher.on_connection_state_change(move |change| state.note(|history| history.change(change)));
        let succeeded = hear(&told);
        pusher.on_subscription_succeeded(move |s| succeeded.note(|history| history.confirm(&s.channel)));
        let events = hear(&told);
        pusher.on_event(move |event| {
            let key = (event.channel().unwrap_or_default().to_owned(), event.name().to_owned());
            events.note(|history| *history.events.entry(key).or_default() += 1);
        });
        for channel in CHANNELS {
            pusher.subscribe(channel).expect("a valid name");
        }
        Self { pusher, told }
    }

    /// Waits until the history satisfies this, and returns it as it is then; also when it does not in time.
    pub(crate) fn wait(&self, enough: impl Fn(&History) -> bool) -> History {
        let deadline = Instant::now() + PATIENCE;
        let mut history = self.told.history.lock();
        while !enough(&history) && !self.told.changed.wait_until(&mut history, deadline).timed_out() {}
        history.clone()
    }

    pub(crate) fn wait_subscribed(&self) {
        let history = self.wait(History::is_recovered);
        assert!(history.is_recovered(), "{history}");
    }

    /// Publishes an event to each channel, and says whether each arrived exactly once. Nothing can follow late, because
    /// a last event has come behind them on the only connection.
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

impl Told {
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

    /// Whether the present connection has confirmed every channel, and none of them twice.
    pub(crate) fn is_recovered(&self) -> bool {
        let connected = self.changes.last().is_some_and(|(_, change)| change.current == ConnectionState::Connected);
        connected && CHANNELS.iter().all(|channel| self.confirmed.iter().filter(|name| name == channel).count() == 1)
    }

    /// Whether the present connection has confirmed this channel, however often it was asked to.
    pub(crate) fn has_confirmed(&self, channel: &str) -> bool {
        self.confirmed.iter().any(|name| name == channel)
    }

    /// When the present connection had confirmed everything, if that was after this.
    pub(crate) fn recovered_after(&self, since: Instant) -> Option<Instant> {
        self.recovered.last().copied().filter(|at| self.is_recovered() && *at >= since)
    }

    /// Everything that was lost since, in order.
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

    /// For how long between these the client was waiting because its back-off said so.
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
        let Some((begin, _)) = self.changes.first() else { return f.write_str("nothing was told") };
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
