//! stub
use std::sync::Arc;
pub(super) struct Questions;
impl Questions {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self)
    }
    pub(super) fn close(&self) {}
}
