//! The program's closure that makes the URL of each attempt to connect.

use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use crate::Error;

/// The closure of [`Config::url_with`](super::Config::url_with).
#[derive(Clone)]
pub(super) struct UrlSource(Arc<dyn Fn() -> String + Send + Sync>);

impl UrlSource {
    pub(super) fn new(url: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(url))
    }

    /// Runs the program's closure. A panic in it is a failed attempt.
    pub(super) fn url(&self) -> Result<String, Error> {
        panic::catch_unwind(AssertUnwindSafe(|| (self.0)()))
            .map_err(|_| Error::DialUrl { reason: "could not be made: the closure panicked".to_owned() })
    }
}

impl fmt::Debug for UrlSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlSource")
    }
}
