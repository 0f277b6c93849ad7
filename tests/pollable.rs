//! Rule H4 for receivers that are polled with other descriptors.
#![cfg(target_os = "linux")]

mod support;

use std::os::fd::{AsFd, AsRawFd};

use pusher_channels::{Config, Notification, PollableReceiver, Pusher, testing::TestServer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use support::{eventually, room, waits};

fn publish(server: &TestServer, events: std::ops::Range<usize>) {
    for n in events {
        server.trigger("room", "e", &n);
    }
}

fn data(notifications: impl Iterator<Item = Notification>) -> Vec<String> {
    let data = |notification| match notification {
        Notification::Event(event) => event.data().to_owned(),
        other => format!("{other:?}"),
    };
    notifications.map(data).collect()
}

fn is_readable(receiver: &PollableReceiver, patience: i64) -> bool {
    let mut descriptors = [PollFd::new(receiver, PollFlags::IN)];
    let timeout = Timespec { tv_sec: patience, tv_nsec: 0 };
    poll(&mut descriptors, Some(&timeout)).expect("a good descriptor") == 1
}

#[test]
fn h4_a_descriptor_is_readable_while_a_notification_waits() {
    let (server, pusher, channel) = room();
    let receiver = pusher.receiver().pollable().expect("two more descriptors");
    assert_eq!(receiver.as_fd().as_raw_fd(), receiver.as_raw_fd());
    for _ in 0..100 {
        assert!(!is_readable(&receiver, 0));
        publish(&server, 0..2);
        assert!(is_readable(&receiver, 20));
        waits(&receiver, 2);
        assert!(receiver.try_recv().is_ok() && is_readable(&receiver, 0));
        assert_eq!(receiver.drain(1).count(), 1);
    }
    drop((pusher, channel));
    eventually("the receiver is closed", || {
        while receiver.try_recv().is_ok() {}
        receiver.is_closed()
    });
    assert!(is_readable(&receiver, 0), "the descriptor of a closed receiver is readable");
}

#[test]
fn h4_notifications_that_an_iterator_returns_make_the_descriptor_readable() {
    let (server, pusher, _channel) = room();
    let receiver = pusher.receiver();
    publish(&server, 0..3);
    waits(&receiver, 3);
    let receiver = receiver.pollable().expect("two more descriptors");
    assert!(is_readable(&receiver, 0), "notifications from before the descriptor count");
    let mut notifications = receiver.try_iter();
    notifications.next();
    drop(notifications);
    assert!(is_readable(&receiver, 0) && receiver.len() == 2);
    assert_eq!(data(receiver.try_iter()), ["1", "2"]);
    assert!(!is_readable(&receiver, 0));
}

#[test]
fn h6_descriptors_are_closed_with_their_receivers() {
    support::run_alone("alone_descriptors_are_closed_with_their_receivers");
}

#[test]
#[ignore = "run by h6_descriptors_are_closed_with_their_receivers in a process of its own"]
fn alone_descriptors_are_closed_with_their_receivers() {
    let pusher = Pusher::new(Config::host("key", "localhost"));
    let before = support::descriptors();
    let receivers: Vec<_> = (0..100).map(|_| pusher.receiver().pollable().expect("enough descriptors")).collect();
    assert_eq!(support::descriptors(), before + 200);
    drop(receivers);
    assert_eq!(support::descriptors(), before);
}
