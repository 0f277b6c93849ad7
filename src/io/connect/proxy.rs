//! Asking a proxy for a tunnel: HTTP `CONNECT` (RFC 9110, section 9.3.6) and SOCKS 5 (RFC 1928, RFC 1929).

use std::{
    io::{self, Read, Write},
    net::IpAddr,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

use super::http_head;
use crate::{
    ProxyProblem,
    config::{Proxy, ProxyKind, address},
    secret::Wiped,
};

/// The reason why there is no tunnel.
#[derive(Debug)]
pub(crate) enum TunnelError {
    /// The stream to the proxy broke, or the deadline came.
    Io(io::Error),
    /// The proxy refuses, with a status if it speaks HTTP, or the peer is not a proxy of this kind.
    Refused { status: Option<u16>, problem: ProxyProblem, reason: String },
}

impl From<io::Error> for TunnelError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Asks for a tunnel to this host, and leaves the name to the proxy to resolve. On success the stream leads to the
/// host.
pub(crate) fn tunnel(
    proxy: &Proxy,
    stream: &mut (impl Read + Write),
    host: &str,
    port: u16,
) -> Result<(), TunnelError> {
    match proxy.kind {
        ProxyKind::Http => connect(proxy, stream, host, port),
        ProxyKind::Socks5 => socks(proxy, stream, host, port),
    }
}

fn connect(proxy: &Proxy, stream: &mut (impl Read + Write), host: &str, port: u16) -> Result<(), TunnelError> {
    let target = address(host, port);
    let mut request = Wiped::with_capacity(1024);
    for part in ["CONNECT ", &target, " HTTP/1.1\r\nHost: ", &target, "\r\n"] {
        request.push(part.as_bytes());
    }
    if let Some((name, password)) = &proxy.user {
        let mut user = Wiped::default();
        [name.expose(), ":", password.expose()].iter().for_each(|part| user.push(part.as_bytes()));
        let encoded = Zeroizing::new(BASE64_STANDARD.encode(&*user));
        ["Proxy-Authorization: Basic ", &encoded, "\r\n"].iter().for_each(|part| request.push(part.as_bytes()));
    }
    request.push(b"\r\n");
    stream.write_all(&request)?;
    match read_status(stream)? {
        200..=299 => Ok(()),
        status => Err(TunnelError::Refused {
            status: Some(status),
            problem: ProxyProblem::of_status(status),
            reason: format!("answered HTTP {status} to CONNECT{}", advice(status, proxy)),
        }),
    }
}

/// The status of the proxy's answer.
///
/// The head is read byte by byte, because the bytes after it belong to the tunnel; the stream is buffered. The first
/// line is parsed as soon as it is complete, so that a peer of another protocol is refused at once. The rest is parsed
/// once, at its end: to parse after every line would take quadratic time.
fn read_status(stream: &mut impl Read) -> Result<u16, TunnelError> {
    let mut answer = Vec::with_capacity(512);
    let mut is_first_line = true;
    loop {
        match read_byte(stream) {
            Ok(byte) => answer.push(byte),
            Err(ended) => return http_head::status_of_refusal(&answer).ok_or(ended),
        }
        let ends_line = answer.ends_with(b"\n") && (is_first_line || is_empty_line(&answer));
        if !ends_line && answer.len() <= http_head::MAX_HEAD {
            continue;
        }
        is_first_line = false;
        match http_head::parse(&answer) {
            Ok(Some(head)) => return Ok(head.status),
            Ok(None) => {}
            Err(error) => {
                let not_a_proxy = || refused(ProxyProblem::NotAProxy, &format!("its answer {}", error.predicate()));
                return http_head::status_of_refusal(&answer).ok_or_else(not_a_proxy);
            }
        }
    }
}

/// Whether the answer ends with an empty line.
fn is_empty_line(answer: &[u8]) -> bool {
    answer.ends_with(b"\n\n") || answer.ends_with(b"\n\r\n")
}

fn advice(status: u16, proxy: &Proxy) -> &'static str {
    match (status, &proxy.user) {
        (407, None) => ": it wants a user name and a password",
        (407, Some(_)) => ": it refuses the user name and the password",
        (403, _) => ": it does not allow this host or port",
        (502..=504, _) => ": it cannot reach the host",
        _ => "",
    }
}

/// RFC 1928, section 3: the client offers methods, and the proxy chooses one.
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;

fn socks(proxy: &Proxy, stream: &mut (impl Read + Write), host: &str, port: u16) -> Result<(), TunnelError> {
    let methods: &[u8] = match &proxy.user {
        Some(_) => &[5, 2, NO_AUTHENTICATION, USER_AND_PASSWORD],
        None => &[5, 1, NO_AUTHENTICATION],
    };
    stream.write_all(methods)?;
    match (read_array(stream)?, &proxy.user) {
        ([5, NO_AUTHENTICATION], _) => {}
        ([5, USER_AND_PASSWORD], Some((name, password))) => authenticate(stream, name.expose(), password.expose())?,
        ([5, _], None) => return Err(refused(ProxyProblem::Credentials, "it wants a user name and a password")),
        ([5, _], Some(_)) => return Err(refused(ProxyProblem::Credentials, "it takes no user name and password")),
        _ => return Err(refused(ProxyProblem::NotAProxy, "its answer is not SOCKS 5")),
    }
    stream.write_all(&socks_request(host, port))?;
    read_socks_reply(stream)
}

/// RFC 1929. The check of the options ensures that both lengths fit into a byte.
fn authenticate(stream: &mut (impl Read + Write), name: &str, password: &str) -> Result<(), TunnelError> {
    let mut request = Zeroizing::new(Vec::with_capacity(3 + name.len() + password.len()));
    request.push(1);
    for part in [name, password] {
        request.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
        request.extend_from_slice(part.as_bytes());
    }
    stream.write_all(&request)?;
    match read_array(stream)? {
        [_, 0] => Ok(()),
        [_, _] => Err(refused(ProxyProblem::Credentials, "it refuses the user name and the password")),
    }
}

/// RFC 1928, section 4: an address is sent as an address, and a name as a name.
fn socks_request(host: &str, port: u16) -> Vec<u8> {
    let mut request = vec![5, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        Err(_) => {
            // The check of the options ensures that a host has at most 253 bytes.
            request.extend([3, u8::try_from(host.len()).unwrap_or(u8::MAX)]);
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    request
}

/// RFC 1928, section 6.
fn read_socks_reply(stream: &mut impl Read) -> Result<(), TunnelError> {
    let [version, reply, _, kind] = read_array(stream)?;
    if version != 5 {
        return Err(refused(ProxyProblem::NotAProxy, "its answer is not SOCKS 5"));
    }
    if reply != 0 {
        return Err(refused(ProxyProblem::of_socks_reply(reply), &format!("it refuses: {}", socks_reason(reply))));
    }
    let address = match kind {
        1 => 4,
        3 => read_byte(stream)?,
        4 => 16,
        _ => return Err(refused(ProxyProblem::NotAProxy, "its answer has an address of no known kind")),
    };
    // The address that the proxy connected from is of no use, but it comes before the bytes of the tunnel.
    for _ in 0..u16::from(address) + 2 {
        read_byte(stream)?;
    }
    Ok(())
}

fn socks_reason(reply: u8) -> String {
    let reason = match reply {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "the network cannot be reached",
        4 => "the host cannot be reached",
        5 => "the connection was refused",
        6 => "the time to live expired",
        7 => "it does not know the command",
        8 => "it does not know the kind of address",
        other => return format!("code {other}"),
    };
    reason.to_owned()
}

fn refused(problem: ProxyProblem, reason: &str) -> TunnelError {
    TunnelError::Refused { status: None, problem, reason: reason.to_owned() }
}

fn read_byte(stream: &mut impl Read) -> Result<u8, TunnelError> {
    read_array(stream).map(|[byte]| byte)
}

fn read_array<const N: usize>(stream: &mut impl Read) -> Result<[u8; N], TunnelError> {
    let mut array = [0; N];
    match stream.read_exact(&mut array) {
        Ok(()) => Ok(array),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(refused(ProxyProblem::Ended, "it ended the connection instead of answering"))
        }
        Err(error) => Err(error.into()),
    }
}
