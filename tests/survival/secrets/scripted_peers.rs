//! Endpoints and proxies with scripted answers, without a library that could log.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

/// The answer to every request.
#[derive(Clone)]
pub(super) enum Answer {
    Http(u16, String),
    Junk(String),
    Nothing,
}

impl Answer {
    pub(super) fn http(status: u16, body: &str) -> Self {
        Self::Http(status, body.to_owned())
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Junk(text) => text.clone().into_bytes(),
            Self::Http(status, body) => {
                let head = "Location: http://127.0.0.1:1/\r\nConnection: close\r\n";
                format!("HTTP/1.1 {status} Scripted\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
            }
        }
    }
}

/// The URL of an auth endpoint.
pub(super) fn endpoint(answer: Answer) -> String {
    format!("http://127.0.0.1:{}/auth", listen(move |stream| respond(&answer, stream)))
}

/// The port of a proxy that refuses every tunnel.
pub(super) fn refusing_proxy(answer: Answer) -> u16 {
    listen(move |stream| respond(&answer, stream))
}

/// The port of a proxy that opens a tunnel for every request.
pub(super) fn proxy() -> u16 {
    listen(|mut stream| {
        let mut head = BufReader::new(stream.try_clone()?).lines();
        let request = head.next().ok_or(io::ErrorKind::UnexpectedEof)??;
        while head.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let target = request.split(' ').nth(1).ok_or(io::ErrorKind::InvalidData)?;
        let there = TcpStream::connect(target)?;
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
        let (mut from, mut to) = (there.try_clone()?, stream.try_clone()?);
        thread::spawn(move || io::copy(&mut from, &mut to));
        io::copy(&mut stream, &mut &there).map(drop)
    })
}

fn respond(answer: &Answer, mut stream: TcpStream) -> io::Result<()> {
    let _ = stream.read(&mut [0; 16 * 1024])?;
    stream.write_all(&answer.bytes())
}

/// Serves each connection on its own thread, until the process ends. Returns the port.
fn listen(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Clone + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    port
}
