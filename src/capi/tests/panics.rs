//! Panics, and the threads on which they count as the library's own.

use std::{
    ffi::c_void,
    fmt, ptr,
    sync::{Arc, atomic::AtomicBool, atomic::Ordering, mpsc},
};

use crate::{
    Error,
    capi::ffi::{
        boundary,
        callback::UserData,
        results::{self, Failure},
    },
    io::guard::worker::Worker,
    panic_hook::is_quiet,
};

/// An error that panics when it is printed, or else when it is dropped.
#[derive(Debug)]
struct PanickingError {
    in_display: bool,
}

impl fmt::Display for PanickingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(!self.in_display, "it cannot be printed");
        f.write_str("a text")
    }
}

impl std::error::Error for PanickingError {}

impl Drop for PanickingError {
    fn drop(&mut self) {
        assert!(self.in_display, "it stays");
    }
}

fn fail(in_display: bool) -> i32 {
    boundary::run("pusher_connect", || {
        let source = Arc::new(PanickingError { in_display });
        Err(Failure::Client(Error::Dialer { source }))
    })
}

#[test]
fn a_panic_in_the_text_of_an_error_stays_behind_the_boundary() {
    assert_eq!(fail(true), results::PUSHER_ERR_PANIC);
    assert_eq!(fail(false), results::PUSHER_ERR_DIALER);
    assert_eq!(
        boundary::run("pusher_connect", || Err(Failure::value("no"))),
        results::PUSHER_ERR_PANIC,
        "the one before"
    );
    assert_eq!(boundary::run("pusher_connect", || Err(Failure::value("no"))), results::PUSHER_ERR_VALUE);
}

/// Whether a thread of the library is quiet.
fn on_a_thread() -> bool {
    let (sender, receiver) = mpsc::channel();
    Worker::spawn("pusher-test", move || sender.send(is_quiet()).expect("somebody waits")).expect("a thread");
    receiver.recv().expect("it has run")
}

static WAS_QUIET: AtomicBool = AtomicBool::new(true);

unsafe extern "C" fn look(_: *mut c_void) {
    WAS_QUIET.store(is_quiet(), Ordering::SeqCst);
}

#[test]
fn the_librarys_own_panics_are_those_of_its_functions_and_of_the_threads_that_they_start() {
    let user_data = UserData::new(ptr::null_mut(), Some(look));
    assert!(!is_quiet() && !on_a_thread(), "a Rust program's own client");
    let result = boundary::run("pusher_connect", || {
        assert!(is_quiet() && on_a_thread());
        assert!(user_data.call(|_| !is_quiet() && !on_a_thread()), "inside of a callback");
        let inner =
            user_data.call(|_| boundary::run("pusher_state", || is_quiet().then_some(()).ok_or(Failure::Nothing)));
        assert_eq!(inner, results::PUSHER_OK);
        drop(user_data);
        assert!(!WAS_QUIET.load(Ordering::SeqCst), "inside of a destructor");
        is_quiet().then_some(()).ok_or(Failure::Nothing)
    });
    assert_eq!(result, results::PUSHER_OK);
    assert!(!is_quiet());
    assert_eq!(boundary::run("pusher_connect", || panic!("it goes no further")), results::PUSHER_ERR_PANIC);
    assert!(!is_quiet());
}
