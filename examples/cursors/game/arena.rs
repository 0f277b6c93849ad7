//! The embedded server, for players without a server of their own, and its outages.

use std::{
    io,
    time::{Duration, Instant},
};

use pusher_channels::{Config, Reconnect, testing::TestServer};

use super::profile::Profile;

/// The longest delay before an attempt to reconnect. The default of 30 s spares a server with thousands of clients.
/// This one has a few, and a player watches the screen.
const MAX_DELAY: Duration = Duration::from_millis(300);

/// A server inside this process.
pub(crate) struct Arena {
    server: TestServer,
    /// The end of the outage while the port is closed.
    closed_until: Option<Instant>,
}

impl Arena {
    pub(crate) fn start() -> io::Result<Self> {
        Ok(Self { server: TestServer::start()?, closed_until: None })
    }

    /// The configuration of a client of this server, which signs its own permissions.
    pub(crate) fn config(&self, id: &str, profile: &Profile) -> Config {
        let reconnect = Reconnect::default().max_delay(MAX_DELAY);
        self.server.config().secret(self.server.secret()).user_data(profile.user_data(id)).reconnect(reconnect)
    }

    /// Cuts all connections, and accepts none for a while.
    pub(crate) fn cut(&mut self, outage: Duration, now: Instant) {
        self.server.stop_listening();
        self.server.drop_all();
        self.closed_until = Some(now + outage);
    }

    /// Called each frame: ends an outage whose time is over.
    ///
    /// # Errors
    ///
    /// If another program has taken the port meanwhile.
    pub(crate) fn update(&mut self, now: Instant) -> io::Result<()> {
        if self.closed_until.is_some_and(|until| until <= now) {
            self.server.resume_listening()?;
            self.closed_until = None;
        }
        Ok(())
    }
}
