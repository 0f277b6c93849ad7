//! Rule H1 where a client makes and ends a stream of the program's own: on threads that it needs to go on.

use std::{
    net::{Shutdown, TcpStream},
    sync::{
        Arc, OnceLock,
        mpsc::{self, Sender},
    },
};

use pusher_channels::{ByteStream, Error, Pusher};

use super::support::{self, PATIENCE};

/// Makes the calls that wait, and tells how they ended.
fn wait_for_the_client(pusher: &Pusher, told: &Sender<[Option<Error>; 3]>) {
    let channel = pusher.channel("room").expect("a valid name");
    let outcomes =
        [pusher.connect().err(), channel.wait_subscribed(PATIENCE).err(), pusher.user().wait_signed_in(PATIENCE).err()];
    told.send(outcomes).unwrap_or_default();
}

#[test]
fn h1_calls_that_wait_are_refused_where_a_stream_of_the_programs_own_is_made_and_ended() {
    let server = support::server();
    let addr = server.addr();
    let client = Arc::new(OnceLock::<Pusher>::new());
    let (told, tells) = mpsc::channel();
    let inner = Arc::clone(&client);
    let config = support::quick(&server).dialer(move |_| {
        wait_for_the_client(inner.get().expect("there before it connects"), &told);
        let stream = TcpStream::connect(addr)?;
        let (reader, writer) = (stream.try_clone()?, stream.try_clone()?);
        let (inner, told) = (Arc::clone(&inner), told.clone());
        let shutdown = move || {
            let _ = stream.shutdown(Shutdown::Both);
            wait_for_the_client(inner.get().expect("there before it connects"), &told);
        };
        Ok::<_, std::io::Error>(ByteStream::new(reader, writer, shutdown))
    });
    client.set(Pusher::new(config)).expect("once");
    let pusher = client.get().expect("set");
    pusher.connect().expect("the dialer connects");
    let refused = |what: &str| {
        let outcomes = tells.recv_timeout(PATIENCE).expect(what);
        let refused = outcomes.iter().all(|outcome| matches!(outcome, Some(Error::WouldDeadlock { .. })));
        assert!(refused, "{what}: {outcomes:?}");
    };
    refused("in the dialer");
    pusher.disconnect();
    refused("in the end of the stream");
}
