//! Handles: numbers of places in a table, which C has as pointers that point nowhere.
//!
//! So the library always notices a handle that was freed, or is of another type. An object that one thread frees while
//! another one works with it lives until the other one is done.

mod forks;
mod table;

use std::{any::Any, ops::Deref, ptr, sync::Arc};

use crate::{
    Error,
    capi::ffi::{
        arguments::{self, Argument, Free},
        handles::table::Table,
        results::{self, Failure},
    },
};

/// An object with a handle. Freeing the handle drops the object as soon as no thread works with it.
pub(crate) trait Freed: Any + Send + Sync {
    /// Ends at once the work that cannot wait for that.
    fn freed(&self) {}
}

/// A handle of a `T`, as C has it.
#[repr(transparent)]
pub(crate) struct Handle<T> {
    pointer: *mut T,
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Handle<T> {}

/// A handle that may be NULL.
#[repr(transparent)]
pub(crate) struct OptionalHandle<T> {
    handle: Handle<T>,
}

impl<T: Freed> Handle<T> {
    /// Puts an object into the table, until its handle is freed.
    pub fn new(thing: T) -> Result<Self, Failure> {
        Self::of(Arc::new(thing))
    }

    pub fn of(thing: Arc<T>) -> Result<Self, Failure> {
        let number = Table::own()?.insert(thing)?;
        Ok(Self { pointer: ptr::without_provenance_mut(number) })
    }

    /// Takes the object out of the table. `None` for a handle that is not there, and for a handle of the parent.
    pub fn take(self) -> Option<Arc<T>> {
        Table::current().filter(|table| table.is_own())?.remove(self.number())
    }

    fn get(self) -> Result<Arc<T>, Failure> {
        let table = Table::current().ok_or_else(freed)?;
        if table.is_of_parent(self.number()) {
            return Err(Error::Forked.into());
        }
        let object = table.get(self.number()).ok_or_else(freed)?;
        object.downcast().map_err(|_| freed())
    }

    fn number(self) -> usize {
        self.pointer.addr()
    }
}

fn freed() -> Failure {
    Failure::Misuse(results::PUSHER_ERR_HANDLE, "the handle was freed, or is of another type".into())
}

impl<T: Freed> Argument for Handle<T> {
    type Value = Arc<T>;

    fn value(self, name: &'static str) -> Result<Arc<T>, Failure> {
        if self.pointer.is_null() { Err(arguments::null(name)) } else { self.get() }
    }
}

impl<T: Freed> Argument for OptionalHandle<T> {
    type Value = Option<Arc<T>>;

    fn value(self, _: &'static str) -> Result<Option<Arc<T>>, Failure> {
        if self.handle.pointer.is_null() { Ok(None) } else { self.handle.get().map(Some) }
    }
}

/// A handle that the function frees, after it has checked its other arguments.
#[repr(transparent)]
pub(crate) struct LastUse<T> {
    handle: Handle<T>,
}

/// An object that the function will free.
pub(crate) struct Leaving<T> {
    handle: Handle<T>,
    thing: Arc<T>,
}

impl<T: Freed> Argument for LastUse<T> {
    type Value = Leaving<T>;

    fn value(self, name: &'static str) -> Result<Leaving<T>, Failure> {
        Ok(Leaving { handle: self.handle, thing: self.handle.value(name)? })
    }
}

impl<T: Freed> Leaving<T> {
    /// Frees the handle. If several threads try, one of them gets the object.
    pub fn take(self) -> Result<Taken<T>, Failure> {
        self.handle.take().map(Taken).ok_or_else(freed)
    }
}

/// An object whose handle was freed. It is kept to the end of the function, because the other arguments may be texts
/// that C has borrowed from it.
#[must_use = "the other arguments may be borrowed from it"]
pub(crate) struct Taken<T>(Arc<T>);

impl<T> Deref for Taken<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for Leaving<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.thing
    }
}

impl<T: Freed> Free for OptionalHandle<T> {
    fn free(self) {
        if let Some(thing) = self.handle.take() {
            thing.freed();
        }
    }
}

/// An object that C may use only while a callback runs.
pub(crate) struct Loan<T: Freed> {
    handle: Handle<T>,
    thing: Arc<T>,
}

impl<T: Freed> Loan<T> {
    pub fn new(thing: T) -> Result<Self, Failure> {
        let thing = Arc::new(thing);
        Ok(Self { handle: Handle::of(Arc::clone(&thing))?, thing })
    }

    pub fn handle(&self) -> Handle<T> {
        self.handle
    }

    pub fn thing(&self) -> &T {
        &self.thing
    }
}

impl<T: Freed> Drop for Loan<T> {
    fn drop(&mut self) {
        drop(self.handle.take());
    }
}
