//! An end-to-end encrypted channel: the server in between sees ciphertext only. Then its key changes.
//!
//! The publisher derives the channel's key from a master key that the Pusher server never gets. The backend gives the
//! channel's key to the clients that it authorises. The embedded server is publisher, server and backend at once.

use std::{
    error::Error,
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use pusher_channels::{Channel, Pusher, testing::TestServer};

const CHANNEL: &str = "private-encrypted-payroll";

/// Longer than any step takes.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    // A real master key is made of random bytes: `openssl rand -base64 32`.
    let server = TestServer::builder().encryption_master_key([1; 32]).start()?;
    let pusher = Pusher::new(server.config().auth_endpoint(server.auth_endpoint())).connect()?;
    let payroll = pusher.channel(CHANNEL)?;
    let lines = show(&payroll);
    let show_next_line = || lines.recv_timeout(PATIENCE).map(|line| println!("{line}"));

    payroll.subscribe().wait_subscribed(PATIENCE)?;
    server.trigger(CHANNEL, "raise", "Ann gets 3 % more");
    show_next_line()?;

    println!("the master key is rotated");
    server.rotate_master_key([2; 32]);
    // The key of the subscription no longer matches. The client requests the new one, and delivers the event.
    server.trigger(CHANNEL, "raise", "Bob gets 2 % more");
    show_next_line()?;

    println!("the master key is rotated again");
    server.rotate_master_key([3; 32]);
    // The client requests a key at most once in 10 s. This event is lost.
    server.trigger(CHANNEL, "raise", "Eve gets 9 % more");
    show_next_line()?;

    // Each subscription gets the key of its time.
    payroll.unsubscribe();
    payroll.subscribe().wait_subscribed(PATIENCE)?;
    println!("subscribed again");
    server.trigger(CHANNEL, "raise", "Cid gets 1 % more");
    show_next_line()?;
    Ok(())
}

/// Events arrive decrypted, in the same handlers as those of any other channel. Events that do not decrypt have a
/// handler of their own.
fn show(channel: &Channel) -> Receiver<String> {
    let (screen, lines) = mpsc::channel();
    let failures = screen.clone();
    // Sending fails when the program ends.
    channel.bind("raise", move |event| drop(screen.send(format!("decrypted: {:?}", event.data()))));
    channel.on_decryption_failure(move |failure| {
        let line = format!("not decrypted: {} on {}: {}", failure.event, failure.channel, failure.reason);
        drop(failures.send(line));
    });
    lines
}
