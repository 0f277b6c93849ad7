//! The embedded server, for those who have no other at hand, and its outages.

use std::{
    io,
    time::{Duration, Instant},
};

use pusher_channels::{Config, Reconnect, testing::TestServer};

use super::profile::Profile;

/// The longest wait before an attempt to reconnect. The default of 30 s spares a server with thousands of clients; here
/// there are a few, and somebody looks on.
const MAX_DELAY: Duration = Duration::from_millis(300);

/// A server inside this process.
pub(crate) struct Arena {
    server: TestServer,
    /// While its port is closed.
    closed_until: Option<Instant>,
}

impl Arena {
    pub(crate) fn start() -> io::Result<Self> {
        Ok(Self { server: TestServer::start()?, closed_until: None })
    }

    /// For a client of this server, which signs by itself who it is.
    pub(crate) fn config(&self, id: &str, profile: &Profile) -> Config {
        let reconnect = Reconnect::default().max_delay(MAX_DELAY);
        self.server.config().secret(self.server.secret()).user_data(profile.user_data(id)).reconnect(reconnect)
    }

    /// Cuts all connections, and lets nobody in for a while.
    pub(crate) fn cut(&mut self, outage: Duration, now: Instant) {
        self.server.stop_listening();
        self.server.drop_all();
        self.closed_until = Some(now + outage);
    }

    /// Each frame: ends an outage whose time is over.
    ///
    /// # Errors
    ///
    /// When another program has taken the port meanwhile.
    pub(crate) fn update(&mut self, now: Instant) -> io::Result<()> {
        if self.closed_until.is_some_and(|until| until <= now) {
            self.server.resume_listening()?;
            self.closed_until = None;
        }
        Ok(())
    }
}
