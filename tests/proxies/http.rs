//! Proxies with HTTP `CONNECT`.

use pusher_channels::ProxyProblem::{Credentials, Ended, Forbidden, NotAProxy, Other, Unreachable};

use super::{
    proxy::{
        Script::{Answer, Drip, Endless, Serve},
        Service,
        Then::{End, Reset, Stay},
    },
    rows::{
        CLOSED, ENDED, OPEN,
        Outcome::{self, Answered403, Refused, TimesOut, Tunnel},
        RIGHT, Row, WRONG, row, try_all, with_user,
    },
};

const NOT_HTTP: Outcome = Refused(None, NotAProxy, "not HTTP");

const fn answer(name: &'static str, answer: &'static [&'static [u8]], outcome: Outcome) -> Row {
    row(name, Answer(answer, Stay), outcome)
}

const fn head(name: &'static str, head: &'static str) -> Row {
    row(name, Serve(Service { head, ..OPEN }), Tunnel)
}

const ROWS: [Row; 29] = [
    row("no authentication", Serve(OPEN), Tunnel),
    with_user("a password that the proxy does not need", RIGHT, Serve(OPEN), Tunnel),
    with_user("the right password", RIGHT, Serve(CLOSED), Tunnel),
    with_user("a wrong password", WRONG, Serve(CLOSED), Refused(Some(407), Credentials, "refuses the user name")),
    row(
        "no password for a proxy that needs one",
        Serve(CLOSED),
        Refused(Some(407), Credentials, "wants a user name and a password"),
    ),
    head("HTTP 1.0", "HTTP/1.0 200 OK\r\n\r\n"),
    head("any 2xx", "HTTP/1.1 204 No Content\r\n\r\n"),
    head("a status without a reason", "HTTP/1.1 200\r\n\r\n"),
    head("lines without a carriage return", "HTTP/1.1 200 OK\nVia: x\n\n"),
    head("a blank before a colon", "HTTP/1.1 200 OK\r\nX-Powered-By : PHP\r\n\r\n"),
    // RFC 9110, section 9.3.6: a client must ignore both headers.
    head("a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
    head("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    // RFC 9110, section 15.2: any number of interim answers may come first.
    head("an interim answer first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
    row("data of the tunnel right after the head", Serve(Service { early: FORBIDDEN, ..OPEN }), Answered403),
    answer("403", &[FORBIDDEN], Refused(Some(403), Forbidden, "does not allow this host")),
    answer(
        "302",
        &[b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n"],
        Refused(Some(302), Other, "HTTP 302"),
    ),
    answer(
        "502",
        &[b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>"],
        Refused(Some(502), Unreachable, "cannot reach the host"),
    ),
    answer("504", &[b"HTTP/1.1 504 Gateway Timeout\r\n\r\n"], Refused(Some(504), Unreachable, "cannot reach the host")),
    answer("a switch of protocols", &[b"HTTP/1.1 101 Switching\r\n\r\n"], Refused(Some(101), Other, "HTTP 101")),
    answer("another protocol", &[b"SSH-2.0-OpenSSH_9.2\r\n"], NOT_HTTP),
    answer("an alert of TLS", &[&[0x15, 3, 3, 0, 2, 2, 70, b'\n']], NOT_HTTP),
    answer("no answer", &[], TimesOut),
    answer("half a head", &[b"HTTP/1.1 200 OK\r\nVia: "], TimesOut),
    row("a head byte by byte", Drip(OPEN.head.as_bytes()), TimesOut),
    row("the end of the connection", Answer(&[], End), ENDED),
    row("the end in the middle of a head", Answer(&[b"HTTP/1.1 200 OK\r\nVia: "], End), ENDED),
    row("a reset", Answer(&[b"HTTP/1.1 200 OK\r\n"], Reset), Refused(None, Ended, "connection failed")),
    row("an endless line", Endless(b"HTTP/1.1 200 OK\r\nVia: ", &[b'x'; 1024]), Refused(None, NotAProxy, "16 KiB")),
    row("endless lines", Endless(b"HTTP/1.1 200 OK\r\n", b"Via: x\r\n"), Refused(None, NotAProxy, "16 KiB")),
];

const FORBIDDEN: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";

#[test]
fn c7_an_http_proxy_opens_a_tunnel_or_is_an_error() {
    try_all("http", &ROWS);
}

/// The TLS terminator of the test turns a reset into a normal end, so that the row with the reset is left out.
#[cfg(all(feature = "native-tls", target_os = "linux"))]
#[test]
fn c7_a_proxy_over_tls_opens_a_tunnel_or_is_an_error() {
    let rows: Vec<_> = ROWS.into_iter().filter(|row| row.name != "a reset").collect();
    try_all("https", &rows);
}
