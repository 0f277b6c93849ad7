//! The brain: decides everything and touches nothing.
//!
//! A [`Session`] is fed with [`Input`]s (what the user wishes, what the socket brought, that time passed) and asked for
//! [`Output`]s (dial, send, close) until there is none. What users are told lies in a [`Batch`] that is taken after each
//! turn. Three invariants hold everywhere:
//!
//! * `now` is always passed in; nothing here reads a clock, sleeps, locks or spawns.
//! * Outputs are drained after every input, or after all inputs of one burst of the socket. Nobody waits while an output is
//!   pending.
//! * Each attempt to connect has a *generation*. What comes from the socket names its generation, and is dropped when
//!   that is not the current one: a late answer can never act on a newer connection (R8).

mod channels;
mod client_events;
mod connection;
mod interface;
mod limits;
mod sign_in;
mod state;
#[cfg(test)]
mod tests;
mod transitions;

#[cfg(test)]
pub(crate) use interface::AttemptId;
pub(crate) use interface::{
    AuthAnswer, AuthOutcome, AuthSubject, ClientEvent, Effect, Ending, FromSocket, Generation, Input, IntentChange,
    Output, OwnOptions, PendingAuth, ReadyAuth, ReconnectPolicy, Rules, Settings,
};

pub(crate) use state::Session;
