//! A user's list of notifications. Knows neither the network nor the disk.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::channels::User;

/// So many are kept, the oldest go first: a list that nobody cleans up must not grow for ever.
const MAX: usize = 500;

/// What somebody told the user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Notification {
    /// Numbers of one list, ascending. They are given on arrival, and mean nothing to others.
    pub(crate) id: u64,
    /// `None` for the application itself.
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
    /// How many have not been opened.
    pub(crate) fn pending(&self) -> usize {
        self.notifications.iter().filter(|notification| !notification.opened).count()
    }

    /// The one that came last.
    pub(crate) fn latest(&self) -> Option<&Notification> {
        self.notifications.last()
    }

    /// Adds what has come, and returns it as it stands in the list.
    pub(crate) fn receive(&mut self, from: Option<User>, text: String) -> Notification {
        let id = self.latest().map_or(1, |latest| latest.id + 1);
        let notification = Notification { id, from, text, opened: false };
        if self.notifications.len() == MAX {
            self.notifications.remove(0);
        }
        self.notifications.push(notification.clone());
        notification
    }

    /// Marks one as opened, and tells whether there is one with this id. Opening twice is opening once.
    pub(crate) fn open(&mut self, id: u64) -> bool {
        let found = self.notifications.iter_mut().find(|notification| notification.id == id);
        found.map(|notification| notification.opened = true).is_some()
    }
}

impl TryFrom<Vec<Notification>> for Inbox {
    type Error = &'static str;

    fn try_from(notifications: Vec<Notification>) -> Result<Self, Self::Error> {
        let are_in_order = notifications.windows(2).all(|pair| pair[0].id < pair[1].id);
        // The last id must leave room for those to come.
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
    /// The text in quotes and escaped, so that what others write cannot control the terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            Some(user) => write!(f, "#{} from {user}: {:?}", self.id, self.text),
            None => write!(f, "#{}: {:?}", self.id, self.text),
        }
    }
}

impl fmt::Display for Inbox {
    /// A line with the counts, and one for each notification, with a star before those that are pending.
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
    fn what_comes_is_pending_until_it_is_opened() {
        let mut inbox = of(2);
        assert_eq!(inbox.pending(), 2);
        assert!(inbox.open(1) && inbox.open(1));
        assert!(!inbox.open(3));
        assert_eq!(inbox.pending(), 1);
        assert_eq!(inbox.to_string(), "1 of 2 pending\n    #1: \"0\"\n  * #2: \"1\"");
    }

    #[test]
    fn the_oldest_go_first_and_ids_are_never_given_twice() {
        let mut inbox = of(MAX + 3);
        assert_eq!(inbox.notifications.len(), MAX);
        assert_eq!(inbox.notifications[0].id, 4);
        assert_eq!(inbox.receive(None, String::new()).id, u64::try_from(MAX).expect("small") + 4);
    }

    #[test]
    fn others_cannot_control_the_terminal() {
        let mut inbox = Inbox::default();
        let line = inbox.receive(User::parse("ann").ok(), "\u{1b}[2J\n\u{202e}".to_owned()).to_string();
        assert!(
            line.starts_with("#1 from ann: ") && !line.contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{line}"
        );
    }

    #[test]
    fn a_list_that_cannot_be_is_no_inbox() {
        let list = Vec::from(of(2));
        assert_eq!(Inbox::try_from(list.clone()), Ok(of(2)));
        let reversed = list.iter().rev().cloned().collect::<Vec<_>>();
        assert!(Inbox::try_from(reversed).is_err());
        assert!(Inbox::try_from(vec![Notification { id: u64::MAX, ..list[0].clone() }]).is_err());
        let many = (0..).take(MAX + 1).map(|id| Notification { id, ..list[0].clone() }).collect::<Vec<_>>();
        assert!(Inbox::try_from(many).is_err());
    }
}
