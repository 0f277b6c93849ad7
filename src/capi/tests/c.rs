//! Some of the functions, as the header declares them, and a `user_data` for their callbacks.

use std::{
    ffi::{c_char, c_void},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::capi::{events::notification::Notification, ffi::callback::UserData};

/// Any handle.
pub(super) type Pointer = *mut c_void;
pub(super) type Destructor = Option<unsafe extern "C" fn(*mut c_void)>;
pub(super) type NotificationCallback = Option<unsafe extern "C" fn(*mut c_void, *const Notification)>;

unsafe extern "C" {
    pub(super) fn pusher_config_new(config: *mut Pointer) -> i32;
    pub(super) fn pusher_config_free(config: Pointer);
    pub(super) fn pusher_config_set(config: Pointer, option: *const c_char, value: *const c_char) -> i32;
    pub(super) fn pusher_config_dial_url(config: Pointer, text: *mut *const c_char, length: *mut usize) -> i32;
    pub(super) fn pusher_config_set_int(config: Pointer, option: *const c_char, value: i64) -> i32;
    pub(super) fn pusher_config_set_bool(config: Pointer, option: *const c_char, value: i32) -> i32;
    pub(super) fn pusher_config_add(
        config: Pointer,
        option: *const c_char,
        name: *const c_char,
        value: *const c_char,
    ) -> i32;
    pub(super) fn pusher_config_authorizer(
        config: Pointer,
        callback: Option<unsafe extern "C" fn(*mut c_void, Pointer)>,
        user_data: *mut c_void,
        destroy: Destructor,
    ) -> i32;
    pub(super) fn pusher_client_new(config: Pointer, client: *mut Pointer) -> i32;
    pub(super) fn pusher_last_error_text(buffer: *mut c_char, size: usize) -> i32;
    pub(super) fn pusher_receiver_options_new(options: *mut Pointer) -> i32;
    pub(super) fn pusher_receiver_options_set(options: Pointer, option: *const c_char, value: *const c_char) -> i32;
    pub(super) fn pusher_receiver_options_set_int(options: Pointer, option: *const c_char, value: i64) -> i32;
    pub(super) fn pusher_receiver_options_free(options: Pointer);
    pub(super) fn pusher_stats_new(client: Pointer, stats: *mut Pointer) -> i32;
    pub(super) fn pusher_stats_get(stats: Pointer, counter: *const c_char, value: *mut u64) -> i32;
    pub(super) fn pusher_stats_free(stats: Pointer);
    pub(super) fn pusher_client_free(client: Pointer);
    pub(super) fn pusher_connect_background(client: Pointer) -> i32;
    pub(super) fn pusher_disconnect(client: Pointer) -> i32;
    pub(super) fn pusher_bind(
        client: Pointer,
        channel: *const c_char,
        event: *const c_char,
        callback: NotificationCallback,
        user_data: *mut c_void,
        destroy: Destructor,
        binding: *mut Pointer,
    ) -> i32;
    pub(super) fn pusher_on(
        client: Pointer,
        kind: i32,
        channel: *const c_char,
        callback: NotificationCallback,
        user_data: *mut c_void,
        destroy: Destructor,
        binding: *mut Pointer,
    ) -> i32;
    pub(super) fn pusher_unbind(binding: Pointer) -> i32;
    pub(super) fn pusher_binding_free(binding: Pointer);
    pub(super) fn pusher_dispatch(client: Pointer, count: *mut usize) -> i32;
    pub(super) fn pusher_dispatch_time(client: Pointer, time_ms: i32, count: *mut usize) -> i32;
    pub(super) fn pusher_auth_request_grant(
        request: Pointer,
        auth: *const c_char,
        channel_data: *const c_char,
        shared_secret: *const c_char,
    ) -> i32;
    pub(super) fn pusher_auth_request_grant_user(
        request: Pointer,
        auth: *const c_char,
        user_data: *const c_char,
    ) -> i32;
    pub(super) fn pusher_auth_request_refuse(request: Pointer, message: *const c_char, status: i32) -> i32;
    pub(super) fn pusher_auth_request_free(request: Pointer);
    pub(super) fn pusher_pairs_add(pairs: Pointer, name: *const c_char, value: *const c_char) -> i32;
    pub(super) fn pusher_text_set(text: Pointer, data: *const c_char, length: usize) -> i32;
}

/// A `user_data` that counts how often it was used and destroyed.
#[derive(Clone, Default)]
pub(super) struct Counted(Arc<Counts>);

#[derive(Default)]
struct Counts {
    calls: AtomicUsize,
    destroyed: AtomicUsize,
}

impl Counted {
    /// May be registered any number of times: each destructor only counts.
    pub(super) fn pointer(&self) -> *mut c_void {
        Arc::as_ptr(&self.0).cast_mut().cast()
    }

    pub(super) fn user_data(&self) -> UserData {
        UserData::new(self.pointer(), Some(destroy))
    }

    pub(super) fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    pub(super) fn destroyed(&self) -> usize {
        self.0.destroyed.load(Ordering::SeqCst)
    }

    /// Counts a call. The counter must still exist.
    pub(super) unsafe fn called(user_data: *mut c_void) -> usize {
        // SAFETY: the pointer comes from `pointer`, and every test keeps its counter.
        let counts = unsafe { &*user_data.cast_const().cast::<Counts>() };
        counts.calls.fetch_add(1, Ordering::SeqCst) + 1
    }
}

pub(super) unsafe extern "C" fn destroy(user_data: *mut c_void) {
    // SAFETY: as above.
    let counts = unsafe { &*user_data.cast_const().cast::<Counts>() };
    counts.destroyed.fetch_add(1, Ordering::SeqCst);
}

pub(super) unsafe extern "C" fn count(user_data: *mut c_void, _: *const Notification) {
    // SAFETY: every test registers it with a `Counted`.
    unsafe { Counted::called(user_data) };
}
