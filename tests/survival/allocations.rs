//! How much memory this process has allocated and not given back.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicI64, Ordering},
};

/// Bytes that are allocated at this moment. Exact, unlike what the system counts as resident.
pub(crate) fn allocated() -> i64 {
    ALLOCATED.load(Ordering::Relaxed)
}

static ALLOCATED: AtomicI64 = AtomicI64::new(0);

/// The system's allocator, with a count.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(layout: Layout) -> i64 {
    i64::try_from(layout.size()).expect("a layout has at most isize::MAX bytes")
}

// SAFETY: every call is handed on as it is to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(count(layout), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(count(layout), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let grown = i64::try_from(size).expect("a layout has at most isize::MAX bytes") - count(layout);
        ALLOCATED.fetch_add(grown, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}
