//! Every public call that does not wait.

use std::{hint::black_box, sync::mpsc};

use pusher_channels::{
    Channel, ChannelAuth, NotificationKind, Overflow, Pusher, Receiver, ReceiverOptions, SubscribeOptions, User,
};

use crate::{subject::CHANNELS, support::public_methods};

/// What a program holds of a client.
pub(super) struct Handles {
    pub(super) pusher: Pusher,
    /// One that is subscribed, for events.
    pub(super) channel: Channel,
    /// One that comes and goes.
    pub(super) other: Channel,
    pub(super) user: User,
    pub(super) receiver: Receiver,
    /// The data of client events.
    pub(super) data: String,
}

/// One or several methods that are called together, each by its name, and the call.
pub(super) struct Call {
    pub(super) methods: &'static str,
    pub(super) make: fn(&Handles),
}

const fn call(methods: &'static str, make: fn(&Handles)) -> Call {
    Call { methods, make }
}

/// Why a binding is accepted.
const OURS: &str = "a binding of this client";

/// Uses a result up, so that no call is left out for having no effect.
fn done<T>(result: T) {
    black_box(result);
}

/// In the order in which they are called.
pub(super) const CALLS: &[Call] = &[
    call("Pusher::state", |h| done(h.pusher.state())),
    call("Pusher::downgrade + WeakPusher::upgrade", |h| done(h.pusher.downgrade().upgrade())),
    call("Pusher::socket_id", |h| done(h.pusher.socket_id())),
    call("Pusher::channel", |h| done(h.pusher.channel("elsewhere"))),
    call("Pusher::subscribe", |h| done(h.pusher.subscribe("now-and-then"))),
    call("Pusher::unsubscribe", |h| h.pusher.unsubscribe("now-and-then")),
    call("Pusher::channels", |h| done(h.pusher.channels())),
    call("Pusher::bind + Pusher::unbind", |h| h.pusher.unbind(h.pusher.bind("event", |_| {})).expect(OURS)),
    call("Pusher::bind_all + Binding::unbind", |h| h.pusher.bind_all(|_| {}).unbind()),
    call("Pusher::bind_as_with", |h| h.pusher.bind_as_with("event", |_: u32, _| {}).unbind()),
    call("Pusher::bind_sender", |h| h.pusher.bind_sender("event", mpsc::channel().0).unbind()),
    call("Pusher::bind_all_sender", |h| h.pusher.bind_all_sender(mpsc::channel().0).unbind()),
    call("Pusher::unbind_event", |h| h.pusher.unbind_event("nothing is bound for this")),
    call("Pusher::forward", |h| h.pusher.forward(mpsc::channel().0).unbind()),
    call("Pusher::bind_as", |h| h.pusher.bind_as("event", |_: u32| {}).unbind()),
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
    call("Pusher::trigger", |h| done(h.pusher.trigger(CHANNELS[1], "client-event", &h.data))),
    call("Pusher::sign_in", |h| h.pusher.sign_in().expect("who the user is was configured")),
    call("Pusher::user", |h| done(h.pusher.user())),
    call("Pusher::receiver", |h| done(h.pusher.receiver())),
    call("Pusher::dispatch", |h| assert_eq!(h.pusher.dispatch(), 0)),
    call("Pusher::dispatch_for", |h| assert_eq!(h.pusher.dispatch_for(1), 0)),
    call("Pusher::receiver_with", |h| {
        let options = ReceiverOptions::new().overflow(Overflow::KeepLatest).wake(|| {});
        done(h.pusher.receiver_with(options).try_recv());
    }),
    call("Pusher::stats", |h| done(format!("{:?} {:?}", h.pusher.stats(), h.pusher))),
    call("Channel::name", |h| done(h.channel.name())),
    call("Channel::unsubscribe", |h| h.other.unsubscribe()),
    call("Channel::subscribe_with_auth", |h| done(h.other.subscribe_with_auth(ChannelAuth::new("key:signature")))),
    call("Channel::unsubscribe + Channel::subscribe", |h| {
        h.other.unsubscribe();
        h.other.subscribe();
    }),
    call("Channel::subscribe_with", |h| done(h.other.subscribe_with(SubscribeOptions::new()).expect("valid"))),
    call("Channel::is_subscribed", |h| done(h.channel.is_subscribed())),
    call("Channel::trigger", |h| done(h.channel.trigger("client-event", &h.data))),
    call("Channel::members", |h| done(h.channel.members())),
    call("Channel::member", |h| done(h.channel.member("ann"))),
    call("Channel::me", |h| done(h.channel.me())),
    call("Channel::subscription_count", |h| done(h.channel.subscription_count())),
    call("Channel::bind + Channel::unbind", |h| h.channel.unbind(h.channel.bind("event", |_| {})).expect(OURS)),
    call("Channel::bind_all", |h| h.channel.bind_all(|_| {}).unbind()),
    call("Channel::on_event", |h| h.channel.on_event(|_| {}).unbind()),
    call("Channel::bind_as_with", |h| h.channel.bind_as_with("event", |_: u32, _| {}).unbind()),
    call("Channel::bind_sender", |h| h.channel.bind_sender("event", mpsc::channel().0).unbind()),
    call("Channel::bind_all_sender", |h| h.channel.bind_all_sender(mpsc::channel().0).unbind()),
    call("Channel::unbind_all", |h| h.other.unbind_all()),
    call("Channel::unbind_event", |h| h.channel.unbind_event("nothing is bound for this")),
    call("Channel::forward", |h| h.channel.forward(mpsc::channel().0).unbind()),
    call("Channel::bind_as", |h| h.channel.bind_as("event", |_: u32| {}).unbind()),
    call("Channel::downgrade + WeakChannel::upgrade", |h| done(h.channel.downgrade().upgrade())),
    call("Channel::events + EventReceiver::try_recv", |h| done(h.channel.events("event").try_recv())),
    call("Channel::events_as", |h| done(h.channel.events_as::<u32>("event").try_recv())),
    call("Channel::receiver", |h| done(h.channel.receiver())),
    call("Channel::receiver_with", |h| {
        let options = ReceiverOptions::new().only([NotificationKind::Event]);
        done(h.channel.receiver_with(options).pollable().is_ok());
    }),
    call("Channel::on_subscription_succeeded", |h| h.channel.on_subscription_succeeded(|_| {}).unbind()),
    call("Channel::on_subscription_error", |h| h.channel.on_subscription_error(|_| {}).unbind()),
    call("Channel::on_subscription_count", |h| h.channel.on_subscription_count(|_| {}).unbind()),
    call("Channel::on_cache_miss", |h| h.channel.on_cache_miss(|_| {}).unbind()),
    call("Channel::on_decryption_failure", |h| h.channel.on_decryption_failure(|_| {}).unbind()),
    call("Channel::on_member_added", |h| h.channel.on_member_added(|_| {}).unbind()),
    call("Channel::on_member_removed", |h| h.channel.on_member_removed(|_| {}).unbind()),
    call("User::id", |h| done(h.user.id())),
    call("User::is_signed_in", |h| done(h.user.is_signed_in())),
    call("User::bind + User::unbind", |h| h.user.unbind(h.user.bind("event", |_| {})).expect(OURS)),
    call("User::bind_all", |h| h.user.bind_all(|_| {}).unbind()),
    call("User::bind_as_with", |h| h.user.bind_as_with("event", |_: u32, _| {}).unbind()),
    call("User::bind_sender", |h| h.user.bind_sender("event", mpsc::channel().0).unbind()),
    call("User::bind_all_sender", |h| h.user.bind_all_sender(mpsc::channel().0).unbind()),
    call("User::unbind_all", |h| h.user.unbind_all()),
    call("User::unbind_event", |h| h.user.unbind_event("nothing is bound for this")),
    call("User::bind_as", |h| h.user.bind_as("event", |_: u32| {}).unbind()),
    call("User::on_signed_in", |h| h.user.on_signed_in(|_| {}).unbind()),
    call("User::on_watchlist", |h| h.user.on_watchlist(|_| {}).unbind()),
    call("Receiver::try_recv", |h| done(h.receiver.try_recv())),
    call("Receiver::len", |h| done(h.receiver.len())),
    call("Receiver::is_closed", |h| assert!(!h.receiver.is_closed())),
    call("Receiver::is_empty", |h| done(h.receiver.is_empty())),
    call("Receiver::dropped", |h| done(h.receiver.dropped())),
    call("Receiver::superseded", |h| done(h.receiver.superseded())),
    call("Receiver::drain", |h| done(h.receiver.drain(100).count())),
    call("Receiver::try_iter", |h| done(h.receiver.try_iter().take(100).count())),
];

/// Called in one round of many only, because each changes the course of the connection, or ends what others need.
pub(super) const RARE_CALLS: &[Call] = &[
    call("Pusher::reconnect_now", |h| h.pusher.reconnect_now()),
    call("Pusher::unsubscribe_all", |h| h.pusher.unsubscribe_all()),
    call("Pusher::subscribe", |h| CHANNELS.iter().for_each(|name| done(h.pusher.subscribe(name)))),
    call("Pusher::connect_background", |h| done(h.pusher.connect_background())),
];

/// Those that wait by their nature, or end the client and have a limit of their own, or begin it.
#[cfg(test)]
const OTHERS: [&str; 11] = [
    // It would unbind the handlers that watch.
    "Pusher::unbind_all",
    "Pusher::new",
    "Pusher::connect",
    "Pusher::wait_connected",
    "Pusher::wait_all_subscribed",
    "Pusher::disconnect",
    "Channel::wait_subscribed",
    "User::wait_signed_in",
    "Receiver::recv",
    "Receiver::recv_timeout",
    "Receiver::iter",
];

#[test]
fn every_public_method_of_a_handle_is_called() {
    let sources = [
        ("Pusher", include_str!("../../../src/client/pusher.rs")),
        ("Channel", include_str!("../../../src/client/channel.rs")),
        ("User", include_str!("../../../src/client/user.rs")),
        ("Pusher", include_str!("../../../src/client/bind.rs")),
        ("Channel", include_str!("../../../src/client/bind.rs")),
        ("User", include_str!("../../../src/client/bind.rs")),
        ("Receiver", include_str!("../../../src/receiver/mod.rs")),
    ];
    let called: Vec<&str> = CALLS.iter().chain(RARE_CALLS).flat_map(|call| call.methods.split(" + ")).collect();
    for (handle, source) in sources {
        for name in public_methods(handle, source) {
            assert!(called.contains(&&*name) || OTHERS.contains(&&*name), "{name} is never called");
        }
    }
}
