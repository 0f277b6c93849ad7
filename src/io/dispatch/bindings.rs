//! The handlers that were registered on each handle, so that they can be unbound together.

use std::{collections::HashMap, sync::Weak};

use super::handlers::Bound;
use crate::{
    event::IntentId,
    sync::{Mutex, atomic::AtomicBool},
};

/// The handle that a handler was registered on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    Client,
    User,
    Channel(IntentId),
}

/// The handlers of all handles. It does not keep them alive.
#[derive(Default)]
pub(crate) struct Bindings(Mutex<Scopes>);

#[derive(Default)]
struct Scopes {
    by_scope: HashMap<Scope, Vec<Entry>>,
    len: usize,
    /// Unbound entries are removed when the number of entries has grown to this.
    sweep_at: usize,
}

struct Entry {
    /// The name of the event, for a handler of one event.
    event: Option<Box<str>>,
    bound: Weak<AtomicBool>,
}

impl Bindings {
    pub fn add(&self, scope: Scope, event: Option<&str>, bound: &Bound) {
        let entry = Entry { event: event.map(Into::into), bound: bound.downgrade() };
        let mut scopes = self.0.lock();
        scopes.sweep();
        scopes.by_scope.entry(scope).or_default().push(entry);
        scopes.len += 1;
    }

    /// Unbinds the handlers of one event on this handle.
    pub fn end_event(&self, scope: Scope, event: &str) {
        if let Some(entries) = self.0.lock().by_scope.get(&scope) {
            entries.iter().filter(|entry| entry.event.as_deref() == Some(event)).for_each(Entry::end);
        }
    }

    /// Unbinds all handlers of this handle.
    pub fn end_all(&self, scope: Scope) {
        if let Some(entries) = self.0.lock().by_scope.get(&scope) {
            entries.iter().for_each(Entry::end);
        }
    }
}

impl Scopes {
    /// Removes unbound entries, so seldom that it costs nothing on average.
    fn sweep(&mut self) {
        if self.len < self.sweep_at {
            return;
        }
        self.by_scope.retain(|_, entries| {
            entries.retain(|entry| entry.bound().is_some_and(|bound| bound.holds()));
            !entries.is_empty()
        });
        self.len = self.by_scope.values().map(Vec::len).sum();
        self.sweep_at = 2 * self.len + 16;
    }
}

impl Entry {
    fn bound(&self) -> Option<Bound> {
        Bound::of(&self.bound)
    }

    fn end(&self) {
        if let Some(bound) = self.bound() {
            bound.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h5_only_the_named_handlers_end() {
        let bindings = Bindings::default();
        let [named, other, all, elsewhere] = [(); 4].map(|()| Bound::new());
        bindings.add(Scope::Client, Some("a"), &named);
        bindings.add(Scope::Client, Some("b"), &other);
        bindings.add(Scope::Client, None, &all);
        bindings.add(Scope::Channel(IntentId::of_channel(7)), Some("a"), &elsewhere);
        let bound = || [&named, &other, &all, &elsewhere].map(Bound::holds);
        bindings.end_event(Scope::Client, "a");
        assert_eq!(bound(), [false, true, true, true]);
        bindings.end_event(Scope::Client, "a");
        bindings.end_all(Scope::Client);
        assert_eq!(bound(), [false, false, false, true]);
    }

    #[test]
    fn handlers_that_are_gone_are_forgotten() {
        let bindings = Bindings::default();
        let kept = Bound::new();
        bindings.add(Scope::User, None, &kept);
        for id in 0..10_000 {
            bindings.add(Scope::User, Some("e"), &Bound::new());
            bindings.add(Scope::Channel(IntentId::of_channel(id)), Some("e"), &Bound::new());
        }
        assert!(bindings.0.lock().len < 100 && bindings.0.lock().by_scope.len() < 100);
        bindings.end_all(Scope::User);
        assert!(!kept.holds());
    }
}
