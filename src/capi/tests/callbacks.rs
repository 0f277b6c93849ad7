//! Callbacks for notifications: their kinds, and their ends.

use std::{ffi::c_void, net::TcpListener, ptr, sync::atomic::AtomicPtr, sync::atomic::Ordering};

use super::c::{self, Counted, Pointer, count, destroy};
use crate::{
    NotificationKind,
    capi::{
        events::{
            notification::Notification,
            numbers::{kind_names, number},
        },
        ffi::results,
    },
};

/// A client that is not connected, for a port without a listener. Its callbacks run by hand.
fn client() -> Pointer {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let port = std::ffi::CString::new(port.to_string()).expect("digits");
    let (mut config, mut client) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: texts with a NUL at their ends, and places for handles.
    unsafe {
        assert_eq!(c::pusher_config_new(&mut config), results::PUSHER_OK);
        let options = [(c"key", c"k"), (c"host", c"127.0.0.1"), (c"tls", c"0"), (c"manual_dispatch", c"1")];
        for (option, value) in options.into_iter().chain([(c"port", port.as_c_str())]) {
            assert_eq!(c::pusher_config_set(config, option.as_ptr(), value.as_ptr()), results::PUSHER_OK);
        }
        assert_eq!(c::pusher_client_new(config, &mut client), results::PUSHER_OK);
        c::pusher_config_free(config);
    }
    client
}

fn free(client: Pointer) {
    // SAFETY: it is a handle, freed or not.
    unsafe { c::pusher_client_free(client) };
}

fn bind(client: Pointer, counted: &Counted) -> Pointer {
    let mut binding = ptr::null_mut();
    // SAFETY: these arguments may be NULL.
    let result = unsafe {
        c::pusher_bind(client, ptr::null(), ptr::null(), Some(count), counted.pointer(), Some(destroy), &mut binding)
    };
    assert_eq!(result, results::PUSHER_OK);
    binding
}

fn unbind(binding: Pointer) -> i32 {
    // SAFETY: it is a handle, freed or not.
    unsafe { c::pusher_unbind(binding) }
}

#[test]
fn a_failed_registration_runs_the_destructor_once() {
    let client = client();
    let freed = self::client();
    free(freed);
    let channel = c"news".as_ptr();
    let cases: [(Pointer, i32, _, c::NotificationCallback, i32); 8] = [
        (ptr::null_mut(), number(NotificationKind::Event), ptr::null(), Some(count), results::PUSHER_ERR_NULL),
        (freed, number(NotificationKind::Event), ptr::null(), Some(count), results::PUSHER_ERR_HANDLE),
        (client, number(NotificationKind::Event), ptr::null(), None, results::PUSHER_ERR_NULL),
        (client, number(NotificationKind::Event), c"\xff".as_ptr(), Some(count), results::PUSHER_ERR_UTF8),
        (client, number(NotificationKind::Event), c"#".as_ptr(), Some(count), results::PUSHER_ERR_CHANNEL_NAME),
        (client, number(NotificationKind::Error), channel, Some(count), results::PUSHER_ERR_VALUE),
        (client, number(NotificationKind::Lagged), ptr::null(), Some(count), results::PUSHER_ERR_VALUE),
        (client, i32::MAX, ptr::null(), Some(count), results::PUSHER_ERR_VALUE),
    ];
    for (index, (client, kind, channel, callback, expected)) in cases.into_iter().enumerate() {
        let counted = Counted::default();
        let mut binding = ptr::without_provenance_mut(1);
        // SAFETY: the texts end with a NUL. The test passes NULL on purpose.
        let result =
            unsafe { c::pusher_on(client, kind, channel, callback, counted.pointer(), Some(destroy), &mut binding) };
        assert_eq!((result, counted.destroyed(), binding.addr()), (expected, 1, 1), "{index}");
    }
    free(client);
}

#[test]
fn every_kind_but_losses_can_be_registered_for() {
    let client = client();
    let of_no_channel = [
        number(NotificationKind::ConnectionStateChange),
        number(NotificationKind::SignedIn),
        number(NotificationKind::Watchlist),
        number(NotificationKind::Error),
    ];
    let counted = Counted::default();
    let on = |kind, channel| {
        let (pointer, none) = (counted.pointer(), ptr::null_mut());
        // SAFETY: the texts end with a NUL.
        unsafe { c::pusher_on(client, kind, channel, Some(count), pointer, Some(destroy), none) }
    };
    for kind in number(NotificationKind::Event)..number(NotificationKind::Lagged) {
        assert_eq!(on(kind, ptr::null()), results::PUSHER_OK, "{kind}");
        let expected = if of_no_channel.contains(&kind) { results::PUSHER_ERR_VALUE } else { results::PUSHER_OK };
        assert_eq!(on(kind, c"news".as_ptr()), expected, "{kind}");
    }
    assert_eq!(counted.destroyed(), of_no_channel.len());
    free(client);
    let kinds = NotificationKind::ALL.len() - 1;
    assert_eq!(counted.destroyed(), 2 * kinds, "each kind was registered for with a channel and without one");
}

#[test]
fn unbinding_destroys_the_user_data_and_frees_the_handle() {
    let (client, counted) = (client(), Counted::default());
    let binding = bind(client, &counted);
    assert_eq!(unbind(binding), results::PUSHER_OK);
    assert_eq!((unbind(binding), counted.destroyed()), (results::PUSHER_ERR_HANDLE, 1));
    free(client);
    assert_eq!(counted.destroyed(), 1);
}

#[test]
fn freeing_a_binding_does_not_unbind() {
    let (client, counted) = (client(), Counted::default());
    let binding = bind(client, &counted);
    // SAFETY: it is a handle.
    unsafe { c::pusher_binding_free(binding) };
    assert_eq!((unbind(binding), counted.destroyed()), (results::PUSHER_ERR_HANDLE, 0));
    free(client);
    assert_eq!(counted.destroyed(), 1);
}

#[test]
fn a_binding_does_not_keep_its_client_and_outlives_it() {
    let (client, counted) = (client(), Counted::default());
    let binding = bind(client, &counted);
    free(client);
    assert_eq!((counted.destroyed(), unbind(binding)), (1, results::PUSHER_OK));
    assert_eq!((counted.destroyed(), unbind(binding)), (1, results::PUSHER_ERR_HANDLE));
}

static FREED_INSIDE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

unsafe extern "C" fn free_client(user_data: *mut c_void, notification: *const Notification) {
    free(FREED_INSIDE.load(Ordering::SeqCst));
    // SAFETY: this function was registered with a `Counted`.
    unsafe { count(user_data, notification) };
}

#[test]
fn no_callback_starts_once_the_client_was_freed_inside_one() {
    let (client, counted) = (client(), Counted::default());
    FREED_INSIDE.store(client, Ordering::SeqCst);
    let kind = number(NotificationKind::ConnectionStateChange);
    let mut handled = 0;
    // SAFETY: these arguments may be NULL.
    unsafe {
        for callback in [free_client, count] {
            let (none, pointer) = (ptr::null_mut(), counted.pointer());
            c::pusher_on(client, kind, ptr::null(), Some(callback), pointer, Some(destroy), none);
        }
        // Several changes wait: to connecting, and back.
        assert_eq!(c::pusher_connect_background(client), results::PUSHER_OK);
        assert_eq!(c::pusher_disconnect(client), results::PUSHER_OK);
        assert_eq!(c::pusher_dispatch_time(client, -1, &mut handled), results::PUSHER_ERR_VALUE);
        assert_eq!((counted.calls(), c::pusher_dispatch(client, &mut handled)), (0, results::PUSHER_OK));
    }
    assert!(handled > 0);
    assert_eq!((counted.calls(), counted.destroyed()), (1, 2));
}

#[test]
fn the_header_has_every_kind_with_its_number() {
    let header = include_str!("../pusher_channels.h");
    let declared = |declaration: &str| {
        let after = header.split_once(declaration).and_then(|(_, rest)| rest.chars().next());
        after.is_some_and(|after| !after.is_ascii_digit())
    };
    for (kind, name) in NotificationKind::ALL.iter().zip(kind_names().split(", ")) {
        let declaration = format!("PUSHER_KIND_{} = {}", name.to_uppercase(), number(*kind));
        assert!(declared(&declaration), "{declaration}");
    }
}
