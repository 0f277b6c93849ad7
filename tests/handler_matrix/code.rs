//! What the user's code does, whatever it is registered as.

use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Clones do the same.
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

/// Runs where it is dropped.
pub(crate) struct InDrop(pub(crate) Code);

impl InDrop {
    /// A closure owns what it calls.
    pub(crate) fn keep(&self) {}
}

impl Drop for InDrop {
    fn drop(&mut self) {
        self.0.run();
    }
}

/// Runs where it is serialised.
pub(crate) struct InSerialize(pub(crate) Code);

impl Serialize for InSerialize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.run();
        serializer.serialize_unit()
    }
}
