//! The reason of a failed TLS handshake, from the error of the platform's library.

use std::{borrow::Cow, error::Error, fmt, io};

use super::names::Names;

/// The reason of a failed TLS handshake, as far as the platform's library reports it.
///
/// Later versions may distinguish more problems, so a `match` needs a wildcard arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsProblem {
    /// The issuer of the server's certificate is not trusted. If it is your own issuer, or that of a proxy that
    /// inspects TLS, add it with [`Config::root_certificate_pem`](crate::Config::root_certificate_pem). Or the server
    /// does not send its intermediate certificates. Browsers often work without them.
    UnknownIssuer,
    /// The server's certificate is self-signed. If it is the right one, add it with
    /// [`Config::root_certificate_pem`](crate::Config::root_certificate_pem).
    SelfSigned,
    /// The certificate is for another host. Connect with a name in the certificate, or set
    /// [`Config::tls_server_name`](crate::Config::tls_server_name).
    WrongHost,
    /// The certificate has expired. The server needs a new certificate, or the clock of this machine is wrong.
    Expired,
    /// The certificate is not valid yet. Usually the clock of this machine is wrong.
    NotYetValid,
    /// The certificate has expired, or is not valid yet: Windows does not say which.
    NotValidNow,
    /// The server supports only versions of TLS before 1.2. This client requires at least 1.2.
    OldVersion,
    /// The server refused: there is no common cipher, or it requires a client certificate that it trusts
    /// ([`Config::client_identity_pem`](crate::Config::client_identity_pem)).
    Refused,
    /// The peer does not speak TLS. Usually the port is wrong, or the server has no TLS.
    NotTls,
    /// The connection ended during the handshake.
    Ended,
    /// Another problem. The source describes it.
    Other,
}

impl TlsProblem {
    /// Numbers come first, because the texts of Windows and macOS are in the user's language.
    pub(crate) fn of(source: &(dyn Error + 'static)) -> Self {
        numbers(&format!("{source:?}"))
            .find_map(Self::by_number)
            .or_else(|| Self::by_text(&source.to_string()))
            .or_else(|| has_ended(source).then_some(Self::Ended))
            .unwrap_or(Self::Other)
    }

    /// The numbers of SChannel (`winerror.h`) and of Security.framework (`SecureTransport.h`, `SecBase.h`).
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

    /// The texts of OpenSSL, which are always English. Version 1.1 wrote `self signed`.
    fn by_text(text: &str) -> Option<Self> {
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
        table.into_iter().find(|(part, _)| text.contains(part)).map(|(_, problem)| problem)
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
                "the issuer of its certificate is not trusted; if it should be, add it with {}, or let the server send the \
                 intermediate certificates",
                option("root_certificate_pem")
            )
            .into(),
            Self::SelfSigned => format!(
                "its certificate is self-signed; if it is the right one, add it with {}",
                option("root_certificate_pem")
            )
            .into(),
            Self::WrongHost => format!(
                "its certificate is for another host; connect with a name in the certificate, or set {}",
                option("tls_server_name")
            )
            .into(),
            Self::Expired => {
                "its certificate has expired; renew it on the server, or correct the clock of this machine".into()
            }
            Self::NotYetValid => "its certificate is not valid yet; correct the clock of this machine".into(),
            Self::NotValidNow => "its certificate has expired or is not valid yet; renew it on the server, or correct the \
                                  clock of this machine"
                .into(),
            Self::OldVersion => {
                "it supports only versions of TLS before 1.2; update the server's software".into()
            }
            Self::Refused => format!(
                "it refused: there is no common cipher, or it requires a client certificate that it trusts ({})",
                option("client_identity_pem")
            )
            .into(),
            Self::NotTls => {
                format!("the port does not speak TLS; check {} and {}", option("port"), option("tls")).into()
            }
            Self::Ended => {
                "it ended the connection during the handshake; check whether the port speaks TLS".into()
            }
            Self::Other => "the TLS library reported an error".into(),
        };
        f.write_str(&text)
    }
}

/// The negative numbers in the `Debug` text of a library's error, such as `Error { code: -9807, .. }`.
fn numbers(debug: &str) -> impl Iterator<Item = i32> {
    debug.split("code: -").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse::<i64>().ok().and_then(|number| i32::try_from(-number).ok())
    })
}

/// Whether the operating system reports the end of the connection.
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

    /// An error with the recorded texts of a library of another platform.
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
    fn c8_the_texts_of_openssl_are_recognised() {
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
        for (text, problem) in verified.into_iter().chain(others.map(|(text, problem)| (text.to_owned(), problem))) {
            assert_eq!(TlsProblem::of(&io::Error::other(text.clone())), problem, "{text}");
        }
    }

    #[test]
    fn c8_the_numbers_of_windows_and_macos_are_recognised_in_any_language() {
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
    fn c8_the_end_of_a_connection_is_recognised_by_the_error_kind() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(TlsProblem::of(&reset), TlsProblem::Ended);
        assert_eq!(TlsProblem::of(&io::Error::from(io::ErrorKind::WouldBlock)), TlsProblem::Other);
    }
}
