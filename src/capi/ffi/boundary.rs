//! The boundary of all functions for C: results become numbers, and no panic passes.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Once,
    thread,
};

use crate::capi::{
    ffi::{
        error::{self, Error},
        results::{self, Failure},
    },
    internals::panics::{self, Quiet},
};

/// Makes functions of the ABI. Each is exported by its name, gets its arguments as Rust values, and stands behind the
/// panic boundary. A function that registers a callback has its `user_data` between semicolons; `user_data` and its
/// destructor become one value before any check.
macro_rules! exports {
    () => {};
    ($(#[$about:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block $($more:tt)*) => {
        $(#[$about])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> i32 {
            $crate::capi::ffi::boundary::run(stringify!($name), move || {
                $(let $argument = $crate::capi::ffi::arguments::Argument::value($argument, stringify!($argument))?;)*
                $body
            })
        }
        exports! { $($more)* }
    };
    (
        $(#[$about:meta])*
        fn $name:ident($($argument:ident: $type:ty),*; $user_data:ident; $($after:ident: $after_type:ty),*) $body:block
        $($more:tt)*
    ) => {
        $(#[$about])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            $($argument: $type,)*
            $user_data: *mut std::ffi::c_void,
            destroy: Option<$crate::capi::ffi::callback::pusher_destructor>,
            $($after: $after_type,)*
        ) -> i32 {
            let $user_data = $crate::capi::ffi::callback::UserData::new($user_data, destroy);
            $crate::capi::ffi::boundary::run(stringify!($name), move || {
                $(let $argument = $crate::capi::ffi::arguments::Argument::value($argument, stringify!($argument))?;)*
                $(let $after = $crate::capi::ffi::arguments::Argument::value($after, stringify!($after))?;)*
                $body
            })
        }
        exports! { $($more)* }
    };
    ($(#[$about:meta])* free fn $name:ident($handle:ident: $type:ty) $($more:tt)*) => {
        $(#[$about])*
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($handle: $type) {
            $crate::capi::ffi::boundary::run(stringify!($name), move || {
                $crate::capi::ffi::arguments::Free::free($handle);
                Ok(())
            });
        }
        exports! { $($more)* }
    };
}

/// Runs a function of the ABI. Notes an error for the thread, and returns the result as a number.
pub(crate) fn run(function: &'static str, body: impl FnOnce() -> Result<(), Failure>) -> i32 {
    keep_panics_quiet();
    let _quiet = Quiet::set(true);
    let result = guarded(|| {
        #[cfg(pusher_panics)]
        panic_if_asked(function);
        body().map_or_else(|failure| note(failure, function), |()| results::PUSHER_OK)
    });
    result.or_else(|| guarded(|| note(panicked(), function))).unwrap_or(results::PUSHER_ERR_PANIC)
}

/// Keeps the failure as the last error of the thread. Returns the number of the result.
fn note(failure: Failure, function: &'static str) -> i32 {
    match failure {
        Failure::Nothing => results::PUSHER_NOTHING,
        Failure::Closed => results::PUSHER_CLOSED,
        // The text is made here, which may run the program's own code: that of its errors.
        Failure::Client(error) => error::note(Error::of_client(function, error)),
        Failure::Misuse(result, reason) => error::note(Error::of_call(function, result, &reason)),
    }
}

/// `None` when it panics.
fn guarded(work: impl FnOnce() -> i32) -> Option<i32> {
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    // The payload of a panic may panic when it is dropped.
    outcome.map_err(std::mem::forget).ok()
}

fn panicked() -> Failure {
    Failure::Misuse(results::PUSHER_ERR_PANIC, "the library has panicked".into())
}

/// Sends the panics of this library to the log, because it prints nothing. Panics of other code in a Rust program go to
/// the earlier hook.
fn keep_panics_quiet() {
    static ONCE: Once = Once::new();
    // A thread that unwinds cannot change the hook.
    if thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if panics::is_quiet() {
                // Its message may quote confidential data.
                let place = info.location().map(ToString::to_string);
                ::log::error!("a panic at {}", place.as_deref().unwrap_or("an unknown place"));
            } else {
                before(info);
            }
        }));
    });
}

/// For the test that every function stands behind the boundary: panics in the function that the environment names.
#[cfg(pusher_panics)]
fn panic_if_asked(function: &str) {
    if std::env::var("PUSHER_PANIC").is_ok_and(|asked| asked == function || asked == "*") {
        panic!("asked for by PUSHER_PANIC");
    }
}
