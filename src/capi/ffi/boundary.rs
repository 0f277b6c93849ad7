//! Where Rust ends and C begins: results become numbers, and no panic passes.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Once,
    thread,
};

use crate::capi::{
    core::panics::{self, Quiet},
    ffi::{
        error::{self, Error},
        results::{self, Failure},
    },
};

/// Makes functions of the ABI. Each is exported by its name, gets its arguments as Rust values, and stands behind the panic
/// boundary. Between semicolons stands the `user_data` of a function that registers a callback, which is held together with its
/// destructor before anything else is looked at.
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

/// Runs a function of the ABI. Returns its result as a number, after what went wrong has been noted for the thread.
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

/// Remembers what went wrong, for the thread to ask for. Returns the number of the result.
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
    // What a panic was raised with may panic when it is dropped.
    outcome.map_err(std::mem::forget).ok()
}

fn panicked() -> Failure {
    Failure::Misuse(results::PUSHER_ERR_PANIC, "the library has panicked".into())
}

/// Sends the panics of this library to the log, because nothing is printed. Those of other code, where the library is part of a
/// Rust program, go where they went before.
fn keep_panics_quiet() {
    static ONCE: Once = Once::new();
    // The hook cannot be changed by a thread that panics, as one does that calls a function while it unwinds.
    if thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if panics::is_quiet() {
                // Its words may quote what is confidential.
                let place = info.location().map(ToString::to_string);
                ::log::error!("a panic at {}", place.as_deref().unwrap_or("an unknown place"));
            } else {
                before(info);
            }
        }));
    });
}

/// For the test that every function stands behind the boundary: panics in the one that the environment names.
#[cfg(pusher_panics)]
fn panic_if_asked(function: &str) {
    if std::env::var("PUSHER_PANIC").is_ok_and(|asked| asked == function || asked == "*") {
        panic!("asked for by PUSHER_PANIC");
    }
}
