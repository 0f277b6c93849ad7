//! Connects to the embedded server, subscribes, and prints an event. For other servers see `Config`.

use std::{error::Error, sync::mpsc, time::Duration};

use pusher_channels::{Pusher, testing::TestServer};

fn main() -> Result<(), Box<dyn Error>> {
    let server = TestServer::start()?;
    let pusher = Pusher::new(server.config()).connect()?; // Config::cluster("app-key", "eu") for the hosted service

    let (received, done) = mpsc::channel();
    let news = pusher.channel("news")?;
    news.bind("published", move |event| {
        println!("{:?} {} {}", event.channel(), event.name(), event.data());
        let _ = received.send(());
    });
    news.subscribe().wait_subscribed(Duration::from_secs(5))?;

    server.trigger("news", "published", "hello, world");
    done.recv_timeout(Duration::from_secs(5))?;
    Ok(())
}
