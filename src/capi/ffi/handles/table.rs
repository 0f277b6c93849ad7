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

/// The number of bits for the slot. The other bits count the uses of the slot. On 64-bit platforms 47 bits are used
/// in all, because some languages have no room for more in a pointer.
const INDEX_BITS: u32 = if usize::BITS == 64 { 20 } else { 16 };
const USES_BITS: u32 = if usize::BITS == 64 { 27 } else { 16 };
const INDEX: usize = (1 << INDEX_BITS) - 1;
const MOST_USES: usize = (1 << USES_BITS) - 1;

pub(crate) struct Table {
    generation: Generation,
    /// The number of the first slot. Lower numbers are the parent's.
    first: usize,
    slots: RwLock<Slots>,
}

#[derive(Default)]
struct Slots {
    all: Vec<Slot>,
    /// The free slots. The one that has been free for longest is used next, so that numbers return late.
    free: VecDeque<usize>,
}

#[derive(Default)]
struct Slot {
    uses: usize,
    object: Option<Object>,
}

static TABLE: AtomicPtr<Table> = AtomicPtr::new(ptr::null_mut());

/// The number of slots, in this process and in its parents.
static SLOTS: AtomicUsize = AtomicUsize::new(0);

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
            let (generation, first) = (Generation::current(), SLOTS.load(Ordering::Acquire));
            let table = Box::into_raw(Box::new(Self { generation, first, slots: RwLock::default() }));
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
        let mut slots = self.slots.write();
        let index = match slots.free.pop_front() {
            Some(index) => index,
            None if self.first + slots.all.len() > INDEX => {
                return Err(Failure::Misuse(results::PUSHER_ERR_TOO_MANY, "too many handles at a time".into()));
            }
            None => {
                slots.all.push(Slot::default());
                SLOTS.store(self.first + slots.all.len(), Ordering::Release);
                slots.all.len() - 1
            }
        };
        let slot = &mut slots.all[index];
        slot.uses += 1;
        slot.object = Some(object);
        Ok(slot.uses << INDEX_BITS | (self.first + index))
    }

    pub fn get(&self, number: usize) -> Option<Object> {
        let slots = self.slots.read();
        let slot = slots.all.get((number & INDEX).checked_sub(self.first)?)?;
        slot.object.as_ref().filter(|_| slot.uses == number >> INDEX_BITS).cloned()
    }

    /// Takes out the object, if it is a `T`.
    pub fn remove<T: Any + Send + Sync>(&self, number: usize) -> Option<Arc<T>> {
        let mut slots = self.slots.write();
        let index = (number & INDEX).checked_sub(self.first)?;
        let slot = slots.all.get_mut(index)?;
        let is_it =
            slot.uses == number >> INDEX_BITS && slot.object.as_ref().is_some_and(|object| (**object).is::<T>());
        let object = is_it.then(|| slot.object.take()).flatten()?;
        // A slot that was used too often stays empty for ever.
        if slot.uses < MOST_USES {
            slots.free.push_back(index);
        }
        drop(slots);
        object.downcast().ok()
    }
}
