//! One client in one state, whose code makes calls.

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{self, Receiver as Answers, RecvTimeoutError, Sender},
    time::{Duration, Instant},
};

use pusher_channels::{ConnectionState, Pusher, Receiver, testing::TestServer};

use super::{
    calls::{self, CONNECT, Call, Handles, Place, RECEIVERS, Receivers},
    kinds::{Kind, MASTER_KEY, Moment, Scene},
    parking::{Gate, Parking},
    states::{self, UnderWay},
    support::{PATIENCE, next_state},
};

/// Kind, state and call.
pub(crate) type Cell = (&'static str, ConnectionState, &'static str);

/// A client on its way to a state, with code of one kind that is parked.
pub(crate) struct Staged {
    kind: &'static Kind,
    scene: Scene,
    receivers: Vec<Receiver>,
    watcher: Receiver,
    gate: Gate,
    under_way: UnderWay,
}

impl Staged {
    pub(crate) fn new(kind: &'static Kind, state: ConnectionState) -> Self {
        let builder = TestServer::builder().subscription_counts(true).encryption_master_key(MASTER_KEY);
        let server = builder.start().expect("a free port on loopback");
        let (parking, gate) = Parking::new();
        let pusher = Pusher::new((kind.configure)(states::config(&server), &server, &parking.code()));
        let channel = pusher.channel(kind.room).expect("a valid name");
        let mut scene = Scene {
            server,
            channel,
            user: pusher.user(),
            pusher,
            code: parking.code(),
            own: None,
            kept: RefCell::default(),
            state,
        };
        if kind.moment != Moment::Waking {
            scene.own = (kind.bind)(&scene);
        }
        let receivers = (0..RECEIVERS).map(|_| scene.pusher.receiver()).collect();
        let watcher = scene.pusher.receiver();
        let under_way = park_and_leave(kind, &mut scene, &gate, &watcher);
        Self { kind, scene, receivers, watcher, gate, under_way }
    }

    /// Waits for the state, lets the code make the calls, and returns what was played, and what failed.
    pub(crate) fn play(self, calls: &[&'static Call]) -> (Vec<Cell>, Option<String>) {
        let Self { kind, scene, receivers, watcher, gate, under_way } = self;
        let Scene { server, pusher, channel, user, own, state, .. } = scene;
        if state != ConnectionState::Connected {
            states::arrive(state, &watcher);
        }
        if kind.moment == Moment::Waking {
            gate.wait();
        }
        // Where `connect` waits, somebody else has to end it. All other calls are made on the last handles.
        let waits = kind.place == Place::Elsewhere && calls.iter().any(|call| call.methods == CONNECT);
        let ender = waits.then(|| pusher.clone());
        let handles = Handles {
            pusher,
            other: channel.clone(),
            channel,
            again: &["now-and-then"],
            user,
            receivers: Receivers::Filled(RefCell::new(receivers)),
            event: calls::event(),
            event_name: "e",
            data: "data".to_owned(),
            own: RefCell::new(own),
            place: kind.place,
        };
        let (tell, answers) = mpsc::channel();
        let errand_calls = calls.to_vec();
        gate.release(move || make_all(handles, state, &errand_calls, &tell));
        let mut played = Vec::new();
        for call in calls {
            let cell = (kind.name, state, call.methods);
            if let Err(failure) = answer(&answers, ender.as_ref()) {
                return (played, Some(format!("{cell:?}: {failure}")));
            }
            played.push(cell);
        }
        drop(ender);
        let failure = end(&watcher, under_way).err().map(|failure| format!("{}, {state}: {failure}", kind.name));
        drop(server);
        (played, failure)
    }
}

/// Lets the client call the code, and brings it on its way to the state.
fn park_and_leave(kind: &Kind, scene: &mut Scene, gate: &Gate, watcher: &Receiver) -> UnderWay {
    let connect = |scene: &Scene| {
        scene.pusher.connect().expect("the embedded server accepts");
        next_state(watcher, ConnectionState::Connected);
    };
    match (kind.moment, scene.state) {
        (Moment::Dialling, ConnectionState::Connecting) => {
            scene.pusher.connect_background().expect("it does not wait");
            gate.wait();
            None
        }
        // The dialer of an attempt that was given up, while other calls of it go on.
        (Moment::Dialling, _) => {
            scene.pusher.connect_background().expect("it does not wait");
            gate.wait();
            scene.pusher.disconnect();
            connect(scene);
            states::approach(scene, watcher);
            states::enter(scene)
        }
        (Moment::Changing, ConnectionState::Disconnecting) => {
            connect(scene);
            let under_way = states::enter(scene);
            gate.wait();
            under_way
        }
        // What is told of the state is what it is woken for.
        (Moment::Waking, state) => {
            connect(scene);
            states::approach(scene, watcher);
            scene.own = (kind.bind)(scene);
            if state == ConnectionState::Connected {
                (kind.provoke)(scene);
            }
            states::enter(scene)
        }
        (Moment::Connected | Moment::Changing, _) => {
            connect(scene);
            (kind.provoke)(scene);
            gate.wait();
            states::approach(scene, watcher);
            states::enter(scene)
        }
    }
}

/// What is told of a call.
enum Told {
    Begins,
    /// With the words of a panic.
    Ends(Result<(), String>),
}

/// In the user's code: makes the calls, and tells of each how it went.
fn make_all(handles: Handles, state: ConnectionState, calls: &[&Call], tell: &Sender<Told>) {
    let mut handles = Some(handles);
    for call in calls {
        let made = catch_unwind(AssertUnwindSafe(|| {
            let last = handles.take_if(|_| call.class.changes_the_state());
            let handles = last.as_ref().or(handles.as_ref()).expect("a call that changes the state is the only one");
            assert_eq!(handles.pusher.state(), states::shown(state), "before the call");
            tell.send(Told::Begins).unwrap_or_default();
            (call.make)(handles);
            if last.is_none() {
                assert_eq!(handles.pusher.state(), states::shown(state), "after the call");
            }
        }));
        tell.send(Told::Ends(made.map_err(|panic| words_of(&*panic)))).unwrap_or_default();
    }
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}

/// The watchdog of one call. Where somebody has to end the call, it is ended again and again once it begins, because nothing
/// tells that it waits.
fn answer(answers: &Answers<Told>, ender: Option<&Pusher>) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let mut has_begun = false;
    loop {
        let time = if has_begun && ender.is_some() { Duration::from_millis(20) } else { PATIENCE };
        match answers.recv_timeout(time) {
            Ok(Told::Begins) => has_begun = true,
            Ok(Told::Ends(made)) => return made,
            Err(RecvTimeoutError::Disconnected) => return Err("the code never came to it".to_owned()),
            Err(RecvTimeoutError::Timeout) if Instant::now() > deadline => return Err("a deadlock".to_owned()),
            Err(RecvTimeoutError::Timeout) => ender.into_iter().for_each(Pusher::disconnect),
        }
    }
}

/// The last handle went inside the user's code, so that the client is gone.
fn end(watcher: &Receiver, under_way: UnderWay) -> Result<(), String> {
    if let Some(call) = under_way {
        call.join().map_err(|panic| words_of(&*panic))?;
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        match watcher.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(_) => {}
            Err(pusher_channels::RecvTimeoutError::Closed) => return Ok(()),
            Err(pusher_channels::RecvTimeoutError::Timeout) => return Err("the client does not end".to_owned()),
        }
    }
}
