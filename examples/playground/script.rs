//! The script of the server: it publishes events, and cuts all connections a second after a program has said hello.

use std::{thread, time::Duration};

use pusher_channels::testing::TestServer;
use serde_json::json;

use crate::ann::Ann;

/// The channels on which events are published.
pub(crate) const CHANNELS: [&str; 3] = ["news", "private-orders", KITCHEN];
pub(crate) const KITCHEN: &str = "presence-kitchen";

const EVENT: &str = "published";
const INTERVAL: Duration = Duration::from_millis(50);

/// The number of events before the cut. They take a second, which is enough for the answer to the hello, even under
/// valgrind.
const EVENTS_BEFORE_THE_CUT: u32 = 20;

/// The script of a server. It begins again after the cut, so that another hello causes another cut.
pub(crate) struct Script<'a> {
    server: &'a TestServer,
    ann: &'a Ann,
    published: u64,
    stage: Stage,
}

#[derive(Clone, Copy)]
enum Stage {
    /// No program has said hello.
    Waiting,
    /// A program has said hello, but not all channels are subscribed.
    Greeted,
    /// All channels are subscribed. The connections are cut after this number of events.
    Listening { events: u32 },
}

impl<'a> Script<'a> {
    pub(crate) fn new(server: &'a TestServer, ann: &'a Ann) -> Self {
        Self { server, ann, published: 0, stage: Stage::Waiting }
    }

    /// Does one step, which takes the time between two events.
    pub(crate) fn step(&mut self) {
        self.publish();
        let is_greeted = self.ann.welcome();
        self.stage = match self.stage {
            Stage::Waiting if is_greeted => Stage::Greeted,
            Stage::Greeted if self.is_subscribed() => Stage::Listening { events: EVENTS_BEFORE_THE_CUT },
            Stage::Listening { events: 0 } => {
                self.server.drop_all();
                Stage::Waiting
            }
            Stage::Listening { events } => Stage::Listening { events: events - 1 },
            stage @ (Stage::Waiting | Stage::Greeted) => stage,
        };
        thread::sleep(INTERVAL);
    }

    fn publish(&mut self) {
        self.published += 1;
        for channel in CHANNELS {
            self.server.trigger(channel, EVENT, &json!({ "number": self.published }));
        }
    }

    /// Whether each channel has a subscriber other than Ann.
    fn is_subscribed(&self) -> bool {
        CHANNELS.iter().all(|&channel| self.server.subscribers(channel) > usize::from(channel == KITCHEN))
    }
}
