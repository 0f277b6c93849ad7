//! Proxies that are asked by SOCKS 5.

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

/// The greeting is answered with no authentication, the request with this.
const fn reply(
    name: &'static str,
    answers: &'static [&'static [u8]; 2],
    problem: ProxyProblem,
    words: &'static str,
) -> Row {
    row(name, Answer(answers, Stay), Refused(None, problem, words))
}

const fn bound(name: &'static str, bound: &'static [u8]) -> Row {
    row(name, Serve(Service { bound, ..OPEN }), Tunnel)
}

const NONE: &[u8] = &[5, 0];

const ROWS: [Row; 37] = [
    row("nobody is asked who he is", Serve(OPEN), Tunnel),
    with_user("nobody is asked, and one could say it", RIGHT, Serve(OPEN), Tunnel),
    with_user("the right password", RIGHT, Serve(CLOSED), Tunnel),
    with_user("a wrong password", WRONG, Serve(CLOSED), Refused(None, Credentials, "refuses the user name")),
    row(
        "no password where one is wanted",
        Serve(CLOSED),
        Refused(None, Credentials, "wants a user name and a password"),
    ),
    with_user(
        "a password that is not wanted",
        RIGHT,
        says(&[&[5, 0xff]]),
        Refused(None, Credentials, "takes no user name"),
    ),
    with_user("a way that was not offered", RIGHT, says(&[&[5, 1]]), Refused(None, Credentials, "takes no user name")),
    row(
        "a password that was not offered",
        says(&[&[5, 2]]),
        Refused(None, Credentials, "wants a user name and a password"),
    ),
    bound("bound to an address of IPv4", &[1, 127, 0, 0, 1, 4, 0]),
    bound("bound to an address of IPv6", &[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0]),
    bound("bound to a name", &[3, 4, b'h', b'o', b's', b't', 4, 0]),
    bound("bound to a name of no length", &[3, 0, 0, 0]),
    bound("bound to a long name", &LONG_NAME),
    reply("bound to nothing known", &[NONE, &[5, 0, 0, 2, 0, 0, 0, 0, 0, 0]], NotAProxy, "no known kind"),
    row("the tunnel speaks at once", Serve(Service { early: FORBIDDEN, ..OPEN }), Answered403),
    reply("reply 1", &[NONE, &[5, 1, 0, 1, 0, 0, 0, 0, 0, 0]], Other, "general failure"),
    reply("reply 2", &[NONE, &[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]], Forbidden, "not allowed"),
    reply("reply 3", &[NONE, &[5, 3, 0, 1, 0, 0, 0, 0, 0, 0]], Unreachable, "network cannot be reached"),
    reply("reply 4", &[NONE, &[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]], Unreachable, "host cannot be reached"),
    reply("reply 5", &[NONE, &[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]], Unreachable, "connection was refused"),
    reply("reply 6", &[NONE, &[5, 6, 0, 1, 0, 0, 0, 0, 0, 0]], Unreachable, "time to live"),
    reply("reply 7", &[NONE, &[5, 7, 0, 1, 0, 0, 0, 0, 0, 0]], Unsupported, "does not know the command"),
    reply("reply 8", &[NONE, &[5, 8, 0, 1, 0, 0, 0, 0, 0, 0]], Unsupported, "kind of address"),
    reply("a reply without a meaning", &[NONE, &[5, 200, 0, 1, 0, 0, 0, 0, 0, 0]], Other, "code 200"),
    reply("a reply of another version", &[NONE, &[4, 0, 0, 1, 0, 0, 0, 0, 0, 0]], NotAProxy, "not SOCKS 5"),
    row("SOCKS 4", says(&[&[0, 90, 0, 0, 0, 0, 0, 0]]), NOT_SOCKS),
    row("HTTP", says(&[b"HTTP/1.1 400 Bad Request\r\n\r\n"]), NOT_SOCKS),
    row("nothing", says(&[]), TimesOut),
    row("half a greeting", says(&[&[5]]), TimesOut),
    row("nothing to the request", says(&[NONE]), TimesOut),
    row("half a reply", says(&[NONE, &[5, 0, 0, 3, 200, b'h']]), TimesOut),
    with_user("nothing to the password", RIGHT, says(&[&[5, 2]]), TimesOut),
    row("a reply in drips", Drip(&[5, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0, 0]), TimesOut),
    row("an end", then(&[], End), ENDED),
    row("an end after the greeting", then(&[NONE], End), ENDED),
    row("an end in the reply", then(&[NONE, &[5, 0, 0]], End), ENDED),
    row("a reset", then(&[NONE], Reset), Refused(None, Ended, "connection failed")),
];

const fn says(answers: &'static [&'static [u8]]) -> Script {
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
fn c7_socks_proxies_make_tunnels_or_errors() {
    try_all("socks5", &ROWS);
}
