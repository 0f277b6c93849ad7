//! All errors: the texts differ, and each names its operation and its object.

use std::io;

use super::*;
use crate::ConnectionState;

#[test]
fn x1_logged_errors_have_no_text_from_outside() {
    let text = || "canary".to_owned();
    let errors = [
        Error::UpgradeStatus { status: 403, body: text() },
        Error::ConnectionClosed { code: 4009, message: text() },
        Error::Server { code: None, message: text() },
        Error::AuthRefused { channel: None, status: None, message: text() },
        Error::SignInRefused { code: None, message: text() },
        Error::ClientEventRefused { channel: None, event: None, code: None, message: text() },
        Error::UnexpectedFirstMessage { reason: text() },
        Error::SubscriptionRefused { channel: "c".into(), kind: text(), message: text(), status: None },
    ];
    for error in errors {
        assert!(error.to_string().contains("canary") && !error.redacted().to_string().contains("canary"));
    }
}

#[test]
fn x1_logged_errors_have_no_text_of_the_programs_own_code() {
    let boxed = || -> Source { Arc::from(Box::<dyn std::error::Error + Send + Sync>::from("canary")) };
    let io = || -> Source { Arc::new(io::Error::other("canary")) };
    let reason = || "the connection failed: canary".to_owned();
    let mut errors = vec![
        Error::ConnectionLost { reason: reason(), source: Some(io()) },
        Error::Upgrade { reason: reason(), source: Some(io()) },
        Error::Tls { host: "h".to_owned(), problem: TlsProblem::Other, source: io() },
    ];
    for source in [boxed(), io()] {
        errors.push(Error::Dialer { source: Arc::clone(&source) });
        errors.push(Error::Encode { event: "client-e".to_owned(), source: Arc::clone(&source) });
        errors.push(Error::Decode { channel: None, event: "e".to_owned(), source });
    }
    for error in errors {
        let logged = error.redacted();
        assert!(error.to_string().contains("canary") && !format!("{logged} {logged:?}").contains("canary"), "{logged}");
    }
    let refused: Source = Arc::new(io::Error::from(io::ErrorKind::ConnectionRefused));
    assert_eq!(Error::Dialer { source: refused }.redacted().to_string(), "dialer: connection refused");
}

#[test]
fn c7_the_refusals_of_http_and_socks_proxies_are_distinguished() {
    use ProxyProblem::*;
    let of_http = |status| (Some(status), ProxyProblem::of_status(status));
    let of_socks = |reply| (None, ProxyProblem::of_socks_reply(reply));
    let rows = [
        (of_http(407), Credentials, false),
        (of_http(403), Forbidden, false),
        (of_http(405), Unsupported, false),
        (of_http(502), Unreachable, true),
        (of_http(504), Unreachable, true),
        (of_http(302), Other, false),
        (of_http(429), Other, true),
        (of_http(500), Other, true),
        (of_socks(1), Other, true),
        (of_socks(2), Forbidden, false),
        (of_socks(4), Unreachable, true),
        (of_socks(8), Unsupported, false),
        ((None, Credentials), Credentials, false),
        ((None, NotAProxy), NotAProxy, false),
        ((None, Ended), Ended, true),
    ];
    for ((status, problem), expected, is_retryable) in rows {
        let error = Error::Proxy { address: "p:1".to_owned(), status, problem, reason: String::new(), source: None };
        assert_eq!((problem, error.is_retryable()), (expected, is_retryable), "{status:?}");
        assert_eq!(error.is_auth(), problem == Credentials, "{problem:?}");
    }
}

#[test]
fn an_upgrade_whose_connection_ended_is_retryable() {
    let upgrade = |source| Error::Upgrade { reason: String::new(), source };
    assert!(upgrade(Some(Arc::new(io::Error::from(io::ErrorKind::UnexpectedEof)))).is_retryable());
    assert!(!upgrade(None).is_retryable());
}

#[test]
fn errors_can_be_shared_between_threads() {
    fn check<T: Send + Sync + Clone + 'static>() {}
    check::<Error>();
}

#[test]
fn code_is_a_pusher_code_or_nothing() {
    let closed = |code| Error::ConnectionClosed { code, message: String::new() };
    assert_eq!(closed(4001).code(), Some(4001));
    assert_eq!(closed(1006).code(), None);
    let refused = |status| Error::SubscriptionRefused {
        channel: "c".into(),
        kind: String::new(),
        message: String::new(),
        status,
    };
    assert_eq!(refused(Some(401)).code(), None);
    assert!(refused(Some(401)).is_auth());
    assert_eq!(refused(Some(4009)).code(), Some(4009));
}

#[test]
fn a_final_refusal_is_not_retryable() {
    let closed = |code| Error::ConnectionClosed { code, message: String::new() };
    assert!(!closed(4001).is_retryable());
    assert!(closed(4100).is_retryable());
    assert!(closed(1006).is_retryable());
    assert!(Error::UpgradeStatus { status: 503, body: String::new() }.is_retryable());
    assert!(!Error::UpgradeStatus { status: 404, body: String::new() }.is_retryable());
}

#[test]
fn the_source_is_kept() {
    let io = io::Error::from(io::ErrorKind::ConnectionRefused);
    let error = Error::Tcp { address: "localhost:1".into(), source: Arc::new(io) };
    let source = std::error::Error::source(&error).expect("kept");
    assert!(source.downcast_ref::<io::Error>().is_some());
    assert_eq!(
        error.to_string(),
        "tcp: localhost:1 cannot be reached (check the port, and firewalls): connection refused"
    );
}

/// One error of each kind, and the object that its text names.
fn one_of_each() -> Vec<(Error, &'static str)> {
    let channel = || "private-room".to_owned();
    let text = |text: &str| text.to_owned();
    let source = || -> Source { Arc::new(io::Error::other("a cause")) };
    let (after, host) = (Duration::from_secs(7), || "ws.example.com".to_owned());
    let mut errors = vec![
        (Error::config("port", "must not be 0"), "port"),
        (Error::ChannelName { name: text("a b"), reason: "has a space" }, "a b"),
        (Error::Dns { host: host(), source: source() }, "ws.example.com"),
        (Error::Tcp { address: text("ws.example.com:443"), source: source() }, "ws.example.com:443"),
        (
            Error::Proxy {
                address: text("proxy:3128"),
                status: Some(407),
                problem: ProxyProblem::Credentials,
                reason: text("answered HTTP 407"),
                source: None,
            },
            "proxy:3128",
        ),
        (Error::Dialer { source: source() }, "a cause"),
        (Error::UpgradeStatus { status: 404, body: text("no") }, "HTTP 404"),
        (Error::Upgrade { reason: text("Sec-WebSocket-Accept does not fit"), source: None }, "Sec-WebSocket-Accept"),
        (Error::UnexpectedFirstMessage { reason: text("it is binary") }, "pusher:connection_established"),
        (Error::ConnectionClosed { code: 4001, message: text("no such app") }, "4001"),
        (Error::lost("reset by peer"), "reset by peer"),
        (Error::PongTimeout { silence: after }, "7s"),
        (Error::WriteTimeout { after }, "7s"),
        (Error::MessageTooLarge { limit: 1024 }, "1024 bytes"),
        (Error::BadMessage { reason: text("it is binary") }, "it is binary"),
        (Error::Server { code: Some(4301), message: text("too many") }, "4301"),
        (Error::Server { code: None, message: text("too many") }, "too many"),
        (Error::SubscriptionTimeout { channel: channel(), after }, "private-room"),
        (
            Error::SubscriptionRefused {
                channel: channel(),
                kind: text("AuthError"),
                message: text("no"),
                status: None,
            },
            "private-room",
        ),
        (
            Error::AuthNetwork { channel: Some(channel()), endpoint: text("localhost:1"), source: source() },
            "private-room: no connection to localhost:1",
        ),
        (Error::AuthTimeout { channel: Some(channel()), after }, "private-room"),
        (Error::AuthTimeout { channel: None, after }, "sign-in"),
        (Error::AuthRefused { channel: Some(channel()), status: Some(403), message: text("no") }, "private-room"),
        (Error::AuthMalformed { channel: Some(channel()), reason: text("is empty") }, "private-room"),
        (Error::SignInRefused { code: Some(4009), message: text("no") }, "4009"),
        (Error::SignInTimeout { after }, "7s"),
        (Error::NotSignedIn, "Pusher::sign_in"),
        (Error::ClientEventChannel { channel: text("news") }, "news"),
        (Error::ClientEventName { name: text("typing"), reason: "it does not begin with client-" }, "typing"),
        (Error::ClientEventTooLarge { size: 20_000, limit: 10_240 }, "20000 bytes"),
        (Error::ClientEventTooLarge { size: 9_960, limit: 0 }, "9960 bytes"),
        (
            Error::ClientEventRefused {
                channel: Some(channel()),
                event: Some(text("client-e")),
                code: Some(4301),
                message: text("too many"),
            },
            "client-e on private-room",
        ),
        (
            Error::ClientEventRefused {
                channel: Some(channel()),
                event: None,
                code: Some(4301),
                message: String::new(),
            },
            "private-room",
        ),
        (Error::ClientEventRefused { channel: None, event: None, code: Some(4200), message: String::new() }, "4200"),
        (Error::ClientEventRate { limit: 10 }, "10"),
        (Error::ClientEventQueueFull { waiting: 1024 }, "1024"),
        (Error::Encode { event: text("client-e"), source: source() }, "client-e"),
        (Error::TooManyMembers { channel: channel(), left_out: 3 }, "private-room"),
        (Error::NoAuthorizer { channel: channel() }, "private-room"),
        (Error::NotSubscribed { channel: channel() }, "private-room"),
        (Error::WaitTimeout { what: "subscription", after }, "7s"),
        (Error::Disconnected, "the client"),
        (Error::NotConnected { state: ConnectionState::Reconnecting }, "the client is reconnecting"),
        (Error::NotConnected { state: ConnectionState::Unavailable }, "Pusher::wait_connected"),
        (Error::WouldDeadlock { call: "connect" }, "connect"),
        (Error::InvalidPermission { reason: text("is empty") }, "the permission"),
        (Error::DialUrl { reason: text("is not a URL") }, "url_with"),
        (Error::Lagged { dropped: 5 }, "5 notifications"),
        (Error::HandlerPanicked { handler: text("the event e") }, "the event e"),
        (Error::Forked, "the client"),
        (
            Error::Decode { channel: Some(text("news")), event: text("published"), source: source() },
            "published on news",
        ),
        (Error::Thread { name: "pusher-reader", source: source() }, "pusher-reader"),
    ];
    let phases = [ConnectPhase::Dns, ConnectPhase::Tcp, ConnectPhase::Proxy, ConnectPhase::Tls];
    let phases = phases.into_iter().chain([ConnectPhase::Upgrade, ConnectPhase::Established]);
    errors.extend(phases.map(|phase| (Error::ConnectTimeout { phase, after }, "within 7s")));
    errors.extend(
        tls_problems().map(|problem| (Error::Tls { host: host(), problem, source: source() }, "ws.example.com")),
    );
    errors
}

fn tls_problems() -> impl Iterator<Item = TlsProblem> {
    use TlsProblem::*;
    let of_certificates = [UnknownIssuer, SelfSigned, WrongHost, Expired, NotYetValid, NotValidNow];
    of_certificates.into_iter().chain([OldVersion, Refused, NotTls, Ended, Other])
}

/// The possible beginnings of a text.
const LAYERS: [&str; 24] = [
    "dialer: ",
    "config: ",
    "channel name ",
    "dns: ",
    "tcp: ",
    "proxy: ",
    "tls: ",
    "upgrade: ",
    "established: ",
    "connection ",
    "connection: ",
    "message: ",
    "server error",
    "subscription to ",
    "subscription: ",
    "auth: ",
    "sign-in: ",
    "client event: ",
    "presence: ",
    "handler: ",
    "queue: ",
    "process: ",
    "data: ",
    "thread: ",
];

#[test]
fn all_error_texts_differ() {
    let mut texts: Vec<_> = one_of_each().into_iter().map(|(error, _)| error.to_string()).collect();
    texts.sort_unstable();
    let twins: Vec<_> = texts.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert_eq!(twins, [] as [&[String]; 0]);
}

#[test]
fn each_error_begins_with_its_layer_and_names_its_object() {
    for (error, object) in one_of_each() {
        let text = error.to_string();
        assert!(LAYERS.iter().any(|layer| text.starts_with(layer)), "{text}");
        assert!(text.contains(object), "{text}: {object}");
        assert!(!text.ends_with('.') && !text.contains("  ") && !text.contains(": :"), "{text}");
    }
}

#[test]
fn c8_tls_problems_have_a_text_without_that_of_the_library() {
    for problem in tls_problems().filter(|problem| *problem != TlsProblem::Other) {
        let source = Arc::new(io::Error::other("error:0A000086:SSL routines"));
        let text = Error::Tls { host: "ws.example.com".to_owned(), problem, source }.to_string();
        assert!(!text.contains("0A000086"), "{text}");
    }
}

#[test]
fn missing_parts_leave_no_gap_in_the_text() {
    let nothing = String::new;
    let cases = [
        (Error::ConnectionClosed { code: 3000, message: nothing() }, "connection closed by the server with code 3000"),
        (Error::Server { code: None, message: nothing() }, "server error"),
        (Error::UpgradeStatus { status: 418, body: nothing() }, "upgrade: the server answered HTTP 418 instead of 101"),
        (
            Error::UnexpectedFirstMessage { reason: nothing() },
            "established: the server did not begin with pusher:connection_established",
        ),
        (
            Error::SubscriptionRefused { channel: "c".into(), kind: nothing(), message: nothing(), status: None },
            "subscription to c: refused by the server",
        ),
        (Error::AuthRefused { channel: None, status: None, message: nothing() }, "auth: sign-in: refused"),
        (Error::SignInRefused { code: None, message: nothing() }, "sign-in: refused by the server"),
        (
            Error::ClientEventRefused { channel: None, event: None, code: None, message: nothing() },
            "client event: an event was refused by the server",
        ),
    ];
    for (error, text) in cases {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_measured_silence_is_rounded_and_names_its_options() {
    let lost = |nanos| Error::PongTimeout { silence: Duration::from_nanos(nanos) }.to_string();
    for (nanos, figure) in [(150_003_214_987, "150s"), (1_400_214_987, "1.4s"), (40_214_987, "40ms")] {
        let text = lost(nanos);
        assert!(text.contains(&format!("for {figure}, ")), "{text}");
        assert!(text.contains("Config::activity_timeout") && text.contains("Config::pong_timeout"), "{text}");
    }
}

#[test]
fn a_refusal_has_a_hint() {
    let server = Error::Server { code: Some(4001), message: String::new() };
    assert!(server.to_string().contains("check the key"), "{server}");
    let nobody = Error::NoAuthorizer { channel: "private-room".to_owned() };
    for option in ["auth_endpoint", "authorizer", "secret"] {
        assert!(nobody.to_string().contains(option), "{nobody}");
    }
    let closed = |code| Error::ConnectionClosed { code, message: "App key x not in this cluster".to_owned() };
    assert_eq!(
        closed(4001).to_string(),
        "connection closed by the server with code 4001 (it has no app with this key; check the key, and the cluster or \
         host): App key x not in this cluster"
    );
    let refused = Error::AuthRefused { channel: None, status: Some(401), message: String::new() };
    assert!(refused.to_string().contains("Config::auth_header"), "{refused}");
}
