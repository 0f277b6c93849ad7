//! Computer players.

use std::{thread, time::Instant};

use pusher_channels::{Error, Receiver};

use super::{
    arena::Arena,
    profile::{Colour, Profile},
    room::Room,
    walk,
};

const NAMES: [&str; 6] = ["Bob", "Cleo", "Dana", "Emil", "Finn", "Gail"];

/// Computer players. Each is a client of its own, and the thread of the game polls all of them.
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

    /// Adds a player.
    pub(crate) fn come(&mut self, arena: &Arena) -> Result<(), Error> {
        self.walkers.push(Walker::join(arena, self.walkers.len())?);
        Ok(())
    }

    /// Called each frame: moves every player.
    pub(crate) fn update(&mut self, now: Instant) {
        for walker in &mut self.walkers {
            for notification in walker.receiver.try_iter() {
                walker.room.take(&notification, now);
            }
            walker.room.send_position(walk::position(walker.number, now - self.since), now);
        }
    }

    /// Removes the last player. Dropping the last handle ends the client's threads; another thread does that, so that
    /// the frame does not wait.
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
