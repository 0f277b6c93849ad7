//! Errors for C: the last error of each thread, and the errors in notifications.

use std::{cell::RefCell, sync::Arc};

use crate::capi::ffi::{
    error_text,
    results::{self, Failure},
    text::Terminated,
};

/// An error, as C reads it.
pub(crate) struct Error {
    pub result: i32,
    pub text: Terminated,
    pub detail: Option<Terminated>,
    pub channel: Option<Terminated>,
    /// The message of the server, of an endpoint, or of an authorizer.
    pub message: Option<Terminated>,
    /// The error of the client; `None` if the call itself was wrong.
    cause: Option<Arc<crate::Error>>,
}

impl Error {
    pub fn new(cause: Arc<crate::Error>) -> Self {
        Self::with_text(&error_text::text(&cause), cause)
    }

    fn with_text(text: &str, cause: Arc<crate::Error>) -> Self {
        let detail = error_text::detail(&cause).as_deref().map(Terminated::new);
        let channel = error_text::channel(&cause).map(Terminated::new);
        let message = error_text::message(&cause).map(Terminated::new);
        let text = Terminated::new(text);
        Self { result: results::of(&cause), text, detail, channel, message, cause: Some(cause) }
    }

    /// The error of the client that ended a call.
    pub fn of_client(function: &'static str, cause: crate::Error) -> Self {
        Self::with_text(&format!("{function}: {}", error_text::text(&cause)), Arc::new(cause))
    }

    /// The error of a call that is wrong.
    pub fn of_call(function: &'static str, result: i32, what: &str) -> Self {
        let text = Terminated::new(&format!("{function}: {what}"));
        Self { result, text, detail: None, channel: None, message: None, cause: None }
    }

    pub fn text(&self) -> &str {
        self.text.text()
    }

    pub fn cause(&self) -> Result<&crate::Error, Failure> {
        self.cause.as_deref().ok_or(Failure::Nothing)
    }

    /// 1 if the client's error has a property; 0 if it has not, or if the call itself was wrong.
    pub fn is(&self, property: impl FnOnce(&crate::Error) -> bool) -> i32 {
        self.cause.as_deref().is_some_and(property).into()
    }
}

thread_local! {
    pub(crate) static LAST: RefCell<Option<Box<Error>>> = const { RefCell::new(None) };
}

/// Keeps the last error of this thread. Returns its number. A thread that is ending may have no place for it.
pub(crate) fn note(error: Error) -> i32 {
    let result = error.result;
    let _ = LAST.try_with(|last| last.replace(Some(Box::new(error))));
    result
}
