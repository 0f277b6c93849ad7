//! A user's list of notifications, without network and disk.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::channels::User;

/// The capacity of a list. The oldest notifications are removed first, so that the list does not grow without end.
const MAX: usize = 500;

/// A notification for the user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Notification {
    /// The number in the list of this user. It is assigned on arrival, and ascending.
    pub(crate) id: u64,
    /// `None` if the application itself has sent it.
    pub(crate) from: Option<User>,
    pub(crate) text: String,
    pub(crate) opened: bool,
}

/// The notifications of a user, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Notification>", into = "Vec<Notification>")]
pub(crate) struct Inbox {
    notifications: Vec<Notification>,
}

impl Inbox {
    /// The number of notifications that are not opened.
    pub(crate) fn pending(&self) -> usize {
        self.notifications.iter().filter(|notification| !notification.opened).count()
    }

    /// The last notification.
    pub(crate) fn latest(&self) -> Option<&Notification> {
        self.notifications.last()
    }

    /// Adds a notification, and returns it.
    pub(crate) fn receive(&mut self, from: Option<User>, text: String) -> Notification {
        let id = self.latest().map_or(1, |latest| latest.id + 1);
        let notification = Notification { id, from, text, opened: false };
        if self.notifications.len() == MAX {
            self.notifications.remove(0);
        }
        self.notifications.push(notification.clone());
        notification
    }

    /// Marks a notification as opened. Returns false if no notification has this id. Opening it again changes nothing.
    pub(crate) fn open(&mut self, id: u64) -> bool {
        let found = self.notifications.iter_mut().find(|notification| notification.id == id);
        found.map(|notification| notification.opened = true).is_some()
    }
}

impl TryFrom<Vec<Notification>> for Inbox {
    type Error = &'static str;

    fn try_from(notifications: Vec<Notification>) -> Result<Self, Self::Error> {
        let are_in_order = notifications.windows(2).all(|pair| pair[0].id < pair[1].id);
        // The ids after the last one must not overflow.
        let has_room = notifications.last().is_none_or(|last| last.id < u64::MAX / 2);
        match (notifications.len() <= MAX, are_in_order && has_room) {
            (true, true) => Ok(Self { notifications }),
            (false, _) => Err("there are too many notifications"),
            (_, false) => Err("the ids are not in order"),
        }
    }
}

impl From<Inbox> for Vec<Notification> {
    fn from(inbox: Inbox) -> Self {
        inbox.notifications
    }
}

impl fmt::Display for Notification {
    /// The text is quoted and escaped, so that the sender cannot control the terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            Some(user) => write!(f, "#{} from {user}: {:?}", self.id, self.text),
            None => write!(f, "#{}: {:?}", self.id, self.text),
        }
    }
}

impl fmt::Display for Inbox {
    /// A line with the counts, and a line for each notification. A star marks a notification that is not opened.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} pending", self.pending(), self.notifications.len())?;
        for notification in &self.notifications {
            let mark = if notification.opened { ' ' } else { '*' };
            write!(f, "\n  {mark} {notification}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: usize) -> Inbox {
        let mut inbox = Inbox::default();
        for n in 0..count {
            inbox.receive(None, n.to_string());
        }
        inbox
    }

    #[test]
    fn a_notification_is_pending_until_it_is_opened() {
        let mut inbox = of(2);
        assert_eq!(inbox.pending(), 2);
        assert!(inbox.open(1) && inbox.open(1));
        assert!(!inbox.open(3));
        assert_eq!(inbox.pending(), 1);
        assert_eq!(inbox.to_string(), "1 of 2 pending\n    #1: \"0\"\n  * #2: \"1\"");
    }

    #[test]
    fn the_oldest_are_removed_first_and_ids_are_unique() {
        let mut inbox = of(MAX + 3);
        assert_eq!(inbox.notifications.len(), MAX);
        assert_eq!(inbox.notifications[0].id, 4);
        assert_eq!(inbox.receive(None, String::new()).id, u64::try_from(MAX).expect("small") + 4);
    }

    #[test]
    fn a_sender_cannot_control_the_terminal() {
        let mut inbox = Inbox::default();
        let line = inbox.receive(User::parse("ann").ok(), "\u{1b}[2J\n\u{202e}".to_owned()).to_string();
        assert!(
            line.starts_with("#1 from ann: ") && !line.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{line}"
        );
    }

    #[test]
    fn a_list_with_wrong_ids_or_too_many_entries_is_refused() {
        let list = Vec::from(of(2));
        assert_eq!(Inbox::try_from(list.clone()), Ok(of(2)));
        let reversed = list.iter().rev().cloned().collect::<Vec<_>>();
        assert!(Inbox::try_from(reversed).is_err());
        assert!(Inbox::try_from(vec![Notification { id: u64::MAX, ..list[0].clone() }]).is_err());
        let many = (0..).take(MAX + 1).map(|id| Notification { id, ..list[0].clone() }).collect::<Vec<_>>();
        assert!(Inbox::try_from(many).is_err());
    }
}
