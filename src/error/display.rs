//! The errors in words.

use std::fmt;

use super::Error;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config { option, reason } => write!(f, "config: {option}: {reason}"),
            Self::ChannelName { name, reason } => write!(f, "channel name {name:?}: {reason}"),
            Self::ConnectTimeout { phase, after } => write!(f, "{phase}: no answer within {after:?}"),
            Self::Dns { host, source } => write!(f, "dns: {host} cannot be resolved: {source}"),
            Self::Tcp { address, source } => write!(f, "tcp: {address} cannot be reached: {source}"),
            Self::Proxy { address, reason, .. } => write!(f, "proxy: {address}: {reason}"),
            Self::Dialer { source } => write!(f, "dialer: {source}"),
            Self::Tls { host, source } => {
                let reason = source.to_string();
                write!(f, "tls: handshake with {host} failed: {reason}")?;
                // OpenSSL's words for an answer that is no TLS at all.
                if reason.contains("wrong version number") {
                    f.write_str(" (the port does not speak TLS)")
                } else {
                    Ok(())
                }
            }
            Self::UpgradeStatus { status, body } if body.is_empty() => {
                write!(f, "upgrade: the server answered HTTP {status} instead of 101")
            }
            Self::UpgradeStatus { status, body } => {
                write!(f, "upgrade: the server answered HTTP {status} instead of 101: {body:?}")
            }
            Self::Upgrade { reason } => write!(f, "upgrade: {reason}"),
            Self::UnexpectedFirstMessage { reason } if reason.is_empty() => {
                f.write_str("established: the server did not begin with pusher:connection_established")
            }
            Self::UnexpectedFirstMessage { reason } => {
                write!(f, "established: the server did not begin with pusher:connection_established: {reason}")
            }
            Self::ConnectionClosed { code, message } if message.is_empty() => {
                write!(f, "connection closed by the server with code {code}")
            }
            Self::ConnectionClosed { code, message } => {
                write!(f, "connection closed by the server with code {code}: {message}")
            }
            Self::ConnectionLost { reason, .. } => write!(f, "connection lost: {reason}"),
            Self::PongTimeout { silence } => write!(f, "connection lost: silent for {silence:?}, also after a ping"),
            Self::WriteTimeout { after } => write!(f, "connection lost: the server took no data for {after:?}"),
            Self::MessageTooLarge { limit } => write!(f, "message: larger than the limit of {limit} bytes"),
            Self::BadMessage { reason } => write!(f, "message: skipped: {reason}"),
            Self::Server { code: Some(code), message } => write!(f, "server error {code}: {message}"),
            Self::Server { code: None, message } => write!(f, "server error: {message}"),
            Self::SubscriptionTimeout { channel, after } => {
                write!(f, "subscription to {channel}: no answer within {after:?}")
            }
            Self::SubscriptionRefused { channel, kind, message, status } => {
                write!(f, "subscription to {channel}: refused by the server")?;
                if let Some(status) = status {
                    write!(f, " with {status}")?;
                }
                for part in [kind, message].into_iter().filter(|part| !part.is_empty()) {
                    write!(f, ": {part}")?;
                }
                Ok(())
            }
            Self::AuthNetwork { channel, endpoint, source } => {
                write!(f, "auth: {}: no connection to {endpoint}: {source}", subject(channel))
            }
            Self::AuthTimeout { channel, after } => write!(f, "auth: {}: no answer within {after:?}", subject(channel)),
            Self::AuthRefused { channel, status, message } => {
                write!(f, "auth: {}: refused", subject(channel))?;
                if let Some(status) = status {
                    write!(f, " with {status}")?;
                }
                if message.is_empty() { Ok(()) } else { write!(f, ": {message:?}") }
            }
            Self::AuthMalformed { channel, reason } => write!(f, "auth: {}: the answer {reason}", subject(channel)),
            Self::SignInRefused { code: Some(code), message } => {
                write!(f, "sign-in: refused by the server with {code}: {message}")
            }
            Self::SignInRefused { code: None, message } => write!(f, "sign-in: refused by the server: {message}"),
            Self::SignInTimeout { after } => write!(f, "sign-in: no answer within {after:?}"),
            Self::NotSignedIn => f.write_str("sign-in: nobody is signed in"),
            Self::ClientEventChannel { channel } => {
                write!(f, "client event: {channel} is neither private nor presence, or it is encrypted")
            }
            Self::ClientEventName { name, reason } => write!(f, "client event: name {name:?}: {reason}"),
            Self::ClientEventTooLarge { size, limit } => {
                write!(f, "client event: {size} bytes of data are more than {limit}")
            }
            Self::ClientEventRate { limit } => write!(f, "client event: more than {limit} in a second"),
            Self::ClientEventQueueFull { waiting } => write!(f, "client event: {waiting} others wait to be sent"),
            Self::Encode { event, source } => write!(f, "client event: data of {event} cannot be JSON: {source}"),
            Self::TooManyMembers { channel, left_out } => {
                write!(f, "presence: {channel} has {left_out} more members than are kept or told")
            }
            Self::NoAuthorizer { channel } => {
                write!(
                    f,
                    "subscription to {channel}: this kind of channel must be authorised, and Config names nobody who does"
                )
            }
            Self::NotSubscribed { channel } => write!(f, "channel {channel} is not subscribed"),
            Self::WaitTimeout { what, after } => write!(f, "{what}: not within {after:?}"),
            Self::Disconnected => f.write_str("the client is disconnected"),
            Self::WouldDeadlock { call } => {
                write!(f, "{call} waits for the thread that runs handlers and cannot be called inside one")
            }
            Self::Lagged { dropped } => write!(f, "the queue was full: {dropped} notifications were dropped"),
            Self::HandlerPanicked { handler } => write!(f, "a handler for {handler} panicked"),
            Self::Decode { event, source } => write!(f, "data of event {event}: {source}"),
            Self::Thread { name, source } => write!(f, "thread {name} could not be started: {source}"),
        }
    }
}

/// What an authorisation was for.
fn subject(channel: &Option<String>) -> &str {
    channel.as_deref().unwrap_or("sign-in")
}
