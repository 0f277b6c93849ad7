//! The last event of each cache channel.

use std::collections::{HashMap, VecDeque};

use tungstenite::Bytes;

/// Limit for the channels: more than any test has. Only publishers fill the cache, with bodies of at most 1 MiB.
const MAX_CHANNELS: usize = 1024;

/// Keeps events while the server runs. The hosted service deletes them after at most 30 minutes.
#[derive(Default)]
pub(crate) struct Cache {
    /// Complete frames.
    events: HashMap<String, Bytes>,
    /// The channels in the order of their first events.
    order: VecDeque<String>,
}

impl Cache {
    pub fn put(&mut self, channel: &str, frame: Bytes) {
        if self.events.insert(channel.to_owned(), frame).is_some() {
            return;
        }
        self.order.push_back(channel.to_owned());
        if self.order.len() > MAX_CHANNELS {
            if let Some(oldest) = self.order.pop_front() {
                self.events.remove(&oldest);
            }
        }
    }

    pub fn get(&self, channel: &str) -> Option<&Bytes> {
        self.events.get(channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_of_a_channel_is_kept() {
        let mut cache = Cache::default();
        assert_eq!(cache.get("cache-a"), None);
        cache.put("cache-a", Bytes::from_static(b"1"));
        cache.put("cache-a", Bytes::from_static(b"2"));
        assert_eq!(cache.get("cache-a").unwrap().as_ref(), b"2");
    }

    #[test]
    fn the_oldest_channels_are_removed() {
        let mut cache = Cache::default();
        for n in 0..=MAX_CHANNELS {
            cache.put(&format!("cache-{n}"), Bytes::from_static(b"x"));
        }
        assert_eq!(cache.get("cache-0"), None);
        assert!(cache.get("cache-1").is_some());
        assert_eq!(cache.events.len(), MAX_CHANNELS);
    }
}
