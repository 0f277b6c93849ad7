//! Events from client to client.

use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::{
    core::{Change, Hub},
    state::client::Connection,
};
use crate::testing::protocol::{
    channel_kind::{Access, ChannelKind},
    client_event::{ClientEvent, ClientEventRules, REFUSED, SWITCHED_OFF, TOO_MANY},
    frames,
};

const SECOND: Duration = Duration::from_secs(1);

impl Hub {
    /// Sends a client event to the other subscribers of its channel, or answers with an error.
    pub fn relay(&self, connection: &Connection, event: &ClientEvent<'_>) {
        match self.settings.client_events.rules {
            ClientEventRules::Soketi => self.relay_as_soketi(connection, event),
            ClientEventRules::Reverb => self.relay_as_reverb(connection, event),
        }
    }

    /// Events that soketi drops without an answer count as ignored.
    fn relay_as_soketi(&self, connection: &Connection, event: &ClientEvent<'_>) {
        let refuse = |change: &mut Change<'_>, message: &str| {
            change.send(connection, self.settings.refusals.error(Some(&event.channel), REFUSED, message));
        };
        let limits = &self.settings.client_events;
        let checked = event.check(limits);
        let mut change = self.change();
        if let Err(message) = checked {
            return refuse(&mut change, &message);
        }
        let may_relay = matches!(ChannelKind::of(&event.channel).access, Access::Private | Access::Presence);
        let client = change.open.get_mut(&connection.id);
        let Some(client) = client.filter(|client| may_relay && client.channels.contains(&event.channel)) else {
            change.ignored += 1;
            return;
        };
        if !client.client_events.admit(limits.per_second, SECOND, Instant::now()) {
            return refuse(&mut change, TOO_MANY);
        }
        self.pass_on(&mut change, connection, event, event.data);
    }

    fn relay_as_reverb(&self, connection: &Connection, event: &ClientEvent<'_>) {
        let data = event.structured_data();
        let mut change = self.change();
        let client = change.open.get(&connection.id);
        let is_member = client.is_some_and(|client| client.channels.contains(&event.channel));
        let (code, message) = match data {
            None => (4200, "Invalid message format"),
            Some(_) if !self.settings.client_events.enabled => (REFUSED, SWITCHED_OFF),
            Some(_) if !is_member => (4009, "The client is not a member of the specified channel."),
            Some(data) => return self.pass_on(&mut change, connection, event, Some(&data)),
        };
        change.send(connection, self.settings.refusals.error(None, code, message));
    }

    fn pass_on(
        &self,
        change: &mut Change<'_>,
        connection: &Connection,
        event: &ClientEvent<'_>,
        data: Option<&RawValue>,
    ) {
        let presence = change.channels.presence(&event.channel).filter(|_| self.settings.client_events.user_ids);
        let sender = presence.and_then(|presence| presence.user_of(connection.id));
        let frame = frames::client_event(&event.channel, &event.event, data, sender);
        change.deliver(&event.channel, &frame, |other| other.id != connection.id);
    }
}
