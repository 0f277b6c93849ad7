//! The channels that the program wants, and the state of each subscription.
//!
//! [`Subscriptions`] has the intents, the messages to the server and the deadlines. `authorization` obtains
//! permissions, `confirmation` handles the answers of the server, and `channel_events` handles the events that follow.
//! `paced_requests` repeats requests on a server that limits messages.

mod authorization;
mod channel_events;
mod channel_key;
mod confirmation;
pub(crate) mod members;
mod paced_requests;
mod subscription;
mod subscriptions;

pub(crate) use paced_requests::Repeated;
pub(crate) use subscription::User;
pub(crate) use subscriptions::Subscriptions;
