//! The decisions of a client: a state machine that takes inputs and gives outputs, without any input or output of its
//! own.
//!
//! The caller feeds a [`Session`] with [`Input`]s (calls of the program, messages of the socket, the passing of time)
//! and then polls it for [`Output`]s (dial, send, close) until it gives none. After each turn it takes the events for
//! the program, which are in a [`Batch`]. Three rules hold everywhere:
//!
//! * `now` is always an argument. No code in this module reads a clock, sleeps, locks or spawns.
//! * The caller drains the outputs after every input, or after all inputs of one burst of the socket. It does not block
//!   while an output is pending.
//! * Each attempt to connect has a *generation*. An input from a socket carries its generation, and the session drops
//!   it if that is not the current one. So a late answer never acts on a newer connection (R8).

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
    OptionsVersion, Output, OwnOptions, PendingAuth, ReadyAuth, ReconnectPolicy, Settings, SubscriptionSettings,
};

pub(crate) use state::Session;
