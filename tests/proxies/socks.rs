//! Proxies with SOCKS 5.

use pusher_channels::ProxyProblem::{self, Credentials, Ended, Forbidden, NotAProxy, Other, Unreachable, Unsupported};

use super::{
    proxy::{
        Script::{self, Answer, Drip, Serve},
        Service,
        Then::{self, End, Reset, Stay},
    },
    rows::{
        CLOSED, ENDED, OPEN,
        Outcome::{self, Answered403, Refused, TimesOut, Tunnel},
        RIGHT, Row, WRONG, row, try_all, with_user,
    },
};

const NOT_SOCKS: Outcome = Refused(None, NotAProxy, "not SOCKS 5");

/// A proxy that needs no authentication, and answers the request with this reply.
const fn reply(
    name: &'static str,
    answers: &'static [&'static [u8]; 2],
    problem: ProxyProblem,
    part: &'static str,
) -> Row {
    row(name, Answer(answers, Stay), Refused(None, problem, part))
}

const fn bound(name: &'static str, bound: &'static [u8]) -> Row {
    row(name, Serve(Service { bound, ..OPEN }), Tunnel)
}

const NONE: &[u8] = &[5, 0];

const ROWS: [Row; 37] = [
    row("no authentication", Serve(OPEN), Tunnel),
    with_user("a password that the proxy does not need", RIGHT, Serve(OPEN), Tunnel),
    with_user("the right password", RIGHT, Serve(CLOSED), Tunnel),
    with_user("a wrong password", WRONG, Serve(CLOSED), Refused(None, Credentials, "refuses the user name")),
    row(
        "no password for a proxy that needs one",
        Serve(CLOSED),
        Refused(None, Credentials, "wants a user name and a password"),
    ),
    with_user(
        "a proxy that takes no password",
        RIGHT,
        sends(&[&[5, 0xff]]),
        Refused(None, Credentials, "takes no user name"),
    ),
    with_user(
        "a method that was not offered",
        RIGHT,
        sends(&[&[5, 1]]),
        Refused(None, Credentials, "takes no user name"),
    ),
    row(
        "a password that was not offered",
        sends(&[&[5, 2]]),
        Refused(None, Credentials, "wants a user name and a password"),
    ),
    bound("bound to an address of IPv4", &[1, 127, 0, 0, 1, 4, 0]),
    bound("bound to an address of IPv6", &[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0]),
    bound("bound to a name", &[3, 4, b'h', b'o', b's', b't', 4, 0]),
    bound("bound to an empty name", &[3, 0, 0, 0]),
    bound("bound to a long name", &LONG_NAME),
    reply("bound to an unknown kind of address", &[NONE, &[5, 0, 0, 2, 0, 0, 0, 0, 0, 0]], NotAProxy, "no known kind"),
    row("data of the tunnel right after the reply", Serve(Service { early: FORBIDDEN, ..OPEN }), Answered403),
    reply("reply 1", &[NONE, &[5, 1, 0, 1, 0, 0, 0, 0, 0, 0]], Other, "general failure"),
    reply("reply 2", &[NONE, &[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]], Forbidden, "not allowed"),
    reply("reply 3", &[NONE, &[5, 3, 0, 1, 0, 0, 0, 0, 0, 0]], Unreachable, "network cannot be reached"),
    reply("reply 4", &[NONE, &[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]], Unreachable, "host cannot be reached"),
    reply("reply 5", &[NONE, &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]], Unreachable, "connection was refused"),
    reply("reply 6", &[NONE, &[5, 6, 0, 1, 0, 0, 0, 0, 0, 0]], Unreachable, "time to live"),
    reply("reply 7", &[NONE, &[5, 7, 0, 1, 0, 0, 0, 0, 0, 0]], Unsupported, "does not know the command"),
    reply("reply 8", &[NONE, &[5, 8, 0, 1, 0, 0, 0, 0, 0, 0]], Unsupported, "kind of address"),
    reply("an unknown reply", &[NONE, &[5, 200, 0, 1, 0, 0, 0, 0, 0, 0]], Other, "code 200"),
    reply("a reply of another version", &[NONE, &[4, 0, 0, 1, 0, 0, 0, 0, 0, 0]], NotAProxy, "not SOCKS 5"),
    row("SOCKS 4", sends(&[&[0, 90, 0, 0, 0, 0, 0, 0]]), NOT_SOCKS),
    row("HTTP", sends(&[b"HTTP/1.1 400 Bad Request\r\n\r\n"]), NOT_SOCKS),
    row("no answer", sends(&[]), TimesOut),
    row("half a greeting", sends(&[&[5]]), TimesOut),
    row("no answer to the request", sends(&[NONE]), TimesOut),
    row("half a reply", sends(&[NONE, &[5, 0, 0, 3, 200, b'h']]), TimesOut),
    with_user("no answer to the password", RIGHT, sends(&[&[5, 2]]), TimesOut),
    row("a reply byte by byte", Drip(&[5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0]), TimesOut),
    row("the end of the connection", then(&[], End), ENDED),
    row("the end after the greeting", then(&[NONE], End), ENDED),
    row("the end in the reply", then(&[NONE, &[5, 0, 0]], End), ENDED),
    row("a reset", then(&[NONE], Reset), Refused(None, Ended, "connection failed")),
];

const fn sends(answers: &'static [&'static [u8]]) -> Script {
    then(answers, Stay)
}

const fn then(answers: &'static [&'static [u8]], then: Then) -> Script {
    Answer(answers, then)
}

const LONG_NAME: [u8; 259] = {
    let mut bound = [b'h'; 259];
    (bound[0], bound[1]) = (3, 255);
    bound
};

const FORBIDDEN: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";

#[test]
fn c7_a_socks_proxy_opens_a_tunnel_or_is_an_error() {
    try_all("socks5", &ROWS);
}
