//! The states of a connection, and how a client gets there while code of the user's is parked.

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

/// Longer than the test takes, so that neither an attempt nor the wait before one ends by itself.
const STAYS: Duration = Duration::from_secs(300);

/// The configuration of a client that stays in a state until it is called.
pub(crate) fn config(server: &TestServer) -> Config {
    staying(server.config())
}

/// The same client at another address.
pub(crate) fn staying(config: Config) -> Config {
    config.connect_timeout(STAYS).reconnect(Reconnect::default().min_delay(STAYS).max_delay(STAYS))
}

/// A call on the way to a state that goes on when the state is there.
pub(crate) type UnderWay = Option<JoinHandle<()>>;

/// Brings a connected client to where one step is left.
pub(crate) fn approach(scene: &Scene, watcher: &Receiver) {
    let lose = || {
        scene.server.drop_all();
        next_state(watcher, ConnectionState::Reconnecting);
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

/// The last step. A client that is `Unavailable` becomes so by itself.
///
/// `Disconnecting` is passed in one step, so that `Pusher::state` never shows it: a session that is told to disconnect is at
/// rest when that turn is over. What can be met of it is that handlers are told of it, and that a call of `disconnect` is
/// under way, which waits for a while for the very handler that is parked here.
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

/// Waits until the client is there.
pub(crate) fn arrive(state: ConnectionState, watcher: &Receiver) {
    next_state(watcher, shown(state));
}

/// What `Pusher::state` shows then.
pub(crate) fn shown(state: ConnectionState) -> ConnectionState {
    if state == ConnectionState::Disconnecting { ConnectionState::Disconnected } else { state }
}
