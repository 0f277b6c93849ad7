//! For every order of pushes, takes, returns and drops: each notification is delivered or reported as lost once, in its
//! place.

use proptest::{collection::vec, prelude::*};

use super::*;

#[derive(Debug, Clone)]
enum Act {
    /// A batch, with a state change for each `true`.
    Push(Vec<bool>),
    Pop(usize),
    /// Takes `wanted` notifications, uses some of them, and returns the rest after the next act.
    Take {
        wanted: usize,
        used: usize,
    },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        vec(proptest::bool::weighted(0.2), 1..9).prop_map(Act::Push),
        (0..5_usize).prop_map(Act::Pop),
        (0..12_usize, 0..8_usize).prop_map(|(wanted, used)| Act::Take { wanted, used }),
    ]
}

/// The delivered notifications, in order: the numbers of entries, and losses.
#[derive(Default)]
struct DeliveredCounts {
    next: u64,
    lost: u64,
    delivered: u64,
    lagged: u64,
}

impl DeliveredCounts {
    fn entry(&mut self, number: u64) {
        assert_eq!(self.next + self.lost, number, "the loss before it is exact, and nothing comes twice");
        (self.next, self.lost) = (number + 1, 0);
        self.delivered += 1;
    }

    fn lagged(&mut self, count: u64) {
        assert!(count > 0);
        self.lost += count;
        self.lagged += count;
    }

    fn step(&mut self, batch: &Batch, step: Step) {
        match step {
            Step::Entry(index) => self.entry(number_of(batch, index)),
            Step::Lost(count) => self.lagged(count),
        }
    }

    fn item(&mut self, item: Item) {
        match item {
            Item::Entry(batch, index) => self.entry(number_of(&batch, index)),
            Item::Lagged(count) => self.lagged(count),
        }
    }
}

/// The name of an event is its number; the attempt of a state change is its number.
fn number_of(batch: &Batch, index: usize) -> u64 {
    match batch.notice(index) {
        Some(Notification::ConnectionStateChange(change)) => u64::from(change.attempt),
        _ => batch.name(index).parse().expect("a number"),
    }
}

fn numbered(kinds: &[bool], first: u64) -> Batch {
    let room = Intent::of_channel(2, "room");
    let mut batch = Batch::default();
    let slot = batch.slot_of(&room.stamp(), &mut ChannelSlot::default());
    for (number, is_change) in (first..).zip(kinds) {
        if *is_change {
            let attempt = u32::try_from(number).expect("few");
            let (previous, current) = (ConnectionState::Disconnected, ConnectionState::Connecting);
            let change = ConnectionStateChange { previous, current, cause: None, attempt, retry_in: None };
            batch.push_notice(Notification::ConnectionStateChange(change));
        } else {
            batch.push_text(slot, &number.to_string(), None, "");
        }
    }
    batch
}

/// Uses one notification, as an iterator does.
fn use_one(unused: &mut VecDeque<Taken>, received: &mut DeliveredCounts) {
    match unused.front_mut() {
        None => return,
        Some(Taken::Lagged(count)) => received.lagged(std::mem::take(count)),
        Some(Taken::Segment(segment)) => {
            if let Some(step) = segment.step() {
                received.step(segment.batch(), step);
            }
        }
    }
    if unused.front().is_some_and(Taken::is_used_up) {
        unused.pop_front();
    }
}

fn run(overflow: Overflow, capacity: usize, acts: &[Act]) {
    let (queue, _) = queue(capacity, overflow);
    let mut received = DeliveredCounts::default();
    let (mut pushed, mut unused) = (0, VecDeque::new());
    for act in acts {
        let mut to_put_back = std::mem::take(&mut unused);
        match act {
            Act::Push(kinds) => {
                fill(&queue, numbered(kinds, pushed));
                pushed += kinds.len() as u64;
            }
            // The notifications that are out come before those that would be popped now.
            _ if !to_put_back.is_empty() => {}
            Act::Pop(count) => (0..*count).map_while(|_| queue.try_pop().ok()).for_each(|item| received.item(item)),
            Act::Take { wanted, used } => {
                queue.take_batches(*wanted, &mut unused);
                (0..*used).for_each(|_| use_one(&mut unused, &mut received));
            }
        }
        if !to_put_back.is_empty() {
            queue.return_unused(&mut to_put_back);
        }
        assert!(overflow == Overflow::Block || queue.len() <= capacity);
    }
    queue.return_unused(&mut unused);
    while let Ok(item) = queue.try_pop() {
        received.item(item);
    }
    assert_eq!(received.next + received.lost, pushed, "the loss at the end is reported, too");
    assert_eq!((received.delivered + received.lagged, received.lagged), (pushed, queue.dropped()));
    assert_eq!((queue.state.lock().store.counts().bytes, queue.len()), (0, 0));
}

proptest! {
    #[test]
    fn h4_losses_are_reported_exactly_and_in_their_place(
        capacity in 1..8_usize,
        acts in vec(act(), 1..40),
    ) {
        for overflow in [Overflow::Block, Overflow::DropOldest, Overflow::DropNewest] {
            run(overflow, capacity, &acts);
        }
    }
}
