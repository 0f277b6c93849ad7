//! An internal notification service, as an application would build it on the crate.
//!
//! ```text
//! cargo run --example notifications                 # in a temporary directory
//! cargo run --example notifications -- --data DIR   # keeps the histories; run it twice
//! ```
//!
//! Ann and Bob have a [`Session`] each. It receives notifications on private channels, keeps them in an [`Inbox`] with
//! a count of pending ones, and notifies the other user by client events. A [`Backend`] of the application authorises
//! the channels. The protocol replays nothing, so that each inbox is [saved](history::History) at every change. The
//! program ends both sessions and begins them again to show that no notification is lost.
//!
//! [`Inbox`]: inbox::Inbox

mod backend;
mod channels;
mod directory;
mod history;
mod inbox;
mod message;
mod options;
mod request;
mod session;

use std::{
    env,
    error::Error,
    fmt::Display,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use pusher_channels::testing::TestServer;

use backend::{App, Backend};
use channels::User;
use directory::DataDirectory;
use history::History;
use message::{FROM_THE_APPLICATION, Message};
use options::Command;
use session::{Change, Service, Session};

/// Longer than any step takes.
const PATIENCE: Duration = Duration::from_secs(10);

const ANNS_TOKEN: &str = "ann-3b1f0a";
const BOBS_TOKEN: &str = "bob-91c7de";

fn main() -> ExitCode {
    let args = env::args_os().skip(1);
    let outcome = match options::parse(args) {
        Ok(Command::Help) => show(options::USAGE).map_err(Into::into),
        Ok(Command::Run { data }) => DataDirectory::open(data).and_then(|directory| run(directory.path())),
        Err(reason) => return complain(&reason, 2),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_output(&*error) => ExitCode::SUCCESS,
        Err(error) => complain(&error.to_string(), 1),
    }
}

/// Prints a line. Unlike `println!` it does not panic if the reader has ended, as with `notifications | head`.
fn show(line: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

fn is_closed_output(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn complain(reason: &str, code: u8) -> ExitCode {
    // If standard error is closed, there is nowhere to report that.
    let _ = writeln!(io::stderr(), "notifications: {reason}");
    ExitCode::from(code)
}

fn run(data: &Path) -> Result<(), Box<dyn Error>> {
    let (ann, bob) = (User::parse("ann")?, User::parse("bob")?);
    let server = TestServer::start()?;
    let app = App { key: server.key().to_owned(), secret: server.secret().to_owned() };
    let backend = Backend::start(app, [(ANNS_TOKEN, ann.clone()), (BOBS_TOKEN, bob.clone())])?;
    let config = server.config().auth_endpoint(backend.url());
    let service = Service { config, users: vec![ann.clone(), bob.clone()], patience: PATIENCE };
    let begin = |user: &User, token: &str| Session::begin(&service, user, token, History::of(data, user));

    show("== Ann and Bob are connected")?;
    let (anns, bobs) = (begin(&ann, ANNS_TOKEN)?, begin(&bob, BOBS_TOKEN)?);
    print_inbox(&anns)?;
    print_inbox(&bobs)?;
    talk(&server, &anns, &bobs)?;
    open_latest(&bobs)?;
    print_inbox(&anns)?;
    print_inbox(&bobs)?;

    show("== Both are disconnected")?;
    drop((anns, bobs));
    if !server.wait_for_connections(0, PATIENCE) {
        return Err("the connections were not closed".into());
    }
    let reached = server.trigger(&channels::own(&bob), FROM_THE_APPLICATION, &Message::new("Is anybody here?")?);
    show(format_args!("a notification to bob reaches {reached} connections, and is not replayed"))?;

    show("== Ann and Bob are connected again")?;
    print_inbox(&begin(&ann, ANNS_TOKEN)?)?;
    print_inbox(&begin(&bob, BOBS_TOKEN)?)?;

    show("== Another client claims to be Bob")?;
    match begin(&bob, "an unknown token") {
        Ok(_) => Err("the backend has authorised an unknown token".into()),
        Err(error) => {
            show(error)?;
            Ok(())
        }
    }
}

/// Notifications in all directions. The program waits for each, so that the order is the same in every run.
fn talk(server: &TestServer, ann: &Session, bob: &Session) -> Result<(), Box<dyn Error>> {
    ann.push(bob.user(), "Lunch at noon?")?;
    print_arrival(bob)?;
    bob.push(ann.user(), "Gladly.")?;
    print_arrival(ann)?;
    // An application uses its server library for this: `pusher.trigger(channel, event, data)` in Node and PHP.
    server.trigger(&channels::own(bob.user()), FROM_THE_APPLICATION, &Message::new("The build is green")?);
    print_arrival(bob)
}

fn print_arrival(session: &Session) -> Result<(), Box<dyn Error>> {
    match session.next_change(PATIENCE).ok_or("nothing has arrived")? {
        Change::Arrived(notification) => show(format_args!("{} gets {notification}", session.user()))?,
        Change::Problem(problem) => return Err(problem.into()),
    }
    Ok(())
}

fn open_latest(session: &Session) -> Result<(), Box<dyn Error>> {
    let latest = session.inbox().latest().ok_or("nothing has arrived")?.id;
    session.open(latest)?;
    show(format_args!("{} opens #{latest}", session.user()))?;
    Ok(())
}

fn print_inbox(session: &Session) -> io::Result<()> {
    show(format_args!("{}'s inbox: {}", session.user(), session.inbox()))
}
