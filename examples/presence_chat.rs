//! Two members of a presence channel exchange client events. Each has a client of its own in this process.
//!
//! Each line is something that one of them sees: a member joins or leaves, or a message arrives.

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

/// Longer than any step takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The data of a message. The sender is not a part of it, because a client could invent one: the server names the
/// sender.
#[derive(Serialize, Deserialize)]
struct Message {
    text: String,
}

/// The data that the backend signs for a member.
#[derive(Serialize, Deserialize)]
struct Profile {
    name: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let server = server()?;
    // Handlers run on the threads of two clients. They send their lines to this thread, which prints them.
    let (screen, lines) = mpsc::channel();
    let show_next_line = || lines.recv_timeout(PATIENCE).map(|line| println!("{line}"));

    let ann = join(&server, "ann", &screen)?;
    println!("[ann] in the room: {}", everybody(&ann));

    let bob = join(&server, "bob", &screen)?;
    println!("[bob] in the room: {}", everybody(&bob));
    show_next_line()?; // Ann sees that Bob joins.

    say(&bob, "Is there any coffee left?")?;
    show_next_line()?;
    say(&ann, "A cup. Hurry!")?;
    show_next_line()?;

    drop(bob); // Dropping the last handle ends the client.
    show_next_line()?; // Ann sees that Bob leaves.
    println!("[ann] in the room: {}", everybody(&ann));
    Ok(())
}

/// The embedded server and its backend. A real backend would check a session or another token.
fn server() -> std::io::Result<TestServer> {
    TestServer::builder()
        .auth_user(|request| match request.header("authorization")? {
            "Bearer ann's token" => Some(AuthUser::new("ann").info(&Profile { name: "Ann".to_owned() })),
            "Bearer bob's token" => Some(AuthUser::new("bob").info(&Profile { name: "Bob".to_owned() })),
            _ => None,
        })
        .start()
}

/// Joins the room. The channel keeps its client alive.
fn join(server: &TestServer, user: &'static str, screen: &Sender<String>) -> Result<Channel, pusher_channels::Error> {
    let config = server
        .config()
        .auth_endpoint(server.auth_endpoint())
        .auth_header("Authorization", format!("Bearer {user}'s token"));
    let room = Pusher::new(config).connect()?.channel(ROOM)?;

    let tell = {
        let screen = screen.clone();
        // Sending fails when the program ends.
        move |line: String| drop(screen.send(format!("[{user}] {line}")))
    };
    let joined = tell.clone();
    room.on_member_added(move |change| joined(format!("{} joins", name(&change.member))));
    let left = tell.clone();
    room.on_member_removed(move |change| left(format!("{} leaves", name(&change.member))));
    // `{:?}` keeps texts of other members from controlling the terminal.
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

/// The names of the members.
fn everybody(room: &Channel) -> String {
    let mut names: Vec<_> = room.members().iter().map(name).collect();
    names.sort();
    names.join(", ")
}

fn name(member: &Member) -> String {
    member.info_as().map_or_else(|_| member.id().to_owned(), |profile: Profile| profile.name)
}
