//! The numbers and the names of states, and of kinds of notifications.

use std::ffi::c_char;

use super::{arguments::Out, boundary::Failure, text};
use crate::{ConnectionState, NotificationKind};

pub(super) const PUSHER_KIND_EVENT: i32 = 1;
pub(super) const PUSHER_KIND_CONNECTION_STATE_CHANGE: i32 = 2;
pub(super) const PUSHER_KIND_SUBSCRIPTION_SUCCEEDED: i32 = 3;
pub(super) const PUSHER_KIND_SUBSCRIPTION_ERROR: i32 = 4;
pub(super) const PUSHER_KIND_SUBSCRIPTION_COUNT: i32 = 5;
pub(super) const PUSHER_KIND_CACHE_MISS: i32 = 6;
pub(super) const PUSHER_KIND_MEMBER_ADDED: i32 = 7;
pub(super) const PUSHER_KIND_MEMBER_REMOVED: i32 = 8;
pub(super) const PUSHER_KIND_DECRYPTION_FAILURE: i32 = 9;
pub(super) const PUSHER_KIND_SIGNED_IN: i32 = 10;
pub(super) const PUSHER_KIND_WATCHLIST: i32 = 11;
pub(super) const PUSHER_KIND_ERROR: i32 = 12;
pub(super) const PUSHER_KIND_LAGGED: i32 = 13;

pub(super) fn of_kind(kind: NotificationKind) -> i32 {
    match kind {
        NotificationKind::Event => PUSHER_KIND_EVENT,
        NotificationKind::ConnectionStateChange => PUSHER_KIND_CONNECTION_STATE_CHANGE,
        NotificationKind::SubscriptionSucceeded => PUSHER_KIND_SUBSCRIPTION_SUCCEEDED,
        NotificationKind::SubscriptionError => PUSHER_KIND_SUBSCRIPTION_ERROR,
        NotificationKind::SubscriptionCount => PUSHER_KIND_SUBSCRIPTION_COUNT,
        NotificationKind::CacheMiss => PUSHER_KIND_CACHE_MISS,
        NotificationKind::MemberAdded => PUSHER_KIND_MEMBER_ADDED,
        NotificationKind::MemberRemoved => PUSHER_KIND_MEMBER_REMOVED,
        NotificationKind::DecryptionFailure => PUSHER_KIND_DECRYPTION_FAILURE,
        NotificationKind::SignedIn => PUSHER_KIND_SIGNED_IN,
        NotificationKind::Watchlist => PUSHER_KIND_WATCHLIST,
        NotificationKind::Error => PUSHER_KIND_ERROR,
        NotificationKind::Lagged => PUSHER_KIND_LAGGED,
    }
}

pub(super) const PUSHER_STATE_DISCONNECTED: i32 = 0;
pub(super) const PUSHER_STATE_CONNECTING: i32 = 1;
pub(super) const PUSHER_STATE_CONNECTED: i32 = 2;
pub(super) const PUSHER_STATE_UNAVAILABLE: i32 = 3;
pub(super) const PUSHER_STATE_RECONNECTING: i32 = 4;
pub(super) const PUSHER_STATE_DISCONNECTING: i32 = 5;
pub(super) const PUSHER_STATE_FAILED: i32 = 6;

pub(super) fn of_state(state: ConnectionState) -> i32 {
    match state {
        ConnectionState::Disconnected => PUSHER_STATE_DISCONNECTED,
        ConnectionState::Connecting => PUSHER_STATE_CONNECTING,
        ConnectionState::Connected => PUSHER_STATE_CONNECTED,
        ConnectionState::Unavailable => PUSHER_STATE_UNAVAILABLE,
        ConnectionState::Reconnecting => PUSHER_STATE_RECONNECTING,
        ConnectionState::Disconnecting => PUSHER_STATE_DISCONNECTING,
        ConnectionState::Failed => PUSHER_STATE_FAILED,
    }
}

/// Each kind with its name, which ends with a NUL.
const KINDS: [(NotificationKind, &str); 13] = [
    (NotificationKind::Event, "event\0"),
    (NotificationKind::ConnectionStateChange, "connection_state_change\0"),
    (NotificationKind::SubscriptionSucceeded, "subscription_succeeded\0"),
    (NotificationKind::SubscriptionError, "subscription_error\0"),
    (NotificationKind::SubscriptionCount, "subscription_count\0"),
    (NotificationKind::CacheMiss, "cache_miss\0"),
    (NotificationKind::MemberAdded, "member_added\0"),
    (NotificationKind::MemberRemoved, "member_removed\0"),
    (NotificationKind::DecryptionFailure, "decryption_failure\0"),
    (NotificationKind::SignedIn, "signed_in\0"),
    (NotificationKind::Watchlist, "watchlist\0"),
    (NotificationKind::Error, "error\0"),
    (NotificationKind::Lagged, "lagged\0"),
];

/// The names of all kinds, for the text of an error.
pub(super) fn kind_names() -> String {
    let names = KINDS.iter().map(|(_, terminated)| terminated.trim_end_matches('\0'));
    names.collect::<Vec<_>>().join(", ")
}

/// The kind that is called so.
pub(super) fn kind(name: &str) -> Option<NotificationKind> {
    KINDS.iter().find(|(_, terminated)| terminated.strip_suffix('\0') == Some(name)).map(|(kind, _)| *kind)
}

fn kind_name(number: i32) -> Option<&'static str> {
    KINDS.iter().find(|(kind, _)| of_kind(*kind) == number).map(|(_, name)| *name)
}

fn state_name(number: i32) -> Option<&'static str> {
    Some(match number {
        PUSHER_STATE_DISCONNECTED => "disconnected\0",
        PUSHER_STATE_CONNECTING => "connecting\0",
        PUSHER_STATE_CONNECTED => "connected\0",
        PUSHER_STATE_UNAVAILABLE => "unavailable\0",
        PUSHER_STATE_RECONNECTING => "reconnecting\0",
        PUSHER_STATE_DISCONNECTING => "disconnecting\0",
        PUSHER_STATE_FAILED => "failed\0",
        _ => return None,
    })
}

exports! {
    fn pusher_kind_name(kind: i32, text: Out<'_, *const c_char>) {
        text::lend(kind_name(kind).ok_or(Failure::Nothing)?, (text, None));
        Ok(())
    }

    fn pusher_state_name(state: i32, text: Out<'_, *const c_char>) {
        text::lend(state_name(state).ok_or(Failure::Nothing)?, (text, None));
        Ok(())
    }
}
