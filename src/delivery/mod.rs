//! Plain values of the session and of the threads. The session passes a [`Delivery`] on: a batch, with its changes for
//! the snapshot. The session and the threads each have a pace of client events, which [`PaceNote`]s keep in step, and a
//! memory budget.
//!
//! No value here is shared or changes by itself: this folder names no lock, no atomic and no clock.
//!
//! [`PaceNote`]: client_event_pacing::PaceNote

pub(crate) mod client_event_pacing;
pub(crate) mod memory_budget;
mod snapshot_update;

use crate::event::Batch;

pub(crate) use snapshot_update::{ConnectId, Counters, LastClose, SignInId, SnapshotUpdate, UserOutcome};

/// A batch, with the facts that it brings for the snapshot.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    pub batch: Batch,
    pub update: SnapshotUpdate,
}
