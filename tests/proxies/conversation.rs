//! The proxy's side of the negotiation before a tunnel.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::proxy::Service;

/// The target that a client gives a proxy, and the protocol.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    /// `CONNECT` to this host and port, which are also the `Host` header.
    Http(String),
    SocksName(String, u16),
    SocksAddress(IpAddr, u16),
}

impl Target {
    /// The address of the target. All names are this machine, which only the proxy knows.
    pub(crate) fn addr(&self) -> SocketAddr {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        match self {
            Self::Http(authority) => authority.parse().unwrap_or_else(|_| {
                let port = authority.rsplit(':').next().and_then(|port| port.parse().ok());
                SocketAddr::new(loopback, port.expect("CONNECT names a port"))
            }),
            Self::SocksName(_, port) => SocketAddr::new(loopback, *port),
            Self::SocksAddress(address, port) => SocketAddr::new(*address, *port),
        }
    }
}

/// Reads the target; `None` after a refusal.
pub(crate) fn target(client: &TcpStream, service: &Service) -> io::Result<Option<Target>> {
    let mut first = [0];
    client.peek(&mut first)?;
    if first == [5] { socks_target(client, service) } else { http_target(client, service) }
}

/// Answers that the tunnel is open.
pub(crate) fn accept(mut client: &TcpStream, target: &Target, service: &Service) -> io::Result<()> {
    let answer = match target {
        Target::Http(_) => service.head.as_bytes().to_vec(),
        Target::SocksName(..) | Target::SocksAddress(..) => [&[5, 0, 0], service.bound].concat(),
    };
    client.write_all(&[&answer, service.early].concat())
}

fn http_target(mut client: &TcpStream, service: &Service) -> io::Result<Option<Target>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(read::<1>(client)?);
    }
    let head = String::from_utf8(head).expect("a request is ASCII");
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let authority = head.split(' ').nth(1).expect("a target").to_owned();
    assert!(head.starts_with(&format!("CONNECT {authority} HTTP/1.1\r\n")), "{head}");
    assert_eq!(header("Host"), Some(&*authority));
    let wanted = service.user.map(|(name, password)| BASE64_STANDARD.encode(format!("{name}:{password}")));
    let given = header("Proxy-Authorization").map(|value| value.strip_prefix("Basic ").expect("basic").to_owned());
    if wanted.is_some() && wanted != given {
        let refusal =
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"a test\"\r\n\r\n";
        return client.write_all(refusal.as_bytes()).map(|()| None);
    }
    Ok(Some(Target::Http(authority)))
}

/// RFC 1928, sections 3 and 4.
fn socks_target(mut client: &TcpStream, service: &Service) -> io::Result<Option<Target>> {
    let [5, count] = read(client)? else { panic!("the version is 5") };
    let methods = read_long(client, count)?;
    match service.user {
        None if methods.contains(&0) => client.write_all(&[5, 0])?,
        Some(_) if methods.contains(&2) => client.write_all(&[5, 2])?,
        _ => return client.write_all(&[5, 0xff]).map(|()| None),
    }
    if let Some(user) = service.user {
        if read_user(client)? != (user.0.to_owned(), user.1.to_owned()) {
            return client.write_all(&[1, 1]).map(|()| None);
        }
        client.write_all(&[1, 0])?;
    }
    let [5, 1, 0, kind] = read(client)? else { panic!("a request to connect") };
    let port = || read(client).map(u16::from_be_bytes);
    Ok(Some(match kind {
        1 => Target::SocksAddress(Ipv4Addr::from(read::<4>(client)?).into(), port()?),
        3 => Target::SocksName(read_text(client)?, port()?),
        4 => Target::SocksAddress(Ipv6Addr::from(read::<16>(client)?).into(), port()?),
        other => panic!("{other} is not a kind of address"),
    }))
}

/// RFC 1929, section 2.
fn read_user(client: &TcpStream) -> io::Result<(String, String)> {
    assert_eq!(read(client)?, [1], "the version of the authentication");
    Ok((read_text(client)?, read_text(client)?))
}

fn read_text(client: &TcpStream) -> io::Result<String> {
    let [length] = read(client)?;
    Ok(String::from_utf8(read_long(client, length)?).expect("UTF-8"))
}

fn read_long(mut client: &TcpStream, length: u8) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length.into()];
    client.read_exact(&mut bytes).map(|()| bytes)
}

fn read<const N: usize>(mut client: &TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).map(|()| bytes)
}
