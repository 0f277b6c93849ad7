//! Every option, its default, and its check.

mod auth;
mod budget;
mod dialer;
mod endpoint;
mod host;
mod http_url;
mod no_proxy;
mod proxy;
mod reconnect;
mod tls;
mod url_source;

use std::{borrow::Cow, fmt, time::Duration};

use tungstenite::http::HeaderName;

use crate::{
    Error,
    config::url_source::UrlSource,
    secret::Secret,
    session::{Rules, Settings},
};

pub(crate) use auth::{Auth, Authenticate, AuthorizeBatch, checked_header};
pub use budget::DispatchBudget;
pub use dialer::{ByteStream, DialRequest};
pub(crate) use dialer::{Dialer, Kind};
pub(crate) use endpoint::Endpoint;
pub(crate) use host::{address, without_zone};
pub(crate) use http_url::HttpUrl;
pub(crate) use proxy::{Proxy, ProxyKind};
pub use reconnect::Reconnect;

#[cfg(feature = "native-tls")]
pub(crate) use {host::tls_name, tls::Identity};

/// Where to connect, and how.
///
/// Made by [`cluster`](Config::cluster), [`host`](Config::host) or [`url`](Config::url); every other option has a
/// default. Options are checked when the client connects, before any packet leaves.
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
    connect_timeout: Duration,
    activity_timeout: Duration,
    activity_timeout_override: Option<Duration>,
    unavailable_timeout: Duration,
    pong_timeout: Duration,
    subscription_timeout: Duration,
    reconnect: Reconnect,
    auth: Auth,
    tls_options: tls::Tls,
    proxy: proxy::Choice,
    dialer: Option<Dialer>,
    queue_capacity: usize,
    overflow: Option<Overflow>,
    max_message_size: usize,
    manual_dispatch: bool,
    log_events: bool,
}

/// No time is longer, so that no arithmetic with instants overflows.
const A_YEAR: Duration = Duration::from_secs(365 * 86_400);

#[derive(Debug, Clone)]
enum Address {
    Cluster(String),
    Host(String),
    Url(String),
    /// Evaluated for each attempt to connect.
    UrlWith(UrlSource),
}

/// What a full queue does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// Reading from the socket waits until there is room. Nothing is lost, and in the end the server waits too.
    Block,
    /// The oldest events make room, and the loss is reported as [`Notification::Lagged`](crate::Notification::Lagged).
    DropOldest,
    /// The newest events are dropped, and the loss is reported as [`Notification::Lagged`](crate::Notification::Lagged).
    DropNewest,
    /// Only the newest event with one channel, one name and one sender ([`Event::user_id`](crate::Event::user_id)) waits,
    /// in its own place in the queue, for example the last position of a player. It supersedes the older one if that still
    /// waits. [`Receiver::superseded`](crate::Receiver::superseded) counts superseded events; they are not a loss.
    /// Other notifications wait as usual, and so do client events without a sender: those on private channels, and all of
    /// Sockudo. For these, [`ReceiverOptions::keep_latest_by`](crate::ReceiverOptions::keep_latest_by) takes keys of the
    /// program's own. If the queue is full nevertheless, the oldest notifications are dropped, as with `DropOldest`.
    KeepLatest,
}

impl Config {
    /// An app of the hosted service, in a cluster such as `eu`, `us2`, `ap1`: `wss://ws-{cluster}.pusher.com/app/{key}`.
    /// [`cluster_domain`](Self::cluster_domain) sets another domain.
    pub fn cluster(key: impl Into<String>, cluster: impl Into<String>) -> Self {
        Self::new(Address::Cluster(cluster.into()), key.into())
    }

    /// An app on a server of your own: Reverb, soketi, Sockudo. Uses TLS unless [`tls`](Self::tls) says otherwise, and
    /// the default port of the scheme unless [`port`](Self::port) sets another.
    ///
    /// `host` is a name or an address, without a port; anything else is an [`Error::Config`]. A name may end in a dot,
    /// which marks it as complete for resolvers; TLS and certificates leave the dot out. An IPv6 address may have a
    /// zone, the interface of this machine that leads to it (`fe80::1%eth0`). The zone is never sent to a server or a
    /// proxy.
    pub fn host(key: impl Into<String>, host: impl Into<String>) -> Self {
        Self::new(Address::Host(host.into()), key.into())
    }

    /// A complete `ws://` or `wss://` URL, up to and including `/app/{key}`. If the URL has no query, the client adds
    /// `protocol`, `client` and `version`. The host is as with [`host`](Self::host), with an IPv6 address in brackets;
    /// its zone follows `%25` or `%` alone (`ws://[fe80::1%25eth0]:8080/app/app-key`). A user name or a password in the
    /// URL is an [`Error::Config`]: send them by [`header`](Self::header), as `Authorization`. So are
    /// [`port`](Self::port), [`tls`](Self::tls) and [`path_prefix`](Self::path_prefix) beside a URL.
    pub fn url(url: impl Into<String>) -> Self {
        Self::new(Address::Url(url.into()), String::new())
    }

    /// Like [`url`](Self::url), with a closure that the client asks before each attempt to connect: for tokens in the URL.
    ///
    /// An invalid URL or a panic fails that attempt with [`Error::DialUrl`], and the client tries again by its
    /// [`Reconnect`] policy. The closure runs on the thread of the attempt and should return soon: it cannot be
    /// interrupted, and its time counts towards [`connect_timeout`](Self::connect_timeout), in the phase
    /// [`Dns`](crate::ConnectPhase::Dns). Calls that wait for the client, such as
    /// [`Pusher::connect`](crate::Pusher::connect), return [`Error::WouldDeadlock`] inside it. [`secret`](Self::secret)
    /// needs an app key that is known beforehand, and beside `url_with` it is an [`Error::Config`].
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
            connect_timeout: Duration::from_secs(15),
            activity_timeout: Duration::from_secs(120),
            activity_timeout_override: None,
            unavailable_timeout: Duration::from_secs(10),
            pong_timeout: Duration::from_secs(30),
            subscription_timeout: Duration::from_secs(30),
            reconnect: Reconnect::default(),
            auth: Auth::default(),
            tls_options: tls::Tls::default(),
            proxy: proxy::Choice::Direct,
            dialer: None,
            queue_capacity: 16_384,
            overflow: None,
            max_message_size: 1 << 20,
            manual_dispatch: false,
            log_events: false,
        }
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
    /// With `false`, a server that closes with 4000 asks for TLS all the same: the client then connects over TLS, on port 443
    /// where it was on the default 80, else on the same port. From then on TLS stays on until the client is disconnected. When
    /// that port speaks no TLS, the client gives up: [`Failed`](crate::ConnectionState::Failed).
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

    /// Another header of the upgrade request. May be called several times. The headers of WebSocket itself cannot be set.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), Secret::new(value)));
        self
    }

    /// How the client names itself in the query. Defaults to this crate's name and version. Servers refuse a version that
    /// does not look like one (4006).
    pub fn client_name(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.metadata = Some((name.into(), version.into()));
        self
    }

    /// Leaves the query `protocol`, `client`, `version` away.
    pub fn without_metadata(mut self) -> Self {
        self.metadata = None;
        self
    }

    /// How long connecting may take in all, from 1 ms to a year: name resolution, TCP and a proxy, or a dialer; TLS, upgrade
    /// and the server's confirmation. Defaults to 15 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long the connection may be idle in one direction before the client sends a ping, from 1 ms to a year. Defaults to
    /// 120 s. If the server names a smaller value, that value is used; a server's value below 1 s counts as 1 s.
    pub fn activity_timeout(mut self, timeout: Duration) -> Self {
        self.activity_timeout = timeout;
        self
    }

    /// How long the connection may be idle before the client sends a ping, regardless of the server's value, which it may
    /// exceed; from 1 ms to a year. Defaults to none: [`activity_timeout`](Self::activity_timeout) and the server's value
    /// count.
    pub fn activity_timeout_override(mut self, timeout: Duration) -> Self {
        self.activity_timeout_override = Some(timeout);
        self
    }

    /// How long there may be no connection before the state becomes
    /// [`Unavailable`](crate::ConnectionState::Unavailable), from 1 ms to a year. Defaults to 10 s. Attempts go on.
    pub fn unavailable_timeout(mut self, timeout: Duration) -> Self {
        self.unavailable_timeout = timeout;
        self
    }

    /// How long after a ping any sign of life may take before the connection is given up, from 1 ms to a year. Defaults to
    /// 30 s.
    pub fn pong_timeout(mut self, timeout: Duration) -> Self {
        self.pong_timeout = timeout;
        self
    }

    /// How long the server may take to confirm a subscription, from 1 ms to a year. Defaults to 30 s.
    pub fn subscription_timeout(mut self, timeout: Duration) -> Self {
        self.subscription_timeout = timeout;
        self
    }

    /// The policy of reconnecting. Defaults to [`Reconnect::default`]: for ever, with back-off.
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.reconnect = policy;
        self
    }

    /// A proxy for the socket and for the requests to auth endpoints. Defaults to none.
    ///
    /// | URL | proxy | default port |
    /// |---|---|---|
    /// | `http://[user:password@]host[:port]` | HTTP `CONNECT` | 80 |
    /// | `https://[user:password@]host[:port]` | HTTP `CONNECT`, over TLS to the proxy | 443 |
    /// | `socks5://[user:password@]host[:port]` | SOCKS 5 | 1080 |
    ///
    /// A URL without a scheme is `http`. `socks5h://` is the same as `socks5://`: the proxy always resolves names.
    /// Percent-encode special characters of the user name and the password. Everything goes through the proxy, loopback
    /// included. The certificate of an `https://` proxy is verified by the host in its URL, with the platform's roots
    /// and those of [`root_certificate_pem`](Self::root_certificate_pem); TLS to the server runs inside the tunnel. A
    /// URL of another form is an [`Error::Config`], and so is `https://` without the feature `native-tls`.
    ///
    /// Of this call and [`proxy_from_env`](Self::proxy_from_env), the last one counts.
    ///
    /// If the proxy refuses, or cannot be reached, the error is an [`Error::Proxy`]. The client tries again by the
    /// [`Reconnect`] policy, even after a wrong password.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), pusher_channels::Error> {
    /// use pusher_channels::{Config, Pusher};
    ///
    /// // The password is p@ss:word.
    /// let config = Config::cluster("app-key", "eu").proxy("http://ann:p%40ss%3Aword@proxy.example.com:3128");
    /// let pusher = Pusher::new(config).connect()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = proxy::Choice::Always(Secret::new(url));
        self
    }

    /// Reads the proxy from the environment, at the time of this call: `https_proxy` for `wss` and `https`,
    /// `http_proxy` for `ws` and `http`, and `all_proxy` if that one is not set. The values are as with
    /// [`proxy`](Self::proxy). The hosts in `no_proxy` are reached directly. Without this call the environment is not
    /// read.
    ///
    /// `no_proxy` has entries of these forms, separated by commas or blanks:
    ///
    /// | entry | hosts that are reached directly |
    /// |---|---|
    /// | `*` | all |
    /// | `example.com`, `.example.com` | that host and its subdomains |
    /// | `*.example.com` | its subdomains |
    /// | `10.0.0.1`, `::1`, `[::1]` | that address, in any spelling |
    /// | `10.0.0.0/8`, `fd00::/8` | the addresses in that range; host names are not resolved for it |
    ///
    /// An entry may end in a port, and then covers that port only: `example.com:8080`, `[::1]:8080`, `10.0.0.0/8:8080`.
    /// A final dot makes no difference. An entry of another form has no effect, and is logged at `warn`, once for a
    /// configuration and its clones.
    ///
    /// Of this call and [`proxy`](Self::proxy), the last one counts: if the environment names no proxy, there is none.
    /// An empty variable counts as absent, and the lower-case name comes before the upper-case one. An auth endpoint on
    /// this machine that the proxy would get in plain text belongs into `no_proxy` (`localhost,127.0.0.1`).
    ///
    /// The names of the variables may be upper-case, except for `HTTP_PROXY`, which web servers let clients set. In a
    /// CGI program, which has a `REQUEST_METHOD`, `http_proxy` is skipped as well: on Windows, where names have no
    /// case, it is the same variable. A value that is not Unicode is an [`Error::Config`].
    ///
    /// ```no_run
    /// # fn main() -> Result<(), pusher_channels::Error> {
    /// use pusher_channels::{Config, Pusher};
    ///
    /// let pusher = Pusher::new(Config::cluster("app-key", "eu").proxy_from_env()).connect()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn proxy_from_env(mut self) -> Self {
        self.proxy = proxy::Choice::Environment(proxy::Environment::read(|name| std::env::var(name)));
        self
    }

    /// Makes the connection of the socket by a closure of the program: through a tunnel, to a Unix socket, in memory. It
    /// takes the place of resolving, TCP and a proxy, for each attempt to connect; TLS and WebSocket go over what it returns.
    /// Requests to auth endpoints do not use it.
    ///
    /// The closure runs on the thread of the attempt, and cannot be interrupted: what it returns after
    /// [`time_left`](DialRequest::time_left), or after a `disconnect`, is closed. Its error is
    /// [`Error::Dialer`]; so is, at once, a fifth call while four have not returned. Calls that wait for the client,
    /// such as [`Pusher::connect`](crate::Pusher::connect), return [`Error::WouldDeadlock`] inside it.
    ///
    /// ```no_run
    /// # #[cfg(unix)]
    /// # fn config() -> pusher_channels::Config {
    /// use std::os::unix::net::UnixStream;
    /// use pusher_channels::{ByteStream, Config};
    ///
    /// let config = Config::host("app-key", "localhost")
    ///     .tls(false)
    ///     .dialer(|_| UnixStream::connect("/run/soketi.sock").map(ByteStream::unix));
    /// # config
    /// # }
    /// ```
    pub fn dialer<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        mut self,
        dial: impl Fn(&DialRequest) -> Result<ByteStream, E> + Send + Sync + 'static,
    ) -> Self {
        self.dialer = Some(Dialer::new(dial));
        self
    }

    /// How many notifications each queue holds, at least 1. Defaults to 16,384. Independently of that, a queue is full with
    /// 16 MiB; a single larger notification passes.
    pub fn queue_capacity(mut self, notifications: usize) -> Self {
        self.queue_capacity = notifications;
        self
    }

    /// What full queues do. Defaults to [`Overflow::Block`] for handlers and [`Overflow::DropOldest`] for receivers; this
    /// sets both.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = Some(overflow);
        self
    }

    /// The largest message to accept, from 1 byte to 1 GiB. Defaults to 1 MiB. A larger message ends the connection with 1009, and
    /// the client connects again. A frame that announces more does the same, even if it is a control frame. A
    /// connection keeps a buffer of the size of its largest message. The headers of a message's fragments may add up to
    /// 2 MiB.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// No dispatch thread: handlers run inside [`Pusher::dispatch`](crate::Pusher::dispatch), on the thread that calls it.
    pub fn manual_dispatch(mut self) -> Self {
        self.manual_dispatch = true;
        self
    }

    /// Whether the client logs the events that it receives and the client events that it accepts for sending, at `debug`:
    /// their names, their channels and their data. Events of the platform, whose names begin with `pusher:`, are not
    /// logged. Defaults to `false`: without this option no record contains the data of an event.
    pub fn log_events(mut self, log: bool) -> Self {
        self.log_events = log;
        self
    }

    /// Checks every option.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.address {
            Address::UrlWith(_) => {
                endpoint::check_beside_url(self, "url_with")?;
                endpoint::metadata(self)?;
            }
            _ => drop(self.endpoint()?),
        }
        self.headers()?;
        self.check_auth()?;
        self.proxy.check()?;
        self.check_tls()?;
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
        let (min, max) = self.reconnect.delays();
        if min.max(max) > A_YEAR {
            return Err(Error::config("reconnect", "a delay must not be longer than a year"));
        }
        if !(1..=1 << 30).contains(&self.max_message_size) {
            return Err(Error::config("max_message_size", "must be between 1 byte and 1 GiB"));
        }
        if self.queue_capacity == 0 {
            return Err(Error::config("queue_capacity", "must be at least 1"));
        }
        Ok(())
    }

    /// The address that the client dials, as a `ws://` or `wss://` URL, for logs and tests. It contains the app's key, and
    /// the tokens that the program has put into [`url`](Self::url). With [`url_with`](Self::url_with), this call runs the
    /// closure.
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
    /// [`Error::Config`] if the options do not make an address; [`Error::DialUrl`] if the closure of
    /// [`url_with`](Self::url_with) panics, or its URL is not valid.
    pub fn dial_url(&self) -> Result<String, Error> {
        self.for_attempt()?.endpoint().map(|endpoint| endpoint.url())
    }

    /// Whether the address is evaluated for each attempt, by the program's own code.
    pub(crate) fn asks_for_url(&self) -> bool {
        matches!(self.address, Address::UrlWith(_))
    }

    /// The configuration of one attempt to connect, in which the address is fixed.
    pub(crate) fn for_attempt(&self) -> Result<Cow<'_, Self>, Error> {
        let Address::UrlWith(source) = &self.address else { return Ok(Cow::Borrowed(self)) };
        let invalid = |error| match error {
            Error::Config { reason, .. } => Error::DialUrl { reason },
            other => other,
        };
        let fixed = Self { address: Address::Url(source.url()?), ..self.clone() };
        fixed.endpoint().map_err(invalid)?;
        Ok(Cow::Owned(fixed))
    }

    pub(crate) fn endpoint(&self) -> Result<Endpoint, Error> {
        if self.port == Some(0) {
            return Err(Error::config("port", "must not be 0"));
        }
        Endpoint::of(self)
    }

    pub(crate) fn headers(&self) -> Result<Vec<(HeaderName, &Secret)>, Error> {
        endpoint::checked_headers(self)
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            connect_timeout: self.connect_timeout,
            activity_timeout: self.activity_timeout,
            activity_timeout_override: self.activity_timeout_override,
            unavailable_timeout: self.unavailable_timeout,
            pong_timeout: self.pong_timeout,
            subscriptions: Rules {
                timeout: self.subscription_timeout,
                can_authorize: self.can_authorize(),
                max_members: self.members_kept(),
                max_member_bytes: self.member_bytes_kept(),
                has_decoder: self.decoder().is_some(),
            },
            reconnect: self.reconnect.clone(),
            tls: self.endpoint().is_ok_and(|endpoint| endpoint.tls),
            client_event_limit: self.events_per_second(),
            client_event_patience: self.event_patience(),
        }
    }

    /// The proxy on the way to this host; `None` for the direct way.
    pub(crate) fn proxy_for(&self, tls: bool, host: &str, port: u16) -> Result<Option<Proxy>, Error> {
        self.proxy.proxy_for(tls, host, port)
    }

    pub(crate) fn custom_dialer(&self) -> Option<&Dialer> {
        self.dialer.as_ref()
    }

    pub(crate) fn max_message(&self) -> usize {
        self.max_message_size
    }

    pub(crate) fn logs_events(&self) -> bool {
        self.log_events
    }

    pub(crate) fn capacity(&self) -> usize {
        self.queue_capacity
    }

    pub(crate) fn overflow_or(&self, default: Overflow) -> Overflow {
        self.overflow.unwrap_or(default)
    }

    pub(crate) fn is_dispatched_by_hand(&self) -> bool {
        self.manual_dispatch
    }
}

impl fmt::Debug for Config {
    /// Shows where the client connects. Header values stay hidden, because tokens travel in them, and so do a URL's user and
    /// its query.
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
            .field("reconnect", &self.reconnect)
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

/// The part of a URL in which nothing is secret. A user is refused, but only when the client connects.
fn without_credentials(url: &str) -> &str {
    let before_query = url.split('?').next().unwrap_or_default();
    before_query.rsplit_once('@').map_or(before_query, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Config {
        Config::host("key", "localhost").tls(false)
    }

    fn option_of(config: Config) -> &'static str {
        match config.check() {
            Err(Error::Config { option, .. }) => option,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn options_that_cannot_work_are_refused_and_named() {
        assert!(local().check().is_ok());
        assert_eq!(option_of(local().connect_timeout(Duration::ZERO)), "connect_timeout");
        assert_eq!(option_of(local().activity_timeout(Duration::ZERO)), "activity_timeout");
        assert_eq!(option_of(local().pong_timeout(Duration::MAX)), "pong_timeout");
        assert_eq!(option_of(local().subscription_timeout(Duration::ZERO)), "subscription_timeout");
        assert_eq!(option_of(local().reconnect(Reconnect::default().min_delay(Duration::MAX))), "reconnect");
        assert_eq!(option_of(local().reconnect(Reconnect::default().max_delay(Duration::MAX))), "reconnect");
        assert_eq!(option_of(local().max_message_size(0)), "max_message_size");
        assert_eq!(option_of(local().max_message_size(usize::MAX)), "max_message_size");
        assert_eq!(option_of(local().queue_capacity(0)), "queue_capacity");
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
