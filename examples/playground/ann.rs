//! A member of the presence channel who answers.

use std::{
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use pusher_channels::{Channel, Error, Event, Pusher, testing::TestServer};
use serde_json::json;

use crate::{say, script::KITCHEN};

/// The event that programs send to the presence channel, and the answer.
pub(crate) const HELLO: &str = "client-hello";
const WELCOME: &str = "client-welcome";

/// Longer than joining takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of the server, until it is dropped.
pub(crate) struct Ann {
    kitchen: Channel,
    hellos: Receiver<Event>,
}

impl Ann {
    /// Joins the channel, and returns when that is done.
    pub(crate) fn enter(server: &TestServer) -> Result<Self, Error> {
        let config = server.config().auth_endpoint(server.auth_endpoint()).auth_param("user_id", "ann");
        let kitchen = Pusher::new(config).connect()?.channel(KITCHEN)?;
        let (hello, hellos) = mpsc::channel();
        kitchen.bind_sender(HELLO, hello);
        kitchen.subscribe().wait_subscribed(PATIENCE)?;
        Ok(Self { kitchen, hellos })
    }

    /// Answers every hello since the last call. Returns whether there was one.
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
