//! Handles: numbers of places in a table, handed to C as pointers that point nowhere.
//!
//! So a handle that was freed, or is of another type, is noticed, always; and what one thread frees while another one
//! works with it lives until that one is done.
//!
//! A forked child may find the table locked by a thread that it does not have. It never touches the parent's: it has a table of
//! its own from its first handle on, which counts on from where the parent's ended, so that the parent's handles are known for
//! what they are (H7).

use std::{
    any::Any,
    collections::VecDeque,
    ops::Deref,
    process, ptr,
    sync::{
        Arc,
        atomic::{AtomicPtr, AtomicUsize, Ordering},
    },
};

use parking_lot::RwLock;

use crate::{
    Error,
    capi::{
        arguments::{Argument, Free},
        boundary::Failure,
        results,
    },
};

/// What a handle stands for, and what becomes of it when the handle is freed: it goes when nobody works with it any more.
pub(super) trait Freed: Any + Send + Sync {
    /// Ends at once what cannot wait for that.
    fn freed(&self) {}
}

/// What lies in the table.
type Object = Arc<dyn Any + Send + Sync>;

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
    /// Puts a thing into the table. It stays until its handle is freed.
    pub(super) fn new(thing: T) -> Result<Self, Failure> {
        Self::of(Arc::new(thing))
    }

    pub(super) fn of(thing: Arc<T>) -> Result<Self, Failure> {
        let number = Table::own().insert(thing)?;
        Ok(Self { pointer: ptr::without_provenance_mut(number) })
    }

    /// Takes the thing out of the table. `None` for a handle that is not there, and for one of the parent's.
    pub(super) fn take(self) -> Option<Arc<T>> {
        let table = Table::current()?;
        (process::id() == table.process).then(|| table.remove(self.number())).flatten()
    }

    fn get(self) -> Result<Arc<T>, Failure> {
        let table = Table::current().ok_or_else(freed)?;
        let belongs_to_parent = table.process != process::id() || self.number() & INDEX < table.first;
        if belongs_to_parent && self.number() != 0 {
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
        if self.pointer.is_null() { Err(super::arguments::null(name)) } else { self.get() }
    }
}

impl<T: Freed> Argument for OptionalHandle<T> {
    type Value = Option<Arc<T>>;

    fn value(self, _: &'static str) -> Result<Option<Arc<T>>, Failure> {
        if self.handle.pointer.is_null() { Ok(None) } else { self.handle.get().map(Some) }
    }
}

/// A handle that the function frees, once nothing is wrong with its other arguments.
#[repr(transparent)]
pub(crate) struct LastUse<T> {
    handle: Handle<T>,
}

/// What is to be freed by the function that works with it.
pub(super) struct Leaving<T> {
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
    /// Frees the handle. Of several threads that try, one gets the thing.
    pub(super) fn take(self) -> Result<Arc<T>, Failure> {
        self.handle.take().ok_or_else(freed)
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

/// What C may use while a callback runs, and not after.
pub(super) struct Loan<T: Freed> {
    handle: Handle<T>,
    thing: Arc<T>,
}

impl<T: Freed> Loan<T> {
    pub(super) fn new(thing: T) -> Result<Self, Failure> {
        let thing = Arc::new(thing);
        Ok(Self { handle: Handle::of(Arc::clone(&thing))?, thing })
    }

    pub(super) fn handle(&self) -> Handle<T> {
        self.handle
    }

    pub(super) fn thing(&self) -> &T {
        &self.thing
    }
}

impl<T: Freed> Drop for Loan<T> {
    fn drop(&mut self) {
        drop(self.handle.take());
    }
}

/// How many bits of a handle's number are its place. The others tell how often the place was used. On 64 bits 47 are used
/// in all, because some languages have no room for more in a pointer.
const INDEX_BITS: u32 = if usize::BITS == 64 { 20 } else { 16 };
const USES_BITS: u32 = if usize::BITS == 64 { 27 } else { 16 };
const INDEX: usize = (1 << INDEX_BITS) - 1;
const MOST_USES: usize = (1 << USES_BITS) - 1;

struct Table {
    process: u32,
    /// The number of the first place. Those below are the parent's.
    first: usize,
    places: RwLock<Places>,
}

#[derive(Default)]
struct Places {
    all: Vec<Place>,
    /// Which of them are free. The one that has been free for longest is used next, so that numbers come again late.
    free: VecDeque<usize>,
}

#[derive(Default)]
struct Place {
    uses: usize,
    object: Option<Object>,
}

static TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());

/// How many places there are, in this process and in those that it was forked from.
static PLACES: AtomicUsize = AtomicUsize::new(0);

impl Table {
    /// The table, which may still be the parent's.
    fn current() -> Option<&'static Self> {
        // SAFETY: what stands in TABLE was leaked by `own`.
        unsafe { TABLE.load(Ordering::Acquire).as_ref() }
    }

    /// The table of this process.
    fn own() -> &'static Self {
        loop {
            let current = Self::current();
            if let Some(table) = current.filter(|table| table.process == process::id()) {
                return table;
            }
            let first = PLACES.load(Ordering::Acquire);
            let table = Box::new(Self { process: process::id(), first, places: RwLock::default() });
            let table = Box::into_raw(table);
            let before = current.map_or(ptr::null_mut(), |table| ptr::from_ref(table).cast_mut());
            if TABLE.compare_exchange(before, table, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // SAFETY: it was made above, and nobody else has seen it.
                drop(unsafe { Box::from_raw(table) });
            }
        }
    }

    fn insert(&self, object: Object) -> Result<usize, Failure> {
        let mut places = self.places.write();
        let index = match places.free.pop_front() {
            Some(index) => index,
            None if self.first + places.all.len() > INDEX => {
                return Err(Failure::Misuse(results::PUSHER_ERR_TOO_MANY, "too many handles at a time".into()));
            }
            None => {
                places.all.push(Place::default());
                PLACES.store(self.first + places.all.len(), Ordering::Release);
                places.all.len() - 1
            }
        };
        let place = &mut places.all[index];
        place.uses += 1;
        place.object = Some(object);
        Ok(place.uses << INDEX_BITS | (self.first + index))
    }

    fn get(&self, number: usize) -> Option<Object> {
        let places = self.places.read();
        let place = places.all.get((number & INDEX).checked_sub(self.first)?)?;
        place.object.as_ref().filter(|_| place.uses == number >> INDEX_BITS).cloned()
    }

    /// Takes out what is there, if it is a `T`.
    fn remove<T: Freed>(&self, number: usize) -> Option<Arc<T>> {
        let mut places = self.places.write();
        let index = (number & INDEX).checked_sub(self.first)?;
        let place = places.all.get_mut(index)?;
        let is_it =
            place.uses == number >> INDEX_BITS && place.object.as_ref().is_some_and(|object| (**object).is::<T>());
        let object = is_it.then(|| place.object.take()).flatten()?;
        // A place that is used up stays empty for ever.
        if place.uses < MOST_USES {
            places.free.push_back(index);
        }
        drop(places);
        object.downcast().ok()
    }
}
