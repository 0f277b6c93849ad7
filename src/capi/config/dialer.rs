//! Connections that the program makes.

use std::{
    ffi::{c_char, c_void},
    io,
    net::TcpStream,
    time::Duration,
};

use socket2::{SockRef, Socket, Type};

use crate::capi::ffi::{
    callback::{Registered, callbacks},
    text::Terminated,
};
use crate::{ByteStream, DialRequest};

callbacks! {
    /// Connects to a host and port within a time, and writes the socket.
    type pusher_dial_callback = fn(*mut c_void, *const c_char, u16, i32, *mut isize) -> i32;
}

/// No socket has this number, on any platform.
const NO_SOCKET: isize = -1;

pub(crate) fn dial(callback: &Registered<pusher_dial_callback>, request: &DialRequest) -> io::Result<ByteStream> {
    let host = Terminated::new(request.host());
    let mut socket = NO_SOCKET;
    let result = callback.call(|function, user_data| {
        let time_left = milliseconds(request.time_left());
        // SAFETY: the borrowed data stays until the callback returns.
        unsafe { function(user_data, host.as_str().as_ptr().cast(), request.port(), time_left, &raw mut socket) }
    });
    if result != 0 {
        return Err(io::Error::other(format!("it returned {result}")));
    }
    if socket < 0 {
        return Err(io::Error::other("it gave no socket"));
    }
    own(socket).map(ByteStream::tcp)
}

/// Whole milliseconds, at least one: 0 would mean that no time is left.
fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1)
}

/// Takes over a socket, and makes it blocking, because the client's reader thread waits. A descriptor of another kind
/// belongs to the client as well, which closes it. A Unix socket works like one of TCP.
#[cfg(unix)]
fn own(socket: isize) -> io::Result<TcpStream> {
    use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

    let descriptor = i32::try_from(socket).map_err(|_| io::Error::other("it gave no descriptor"))?;
    // SAFETY: the descriptor belongs to the client by now, so nothing else closes it.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    // A number that is not open fails here, and must not be closed: another thread may open it meanwhile. The flag
    // keeps the connection from programs that the process starts.
    SockRef::from(&borrowed).set_cloexec(true)?;
    // SAFETY: it is open, and by the header it belongs to the client.
    let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
    settle(owned.into())
}

/// Takes over a socket, and makes it blocking, because the client's reader thread waits. A number that is no socket is
/// refused, and is not closed.
#[cfg(windows)]
fn own(socket: isize) -> io::Result<TcpStream> {
    use std::os::windows::io::{BorrowedSocket, FromRawSocket, OwnedSocket, RawSocket};

    let socket = RawSocket::try_from(socket).map_err(|_| io::Error::other("it gave no socket"))?;
    // SAFETY: the descriptor belongs to the client by now, so nothing else closes it.
    let borrowed = unsafe { BorrowedSocket::borrow_raw(socket) };
    SockRef::from(&borrowed).r#type()?;
    // SAFETY: it is open, and by the header it belongs to the client.
    let owned = unsafe { OwnedSocket::from_raw_socket(socket) };
    settle(owned.into())
}

/// Refuses pipes and files, which have no socket type.
fn settle(socket: Socket) -> io::Result<TcpStream> {
    if socket.r#type()? != Type::STREAM {
        return Err(io::Error::other("it returned a socket that is not a stream socket"));
    }
    socket.set_nonblocking(false)?;
    Ok(socket.into())
}
