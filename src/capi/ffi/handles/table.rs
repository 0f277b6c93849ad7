//! The table of all objects that C has handles of.
//!
//! In a forked child the table may be locked by a thread that the child does not have. So the child never touches it,
//! and makes its own table with its first handle. The numbers of that table go on from those of the parent, which tells
//! the parent's handles apart (H7).

use std::{
    any::Any,
    collections::VecDeque,
    ptr,
    sync::{
        Arc,
        atomic::{AtomicPtr, AtomicUsize, Ordering},
    },
};

use parking_lot::RwLock;

use crate::capi::ffi::{
    handles::forks::{self, Generation},
    results::{self, Failure},
};

/// An object in the table.
type Object = Arc<dyn Any + Send + Sync>;

/// The number of bits for the place. The other bits count the uses of the place. On 64-bit platforms 47 bits are used
/// in all, because some languages have no room for more in a pointer.
const INDEX_BITS: u32 = if usize::BITS == 64 { 20 } else { 16 };
const USES_BITS: u32 = if usize::BITS == 64 { 27 } else { 16 };
const INDEX: usize = (1 << INDEX_BITS) - 1;
const MOST_USES: usize = (1 << USES_BITS) - 1;

pub(crate) struct Table {
    generation: Generation,
    /// The number of the first place. Lower numbers are the parent's.
    first: usize,
    places: RwLock<Places>,
}

#[derive(Default)]
struct Places {
    all: Vec<Place>,
    /// The free places. The one that has been free for longest is used next, so that numbers return late.
    free: VecDeque<usize>,
}

#[derive(Default)]
struct Place {
    uses: usize,
    object: Option<Object>,
}

static TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());

/// The number of places, in this process and in its parents.
static PLACES: AtomicUsize = AtomicUsize::new(0);

impl Table {
    /// The table, which may still be the parent's.
    pub fn current() -> Option<&'static Self> {
        // SAFETY: the table was leaked by `own`.
        unsafe { TABLE.load(Ordering::Acquire).as_ref() }
    }

    /// The table of this process.
    pub fn own() -> Result<&'static Self, Failure> {
        forks::count()?;
        loop {
            let current = Self::current();
            if let Some(table) = current.filter(|table| table.is_own()) {
                return Ok(table);
            }
            let (generation, first) = (Generation::current(), PLACES.load(Ordering::Acquire));
            let table = Box::into_raw(Box::new(Self { generation, first, places: RwLock::default() }));
            let before = current.map_or(ptr::null_mut(), |table| ptr::from_ref(table).cast_mut());
            if TABLE.compare_exchange(before, table, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // SAFETY: it was made above, and no other thread has seen it.
                drop(unsafe { Box::from_raw(table) });
            }
        }
    }

    /// False for the table of the parent, in a forked child.
    pub fn is_own(&self) -> bool {
        self.generation == Generation::current()
    }

    /// Whether the number is that of a process that this one was forked from.
    pub fn is_of_parent(&self, number: usize) -> bool {
        !self.is_own() || number & INDEX < self.first
    }

    /// Adds an object. Returns its number, which is not 0.
    pub fn insert(&self, object: Object) -> Result<usize, Failure> {
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

    pub fn get(&self, number: usize) -> Option<Object> {
        let places = self.places.read();
        let place = places.all.get((number & INDEX).checked_sub(self.first)?)?;
        place.object.as_ref().filter(|_| place.uses == number >> INDEX_BITS).cloned()
    }

    /// Takes out the object, if it is a `T`.
    pub fn remove<T: Any + Send + Sync>(&self, number: usize) -> Option<Arc<T>> {
        let mut places = self.places.write();
        let index = (number & INDEX).checked_sub(self.first)?;
        let place = places.all.get_mut(index)?;
        let is_it =
            place.uses == number >> INDEX_BITS && place.object.as_ref().is_some_and(|object| (**object).is::<T>());
        let object = is_it.then(|| place.object.take()).flatten()?;
        // A place that was used too often stays empty for ever.
        if place.uses < MOST_USES {
            places.free.push_back(index);
        }
        drop(places);
        object.downcast().ok()
    }
}
