//! Every public call of a handle.

use std::{cell::RefCell, hint::black_box, sync::mpsc, thread, time::Duration};

use pusher_channels::{
    Binding, Channel, ChannelAuth, ConnectionState, Error, Event, Pusher, Receiver, ReceiverOptions, SubscribeOptions,
    User,
};

use super::{
    kinds::Place,
    support::{eventually, public_methods},
};

/// Why a binding is accepted.
const OURS: &str = "a binding of this client";

/// For calls that may wait where they are made.
const MOMENT: Duration = Duration::from_millis(1);

/// All handles that there are of a client.
pub(crate) struct Handles {
    pub(crate) pusher: Pusher,
    pub(crate) channel: Channel,
    pub(crate) user: User,
    /// In each of them something waits. A call that waits for a notification takes one for itself.
    pub(crate) receivers: RefCell<Vec<Receiver>>,
    /// An event of another client, because a handler may keep one.
    pub(crate) event: Event,
    /// What binds the code that is running.
    pub(crate) own: RefCell<Option<Binding>>,
    /// Where this is called.
    pub(crate) place: Place,
}

/// One or several methods that are called together, each by its name, and the call.
pub(crate) struct Call {
    pub(crate) methods: &'static str,
    pub(crate) make: Make,
}

#[derive(Clone, Copy)]
pub(crate) enum Make {
    /// It leaves the connection as it is.
    Quietly(fn(&Handles)),
    /// It does not, or drops handles, so that it has a client for itself.
    Alone(fn(Handles)),
}

const fn call(methods: &'static str, make: fn(&Handles)) -> Call {
    Call { methods, make: Make::Quietly(make) }
}

const fn alone(methods: &'static str, make: fn(Handles)) -> Call {
    Call { methods, make: Make::Alone(make) }
}

impl Handles {
    fn take_receiver(&self) -> Receiver {
        self.receivers.borrow_mut().pop().expect("enough for all calls")
    }

    /// On a thread that the client needs, calls that wait say so at once. Elsewhere they wait, but never for longer than they
    /// were told.
    fn waited(&self, call: &str, result: Result<(), Error>) {
        match (self.place, result) {
            (Place::Needed, Err(Error::WouldDeadlock { call: named })) => assert_eq!(named, call),
            (Place::Needed, other) => panic!("{call} gave {other:?}"),
            (Place::Elsewhere, result) => assert!(!matches!(result, Err(Error::WouldDeadlock { .. })), "{result:?}"),
        }
    }
}

/// Uses a result up, so that no call is left out for having no effect.
fn done<T>(result: T) {
    black_box(result);
}

/// The call that needs somebody else to end it, where it may wait.
pub(crate) const CONNECT: &str = "Pusher::connect";

/// In the order in which they are called. The last quiet ones take away what the others need.
pub(crate) const CALLS: &[Call] = &[
    call("Pusher::new", |_| done(Pusher::new(pusher_channels::Config::host("key", "localhost")))),
    call("Pusher::state", |h| done(h.pusher.state())),
    call("Pusher::wait_connected", |h| h.waited("wait_connected", h.pusher.wait_connected(MOMENT))),
    call("Pusher::wait_all_subscribed", |h| h.waited("wait_all_subscribed", h.pusher.wait_all_subscribed(MOMENT))),
    call("Pusher::downgrade + WeakPusher::upgrade", |h| done(h.pusher.downgrade().upgrade().expect("it is alive"))),
    call("Pusher::socket_id", |h| assert_eq!(h.pusher.socket_id().is_some(), is_connected(h))),
    call("Pusher::channel", |h| done(h.pusher.channel("elsewhere").expect("a valid name"))),
    call("Pusher::subscribe", |h| done(h.pusher.subscribe("now-and-then").expect("a valid name"))),
    call("Pusher::unsubscribe", |h| h.pusher.unsubscribe("now-and-then")),
    call("Pusher::channels", |h| done(h.pusher.channels())),
    call("Pusher::bind + Pusher::unbind", |h| h.pusher.unbind(h.pusher.bind("e", |_| {})).expect(OURS)),
    call("Pusher::bind_as_with", |h| h.pusher.bind_as_with("e", |_: u32, _| {}).unbind()),
    call("Pusher::bind_sender", |h| h.pusher.bind_sender("e", mpsc::channel().0).unbind()),
    call("Pusher::bind_all_sender", |h| h.pusher.bind_all_sender(mpsc::channel().0).unbind()),
    call("Pusher::unbind_event", |h| h.pusher.unbind_event("nothing is bound for this")),
    call("Pusher::forward", |h| h.pusher.forward(mpsc::channel().0).unbind()),
    call("Pusher::bind_as", |h| h.pusher.bind_as("e", |_: u32| {}).unbind()),
    call("Pusher::bind_all + Binding::unbind", |h| h.pusher.bind_all(|_| {}).unbind()),
    call("Pusher::on_event", |h| h.pusher.on_event(|_| {}).unbind()),
    call("Pusher::on_connection_state_change", |h| h.pusher.on_connection_state_change(|_| {}).unbind()),
    call("Pusher::on_error", |h| h.pusher.on_error(|_| {}).unbind()),
    call("Pusher::on_subscription_succeeded", |h| h.pusher.on_subscription_succeeded(|_| {}).unbind()),
    call("Pusher::on_subscription_error", |h| h.pusher.on_subscription_error(|_| {}).unbind()),
    call("Pusher::on_subscription_count", |h| h.pusher.on_subscription_count(|_| {}).unbind()),
    call("Pusher::on_cache_miss", |h| h.pusher.on_cache_miss(|_| {}).unbind()),
    call("Pusher::on_decryption_failure", |h| h.pusher.on_decryption_failure(|_| {}).unbind()),
    call("Pusher::on_member_added", |h| h.pusher.on_member_added(|_| {}).unbind()),
    call("Pusher::on_member_removed", |h| h.pusher.on_member_removed(|_| {}).unbind()),
    call("Pusher::trigger", |h| done(h.pusher.trigger("private-elsewhere", "client-event", "data"))),
    call("Pusher::sign_in", |h| done(h.pusher.sign_in())),
    call("Pusher::user", |h| done(h.pusher.user())),
    call("Pusher::receiver", |h| done(h.pusher.receiver())),
    call("Pusher::receiver_with", |h| done(h.pusher.receiver_with(ReceiverOptions::new()))),
    call("Pusher::dispatch_for", |h| assert_eq!(h.pusher.dispatch_for(1), 0)),
    call("Pusher::dispatch", |h| assert_eq!(h.pusher.dispatch(), 0)),
    call("Pusher::stats", |h| done(format!("{:?} {:?}", h.pusher.stats(), h.pusher))),
    call("Channel::name", |h| done(h.channel.name())),
    call("Channel::subscribe", |h| done(h.channel.subscribe())),
    call("Channel::subscribe_with", |h| done(h.channel.subscribe_with(SubscribeOptions::new()).expect("valid"))),
    call("Channel::is_subscribed", |h| done(h.channel.is_subscribed())),
    call("Channel::wait_subscribed", |h| h.waited("wait_subscribed", h.channel.wait_subscribed(MOMENT))),
    call("Channel::trigger", |h| done(h.channel.trigger("client-event", "data"))),
    call("Channel::members", |h| done(h.channel.members())),
    call("Channel::member", |h| done(h.channel.member("ann"))),
    call("Channel::me", |h| done(h.channel.me())),
    call("Channel::subscription_count", |h| done(h.channel.subscription_count())),
    call("Channel::bind + Channel::unbind", |h| h.channel.unbind(h.channel.bind("e", |_| {})).expect(OURS)),
    call("Channel::bind_as_with", |h| h.channel.bind_as_with("e", |_: u32, _| {}).unbind()),
    call("Channel::bind_sender", |h| h.channel.bind_sender("e", mpsc::channel().0).unbind()),
    call("Channel::bind_all_sender", |h| h.channel.bind_all_sender(mpsc::channel().0).unbind()),
    call("Channel::unbind_event", |h| h.channel.unbind_event("nothing is bound for this")),
    call("Channel::forward", |h| h.channel.forward(mpsc::channel().0).unbind()),
    call("Channel::bind_as", |h| h.channel.bind_as("e", |_: u32| {}).unbind()),
    call("Channel::on_event", |h| h.channel.on_event(|_| {}).unbind()),
    call("Channel::bind_all", |h| h.channel.bind_all(|_| {}).unbind()),
    call("Channel::on_subscription_succeeded", |h| h.channel.on_subscription_succeeded(|_| {}).unbind()),
    call("Channel::on_subscription_error", |h| h.channel.on_subscription_error(|_| {}).unbind()),
    call("Channel::on_subscription_count", |h| h.channel.on_subscription_count(|_| {}).unbind()),
    call("Channel::on_cache_miss", |h| h.channel.on_cache_miss(|_| {}).unbind()),
    call("Channel::on_decryption_failure", |h| h.channel.on_decryption_failure(|_| {}).unbind()),
    call("Channel::on_member_added", |h| h.channel.on_member_added(|_| {}).unbind()),
    call("Channel::on_member_removed", |h| h.channel.on_member_removed(|_| {}).unbind()),
    call("Channel::downgrade + WeakChannel::upgrade", |h| done(h.channel.downgrade().upgrade().expect("it is alive"))),
    call("Channel::events + EventReceiver::try_recv", |h| done(h.channel.events("e").try_recv())),
    call("Channel::events_as + EventReceiver::recv_timeout", |h| {
        done(h.channel.events_as::<u32>("e").recv_timeout(MOMENT))
    }),
    call("Channel::receiver", |h| done(h.channel.receiver())),
    call("Channel::receiver_with", |h| done(h.channel.receiver_with(ReceiverOptions::new()))),
    call("User::id", |h| done(h.user.id())),
    call("User::is_signed_in", |h| done(h.user.is_signed_in())),
    call("User::wait_signed_in", |h| h.waited("wait_signed_in", h.user.wait_signed_in(MOMENT))),
    call("User::bind + User::unbind", |h| h.user.unbind(h.user.bind("e", |_| {})).expect(OURS)),
    call("User::bind_as_with", |h| h.user.bind_as_with("e", |_: u32, _| {}).unbind()),
    call("User::bind_sender", |h| h.user.bind_sender("e", mpsc::channel().0).unbind()),
    call("User::bind_all_sender", |h| h.user.bind_all_sender(mpsc::channel().0).unbind()),
    call("User::unbind_event", |h| h.user.unbind_event("nothing is bound for this")),
    call("User::bind_as", |h| h.user.bind_as("e", |_: u32| {}).unbind()),
    call("User::bind_all", |h| h.user.bind_all(|_| {}).unbind()),
    call("User::on_signed_in", |h| h.user.on_signed_in(|_| {}).unbind()),
    call("User::on_watchlist", |h| h.user.on_watchlist(|_| {}).unbind()),
    call("Receiver::recv", |h| done(h.take_receiver().recv().expect("something waits"))),
    call("Receiver::recv_timeout", |h| done(h.take_receiver().recv_timeout(MOMENT).expect("something waits"))),
    call("Receiver::iter", |h| done(h.take_receiver().iter().next().expect("something waits"))),
    call("Receiver::try_iter", |h| assert!(h.take_receiver().try_iter().count() > 0)),
    call("Receiver::drain", |h| assert_eq!(h.take_receiver().drain(1).count(), 1)),
    #[cfg(unix)]
    call("Receiver::pollable", |h| assert!(h.take_receiver().pollable().expect("descriptors").try_recv().is_ok())),
    call(
        "Receiver::try_recv + Receiver::len + Receiver::is_empty + Receiver::is_closed + Receiver::dropped + Receiver::superseded",
        |h| {
            let receiver = h.take_receiver();
            assert!(!receiver.is_empty() && !receiver.is_closed());
            done((
                receiver.len(),
                receiver.try_recv().expect("something waits"),
                receiver.dropped(),
                receiver.superseded(),
            ));
        },
    ),
    call("Event::channel", |h| assert_eq!(h.event.channel(), Some("room"))),
    call("Event::name", |h| assert_eq!(h.event.name(), "e")),
    call("Event::data", |h| assert_eq!(h.event.data(), "1")),
    call("Event::json", |h| assert_eq!(h.event.json::<u32>().ok(), Some(1))),
    call("Event::user_id", |h| assert_eq!(h.event.user_id(), None)),
    call("Channel::subscribe_with_auth", |h| {
        let channel = h.pusher.channel("private-elsewhere").expect("a valid name");
        channel.subscribe_with_auth(ChannelAuth::new("key:signature"));
    }),
    call("Channel::unsubscribe", |h| h.channel.unsubscribe()),
    call("Pusher::unsubscribe_all", |h| {
        h.pusher.unsubscribe_all();
        assert!(h.pusher.channels().is_empty());
    }),
    call("Pusher::unbind_all + Channel::unbind_all + User::unbind_all", |h| {
        h.pusher.unbind_all();
        h.channel.unbind_all();
        h.user.unbind_all();
    }),
    call("unbinding itself, and binding another", |h| {
        if let Some(own) = h.own.take() {
            h.pusher.unbind(own).expect(OURS);
        }
        done(h.channel.bind("e", |_| {}));
    }),
    alone(CONNECT, |h| h.waited("connect", h.pusher.connect().map(done))),
    alone("Pusher::connect_background", |h| done(h.pusher.connect_background().expect("it does not wait"))),
    alone("Pusher::reconnect_now", |h| h.pusher.reconnect_now()),
    alone("Pusher::disconnect", |h| {
        let failed = h.pusher.state() == ConnectionState::Failed;
        h.pusher.disconnect();
        if thread::current().name() == Some("pusher-heartbeat") {
            // This thread itself does it, as soon as the user's code returns.
            return;
        }
        let rest = if failed { ConnectionState::Failed } else { ConnectionState::Disconnected };
        // The call returns within its time also where the machine gives the heartbeat none.
        eventually("the client is at rest", || (h.pusher.state(), h.pusher.socket_id()) == (rest, None));
    }),
    alone("dropping the last handle", drop),
];

fn is_connected(handles: &Handles) -> bool {
    handles.pusher.state() == ConnectionState::Connected
}

#[test]
fn every_public_method_of_a_handle_is_called() {
    let sources = [
        ("Pusher", include_str!("../../src/client/pusher.rs")),
        ("Channel", include_str!("../../src/client/channel.rs")),
        ("User", include_str!("../../src/client/user.rs")),
        ("Pusher", include_str!("../../src/client/bind.rs")),
        ("Channel", include_str!("../../src/client/bind.rs")),
        ("User", include_str!("../../src/client/bind.rs")),
        ("Receiver", include_str!("../../src/receiver/mod.rs")),
        #[cfg(unix)]
        ("Receiver", include_str!("../../src/receiver/pollable.rs")),
        ("Event", include_str!("../../src/event/mod.rs")),
    ];
    let called: Vec<&str> = CALLS.iter().flat_map(|call| call.methods.split(" + ")).collect();
    for (handle, source) in sources {
        for name in public_methods(handle, source) {
            assert!(called.contains(&&*name), "{name} is never called");
        }
    }
}
