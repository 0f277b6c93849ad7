//! The one app that the server knows.

use std::fmt;

/// Credentials of the app.
#[derive(Clone)]
pub(super) struct App {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) secret: String,
}

impl Default for App {
    fn default() -> Self {
        App { id: "app-id".into(), key: "app-key".into(), secret: "app-secret".into() }
    }
}

/// Says nothing of the secret.
impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("id", &self.id).field("key", &self.key).finish_non_exhaustive()
    }
}
