//! The reasons why a request for a permission fails.

use std::{fmt, time::Duration};

use crate::{
    AuthError, Error, Source,
    auth::AuthErrorCause,
    error::{excerpt, is_transient},
    io::guard::user_code::{self, CallContext, UserCodeError},
};

/// The reason why a request has no permission.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// No answer came from this host and port.
    Network {
        endpoint: String,
        source: Source,
    },
    Timeout,
    Refused {
        status: Option<u16>,
        message: String,
        retry_after: Option<Duration>,
    },
    /// The reason completes "the answer ..".
    Malformed(String),
    /// A temporary error in an authorizer of the program.
    Temporary(String),
}

impl Failure {
    pub fn refused(message: &str) -> Self {
        Self::Refused { status: None, message: excerpt(message), retry_after: None }
    }

    /// Calls a closure of the program. `name` is the subject of the message about a panic.
    pub fn of_call<T>(context: CallContext, name: &str, closure: impl FnOnce() -> T) -> Result<T, Self> {
        user_code::call(context, name, closure).map_err(|error| match error {
            UserCodeError::Panicked => Self::refused(&format!("{name} panicked")),
            UserCodeError::Forked => Self::refused(&Error::Forked.to_string()),
        })
    }

    /// Whether another request may succeed (A4).
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Network { .. } | Self::Timeout | Self::Temporary(_) => true,
            Self::Refused { status, .. } => status.is_some_and(is_transient),
            Self::Malformed(_) => false,
        }
    }

    /// The wait that the endpoint asks for.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The error for this channel, or for the sign-in if there is none. `timeout` is the limit for one request.
    pub fn into_error(self, channel: Option<&str>, timeout: Duration) -> Error {
        let channel = channel.map(str::to_owned);
        match self {
            Self::Network { endpoint, source } => Error::AuthNetwork { channel, endpoint, source },
            Self::Timeout => Error::AuthTimeout { channel, after: timeout },
            Self::Refused { status, message, .. } => Error::AuthRefused { channel, status, message },
            Self::Malformed(reason) => Error::AuthMalformed { channel, reason },
            Self::Temporary(message) => Error::AuthRefused { channel, status: None, message },
        }
    }
}

impl fmt::Display for Failure {
    /// For logs. The message of an endpoint is left out, because it may contain secrets (X1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network { endpoint, source } => write!(f, "no connection to {endpoint}: {source}"),
            Self::Timeout => f.write_str("no answer in time"),
            Self::Refused { status: Some(status), .. } => write!(f, "refused with {status}"),
            Self::Refused { status: None, .. } => f.write_str("refused"),
            Self::Malformed(reason) => write!(f, "the answer {reason}"),
            Self::Temporary(_) => f.write_str("a temporary error"),
        }
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        let cause = error.cause();
        let (message, status) = error.into_parts();
        match cause {
            AuthErrorCause::Malformed => Self::Malformed(excerpt(&message)),
            AuthErrorCause::Io if status.is_none() => Self::Temporary(excerpt(&message)),
            AuthErrorCause::Io | AuthErrorCause::Refusal => {
                Self::Refused { status, message: excerpt(&message), retry_after: None }
            }
        }
    }
}
