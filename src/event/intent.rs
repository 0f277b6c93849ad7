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
    id: IntentId,
    name: Name,
    /// The name with a NUL at its end, for C.
    #[cfg(feature = "capi")]
    terminated_name: Box<str>,
    /// Odd while the intent is active. Each change adds one.
    epoch: AtomicU64,
}

/// Distinguishes an intent from every other one of the same client. Ids of channels are in the order in which the
/// program named the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct IntentId(u64);

/// Numbers the changes of one intent. It is odd while the intent is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

/// An intent with its epoch at one time. Events carry it, and are delivered only while it is current.
///
/// Other threads change the intent, so the session must not read it. It reads the parts of a stamp that never change.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub(super) intent: Arc<Intent>,
    pub epoch: Epoch,
}

impl IntentId {
    pub const CONNECTION: Self = Self(0);
    /// The signed-in user.
    pub const USER: Self = Self(1);

    /// The id of the channel with this number. The numbers begin at 1.
    pub fn of_channel(number: u64) -> Self {
        Self(Self::USER.0 + number)
    }
}

impl Intent {
    /// An intent that is not active.
    pub fn new(id: IntentId, name: &str) -> Arc<Self> {
        Arc::new(Self::in_epoch(0, id, name))
    }

    fn in_epoch(epoch: u64, id: IntentId, name: &str) -> Self {
        Self {
            id,
            name: Name::from(name),
            #[cfg(feature = "capi")]
            terminated_name: format!("{name}\0").into_boxed_str(),
            epoch: AtomicU64::new(epoch),
        }
    }

    /// The intent for the channel with this number, which is not active.
    pub fn of_channel(number: u64, name: &str) -> Arc<Self> {
        Self::new(IntentId::of_channel(number), name)
    }

    pub fn id(&self) -> IntentId {
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
        self.toggle_unless(Epoch::was_active)
    }

    /// Ends the intent. Returns true if it was active. The caller serialises `activate` and `withdraw`.
    pub fn withdraw(&self) -> bool {
        self.toggle_unless(|epoch| !epoch.was_active())
    }

    fn toggle_unless(&self, already: impl Fn(Epoch) -> bool) -> bool {
        let next = |epoch| (!already(Epoch(epoch))).then_some(epoch + 1);
        self.epoch.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next).is_ok()
    }

    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::SeqCst))
    }

    pub fn is_active(&self) -> bool {
        self.epoch().was_active()
    }

    /// The intent with its current epoch.
    pub fn stamp(self: &Arc<Self>) -> Stamp {
        Stamp { intent: Arc::clone(self), epoch: self.epoch() }
    }
}

impl Epoch {
    /// Whether the intent was active in this epoch. The intent itself may have another epoch by now.
    pub fn was_active(self) -> bool {
        self.0 % 2 == 1
    }
}

impl Stamp {
    /// The stamp of an intent that is active from its birth. Nothing else refers to the intent, so it stays active.
    pub fn permanent(id: IntentId, name: &str) -> Self {
        const FIRST_ACTIVE: u64 = 1;
        Self { intent: Arc::new(Intent::in_epoch(FIRST_ACTIVE, id, name)), epoch: Epoch(FIRST_ACTIVE) }
    }

    pub fn id(&self) -> IntentId {
        self.intent.id
    }

    pub fn name(&self) -> &Name {
        &self.intent.name
    }

    /// Whether the intent still has this epoch.
    pub fn is_current(&self) -> bool {
        self.intent.epoch() == self.epoch
    }
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Intent({} {}, epoch {})", self.id.0, &*self.name, self.epoch().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_of_the_intent_changes_the_epoch() {
        let intent = Intent::of_channel(1, "room");
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
    #[test]
    fn a_permanent_stamp_is_current_and_active() {
        let stamp = Stamp::permanent(IntentId::USER, "#server-to-user-7");
        assert!(stamp.is_current() && stamp.epoch.was_active());
        assert_eq!((stamp.id(), stamp.name().as_str()), (IntentId::USER, "#server-to-user-7"));
    }
}
