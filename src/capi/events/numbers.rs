//! The numbers and the names of states, and of kinds of notifications.

use std::ffi::c_char;

use crate::{
    ConnectionState, NotificationKind,
    capi::{
        ffi::{arguments::Out, results::Failure, text},
        internals::texts::{BelongsTo, kinds},
    },
};

pub(crate) const PUSHER_STATE_DISCONNECTED: i32 = 0;
pub(crate) const PUSHER_STATE_CONNECTING: i32 = 1;
pub(crate) const PUSHER_STATE_CONNECTED: i32 = 2;
pub(crate) const PUSHER_STATE_UNAVAILABLE: i32 = 3;
pub(crate) const PUSHER_STATE_RECONNECTING: i32 = 4;
pub(crate) const PUSHER_STATE_DISCONNECTING: i32 = 5;
pub(crate) const PUSHER_STATE_FAILED: i32 = 6;

pub(crate) fn of_state(state: ConnectionState) -> i32 {
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

/// Makes the functions for the rows of [`kinds`].
macro_rules! define {
    ($($(#[$about:meta])* $kind:ident $field:tt => {
        of: $of:ident, method: $method:ident, handlers: $handlers:literal, text: $text:literal,
        log: $log:expr, more_bytes: $more_bytes:expr,
        c: $number:literal, $name:literal $parts:tt,
    })*) => {
        const KINDS: &[NotificationKind] = &[$(NotificationKind::$kind),*];

        pub(crate) fn number(kind: NotificationKind) -> i32 {
            match kind {
                $(NotificationKind::$kind => $number,)*
            }
        }

        /// The name, with a NUL at its end.
        fn terminated_name(kind: NotificationKind) -> &'static str {
            match kind {
                $(NotificationKind::$kind => concat!($name, "\0"),)*
            }
        }

        pub(crate) fn belongs_to(kind: NotificationKind) -> BelongsTo {
            match kind {
                $(NotificationKind::$kind => BelongsTo::$of,)*
            }
        }
    };
}

kinds! { define }

/// The kind of a number.
pub(crate) fn kind(number: i32) -> Result<NotificationKind, Failure> {
    let found = KINDS.iter().copied().find(|kind| self::number(*kind) == number);
    found.ok_or_else(|| Failure::value(format!("there is no kind {number}")))
}

/// The kind of a name.
pub(crate) fn kind_named(name: &str) -> Option<NotificationKind> {
    KINDS.iter().copied().find(|kind| kind_name(*kind) == name)
}

/// The names of all kinds, for the text of an error.
pub(crate) fn kind_names() -> String {
    KINDS.iter().copied().map(kind_name).collect::<Vec<_>>().join(", ")
}

fn kind_name(kind: NotificationKind) -> &'static str {
    terminated_name(kind).trim_end_matches('\0')
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
        let kind = self::kind(kind).map_err(|_| Failure::Nothing)?;
        text::lend(terminated_name(kind), (text, None));
        Ok(())
    }

    fn pusher_state_name(state: i32, text: Out<'_, *const c_char>) {
        text::lend(state_name(state).ok_or(Failure::Nothing)?, (text, None));
        Ok(())
    }
}
