//! Text that is handed to C: it ends with a NUL, and its length is told beside it.

use std::{cell::RefCell, ffi::c_char};

use zeroize::Zeroizing;

use crate::capi::ffi::{arguments::Place, results::Failure};

/// Text with a NUL at its end, to be borrowed by C. What it says may contain a NUL, too.
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

/// Where a text is written to: a pointer to it, and perhaps its length.
pub(crate) type Places<'a> = (Place<'a, *const c_char>, Option<Place<'a, usize>>);

/// Hands out a text that ends with a NUL. Whoever owns it keeps it as long as the header says.
pub(crate) fn lend(terminated: &str, (text, length): Places<'_>) {
    debug_assert!(terminated.ends_with('\0'), "C looks for the end");
    text.put(terminated.as_ptr().cast());
    if let Some(length) = length {
        length.put(terminated.len() - 1);
    }
}

/// Texts that a thread is lent until it asks for the same again.
#[derive(Clone, Copy)]
pub(crate) enum Lent {
    SocketId,
    UserId,
    DialUrl,
    Notification,
    SignedChannel,
    SignedUser,
}

/// How many there are.
const LENDABLE: usize = 6;

thread_local! {
    /// Each is wiped when it is dropped, because some of them are secrets (X1).
    static LENT: RefCell<[Option<Zeroizing<String>>; LENDABLE]> = const { RefCell::new([const { None }; LENDABLE]) };
}

impl Lent {
    pub fn lend(self, text: &str, places: Places<'_>) -> Result<(), Failure> {
        let mut terminated = Zeroizing::new(String::with_capacity(text.len() + 1));
        terminated.push_str(text);
        terminated.push('\0');
        let keep_and_lend = |slots: &RefCell<[Option<Zeroizing<String>>; LENDABLE]>| {
            // Out of its place: where the text moves there, what points to it from before is not to be used any more.
            lend(slots.borrow_mut()[self as usize].insert(terminated).as_str(), places);
        };
        // A thread that is ending has no place to keep it.
        LENT.try_with(keep_and_lend).map_err(|_| Failure::Nothing)
    }
}
