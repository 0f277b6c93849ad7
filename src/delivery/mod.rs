//! The data that the session hands to the threads: batches with the facts for the snapshot, memory budgets, permits,
//! and the pace of client events.

pub(crate) mod client_event_pacing;
pub(crate) mod memory_budget;
pub(crate) mod permit;
mod snapshot_update;

use crate::event::Batch;

pub(crate) use snapshot_update::{CallId, Counters, LastClose, SnapshotUpdate, UserOutcome};

/// A batch, with the facts that it brings for the snapshot.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    pub batch: Batch,
    pub update: SnapshotUpdate,
}
