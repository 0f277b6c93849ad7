//! A `user_data` that counts how often it was used and destroyed.

use std::{
    ffi::c_void,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::capi::{events::notification::Notification, ffi::callback::UserData};

#[derive(Clone, Default)]
pub(super) struct Counted(Arc<Counts>);

#[derive(Default)]
struct Counts {
    calls: AtomicUsize,
    destroyed: AtomicUsize,
}

impl Counted {
    /// May be registered any number of times: each destructor only counts.
    pub(super) fn pointer(&self) -> *mut c_void {
        Arc::as_ptr(&self.0).cast_mut().cast()
    }

    pub(super) fn user_data(&self) -> UserData {
        UserData::new(self.pointer(), Some(destroy))
    }

    pub(super) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    pub(super) fn destroyed(&self) -> usize {
        self.0.destroyed.load(Ordering::SeqCst)
    }

    /// Counts a call. The counter must still exist.
    pub(super) unsafe fn called(user_data: *mut c_void) -> usize {
        // SAFETY: the pointer comes from `pointer`, and every test keeps its counter.
        let counts = unsafe { &*user_data.cast_const().cast::<Counts>() };
        counts.calls.fetch_add(1, Ordering::SeqCst) + 1
    }
}

pub(super) unsafe extern "C" fn destroy(user_data: *mut c_void) {
    // SAFETY: as above.
    let counts = unsafe { &*user_data.cast_const().cast::<Counts>() };
    counts.destroyed.fetch_add(1, Ordering::SeqCst);
}

pub(super) unsafe extern "C" fn count(user_data: *mut c_void, _: *const Notification) {
    // SAFETY: every test registers it with a `Counted`.
    unsafe { Counted::called(user_data) };
}
