//! What an error says besides its number, in the words of C.

use crate::{ConnectPhase, ProxyProblem, TlsProblem};

/// The channel that it happened to.
pub(super) fn channel(error: &crate::Error) -> Option<&str> {
    match error {
        crate::Error::SubscriptionTimeout { channel, .. }
        | crate::Error::SubscriptionRefused { channel, .. }
        | crate::Error::ClientEventChannel { channel }
        | crate::Error::TooManyMembers { channel, .. }
        | crate::Error::NoAuthorizer { channel }
        | crate::Error::NotSubscribed { channel } => Some(channel),
        crate::Error::AuthNetwork { channel, .. }
        | crate::Error::AuthTimeout { channel, .. }
        | crate::Error::AuthRefused { channel, .. }
        | crate::Error::AuthMalformed { channel, .. }
        | crate::Error::ClientEventRefused { channel, .. }
        | crate::Error::Decode { channel, .. } => channel.as_deref(),
        _ => None,
    }
}

/// The words of the server, of the endpoint, or of the authorizer, where there are any.
pub(super) fn message(error: &crate::Error) -> Option<&str> {
    let message = match error {
        crate::Error::UpgradeStatus { body, .. } => body,
        crate::Error::ConnectionClosed { message, .. }
        | crate::Error::Server { message, .. }
        | crate::Error::SubscriptionRefused { message, .. }
        | crate::Error::AuthRefused { message, .. }
        | crate::Error::SignInRefused { message, .. }
        | crate::Error::ClientEventRefused { message, .. } => message,
        _ => return None,
    };
    (!message.is_empty()).then_some(message)
}

/// What is wrong more exactly, in one word.
pub(super) fn detail(error: &crate::Error) -> Option<&'static str> {
    match error {
        crate::Error::ConnectTimeout { phase, .. } => Some(phase_word(*phase)),
        crate::Error::Tls { problem, .. } => Some(tls_word(*problem)),
        crate::Error::Proxy { problem, .. } => Some(proxy_word(*problem)),
        crate::Error::Config { option, .. } => Some(option_of(option)),
        _ => None,
    }
}

/// The text of an error, which begins with the option where one is wrong.
pub(super) fn of(error: &crate::Error) -> String {
    match error {
        crate::Error::Config { option, reason } => format!("config: {}: {reason}", option_of(option)),
        _ => error.to_string(),
    }
}

/// An option by its name in C.
fn option_of(option: &str) -> &str {
    match option {
        "connect_timeout" => "connect_timeout_ms",
        "activity_timeout" => "activity_timeout_ms",
        "activity_timeout_override" => "activity_timeout_override_ms",
        "unavailable_timeout" => "unavailable_timeout_ms",
        "pong_timeout" => "pong_timeout_ms",
        "subscription_timeout" => "subscription_timeout_ms",
        "auth_timeout" => "auth_timeout_ms",
        "client_event_patience" => "client_event_patience_ms",
        // Only delays can be wrong, and the longest is.
        "reconnect" => "reconnect_max_delay_ms",
        _ => option,
    }
}

/// A text with Rust's names of options and functions replaced by those of C.
pub(super) fn named_for_c(text: &str) -> String {
    let is_of_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let replaced = |text: &str, prefix: &str, name: fn(&str) -> String| {
        let mut parts = text.split(prefix);
        let mut named = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c| !is_of_name(c)).unwrap_or(part.len());
            named += &name(&part[..end]);
            named += &part[end..];
        }
        named
    };
    let text = replaced(text, "Config::", |option| option_of(option).to_owned());
    replaced(&text, "Pusher::", |function| format!("pusher_{function}"))
}

fn phase_word(phase: ConnectPhase) -> &'static str {
    match phase {
        ConnectPhase::Dns => "dns",
        ConnectPhase::Tcp => "tcp",
        ConnectPhase::Proxy => "proxy",
        ConnectPhase::Tls => "tls",
        ConnectPhase::Upgrade => "upgrade",
        ConnectPhase::Established => "established",
    }
}

fn tls_word(problem: TlsProblem) -> &'static str {
    match problem {
        TlsProblem::UnknownIssuer => "unknown_issuer",
        TlsProblem::SelfSigned => "self_signed",
        TlsProblem::WrongHost => "wrong_host",
        TlsProblem::Expired => "expired",
        TlsProblem::NotYetValid => "not_yet_valid",
        TlsProblem::NotValidNow => "not_valid_now",
        TlsProblem::OldVersion => "old_version",
        TlsProblem::Refused => "refused",
        TlsProblem::NotTls => "not_tls",
        TlsProblem::Ended => "ended",
        TlsProblem::Other => "other",
    }
}

fn proxy_word(problem: ProxyProblem) -> &'static str {
    match problem {
        ProxyProblem::Credentials => "credentials",
        ProxyProblem::Forbidden => "forbidden",
        ProxyProblem::Unsupported => "unsupported",
        ProxyProblem::Absent => "absent",
        ProxyProblem::Unreachable => "unreachable",
        ProxyProblem::Tls => "tls",
        ProxyProblem::NotAProxy => "not_a_proxy",
        ProxyProblem::Ended => "ended",
        ProxyProblem::Other => "other",
    }
}
