//! Questions to the program: whether the client may subscribe, and who the user is.
//!
//! A callback gets an [`AuthRequest`], and may answer it at any time, on any thread. The client's thread waits for the
//! answer for as long as the answer is of use.

use std::{
    ffi::c_char,
    process,
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use parking_lot::Mutex;

use super::permissions::permission;
use crate::capi::ffi::{
    arguments::{Data, OptionalOut, OptionalText, Out, Text},
    handles::{Freed, Handle, LastUse, OptionalHandle},
    results::Failure,
    text::{self, Terminated},
};
use crate::{AuthError, ChannelAuth, UserAuth};

/// A question that the program answers. Dropping it without an answer is a refusal.
pub(crate) struct AuthRequest {
    subject: Subject,
    socket_id: Terminated,
}

/// The subject of a question, with the channel for its answer. Only the thread that frees the handle answers, so that
/// the channel has room.
enum Subject {
    Channel { name: Terminated, answer: Sender<Answer<ChannelAuth>> },
    User { answer: Sender<Answer<UserAuth>> },
}

pub(crate) type Answer<T> = Result<T, AuthError>;

impl Freed for AuthRequest {}

impl AuthRequest {
    /// An answer that comes too late is no error.
    fn refuse(&self, error: AuthError) {
        match &self.subject {
            Subject::Channel { answer, .. } => drop(answer.try_send(Err(error))),
            Subject::User { answer } => drop(answer.try_send(Err(error))),
        }
    }
}

/// The questions of one client.
pub(crate) struct Questions {
    /// Dropped when the client ends. Nothing is sent through it.
    open: Mutex<Option<Sender<()>>>,
    closed: Receiver<()>,
}

/// A question that was handed out, and its answer.
pub(crate) struct Asked<T> {
    handle: Handle<AuthRequest>,
    answer: Receiver<Answer<T>>,
}

impl<T> Asked<T> {
    fn new(subject: impl FnOnce(Sender<Answer<T>>) -> Subject, socket_id: &str) -> Answer<Self> {
        let (sender, answer) = bounded(1);
        let request = AuthRequest { subject: subject(sender), socket_id: Terminated::new(socket_id) };
        let handle = Handle::new(request).map_err(|_| AuthError::new("there are too many handles"))?;
        Ok(Self { handle, answer })
    }

    pub fn handle(&self) -> Handle<AuthRequest> {
        self.handle
    }
}

impl Asked<ChannelAuth> {
    pub fn channel(request: &crate::AuthRequest) -> Answer<Self> {
        let subject = |answer| Subject::Channel { name: Terminated::new(request.channel()), answer };
        Self::new(subject, request.socket_id())
    }
}

impl Asked<UserAuth> {
    pub fn user(socket_id: &str) -> Answer<Self> {
        Self::new(|answer| Subject::User { answer }, socket_id)
    }
}

impl Questions {
    pub fn new() -> Arc<Self> {
        let (open, closed) = bounded(0);
        Arc::new(Self { open: Mutex::new(Some(open)), closed })
    }

    /// Ends all waiting. Later questions are refused.
    pub fn close(&self) {
        drop(self.open.lock().take());
    }

    /// Asks by a callback, and waits until all questions are answered, for up to `timeout`.
    pub fn ask<T>(
        &self,
        asked: Vec<Answer<Asked<T>>>,
        timeout: Duration,
        callback: impl FnOnce(&[Handle<AuthRequest>]),
    ) -> Vec<Answer<T>> {
        let process = process::id();
        let deadline = Instant::now() + timeout;
        let handles: Vec<_> = asked.iter().flatten().map(Asked::handle).collect();
        if self.is_open() {
            callback(&handles);
        } else {
            handles.iter().for_each(|handle| drop(handle.take()));
        }
        // If the callback forks and returns in the child, no thread of the child answers (H7).
        let is_child = process::id() != process;
        let wait = |asked: Asked<T>| if is_child { Err(forked()) } else { self.wait(&asked.answer, deadline) };
        asked.into_iter().map(|asked| asked.and_then(wait)).collect()
    }

    /// An error once the client has ended. From then on no callback of the program begins.
    pub fn while_open(&self) -> Result<(), &'static str> {
        if self.is_open() { Ok(()) } else { Err(GONE) }
    }

    fn is_open(&self) -> bool {
        self.open.lock().is_some()
    }

    fn wait<T>(&self, answer: &Receiver<Answer<T>>, deadline: Instant) -> Answer<T> {
        select! {
            recv(answer) -> answer => answer.unwrap_or_else(|_| Err(AuthError::new("it was freed without an answer"))),
            recv(self.closed) -> _ => Err(AuthError::new(GONE)),
            default(deadline.saturating_duration_since(Instant::now())) => {
                Err(AuthError::new("it was not answered in time"))
            }
        }
    }
}

const GONE: &str = "the client is gone";

fn forked() -> AuthError {
    AuthError::new("the callback has forked")
}

/// The error with this HTTP status. 0 stands for no status.
fn refusal(message: &str, status: i32) -> Result<AuthError, Failure> {
    let error = AuthError::new(message);
    match u16::try_from(status) {
        Ok(0) => Ok(error),
        Ok(status @ 100..=599) => Ok(error.status(status)),
        _ => Err(Failure::value(format!("{status} is no HTTP status"))),
    }
}

exports! {
    fn pusher_auth_request_channel(
        request: Handle<AuthRequest>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        match &request.subject {
            Subject::Channel { name, .. } => text::lend(name.as_str(), (text, length)),
            Subject::User { .. } => return Err(Failure::Nothing),
        }
        Ok(())
    }

    fn pusher_auth_request_socket_id(
        request: Handle<AuthRequest>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        text::lend(request.socket_id.as_str(), (text, length));
        Ok(())
    }

    fn pusher_auth_request_grant(
        request: LastUse<AuthRequest>,
        auth: Text<'_>,
        channel_data: OptionalText<'_>,
        shared_secret: OptionalText<'_>,
    ) {
        let Subject::Channel { answer, .. } = &request.subject else {
            return Err(Failure::value("a sign-in is granted by pusher_auth_request_grant_user"));
        };
        let answer = answer.clone();
        let _request = request.take()?;
        drop(answer.try_send(Ok(permission(auth, channel_data, shared_secret))));
        Ok(())
    }

    fn pusher_auth_request_grant_user(request: LastUse<AuthRequest>, auth: Text<'_>, user_data: Text<'_>) {
        let Subject::User { answer } = &request.subject else {
            return Err(Failure::value("a channel is granted by pusher_auth_request_grant"));
        };
        let answer = answer.clone();
        let _request = request.take()?;
        drop(answer.try_send(Ok(UserAuth::new(auth, user_data))));
        Ok(())
    }

    fn pusher_auth_request_grant_json(request: LastUse<AuthRequest>, json: Data<'_>, length: usize) {
        let json = json.text(length)?;
        match &request.subject {
            Subject::Channel { answer, .. } => {
                let (granted, answer) = (ChannelAuth::from_json(json)?, answer.clone());
                let _request = request.take()?;
                drop(answer.try_send(Ok(granted)));
            }
            Subject::User { answer } => {
                let (granted, answer) = (UserAuth::from_json(json)?, answer.clone());
                let _request = request.take()?;
                drop(answer.try_send(Ok(granted)));
            }
        }
        Ok(())
    }

    fn pusher_auth_request_refuse(request: LastUse<AuthRequest>, message: Text<'_>, status: i32) {
        let error = refusal(message, status)?;
        request.take()?.refuse(error);
        Ok(())
    }

    free fn pusher_auth_request_free(request: OptionalHandle<AuthRequest>)
}
