//! Intents for a channel, for the connection and for the user.

use std::{fmt, sync::Arc};

use super::Name;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The intent of the program to have one channel, the connection, or the user.
///
/// Every event carries the *epoch* of its intent, and is delivered only while the intent still has that epoch. So no
/// event of a channel is delivered after `unsubscribe` returns (S3), however many are queued, and no code has to search
/// the queues.
pub(crate) struct Intent {
    id: u64,
    name: Name,
    /// The name with a NUL at its end, for C.
    #[cfg(feature = "capi")]
    terminated_name: Box<str>,
    /// Odd while the intent is active. Each change adds one.
    epoch: AtomicU64,
}

/// Numbers the changes of one intent. It is odd while the intent is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

/// An intent with its epoch at one time. Events carry it, and are delivered only while it is current.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub intent: Arc<Intent>,
    pub epoch: Epoch,
}

impl Intent {
    /// The ids of the intents for the connection and for the signed-in user. Channels have ids from 2.
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

    /// Makes the intent active. Returns true if it was not. The caller serialises `activate` and `withdraw`.
    pub fn activate(&self) -> bool {
        self.toggle_unless(Epoch::is_active)
    }

    /// Ends the intent. Returns true if it was active. The caller serialises `activate` and `withdraw`.
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

    /// The intent with its current epoch.
    pub fn stamp(self: &Arc<Self>) -> Stamp {
        Stamp { intent: Arc::clone(self), epoch: self.epoch() }
    }
}

impl Epoch {
    /// Whether the intent was active in this epoch. The intent itself may have another epoch by now.
    pub fn is_active(self) -> bool {
        self.0 % 2 == 1
    }
}

impl Stamp {
    /// Whether the intent still has this epoch.
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
    fn only_a_change_of_the_intent_changes_the_epoch() {
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
