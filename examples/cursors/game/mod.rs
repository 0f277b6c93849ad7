//! The game itself, for whatever draws it: the terminal here, a window in `examples/window`.

pub(crate) mod arena;
pub(crate) mod crowd;
pub(crate) mod field;
pub(crate) mod moves;
pub(crate) mod path;
pub(crate) mod profile;
pub(crate) mod room;
pub(crate) mod walk;
