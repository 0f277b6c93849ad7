//! The base of the handles: the owner that they share, the bindings of handlers, and weak handles.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use super::channel_warnings::ChannelWarnings;
use crate::{
    Config, Error,
    event::Intent,
    io::{
        Core, Scope,
        handlers::{Bound, Registration},
    },
};

/// Keeps the client alive. All handles of a client share one owner, and the client ends with the last of them.
pub(crate) struct Owner {
    core: Arc<Core>,
    warnings: ChannelWarnings,
}

impl Owner {
    pub fn new(config: Config) -> Arc<Self> {
        Arc::new(Self { core: Core::new(config), warnings: ChannelWarnings::default() })
    }

    /// The core of the client, by which a handle does everything. An error in a forked child (H7).
    pub fn core(&self) -> Result<&Arc<Core>, Error> {
        self.core.process.check()?;
        Ok(&self.core)
    }

    /// The warnings about names of channels. An error in a forked child (H7).
    pub fn warnings(&self) -> Result<&ChannelWarnings, Error> {
        self.core.process.check()?;
        Ok(&self.warnings)
    }

    pub fn config(&self) -> &Config {
        self.core.config()
    }
}

impl Drop for Owner {
    /// A forked child shuts nothing down: that would end the parent's connection.
    fn drop(&mut self) {
        if let Ok(core) = self.core() {
            core.shut_down();
        }
    }
}

/// A registered handler. [`unbind`](Self::unbind) removes it. Dropping the binding changes nothing: the handler stays.
pub struct Binding {
    bound: Bound,
    core: Weak<Core>,
}

impl Binding {
    /// Registers a handler. In a forked child the handler is dropped, and the binding is empty.
    pub(super) fn new(
        core: Result<&Arc<Core>, Error>,
        scope: Scope,
        channel: Option<Arc<Intent>>,
        registration: impl FnOnce(&Bound) -> Registration,
    ) -> Self {
        let bound = Bound::new();
        match core {
            Ok(core) => {
                core.bind(scope, channel, registration(&bound));
                Self { bound, core: Arc::downgrade(core) }
            }
            Err(_) => {
                bound.end();
                Self { bound, core: Weak::new() }
            }
        }
    }

    /// Unbinds the handler. After this returns, the handler does not start again. It does not wait for a running
    /// handler.
    pub fn unbind(self) {
        self.bound.end();
        if let Some(core) = self.core.upgrade().filter(|core| core.process.is_current()) {
            core.unbound();
        }
    }

    pub(super) fn unbind_from(self, core: &Arc<Core>) -> Result<(), Error> {
        if !std::ptr::eq(self.core.as_ptr(), Arc::as_ptr(core)) {
            return Err(Error::OtherClient);
        }
        self.unbind();
        Ok(())
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding").field("is_bound", &self.bound.holds()).finish_non_exhaustive()
    }
}

/// A [`Pusher`](crate::Pusher) that does not keep its client alive, for handlers. A handler that holds a
/// [`Pusher`](crate::Pusher) of its own client keeps the client alive until the handler is unbound.
#[derive(Clone)]
pub struct WeakPusher {
    pub(super) owner: Weak<Owner>,
}

/// A [`Channel`](crate::Channel) that does not keep its client alive. [`Channel::bind`](crate::Channel::bind) shows it in
/// use.
#[derive(Clone)]
pub struct WeakChannel {
    pub(super) owner: Weak<Owner>,
    pub(super) intent: Arc<Intent>,
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
