//! A member of a presence channel.

use std::{fmt, sync::Arc};

use serde::de::DeserializeOwned;

use super::Name;
use crate::{Error, protocol::surrogates};

/// A user who is subscribed to a presence channel, with whatever number of connections. A clone copies no text.
#[derive(Clone, PartialEq, Eq)]
pub struct Member {
    id: Name,
    info: Arc<str>,
}

impl Member {
    pub(crate) fn new(id: &str, info: &str) -> Self {
        Self { id: Name::from(id), info: Arc::from(info) }
    }

    /// The user's id. A number that a server sends is its text.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What the app says about the user, as JSON text; `null` when that is nothing.
    pub fn info(&self) -> &str {
        &self.info
    }

    /// What the app says about the user, decoded from JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] when it is not a `T`.
    pub fn info_as<T: DeserializeOwned>(&self) -> Result<T, Error> {
        surrogates::from_json(&self.info).map_err(|source| Error::decode(None, "user_info", &source))
    }

    /// About how many bytes of memory it holds, with its place in a list of members.
    pub(crate) fn bytes(&self) -> usize {
        /// The headers of two shared texts, and the nodes of two lists.
        const PLACE: usize = 160;
        PLACE + self.id.len() + self.info.len()
    }

    pub(crate) fn name(&self) -> &Name {
        &self.id
    }
}

impl fmt::Debug for Member {
    /// Leaves the info out, because it may be confidential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Member").field(&self.id).finish()
    }
}
