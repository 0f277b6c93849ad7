//! Problems with proxies.

use std::fmt;

use super::{TlsProblem, codes};

/// The reason why a proxy opened no tunnel, for both HTTP `CONNECT` and SOCKS.
///
/// Later versions may distinguish more problems, so a `match` needs a wildcard arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProxyProblem {
    /// The proxy requires a user name and a password, or refused the given ones. Correct
    /// [`Config::proxy`](crate::Config::proxy).
    Credentials,
    /// The proxy does not allow this host or port.
    Forbidden,
    /// The proxy does not know this command, or this kind of address.
    Unsupported,
    /// The proxy itself cannot be resolved or reached. The source is the failure. The proxy may be reachable later.
    Absent,
    /// The proxy cannot reach the host. The host may be reachable later.
    Unreachable,
    /// The TLS handshake with the proxy failed. The source is an [`Error::Tls`](crate::Error::Tls), and its [`TlsProblem`] gives the
    /// reason: an unknown issuer, another host, an expired certificate.
    Tls,
    /// The peer is not a proxy of this kind. Usually the port or the scheme is wrong.
    NotAProxy,
    /// The connection to the proxy ended or broke before the tunnel was open.
    Ended,
    /// Another problem. The status or the reason describes it.
    Other,
}

impl ProxyProblem {
    /// The problem of a proxy after a failed TLS handshake.
    pub(super) fn of_tls(problem: TlsProblem) -> Self {
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

    /// Whether another attempt through the same proxy may succeed. True if the proxy gave no reason.
    pub(super) fn is_transient(self, status: Option<u16>) -> bool {
        match self {
            Self::Credentials | Self::Forbidden | Self::Unsupported | Self::Tls | Self::NotAProxy => false,
            Self::Absent | Self::Unreachable | Self::Ended => true,
            Self::Other => status.is_none_or(codes::is_transient),
        }
    }
}

impl fmt::Display for ProxyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credentials => "it refuses the user name and the password, or requires them; check the option proxy",
            Self::Forbidden => "it does not allow this host or port",
            Self::Unsupported => "it does not know the command or the kind of address",
            Self::Absent => "it cannot be resolved or reached; check the option proxy",
            Self::Unreachable => "it cannot reach the host",
            Self::Tls => "the TLS handshake with it failed",
            Self::NotAProxy => {
                "it does not answer like a proxy of this kind; check the scheme and the port in the option proxy"
            }
            Self::Ended => "the connection to it ended or broke",
            Self::Other => "it opened no tunnel",
        })
    }
}

/// The reason why the TLS handshake with a proxy failed.
pub(super) fn tls_failure(problem: TlsProblem, failure: &dyn fmt::Display) -> String {
    let reason = match problem {
        TlsProblem::WrongHost => {
            "its certificate is for another host; use a host name of the certificate in the option proxy"
        }
        TlsProblem::NotTls => "the port does not speak TLS; check the scheme and the port in the option proxy",
        TlsProblem::Refused => {
            "it refused: there is no common cipher, or it requires a client certificate, which the client never sends to proxies"
        }
        TlsProblem::Other => return failure.to_string(),
        problem => return problem.to_string(),
    };
    reason.to_owned()
}
