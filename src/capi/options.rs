//! The table of options: what each is called, what it takes, and what it does.

use std::{fmt, time::Duration};

use serde_json::value::RawValue;

use super::{boundary::Failure, results};
use crate::{Overflow, Reconnect, auth::Secret};

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Boolean,
}

/// A client's configuration in the making.
pub(super) struct Draft {
    pub(super) config: crate::Config,
    pub(super) reconnect: Policy,
    /// Whether the client has a queue for `pusher_next`.
    pub(super) pull: bool,
}

/// The policy of reconnecting, of which each part is an option of its own.
pub(super) struct Policy {
    reconnects: bool,
    policy: Reconnect,
}

/// Sets an option, `None` where the value is none that it takes.
type Set = fn(Draft, &str) -> Option<Draft>;

/// Trusted certificates add up, so that this option is not in the table.
pub(super) const CERTIFICATE: &str = "root_certificate_pem";

/// Where the server is. The draft is made of these.
const ADDRESS: [&str; 4] = ["key", "cluster", "host", "url"];

/// Names are shorter, and so are most mistyped ones.
const LONGEST_NAME: usize = 40;

/// Every other option, in the order of the header.
const TABLE: [(&str, Kind, Set); 38] = [
    ("key", Kind::Text, |draft, _| Some(draft)),
    ("cluster", Kind::Text, |draft, _| Some(draft)),
    ("host", Kind::Text, |draft, _| Some(draft)),
    ("url", Kind::Text, |draft, _| Some(draft)),
    ("port", Kind::Integer, |draft, value| draft.with(value.parse().ok(), crate::Config::port)),
    ("tls", Kind::Boolean, |draft, value| draft.with(boolean(value), crate::Config::tls)),
    ("path_prefix", Kind::Text, |draft, value| draft.with(Some(value), crate::Config::path_prefix)),
    ("origin", Kind::Text, |draft, value| draft.with(Some(value), crate::Config::origin)),
    ("metadata", Kind::Boolean, |draft, value| draft.unless(boolean(value), crate::Config::without_metadata)),
    ("proxy", Kind::Text, |draft, value| draft.with(Some(value), crate::Config::proxy)),
    ("proxy_from_env", Kind::Boolean, |draft, value| draft.when(boolean(value), crate::Config::proxy_from_env)),
    ("tls_server_name", Kind::Text, |draft, value| draft.with(Some(value), crate::Config::tls_server_name)),
    ("connect_timeout_ms", Kind::Integer, |draft, value| draft.with(time(value), crate::Config::connect_timeout)),
    ("activity_timeout_ms", Kind::Integer, |draft, value| draft.with(time(value), crate::Config::activity_timeout)),
    ("pong_timeout_ms", Kind::Integer, |draft, value| draft.with(time(value), crate::Config::pong_timeout)),
    ("subscription_timeout_ms", Kind::Integer, |draft, value| {
        draft.with(time(value), crate::Config::subscription_timeout)
    }),
    ("auth_timeout_ms", Kind::Integer, |draft, value| draft.with(time(value), crate::Config::auth_timeout)),
    ("reconnect", Kind::Boolean, |draft, value| draft.reconnecting(boolean(value), Policy::reconnects)),
    ("reconnect_max_attempts", Kind::Integer, |draft, value| {
        draft.reconnecting(value.parse().ok(), Policy::max_attempts)
    }),
    ("reconnect_min_delay_ms", Kind::Integer, |draft, value| draft.reconnecting(time(value), Policy::min_delay)),
    ("reconnect_max_delay_ms", Kind::Integer, |draft, value| draft.reconnecting(time(value), Policy::max_delay)),
    ("auth_endpoint", Kind::Text, |draft, value| draft.with(Some(value), crate::Config::auth_endpoint)),
    ("user_auth_endpoint", Kind::Text, |draft, value| draft.with(Some(value), crate::Config::user_auth_endpoint)),
    ("auth_json", Kind::Boolean, |draft, value| draft.with(boolean(value), crate::Config::auth_json)),
    ("allow_insecure_auth", Kind::Boolean, |draft, value| {
        draft.when(boolean(value), crate::Config::allow_insecure_auth)
    }),
    ("secret", Kind::Text, |draft, value| draft.with(Some(value), crate::Config::secret)),
    ("user_data", Kind::Text, |draft, value| draft.with(json(value), crate::Config::user_data_text)),
    ("encryption_master_key", Kind::Text, |draft, value| draft.with(Some(value), crate::Config::encryption_master_key)),
    ("queue_capacity", Kind::Integer, |draft, value| draft.with(value.parse().ok(), crate::Config::queue_capacity)),
    ("overflow", Kind::Text, |draft, value| draft.with(overflow(value), crate::Config::overflow)),
    ("max_message_size", Kind::Integer, |draft, value| draft.with(value.parse().ok(), crate::Config::max_message_size)),
    ("max_presence_members", Kind::Integer, |draft, value| {
        draft.with(value.parse().ok(), crate::Config::max_presence_members)
    }),
    ("max_presence_bytes", Kind::Integer, |draft, value| {
        draft.with(value.parse().ok(), crate::Config::max_presence_bytes)
    }),
    ("client_event_limit", Kind::Integer, |draft, value| {
        draft.with(value.parse().ok().map(limit), crate::Config::client_event_limit)
    }),
    ("client_event_size", Kind::Integer, |draft, value| {
        draft.with(value.parse().ok().map(limit), crate::Config::client_event_size)
    }),
    ("client_event_patience_ms", Kind::Integer, |draft, value| {
        draft.with(time(value), crate::Config::client_event_patience)
    }),
    ("pull", Kind::Boolean, |draft, value| boolean(value).map(|pull| Draft { pull, ..draft })),
    ("manual_dispatch", Kind::Boolean, |draft, value| draft.when(boolean(value), crate::Config::manual_dispatch)),
];

/// The place of an option in the table.
pub(super) fn find(option: &str) -> Result<usize, Failure> {
    TABLE.iter().position(|(name, ..)| *name == option).ok_or_else(|| unknown(option))
}

/// Quotes only what looks like the name of an option: anything else may be a value, in the wrong place (X1).
pub(super) fn unknown(option: &str) -> Failure {
    let is_name = option.len() <= LONGEST_NAME && option.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let what =
        if is_name { format!("there is no option {option:?} here") } else { "there is no such option".to_owned() };
    Failure::Misuse(results::PUSHER_ERR_OPTION, what.into())
}

/// Whether a value is one that the option takes, by trying. Values are not quoted, because some are secrets.
pub(super) fn check(index: usize, value: &str, kind: Option<Kind>) -> Result<(), Failure> {
    let (option, takes, _) = TABLE[index];
    if kind.is_some_and(|kind| kind != takes) {
        return Err(Failure::value(format!("the option {option} takes {takes}")));
    }
    let scratch = Draft::of(crate::Config::url(""));
    apply(index, scratch, value).map(drop)
}

/// Sets the option at this place of the table.
pub(super) fn apply(index: usize, draft: Draft, value: &str) -> Result<Draft, Failure> {
    let (option, takes, set) = TABLE[index];
    // A number is decimal digits, where Rust would take a plus sign, too.
    let value = if takes == Kind::Integer { value.strip_prefix('+').map_or(value, |_| "") } else { value };
    set(draft, value).ok_or_else(|| Failure::value(format!("the option {option} takes {takes}, and not this one")))
}

fn contradiction(what: &'static str) -> Failure {
    Failure::Misuse(results::PUSHER_ERR_CONFIG, what.into())
}

impl Draft {
    /// Begins with where the server is.
    pub(super) fn new<'a>(text: impl Fn(&str) -> Option<&'a str>) -> Result<Self, Failure> {
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
        Self { config, reconnect, pull: true }
    }

    fn with<T>(self, value: Option<T>, set: fn(crate::Config, T) -> crate::Config) -> Option<Self> {
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
    pub(super) fn finish(self) -> Reconnect {
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

/// JSON as it was written: a tree of it would be copies that nobody wipes (X1).
fn json(value: &str) -> Option<Secret> {
    serde_json::from_str::<&RawValue>(value).ok().map(|json| Secret::new(json.get()))
}

/// 0 is none.
fn limit<T: Default + PartialEq>(limit: T) -> Option<T> {
    (limit != T::default()).then_some(limit)
}

pub(super) fn overflow(value: &str) -> Option<Overflow> {
    match value {
        "block" => Some(Overflow::Block),
        "drop_oldest" => Some(Overflow::DropOldest),
        "drop_newest" => Some(Overflow::DropNewest),
        "keep_latest" => Some(Overflow::KeepLatest),
        _ => None,
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a text",
            Self::Integer => "an integer",
            Self::Boolean => "a boolean",
        })
    }
}
