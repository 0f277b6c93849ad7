//! Whether somebody still wants what is on its way.

use std::{fmt, sync::Arc};

use super::Name;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The user's intent in one channel, or in the connection as a whole.
///
/// Every event that is on its way carries the *epoch* of the wish that it answers, and is delivered only while that
/// epoch is the current one. So nothing of a channel is delivered after `unsubscribe` returns (S3), however much of it
/// waits in queues, and nobody has to search those queues.
pub(crate) struct Intent {
    id: u64,
    name: Name,
    /// With a NUL at its end, for C.
    #[cfg(feature = "capi")]
    terminated_name: Box<str>,
    /// Odd while wanted. Each change of mind adds one.
    epoch: AtomicU64,
}

/// Numbers the changes of one intent. It is odd while the intent is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

/// An intent as it was at one time: events carry it, and are delivered only while it is the current one.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub intent: Arc<Intent>,
    pub epoch: Epoch,
}

impl Intent {
    /// The number of the intent in the connection, and of that in the signed-in user. Channels count from 2.
    pub const CONNECTION: u64 = 0;
    pub const USER: u64 = 1;

    pub fn new(id: u64, name: &str) -> Arc<Self> {
        Arc::new(Self {
            id,
            name: Name::from(name),
            #[cfg(feature = "capi")]
            terminated_name: format!("{name}\0").into_boxed_str(),
            epoch: AtomicU64::new(0),
        })
    }

    /// Distinguishes this intent from every other one of the same client.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn name(&self) -> &Name {
        &self.name
    }

    #[cfg(feature = "capi")]
    pub fn terminated_name(&self) -> &str {
        &self.terminated_name
    }

    /// Makes the intent active; true when that is a change. The caller serialises `activate` and `withdraw`.
    pub fn activate(&self) -> bool {
        self.toggle_unless(Epoch::is_active)
    }

    /// Ends the intent; true when that is a change. The caller serialises `activate` and `withdraw`.
    pub fn withdraw(&self) -> bool {
        self.toggle_unless(|epoch| !epoch.is_active())
    }

    fn toggle_unless(&self, already: impl Fn(Epoch) -> bool) -> bool {
        let next = |epoch| (!already(Epoch(epoch))).then_some(epoch + 1);
        self.epoch.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next).is_ok()
    }

    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::SeqCst))
    }

    pub fn is_active(&self) -> bool {
        self.epoch().is_active()
    }

    /// The intent with its epoch of this moment.
    pub fn stamp(self: &Arc<Self>) -> Stamp {
        Stamp { intent: Arc::clone(self), epoch: self.epoch() }
    }
}

impl Epoch {
    /// Whether the intent was active in this epoch. A caller that goes on with the epoch asks this, because the intent
    /// may have another epoch by now.
    pub fn is_active(self) -> bool {
        self.0 % 2 == 1
    }
}

impl Stamp {
    /// Whether the intent has not changed since.
    pub fn is_current(&self) -> bool {
        self.intent.epoch() == self.epoch
    }
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Intent({} {}, epoch {})", self.id, &*self.name, self.epoch().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanting_twice_is_one_wish_and_wanting_again_is_a_new_one() {
        let intent = Intent::new(1, "room");
        assert!(intent.activate());
        let first = intent.epoch();
        assert!(!intent.activate());
        assert_eq!(intent.epoch(), first);
        assert!(intent.withdraw());
        assert!(!intent.is_active());
        assert!(!intent.withdraw());
        assert!(intent.activate());
        assert_ne!(intent.epoch(), first);
    }
}
