//! Terminates TLS in front of a server without it.
#![allow(dead_code, reason = "every test target uses its own part of this")]

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Mutex,
        mpsc::{self, Receiver},
    },
    thread,
};

use openssl::ssl::{
    NameType, Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslStream, SslVerifyMode, SslVersion,
};

use super::certificates::Files;

/// Accepts TLS 1.2 and 1.3. Returns the address, of IPv4.
pub(crate) fn terminate_tls(files: &Files, behind: SocketAddr) -> SocketAddr {
    terminate(context(files).build(), behind)
}

/// Accepts one version, and requires a client certificate of the authority in this file. With TLS 1.3, a client without
/// one is refused after the handshake.
pub(crate) fn terminate_for_clients_of(
    root: &Path,
    version: SslVersion,
    files: &Files,
    behind: SocketAddr,
) -> SocketAddr {
    let mut context = context(files);
    only(version, &mut context);
    context.set_ca_file(root).expect("made");
    context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    terminate(context.build(), behind)
}

/// Sends each server name of a handshake (SNI) to a channel.
pub(crate) fn terminate_noting_names(files: &Files, behind: SocketAddr) -> (SocketAddr, Receiver<Option<String>>) {
    let (names, noted) = mpsc::channel();
    let mut context = context(files);
    context.set_servername_callback(move |ssl, _| {
        let _ = names.send(ssl.servername(NameType::HOST_NAME).map(str::to_owned));
        Ok(())
    });
    (terminate(context.build(), behind), noted)
}

/// Accepts only one version. Before TLS 1.2, that needs a lower security level of OpenSSL.
pub(crate) fn terminate_only(version: SslVersion, files: &Files, behind: SocketAddr) -> SocketAddr {
    let mut context = context(files);
    only(version, &mut context);
    let addr = terminate(context.build(), behind);
    assert_version(version, addr);
    addr
}

fn context(Files { chain, key }: &Files) -> SslContextBuilder {
    let mut context = SslContext::builder(SslMethod::tls_server()).expect("OpenSSL works");
    context.set_certificate_chain_file(chain).expect("made");
    context.set_private_key_file(key, SslFiletype::PEM).expect("made");
    context.set_min_proto_version(Some(SslVersion::TLS1_2)).expect("known");
    context
}

fn only(version: SslVersion, context: &mut SslContextBuilder) {
    context.set_min_proto_version(Some(version)).expect("known");
    context.set_max_proto_version(Some(version)).expect("known");
    context.set_cipher_list("ALL:@SECLEVEL=0").expect("known");
}

/// Checks that the server accepts the version. Otherwise a test would fail for another reason than the version.
fn assert_version(version: SslVersion, addr: SocketAddr) {
    let mut context = SslContext::builder(SslMethod::tls_client()).expect("OpenSSL works");
    only(version, &mut context);
    let ssl = Ssl::new(&context.build()).expect("OpenSSL works");
    let connected =
        ssl.connect(TcpStream::connect(addr).expect("it listens")).expect("the server accepts this version");
    assert_eq!(connected.ssl().version2(), Some(version));
}

fn terminate(context: SslContext, behind: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let ssl = Ssl::new(&context).expect("OpenSSL works");
            // An error ends the connection, and the client must notice that.
            thread::spawn(move || serve(ssl, client, behind));
        }
    });
    addr
}

fn serve(ssl: Ssl, client: TcpStream, behind: SocketAddr) -> io::Result<()> {
    let waiting = client.try_clone()?;
    let tls = match ssl.accept(client) {
        Ok(tls) => Mutex::new(tls),
        Err(error) => {
            // Closing a socket with unread bytes would reset the connection, and the client would not get the alert.
            waiting.shutdown(Shutdown::Write)?;
            io::copy(&mut &waiting, &mut io::sink())?;
            return Err(io::Error::other(error));
        }
    };
    let plain = TcpStream::connect(behind)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = encrypt(&plain, &tls);
            let _ = waiting.shutdown(Shutdown::Both);
        });
        let ended = decrypt(&waiting, &tls, &plain);
        let _ = plain.shutdown(Shutdown::Both);
        ended
    })
}

/// A TLS stream cannot be split into two halves, so that the lock is taken only when bytes have arrived.
fn decrypt(waiting: &TcpStream, tls: &Mutex<SslStream<TcpStream>>, mut plain: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    while waiting.peek(&mut [0])? > 0 {
        let mut tls = tls.lock().expect("no panic");
        loop {
            let count = tls.read(&mut buffer)?;
            plain.write_all(&buffer[..count])?;
            if count == 0 || tls.ssl().pending() == 0 {
                break;
            }
        }
    }
    Ok(())
}

fn encrypt(mut plain: &TcpStream, tls: &Mutex<SslStream<TcpStream>>) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match plain.read(&mut buffer)? {
            0 => return Ok(()),
            count => tls.lock().expect("no panic").write_all(&buffer[..count])?,
        }
    }
}
