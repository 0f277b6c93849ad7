//! The counters of a client.

use std::{fmt, time::Duration};

use crate::io::Core;

/// Counters since the client was made, and facts about its last connection. They lag behind by up to one read of the
/// socket.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = pusher_channels::testing::TestServer::start()?;
/// # let pusher = pusher_channels::Pusher::new(server.config()).connect()?;
/// let stats = pusher.stats();
/// println!("{} events of {} messages", stats.events, stats.messages);
/// println!("{stats}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Attempts to connect.
    pub attempts: u64,
    /// Attempts that the client made by itself: after a failed attempt, and after a lost connection.
    pub reconnect_attempts: u64,
    /// Connections that the server confirmed.
    pub connections: u64,
    /// The close code of the connection that the server ended last, or the code of the `pusher:error` that stood in for
    /// it; `None` when that connection was lost without a code, and before the first. A connection that `disconnect`
    /// ends is not counted.
    pub last_close_code: Option<u16>,
    /// The server's text with that code, up to 200 characters; for a connection that was lost without a code, the
    /// cause. May be empty.
    pub last_close_reason: String,
    /// Bytes received on the connections to the server, TLS and WebSocket included. Requests to auth endpoints are not
    /// counted.
    pub bytes_received: u64,
    /// Bytes sent on the connections to the server, counted in the same way.
    pub bytes_sent: u64,
    /// Text messages received.
    pub messages: u64,
    /// Text messages sent.
    pub messages_sent: u64,
    /// Application events of subscribed channels, and events without a channel.
    pub events: u64,
    /// Messages without effect: events of channels that are not subscribed, late or unexpected confirmations, the
    /// removal of the client's own user, platform events that this version does not know.
    pub ignored: u64,
    /// Messages that could not be understood.
    pub bad_messages: u64,
    /// The last measured time from a `pusher:ping` to its `pusher:pong`; `None` before the first. Pings are sent after
    /// the activity timeout, and by [`Pusher::reconnect_now`](crate::Pusher::reconnect_now). Pings have no numbers: if
    /// the server leaves some without an answer, a late pong may count for a later ping.
    pub ping_round_trip: Option<Duration>,
    /// Requests to auth endpoints and authorizers that failed and were made again.
    pub auth_retries: u64,
    /// Notifications that wait for handlers, without the rest of the burst that is being handled. Each
    /// [`Receiver`](crate::Receiver) has its own number.
    pub queue_depth: usize,
    /// Notifications that were dropped because a queue was full, all queues together.
    pub dropped: u64,
    /// Events that newer ones replaced before they were taken, all queues with
    /// [`Overflow::KeepLatest`](crate::Overflow::KeepLatest) together.
    pub superseded: u64,
}

impl Stats {
    pub(crate) fn of(core: &Core) -> Self {
        let (counters, last_close) = core.fan_out.snapshot.counted();
        Self {
            attempts: counters.attempts,
            reconnect_attempts: counters.reconnect_attempts,
            connections: counters.connections,
            last_close_code: last_close.code,
            last_close_reason: last_close.reason,
            bytes_received: core.byte_counters.total_received(),
            bytes_sent: core.byte_counters.total_sent(),
            messages: counters.messages,
            messages_sent: counters.messages_sent,
            events: counters.events,
            ignored: counters.ignored,
            bad_messages: counters.bad_messages,
            ping_round_trip: counters.round_trip,
            auth_retries: core.auth.retries(),
            queue_depth: core.fan_out.handlers().len(),
            dropped: core.fan_out.dropped(),
            superseded: core.fan_out.superseded(),
        }
    }
}

/// One line with the most important counters.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempts, connections, events, dropped, queue_depth, bytes_received, bytes_sent, .. } = self;
        write!(
            f,
            "{connections} connections of {attempts} attempts, {events} events, {dropped} dropped, {queue_depth} waiting, \
             {bytes_received} bytes received, {bytes_sent} sent"
        )?;
        match self.ping_round_trip {
            Some(time) => write!(f, ", round trip {time:.1?}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h10_counters_are_printed_in_one_line() {
        let stats = Stats { events: 7, ping_round_trip: Some(Duration::from_millis(12)), ..Stats::default() };
        let line =
            "0 connections of 0 attempts, 7 events, 0 dropped, 0 waiting, 0 bytes received, 0 sent, round trip 12.0ms";
        assert_eq!(stats.to_string(), line);
    }
}
