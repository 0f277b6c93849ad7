//! A client that was freed while another thread worked with it.

use crate::{Config, Error, Pusher};

#[test]
fn a_call_that_was_under_way_connects_no_client_that_was_freed() {
    let pusher = Pusher::new(Config::host("key", "127.0.0.1"));
    let under_way = pusher.clone();
    pusher.end(|| ());
    assert!(matches!(under_way.connect(), Err(Error::Disconnected)));
    assert!(matches!(under_way.connect_background(), Err(Error::Disconnected)));
}

#[test]
fn a_queue_that_is_made_of_a_client_that_was_freed_is_closed() {
    let pusher = Pusher::new(Config::host("key", "127.0.0.1"));
    let (under_way, before) = (pusher.clone(), pusher.receiver());
    pusher.end(|| ());
    assert!(before.is_closed() && under_way.receiver().is_closed());
}
