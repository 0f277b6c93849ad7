//! The configuration of clients: options by their names, and callbacks.

pub(crate) mod callbacks;
pub(crate) mod dialer;
pub(crate) mod options;
pub(crate) mod unknown;

use std::{collections::BTreeMap, ffi::c_char};

use parking_lot::Mutex;

use crate::capi::{
    auth::credentials::{Credentials, Secret},
    config::{
        callbacks::{
            Callbacks, DecodedText, Pairs, pusher_authorize_callback, pusher_batch_authorize_callback,
            pusher_decode_callback, pusher_pairs_callback,
        },
        dialer::pusher_dial_callback,
        options::{Draft, Kind, Takes},
        unknown::Names,
    },
    ffi::{
        arguments::{Data, OptionalOut, Out, Text},
        callback::Registered,
        handles::{Freed, Handle, OptionalHandle},
        results::Failure,
        text::Lent,
    },
};

/// Options, until clients are made of them.
#[derive(Default)]
pub(crate) struct Config {
    options: Mutex<Options>,
}

/// The values of options, as text. A value is checked when it is set, and takes effect when a client is made.
#[derive(Default, Clone)]
struct Options {
    /// By the option's index in the table.
    single: BTreeMap<usize, Secret>,
    /// Certificates to trust in addition.
    certificates: Vec<String>,
    /// Headers of the upgrade request.
    headers: Vec<(String, Secret)>,
    client_name: Option<(String, String)>,
    /// A client certificate and its private key.
    identity: Option<(Secret, Secret)>,
    credentials: Credentials,
    callbacks: Callbacks,
}

/// The parts that a client is made of.
pub(crate) struct Parts {
    pub draft: Draft,
    pub credentials: Credentials,
    pub callbacks: Callbacks,
}

impl Freed for Config {}

impl Config {
    /// Sets a callback. The earlier one is dropped without the lock, because its destructor is the program's own code.
    fn set_callback<T>(&self, of: fn(&mut Callbacks) -> &mut Option<T>, callback: T) {
        let earlier = of(&mut self.options.lock().callbacks).replace(callback);
        drop(earlier);
    }

    /// Makes the parts of a client from all options.
    pub fn parts(&self) -> Result<Parts, Failure> {
        let options = self.options.lock().clone();
        let mut draft = Draft::new(|name| options.text(name))?;
        // First, because the option `metadata` may turn it off.
        if let Some((name, version)) = options.client_name.clone() {
            draft.config = draft.config.client_name(name, version);
        }
        for (index, value) in &options.single {
            draft = options::apply(*index, draft, value)?;
        }
        let Options { certificates, headers, identity, credentials, callbacks, .. } = options;
        draft.config = certificates.into_iter().fold(draft.config, crate::Config::root_certificate_pem);
        if let Some((certificate, key)) = identity {
            draft.config = draft.config.client_identity_pem(certificate.as_str(), key.as_str());
        }
        let add = |config: crate::Config, (name, value): (String, Secret)| config.header(name, value.as_str());
        draft.config = headers.into_iter().fold(draft.config, add);
        Ok(Parts { draft, credentials, callbacks })
    }

    /// Sets an option. If the caller names a kind, the option has to be of that kind.
    fn set(&self, option: &str, value: &str, kind: Option<Kind>) -> Result<(), Failure> {
        if option == options::CERTIFICATE && kind.is_none() {
            self.options.lock().certificates.push(value.to_owned());
            return Ok(());
        }
        if option == options::CERTIFICATE {
            return Err(Takes::Text.other_kind(option));
        }
        let Some(index) = options::find(option) else {
            return Err(self.options.lock().unknown(option, value, Function::Set));
        };
        options::check(index, value, kind)?;
        self.options.lock().single.insert(index, Secret::new(value.to_owned()));
        Ok(())
    }

    fn add(&self, option: &str, name: &str, value: &str) -> Result<(), Failure> {
        let mut options = self.options.lock();
        match option {
            "header" => options.headers.push((name.to_owned(), Secret::new(value.to_owned()))),
            "client_name" => options.client_name = Some((name.to_owned(), value.to_owned())),
            "client_identity_pem" => {
                options.identity = Some((Secret::new(name.to_owned()), Secret::new(value.to_owned())))
            }
            "auth_header" => options.credentials.add_header(name, value)?,
            "auth_param" => options.credentials.add_param(name, value)?,
            _ => return Err(options.unknown(option, value, Function::Add)),
        }
        Ok(())
    }
}

/// The functions that set options.
#[derive(Clone, Copy)]
enum Function {
    Set,
    Add,
}

/// The options that `pusher_config_add` takes.
const PAIRS: [&str; 5] = ["header", "client_name", "client_identity_pem", "auth_header", "auth_param"];

impl Function {
    fn names(self) -> Names {
        let (single, pairs) = (options::names().collect(), PAIRS.to_vec());
        match self {
            Self::Set => Names { noun: "option", here: single, elsewhere: (pairs, "pusher_config_add") },
            Self::Add => Names { noun: "option", here: pairs, elsewhere: (single, "pusher_config_set") },
        }
    }
}

impl Options {
    /// The error for a text that is not the name of an option. The text may be a value in the wrong place (X1).
    fn unknown(&self, option: &str, value: &str, function: Function) -> Failure {
        let are_exchanged = options::find(value).is_some();
        function.names().unknown(option, are_exchanged || self.holds(option))
    }

    /// Whether this is the value of an option.
    fn holds(&self, text: &str) -> bool {
        let identity = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        let headers = self.headers.iter().map(|(_, value)| value);
        let mut secrets = self.single.values().chain(headers).chain(identity).chain(self.credentials.values());
        secrets.any(|secret| secret.as_str() == text)
    }

    fn text(&self, name: &str) -> Option<&str> {
        let index = options::find(name)?;
        self.single.get(&index).map(|secret| secret.as_str())
    }
}

exports! {
    fn pusher_config_new(config: Out<'_, Handle<Config>>) {
        config.put(Handle::new(Config::default())?);
        Ok(())
    }

    free fn pusher_config_free(config: OptionalHandle<Config>)

    fn pusher_config_set(config: Handle<Config>, option: Text<'_>, value: Text<'_>) {
        config.set(option, value, None)
    }

    fn pusher_config_set_int(config: Handle<Config>, option: Text<'_>, value: i64) {
        config.set(option, &value.to_string(), Some(Kind::Integer))
    }

    fn pusher_config_set_bool(config: Handle<Config>, option: Text<'_>, value: i32) {
        config.set(option, &value.to_string(), Some(Kind::Boolean))
    }

    fn pusher_config_dial_url(config: Handle<Config>, text: Out<'_, *const c_char>, length: OptionalOut<'_, usize>) {
        Lent::DialUrl.lend(&config.parts()?.draft.config.dial_url()?, (text, length))
    }

    fn pusher_config_add(config: Handle<Config>, option: Text<'_>, name: Text<'_>, value: Text<'_>) {
        config.add(option, name, value)
    }

    fn pusher_config_authorizer(config: Handle<Config>, callback: Option<pusher_authorize_callback>; user_data;) {
        config.set_callback(|callbacks| &mut callbacks.authorizer, Registered::new(callback, user_data));
        Ok(())
    }

    fn pusher_config_batch_authorizer(
        config: Handle<Config>,
        callback: Option<pusher_batch_authorize_callback>;
        user_data;
    ) {
        config.set_callback(|callbacks| &mut callbacks.batch_authorizer, Registered::new(callback, user_data));
        Ok(())
    }

    fn pusher_config_user_authenticator(
        config: Handle<Config>,
        callback: Option<pusher_authorize_callback>;
        user_data;
    ) {
        config.set_callback(|callbacks| &mut callbacks.user_authenticator, Registered::new(callback, user_data));
        Ok(())
    }

    fn pusher_config_auth_headers(config: Handle<Config>, callback: Option<pusher_pairs_callback>; user_data;) {
        config.set_callback(|callbacks| &mut callbacks.auth_headers, Registered::new(callback, user_data));
        Ok(())
    }

    fn pusher_config_auth_params(config: Handle<Config>, callback: Option<pusher_pairs_callback>; user_data;) {
        config.set_callback(|callbacks| &mut callbacks.auth_params, Registered::new(callback, user_data));
        Ok(())
    }

    fn pusher_config_encrypted_data_decoder(
        config: Handle<Config>,
        callback: Option<pusher_decode_callback>;
        user_data;
    ) {
        config.set_callback(|callbacks| &mut callbacks.decoder, Registered::new(callback, user_data));
        Ok(())
    }

    fn pusher_config_dialer(config: Handle<Config>, callback: Option<pusher_dial_callback>; user_data;) {
        config.set_callback(|callbacks| &mut callbacks.dialer, Registered::new(callback, user_data));
        Ok(())
    }

    fn pusher_pairs_add(pairs: Handle<Pairs>, name: Text<'_>, value: Text<'_>) {
        pairs.pairs.lock().push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    fn pusher_text_set(text: Handle<DecodedText>, data: Data<'_>, length: usize) {
        let decoded = data.text(length)?.to_owned();
        *text.text.lock() = Some(decoded);
        Ok(())
    }
}
