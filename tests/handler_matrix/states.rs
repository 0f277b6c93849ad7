//! The states of a connection, and how a client gets into each while user code waits.

use std::{
    thread::{self, JoinHandle},
    time::Duration,
};

use pusher_channels::{Config, ConnectionState, Receiver, Reconnect, testing::TestServer};

use super::{kinds::Scene, support::next_state};

pub(crate) const STATES: [ConnectionState; 7] = [
    ConnectionState::Disconnected,
    ConnectionState::Connecting,
    ConnectionState::Connected,
    ConnectionState::Unavailable,
    ConnectionState::Reconnecting,
    ConnectionState::Disconnecting,
    ConnectionState::Failed,
];

/// Longer than the test takes, so that neither an attempt nor the delay before one ends by itself.
const STAYS: Duration = Duration::from_secs(300);

/// The configuration of a client that stays in a state until the next call.
pub(crate) fn config(server: &TestServer) -> Config {
    staying(server.config())
}

/// The same settings for another address.
pub(crate) fn staying(config: Config) -> Config {
    config.connect_timeout(STAYS).reconnect(Reconnect::default().min_delay(STAYS).max_delay(STAYS))
}

/// A call that leads to the state, and returns later.
pub(crate) type UnderWay = Option<JoinHandle<()>>;

/// Does all steps on the way to the state but the last one.
pub(crate) fn approach(scene: &Scene, notifications: &Receiver) {
    let lose = || {
        scene.server.drop_all();
        next_state(notifications, ConnectionState::Reconnecting);
    };
    match scene.state {
        ConnectionState::Connecting => {
            scene.server.set_silent(true);
            lose();
        }
        ConnectionState::Unavailable => lose(),
        _ => {}
    }
}

/// Does the last step. A client becomes `Unavailable` by itself.
///
/// `Pusher::state` never shows `Disconnecting`, because the session disconnects in one step. In this state, handlers
/// get the change, and a call of `disconnect` is running, which waits for a moment for the handler that waits here.
pub(crate) fn enter(scene: &Scene) -> UnderWay {
    let Scene { server, pusher, state, .. } = scene;
    match state {
        ConnectionState::Connected | ConnectionState::Unavailable => {}
        ConnectionState::Connecting => pusher.reconnect_now(),
        ConnectionState::Disconnected => pusher.disconnect(),
        ConnectionState::Disconnecting => {
            let pusher = pusher.clone();
            return Some(thread::spawn(move || pusher.disconnect()));
        }
        ConnectionState::Reconnecting => _ = server.drop_all(),
        ConnectionState::Failed => _ = server.close_all(4001, ""),
    }
    None
}

/// Waits until the client is in the state.
pub(crate) fn arrive(state: ConnectionState, notifications: &Receiver) {
    next_state(notifications, shown(state));
}

/// The result of `Pusher::state` in this state.
pub(crate) fn shown(state: ConnectionState) -> ConnectionState {
    if state == ConnectionState::Disconnecting { ConnectionState::Disconnected } else { state }
}
