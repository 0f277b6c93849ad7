//! What went wrong: the last error of each thread, and the errors in notifications.

use std::{cell::RefCell, sync::Arc};

use crate::capi::ffi::{
    error_text,
    results::{self, Failure},
    text::Terminated,
};

/// An error as C looks at it.
pub(crate) struct Error {
    pub result: i32,
    pub text: Terminated,
    pub detail: Option<Terminated>,
    pub channel: Option<Terminated>,
    /// The bare words of whoever refused.
    pub message: Option<Terminated>,
    /// What the client said; `None` where the call itself was wrong.
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

    /// What the client said to a call.
    pub fn of_client(function: &'static str, cause: crate::Error) -> Self {
        Self::with_text(&format!("{function}: {}", error_text::text(&cause)), Arc::new(cause))
    }

    /// What is wrong with a call.
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

    /// The answer to a question that only the client's own errors say yes to.
    pub fn is(&self, question: impl FnOnce(&crate::Error) -> bool) -> i32 {
        self.cause.as_deref().is_some_and(question).into()
    }
}

thread_local! {
    pub(crate) static LAST: RefCell<Option<Box<Error>>> = const { RefCell::new(None) };
}

/// Remembers what went wrong, for this thread to ask. Returns its number. A thread that is ending may have no place for it.
pub(crate) fn note(error: Error) -> i32 {
    let result = error.result;
    let _ = LAST.try_with(|last| last.replace(Some(Box::new(error))));
    result
}
