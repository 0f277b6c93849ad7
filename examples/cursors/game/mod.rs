//! The game itself, without drawing. The terminal here and the window in `examples/window` draw it.

pub(crate) mod arena;
pub(crate) mod crowd;
pub(crate) mod field;
pub(crate) mod moves;
pub(crate) mod path;
pub(crate) mod profile;
pub(crate) mod room;
pub(crate) mod walk;
