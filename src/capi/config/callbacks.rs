//! The callbacks of a configuration, which authorise, decode and dial.

use std::{
    ffi::{c_char, c_void},
    io,
    sync::Arc,
};

use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::{
    AuthError,
    capi::{
        auth::pending_requests::{AuthRequest, PendingRequest, PendingRequests},
        config::dialer::{self, pusher_dial_callback},
        ffi::{
            callback::{Registered, callbacks},
            handles::{Freed, Handle, Loan},
        },
        internals,
    },
};

callbacks! {
    /// Gets one auth request, and responds to it now or later.
    type pusher_authorize_callback = fn(*mut c_void, Handle<AuthRequest>);

    /// Gets several auth requests, and responds to them now or later.
    type pusher_batch_authorize_callback = fn(*mut c_void, *const Handle<AuthRequest>, usize);

    /// Adds headers or parameters.
    type pusher_pairs_callback = fn(*mut c_void, Handle<Pairs>);

    /// Makes text of data. Returns 0 if it could.
    type pusher_decode_callback = fn(*mut c_void, *const c_char, usize, Handle<DecodedText>) -> i32;
}

/// The callbacks that were set. Clones share them, and the last clone drops them.
#[derive(Default, Clone)]
pub(crate) struct Callbacks {
    pub authorizer: Option<Arc<Registered<pusher_authorize_callback>>>,
    pub batch_authorizer: Option<Arc<Registered<pusher_batch_authorize_callback>>>,
    pub user_authenticator: Option<Arc<Registered<pusher_authorize_callback>>>,
    pub auth_headers: Option<Arc<PairsCallback>>,
    pub auth_params: Option<Arc<PairsCallback>>,
    pub decoder: Option<Arc<Registered<pusher_decode_callback>>>,
    pub dialer: Option<Arc<Registered<pusher_dial_callback>>>,
}

impl Callbacks {
    /// Sets all callbacks but the ones for headers and parameters in a configuration. Their pending auth requests end
    /// with the client.
    pub fn apply(&self, config: crate::Config, pending: &Arc<PendingRequests>) -> crate::Config {
        let timeout = internals::config::subscription_timeout(&config);
        let mut config = config;
        if let Some(callback) = self.authorizer.clone() {
            let pending = Arc::clone(pending);
            config = config.authorizer(move |request| {
                let requests = vec![PendingRequest::for_channel(request)];
                only(pending.authorize(requests, timeout, |handles| callback.one(handles)))
            });
        }
        if let Some(callback) = self.batch_authorizer.clone() {
            let pending = Arc::clone(pending);
            config = config.batch_authorizer(move |requests| {
                let pending_requests = requests.iter().map(PendingRequest::for_channel).collect();
                pending.authorize(pending_requests, timeout, |handles| callback.all(handles))
            });
        }
        if let Some(callback) = self.user_authenticator.clone() {
            let pending = Arc::clone(pending);
            config = config.user_authenticator(move |socket_id| {
                let requests = vec![PendingRequest::for_user(socket_id)];
                only(pending.authorize(requests, timeout, |handles| callback.one(handles)))
            });
        }
        if let Some(callback) = self.decoder.clone() {
            let pending = Arc::clone(pending);
            config = config.encrypted_data_decoder(move |bytes| {
                pending.check_open().map_err(str::to_owned).and_then(|()| decode(&callback, bytes))
            });
        }
        if let Some(callback) = self.dialer.clone() {
            let pending = Arc::clone(pending);
            config = config.dialer(move |request| {
                pending.check_open().map_err(io::Error::other).and_then(|()| dialer::dial(&callback, request))
            });
        }
        config
    }

    pub fn auth_headers(&self, pending: &Arc<PendingRequests>) -> impl Fn() -> AddedPairs + use<> {
        pairs_while_open(self.auth_headers.clone(), pending)
    }

    pub fn auth_params(&self, pending: &Arc<PendingRequests>) -> impl Fn() -> AddedPairs + use<> {
        pairs_while_open(self.auth_params.clone(), pending)
    }
}

/// The names and values that a callback has added.
type AddedPairs = Vec<(String, String)>;

fn pairs_while_open(
    callback: Option<Arc<PairsCallback>>,
    pending: &Arc<PendingRequests>,
) -> impl Fn() -> AddedPairs + use<> {
    let pending = Arc::clone(pending);
    move || {
        let callback = callback.as_ref().filter(|_| pending.check_open().is_ok());
        callback.map(|callback| callback.pairs()).unwrap_or_default()
    }
}

/// The response to the only request.
fn only<T>(mut responses: Vec<Result<T, AuthError>>) -> Result<T, AuthError> {
    responses.pop().unwrap_or_else(|| Err(AuthError::new("there was no request")))
}

impl Registered<pusher_authorize_callback> {
    fn one(&self, handles: &[Handle<AuthRequest>]) {
        for handle in handles {
            // SAFETY: the header lets the callback run on any thread, and use the handle as it likes.
            self.call(|function, user_data| unsafe { function(user_data, *handle) });
        }
    }
}

impl Registered<pusher_batch_authorize_callback> {
    fn all(&self, handles: &[Handle<AuthRequest>]) {
        if !handles.is_empty() {
            // SAFETY: as above; the array stays until the callback returns.
            self.call(|function, user_data| unsafe { function(user_data, handles.as_ptr(), handles.len()) });
        }
    }
}

/// The headers or parameters that a running callback adds to.
#[derive(Default)]
pub(crate) struct Pairs {
    pub pairs: Mutex<Vec<(String, String)>>,
}

impl Freed for Pairs {}

/// The callback that adds headers or parameters.
pub(crate) type PairsCallback = Registered<pusher_pairs_callback>;

impl PairsCallback {
    /// Returns none if there are too many handles; the endpoint then refuses the request.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let Ok(pairs) = Loan::new(Pairs::default()) else { return Vec::new() };
        // SAFETY: the handle is there until the callback returns.
        self.call(|function, user_data| unsafe { function(user_data, pairs.handle()) });
        let mut pairs = pairs.thing().pairs.lock();
        std::mem::take(&mut *pairs)
    }
}

/// The place for the text that a decoder makes.
#[derive(Default)]
pub(crate) struct DecodedText {
    pub text: Mutex<Option<String>>,
}

impl Freed for DecodedText {}

pub(crate) fn decode(callback: &Registered<pusher_decode_callback>, bytes: &[u8]) -> Result<String, String> {
    let place = Loan::new(DecodedText::default()).map_err(|_| "there are too many handles")?;
    // With its whole capacity, so that it does not move, which would leave a copy behind (X1).
    let mut data = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
    data.extend_from_slice(bytes);
    data.push(0);
    let result = callback.call(|function, user_data| {
        // SAFETY: the borrowed data stays until the callback returns.
        unsafe { function(user_data, data.as_ptr().cast(), bytes.len(), place.handle()) }
    });
    let text = place.thing().text.lock().take();
    match result {
        0 => text.ok_or_else(|| "the decoder has set no text".to_owned()),
        _ => Err(format!("the decoder returned {result}")),
    }
}
