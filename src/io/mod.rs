//! Everything that blocks or spawns.
//!
//! | thread | file | what it does | ends when |
//! |---|---|---|---|
//! | `pusher-reader`, one per connection | `threads/reader` | dials, then reads that one socket | its connection does |
//! | `pusher-heartbeat` | `threads/heartbeat` | keeps time, does what handles ask for, supervises readers | the session is idle |
//! | `pusher-dispatch` | `threads/dispatch` | runs the handlers | the heartbeat has ended and the queue is empty |
//! | `pusher-auth`, at most 8 | `auth/pool` | asks authorizers | no question is left |
//! | `pusher-resolve`, `pusher-connect` | `connect/happy_eyeballs` | one name resolution, one TCP connect | that does |
//! | `pusher-writer` | `transport/halves` | writes to a stream of the program's own that is no socket | its connection does |
//!
//! They share the [`Core`].
//!
//! # Locks
//!
//! 1. No lock is held while user code runs.
//! 2. Public calls never take the driver's lock (socket and session). Two locks are taken under it: the intents's, only
//!    if the intents says without its lock that a user call has posted something, and that of the pacing.
//! 3. The snapshot, each queue, the intents, the pacing of client events, the list of bindings and the inbox of the
//!    dispatcher have a short lock each. Nothing is called under it.
//! 4. Only the table of threads and the list of queues are held while a lock of rule 3 is taken. A queue with keys of
//!    the program's own has a second lock, for its staged batches, which is taken under its first.
//! 5. One lock serialises deliveries; locks of rule 3 are taken under it. Of the public calls, only those that run the
//!    program's own code and report its errors take it.
//!
//! # Order
//!
//! The order of events between threads (S11, H9). Each rule holds by construction.
//!
//! 1. **One path.** [`Core::turn`] is the only way into the session: for the socket, for answers of authorizers, for
//!    the result of a dial, for time, and for user calls. A turn holds the driver's lock from its input to its last
//!    output.
//! 2. **Calls before everything else.** A user call posts its request in the [`Intents`] before it returns. A turn
//!    first feeds the session with all requests that were posted before the turn began, and then with its own input. So
//!    a late answer meets the wishes that were made before it arrived: after `unsubscribe` or `disconnect` has
//!    returned, nothing waits for that answer. A pool thread checks in the same way that a request is still wanted
//!    before it asks.
//! 3. **Calls among each other.** Calls to connect, to disconnect and to trigger keep their order. The wishes for
//!    channels follow them, merged: the last one for each channel counts. A client event that was triggered before
//!    `unsubscribe` is fed before it. With more wishes than one turn follows, `disconnect` overtakes the rest of them.
//! 4. **A wish before its message.** A subscribe is written only while the wish that it answers is the current one,
//!    even if `unsubscribe` comes during a turn. One that is being written at that moment goes out, and an unsubscribe
//!    follows it.
//! 5. **Batches in the order of turns.** A turn posts its batch under the driver's lock. One thread at a time delivers,
//!    and it takes all posted batches in their order. A turn that has posted returns when its batch is delivered.
//! 6. **A delivery in four steps.** The entries of the batch get their numbers, and the batch its receivers; then the
//!    snapshot shows it; then it is pushed to the queues; then waiting calls return. A queue with keys of the program's
//!    own has its closure run afterwards, without a lock, so that its consumer sees the entries a moment later. A
//!    receiver or a handler that is made after `connect` or `wait_*` has returned, or after the state was seen, does
//!    not get that batch; older queues have it.
//! 7. **A handler by its position.** A handler gets the entries with higher numbers than the newest entry at the time
//!    of binding. A handler that is bound inside a handler of the same client gets everything that follows in the
//!    handlers' queue, beginning with the next entry. Confirmations that other handlers already got are repeated at
//!    that point (S4).

pub(crate) mod auth;
mod calls;
pub(crate) mod connect;
mod core;
mod dispatch;
mod driver;
pub(crate) mod guard;
mod intents;
#[cfg(all(test, shuttle))]
mod interleavings;
pub(crate) mod queues;
mod threads;
pub(crate) mod transport;

pub(crate) use core::Core;
pub(crate) use dispatch::{bindings::Scope, handlers};
pub(crate) use queues::facts::ChannelFacts;
