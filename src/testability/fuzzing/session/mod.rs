//! Sequences of inputs of a session: from a regular server, a hostile server, and the user.

mod message;
mod watch;
mod world;

use std::time::Duration;

use super::bytes::Bytes;
use crate::{
    ConnectPhase, Error,
    session::{Ending, FromSocket},
};

pub(super) use world::World;

use message::message;
use world::Permission;

/// Limit for the steps: enough to bring a session through all its states several times.
const MAX_STEPS: usize = 200;

const PAUSES: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_millis(1),
    Duration::from_millis(999),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(31),
    Duration::from_secs(125),
];

/// The first bytes choose the settings, the others are steps.
pub fn session(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    let mut world = World::new(world::settings(&mut bytes));
    for _ in 0..MAX_STEPS {
        if bytes.is_empty() {
            break;
        }
        step(&mut world, &mut bytes);
    }
    world.end();
}

fn step(world: &mut World, bytes: &mut Bytes<'_>) {
    match bytes.below(32) {
        0 => world.connect_once(),
        1 => world.connect_for_good(),
        2 => world.disconnect(),
        3 => world.reconnect_now(),
        4..=6 => world.subscribe(bytes.byte(), Permission::Requested),
        7 => world.subscribe(bytes.byte(), Permission::ForThisSocket),
        8 => world.subscribe(bytes.byte(), Permission::ForTheNextSocket),
        9 | 10 => world.unsubscribe(bytes.byte()),
        11 => world.sign_in(),
        12 => world.trigger(bytes.byte()),
        13 | 14 => world.establish(),
        15..=18 => burst(world, bytes),
        19 => drop(world.receive(&bytes.text())),
        20 => world.confirm(),
        21 | 22 => world.socket(socket_event(bytes)),
        23 => world.socket(FromSocket::Ended(ending(bytes))),
        24 => world.socket_of_before(FromSocket::Ended(ending(bytes))),
        25 => world.socket_of_before(FromSocket::Text(r#"{"event":"e","channel":"room"}"#)),
        26..=28 => world.answer(bytes),
        29 => world.answer_again(),
        _ => world.pass(bytes.pick(&PAUSES)),
    }
}

/// Up to three messages that arrive together, optionally with the end of the socket.
fn burst(world: &mut World, bytes: &mut Bytes<'_>) {
    let mut texts = Vec::new();
    let shape = bytes.byte();
    for _ in 0..=shape % 3 {
        texts.push(message(bytes, world.next_socket_id()));
    }
    let ends = (shape >= 0xf0).then(|| ending(bytes));
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    world.burst(&texts, ends);
}

fn socket_event<'a>(bytes: &mut Bytes<'_>) -> FromSocket<'a> {
    let phases = [ConnectPhase::Dns, ConnectPhase::Tcp, ConnectPhase::Tls, ConnectPhase::Established];
    match bytes.below(8) {
        0 => FromSocket::Reached(bytes.pick(&phases)),
        1 => FromSocket::DialFailed(Error::UpgradeStatus { status: bytes.number(), body: bytes.text().into_owned() }),
        2 => FromSocket::Bytes,
        3 => FromSocket::Binary,
        4 => FromSocket::Paused,
        5 => FromSocket::Resumed,
        6 => FromSocket::WriteBlocked { progress: bytes.flag() },
        _ => FromSocket::Written,
    }
}

fn ending(bytes: &mut Bytes<'_>) -> Ending {
    match bytes.below(4) {
        0 => Ending::Lost(Error::lost("it was cut")),
        1 => Ending::Lost(Error::MessageTooLarge { limit: 1 }),
        _ => Ending::Closed { code: bytes.number(), reason: bytes.text().into_owned() },
    }
}
