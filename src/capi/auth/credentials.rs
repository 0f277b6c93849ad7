//! Headers and parameters of requests to auth endpoints. A program may renew them.

use std::{mem, sync::Arc};

use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::capi::{ffi::results::Failure, internals};

/// A text that is wiped before it is freed (X1).
pub(crate) type Secret = Zeroizing<String>;

type SecretPairs = Vec<(String, Secret)>;

/// The headers and parameters of every request, beside the client's own.
#[derive(Default, Clone)]
pub(crate) struct Credentials {
    headers: SecretPairs,
    params: SecretPairs,
}

impl Credentials {
    pub fn values(&self) -> impl Iterator<Item = &Secret> {
        self.headers.iter().chain(&self.params).map(|(_, value)| value)
    }

    pub fn add_header(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        internals::config::check_header(name, value).map_err(Failure::value)?;
        self.headers.push((name.to_owned(), Secret::new(value.to_owned())));
        Ok(())
    }

    pub fn add_param(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        if matches!(name, "socket_id" | "channel_name") {
            return Err(Failure::value(format!("{name} is filled in by the client itself")));
        }
        self.params.push((name.to_owned(), Secret::new(value.to_owned())));
        Ok(())
    }
}

/// The credentials of one client, shared with the threads that send requests.
pub(crate) struct Shared(Mutex<Credentials>);

impl Shared {
    pub fn new(credentials: Credentials) -> Arc<Self> {
        Arc::new(Self(Mutex::new(credentials)))
    }

    /// Replaces all headers of that name.
    pub fn set_header(&self, name: &str, value: &str) -> Result<(), Failure> {
        let mut credentials = self.0.lock();
        let mut before = mem::take(&mut credentials.headers);
        let outcome = credentials.add_header(name, value);
        before.retain(|(other, _)| outcome.is_err() || !other.eq_ignore_ascii_case(name));
        before.append(&mut credentials.headers);
        credentials.headers = before;
        outcome
    }

    /// Replaces all parameters of that name.
    pub fn set_param(&self, name: &str, value: &str) -> Result<(), Failure> {
        let mut credentials = self.0.lock();
        let mut before = mem::take(&mut credentials.params);
        let outcome = credentials.add_param(name, value);
        before.retain(|(other, _)| outcome.is_err() || other != name);
        before.append(&mut credentials.params);
        credentials.params = before;
        outcome
    }

    /// Gives each request the current credentials, and the pairs of the program's callbacks.
    pub fn apply(
        self: &Arc<Self>,
        config: crate::Config,
        headers: impl Fn() -> Vec<(String, String)> + Send + Sync + 'static,
        params: impl Fn() -> Vec<(String, String)> + Send + Sync + 'static,
    ) -> crate::Config {
        let (of_headers, of_params) = (Arc::clone(self), Arc::clone(self));
        config
            .auth_headers_with(move || of_headers.current(|credentials| &credentials.headers, headers()))
            .auth_params_with(move || of_params.current(|credentials| &credentials.params, params()))
    }

    fn current(&self, of: fn(&Credentials) -> &SecretPairs, added: Vec<(String, String)>) -> Vec<(String, String)> {
        let plain = |(name, value): &(String, Secret)| (name.clone(), value.to_string());
        let known: Vec<_> = of(&self.0.lock()).iter().map(plain).collect();
        known.into_iter().chain(added).collect()
    }
}
