//! The consumers of a frame's events behind one trait: a bare channel, a receiver of this crate, and its closures.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crossbeam_channel::{Receiver, Sender, bounded};
use pusher_channels::{Channel, Config, Event, Notification, Overflow, Pusher, ReceiverOptions, Reconnect};

use super::{
    bare,
    feed::{DATA_LEN, EVENTS, Feed, PATIENCE, Pace, Waiting, event_name, is_intact, wait_for},
    source::{CHANNEL, EVENT, Result},
};

/// The number of event names in the case that wants only the newest event of each name.
pub(crate) const NAMES: usize = 17;

pub(crate) trait Consumer {
    /// Makes the events of a frame arrive, and returns when all of them are queued.
    fn fill(&mut self, pace: Pace) -> Result<()>;

    /// Takes everything that is queued. Returns the number of events that arrived unchanged.
    fn consume(&mut self) -> usize;
}

/// The least that a client with a thread of its own has to do: send owned events through a channel.
pub(crate) struct Bare {
    go: Sender<()>,
    events: Receiver<Owned>,
}

/// The parts of an event of this crate.
struct Owned {
    channel: String,
    name: String,
    data: String,
}

impl Bare {
    pub(crate) fn start() -> Self {
        // The capacity of the queues of this crate.
        let (sender, events) = bounded(16_384);
        let (go, started) = bounded(0);
        thread::spawn(move || {
            let (name, data) = (event_name(0), "x".repeat(DATA_LEN - 1) + "}");
            while let Ok(()) = started.recv() {
                for _ in 0..EVENTS {
                    let event = Owned { channel: CHANNEL.to_owned(), name: name.clone(), data: data.clone() };
                    let _ = sender.send(event);
                }
            }
        });
        Self { go, events }
    }
}

impl Consumer for Bare {
    fn fill(&mut self, _: Pace) -> Result<()> {
        self.go.send(())?;
        wait_for(|| self.events.len() == EVENTS)
    }

    fn consume(&mut self) -> usize {
        let is_whole = |event: &Owned| is_whole(Some(&event.channel), &event.name, &event.data);
        self.events.try_iter().filter(is_whole).count()
    }
}

/// This crate, polled.
pub(crate) struct Polled {
    receiver: pusher_channels::Receiver,
    /// The count before this frame.
    superseded: u64,
    feed: Feed,
    _pusher: Pusher,
}

impl Polled {
    /// A consumer that gets every event.
    pub(crate) fn all() -> Result<Self> {
        Self::connect(1, Overflow::DropOldest)
    }

    /// A consumer that gets the newest event of each name.
    pub(crate) fn latest() -> Result<Self> {
        Self::connect(NAMES, Overflow::KeepLatest)
    }

    fn connect(names: usize, overflow: Overflow) -> Result<Self> {
        let (pusher, channel, feed) = connect(|config| config, names)?;
        channel.wait_subscribed(PATIENCE)?;
        // After the confirmation, only events come.
        let receiver = channel.receiver_with(ReceiverOptions::new().overflow(overflow));
        Ok(Self { receiver, superseded: 0, feed, _pusher: pusher })
    }
}

/// As [`Polled`], with one call for each event.
pub(crate) struct OneByOne(Polled);

impl OneByOne {
    pub(crate) fn all() -> Result<Self> {
        Polled::all().map(Self)
    }
}

impl Consumer for OneByOne {
    fn fill(&mut self, pace: Pace) -> Result<()> {
        self.0.fill(pace)
    }

    fn consume(&mut self) -> usize {
        std::iter::from_fn(|| self.0.receiver.try_recv().ok()).filter(is_whole_notification).count()
    }
}

impl Consumer for Polled {
    fn fill(&mut self, pace: Pace) -> Result<()> {
        let Self { receiver, superseded, feed, .. } = self;
        let before = *superseded;
        let newly_superseded = || usize::try_from(receiver.superseded() - before).unwrap_or(usize::MAX);
        feed.send(pace, || receiver.len() + newly_superseded())?;
        *superseded = receiver.superseded();
        Ok(())
    }

    fn consume(&mut self) -> usize {
        self.receiver.try_iter().filter(is_whole_notification).count()
    }
}

/// This crate, with closures that `dispatch` runs.
pub(crate) struct Dispatched {
    intact: Arc<AtomicUsize>,
    feed: Feed,
    pusher: Pusher,
}

impl Dispatched {
    /// Binds closures on the channel, each for another event name. One of them is for the event that arrives.
    pub(crate) fn connect(bindings: usize) -> Result<Self> {
        let (pusher, channel, feed) = connect(Config::manual_dispatch, 1)?;
        let intact = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&intact);
        channel.bind(&event_name(0), move |event| {
            counter.fetch_add(usize::from(is_whole_event(event)), Ordering::Relaxed);
        });
        for other in 1..bindings {
            channel.bind(&event_name(other), |event| _ = black_box(event));
        }
        let (confirmed, subscribed) = bounded(1);
        channel.on_subscription_succeeded(move |_| _ = confirmed.try_send(()));
        // The confirmation is the last notification before the events.
        wait_for(|| {
            pusher.dispatch();
            subscribed.try_recv().is_ok()
        })?;
        Ok(Self { intact, feed, pusher })
    }
}

impl Consumer for Dispatched {
    fn fill(&mut self, pace: Pace) -> Result<()> {
        let Self { feed, pusher, .. } = self;
        feed.send(pace, || pusher.stats().queue_depth)
    }

    fn consume(&mut self) -> usize {
        self.pusher.dispatch();
        self.intact.swap(0, Ordering::Relaxed)
    }
}

/// A subscribed client and its server, whose events have `names` different names in turn.
fn connect(options: impl FnOnce(Config) -> Config, names: usize) -> Result<(Pusher, Channel, Feed)> {
    let server = Waiting::start()?;
    let config = options(Config::url(bare::url(server.port())).reconnect(Reconnect::never()));
    let pusher = Pusher::new(config).connect()?;
    let channel = pusher.subscribe(CHANNEL)?;
    Ok((pusher, channel, server.feed(names)?))
}

fn is_whole_notification(notification: &Notification) -> bool {
    matches!(notification, Notification::Event(event) if is_whole_event(event))
}

fn is_whole_event(event: &Event) -> bool {
    is_whole(event.channel(), event.name(), event.data())
}

/// Checks the channel, the name and the data of an event.
fn is_whole(channel: Option<&str>, name: &str, data: &str) -> bool {
    channel == Some(CHANNEL) && name.starts_with(EVENT) && is_intact(data)
}
