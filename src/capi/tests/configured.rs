//! Callbacks of a configuration.

use std::{
    ffi::{c_char, c_void},
    ptr, slice,
};

use super::c::{self, Counted, Pointer, destroy};
use crate::capi::{
    config::callbacks::{self, DecodedText, Pairs, PairsCallback},
    ffi::{callback::Registered, handles::Handle, results},
};

/// A handle, as C has it.
fn pointer<T>(handle: Handle<T>) -> Pointer {
    // SAFETY: a handle is a pointer, of any type.
    unsafe { std::mem::transmute(handle) }
}

unsafe extern "C" fn ignore(_: *mut c_void, _: Pointer) {}

#[test]
fn a_callback_is_destroyed_with_the_last_config_or_client_that_has_it() {
    let (replaced, kept) = (Counted::default(), Counted::default());
    let (mut config, mut client) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: texts with a NUL at their ends, and places for handles.
    unsafe {
        assert_eq!(c::pusher_config_new(&mut config), results::PUSHER_OK);
        c::pusher_config_set(config, c"url".as_ptr(), c"ws://localhost/app/k".as_ptr());
        for counted in [&replaced, &kept] {
            let result = c::pusher_config_authorizer(config, Some(ignore), counted.pointer(), Some(destroy));
            assert_eq!(result, results::PUSHER_OK);
        }
        assert_eq!((replaced.destroyed(), kept.destroyed()), (1, 0));
        assert_eq!(c::pusher_client_new(config, &mut client), results::PUSHER_OK);
        c::pusher_config_free(config);
        assert_eq!(kept.destroyed(), 0);
        c::pusher_client_free(client);
        assert_eq!(kept.destroyed(), 1);
        let result = c::pusher_config_authorizer(config, Some(ignore), kept.pointer(), Some(destroy));
        assert_eq!((result, kept.destroyed()), (results::PUSHER_ERR_HANDLE, 2));
    }
}

unsafe extern "C" fn add_two(user_data: *mut c_void, pairs: Handle<Pairs>) {
    // SAFETY: texts with a NUL at their ends.
    unsafe {
        Counted::called(user_data);
        c::pusher_pairs_add(pointer(pairs), c"a".as_ptr(), c"1".as_ptr());
        assert_eq!(c::pusher_pairs_add(pointer(pairs), c"b".as_ptr(), ptr::null()), results::PUSHER_ERR_NULL);
        c::pusher_pairs_add(pointer(pairs), c"a".as_ptr(), c"2".as_ptr());
    }
}

#[test]
fn pairs_come_in_the_order_in_which_they_were_added() {
    let counted = Counted::default();
    let callback: PairsCallback = Registered::of(add_two, counted.user_data());
    for _ in 0..2 {
        assert_eq!(callback.pairs(), [("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())]);
    }
    assert_eq!(counted.calls(), 2);
}

/// Reverses data that begins with an `r`, sets no text for data that begins with an `n`, and refuses other data.
unsafe extern "C" fn decode(_: *mut c_void, data: *const c_char, length: usize, text: Handle<DecodedText>) -> i32 {
    // SAFETY: the data has this number of bytes, and a NUL after them.
    let bytes = unsafe { slice::from_raw_parts(data.cast::<u8>(), length + 1) };
    assert_eq!(bytes.last(), Some(&0));
    let reversed: Vec<_> = bytes[..length].iter().rev().copied().collect();
    match bytes[0] {
        // SAFETY: the vector has this number of bytes.
        b'r' => unsafe { c::pusher_text_set(pointer(text), reversed.as_ptr().cast(), length) },
        b'n' => 0,
        _ => 7,
    }
}

#[test]
fn a_decoder_makes_text_or_returns_an_error() {
    let counted = Counted::default();
    let callback = Registered::of(decode as callbacks::pusher_decode_callback, counted.user_data());
    assert_eq!(callbacks::decode(&callback, b"re\0d").as_deref(), Ok("d\0er"));
    assert_eq!(callbacks::decode(&callback, b"nothing"), Err("the decoder has set no text".to_owned()));
    assert_eq!(callbacks::decode(&callback, b""), Err("the decoder returned 7".to_owned()));
    // The result of pusher_text_set is that of the decoder.
    assert_eq!(callbacks::decode(&callback, b"r\xff"), Err("the decoder returned 11".to_owned()));
}

#[cfg(unix)]
mod dialer {
    use std::{
        io::{Read, Write},
        os::{
            fd::{IntoRawFd, OwnedFd},
            unix::net::{UnixDatagram, UnixStream},
        },
        process::{Child, Command, Stdio},
        sync::Mutex,
        time::Duration,
    };

    use super::*;
    use crate::{
        DialRequest,
        capi::config::dialer::{self, pusher_dial_callback},
        config::StreamParts,
    };

    static PEER: Mutex<Option<UnixStream>> = Mutex::new(None);
    static READING: Mutex<Option<Child>> = Mutex::new(None);

    /// By the port: 1 gives a socket that does not block, 2 fails, 3 gives none, 4 gives a number that is no
    /// descriptor, 5 a pipe, and 6 a socket that is not a stream socket.
    unsafe extern "C" fn dial(
        user_data: *mut c_void,
        host: *const c_char,
        port: u16,
        timeout: i32,
        socket: *mut isize,
    ) -> i32 {
        // SAFETY: the borrowed data stays until this returns.
        unsafe {
            Counted::called(user_data);
            assert_eq!((std::ffi::CStr::from_ptr(host), timeout), (c"example.com", 1));
            match port {
                1 => {
                    let (ours, peer) = UnixStream::pair().expect("two sockets");
                    ours.set_nonblocking(true).expect("a socket");
                    socket2::SockRef::from(&ours).set_cloexec(false).expect("a socket");
                    *PEER.lock().expect("no panic") = Some(peer);
                    *socket = ours.into_raw_fd().try_into().expect("a small number");
                    0
                }
                2 => 5,
                3 => 0,
                5 => {
                    let mut reading = Command::new("cat").stdin(Stdio::piped()).spawn().expect("a program that reads");
                    let pipe = OwnedFd::from(reading.stdin.take().expect("a pipe"));
                    *READING.lock().expect("no panic") = Some(reading);
                    *socket = pipe.into_raw_fd().try_into().expect("a small number");
                    0
                }
                6 => {
                    let (ours, _) = UnixDatagram::pair().expect("two sockets");
                    *socket = ours.into_raw_fd().try_into().expect("a small number");
                    0
                }
                _ => {
                    *socket = 1_000_000_000;
                    0
                }
            }
        }
    }

    #[test]
    fn a_dialer_gives_a_socket_or_fails() {
        let counted = Counted::default();
        let callback = Registered::of(dial as pusher_dial_callback, counted.user_data());
        let request = |port| DialRequest::new("example.com", port, Duration::from_micros(10));
        let dialled = dialer::dial(&callback, &request(1)).expect("a socket").into_parts();
        let StreamParts::Socket(mut stream) = dialled else { panic!("it was a socket") };
        #[cfg(target_os = "linux")]
        assert_eq!(rustix::io::fcntl_getfd(&stream), Ok(rustix::io::FdFlags::CLOEXEC));
        let mut peer = PEER.lock().expect("no panic").take().expect("the other end");
        let reading = std::thread::spawn(move || {
            let mut byte = [0];
            stream.read_exact(&mut byte).map(|()| byte)
        });
        peer.write_all(b"x").expect("it is open");
        assert_eq!(reading.join().expect("no panic").expect("it blocks"), *b"x");
        let error = |port| dialer::dial(&callback, &request(port)).expect_err("no socket").to_string();
        assert_eq!((error(2).as_str(), error(3).as_str()), ("it returned 5", "it gave no socket"));
        assert!(!error(4).is_empty() && !error(5).is_empty());
        let mut reading = READING.lock().expect("no panic").take().expect("the other end of the pipe");
        assert!(reading.wait().expect("it ends with the pipe").success());
        assert_eq!(error(6), "it returned a socket that is not a stream socket");
        assert_eq!(counted.calls(), 6);
    }
}
