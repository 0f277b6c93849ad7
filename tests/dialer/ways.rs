//! The streams that dialers of these tests make: a TCP connection, a Unix socket, and a pipe in memory.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
};

use pusher_channels::{ByteStream, Config};

use super::pipe::Pipe;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Way {
    Tcp,
    #[cfg(unix)]
    UnixSocket,
    Pipe,
}

impl Way {
    pub(crate) const ALL: &[Self] = &[
        Self::Tcp,
        #[cfg(unix)]
        Self::UnixSocket,
        Self::Pipe,
    ];

    /// A configuration whose host does not exist, and whose dialer connects to this address.
    pub(crate) fn config(self, target: SocketAddr) -> Config {
        let config = Config::host("app-key", "nowhere.invalid").tls(false);
        config.dialer(move |_| self.dial(target))
    }

    pub(crate) fn dial(self, target: SocketAddr) -> io::Result<ByteStream> {
        let server = TcpStream::connect(target)?;
        Ok(match self {
            Self::Tcp => ByteStream::tcp(server),
            #[cfg(unix)]
            Self::UnixSocket => {
                let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
                let (from, to) = (theirs.try_clone()?, theirs);
                carry(from, to, server, |theirs| drop(theirs.shutdown(Shutdown::Both)));
                ByteStream::unix(ours)
            }
            Self::Pipe => {
                let pipe = Pipe::default();
                let (from, to) = pipe.server_end();
                let client = pipe.clone();
                carry(from, to, server, move |_| client.close());
                pipe.byte_stream()
            }
        })
    }
}

/// Copies bytes between the other end of a client's stream and a server, until either ends.
fn carry<W: io::Write + Send + 'static>(
    mut from: impl io::Read + Send + 'static,
    mut to: W,
    server: TcpStream,
    end: impl FnOnce(W) + Send + 'static,
) {
    let answers = server.try_clone().expect("a socket");
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut &server);
        let _ = server.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = io::copy(&mut &answers, &mut to);
        end(to);
    });
}
