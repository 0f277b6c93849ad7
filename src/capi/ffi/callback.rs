//! Functions of the program that the library calls, and their `user_data`.

use std::{ffi::c_void, sync::Arc};

use crate::capi::{
    ffi::{arguments::Argument, results::Failure},
    internals::panics::Quiet,
};

/// Declares the types of callbacks, under their names in the header.
macro_rules! callbacks {
    ($($(#[$about:meta])* type $name:ident = fn($($type:ty),*) $(-> $result:ty)?;)*) => { $(
        $(#[$about])*
        #[allow(non_camel_case_types, reason = "the header's name")]
        pub type $name = unsafe extern "C" fn($($type),*) $(-> $result)?;

        impl $crate::capi::ffi::arguments::Argument for Option<$name> {
            type Value = $name;

            fn value(self, name: &'static str) -> Result<$name, $crate::capi::ffi::results::Failure> {
                self.ok_or_else(|| $crate::capi::ffi::arguments::null(name))
            }
        }
    )* };
}
pub(crate) use callbacks;

/// A callback, or NULL.
#[repr(transparent)]
pub(crate) struct OptionalFunction<F> {
    function: Option<F>,
}

impl<F> Argument for OptionalFunction<F> {
    type Value = Option<F>;

    fn value(self, _: &'static str) -> Result<Option<F>, Failure> {
        Ok(self.function)
    }
}

/// Frees a `user_data`.
#[allow(non_camel_case_types, reason = "the header's name")]
pub(crate) type pusher_destructor = unsafe extern "C" fn(*mut c_void);

/// The `user_data` of a callback. Its drop runs the destructor: when nothing can call the callback any more, or when it
/// could not be registered.
pub(crate) struct UserData {
    pointer: *mut c_void,
    destroy: Option<pusher_destructor>,
}

// SAFETY: the header says that callbacks and destructors run on any thread. The library itself never looks behind the pointer.
unsafe impl Send for UserData {}
// SAFETY: as above; the header names the callbacks that may run at the same time.
unsafe impl Sync for UserData {}

impl UserData {
    pub fn new(pointer: *mut c_void, destroy: Option<pusher_destructor>) -> Self {
        Self { pointer, destroy }
    }

    /// Lets `how` call the program's code with the pointer. A panic there is not the library's own.
    pub fn call<T>(&self, how: impl FnOnce(*mut c_void) -> T) -> T {
        let _quiet = Quiet::set(false);
        how(self.pointer)
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the caller has given both for this one call.
            self.call(|user_data| unsafe { destroy(user_data) });
        }
    }
}

/// A function of the program, with its `user_data`.
pub(crate) struct Registered<F> {
    function: F,
    user_data: UserData,
}

impl<F: Copy> Registered<F> {
    pub fn of(function: F, user_data: UserData) -> Self {
        Self { function, user_data }
    }

    pub fn new(function: F, user_data: UserData) -> Arc<Self> {
        Arc::new(Self::of(function, user_data))
    }

    /// Lets `how` call it, with its `user_data`.
    pub fn call<T>(&self, how: impl FnOnce(F, *mut c_void) -> T) -> T {
        self.user_data.call(|user_data| how(self.function, user_data))
    }
}
