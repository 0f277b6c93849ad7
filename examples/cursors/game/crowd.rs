//! Computer players, so that nobody has to play alone.

use std::{thread, time::Instant};

use pusher_channels::{Error, Receiver};

use super::{
    arena::Arena,
    profile::{Colour, Profile},
    room::Room,
    walk,
};

const NAMES: [&str; 6] = ["Bob", "Cleo", "Dana", "Emil", "Finn", "Gail"];

/// Computer players: each is a client of its own, and all are polled by the thread of the game.
pub(crate) struct Crowd {
    walkers: Vec<Walker>,
    since: Instant,
}

struct Walker {
    number: usize,
    room: Room,
    receiver: Receiver,
}

impl Crowd {
    pub(crate) fn new(now: Instant) -> Self {
        Self { walkers: Vec::new(), since: now }
    }

    /// Another one comes.
    pub(crate) fn come(&mut self, arena: &Arena) -> Result<(), Error> {
        self.walkers.push(Walker::join(arena, self.walkers.len())?);
        Ok(())
    }

    /// Each frame: everybody takes a step.
    pub(crate) fn update(&mut self, now: Instant) {
        for walker in &mut self.walkers {
            for notification in walker.receiver.try_iter() {
                walker.room.take(&notification, now);
            }
            walker.room.tell(walk::position(walker.number, now - self.since), now);
        }
    }

    /// The last one who came leaves. With its last handle a client ends its threads, for which no frame waits.
    pub(crate) fn leave(&mut self) {
        let leaver = self.walkers.pop();
        thread::spawn(move || drop(leaver));
    }
}

impl Walker {
    fn join(arena: &Arena, number: usize) -> Result<Self, Error> {
        let profile = Profile::new(NAMES[number % NAMES.len()], Colour::of(number + 1));
        let (room, receiver) = Room::join(arena.config(&format!("computer-{number}"), &profile), profile)?;
        Ok(Self { number, room, receiver })
    }
}
