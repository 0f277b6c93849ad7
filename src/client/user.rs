//! The signed-in user.

use std::{fmt, sync::Arc, time::Duration};

use super::handle::Owner;
use crate::Error;

/// The user whom [`Pusher::sign_in`](crate::Pusher::sign_in) signs in, and the events that servers send to that user,
/// wherever the user is connected. A cheap handle; like every handle it keeps the client alive.
///
/// ```
/// use std::time::Duration;
/// use pusher_channels::Pusher;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = pusher_channels::testing::TestServer::start()?;
/// # let config = server.config().user_auth_endpoint(server.user_auth_endpoint());
/// let pusher = Pusher::new(config).connect()?;
/// let user = pusher.user();
/// user.bind("invoice", |event| println!("{}", event.data()));
/// pusher.sign_in()?;
/// user.wait_signed_in(Duration::from_secs(10))?;
/// println!("signed in as {:?}", user.id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct User {
    pub(super) owner: Arc<Owner>,
}

impl User {
    pub(crate) fn new(owner: Arc<Owner>) -> Self {
        Self { owner }
    }

    /// The user's id; `None` while no user is signed in.
    pub fn id(&self) -> Option<String> {
        self.core().ok()?.fan_out.snapshot.user_id().map(|id| id.to_string())
    }

    /// Whether the server has confirmed the sign-in on the current connection.
    pub fn is_signed_in(&self) -> bool {
        self.core().is_ok_and(|core| core.fan_out.snapshot.user_id().is_some())
    }

    /// Waits until the server has confirmed the sign-in. Handlers and receivers that are made after it has returned get
    /// only newer notifications.
    ///
    /// # Errors
    ///
    /// The error that ended the sign-in, for example [`Error::AuthRefused`] or [`Error::SignInRefused`];
    /// [`Error::WaitTimeout`] when the time is over; [`Error::NotSignedIn`] if
    /// [`Pusher::sign_in`](crate::Pusher::sign_in) was not called; [`Error::Disconnected`], or the reason of a final
    /// refusal, when no connection is being made; [`Error::WouldDeadlock`] inside a handler.
    pub fn wait_signed_in(&self, time: Duration) -> Result<(), Error> {
        let core = self.core()?;
        core.deny_reentrant("wait_signed_in")?;
        core.fan_out.snapshot.wait_signed_in(time)
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id()).finish_non_exhaustive()
    }
}
