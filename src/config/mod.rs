//! The options of a client, their defaults, and their checks.
//!
//! A [`Config`] keeps the options as the program gave them. Two parts of it have the options without texts to parse, which
//! the client has from the beginning: the [`Settings`] of the session, and the [`ClientOptions`]. [`Config::plan`] parses
//! the texts: everything that needs a parsed option takes it from the [`Plan`].
//!
//! The setter of a duration, a size or a number checks the range by `Config::check`, and [`Config::plan`] reports the first
//! option that is out of its range. The port is checked with the rest of the address.

mod auth;
mod dialer;
mod endpoint;
mod headers;
mod host;
mod limits;
mod plan;
mod proxy;
mod reconnect;
mod tls;

use std::{fmt, time::Duration};

use crate::{
    Error,
    auth::Decoder,
    secret::Secret,
    session::{Settings, SubscriptionSettings},
};
use auth::AuthOptions;
use dialer::UrlSource;
use endpoint::{Address, Location};
use plan::A_YEAR;
use proxy::ProxyOption;

pub(crate) use auth::{
    Authenticate, AuthorizeBatch,
    http_url::HttpUrl,
    plan::{AuthEndpoint, AuthPlan, ChannelPlan, SignedUser, Signer},
};
pub use dialer::{ByteStream, DialRequest};
pub(crate) use dialer::{Dialer, StreamParts};
pub(crate) use endpoint::Endpoint;
pub(crate) use headers::checked_header;
pub(crate) use host::{Scheme, address, without_zone};
pub(crate) use limits::Limits;
pub use limits::{DispatchBudget, Overflow};
pub(crate) use plan::Plan;
pub(crate) use proxy::{Proxy, ProxyKind};
pub use reconnect::Reconnect;
pub(crate) use tls::TlsOptions;

#[cfg(feature = "native-tls")]
pub(crate) use {host::tls_name, tls::Identity};

/// The address of the server, and all other options of a client.
///
/// [`cluster`](Config::cluster), [`host`](Config::host), [`url`](Config::url) or [`url_with`](Config::url_with) makes a
/// `Config`; every other option has a default. The client checks all options when it connects, before any packet leaves:
/// [`Pusher::connect`](crate::Pusher::connect) returns [`Error::Config`] for the first that is wrong.
///
/// ```
/// use std::time::Duration;
/// use pusher_channels::Config;
///
/// let hosted = Config::cluster("app-key", "eu");
/// let reverb = Config::host("app-key", "ws.example.com").port(8080).connect_timeout(Duration::from_secs(5));
/// let local = Config::url("ws://127.0.0.1:6001/app/app-key");
/// ```
#[derive(Clone)]
pub struct Config {
    address: Address,
    key: String,
    cluster_domain: Option<String>,
    port: Option<u16>,
    tls: Option<bool>,
    path_prefix: String,
    origin: Option<Secret>,
    headers: Vec<(String, Secret)>,
    metadata: Option<(String, String)>,
    /// The options of the session. [`settings`](Self::settings) adds the fields that depend on other options.
    session: Settings,
    auth: AuthOptions,
    tls_options: TlsOptions,
    proxy: ProxyOption,
    dialer: Option<Dialer>,
    client: ClientOptions,
    /// The options that are out of their ranges, and the reasons, in the order of the calls.
    out_of_range: Vec<(&'static str, &'static str)>,
}

/// The options of the threads and the handles without texts to parse. A client has them from the beginning, even if its
/// configuration has an error.
#[derive(Clone, Default)]
pub(crate) struct ClientOptions {
    pub limits: Limits,
    /// The decoder of all channels without a decoder of their own.
    pub decoder: Option<Decoder>,
    /// Handlers run inside `Pusher::dispatch`.
    pub manual_dispatch: bool,
    pub log_events: bool,
}

impl Config {
    /// An app of the hosted service, in a cluster such as `eu`, `us2` or `ap1`. The client connects to
    /// `wss://ws-{cluster}.pusher.com/app/{key}`; [`cluster_domain`](Self::cluster_domain) sets another domain.
    pub fn cluster(key: impl Into<String>, cluster: impl Into<String>) -> Self {
        Self::new(Address::Cluster(cluster.into()), key.into())
    }

    /// An app on a server of your own: Reverb, soketi or Sockudo. Uses TLS unless [`tls`](Self::tls) is `false`, and the
    /// default port of the scheme unless [`port`](Self::port) sets another.
    ///
    /// `host` is a name or an address without a port; other text is an [`Error::Config`]. A name may end in a dot, which
    /// marks it as complete for resolvers; TLS and certificates leave the dot out. An IPv6 address may have a zone, the
    /// interface of this machine that leads to it (`fe80::1%eth0`). The zone never leaves this machine.
    pub fn host(key: impl Into<String>, host: impl Into<String>) -> Self {
        Self::new(Address::Host(host.into()), key.into())
    }

    /// A complete `ws://` or `wss://` URL, up to and including `/app/{key}`. If the URL has no query, the client adds
    /// `protocol`, `client` and `version`. The host is as with [`host`](Self::host), with an IPv6 address in brackets;
    /// its zone follows `%25` or `%` alone (`ws://[fe80::1%25eth0]:8080/app/app-key`).
    ///
    /// A user name or a password in the URL is an [`Error::Config`]: send them by [`header`](Self::header), as
    /// `Authorization`. The options [`port`](Self::port), [`tls`](Self::tls) and [`path_prefix`](Self::path_prefix)
    /// beside a URL are an [`Error::Config`] as well.
    pub fn url(url: impl Into<String>) -> Self {
        Self::new(Address::Url(url.into()), String::new())
    }

    /// Like [`url`](Self::url), with a closure that returns a URL for each attempt to connect, for example with a fresh
    /// token.
    ///
    /// An invalid URL or a panic fails that attempt with [`Error::DialUrl`], and the client tries again by its
    /// [`Reconnect`] policy. The closure runs on the thread of the attempt and cannot be interrupted, so it should return
    /// soon. Its time counts towards [`connect_timeout`](Self::connect_timeout), in the phase
    /// [`Dns`](crate::ConnectPhase::Dns). Calls that wait for the client, such as
    /// [`Pusher::connect`](crate::Pusher::connect), return [`Error::WouldDeadlock`] inside the closure.
    /// [`secret`](Self::secret) needs an app key that is known beforehand: beside `url_with` it is an [`Error::Config`].
    ///
    /// ```
    /// use pusher_channels::Config;
    ///
    /// fn fresh_token() -> String {
    ///     // ..
    /// #   "t".to_owned()
    /// }
    ///
    /// let config = Config::url_with(|| format!("wss://ws.example.com/app/app-key?token={}", fresh_token()));
    /// ```
    pub fn url_with(url: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self::new(Address::UrlWith(UrlSource::new(url)), String::new())
    }

    fn new(address: Address, key: String) -> Self {
        Self {
            address,
            key,
            cluster_domain: None,
            port: None,
            tls: None,
            path_prefix: String::new(),
            origin: None,
            headers: Vec::new(),
            metadata: Some((env!("CARGO_PKG_NAME").to_owned() + "-rust", env!("CARGO_PKG_VERSION").to_owned())),
            session: Settings::default(),
            auth: AuthOptions::default(),
            tls_options: TlsOptions::default(),
            proxy: ProxyOption::Direct,
            dialer: None,
            client: ClientOptions::default(),
            out_of_range: Vec::new(),
        }
    }

    /// Notes whether the value of an option is in its range, for [`plan`](Self::plan). The last call of a setter counts.
    fn check(mut self, option: &'static str, is_in_range: bool, reason: &'static str) -> Self {
        self.out_of_range.retain(|(other, _)| *other != option);
        if !is_in_range {
            self.out_of_range.push((option, reason));
        }
        self
    }

    fn check_time(self, option: &'static str, time: Duration) -> Self {
        // The lower bound keeps timers from spinning.
        let is_in_range = (Duration::from_millis(1)..=A_YEAR).contains(&time);
        self.check(option, is_in_range, "must be between 1 ms and a year")
    }

    /// The domain of the [`cluster`](Self::cluster), for a service with clusters of its own:
    /// `wss://ws-{cluster}.{domain}/app/{key}`. Defaults to `pusher.com`. Beside [`host`](Self::host) or
    /// [`url`](Self::url) it is an [`Error::Config`].
    pub fn cluster_domain(mut self, domain: impl Into<String>) -> Self {
        self.cluster_domain = Some(domain.into());
        self
    }

    /// The TCP port, which is not 0. Defaults to 443 with TLS, 80 without.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Whether to use TLS. Defaults to `true`.
    ///
    /// A server may ask for TLS by the close code 4000. A client without TLS then connects over TLS until it is
    /// disconnected: on port 443 if it used the default port 80, else on the same port. If that port does not speak TLS,
    /// the client gives up and is [`Failed`](crate::ConnectionState::Failed).
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = Some(tls);
        self
    }

    /// A path before `/app/{key}`, for servers behind a reverse proxy. Defaults to none.
    pub fn path_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.path_prefix);
        self
    }

    /// The `Origin` header of the upgrade request, for servers that check it. Defaults to none.
    pub fn origin(mut self, origin: &str) -> Self {
        self.origin = Some(Secret::new(origin));
        self
    }

    /// Adds a header to the upgrade request. May be called several times. The client sets the headers of WebSocket itself;
    /// setting one of them is an [`Error::Config`].
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), Secret::new(value)));
        self
    }

    /// The name and the version of the client in the query. Defaults to the name and the version of this crate. Servers
    /// refuse text that does not look like a version, with the close code 4006.
    pub fn client_name(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.metadata = Some((name.into(), version.into()));
        self
    }

    /// Leaves out the query with `protocol`, `client` and `version`.
    pub fn without_metadata(mut self) -> Self {
        self.metadata = None;
        self
    }

    /// How long connecting may take in all, from 1 ms to a year. Defaults to 15 s. It includes name resolution, TCP and a
    /// proxy, or a dialer; TLS; the upgrade; and the server's confirmation.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.session.connect_timeout = timeout;
        self.check_time("connect_timeout", timeout)
    }

    /// How long the connection may be idle in one direction before the client sends a ping, from 1 ms to a year.
    /// Defaults to 120 s. If the server sends a smaller value, the client uses that value. It treats a server's value
    /// below 1 s as 1 s.
    pub fn activity_timeout(mut self, timeout: Duration) -> Self {
        self.session.activity_timeout = timeout;
        self.check_time("activity_timeout", timeout)
    }

    /// Replaces [`activity_timeout`](Self::activity_timeout) and the server's value, and may exceed both; from 1 ms to a
    /// year. Defaults to none.
    pub fn activity_timeout_override(mut self, timeout: Duration) -> Self {
        self.session.activity_timeout_override = Some(timeout);
        self.check_time("activity_timeout_override", timeout)
    }

    /// How long the client may be without a connection before its state becomes
    /// [`Unavailable`](crate::ConnectionState::Unavailable), from 1 ms to a year. Defaults to 10 s. The client goes on
    /// with its attempts to connect.
    pub fn unavailable_timeout(mut self, timeout: Duration) -> Self {
        self.session.unavailable_timeout = timeout;
        self.check_time("unavailable_timeout", timeout)
    }

    /// How long the client waits for a message of any kind after a ping, before it gives up the connection; from 1 ms to a
    /// year. Defaults to 30 s.
    pub fn pong_timeout(mut self, timeout: Duration) -> Self {
        self.session.pong_timeout = timeout;
        self.check_time("pong_timeout", timeout)
    }

    /// How long the server may take to confirm a subscription, from 1 ms to a year. Defaults to 30 s.
    pub fn subscription_timeout(mut self, timeout: Duration) -> Self {
        self.session.subscriptions.timeout = timeout;
        self.check_time("subscription_timeout", timeout)
    }

    /// The policy of reconnecting. Defaults to [`Reconnect::default`]: trying for ever, with back-off.
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.session.reconnect = policy.policy();
        self.check("reconnect", policy.is_in_range(), "a delay must not be longer than a year")
    }

    /// Runs handlers inside [`Pusher::dispatch`](crate::Pusher::dispatch), on the thread that calls it, instead of on a
    /// dispatch thread. Defaults to a dispatch thread.
    pub fn manual_dispatch(mut self) -> Self {
        self.client.manual_dispatch = true;
        self
    }

    /// Converts the decrypted bytes of an event on an encrypted channel into text, by a closure. Defaults to UTF-8. The
    /// client reports an error of the closure as a [`DecryptionFailure`](crate::DecryptionFailure).
    pub fn encrypted_data_decoder<E: fmt::Display>(
        mut self,
        decode: impl Fn(&[u8]) -> Result<String, E> + Send + Sync + 'static,
    ) -> Self {
        self.client.decoder = Some(Decoder::new(decode));
        self
    }

    /// Whether the client logs the events that it receives and the client events that it accepts for sending. Defaults to
    /// `false`: without this option, no log record contains the data of an event. The records have the level `debug`, and
    /// contain the name, the channel and the data of the event. Events of the protocol, whose names begin with `pusher:`,
    /// are left out.
    pub fn log_events(mut self, log: bool) -> Self {
        self.client.log_events = log;
        self
    }

    /// The address that the client dials, as a `ws://` or `wss://` URL, for logs and tests. It contains the app's key, and
    /// any tokens in the URL of [`url`](Self::url). With [`url_with`](Self::url_with), this call runs the closure.
    ///
    /// ```
    /// use pusher_channels::Config;
    ///
    /// let url = Config::host("app-key", "localhost").port(6001).tls(false).without_metadata().dial_url()?;
    /// assert_eq!(url, "ws://localhost:6001/app/app-key");
    /// # Ok::<_, pusher_channels::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the options of the address are not valid; [`Error::DialUrl`] if the closure of
    /// [`url_with`](Self::url_with) panics, or its URL is not valid.
    pub fn dial_url(&self) -> Result<String, Error> {
        Location::of(self)?.endpoint().map(|endpoint| endpoint.url())
    }

    /// The options of the session. They have no texts to parse, so a session can exist before the first `connect`.
    pub(crate) fn settings(&self) -> Settings {
        let subscriptions = SubscriptionSettings {
            can_authorize: self.can_authorize(),
            has_decoder: self.client.decoder.is_some(),
            ..self.session.subscriptions.clone()
        };
        Settings { subscriptions, ..self.session.clone() }
    }

    #[cfg(feature = "capi")]
    pub(crate) fn time_to_subscribe(&self) -> Duration {
        self.session.subscriptions.timeout
    }

    pub(crate) fn client_options(&self) -> &ClientOptions {
        &self.client
    }
}

impl fmt::Debug for Config {
    /// Shows the address and some options. Hides the values of headers, because tokens travel in them, and the user and the
    /// query of a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = match &self.address {
            Address::Url(url) => Address::Url(without_credentials(url).to_owned()),
            other => other.clone(),
        };
        f.debug_struct("Config")
            .field("address", &address)
            .field("key", &self.key)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("headers", &self.headers)
            .field("reconnect", &Reconnect(self.session.reconnect))
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

/// The part of a URL without secrets. The client refuses a user in a URL only when it connects.
fn without_credentials(url: &str) -> &str {
    let before_query = url.split('?').next().unwrap_or_default();
    before_query.rsplit_once('@').map_or(before_query, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration without errors.
    pub(super) fn local() -> Config {
        Config::host("key", "localhost").tls(false)
    }

    /// The option that the error is about.
    pub(super) fn option_of(config: Config) -> &'static str {
        refused(config).0
    }

    /// The option that the error is about, and the reason.
    pub(super) fn refused(config: Config) -> (&'static str, String) {
        match config.plan() {
            Err(Error::Config { option, reason }) => (option, reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_that_cannot_work_are_refused_and_named() {
        assert!(local().plan().is_ok());
        assert_eq!(option_of(local().connect_timeout(Duration::ZERO)), "connect_timeout");
        assert_eq!(option_of(local().activity_timeout(Duration::ZERO)), "activity_timeout");
        assert_eq!(option_of(local().pong_timeout(Duration::MAX)), "pong_timeout");
        assert_eq!(option_of(local().subscription_timeout(Duration::ZERO)), "subscription_timeout");
        assert_eq!(option_of(local().reconnect(Reconnect::default().min_delay(Duration::MAX))), "reconnect");
        assert_eq!(option_of(local().reconnect(Reconnect::default().max_delay(Duration::MAX))), "reconnect");
    }

    #[test]
    fn x1_debug_shows_no_secret() {
        let config = local().header("Authorization", "Bearer canary").origin("canary").proxy("http://u:canary@p");
        assert!(!format!("{config:?}").contains("canary"));
        for url in ["ws://h/app/k?token=canary", "ws://canary@h/app/k", "ws://u:canary@h/app/k", "ws://a:can@ary@h/"] {
            let shown = format!("{:?}", Config::url(url));
            assert!(!shown.contains("can") && !shown.contains("ary"), "{shown}");
        }
    }
}
