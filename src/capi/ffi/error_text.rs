//! The texts of an error beside its number, with the names of C.

use crate::{
    ConnectPhase, ProxyProblem, TlsProblem,
    capi::internals::texts::{self, Names},
};

/// The channel of the error.
pub(crate) fn channel(error: &crate::Error) -> Option<&str> {
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

/// The message of the server, of the endpoint, or of the authorizer, if there is one.
pub(crate) fn message(error: &crate::Error) -> Option<&str> {
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

/// The detail of the error, in the form that C programs compare.
pub(crate) fn detail(error: &crate::Error) -> Option<String> {
    match error {
        crate::Error::ConnectTimeout { phase, .. } => Some(phase_detail(*phase).to_owned()),
        crate::Error::Tls { problem, .. } => Some(tls_detail(*problem).to_owned()),
        crate::Error::Proxy { problem, .. } => Some(proxy_detail(*problem).to_owned()),
        crate::Error::Config { option, .. } => Some(option_name(option)),
        _ => None,
    }
}

/// The text of an error, with the names of options and functions in C.
pub(crate) fn text(error: &crate::Error) -> String {
    texts::error_text(error, &NAMES)
}

const NAMES: Names = Names { option: option_name, bare_option: option_name, function: |name| format!("pusher_{name}") };

/// The name of an option in C, where a time has its unit in its name.
pub(crate) fn option_name(option: &str) -> String {
    match option {
        // In `reconnect`, only a delay can be invalid. The error does not say which, so this names the longest delay.
        "reconnect" => "reconnect_max_delay_ms".to_owned(),
        _ if option.contains("timeout") || option.ends_with("_patience") => format!("{option}_ms"),
        _ => option.to_owned(),
    }
}

fn phase_detail(phase: ConnectPhase) -> &'static str {
    match phase {
        ConnectPhase::Dns => "dns",
        ConnectPhase::Tcp => "tcp",
        ConnectPhase::Proxy => "proxy",
        ConnectPhase::Tls => "tls",
        ConnectPhase::Upgrade => "upgrade",
        ConnectPhase::Established => "established",
    }
}

fn tls_detail(problem: TlsProblem) -> &'static str {
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

fn proxy_detail(problem: ProxyProblem) -> &'static str {
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
