//! Where Rust ends and C begins: results become numbers, and no panic passes.

use std::{
    borrow::Cow,
    panic::{self, AssertUnwindSafe},
    sync::Once,
    thread,
};

use super::{errors, results};
use crate::{
    Error,
    panic_hook::{self, Quiet},
};

/// Why a function has not done what it was asked for.
pub(super) enum Failure {
    /// There is no such thing, or not in time.
    Nothing,
    /// The client is gone and nothing waits.
    Closed,
    /// What went wrong, as the client says it.
    Client(Error),
    /// The call itself is wrong: the number of the result, and what is wrong.
    Misuse(i32, Cow<'static, str>),
}

impl Failure {
    pub(super) fn value(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Misuse(results::PUSHER_ERR_VALUE, reason.into())
    }

    /// The number of the result. The words of an error are made here, which may be those of a program's own error.
    fn note(self, function: &'static str) -> i32 {
        match self {
            Self::Nothing => results::PUSHER_NOTHING,
            Self::Closed => results::PUSHER_CLOSED,
            Self::Client(error) => errors::note(errors::Error::of_client(function, error)),
            Self::Misuse(result, what) => errors::note(errors::Error::of_call(function, result, &what)),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

/// Makes functions of the ABI. Each is exported by its name, gets its arguments as Rust values, and stands behind the panic
/// boundary. Between semicolons stands the `user_data` of a function that registers a callback, which is held together with its
/// destructor before anything else is looked at.
macro_rules! exports {
    () => {};
    ($(#[$about:meta])* fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block $($more:tt)*) => {
        $(#[$about])*
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name($($argument: $type),*) -> i32 {
            $crate::capi::boundary::run(stringify!($name), move || {
                $(let $argument = $crate::capi::arguments::Argument::value($argument, stringify!($argument))?;)*
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
        pub(crate) unsafe extern "C" fn $name(
            $($argument: $type,)*
            $user_data: *mut std::ffi::c_void,
            destroy: Option<$crate::capi::user_data::pusher_destructor>,
            $($after: $after_type,)*
        ) -> i32 {
            let $user_data = $crate::capi::user_data::UserData::new($user_data, destroy);
            $crate::capi::boundary::run(stringify!($name), move || {
                $(let $argument = $crate::capi::arguments::Argument::value($argument, stringify!($argument))?;)*
                $(let $after = $crate::capi::arguments::Argument::value($after, stringify!($after))?;)*
                $body
            })
        }
        exports! { $($more)* }
    };
    ($(#[$about:meta])* free fn $name:ident($handle:ident: $type:ty) $($more:tt)*) => {
        $(#[$about])*
        #[unsafe(no_mangle)]
        pub(crate) unsafe extern "C" fn $name($handle: $type) {
            $crate::capi::boundary::run(stringify!($name), move || {
                $crate::capi::arguments::Free::free($handle);
                Ok(())
            });
        }
        exports! { $($more)* }
    };
}

/// Runs a function of the ABI. Returns its result as a number, after what went wrong has been noted for the thread.
pub(super) fn run(function: &'static str, body: impl FnOnce() -> Result<(), Failure>) -> i32 {
    keep_panics_quiet();
    let _quiet = Quiet::set(true);
    let result = guarded(|| {
        #[cfg(pusher_panics)]
        panic_if_asked(function);
        body().map_or_else(|failure| failure.note(function), |()| results::PUSHER_OK)
    });
    result.or_else(|| guarded(|| panicked().note(function))).unwrap_or(results::PUSHER_ERR_PANIC)
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
            if panic_hook::is_quiet() {
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
