//! The parsed configuration. `connect` makes it once, and the threads of the client see only it.

use std::{borrow::Cow, fmt, time::Duration};

use tungstenite::http::HeaderName;

use super::{
    AuthPlan, Config, Dialer, Endpoint, Proxy,
    endpoint::{Location, checked_headers},
    host::tls_name,
    proxy::Route,
    tls::TlsOptions,
};
use crate::{Error, secret::Secret};

/// The longest time of an option, so that arithmetic with instants cannot overflow.
pub(crate) const A_YEAR: Duration = Duration::from_secs(365 * 86_400);

/// A configuration without errors, whose texts are parsed.
pub(crate) struct Plan {
    location: Location,
    /// Further headers of the upgrade request.
    pub headers: Vec<(HeaderName, Secret)>,
    route: Route,
    pub dialer: Option<Dialer>,
    pub tls: TlsOptions,
    pub auth: AuthPlan,
    pub connect_timeout: Duration,
    pub subscription_timeout: Duration,
    pub max_message_size: usize,
}

impl Config {
    /// Checks every option, and parses the texts. The error names the first option that is wrong.
    pub(crate) fn plan(&self) -> Result<Plan, Error> {
        let location = Location::of(self)?;
        let headers = checked_headers(self)?;
        let auth = self.auth_plan()?;
        let route = self.proxy.route()?;
        self.tls_options.check()?;
        self.check_durations()?;
        self.reconnect.check()?;
        self.limits.check_sizes()?;
        Ok(Plan {
            location,
            headers,
            route,
            dialer: self.dialer.clone(),
            tls: self.tls_options.clone(),
            auth,
            connect_timeout: self.connect_timeout,
            subscription_timeout: self.subscription_timeout,
            max_message_size: self.limits.max_message_size,
        })
    }

    fn check_durations(&self) -> Result<(), Error> {
        let durations = [
            ("connect_timeout", self.connect_timeout),
            ("activity_timeout", self.activity_timeout),
            ("activity_timeout_override", self.activity_timeout_override.unwrap_or(self.activity_timeout)),
            ("unavailable_timeout", self.unavailable_timeout),
            ("pong_timeout", self.pong_timeout),
            ("subscription_timeout", self.subscription_timeout),
            ("auth_timeout", self.auth.timeout),
        ];
        for (option, duration) in durations {
            // The lower bound keeps timers from spinning.
            if !(Duration::from_millis(1)..=A_YEAR).contains(&duration) {
                return Err(Error::config(option, "must be between 1 ms and a year"));
            }
        }
        Ok(())
    }
}

impl Plan {
    /// The address for one attempt to connect. With [`Config::url_with`], this runs the closure of the program.
    ///
    /// # Errors
    ///
    /// [`Error::DialUrl`] if the closure panics, or its URL is not valid.
    pub fn endpoint(&self) -> Result<Cow<'_, Endpoint>, Error> {
        self.location.endpoint()
    }

    /// Whether a closure of the program makes the address.
    pub fn has_url_closure(&self) -> bool {
        matches!(self.location, Location::Changing { .. })
    }

    /// The proxy for connections to this host, or `None` for a direct connection.
    pub fn proxy_for(&self, tls: bool, host: &str, port: u16) -> Option<&Proxy> {
        self.route.proxy_for(tls, host, port)
    }

    /// The name to verify in the certificate of an auth endpoint at this host. [`Config::tls_server_name`] counts if the
    /// server has the same host.
    pub fn tls_name<'a>(&'a self, host: &'a str) -> &'a str {
        match &self.location {
            Location::Fixed(server) if server.host.eq_ignore_ascii_case(host) => self.tls.server_name(host),
            _ => tls_name(host),
        }
    }
}

/// Shows nothing, because secrets are in it.
impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plan")
    }
}
