//! Catches the panics of the program's own code. `io::guard::user_code` has the rules for this code, and calls it with
//! the marks that threads need.

use std::{
    any::Any,
    mem,
    panic::{self, AssertUnwindSafe},
};

/// A call of the program's code has panicked. The payload of the panic is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Runs code of the program, and only catches a panic. The caller sets the marks and checks the process, perhaps for
/// several calls at once: handlers run millions of times a second.
pub(crate) fn catch<T>(code: impl FnOnce() -> T) -> Result<T, Panicked> {
    panic::catch_unwind(AssertUnwindSafe(code)).map_err(dispose)
}

/// Logs like the macro of the crate `log` with this name. A logger is code of the program: its panic ends the record only
/// (H2).
macro_rules! record {
    ($log:ident, $($record:tt)+) => {{
        // The panic hook has reported the panic already.
        let _ = $crate::user_code::catch(|| ::log::$log!($($record)+));
    }};
}

/// The number of panics in a row for which [`dispose`] drops the payload. The payload of the next one is leaked.
const MAX_PAYLOADS: usize = 8;

/// Drops the payload of a panic. Its destructor may be the program's own, and may panic as well.
#[cold]
fn dispose(mut payload: Box<dyn Any + Send>) -> Panicked {
    for _ in 0..MAX_PAYLOADS {
        match panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return Panicked,
            Err(next) => payload = next,
        }
    }
    mem::forget(payload);
    Panicked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h2_a_payload_that_always_panics_with_another_one_is_leaked() {
        struct Endless;
        impl Drop for Endless {
            fn drop(&mut self) {
                panic::panic_any(Self);
            }
        }
        assert_eq!(catch(|| panic::panic_any(Endless)), Err::<(), _>(Panicked));
    }
}
