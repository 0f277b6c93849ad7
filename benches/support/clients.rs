//! The three clients that turn frames into events, behind one signature.
//!
//! Each client connects, calls `on_event` with the data of every counted event, and calls `at_end` after the last one,
//! while all of its threads are alive. So two cases differ only in the client.

use std::sync::Arc;

use crossbeam_channel::{Sender, bounded};
use pusher_channels::{Config, ConnectionState, ConnectionStateChange, Notification, Overflow, Pusher, Reconnect};

use super::{
    bare,
    source::{CHANNEL, EVENT, LAST_EVENT, Result},
    straightforward::{Connection, Handlers},
};

/// The client that this crate is compared with.
pub(crate) fn straightforward<T>(
    port: u16,
    mut on_event: impl FnMut(&str) + Send + 'static,
    at_end: impl FnOnce() -> T,
) -> Result<T> {
    let (end, ended) = bounded(1);
    let mut handlers = Handlers::default();
    handlers.bind(CHANNEL, EVENT, move |event| on_event(event.data()));
    handlers.bind(CHANNEL, LAST_EVENT, move |_| say(&end, Ok(())));
    let _connection = Connection::open(port, handlers)?;
    ended.recv()??;
    Ok(at_end())
}

/// This crate, with a handler.
pub(crate) fn closure<T>(
    port: u16,
    mut on_event: impl FnMut(&str) + Send + 'static,
    at_end: impl FnOnce() -> T,
) -> Result<T> {
    let (end, ended) = bounded(2);
    let pusher = Pusher::new(config(port)).connect()?;
    let channel = pusher.channel(CHANNEL)?;
    channel.bind(EVENT, move |event| on_event(event.data()));
    let lost = end.clone();
    channel.bind(LAST_EVENT, move |_| say(&end, Ok(())));
    pusher.on_connection_state_change(move |change| {
        if is_loss(change) {
            say(&lost, Err(format!("{change:?}")));
        }
    });
    channel.subscribe();
    ended.recv()??;
    Ok(at_end())
}

/// This crate, with a queue to poll.
pub(crate) fn receiver<T>(port: u16, mut on_event: impl FnMut(&str), at_end: impl FnOnce() -> T) -> Result<T> {
    let pusher = Pusher::new(config(port)).connect()?;
    let receiver = pusher.receiver();
    let _channel = pusher.subscribe(CHANNEL)?;
    for notification in receiver.iter() {
        match notification {
            Notification::Event(event) if event.name() == EVENT => on_event(event.data()),
            Notification::Event(event) if event.name() == LAST_EVENT => return Ok(at_end()),
            Notification::Error(error) => return Err(Arc::clone(&error).into()),
            Notification::ConnectionStateChange(change) if is_loss(&change) => {
                return Err(format!("{change:?}").into());
            }
            _ => {}
        }
    }
    Err("the receiver ended before the last event".into())
}

/// No event may be dropped, and a lost connection must end the bench.
fn config(port: u16) -> Config {
    Config::url(bare::url(port)).overflow(Overflow::Block).reconnect(Reconnect::never())
}

/// The changes on the way to the connection may be reported late. They are no losses.
fn is_loss(change: &ConnectionStateChange) -> bool {
    change.previous == ConnectionState::Connected
}

/// Reports the end. Only the first report counts.
fn say(end: &Sender<std::result::Result<(), String>>, how: std::result::Result<(), String>) {
    let _ = end.try_send(how);
}
