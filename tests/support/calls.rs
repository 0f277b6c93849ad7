//! One table of every public call of a handle. `tests/handler_matrix` makes the calls inside handlers, and
//! `tests/survival/callers` makes them while a fault disturbs the connection.

#![allow(dead_code, reason = "each suite uses its own part of this")]

mod public_methods;

use std::{
    cell::RefCell,
    hint::black_box,
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use pusher_channels::{
    Binding, Channel, ChannelAuth, Config, ConnectionState, Error, Event, Notification, NotificationKind, Overflow,
    Pusher, Receiver, ReceiverOptions, SubscribeOptions, User,
};

use crate::support::{self, eventually};

/// Why `unbind` accepts a binding.
const OURS: &str = "a binding of this client";

/// For calls that may wait where they are made.
const MOMENT: Duration = Duration::from_millis(1);

/// The thread on which the calls are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallingThread {
    /// A thread that the client needs. A call that waits returns an error at once. The state does not change by itself.
    Needed,
    /// A thread of the client that the client can do without. The state does not change by itself.
    Dispensable,
    /// A thread of the program, while the state may change at any time.
    Program,
}

/// The handles of a client, and the values that the calls need.
pub(crate) struct Handles {
    pub(crate) pusher: Pusher,
    /// A channel for calls that leave its subscription as it is.
    pub(crate) channel: Channel,
    /// A channel for calls that change its subscription or its handlers. It may be the same channel.
    pub(crate) other: Channel,
    /// The channels that are subscribed again after `Pusher::unsubscribe_all`.
    pub(crate) again: &'static [&'static str],
    pub(crate) user: User,
    pub(crate) receivers: Receivers,
    /// An event of another client, because a handler may keep an event.
    pub(crate) event: Event,
    /// The name of the events that the client receives meanwhile.
    pub(crate) event_name: &'static str,
    /// The data of client events.
    pub(crate) data: String,
    /// The binding of the handler that makes the calls.
    pub(crate) own: RefCell<Option<Binding>>,
    pub(crate) thread: CallingThread,
}

pub(crate) enum Receivers {
    /// A notification waits in each receiver. Each call takes a receiver for itself.
    Filled(RefCell<Vec<Receiver>>),
    /// One receiver for all calls, which may be empty.
    Shared(Receiver),
}

/// One method, or several methods that are called together.
pub(crate) struct Call {
    /// The names of the methods, separated by ` + `.
    pub(crate) methods: &'static str,
    pub(crate) class: Class,
    pub(crate) make: fn(&Handles),
}

/// The effect of a call on later calls. A suite decides by the class how it makes the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Returns at once, and may be repeated.
    Immediate,
    /// Waits for up to [`MOMENT`], or for a notification.
    Waiting,
    /// Returns at once, and changes all subscriptions.
    Subscribing,
    /// Returns at once, and removes handlers that a test may need.
    Unbinding,
    /// Returns at once, and makes the client connect.
    Connecting,
    /// Begins or ends the client, and may wait.
    Ending,
}

impl Class {
    /// Whether the call changes the state of the connection, so that no other call can follow it in the same state.
    pub(crate) const fn changes_the_state(self) -> bool {
        matches!(self, Self::Connecting | Self::Ending)
    }
}

impl Handles {
    /// Whether the state changes only by the calls themselves.
    fn is_still(&self) -> bool {
        self.thread != CallingThread::Program
    }

    /// A receiver that the call may consume.
    fn own_receiver(&self) -> Receiver {
        match &self.receivers {
            Receivers::Filled(receivers) => {
                receivers.borrow_mut().pop().expect("one receiver for each call that needs one")
            }
            Receivers::Shared(_) => self.channel.receiver_with(ReceiverOptions::new().only([NotificationKind::Event])),
        }
    }

    fn with_receiver<T>(&self, call: impl FnOnce(&Receiver) -> T) -> T {
        match &self.receivers {
            Receivers::Filled(_) => call(&self.own_receiver()),
            Receivers::Shared(receiver) => call(receiver),
        }
    }

    /// Asserts that a call has found a notification, if one waits in each receiver.
    fn finds(&self, found: bool) {
        assert!(found || matches!(self.receivers, Receivers::Shared(_)), "a notification waits in the receiver");
    }

    /// On a thread that the client needs, a call that waits returns an error at once. On other threads it waits for the time
    /// that it was given.
    fn waited(&self, call: &str, result: Result<(), Error>) {
        match (self.thread, result) {
            (CallingThread::Needed, Err(Error::WouldDeadlock { call: named })) => assert_eq!(named, call),
            (CallingThread::Needed, other) => panic!("{call} returned {other:?}"),
            (_, result) => assert!(!matches!(result, Err(Error::WouldDeadlock { .. })), "{result:?}"),
        }
    }
}

/// Uses a result, so that the compiler removes no call.
fn done<T>(result: T) {
    black_box(result);
}

const fn call(methods: &'static str, make: fn(&Handles)) -> Call {
    of(Class::Immediate, methods, make)
}

const fn of(class: Class, methods: &'static str, make: fn(&Handles)) -> Call {
    Call { methods, class, make }
}

/// The call that another thread has to end, where it may wait.
pub(crate) const CONNECT: &str = "Pusher::connect";

/// The number of calls that take a receiver of [`Receivers::Filled`].
pub(crate) const RECEIVERS: usize = 12;

/// The calls in the order in which they are made. Calls that remove what others need are the last ones.
pub(crate) const CALLS: &[Call] = &[
    call("Pusher::new", |_| done(Pusher::new(Config::host("key", "localhost")))),
    call("Pusher::state", |h| done(h.pusher.state())),
    call("Pusher::downgrade + WeakPusher::upgrade", |h| done(h.pusher.downgrade().upgrade().expect("it is alive"))),
    call("Pusher::socket_id", |h| {
        let has_one = h.pusher.socket_id().is_some();
        assert!(!h.is_still() || has_one == (h.pusher.state() == ConnectionState::Connected));
    }),
    call("Pusher::channel", |h| done(h.pusher.channel("elsewhere").expect("a valid name"))),
    call("Pusher::subscribe", |h| done(h.pusher.subscribe("now-and-then").expect("a valid name"))),
    call("Pusher::unsubscribe", |h| h.pusher.unsubscribe("now-and-then")),
    call("Pusher::channels", |h| done(h.pusher.channels())),
    call("Pusher::bind + Pusher::unbind", |h| h.pusher.unbind(h.pusher.bind(h.event_name, |_| {})).expect(OURS)),
    call("Pusher::bind_as", |h| h.pusher.bind_as(h.event_name, |_: u32| {}).unbind()),
    call("Pusher::bind_as_with", |h| h.pusher.bind_as_with(h.event_name, |_: u32, _| {}).unbind()),
    call("Pusher::bind_sender", |h| h.pusher.bind_sender(h.event_name, mpsc::channel().0).unbind()),
    call("Pusher::bind_all + Binding::unbind", |h| h.pusher.bind_all(|_| {}).unbind()),
    call("Pusher::bind_all_sender", |h| h.pusher.bind_all_sender(mpsc::channel().0).unbind()),
    call("Pusher::unbind_event", |h| h.pusher.unbind_event("nothing is bound for this")),
    call("Pusher::forward", |h| h.pusher.forward(mpsc::channel().0).unbind()),
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
    call("Pusher::trigger", |h| done(h.pusher.trigger(h.channel.name(), "client-event", &h.data))),
    call("Pusher::trigger, to a channel that is not subscribed", |h| {
        done(h.pusher.trigger("private-unwanted", "client-event", &h.data).expect_err("it is not subscribed"));
    }),
    call("Pusher::sign_in", |h| {
        let result = h.pusher.sign_in();
        assert!(h.is_still() || result.is_ok(), "a user is configured: {result:?}");
    }),
    call("Pusher::user", |h| done(h.pusher.user())),
    call("Pusher::receiver", |h| done(h.pusher.receiver())),
    call("Pusher::receiver_with", |h| {
        let options = ReceiverOptions::new().overflow(Overflow::KeepLatest).wake(|| {});
        done(h.pusher.receiver_with(options).try_recv());
    }),
    call("Pusher::dispatch_for", |h| assert_eq!(h.pusher.dispatch_for(1), 0)),
    call("Pusher::dispatch", |h| assert_eq!(h.pusher.dispatch(), 0)),
    call("Pusher::stats", |h| done(format!("{:?} {:?}", h.pusher.stats(), h.pusher))),
    call("Channel::name", |h| done(h.channel.name())),
    call("Channel::subscribe", |h| done(h.channel.subscribe())),
    call("Channel::is_subscribed", |h| done(h.channel.is_subscribed())),
    call("Channel::trigger", |h| done(h.channel.trigger("client-event", &h.data))),
    call("Channel::members", |h| done(h.channel.members())),
    call("Channel::member", |h| done(h.channel.member("ann"))),
    call("Channel::me", |h| done(h.channel.me())),
    call("Channel::subscription_count", |h| done(h.channel.subscription_count())),
    call("Channel::bind + Channel::unbind", |h| h.channel.unbind(h.channel.bind(h.event_name, |_| {})).expect(OURS)),
    call("Channel::bind_as", |h| h.channel.bind_as(h.event_name, |_: u32| {}).unbind()),
    call("Channel::bind_as_with", |h| h.channel.bind_as_with(h.event_name, |_: u32, _| {}).unbind()),
    call("Channel::bind_sender", |h| h.channel.bind_sender(h.event_name, mpsc::channel().0).unbind()),
    call("Channel::bind_all", |h| h.channel.bind_all(|_| {}).unbind()),
    call("Channel::bind_all_sender", |h| h.channel.bind_all_sender(mpsc::channel().0).unbind()),
    call("Channel::unbind_event", |h| h.channel.unbind_event("nothing is bound for this")),
    call("Channel::forward", |h| h.channel.forward(mpsc::channel().0).unbind()),
    call("Channel::on_event", |h| h.channel.on_event(|_| {}).unbind()),
    call("Channel::on_subscription_succeeded", |h| h.channel.on_subscription_succeeded(|_| {}).unbind()),
    call("Channel::on_subscription_error", |h| h.channel.on_subscription_error(|_| {}).unbind()),
    call("Channel::on_subscription_count", |h| h.channel.on_subscription_count(|_| {}).unbind()),
    call("Channel::on_cache_miss", |h| h.channel.on_cache_miss(|_| {}).unbind()),
    call("Channel::on_decryption_failure", |h| h.channel.on_decryption_failure(|_| {}).unbind()),
    call("Channel::on_member_added", |h| h.channel.on_member_added(|_| {}).unbind()),
    call("Channel::on_member_removed", |h| h.channel.on_member_removed(|_| {}).unbind()),
    call("Channel::downgrade + WeakChannel::upgrade", |h| done(h.channel.downgrade().upgrade().expect("it is alive"))),
    call("Channel::events", |h| done(h.channel.events(h.event_name).try_recv())),
    call("Channel::events_as + EventReceiver::try_recv + EventReceiver::try_iter", |h| {
        let events = h.channel.events_as::<u32>(h.event_name);
        done((events.try_recv(), events.try_iter().take(100).count()));
    }),
    call("EventReceiver::len + EventReceiver::is_empty + EventReceiver::is_closed + EventReceiver::dropped", |h| {
        let events = h.channel.events_as::<u32>(h.event_name);
        assert!(!events.is_closed());
        done((events.len(), events.is_empty(), events.dropped()));
    }),
    call("Channel::receiver", |h| done(h.channel.receiver())),
    call("Channel::receiver_with", |h| {
        done(h.channel.receiver_with(ReceiverOptions::new().only([NotificationKind::Event])));
    }),
    call("User::id", |h| done(h.user.id())),
    call("User::is_signed_in", |h| done(h.user.is_signed_in())),
    call("User::bind + User::unbind", |h| h.user.unbind(h.user.bind(h.event_name, |_| {})).expect(OURS)),
    call("User::bind_as", |h| h.user.bind_as(h.event_name, |_: u32| {}).unbind()),
    call("User::bind_as_with", |h| h.user.bind_as_with(h.event_name, |_: u32, _| {}).unbind()),
    call("User::bind_sender", |h| h.user.bind_sender(h.event_name, mpsc::channel().0).unbind()),
    call("User::bind_all", |h| h.user.bind_all(|_| {}).unbind()),
    call("User::bind_all_sender", |h| h.user.bind_all_sender(mpsc::channel().0).unbind()),
    call("User::unbind_event", |h| h.user.unbind_event("nothing is bound for this")),
    call("User::on_signed_in", |h| h.user.on_signed_in(|_| {}).unbind()),
    call("User::on_watchlist", |h| h.user.on_watchlist(|_| {}).unbind()),
    call("Receiver::try_recv", |h| h.finds(h.with_receiver(Receiver::try_recv).is_ok())),
    call("Receiver::len", |h| h.finds(h.with_receiver(Receiver::len) > 0)),
    call("Receiver::is_empty", |h| h.finds(!h.with_receiver(Receiver::is_empty))),
    call("Receiver::is_closed", |h| assert!(!h.with_receiver(Receiver::is_closed))),
    call("Receiver::dropped", |h| done(h.with_receiver(Receiver::dropped))),
    call("Receiver::superseded", |h| done(h.with_receiver(Receiver::superseded))),
    call("Receiver::try_iter", |h| h.finds(h.with_receiver(|r| r.try_iter().take(100).count()) > 0)),
    call("Receiver::drain", |h| {
        h.with_receiver(|receiver| {
            h.finds(receiver.drain(1).count() == 1);
            done(receiver.drain(100).count());
        });
    }),
    #[cfg(unix)]
    call("Receiver::pollable", |h| h.finds(h.own_receiver().pollable().expect("descriptors").try_recv().is_ok())),
    call("Event::channel", |h| assert_eq!(h.event.channel(), Some("room"))),
    call("Event::name", |h| assert_eq!(h.event.name(), "e")),
    call("Event::data", |h| assert_eq!(h.event.data(), "1")),
    call("Event::json", |h| assert_eq!(h.event.json::<u32>().ok(), Some(1))),
    call("Event::user_id", |h| assert_eq!(h.event.user_id(), None)),
    of(Class::Waiting, "Pusher::wait_connected", |h| h.waited("wait_connected", h.pusher.wait_connected(MOMENT))),
    of(Class::Waiting, "Pusher::wait_all_subscribed", |h| {
        h.waited("wait_all_subscribed", h.pusher.wait_all_subscribed(MOMENT));
    }),
    of(Class::Waiting, "Channel::wait_subscribed", |h| h.waited("wait_subscribed", h.channel.wait_subscribed(MOMENT))),
    of(Class::Waiting, "User::wait_signed_in", |h| h.waited("wait_signed_in", h.user.wait_signed_in(MOMENT))),
    of(Class::Waiting, "Receiver::recv", |h| h.finds(h.with_receiver(Receiver::recv).is_ok())),
    of(Class::Waiting, "Receiver::recv_timeout", |h| h.finds(h.with_receiver(|r| r.recv_timeout(MOMENT)).is_ok())),
    of(Class::Waiting, "Receiver::iter", |h| h.finds(h.with_receiver(|r| r.iter().next()).is_some())),
    of(Class::Waiting, "EventReceiver::recv_timeout", |h| {
        done(h.channel.events_as::<u32>(h.event_name).recv_timeout(MOMENT));
    }),
    // The receiver of another client, which has ended, because nothing else ends the wait.
    of(Class::Waiting, "EventReceiver::recv + EventReceiver::iter", |_| {
        let other = Pusher::new(Config::host("key", "localhost"));
        let events = other.channel("room").expect("a valid name").events_as::<u32>("e");
        drop(other);
        assert!(events.recv().is_err() && events.iter().next().is_none(), "the receiver is closed");
    }),
    call("Channel::unsubscribe", |h| h.other.unsubscribe()),
    call("Channel::subscribe_with_auth", |h| done(h.other.subscribe_with_auth(ChannelAuth::new("key:signature")))),
    call("Channel::unsubscribe + Channel::subscribe", |h| {
        h.other.unsubscribe();
        h.other.subscribe();
    }),
    call("Channel::subscribe_with", |h| done(h.other.subscribe_with(SubscribeOptions::new()).expect("valid"))),
    call("Channel::unbind_all", |h| h.other.unbind_all()),
    call("User::unbind_all", |h| h.user.unbind_all()),
    of(Class::Subscribing, "Pusher::unsubscribe_all", |h| {
        h.pusher.unsubscribe_all();
        assert!(h.pusher.channels().is_empty());
    }),
    of(Class::Subscribing, "Pusher::subscribe, to each channel again", |h| {
        h.again.iter().for_each(|name| done(h.pusher.subscribe(name).expect("a valid name")));
    }),
    of(Class::Unbinding, "Pusher::unbind_all", |h| h.pusher.unbind_all()),
    of(Class::Unbinding, "Pusher::unbind, for the handler that runs", |h| {
        if let Some(own) = h.own.take() {
            h.pusher.unbind(own).expect(OURS);
        }
        done(h.channel.bind(h.event_name, |_| {}));
    }),
    of(Class::Connecting, "Pusher::connect_background", |h| {
        done(h.pusher.connect_background().expect("the configuration is valid"));
    }),
    of(Class::Connecting, "Pusher::reconnect_now", |h| h.pusher.reconnect_now()),
    of(Class::Ending, CONNECT, |h| h.waited("connect", h.pusher.connect().map(done))),
    of(Class::Ending, "Pusher::disconnect", |h| {
        let failed = h.pusher.state() == ConnectionState::Failed;
        h.pusher.disconnect();
        if thread::current().name() == Some("pusher-heartbeat") {
            // This thread disconnects itself when the user's code has returned.
            return;
        }
        let rest = if failed { ConnectionState::Failed } else { ConnectionState::Disconnected };
        // On a busy machine, `disconnect` may return before the heartbeat thread has run.
        eventually("the client is at rest", || (h.pusher.state(), h.pusher.socket_id()) == (rest, None));
    }),
    // A suite drops the handles after a call that changes the state.
    of(Class::Ending, "dropping the last handle", |_| {}),
];

/// An event of a client that has ended. All events of this function are the same one.
pub(crate) fn event() -> Event {
    static EVENT: OnceLock<Event> = OnceLock::new();
    let receive = || {
        let server = support::server();
        let pusher = support::connected(&server);
        let receiver = pusher.receiver();
        support::subscribed(&pusher, "room");
        server.trigger("room", "e", &1);
        support::next(&receiver, |notification| match notification {
            Notification::Event(event) => Some(event),
            _ => None,
        })
    };
    EVENT.get_or_init(receive).clone()
}
