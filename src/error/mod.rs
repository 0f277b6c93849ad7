//! What can go wrong, in words that say which operation failed, on what, and why.

mod codes;
mod display;
mod names;
mod proxy;
mod redact;
#[cfg(test)]
mod tests;
#[cfg_attr(not(feature = "native-tls"), allow(dead_code, reason = "nothing is detected where there is no TLS"))]
mod tls;

use std::{fmt, sync::Arc, time::Duration};

#[cfg(feature = "capi")]
pub(crate) use display::Named;
#[cfg(feature = "capi")]
pub(crate) use names::Names;
pub use proxy::ProxyProblem;
pub use tls::TlsProblem;

use crate::ConnectionState;

/// Everything that this crate reports as a failure.
///
/// The `Display` text begins with the layer (`tls: ...`, `upgrade: ...`) and names the object. An error that caused this
/// one is its [`source`](std::error::Error::source). The text of a variant with a source already includes the text of the
/// source, or the meaning of it ([`Tls`](Error::Tls)): a program that prints the whole chain may print things twice.
///
/// The enum grows with the crate, so a `match` needs a wildcard arm. The questions that programs ask most have methods:
/// [`code`](Error::code), [`is_retryable`](Error::is_retryable), [`is_auth`](Error::is_auth),
/// [`is_timeout`](Error::is_timeout).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// An option has a value that cannot work. Reported before any packet leaves; correct the option.
    Config {
        /// The option as its setter is called, for example `key`.
        option: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
    /// A channel name that the protocol does not allow. Reported by the call that got the name.
    ChannelName {
        /// The name as given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The connect deadline ran out ([`Config::connect_timeout`](crate::Config::connect_timeout)).
    ConnectTimeout {
        /// What the client was waiting for.
        phase: ConnectPhase,
        /// The deadline that ran out.
        after: Duration,
    },
    /// The host name could not be resolved.
    Dns {
        /// The name that was looked up.
        host: String,
        /// The resolver's answer.
        source: Source,
    },
    /// No address of the host accepted a TCP connection.
    Tcp {
        /// The host and port.
        address: String,
        /// The failure of the last address tried.
        source: Source,
    },
    /// The proxy gave no tunnel ([`Config::proxy`](crate::Config::proxy)), or cannot be reached itself.
    Proxy {
        /// The proxy's host and port.
        address: String,
        /// The HTTP status that it answered with; `None` where it said none: SOCKS, an end of the stream, junk.
        status: Option<u16>,
        /// What was wrong: the password, the rules of the proxy, the host behind it, ...
        problem: ProxyProblem,
        /// What went wrong, in words.
        reason: String,
        /// The error of the operating system, if the connection to the proxy broke; [`Error::Tcp`] or [`Error::Dns`],
        /// if the proxy cannot be reached or resolved; [`Error::Tls`], if the handshake with an `https://` proxy
        /// failed.
        source: Option<Source>,
    },
    /// The program's own dialer made no connection ([`Config::dialer`](crate::Config::dialer)).
    Dialer {
        /// Its error.
        source: Source,
    },
    /// The TLS handshake failed. It is never tried in plain text instead.
    Tls {
        /// The name to verify in the certificate: the host, or the name of
        /// [`Config::tls_server_name`](crate::Config::tls_server_name).
        host: String,
        /// What was wrong, as far as the TLS library tells: unknown issuer, wrong host, expired, no TLS at all, ...
        problem: TlsProblem,
        /// The TLS library's answer.
        source: Source,
    },
    /// The server answered the WebSocket upgrade with an HTTP status instead of 101.
    UpgradeStatus {
        /// The HTTP status code.
        status: u16,
        /// The beginning of the response body, at most 200 characters.
        body: String,
    },
    /// The server's answer to the WebSocket upgrade was not a valid one, or the connection ended instead of it.
    Upgrade {
        /// What is wrong with it.
        reason: String,
        /// How the connection ended or broke, if that is the reason. Another attempt may succeed then.
        source: Option<Source>,
    },
    /// The first message was not `pusher:connection_established`.
    UnexpectedFirstMessage {
        /// What came instead.
        reason: String,
    },
    /// The server ended the connection with a close code. Instead of a code, some servers send a `pusher:error`: as the
    /// first message with any code, later with 4100-4299 and at most 5 s before the connection ends without a Pusher code.
    ConnectionClosed {
        /// The WebSocket close code, or the code of the `pusher:error`. Codes from 4000 on are Pusher's.
        code: u16,
        /// The server's text, at most 200 characters. May be empty. The client appends a remark if the connection ended
        /// before the server confirmed it, without a code of Pusher's.
        message: String,
    },
    /// The connection died without a close code: end of stream, reset, or a violation of the WebSocket protocol.
    ConnectionLost {
        /// What happened.
        reason: String,
        /// The error of the operating system, where there was one.
        source: Option<Source>,
    },
    /// Nothing arrived for the activity timeout, and no answer to the ping within the pong timeout.
    PongTimeout {
        /// How long the connection had been silent.
        silence: Duration,
    },
    /// The peer took no byte of what was to be sent for the length of the pong timeout.
    WriteTimeout {
        /// How long nothing could be written.
        after: Duration,
    },
    /// A message was larger than [`Config::max_message_size`](crate::Config::max_message_size). The connection is made anew.
    MessageTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A message could not be understood. It was skipped, the connection stays.
    BadMessage {
        /// What is wrong with it.
        reason: String,
    },
    /// The server reported an error on a connection that stays open (`pusher:error`), and the client could not
    /// attribute it to a subscription, a sign-in or a client event.
    Server {
        /// The Pusher error code, if the server gave one.
        code: Option<u16>,
        /// The server's words, at most 200 characters. May be empty.
        message: String,
    },
    /// The server did not confirm a subscription in time
    /// ([`Config::subscription_timeout`](crate::Config::subscription_timeout)).
    SubscriptionTimeout {
        /// The channel.
        channel: String,
        /// The deadline that ran out.
        after: Duration,
    },
    /// The server refused a subscription.
    SubscriptionRefused {
        /// The channel.
        channel: String,
        /// The kind of refusal as the server names it, for example `AuthError`. May be empty.
        kind: String,
        /// The server's words, at most 200 characters. May be empty.
        message: String,
        /// The HTTP-like status or the Pusher code, if the server gave one.
        status: Option<u16>,
    },
    /// The auth endpoint could not be reached, or the connection to it broke. It has been asked four times.
    AuthNetwork {
        /// The channel, `None` for a sign-in.
        channel: Option<String>,
        /// The host and port of the endpoint, as its URL names them.
        endpoint: String,
        /// The failure of the last request.
        source: Source,
    },
    /// The auth endpoint, or an authorizer, did not answer in time: four requests had
    /// [`Config::auth_timeout`](crate::Config::auth_timeout) each, or all of it took longer than
    /// [`Config::subscription_timeout`](crate::Config::subscription_timeout), which covers the wait for a free place too.
    AuthTimeout {
        /// The channel, `None` for a sign-in.
        channel: Option<String>,
        /// The time that ran out.
        after: Duration,
    },
    /// The auth endpoint, or an authorizer of the program's own, refused.
    AuthRefused {
        /// The channel, `None` for a sign-in.
        channel: Option<String>,
        /// The HTTP status; `None` where an authorizer gave none.
        status: Option<u16>,
        /// The beginning of the response body, or the authorizer's words; at most 200 characters.
        message: String,
    },
    /// The answer of the auth endpoint, or of an authorizer, is not one that the protocol allows.
    AuthMalformed {
        /// The channel, `None` for a sign-in.
        channel: Option<String>,
        /// What is wrong with it.
        reason: String,
    },
    /// The server refused a sign-in.
    SignInRefused {
        /// The Pusher error code, if the server gave one.
        code: Option<u16>,
        /// The server's words, at most 200 characters. May be empty.
        message: String,
    },
    /// The server did not confirm a sign-in in time
    /// ([`Config::subscription_timeout`](crate::Config::subscription_timeout)).
    SignInTimeout {
        /// The deadline that ran out.
        after: Duration,
    },
    /// Nobody is signed in, and no sign-in is on its way.
    NotSignedIn,
    /// A client event cannot be sent on this kind of channel: only private and presence channels, and no encrypted ones,
    /// carry them.
    ClientEventChannel {
        /// The channel.
        channel: String,
    },
    /// The name of a client event is not valid. It must begin with `client-` and have at most 200 characters.
    ClientEventName {
        /// The name as given, at most 200 characters of it.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The data of a client event is larger than [`Config::client_event_size`](crate::Config::client_event_size), and
    /// nothing was sent; or the server closed the connection with 1009 within 5 s after client events. Reverb closes it
    /// so: it takes 10,000 bytes for the whole message, its names included.
    ClientEventTooLarge {
        /// The size in bytes; a string counts without its quotes. Of several events that the server may have closed the
        /// connection for, the largest.
        size: usize,
        /// The largest allowed size, in bytes; 0 if the server closed the connection, because its limit is unknown.
        limit: usize,
    },
    /// The server refused a client event after it was sent. Channel and name are unknown if the server's error names
    /// neither, and the unanswered client events differ in them. An event that was not refused within 5 s was accepted.
    ClientEventRefused {
        /// The channel, if it is known.
        channel: Option<String>,
        /// The event's name, if it is known.
        event: Option<String>,
        /// The Pusher error code, if the server gave one: 4301; on Reverb 4200 for data that is a bare text, a number
        /// or a boolean.
        code: Option<u16>,
        /// The server's text, at most 200 characters. May be empty.
        message: String,
    },
    /// At the pace of [`Config::client_event_limit`](crate::Config::client_event_limit) the client event would wait
    /// longer than [`Config::client_event_patience`](crate::Config::client_event_patience).
    ClientEventRate {
        /// The limit, in events per second.
        limit: u32,
    },
    /// Too many client events wait to be sent: the program triggers them faster than the connection takes them.
    ClientEventQueueFull {
        /// How many wait.
        waiting: usize,
    },
    /// The data of a client event cannot be written as JSON. For example, it holds NaN, an infinite number, or a map
    /// with keys of another type than strings.
    Encode {
        /// The event's name.
        event: String,
        /// The serialiser's answer.
        source: Source,
    },
    /// A presence channel has more members than [`Config::max_presence_members`](crate::Config::max_presence_members),
    /// or those of all channels take more memory than
    /// [`Config::max_presence_bytes`](crate::Config::max_presence_bytes). Members over the bound are left out of the
    /// list, and a new info that does not fit is ignored. Or more than 10,000 members came or went while the channel
    /// was not subscribed: the list is complete, but handlers get up to 10,000 changes.
    TooManyMembers {
        /// The channel.
        channel: String,
        /// How many were left out this time.
        left_out: usize,
    },
    /// The channel's kind must be authorised, and no authorizer is configured.
    NoAuthorizer {
        /// The channel.
        channel: String,
    },
    /// The channel is not subscribed, or its subscription is not confirmed yet.
    NotSubscribed {
        /// The channel.
        channel: String,
    },
    /// A text is not the answer of a backend that [`ChannelAuth::from_json`](crate::ChannelAuth::from_json) or
    /// [`UserAuth::from_json`](crate::UserAuth::from_json) reads.
    InvalidPermission {
        /// The reason. It never repeats the text.
        reason: String,
    },
    /// The closure of [`Config::url_with`](crate::Config::url_with) panicked, has not returned from earlier attempts, or
    /// returned a URL that is not valid. The attempt to connect failed; the client tries again by its
    /// [`Reconnect`](crate::Reconnect) policy.
    DialUrl {
        /// The reason. It never repeats the URL, which may contain tokens.
        reason: String,
    },
    /// A `wait_*` call ended because its time was over.
    WaitTimeout {
        /// What was waited for.
        what: &'static str,
        /// The time that was given.
        after: Duration,
    },
    /// The client was disconnected while, or before, the call waited.
    Disconnected,
    /// The call needs a connection, and the client is still making one.
    /// [`Pusher::wait_connected`](crate::Pusher::wait_connected) waits for it.
    NotConnected {
        /// The state of the connection: [`Connecting`](ConnectionState::Connecting),
        /// [`Reconnecting`](ConnectionState::Reconnecting) or [`Unavailable`](ConnectionState::Unavailable).
        state: ConnectionState,
    },
    /// A call that waits was made inside a handler, a dialer, or other code of the program that runs on a thread of the
    /// client. The call would wait for its own thread.
    WouldDeadlock {
        /// The call.
        call: &'static str,
    },
    /// [`unbind`](crate::Pusher::unbind) got the binding of another client. The handler stays bound to that client, and the
    /// binding is used up.
    OtherClient,
    /// Notifications were dropped before handlers could get them, because the queue was full
    /// ([`Config::overflow`](crate::Config::overflow)).
    Lagged {
        /// How many.
        dropped: u64,
    },
    /// A handler panicked. Other handlers and later events are not affected.
    HandlerPanicked {
        /// What the handler was registered for.
        handler: String,
    },
    /// Event data is not what the program asked for.
    Decode {
        /// The event's channel, if it has one.
        channel: Option<String>,
        /// The event's name.
        event: String,
        /// The beginning of the parser's answer, which may quote the data.
        source: Source,
    },
    /// The client belongs to the process that this one was forked from, and goes on there. Make a client of its own in the
    /// child.
    Forked,
    /// The operating system did not start a thread.
    Thread {
        /// The thread's name.
        name: &'static str,
        /// The operating system's answer.
        source: Source,
    },
}

/// An error that caused another one, shared because notifications are cloned.
pub type Source = Arc<dyn std::error::Error + Send + Sync + 'static>;

/// The steps of connecting, in order. One deadline covers them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectPhase {
    /// Resolving the host name.
    Dns,
    /// Connecting a TCP socket to one of the addresses, or waiting for the program's own dialer.
    Tcp,
    /// Asking the proxy for a tunnel.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The HTTP upgrade to WebSocket.
    Upgrade,
    /// Waiting for the server's `pusher:connection_established`.
    Established,
}

impl fmt::Display for ConnectPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Upgrade => "upgrade",
            Self::Established => "established",
        })
    }
}

impl Error {
    /// The error of a call that needs a connection, in a state without one.
    pub(crate) fn without_connection(state: ConnectionState) -> Self {
        match state {
            ConnectionState::Connecting | ConnectionState::Reconnecting | ConnectionState::Unavailable => {
                Self::NotConnected { state }
            }
            // `Connected` is possible: the state may have changed since the call found no connection.
            ConnectionState::Disconnected
            | ConnectionState::Connected
            | ConnectionState::Disconnecting
            | ConnectionState::Failed => Self::Disconnected,
        }
    }

    /// The Pusher code (4000-4999) that the server gave, if any.
    ///
    /// The codes are listed in the [protocol documentation](https://pusher.com/docs/channels/library_auth_reference/pusher-websockets-protocol/#error-codes).
    pub fn code(&self) -> Option<u16> {
        let code = match self {
            Self::ConnectionClosed { code, .. } => Some(*code),
            Self::Server { code, .. } => *code,
            Self::SubscriptionRefused { status, .. } => *status,
            Self::SignInRefused { code, .. } => *code,
            Self::ClientEventRefused { code, .. } => *code,
            _ => None,
        };
        code.filter(|code| (4000..5000).contains(code))
    }

    /// The HTTP status with which the server refused the upgrade or a subscription, or with which an auth endpoint, an
    /// authorizer or a proxy refused, if any.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::UpgradeStatus { status, .. } => Some(*status),
            Self::AuthRefused { status, .. } | Self::Proxy { status, .. } => *status,
            // Beside statuses, servers give codes of the protocol there.
            Self::SubscriptionRefused { status, .. } => status.filter(|status| *status < 1000),
            _ => None,
        }
    }

    /// Whether the same call may succeed when it is made again, with nothing changed.
    ///
    /// This tells a program whether it makes sense to call again. The client itself retries connections by its
    /// [`Reconnect`](crate::Reconnect) policy, also after errors for which this is `false`, such as those of TLS and refusals of
    /// a proxy, because certificates are renewed and proxies mended while it waits.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::ConnectTimeout { .. }
            | Self::Dns { .. }
            | Self::Tcp { .. }
            | Self::Dialer { .. }
            | Self::DialUrl { .. }
            | Self::UnexpectedFirstMessage { .. }
            | Self::ConnectionLost { .. }
            | Self::PongTimeout { .. }
            | Self::WriteTimeout { .. }
            | Self::SubscriptionTimeout { .. }
            | Self::SignInTimeout { .. }
            | Self::AuthNetwork { .. }
            | Self::AuthTimeout { .. }
            | Self::ClientEventRate { .. }
            | Self::ClientEventQueueFull { .. }
            | Self::WaitTimeout { .. }
            | Self::Disconnected
            | Self::NotConnected { .. }
            | Self::Thread { .. } => true,
            Self::Tls { problem, .. } => *problem == TlsProblem::Ended,
            Self::AuthRefused { status: Some(status), .. } => is_transient(*status),
            Self::UpgradeStatus { status, .. } => is_transient(*status),
            Self::Upgrade { source, .. } => source.is_some(),
            Self::Proxy { problem, status, .. } => problem.is_transient(*status),
            Self::ConnectionClosed { code, .. } => !(4000..4100).contains(code),
            _ => false,
        }
    }

    /// Whether the server, the auth endpoint, a proxy or the configuration denied permission: a refused signature, a refused
    /// origin, a wrong password, no authorizer. Any refusal of an auth endpoint counts, except 408, 429 and 5xx: also 404
    /// and a redirect. An endpoint that cannot be reached, or whose answer is malformed, has denied nothing.
    pub fn is_auth(&self) -> bool {
        match self {
            Self::NoAuthorizer { .. } | Self::SignInRefused { .. } => true,
            Self::AuthRefused { status, .. } => !status.is_some_and(is_transient),
            Self::UpgradeStatus { status, .. } => matches!(status, 401 | 403),
            Self::Proxy { problem, .. } => *problem == ProxyProblem::Credentials,
            Self::SubscriptionRefused { status, kind, .. } => {
                matches!(status, Some(401 | 403 | 4009)) || kind == "AuthError"
            }
            _ => self.code() == Some(4009),
        }
    }

    /// Whether a deadline ran out.
    pub fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::ConnectTimeout { .. }
                | Self::PongTimeout { .. }
                | Self::WriteTimeout { .. }
                | Self::SubscriptionTimeout { .. }
                | Self::SignInTimeout { .. }
                | Self::AuthTimeout { .. }
                | Self::WaitTimeout { .. }
        )
    }

    /// The error of signing in where the configuration has no way to do that.
    pub(crate) fn no_way_to_sign_in() -> Self {
        let reason = "neither this, nor user_authenticator, nor secret with user_data is set";
        Self::config("user_auth_endpoint", reason)
    }

    pub(crate) fn config(option: &'static str, reason: impl Into<String>) -> Self {
        Self::Config { option, reason: reason.into() }
    }

    /// Data that is not what was asked for. The parser quotes it, however long it is; here it is cut, because everybody who may
    /// send events could fill the memory with it.
    pub(crate) fn decode(channel: Option<&str>, event: &str, source: &serde_json::Error) -> Self {
        let source = Box::<dyn std::error::Error + Send + Sync>::from(excerpt(&source.to_string()));
        Self::Decode { channel: channel.map(str::to_owned), event: excerpt(event), source: Arc::from(source) }
    }

    /// The error of a TLS library, with what it means.
    #[cfg(feature = "native-tls")]
    pub(crate) fn tls(host: &str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Tls { host: host.to_owned(), problem: TlsProblem::of(&source), source: Arc::new(source) }
    }

    pub(crate) fn lost(reason: impl Into<String>) -> Self {
        Self::ConnectionLost { reason: reason.into(), source: None }
    }
}

/// Whether an HTTP status says that the same request may succeed later.
pub(crate) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// The beginning of a text from outside, at most 200 characters: enough for a person, and no way to fill the memory.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(200).collect()
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let source = match self {
            Self::Dns { source, .. }
            | Self::Tcp { source, .. }
            | Self::Dialer { source }
            | Self::Tls { source, .. }
            | Self::Decode { source, .. }
            | Self::Encode { source, .. }
            | Self::AuthNetwork { source, .. }
            | Self::Thread { source, .. } => Some(source),
            Self::ConnectionLost { source, .. } | Self::Proxy { source, .. } | Self::Upgrade { source, .. } => {
                source.as_ref()
            }
            _ => None,
        };
        source.map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}
