//! The table of options: for each its name, the values that it takes, and its setter.

use std::{fmt, time::Duration};

use serde_json::value::RawValue;

use crate::capi::{
    events::numbers,
    ffi::results::{self, Failure},
    internals,
};
use crate::{Overflow, Reconnect};

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Boolean,
}

/// The values that an option takes, as an error describes them.
#[derive(Clone, Copy)]
pub(crate) enum Takes {
    Text,
    Json,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// The name of a kind of notifications.
    Kind,
    /// A number in decimal digits, in this range.
    Integer(&'static str),
    Boolean,
}

/// The ranges of integers, as errors name them.
const PORT: Takes = Takes::Integer("from 1 to 65535");
const TIME: Takes = Takes::Integer("from 1 to 31536000000, which is a year in milliseconds");
const DELAY: Takes = Takes::Integer("from 0 to 31536000000, which is a year in milliseconds");
const PATIENCE: Takes = Takes::Integer("of milliseconds, from 0");
const MESSAGE_SIZE: Takes = Takes::Integer("from 1 to 1073741824, which is 1 GiB");
const COUNT: Takes = Takes::Integer("from 0 to 4294967295");
const SIZE: Takes = Takes::Integer("from 0");
pub(crate) const CAPACITY: Takes = Takes::Integer("from 1");
pub(crate) const OVERFLOW: Takes = Takes::OneOf(&["block", "drop_oldest", "drop_newest", "keep_latest"]);

/// A client's configuration in the making.
pub(crate) struct Draft {
    pub config: crate::Config,
    pub reconnect: Policy,
    /// Whether the client has a queue for `pusher_next`.
    pub pull: bool,
    pub manual_dispatch: bool,
}

/// The policy of reconnecting, of which each part is an option of its own.
pub(crate) struct Policy {
    reconnects: bool,
    policy: Reconnect,
}

/// Sets an option. `None` if the option does not take the value.
type Set = fn(Draft, &str) -> Option<Draft>;

/// Each value adds certificates, so this option is not in the table.
pub(crate) const CERTIFICATE: &str = "root_certificate_pem";

/// The options that say where the server is. A draft is made of these.
const ADDRESS: [&str; 4] = ["key", "cluster", "host", "url"];

/// Every other option, in the order of the header.
const TABLE: &[(&str, Takes, Set)] = &[
    ("key", Takes::Text, |draft, _| Some(draft)),
    ("cluster", Takes::Text, |draft, _| Some(draft)),
    ("host", Takes::Text, |draft, _| Some(draft)),
    ("url", Takes::Text, |draft, _| Some(draft)),
    ("cluster_domain", Takes::Text, |draft, value| draft.with(Some(value), crate::Config::cluster_domain)),
    ("port", PORT, |draft, value| draft.with(value.parse().ok(), crate::Config::port)),
    ("tls", Takes::Boolean, |draft, value| draft.with(boolean(value), crate::Config::tls)),
    ("path_prefix", Takes::Text, |draft, value| draft.with(Some(value), crate::Config::path_prefix)),
    ("origin", Takes::Text, |draft, value| draft.with(Some(value), crate::Config::origin)),
    ("metadata", Takes::Boolean, |draft, value| draft.unless(boolean(value), crate::Config::without_metadata)),
    ("proxy", Takes::Text, |draft, value| draft.with(Some(value), crate::Config::proxy)),
    ("proxy_from_env", Takes::Boolean, |draft, value| draft.when(boolean(value), crate::Config::proxy_from_env)),
    ("tls_server_name", Takes::Text, |draft, value| draft.with(Some(value), crate::Config::tls_server_name)),
    ("connect_timeout_ms", TIME, |draft, value| draft.with(time(value), crate::Config::connect_timeout)),
    ("activity_timeout_ms", TIME, |draft, value| draft.with(time(value), crate::Config::activity_timeout)),
    ("activity_timeout_override_ms", TIME, |draft, value| {
        draft.with(time(value), crate::Config::activity_timeout_override)
    }),
    ("unavailable_timeout_ms", TIME, |draft, value| draft.with(time(value), crate::Config::unavailable_timeout)),
    ("pong_timeout_ms", TIME, |draft, value| draft.with(time(value), crate::Config::pong_timeout)),
    ("subscription_timeout_ms", TIME, |draft, value| draft.with(time(value), crate::Config::subscription_timeout)),
    ("auth_timeout_ms", TIME, |draft, value| draft.with(time(value), crate::Config::auth_timeout)),
    ("reconnect", Takes::Boolean, |draft, value| draft.reconnecting(boolean(value), Policy::reconnects)),
    ("reconnect_max_attempts", COUNT, |draft, value| draft.reconnecting(value.parse().ok(), Policy::max_attempts)),
    ("reconnect_min_delay_ms", DELAY, |draft, value| draft.reconnecting(time(value), Policy::min_delay)),
    ("reconnect_max_delay_ms", DELAY, |draft, value| draft.reconnecting(time(value), Policy::max_delay)),
    ("auth_endpoint", Takes::Text, |draft, value| draft.with(Some(value), crate::Config::auth_endpoint)),
    ("user_auth_endpoint", Takes::Text, |draft, value| draft.with(Some(value), crate::Config::user_auth_endpoint)),
    ("auth_json", Takes::Boolean, |draft, value| draft.with(boolean(value), crate::Config::auth_json)),
    ("allow_insecure_auth", Takes::Boolean, |draft, value| {
        draft.when(boolean(value), crate::Config::allow_insecure_auth)
    }),
    ("secret", Takes::Text, |draft, value| draft.with(Some(value), crate::Config::secret)),
    ("user_data", Takes::Json, |draft, value| draft.with(json(value), internals::config::user_data)),
    ("encryption_master_key", Takes::Text, |draft, value| {
        draft.with(Some(value), crate::Config::encryption_master_key)
    }),
    ("queue_capacity", CAPACITY, |draft, value| draft.with(value.parse().ok(), crate::Config::queue_capacity)),
    ("overflow", OVERFLOW, |draft, value| draft.with(overflow(value), crate::Config::overflow)),
    ("max_message_size", MESSAGE_SIZE, |draft, value| draft.with(value.parse().ok(), crate::Config::max_message_size)),
    ("max_presence_members", CAPACITY, |draft, value| {
        draft.with(value.parse().ok(), crate::Config::max_presence_members)
    }),
    ("max_presence_bytes", SIZE, |draft, value| draft.with(value.parse().ok(), crate::Config::max_presence_bytes)),
    ("client_event_limit", COUNT, |draft, value| {
        draft.with(value.parse().ok().map(limit), crate::Config::client_event_limit)
    }),
    ("client_event_size", SIZE, |draft, value| {
        draft.with(value.parse().ok().map(limit), crate::Config::client_event_size)
    }),
    ("client_event_patience_ms", PATIENCE, |draft, value| {
        draft.with(time(value), crate::Config::client_event_patience)
    }),
    ("pull", Takes::Boolean, |draft, value| boolean(value).map(|pull| Draft { pull, ..draft })),
    ("manual_dispatch", Takes::Boolean, |draft, value| {
        let draft = Draft { manual_dispatch: boolean(value)?, ..draft };
        draft.when(boolean(value), crate::Config::manual_dispatch)
    }),
    ("log_events", Takes::Boolean, |draft, value| draft.with(boolean(value), crate::Config::log_events)),
];

/// The index of an option in the table.
pub(crate) fn find(option: &str) -> Option<usize> {
    TABLE.iter().position(|(name, ..)| *name == option)
}

/// The options that `pusher_config_set` takes.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, ..)| *name).chain([CERTIFICATE])
}

/// Checks a value by setting the option of a scratch draft to it.
pub(crate) fn check(index: usize, value: &str, kind: Option<Kind>) -> Result<(), Failure> {
    let (option, takes, _) = TABLE[index];
    if kind.is_some_and(|kind| kind != takes.kind()) {
        return Err(takes.other_kind(option));
    }
    let scratch = Draft::of(crate::Config::url(""));
    apply(index, scratch, value).map(drop)
}

/// Sets the option at this index of the table.
pub(crate) fn apply(index: usize, draft: Draft, value: &str) -> Result<Draft, Failure> {
    let (option, takes, set) = TABLE[index];
    // A number has only digits; Rust would take a plus sign, too.
    let value = if takes.kind() == Kind::Integer { value.strip_prefix('+').map_or(value, |_| "") } else { value };
    set(draft, value).ok_or_else(|| takes.other_value(option))
}

fn contradiction(what: &'static str) -> Failure {
    Failure::Misuse(results::PUSHER_ERR_CONFIG, what.into())
}

impl Draft {
    /// Begins with the address of the server.
    pub fn new<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Failure> {
        let key = || text("key").unwrap_or_default();
        let config = match ADDRESS.map(&text) {
            [_, Some(cluster), None, None] => crate::Config::cluster(key(), cluster),
            [_, None, Some(host), None] => crate::Config::host(key(), host),
            [None, None, None, Some(url)] => crate::Config::url(url),
            _ => return Err(contradiction("the server is named by key with cluster, key with host, or url")),
        };
        if text("proxy").is_some() && text("proxy_from_env").and_then(boolean) == Some(true) {
            return Err(contradiction("the proxy is named by proxy, or by the environment, and not by both"));
        }
        Ok(Self::of(config))
    }

    fn of(config: crate::Config) -> Self {
        let reconnect = Policy { reconnects: true, policy: Reconnect::default() };
        Self { config, reconnect, pull: true, manual_dispatch: false }
    }

    fn with<T>(self, value: Option<T>, set: impl FnOnce(crate::Config, T) -> crate::Config) -> Option<Self> {
        Some(Self { config: set(self.config, value?), ..self })
    }

    fn when(self, value: Option<bool>, set: fn(crate::Config) -> crate::Config) -> Option<Self> {
        Some(if value? { Self { config: set(self.config), ..self } } else { self })
    }

    fn unless(self, value: Option<bool>, set: fn(crate::Config) -> crate::Config) -> Option<Self> {
        self.when(value.map(|value| !value), set)
    }

    fn reconnecting<T>(self, value: Option<T>, set: fn(Policy, T) -> Policy) -> Option<Self> {
        Some(Self { reconnect: set(self.reconnect, value?), ..self })
    }
}

impl Policy {
    pub fn finish(self) -> Reconnect {
        if self.reconnects { self.policy } else { Reconnect::never() }
    }

    fn reconnects(self, reconnects: bool) -> Self {
        Self { reconnects, ..self }
    }

    fn max_attempts(self, attempts: u32) -> Self {
        let policy = if attempts == 0 { self.policy } else { self.policy.max_attempts(attempts) };
        Self { policy, ..self }
    }

    fn min_delay(self, delay: Duration) -> Self {
        Self { policy: self.policy.min_delay(delay), ..self }
    }

    fn max_delay(self, delay: Duration) -> Self {
        Self { policy: self.policy.max_delay(delay), ..self }
    }
}

fn boolean(value: &str) -> Option<bool> {
    match value {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn time(value: &str) -> Option<Duration> {
    value.parse().ok().map(Duration::from_millis)
}

/// Checks JSON, and keeps it as it was written.
fn json(value: &str) -> Option<&str> {
    serde_json::from_str::<&RawValue>(value).ok().map(RawValue::get)
}

/// 0 stands for no limit.
fn limit<T: Default + PartialEq>(limit: T) -> Option<T> {
    (limit != T::default()).then_some(limit)
}

pub(crate) fn overflow(value: &str) -> Option<Overflow> {
    match value {
        "block" => Some(Overflow::Block),
        "drop_oldest" => Some(Overflow::DropOldest),
        "drop_newest" => Some(Overflow::DropNewest),
        "keep_latest" => Some(Overflow::KeepLatest),
        _ => None,
    }
}

impl Takes {
    fn kind(self) -> Kind {
        match self {
            Self::Text | Self::Json | Self::OneOf(_) | Self::Kind => Kind::Text,
            Self::Integer(_) => Kind::Integer,
            Self::Boolean => Kind::Boolean,
        }
    }

    /// The error for a value that this option does not take. Values are not quoted, because some are secrets (X1).
    pub fn other_value(self, option: &str) -> Failure {
        Failure::value(format!("the option `{option}` takes {self}, and not this value"))
    }

    /// The error for a value of another kind.
    pub fn other_kind(self, option: &str) -> Failure {
        Failure::value(format!("the option `{option}` takes {self}"))
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("a text"),
            Self::Json => f.write_str("a text in JSON"),
            Self::OneOf(texts) => write!(f, "one of the texts {}", texts.join(", ")),
            Self::Kind => write!(f, "one of the texts {}", numbers::kind_names()),
            Self::Integer(range) => write!(f, "an integer {range}"),
            Self::Boolean => f.write_str("a boolean: true, false, 1 or 0"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use super::*;
    use crate::Error;

    /// The lowest and the highest number of a range. The highest is `None` if the range names none.
    fn bounds(range: &str) -> (u128, Option<u128>) {
        let mut words = range.split([' ', ',']);
        let mut after = |word| words.find(|other| *other == word).and_then(|_| words.next());
        let [lowest, highest] = ["from", "to"].map(|word| after(word).map(|number| number.parse().expect("a number")));
        (lowest.expect("a lowest number"), highest)
    }

    /// Whether a client accepts the number. An error of the configuration names the option.
    fn is_accepted(index: usize, number: u128) -> bool {
        let draft = Draft::of(crate::Config::host("key", "localhost"));
        let Ok(draft) = apply(index, draft, &number.to_string()) else { return false };
        match draft.config.reconnect(draft.reconnect.finish()).plan() {
            Ok(_) => true,
            Err(Error::Config { option, .. }) if TABLE[index].0.starts_with(option) => false,
            Err(other) => panic!("{}: {other:?}", TABLE[index].0),
        }
    }

    /// A setter that does not check its value fails this test, if its row names a range.
    #[test]
    fn c1_the_range_of_each_integer_is_the_one_that_errors_name() {
        for (index, (option, takes, _)) in TABLE.iter().enumerate() {
            let Takes::Integer(range) = takes else { continue };
            let (lowest, highest) = bounds(range);
            assert!(is_accepted(index, lowest), "{option}");
            assert!(lowest == 0 || !is_accepted(index, lowest - 1), "{option} takes less than {lowest}");
            assert!(highest.is_none_or(|highest| is_accepted(index, highest)), "{option}");
            let excess = highest.filter(|highest| is_accepted(index, highest + 1));
            assert_eq!(excess, None, "{option} takes more than this");
        }
    }

    /// Setters that C has in another form: closures, values of Rust types, and the opposite of `metadata`.
    const OTHER_FORMS: [&str; 5] =
        ["auth_headers_with", "auth_params_with", "http_auth", "user_http_auth", "without_metadata"];

    /// The setters of `Config` and of `Reconnect` whose head is one line. Most closures have longer heads.
    fn setters(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let of_entry = |path: PathBuf| {
            if path.is_dir() {
                return setters(&path);
            }
            let prefix = if path.ends_with("reconnect.rs") { "reconnect_" } else { "" };
            let text = fs::read_to_string(&path).expect("a source file");
            let heads = text.lines().filter(|line| line.ends_with("-> Self {"));
            let names = heads.filter_map(|line| line.strip_prefix("    pub fn ")?.split_once("(mut self"));
            names.map(|(name, _)| format!("{prefix}{name}")).collect()
        };
        entries.flat_map(of_entry).collect()
    }

    #[test]
    fn c1_every_setter_has_a_row() {
        let names: Vec<_> = names().chain(super::super::PAIRS).chain(OTHER_FORMS).collect();
        let setters = setters(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config"));
        assert!(setters.iter().any(|setter| setter == "reconnect_min_delay"), "{setters:?}");
        for setter in setters {
            let is_named = names.iter().any(|name| name.strip_suffix("_ms").unwrap_or(name) == setter);
            assert!(is_named, "{setter} has no row in the table of options");
        }
    }
}
