//! The command line.

use std::str::FromStr;

use pusher_channels::Config;

use crate::game::profile::Profile;

/// The text that `--help` prints.
pub(crate) const USAGE: &str = "\
cursors: everybody's cursor on one field, in the terminal.

The server to play on. Without these options it is an embedded server with computer players.
  --key KEY --cluster NAME        an app of the hosted service, for example in the cluster eu
  --key KEY --host HOST [--port N] [--no-tls]
                                  an app on a server of your own
  The permission for the presence channel:
  --auth-endpoint URL             your backend, which gets user_id and name, and returns a user_info like
                                  {\"name\": \"Ann\", \"colour\": [255, 107, 107]}
  --secret SECRET                 the app's secret; only on a machine that nobody else can access
  --name NAME                     your name; defaults to \"you\"

On the embedded server:
  --players N                     the number of computer players, 1 to 50; defaults to 3
  --headless                      without a terminal: computer players only, whose connections are cut half-way. Checks that
                                  only announced positions are lost, and measures
  --frames N                      the number of frames, 60 a second; defaults to 600. Frames before all players have joined and
                                  after the last position, until all have seen it, are not counted
  --help                          this text

Keys: arrows, WASD, hjkl or the mouse move, q quits. On the embedded server, + adds a computer player, - removes one,
and c cuts all connections.
Exit codes: 0 success, 1 failure or a lost position, 2 wrong option.";

/// The command that the options stand for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Play(Invitation),
    Headless { players: usize, frames: u32 },
}

/// The player's name and server.
#[derive(Debug, PartialEq)]
pub(crate) struct Invitation {
    pub(crate) name: String,
    pub(crate) server: Server,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Server {
    Embedded { players: usize },
    Remote(Remote),
}

/// A server elsewhere.
#[derive(Debug, PartialEq)]
pub(crate) struct Remote {
    key: String,
    place: Place,
    permission: Permission,
}

#[derive(Debug, PartialEq)]
enum Place {
    Cluster(String),
    Host { host: String, port: Option<u16>, tls: bool },
}

/// The source of the permission to join the presence channel.
#[derive(Debug, PartialEq)]
enum Permission {
    Endpoint(String),
    Secret(String),
}

impl Remote {
    /// The configuration of a client of this server, with this id and profile.
    pub(crate) fn config(&self, id: &str, me: &Profile) -> Config {
        let config = match &self.place {
            Place::Cluster(cluster) => Config::cluster(&self.key, cluster),
            Place::Host { host, port: Some(port), tls } => Config::host(&self.key, host).tls(*tls).port(*port),
            Place::Host { host, port: None, tls } => Config::host(&self.key, host).tls(*tls),
        };
        match &self.permission {
            Permission::Endpoint(url) => {
                config.auth_endpoint(url).auth_param("user_id", id).auth_param("name", &me.name)
            }
            Permission::Secret(secret) => config.secret(secret).user_data(me.user_data(id)),
        }
    }
}

/// Parses the arguments, without the program's name. An error is one line that names the expected value.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut given = Given::default();
    let mut args = args.into_iter();
    while let Some(option) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{option} needs a value"));
        match &*option {
            "--key" => fill(&mut given.key, &option, value()?)?,
            "--cluster" => fill(&mut given.cluster, &option, value()?)?,
            "--host" => fill(&mut given.host, &option, value()?)?,
            "--port" => fill(&mut given.port, &option, number(&option, &value()?, 1, u16::MAX)?)?,
            "--no-tls" => fill(&mut given.no_tls, &option, ())?,
            "--auth-endpoint" => fill(&mut given.endpoint, &option, value()?)?,
            "--secret" => fill(&mut given.secret, &option, value()?)?,
            "--name" => fill(&mut given.name, &option, value()?)?,
            "--headless" => fill(&mut given.headless, &option, ())?,
            "--players" => fill(&mut given.players, &option, number(&option, &value()?, 1, 50)?)?,
            "--frames" => fill(&mut given.frames, &option, number(&option, &value()?, 1, 1_000_000)?)?,
            "--help" | "-h" => return Ok(Command::Help),
            _ => return Err(format!("there is no option {option:?}")),
        }
    }
    given.into_command()
}

fn fill<T>(slot: &mut Option<T>, option: &str, value: T) -> Result<(), String> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{option} is given twice")),
    }
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(option: &str, text: &str, min: T, max: T) -> Result<T, String> {
    let expected = format!("{option} needs a number from {min} to {max}, got {text:?}");
    text.parse().ok().filter(|number| (min..=max).contains(number)).ok_or(expected)
}

/// The options as they were given.
#[derive(Default)]
struct Given {
    key: Option<String>,
    cluster: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    no_tls: Option<()>,
    endpoint: Option<String>,
    secret: Option<String>,
    name: Option<String>,
    headless: Option<()>,
    players: Option<usize>,
    frames: Option<u32>,
}

impl Given {
    fn into_command(mut self) -> Result<Command, String> {
        let is_remote = self.names_a_server();
        match self.headless {
            Some(()) if is_remote || self.name.is_some() => {
                Err("--headless has only computer players on the embedded server; it takes no server and no name"
                    .to_owned())
            }
            Some(()) => {
                Ok(Command::Headless { players: self.players.unwrap_or(4), frames: self.frames.unwrap_or(600) })
            }
            None if self.frames.is_some() => Err("--frames needs --headless".to_owned()),
            None => {
                let name = self.name.take().unwrap_or_else(|| "you".to_owned());
                let server = if is_remote {
                    self.into_remote()?
                } else {
                    Server::Embedded { players: self.players.unwrap_or(3) }
                };
                Ok(Command::Play(Invitation { name, server }))
            }
        }
    }

    fn names_a_server(&self) -> bool {
        let texts = [&self.key, &self.cluster, &self.host, &self.endpoint, &self.secret];
        texts.iter().any(|text| text.is_some()) || self.port.is_some() || self.no_tls.is_some()
    }

    fn into_remote(self) -> Result<Server, String> {
        if self.players.is_some() {
            return Err("--players is for the embedded server".to_owned());
        }
        let key = self.key.ok_or("--key is missing")?;
        let place = match (self.cluster, self.host) {
            (Some(_), None) if self.port.is_some() || self.no_tls.is_some() => {
                return Err("--port and --no-tls are for --host".to_owned());
            }
            (Some(cluster), None) => Place::Cluster(cluster),
            (None, Some(host)) => Place::Host { host, port: self.port, tls: self.no_tls.is_none() },
            _ => return Err("expected either --cluster or --host".to_owned()),
        };
        let permission = match (self.endpoint, self.secret) {
            (Some(url), None) => Permission::Endpoint(url),
            (None, Some(secret)) => Permission::Secret(secret),
            _ => return Err("expected either --auth-endpoint or --secret".to_owned()),
        };
        Ok(Server::Remote(Remote { key, place, permission }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &str) -> Result<Command, String> {
        parse(args.split_whitespace().map(str::to_owned))
    }

    fn remote(place: Place, permission: Permission) -> Result<Command, String> {
        let server = Server::Remote(Remote { key: "k".to_owned(), place, permission });
        Ok(Command::Play(Invitation { name: "Ann".to_owned(), server }))
    }

    #[test]
    fn without_arguments_there_is_an_embedded_server() {
        let invitation = Invitation { name: "you".to_owned(), server: Server::Embedded { players: 3 } };
        assert_eq!(parsed(""), Ok(Command::Play(invitation)));
        let invitation = Invitation { name: "Ann".to_owned(), server: Server::Embedded { players: 7 } };
        assert_eq!(parsed("--players 7 --name Ann"), Ok(Command::Play(invitation)));
    }

    #[test]
    fn a_server_is_a_cluster_or_a_host() {
        let secret = || Permission::Secret("s".to_owned());
        assert_eq!(
            parsed("--key k --cluster eu --secret s --name Ann"),
            remote(Place::Cluster("eu".to_owned()), secret())
        );
        let host = |port, tls| Place::Host { host: "h".to_owned(), port, tls };
        assert_eq!(parsed("--key k --host h --secret s --name Ann"), remote(host(None, true), secret()));
        let endpoint = Permission::Endpoint("http://localhost/".to_owned());
        assert_eq!(
            parsed("--no-tls --port 6001 --host h --key k --auth-endpoint http://localhost/ --name Ann"),
            remote(host(Some(6001), false), endpoint)
        );
    }

    #[test]
    fn headless_has_players_and_frames() {
        assert_eq!(parsed("--headless"), Ok(Command::Headless { players: 4, frames: 600 }));
        assert_eq!(parsed("--headless --players 2 --frames 9"), Ok(Command::Headless { players: 2, frames: 9 }));
    }

    #[test]
    fn help_needs_nothing_else() {
        assert_eq!(parsed("--key k --help"), Ok(Command::Help));
    }

    #[test]
    fn an_error_is_one_line() {
        let wrong = [
            ("--colour", "there is no option \"--colour\""),
            ("--name", "--name needs a value"),
            ("--name a --name b", "--name is given twice"),
            ("--players 0", "--players needs a number from 1 to 50, got \"0\""),
            ("--port 65536", "--port needs a number from 1 to 65535, got \"65536\""),
            ("--frames 9", "--frames needs --headless"),
            ("--cluster eu --secret s", "--key is missing"),
            ("--key k --secret s", "expected either --cluster or --host"),
            ("--key k --cluster eu --host h", "expected either --cluster or --host"),
            ("--key k --cluster eu --no-tls", "--port and --no-tls are for --host"),
            ("--key k --host h", "expected either --auth-endpoint or --secret"),
            ("--key k --host h --secret s --players 2", "--players is for the embedded server"),
        ];
        for (args, expected) in wrong {
            assert_eq!(parsed(args), Err(expected.to_owned()), "{args}");
        }
        assert!(parsed("--headless --key k").is_err_and(|error| error.starts_with("--headless has only")));
    }

    #[test]
    fn the_usage_has_every_option() {
        let source = include_str!("arguments.rs");
        let options = source.lines().filter_map(|line| line.trim().strip_prefix("\"--"));
        let names: Vec<_> =
            options.filter(|line| line.contains("=>")).filter_map(|line| line.split('"').next()).collect();
        assert_eq!(names.len(), 12);
        for name in names {
            assert!(USAGE.contains(&format!("--{name}")), "{name}");
        }
    }
}
