//! Subscribes to a private channel by an auth endpoint, and shows a refusal.
//!
//! The embedded server is both the Pusher server and the backend that authorises. For a backend of your own see
//! `examples/notifications/` (Rust) and the README (Node and PHP).

use std::{error::Error, sync::mpsc, time::Duration};

use pusher_channels::{
    Config, Pusher,
    testing::{AuthUser, TestServer},
};

const CHANNEL: &str = "private-orders";

/// Longer than any step takes.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn Error>> {
    let server = TestServer::builder()
        .auth_user(|request| match request.header("authorization") {
            Some("Bearer ann's token") => Some(AuthUser::new("ann")),
            _ => None, // the answer is 403
        })
        .start()?;
    receive_an_order(&server)?;
    be_refused(&server)
}

/// The configuration of a client that authenticates to the backend by a header of each auth request.
fn config(server: &TestServer, token: &str) -> Config {
    server.config().auth_endpoint(server.auth_endpoint()).auth_header("Authorization", format!("Bearer {token}"))
}

fn receive_an_order(server: &TestServer) -> Result<(), Box<dyn Error>> {
    let pusher = Pusher::new(config(server, "ann's token")).connect()?;
    let orders = pusher.channel(CHANNEL)?;
    let (received, done) = mpsc::channel();
    orders.bind("placed", move |event| {
        println!("{CHANNEL}: {} {}", event.name(), event.data());
        let _ = received.send(());
    });
    orders.subscribe().wait_subscribed(PATIENCE)?;
    println!("{CHANNEL}: subscribed");

    server.trigger(CHANNEL, "placed", r#"{"id":1}"#);
    done.recv_timeout(PATIENCE)?;
    Ok(())
}

/// A refusal concerns one channel. The connection and the other channels stay.
fn be_refused(server: &TestServer) -> Result<(), Box<dyn Error>> {
    let pusher = Pusher::new(config(server, "no token of ours")).connect()?;
    // The handler and `wait_subscribed` report the same error. The handler is for programs that do not wait.
    let (sender, refusal) = mpsc::channel();
    pusher.on_subscription_error(move |failed| {
        let _ = sender.send(failed.error.clone());
    });
    let orders = pusher.subscribe(CHANNEL)?;
    if orders.wait_subscribed(PATIENCE).is_ok() {
        return Err("the backend has authorised an unknown token".into());
    }
    let error = refusal.recv_timeout(PATIENCE)?;
    println!("{error}");
    println!("is_auth: {}; is_retryable: {}", error.is_auth(), error.is_retryable());

    pusher.subscribe("news")?.wait_subscribed(PATIENCE)?;
    println!("news: subscribed nevertheless");
    Ok(())
}
