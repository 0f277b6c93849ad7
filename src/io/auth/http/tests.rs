//! Answers of an endpoint in memory: the parts that are read, and the fate of the connection (A1, A4, A5).

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use socket2::SockRef;

use super::{
    Http,
    scripted::{Scripted, plan_with, sign_in},
};
use crate::{Config, io::auth::failure::Failure, protocol::auth_response};

const GOOD: &str = "{\"auth\":\"k:s\"}";

/// Asks this URL for the body of the answer.
fn ask_at(http: &Http, config: &Config, url: &str) -> Result<Vec<u8>, Failure> {
    http.post(&sign_in(&plan_with(config, url)), |body| Ok(body.to_vec()))
}

fn ask(http: &Http) -> Result<Vec<u8>, Failure> {
    ask_at(http, &Config::host("key", "localhost"), "http://localhost/auth")
}

fn answer(text: impl AsRef<[u8]>) -> Result<Vec<u8>, Failure> {
    ask(&Http::over(Scripted::new(text.as_ref(), &[])))
}

fn body(text: &str) -> String {
    match answer(text) {
        Ok(body) => String::from_utf8_lossy(&body).into_owned(),
        Err(failure) => panic!("{text:?}: {failure:?}"),
    }
}

/// The status, the message and the seconds of a refusal.
fn refusal(text: impl AsRef<[u8]>) -> (u16, String, Option<u64>) {
    let seen = String::from_utf8_lossy(text.as_ref()).chars().take(300).collect::<String>();
    match answer(text) {
        Err(Failure::Refused { status: Some(status), message, retry_after }) => {
            (status, message, retry_after.map(|time| time.as_secs()))
        }
        other => panic!("{seen:?}: {other:?}"),
    }
}

fn reason(text: impl AsRef<[u8]>) -> String {
    match answer(text) {
        Err(Failure::Malformed(reason)) => reason,
        Err(Failure::Network { source, .. }) => {
            let error = source.downcast_ref::<io::Error>().expect("of the stream");
            format!("{:?}", error.kind())
        }
        other => panic!("{other:?}"),
    }
}

/// Whether a second request goes out on the connection of the first.
fn is_kept(text: &str) -> bool {
    let script = Scripted::new(text.as_bytes(), &[]);
    let http = Http::over(script.clone());
    let (first, second) = (ask(&http), ask(&http));
    assert_eq!(first.is_ok(), second.is_ok(), "{text:?}");
    script.connections() == 1
}

/// Headers that contradict each other about the length of a body, or make no sense. The bodies are chunks.
const UNCLEAR: [&str; 16] = [
    "HTTP/1.1 | Content-Length: 12|Content-Length: 13",
    "HTTP/1.1 | Content-Length: 12, 13",
    "HTTP/1.1 | Content-Length: x",
    "HTTP/1.1 | Content-Length: -1",
    "HTTP/1.1 | Content-Length: +1",
    "HTTP/1.1 | Content-Length: 99999999999999999999999",
    "HTTP/1.1 | Content-Length:",
    "HTTP/1.1 | Content-Length: 12|Content-Length: x",
    "HTTP/1.1 | Content-Length: 1|Transfer-Encoding: chunked",
    "HTTP/1.1 | Transfer-Encoding: chunked|Content-Length: 1",
    "HTTP/1.1 | Transfer-Encoding: gzip",
    "HTTP/1.1 | Transfer-Encoding: gzip, chunked",
    "HTTP/1.1 | Transfer-Encoding: gzip|Transfer-Encoding: chunked",
    "HTTP/1.1 | Transfer-Encoding: chunked, chunked",
    "HTTP/1.0 | Transfer-Encoding: chunked",
    "HTTP/1.0 | Connection: keep-alive|Transfer-Encoding: chunked",
];

fn unclear(headers: &str, status: &str) -> String {
    let (version, headers) = headers.split_once(" | ").expect("two parts");
    format!("{version} {status}\r\nRetry-After: 7\r\n{}\r\n\r\n2\r\nab\r\n0\r\n\r\n", headers.replace('|', "\r\n"))
}

#[test]
fn a1_a_body_has_a_length_or_chunks_or_ends_with_the_stream() {
    assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcJUNK"), "abc");
    assert_eq!(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 03\r\n\r\nabc"), "abc");
    assert_eq!(body("HTTP/1.0 201 OK\r\n\r\nabc"), "abc");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nX: y\r\n\r\n";
    assert_eq!(body(chunked), "abc");
    assert_eq!(body("HTTP/1.1 204 No Content\r\n\r\n"), "");
    assert_eq!(body("HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"), "a");
}

/// A limit of ureq 3.5: findings/ureq_chunk_extension.sh.
#[test]
fn a5_a_size_line_of_more_than_20_bytes_is_malformed() {
    let answer = |size: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\nab\r\n0\r\n\r\n");
    assert_eq!(body(&answer("2;name=0123456789012")), "ab");
    assert!(reason(answer("2;signature=0123456789abcdef")).contains("chunk"));
}

#[test]
fn an_answer_is_the_same_wherever_its_bytes_are_cut() {
    let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\na\r\n0123456789\r\n0\r\n\r\n";
    for cut in 1..text.len() {
        let script = Scripted::new(text.as_bytes(), &[u8::try_from(cut - 1).expect("short")]);
        let whole = ask(&Http::over(script));
        assert_eq!(whole.ok().as_deref(), Some(&b"ab0123456789"[..]), "{cut}");
        // The end of the last chunk may be missing.
        if cut < text.len() - 2 {
            assert_eq!(reason(&text[..cut]), "UnexpectedEof", "ended at {cut}");
        }
    }
}

#[test]
fn a_connection_is_kept_only_when_both_sides_know_where_the_answer_ends() {
    let rows = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", true),
        ("HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na", true),
        ("HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nabc", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc", false),
        (&format!("HTTP/1.1 403 No\r\nContent-Length: 9999\r\n\r\n{}", "x".repeat(9999)), false),
        ("HTTP/1.1 200 OK\r\n\r\nabc", false),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", false),
        ("HTTP/1.1 403 No\r\nX: y", false),
    ];
    for (text, expected) in rows {
        assert_eq!(is_kept(text), expected, "{text:?}");
    }
    for headers in UNCLEAR {
        for status in ["200 OK", "403 No"] {
            assert!(!is_kept(&unclear(headers, status)), "{headers:?}");
        }
    }
}

#[test]
fn a5_an_answer_that_breaks_the_rules_is_malformed() {
    let chunked = |chunks: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    let rows = [
        ("SSH-2.0".to_owned(), "is not HTTP"),
        ("HTTP/1.1 002 OK\r\n\r\n".to_owned(), "is not HTTP"),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n".to_owned(), "is not HTTP"),
        (format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(121)), "has 121 headers"),
        (chunked("x\r\n"), "is not HTTP"),
        (chunked("1\r\nab\r\n"), "is not HTTP"),
        (chunked(&"0".repeat(99_999)), "has a line that does not end"),
        (chunked(&format!("0\r\nX: {}", "y".repeat(99_999))), "has a line that does not end"),
        (format!("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n{}", " ".repeat(2_000_000)), "larger than 1048576"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab".to_owned(), "UnexpectedEof"),
        ("HTTP".to_owned(), "UnexpectedEof"),
        ("HTTP/1.1 200 OK\r\nX: y".to_owned(), "UnexpectedEof"),
        ("HTTP/1.1 100 Continue\r\n\r\n".to_owned(), "UnexpectedEof"),
        (String::new(), "UnexpectedEof"),
        (format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(99_999)), "has a head larger than 16 KiB"),
        ("HTTP/1.1 100 Continue\r\n\r\n".repeat(1000), "has a head larger than 16 KiB"),
    ];
    for (text, expected) in rows {
        assert!(reason(&text).contains(expected), "{expected}: {}", reason(&text));
    }
    for headers in UNCLEAR {
        assert_eq!(reason(unclear(headers, "200 OK")), "has a body of unknown length", "{headers:?}");
    }
}

#[test]
fn a1_the_status_of_a_refusal_is_judged_before_its_length() {
    for headers in UNCLEAR {
        for (line, status) in [("503 Busy", 503), ("403 No", 403), ("307 Elsewhere", 307)] {
            let (seen, message, seconds) = refusal(unclear(headers, line));
            assert_eq!((seen, seconds), (status, Some(7)), "{headers:?}");
            let expected = if headers.contains("chunked") { "ab" } else { "2\r\nab\r\n0" };
            assert_eq!(message, expected, "{headers:?}");
        }
    }
}

#[test]
fn a1_the_status_of_a_refusal_is_judged_before_its_coding() {
    let packed = [&b"\x1f\x8b\x08\0\0"[..], b"\x8b\x03\x80no", b"\x78\x9c\xcb\x4b", b"\x28\xb5\x2f\xfd", b"\xff\xfe"];
    for (coding, body) in ["gzip", "br", "deflate", "zstd", "compress"].into_iter().zip(packed) {
        for (line, status) in [("503 Busy", 503), ("403 No", 403), ("429 Later", 429)] {
            let length = body.len();
            let head = format!("HTTP/1.1 {line}\r\nContent-Encoding: {coding}\r\nContent-Length: {length}\r\n\r\n");
            let (seen, message, _) = refusal([head.as_bytes(), body].concat());
            assert_eq!(seen, status, "{coding}");
            assert_eq!(message, format!("a body that is not text; its Content-Encoding is {coding}"));
            let plain = format!("HTTP/1.1 {line}\r\nContent-Encoding: {coding}\r\n\r\nwhy");
            assert_eq!(refusal(plain), (status, "why".to_owned(), None), "{coding}");
        }
    }
}

#[test]
fn a1_the_status_of_a_refusal_is_judged_before_the_rest_of_its_head() {
    let rows = [
        "HTTP/1.1 403 No\r\nX-Powered-By : PHP\r\n\r\n".to_owned(),
        "HTTP/1.1 403 No\r\nno colon\r\n\r\n".to_owned(),
        "HTTP/1.1 403 No\r\nX: a\0b\r\n\r\n".to_owned(),
        "HTTP/1.1 403 No\r\nContent-Length: 1\r\n 2\r\n\r\n".to_owned(),
        "HTTP/1.1 403 No\r\nRetry-After: 1\r\n 2\r\nContent-Encoding: a\r\n b\r\n\r\n".to_owned(),
        format!("HTTP/1.1 403 No\r\n{}\r\n", "X: y\r\n".repeat(500)),
        format!("HTTP/1.1 403 No\r\nX: {}\r\n\r\n", "y".repeat(99_999)),
        "HTTP/1.1 403 No\r\nX: y".to_owned(),
        "HTTP/1.1 403 No".to_owned(),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\nX".to_owned(),
    ];
    for text in rows {
        let (status, message, _) = refusal(&text);
        assert_eq!((status, &*message), (403, ""), "{:?}", text.get(..60));
    }
    assert_eq!(reason("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 40"), "UnexpectedEof");
}

#[test]
fn a4_the_status_of_a_refusal_is_reported_even_if_its_body_is_broken() {
    let broken = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 99\r\n\r\nlong words";
    assert_eq!(refusal(broken), (503, "long words".to_owned(), Some(7)));
    for chunks in ["x\r\n", "-1\r\n", "", "5\r\nab", "10000000000000000\r\nx", &"0".repeat(99_999)] {
        let text = format!("HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let (status, _, seconds) = refusal(&text);
        assert_eq!((status, seconds), (503, Some(7)), "{chunks:?}");
    }
    for (value, seconds) in [("0", Some(0)), ("99", Some(30)), ("Wed, 21 Oct 2015 07:28:00 GMT", None), ("-1", None)] {
        let text = format!("HTTP/1.1 429 Later\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(refusal(text).2, seconds, "{value}");
    }
}

#[test]
fn a1_an_unknown_coding_of_a_success_is_the_plain_body() {
    for coding in ["UTF-8", "utf8", "identity", "none", "aws-chunked", "gzip", "", "a b", "text/plain, UTF-8"] {
        let text = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: 14\r\n\r\n{GOOD}");
        assert_eq!(body(&text), GOOD, "{coding}");
    }
}

#[test]
fn a5_the_error_for_an_encoded_body_names_the_coding() {
    // An unknown name would be text of the server.
    let codings = ["gzip", "br", "deflate", "zstd"].map(|known| (known, known));
    for (coding, named) in codings.into_iter().chain([("x-custom", "unknown"), ("GZIP", "gzip")]) {
        for body in [&b"\x1f\x8b\x08\0\0"[..], b"junk", b"[1]"] {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n");
            let http = Http::over(Scripted::new(&[head.as_bytes(), body].concat(), &[]));
            let plan = plan_with(&Config::host("key", "localhost"), "http://localhost/");
            let made = http.post(&sign_in(&plan), auth_response::user_from);
            let expected = format!("is not JSON; its Content-Encoding is {named}");
            assert!(matches!(&made, Err(Failure::Malformed(reason)) if *reason == expected), "{made:?}");
        }
    }
}

#[test]
fn a1_a_blank_before_the_colon_of_a_header_is_accepted() {
    let lines = ["X-Powered-By : PHP", "X-Powered-By\t: PHP", "Content-Length : 14", "Content-Length  :14", "Server :"];
    for line in lines {
        let text = format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n{GOOD}");
        assert_eq!(body(&text), GOOD, "{line}");
    }
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\n\r\ne\r\n{GOOD}\r\n0\r\n\r\n");
    assert_eq!(body(&chunked), GOOD);
    assert_eq!(refusal("HTTP/1.1 429 Later\r\nRetry-After : 7\r\n\r\n"), (429, String::new(), Some(7)));
}

#[test]
fn a1_a_success_may_have_a_mebibyte_and_120_headers() {
    let headers = "X: y\r\n".repeat(120);
    let text = |length| format!("HTTP/1.1 200 OK\r\n{headers}\r\n{}", "x".repeat(length));
    let answer = |length| ask(&Http::over(Scripted::new(text(length).as_bytes(), &[])));
    assert_eq!(answer(1 << 20).map(|body| body.len()).ok(), Some(1 << 20));
    let too_large = answer((1 << 20) + 1).map(|body| body.len());
    assert!(matches!(&too_large, Err(Failure::Malformed(reason)) if reason.contains("larger than 1048576")));
}

#[test]
fn a1_a_request_has_no_headers_and_fields_beyond_its_options() {
    let script = Scripted::new(b"HTTP/1.1 200 OK\r\n\r\n", &[]);
    let http = Http::over(script.clone());
    let config = Config::host("key", "localhost")
        .auth_header("Accept", "*/*")
        .auth_timeout(Duration::from_secs(60))
        .allow_insecure_auth();
    let url = "http://[::1]:8000?a=b";
    ask_at(&http, &config, url).expect("answered");
    let sent = String::from_utf8(script.sent()).expect("ASCII");
    let (head, body) = sent.split_once("\r\n\r\n").expect("a whole head");
    let mut lines: Vec<_> = head.lines().collect();
    lines[1..].sort_unstable();
    let agent = concat!("user-agent: pusher-channels-rust/", env!("CARGO_PKG_VERSION"));
    let kind = "content-type: application/x-www-form-urlencoded";
    let expected = ["POST /?a=b HTTP/1.1", "accept: */*", "content-length: 13", kind, "host: [::1]:8000", agent];
    assert_eq!((lines.as_slice(), body), (expected.as_slice(), "socket_id=1.2"));
    for (url, host) in [("http://[fe80::1%25lo]:8000/", "[fe80::1]:8000"), ("http://Host.:80?q", "Host.")] {
        let script = Scripted::new(b"HTTP/1.1 200 OK\r\n\r\n", &[]);
        ask_at(&Http::over(script.clone()), &config, url).expect("answered");
        let sent = String::from_utf8(script.sent()).expect("ASCII");
        assert_eq!(sent.matches(&format!("host: {host}\r\n")).count(), 1, "{sent}");
    }
}

#[cfg(feature = "native-tls")]
#[test]
fn c8_nothing_goes_out_in_plain_text_to_https() {
    let script = Scripted::new(b"HTTP/1.1 200 OK\r\n\r\n", &[]);
    assert!(ask_at(&Http::over(script.clone()), &Config::host("key", "localhost"), "https://localhost/").is_err());
    assert_eq!((script.connections(), script.sent().len()), (1, 0));
}

#[test]
fn a1_the_longest_lines_go_out() {
    let script = Scripted::new(b"HTTP/1.1 200 OK\r\n\r\n", &[]);
    let http = Http::over(script.clone());
    let (path, value) = ("x".repeat(65_500), "y".repeat(60 * 1024 - 8));
    let config = Config::host("key", "localhost").auth_header("X-Header", &*value).auth_header("X-Header", &*value);
    ask_at(&http, &config, &format!("http://localhost/{path}")).expect("answered");
    let sent = String::from_utf8(script.sent()).expect("ASCII");
    assert!(sent.starts_with(&format!("POST /{path} HTTP/1.1\r\n")));
    assert_eq!(sent.matches(&format!("x-header: {value}\r\n")).count(), 2);
    assert!(sent.ends_with("\r\n\r\nsocket_id=1.2"));
}

#[test]
fn a1_an_answer_counts_although_the_server_reads_no_further() {
    let long = "x".repeat(100_000);
    let config = Config::host("key", "localhost").auth_param("long", long);
    let ask = |script: &Scripted| {
        ask_at(&Http::over(script.clone()), &config, "http://localhost/auth").map(|body| body.len())
    };
    for takes in [0, 1, 100, 300, 70_000, 100_000] {
        let good = Scripted::new(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", &[]).that_takes(takes);
        assert_eq!(ask(&good).expect("answered"), 2, "{takes}");
        let refused = Scripted::new(b"HTTP/1.1 413 Too Large\r\n\r\n", &[]).that_takes(takes);
        assert!(matches!(ask(&refused), Err(Failure::Refused { status: Some(413), .. })), "{takes}");
        let silent = Scripted::new(b"", &[]).that_takes(takes);
        match ask(&silent) {
            Err(Failure::Network { source, .. }) => assert!(source.to_string().contains("pipe"), "{source}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn h6_after_the_end_nothing_is_asked() {
    let script = Scripted::new(b"HTTP/1.1 200 OK\r\n\r\n", &[]);
    let http = Http::over(script.clone());
    http.end();
    assert!(matches!(ask(&http), Err(Failure::Network { .. })));
    assert_eq!((script.connections(), script.sent().len()), (0, 0));
}

const SIZED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"auth\":\"k:s\"}";
const RESET: &str = "reset";

/// Plays these connections one after the other: answers each request, or ends the connection without an answer.
fn play(listener: &TcpListener, connections: &[&[&str]]) {
    for answers in connections {
        let mut stream = listener.accept().expect("a client connects").0;
        for answer in *answers {
            read_request(&mut stream);
            match *answer {
                RESET => SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket"),
                answer => stream.write_all(answer.as_bytes()).expect("the client reads"),
            }
        }
    }
}

fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"socket_id=1.2") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a whole request");
        request.extend(byte);
    }
}

#[test]
fn a1_a_request_goes_out_again_when_a_kept_connection_ends_without_any_answer() {
    let junk = &*format!("{SIZED}junk");
    let rows: [(&[&[&str]], bool); 6] = [
        (&[&[SIZED, ""], &[SIZED]], true),
        (&[&[SIZED, RESET], &[SIZED]], true),
        (&[&[SIZED], &[SIZED]], true),
        (&[&[junk], &[SIZED]], true),
        (&[&[SIZED, "HTTP/1.1 100 Continue\r\n\r\n"]], false),
        (&[&[SIZED, "HTTP"]], false),
    ];
    for (connections, is_answered) in rows {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        let config = Config::host("key", "localhost");
        let http = Http::new(&Arc::new(plan_with(&config, &url)), &Arc::default());
        let ask = || ask_at(&http, &config, &url);
        thread::scope(|scope| {
            scope.spawn(|| play(&listener, connections));
            ask().expect("the first request");
            let second = ask();
            assert_eq!(second.is_ok(), is_answered, "{connections:?}: {second:?}");
            assert!(is_answered || matches!(second, Err(Failure::Network { .. })), "{second:?}");
        });
    }
}

#[test]
fn a1_the_status_of_a_refusal_does_not_wait_for_its_body() {
    let heads = [
        "Content-Length: 100\r\n",
        "Transfer-Encoding: chunked\r\n",
        "",
        "Content-Length: 100\r\nConnection: close\r\n",
    ];
    for (head, start) in heads.into_iter().zip(["", "2\r\nwh", "wh", "wh"]) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/auth", listener.local_addr().expect("bound"));
        let answer = format!("HTTP/1.1 403 Forbidden\r\n{head}\r\n{start}");
        // With this patience the test would fail by its own time limit.
        let config = Config::host("key", "host").auth_timeout(Duration::from_secs(3600));
        let (asked, connection) = mpsc::channel();
        let server = thread::spawn(move || {
            let mut stream = listener.accept().expect("a client connects").0;
            read_request(&mut stream);
            stream.write_all(answer.as_bytes()).expect("the client reads");
            asked.send(stream).expect("the test waits");
        });
        let http = Http::new(&Arc::new(plan_with(&config, &url)), &Arc::default());
        match ask_at(&http, &config, &url) {
            Err(Failure::Refused { status: Some(403), message, .. }) => {
                assert_eq!(message, start.trim_start_matches("2\r\n"))
            }
            other => panic!("{head:?}: {other:?}"),
        }
        server.join().expect("no panic");
        drop(connection);
    }
}
