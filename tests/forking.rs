//! Rule H7: a client in a forked child.
#![cfg(unix)]

mod support;

use std::{
    net::TcpStream,
    os::unix::process::ExitStatusExt,
    process::{self, ExitStatus},
    sync::mpsc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    thread,
    time::Duration,
};

use fork::Fork;
use pusher_channels::{
    Binding, ByteStream, Channel, ChannelAuth, Closed, Config, ConnectionState, Error, HttpAuth, PollableReceiver,
    Pusher, Receiver, ReceiverOptions, RecvTimeoutError, Stats, SubscribeOptions, TryRecvError, User,
    testing::{AuthUser, TestServer},
};
use support::{PATIENCE, eventually, next_event, quick, run_alone, server, subscribed};

/// Longer than any test, so that a call that waited would be noticed.
const AN_HOUR: Duration = Duration::from_secs(3600);

/// A handle of every kind.
struct Handles {
    pusher: Pusher,
    channel: Channel,
    user: User,
    receiver: Receiver,
    pollable: PollableReceiver,
    bindings: Mutex<Vec<Binding>>,
}

impl Handles {
    fn of(pusher: &Pusher) -> Self {
        Self {
            pusher: pusher.clone(),
            channel: subscribed(pusher, "presence-room"),
            user: pusher.user(),
            receiver: pusher.receiver(),
            pollable: pusher.receiver().pollable().expect("two more descriptors"),
            bindings: Mutex::new(vec![pusher.on_event(|_| ()), pusher.on_event(|_| ())]),
        }
    }

    /// The binding of a handler that was bound before the fork.
    fn bound_before(&self) -> Binding {
        self.bindings.lock().expect("no panic").pop().expect("one binding for each call that needs one")
    }
}

/// A public call, and whether its result in a forked child is right.
type Call = (&'static str, fn(&Handles) -> bool);

/// Every public call of a handle that reaches the client.
const CALLS: &[Call] = &[
    ("Pusher::connect", |h| is_forked(h.pusher.connect())),
    ("Pusher::connect_background", |h| is_forked(h.pusher.connect_background())),
    ("Pusher::wait_connected", |h| is_forked(h.pusher.wait_connected(AN_HOUR))),
    ("Pusher::wait_all_subscribed", |h| is_forked(h.pusher.wait_all_subscribed(AN_HOUR))),
    ("WeakPusher::upgrade", |h| h.pusher.downgrade().upgrade().is_some()),
    ("Pusher::disconnect", |h| returns(|| h.pusher.disconnect())),
    ("Pusher::reconnect_now", |h| returns(|| h.pusher.reconnect_now())),
    ("Pusher::state", |h| h.pusher.state() == ConnectionState::Disconnected),
    ("Pusher::socket_id", |h| h.pusher.socket_id().is_none()),
    ("Pusher::channel", |h| is_forked(h.pusher.channel("other"))),
    ("Pusher::channel, bad name", |h| is_forked(h.pusher.channel("a b"))),
    ("Pusher::subscribe", |h| is_forked(h.pusher.subscribe("other"))),
    ("Pusher::unsubscribe", |h| returns(|| h.pusher.unsubscribe("presence-room"))),
    ("Pusher::unsubscribe_all", |h| returns(|| h.pusher.unsubscribe_all())),
    ("Pusher::channels", |h| h.pusher.channels().is_empty()),
    ("Pusher::bind", |h| returns(|| h.pusher.bind("e", |_| ()))),
    ("Pusher::bind_all", |h| returns(|| h.pusher.bind_all(|_| ()))),
    ("Pusher::bind_as", |h| returns(|| h.pusher.bind_as("e", |_: u32| ()))),
    ("Pusher::bind_as_with", |h| returns(|| h.pusher.bind_as_with("e", |_: u32, _| ()))),
    ("Pusher::bind_sender", |h| returns(|| h.pusher.bind_sender("e", mpsc::channel().0))),
    ("Pusher::bind_all_sender", |h| returns(|| h.pusher.bind_all_sender(mpsc::channel().0))),
    ("Pusher::unbind_event", |h| returns(|| h.pusher.unbind_event("e"))),
    ("Pusher::unbind_all", |h| returns(|| h.pusher.unbind_all())),
    ("Pusher::forward", |h| returns(|| h.pusher.forward(mpsc::channel().0))),
    ("Binding::unbind", |h| returns(|| h.bound_before().unbind())),
    ("Pusher::unbind", |h| is_forked(h.pusher.unbind(h.bound_before()))),
    ("Pusher::unbind, bound in the child", |h| is_forked(h.pusher.unbind(h.pusher.bind("e", |_| ())))),
    ("Pusher::on_event", |h| returns(|| h.pusher.on_event(|_| ()))),
    ("Pusher::on_connection_state_change", |h| returns(|| h.pusher.on_connection_state_change(|_| ()))),
    ("Pusher::on_error", |h| returns(|| h.pusher.on_error(|_| ()))),
    ("Pusher::on_subscription_succeeded", |h| returns(|| h.pusher.on_subscription_succeeded(|_| ()))),
    ("Pusher::on_subscription_error", |h| returns(|| h.pusher.on_subscription_error(|_| ()))),
    ("Pusher::on_subscription_count", |h| returns(|| h.pusher.on_subscription_count(|_| ()))),
    ("Pusher::on_cache_miss", |h| returns(|| h.pusher.on_cache_miss(|_| ()))),
    ("Pusher::on_decryption_failure", |h| returns(|| h.pusher.on_decryption_failure(|_| ()))),
    ("Pusher::on_member_added", |h| returns(|| h.pusher.on_member_added(|_| ()))),
    ("Pusher::on_member_removed", |h| returns(|| h.pusher.on_member_removed(|_| ()))),
    ("Pusher::trigger", |h| is_forked(h.pusher.trigger("presence-room", "client-e", "child"))),
    ("Pusher::sign_in", |h| is_forked(h.pusher.sign_in())),
    ("Pusher::receiver", |h| matches!(h.pusher.receiver().recv(), Err(Closed))),
    ("Pusher::receiver_with", |h| h.pusher.receiver_with(ReceiverOptions::new()).iter().next().is_none()),
    ("Pusher::dispatch", |h| h.pusher.dispatch() == 0),
    ("Pusher::dispatch_for", |h| h.pusher.dispatch_for(AN_HOUR) == 0),
    ("Pusher::stats", |h| h.pusher.stats() == Stats::default()),
    ("Pusher: Debug", |h| format!("{:?}", h.pusher).contains("Disconnected")),
    ("Channel::name", |h| h.channel.name() == "presence-room"),
    ("Channel::subscribe", |h| returns(|| h.channel.subscribe().is_subscribed())),
    ("Channel::subscribe_with_auth", |h| {
        returns(|| h.channel.subscribe_with_auth(ChannelAuth::new("app-key:signature")).is_subscribed())
    }),
    ("Channel::subscribe_with", |h| is_forked(h.channel.subscribe_with(SubscribeOptions::new()))),
    ("Channel::unsubscribe", |h| returns(|| h.channel.unsubscribe())),
    ("Channel::is_subscribed", |h| !h.channel.is_subscribed()),
    ("Channel::wait_subscribed", |h| is_forked(h.channel.wait_subscribed(AN_HOUR))),
    ("Channel::trigger", |h| is_forked(h.channel.trigger("client-e", "child"))),
    ("Channel::members", |h| h.channel.members().is_empty()),
    ("Channel::member", |h| h.channel.member("7").is_none()),
    ("Channel::me", |h| h.channel.me().is_none()),
    ("Channel::subscription_count", |h| h.channel.subscription_count().is_none()),
    ("Channel::bind", |h| returns(|| h.channel.bind("e", |_| ()))),
    ("Channel::bind_all", |h| returns(|| h.channel.bind_all(|_| ()))),
    ("Channel::on_event", |h| returns(|| h.channel.on_event(|_| ()))),
    ("Channel::bind_as", |h| returns(|| h.channel.bind_as("e", |_: u32| ()))),
    ("Channel::receiver", |h| matches!(h.channel.receiver().recv(), Err(Closed))),
    ("Channel::receiver_with", |h| h.channel.receiver_with(ReceiverOptions::new()).iter().next().is_none()),
    ("Channel::events", |h| matches!(h.channel.events("e").recv(), Err(Closed))),
    ("Channel::events_as", |h| h.channel.events_as::<u32>("e").iter().next().is_none()),
    ("WeakChannel::upgrade", |h| h.channel.downgrade().upgrade().is_some()),
    ("Channel::bind_as_with", |h| returns(|| h.channel.bind_as_with("e", |_: u32, _| ()))),
    ("Channel::bind_sender", |h| returns(|| h.channel.bind_sender("e", mpsc::channel().0))),
    ("Channel::bind_all_sender", |h| returns(|| h.channel.bind_all_sender(mpsc::channel().0))),
    ("Channel::unbind_event", |h| returns(|| h.channel.unbind_event("e"))),
    ("Channel::unbind_all", |h| returns(|| h.channel.unbind_all())),
    ("Channel::forward", |h| returns(|| h.channel.forward(mpsc::channel().0))),
    ("Channel::unbind", |h| is_forked(h.channel.unbind(h.channel.bind("e", |_| ())))),
    ("Channel::on_subscription_succeeded", |h| returns(|| h.channel.on_subscription_succeeded(|_| ()))),
    ("Channel::on_subscription_error", |h| returns(|| h.channel.on_subscription_error(|_| ()))),
    ("Channel::on_subscription_count", |h| returns(|| h.channel.on_subscription_count(|_| ()))),
    ("Channel::on_cache_miss", |h| returns(|| h.channel.on_cache_miss(|_| ()))),
    ("Channel::on_decryption_failure", |h| returns(|| h.channel.on_decryption_failure(|_| ()))),
    ("Channel::on_member_added", |h| returns(|| h.channel.on_member_added(|_| ()))),
    ("Channel::on_member_removed", |h| returns(|| h.channel.on_member_removed(|_| ()))),
    ("Channel: Debug", |h| format!("{:?}", h.channel).contains("false")),
    ("User::id", |h| h.user.id().is_none()),
    ("User::is_signed_in", |h| !h.user.is_signed_in()),
    ("User::wait_signed_in", |h| is_forked(h.user.wait_signed_in(AN_HOUR))),
    ("User::bind", |h| returns(|| h.user.bind("e", |_| ()))),
    ("User::bind_all", |h| returns(|| h.user.bind_all(|_| ()))),
    ("User::bind_as", |h| returns(|| h.user.bind_as("e", |_: u32| ()))),
    ("User::bind_as_with", |h| returns(|| h.user.bind_as_with("e", |_: u32, _| ()))),
    ("User::bind_sender", |h| returns(|| h.user.bind_sender("e", mpsc::channel().0))),
    ("User::bind_all_sender", |h| returns(|| h.user.bind_all_sender(mpsc::channel().0))),
    ("User::unbind_event", |h| returns(|| h.user.unbind_event("e"))),
    ("User::unbind_all", |h| returns(|| h.user.unbind_all())),
    ("User::unbind", |h| is_forked(h.user.unbind(h.user.bind("e", |_| ())))),
    ("User::on_signed_in", |h| returns(|| h.user.on_signed_in(|_| ()))),
    ("User::on_watchlist", |h| returns(|| h.user.on_watchlist(|_| ()))),
    ("User: Debug", |h| format!("{:?}", h.user).contains("None")),
    ("Receiver::try_recv", |h| matches!(h.receiver.try_recv(), Err(TryRecvError::Closed))),
    ("Receiver::recv", |h| matches!(h.receiver.recv(), Err(Closed))),
    ("Receiver::recv_timeout", |h| matches!(h.receiver.recv_timeout(AN_HOUR), Err(RecvTimeoutError::Closed))),
    ("Receiver::try_iter", |h| h.receiver.try_iter().next().is_none()),
    ("Receiver::drain", |h| h.receiver.drain(1).next().is_none()),
    ("Receiver::iter", |h| h.receiver.iter().next().is_none()),
    ("Receiver::is_closed", |h| h.receiver.is_closed()),
    ("Receiver::is_empty", |h| h.receiver.is_empty()),
    ("Receiver::dropped", |h| h.receiver.dropped() == 0),
    ("Receiver::superseded", |h| h.receiver.superseded() == 0),
    ("Receiver::pollable", |h| h.pusher.receiver().pollable().is_ok_and(|receiver| receiver.recv().is_err())),
    ("PollableReceiver, of the parent", |h| h.pollable.try_recv().is_err()),
    ("Receiver: Debug", |h| format!("{:?}", h.receiver).contains('0')),
];

fn is_forked<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Forked))
}

/// For calls whose return is all that can be checked.
fn returns<T>(call: impl FnOnce() -> T) -> bool {
    let _ = call();
    true
}

/// Makes all calls in the child. The exit code is 0, or the number of the first call with a wrong result, from 1.
fn call_everything(handles: Handles) -> ! {
    // Ends a child that waits for a lock whose owner exists only in the parent.
    thread::spawn(|| {
        thread::sleep(PATIENCE);
        process::abort();
    });
    let wrong = CALLS.iter().position(|(_, call)| !call(&handles));
    drop(handles);
    process::exit(wrong.map_or(0, |index| i32::try_from(index).expect("few calls") + 1));
}

/// The first call with a wrong result in a forked child.
fn wrong_call_in_a_child(pusher: &Pusher) -> Option<String> {
    let handles = Handles::of(pusher);
    let child = match fork::fork().expect("another process") {
        Fork::Child => call_everything(handles),
        Fork::Parent(child) => child,
    };
    let end = ExitStatus::from_raw(fork::waitpid(child).expect("a child"));
    let number = end.code().and_then(|code| usize::try_from(code).ok()).unwrap_or_default();
    let call = number.checked_sub(1).and_then(|index| CALLS.get(index)).map(|(name, _)| name);
    (!end.success()).then(|| format!("{end}: {call:?}"))
}

#[test]
fn h7_in_a_forked_child_every_call_returns_and_the_parents_connection_is_untouched() {
    run_alone("many_children_call_everything");
}

#[test]
#[ignore = "run in a process of its own, because it forks"]
fn many_children_call_everything() {
    let server = server();
    let pusher = Pusher::new(quick(&server).auth_endpoint(server.auth_endpoint())).connect().expect("accepted");
    let socket_id = pusher.socket_id();
    let received = pusher.receiver();
    subscribed(&pusher, "room");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        // Because of the events, some forks happen while a thread holds a lock.
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                server.trigger("room", "e", "flood");
            }
        });
        let wrong = (0..40).find_map(|_| wrong_call_in_a_child(&pusher));
        done.store(true, Ordering::Relaxed);
        assert_eq!(wrong, None);
    });
    assert_eq!(pusher.socket_id(), socket_id);
    assert_eq!(server.accepted(), 1, "there was only one connection");
    server.trigger("room", "e", "last");
    while next_event(&received).1 != "last" {}
    let from_a_child =
        |text: &str| text.contains("child") || text.contains("unsubscribe") || text.contains("signature");
    assert_eq!(server.received().iter().filter(|message| from_a_child(&message.text)).count(), 0);
}

/// Forks, and stores the id of the child. Returns whether this is the parent.
fn fork_into(child: &AtomicI32) -> bool {
    match fork::fork().expect("another process") {
        Fork::Parent(id) => child.store(id, Ordering::Release),
        Fork::Child => return false,
    }
    true
}

/// Waits for the child. Its only thread ends without an error, and with it the child.
fn child_has_ended(child: &AtomicI32) {
    eventually("it forks", || child.load(Ordering::Acquire) != 0);
    let mut end = None;
    eventually("the child ends", || {
        end = fork::waitpid_nohang(child.load(Ordering::Acquire)).expect("a child");
        end.is_some()
    });
    let end = ExitStatus::from_raw(end.expect("it has ended"));
    assert!(end.success(), "{end}");
}

/// Sends 49 events after the event 0. The client in the parent gets all of them.
fn gets_every_event(server: &TestServer, receiver: &Receiver) {
    for n in 1..50 {
        server.trigger("room", "e", &n);
    }
    let seen: Vec<_> = (0..50).map(|_| next_event(receiver).1).collect();
    assert_eq!(seen, (0..50).map(|n| n.to_string()).collect::<Vec<_>>(), "the child has read no event");
}

#[test]
fn h7_a_wake_up_that_forks_and_returns_in_the_child_leaves_the_socket_to_the_parent() {
    run_alone("a_wake_up_forks");
}

#[test]
#[ignore = "run in a process of its own, because it forks"]
fn a_wake_up_forks() {
    let server = server();
    let pusher = Pusher::new(quick(&server)).connect().expect("accepted");
    subscribed(&pusher, "room");
    let all = pusher.receiver();
    let child = Arc::new(AtomicI32::new(0));
    let forked = Arc::clone(&child);
    let _woken = pusher.receiver_with(ReceiverOptions::new().wake(move || {
        fork_into(&forked);
    }));
    server.trigger("room", "e", &0);
    child_has_ended(&child);
    gets_every_event(&server, &all);
}

#[test]
fn h7_a_handler_that_forks_and_returns_in_the_child_reports_nothing_there() {
    run_alone("a_handler_forks");
}

#[test]
#[ignore = "run in a process of its own, because it forks"]
fn a_handler_forks() {
    let server = server();
    let pusher = Pusher::new(quick(&server)).connect().expect("accepted");
    subscribed(&pusher, "room");
    let all = pusher.receiver();
    let child = Arc::new(AtomicI32::new(0));
    let forked = Arc::clone(&child);
    let (in_process, late) = (process::id(), pusher.downgrade());
    pusher.bind("e", move |_| {
        let pusher = if fork_into(&forked) { None } else { late.upgrade() };
        if let Some(pusher) = pusher {
            // The dispatcher would take over this handler after the event.
            pusher.bind("e", |_| ());
        }
    });
    // In the child, its panic would be reported to all receivers.
    pusher.bind("e", move |_| assert_eq!(process::id(), in_process));
    server.trigger("room", "e", &0);
    child_has_ended(&child);
    pusher.unbind_event("e");
    gets_every_event(&server, &all);
}

#[test]
fn h7_a_handler_that_forks_at_a_repeated_confirmation_ends_its_thread_in_the_child() {
    run_alone("a_repeated_confirmation_forks");
}

#[test]
#[ignore = "run in a process of its own, because it forks"]
fn a_repeated_confirmation_forks() {
    let server = server();
    let pusher = Pusher::new(quick(&server)).connect().expect("accepted");
    subscribed(&pusher, "room");
    let child = Arc::new(AtomicI32::new(0));
    let forked = Arc::clone(&child);
    pusher.on_subscription_succeeded(move |_| {
        fork_into(&forked);
    });
    child_has_ended(&child);
    subscribed(&pusher, "other");
}

#[test]
fn h7_an_authorizer_that_forks_and_returns_in_the_child_sends_nothing_there() {
    run_alone("an_authorizer_forks");
}

#[test]
#[ignore = "run in a process of its own, because it forks"]
fn an_authorizer_forks() {
    let server = server();
    let child = Arc::new(AtomicI32::new(0));
    let (forked, in_process) = (Arc::clone(&child), process::id());
    let config = quick(&server).batch_authorizer(move |requests| {
        fork_into(&forked);
        requests.iter().map(|_| Ok(ChannelAuth::new(format!("app-key:{}", process::id() == in_process)))).collect()
    });
    let pusher = Pusher::new(config).connect().expect("accepted");
    let room = pusher.subscribe("private-room").expect("a valid name");
    room.wait_subscribed(PATIENCE).expect_err("a wrong signature");
    eventually("the child ends", || {
        fork::waitpid_nohang(child.load(Ordering::Acquire)).is_ok_and(|ended| ended.is_some())
    });
    let subscribes = server.received();
    let subscribes: Vec<_> = subscribes.iter().filter(|message| message.text.contains("private-room")).collect();
    assert_eq!(subscribes.len(), 1, "{subscribes:?}");
    assert!(subscribes[0].text.contains("app-key:true"));
}

#[test]
fn h7_closures_that_fork_on_the_way_to_a_server_send_nothing_in_the_child() {
    run_alone("closures_fork");
}

#[test]
#[ignore = "run in a process of its own, because it forks"]
fn closures_fork() {
    let in_process = process::id();
    let children = Arc::new(Mutex::new(Vec::new()));
    let fork_here = {
        let children = Arc::clone(&children);
        move || {
            if let Fork::Parent(child) = fork::fork().expect("another process") {
                children.lock().expect("no panic").push(child);
            }
            if process::id() == in_process { "parent" } else { "child" }
        }
    };
    let (report, requests) = mpsc::channel();
    let server = TestServer::builder().auth_user(move |request| {
        report.send(request.header("x-process").map(str::to_owned)).unwrap_or_default();
        Some(AuthUser::new("ann"))
    });
    let server = server.start().expect("a free port");
    let (addr, url) = (server.addr(), server.config().dial_url().expect("an address"));
    let [in_url, in_headers, in_options] = [fork_here.clone(), fork_here.clone(), fork_here.clone()];
    let config = Config::url_with(move || {
        in_url();
        url.clone()
    });
    let config = config
        .dialer(move |_| {
            fork_here();
            TcpStream::connect(addr).map(ByteStream::tcp)
        })
        .auth_endpoint(server.auth_endpoint())
        .auth_headers_with(move || vec![("X-Process".to_owned(), in_headers().to_owned())]);
    let pusher = Pusher::new(config).connect().expect("accepted");
    subscribed(&pusher, "private-room");
    let auth = HttpAuth::new(server.auth_endpoint())
        .headers_with(move || vec![("X-Process".to_owned(), format!("{} of one channel", in_options()))]);
    let own = pusher.channel("private-own").expect("a valid name");
    own.subscribe_with(SubscribeOptions::new().http_auth(auth)).expect("valid");
    own.wait_subscribed(PATIENCE).expect("the embedded server confirms");
    for child in children.lock().expect("no panic").drain(..) {
        eventually("the child ends", || fork::waitpid_nohang(child).is_ok_and(|ended| ended.is_some()));
    }
    let headers: Vec<_> = requests.try_iter().flatten().collect();
    assert_eq!(headers, ["parent", "parent of one channel"]);
    assert_eq!(server.requests().len(), 1, "one upgrade");
}
