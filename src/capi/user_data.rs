//! What a callback works on, and what becomes of it.

use std::ffi::c_void;

use crate::panic_hook::Quiet;

/// Frees a `user_data`.
#[allow(non_camel_case_types, reason = "the header's name")]
pub(crate) type pusher_destructor = unsafe extern "C" fn(*mut c_void);

/// The `user_data` of a callback. With the last owner its destructor runs: when nothing can call the callback any more, or when
/// it could not be registered.
pub(super) struct UserData {
    pointer: *mut c_void,
    destroy: Option<pusher_destructor>,
}

// SAFETY: the header says that callbacks and destructors run on any thread. The library itself never looks behind the pointer.
unsafe impl Send for UserData {}
// SAFETY: as above; where the header lets callbacks run at the same time, it says so.
unsafe impl Sync for UserData {}

impl UserData {
    pub(super) fn new(pointer: *mut c_void, destroy: Option<pusher_destructor>) -> Self {
        Self { pointer, destroy }
    }

    /// Lets `how` call the program's code, which gets this. What panics there is not the library's own.
    pub(super) fn call<T>(&self, how: impl FnOnce(*mut c_void) -> T) -> T {
        let _quiet = Quiet::set(false);
        how(self.pointer)
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the caller has handed both over for this one call.
            self.call(|user_data| unsafe { destroy(user_data) });
        }
    }
}
