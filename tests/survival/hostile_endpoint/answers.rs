//! Answers that are not HTTP, too large or too slow, and refusals (A1, A4).

use std::time::Duration;

use super::{GOOD, Scenario, Shows, Step, answer, ok};

use Shows::{Any, Final, Retried, RetriedAndResent, Subscribed};

const MALFORMED: Shows = Final("AuthMalformed");
const NETWORK: Shows = Retried("AuthNetwork");
const UNHEARD: Shows = RetriedAndResent("AuthNetwork");
const TIMEOUT: Shows = Retried("AuthTimeout");

pub(super) fn scenarios() -> Vec<Scenario> {
    [junk(), lengths(), mistakes(), floods(), slow(), cuts(), connections(), redirects(), statuses()]
        .into_iter()
        .flatten()
        .collect()
}

fn row(name: impl Into<String>, script: Vec<Step>, shows: Shows) -> Scenario {
    Scenario::new(format!("answer: {}", name.into()), script, shows)
}

fn bytes(text: &str) -> Step {
    Step::Bytes(text.as_bytes().to_vec())
}

fn junk() -> Vec<Scenario> {
    let sends = |name: &str, text: &str, shows| row(name, vec![bytes(text)], shows);
    vec![
        sends("junk", "junk\r\n\r\n", MALFORMED),
        sends("binary junk", "\0\u{1}\u{2}\r\n\r\n", MALFORMED),
        sends("an HTTP/0.9 answer", GOOD, Any("Auth")),
        sends("a TLS alert", "\u{15}\u{3}\u{3}\0\u{2}\u{2}(", Any("Auth")),
        sends(
            "a WebSocket handshake",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            Any("Auth"),
        ),
        sends("HTTP/2", &format!("HTTP/2 200 OK\r\nContent-Length: 14\r\n\r\n{GOOD}"), Any("Auth")),
        sends("HTTP/1.0", &format!("HTTP/1.0 200 OK\r\nContent-Length: 14\r\n\r\n{GOOD}"), Subscribed),
        sends("HTTP/1.0 until the end", &format!("HTTP/1.0 200 OK\r\n\r\n{GOOD}"), Subscribed),
        sends("a status that is not a number", "HTTP/1.1 abc\r\n\r\n", MALFORMED),
        sends("a status of one digit", "HTTP/1.1 2 OK\r\n\r\n", MALFORMED),
        sends(
            "a header without a colon",
            &format!("HTTP/1.1 200 OK\r\njunk\r\nContent-Length: 14\r\n\r\n{GOOD}"),
            MALFORMED,
        ),
        sends("a NUL in a header", &format!("HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 14\r\n\r\n{GOOD}"), MALFORMED),
        sends(
            "a plain body with gzip as its encoding",
            &format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 14\r\n\r\n{GOOD}"),
            Subscribed,
        ),
        row(
            "a gzip bomb",
            vec![
                bytes("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1029\r\n\r\n"),
                Step::Bytes([b"\x1F\x8B\x08\0\0\0\0\0\0\x03\xED\xC1\x01\r".as_slice(), &[0; 1015]].concat()),
            ],
            MALFORMED,
        ),
        row("an unknown encoding", answer("200 OK", "Content-Encoding: junk\r\n", "junk"), MALFORMED),
    ]
}

fn lengths() -> Vec<Scenario> {
    let sends = |name: &str, headers: &str, body: &str, shows| {
        row(name, vec![bytes(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}"))], shows)
    };
    vec![
        sends("a length too long", "Content-Length: 99\r\n", GOOD, NETWORK),
        sends("a length too short", "Content-Length: 5\r\n", GOOD, MALFORMED),
        sends("a length of zero", "Content-Length: 0\r\n", GOOD, MALFORMED),
        sends("a negative length", "Content-Length: -1\r\n", GOOD, MALFORMED),
        sends("a huge length", "Content-Length: 18446744073709551615\r\n", GOOD, Any("Auth")),
        sends("a length beyond 64 bits", "Content-Length: 99999999999999999999999\r\n", GOOD, MALFORMED),
        sends("a length that is not a number", "Content-Length: x\r\n", GOOD, MALFORMED),
        sends("two lengths that differ", "Content-Length: 14\r\nContent-Length: 15\r\n", GOOD, MALFORMED),
        sends("two lengths that agree", "Content-Length: 14\r\nContent-Length: 14\r\n", GOOD, Any("")),
        sends(
            "a length and chunks",
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            "e\r\n{\"auth\":\"k:s\"}\r\n0\r\n\r\n",
            Any(""),
        ),
        sends("no length", "", GOOD, Subscribed),
        sends("a good answer and junk", "Content-Length: 14\r\n", &format!("{GOOD}junk"), Subscribed),
        sends(
            "two good answers",
            "Content-Length: 14\r\n",
            &format!("{GOOD}HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{GOOD}"),
            Subscribed,
        ),
        sends(
            "good chunks",
            "Transfer-Encoding: chunked\r\n",
            "7\r\n{\"auth\"\r\n7\r\n:\"k:s\"}\r\n0\r\n\r\n",
            Subscribed,
        ),
        sends("chunks of junk", "Transfer-Encoding: chunked\r\n", "junk\r\nx\r\n", MALFORMED),
        sends("a negative chunk", "Transfer-Encoding: chunked\r\n", "-1\r\nx\r\n", MALFORMED),
        sends("a chunk of 2^64 bytes", "Transfer-Encoding: chunked\r\n", "10000000000000000\r\nx", MALFORMED),
        sends(
            "a chunk without its end",
            "Transfer-Encoding: chunked\r\n",
            "e\r\n{\"auth\":\"k:s\"}junk\r\n0\r\n\r\n",
            MALFORMED,
        ),
        sends("chunks that end early", "Transfer-Encoding: chunked\r\n", "e\r\n{\"auth\"", NETWORK),
    ]
}

/// Mistakes of real servers and proxies. The status is judged before anything else in the answer.
fn mistakes() -> Vec<Scenario> {
    const CODINGS: [&str; 6] = ["gzip", "br", "deflate", "zstd", "UTF-8", "x-unknown"];
    const PACKED: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03";
    const LENGTHS: [&str; 7] = [
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3, 4\r\n",
        "Content-Length: x\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
    ];
    const LINES: [&str; 6] = [
        "X-Powered-By : PHP",
        "X-Powered-By\t: PHP",
        "X-Powered-By  :PHP",
        "Server :",
        "Date\t :x",
        "Content-Length : 14",
    ];
    let mut rows = Vec::new();
    for (status, shows) in [("503 Busy", Retried("AuthRefused")), ("403 No", Final("AuthRefused"))] {
        for coding in CODINGS {
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", PACKED.len());
            let script = vec![bytes(&head), Step::Bytes(PACKED.to_vec())];
            rows.push(row(format!("{coding} of a refusal with {status}"), script, shows));
        }
        for lengths in LENGTHS {
            let text = format!("HTTP/1.1 {status}\r\n{lengths}\r\n3\r\nwhy\r\n0\r\n\r\n");
            rows.push(row(format!("{lengths:?} of a refusal with {status}"), vec![bytes(&text)], shows));
        }
        for version in ["HTTP/1.0", "HTTP/1.1"] {
            let text = format!("{version} {status}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwhy\r\n0\r\n\r\n");
            rows.push(row(format!("chunks of {version} in a refusal with {status}"), vec![bytes(&text)], shows));
        }
        for line in LINES.iter().chain(&["no colon", "bad name: x", "X: a\0b", "X: a\r\n folded"]) {
            let text = format!("HTTP/1.1 {status}\r\n{line}\r\n\r\nwhy");
            rows.push(row(format!("{line:?} in a refusal with {status}"), vec![bytes(&text)], shows));
        }
        rows.push(row(format!("a cut head of {status}"), vec![bytes(&format!("HTTP/1.1 {status}\r\nX"))], shows));
        let endless = vec![bytes(&format!("HTTP/1.1 {status}\r\n")), Step::Endless(b"X: y\r\n".repeat(1000))];
        rows.push(row(format!("an endless head of {status}"), endless, shows));
    }
    for coding in CODINGS {
        let script = answer("200 OK", &format!("Content-Encoding: {coding}\r\n"), GOOD);
        rows.push(row(format!("{coding} that is plain"), script, Subscribed));
        let packed = vec![
            bytes(&format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n")),
            Step::Bytes(PACKED.to_vec()),
        ];
        rows.push(row(format!("{coding} of a success"), packed, MALFORMED));
    }
    for lengths in LENGTHS {
        let text = format!("HTTP/1.1 200 OK\r\n{lengths}\r\ne\r\n{GOOD}\r\n0\r\n\r\n");
        rows.push(row(format!("{lengths:?} of a success"), vec![bytes(&text)], MALFORMED));
    }
    for line in LINES {
        rows.push(row(
            format!("{line:?}"),
            vec![bytes(&format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n{GOOD}"))],
            Subscribed,
        ));
    }
    rows
}

fn floods() -> Vec<Scenario> {
    let endless = |name: &str, head: &str, unit: &[u8], shows| {
        row(name, vec![bytes(head), Step::Endless(unit.repeat((16_384 / unit.len()).max(1)))], shows)
    };
    vec![
        endless("an endless body", "HTTP/1.1 200 OK\r\n\r\n", b" ", MALFORMED),
        endless(
            "an endless body that is announced",
            "HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n",
            b" ",
            MALFORMED,
        ),
        endless("endless chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", MALFORMED),
        endless("an endless chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0", MALFORMED),
        endless(
            "an endless chunk extension",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
            b"x",
            MALFORMED,
        ),
        endless("endless headers", "HTTP/1.1 200 OK\r\n", b"X: y\r\n", MALFORMED),
        endless("an endless header", "HTTP/1.1 200 OK\r\nX: ", b"x", MALFORMED),
        endless("an endless status line", "HTTP/1.1 200 ", b"x", MALFORMED),
        endless("endless junk", "", b"\0", MALFORMED),
        endless("endless empty lines", "", b"\r\n", Any("Auth")),
        endless(
            "an endless refusal",
            "HTTP/1.1 403 No\r\n\r\n",
            b"x",
            Final("AuthRefused { channel: Some(\"private-target\"), status: Some(403)"),
        ),
        endless(
            "endless trailers",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            b"X: y\r\n",
            Any("Auth"),
        )
        .with_short_deadline(),
        endless("endless interim answers", "", b"HTTP/1.1 100 Continue\r\n\r\n", Any("Auth")).with_short_deadline(),
        endless("endless early hints", "", b"HTTP/1.1 103 Early Hints\r\n\r\n", Any("Auth")).with_short_deadline(),
        row("an interim answer first", vec![bytes("HTTP/1.1 100 Continue\r\n\r\n"), ok(GOOD).remove(0)], Any("")),
    ]
}

fn slow() -> Vec<Scenario> {
    let drip = |text: &str| Step::Drip(text.as_bytes().to_vec(), Duration::from_millis(20));
    vec![
        row("no answer", vec![Step::Hold], TIMEOUT).with_short_deadline(),
        row("a head byte by byte", vec![drip(&format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(10)))], TIMEOUT)
            .with_short_deadline(),
        row(
            "a body byte by byte",
            vec![bytes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"), drip(&" ".repeat(100))],
            TIMEOUT,
        )
        .with_short_deadline(),
        row(
            "chunks byte by byte",
            vec![bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), drip(&"1\r\n \r\n".repeat(20))],
            TIMEOUT,
        )
        .with_short_deadline(),
        row("a head without a body", vec![bytes("HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n"), Step::Hold], TIMEOUT)
            .with_short_deadline(),
        row("half of a head", vec![bytes("HTTP/1.1 200 OK\r\nCont"), Step::Hold], TIMEOUT).with_short_deadline(),
        row(
            "a refusal without its body",
            vec![bytes("HTTP/1.1 403 No\r\nContent-Length: 14\r\n\r\n"), Step::Hold],
            Any("Auth"),
        )
        .with_short_deadline(),
    ]
}

/// The connection ends after each byte of a good answer.
fn cuts() -> Vec<Scenario> {
    let good = format!("HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{GOOD}");
    let cut = |end| {
        let shows = if end == 0 { UNHEARD } else { NETWORK };
        row(format!("an end after {end} bytes"), vec![bytes(&good[..end])], shows)
    };
    (0..good.len()).map(cut).collect()
}

fn connections() -> Vec<Scenario> {
    let good = || ok(GOOD).remove(0);
    vec![
        row("a reset", vec![Step::Reset], UNHEARD),
        row("a reset inside the head", vec![bytes("HTTP/1.1 200"), Step::Reset], NETWORK),
        row("a good answer before the request is read", vec![Step::Unread, good(), Step::Hold], Subscribed),
        row("junk before the request is read", vec![Step::Unread, bytes("junk\r\n\r\n"), Step::Hold], MALFORMED),
        row("a kept connection", vec![good(), Step::Keep], Subscribed),
        row(
            "a kept connection that is closed",
            vec![bytes(&format!("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 14\r\n\r\n{GOOD}"))],
            Subscribed,
        ),
        row(
            "a closed connection that is kept",
            vec![
                bytes(&format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 14\r\n\r\n{GOOD}")),
                Step::Keep,
            ],
            Subscribed,
        ),
    ]
}

fn redirects() -> Vec<Scenario> {
    [301, 302, 303, 307, 308, 300, 305]
        .into_iter()
        .map(|status| row(format!("redirect {status}"), vec![Step::Redirect(status)], Final("AuthRefused")))
        .collect()
}

fn statuses() -> Vec<Scenario> {
    let row = |status: u16| {
        let shows = match status {
            // Such an answer has no body; a body may be ignored or read.
            204 | 205 => Any(""),
            200..=299 => Subscribed,
            408 | 429 | 500..=599 => Retried("AuthRefused"),
            _ => Final("AuthRefused"),
        };
        row(format!("status {status}"), answer(&format!("{status} X"), "", GOOD), shows)
    };
    let mut rows: Vec<_> = (200..=599).filter(|status| *status != 304).map(row).collect();
    rows.push(Scenario::new(
        "answer: status 204 without a body",
        vec![bytes("HTTP/1.1 204 No Content\r\n\r\n")],
        MALFORMED,
    ));
    rows.push(Scenario::new(
        "answer: status 304 without a body",
        vec![bytes("HTTP/1.1 304 Not Modified\r\n\r\n")],
        Final("AuthRefused"),
    ));
    rows.push(Scenario::new("answer: status 999", answer("999 X", "", GOOD), Final("Auth")));
    rows
}
