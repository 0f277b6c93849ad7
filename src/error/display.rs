//! The texts of errors: the layer, the operation and its object, the reason, and a hint.

use std::{fmt, io, time::Duration};

use super::{ConnectPhase, Error, Source, TlsProblem, codes, names::Names};
use crate::ConnectionState;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &Names::RUST)
    }
}

/// An error whose text names options and functions as another interface does.
#[cfg(feature = "capi")]
pub(crate) struct Named<'a>(pub &'a Error, pub &'a Names);

#[cfg(feature = "capi")]
impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, self.1)
    }
}

impl Error {
    fn write(&self, f: &mut fmt::Formatter<'_>, names: &Names) -> fmt::Result {
        match self {
            Self::Config { option, reason } => write!(f, "config: {}: {reason}", (names.bare_option)(option)),
            Self::ChannelName { name, reason } => write!(f, "channel name {name:?}: {reason}"),
            Self::ConnectTimeout { phase, after } => {
                write!(f, "{phase}: {} within {after:?} ({})", undone(*phase), (names.option)("connect_timeout"))
            }
            Self::Dns { host, source } if host.contains('%') => {
                write!(f, "dns: {host} cannot be resolved (check the interface after the %): {source}")
            }
            Self::Dns { host, source } => {
                write!(f, "dns: {host} cannot be resolved (check the cluster or host, and the network): {source}")
            }
            Self::Tcp { address, source } => {
                write!(f, "tcp: {address} cannot be reached (check the port, and firewalls): {source}")
            }
            Self::Proxy { address, reason, .. } => write!(f, "proxy: {address}: {reason}"),
            Self::Dialer { source } => write!(f, "dialer: {source}"),
            Self::Tls { host, problem: TlsProblem::Other, source } => {
                write!(f, "tls: handshake with {host} failed: {source}")
            }
            Self::Tls { host, problem, .. } => {
                write!(f, "tls: handshake with {host} failed: ")?;
                problem.write(f, names)
            }
            Self::UpgradeStatus { status, body } => {
                let hint = Hint(codes::upgrade_status(*status), names);
                write!(f, "upgrade: the server answered HTTP {status} instead of 101{hint}{}", Quoted(body))
            }
            Self::Upgrade { reason, .. } => write!(f, "upgrade: {reason}"),
            Self::UnexpectedFirstMessage { reason } => {
                let text = ServerText(reason);
                write!(f, "established: the server did not begin with pusher:connection_established{text}")
            }
            Self::ConnectionClosed { code, message } => {
                let hint = Hint(codes::close(*code), names);
                write!(f, "connection closed by the server with code {code}{hint}{}", ServerText(message))
            }
            Self::ConnectionLost { reason, .. } => write!(f, "connection lost: {reason}"),
            Self::PongTimeout { silence } => {
                let silence = rounded(*silence);
                write!(f, "connection lost: the server was silent for {silence:?}, also after a ping ")?;
                write!(f, "({}, {})", (names.option)("activity_timeout"), (names.option)("pong_timeout"))
            }
            Self::WriteTimeout { after } => write!(f, "connection lost: the server accepted no data for {after:?}"),
            Self::MessageTooLarge { limit } => {
                write!(f, "message: larger than the limit of {limit} bytes ({})", (names.option)("max_message_size"))
            }
            Self::BadMessage { reason } => write!(f, "message: skipped: {reason}"),
            Self::Server { code, message } => {
                let hint = Hint(code.and_then(codes::refusal), names);
                write!(f, "server error{}{hint}{}", Code("", *code), ServerText(message))
            }
            Self::SubscriptionTimeout { channel, after } => {
                write!(f, "subscription to {channel}: no answer from the server within {after:?}")
            }
            Self::SubscriptionRefused { channel, kind, message, status } => {
                let hint = Hint(self.is_auth().then_some(codes::BAD_SIGNATURE), names);
                let status = Code("with", *status);
                let (kind, message) = (ServerText(kind), ServerText(message));
                write!(f, "subscription to {channel}: refused by the server{status}{hint}{kind}{message}")
            }
            Self::AuthNetwork { channel, endpoint, source } => {
                write!(f, "auth: {}: no connection to {endpoint}: {}", subject(channel), Cause(source, names))
            }
            Self::AuthTimeout { channel, after } => {
                write!(
                    f,
                    "auth: {}: no answer within {after:?} ({}, {})",
                    subject(channel),
                    (names.option)("auth_timeout"),
                    (names.option)("subscription_timeout")
                )
            }
            Self::AuthRefused { channel, status, message } => {
                let hint = Hint(status.and_then(codes::auth_status), names);
                write!(f, "auth: {}: refused{}{hint}{}", subject(channel), Code("with", *status), Quoted(message))
            }
            Self::AuthMalformed { channel, reason } => write!(f, "auth: {}: the answer {reason}", subject(channel)),
            Self::SignInRefused { code, message } => {
                let hint = Hint(code.and_then(codes::refusal), names);
                write!(f, "sign-in: refused by the server{}{hint}{}", Code("with", *code), ServerText(message))
            }
            Self::SignInTimeout { after } => write!(f, "sign-in: no answer from the server within {after:?}"),
            Self::NotSignedIn => {
                write!(f, "sign-in: no user is signed in; call {} first", (names.function)("sign_in"))
            }
            Self::ClientEventChannel { channel } => {
                write!(f, "client event: {channel} is not a private or presence channel, or it is encrypted")
            }
            Self::ClientEventName { name, reason } => write!(f, "client event: name {name:?}: {reason}"),
            Self::ClientEventTooLarge { size, limit: 0 } => {
                write!(
                    f,
                    "client event: {size} bytes of data, or an earlier event of the last 5 s, exceed the server's limit; "
                )?;
                f.write_str("the server closed the connection (1009)")
            }
            Self::ClientEventRefused { channel, event, code, message } => {
                let hint = Hint(code.and_then(codes::client_event), names);
                let event = event.as_deref().unwrap_or("an event");
                let place = channel.as_ref().map(|channel| format!(" on {channel}")).unwrap_or_default();
                let (code, text) = (Code("with", *code), ServerText(message));
                write!(f, "client event: {event}{place} was refused by the server{code}{hint}{text}")
            }
            Self::ClientEventTooLarge { size, limit } => {
                let option = (names.option)("client_event_size");
                write!(f, "client event: {size} bytes of data exceed the limit of {limit} ({option})")
            }
            Self::ClientEventRate { limit } => {
                write!(
                    f,
                    "client event: with {limit} events a second ({}) it would wait longer than {}",
                    (names.option)("client_event_limit"),
                    (names.option)("client_event_patience")
                )
            }
            Self::ClientEventQueueFull { waiting } => {
                write!(f, "client event: {waiting} events already wait to be sent")
            }
            Self::Encode { event, source } => {
                write!(f, "client event: the data of {event} cannot be written as JSON: {source}")
            }
            Self::TooManyMembers { channel, left_out } => {
                write!(f, "presence: {channel}: {left_out} members or changes over the limit were left out")
            }
            Self::NoAuthorizer { channel } => {
                write!(
                    f,
                    "auth: {channel}: it requires authorisation; set {}, authorizer or secret, or use subscribe_with_auth",
                    (names.option)("auth_endpoint")
                )
            }
            Self::NotSubscribed { channel } => {
                write!(f, "subscription to {channel}: it does not exist, or is not confirmed yet")
            }
            Self::WaitTimeout { what, after } => write!(f, "{what}: no result within {after:?}"),
            Self::Disconnected => {
                write!(f, "connection: the client is disconnected; {} connects it", (names.function)("connect"))
            }
            Self::NotConnected { state } => {
                let doing = if *state == ConnectionState::Unavailable {
                    "reconnecting (unavailable)"
                } else {
                    &state.to_string()
                };
                write!(
                    f,
                    "connection: the client is {doing}; wait until it is connected ({})",
                    (names.function)("wait_connected")
                )
            }
            Self::WouldDeadlock { call } => {
                write!(f, "handler: {call} would wait for the thread that it is called on; call it on another thread")
            }
            Self::InvalidPermission { reason } => write!(f, "auth: the permission {reason}"),
            Self::DialUrl { reason } => write!(f, "config: url_with: the URL of this attempt {reason}"),
            Self::OtherClient => {
                f.write_str("handler: the binding belongs to another client; the handler stays bound there")
            }
            Self::Lagged { dropped } => {
                let option = (names.option)("overflow");
                write!(f, "queue: {dropped} notifications were dropped because it was full ({option})")
            }
            Self::HandlerPanicked { handler } => write!(f, "handler: a handler for {handler} panicked"),
            Self::Forked => {
                f.write_str("process: the client belongs to the parent process; create a new client in the child")
            }
            Self::Decode { channel, event, source } => {
                let place = channel.as_ref().map(|channel| format!(" on {channel}")).unwrap_or_default();
                write!(f, "data: event {event}{place} does not have the requested type: {source}")
            }
            Self::Thread { name, source } => write!(f, "thread: {name} could not be started: {source}"),
        }
    }
}

/// The missing step when the time to connect ran out.
fn undone(phase: ConnectPhase) -> &'static str {
    match phase {
        ConnectPhase::Dns => "the host name was not resolved",
        ConnectPhase::Tcp => "no connection was made",
        ConnectPhase::Proxy => "the proxy opened no tunnel",
        ConnectPhase::Tls => "the server did not complete the handshake",
        ConnectPhase::Upgrade => "the server did not answer the upgrade request",
        ConnectPhase::Established => "the server did not confirm the connection",
    }
}

/// A measured time in whole milliseconds, or in whole seconds if it is long.
fn rounded(time: Duration) -> Duration {
    let millis = if time < Duration::from_secs(10) { time.subsec_millis() } else { 0 };
    Duration::from_secs(time.as_secs()) + Duration::from_millis(millis.into())
}

/// The object of an authorisation.
fn subject(channel: &Option<String>) -> &str {
    channel.as_deref().unwrap_or("sign-in")
}

/// A hint for the reader, if there is one. Names of options stand in braces.
struct Hint<'a>(Option<&'static str>, &'a Names);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(hint) = self.0 else { return Ok(()) };
        f.write_str(" (")?;
        // Every second part is a name.
        for (index, part) in hint.split(['{', '}']).enumerate() {
            if index % 2 == 0 { f.write_str(part)? } else { f.write_str(&(self.1.option)(part))? }
        }
        f.write_str(")")
    }
}

/// The source of an error. It may be an error of the client itself: that of the connection to an auth endpoint.
struct Cause<'a>(&'a Source, &'a Names);

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.0.downcast_ref::<io::Error>().and_then(|error| error.get_ref()?.downcast_ref::<Error>());
        match self.0.downcast_ref::<Error>().or(inner) {
            Some(error) => error.write(f, self.1),
            None => write!(f, "{}", self.0),
        }
    }
}

/// The code of a server or an endpoint, if it gave one.
struct Code(&'static str, Option<u16>);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (_, None) => Ok(()),
            ("", Some(code)) => write!(f, " {code}"),
            (with, Some(code)) => write!(f, " {with} {code}"),
        }
    }
}

/// The text of a server, if it gave one.
struct ServerText<'a>(&'a str);

impl fmt::Display for ServerText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

/// The beginning of a body, which may contain line breaks and control characters.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {:?}", self.0) }
    }
}
