//! The C interface: the functions that `pusher_channels.h` declares. It uses the public interface of the crate, and the
//! private parts that [`internals`] names.
//!
//! The opening comment of the header has the conventions; it is the manual for users. The code keeps them as follows:
//!
//! * [`exports!`](ffi::boundary) makes each function. It converts the arguments to Rust values by the one trait
//!   [`Argument`](ffi::arguments::Argument), and catches panics. So the types of the parameters are those of the header:
//!   `Text` is a `const char *`, `OptionalText` one that may be NULL, `Out<T>` a `T *` to be written, `Handle<T>` a handle.
//!   One place checks for NULL, UTF-8 and freed handles.
//! * A handle is the number of a slot in a [table](ffi::handles), and not an address. The library notices a handle that
//!   was freed, and an object that one thread frees while another uses it lives on until then. Notifications and errors
//!   are plain memory, because one is made for every event.
//! * A callback is a function, its `user_data`, and a destructor. [`UserData`](ffi::callback::UserData) holds the last two
//!   from the first line of the function that gets them, so that the destructor runs once however that function ends.
//!
//! This is the only unsafe code of the crate. It rests on one promise of the caller: each pointer points to the kind of
//! object that the header names.
#![allow(unsafe_code, reason = "C hands over pointers")]

mod internals;
#[macro_use]
mod ffi;

mod library;

mod auth;

mod events;

mod config;

mod client;

#[cfg(test)]
mod tests;
