//! The variable `no_proxy`: the hosts that are reached directly although the environment names a proxy (C7).

use std::{
    borrow::Cow,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::config::host::{is_name, port, split_zone, without_dot};

/// All entries of the variable.
#[derive(Clone, Default)]
pub(crate) struct NoProxy {
    entries: Vec<Entry>,
    /// The positions, counted from 1, of the entries that have none of the known forms.
    unknown: Vec<usize>,
    /// Whether `unknown` was logged. All clones of a configuration share it, so that a client logs once.
    logged: Arc<AtomicBool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    /// `None` covers all ports.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    Everything,
    /// The host of this name and its subdomains.
    Domain(String),
    /// The subdomains of this name.
    Below(String),
    /// The addresses that share their first `bits` bits with `address`: all bits for a single address.
    Range {
        address: IpAddr,
        bits: u8,
        zone: Option<String>,
    },
}

impl NoProxy {
    /// Entries are separated by commas or blanks.
    pub fn parse(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let mut no_proxy = Self::default();
        let parts = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty());
        for (place, part) in parts.enumerate() {
            match Entry::parse(part) {
                Some(entry) => no_proxy.entries.push(entry),
                None => no_proxy.unknown.push(place + 1),
            }
        }
        no_proxy
    }

    pub fn covers(&self, host: &str, port: u16) -> bool {
        let host = Host::of(&host.to_ascii_lowercase());
        self.entries.iter().any(|entry| entry.covers(&host, port))
    }

    /// Logs, once, which entries have no effect. Their text stays out of the log, because it may be a URL with a
    /// password (X1).
    pub fn log_unknown(&self) {
        if self.logged.swap(true, Ordering::Relaxed) {
            return;
        }
        for place in &self.unknown {
            record!(
                warn,
                "config: no_proxy: entry {place} has no effect: expected a name, .name, *.name, an address or a range \
                 such as 10.0.0.0/8, each with or without :port"
            );
        }
    }
}

/// A host to connect to.
enum Host {
    Address { address: IpAddr, zone: Option<String> },
    Name(String),
}

impl Host {
    /// `text` is in lower case.
    fn of(text: &str) -> Self {
        let (address, zone) = split_zone(text);
        match address.parse::<IpAddr>() {
            Ok(address) => Self::Address { address: address.to_canonical(), zone: zone.map(str::to_owned) },
            Err(_) => Self::Name(without_dot(text).to_owned()),
        }
    }
}

impl Entry {
    /// Returns `None` for an entry that has none of the known forms.
    fn parse(text: &str) -> Option<Self> {
        let (hosts, digits) = split_port(text);
        let port = match digits {
            Some(digits) => Some(port(digits)?),
            None => None,
        };
        Hosts::parse(&unbracketed(hosts)?).map(|hosts| Self { hosts, port })
    }

    fn covers(&self, host: &Host, port: u16) -> bool {
        self.port.is_none_or(|only| only == port) && self.hosts.contains(host)
    }
}

/// Splits an entry into its hosts and the text of its port. A colon begins a port if it follows a bracket or a range,
/// or if it is the only colon: an IPv6 address has several.
fn split_port(text: &str) -> (&str, Option<&str>) {
    let end = text.rfind([']', '/']);
    let colon = match end {
        Some(end) => text[end..].find(':').map(|colon| end + colon),
        None => text.find(':').filter(|first| text.rfind(':') == Some(*first)),
    };
    colon.map_or((text, None), |colon| (&text[..colon], Some(&text[colon + 1..])))
}

/// Strips the brackets from an IPv6 address or range. The closing bracket may stand before or after the length:
/// `[fd00::]/8`, `[fd00::/8]`.
fn unbracketed(text: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = text.strip_prefix('[') else { return Some(text.into()) };
    let (inside, bits) = rest.split_once(']')?;
    let is_whole = inside.contains(':') && (bits.is_empty() || bits.starts_with('/'));
    is_whole.then(|| format!("{inside}{bits}").into())
}

impl Hosts {
    fn parse(text: &str) -> Option<Self> {
        if let Some((address, bits)) = text.split_once('/') {
            return Self::range(address.parse().ok()?, bits);
        }
        let (address, zone) = split_zone(text);
        if let Ok(address) = without_dot(address).parse::<IpAddr>() {
            let address = address.to_canonical();
            return Some(Self::Range { address, bits: width(address), zone: zone.map(str::to_owned) });
        }
        let name = |text: &str| is_name(text).then(|| without_dot(text).to_owned());
        match (text, text.strip_prefix("*."), text.strip_prefix('.')) {
            ("*", ..) => Some(Self::Everything),
            (_, Some(domain), _) => name(domain).map(Self::Below),
            (_, _, Some(domain)) => name(domain).map(Self::Domain),
            _ => name(text).map(Self::Domain),
        }
    }

    fn range(address: IpAddr, bits: &str) -> Option<Self> {
        let is_digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = bits.parse().ok().filter(|bits| is_digits && *bits <= width(address))?;
        let canonical = address.to_canonical();
        // The first 96 bits of an IPv4-mapped range are the mapping itself, `::ffff:0:0/96`.
        let bits = if canonical.is_ipv4() && address.is_ipv6() { u8::checked_sub(bits, 96)? } else { bits };
        Some(Self::Range { address: canonical, bits, zone: None })
    }

    fn contains(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Everything, _) => true,
            (Self::Domain(domain), Host::Name(name)) => name == domain || is_below(name, domain),
            (Self::Below(domain), Host::Name(name)) => is_below(name, domain),
            (Self::Range { address, bits, zone }, Host::Address { address: host, zone: of_host }) => {
                (zone.is_none() || zone == of_host) && begin_alike(*address, *host, *bits)
            }
            _ => false,
        }
    }
}

fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// The length of an address in bits.
fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn begin_alike(one: IpAddr, other: IpAddr, bits: u8) -> bool {
    let differing = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (one.to_bits() ^ other.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= u32::from(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry; hosts that it covers, and hosts that it does not cover. The port is 443.
    type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

    const ROWS: [Row; 34] = [
        ("*", &["h", "a.example", "10.0.0.1", "::1", "fe80::1%lo"], &[]),
        ("*:443", &["h", "::1"], &[]),
        ("*:80", &[], &["h", "::1"]),
        // Names.
        ("host", &["host", "HOST", "host.", "a.host"], &["ahost", "host.example", "hos"]),
        ("Host.", &["host", "host.", "a.host."], &["host.."]),
        ("example.com", &["example.com", "a.b.example.com"], &["notexample.com", "example.org", "com"]),
        (".example.com", &["example.com", "a.example.com", "A.EXAMPLE.COM."], &["notexample.com"]),
        (".example.com.", &["example.com", "a.example.com"], &["example.com.evil"]),
        (
            "*.corp.invalid",
            &["a.corp.invalid", "a.b.corp.invalid", "A.CORP.invalid."],
            &["corp.invalid", "acorp.invalid"],
        ),
        ("*.corp.invalid.", &["a.corp.invalid", "a.corp.invalid."], &["corp.invalid."]),
        ("0.0.1", &["a.0.0.1"], &["10.0.0.1"]),
        // Ports.
        ("host:443", &["host", "host.", "a.host"], &["other"]),
        ("host:8080", &[], &["host", "a.host"]),
        (".example.com:443", &["example.com", "a.example.com"], &["b"]),
        ("*.example.com:80", &[], &["a.example.com"]),
        ("127.0.0.1:443", &["127.0.0.1"], &["127.0.0.2"]),
        ("127.0.0.1:8080", &[], &["127.0.0.1"]),
        ("[::1]:443", &["::1"], &["::2"]),
        ("[::1]:8080", &[], &["::1"]),
        ("10.0.0.0/8:443", &["10.1.2.3"], &["11.0.0.0"]),
        ("10.0.0.0/8:8080", &[], &["10.1.2.3"]),
        ("[2001:db8::]/32:443", &["2001:db8::1"], &["2001:db9::1"]),
        ("2001:db8::/32:80", &[], &["2001:db8::1"]),
        // Addresses, in any spelling.
        ("10.0.0.1", &["10.0.0.1", "::ffff:10.0.0.1", "::FFFF:a00:1"], &["110.0.0.1", "10.0.0.10", "a.10.0.0.1"]),
        ("10.0.0.1.", &["10.0.0.1"], &["10.0.0.2"]),
        ("::1", &["::1", "0:0:0:0:0:0:0:1", "::1%lo"], &["::", "::2", "127.0.0.1"]),
        ("[0:0:0:0:0:0:0:1]", &["::1"], &["::2"]),
        ("fe80::1%lo", &["fe80::1%lo", "FE80::1%LO"], &["fe80::1", "fe80::1%eth0"]),
        // Ranges.
        (
            "127.0.0.0/8",
            &["127.0.0.1", "127.255.255.255", "::ffff:127.0.0.1"],
            &["128.0.0.0", "126.255.255.255", "::1"],
        ),
        ("192.168.1.77/24", &["192.168.1.0", "192.168.1.255"], &["192.168.0.255", "192.168.2.0"]),
        ("0.0.0.0/0", &["1.2.3.4", "::ffff:1.2.3.4"], &["::1", "h"]),
        ("::/0", &["::1", "fe80::1%lo"], &["1.2.3.4", "h"]),
        ("fe80::/10", &["fe80::1%eth0", "febf::1"], &["fec0::1"]),
        ("[::ffff:10.0.0.0/104]", &["10.9.9.9"], &["11.0.0.0"]),
    ];

    #[test]
    fn c7_an_entry_of_no_proxy_covers_its_hosts_and_no_others() {
        for (entry, covered, others) in ROWS {
            let no_proxy = NoProxy::parse(entry);
            assert!(no_proxy.unknown.is_empty(), "{entry}");
            for host in covered {
                assert!(no_proxy.covers(host, 443), "{entry}: {host}");
            }
            for host in others {
                assert!(!no_proxy.covers(host, 443), "{entry}: {host}");
            }
        }
    }

    #[test]
    fn c7_entries_are_separated_by_commas_or_blanks() {
        for text in ["a b", "a,b", " a , b ", "a\tb\n", ",,a,, b,", "b  a"] {
            let no_proxy = NoProxy::parse(text);
            assert!(["a", "b"].iter().all(|host| no_proxy.covers(host, 1)), "{text:?}");
            assert!(!no_proxy.covers("ab", 1) && no_proxy.unknown.is_empty(), "{text:?}");
        }
        for nothing in ["", " ", ",", " , \t"] {
            let no_proxy = NoProxy::parse(nothing);
            assert!(no_proxy.entries.is_empty() && no_proxy.unknown.is_empty(), "{nothing:?}");
        }
    }

    #[test]
    fn c7_an_entry_of_another_form_covers_nothing_and_is_counted() {
        let others = [
            "http://host",
            "https://user:canary@host:80/",
            "host:",
            "host:0",
            "host:99999",
            "host:+80",
            "host:80:80",
            "host:x",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/255.0.0.0",
            "10/8",
            "host/8",
            "ex*mple.com",
            "*foo",
            "**",
            "*.",
            ".",
            "..",
            "..example.com",
            "a..b",
            "[::1",
            "::1]",
            "[host]",
            "[]:80",
            "[::1]80",
            "<local>",
            "a;b",
            "\u{17c}.pl",
            "::ffff:0.0.0.0/90",
            "%lo",
        ];
        for entry in others {
            let no_proxy = NoProxy::parse(&format!("first,{entry},last"));
            assert_eq!(no_proxy.unknown, [2], "{entry:?}");
            assert_eq!(no_proxy.entries.len(), 2, "{entry:?}");
        }
        assert_eq!(NoProxy::parse("a/b, c, d/e f").unknown, [1, 3]);
    }
}
