//! A program that takes events through the C interface, as a program in another language does.
//!
//! The functions are those of `src/capi/pusher_channels.h`, from this crate's own library.

use std::{
    ffi::{CString, c_char, c_void},
    ptr, slice, str,
};

use super::{
    bare,
    consumers::Consumer,
    feed::{Feed, Pace, Waiting, is_intact},
    source::{CHANNEL, EVENT, Result},
};

// Links the crate into this program, because it defines the functions that are declared below.
use pusher_channels as _;

const PUSHER_OK: i32 = 0;
const PUSHER_KIND_EVENT: i32 = 1;
const PUSHER_KIND_SUBSCRIPTION_SUCCEEDED: i32 = 3;

const PATIENCE_MS: i32 = 5_000;

unsafe extern "C" {
    fn pusher_config_new(config: *mut *mut c_void) -> i32;
    fn pusher_config_set(config: *mut c_void, option: *const c_char, value: *const c_char) -> i32;
    fn pusher_config_free(config: *mut c_void);
    fn pusher_client_new(config: *mut c_void, client: *mut *mut c_void) -> i32;
    fn pusher_client_free(client: *mut c_void);
    fn pusher_connect(client: *mut c_void) -> i32;
    fn pusher_subscribe(client: *mut c_void, channel: *const c_char) -> i32;
    fn pusher_next(client: *mut c_void, timeout_ms: i32, notification: *mut *mut c_void) -> i32;
    fn pusher_length(client: *mut c_void, length: *mut usize) -> i32;
    fn pusher_notification_kind(notification: *const c_void, kind: *mut i32) -> i32;
    fn pusher_notification_channel(notification: *const c_void, text: *mut *const c_char, length: *mut usize) -> i32;
    fn pusher_notification_name(notification: *const c_void, text: *mut *const c_char, length: *mut usize) -> i32;
    fn pusher_notification_data(notification: *const c_void, text: *mut *const c_char, length: *mut usize) -> i32;
    fn pusher_notification_free(notification: *mut c_void);
}

/// This crate, called from C.
pub(crate) struct Called {
    client: *mut c_void,
    feed: Feed,
}

impl Called {
    /// A consumer that gets every event.
    pub(crate) fn all() -> Result<Self> {
        let server = Waiting::start()?;
        let url = CString::new(bare::url(server.port()))?;
        let channel = CString::new(CHANNEL)?;
        let (mut config, mut client) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the call before has made each handle, and each text ends with a NUL.
        unsafe {
            check(pusher_config_new(&mut config))?;
            check(pusher_config_set(config, c"url".as_ptr(), url.as_ptr()))?;
            check(pusher_config_set(config, c"reconnect".as_ptr(), c"false".as_ptr()))?;
            check(pusher_client_new(config, &mut client))?;
            pusher_config_free(config);
            check(pusher_connect(client))?;
            check(pusher_subscribe(client, channel.as_ptr()))?;
        }
        let called = Self { client, feed: server.feed(1)? };
        // After the confirmation, only events come.
        while called.next_kind()? != PUSHER_KIND_SUBSCRIPTION_SUCCEEDED {}
        Ok(called)
    }

    /// Waits for a notification, and returns its kind.
    fn next_kind(&self) -> Result<i32> {
        let (mut notification, mut kind) = (ptr::null_mut(), 0);
        // SAFETY: the client is valid until it is dropped, and the notification until it is freed.
        unsafe {
            check(pusher_next(self.client, PATIENCE_MS, &mut notification))?;
            check(pusher_notification_kind(notification, &mut kind))?;
            pusher_notification_free(notification);
        }
        Ok(kind)
    }
}

impl Consumer for Called {
    fn fill(&mut self, pace: Pace) -> Result<()> {
        let client = self.client;
        self.feed.send(pace, || waiting(client))
    }

    fn consume(&mut self) -> usize {
        let mut whole = 0;
        let mut notification = ptr::null_mut();
        // SAFETY: the client is valid until it is dropped, and each notification until it is freed.
        unsafe {
            while pusher_next(self.client, 0, &mut notification) == PUSHER_OK {
                whole += usize::from(is_whole(notification));
                pusher_notification_free(notification);
            }
        }
        whole
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        // SAFETY: this is the only owner of the client.
        unsafe { pusher_client_free(self.client) };
    }
}

fn waiting(client: *mut c_void) -> usize {
    let mut length = 0;
    // SAFETY: the client is valid as long as its owner.
    let result = unsafe { pusher_length(client, &mut length) };
    assert_eq!(result, PUSHER_OK, "the client is valid");
    length
}

/// Reads the channel, the name and the data of an event.
///
/// # Safety
///
/// The notification is not freed yet.
unsafe fn is_whole(notification: *const c_void) -> bool {
    let mut kind = 0;
    // SAFETY: the caller promises that the notification is valid, and the texts are valid as long as it is.
    unsafe {
        pusher_notification_kind(notification, &mut kind) == PUSHER_OK
            && kind == PUSHER_KIND_EVENT
            && text(notification, pusher_notification_channel) == CHANNEL.as_bytes()
            && text(notification, pusher_notification_name).starts_with(EVENT.as_bytes())
            && is_intact(str::from_utf8_unchecked(text(notification, pusher_notification_data)))
    }
}

type Accessor = unsafe extern "C" fn(*const c_void, *mut *const c_char, *mut usize) -> i32;

/// # Safety
///
/// The notification is not freed while the text is in use.
unsafe fn text<'a>(notification: *const c_void, accessor: Accessor) -> &'a [u8] {
    let (mut text, mut length) = (ptr::null(), 0);
    // SAFETY: the caller promises that the notification is valid; the text has `length` bytes.
    unsafe {
        match accessor(notification, &mut text, &mut length) {
            PUSHER_OK => slice::from_raw_parts(text.cast(), length),
            _ => &[],
        }
    }
}

fn check(result: i32) -> Result<()> {
    if result == PUSHER_OK { Ok(()) } else { Err(format!("the C interface returned {result}").into()) }
}
