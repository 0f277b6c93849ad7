//! Counts the memory that this process holds.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

/// The system's allocator, with two counters beside it.
struct Counting;

fn took(bytes: usize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(held, Ordering::Relaxed);
}

fn gave_back(bytes: usize) {
    HELD.fetch_sub(bytes, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came, and the counters allocate nothing. That allocators are an
// unsafe trait is the one reason for unsafe code in these tests.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        gave_back(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both blocks may exist for a moment.
        took(size);
        gave_back(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// Bytes that are allocated at this moment. Exact, unlike what the system counts as resident.
pub(crate) fn allocated() -> i64 {
    i64::try_from(HELD.load(Ordering::Relaxed)).expect("memory has at most isize::MAX bytes")
}

/// What is held more than at a moment, at most.
pub(crate) struct Growth {
    before: usize,
}

impl Growth {
    /// From now on. One at a time, because there is one peak.
    pub(crate) fn since_now() -> Self {
        let before = HELD.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        Self { before }
    }

    /// The largest so far, in bytes.
    pub(crate) fn peak(&self) -> usize {
        PEAK.load(Ordering::Relaxed).saturating_sub(self.before)
    }
}
