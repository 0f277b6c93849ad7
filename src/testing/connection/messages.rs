//! Handles the messages of a client.

use crate::testing::{
    auth::subscription::{self, Requester},
    hub::{core::Hub, settings::OverLimit, state::client::Connection},
    protocol::{
        client_message::{self, ClientMessage, SubscribeRequest},
        frames,
    },
};

/// Code of the error for a message over the limit.
const REFUSED: u16 = 4301;

/// Reverb's text.
const TOO_MANY: &str = "Rate limit exceeded";

/// Handles a text message. As in soketi, a message that the server cannot use is counted and ignored. Returns false if
/// the connection must end, because it has sent too many messages.
pub(crate) fn receive(hub: &Hub, connection: &Connection, text: &str) -> bool {
    hub.record(connection.id, text);
    if hub.is_silent() {
        return true;
    }
    match &hub.settings.message_limit {
        Some(limit) if !hub.admit_message(connection.id, limit) => refuse(hub, connection, limit.over_limit),
        _ => {
            handle(hub, connection, text);
            true
        }
    }
}

fn refuse(hub: &Hub, connection: &Connection, over_limit: OverLimit) -> bool {
    let stays = over_limit == OverLimit::Refuse;
    if stays {
        hub.answer(connection, hub.settings.refusals.error(None, REFUSED, TOO_MANY));
    }
    stays
}

fn handle(hub: &Hub, connection: &Connection, text: &str) {
    match client_message::parse(text) {
        Some(ClientMessage::Ping) => hub.answer(connection, frames::pong()),
        Some(ClientMessage::Pong) => {}
        Some(ClientMessage::Subscribe(request)) => subscribe(hub, connection, &request),
        Some(ClientMessage::Unsubscribe { channel }) => hub.unsubscribe(connection, &channel),
        Some(ClientMessage::SignIn(request)) => hub.sign_in(connection, &request),
        Some(ClientMessage::ClientEvent(event)) => hub.relay(connection, &event),
        None => hub.ignore(),
    }
}

fn subscribe(hub: &Hub, connection: &Connection, request: &SubscribeRequest) {
    let user = hub.user_of(connection.id);
    let requester = Requester { socket_id: &connection.socket_id, user: user.as_ref() };
    match subscription::check(&hub.settings.app, &requester, request) {
        Ok(member) => hub.subscribe(connection, &request.channel, member),
        Err(refusal) => hub.answer(connection, hub.settings.refusals.subscription(&request.channel, &refusal)),
    }
}
