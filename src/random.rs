//! Random numbers for the delays of the client.
//!
//! Waits need numbers that differ between clients, so that many clients do not come back at the same time. They need not
//! be secret. The standard library draws the keys of a `RandomState` from the operating system, and changes them for each
//! further one. The crate `getrandom` would give the same numbers with another dependency, and with an error to handle.
//! The key of a WebSocket handshake and the masks of frames come from tungstenite.

use std::hash::{BuildHasher, RandomState};

/// A seed for a generator.
pub(crate) fn seed() -> u64 {
    RandomState::new().hash_one(())
}

/// A number from 0 to 1, without 1.
pub(crate) fn fraction() -> f64 {
    // A `f64` holds 53 bits exactly.
    (seed() >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn r1_clients_get_different_numbers() {
        assert_eq!((0..1000).map(|_| seed()).collect::<HashSet<_>>().len(), 1000);
        let threads = [(); 4].map(|()| std::thread::spawn(seed));
        let seeds: HashSet<_> = threads.map(|thread| thread.join().expect("no panic")).into();
        assert_eq!(seeds.len(), 4);
    }

    #[test]
    fn fractions_are_spread_over_their_range() {
        let fractions: Vec<_> = (0..1000).map(|_| fraction()).collect();
        assert!(fractions.iter().all(|fraction| (0.0..1.0).contains(fraction)));
        for tenth in 0..10 {
            let count = fractions.iter().filter(|fraction| (**fraction * 10.0) as u32 == tenth).count();
            // 100 are expected, with a standard deviation of 10.
            assert!(count > 20, "{count} of 1000 in tenth {tenth}");
        }
    }
}
