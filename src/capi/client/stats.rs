//! Counters, as they were when the program asked for them.

use std::ffi::c_char;

use crate::capi::{
    client::Client,
    config::unknown::Names,
    ffi::{
        arguments::{OptionalOut, Out, Text},
        handles::{Freed, Handle, OptionalHandle},
        results::Failure,
        text::{self, Terminated},
    },
};

/// The names of the counters, in the order of the header.
pub(crate) const COUNTERS: [&str; 16] = [
    "attempts",
    "reconnect_attempts",
    "connections",
    "last_close_code",
    "bytes_received",
    "bytes_sent",
    "messages",
    "messages_sent",
    "events",
    "ignored",
    "bad_messages",
    "ping_round_trip_us",
    "auth_retries",
    "queue_depth",
    "dropped",
    "superseded",
];

pub(crate) struct Stats {
    stats: crate::Stats,
    last_close_reason: Terminated,
    /// All of them in one line.
    text: Terminated,
}

impl Freed for Stats {}

impl Stats {
    fn new(stats: crate::Stats) -> Self {
        let text = Terminated::new(&stats.to_string());
        Self { last_close_reason: Terminated::new(&stats.last_close_reason), text, stats }
    }

    fn counter(&self, name: &str) -> Result<u64, Failure> {
        let stats = &self.stats;
        let there = match name {
            "attempts" => Some(stats.attempts),
            "reconnect_attempts" => Some(stats.reconnect_attempts),
            "connections" => Some(stats.connections),
            "last_close_code" => stats.last_close_code.map(u64::from),
            "bytes_received" => Some(stats.bytes_received),
            "bytes_sent" => Some(stats.bytes_sent),
            "messages" => Some(stats.messages),
            "messages_sent" => Some(stats.messages_sent),
            "events" => Some(stats.events),
            "ignored" => Some(stats.ignored),
            "bad_messages" => Some(stats.bad_messages),
            "ping_round_trip_us" => stats.ping_round_trip.and_then(|time| u64::try_from(time.as_micros()).ok()),
            "auth_retries" => Some(stats.auth_retries),
            "queue_depth" => u64::try_from(stats.queue_depth).ok(),
            "dropped" => Some(stats.dropped),
            "superseded" => Some(stats.superseded),
            _ => {
                let names =
                    Names { noun: "counter", here: COUNTERS.to_vec(), elsewhere: (Vec::new(), "pusher_stats_get") };
                return Err(names.unknown(name, false));
            }
        };
        there.ok_or(Failure::Nothing)
    }
}

exports! {
    fn pusher_stats_new(client: Handle<Client>, stats: Out<'_, Handle<Stats>>) {
        stats.put(Handle::new(Stats::new(client.pusher()?.stats()))?);
        Ok(())
    }

    fn pusher_stats_get(stats: Handle<Stats>, counter: Text<'_>, value: Out<'_, u64>) {
        value.put(stats.counter(counter)?);
        Ok(())
    }

    fn pusher_stats_last_close_reason(
        stats: Handle<Stats>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        text::lend(stats.last_close_reason.as_str(), (text, length));
        Ok(())
    }

    fn pusher_stats_text(stats: Handle<Stats>, text: Out<'_, *const c_char>, length: OptionalOut<'_, usize>) {
        text::lend(stats.text.as_str(), (text, length));
        Ok(())
    }

    free fn pusher_stats_free(stats: OptionalHandle<Stats>)
}
