//! The session of a user: the connection, the channels, and the inbox that their handlers fill.

use std::{
    fmt,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

use parking_lot::Mutex;
use pusher_channels::{Channel, Config, Error, Event, Pusher};

use crate::{
    channels::{self, User},
    history::{History, HistoryError},
    inbox::{Inbox, Notification},
    message::{FROM_A_USER, FROM_THE_APPLICATION, Message},
};

/// The settings of all sessions.
pub(crate) struct Service {
    /// The Pusher server, and the backend that authorises channels.
    pub(crate) config: Config,
    /// All users, who may notify each other.
    pub(crate) users: Vec<User>,
    /// The longest time for beginning a session.
    pub(crate) patience: Duration,
}

/// The session of a user, until it is dropped. The client reconnects by itself. Notifications that are sent meanwhile
/// are lost.
pub(crate) struct Session {
    user: User,
    /// The client lives as long as one of its handles.
    _pusher: Pusher,
    outgoing: Vec<(User, Channel)>,
    kept: Arc<Mutex<Kept>>,
    changes: Receiver<Change>,
}

/// A change that the user should see.
#[derive(Debug)]
pub(crate) enum Change {
    /// A notification has arrived. It is in the inbox.
    Arrived(Notification),
    /// An error that does not end the session.
    Problem(String),
}

/// The reason why a call has failed.
#[derive(Debug)]
pub(crate) enum Failure {
    Client(Error),
    History(HistoryError),
    NoSuchUser(User),
    NoSuchNotification(u64),
    Text(String),
}

impl Session {
    /// Loads the inbox, connects, and waits until all channels are subscribed.
    pub(crate) fn begin(service: &Service, user: &User, token: &str, history: History) -> Result<Self, Failure> {
        let kept = Arc::new(Mutex::new(Kept { inbox: history.load()?, history }));
        let pusher = Pusher::new(service.config.clone().auth_header("Authorization", format!("Bearer {token}")));
        let (tell, changes) = mpsc::channel();
        let own = pusher.channel(&channels::own(user))?;
        report_problems(&pusher, &own, &tell);

        let sink = Sink { kept: Arc::clone(&kept), tell };
        sink.receive(&own, FROM_THE_APPLICATION, None);
        let mut outgoing = Vec::new();
        for other in service.users.iter().filter(|other| *other != user) {
            sink.receive(&pusher.channel(&channels::push(other, user))?, FROM_A_USER, Some(other.clone()));
            outgoing.push((other.clone(), pusher.subscribe(&channels::push(user, other))?));
        }
        // The handlers are bound before, so that no event is missed.
        pusher.connect()?;
        pusher.wait_all_subscribed(service.patience)?;
        Ok(Self { user: user.clone(), _pusher: pusher, outgoing, kept, changes })
    }

    pub(crate) fn user(&self) -> &User {
        &self.user
    }

    /// The notifications so far.
    pub(crate) fn inbox(&self) -> Inbox {
        self.kept.lock().inbox.clone()
    }

    /// The next change; `None` if there is none within the time.
    pub(crate) fn next_change(&self, patience: Duration) -> Option<Change> {
        self.changes.recv_timeout(patience).ok()
    }

    /// Notifies another user. Only a connected user gets the notification, because the server stores no client events.
    pub(crate) fn push(&self, to: &User, text: &str) -> Result<(), Failure> {
        let message = Message::new(text).map_err(Failure::Text)?;
        let channel = self.outgoing.iter().find(|(user, _)| user == to).map(|(_, channel)| channel);
        channel.ok_or_else(|| Failure::NoSuchUser(to.clone()))?.trigger(FROM_A_USER, &message)?;
        Ok(())
    }

    /// Marks a notification as opened.
    pub(crate) fn open(&self, id: u64) -> Result<(), Failure> {
        let is_there = self.kept.lock().change(|inbox| inbox.open(id))?;
        if is_there { Ok(()) } else { Err(Failure::NoSuchNotification(id)) }
    }
}

/// An inbox and its file.
struct Kept {
    inbox: Inbox,
    history: History,
}

impl Kept {
    /// Changes the inbox and saves it. If that fails, the inbox is changed nevertheless, and the next change saves it.
    fn change<T>(&mut self, change: impl FnOnce(&mut Inbox) -> T) -> Result<T, HistoryError> {
        let outcome = change(&mut self.inbox);
        self.history.save(&self.inbox)?;
        Ok(outcome)
    }
}

/// The inbox that the handlers of all channels fill.
struct Sink {
    kept: Arc<Mutex<Kept>>,
    tell: Sender<Change>,
}

impl Sink {
    /// Binds a handler for notifications, and subscribes. The sender follows from the channel, and not from the data.
    fn receive(&self, channel: &Channel, event: &str, from: Option<User>) {
        let (kept, tell) = (Arc::clone(&self.kept), self.tell.clone());
        // The handler has no handle of the client, because that would keep the client alive.
        channel.bind(event, move |event| {
            // Sending fails while the session is dropped.
            let _ = tell.send(match take(&kept, event, from.clone()) {
                Ok(notification) => Change::Arrived(notification),
                Err(problem) => Change::Problem(problem),
            });
        });
        channel.subscribe();
    }
}

/// Adds the notification of an event to the inbox. Saving takes a moment on the thread that runs the handlers; later
/// events wait, and none is lost.
fn take(kept: &Mutex<Kept>, event: &Event, from: Option<User>) -> Result<Notification, String> {
    let message: Message = event.json().map_err(|error| error.to_string())?;
    kept.lock().change(|inbox| inbox.receive(from, message.into_text())).map_err(|error| error.to_string())
}

/// Reports the errors that no call returns.
fn report_problems(pusher: &Pusher, own: &Channel, tell: &Sender<Change>) {
    let reporter = || {
        let tell = tell.clone();
        move |problem: String| drop(tell.send(Change::Problem(problem)))
    };
    let report = reporter();
    pusher.on_error(move |error| report(error.to_string()));
    let report = reporter();
    pusher.on_subscription_error(move |failed| report(failed.error.to_string()));
    let report = reporter();
    // All channels are subscribed again together, so that the handler of one is enough.
    own.on_subscription_succeeded(move |success| {
        if let Some(gap) = success.gap {
            report(format!("the connection was lost for {gap:?}; notifications of that time are lost"));
        }
    });
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => error.fmt(f),
            Self::History(error) => error.fmt(f),
            Self::NoSuchUser(user) => write!(f, "there is no user {user} to push to"),
            Self::NoSuchNotification(id) => write!(f, "there is no notification #{id}"),
            Self::Text(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Client(error) => error.source(),
            Self::History(error) => error.source(),
            Self::NoSuchUser(_) | Self::NoSuchNotification(_) | Self::Text(_) => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        Self::History(error)
    }
}

#[cfg(test)]
mod tests {
    use pusher_channels::testing::TestServer;

    use super::*;
    use crate::{
        backend::{App, Backend},
        directory::DataDirectory,
    };

    const PATIENCE: Duration = Duration::from_secs(20);

    /// The servers and files of the sessions of Ann and Bob.
    struct Fixture {
        server: TestServer,
        service: Service,
        directory: DataDirectory,
        _backend: Backend,
    }

    fn user(id: &str) -> User {
        User::parse(id).expect("a valid id")
    }

    impl Fixture {
        fn new() -> Self {
            let server = TestServer::start().expect("a free port");
            let app = App { key: server.key().to_owned(), secret: server.secret().to_owned() };
            let backend = Backend::start(app, [("a", user("ann")), ("b", user("bob"))]).expect("a free port");
            let config = server.config().auth_endpoint(backend.url());
            let service = Service { config, users: vec![user("ann"), user("bob")], patience: PATIENCE };
            let directory = DataDirectory::open(None).expect("a directory");
            Self { server, service, directory, _backend: backend }
        }

        fn begin(&self, id: &str, token: &str) -> Result<Session, Failure> {
            let user = user(id);
            Session::begin(&self.service, &user, token, History::of(self.directory.path(), &user))
        }
    }

    #[test]
    fn bad_notifications_are_a_problem_and_the_next_one_arrives() {
        let fixture = Fixture::new();
        let ann = fixture.begin("ann", "a").expect("a session");
        for data in ["", "null", r#"{"text":7}"#, r#"{"text":""}"#] {
            fixture.server.trigger("private-user-ann", FROM_THE_APPLICATION, data);
            assert!(matches!(ann.next_change(PATIENCE), Some(Change::Problem(_))), "{data}");
        }
        fixture.server.trigger("private-user-ann", FROM_THE_APPLICATION, r#"{"text":"x"}"#);
        match ann.next_change(PATIENCE) {
            Some(Change::Arrived(arrived)) => assert_eq!(ann.inbox().latest(), Some(&arrived)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn calls_that_cannot_succeed_return_errors() {
        let fixture = Fixture::new();
        let ann = fixture.begin("ann", "a").expect("a session");
        assert!(matches!(ann.push(&user("cid"), "x"), Err(Failure::NoSuchUser(_))));
        assert!(matches!(ann.push(&user("bob"), " "), Err(Failure::Text(_))));
        assert!(matches!(ann.open(1), Err(Failure::NoSuchNotification(1))));
        let stolen = fixture.begin("bob", "a").err().expect("the token is Ann's");
        assert!(matches!(stolen, Failure::Client(Error::AuthRefused { status: Some(403), .. })), "{stolen}");
    }

    #[test]
    fn a_gap_in_the_connection_is_reported() {
        let fixture = Fixture::new();
        let ann = fixture.begin("ann", "a").expect("a session");
        fixture.server.drop_all();
        match ann.next_change(PATIENCE) {
            Some(Change::Problem(problem)) => assert!(problem.contains("the connection was lost"), "{problem}"),
            other => panic!("{other:?}"),
        }
    }
}
