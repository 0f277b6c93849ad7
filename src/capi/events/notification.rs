//! Notifications, as C reads them.

use std::{ffi::c_char, sync::Arc, time::Duration};

use crate::{
    Event, Name, NotificationKind,
    capi::{
        events::{list::List, numbers},
        ffi::{
            arguments::{Borrowed, OptionalOut, OptionalOwned, Out, Owned},
            error::Error,
            handles::Handle,
            results::Failure,
            text::{self, Lent, Terminated},
        },
        internals::texts::{self, Texts, kinds},
    },
};

/// One notification. An event stays in the memory in which it arrived, where its texts end with a NUL already. Other
/// notifications are rare, and their texts are copied.
#[derive(Clone)]
pub(crate) enum Notification {
    Event(Event),
    Other(Arc<Other>),
}

/// A notification other than an event, with its texts.
pub(crate) struct Other {
    notification: crate::Notification,
    channel: Option<Terminated>,
    /// The name of the event, or of the change of the watchlist.
    name: Option<Terminated>,
    user_id: Option<Terminated>,
    user_info: Option<Terminated>,
    reason: Option<Terminated>,
    error: Option<Error>,
    count: Option<u64>,
    users: Option<Vec<Name>>,
}

/// The fields that C asks for one by one, as the column `c` of [`kinds`] gives them.
#[derive(Default)]
struct Fields<'a> {
    channel: Option<&'a str>,
    name: Option<&'a str>,
    user_id: Option<&'a str>,
    user_info: Option<&'a str>,
    reason: Option<String>,
    error: Option<Arc<crate::Error>>,
    count: Option<u64>,
    users: Option<&'a [Name]>,
}

/// Writes the function that takes a notification apart, from the rows of [`kinds`].
macro_rules! define {
    ($(
        $(#[$about:meta])*
        $kind:ident $(($field:ident: $type:ty))? $({ $(#[$about_named:meta])* $named:ident: $named_type:ty })? => {
            of: $of:ident, method: $method:ident, handlers: $handlers:literal, text: $text:literal,
            log: $log:expr, more_bytes: $more_bytes:expr,
            c: $number:literal, $name:literal { $($part:ident: $value:expr),* $(,)? },
        }
    )*) => {
        #[allow(unused_variables, reason = "some kinds have no fields")]
        fn fields(notification: &crate::Notification) -> Fields<'_> {
            let mut fields = Fields::default();
            match notification {
                $(crate::Notification::$kind $(($field))? $({ $named })? => {
                    $(fields.$part = $value.into();)*
                })*
            }
            fields
        }
    };
}

kinds! { define }

/// The count of an error that tells of lost notifications.
fn dropped(error: &crate::Error) -> Option<u64> {
    if let crate::Error::Lagged { dropped } = error { Some(*dropped) } else { None }
}

impl Notification {
    pub fn new(notification: crate::Notification) -> Self {
        match notification {
            crate::Notification::Event(event) => Self::Event(event),
            other => Self::Other(Arc::new(Other::new(other))),
        }
    }

    fn other(&self) -> Result<&Other, Failure> {
        match self {
            Self::Event(_) => Err(Failure::Nothing),
            Self::Other(other) => Ok(other),
        }
    }

    /// The notification, where it is not an event.
    fn notice(&self) -> Result<&crate::Notification, Failure> {
        self.other().map(|other| &other.notification)
    }

    fn event(&self) -> Result<&Event, Failure> {
        match self {
            Self::Event(event) => Ok(event),
            Self::Other(_) => Err(Failure::Nothing),
        }
    }

    /// A text of an event, or of another notification.
    fn text<'a>(
        &'a self,
        of_event: impl FnOnce(&'a Event) -> Option<&'a str>,
        of_other: impl FnOnce(&'a Other) -> &'a Option<Terminated>,
    ) -> Result<&'a str, Failure> {
        let text = match self {
            Self::Event(event) => of_event(event),
            Self::Other(other) => of_other(other).as_ref().map(Terminated::as_str),
        };
        text.ok_or(Failure::Nothing)
    }

    fn change(&self) -> Result<&crate::ConnectionStateChange, Failure> {
        let crate::Notification::ConnectionStateChange(change) = self.notice()? else { return Err(Failure::Nothing) };
        Ok(change)
    }

    fn succeeded(&self) -> Result<&crate::SubscriptionSucceeded, Failure> {
        let crate::Notification::SubscriptionSucceeded(succeeded) = self.notice()? else {
            return Err(Failure::Nothing);
        };
        Ok(succeeded)
    }
}

impl Other {
    fn new(notification: crate::Notification) -> Self {
        let Fields { channel, name, user_id, user_info, reason, error, count, users } = fields(&notification);
        let users = users.map(<[Name]>::to_vec);
        let terminated = |text: Option<&str>| text.map(Terminated::new);
        Self {
            channel: terminated(channel),
            name: terminated(name),
            user_id: terminated(user_id),
            user_info: terminated(user_info),
            reason: terminated(reason.as_deref()),
            error: error.map(Error::new),
            count,
            users,
            notification,
        }
    }
}

impl Notification {
    /// One line for a person, without the data of events. Errors speak of C's options and functions.
    fn line(&self) -> String {
        match self {
            Self::Event(event) => event.to_string(),
            Self::Other(other) => match (&other.error, &other.notification) {
                (Some(cause), crate::Notification::ConnectionStateChange(change)) => texts::line(change, cause.text()),
                (Some(error), _) => error.text().to_owned(),
                (None, notification) => notification.to_string(),
            },
        }
    }
}

fn milliseconds(duration: Option<Duration>) -> Result<u64, Failure> {
    duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)).ok_or(Failure::Nothing)
}

exports! {
    fn pusher_notification_kind(notification: Borrowed<'_, Notification>, kind: Out<'_, i32>) {
        kind.put(match notification {
            Notification::Event(_) => numbers::number(NotificationKind::Event),
            Notification::Other(other) => numbers::number(other.notification.kind()),
        });
        Ok(())
    }

    fn pusher_notification_channel(
        notification: Borrowed<'_, Notification>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        text::lend(notification.text(|event| Texts(event).channel(), |other| &other.channel)?, (text, length));
        Ok(())
    }

    fn pusher_notification_name(
        notification: Borrowed<'_, Notification>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        text::lend(notification.text(|event| Some(Texts(event).name()), |other| &other.name)?, (text, length));
        Ok(())
    }

    fn pusher_notification_data(
        notification: Borrowed<'_, Notification>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        text::lend(Texts(notification.event()?).data(), (text, length));
        Ok(())
    }

    fn pusher_notification_user_id(
        notification: Borrowed<'_, Notification>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        text::lend(notification.text(|event| Texts(event).user_id(), |other| &other.user_id)?, (text, length));
        Ok(())
    }

    fn pusher_notification_user_info(
        notification: Borrowed<'_, Notification>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        text::lend(notification.text(|_| None, |other| &other.user_info)?, (text, length));
        Ok(())
    }

    fn pusher_notification_users(notification: Borrowed<'_, Notification>, list: Out<'_, Handle<List>>) {
        let users = notification.other()?.users.as_ref().ok_or(Failure::Nothing)?;
        list.put(Handle::new(users.iter().map(Name::as_str).collect())?);
        Ok(())
    }

    fn pusher_notification_count(notification: Borrowed<'_, Notification>, count: Out<'_, u64>) {
        count.put(notification.other()?.count.ok_or(Failure::Nothing)?);
        Ok(())
    }

    fn pusher_notification_reason(
        notification: Borrowed<'_, Notification>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        text::lend(notification.text(|_| None, |other| &other.reason)?, (text, length));
        Ok(())
    }

    fn pusher_notification_state(notification: Borrowed<'_, Notification>, state: Out<'_, i32>) {
        state.put(numbers::of_state(notification.change()?.current));
        Ok(())
    }

    fn pusher_notification_previous_state(notification: Borrowed<'_, Notification>, state: Out<'_, i32>) {
        state.put(numbers::of_state(notification.change()?.previous));
        Ok(())
    }

    fn pusher_notification_attempt(notification: Borrowed<'_, Notification>, attempt: Out<'_, u32>) {
        attempt.put(notification.change()?.attempt);
        Ok(())
    }

    fn pusher_notification_retry_in(notification: Borrowed<'_, Notification>, time: Out<'_, u64>) {
        time.put(milliseconds(notification.change()?.retry_in)?);
        Ok(())
    }

    fn pusher_notification_resubscribed(notification: Borrowed<'_, Notification>, resubscribed: Out<'_, i32>) {
        resubscribed.put(notification.succeeded()?.resubscribed.into());
        Ok(())
    }

    fn pusher_notification_gap(notification: Borrowed<'_, Notification>, time: Out<'_, u64>) {
        time.put(milliseconds(notification.succeeded()?.gap)?);
        Ok(())
    }

    fn pusher_notification_error(notification: Borrowed<'_, Notification>, error: Out<'_, *const Error>) {
        error.put(notification.other()?.error.as_ref().ok_or(Failure::Nothing)?);
        Ok(())
    }

    fn pusher_notification_text(
        notification: Borrowed<'_, Notification>,
        text: Out<'_, *const c_char>,
        length: OptionalOut<'_, usize>,
    ) {
        Lent::Notification.lend(&notification.line(), (text, length))
    }

    fn pusher_notification_clone(notification: Borrowed<'_, Notification>, copy: Out<'_, Owned<Notification>>) {
        copy.put(Owned::new(notification.clone()));
        Ok(())
    }

    free fn pusher_notification_free(notification: OptionalOwned<Notification>)
}
