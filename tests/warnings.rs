//! Warnings about calls on a channel of the wrong kind.

mod support;

use std::sync::{Mutex, mpsc};

use pusher_channels::{Config, Pusher};

/// Collects the warnings of this crate.
struct Collecting(Mutex<Vec<String>>);

static LOGGER: Collecting = Collecting(Mutex::new(Vec::new()));

impl log::Log for Collecting {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() == log::Level::Warn && metadata.target().starts_with("pusher_channels")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().expect("no panic").push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

fn warned() -> Vec<String> {
    std::mem::take(&mut LOGGER.0.lock().expect("no panic"))
}

#[test]
fn s7_members_of_another_kind_of_channel_and_a_prefix_in_another_case_cause_one_warning() {
    log::set_logger(&LOGGER).expect("no other logger");
    log::set_max_level(log::LevelFilter::Warn);
    let pusher = Pusher::new(Config::host("key", "localhost"));
    for _ in 0..3 {
        let room = pusher.channel("private-room").expect("a valid name");
        let (sender, _members) = mpsc::channel::<String>();
        assert!(room.members().is_empty() && room.member("a").is_none() && room.me().is_none());
        room.on_member_added(move |change| drop(sender.send(change.member.id().to_owned())));
        room.on_member_removed(|_| {});
    }
    let lines = warned();
    assert!(matches!(&lines[..], [line] if line.starts_with("private-room ")), "{lines:?}");

    for _ in 0..3 {
        pusher.subscribe("Private-orders").expect("a valid name");
        pusher.channel("PRESENCE-x").expect("a valid name");
    }
    let lines = warned();
    assert!(
        matches!(&lines[..], [orders, x] if orders.contains("Private-orders") && x.contains("PRESENCE-x")),
        "{lines:?}"
    );

    let players = pusher.channel("presence-players").expect("a valid name");
    assert!(players.members().is_empty() && pusher.channel("privateer").is_ok());
    assert_eq!(warned(), [""; 0]);
}
