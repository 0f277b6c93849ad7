//! Certificates for servers on loopback. The `openssl` command makes them when a test needs them.
#![allow(dead_code, reason = "every test target uses its own part of this")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The properties of a certificate.
#[derive(Clone, Copy)]
pub(crate) struct Certificate {
    /// The subject alternative names, in the syntax of OpenSSL: `DNS:localhost`.
    pub(crate) names: &'static str,
    pub(crate) valid: Valid,
    pub(crate) issuer: Issuer,
}

/// The period of validity.
#[derive(Clone, Copy)]
pub(crate) enum Valid {
    Today,
    /// The certificate has expired.
    LongAgo,
    /// The certificate is not valid yet.
    FarAhead,
}

/// The issuer, and the certificates that the server sends.
#[derive(Clone, Copy)]
pub(crate) enum Issuer {
    /// The authority, whose root a client may trust.
    Root,
    /// An authority between the root and the certificate. The server may send its certificate.
    Intermediate {
        sent: bool,
    },
    Itself,
}

/// A certificate that a client accepts if it trusts the root.
pub(crate) const GOOD: Certificate = Certificate { names: "DNS:localhost", valid: Valid::Today, issuer: Issuer::Root };

/// An authority, and an intermediate one below it. The folder is removed when this value is dropped.
pub(crate) struct Authority {
    folder: PathBuf,
    /// The number of certificates made so far. Only one is made at a time, because they share files.
    made: Mutex<usize>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("certificates-{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let authority = Self { folder, made: Mutex::new(0) };
        fs::create_dir_all(&authority.folder).expect("a writable target folder");
        authority.write("issuing", ISSUING);
        authority.write("issued", "");
        let root = ["-subj", "/CN=Test root", "-addext", "keyUsage=keyCertSign"];
        authority.sign_by_itself("root", &root, &["-days", "2"]);
        let extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign";
        authority.sign("root", "intermediate", extensions, &["-days", "2"]);
        authority
    }

    /// The certificate of the authority, as PEM.
    pub(crate) fn root(&self) -> Vec<u8> {
        self.read("root.pem")
    }

    /// The file with the certificate of the authority.
    pub(crate) fn root_file(&self) -> PathBuf {
        self.folder.join("root.pem")
    }

    /// The key of `files`, converted by `openssl` with these arguments.
    pub(crate) fn converted(&self, files: &Files, arguments: &[&str]) -> Vec<u8> {
        let key = files.key.to_str().expect("UTF-8");
        self.openssl(&[arguments, &["-in", key, "-out", "converted.key"]]);
        self.read("converted.key")
    }

    /// Makes a certificate for a server or a client.
    pub(crate) fn make(&self, certificate: &Certificate) -> Files {
        let mut made = self.made.lock().expect("no panic");
        *made += 1;
        let name = format!("server-{made}");
        let names = format!("subjectAltName={}", certificate.names);
        let dates: &[&str] = match certificate.valid {
            Valid::Today => &["-days", "2"],
            Valid::LongAgo => &["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"],
            Valid::FarAhead => &["-startdate", "20900101000000Z", "-enddate", "20910101000000Z"],
        };
        match certificate.issuer {
            Issuer::Itself => self.sign_by_itself(&name, &["-subj", "/CN=Test server", "-addext", &names], dates),
            Issuer::Root => self.sign("root", &name, &names, dates),
            Issuer::Intermediate { .. } => self.sign("intermediate", &name, &names, dates),
        }
        let chain = format!("{name}.pem");
        if matches!(certificate.issuer, Issuer::Intermediate { sent: true }) {
            self.write(&chain, [self.read(&chain), self.read("intermediate.pem")].concat());
        }
        Files { chain: self.folder.join(chain), key: self.folder.join(format!("{name}.key")) }
    }

    fn sign_by_itself(&self, name: &str, what: &[&str], dates: &[&str]) {
        let files = ["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")];
        self.openssl(&[&["req", "-x509"], NEW_KEY, what, dates, &files]);
    }

    fn sign(&self, issuer: &str, name: &str, extensions: &str, dates: &[&str]) {
        let subject = format!("/CN=Test {name}");
        let (key, request) = (format!("{name}.key"), format!("{name}.request"));
        self.openssl(&[&["req"], NEW_KEY, &["-subj", &subject, "-keyout", &key, "-out", &request]]);
        self.write("extensions", extensions);
        let by = ["-cert", &format!("{issuer}.pem"), "-keyfile", &format!("{issuer}.key"), "-extfile", "extensions"];
        let files = ["-in", &request, "-out", &format!("{name}.pem")];
        // Unlike other commands that sign, this one takes dates in every version of OpenSSL.
        self.openssl(&[&["ca", "-config", "issuing", "-batch", "-notext", "-create_serial"], &by, dates, &files]);
    }

    fn openssl(&self, arguments: &[&[&str]]) {
        let mut command = Command::new("openssl");
        let output = command.current_dir(&self.folder).args(arguments.concat()).output().expect("openssl is installed");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.folder.join(name), text).expect("a writable folder");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.join(name)).expect("openssl has written it")
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The certificate chain that the server sends, and the key, as PEM.
pub(crate) struct Files {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
}

impl Files {
    /// The certificate and the key, in the form that the configuration of a client takes.
    pub(crate) fn read(&self) -> (Vec<u8>, Vec<u8>) {
        let [chain, key] = [&self.chain, &self.key].map(|file| fs::read(file).expect("openssl has written it"));
        (chain, key)
    }
}

const NEW_KEY: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// The smallest configuration for `openssl ca`.
const ISSUING: &str = "\
[ca]
default_ca = issuing
[issuing]
database = issued
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
";
