//! Why a TLS handshake failed, out of what the platform's library says about it.

use std::{borrow::Cow, error::Error, fmt, io};

use super::names::Names;

/// What was wrong in a TLS handshake, as far as the platform's library tells.
///
/// The enum grows with what can be told apart, so a `match` needs a wildcard arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The server's certificate is from an issuer that is not trusted here. Where it is an issuer of your own, name it by
    /// [`Config::root_certificate_pem`](crate::Config::root_certificate_pem). A proxy that looks into TLS has one, too. Or
    /// the server does not send the certificates between its own and one that is trusted, which browsers often hide.
    UnknownIssuer,
    /// The server's certificate is signed by nobody but itself. Where it is the right one, name it by
    /// [`Config::root_certificate_pem`](crate::Config::root_certificate_pem).
    SelfSigned,
    /// The certificate is for another host. Connect by a name that it has, or set
    /// [`Config::tls_server_name`](crate::Config::tls_server_name).
    WrongHost,
    /// The certificate has expired. The server needs a new one; or the clock of this machine is wrong.
    Expired,
    /// The certificate is not valid yet. Mostly it is the clock of this machine that is wrong.
    NotYetValid,
    /// The certificate has expired, or is not valid yet: Windows does not say which.
    NotValidNow,
    /// The server speaks no TLS that is as new as 1.2, and this client none that is older.
    OldVersion,
    /// The server refused: there is no cipher in common, or it wants a client certificate that it trusts
    /// ([`Config::client_identity_pem`](crate::Config::client_identity_pem)).
    Refused,
    /// What answered speaks no TLS at all: mostly a wrong port, or a server without TLS.
    NotTls,
    /// The connection ended in the middle of the handshake.
    Ended,
    /// Anything else; the source says what.
    Other,
}

impl TlsProblem {
    /// The numbers come first, because Windows and macOS say their words in the user's language.
    pub(crate) fn of(source: &(dyn Error + 'static)) -> Self {
        numbers(&format!("{source:?}"))
            .find_map(Self::by_number)
            .or_else(|| Self::by_words(&source.to_string()))
            .or_else(|| has_ended(source).then_some(Self::Ended))
            .unwrap_or(Self::Other)
    }

    /// Of SChannel, as `winerror.h` has them, and of Security.framework, as `SecureTransport.h` and `SecBase.h` do.
    fn by_number(number: i32) -> Option<Self> {
        Some(match number {
            // CERT_E_UNTRUSTEDROOT, CERT_E_CHAINING, SEC_E_UNTRUSTED_ROOT.
            -2_146_762_487 | -2_146_762_486 | -2_146_893_019 => Self::UnknownIssuer,
            // errSSLXCertChainInvalid, errSSLUnknownRootCert, errSSLNoRootCert, errSecNotTrusted.
            -9807 | -9812 | -9813 | -67_843 => Self::UnknownIssuer,
            // CERT_E_CN_NO_MATCH, SEC_E_WRONG_PRINCIPAL, errSSLHostNameMismatch, errSecHostNameMismatch.
            -2_146_762_481 | -2_146_893_022 | -9843 | -67_602 => Self::WrongHost,
            // CERT_E_EXPIRED, SEC_E_CERT_EXPIRED.
            -2_146_762_495 | -2_146_893_016 => Self::NotValidNow,
            // errSSLCertExpired, errSecCertificateExpired.
            -9814 | -67_818 => Self::Expired,
            // errSSLCertNotYetValid, errSecCertificateNotValidYet.
            -9815 | -67_819 => Self::NotYetValid,
            // errSSLPeerProtocolVersion.
            -9836 => Self::OldVersion,
            // SEC_E_ALGORITHM_MISMATCH, errSSLNegotiation, errSSLPeerHandshakeFail.
            -2_146_893_007 | -9801 | -9824 => Self::Refused,
            // SEC_E_INVALID_TOKEN.
            -2_146_893_048 => Self::NotTls,
            // errSSLClosedGraceful, errSSLClosedAbort, errSSLClosedNoNotify.
            -9805 | -9806 | -9816 => Self::Ended,
            _ => return None,
        })
    }

    /// Of OpenSSL, whose words are English everywhere. Version 1.1 wrote `self signed`.
    fn by_words(words: &str) -> Option<Self> {
        let table = [
            ("signed certificate in certificate chain", Self::UnknownIssuer),
            ("self-signed certificate", Self::SelfSigned),
            ("self signed certificate", Self::SelfSigned),
            ("issuer certificate", Self::UnknownIssuer),
            ("unable to verify the first certificate", Self::UnknownIssuer),
            ("hostname mismatch", Self::WrongHost),
            ("IP address mismatch", Self::WrongHost),
            ("certificate has expired", Self::Expired),
            ("certificate is not yet valid", Self::NotYetValid),
            ("alert protocol version", Self::OldVersion),
            ("unsupported protocol", Self::OldVersion),
            ("alert handshake failure", Self::Refused),
            ("certificate required", Self::Refused),
            // RFC 8446, section 6.2: alerts by which a server refuses a client certificate.
            ("alert bad certificate", Self::Refused),
            ("alert unsupported certificate", Self::Refused),
            ("alert certificate revoked", Self::Refused),
            ("alert certificate expired", Self::Refused),
            ("alert certificate unknown", Self::Refused),
            ("alert unknown ca", Self::Refused),
            ("alert access denied", Self::Refused),
            ("wrong version number", Self::NotTls),
            ("packet length too long", Self::NotTls),
            ("unexpected EOF", Self::Ended),
            ("unexpected eof", Self::Ended),
        ];
        table.into_iter().find(|(part, _)| words.contains(part)).map(|(_, problem)| problem)
    }
}

impl fmt::Display for TlsProblem {
    /// Completes the sentence "handshake with the host failed: ...".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &Names::RUST)
    }
}

impl TlsProblem {
    pub(super) fn write(self, f: &mut fmt::Formatter<'_>, names: &Names) -> fmt::Result {
        let option = names.option;
        let text: Cow<'_, str> = match self {
            Self::UnknownIssuer => format!(
                "the issuer of its certificate is not trusted here; if it should be, add it by {}, or let the server send \
                 the certificates in between, too",
                option("root_certificate_pem")
            )
            .into(),
            Self::SelfSigned => format!(
                "its certificate is self-signed; if it is the right one, add it by {}",
                option("root_certificate_pem")
            )
            .into(),
            Self::WrongHost => format!(
                "its certificate is for another host; connect by a name that the certificate has, or set {}",
                option("tls_server_name")
            )
            .into(),
            Self::Expired => {
                "its certificate has expired; renew it on the server, or set the clock of this machine right".into()
            }
            Self::NotYetValid => "its certificate is not valid yet; set the clock of this machine right".into(),
            Self::NotValidNow => "its certificate has expired or is not valid yet; renew it on the server, or set the \
                                  clock of this machine right"
                .into(),
            Self::OldVersion => {
                "it speaks only versions of TLS that are older than 1.2; renew the server's software".into()
            }
            Self::Refused => format!(
                "it refused: there is no cipher in common, or it wants a client certificate that it trusts ({})",
                option("client_identity_pem")
            )
            .into(),
            Self::NotTls => {
                format!("the port does not speak TLS; look at {} and {}", option("port"), option("tls")).into()
            }
            Self::Ended => "it ended the connection in the middle; look whether the port speaks TLS".into(),
            Self::Other => "the TLS library gave up".into(),
        };
        f.write_str(&text)
    }
}

/// The negative numbers that a library's error has in its `Debug` text, as in `Error { code: -9807, .. }`.
fn numbers(debug: &str) -> impl Iterator<Item = i32> {
    debug.split("code: -").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse::<i64>().ok().and_then(|number| i32::try_from(-number).ok())
    })
}

/// Whether it was the connection that ended, as the operating system tells it.
fn has_ended(source: &(dyn Error + 'static)) -> bool {
    let ended = |kind| {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
    };
    let mut errors = std::iter::successors(Some(source), |&error| error.source());
    errors.any(|error| error.downcast_ref::<io::Error>().is_some_and(|error| ended(error.kind())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error with the words and the `Debug` text of a library that does not run here.
    struct Recorded {
        display: &'static str,
        debug: &'static str,
    }

    impl fmt::Display for Recorded {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.display)
        }
    }

    impl fmt::Debug for Recorded {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.debug)
        }
    }

    impl Error for Recorded {}

    const VERIFY: &str = "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed:../ssl/statem/statem_clnt.c:1889: ";

    #[test]
    fn c8_what_openssl_says_is_understood() {
        use TlsProblem::*;
        let verified = [
            ("(unable to get local issuer certificate)", UnknownIssuer),
            ("(unable to get issuer certificate)", UnknownIssuer),
            ("(unable to verify the first certificate)", UnknownIssuer),
            ("(self-signed certificate in certificate chain)", UnknownIssuer),
            ("(self signed certificate in certificate chain)", UnknownIssuer),
            ("(self-signed certificate)", SelfSigned),
            ("(self signed certificate)", SelfSigned),
            ("(hostname mismatch)", WrongHost),
            ("(IP address mismatch)", WrongHost),
            ("(certificate has expired)", Expired),
            ("(certificate is not yet valid)", NotYetValid),
            ("(certificate revoked)", Other),
        ];
        let verified = verified.map(|(reason, problem)| (format!("{VERIFY}{reason}"), problem));
        let others = [
            (
                "error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:../ssl/record/rec_layer_s3.c:1602:SSL alert number 70",
                OldVersion,
            ),
            (
                "error:0A000102:SSL routines:ssl_choose_client_version:unsupported protocol:../ssl/statem/statem_lib.c:1987:",
                OldVersion,
            ),
            (
                "error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:../ssl/record/rec_layer_s3.c:1602:SSL alert number 40",
                Refused,
            ),
            (
                "error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../ssl/record/rec_layer_s3.c:1602:SSL alert number 116",
                Refused,
            ),
            ("error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:SSL alert number 48", Refused),
            ("error:0A000412:SSL routines:ssl3_read_bytes:sslv3 alert bad certificate:SSL alert number 42", Refused),
            ("error:0A000412:SSL routines:ssl3_read_bytes:ssl/tls alert bad certificate:SSL alert number 42", Refused),
            (
                "error:0A000415:SSL routines:ssl3_read_bytes:sslv3 alert certificate expired:SSL alert number 45",
                Refused,
            ),
            (
                "error:0A000416:SSL routines:ssl3_read_bytes:sslv3 alert certificate unknown:SSL alert number 46",
                Refused,
            ),
            ("error:0A000419:SSL routines:ssl3_read_bytes:tlsv1 alert access denied:SSL alert number 49", Refused),
            (
                "error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../ssl/record/ssl3_record.c:350:",
                NotTls,
            ),
            ("error:0A0000C6:SSL routines::packet length too long:../ssl/record/ssl3_record.c:331:", NotTls),
            ("unexpected EOF", Ended),
            (
                "error:0A0000F4:SSL routines:ossl_statem_client_read_transition:unexpected message:../ssl/statem/statem_clnt.c:396:",
                Other,
            ),
        ];
        for (words, problem) in verified.into_iter().chain(others.map(|(words, problem)| (words.to_owned(), problem))) {
            assert_eq!(TlsProblem::of(&io::Error::other(words.clone())), problem, "{words}");
        }
    }

    #[test]
    fn c8_the_numbers_of_windows_and_macos_are_understood_whatever_the_language() {
        let cases = [
            (
                "Os { code: -2146762487, kind: Uncategorized, message: \"Eine Zertifikatkette wurde\" }",
                TlsProblem::UnknownIssuer,
            ),
            ("Os { code: -2146762481, kind: Uncategorized, message: \"\" }", TlsProblem::WrongHost),
            ("Os { code: -2146762495, kind: Uncategorized, message: \"\" }", TlsProblem::NotValidNow),
            ("Os { code: -2146893048, kind: Uncategorized, message: \"\" }", TlsProblem::NotTls),
            ("Os { code: -2146893007, kind: Uncategorized, message: \"\" }", TlsProblem::Refused),
            ("Error { code: -67843, message: \"The certificate was not trusted.\" }", TlsProblem::UnknownIssuer),
            ("Error { code: -9807, message: \"invalid certificate chain\" }", TlsProblem::UnknownIssuer),
            ("Error { code: -9843 }", TlsProblem::WrongHost),
            ("Error { code: -67602 }", TlsProblem::WrongHost),
            ("Error { code: -9814 }", TlsProblem::Expired),
            ("Error { code: -67819 }", TlsProblem::NotYetValid),
            ("Error { code: -9836, message: \"bad protocol version\" }", TlsProblem::OldVersion),
            ("Error { code: -9806, message: \"connection closed via error\" }", TlsProblem::Ended),
            ("Error { code: -1 }", TlsProblem::Other),
            ("Error { code: -99999999999999999999 }", TlsProblem::Other),
            ("Os { code: 20, kind: NotADirectory }", TlsProblem::Other),
        ];
        for (debug, problem) in cases {
            assert_eq!(TlsProblem::of(&Recorded { display: "irgendwas", debug }), problem, "{debug}");
        }
    }

    #[test]
    fn c8_a_connection_that_ended_is_told_by_the_operating_system() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(TlsProblem::of(&reset), TlsProblem::Ended);
        assert_eq!(TlsProblem::of(&io::Error::from(io::ErrorKind::WouldBlock)), TlsProblem::Other);
    }
}
