//! Text for C: it ends with a NUL, and has its length beside it.

use std::{cell::RefCell, ffi::c_char};

use zeroize::Zeroizing;

use crate::capi::ffi::{arguments::OutPointer, results::Failure};

/// Text with a NUL at its end, for C to borrow. The text itself may contain a NUL, too.
#[derive(Debug, Clone)]
pub(crate) struct Terminated(Box<str>);

impl Terminated {
    pub fn new(text: &str) -> Self {
        let mut terminated = String::with_capacity(text.len() + 1);
        terminated.push_str(text);
        terminated.push('\0');
        Self(terminated.into_boxed_str())
    }

    pub fn text(&self) -> &str {
        &self.0[..self.0.len() - 1]
    }

    /// With the NUL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The out-parameters for a text: for its address, and perhaps for its length.
pub(crate) type TextPointers<'a> = (OutPointer<'a, *const c_char>, Option<OutPointer<'a, usize>>);

/// Lends a text that ends with a NUL. Its owner keeps it for as long as the header says.
pub(crate) fn lend(terminated: &str, (text, length): TextPointers<'_>) {
    debug_assert!(terminated.ends_with('\0'), "C looks for the end");
    text.put(terminated.as_ptr().cast());
    if let Some(length) = length {
        length.put(terminated.len() - 1);
    }
}

/// Texts that a thread borrows until it calls the same function again.
#[derive(Clone, Copy)]
pub(crate) enum Lent {
    SocketId,
    UserId,
    DialUrl,
    Notification,
    SignedChannel,
    SignedUser,
}

/// The number of such texts.
const LENDABLE: usize = 6;

thread_local! {
    /// Each is wiped when it is dropped, because some are secrets (X1).
    static LENT: RefCell<[Option<Zeroizing<String>>; LENDABLE]> = const { RefCell::new([const { None }; LENDABLE]) };
}

impl Lent {
    pub fn lend(self, text: &str, pointers: TextPointers<'_>) -> Result<(), Failure> {
        let mut terminated = Zeroizing::new(String::with_capacity(text.len() + 1));
        terminated.push_str(text);
        terminated.push('\0');
        let keep_and_lend = |slots: &RefCell<[Option<Zeroizing<String>>; LENDABLE]>| {
            // From its place: a pointer that was taken before the text moved there would be invalid.
            lend(slots.borrow_mut()[self as usize].insert(terminated).as_str(), pointers);
        };
        // A thread that is ending has no place for it.
        LENT.try_with(keep_and_lend).map_err(|_| Failure::Nothing)
    }
}
