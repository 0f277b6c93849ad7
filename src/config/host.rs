//! Hosts, schemes and ports: their checks, and their forms for resolvers, `Host` headers, TLS and proxies (C1, C8).

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr},
};

use tungstenite::http::Uri;

use crate::protocol::percent;

/// How a connection is secured. Without the feature `native-tls` no value stands for TLS, so nothing after the checks
/// of the configuration has to refuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `ws` and `http`.
    Plain,
    /// `wss` and `https`.
    #[cfg(feature = "native-tls")]
    Tls,
}

impl Scheme {
    /// TLS, or `None` if this build has none.
    pub fn with_tls() -> Option<Self> {
        #[cfg(feature = "native-tls")]
        return Some(Self::Tls);
        #[cfg(not(feature = "native-tls"))]
        None
    }

    /// The scheme with TLS or without. Returns `None` for TLS in a build without it.
    pub fn of(tls: bool) -> Option<Self> {
        if tls { Self::with_tls() } else { Some(Self::Plain) }
    }

    pub fn is_tls(self) -> bool {
        self != Self::Plain
    }
}

/// The longest name of DNS, without a final dot.
const MAX_NAME: usize = 253;

/// Checks the host of an option and strips its brackets. The error is the reason for the refusal.
pub(crate) fn checked(host: &str) -> Result<String, &'static str> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if bare.contains(':') {
        return checked_address(bare).map(|()| bare.to_owned());
    }
    if bare != host || !is_name(bare) {
        return Err("must be a host name (ASCII; write other names in punycode) or an address");
    }
    Ok(bare.to_owned())
}

/// The host of a URL, without brackets. RFC 6874 puts `%25` before a zone; a plain `%` is accepted as well.
pub(crate) fn of_url(uri: &Uri) -> Result<String, &'static str> {
    let host = uri.host().unwrap_or_default();
    match host.split_once("%25") {
        Some((address, zone)) if zone != "]" => {
            let zone = percent::decode(zone).ok_or("has a broken escape in its zone")?;
            checked(&format!("{address}%{zone}"))
        }
        _ => checked(host),
    }
}

/// Checks an IPv6 address, which may have a zone.
fn checked_address(text: &str) -> Result<(), &'static str> {
    let (address, zone) = split_zone(text);
    if address.parse::<Ipv6Addr>().is_err() {
        return Err(
            "must be a name or an address; the port has an option of its own, and a URL goes to the option url",
        );
    }
    let good = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    match zone {
        Some(zone) if zone.is_empty() || text.len() > MAX_NAME || !zone.chars().all(good) => {
            Err("must have an interface of this machine after the %: letters, digits, - . _ ~")
        }
        _ => Ok(()),
    }
}

/// Whether the text is a name or an IPv4 address. A final dot, which marks a name as complete, is ignored.
pub(crate) fn is_name(text: &str) -> bool {
    let name = without_dot(text);
    let good = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    name.len() <= MAX_NAME && name.split('.').all(|label| !label.is_empty() && label.chars().all(good))
}

/// Splits an address from its zone.
pub(crate) fn split_zone(host: &str) -> (&str, Option<&str>) {
    host.split_once('%').map_or((host, None), |(address, zone)| (address, Some(zone)))
}

/// The host as it is sent to other machines. RFC 4007, section 11.2: a zone has a meaning on this machine only.
pub(crate) fn without_zone(host: &str) -> &str {
    split_zone(host).0
}

pub(crate) fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// The host in the form that certificates have. RFC 6066, section 3: without a final dot.
pub(crate) fn tls_name(host: &str) -> &str {
    without_dot(without_zone(host)).trim_start_matches('[').trim_end_matches(']')
}

/// Whether a connection to this host stays on this machine (X2). `localhost` is the only name that counts, because
/// other names depend on the answer of a resolver.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address: Result<IpAddr, _> = without_zone(host).parse();
    address.map_or_else(|_| without_dot(host).eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

/// The value of a `Host` header, with the port unless it is the default.
pub(crate) fn authority(tls: bool, host: &str, port: u16) -> String {
    let host = without_zone(host);
    if port == default_port(tls) { bracketed(host).into_owned() } else { address(host, port) }
}

/// A host with its port, as in a URL.
pub(crate) fn address(host: &str, port: u16) -> String {
    format!("{}:{port}", bracketed(host))
}

/// Puts brackets around an IPv6 address, because its colons could be mistaken for the one before a port.
fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') { format!("[{host}]").into() } else { host.into() }
}

/// The port of a URL, or `default` if the URL has none. Returns `None` for text that is not a port.
pub(crate) fn port_of(uri: &Uri, default: u16) -> Option<u16> {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    match authority.strip_prefix(uri.host().unwrap_or_default())? {
        "" => Some(default),
        rest => rest.strip_prefix(':').and_then(port),
    }
}

/// Parses a port, which is a number of digits other than 0.
pub(crate) fn port(text: &str) -> Option<u16> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_digits && *port != 0)
}

pub(crate) fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_hosts_are_names_and_addresses() {
        let long = ["a".repeat(63).as_str(); 4].join(".");
        let long = &long[..MAX_NAME];
        for host in ["h", "WS.example", "ws.example.", "a_b-c.d", "127.0.0.1", "::1", "FE80::1%lo", long] {
            assert_eq!(checked(host).as_deref(), Ok(host));
        }
        assert_eq!(checked(&format!("{long}.")), Ok(format!("{long}.")));
        assert_eq!(checked("[::1]").as_deref(), Ok("::1"));
        let too_long = format!("a{long}");
        let bad = [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            "...",
            "a b",
            "h:80",
            "[h]",
            "[::1",
            "::1]",
            "a%b",
            "127.0.0.1%lo",
            "[]",
            &too_long,
        ];
        for host in bad {
            assert!(checked(host).is_err(), "{host:?}");
        }
    }

    #[test]
    fn c1_an_address_of_ipv6_may_have_a_zone() {
        for host in ["fe80::1%lo", "fe80::1%eth0", "fe80::1%3", "fe80::1%en0.100", "ff02::1%wlan-0_a~b", "::1%lo"] {
            assert_eq!(checked(host).as_deref(), Ok(host));
            assert_eq!(checked(&format!("[{host}]")).as_deref(), Ok(host));
        }
        let long = format!("fe80::1%{}", "a".repeat(MAX_NAME));
        for zone in ["", " ", "a b", "lo\r\nX: y", "lo]", "lo/x", "lo:80", "lo\0", "a%b", "ż", "@h", "lo?x"] {
            assert!(checked(&format!("fe80::1%{zone}")).is_err(), "{zone:?}");
        }
        assert!(checked(&long).is_err());
    }

    #[test]
    fn c1_a_zone_of_a_url_may_be_written_in_two_ways() {
        let host = |authority: &str| of_url(&format!("ws://{authority}/").parse().expect(authority));
        let cases = [
            ("[fe80::1%25lo]", "fe80::1%lo"),
            ("[fe80::1%lo]", "fe80::1%lo"),
            ("[fe80::1%25eth0]:80", "fe80::1%eth0"),
            ("[fe80::1%25eth0%2E1]", "fe80::1%eth0.1"),
            ("[fe80::1%253]", "fe80::1%3"),
            ("[fe80::1%25]", "fe80::1%25"),
        ];
        for (authority, expected) in cases {
            assert_eq!(host(authority).as_deref(), Ok(expected), "{authority}");
        }
        for authority in ["[fe80::1%25%0D%0A]", "[fe80::1%25a%5D]", "[fe80::1%25%zz]", "[fe80::1%]"] {
            assert!(host(authority).is_err(), "{authority}");
        }
    }

    #[test]
    fn c1_each_reader_gets_the_host_in_its_own_form() {
        let cases = [
            ("ws.example.", "ws.example.", "ws.example"),
            ("WS.Example", "WS.Example", "WS.Example"),
            ("::1", "[::1]", "::1"),
            ("fe80::1%lo", "[fe80::1]", "fe80::1"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ];
        for (host, in_header, in_tls) in cases {
            assert_eq!((&*authority(true, host, 443), tls_name(host)), (in_header, in_tls));
            assert_eq!(authority(true, host, 80), format!("{in_header}:80"));
        }
        assert_eq!(address("fe80::1%lo", 80), "[fe80::1%lo]:80");
        assert_eq!(tls_name("[::1]"), "::1");
    }

    #[test]
    fn x2_loopback_is_this_machine_in_any_spelling() {
        for host in ["localhost", "LOCALHOST.", "127.8.9.1", "::1", "0:0:0:0:0:0:0:1", "::1%lo", "::1%1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "128.0.0.1", "127.0.0.1.example", "127.0.0.1.", "fe80::1%lo", "::2"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
