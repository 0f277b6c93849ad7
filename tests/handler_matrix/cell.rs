//! A client in a state, with code that makes calls.

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{self, Receiver as Answers, RecvTimeoutError, Sender},
    time::{Duration, Instant},
};

use pusher_channels::{ConnectionState, Pusher, Receiver, testing::TestServer};

use super::{
    calls::{self, CONNECT, Call, CallingThread, Handles, RECEIVERS, Receivers},
    kinds::{Kind, MASTER_KEY, Moment, Scene},
    parking::{Parked, Parking},
    states::{self, UnderWay},
    support::{PATIENCE, next_state},
};

/// Kind, state and call.
pub(crate) type Cell = (&'static str, ConnectionState, &'static str);

/// A client on its way to a state. The client has called code of this kind, and the code waits.
pub(crate) struct Fixture {
    kind: &'static Kind,
    scene: Scene,
    receivers: Vec<Receiver>,
    notifications: Receiver,
    parked: Parked,
    under_way: UnderWay,
}

impl Fixture {
    pub(crate) fn new(kind: &'static Kind, state: ConnectionState) -> Self {
        let builder = TestServer::builder().subscription_counts(true).encryption_master_key(MASTER_KEY);
        let server = builder.start().expect("a free port on loopback");
        let (parking, parked) = Parking::new();
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
        let notifications = scene.pusher.receiver();
        let under_way = begin(kind, &mut scene, &parked, &notifications);
        Self { kind, scene, receivers, notifications, parked, under_way }
    }

    /// Waits for the state, lets the code make the calls, and returns the cells that were tested, and the first
    /// failure.
    pub(crate) fn run(self, calls: &[&'static Call]) -> (Vec<Cell>, Option<String>) {
        let Self { kind, scene, receivers, notifications, parked, under_way } = self;
        let Scene { server, pusher, channel, user, own, state, .. } = scene;
        if state != ConnectionState::Connected {
            states::arrive(state, &notifications);
        }
        if kind.moment == Moment::Waking {
            parked.wait();
        }
        // Another thread must end a `connect` that waits. All other calls are made on the last handles.
        let waits = kind.thread == CallingThread::Dispensable && calls.iter().any(|call| call.methods == CONNECT);
        let disconnector = waits.then(|| pusher.clone());
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
            thread: kind.thread,
        };
        let (report, answers) = mpsc::channel();
        let calls_to_make = calls.to_vec();
        parked.release(move || make_all(handles, state, &calls_to_make, &report));
        let mut tested = Vec::new();
        for call in calls {
            let cell = (kind.name, state, call.methods);
            if let Err(failure) = answer(&answers, disconnector.as_ref()) {
                return (tested, Some(format!("{cell:?}: {failure}")));
            }
            tested.push(cell);
        }
        drop(disconnector);
        let failure = end(&notifications, under_way).err().map(|failure| format!("{}, {state}: {failure}", kind.name));
        drop(server);
        (tested, failure)
    }
}

/// Makes the client call the code, and begins the change to the state.
fn begin(kind: &Kind, scene: &mut Scene, parked: &Parked, notifications: &Receiver) -> UnderWay {
    let connect = |scene: &Scene| {
        scene.pusher.connect().expect("the embedded server accepts");
        next_state(notifications, ConnectionState::Connected);
    };
    match (kind.moment, scene.state) {
        (Moment::Dialling, ConnectionState::Connecting) => {
            scene.pusher.connect_background().expect("it does not wait");
            parked.wait();
            None
        }
        // The dialer of an attempt that was given up keeps running while the client connects again.
        (Moment::Dialling, _) => {
            scene.pusher.connect_background().expect("it does not wait");
            parked.wait();
            scene.pusher.disconnect();
            connect(scene);
            states::approach(scene, notifications);
            states::enter(scene)
        }
        (Moment::Changing, ConnectionState::Disconnecting) => {
            connect(scene);
            let under_way = states::enter(scene);
            parked.wait();
            under_way
        }
        // The change of the state is the notification that causes the wake-up.
        (Moment::Waking, state) => {
            connect(scene);
            states::approach(scene, notifications);
            scene.own = (kind.bind)(scene);
            if state == ConnectionState::Connected {
                (kind.provoke)(scene);
            }
            states::enter(scene)
        }
        (Moment::Connected | Moment::Changing, _) => {
            connect(scene);
            (kind.provoke)(scene);
            parked.wait();
            states::approach(scene, notifications);
            states::enter(scene)
        }
    }
}

/// A report about a call.
enum Report {
    Begins,
    /// With the text of a panic.
    Ends(Result<(), String>),
}

/// Runs in the user's code: makes the calls, and reports the result of each.
fn make_all(handles: Handles, state: ConnectionState, calls: &[&Call], report: &Sender<Report>) {
    let mut handles = Some(handles);
    for call in calls {
        let made = catch_unwind(AssertUnwindSafe(|| {
            let last = handles.take_if(|_| call.class.changes_the_state());
            let handles = last.as_ref().or(handles.as_ref()).expect("a call that changes the state is the only one");
            assert_eq!(handles.pusher.state(), states::shown(state), "before the call");
            report.send(Report::Begins).unwrap_or_default();
            (call.make)(handles);
            if last.is_none() {
                assert_eq!(handles.pusher.state(), states::shown(state), "after the call");
            }
        }));
        report.send(Report::Ends(made.map_err(|panic| text_of(&*panic)))).unwrap_or_default();
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text").to_owned()
}

/// Waits for the report about one call, with a deadline. If a call may wait, the client is disconnected repeatedly
/// after the call has begun, because nothing shows when it waits.
fn answer(answers: &Answers<Report>, disconnector: Option<&Pusher>) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let mut has_begun = false;
    loop {
        let time = if has_begun && disconnector.is_some() { Duration::from_millis(20) } else { PATIENCE };
        match answers.recv_timeout(time) {
            Ok(Report::Begins) => has_begun = true,
            Ok(Report::Ends(made)) => return made,
            Err(RecvTimeoutError::Disconnected) => return Err("the code ended before this call".to_owned()),
            Err(RecvTimeoutError::Timeout) if Instant::now() > deadline => return Err("a deadlock".to_owned()),
            Err(RecvTimeoutError::Timeout) => disconnector.into_iter().for_each(Pusher::disconnect),
        }
    }
}

/// Waits for the end of the client, whose last handle was dropped inside the user's code.
fn end(notifications: &Receiver, under_way: UnderWay) -> Result<(), String> {
    if let Some(call) = under_way {
        call.join().map_err(|panic| text_of(&*panic))?;
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        match notifications.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(_) => {}
            Err(pusher_channels::RecvTimeoutError::Closed) => return Ok(()),
            Err(pusher_channels::RecvTimeoutError::Timeout) => return Err("the client does not end".to_owned()),
        }
    }
}
