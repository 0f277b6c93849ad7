//! The C ABI: what `pusher_channels.h` declares, on top of the same public interface that Rust programs use.
//!
//! The header's opening comment has the conventions; it is the manual for users. This is how they are kept:
//!
//! * Each function is made by [`exports!`](boundary), which turns its arguments into Rust values by the one trait
//!   [`Argument`](arguments::Argument) and stands behind the panic boundary. So the types of the parameters say what the
//!   header says: `Text` is a `const char *`, `OptionalText` one that may be NULL, `Out<T>` a `T *` to be written, `Handle<T>` a
//!   handle. NULL, UTF-8 and freed handles are looked at in one place.
//! * A handle is the number of a place in a [`table`], not an address: one that was freed is noticed, and one that is
//!   freed while another thread uses it harms nobody. Notifications and errors are plain memory, because one is made for every event.
//! * A callback is a function, its `user_data`, and a destructor, held together by [`UserData`](user_data::UserData) from the
//!   first line of the function that gets them, so that the destructor runs once however that function ends.
//!
//! This is the only unsafe code of the crate. All of it rests on one promise of the caller's: that a pointer points to what the
//! header says.
#![allow(unsafe_code, reason = "C hands over pointers")]

#[macro_use]
mod boundary;
mod arguments;
mod forks;
mod handles;
mod results;
mod table;
mod text;
mod user_data;

mod errors;
mod log;
mod version;
mod words;

mod callbacks;
mod config;
mod credentials;
mod decoder;
mod dialer;
mod options;
mod questions;
mod signing;
mod unknown;

mod channels;
mod client;
mod users;

mod dispatching;
mod handlers;
mod list;
mod notification;
mod numbers;
mod receiver;
mod stats;

#[cfg(test)]
mod tests;
