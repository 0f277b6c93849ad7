//! Two members of a presence channel talk by client events. Each has a client of its own, in this one process.
//!
//! Every line is what one of them sees: who comes, who goes, and what is said.

use std::{
    error::Error,
    sync::mpsc::{self, Sender},
    time::Duration,
};

use pusher_channels::{
    Channel, Member, Pusher,
    testing::{AuthUser, TestServer},
};
use serde::{Deserialize, Serialize};

const ROOM: &str = "presence-kitchen";

/// Clients may only send events whose names begin with `client-`.
const MESSAGE: &str = "client-message";

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is said. Who says it is not in here, because anybody could write anything there: the server tells it.
#[derive(Serialize, Deserialize)]
struct Message {
    text: String,
}

/// What the backend says about a member.
#[derive(Serialize, Deserialize)]
struct Profile {
    name: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let server = server()?;
    // Handlers run on the threads of two clients. They hand what they see to this thread, which prints it.
    let (screen, lines) = mpsc::channel();
    let show_next_line = || lines.recv_timeout(PATIENCE).map(|line| println!("{line}"));

    let ann = join(&server, "ann", &screen)?;
    println!("[ann] in the room: {}", everybody(&ann));

    let bob = join(&server, "bob", &screen)?;
    println!("[bob] in the room: {}", everybody(&bob));
    show_next_line()?; // Ann sees that Bob comes.

    say(&bob, "Is there any coffee left?")?;
    show_next_line()?;
    say(&ann, "A cup. Hurry!")?;
    show_next_line()?;

    drop(bob); // It was the client's last handle.
    show_next_line()?; // Ann sees that Bob goes.
    println!("[ann] in the room: {}", everybody(&ann));
    Ok(())
}

/// The embedded server, and the backend that tells who a client is. A real one would look at a session or a token.
fn server() -> std::io::Result<TestServer> {
    TestServer::builder()
        .auth_user(|request| match request.header("authorization")? {
            "Bearer ann's token" => Some(AuthUser::new("ann").info(&Profile { name: "Ann".to_owned() })),
            "Bearer bob's token" => Some(AuthUser::new("bob").info(&Profile { name: "Bob".to_owned() })),
            _ => None,
        })
        .start()
}

/// Enters the room. The channel keeps its client alive.
fn join(server: &TestServer, user: &'static str, screen: &Sender<String>) -> Result<Channel, pusher_channels::Error> {
    let config = server
        .config()
        .auth_endpoint(server.auth_endpoint())
        .auth_header("Authorization", format!("Bearer {user}'s token"));
    let room = Pusher::new(config).connect()?.channel(ROOM)?;

    let tell = {
        let screen = screen.clone();
        // The screen is gone when the program ends.
        move |line: String| drop(screen.send(format!("[{user}] {line}")))
    };
    let came = tell.clone();
    room.on_member_added(move |change| came(format!("{} comes", name(&change.member))));
    let went = tell.clone();
    room.on_member_removed(move |change| went(format!("{} goes", name(&change.member))));
    // `{:?}` keeps what others write from controlling the terminal.
    room.bind(MESSAGE, move |event| match event.json::<Message>() {
        Ok(message) => tell(format!("{} says {:?}", event.user_id().unwrap_or("somebody"), message.text)),
        Err(error) => tell(error.to_string()),
    });

    room.subscribe().wait_subscribed(PATIENCE)?;
    Ok(room)
}

fn say(room: &Channel, text: &str) -> Result<(), pusher_channels::Error> {
    room.trigger(MESSAGE, &Message { text: text.to_owned() })
}

/// The members, by name.
fn everybody(room: &Channel) -> String {
    let mut names: Vec<_> = room.members().iter().map(name).collect();
    names.sort();
    names.join(", ")
}

fn name(member: &Member) -> String {
    member.info_as().map_or_else(|_| member.id().to_owned(), |profile: Profile| profile.name)
}
