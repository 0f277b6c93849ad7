//! The command line.

use std::{str::FromStr, time::Duration};

use pusher_channels::Config;

/// The text that `--help` prints.
pub(crate) const USAGE: &str = "\
listen: the `tail -f` of Pusher. Prints one line per event.

The server. Without these options it is an embedded one that publishes `tick` on `demo` every half second.
  --key KEY --cluster NAME                  an app of the hosted service, for example in the cluster eu
  --key KEY --host HOST [--port N] [--no-tls]
                                            an app on a server of your own
  --url URL                                 a complete address: wss://HOST/app/KEY

The events:
  --channel NAME    a channel; may be repeated; defaults to demo
  --event NAME      only events of this name; may be repeated; defaults to all

The output and the end:
  --json            one JSON object a line: events on standard output, the state on standard error
  --count N         exit with 0 after N events
  --timeout S       after S seconds, exit with 0 if N events (without --count: one) have come, and with 1 otherwise
  --help            this text

Exit codes: 0 success, 1 refused by the server or timeout, 2 wrong option.
Environment: NO_COLOR turns colours off, COLUMNS sets the width at which lines are cut.";

/// The default channel, on which the embedded server publishes.
pub(crate) const DEMO_CHANNEL: &str = "demo";

/// The command that the options stand for.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Help,
    Listen(Options),
}

/// The server, the events, the output and the end.
#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) server: Server,
    /// At least one.
    pub(crate) channels: Vec<String>,
    /// An empty list means all events.
    pub(crate) events: Vec<String>,
    pub(crate) json: bool,
    pub(crate) count: Option<u64>,
    pub(crate) timeout: Option<Duration>,
}

/// The server to connect to.
#[derive(Debug, PartialEq)]
pub(crate) enum Server {
    Embedded,
    Cluster { key: String, cluster: String },
    Host { key: String, host: String, port: Option<u16>, tls: bool },
    Url(String),
}

impl Server {
    /// The configuration for this server; `None` for the embedded server, which must be started first.
    pub(crate) fn config(&self) -> Option<Config> {
        match self {
            Self::Embedded => None,
            Self::Cluster { key, cluster } => Some(Config::cluster(key, cluster)),
            Self::Host { key, host, port: Some(port), tls } => Some(Config::host(key, host).tls(*tls).port(*port)),
            Self::Host { key, host, port: None, tls } => Some(Config::host(key, host).tls(*tls)),
            Self::Url(url) => Some(Config::url(url)),
        }
    }
}

/// Parses the arguments, without the program's name. An error is one line that names the expected value.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut given = Given::default();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let mut option = Argument::new(&arg, &mut args);
        match option.name {
            "--key" => option.text_into(&mut given.key)?,
            "--cluster" => option.text_into(&mut given.cluster)?,
            "--host" => option.text_into(&mut given.host)?,
            "--port" => option.number_into(&mut given.port, "a number from 1 to 65535", |port| *port > 0)?,
            "--no-tls" => option.flag_into(&mut given.no_tls)?,
            "--url" => option.text_into(&mut given.url)?,
            "--channel" => given.channels.push(option.value()?),
            "--event" => given.events.push(option.value()?),
            "--json" => option.flag_into(&mut given.json)?,
            "--count" => option.number_into(&mut given.count, "a number from 1", |count| *count > 0)?,
            "--timeout" => option.number_into(&mut given.timeout, "a number of seconds above 0", is_time)?,
            "--help" | "-h" => return option.flag_into(&mut false).map(|()| Command::Help),
            _ => return Err(unknown(&arg)),
        }
    }
    given.into_options().map(Command::Listen)
}

fn unknown(arg: &str) -> String {
    format!(
        "expected one of --key, --cluster, --host, --port, --no-tls, --url, --channel, --event, --json, --count, \
         --timeout, --help, got {arg:?}"
    )
}

fn is_time(seconds: &f64) -> bool {
    *seconds > 0.0 && Duration::try_from_secs_f64(*seconds).is_ok()
}

/// One option of the command line, and the arguments after it.
struct Argument<'a, I> {
    name: &'a str,
    /// The value of `--option=value`.
    inline: Option<&'a str>,
    rest: &'a mut I,
}

impl<'a, I: Iterator<Item = String>> Argument<'a, I> {
    fn new(arg: &'a str, rest: &'a mut I) -> Self {
        let (name, inline) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (arg, None),
        };
        Self { name, inline, rest }
    }

    /// The value of `--option=value` or `--option value`. A value that begins with `--` needs the first form.
    fn value(&mut self) -> Result<String, String> {
        let name = self.name;
        match self.inline {
            Some(value) => Ok(value.to_owned()),
            None => match self.rest.next() {
                Some(next) if next.starts_with("--") => Err(format!("{name} needs a value, got the option {next:?}")),
                Some(value) => Ok(value),
                None => Err(format!("{name} needs a value")),
            },
        }
    }

    fn text_into(&mut self, slot: &mut Option<String>) -> Result<(), String> {
        let value = self.value()?;
        self.fill(slot, value)
    }

    fn number_into<T: FromStr>(
        &mut self,
        slot: &mut Option<T>,
        expected: &str,
        is_valid: impl Fn(&T) -> bool,
    ) -> Result<(), String> {
        let text = self.value()?;
        match text.parse().ok().filter(is_valid) {
            Some(number) => self.fill(slot, number),
            None => Err(format!("{} needs {expected}, got {text:?}", self.name)),
        }
    }

    fn flag_into(&mut self, flag: &mut bool) -> Result<(), String> {
        match self.inline {
            Some(value) => Err(format!("{} takes no value, got {value:?}", self.name)),
            None => {
                *flag = true;
                Ok(())
            }
        }
    }

    fn fill<T>(&self, slot: &mut Option<T>, value: T) -> Result<(), String> {
        match slot.replace(value) {
            Some(_) => Err(format!("{} is given twice", self.name)),
            None => Ok(()),
        }
    }
}

/// The options as they were given, before their combination is checked.
#[derive(Default)]
struct Given {
    key: Option<String>,
    cluster: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    no_tls: bool,
    url: Option<String>,
    channels: Vec<String>,
    events: Vec<String>,
    json: bool,
    count: Option<u64>,
    timeout: Option<f64>,
}

impl Given {
    fn into_options(mut self) -> Result<Options, String> {
        let mut channels = std::mem::take(&mut self.channels);
        if channels.is_empty() {
            channels.push(DEMO_CHANNEL.to_owned());
        }
        Ok(Options {
            channels,
            events: std::mem::take(&mut self.events),
            json: self.json,
            count: self.count,
            timeout: self.timeout.map(Duration::from_secs_f64),
            server: self.into_server()?,
        })
    }

    fn into_server(self) -> Result<Server, String> {
        let Self { key, cluster, host, port, no_tls, url, .. } = self;
        let of_host = port.is_some() || no_tls;
        match (url, cluster, host) {
            (Some(url), None, None) if key.is_none() && !of_host => Ok(Server::Url(url)),
            (Some(_), ..) => Err(URL_ALONE.to_owned()),
            (None, Some(_), Some(_)) => Err("expected either --cluster or --host, got both".to_owned()),
            (None, _, None) if of_host => Err("--port and --no-tls need --host".to_owned()),
            (None, Some(cluster), None) => Ok(Server::Cluster { key: with_key("--cluster", key)?, cluster }),
            (None, None, Some(host)) => Ok(Server::Host { key: with_key("--host", key)?, host, port, tls: !no_tls }),
            (None, None, None) if key.is_some() => Err("--key needs --cluster or --host".to_owned()),
            (None, None, None) => Ok(Server::Embedded),
        }
    }
}

const URL_ALONE: &str = "--url is a complete address, and excludes --key, --cluster, --host, --port and --no-tls";

fn with_key(option: &str, key: Option<String>) -> Result<String, String> {
    key.ok_or_else(|| format!("{option} needs --key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn options(line: &str) -> Options {
        match command(line) {
            Ok(Command::Listen(options)) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn error(line: &str) -> String {
        command(line).expect_err(line)
    }

    #[test]
    fn without_arguments_the_server_is_embedded() {
        let expected = Options {
            server: Server::Embedded,
            channels: vec!["demo".to_owned()],
            events: Vec::new(),
            json: false,
            count: None,
            timeout: None,
        };
        assert_eq!(options(""), expected);
        assert!(expected.server.config().is_none());
    }

    #[test]
    fn a_value_follows_an_equals_sign_or_is_the_next_argument() {
        let expected = options("--channel a --channel b --event x --event y --json --count 3 --timeout 0.5");
        assert_eq!(expected.channels, ["a", "b"]);
        assert_eq!(expected.events, ["x", "y"]);
        assert_eq!((expected.json, expected.count), (true, Some(3)));
        assert_eq!(expected.timeout, Some(Duration::from_millis(500)));
        assert_eq!(options("--channel=a --channel=b --event=x --event y --count=3 --timeout=.5 --json"), expected);
        assert_eq!(options("--event=--a=b").events, ["--a=b"]);
    }

    #[test]
    fn a_server_is_a_cluster_a_host_or_a_url() {
        let (key, host) = (String::from("k"), String::from("h"));
        let cluster = Server::Cluster { key: key.clone(), cluster: "eu".to_owned() };
        assert_eq!(options("--key k --cluster eu").server, cluster);
        let plain = Server::Host { key: key.clone(), host: host.clone(), port: Some(6001), tls: false };
        assert_eq!(options("--no-tls --port 6001 --host h --key k").server, plain);
        assert_eq!(options("--key k --host h").server, Server::Host { key, host, port: None, tls: true });
        let url = Server::Url("ws://h/app/k?a=b".to_owned());
        assert_eq!(options("--url=ws://h/app/k?a=b").server, url);
        for server in [cluster, plain, url] {
            assert!(server.config().is_some());
        }
    }

    #[test]
    fn help_needs_nothing_else() {
        assert_eq!(command("--help"), Ok(Command::Help));
        assert_eq!(command("--json -h"), Ok(Command::Help));
        assert_eq!(error("--help=me"), r#"--help takes no value, got "me""#);
        assert!(USAGE.lines().all(|line| line.len() <= 120));
    }

    #[test]
    fn the_error_for_a_wrong_value_names_the_expected_one() {
        for port in ["x", "0", "65536", "-1", ""] {
            assert_eq!(
                error(&format!("--port={port}")),
                format!("--port needs a number from 1 to 65535, got {port:?}")
            );
        }
        for count in ["x", "0", "1.5", "-1"] {
            assert_eq!(error(&format!("--count {count}")), format!("--count needs a number from 1, got {count:?}"));
        }
        for time in ["x", "0", "-1", "inf", "NaN", "1e300"] {
            let expected = format!("--timeout needs a number of seconds above 0, got {time:?}");
            assert_eq!(error(&format!("--timeout {time}")), expected);
        }
        assert_eq!(error("--json=yes"), r#"--json takes no value, got "yes""#);
    }

    #[test]
    fn a_missing_value_is_an_error() {
        assert_eq!(error("--channel"), "--channel needs a value");
        assert_eq!(error("--key --json"), r#"--key needs a value, got the option "--json""#);
    }

    #[test]
    fn the_error_for_an_unknown_argument_is_one_line() {
        for wrong in ["--colour", "demo", "-x", "--jsonx", "="] {
            let error = error(wrong);
            assert!(
                error.starts_with("expected one of --key, ") && error.ends_with(&format!("got {wrong:?}")),
                "{error}"
            );
        }
        assert!(!parse(["a\nb\u{1b}".to_owned()]).expect_err("unknown").contains(char::is_control));
    }

    #[test]
    fn options_that_exclude_each_other_are_an_error() {
        for beside in ["--host h", "--key k", "--cluster eu", "--port 1", "--no-tls", "--key k --host h"] {
            assert_eq!(error(&format!("--url ws://h/app/k {beside}")), URL_ALONE);
        }
        assert_eq!(error("--key k --cluster eu --host h"), "expected either --cluster or --host, got both");
        assert_eq!(error("--cluster eu"), "--cluster needs --key");
        assert_eq!(error("--host h --port 1"), "--host needs --key");
        assert_eq!(error("--key k"), "--key needs --cluster or --host");
        for line in ["--port 1", "--no-tls", "--key k --cluster eu --port 1"] {
            assert_eq!(error(line), "--port and --no-tls need --host");
        }
        assert_eq!(error("--count 1 --count 2"), "--count is given twice");
    }
}
