//! The handles that a program holds: the client, its channels and its user.

// In reading order, which is that of the documentation; the empty lines keep rustfmt from sorting them.
mod pusher;

mod channel;

mod user;

mod bind;

mod handle;

mod channel_warnings;

mod client_event;

mod stats;

pub use channel::Channel;
pub use handle::{Binding, WeakChannel, WeakPusher};
pub use pusher::Pusher;
pub use stats::Stats;
pub use user::User;
