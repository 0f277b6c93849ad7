//! Auth requests that the program responds to, refuses or leaves pending.

use std::{ptr, sync::Arc, thread, time::Duration};

use super::c::{self, Pointer};
use crate::{
    AuthRequest, ChannelAuth, UserAuth,
    capi::{
        auth::pending_requests::{self, PendingRequest, PendingRequests, Response},
        ffi::{handles::Handle, results},
    },
};

const LONG: Duration = Duration::from_secs(30);

/// A handle, as C has it.
fn pointer(handle: Handle<pending_requests::AuthRequest>) -> Pointer {
    // SAFETY: a handle is a pointer.
    unsafe { std::mem::transmute(handle) }
}

fn pending_request(channel: &str) -> Response<PendingRequest<ChannelAuth>> {
    PendingRequest::for_channel(&AuthRequest::new(channel.into(), Arc::from("1.1")))
}

/// Requests a permission for one channel.
fn authorize(timeout: Duration, callback: impl FnOnce(Pointer)) -> Response<ChannelAuth> {
    let pending = PendingRequests::new();
    pending.authorize(vec![pending_request("private-a")], timeout, |handles| callback(pointer(handles[0]))).remove(0)
}

fn authorize_user(callback: impl FnOnce(Pointer)) -> Response<UserAuth> {
    PendingRequests::new()
        .authorize(vec![PendingRequest::for_user("1.1")], LONG, |handles| callback(pointer(handles[0])))
        .remove(0)
}

fn refusal<T>(response: Response<T>) -> (String, Option<u16>) {
    response.err().expect("a refusal").into_parts()
}

fn grant(request: Pointer) -> i32 {
    // SAFETY: texts with a NUL at their ends.
    unsafe { c::pusher_auth_request_grant(request, c"key:digest".as_ptr(), c"{}".as_ptr(), ptr::null()) }
}

fn refuse(request: Pointer, status: i32) -> i32 {
    // SAFETY: as above.
    unsafe { c::pusher_auth_request_refuse(request, c"no".as_ptr(), status) }
}

#[test]
fn a_channel_is_granted_once() {
    let granted = authorize(LONG, |request| {
        assert_eq!(grant(request), results::PUSHER_OK);
        assert_eq!(grant(request), results::PUSHER_ERR_HANDLE);
        assert_eq!(refuse(request, 0), results::PUSHER_ERR_HANDLE);
        // SAFETY: freeing a handle again does nothing.
        unsafe { c::pusher_auth_request_free(request) };
    });
    let granted = granted.expect("a permission");
    assert_eq!((granted.signature(), granted.member(), granted.key()), ("key:digest", Some("{}"), None));
}

#[test]
fn a_user_is_granted_from_another_thread() {
    let granted = authorize_user(|request| {
        let request = request.addr();
        thread::spawn(move || {
            let request = ptr::without_provenance_mut(request);
            // SAFETY: texts with a NUL at their ends.
            unsafe { c::pusher_auth_request_grant_user(request, c"key:digest".as_ptr(), c"{\"id\":\"7\"}".as_ptr()) }
        });
    });
    let granted = granted.expect("a permission");
    assert_eq!((granted.signature(), granted.data()), ("key:digest", "{\"id\":\"7\"}"));
}

#[test]
fn a_refusal_has_a_message_and_perhaps_a_status() {
    let with = |status| refusal(authorize(LONG, |request| assert_eq!(refuse(request, status), results::PUSHER_OK)));
    assert_eq!(with(0), ("no".to_owned(), None));
    assert_eq!(with(503), ("no".to_owned(), Some(503)));
}

#[test]
fn freeing_a_request_refuses_it() {
    // SAFETY: a handle.
    let (message, status) = refusal(authorize(LONG, |request| unsafe { c::pusher_auth_request_free(request) }));
    assert_eq!((message.as_str(), status), ("it was freed without an answer", None));
}

#[test]
fn a_wrong_response_leaves_the_request_pending() {
    let channel = authorize(LONG, |request| {
        // SAFETY: texts with a NUL at their ends, but for one that is NULL.
        unsafe {
            let (auth, bad) = (c"key:digest".as_ptr(), c"\xff".as_ptr());
            let null = ptr::null();
            let wrong_kind = c::pusher_auth_request_grant_user(request, auth, c"{}".as_ptr());
            assert_eq!(wrong_kind, results::PUSHER_ERR_VALUE);
            assert_eq!(c::pusher_auth_request_grant(request, null, null, null), results::PUSHER_ERR_NULL);
            assert_eq!(c::pusher_auth_request_grant(request, auth, bad, null), results::PUSHER_ERR_UTF8);
            assert_eq!(c::pusher_auth_request_refuse(request, null, 0), results::PUSHER_ERR_NULL);
        }
        for status in [-1, 1, 99, 600, 65_936] {
            assert_eq!(refuse(request, status), results::PUSHER_ERR_VALUE, "{status}");
        }
        assert_eq!(grant(request), results::PUSHER_OK);
    });
    assert!(channel.is_ok());
    let user = authorize_user(|request| {
        assert_eq!(grant(request), results::PUSHER_ERR_VALUE);
        assert_eq!(refuse(request, 403), results::PUSHER_OK);
    });
    assert_eq!(refusal(user).1, Some(403));
}

#[test]
fn a_request_without_a_response_times_out_and_can_be_freed() {
    let mut late = ptr::null_mut();
    let (message, _) = refusal(authorize(Duration::ZERO, |request| late = request));
    assert_eq!(message, "it was not answered in time");
    assert_eq!(grant(late), results::PUSHER_OK);
    assert_eq!(grant(late), results::PUSHER_ERR_HANDLE);
}

#[test]
fn waiting_ends_with_the_client_and_no_request_follows() {
    let pending = PendingRequests::new();
    let closing = Arc::clone(&pending);
    let responses =
        pending.authorize(vec![pending_request("private-a")], LONG, |_| drop(thread::spawn(move || closing.close())));
    assert_eq!(refusal(responses.into_iter().next().expect("a response")).0, "the client is gone");
    let late = pending_request("private-b");
    let handle = late.as_ref().map(PendingRequest::handle).map(pointer).expect("a handle");
    let responses = pending.authorize(vec![late], LONG, |_| panic!("requested after the end"));
    assert!(responses[0].is_err());
    assert_eq!(grant(handle), results::PUSHER_ERR_HANDLE);
}

#[test]
fn several_requests_get_their_own_responses_in_any_order() {
    let responses = PendingRequests::new().authorize(
        vec![pending_request("private-a"), pending_request("private-b"), pending_request("private-c")],
        LONG,
        |handles| {
            assert_eq!(refuse(pointer(handles[2]), 403), results::PUSHER_OK);
            assert_eq!(grant(pointer(handles[1])), results::PUSHER_OK);
            assert_eq!(refuse(pointer(handles[0]), 429), results::PUSHER_OK);
        },
    );
    let statuses: Vec<_> =
        responses.into_iter().map(|response| response.err().and_then(|error| error.into_parts().1)).collect();
    assert_eq!(statuses, [Some(429), None, Some(403)]);
}
