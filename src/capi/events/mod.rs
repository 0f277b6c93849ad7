//! Notifications, as C looks at them.

pub(crate) mod list;
pub(crate) mod notification;
pub(crate) mod numbers;
pub(crate) mod queue;
