//! Why a proxy gave no tunnel.

use std::fmt;

use super::{Error, Source, TlsProblem};

/// What was wrong with the way through a proxy, over HTTP `CONNECT` and SOCKS alike.
///
/// The enum grows with what can be told apart, so a `match` needs a wildcard arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyProblem {
    /// The proxy wants a user name and a password, or others than it got. Correct [`Config::proxy`](crate::Config::proxy).
    Credentials,
    /// The proxy does not allow this host or port.
    Forbidden,
    /// The proxy does not know this command, or this kind of address.
    Unsupported,
    /// The proxy itself cannot be resolved or reached. The source is the failure. It may be there, later.
    Absent,
    /// The proxy cannot reach the host. It may be able to, later.
    Unreachable,
    /// The TLS handshake with the proxy failed. The source is an [`Error::Tls`], and its [`TlsProblem`] gives the
    /// reason: an unknown issuer, another host, an expired certificate.
    Tls,
    /// What answered is no proxy of this kind: mostly a wrong port, or a wrong scheme.
    NotAProxy,
    /// The connection to the proxy ended, or broke, before there was a tunnel.
    Ended,
    /// Anything else; the status or the reason says what.
    Other,
}

impl ProxyProblem {
    /// The problem of a proxy after a failed TLS handshake.
    fn of_tls(problem: TlsProblem) -> Self {
        match problem {
            TlsProblem::NotTls => Self::NotAProxy,
            TlsProblem::Ended => Self::Ended,
            _ => Self::Tls,
        }
    }

    /// RFC 9110, sections 9.3.6 and 15.
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            407 => Self::Credentials,
            403 => Self::Forbidden,
            405 | 501 => Self::Unsupported,
            502..=504 => Self::Unreachable,
            _ => Self::Other,
        }
    }

    /// RFC 1928, section 6.
    pub(crate) fn of_socks_reply(reply: u8) -> Self {
        match reply {
            2 => Self::Forbidden,
            3..=6 => Self::Unreachable,
            7 | 8 => Self::Unsupported,
            _ => Self::Other,
        }
    }

    /// Whether the same proxy may make the same tunnel later. A proxy that names no reason does not say that it never will.
    pub(super) fn is_transient(self, status: Option<u16>) -> bool {
        match self {
            Self::Credentials | Self::Forbidden | Self::Unsupported | Self::Tls | Self::NotAProxy => false,
            Self::Absent | Self::Unreachable | Self::Ended => true,
            Self::Other => status.is_none_or(super::is_transient),
        }
    }
}

impl fmt::Display for ProxyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credentials => {
                "it does not accept the user name and the password, or wants some; look at the option proxy"
            }
            Self::Forbidden => "it does not allow this host or port",
            Self::Unsupported => "it does not know the command or the kind of address",
            Self::Absent => "it cannot be resolved or reached; look at the option proxy",
            Self::Unreachable => "it cannot reach the host",
            Self::Tls => "the TLS handshake with it failed",
            Self::NotAProxy => {
                "it does not answer as such a proxy does; look at the scheme and the port in the option proxy"
            }
            Self::Ended => "the connection to it ended or broke",
            Self::Other => "it gave no tunnel",
        })
    }
}

impl Error {
    /// The [`Error::Proxy`](Self::Proxy) for a failed TLS handshake with the proxy at this address.
    pub(crate) fn proxy_tls(address: String, problem: TlsProblem, failure: Source) -> Self {
        let reason = match problem {
            TlsProblem::WrongHost => {
                "its certificate is for another host; name it in the option proxy as its certificate does".to_owned()
            }
            TlsProblem::NotTls => {
                "the port does not speak TLS; look at the scheme and the port in the option proxy".to_owned()
            }
            TlsProblem::Refused => {
                "it refused: there is no cipher in common, or it wants a client certificate, which proxies never get"
                    .to_owned()
            }
            TlsProblem::Other => failure.to_string(),
            problem => problem.to_string(),
        };
        Self::Proxy {
            address,
            status: None,
            problem: ProxyProblem::of_tls(problem),
            reason: format!("the TLS handshake failed: {reason}"),
            source: Some(failure),
        }
    }
}
