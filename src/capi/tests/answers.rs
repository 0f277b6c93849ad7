//! Questions to authorizers, and their ends.

use std::{ptr, sync::Arc, thread, time::Duration};

use super::c::{self, Pointer};
use crate::{
    AuthRequest, ChannelAuth, UserAuth,
    capi::{
        auth::questions::{self, Answer, Asked, Questions},
        ffi::{handles::Handle, results},
    },
};

const LONG: Duration = Duration::from_secs(30);

/// A handle, as C has it.
fn pointer(handle: Handle<questions::AuthRequest>) -> Pointer {
    // SAFETY: a handle is a pointer.
    unsafe { std::mem::transmute(handle) }
}

fn asked(channel: &str) -> Answer<Asked<ChannelAuth>> {
    Asked::channel(&AuthRequest::new(channel.into(), Arc::from("1.1")))
}

/// Asks for one channel.
fn ask(timeout: Duration, callback: impl FnOnce(Pointer)) -> Answer<ChannelAuth> {
    let questions = Questions::new();
    questions.ask(vec![asked("private-a")], timeout, |handles| callback(pointer(handles[0]))).remove(0)
}

fn ask_for_user(callback: impl FnOnce(Pointer)) -> Answer<UserAuth> {
    Questions::new().ask(vec![Asked::user("1.1")], LONG, |handles| callback(pointer(handles[0]))).remove(0)
}

fn refusal<T>(answer: Answer<T>) -> (String, Option<u16>) {
    answer.err().expect("a refusal").into_parts()
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
    let granted = ask(LONG, |request| {
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
    let granted = ask_for_user(|request| {
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
    let with = |status| refusal(ask(LONG, |request| assert_eq!(refuse(request, status), results::PUSHER_OK)));
    assert_eq!(with(0), ("no".to_owned(), None));
    assert_eq!(with(503), ("no".to_owned(), Some(503)));
}

#[test]
fn freeing_a_question_refuses_it() {
    // SAFETY: a handle.
    let (words, status) = refusal(ask(LONG, |request| unsafe { c::pusher_auth_request_free(request) }));
    assert_eq!((words.as_str(), status), ("it was freed without an answer", None));
}

#[test]
fn an_answer_that_is_wrong_leaves_the_question_open() {
    let channel = ask(LONG, |request| {
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
    let user = ask_for_user(|request| {
        assert_eq!(grant(request), results::PUSHER_ERR_VALUE);
        assert_eq!(refuse(request, 403), results::PUSHER_OK);
    });
    assert_eq!(refusal(user).1, Some(403));
}

#[test]
fn an_unanswered_question_is_given_up_and_can_be_freed() {
    let mut late = ptr::null_mut();
    let (words, _) = refusal(ask(Duration::ZERO, |request| late = request));
    assert_eq!(words, "it was not answered in time");
    assert_eq!(grant(late), results::PUSHER_OK);
    assert_eq!(grant(late), results::PUSHER_ERR_HANDLE);
}

#[test]
fn waiting_ends_with_the_client_and_nothing_is_asked_afterwards() {
    let questions = Questions::new();
    let closing = Arc::clone(&questions);
    let answers = questions.ask(vec![asked("private-a")], LONG, |_| drop(thread::spawn(move || closing.close())));
    assert_eq!(refusal(answers.into_iter().next().expect("an answer")).0, "the client is gone");
    let unasked = asked("private-b");
    let handle = unasked.as_ref().map(Asked::handle).map(pointer).expect("a handle");
    let answers = questions.ask(vec![unasked], LONG, |_| panic!("asked after the end"));
    assert!(answers[0].is_err());
    assert_eq!(grant(handle), results::PUSHER_ERR_HANDLE);
}

#[test]
fn several_questions_get_their_own_answers_in_any_order() {
    let answers =
        Questions::new().ask(vec![asked("private-a"), asked("private-b"), asked("private-c")], LONG, |handles| {
            assert_eq!(refuse(pointer(handles[2]), 403), results::PUSHER_OK);
            assert_eq!(grant(pointer(handles[1])), results::PUSHER_OK);
            assert_eq!(refuse(pointer(handles[0]), 429), results::PUSHER_OK);
        });
    let statuses: Vec<_> =
        answers.into_iter().map(|answer| answer.err().and_then(|error| error.into_parts().1)).collect();
    assert_eq!(statuses, [Some(429), None, Some(403)]);
}
