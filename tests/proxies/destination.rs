//! The server and auth endpoint behind the proxies. It records the connections that bypass them.

#[cfg(all(feature = "native-tls", target_os = "linux"))]
use std::net::SocketAddr;

use pusher_channels::{Config, Reconnect, testing::TestServer};

#[cfg(all(feature = "native-tls", target_os = "linux"))]
use super::{
    certificates::{Authority, Certificate, GOOD},
    terminator::terminate_tls,
};
use super::{
    proxy::Proxy,
    relay::{Answers, Relay},
    support::{eventually, server},
};

/// A name that only a proxy resolves.
pub(crate) const NAME: &str = "pusher.test";

pub(crate) struct Destination {
    _server: TestServer,
    plain: Relay,
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    tls: (Relay, Authority),
}

impl Destination {
    /// Starts the servers on this address.
    pub(crate) fn start(address: &str) -> Self {
        let server = server();
        Self {
            plain: Relay::start(address, server.addr(), Answers::All),
            #[cfg(all(feature = "native-tls", target_os = "linux"))]
            tls: {
                let authority = Authority::new();
                let names = "DNS:pusher.test,IP:127.0.0.1,IP:::1";
                let files = authority.make(&Certificate { names, ..GOOD });
                (Relay::start(address, terminate_tls(&files, server.addr()), Answers::All), authority)
            },
            _server: server,
        }
    }

    /// Without TLS, and with TLS.
    pub(crate) const SCHEMES: &[bool] = &[
        false,
        #[cfg(all(feature = "native-tls", target_os = "linux"))]
        true,
    ];

    pub(crate) fn port(&self, tls: bool) -> u16 {
        let relay = if tls { self.secure() } else { None };
        relay.unwrap_or(&self.plain).port()
    }

    /// The configuration of a client that connects by this host, and requests its permissions there, too.
    pub(crate) fn config(&self, host: &str, tls: bool) -> Config {
        Self::config_at(host, self.port(tls), &self.root(tls))
    }

    /// The same in another process, which knows only these values. An empty root means no TLS.
    pub(crate) fn config_at(host: &str, port: u16, root: &str) -> Config {
        let tls = !root.is_empty();
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let scheme = if tls { "https" } else { "http" };
        let config = Config::host("app-key", host)
            .port(port)
            .tls(tls)
            .reconnect(Reconnect::never())
            .auth_endpoint(format!("{scheme}://{bracketed}:{port}/pusher/auth"))
            // Behind a proxy, the client cannot know that a host is this machine.
            .allow_insecure_auth();
        if tls { config.root_certificate_pem(root) } else { config }
    }

    /// The ports of the clients that have connected.
    pub(crate) fn peers(&self) -> Vec<u16> {
        [&self.plain].into_iter().chain(self.secure()).flat_map(Relay::peers).collect()
    }

    /// Asserts that all connections came from these proxies.
    pub(crate) fn assert_reached_only_by(&self, proxies: &[Proxy]) {
        let sorted = |mut ports: Vec<u16>| {
            ports.sort_unstable();
            ports
        };
        let outgoing = sorted(proxies.iter().flat_map(Proxy::outgoing).collect());
        let peers = || sorted(self.peers());
        eventually("all connections are accepted", || peers().len() >= outgoing.len());
        assert_eq!(peers(), outgoing, "a connection bypassed the proxies");
    }

    /// An address at which this proxy is reached by TLS, with a certificate for 127.0.0.1 and proxy.test.
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    pub(crate) fn secured(&self, proxy: &Proxy) -> SocketAddr {
        let names = "DNS:proxy.test,IP:127.0.0.1";
        terminate_tls(&self.authority().make(&Certificate { names, ..GOOD }), proxy.addr())
    }

    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    pub(crate) fn authority(&self) -> &Authority {
        &self.tls.1
    }

    /// The certificate that clients must trust, as PEM.
    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    pub(crate) fn root(&self, tls: bool) -> String {
        let root = || String::from_utf8(self.tls.1.root()).expect("PEM is ASCII");
        if tls { root() } else { String::new() }
    }

    #[cfg(not(all(feature = "native-tls", target_os = "linux")))]
    pub(crate) fn root(&self, _tls: bool) -> String {
        String::new()
    }

    #[cfg(all(feature = "native-tls", target_os = "linux"))]
    fn secure(&self) -> Option<&Relay> {
        Some(&self.tls.0)
    }

    #[cfg(not(all(feature = "native-tls", target_os = "linux")))]
    fn secure(&self) -> Option<&Relay> {
        None
    }
}
