//! Waiting for all channels at once.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use super::Core;
use crate::Error;

impl Core {
    /// Waits until no wanted channel is pending, those that become wanted meanwhile included. Returns the first error,
    /// in the order in which the channels became known.
    pub(crate) fn wait_all_subscribed(&self, time: Duration) -> Result<(), Error> {
        self.refuse_inside("wait_all_subscribed")?;
        let start = Instant::now();
        let (mut seen, mut first) = (HashSet::new(), Ok(()));
        loop {
            let wanted = self.registry.wanted().into_iter();
            let news: Vec<_> = wanted.filter(|interest| seen.insert(interest.id())).collect();
            if news.is_empty() {
                return first;
            }
            for interest in news {
                let left = time.saturating_sub(start.elapsed());
                first = first.and(match self.outlets.snapshot.wait_subscribed(&interest, left) {
                    // It was unsubscribed meanwhile.
                    Err(Error::NotSubscribed { .. }) => Ok(()),
                    outcome => outcome,
                });
            }
        }
    }
}
