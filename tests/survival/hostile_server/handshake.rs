//! Wrong answers to the upgrade request (C3, C6).

use std::time::Duration;

use super::{Phase, Scenario, Shows, Step, raw_frames};

pub(super) fn scenarios() -> Vec<Scenario> {
    [answers(), mistakes(), statuses(), floods(), slow()].into_iter().flatten().collect()
}

fn row(name: impl Into<String>, script: Vec<Step>, kind: &'static str) -> Scenario {
    Scenario::new(format!("upgrade: {}", name.into()), Phase::Upgrade, script, Shows::Ends(kind))
}

/// The answer, and the end of the stream.
fn whole(answer: &str) -> Vec<Step> {
    vec![Step::Bytes(answer.as_bytes().to_vec()), Step::Close]
}

/// A 101 with a correct accept key between the two parts.
fn accepted(before: &str, after: &str) -> Vec<Step> {
    vec![Step::Bytes(before.as_bytes().to_vec()), Step::Accept, Step::Bytes(after.as_bytes().to_vec())]
}

const UPGRADE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
const ACCEPT: &str = "Sec-WebSocket-Accept: ";

fn answers() -> Vec<Scenario> {
    let upgrade = |headers: &str| format!("HTTP/1.1 101 Switching Protocols\r\n{headers}{ACCEPT}");
    vec![
        row("an end without an answer", vec![Step::Close], "Upgrade {"),
        row("an empty line", whole("\r\n\r\n"), "Upgrade {"),
        row("junk", whole("\u{1}\u{2}\u{3} junk \r\n\r\n"), "Upgrade {"),
        row("junk without an end of line", whole(&"junk".repeat(1000)), "Upgrade {"),
        row("a TLS alert", vec![Step::Bytes(b"\x15\x03\x03\x00\x02\x02\x28".to_vec()), Step::Close], "Upgrade {"),
        row("an SSH banner", whole("SSH-2.0-OpenSSH_9.2\r\n"), "Upgrade {"),
        row(
            "WebSocket frames at once",
            vec![Step::Bytes(raw_frames::text(raw_frames::ESTABLISHED)), Step::Close],
            "Upgrade {",
        ),
        row("half of the status line", whole("HTTP/1.1 10"), "Upgrade {"),
        row("half of the head", whole(UPGRADE), "Upgrade {"),
        row("a status that is not a number", whole("HTTP/1.1 abc Junk\r\n\r\n"), "Upgrade {"),
        row("HTTP/1.0 with 101", accepted(&upgrade("").replace("1.1", "1.0"), "\r\n\r\n"), "Upgrade {"),
        row("HTTP/1.0 with 200", whole("HTTP/1.0 200 OK\r\n\r\n<html>"), "UpgradeStatus { status: 200"),
        row("HTTP/0.9", whole("<html>hello</html>\r\n\r\n"), "Upgrade {"),
        row("HTTP/2", whole("HTTP/2 101 Switching Protocols\r\n\r\n"), "Upgrade {"),
        row(
            "a wrong accept key",
            whole(&format!("{UPGRADE}{ACCEPT}AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n")),
            "Upgrade {",
        ),
        row("an empty accept key", whole(&format!("{UPGRADE}{ACCEPT}\r\n\r\n")), "Upgrade {"),
        row("no accept key", whole(&format!("{UPGRADE}\r\n")), "Upgrade {"),
        row("the accept key and more", accepted(&format!("{UPGRADE}{ACCEPT}"), "A\r\n\r\n"), "Upgrade {"),
        row("no Upgrade", accepted(&upgrade("Connection: Upgrade\r\n"), "\r\n\r\n"), "Upgrade {"),
        row("no Connection", accepted(&upgrade("Upgrade: websocket\r\n"), "\r\n\r\n"), "Upgrade {"),
        row("another Upgrade", accepted(&upgrade("Upgrade: h2c\r\nConnection: Upgrade\r\n"), "\r\n\r\n"), "Upgrade {"),
        row(
            "another Connection",
            accepted(&upgrade("Upgrade: websocket\r\nConnection: close\r\n"), "\r\n\r\n"),
            "Upgrade {",
        ),
        row(
            "an extension that was not requested",
            vec![Step::Upgrade("Sec-WebSocket-Extensions: permessage-deflate\r\n")],
            "Upgrade {",
        ),
        row(
            "a subprotocol that was not requested",
            vec![Step::Upgrade("Sec-WebSocket-Protocol: mqtt\r\n")],
            "Upgrade {",
        ),
        row("a header without a colon", vec![Step::Upgrade("junk\r\n")], "Upgrade {"),
        row("a NUL in a header", vec![Step::Upgrade("X: \0\r\n")], "Upgrade {"),
        row("a header name with a space", vec![Step::Upgrade("X Y: z\r\n")], "Upgrade {"),
        row("101 and an end", vec![Step::Upgrade(""), Step::Close], "ConnectionLost"),
        row("101 and junk", vec![Step::Upgrade(""), Step::Bytes(vec![0xFF; 100])], "ConnectionLost"),
        row("101 and an HTML page", vec![Step::Upgrade(""), Step::Bytes(b"<html><body>".to_vec())], "ConnectionLost"),
        row("101 twice", vec![Step::Upgrade(""), Step::Upgrade("")], "ConnectionLost"),
    ]
}

/// Heads that real servers and proxies send, and a strict parser refuses. The client accepts each: the close code of
/// the
/// connection shows it.
fn mistakes() -> Vec<Scenario> {
    let accepted = |name: &str, headers: String| {
        let script = vec![
            Step::Bytes(format!("{UPGRADE}{headers}{ACCEPT}").into_bytes()),
            Step::Accept,
            Step::Bytes(b"\r\n\r\n".to_vec()),
            Step::Bytes(raw_frames::text(raw_frames::ESTABLISHED)),
            Step::Bytes(raw_frames::close(4200, b"")),
        ];
        row(name, script, "ConnectionClosed { code: 4200")
    };
    let blanks =
        ["X-Powered-By : PHP", "X-Powered-By\t: PHP", "X-Powered-By  :PHP", "a : b\r\nc : d", "Server : x\r\nVia: y"];
    let mut rows = Vec::new();
    for headers in blanks {
        rows.push(accepted(&format!("a blank before a colon: {headers:?}"), format!("{headers}\r\n")));
    }
    // Three more headers belong to the WebSocket itself.
    for count in [64, 80, 100, 119, 120] {
        rows.push(accepted(&format!("{count} headers"), "X: y\r\n".repeat(count - 3)));
    }
    for count in [121, 122, 256, 257, 2000] {
        rows.push(row(format!("{count} headers"), vec![Step::Upgrade(more_headers(count))], "Upgrade {"));
    }
    for head in ["no colon", "X: \0", "X Y: z", ": z", "X: y\r\n folded"] {
        let refusal = format!("HTTP/1.1 403 Forbidden\r\n{head}\r\nContent-Length: 0\r\n\r\n");
        rows.push(row(format!("a refusal with the header {head:?}"), whole(&refusal), "UpgradeStatus { status: 403"));
    }
    rows.push(row("a refusal that is cut off", whole("HTTP/1.1 503 Busy\r\nX: "), "UpgradeStatus { status: 503"));
    rows
}

/// More headers, up to this number together with those of the WebSocket. They are leaked, because a step borrows them.
fn more_headers(count: usize) -> &'static str {
    "X: y\r\n".repeat(count - 3).leak()
}

fn statuses() -> Vec<Scenario> {
    let with = |status: u16, more: &str, kind| {
        let body = "<html>Log in to this network</html>";
        let head = format!("HTTP/1.1 {status} X\r\n{more}Content-Length: {}\r\n\r\n{body}", body.len());
        row(format!("status {status} {}", more.trim_end()), whole(&head), kind)
    };
    let redirect = "Location: ws://127.0.0.1:9/app/key\r\n";
    vec![
        with(200, "", "UpgradeStatus { status: 200, body: \"<html>Log in"),
        with(201, "", "UpgradeStatus { status: 201"),
        with(204, "", "UpgradeStatus { status: 204"),
        with(206, "", "UpgradeStatus { status: 206"),
        with(301, redirect, "UpgradeStatus { status: 301"),
        with(302, redirect, "UpgradeStatus { status: 302"),
        with(303, redirect, "UpgradeStatus { status: 303"),
        with(304, "", "UpgradeStatus { status: 304"),
        with(307, redirect, "UpgradeStatus { status: 307"),
        with(308, redirect, "UpgradeStatus { status: 308"),
        with(302, "Location: junk\r\n", "UpgradeStatus { status: 302"),
        with(400, "", "UpgradeStatus { status: 400"),
        with(401, "WWW-Authenticate: Basic\r\n", "UpgradeStatus { status: 401"),
        with(403, "", "UpgradeStatus { status: 403"),
        with(404, "", "UpgradeStatus { status: 404"),
        with(407, "Proxy-Authenticate: Basic\r\n", "UpgradeStatus { status: 407"),
        with(408, "", "UpgradeStatus { status: 408"),
        with(426, "Upgrade: h2c\r\n", "UpgradeStatus { status: 426"),
        with(429, "Retry-After: 1\r\n", "UpgradeStatus { status: 429"),
        with(431, "", "UpgradeStatus { status: 431"),
        with(451, "", "UpgradeStatus { status: 451"),
        with(500, "", "UpgradeStatus { status: 500"),
        with(502, "", "UpgradeStatus { status: 502"),
        with(503, "Retry-After: 99999999999999999999\r\n", "UpgradeStatus { status: 503"),
        with(504, "", "UpgradeStatus { status: 504"),
        with(599, "", "UpgradeStatus { status: 599"),
        with(999, "", "Upgrade"),
        row("status 000", whole("HTTP/1.1 000 X\r\n\r\n"), "Upgrade"),
        row("status 99999", whole("HTTP/1.1 99999 X\r\n\r\n"), "Upgrade {"),
        row(
            "status 404 without a body's length",
            whole("HTTP/1.1 404 Not Found\r\n\r\nnot here"),
            "UpgradeStatus { status: 404",
        ),
        row(
            "a body shorter than its announced length",
            whole("HTTP/1.1 404 X\r\nContent-Length: 99\r\n\r\nshort"),
            "UpgradeStatus { status: 404",
        ),
        row(
            "a length that is not a number",
            whole("HTTP/1.1 404 X\r\nContent-Length: -1\r\n\r\nx"),
            "UpgradeStatus { status: 404",
        ),
        row(
            "a body that is not UTF-8",
            vec![Step::Bytes(b"HTTP/1.1 404 X\r\nContent-Length: 4\r\n\r\n\xFF\xFE\xFD\xFC".to_vec()), Step::Close],
            "UpgradeStatus { status: 404",
        ),
    ]
}

fn floods() -> Vec<Scenario> {
    let start = || Step::Bytes(b"HTTP/1.1 101 Switching Protocols\r\n".to_vec());
    let body = || Step::Bytes(b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec());
    vec![
        row("a million headers", vec![start(), Step::Repeat(b"X: y\r\n".to_vec(), 1_000_000)], "Upgrade {"),
        row(
            "an endless header",
            vec![start(), Step::Bytes(b"X: ".to_vec()), Step::Repeat(vec![b'x'; 4096], 16_384)],
            "Upgrade {",
        ),
        row("an endless header name", vec![start(), Step::Repeat(vec![b'x'; 4096], 16_384)], "Upgrade {"),
        row(
            "an endless status line",
            vec![Step::Bytes(b"HTTP/1.1 101 ".to_vec()), Step::Repeat(vec![b'x'; 4096], 16_384)],
            "Upgrade {",
        ),
        row("endless empty lines", vec![Step::Repeat(b"\r\n".to_vec(), 4_000_000)], "Upgrade {"),
        row("endless junk", vec![Step::Repeat(vec![0; 4096], 16_384)], "Upgrade {"),
        row(
            "an endless folded header",
            vec![start(), Step::Bytes(b"X: y\r\n".to_vec()), Step::Repeat(b" z\r\n".to_vec(), 1_000_000)],
            "Upgrade {",
        ),
        row(
            "an endless body",
            vec![Step::Bytes(b"HTTP/1.1 503 Busy\r\n\r\n".to_vec()), Step::Repeat(vec![b'x'; 4096], 16_384)],
            "UpgradeStatus { status: 503",
        ),
        row(
            "endless chunks",
            vec![body(), Step::Repeat(b"1\r\nx\r\n".to_vec(), 1_000_000)],
            "UpgradeStatus { status: 503",
        ),
        row(
            "a chunk of 2^62 bytes",
            vec![body(), Step::Bytes(b"4000000000000000\r\nx".to_vec()), Step::Close],
            "UpgradeStatus { status: 503",
        ),
        row(
            "endless interim answers",
            vec![Step::Repeat(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), 1_000_000)],
            "Upgrade",
        ),
    ]
}

fn slow() -> Vec<Scenario> {
    let drip = |bytes: &[u8]| vec![Step::Drip(bytes.to_vec(), Duration::from_millis(20))];
    let upgrade = "ConnectTimeout { phase: Upgrade";
    let established = "ConnectTimeout { phase: Established";
    vec![
        row("no answer", vec![], upgrade).with_short_deadline(),
        row("a head byte by byte", drip(UPGRADE.as_bytes()), upgrade).with_short_deadline(),
        row("headers byte by byte", drip(format!("{UPGRADE}{}", "X: y\r\n".repeat(20)).as_bytes()), upgrade)
            .with_short_deadline(),
        row("empty lines byte by byte", drip(&b"\r\n".repeat(100)), "").with_short_deadline(),
        row("no message after 101", vec![Step::Upgrade("")], established).with_short_deadline(),
        row(
            "a first message byte by byte",
            {
                let message = Step::Drip(raw_frames::text(raw_frames::ESTABLISHED), Duration::from_millis(20));
                vec![Step::Upgrade(""), message]
            },
            established,
        )
        .with_short_deadline(),
        row(
            "pings instead of a first message",
            {
                let ping = Step::Drip(
                    raw_frames::frame(raw_frames::FIN | raw_frames::PING, b"").repeat(50),
                    Duration::from_millis(10),
                );
                vec![Step::Upgrade(""), ping]
            },
            established,
        )
        .with_short_deadline(),
        row(
            "a refusal byte by byte",
            {
                let head = Step::Bytes(b"HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\n".to_vec());
                vec![head, Step::Drip(vec![b'x'; 1000], Duration::from_millis(20))]
            },
            "",
        )
        .with_short_deadline(),
    ]
}
