//! The parsed configuration, which the threads of the client see. The first `connect` makes it, or the C interface when it
//! makes a client.

use std::{borrow::Cow, fmt, time::Duration};

use tungstenite::http::HeaderName;

use super::{
    AuthPlan, Config, Dialer, Endpoint, Limits, Proxy, endpoint::Location, headers::checked_upgrade_headers,
    host::tls_name, proxy::Route, tls::TlsOptions,
};
use crate::{Error, secret::Secret, session::Settings};

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
    pub settings: Settings,
    pub limits: Limits,
}

impl Config {
    /// Checks every option, and parses the texts. The error names the first option that is wrong.
    pub(crate) fn plan(&self) -> Result<Plan, Error> {
        let location = Location::of(self)?;
        let headers = checked_upgrade_headers(self)?;
        let auth = self.auth_plan()?;
        let route = self.proxy.route()?;
        self.tls_options.check()?;
        if let Some((option, reason)) = self.out_of_range.first() {
            return Err(Error::config(option, *reason));
        }
        Ok(Plan {
            location,
            headers,
            route,
            dialer: self.dialer.clone(),
            tls: self.tls_options.clone(),
            auth,
            settings: self.settings(),
            limits: self.client.limits.clone(),
        })
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
