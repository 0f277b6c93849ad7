//! The C interface: the functions that `pusher_channels.h` declares. It uses the public interface of the crate, and the
//! private parts that [`core`] names.
//!
//! The header's opening comment has the conventions; it is the manual for users. This is how they are kept:
//!
//! * Each function is made by [`exports!`](ffi), which turns its arguments into Rust values by the one trait
//!   [`Argument`](ffi::arguments::Argument) and stands behind the panic boundary. So the types of the parameters say what the
//!   header says: `Text` is a `const char *`, `OptionalText` one that may be NULL, `Out<T>` a `T *` to be written, `Handle<T>` a
//!   handle. NULL, UTF-8 and freed handles are looked at in one place.
//! * A handle is the number of a place in a [table](ffi::handles), not an address: one that was freed is noticed, and one that is
//!   freed while another thread uses it harms nobody. Notifications and errors are plain memory, because one is made for every event.
//! * A callback is a function, its `user_data`, and a destructor, held together by [`UserData`](ffi::callback::UserData) from the
//!   first line of the function that gets them, so that the destructor runs once however that function ends.
//!
//! This is the only unsafe code of the crate. All of it rests on one promise of the caller's: that a pointer points to what the
//! header says.
#![allow(unsafe_code, reason = "C hands over pointers")]

mod core;
#[macro_use]
mod ffi;

mod library;

mod auth;

mod events;

mod config;

mod client;

#[cfg(test)]
mod tests;
