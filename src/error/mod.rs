//! The errors of this crate. Each names the failed operation, its object and the reason.

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

pub(crate) use codes::is_transient;
#[cfg(feature = "capi")]
pub(crate) use display::Named;
#[cfg(feature = "capi")]
pub(crate) use names::Names;
pub use proxy::ProxyProblem;
pub use tls::TlsProblem;

use crate::ConnectionState;

/// Everything that this crate reports as a failure.
///
/// The `Display` text begins with the layer (`tls: ...`, `upgrade: ...`) and names the object. An error that caused
/// this one is its [`source`](std::error::Error::source). The text of a variant with a source already includes the text
/// of the source, or its meaning ([`Tls`](Error::Tls)). A program that prints the whole chain may print parts twice.
///
/// Later versions add variants, so a `match` needs a wildcard arm. The most frequent questions have methods:
/// [`code`](Error::code), [`is_retryable`](Error::is_retryable), [`is_auth`](Error::is_auth),
/// [`is_timeout`](Error::is_timeout).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// An option has an invalid value. Reported before any packet is sent. Correct the option.
    Config {
        /// The option as its setter is called, for example `key`.
        option: &'static str,
        /// The problem with the value.
        reason: String,
    },
    /// A channel name that the protocol does not allow. Returned by the call with the name.
    ChannelName {
        /// The name as given.
        name: String,
        /// The problem with it.
        reason: &'static str,
    },
    /// The connect deadline ran out ([`Config::connect_timeout`](crate::Config::connect_timeout)).
    ConnectTimeout {
        /// The step that the client was waiting for.
        phase: ConnectPhase,
        /// The deadline that ran out.
        after: Duration,
    },
    /// The host name could not be resolved.
    Dns {
        /// The name that was looked up.
        host: String,
        /// The error of the resolver.
        source: Source,
    },
    /// No address of the host accepted a TCP connection.
    Tcp {
        /// The host and port.
        address: String,
        /// The failure of the last address tried.
        source: Source,
    },
    /// The proxy opened no tunnel ([`Config::proxy`](crate::Config::proxy)), or cannot be reached itself.
    Proxy {
        /// The proxy's host and port.
        address: String,
        /// The HTTP status of its answer. `None` without one: SOCKS, an end of the stream, an answer that is not HTTP.
        status: Option<u16>,
        /// The kind of problem: the password, the rules of the proxy, the host behind it, ...
        problem: ProxyProblem,
        /// The problem as a text.
        reason: String,
        /// The error of the operating system, if the connection to the proxy broke; [`Error::Tcp`] or [`Error::Dns`],
        /// if the proxy cannot be reached or resolved; [`Error::Tls`], if the handshake with an `https://` proxy
        /// failed.
        source: Option<Source>,
    },
    /// The program's dialer made no connection ([`Config::dialer`](crate::Config::dialer)).
    Dialer {
        /// The error of the dialer.
        source: Source,
    },
    /// The TLS handshake failed. The client never falls back to plain text.
    Tls {
        /// The name to verify in the certificate: the host, or the name of
        /// [`Config::tls_server_name`](crate::Config::tls_server_name).
        host: String,
        /// The kind of problem, as far as the TLS library reports it: unknown issuer, wrong host, expired, no TLS at
        /// all, ...
        problem: TlsProblem,
        /// The error of the TLS library.
        source: Source,
    },
    /// The server answered the WebSocket upgrade with an HTTP status instead of 101.
    UpgradeStatus {
        /// The HTTP status code.
        status: u16,
        /// The beginning of the response body, at most 200 characters.
        body: String,
    },
    /// The server's answer to the WebSocket upgrade was invalid, or the connection ended before it.
    Upgrade {
        /// The problem with it.
        reason: String,
        /// The error of the connection, if the connection ended or broke. Another attempt may then succeed.
        source: Option<Source>,
    },
    /// The first message was not `pusher:connection_established`.
    UnexpectedFirstMessage {
        /// A description of the message.
        reason: String,
    },
    /// The server ended the connection with a close code. Some servers send a `pusher:error` instead of a close code.
    /// It counts with any code as the first message. Later it counts with a code from 4100 to 4299, at most 5 s before
    /// the connection ends without a Pusher code.
    ConnectionClosed {
        /// The WebSocket close code, or the code of the `pusher:error`. Codes from 4000 on are Pusher's.
        code: u16,
        /// The server's text, at most 200 characters. May be empty. The client appends a remark if the connection ended
        /// before its confirmation and without a Pusher code.
        message: String,
    },
    /// The connection died without a close code: end of stream, reset, or a violation of the WebSocket protocol.
    ConnectionLost {
        /// The reason.
        reason: String,
        /// The error of the operating system, if there was one.
        source: Option<Source>,
    },
    /// No data arrived within the activity timeout, and no answer to the ping within the pong timeout.
    PongTimeout {
        /// The duration of the silence.
        silence: Duration,
    },
    /// The peer accepted no data within the pong timeout.
    WriteTimeout {
        /// The duration without a successful write.
        after: Duration,
    },
    /// A message was larger than [`Config::max_message_size`](crate::Config::max_message_size). The client reconnects.
    MessageTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A message could not be understood. The client skipped it, and the connection stays.
    BadMessage {
        /// The problem with it.
        reason: String,
    },
    /// The server reported an error on a connection that stays open (`pusher:error`), and the client could not assign
    /// it to a subscription, a sign-in or a client event.
    Server {
        /// The Pusher error code, if the server gave one.
        code: Option<u16>,
        /// The server's text, at most 200 characters. May be empty.
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
        /// The server's text, at most 200 characters. May be empty.
        message: String,
        /// The HTTP-like status or the Pusher code, if the server gave one.
        status: Option<u16>,
    },
    /// The auth endpoint could not be reached, or the connection to it broke, in four requests.
    AuthNetwork {
        /// The channel, `None` for a sign-in.
        channel: Option<String>,
        /// The host and port of the endpoint, as its URL names them.
        endpoint: String,
        /// The failure of the last request.
        source: Source,
    },
    /// The auth endpoint, or an authorizer, did not answer in time: four requests each took longer than
    /// [`Config::auth_timeout`](crate::Config::auth_timeout), or the whole took longer than
    /// [`Config::subscription_timeout`](crate::Config::subscription_timeout), which also covers the wait for a free
    /// thread.
    AuthTimeout {
        /// The channel, `None` for a sign-in.
        channel: Option<String>,
        /// The time that ran out.
        after: Duration,
    },
    /// The auth endpoint, or an authorizer of the program, refused.
    AuthRefused {
        /// The channel, `None` for a sign-in.
        channel: Option<String>,
        /// The HTTP status. `None` if an authorizer gave no status.
        status: Option<u16>,
        /// The beginning of the response body, or the authorizer's text, at most 200 characters.
        message: String,
    },
    /// The answer of the auth endpoint, or of an authorizer, violates the protocol.
    AuthMalformed {
        /// The channel, `None` for a sign-in.
        channel: Option<String>,
        /// The problem with it.
        reason: String,
    },
    /// The server refused a sign-in.
    SignInRefused {
        /// The Pusher error code, if the server gave one.
        code: Option<u16>,
        /// The server's text, at most 200 characters. May be empty.
        message: String,
    },
    /// The server did not confirm a sign-in in time
    /// ([`Config::subscription_timeout`](crate::Config::subscription_timeout)).
    SignInTimeout {
        /// The deadline that ran out.
        after: Duration,
    },
    /// No user is signed in, and no sign-in is in progress.
    NotSignedIn,
    /// A client event cannot be sent on this kind of channel. Only private channels without encryption and presence
    /// channels carry client events.
    ClientEventChannel {
        /// The channel.
        channel: String,
    },
    /// The name of a client event is not valid. It must begin with `client-` and have at most 200 characters.
    ClientEventName {
        /// The name as given, at most 200 characters.
        name: String,
        /// The problem with it.
        reason: &'static str,
    },
    /// The data of a client event is larger than [`Config::client_event_size`](crate::Config::client_event_size), and
    /// the event was not sent. Or the server closed the connection with 1009 within 5 s after client events. Reverb
    /// does so for messages of more than 10,000 bytes, including the names.
    ClientEventTooLarge {
        /// The size in bytes. A string counts without its quotes. If any of several events may have caused the close,
        /// this is the size of the largest one.
        size: usize,
        /// The largest allowed size, in bytes. 0 if the server closed the connection, because its limit is unknown.
        limit: usize,
    },
    /// The server refused a client event after it was sent. Channel and name are unknown if the server's error does not
    /// contain them and several client events are unanswered. An event without a refusal within 5 s was accepted.
    ClientEventRefused {
        /// The channel, if it is known.
        channel: Option<String>,
        /// The event's name, if it is known.
        event: Option<String>,
        /// The Pusher error code, if the server gave one: usually 4301. Reverb gives 4200 for data that is a plain
        /// text, a number or a boolean.
        code: Option<u16>,
        /// The server's text, at most 200 characters. May be empty.
        message: String,
    },
    /// With the limit of [`Config::client_event_limit`](crate::Config::client_event_limit), the client event would wait
    /// longer than [`Config::client_event_patience`](crate::Config::client_event_patience).
    ClientEventRate {
        /// The limit, in events per second.
        limit: u32,
    },
    /// Too many client events wait to be sent: the program triggers them faster than the connection sends them.
    ClientEventQueueFull {
        /// The number of waiting events.
        waiting: usize,
    },
    /// The data of a client event cannot be written as JSON. For example, it contains NaN, an infinite number, or a map
    /// with keys of another type than strings.
    Encode {
        /// The event's name.
        event: String,
        /// The error of the serialiser.
        source: Source,
    },
    /// A presence channel has more members than [`Config::max_presence_members`](crate::Config::max_presence_members),
    /// or the members of all channels take more memory than
    /// [`Config::max_presence_bytes`](crate::Config::max_presence_bytes). Members over the limit are left out of the
    /// list, and a new info that does not fit is ignored. The error is also reported if more than 10,000 members were
    /// added or removed while the channel was not subscribed: the list is then complete, but handlers get only 10,000
    /// changes.
    TooManyMembers {
        /// The channel.
        channel: String,
        /// The number of members or changes that were left out this time.
        left_out: usize,
    },
    /// The channel requires authorisation, and no authorizer is configured.
    NoAuthorizer {
        /// The channel.
        channel: String,
    },
    /// The channel is not subscribed, or its subscription is not confirmed yet.
    NotSubscribed {
        /// The channel.
        channel: String,
    },
    /// [`ChannelAuth::from_json`](crate::ChannelAuth::from_json) or [`UserAuth::from_json`](crate::UserAuth::from_json)
    /// got a text that is not the answer of a backend.
    InvalidPermission {
        /// The reason. It never repeats the text.
        reason: String,
    },
    /// The closure of [`Config::url_with`](crate::Config::url_with) panicked, has not returned from earlier attempts,
    /// or returned an invalid URL. The attempt to connect failed. The client tries again by its
    /// [`Reconnect`](crate::Reconnect) policy.
    DialUrl {
        /// The reason. It never repeats the URL, which may contain tokens.
        reason: String,
    },
    /// A `wait_*` call reached its timeout.
    WaitTimeout {
        /// The awaited event.
        what: &'static str,
        /// The timeout.
        after: Duration,
    },
    /// The client was disconnected before or during the call.
    Disconnected,
    /// The call needs a connection, and the client is still connecting.
    /// [`Pusher::wait_connected`](crate::Pusher::wait_connected) waits for it.
    NotConnected {
        /// The state of the connection: [`Connecting`](ConnectionState::Connecting),
        /// [`Reconnecting`](ConnectionState::Reconnecting) or [`Unavailable`](ConnectionState::Unavailable).
        state: ConnectionState,
    },
    /// A waiting call was made inside a handler, a dialer, or other code of the program that runs on a thread of the
    /// client. The call would wait for its own thread.
    WouldDeadlock {
        /// The call.
        call: &'static str,
    },
    /// [`unbind`](crate::Pusher::unbind) got the binding of another client. The handler stays bound to that client, and
    /// the binding is consumed.
    OtherClient,
    /// Notifications were dropped before they reached the handlers, because the queue was full
    /// ([`Config::overflow`](crate::Config::overflow)).
    Lagged {
        /// The number of dropped notifications.
        dropped: u64,
    },
    /// A handler panicked. Other handlers and later events are not affected.
    HandlerPanicked {
        /// The event or notification of the handler.
        handler: String,
    },
    /// Event data does not have the requested type.
    Decode {
        /// The event's channel, if it has one.
        channel: Option<String>,
        /// The event's name.
        event: String,
        /// The beginning of the parser's error, which may quote the data.
        source: Source,
    },
    /// The client belongs to the parent of this forked process, and keeps working there. Create a new client in the
    /// child.
    Forked,
    /// The operating system failed to start a thread.
    Thread {
        /// The thread's name.
        name: &'static str,
        /// The error of the operating system.
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
    /// Connecting a TCP socket to one of the addresses, or waiting for the program's dialer.
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

    /// The HTTP status of a refusal by the server (of the upgrade or a subscription), an auth endpoint, an authorizer
    /// or a proxy, if any.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::UpgradeStatus { status, .. } => Some(*status),
            Self::AuthRefused { status, .. } | Self::Proxy { status, .. } => *status,
            // Servers also use codes of the protocol in this field.
            Self::SubscriptionRefused { status, .. } => status.filter(|status| *status < 1000),
            _ => None,
        }
    }

    /// Whether a repetition of the same call may succeed.
    ///
    /// The client itself retries connections by its [`Reconnect`](crate::Reconnect) policy, also after errors for which
    /// this is `false`, such as TLS errors and refusals of a proxy: certificates may be renewed, and proxies repaired,
    /// while it waits.
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

    /// Whether the server, the auth endpoint, a proxy or the configuration denied permission: a refused signature, a
    /// refused origin, a wrong password, no authorizer. Any refusal of an auth endpoint counts, except 408, 429 and
    /// 5xx: also 404 and a redirect. An unreachable endpoint or a malformed answer is not a denial.
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

    /// The error for data without the requested type. The parser quotes the data in full length. The text is cut,
    /// because otherwise any publisher could fill the memory.
    pub(crate) fn decode(channel: Option<&str>, event: &str, source: &serde_json::Error) -> Self {
        let source = Box::<dyn std::error::Error + Send + Sync>::from(excerpt(&source.to_string()));
        Self::Decode { channel: channel.map(str::to_owned), event: excerpt(event), source: Arc::from(source) }
    }

    /// The error of a TLS library, with its meaning.
    #[cfg(feature = "native-tls")]
    pub(crate) fn tls(host: &str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Tls { host: host.to_owned(), problem: TlsProblem::of(&source), source: Arc::new(source) }
    }

    /// The [`Error::Proxy`](Self::Proxy) for a failed TLS handshake with the proxy at this address.
    pub(crate) fn proxy_tls(address: String, problem: TlsProblem, failure: Source) -> Self {
        Self::Proxy {
            address,
            status: None,
            problem: ProxyProblem::of_tls(problem),
            reason: format!("the TLS handshake failed: {}", proxy::tls_failure(problem, &failure)),
            source: Some(failure),
        }
    }

    pub(crate) fn lost(reason: impl Into<String>) -> Self {
        Self::ConnectionLost { reason: reason.into(), source: None }
    }
}

/// The beginning of a text from outside, at most 200 characters: enough to read, and too little to fill the memory.
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
