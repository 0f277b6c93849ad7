//! Rule H1 in the closures that make and end a stream of the program. They run on threads that the client needs.

use std::{
    net::{Shutdown, TcpStream},
    sync::{
        Arc, OnceLock,
        mpsc::{self, Sender},
    },
};

use pusher_channels::{ByteStream, Error, Pusher};

use super::support::{self, PATIENCE};

/// Makes the calls that wait, and reports their results.
fn wait_for_the_client(pusher: &Pusher, report: &Sender<[Option<Error>; 3]>) {
    let channel = pusher.channel("room").expect("a valid name");
    let outcomes =
        [pusher.connect().err(), channel.wait_subscribed(PATIENCE).err(), pusher.user().wait_signed_in(PATIENCE).err()];
    report.send(outcomes).unwrap_or_default();
}

#[test]
fn h1_calls_that_wait_are_errors_in_a_dialer_and_in_the_shutdown_of_its_stream() {
    let server = support::server();
    let addr = server.addr();
    let client = Arc::new(OnceLock::<Pusher>::new());
    let (report, reports) = mpsc::channel();
    let inner = Arc::clone(&client);
    let config = support::quick(&server).dialer(move |_| {
        wait_for_the_client(inner.get().expect("set before it connects"), &report);
        let stream = TcpStream::connect(addr)?;
        let (reader, writer) = (stream.try_clone()?, stream.try_clone()?);
        let (inner, report) = (Arc::clone(&inner), report.clone());
        let shutdown = move || {
            let _ = stream.shutdown(Shutdown::Both);
            wait_for_the_client(inner.get().expect("set before it connects"), &report);
        };
        Ok::<_, std::io::Error>(ByteStream::new(reader, writer, shutdown))
    });
    client.set(Pusher::new(config)).expect("once");
    let pusher = client.get().expect("set");
    pusher.connect().expect("the dialer connects");
    let refused = |what: &str| {
        let outcomes = reports.recv_timeout(PATIENCE).expect(what);
        let refused = outcomes.iter().all(|outcome| matches!(outcome, Some(Error::WouldDeadlock { .. })));
        assert!(refused, "{what}: {outcomes:?}");
    };
    refused("in the dialer");
    pusher.disconnect();
    refused("in the shutdown of the stream");
}
