//! The calls of handles that change what the client subscribes to. Each posts the new intent, and wakes the heartbeat.

use std::{slice, sync::Arc};

use super::{Core, intents::Withdrawn};
use crate::{ChannelAuth, Error, SubscribeOptions, event::Intent, session::ReadyAuth};

impl Core {
    /// Subscribes to a channel, perhaps with a permission that the program has already.
    pub fn subscribe(&self, channel: &Arc<Intent>, permission: Option<ChannelAuth>) {
        let snapshot = &self.fan_out.snapshot;
        let ready = permission.map(|auth| ReadyAuth { auth, socket_id: snapshot.socket_id() });
        // Before the new intent is known, because its own failure must stay.
        snapshot.forget_failure(channel);
        if self.intents.want(channel, ready) {
            self.wake();
        }
    }

    /// Subscribes to a channel, with options that replace all earlier ones of the channel.
    pub fn subscribe_with(&self, channel: &Arc<Intent>, options: SubscribeOptions) -> Result<(), Error> {
        let options = self.config.channel_plan(options)?;
        self.fan_out.snapshot.forget_failure(channel);
        // The earlier options are dropped last, because that may run the program's own code.
        let (is_first, _earlier_options) = self.intents.want_with(channel, options);
        if is_first {
            self.wake();
        }
        Ok(())
    }

    pub fn unsubscribe(&self, channel: &Arc<Intent>) {
        let (is_first, _options) = self.intents.forget(channel);
        if is_first {
            self.wake();
        }
        // Afterwards, so that nothing that was on its way for the old intent is remembered.
        self.fan_out.snapshot.forget(slice::from_ref(channel));
    }

    pub fn unsubscribe_all(&self) {
        let Withdrawn { intents, tell, options: _options } = self.intents.forget_all();
        if tell {
            self.wake();
        }
        self.fan_out.snapshot.forget(&intents);
    }

    /// Signs the user in. An error if the configuration has no way to do that.
    pub fn sign_in(&self) -> Result<(), Error> {
        if !self.config.can_authenticate() {
            return Err(Error::no_way_to_sign_in());
        }
        let call = self.fan_out.snapshot.issue_sign_in();
        if self.intents.want_sign_in(call) {
            self.wake();
        }
        Ok(())
    }
}
