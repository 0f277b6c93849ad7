//! Rules R10 and H6 over connections that a dialer has made: disconnecting in every phase, and freeing everything.

use std::{
    io::{self, Read, Write},
    sync::{
        Mutex,
        mpsc::{self, Receiver, Sender},
    },
    time::{Duration, Instant},
};

use pusher_channels::{ByteStream, Config, ConnectPhase, ConnectionState, Error, Pusher, Reconnect};
use tungstenite::handshake::derive_accept_key;

use super::{
    pipe::Pipe,
    support::{PATIENCE, eventually, next_state, server},
    ways::Way,
};

/// The time limit of `disconnect` and of dropping the last handle.
const LIMIT: Duration = Duration::from_millis(250);

fn ends_in_time(case: &str, end: impl FnOnce()) {
    let start = Instant::now();
    end();
    assert!(start.elapsed() <= LIMIT, "{case}: {:?}", start.elapsed());
}

/// A dialer that reports when it is called, and waits until it may return.
struct Slow {
    config: Config,
    called: Receiver<()>,
    go: Sender<()>,
}

impl Slow {
    fn giving(pipe: &Pipe) -> Self {
        let ((call, called), (go, gone)) = (mpsc::channel(), mpsc::channel());
        let (pipe, gone) = (pipe.clone(), Mutex::new(gone));
        let config = Config::host("app-key", "nowhere.invalid").tls(false).dialer(move |_| {
            call.send(()).unwrap_or_default();
            gone.lock().expect("no panic").recv().unwrap_or_default();
            Ok::<_, io::Error>(pipe.byte_stream())
        });
        Self { config, called, go }
    }
}

#[test]
fn r10_disconnect_does_not_wait_for_a_dialer_and_a_late_stream_is_closed() {
    for case in ["disconnect", "drop"] {
        let pipe = Pipe::default();
        let slow = Slow::giving(&pipe);
        let pusher = Pusher::new(slow.config);
        pusher.connect_background().expect("started");
        slow.called.recv_timeout(PATIENCE).expect("the dialer is called");
        ends_in_time(case, || if case == "drop" { drop(pusher) } else { pusher.disconnect() });
        assert_eq!(pipe.shutdowns(), 0, "{case}: there is no stream yet");
        slow.go.send(()).expect("the dialer waits");
        eventually("the late stream is closed", || pipe.shutdowns() > 0);
        let mut sent = Vec::new();
        pipe.server_end().0.read_to_end(&mut sent).expect("an end");
        assert!(sent.is_empty(), "{case}: nothing was sent");
    }
}

#[test]
fn c3_a_dialer_that_takes_too_long_is_a_timeout_and_a_late_stream_is_closed() {
    let pipe = Pipe::default();
    let slow = Slow::giving(&pipe);
    let pusher = Pusher::new(slow.config.connect_timeout(Duration::from_millis(100)));
    let error = pusher.connect().expect_err("the dialer takes longer");
    assert!(matches!(error, Error::ConnectTimeout { phase: ConnectPhase::Tcp, .. }), "{error}");
    slow.go.send(()).expect("the dialer waits");
    eventually("the late stream is closed", || pipe.shutdowns() > 0);
}

#[test]
fn c11_the_number_of_dialers_that_do_not_return_is_bounded() {
    let (call, called) = mpsc::channel();
    let (release, never) = mpsc::channel::<()>();
    let never = Mutex::new(never);
    let config = Config::host("app-key", "nowhere.invalid").tls(false).dialer(move |_| {
        call.send(()).unwrap_or_default();
        let _ = never.lock().map(|never| never.recv());
        Err::<ByteStream, _>("too late")
    });
    let policy = Reconnect::default().max_delay(Duration::from_millis(1));
    let pusher = Pusher::new(config.connect_timeout(Duration::from_millis(20)).reconnect(policy));
    let receiver = pusher.receiver();
    pusher.connect_background().expect("started");
    let mut full = 0;
    while full < 3 {
        let cause = next_state(&receiver, ConnectionState::Reconnecting).cause.expect("an attempt failed");
        full += usize::from(cause.to_string().contains("has not returned from earlier attempts"));
    }
    pusher.disconnect();
    drop(release);
    assert_eq!(called.try_iter().count(), 4);
}

#[test]
fn r10_a_client_connects_again_while_an_older_call_of_the_dialer_runs() {
    let server = server();
    let (pipe, addr) = (Pipe::default(), server.addr());
    let (call, called) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    let (late, gone) = (pipe.clone(), Mutex::new(Some(gone)));
    let pusher = Pusher::new(Config::host("app-key", "nowhere.invalid").tls(false).dialer(move |_| {
        let first = gone.lock().expect("no panic").take();
        match first {
            Some(gone) => {
                call.send(()).unwrap_or_default();
                gone.recv().unwrap_or_default();
                Ok(late.byte_stream())
            }
            None => Way::Pipe.dial(addr),
        }
    }));
    pusher.connect_background().expect("started");
    called.recv_timeout(PATIENCE).expect("the dialer is called");
    pusher.disconnect();
    pusher.connect().expect("the second call connects");
    go.send(()).expect("the dialer waits");
    eventually("the late stream is closed", || pipe.shutdowns() > 0);
    assert_eq!((pusher.state(), server.connections()), (ConnectionState::Connected, 1));
}

/// A server that answers up to this phase, and then neither reads nor writes.
fn serve_until(pipe: &Pipe, phase: ConnectPhase) {
    let (mut from, mut to) = pipe.server_end();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte).expect("the client sends first");
        request.extend(byte);
        if phase == ConnectPhase::Tls {
            return;
        }
    }
    if phase == ConnectPhase::Upgrade {
        return;
    }
    let request = String::from_utf8(request).expect("ASCII");
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
    let accept = derive_accept_key(key.as_bytes());
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    write!(to, "{head}Sec-WebSocket-Accept: {accept}\r\n\r\n").expect("open");
}

#[test]
fn r10_disconnecting_ends_a_stream_that_blocks_in_every_phase() {
    let phases = [
        #[cfg(feature = "native-tls")]
        ConnectPhase::Tls,
        ConnectPhase::Upgrade,
        ConnectPhase::Established,
    ];
    for phase in phases {
        let pipe = Pipe::default();
        let pusher = Pusher::new(pipe.config().tls(phase == ConnectPhase::Tls));
        pusher.connect_background().expect("started");
        serve_until(&pipe, phase);
        ends_in_time(&phase.to_string(), || pusher.disconnect());
        assert_eq!(pusher.state(), ConnectionState::Disconnected);
        eventually("the pipe is shut down", || pipe.shutdowns() > 0);
    }
}

#[test]
fn r10_disconnecting_ends_a_writer_that_blocks() {
    let pipe = Pipe::default();
    let pusher = Pusher::new(pipe.config());
    pusher.connect_background().expect("started");
    serve_until(&pipe, ConnectPhase::Established);
    let established = br#"{"event":"pusher:connection_established","data":{"socket_id":"1.2"}}"#;
    let mut frame = vec![0x81, u8::try_from(established.len()).expect("short")];
    frame.extend(established);
    pipe.server_end().1.write_all(&frame).expect("open");
    eventually("it is connected", || pusher.state() == ConnectionState::Connected);
    for n in 0..500 {
        pusher.subscribe(&format!("room-{n}")).expect("a valid name");
    }
    eventually("the writer blocks", || pipe.is_full());
    ends_in_time("a full pipe", || pusher.disconnect());
    assert_eq!(pusher.state(), ConnectionState::Disconnected);
}

#[test]
fn c11_a_panic_in_a_shutdown_has_no_effect() {
    let server = server();
    let (pipe, addr) = (Pipe::default(), server.addr());
    let ends = pipe.clone();
    let pusher = Pusher::new(Config::host("app-key", "nowhere.invalid").tls(false).dialer(move |_| {
        let tcp = std::net::TcpStream::connect(addr)?;
        let (reader, ends) = (tcp.try_clone()?, ends.clone());
        Ok::<_, io::Error>(ByteStream::new(reader, tcp.try_clone()?, move || {
            ends.close();
            let _ = tcp.shutdown(std::net::Shutdown::Both);
            panic!("on purpose");
        }))
    }));
    for _ in 0..3 {
        pusher.connect().expect("the dialer connects");
        ends_in_time("disconnect", || pusher.disconnect());
    }
    assert_eq!(pusher.state(), ConnectionState::Disconnected);
}

#[cfg(target_os = "linux")]
#[test]
fn h6_no_thread_and_no_descriptor_is_left() {
    super::support::run_alone("ending::alone_no_thread_and_no_descriptor_is_left");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by h6_no_thread_and_no_descriptor_is_left in a process of its own"]
fn alone_no_thread_and_no_descriptor_is_left() {
    use super::support::{client_threads, descriptors};
    let server = server();
    let round = || {
        for way in Way::ALL {
            let pusher = Pusher::new(way.config(server.addr())).connect().expect("the dialer connects");
            pusher.disconnect();
            pusher.connect().expect("the dialer connects");
        }
        let stuck = Pipe::default();
        Pusher::new(stuck.config().connect_timeout(Duration::from_millis(20)))
            .connect()
            .expect_err("the server does not answer");
        let refused = Config::host("app-key", "nowhere.invalid").tls(false).dialer(|_| Err::<ByteStream, _>("no"));
        Pusher::new(refused).connect().expect_err("the dialer refuses");
        assert!(server.wait_for_connections(0, PATIENCE));
    };
    round();
    eventually("no thread is left", || client_threads() == 0);
    let baseline = descriptors();
    for _ in 0..20 {
        round();
    }
    eventually("no thread is left", || client_threads() == 0);
    eventually("no descriptor is left", || descriptors() <= baseline);
}
