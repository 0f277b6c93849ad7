//! The client: connecting, channels, users.

use std::{ffi::c_char, sync::Arc, time::Duration};

use parking_lot::RwLock;

use super::{
    arguments::{OptionalOut, OptionalText, Out, Text},
    boundary::Failure,
    config::Config,
    handles::{Handle, OptionalHandle},
    list::List,
    receiver::Pull,
    results,
};
use crate::Pusher;

/// A client, until it is freed.
pub(crate) struct Client {
    pusher: RwLock<Option<Pusher>>,
}

impl Client {
    /// What the functions work with. There is none once another thread has freed the client.
    pub(super) fn pusher(&self) -> Result<Pusher, Failure> {
        let freed = || Failure::Misuse(results::PUSHER_ERR_HANDLE, "the client was freed".into());
        self.pusher.read().clone().ok_or_else(freed)
    }
}
