//! Whatever is pushed, taken, put back and dropped: nothing is told twice, or in another place.

use proptest::{collection::vec, prelude::*};

use super::*;

#[derive(Debug, Clone)]
enum Act {
    /// A batch, with a state change wherever it says so.
    Push(Vec<bool>),
    Pop(usize),
    /// Takes so many, uses some of them, and puts the rest back after the next act.
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

/// What was handed out, in its order: the numbers that entries have, and losses.
#[derive(Default)]
struct Told {
    next: u64,
    lost: u64,
    delivered: u64,
    lagged: u64,
}

impl Told {
    fn entry(&mut self, number: u64) {
        assert_eq!(self.next + self.lost, number, "the loss before it is told exactly, and nothing comes twice");
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

/// Events have their number as their name, and state changes as that of the attempt.
fn number_of(batch: &Batch, index: usize) -> u64 {
    match batch.notice(index) {
        Some(Notification::ConnectionStateChange(change)) => u64::from(change.attempt),
        _ => batch.name(index).parse().expect("a number"),
    }
}

fn numbered(kinds: &[bool], first: u64) -> Batch {
    let room = Intent::new(2, "room");
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

/// As an iterator does.
fn use_one(unused: &mut VecDeque<Taken>, told: &mut Told) {
    match unused.front_mut() {
        None => return,
        Some(Taken::Lagged(count)) => told.lagged(std::mem::take(count)),
        Some(Taken::Segment(segment)) => {
            if let Some(step) = segment.step() {
                told.step(segment.batch(), step);
            }
        }
    }
    if unused.front().is_some_and(Taken::is_used_up) {
        unused.pop_front();
    }
}

fn run(overflow: Overflow, capacity: usize, acts: &[Act]) {
    let (queue, _) = queue(capacity, overflow);
    let mut told = Told::default();
    let (mut pushed, mut unused) = (0, VecDeque::new());
    for act in acts {
        let mut to_put_back = std::mem::take(&mut unused);
        match act {
            Act::Push(kinds) => {
                fill(&queue, numbered(kinds, pushed));
                pushed += kinds.len() as u64;
            }
            // What is out comes before what would be popped now.
            _ if !to_put_back.is_empty() => {}
            Act::Pop(count) => (0..*count).map_while(|_| queue.try_pop().ok()).for_each(|item| told.item(item)),
            Act::Take { wanted, used } => {
                queue.take_batches(*wanted, &mut unused);
                (0..*used).for_each(|_| use_one(&mut unused, &mut told));
            }
        }
        if !to_put_back.is_empty() {
            queue.return_unused(&mut to_put_back);
        }
        assert!(overflow == Overflow::Block || queue.len() <= capacity);
    }
    queue.return_unused(&mut unused);
    while let Ok(item) = queue.try_pop() {
        told.item(item);
    }
    assert_eq!(told.next + told.lost, pushed, "the loss at the end is told, too");
    assert_eq!((told.delivered + told.lagged, told.lagged), (pushed, queue.dropped()));
    assert_eq!((queue.state.lock().held.counts().bytes, queue.len()), (0, 0));
}

proptest! {
    #[test]
    fn h4_losses_are_told_exactly_and_in_their_place(
        capacity in 1..8_usize,
        acts in vec(act(), 1..40),
    ) {
        for overflow in [Overflow::Block, Overflow::DropOldest, Overflow::DropNewest] {
            run(overflow, capacity, &acts);
        }
    }
}
