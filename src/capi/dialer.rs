//! Connections that the program makes.

use std::{
    ffi::{c_char, c_void},
    io,
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use super::{arguments::callbacks, callbacks::Registered, text::Terminated};
use crate::{ByteStream, DialRequest};

callbacks! {
    /// Connects to a host and port within a time, and writes the socket.
    type pusher_dial_callback = fn(*mut c_void, *const c_char, u16, i32, *mut isize) -> i32;
}

/// What a dialer that has failed leaves, and no socket is.
const NO_SOCKET: isize = -1;

pub(super) fn apply(config: crate::Config, callback: Arc<Registered<pusher_dial_callback>>) -> crate::Config {
    config.dialer(move |request| dial(&callback, request))
}

fn dial(callback: &Registered<pusher_dial_callback>, request: &DialRequest) -> io::Result<ByteStream> {
    let host = Terminated::new(request.host());
    let mut socket = NO_SOCKET;
    let result = callback.call(|function, user_data| {
        let time_left = milliseconds(request.time_left());
        // SAFETY: what is lent stays until the callback returns.
        unsafe { function(user_data, host.as_str().as_ptr().cast(), request.port(), time_left, &raw mut socket) }
    });
    if result != 0 {
        return Err(io::Error::other(format!("it returned {result}")));
    }
    if socket < 0 {
        return Err(io::Error::other("it gave no socket"));
    }
    let stream = own(socket)?;
    // The client reads by a thread that waits. This also finds out whether it is a descriptor at all.
    stream.set_nonblocking(false)?;
    Ok(ByteStream::tcp(stream))
}

/// Whole ones, at least one, so that the last fraction is not taken for no time at all.
fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1)
}

#[cfg(unix)]
fn own(socket: isize) -> io::Result<TcpStream> {
    use std::os::fd::{FromRawFd, OwnedFd};

    let descriptor = i32::try_from(socket).map_err(|_| io::Error::other("it gave no descriptor"))?;
    // SAFETY: the header says that it is the client's from now on. A Unix socket is read and written like one of TCP.
    let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
    Ok(owned.into())
}

#[cfg(windows)]
fn own(socket: isize) -> io::Result<TcpStream> {
    use std::os::windows::io::{FromRawSocket, OwnedSocket, RawSocket};

    let socket = RawSocket::try_from(socket).map_err(|_| io::Error::other("it gave no socket"))?;
    // SAFETY: the header says that it is the client's from now on.
    let owned = unsafe { OwnedSocket::from_raw_socket(socket) };
    Ok(owned.into())
}
