//! The parts that the session, the threads and user calls reservation: the memory budget, permits, and the pace of client
//! events.

pub(crate) mod client_event_pacing;
pub(crate) mod memory_budget;
pub(crate) mod permit;
