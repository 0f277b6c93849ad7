//! The answers of proxies (C7).

use super::{bytes::Bytes, strict::Head};
use crate::{
    Config,
    config::{Proxy, ProxyKind},
    io::connect::proxy::{TunnelError, tunnel},
    testing::in_memory::MemoryStream,
};

const PROXIES: [&str; 4] = ["http://p", "http://user:canary@p:3128", "socks5://p", "socks5://user:canary@p"];
const HOSTS: [&str; 3] = ["ws.example.com", "127.0.0.1", "::1"];

/// The first bytes choose the proxy and the host, the others are the answer of the proxy.
pub fn proxy_answer(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let config = Config::host("key", "h").tls(false).proxy(bytes.pick(&PROXIES));
    let plan = config.plan().expect("a good URL");
    let proxy = plan.proxy_for(false, "h", 80).expect("it is set");
    let host = bytes.pick(&HOSTS);
    let answer = bytes.rest();
    let mut stream = MemoryStream { sent: answer, received: Vec::new() };
    let outcome = tunnel(proxy, &mut stream, host, 443);
    check_sent(proxy, &stream.received);
    let read = answer.len() - stream.sent.len();
    match outcome {
        Ok(()) => {
            let mut alone = MemoryStream { sent: &answer[..read], received: Vec::new() };
            assert!(tunnel(proxy, &mut alone, host, 443).is_ok(), "the bytes that were read decide");
            assert!(
                proxy.kind == ProxyKind::Socks5
                    || [b"\n\n".as_slice(), b"\n\r\n"].iter().any(|end| answer[..read].ends_with(end)),
                "the rest belongs to the tunnel"
            );
        }
        Err(TunnelError::Refused { reason, .. }) => {
            assert!(reason.is_ascii() && reason.len() < 120 && !reason.contains("canary"), "X1: {reason}");
        }
        Err(TunnelError::Io(error)) => panic!("the stream has no errors: {error}"),
    }
}

fn check_sent(proxy: &Proxy, sent: &[u8]) {
    match proxy.kind {
        ProxyKind::Http => {
            let head = Head::parse(sent).expect("a request");
            assert!(head.start.starts_with("CONNECT ") && head.start.ends_with(":443 HTTP/1.1"), "{head:?}");
            assert_eq!(head.only("proxy-authorization").is_some(), proxy.user.is_some());
        }
        ProxyKind::Socks5 => assert_eq!(sent.first(), Some(&5)),
    }
}
