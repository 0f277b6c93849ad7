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

    /// Begins to want; true when that is a change. The caller serialises `want` and `forget`.
    pub fn want(&self) -> bool {
        self.toggle_unless(Self::wants)
    }

    /// Ceases to want; true when that is a change. The caller serialises `want` and `forget`.
    pub fn forget(&self) -> bool {
        self.toggle_unless(|epoch| !Self::wants(epoch))
    }

    fn toggle_unless(&self, already: impl Fn(u64) -> bool) -> bool {
        let change =
            self.epoch.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |epoch| (!already(epoch)).then_some(epoch + 1));
        change.is_ok()
    }

    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    pub fn is_wanted(&self) -> bool {
        Self::wants(self.epoch())
    }

    /// Whether an epoch is that of a wish. A caller that goes on with the epoch asks this, because the next look may find
    /// another one.
    pub fn wants(epoch: u64) -> bool {
        epoch % 2 == 1
    }
}

impl fmt::Debug for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Intent({} {}, epoch {})", self.id, &*self.name, self.epoch())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanting_twice_is_one_wish_and_wanting_again_is_a_new_one() {
        let intent = Intent::new(1, "room");
        assert!(intent.want());
        let first = intent.epoch();
        assert!(!intent.want());
        assert_eq!(intent.epoch(), first);
        assert!(intent.forget());
        assert!(!intent.is_wanted());
        assert!(!intent.forget());
        assert!(intent.want());
        assert_ne!(intent.epoch(), first);
    }
}
