//! A row is one proxy. The connection of the socket and that of an auth request try it, with and without TLS inside a
//! tunnel.

use std::{
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use pusher_channels::{Config, ConnectPhase, Error, ProxyProblem, Pusher};

use super::{
    conversation::Target,
    destination::{Destination, NAME},
    proxy::{Proxy, Script, Service},
    support::PATIENCE,
};

pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// `name:password@`, as in the proxy's URL.
    pub(crate) user: &'static str,
    pub(crate) script: Script,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Outcome {
    Tunnel,
    /// An error with this status, this problem, and this text.
    Refused(Option<u16>, ProxyProblem, &'static str),
    TimesOut,
    /// Early data of the tunnel was taken for the answer of the server.
    Answered403,
}

/// The connection that needs a tunnel.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Socket,
    Auth,
}

/// A password that no error may contain.
pub(crate) const PASSWORD: &str = "canary:@";

/// The options of a proxy for everybody, and of one for a user.
pub(crate) const OPEN: Service = Service::OPEN;
pub(crate) const CLOSED: Service = Service { user: Some(("us er", PASSWORD)), ..OPEN };

/// The credentials of that user, and wrong ones.
pub(crate) const RIGHT: &str = "us%20er:canary%3A%40@";
pub(crate) const WRONG: &str = "us%20er:canary@";

pub(crate) const ENDED: Outcome = Outcome::Refused(None, ProxyProblem::Ended, "ended the connection");

pub(crate) const fn row(name: &'static str, script: Script, outcome: Outcome) -> Row {
    Row { name, user: "", script, outcome }
}

pub(crate) const fn with_user(name: &'static str, user: &'static str, script: Script, outcome: Outcome) -> Row {
    Row { name, user, script, outcome }
}

/// Tries all rows at the same time, with proxies of this scheme.
pub(crate) fn try_all(scheme: &str, rows: &[Row]) {
    // Only one table runs at a time, because some rows measure times.
    static TABLE: Mutex<()> = Mutex::new(());
    let _table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    let destination = &Destination::start("127.0.0.1");
    let proxies: Vec<_> = thread::scope(|scope| {
        let mut trials = Vec::new();
        for row in rows {
            for way in [Way::Socket, Way::Auth] {
                for tls in Destination::SCHEMES.iter().filter(|tls| !**tls || row.makes_a_tunnel()) {
                    trials.push(scope.spawn(move || row.check_way(scheme, way, *tls, destination)));
                }
            }
        }
        trials.into_iter().map(|trial| trial.join().expect("as the row says")).collect()
    });
    destination.assert_reached_only_by(&proxies);
}

impl Row {
    fn check_way(&self, scheme: &str, way: Way, tls: bool, destination: &Destination) -> Proxy {
        let Self { name, user, script, outcome } = *self;
        let (deadline, case) = (self.deadline(way), format!("{name}, {way:?}, TLS {tls}"));
        let first = if way == Way::Socket { script } else { Script::Serve(Service::OPEN) };
        let proxy = Proxy::start(first, script);
        let config = by(scheme, user, NAME, &proxy, destination, tls);
        assert!(!format!("{config:?}").contains("canary"), "{config:?}");
        let result = match way {
            Way::Socket => Pusher::new(config.connect_timeout(deadline)).connect().map(drop),
            Way::Auth => {
                let pusher = Pusher::new(config.auth_timeout(deadline)).connect();
                let pusher = pusher.unwrap_or_else(|error| panic!("{case}: {error}"));
                pusher.subscribe("private-room").expect("a valid name").wait_subscribed(PATIENCE)
            }
        };
        match result {
            Ok(()) => assert_eq!(outcome, Outcome::Tunnel, "{case}"),
            Err(error) => self.check(&error, way, &case),
        }
        if outcome == Outcome::Tunnel {
            let (targets, port) = (proxy.targets(), destination.port(tls));
            let expected = match scheme {
                "http" | "https" => Target::Http(format!("{NAME}:{port}")),
                _ => Target::SocksName(NAME.to_owned(), port),
            };
            assert_eq!(targets, vec![expected; if way == Way::Socket { 1 } else { 2 }], "{case}");
        }
        proxy
    }

    fn makes_a_tunnel(&self) -> bool {
        matches!(self.outcome, Outcome::Tunnel | Outcome::Answered403)
    }

    /// Only a row whose outcome is a timeout has a short deadline. A socket must have reached the proxy by then; an
    /// auth request waits for the deadline four times.
    fn deadline(&self, way: Way) -> Duration {
        match (self.outcome, way) {
            (Outcome::TimesOut, Way::Socket) => Duration::from_secs(1),
            (Outcome::TimesOut, Way::Auth) => Duration::from_millis(300),
            _ => PATIENCE,
        }
    }

    fn check(&self, error: &Error, way: Way, case: &str) {
        let text = error.to_string();
        assert!(!format!("{text} {error:?}").contains("canary"), "{case}: {error:?}");
        match (self.outcome, way) {
            (Outcome::Refused(status, problem, part), _) => {
                assert!(text.contains("proxy: 127.0.0.1:") && text.contains(part), "{case}: {text}");
                let Error::Proxy { status: reported, problem: found, source, .. } = cause(error) else {
                    panic!("{case}: {error:?}")
                };
                assert_eq!((*reported, *found), (status, problem), "{case}");
                assert_eq!(source.is_some(), part == "connection failed", "{case}: {source:?}");
            }
            (Outcome::TimesOut, Way::Socket) => {
                assert!(matches!(error, Error::ConnectTimeout { phase: ConnectPhase::Proxy, .. }), "{case}: {error}");
                assert!(text.starts_with("proxy: "), "{case}: {text}");
            }
            (Outcome::TimesOut, Way::Auth) => assert!(matches!(error, Error::AuthTimeout { .. }), "{case}: {error}"),
            // With TLS, that answer is a TLS error.
            (Outcome::Answered403, _) => assert!(text.contains("403") || text.contains("tls: "), "{case}: {text}"),
            (Outcome::Tunnel, _) => panic!("{case}: {error}"),
        }
    }
}

/// The configuration of a client that reaches the destination through the proxy, over TLS if the scheme is `https`.
pub(crate) fn by(scheme: &str, user: &str, host: &str, proxy: &Proxy, destination: &Destination, tls: bool) -> Config {
    let config = destination.config(host, tls);
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    if scheme == "https" {
        let url = format!("https://{user}{}", destination.secured(proxy));
        return config.root_certificate_pem(destination.root(true)).proxy(url);
    }
    config.proxy(format!("{scheme}://{user}{}", proxy.addr()))
}

/// The cause of a failed auth request; for a socket the error itself.
pub(crate) fn cause(error: &Error) -> &Error {
    match error {
        Error::AuthNetwork { source, .. } => source.downcast_ref().expect("an error of this crate"),
        other => other,
    }
}
