//! TLS with the platform's library.

use std::{io, sync::OnceLock};

use native_tls::{Certificate, HandshakeError, Protocol, TlsConnector};

use crate::{
    Error,
    config::{Identity, TlsOptions},
    io::transport::maybe_tls::{MaybeTlsStream, Secured},
};

/// The connectors. Each is built at its first use.
#[derive(Default)]
pub(crate) struct Connectors {
    for_servers: OnceLock<TlsConnector>,
    for_proxies: OnceLock<TlsConnector>,
}

impl Connectors {
    pub fn for_servers(&self, options: &TlsOptions) -> Result<&TlsConnector, Error> {
        get_or_load(&self.for_servers, || load(options, options.identity.as_ref()))
    }

    /// The same, without a client certificate.
    pub fn for_proxies(&self, options: &TlsOptions) -> Result<&TlsConnector, Error> {
        match options.identity {
            None => self.for_servers(options),
            Some(_) => get_or_load(&self.for_proxies, || load(options, None)),
        }
    }
}

fn get_or_load(
    cell: &OnceLock<TlsConnector>,
    load: impl FnOnce() -> Result<TlsConnector, Error>,
) -> Result<&TlsConnector, Error> {
    match cell.get() {
        Some(connector) => Ok(connector),
        None => {
            let connector = load()?;
            // If another thread was faster, its connector is used; the two are alike.
            Ok(cell.get_or_init(|| connector))
        }
    }
}

fn load(options: &TlsOptions, identity: Option<&Identity>) -> Result<TlsConnector, Error> {
    let mut builder = TlsConnector::builder();
    builder.min_protocol_version(Some(Protocol::Tlsv12));
    for pem in &options.roots {
        for root in roots(pem)? {
            builder.add_root_certificate(root);
        }
    }
    if let Some(identity) = identity {
        builder.identity(self::identity(identity)?);
    }
    builder.build().map_err(|error| match identity {
        Some(_) => bad_identity(&format!("the certificate and the key do not belong together: {error}")),
        None => Error::config("tls", error.to_string()),
    })
}

pub(crate) fn roots(pem: &[u8]) -> Result<Vec<Certificate>, Error> {
    certificates(pem).map_err(|reason| Error::config("root_certificate_pem", reason))
}

/// Parses at least one certificate. An encrypted one is refused, because OpenSSL would ask for its password on the
/// terminal.
fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, String> {
    let text = String::from_utf8_lossy(pem);
    let wants_password = |block: &str| block.contains("CERTIFICATE-----") && block.contains("Proc-Type:");
    if text.split("-----BEGIN ").any(wants_password) {
        return Err("has a certificate that is encrypted with a password".to_owned());
    }
    let certificates = Certificate::stack_from_pem(pem).map_err(|error| format!("cannot be read: {error}"))?;
    if certificates.is_empty() { Err("has no certificate in it".to_owned()) } else { Ok(certificates) }
}

const KEY_BEGINS: &str = "-----BEGIN PRIVATE KEY-----";
const KEY_ENDS: &str = "-----END PRIVATE KEY-----";

fn identity(identity: &Identity) -> Result<native_tls::Identity, Error> {
    // native-tls panics on these platforms.
    if cfg!(all(target_vendor = "apple", not(target_os = "macos"))) {
        return Err(bad_identity("this platform does not support client certificates"));
    }
    certificates(&identity.certificate)
        .map_err(|reason| bad_identity(&format!("the text of the certificate {reason}")))?;
    let key = private_key(&identity.key).ok_or_else(|| {
        bad_identity(
            "the key is not PKCS 8 in PEM without a password (BEGIN PRIVATE KEY); convert it by \
             `openssl pkcs8 -topk8 -nocrypt -in old.key -out new.key`",
        )
    })?;
    native_tls::Identity::from_pkcs8(&identity.certificate, key)
        .map_err(|error| bad_identity(&format!("the key cannot be read: {error}")))
}

/// Cuts the key out of the text around it, because native-tls accepts the key alone. A key with PEM headers is refused:
/// for a header that announces a password, OpenSSL would ask on the terminal.
fn private_key(pem: &[u8]) -> Option<&[u8]> {
    let text = std::str::from_utf8(pem).ok()?;
    let (start, ending) = (text.find(KEY_BEGINS)?, text.find(KEY_ENDS)?);
    let base64 = text.get(start + KEY_BEGINS.len()..ending)?;
    let good = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || "+/=".contains(c);
    if base64.chars().all(good) { pem.get(start..ending + KEY_ENDS.len()) } else { None }
}

fn bad_identity(reason: &str) -> Error {
    Error::config("client_identity_pem", reason)
}

/// Does the handshake, and verifies that the peer's certificate has this name.
pub(crate) fn handshake(connector: &TlsConnector, name: &str, stream: MaybeTlsStream) -> Result<MaybeTlsStream, Error> {
    match connector.connect(name, stream) {
        Ok(stream) => Ok(MaybeTlsStream::Tls(Box::new(Secured { stream, peer: name.to_owned() }))),
        Err(HandshakeError::Failure(error)) => Err(Error::tls(name, error)),
        // A blocking stream returns data or an error, so the handshake is never interrupted.
        Err(HandshakeError::WouldBlock(_)) => Err(Error::tls(name, io::Error::from(io::ErrorKind::WouldBlock))),
    }
}
