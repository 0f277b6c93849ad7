//! Requests over `https` (C8).

use std::{fs, path::PathBuf, process::Command};

use native_tls::{Identity, TlsAcceptor};

use super::*;

/// A self-signed certificate for `localhost` and its key, in a folder that is removed at the end.
struct SelfSigned(PathBuf);

impl SelfSigned {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("pusher-channels-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a writable folder");
        let made = Self(folder);
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .arg("-keyout")
            .arg(made.0.join("key.pem"))
            .arg("-out")
            .arg(made.0.join("certificate.pem"))
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        made
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).expect("openssl wrote it")
    }
}

impl Drop for SelfSigned {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Answers every TLS connection that is made. Returns the URL.
fn endpoint(certificate: &SelfSigned) -> String {
    let identity = Identity::from_pkcs8(&certificate.read("certificate.pem"), &certificate.read("key.pem"));
    let acceptor = TlsAcceptor::new(identity.expect("a key pair of openssl")).expect("a good identity");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(mut tls) = acceptor.accept(stream) else { continue };
            let mut request = [0; 4096];
            let _ = tls.read(&mut request);
            let _ = tls.write_all(GOOD.as_bytes());
            let _ = tls.shutdown();
        }
    });
    format!("https://localhost:{port}/auth")
}

#[test]
fn c8_https_is_verified_by_the_users_root_and_nothing_is_sent_without_it() {
    let certificate = SelfSigned::new("auth");
    let url = endpoint(&certificate);
    let trusting = config().auth_endpoint(&*url).root_certificate_pem(certificate.read("certificate.pem"));
    assert_eq!(Asking::new(trusting).channel("private-a").expect("trusted").signature(), "k:s");

    let error = Asking::new(config().auth_endpoint(url)).channel("private-a").map(drop).expect_err("unknown");
    assert!(matches!(error, Error::AuthNetwork { .. }), "{error:?}");
    assert!(error.to_string().contains("tls: handshake with localhost failed"), "{error}");
}

#[test]
fn h6_a_handshake_that_hangs_is_interrupted_and_has_a_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://localhost:{}/", listener.local_addr().expect("bound").port());
    let hasty = config().auth_endpoint(&*url).auth_timeout(Duration::from_millis(50));
    let error = Asking::new(hasty).channel("private-a").map(drop).expect_err("no answer comes");
    assert!(matches!(error, Error::AuthTimeout { .. }), "{error:?}");

    // Four sockets of the earlier requests wait to be accepted as well.
    let asking = Asking::new(config().auth_endpoint(url));
    asking.ask_for(&["private-a"]);
    let mut connections = listener.incoming().flatten();
    for mut connection in connections.by_ref().take(5) {
        let _ = connection.read(&mut [0; 1]);
    }
    let start = Instant::now();
    asking.join();
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
}
