//! A shared string: the name of a channel or an event, or an id.

use std::{borrow::Borrow, fmt, sync::Arc};

/// A name of a channel or an event, or an id: a string whose clones need no allocation. It dereferences to `str`, so it
/// has the methods of `str`, too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// About how many bytes of memory it holds.
    pub(crate) fn bytes(&self) -> usize {
        /// The counters of a shared text, rounded up as allocators do.
        const HEADER: usize = 24;
        size_of::<Self>() + HEADER + self.0.len()
    }
}

// Rustdoc would list all methods of `str` here, and hide the few methods of the type among them.
#[cfg(not(doc))]
impl std::ops::Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
