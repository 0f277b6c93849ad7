//! Handles that do not keep their client alive, for handlers that call the client.

use std::{fmt, sync::Arc, sync::Weak};

use super::pusher::Owner;
use crate::{Channel, Pusher, event::Intent};

/// A [`Pusher`] that does not keep its client alive. A handler that holds a [`Pusher`] of its own client keeps the client
/// alive until it is unbound; a handler that holds this does not.
#[derive(Clone)]
pub struct WeakPusher {
    owner: Weak<Owner>,
}

/// A [`Channel`] that does not keep its client alive. [`Channel::bind`] shows it in use.
#[derive(Clone)]
pub struct WeakChannel {
    owner: Weak<Owner>,
    intent: Arc<Intent>,
}

impl WeakPusher {
    pub(crate) fn new(owner: &Arc<Owner>) -> Self {
        Self { owner: Arc::downgrade(owner) }
    }

    /// The client. `None` after the last handle that keeps it alive was dropped.
    pub fn upgrade(&self) -> Option<Pusher> {
        self.owner.upgrade().map(Pusher::of)
    }
}

impl WeakChannel {
    pub(crate) fn new(owner: &Arc<Owner>, intent: &Arc<Intent>) -> Self {
        Self { owner: Arc::downgrade(owner), intent: Arc::clone(intent) }
    }

    /// The channel. `None` after the last handle that keeps the client alive was dropped.
    pub fn upgrade(&self) -> Option<Channel> {
        Some(Channel::new(self.owner.upgrade()?, Arc::clone(&self.intent)))
    }
}

impl fmt::Debug for WeakPusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WeakPusher")
    }
}

impl fmt::Debug for WeakChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WeakChannel").field(&self.intent.name()).finish()
    }
}
