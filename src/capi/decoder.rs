//! Text that the program makes of decrypted bytes.

use std::ffi::{c_char, c_void};

use parking_lot::Mutex;

use super::{
    arguments::{Data, callbacks},
    callbacks::Registered,
    handles::{Freed, Handle, Loan},
};
use crate::secret::Wiped;

callbacks! {
    /// Makes text of data, and says whether it could.
    type pusher_decode_callback = fn(*mut c_void, *const c_char, usize, Handle<DecodedText>) -> i32;
}

/// Where the text is put.
#[derive(Default)]
pub(crate) struct DecodedText {
    text: Mutex<Option<String>>,
}

impl Freed for DecodedText {}

pub(super) fn decode(callback: &Registered<pusher_decode_callback>, bytes: &[u8]) -> Result<String, String> {
    let place = Loan::new(DecodedText::default()).map_err(|_| "there are too many handles")?;
    let mut data = Wiped::with_capacity(bytes.len() + 1);
    data.push(bytes);
    data.push(b"\0");
    let result = callback.call(|function, user_data| {
        // SAFETY: what is lent stays until the callback returns.
        unsafe { function(user_data, data.as_ptr().cast(), bytes.len(), place.handle()) }
    });
    let text = place.thing().text.lock().take();
    match result {
        0 => text.ok_or_else(|| "the decoder has set no text".to_owned()),
        _ => Err(format!("the decoder returned {result}")),
    }
}

exports! {
    fn pusher_text_set(text: Handle<DecodedText>, data: Data<'_>, length: usize) {
        let decoded = data.text(length)?.to_owned();
        *text.text.lock() = Some(decoded);
        Ok(())
    }
}
