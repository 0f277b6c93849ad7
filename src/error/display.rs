//! The texts of errors: the layer, the operation and its object, the reason, and a hint.

use std::{fmt, time::Duration};

use super::{ConnectPhase, Error, TlsProblem, codes};
use crate::ConnectionState;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config { option, reason } => write!(f, "config: {option}: {reason}"),
            Self::ChannelName { name, reason } => write!(f, "channel name {name:?}: {reason}"),
            Self::ConnectTimeout { phase, after } => {
                write!(f, "{phase}: {} within {after:?} (Config::connect_timeout)", undone(*phase))
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
            Self::Tls { host, problem, .. } => write!(f, "tls: handshake with {host} failed: {problem}"),
            Self::UpgradeStatus { status, body } => {
                let hint = Hint(codes::upgrade_status(*status));
                write!(f, "upgrade: the server answered HTTP {status} instead of 101{hint}{}", Quoted(body))
            }
            Self::Upgrade { reason, .. } => write!(f, "upgrade: {reason}"),
            Self::UnexpectedFirstMessage { reason } => {
                let text = ServerText(reason);
                write!(f, "established: the server did not begin with pusher:connection_established{text}")
            }
            Self::ConnectionClosed { code, message } => {
                let hint = Hint(codes::close(*code));
                write!(f, "connection closed by the server with code {code}{hint}{}", ServerText(message))
            }
            Self::ConnectionLost { reason, .. } => write!(f, "connection lost: {reason}"),
            Self::PongTimeout { silence } => {
                let silence = rounded(*silence);
                write!(f, "connection lost: the server was silent for {silence:?}, also after a ping ")?;
                f.write_str("(Config::activity_timeout, Config::pong_timeout)")
            }
            Self::WriteTimeout { after } => write!(f, "connection lost: the server accepted no data for {after:?}"),
            Self::MessageTooLarge { limit } => {
                write!(f, "message: larger than the limit of {limit} bytes (Config::max_message_size)")
            }
            Self::BadMessage { reason } => write!(f, "message: skipped: {reason}"),
            Self::Server { code, message } => {
                let hint = Hint(code.and_then(codes::refusal));
                write!(f, "server error{}{hint}{}", Code("", *code), ServerText(message))
            }
            Self::SubscriptionTimeout { channel, after } => {
                write!(f, "subscription to {channel}: no answer from the server within {after:?}")
            }
            Self::SubscriptionRefused { channel, kind, message, status } => {
                let hint = Hint(self.is_auth().then_some(codes::BAD_SIGNATURE));
                let status = Code("with", *status);
                let (kind, message) = (ServerText(kind), ServerText(message));
                write!(f, "subscription to {channel}: refused by the server{status}{hint}{kind}{message}")
            }
            Self::AuthNetwork { channel, endpoint, source } => {
                write!(f, "auth: {}: no connection to {endpoint}: {source}", subject(channel))
            }
            Self::AuthTimeout { channel, after } => {
                write!(
                    f,
                    "auth: {}: no answer within {after:?} (Config::auth_timeout, Config::subscription_timeout)",
                    subject(channel)
                )
            }
            Self::AuthRefused { channel, status, message } => {
                let hint = Hint(status.and_then(codes::auth_status));
                write!(f, "auth: {}: refused{}{hint}{}", subject(channel), Code("with", *status), Quoted(message))
            }
            Self::AuthMalformed { channel, reason } => write!(f, "auth: {}: the answer {reason}", subject(channel)),
            Self::SignInRefused { code, message } => {
                let hint = Hint(code.and_then(codes::refusal));
                write!(f, "sign-in: refused by the server{}{hint}{}", Code("with", *code), ServerText(message))
            }
            Self::SignInTimeout { after } => write!(f, "sign-in: no answer from the server within {after:?}"),
            Self::NotSignedIn => f.write_str("sign-in: no user is signed in; call Pusher::sign_in first"),
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
                let hint = Hint(code.and_then(codes::client_event));
                let event = event.as_deref().unwrap_or("an event");
                let place = channel.as_ref().map(|channel| format!(" on {channel}")).unwrap_or_default();
                let (code, text) = (Code("with", *code), ServerText(message));
                write!(f, "client event: {event}{place} was refused by the server{code}{hint}{text}")
            }
            Self::ClientEventTooLarge { size, limit } => {
                write!(f, "client event: {size} bytes of data exceed the limit of {limit} (Config::client_event_size)")
            }
            Self::ClientEventRate { limit } => {
                write!(
                    f,
                    "client event: with {limit} events a second (Config::client_event_limit) it would wait longer than \
                     Config::client_event_patience"
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
                    "auth: {channel}: it requires authorisation; set Config::auth_endpoint, authorizer or secret, or use subscribe_with_auth"
                )
            }
            Self::NotSubscribed { channel } => {
                write!(f, "subscription to {channel}: it does not exist, or is not confirmed yet")
            }
            Self::WaitTimeout { what, after } => write!(f, "{what}: no result within {after:?}"),
            Self::Disconnected => f.write_str("connection: the client is disconnected; Pusher::connect connects it"),
            Self::NotConnected { state } => {
                let doing = if *state == ConnectionState::Unavailable {
                    "reconnecting (unavailable)"
                } else {
                    &state.to_string()
                };
                write!(f, "connection: the client is {doing}; wait until it is connected (Pusher::wait_connected)")
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
                write!(f, "queue: {dropped} notifications were dropped because it was full (Config::overflow)")
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

/// A hint for the reader, if there is one.
struct Hint(Option<&'static str>);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |hint| write!(f, " ({hint})"))
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
