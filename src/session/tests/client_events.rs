//! Rules T, as far as the session decides.

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// How long a window of writes is, while nothing has delayed the client.
const WINDOW: Duration = Duration::from_millis(1010);

/// An event that the pace of this moment allows.
fn client_event(s: &mut Scenario, room: &Arc<Intent>) -> Result<ClientEvent, Error> {
    let triggered = s.now;
    s.pace().reserve(triggered)?;
    let (name, text) = ("client-e".into(), "the message".to_owned());
    Ok(ClientEvent { channel: room.stamp(), name, size: 7, text, triggered })
}

fn trigger(s: &mut Scenario, room: &Arc<Intent>) -> Result<(), Error> {
    let event = client_event(s, room)?;
    s.input(Input::Trigger(event));
    Ok(())
}

/// Sends a client event of this name, if the pace allows it.
pub(crate) fn triggers(s: &mut Scenario, room: &Arc<Intent>, name: &str) {
    triggers_sized(s, room, name, 7);
}

pub(crate) fn triggers_sized(s: &mut Scenario, room: &Arc<Intent>, name: &str, size: usize) {
    if let Ok(event) = client_event(s, room) {
        s.input(Input::Trigger(ClientEvent { name: name.into(), size, ..event }));
    }
}

/// Triggers events until one is refused, and returns the number of those that were not.
fn burst(s: &mut Scenario, room: &Arc<Intent>) -> usize {
    (0..10_000).take_while(|_| trigger(s, room).is_ok()).count()
}

fn confirm(s: &mut Scenario, id: u64, name: &str) -> Arc<Intent> {
    let room = s.wants(id, name);
    s.answer(name, private()).receive(&succeeded(name));
    room
}

pub(crate) fn in_private_room() -> (Scenario, Arc<Intent>) {
    in_private_room_with(Some(10), 2 * SECOND)
}

fn in_private_room_with(limit: Option<u32>, patience: Duration) -> (Scenario, Arc<Intent>) {
    let settings = Settings { client_event_limit: limit, client_event_patience: patience, ..settings() };
    let mut s = Scenario::of(settings);
    s.connect_background().establish();
    let room = confirm(&mut s, 2, "private-room");
    s.forget();
    (s, room)
}

fn are_not_subscribed(s: &Scenario, count: usize) {
    let errors = s.errors();
    assert_eq!(errors.len(), count);
    assert!(errors.iter().all(|error| matches!(error, Error::NotSubscribed { .. })), "{errors:?}");
}

#[test]
fn t2_a_client_event_goes_out_as_it_was_made() {
    let (mut s, room) = in_private_room();
    trigger(&mut s, &room).expect("the first");
    assert_eq!(s.sent(), ["the message"]);
}

#[test]
fn t1_events_over_the_limit_wait_for_the_end_of_the_second() {
    let (mut s, room) = in_private_room();
    let start = s.now;
    assert_eq!(burst(&mut s, &room), 20, "ten at once, and ten that wait for a second");
    assert_eq!(s.sent().len(), 10);
    assert_eq!(s.session.deadline(), Some(start + WINDOW), "the heartbeat wakes for the eleventh");
    s.pass(WINDOW - MS);
    assert_eq!(s.sent().len(), 10);
    s.pass(MS);
    assert_eq!(s.sent().len(), 20);
    assert_ne!(s.session.deadline(), Some(s.now), "nothing waits any more");
    s.pass(WINDOW);
    assert_eq!(burst(&mut s, &room), 20, "a pause is not saved up");
    assert_eq!(s.sent().len(), 30);
}

#[test]
fn t1_the_limit_may_be_one_huge_or_off() {
    let (mut s, room) = in_private_room_with(Some(1), 2 * SECOND);
    assert_eq!((burst(&mut s, &room), s.sent().len()), (2, 1));
    s.pass(WINDOW);
    assert_eq!(s.sent().len(), 2);
    for limit in [Some(u32::MAX), Some(10_000), None] {
        let (mut s, room) = in_private_room_with(limit, 2 * SECOND);
        assert_eq!((burst(&mut s, &room), s.sent().len()), (10_000, 10_000), "{limit:?}");
    }
}

#[test]
fn t1_an_event_waits_as_long_as_the_patience_and_not_longer() {
    for (patience, waiting) in [(Duration::ZERO, 0), (WINDOW - MS, 0), (WINDOW, 10), (2 * WINDOW, 20)] {
        let (mut s, room) = in_private_room_with(Some(10), patience);
        // With a short patience the margin is as ever, and without any there is none.
        assert_eq!((burst(&mut s, &room), s.sent().len()), (10 + waiting, 10), "{patience:?}");
        assert!(matches!(trigger(&mut s, &room), Err(Error::ClientEventRate { limit: 10 })));
        s.pass(patience);
        assert_eq!(s.sent().len(), 10 + waiting, "all are sent in time");
    }
}

#[test]
fn t1_an_endless_patience_is_bounded_by_the_places() {
    let (mut s, room) = in_private_room_with(Some(10), Duration::MAX);
    assert_eq!(burst(&mut s, &room), 10 + 1024);
    assert!(matches!(trigger(&mut s, &room), Err(Error::ClientEventQueueFull { waiting: 1024 })));
    s.pass(WINDOW);
    assert_eq!(burst(&mut s, &room), 10, "what was sent gave its place back");
}

#[test]
fn t1_an_event_that_cannot_be_sent_any_more_is_reported() {
    let (mut s, room) = in_private_room();
    let event = client_event(&mut s, &room).expect("the first");
    s.withdraws(&room).input(Input::Trigger(event));
    are_not_subscribed(&s, 1);
}

#[test]
fn t1_a_loss_and_disconnect_drop_the_waiting_events_and_report_them() {
    let ways: [fn(&mut Scenario) -> &mut Scenario; 3] =
        [Scenario::lose, |s| s.input(Input::Disconnect), |s| s.close(4200)];
    for way in ways {
        let (mut s, room) = in_private_room();
        assert_eq!(burst(&mut s, &room), 20);
        way(&mut s);
        are_not_subscribed(&s, 10);
        assert_eq!(s.sent().len(), 10);
        assert!(s.session.client_events.is_empty());
        assert_eq!(s.pace().next_write(), Some(s.now + WINDOW), "the second is not over");
    }
}

#[test]
fn t1_nothing_is_sent_on_another_connection() {
    let (mut s, room) = in_private_room();
    assert_eq!(burst(&mut s, &room), 20);
    s.close(4200).establish();
    s.answer("private-room", private()).receive(&succeeded("private-room"));
    s.forget();
    s.pass(5 * SECOND);
    assert!(s.sent().is_empty());
}

#[test]
fn t1_nothing_is_sent_on_a_channel_after_its_unsubscribe() {
    let (mut s, room) = in_private_room();
    let other = confirm(&mut s, 3, "private-other");
    assert_eq!(burst(&mut s, &other), 20);
    s.pass(WINDOW).forget();
    for channel in [&room, &other, &room] {
        trigger(&mut s, channel).expect("it waits");
    }
    s.withdraws(&room);
    are_not_subscribed(&s, 2);
    // A new subscription is another one.
    let again = confirm(&mut s, 2, "private-room");
    s.forget();
    s.pass(WINDOW);
    assert_eq!(s.sent(), ["the message"], "that of the other channel");
    trigger(&mut s, &again).expect("there is room");
    assert_eq!(s.sent().len(), 2);
}

#[test]
fn t1_events_that_the_unsubscribe_dropped_delay_no_other() {
    let (mut s, room) = in_private_room();
    let other = confirm(&mut s, 3, "private-other");
    assert_eq!(burst(&mut s, &room), 20);
    s.withdraws(&room);
    assert_eq!(burst(&mut s, &other), 10);
}

#[test]
fn t1_the_order_is_that_of_the_calls() {
    let (mut s, room) = in_private_room();
    for number in 0..20 {
        let event = client_event(&mut s, &room).expect("it waits");
        s.input(Input::Trigger(ClientEvent { text: number.to_string(), ..event }));
    }
    s.pass(2 * WINDOW);
    let expected: Vec<_> = (0..20).map(|number| number.to_string()).collect();
    assert_eq!(s.sent(), expected);
}

#[test]
fn t1_a_message_that_the_socket_takes_late_counts_when_it_has_taken_it() {
    let (mut s, room) = in_private_room_with(Some(1), 10 * SECOND);
    trigger(&mut s, &room).expect("the first");
    s.socket(FromSocket::WriteBlocked { progress: false });
    trigger(&mut s, &room).expect("it waits");
    let next = s.session.deadline().expect("the liveness of the socket");
    assert!(next > s.now + 20 * SECOND, "an event that cannot be written wakes no thread");
    s.now += 3 * SECOND;
    s.socket(FromSocket::Written);
    assert_eq!(s.sent().len(), 1);
    assert_eq!(s.session.deadline(), Some(s.now + WINDOW));
    s.pass(WINDOW);
    assert_eq!(s.sent().len(), 2);
}

#[test]
fn t1_a_blocked_socket_lets_events_wait_and_no_longer_than_the_patience_afterwards() {
    let (mut s, room) = in_private_room();
    s.socket(FromSocket::WriteBlocked { progress: true });
    let mut accepted = 0;
    for _ in 0..100 {
        // The socket is blocked, so the outputs are not drained.
        if let Ok(event) = client_event(&mut s, &room) {
            s.session.handle(Input::Trigger(event), s.now);
            accepted += 1;
        }
        s.now += 100 * MS;
    }
    assert_eq!(accepted, 20, "more would wait for longer once the socket takes messages");
    s.socket(FromSocket::Written);
    assert_eq!(s.sent().len(), 10);
    s.pass(WINDOW);
    assert_eq!(s.sent().len(), 20);
}

#[test]
fn t1_other_messages_do_not_wait_for_client_events() {
    let (mut s, room) = in_private_room();
    burst(&mut s, &room);
    s.forget();
    s.wants(3, "room");
    s.receive(r#"{"event":"pusher:ping"}"#);
    assert_eq!(s.sent(), [subscribe("room"), Outgoing::Pong.to_text()]);
}

#[test]
fn t2_a_later_4301_is_reported_and_answers_no_subscription() {
    let (mut s, _room) = in_private_room();
    s.wants(3, "room");
    s.receive(r#"{"event":"pusher:error","data":{"code":4301,"message":"too fast"}}"#);
    assert!(matches!(s.errors()[..], [Error::Server { code: Some(4301), .. }]));
}

/// A client whose messages are written one after another, by a socket that may be blocked and a heartbeat that may be late.
struct Writer {
    s: Scenario,
    room: Arc<Intent>,
    limit: usize,
    patience: Duration,
    /// How late the heartbeat wakes up.
    late: Duration,
    /// Whether the socket will take no more than a part of the next message.
    blocks_next: bool,
    is_blocked: bool,
    /// Whether the message that the socket has a part of is a client event.
    holds_an_event: bool,
    /// The accepted events: when each was triggered.
    accepted: Vec<Instant>,
    refused: usize,
    /// The number of each event that was written, and when.
    writes: Vec<(usize, Instant)>,
}

impl Writer {
    fn new(limit: u32, patience: Duration, late: Duration) -> Self {
        let (s, room) = in_private_room_with(Some(limit), patience);
        Self {
            s,
            room,
            limit: limit as usize,
            patience,
            late,
            blocks_next: false,
            is_blocked: false,
            holds_an_event: false,
            accepted: Vec::new(),
            refused: 0,
            writes: Vec::new(),
        }
    }

    fn trigger(&mut self) {
        match client_event(&mut self.s, &self.room) {
            Err(_) => self.refused += 1,
            Ok(event) => {
                let text = format!("client event {}", self.accepted.len());
                self.accepted.push(self.s.now);
                self.s.session.handle(Input::Trigger(ClientEvent { text, ..event }), self.s.now);
                self.write();
            }
        }
    }

    fn write(&mut self) {
        while !self.is_blocked {
            let Some(output) = self.s.session.poll_output(self.s.now, &Stamp::is_current) else { return };
            let Output::Send(text) = output else { continue };
            let number = text.expose().strip_prefix("client event ");
            self.writes.extend(number.map(|number| (number.parse().expect("a number"), self.s.now)));
            self.is_blocked = std::mem::take(&mut self.blocks_next);
            self.holds_an_event = self.is_blocked && number.is_some();
            self.report(match self.is_blocked {
                true => FromSocket::WriteBlocked { progress: true },
                false => FromSocket::Written,
            });
        }
    }

    fn report(&mut self, event: FromSocket<'_>) {
        let generation = self.s.session.generation;
        self.s.session.handle(Input::Socket(generation, event), self.s.now);
    }

    fn unblock(&mut self) {
        self.blocks_next = false;
        if std::mem::take(&mut self.is_blocked) {
            self.report(FromSocket::Written);
        }
        if std::mem::take(&mut self.holds_an_event) {
            self.writes.last_mut().expect("it was written").1 = self.s.now;
        }
        self.write();
    }

    /// The heartbeat wakes up for each deadline.
    fn pass(&mut self, time: Duration) {
        let end = self.s.now + time;
        loop {
            let next = self.s.session.deadline().map(|at| at.max(self.s.now) + self.late);
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.s.now = at;
            self.s.session.handle(Input::Tick, at);
            self.write();
        }
        self.s.now = end;
    }

    fn step(&mut self, step: PacedStep) {
        match step {
            PacedStep::Trigger(count) => (0..count).for_each(|_| self.trigger()),
            PacedStep::Pause(time) => self.pass(u32::from(time) * MS),
            PacedStep::Block(count, time) => {
                self.blocks_next = true;
                for _ in 0..count {
                    self.trigger();
                    self.pass(u32::from(time) * MS);
                }
                self.unblock();
            }
        }
    }

    /// The promises that hold after any sequence.
    fn check(&self) {
        for writes in self.writes.windows(self.limit + 1) {
            let span = writes[self.limit].1 - writes[0].1;
            assert!(span >= SECOND, "{} writes within {span:?}", writes.len());
        }
        assert!(self.writes.iter().map(|(number, _)| *number).eq(0..self.accepted.len()), "all, in order");
    }

    fn longest_wait(&self) -> Duration {
        self.writes.iter().map(|(number, at)| *at - self.accepted[*number]).max().unwrap_or_default()
    }

    /// The number of writes that a server like soketi would refuse. Its window starts with the first message after the
    /// last window has ended.
    fn refused_by_the_server(&self, delays: impl Iterator<Item = Duration>) -> usize {
        let (mut since, mut count, mut refused) = (None, 0, 0);
        let mut last = self.s.now - 1000 * SECOND;
        for ((_, at), delay) in self.writes.iter().zip(delays) {
            // Messages do not overtake each other.
            last = last.max(*at + delay);
            if since.is_none_or(|since| last - since >= SECOND) {
                (since, count) = (Some(last), 0);
            }
            count += 1;
            refused += usize::from(count > self.limit);
        }
        refused
    }
}

#[derive(Debug, Clone, Copy)]
enum PacedStep {
    Trigger(u8),
    /// Milliseconds.
    Pause(u16),
    /// The socket takes nothing while some events are triggered, with this pause after each, in milliseconds.
    Block(u8, u16),
}

fn step() -> impl Strategy<Value = PacedStep> {
    prop_oneof![
        4 => (1..30_u8).prop_map(PacedStep::Trigger),
        4 => (0..1500_u16).prop_map(PacedStep::Pause),
        1 => (1..10_u8, 0..500_u16).prop_map(|(count, time)| PacedStep::Block(count, time)),
    ]
}

/// Numbers below `bound` that look random, for jitter.
fn draws(bound: u32) -> impl Iterator<Item = u32> {
    (1..).map(move |n: u32| n.wrapping_mul(2_654_435_761) % bound)
}

/// A loop that triggers exactly at a limit of ten, but for a jitter of 3 ms.
fn exact_loop(seconds: u32) -> Writer {
    let mut writer = Writer::new(10, 2 * SECOND, Duration::from_micros(60));
    let start = writer.s.now;
    for (number, jitter) in (0..10 * seconds).zip(draws(3000)) {
        let at = start + 100 * number * MS + Duration::from_micros(jitter.into());
        writer.pass(at - writer.s.now);
        writer.report(FromSocket::Bytes);
        writer.trigger();
    }
    writer.pass(5 * SECOND);
    writer.check();
    writer
}

#[test]
fn t1_a_loop_exactly_at_the_limit_is_refused_neither_here_nor_by_the_server_for_a_minute() {
    let writer = exact_loop(60);
    assert_eq!((writer.refused, writer.writes.len()), (0, 600));
    let delays = draws(2500).map(|delay| 20 * MS + Duration::from_micros(delay.into()));
    assert_eq!(writer.refused_by_the_server(delays), 0);
}

#[test]
fn t1_a_loop_exactly_at_the_limit_is_not_refused_here_for_an_hour() {
    let writer = exact_loop(3600);
    assert_eq!(writer.refused, 0);
    assert!(writer.longest_wait() < SECOND, "{:?}", writer.longest_wait());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t1_no_second_of_writes_holds_more_than_the_limit(
        limit in 1..15_u32,
        patience in 0..4000_u32,
        late in 0..3000_u32,
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut writer = Writer::new(limit, patience * MS, Duration::from_micros(late.into()));
        let blocks = steps.iter().any(|step| matches!(step, PacedStep::Block(..)));
        steps.into_iter().for_each(|step| writer.step(step));
        writer.pass(10 * SECOND);
        writer.check();
        // Late wakes add up over the windows that an event waits for.
        let most = writer.patience + 5 * writer.late;
        prop_assert!(blocks || writer.longest_wait() <= most, "{:?}", writer.longest_wait());
    }
}

#[test]
fn t2_a_close_1009_is_blamed_on_the_largest_client_event_of_the_last_five_seconds() {
    let too_large = |s: &Scenario| {
        s.errors()
            .into_iter()
            .filter_map(|error| match error {
                Error::ClientEventTooLarge { size, limit: 0 } => Some(*size),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let (mut s, room) = in_private_room();
    triggers_sized(&mut s, &room, "client-a", 10_240);
    s.pass(5 * SECOND);
    for size in [9_000, 9_960, 10] {
        triggers_sized(&mut s, &room, "client-a", size);
    }
    s.pass(5 * SECOND - Duration::from_millis(1)).close(1009);
    assert_eq!(too_large(&s), [9_960]);
    assert_eq!(s.states(), [Reconnecting]);

    let (mut s, room) = in_private_room();
    triggers(&mut s, &room, "client-a");
    s.pass(5 * SECOND).close(1009);
    assert!(too_large(&s).is_empty(), "too long ago");

    let (mut s, room) = in_private_room();
    triggers(&mut s, &room, "client-a");
    s.close(1000);
    assert!(too_large(&s).is_empty());
    s.reconnect().close(1009);
    assert!(too_large(&s).is_empty(), "nothing was sent on this connection");
}

#[test]
fn t2_the_memory_of_sent_client_events_is_bounded() {
    let (mut s, room) = in_private_room_with(None, SECOND);
    for _ in 0..10_000 {
        triggers(&mut s, &room, "client-a");
        s.outputs.clear();
    }
    let refusal = r#"{"event":"pusher:error","data":{"code":4301,"message":"too fast"}}"#;
    for _ in 0..1025 {
        s.receive(refusal);
    }
    let of_events = s.errors().into_iter().filter(|error| matches!(error, Error::ClientEventRefused { .. })).count();
    assert_eq!(of_events, 1024);
}
