//! Errors without the words of others, for logs (X1).

use std::{io, sync::Arc};

use super::{Error, Source, TlsProblem};

impl Error {
    /// The same error without words from outside, those of the program's own code included: they may be confidential, and
    /// belong into no log.
    pub(crate) fn without_words(&self) -> Self {
        let mut error = self.clone();
        match &mut error {
            Self::SubscriptionRefused { message, kind, .. } => {
                message.clear();
                kind.clear();
            }
            Self::UpgradeStatus { body: words, .. }
            | Self::UnexpectedFirstMessage { reason: words }
            | Self::ConnectionClosed { message: words, .. }
            | Self::Server { message: words, .. }
            | Self::AuthRefused { message: words, .. }
            | Self::SignInRefused { message: words, .. }
            | Self::ClientEventRefused { message: words, .. } => words.clear(),
            Self::Dialer { source } | Self::Encode { source, .. } | Self::Decode { source, .. } => {
                *source = without_words(source);
            }
            Self::Tls { problem: TlsProblem::Other, source, .. } if has_words(&**source) => {
                *source = without_words(source);
            }
            // What a dialer's halves fail with is told in these.
            Self::ConnectionLost { reason, source: Some(source) } | Self::Upgrade { reason, source: Some(source) }
                if has_words(&**source) =>
            {
                *source = without_words(source);
                *reason = format!("the connection failed: {source}");
            }
            _ => {}
        }
        error
    }
}

/// Whether there is an error among these that looks like one of the operating system, but has somebody's own words.
fn has_words(source: &(dyn std::error::Error + 'static)) -> bool {
    let mut errors = std::iter::successors(Some(source), |&error| error.source());
    errors.any(|error| error.downcast_ref::<io::Error>().is_some_and(|error| error.get_ref().is_some()))
}

/// What the program's own code failed with, as far as it is known to have nothing confidential in it: the operating system's
/// number, or the kind.
fn without_words(source: &Source) -> Source {
    match source.downcast_ref::<io::Error>() {
        Some(error) if error.get_ref().is_none() => Arc::clone(source),
        Some(error) => Arc::new(io::Error::from(error.kind())),
        None => Arc::from(Box::<dyn std::error::Error + Send + Sync>::from("it failed, in words that are not logged")),
    }
}
