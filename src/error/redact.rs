//! Errors without texts from outside, for logs (X1).

use std::{io, sync::Arc};

use super::{Error, Source, TlsProblem};

impl Error {
    /// The same error without texts from outside of the client, including those of the program's own code. They may be
    /// confidential, and must not be logged.
    pub(crate) fn redacted(&self) -> Self {
        let mut error = self.clone();
        match &mut error {
            Self::SubscriptionRefused { message, kind, .. } => {
                message.clear();
                kind.clear();
            }
            Self::UpgradeStatus { body: text, .. }
            | Self::UnexpectedFirstMessage { reason: text }
            | Self::ConnectionClosed { message: text, .. }
            | Self::Server { message: text, .. }
            | Self::AuthRefused { message: text, .. }
            | Self::SignInRefused { message: text, .. }
            | Self::ClientEventRefused { message: text, .. } => text.clear(),
            Self::Dialer { source } | Self::Encode { source, .. } | Self::Decode { source, .. } => {
                *source = redacted(source);
            }
            Self::Tls { problem: TlsProblem::Other, source, .. } if has_custom_text(&**source) => {
                *source = redacted(source);
            }
            // These variants contain the errors of a dialer's stream.
            Self::ConnectionLost { reason, source: Some(source) } | Self::Upgrade { reason, source: Some(source) }
                if has_custom_text(&**source) =>
            {
                *source = redacted(source);
                *reason = format!("the connection failed: {source}");
            }
            _ => {}
        }
        error
    }
}

/// Whether the error or one of its sources is an I/O error with a text from outside, not an error of the operating
/// system.
fn has_custom_text(source: &(dyn std::error::Error + 'static)) -> bool {
    let mut errors = std::iter::successors(Some(source), |&error| error.source());
    errors.any(|error| error.downcast_ref::<io::Error>().is_some_and(|error| error.get_ref().is_some()))
}

/// The part of an error of the program's own code that is not confidential: the operating system's error number, or the
/// kind.
fn redacted(source: &Source) -> Source {
    match source.downcast_ref::<io::Error>() {
        Some(error) if error.get_ref().is_none() => Arc::clone(source),
        Some(error) => Arc::new(io::Error::from(error.kind())),
        None => {
            Arc::from(Box::<dyn std::error::Error + Send + Sync>::from("it failed with an error that is not logged"))
        }
    }
}
