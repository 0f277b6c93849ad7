//! The calls of handles that post a request to the session.

use std::{slice, sync::Arc, time::Instant};

use super::{
    Core,
    core::Command,
    intents::{Intents, Posted, Withdrawn},
};
use crate::{
    ChannelAuth, Error, SubscribeOptions,
    event::Intent,
    session::{ClientEvent, Input, ReadyAuth},
};

impl Core {
    /// Subscribes to a channel, perhaps with a permission that the program has already.
    pub fn subscribe(&self, channel: &Arc<Intent>, permission: Option<ChannelAuth>) {
        let snapshot = &self.fan_out.snapshot;
        let ready = permission.map(|auth| ReadyAuth { auth, socket_id: snapshot.socket_id() });
        // The old failure is forgotten before the new intent is known, because a failure of the new intent must stay.
        snapshot.forget_failure(channel);
        self.post(|intents| intents.activate(channel, ready));
    }

    /// Subscribes to a channel, with options that replace all earlier ones of the channel.
    pub fn subscribe_with(&self, channel: &Arc<Intent>, options: SubscribeOptions) -> Result<(), Error> {
        let options = self.config().channel_plan(options)?;
        self.fan_out.snapshot.forget_failure(channel);
        // The earlier options are dropped last, because that may run the program's own code.
        let _earlier_options = self.post(|intents| intents.activate_with(channel, options));
        Ok(())
    }

    pub fn unsubscribe(&self, channel: &Arc<Intent>) {
        let _options = self.post(|intents| intents.withdraw(channel));
        // The state is forgotten after the withdrawal, so that no late outcome of the old intent is stored.
        self.fan_out.snapshot.forget(slice::from_ref(channel));
    }

    pub fn unsubscribe_all(&self) {
        let Withdrawn { intents, options: _options } = self.post(Intents::withdraw_all);
        self.fan_out.snapshot.forget(&intents);
    }

    /// Signs the user in. An error if the configuration has no way to do that.
    pub fn sign_in(&self) -> Result<(), Error> {
        if !self.config().can_authenticate() {
            return Err(Error::no_way_to_sign_in());
        }
        let call = self.fan_out.snapshot.issue_sign_in_id();
        self.post(|intents| intents.post_sign_in(call));
        Ok(())
    }

    pub fn reconnect_now(&self) {
        let threads = self.threads.lock();
        if threads.heartbeat_runs {
            self.post_call(Input::ReconnectNow);
        }
    }

    /// Posts a client event.
    pub fn trigger(&self, event: impl FnOnce(Instant) -> ClientEvent) -> Result<(), Error> {
        let threads = self.threads.lock();
        if !threads.heartbeat_runs {
            return Err(Error::Disconnected);
        }
        // Under the lock, so that events are posted in the order of their places.
        let now = Instant::now();
        self.client_events.lock().reserve(now)?;
        self.post_call(Input::Trigger(event(now)));
        Ok(())
    }

    /// Posts a call for the next turn, of the heartbeat or of a faster thread.
    pub fn post_call(&self, call: Input<'static>) {
        self.post(|intents| intents.post_call(call));
    }

    /// Posts requests, and wakes the heartbeat unless it is woken already.
    pub(super) fn post<T>(&self, request: impl FnOnce(&Intents) -> Posted<T>) -> T {
        let Posted { must_wake, value } = request(&self.intents);
        if must_wake {
            let _ = self.commands.sender.send(Command::Wake);
        }
        value
    }
}
