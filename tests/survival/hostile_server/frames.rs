//! Frames that RFC 6455 forbids, and floods of frames that it allows (D2, D3).

use super::{Phase, ROOM, Scenario, Shows, Step, raw_frames};
use raw_frames::{BINARY, CONTINUATION, FIN, PING, PONG, TEXT, frame, head};

pub(super) fn scenarios() -> Vec<Scenario> {
    [lengths(), bits(), fragments(), controls(), closes(), floods(), text()].into_iter().flatten().collect()
}

fn row(name: impl Into<String>, script: Vec<Step>, shows: Shows) -> Scenario {
    Scenario::new(format!("frame: {}", name.into()), Phase::Subscribed, script, shows)
}

/// A broken frame, at which the connection ends.
fn ends(name: impl Into<String>, bytes: Vec<u8>) -> Scenario {
    row(name, vec![Step::Bytes(bytes)], Shows::Ends("ConnectionLost"))
}

fn event() -> String {
    format!(r#"{{"event":"e","channel":"{ROOM}","data":"x"}}"#)
}

const TOO_LARGE: Shows = Shows::Ends("MessageTooLarge");

fn lengths() -> Vec<Scenario> {
    let announced = |len: u64| vec![Step::Bytes(head(FIN | TEXT, len)), Step::Repeat(vec![b'x'; 4096], 1024)];
    let larger = || Step::Repeat(vec![b' '; 1024], 1025);
    vec![
        row("one byte too large", announced((1 << 20) + 1), TOO_LARGE),
        row("a gigabyte", announced(1 << 30), TOO_LARGE),
        row("2^32 bytes", announced(1 << 32), TOO_LARGE),
        row("2^62 bytes", announced(1 << 62), TOO_LARGE),
        row("2^63 - 1 bytes", announced((1 << 63) - 1), TOO_LARGE),
        row("2^63 bytes", announced(1 << 63), Shows::Ends("")),
        row("2^64 - 1 bytes", announced(u64::MAX), Shows::Ends("")),
        row("a binary gigabyte", vec![Step::Bytes(head(FIN | BINARY, 1 << 30)), larger()], TOO_LARGE),
        row("an unfinished gigabyte", vec![Step::Bytes(head(TEXT, 1 << 30)), larger()], TOO_LARGE),
        row("a large message", vec![Step::Bytes(raw_frames::text(&" ".repeat(1 << 20)))], Shows::Reports("BadMessage")),
        row("an empty message", vec![Step::Bytes(raw_frames::text(""))], Shows::Reports("BadMessage")),
        row(
            "a long length for a short message",
            vec![Step::Bytes({
                let mut long = vec![FIN | TEXT, 126, 0, event().len() as u8];
                long.extend_from_slice(event().as_bytes());
                long
            })],
            Shows::Tolerates,
        ),
    ]
}

fn bits() -> Vec<Scenario> {
    let mut rows = vec![
        ends("a masked message", {
            let mut masked = vec![FIN | TEXT, 0x80 | 2, 0, 0, 0, 0];
            masked.extend_from_slice(b"{}");
            masked
        }),
        ends("a masked ping", vec![FIN | PING, 0x80, 1, 2, 3, 4]),
        row("a binary message", vec![Step::Bytes(frame(FIN | BINARY, b"\0\xFF"))], Shows::Reports("BadMessage")),
        row("an empty binary message", vec![Step::Bytes(frame(FIN | BINARY, b""))], Shows::Reports("BadMessage")),
        row("a binary event", vec![Step::Bytes(frame(FIN | BINARY, event().as_bytes()))], Shows::Reports("BadMessage")),
    ];
    rows.extend(
        [0x40, 0x20, 0x10, 0x70]
            .map(|bit| ends(format!("reserved bits {bit:#x} on text"), frame(FIN | bit | TEXT, b"{}"))),
    );
    rows.extend(
        [0x40, 0x20, 0x10].map(|bit| ends(format!("reserved bit {bit:#x} on a ping"), frame(FIN | bit | PING, b""))),
    );
    rows.extend([0x40, 0x20, 0x10].map(|bit| {
        let bytes = [frame(TEXT, b"{"), frame(FIN | bit | CONTINUATION, b"}")].concat();
        ends(format!("reserved bit {bit:#x} on a continuation"), bytes)
    }));
    rows.extend(
        [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF]
            .map(|opcode| ends(format!("opcode {opcode:#x}"), frame(FIN | opcode, b""))),
    );
    rows.extend([3, 0xB].map(|opcode| ends(format!("unfinished opcode {opcode:#x}"), frame(opcode, b"x"))));
    rows
}

fn fragments() -> Vec<Scenario> {
    let event = event();
    let (start, end) = event.as_bytes().split_at(event.len() / 2);
    let split = |between: Vec<u8>| [frame(TEXT, start), between, frame(FIN | CONTINUATION, end)].concat();
    let bytewise = || {
        let (first, rest) = event.as_bytes().split_at(1);
        let mut bytes = frame(TEXT, first);
        rest.iter().for_each(|byte| bytes.extend(frame(CONTINUATION, &[*byte])));
        bytes.extend(frame(FIN | CONTINUATION, b""));
        bytes
    };
    let good = |name, bytes| row(name, vec![Step::Bytes(bytes)], Shows::Tolerates);
    vec![
        good("an event in two fragments", split(vec![])),
        good("an event byte by byte", bytewise()),
        good("a ping between fragments", split(frame(FIN | PING, b"p"))),
        good("a pong between fragments", split(frame(FIN | PONG, b"p"))),
        good("an empty fragment between fragments", split(frame(CONTINUATION, b""))),
        ends("a continuation without a start", frame(CONTINUATION, b"x")),
        ends("a last fragment without a start", frame(FIN | CONTINUATION, b"x")),
        ends("a second last fragment", [split(vec![]), frame(FIN | CONTINUATION, b"")].concat()),
        ends("a message inside a message", split(raw_frames::text("{}"))),
        ends("a binary message inside a message", split(frame(FIN | BINARY, b""))),
        ends("a second start", split(frame(TEXT, b"x"))),
        row(
            "a close between fragments",
            vec![Step::Bytes(split(raw_frames::close(1000, b"")))],
            Shows::Ends("ConnectionClosed { code: 1000"),
        ),
        row(
            "a binary message in fragments",
            vec![Step::Bytes([frame(BINARY, b"x"), frame(FIN | CONTINUATION, b"y")].concat())],
            Shows::Reports("BadMessage"),
        ),
        row(
            "an end inside a message",
            vec![Step::Bytes(frame(TEXT, start)), Step::Close],
            Shows::Ends("ConnectionLost"),
        ),
        row(
            "an end inside a frame",
            vec![Step::Bytes(head(FIN | TEXT, 100)), Step::Bytes(b"{".to_vec()), Step::Close],
            Shows::Ends("ConnectionLost"),
        ),
        row("an end inside a head", vec![Step::Bytes(vec![FIN | TEXT]), Step::Close], Shows::Ends("ConnectionLost")),
        row(
            "an end inside a length",
            vec![Step::Bytes(vec![FIN | TEXT, 127, 0, 0]), Step::Close],
            Shows::Ends("ConnectionLost"),
        ),
    ]
}

fn controls() -> Vec<Scenario> {
    let mut rows = Vec::new();
    for (name, opcode) in [("ping", PING), ("pong", PONG), ("close", raw_frames::CLOSE)] {
        rows.push(ends(format!("a {name} of 126 bytes"), frame(FIN | opcode, &[3; 126])));
        rows.push(ends(format!("a {name} of 70,000 bytes"), frame(FIN | opcode, &[3; 70_000])));
        let endless = vec![Step::Bytes(head(FIN | opcode, 1 << 62))];
        rows.push(row(format!("a {name} of 2^62 bytes"), endless, Shows::Ends("")));
        rows.push(ends(format!("a {name} in fragments"), frame(opcode, &[3, 0xE8])));
    }
    rows.push(row("a ping of 125 bytes", vec![Step::Bytes(frame(FIN | PING, &[1; 125]))], Shows::Tolerates));
    rows.push(row(
        "an unrequested pong of 125 bytes",
        vec![Step::Bytes(frame(FIN | PONG, &[1; 125]))],
        Shows::Tolerates,
    ));
    rows
}

fn closes() -> Vec<Scenario> {
    let closed = |name: &str, payload: &[u8], kind| {
        row(name, vec![Step::Bytes(frame(FIN | raw_frames::CLOSE, payload))], Shows::Ends(kind))
    };
    let mut rows = vec![
        closed("a close without a code", b"", "ConnectionClosed { code: 1005"),
        closed("a close of one byte", b"\x03", "ConnectionLost"),
        closed("a close whose reason is not UTF-8", b"\x03\xE8\xFF\xFE", "ConnectionLost"),
        closed("a close whose reason ends inside a character", b"\x03\xE8\xC3", "ConnectionLost"),
        closed(
            "a close with the longest reason",
            &[&[3, 0xE8], [b'x'; 123].as_slice()].concat(),
            "ConnectionClosed { code: 1000",
        ),
        closed("a close with control characters", b"\x03\xE8\r\n\0\x1B[2J", "ConnectionClosed { code: 1000"),
        closed("a close with code 65535", &[0xFF; 2], "Connection"),
    ];
    rows.push(row(
        "more frames after a close",
        vec![Step::Bytes(
            [raw_frames::close(1000, b""), raw_frames::text("{}"), raw_frames::close(4001, b"")].concat(),
        )],
        Shows::Ends("ConnectionClosed { code: 1000"),
    ));
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 9999] {
        rows.push(closed(&format!("a close with code {code}"), &(code as u16).to_be_bytes(), "Connection"));
    }
    rows
}

fn floods() -> Vec<Scenario> {
    let flood = |name: &str, bytes: Vec<u8>, times, shows| row(name, vec![Step::Repeat(bytes, times)], shows);
    let fragments = |fragment: Vec<u8>, times| vec![Step::Bytes(frame(TEXT, b"")), Step::Repeat(fragment, times)];
    vec![
        row("endless empty fragments", fragments(frame(CONTINUATION, b""), 50_000_000), Shows::Ends("")),
        row("endless fragments of one byte", fragments(frame(CONTINUATION, b" "), 20_000_000), Shows::Ends("")),
        row("fragments that are too large together", fragments(frame(CONTINUATION, &[b' '; 65_536]), 1000), TOO_LARGE),
        flood("a million pings", frame(FIN | PING, b""), 1_000_000, Shows::Tolerates),
        flood("100,000 full pings", frame(FIN | PING, &[7; 125]), 100_000, Shows::Tolerates),
        flood("a million pongs", frame(FIN | PONG, b""), 1_000_000, Shows::Tolerates),
        flood("300,000 empty messages", raw_frames::text(""), 300_000, Shows::Reports("BadMessage")),
        flood("a million events for an unknown channel", raw_frames::event("e", "x"), 1_000_000, Shows::Ignores),
        flood("a million events", raw_frames::event("e", ROOM), 1_000_000, Shows::Tolerates),
        flood(
            "200 large events",
            raw_frames::text(&format!(r#"{{"event":"e","channel":"{ROOM}","data":"{}"}}"#, "x".repeat(1_000_000))),
            200,
            Shows::Tolerates,
        ),
        flood(
            "200 large events for an unknown channel",
            raw_frames::text(&format!(r#"{{"event":"e","channel":"x","data":"{}"}}"#, "x".repeat(1_000_000))),
            200,
            Shows::Ignores,
        ),
        flood("300,000 Pusher pings", raw_frames::text(r#"{"event":"pusher:ping"}"#), 300_000, Shows::Tolerates),
        flood(
            "300,000 errors",
            raw_frames::text(r#"{"event":"pusher:error","data":{"code":4301}}"#),
            300_000,
            Shows::Reports("Server"),
        ),
    ]
}

fn text() -> Vec<Scenario> {
    let whole = |name: &str, payload: &[u8]| ends(name, frame(FIN | TEXT, payload));
    let split = |name: &str, first: &[u8], second: &[u8]| {
        ends(name, [frame(TEXT, first), frame(FIN | CONTINUATION, second)].concat())
    };
    vec![
        whole("a byte that UTF-8 never contains", b"{\"event\":\"\xFF\"}"),
        whole("half of a character", b"\xC3"),
        whole("an overlong character", b"\xC0\xAF"),
        whole("a surrogate", b"\xED\xA0\x80"),
        whole("a character above U+10FFFF", b"\xF4\x90\x80\x80"),
        split("half of a character in the last fragment", b"{", b"\xC3"),
        split("a character with a wrong byte in the next fragment", b"\xC3", b"x"),
        row(
            "a character split over fragments",
            vec![Step::Bytes({
                let text = format!(r#"{{"event":"e","channel":"{ROOM}","data":"ż"}}"#);
                let (first, second) = text.as_bytes().split_at(text.find('ż').expect("it is there") + 1);
                [frame(TEXT, first), frame(FIN | CONTINUATION, second)].concat()
            })],
            Shows::Tolerates,
        ),
    ]
}
