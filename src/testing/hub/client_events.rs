//! Events from client to client.

use std::time::Instant;

use super::{Change, Hub};
use crate::testing::client_event::{ClientEvent, REFUSED, TOO_MANY};
use crate::testing::connection::Connection;
use crate::testing::kind::{Access, Kind};
use crate::testing::wire;

impl Hub {
    /// Passes a client event on to the other subscribers of its channel, or answers why not. What soketi drops without
    /// an answer is counted as ignored.
    pub(in crate::testing) fn relay(&self, connection: &Connection, event: &ClientEvent<'_>) {
        let refuse = |change: &mut Change<'_>, message: &str| {
            change.send(connection, self.settings.refusals.error(Some(&event.channel), REFUSED, message));
        };
        let limits = &self.settings.client_events;
        let checked = event.check(limits);
        let mut change = self.change();
        if let Err(message) = checked {
            return refuse(&mut change, &message);
        }
        let may_relay = matches!(Kind::of(&event.channel).access, Access::Private | Access::Presence);
        let client = change.open.get_mut(&connection.id);
        let Some(client) = client.filter(|client| may_relay && client.channels.contains(&event.channel)) else {
            change.ignored += 1;
            return;
        };
        if !client.rate.admit(limits.per_second, Instant::now()) {
            return refuse(&mut change, TOO_MANY);
        }
        let sender = change.channels.presence(&event.channel).and_then(|presence| presence.user_of(connection.id));
        let frame = wire::client_event(&event.channel, &event.event, event.data, sender);
        change.deliver(&event.channel, &frame, |other| other.id != connection.id);
    }
}
