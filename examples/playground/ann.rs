//! Another member of the presence channel, who answers.

use std::{
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use pusher_channels::{Channel, Error, Event, Pusher, testing::TestServer};
use serde_json::json;

use crate::{life::KITCHEN, say};

/// What programs say on the presence channel, and what they are answered.
pub(crate) const HELLO: &str = "client-hello";
const WELCOME: &str = "client-welcome";

/// Longer than entering takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of the server's, until it is dropped.
pub(crate) struct Ann {
    kitchen: Channel,
    hellos: Receiver<Event>,
}

impl Ann {
    /// She is there when this returns.
    pub(crate) fn enter(server: &TestServer) -> Result<Self, Error> {
        let config = server.config().auth_endpoint(server.auth_endpoint()).auth_param("user_id", "ann");
        let kitchen = Pusher::new(config).connect()?.channel(KITCHEN)?;
        let (hello, hellos) = mpsc::channel();
        kitchen.bind_sender(HELLO, hello);
        kitchen.subscribe().wait_subscribed(PATIENCE)?;
        Ok(Self { kitchen, hellos })
    }

    /// Answers whoever has said hello since the last call, and tells whether anybody has.
    pub(crate) fn welcome(&self) -> bool {
        let mut is_greeted = false;
        for hello in self.hellos.try_iter() {
            is_greeted = true;
            if let Err(error) = self.kitchen.trigger(WELCOME, &json!({ "to": hello.user_id() })) {
                say(&format!("Ann cannot answer: {error}"));
            }
        }
        is_greeted
    }
}
