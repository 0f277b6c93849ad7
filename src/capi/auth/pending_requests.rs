//! Auth requests that a callback of the program gets: for a channel, or for the user.
//!
//! The program responds to an [`AuthRequest`] at any time, on any thread. The client's thread waits for the response until
//! the timeout of the subscription.

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

/// An auth request, as C holds it. Dropping it without a response is a refusal.
pub(crate) struct AuthRequest {
    subject: Subject,
    socket_id: Terminated,
}

/// The subject of an auth request, with the sender of its response. Only the thread that frees the handle responds, so
/// that the channel has room.
enum Subject {
    Channel { name: Terminated, response: Sender<Response<ChannelAuth>> },
    User { response: Sender<Response<UserAuth>> },
}

pub(crate) type Response<T> = Result<T, AuthError>;

impl Freed for AuthRequest {}

impl AuthRequest {
    /// A response that comes too late is no error.
    fn refuse(&self, error: AuthError) {
        match &self.subject {
            Subject::Channel { response, .. } => drop(response.try_send(Err(error))),
            Subject::User { response } => drop(response.try_send(Err(error))),
        }
    }
}

/// The pending auth requests of one client.
pub(crate) struct PendingRequests {
    /// Dropped when the client ends. Nothing is sent through it.
    open: Mutex<Option<Sender<()>>>,
    closed: Receiver<()>,
}

/// An auth request whose handle the program gets, with the receiver of its response.
pub(crate) struct PendingRequest<T> {
    handle: Handle<AuthRequest>,
    response: Receiver<Response<T>>,
}

impl<T> PendingRequest<T> {
    fn new(subject: impl FnOnce(Sender<Response<T>>) -> Subject, socket_id: &str) -> Response<Self> {
        let (sender, response) = bounded(1);
        let request = AuthRequest { subject: subject(sender), socket_id: Terminated::new(socket_id) };
        let handle = Handle::new(request).map_err(|_| AuthError::new("there are too many handles"))?;
        Ok(Self { handle, response })
    }

    pub fn handle(&self) -> Handle<AuthRequest> {
        self.handle
    }
}

impl PendingRequest<ChannelAuth> {
    pub fn for_channel(request: &crate::AuthRequest) -> Response<Self> {
        let subject = |response| Subject::Channel { name: Terminated::new(request.channel()), response };
        Self::new(subject, request.socket_id())
    }
}

impl PendingRequest<UserAuth> {
    pub fn for_user(socket_id: &str) -> Response<Self> {
        Self::new(|response| Subject::User { response }, socket_id)
    }
}

impl PendingRequests {
    pub fn new() -> Arc<Self> {
        let (open, closed) = bounded(0);
        Arc::new(Self { open: Mutex::new(Some(open)), closed })
    }

    /// Ends all waiting. Later requests are refused.
    pub fn close(&self) {
        drop(self.open.lock().take());
    }

    /// Passes the requests to a callback, and waits for all responses, for up to `timeout`.
    pub fn authorize<T>(
        &self,
        requests: Vec<Response<PendingRequest<T>>>,
        timeout: Duration,
        callback: impl FnOnce(&[Handle<AuthRequest>]),
    ) -> Vec<Response<T>> {
        let process = process::id();
        let deadline = Instant::now() + timeout;
        let handles: Vec<_> = requests.iter().flatten().map(PendingRequest::handle).collect();
        if self.is_open() {
            callback(&handles);
        } else {
            handles.iter().for_each(|handle| drop(handle.take()));
        }
        // If the callback forks and returns in the child, no thread of the child responds (H7).
        let is_child = process::id() != process;
        let wait = |request: PendingRequest<T>| {
            if is_child { Err(forked()) } else { self.wait(&request.response, deadline) }
        };
        requests.into_iter().map(|request| request.and_then(wait)).collect()
    }

    /// An error once the client has ended. From then on no callback of the program begins.
    pub fn check_open(&self) -> Result<(), &'static str> {
        if self.is_open() { Ok(()) } else { Err(GONE) }
    }

    fn is_open(&self) -> bool {
        self.open.lock().is_some()
    }

    fn wait<T>(&self, response: &Receiver<Response<T>>, deadline: Instant) -> Response<T> {
        select! {
            recv(response) -> response => response.unwrap_or_else(|_| Err(AuthError::new("it was freed without an answer"))),
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
        let Subject::Channel { response, .. } = &request.subject else {
            return Err(Failure::value("a sign-in is granted by pusher_auth_request_grant_user"));
        };
        let response = response.clone();
        let _request = request.take()?;
        drop(response.try_send(Ok(permission(auth, channel_data, shared_secret))));
        Ok(())
    }

    fn pusher_auth_request_grant_user(request: LastUse<AuthRequest>, auth: Text<'_>, user_data: Text<'_>) {
        let Subject::User { response } = &request.subject else {
            return Err(Failure::value("a channel is granted by pusher_auth_request_grant"));
        };
        let response = response.clone();
        let _request = request.take()?;
        drop(response.try_send(Ok(UserAuth::new(auth, user_data))));
        Ok(())
    }

    fn pusher_auth_request_grant_json(request: LastUse<AuthRequest>, json: Data<'_>, length: usize) {
        let json = json.text(length)?;
        match &request.subject {
            Subject::Channel { response, .. } => {
                let (granted, response) = (ChannelAuth::from_json(json)?, response.clone());
                let _request = request.take()?;
                drop(response.try_send(Ok(granted)));
            }
            Subject::User { response } => {
                let (granted, response) = (UserAuth::from_json(json)?, response.clone());
                let _request = request.take()?;
                drop(response.try_send(Ok(granted)));
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
