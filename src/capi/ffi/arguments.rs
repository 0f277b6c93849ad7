//! The types of C's arguments, and their conversion to Rust values.
//!
//! Only C makes values of these types: the parameters of the functions that [`exports!`](crate::capi::ffi::boundary)
//! makes. The caller of such a function keeps the promises of the header, and every `unsafe` below rests on them.

use std::{
    ffi::{CStr, c_char},
    marker::PhantomData,
    ptr, slice, str,
    time::Duration,
};

use crate::capi::ffi::results::{self, Failure};

/// A parameter of a function.
pub(crate) trait Argument {
    type Value;

    /// Converts the argument. `name` is the parameter's, for the text of an error.
    fn value(self, name: &'static str) -> Result<Self::Value, Failure>;
}

/// A parameter that is freed.
pub(crate) trait Free {
    /// Frees the argument. Does nothing for NULL, and for a handle that was freed.
    fn free(self);
}

pub(crate) fn null(name: &'static str) -> Failure {
    Failure::Misuse(results::PUSHER_ERR_NULL, format!("{name} is NULL").into())
}

macro_rules! numbers {
    ($($number:ty)*) => { $(
        impl Argument for $number {
            type Value = Self;

            fn value(self, _: &'static str) -> Result<Self, Failure> {
                Ok(self)
            }
        }
    )* };
}

numbers! { i32 i64 u32 u64 usize }

/// A timeout in milliseconds. A negative one never ends.
pub(crate) fn within(timeout_ms: i32) -> Duration {
    u64::try_from(timeout_ms).map_or(Duration::MAX, Duration::from_millis)
}

/// `const char *`: text that ends with a NUL.
#[repr(transparent)]
pub(crate) struct Text<'a> {
    pointer: *const c_char,
    lifetime: PhantomData<&'a str>,
}

impl<'a> Argument for Text<'a> {
    type Value = &'a str;

    fn value(self, name: &'static str) -> Result<&'a str, Failure> {
        OptionalText { text: self }.value(name)?.ok_or_else(|| null(name))
    }
}

/// `const char *` that may be NULL.
#[repr(transparent)]
pub(crate) struct OptionalText<'a> {
    text: Text<'a>,
}

impl<'a> Argument for OptionalText<'a> {
    type Value = Option<&'a str>;

    fn value(self, name: &'static str) -> Result<Option<&'a str>, Failure> {
        if self.text.pointer.is_null() {
            return Ok(None);
        }
        // SAFETY: the caller promises a text that ends with a NUL and stays until the function returns.
        let bytes = unsafe { CStr::from_ptr(self.text.pointer) }.to_bytes();
        checked(bytes, name).map(Some)
    }
}

/// `const char *` with a length beside it.
#[repr(transparent)]
pub(crate) struct Data<'a> {
    pointer: *const c_char,
    lifetime: PhantomData<&'a [u8]>,
}

impl<'a> Argument for Data<'a> {
    type Value = Unmeasured<'a>;

    fn value(self, name: &'static str) -> Result<Unmeasured<'a>, Failure> {
        Ok(Unmeasured { data: self, name })
    }
}

/// Data whose length is another parameter.
pub(crate) struct Unmeasured<'a> {
    data: Data<'a>,
    name: &'static str,
}

impl<'a> Unmeasured<'a> {
    /// The data as text of this length. With a length of 0 the pointer may be NULL, as many languages pass it.
    pub fn text(self, length: usize) -> Result<&'a str, Failure> {
        if isize::try_from(length).is_err() {
            return Err(Failure::value(format!("the length of {} is beyond all memory", self.name)));
        }
        if self.data.pointer.is_null() {
            return if length == 0 { Ok("") } else { Err(null(self.name)) };
        }
        // SAFETY: the caller promises this number of bytes, which stay until the function returns.
        let bytes = unsafe { slice::from_raw_parts(self.data.pointer.cast(), length) };
        checked(bytes, self.name)
    }
}

fn checked<'a>(bytes: &'a [u8], name: &'static str) -> Result<&'a str, Failure> {
    str::from_utf8(bytes).map_err(|_| Failure::Misuse(results::PUSHER_ERR_UTF8, format!("{name} is not UTF-8").into()))
}

/// `T *`: an out-parameter.
#[repr(transparent)]
pub(crate) struct Out<'a, T> {
    pointer: *mut T,
    lifetime: PhantomData<&'a mut T>,
}

impl<'a, T> Argument for Out<'a, T> {
    type Value = OutPointer<'a, T>;

    fn value(self, name: &'static str) -> Result<OutPointer<'a, T>, Failure> {
        if self.pointer.is_null() { Err(null(name)) } else { Ok(OutPointer { out: self }) }
    }
}

/// `T *` that may be NULL.
#[repr(transparent)]
pub(crate) struct OptionalOut<'a, T> {
    out: Out<'a, T>,
}

impl<'a, T> Argument for OptionalOut<'a, T> {
    type Value = Option<OutPointer<'a, T>>;

    fn value(self, _: &'static str) -> Result<Option<OutPointer<'a, T>>, Failure> {
        Ok((!self.out.pointer.is_null()).then_some(OutPointer { out: self.out }))
    }
}

/// An out-parameter, which is written when the function has succeeded. It may hold anything before.
pub(crate) struct OutPointer<'a, T> {
    out: Out<'a, T>,
}

impl<T> OutPointer<'_, T> {
    pub fn put(self, value: T) {
        // SAFETY: the caller promises a place for a T, which no other code uses until the function returns.
        unsafe { ptr::write(self.out.pointer, value) };
    }
}

/// `const T *`: plain memory of this library, which C reads through functions only.
#[repr(transparent)]
pub(crate) struct Borrowed<'a, T> {
    pointer: *const T,
    lifetime: PhantomData<&'a T>,
}

impl<'a, T> Argument for Borrowed<'a, T> {
    type Value = &'a T;

    fn value(self, name: &'static str) -> Result<&'a T, Failure> {
        // SAFETY: the caller promises a pointer that this library has given, to something that is not freed yet.
        unsafe { self.pointer.as_ref() }.ok_or_else(|| null(name))
    }
}

/// `T *`: plain memory of this library, which C frees.
#[repr(transparent)]
pub(crate) struct Owned<T> {
    pointer: *mut T,
}

impl<T> Owned<T> {
    pub fn new(thing: T) -> Self {
        Self { pointer: Box::into_raw(Box::new(thing)) }
    }
}

/// `T *` that may be NULL.
#[repr(transparent)]
pub(crate) struct OptionalOwned<T> {
    owned: Owned<T>,
}

impl<T> Free for OptionalOwned<T> {
    fn free(self) {
        if !self.owned.pointer.is_null() {
            // SAFETY: the caller promises a pointer that `Owned::new` has made, and to use it no more.
            drop(unsafe { Box::from_raw(self.owned.pointer) });
        }
    }
}
