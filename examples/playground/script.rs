//! What happens on the server: it publishes, and cuts all connections a second after somebody has said hello.

use std::{thread, time::Duration};

use pusher_channels::testing::TestServer;
use serde_json::json;

use crate::ann::Ann;

/// The channels on which something is published.
pub(crate) const CHANNELS: [&str; 3] = ["news", "private-orders", KITCHEN];
pub(crate) const KITCHEN: &str = "presence-kitchen";

const EVENT: &str = "published";
const INTERVAL: Duration = Duration::from_millis(50);

/// A second: enough for the answer to the hello, also where the program runs under valgrind.
const EVENTS_BEFORE_THE_CUT: u32 = 20;

/// The life of a server. A program that says hello again after it has come back is cut again.
pub(crate) struct Life<'a> {
    server: &'a TestServer,
    ann: &'a Ann,
    published: u64,
    act: Act,
}

#[derive(Clone, Copy)]
enum Act {
    /// Nobody has said hello.
    Waiting,
    /// Somebody has, but not all channels are subscribed.
    Greeted,
    /// They are. So many events later the connections are cut.
    Listening { events: u32 },
}

impl<'a> Life<'a> {
    pub(crate) fn new(server: &'a TestServer, ann: &'a Ann) -> Self {
        Self { server, ann, published: 0, act: Act::Waiting }
    }

    /// Lets pass the time from one event to the next.
    pub(crate) fn go_on(&mut self) {
        self.publish();
        let is_greeted = self.ann.welcome();
        self.act = match self.act {
            Act::Waiting if is_greeted => Act::Greeted,
            Act::Greeted if self.is_subscribed() => Act::Listening { events: EVENTS_BEFORE_THE_CUT },
            Act::Listening { events: 0 } => {
                self.server.drop_all();
                Act::Waiting
            }
            Act::Listening { events } => Act::Listening { events: events - 1 },
            act @ (Act::Waiting | Act::Greeted) => act,
        };
        thread::sleep(INTERVAL);
    }

    fn publish(&mut self) {
        self.published += 1;
        for channel in CHANNELS {
            self.server.trigger(channel, EVENT, &json!({ "number": self.published }));
        }
    }

    /// Whether somebody beside Ann is subscribed to each channel.
    fn is_subscribed(&self) -> bool {
        CHANNELS.iter().all(|&channel| self.server.subscribers(channel) > usize::from(channel == KITCHEN))
    }
}
