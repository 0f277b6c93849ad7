//! Those who look at a frame's events, behind one trait: a bare channel, a receiver of this crate, and its closures.

use std::{
    hint::black_box,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded};
use pusher_channels::{
    Channel, Config, Event, Notification, Overflow, Pusher, ReceiverOptions, Reconnect, SubscriptionSucceeded,
};

use super::{
    bare,
    source::{CHANNEL, EVENT, Result, Subscriber, frames_of},
};

/// 10,000 events a second, at 60 frames a second.
pub(crate) const EVENTS: usize = 170;

const DATA_LEN: usize = 100;

/// How many things move, where only the newest event of each is wanted.
pub(crate) const NAMES: usize = 17;

/// No frame's events take so long to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) trait Consumer {
    /// Lets a frame's events come, and returns when all of them wait.
    fn fill(&mut self, pace: Pace) -> Result<()>;

    /// Looks at everything that waits. Returns how much of it was as it had been sent.
    fn consume(&mut self) -> usize;
}

/// How a frame's events come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// In one write, after which a client has them in a few reads.
    Together,
    /// Each after the one before has arrived, so that a client has to read each by itself.
    OneByOne,
}

/// What any client pays at least that has a thread of its own: owned events through a channel.
pub(crate) struct Bare {
    go: Sender<()>,
    events: Receiver<Owned>,
}

/// As much as this crate tells of an event.
struct Owned {
    _channel: String,
    _name: String,
    data: String,
}

impl Bare {
    pub(crate) fn start() -> Self {
        // As large as the queues of this crate.
        let (sender, events) = bounded(16_384);
        let (go, told) = bounded(0);
        thread::spawn(move || {
            let (name, data) = (event_name(0), "x".repeat(DATA_LEN - 1) + "}");
            while let Ok(()) = told.recv() {
                for _ in 0..EVENTS {
                    let event = Owned { _channel: CHANNEL.to_owned(), _name: name.clone(), data: data.clone() };
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
        self.events.try_iter().filter(|event| is_intact(&event.data)).count()
    }
}

/// This crate, polled.
pub(crate) struct Polled {
    receiver: pusher_channels::Receiver,
    /// Before this frame.
    superseded: u64,
    feed: Feed,
    _pusher: Pusher,
}

impl Polled {
    /// Gets every event.
    pub(crate) fn all() -> Result<Self> {
        Self::connect(1, Overflow::DropOldest)
    }

    /// Gets the newest event of each name.
    pub(crate) fn latest() -> Result<Self> {
        Self::connect(NAMES, Overflow::KeepLatest)
    }

    fn connect(names: usize, overflow: Overflow) -> Result<Self> {
        let (pusher, channel, feed) = connect(|config| config, names)?;
        channel.wait_subscribed(PATIENCE)?;
        // From here on, nothing but events comes.
        let receiver = channel.receiver_with(ReceiverOptions::new().overflow(overflow));
        Ok(Self { receiver, superseded: 0, feed, _pusher: pusher })
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
        let intact = |notification: &Notification| match notification {
            Notification::Event(event) => is_intact(event.data()),
            _ => false,
        };
        self.receiver.try_iter().filter(intact).count()
    }
}

/// This crate, with closures that `dispatch` runs.
pub(crate) struct Dispatched {
    intact: Arc<AtomicUsize>,
    feed: Feed,
    pusher: Pusher,
}

impl Dispatched {
    /// With so many closures on the channel, each for an event of another name. One of them is for the event that comes.
    pub(crate) fn connect(bindings: usize) -> Result<Self> {
        let (pusher, channel, feed) = connect(Config::manual_dispatch, 1)?;
        let intact = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&intact);
        channel.bind(&event_name(0), move |event: &Event| {
            counter.fetch_add(usize::from(is_intact(event.data())), Ordering::Relaxed);
        });
        for other in 1..bindings {
            channel.bind(&event_name(other), |event: &Event| _ = black_box(event));
        }
        let (told, subscribed) = bounded(1);
        channel.on_subscription_succeeded(move |_: &SubscriptionSucceeded| _ = told.try_send(()));
        // The confirmation is the last that comes before the events.
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

/// The server of one client, with the frames that it sends again and again.
struct Feed {
    subscriber: Subscriber,
    frames: Vec<u8>,
}

impl Feed {
    fn send(&mut self, pace: Pace, waiting: impl Fn() -> usize) -> Result<()> {
        match pace {
            Pace::Together => {
                self.subscriber.write(&self.frames)?;
                wait_for(|| waiting() == EVENTS)
            }
            Pace::OneByOne => {
                let frames = self.frames.chunks(self.frames.len() / EVENTS);
                for (sent, frame) in (1..).zip(frames) {
                    self.subscriber.write(frame)?;
                    wait_for(|| waiting() == sent)?;
                }
                Ok(())
            }
        }
    }
}

/// A client that has subscribed, and its server, whose events have so many names in turn.
fn connect(options: impl FnOnce(Config) -> Config, names: usize) -> Result<(Pusher, Channel, Feed)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let accepting: JoinHandle<Result<Subscriber>> = thread::spawn(move || Subscriber::accept(&listener));
    let config = options(Config::url(bare::url(port)).reconnect(Reconnect::never()));
    let pusher = Pusher::new(config).connect()?;
    let channel = pusher.subscribe(CHANNEL)?;
    let subscriber = accepting.join().map_err(|_| "the source has panicked")??;
    let names: Vec<String> = (0..names).map(event_name).collect();
    let frames = frames_of(names.iter().map(String::as_str).cycle().take(EVENTS), DATA_LEN);
    Ok((pusher, channel, Feed { subscriber, frames }))
}

/// The names of one frame's events are of the same length.
fn event_name(number: usize) -> String {
    format!("{EVENT}{number:02}")
}

/// Looks at its end too, so that what produces the data cannot be left out.
fn is_intact(data: &str) -> bool {
    data.len() == DATA_LEN && data.ends_with('}')
}

fn wait_for(condition: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        if Instant::now() > deadline {
            return Err("the events of a frame have not arrived".into());
        }
        thread::yield_now();
    }
    Ok(())
}
