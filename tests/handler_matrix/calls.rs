//! Every public call of a handle.

use std::{cell::RefCell, hint::black_box, thread, time::Duration};

use pusher_channels::{
    Binding, Channel, ChannelAuth, ConnectionState, ConnectionStateChange, DecryptionFailure, Error, Event,
    MemberChange, Pusher, Receiver, ReceiverOptions, SubscriptionCount, SubscriptionError, SubscriptionSucceeded, User,
    WatchlistEvent,
};

use super::{
    kinds::Place,
    support::{eventually, public_methods},
};

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
    call("Pusher::socket_id", |h| assert_eq!(h.pusher.socket_id().is_some(), is_connected(h))),
    call("Pusher::channel", |h| done(h.pusher.channel("elsewhere").expect("a valid name"))),
    call("Pusher::subscribe", |h| done(h.pusher.subscribe("now-and-then").expect("a valid name"))),
    call("Pusher::unsubscribe", |h| h.pusher.unsubscribe("now-and-then")),
    call("Pusher::channels", |h| done(h.pusher.channels())),
    call("Pusher::bind + Pusher::unbind", |h| h.pusher.unbind(h.pusher.bind("e", |_: &Event| {}))),
    call("Pusher::bind_as", |h| h.pusher.unbind(h.pusher.bind_as("e", |_: u32, _: &Event| {}))),
    call("Pusher::bind_all", |h| h.pusher.unbind(h.pusher.bind_all(|_: &Event| {}))),
    call("Pusher::on_event", |h| h.pusher.unbind(h.pusher.on_event(|_: &Event| {}))),
    call("Pusher::on_connection_state_change", |h| {
        h.pusher.unbind(h.pusher.on_connection_state_change(|_: &ConnectionStateChange| {}))
    }),
    call("Pusher::on_error", |h| h.pusher.unbind(h.pusher.on_error(|_: &Error| {}))),
    call("Pusher::on_subscription_succeeded", |h| {
        h.pusher.unbind(h.pusher.on_subscription_succeeded(|_: &SubscriptionSucceeded| {}))
    }),
    call("Pusher::on_subscription_error", |h| {
        h.pusher.unbind(h.pusher.on_subscription_error(|_: &SubscriptionError| {}))
    }),
    call("Pusher::on_subscription_count", |h| {
        h.pusher.unbind(h.pusher.on_subscription_count(|_: &SubscriptionCount| {}))
    }),
    call("Pusher::on_cache_miss", |h| h.pusher.unbind(h.pusher.on_cache_miss(|_: &str| {}))),
    call("Pusher::on_decryption_failure", |h| {
        h.pusher.unbind(h.pusher.on_decryption_failure(|_: &DecryptionFailure| {}))
    }),
    call("Pusher::on_member_added", |h| h.pusher.unbind(h.pusher.on_member_added(|_: &MemberChange| {}))),
    call("Pusher::on_member_removed", |h| h.pusher.unbind(h.pusher.on_member_removed(|_: &MemberChange| {}))),
    call("Pusher::trigger", |h| done(h.pusher.trigger("private-elsewhere", "client-event", "data"))),
    call("Pusher::sign_in", |h| done(h.pusher.sign_in())),
    call("Pusher::user", |h| done(h.pusher.user())),
    call("Pusher::receiver", |h| done(h.pusher.receiver())),
    call("Pusher::receiver_with", |h| done(h.pusher.receiver_with(ReceiverOptions::new()))),
    call("Pusher::dispatch_for", |h| assert_eq!(h.pusher.dispatch_for(1), 0)),
    call("Pusher::dispatch", |h| assert_eq!(h.pusher.dispatch(), 0)),
    call("Pusher::stats", |h| done(format!("{:?} {:?}", h.pusher.stats(), h.pusher))),
    call("Channel::name", |h| done(h.channel.name())),
    call("Channel::subscribe", |h| h.channel.subscribe()),
    call("Channel::is_subscribed", |h| done(h.channel.is_subscribed())),
    call("Channel::wait_subscribed", |h| h.waited("wait_subscribed", h.channel.wait_subscribed(MOMENT))),
    call("Channel::trigger", |h| done(h.channel.trigger("client-event", "data"))),
    call("Channel::members", |h| done(h.channel.members())),
    call("Channel::member", |h| done(h.channel.member("ann"))),
    call("Channel::me", |h| done(h.channel.me())),
    call("Channel::subscription_count", |h| done(h.channel.subscription_count())),
    call("Channel::bind + Channel::unbind", |h| h.channel.unbind(h.channel.bind("e", |_: &Event| {}))),
    call("Channel::bind_as", |h| h.channel.unbind(h.channel.bind_as("e", |_: u32, _: &Event| {}))),
    call("Channel::on_event", |h| h.channel.unbind(h.channel.on_event(|_: &Event| {}))),
    call("Channel::bind_all", |h| h.channel.unbind(h.channel.bind_all(|_: &Event| {}))),
    call("Channel::on_subscription_succeeded", |h| {
        h.channel.unbind(h.channel.on_subscription_succeeded(|_: &SubscriptionSucceeded| {}))
    }),
    call("Channel::on_subscription_error", |h| {
        h.channel.unbind(h.channel.on_subscription_error(|_: &SubscriptionError| {}))
    }),
    call("Channel::on_subscription_count", |h| {
        h.channel.unbind(h.channel.on_subscription_count(|_: &SubscriptionCount| {}))
    }),
    call("Channel::on_cache_miss", |h| h.channel.unbind(h.channel.on_cache_miss(|_: &str| {}))),
    call("Channel::on_decryption_failure", |h| {
        h.channel.unbind(h.channel.on_decryption_failure(|_: &DecryptionFailure| {}))
    }),
    call("Channel::on_member_added", |h| h.channel.unbind(h.channel.on_member_added(|_: &MemberChange| {}))),
    call("Channel::on_member_removed", |h| h.channel.unbind(h.channel.on_member_removed(|_: &MemberChange| {}))),
    call("Channel::receiver", |h| done(h.channel.receiver())),
    call("Channel::receiver_with", |h| done(h.channel.receiver_with(ReceiverOptions::new()))),
    call("User::id", |h| done(h.user.id())),
    call("User::is_signed_in", |h| done(h.user.is_signed_in())),
    call("User::wait_signed_in", |h| h.waited("wait_signed_in", h.user.wait_signed_in(MOMENT))),
    call("User::bind + User::unbind", |h| h.user.unbind(h.user.bind("e", |_: &Event| {}))),
    call("User::bind_as", |h| h.user.unbind(h.user.bind_as("e", |_: u32, _: &Event| {}))),
    call("User::bind_all", |h| h.user.unbind(h.user.bind_all(|_: &Event| {}))),
    call("User::on_signed_in", |h| h.user.unbind(h.user.on_signed_in(|_: &str| {}))),
    call("User::on_watchlist", |h| h.user.unbind(h.user.on_watchlist(|_: &WatchlistEvent| {}))),
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
    call("unbinding itself, and binding another", |h| {
        if let Some(own) = h.own.take() {
            h.pusher.unbind(own);
        }
        done(h.channel.bind("e", |_: &Event| {}));
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
        ("Pusher", include_str!("../../src/client.rs")),
        ("Channel", include_str!("../../src/channel.rs")),
        ("User", include_str!("../../src/user.rs")),
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
