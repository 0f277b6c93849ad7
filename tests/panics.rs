//! The panic hook of a Rust program that uses the C interface, too, gets the panics of the program's own code. A
//! process has one hook, so that this is one test.
#![cfg(feature = "capi")]

mod support;

use std::{
    ffi::{c_char, c_void},
    panic, ptr,
    sync::mpsc::{self, Sender},
    thread,
};

use pusher_channels::Pusher;
use support::{PATIENCE, quick, server};

const PUSHER_OK: i32 = 0;
const PUSHER_KIND_CONNECTION_STATE_CHANGE: i32 = 2;

type Destructor = Option<unsafe extern "C" fn(*mut c_void)>;

unsafe extern "C" {
    fn pusher_config_new(config: *mut *mut c_void) -> i32;
    fn pusher_config_set(config: *mut c_void, option: *const c_char, value: *const c_char) -> i32;
    fn pusher_config_free(config: *mut c_void);
    fn pusher_client_new(config: *mut c_void, client: *mut *mut c_void) -> i32;
    fn pusher_on(
        client: *mut c_void,
        kind: i32,
        channel: *const c_char,
        callback: Option<unsafe extern "C" fn(*mut c_void, *const c_void)>,
        user_data: *mut c_void,
        destroy: Destructor,
        binding: *mut *mut c_void,
    ) -> i32;
    fn pusher_connect_background(client: *mut c_void) -> i32;
    fn pusher_disconnect(client: *mut c_void) -> i32;
    fn pusher_dispatch(client: *mut c_void, count: *mut usize) -> i32;
    fn pusher_client_free(client: *mut c_void);
}

/// Calls the library for the first time while the thread unwinds.
struct CallsWhenDropped;

impl Drop for CallsWhenDropped {
    fn drop(&mut self) {
        let mut config = ptr::null_mut();
        // SAFETY: `config` is a place for a handle.
        unsafe {
            assert_eq!(pusher_config_new(&mut config), PUSHER_OK);
            pusher_config_free(config);
        }
    }
}

unsafe extern "C" fn panic_inside(_: *mut c_void, _: *const c_void) {
    assert!(panic::catch_unwind(|| panic!("in a callback")).is_err());
}

unsafe extern "C" fn panic_at_the_end(_: *mut c_void) {
    assert!(panic::catch_unwind(|| panic!("in a destructor")).is_err());
}

/// Dispatches, so that the callback runs inside a function of the library.
fn call_back() {
    let (mut config, mut client, mut count) = (ptr::null_mut(), ptr::null_mut(), 0);
    // SAFETY: texts end with a NUL, and there are places for handles. The arguments that are NULL may be.
    unsafe {
        assert_eq!(pusher_config_new(&mut config), PUSHER_OK);
        for (option, value) in [(c"url", c"ws://127.0.0.1:1/app/k"), (c"manual_dispatch", c"1")] {
            assert_eq!(pusher_config_set(config, option.as_ptr(), value.as_ptr()), PUSHER_OK);
        }
        assert_eq!(pusher_client_new(config, &mut client), PUSHER_OK);
        pusher_config_free(config);
        let (kind, null) = (PUSHER_KIND_CONNECTION_STATE_CHANGE, ptr::null_mut());
        let result =
            pusher_on(client, kind, ptr::null(), Some(panic_inside), null, Some(panic_at_the_end), ptr::null_mut());
        assert_eq!(result, PUSHER_OK);
        // Several changes are queued then: to connecting, and back.
        assert_eq!(pusher_connect_background(client), PUSHER_OK);
        assert_eq!(pusher_disconnect(client), PUSHER_OK);
        assert_eq!(pusher_dispatch(client, &mut count), PUSHER_OK);
        assert!(count > 0);
        pusher_client_free(client);
    }
}

fn report_panics(report: Sender<(String, Option<String>)>) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<&str>().copied().unwrap_or_default().to_owned();
        let _ = report.send((text, thread::current().name().map(str::to_owned)));
        // Prints the panic, too, for a test that fails.
        before(info);
    }));
}

#[test]
fn the_hook_of_a_rust_program_gets_the_panics_of_its_own_code() {
    let (sender, panics) = mpsc::channel();
    report_panics(sender);
    let next = || panics.recv_timeout(PATIENCE).expect("the program's hook is called");
    let unwinding = panic::catch_unwind(|| {
        let _end = CallsWhenDropped;
        panic!("before all others");
    });
    assert!(unwinding.is_err());
    assert_eq!(next().0, "before all others");
    call_back();
    let mut rest: Vec<_> = std::iter::from_fn(|| panics.try_recv().ok()).map(|(text, _)| text).collect();
    // The callback panics at each change.
    rest.dedup();
    assert_eq!(rest, ["in a callback", "in a destructor"]);
    let server = server();
    let pusher = Pusher::new(quick(&server));
    pusher.on_connection_state_change(|_| panic!("in a handler"));
    pusher.connect().expect("accepted");
    assert_eq!(next(), ("in a handler".to_owned(), Some("pusher-dispatch".to_owned())));
}
