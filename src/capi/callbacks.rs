//! The callbacks of a configuration: who authorises, decodes and dials.

use std::{ffi::c_void, io, sync::Arc};

use parking_lot::Mutex;

use super::{
    arguments::{Text, callbacks},
    config::Config,
    decoder::{self, pusher_decode_callback},
    dialer::{self, pusher_dial_callback},
    handles::{Freed, Handle, Loan},
    questions::{Asked, AuthRequest, Questions},
    user_data::UserData,
};
use crate::AuthError;

callbacks! {
    /// Answers one question, sooner or later.
    type pusher_authorize_callback = fn(*mut c_void, Handle<AuthRequest>);

    /// Answers several questions, sooner or later.
    type pusher_batch_authorize_callback = fn(*mut c_void, *const Handle<AuthRequest>, usize);

    /// Adds headers or parameters.
    type pusher_pairs_callback = fn(*mut c_void, Handle<Pairs>);
}

/// A function of the program's, with what it works on.
pub(super) struct Registered<F> {
    function: F,
    user_data: UserData,
}

impl<F: Copy> Registered<F> {
    pub(super) fn of(function: F, user_data: UserData) -> Self {
        Self { function, user_data }
    }

    fn new(function: F, user_data: UserData) -> Option<Arc<Self>> {
        Some(Arc::new(Self::of(function, user_data)))
    }

    /// Lets `how` call it, with its `user_data`.
    pub(super) fn call<T>(&self, how: impl FnOnce(F, *mut c_void) -> T) -> T {
        self.user_data.call(|user_data| how(self.function, user_data))
    }
}

/// Those that were set. A clone has the same ones, which go with the last of them.
#[derive(Default, Clone)]
pub(super) struct Callbacks {
    authorizer: Option<Arc<Registered<pusher_authorize_callback>>>,
    batch_authorizer: Option<Arc<Registered<pusher_batch_authorize_callback>>>,
    user_authenticator: Option<Arc<Registered<pusher_authorize_callback>>>,
    auth_headers: Option<Arc<PairsCallback>>,
    auth_params: Option<Arc<PairsCallback>>,
    decoder: Option<Arc<Registered<pusher_decode_callback>>>,
    dialer: Option<Arc<Registered<pusher_dial_callback>>>,
}

impl Callbacks {
    /// Lets a client call them, all but those for headers and parameters. Its questions end with the client.
    pub(super) fn apply(&self, config: crate::Config, questions: &Arc<Questions>) -> crate::Config {
        let timeout = config.settings().subscriptions.timeout;
        let mut config = config;
        if let Some(callback) = self.authorizer.clone() {
            let questions = Arc::clone(questions);
            config = config.authorizer(move |request| {
                let asked = vec![Asked::channel(request)];
                only(questions.ask(asked, timeout, |handles| callback.one(handles)))
            });
        }
        if let Some(callback) = self.batch_authorizer.clone() {
            let questions = Arc::clone(questions);
            config = config.batch_authorizer(move |requests| {
                let asked = requests.iter().map(Asked::channel).collect();
                questions.ask(asked, timeout, |handles| callback.all(handles))
            });
        }
        if let Some(callback) = self.user_authenticator.clone() {
            let questions = Arc::clone(questions);
            config = config.user_authenticator(move |socket_id| {
                let asked = vec![Asked::user(socket_id)];
                only(questions.ask(asked, timeout, |handles| callback.one(handles)))
            });
        }
        if let Some(callback) = self.decoder.clone() {
            let questions = Arc::clone(questions);
            config = config.encrypted_data_decoder(move |bytes| {
                questions.while_open().map_err(str::to_owned).and_then(|()| decoder::decode(&callback, bytes))
            });
        }
        if let Some(callback) = self.dialer.clone() {
            let questions = Arc::clone(questions);
            config = config.dialer(move |request| {
                questions.while_open().map_err(io::Error::other).and_then(|()| dialer::dial(&callback, request))
            });
        }
        config
    }

    pub(super) fn auth_headers(&self, questions: &Arc<Questions>) -> impl Fn() -> AddedPairs + use<> {
        ask_while_open(self.auth_headers.clone(), questions)
    }

    pub(super) fn auth_params(&self, questions: &Arc<Questions>) -> impl Fn() -> AddedPairs + use<> {
        ask_while_open(self.auth_params.clone(), questions)
    }
}

/// What a callback has added: names and values.
type AddedPairs = Vec<(String, String)>;

fn ask_while_open(callback: Option<Arc<PairsCallback>>, questions: &Arc<Questions>) -> impl Fn() -> AddedPairs + use<> {
    let questions = Arc::clone(questions);
    move || {
        let callback = callback.as_ref().filter(|_| questions.while_open().is_ok());
        callback.map(|callback| callback.ask()).unwrap_or_default()
    }
}

/// The answer to the only question.
fn only<T>(mut answers: Vec<Result<T, AuthError>>) -> Result<T, AuthError> {
    answers.pop().unwrap_or_else(|| Err(AuthError::new("nothing was asked")))
}

impl Registered<pusher_authorize_callback> {
    fn one(&self, handles: &[Handle<AuthRequest>]) {
        for handle in handles {
            // SAFETY: the header lets it run on any thread, and it may do with the handle what it likes.
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

/// Headers or parameters, as long as the callback that adds to them runs.
#[derive(Default)]
pub(crate) struct Pairs {
    pairs: Mutex<Vec<(String, String)>>,
}

impl Freed for Pairs {}

/// Who is asked for headers or parameters.
pub(super) type PairsCallback = Registered<pusher_pairs_callback>;

impl PairsCallback {
    /// None when there are too many handles: the endpoint then says what is missing.
    pub(super) fn ask(&self) -> Vec<(String, String)> {
        let Ok(pairs) = Loan::new(Pairs::default()) else { return Vec::new() };
        // SAFETY: the handle is there until the callback returns.
        self.call(|function, user_data| unsafe { function(user_data, pairs.handle()) });
        let mut pairs = pairs.thing().pairs.lock();
        std::mem::take(&mut *pairs)
    }
}

exports! {
    fn pusher_config_authorizer(config: Handle<Config>, callback: Option<pusher_authorize_callback>; user_data;) {
        let callback = Registered::new(callback, user_data);
        config.callbacks(|callbacks| std::mem::replace(&mut callbacks.authorizer, callback));
        Ok(())
    }

    fn pusher_config_batch_authorizer(
        config: Handle<Config>,
        callback: Option<pusher_batch_authorize_callback>;
        user_data;
    ) {
        let callback = Registered::new(callback, user_data);
        config.callbacks(|callbacks| std::mem::replace(&mut callbacks.batch_authorizer, callback));
        Ok(())
    }

    fn pusher_config_user_authenticator(
        config: Handle<Config>,
        callback: Option<pusher_authorize_callback>;
        user_data;
    ) {
        let callback = Registered::new(callback, user_data);
        config.callbacks(|callbacks| std::mem::replace(&mut callbacks.user_authenticator, callback));
        Ok(())
    }

    fn pusher_config_auth_headers(config: Handle<Config>, callback: Option<pusher_pairs_callback>; user_data;) {
        let callback = Registered::new(callback, user_data);
        config.callbacks(|callbacks| std::mem::replace(&mut callbacks.auth_headers, callback));
        Ok(())
    }

    fn pusher_config_auth_params(config: Handle<Config>, callback: Option<pusher_pairs_callback>; user_data;) {
        let callback = Registered::new(callback, user_data);
        config.callbacks(|callbacks| std::mem::replace(&mut callbacks.auth_params, callback));
        Ok(())
    }

    fn pusher_config_encrypted_data_decoder(
        config: Handle<Config>,
        callback: Option<pusher_decode_callback>;
        user_data;
    ) {
        let callback = Registered::new(callback, user_data);
        config.callbacks(|callbacks| std::mem::replace(&mut callbacks.decoder, callback));
        Ok(())
    }

    fn pusher_config_dialer(config: Handle<Config>, callback: Option<pusher_dial_callback>; user_data;) {
        let callback = Registered::new(callback, user_data);
        config.callbacks(|callbacks| std::mem::replace(&mut callbacks.dialer, callback));
        Ok(())
    }

    fn pusher_pairs_add(pairs: Handle<Pairs>, name: Text<'_>, value: Text<'_>) {
        pairs.pairs.lock().push((name.to_owned(), value.to_owned()));
        Ok(())
    }
}
