//! The user's code, independent of the way in which it is registered.

use std::sync::Arc;

use serde::{Serialize, Serializer};

/// A closure. Its clones run the same one.
#[derive(Clone)]
pub(crate) struct Code(Arc<dyn Fn() + Send + Sync>);

impl Code {
    pub(crate) fn new(run: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(run))
    }

    pub(crate) fn run(&self) {
        (self.0)();
    }
}

/// Runs the code when it is dropped.
pub(crate) struct InDrop(pub(crate) Code);

impl InDrop {
    /// Makes a closure own this value.
    pub(crate) fn keep(&self) {}
}

impl Drop for InDrop {
    fn drop(&mut self) {
        self.0.run();
    }
}

/// Runs the code when it is serialised.
pub(crate) struct InSerialize(pub(crate) Code);

impl Serialize for InSerialize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.run();
        serializer.serialize_unit()
    }
}
