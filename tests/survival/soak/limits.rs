//! Rule S10: 200 channels on servers that limit messages, with an error or by closing the connection.

use std::{
    thread,
    time::{Duration, Instant},
};

use pusher_channels::{
    Notification, Pusher,
    testing::{OverLimit, Refusals, TestServer},
};

use crate::support::{PATIENCE, quick};

/// If the server answers, 200 channels take the 40 s that the limit requires. If it closes the connection, the client
/// does not
/// know the length of the window, and finds it from above.
const LONG: Duration = Duration::from_secs(400);

/// Subscribes 200 channels on a server with this limit. Returns the number of connections that this took.
fn connections_for_200_channels(messages: u32, window: Duration, over_limit: OverLimit) -> u64 {
    let server = TestServer::builder().refusals(Refusals::Reverb).message_limit(messages, window, over_limit);
    let server = server.start().expect("a free port");
    let pusher = Pusher::new(quick(&server)).connect().expect("the embedded server accepts");
    let receiver = pusher.receiver();
    let channels: Vec<_> = (0..200).map(|n| pusher.subscribe(&format!("room-{n}")).expect("a valid name")).collect();
    let deadline = Instant::now() + LONG;
    for channel in &channels {
        channel.wait_subscribed(deadline.saturating_duration_since(Instant::now())).expect("confirmed in the end");
    }
    assert!(server.wait_for(PATIENCE, |state| (0..200).all(|n| state.subscribers(&format!("room-{n}")) == 1)));
    let failed = receiver.try_iter().find(|notification| matches!(notification, Notification::SubscriptionError(_)));
    assert!(failed.is_none(), "{failed:?}");
    server.accepted()
}

#[test]
fn s10_two_hundred_channels_are_subscribed_on_a_server_that_limits_messages() {
    let limits = [(10, Duration::from_secs(2)), (60, Duration::from_secs(10))];
    let counts = thread::scope(|scope| {
        let run = |over_limit| {
            limits.map(|(n, window)| scope.spawn(move || connections_for_200_channels(n, window, over_limit)))
        };
        let (refused, cut) = (run(OverLimit::Refuse), run(OverLimit::Terminate));
        [refused, cut].map(|threads| threads.map(|thread| thread.join().expect("no panic")))
    });
    assert_eq!(counts[0], [1, 1], "one connection if the server answers");
    assert!(counts[1].iter().all(|count| *count <= 4), "at most 3 reconnections if the server closes: {counts:?}");
}
