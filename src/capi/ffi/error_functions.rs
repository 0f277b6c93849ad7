//! The functions that read errors.

use std::{
    ffi::{c_char, c_int},
    ptr,
};

use crate::capi::ffi::{
    arguments::{Borrowed, OptionalOut, Out},
    boundary,
    error::{Error, LAST},
    results::{self, Failure},
    text,
};

/// The header has it. Writes as `snprintf` does.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn pusher_last_error_text(buffer: *mut c_char, size: usize) -> c_int {
    let mut length = 0;
    let copy = || {
        let text = LAST.try_with(|last| last.borrow().as_ref().map(|error| error.text.clone())).ok().flatten();
        let text = text.as_ref().map_or("", |text| text.text());
        length = c_int::try_from(text.len()).unwrap_or(c_int::MAX);
        if let (false, Some(room)) = (buffer.is_null(), size.checked_sub(1)) {
            let cut = up_to(text, room);
            // SAFETY: the caller promises `size` bytes, which have room for the cut text and its NUL.
            unsafe {
                ptr::copy_nonoverlapping(cut.as_ptr().cast(), buffer, cut.len());
                buffer.add(cut.len()).write(0);
            }
        }
        Ok(())
    };
    // It keeps the last error, unless it panics.
    boundary::run("pusher_last_error_text", copy);
    length
}

/// The beginning of the text that fits into `room` bytes, in whole characters.
fn up_to(text: &str, room: usize) -> &str {
    let mut end = room.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

exports! {
    fn pusher_result_name(result: i32, text: Out<'_, *const c_char>) {
        let name = results::name(result).ok_or(Failure::Nothing)?;
        text::lend(name, (text, None));
        Ok(())
    }

    fn pusher_last_error(error: Out<'_, *const Error>) {
        let last = LAST.try_with(|last| last.borrow().as_deref().map(ptr::from_ref)).ok().flatten();
        error.put(last.ok_or(Failure::Nothing)?);
        Ok(())
    }

    fn pusher_error_result(error: Borrowed<'_, Error>, result: Out<'_, i32>) {
        result.put(error.result);
        Ok(())
    }

    fn pusher_error_text(
        error: Borrowed<'_, Error>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        text::lend(error.text.as_str(), (text, length));
        Ok(())
    }

    fn pusher_error_channel(
        error: Borrowed<'_, Error>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        text::lend(error.channel.as_ref().ok_or(Failure::Nothing)?.as_str(), (text, length));
        Ok(())
    }

    fn pusher_error_message(
        error: Borrowed<'_, Error>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        text::lend(error.message.as_ref().ok_or(Failure::Nothing)?.as_str(), (text, length));
        Ok(())
    }

    fn pusher_error_code(error: Borrowed<'_, Error>, code: Out<'_, i32>) {
        code.put(error.cause()?.code().ok_or(Failure::Nothing)?.into());
        Ok(())
    }

    fn pusher_error_status(error: Borrowed<'_, Error>, status: Out<'_, i32>) {
        status.put(error.cause()?.status().ok_or(Failure::Nothing)?.into());
        Ok(())
    }

    fn pusher_error_detail(error: Borrowed<'_, Error>, text: Out<'_, *const c_char>) {
        text::lend(error.detail.as_ref().ok_or(Failure::Nothing)?.as_str(), (text, None));
        Ok(())
    }

    fn pusher_error_is_retryable(error: Borrowed<'_, Error>, retryable: Out<'_, i32>) {
        retryable.put(error.is(crate::Error::is_retryable));
        Ok(())
    }

    fn pusher_error_is_auth(error: Borrowed<'_, Error>, auth: Out<'_, i32>) {
        auth.put(error.is(crate::Error::is_auth));
        Ok(())
    }

    fn pusher_error_is_timeout(error: Borrowed<'_, Error>, timeout: Out<'_, i32>) {
        timeout.put(error.is(crate::Error::is_timeout));
        Ok(())
    }
}
