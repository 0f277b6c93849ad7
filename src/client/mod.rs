//! The handles that a program holds: the client, its channels and its user.

mod channel;
mod client_event;
mod pusher;
mod stats;
mod user;
mod weak;

pub use channel::Channel;
pub use pusher::{Binding, Pusher};
pub use stats::Stats;
pub use user::User;
pub use weak::{WeakChannel, WeakPusher};
