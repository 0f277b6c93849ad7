//! The HTTP API of an application's backend: `POST /apps/{id}/events`, and
//! `POST /apps/{id}/users/{user_id}/terminate_connections`.

use std::time::{SystemTime, UNIX_EPOCH};

use md5::{Digest, Md5};
use serde::Deserialize;

use super::http1::{Head, Response, percent_decode};
use crate::testing::{
    auth::app::{App, hex, sign},
    protocol::channel_kind::{MAX_NAME, is_valid_name, user_of},
};

/// The hosted service refuses requests whose clock differs by more than this number of seconds.
const MAX_CLOCK_SKEW: u64 = 600;
/// The hosted service accepts at most 100 channels in one request.
const MAX_CHANNELS: usize = 100;
const MAX_EVENT_NAME: usize = 200;

/// The command of a backend.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Publish(Publication),
    /// Closes the connections of this user.
    Terminate(String),
}

/// An event of a publisher.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Publication {
    pub name: String,
    pub data: String,
    pub channels: Vec<String>,
    /// The socket id of the connection that does not receive the event.
    pub except: Option<String>,
}

/// Whether a path belongs to the HTTP API of any app.
pub(crate) fn is_api_path(path: &str) -> bool {
    route(path).is_some()
}

/// Checks a request and returns its command, or the response that refuses it.
pub(crate) fn command(app: &App, head: &Head, body: &[u8], now: SystemTime) -> Result<Command, Response> {
    if head.method != "POST" {
        return Err(Response::text(405, "use POST").with_header("Allow", "POST"));
    }
    let not_found = || Response::text(404, "unknown app");
    let route = route(head.path()).ok_or_else(not_found)?;
    if percent_decode(route.app_id) != app.id {
        return Err(not_found());
    }
    authenticate(app, head, body, now).map_err(|reason| Response::text(401, reason))?;
    match route.user_id {
        Some(user_id) => Ok(Command::Terminate(percent_decode(user_id))),
        None => parse(body).map(Command::Publish).map_err(|reason| Response::text(400, reason)),
    }
}

/// The parts of a path, still percent-encoded.
struct Route<'a> {
    app_id: &'a str,
    /// The user whose connections are closed. Paths for events have none.
    user_id: Option<&'a str>,
}

fn route(path: &str) -> Option<Route<'_>> {
    let (app_id, rest) = path.strip_prefix("/apps/")?.split_once('/')?;
    let user_id = match rest {
        "events" => None,
        _ => Some(rest.strip_prefix("users/")?.strip_suffix("/terminate_connections")?),
    };
    let is_segment = |part: &str| !part.is_empty() && !part.contains('/');
    (is_segment(app_id) && user_id.is_none_or(is_segment)).then_some(Route { app_id, user_id })
}

fn authenticate(app: &App, head: &Head, body: &[u8], now: SystemTime) -> Result<(), &'static str> {
    let mut query = head.query();
    query.sort();
    let parameter = |name: &str| {
        query
            .iter()
            .find(|(candidate, _)| candidate == name)
            .map(|(_, value)| value.as_str())
            .ok_or("an authentication parameter is missing")
    };
    if parameter("auth_key")? != app.key {
        return Err("unknown auth_key");
    }
    if parameter("auth_version")? != "1.0" {
        return Err("unsupported auth_version");
    }
    let timestamp: u64 = parameter("auth_timestamp")?.parse().map_err(|_| "auth_timestamp is not a number")?;
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    if now.abs_diff(timestamp) > MAX_CLOCK_SKEW {
        return Err("auth_timestamp differs by more than 600 seconds");
    }
    if parameter("body_md5")? != hex(&Md5::digest(body)) {
        return Err("body_md5 does not match the body");
    }
    let text = string_to_sign("POST", head.path(), &query);
    if parameter("auth_signature")? != sign(&app.secret, &text) {
        return Err("invalid auth_signature");
    }
    Ok(())
}

/// The text that is signed: the method, the path and the query on a line each. `query` is sorted by name.
pub(crate) fn string_to_sign(method: &str, path: &str, query: &[(String, String)]) -> String {
    let parameters: Vec<String> = query
        .iter()
        .filter(|(name, _)| name != "auth_signature")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{method}\n{path}\n{}", parameters.join("&"))
}

fn parse(body: &[u8]) -> Result<Publication, String> {
    #[derive(Deserialize)]
    struct Body {
        name: String,
        data: String,
        channel: Option<String>,
        channels: Option<Vec<String>>,
        socket_id: Option<String>,
    }
    let body: Body = serde_json::from_slice(body).map_err(|error| format!("body: {error}"))?;
    let channels = match (body.channels, body.channel) {
        (Some(channels), None) => channels,
        (None, Some(channel)) => vec![channel],
        (Some(_), Some(_)) => return Err("body: both channel and channels".into()),
        (None, None) => return Err("body: no channels".into()),
    };
    if body.name.is_empty() || body.name.chars().count() > MAX_EVENT_NAME {
        return Err("body: the name is empty or has more than 200 characters".into());
    }
    if channels.is_empty() || channels.len() > MAX_CHANNELS {
        return Err("body: there are no channels, or more than 100".into());
    }
    if let Some(name) = channels.iter().find(|name| !may_publish(name)) {
        return Err(format!("body: {name:?} is not a channel name"));
    }
    Ok(Publication { name: body.name, data: body.data, channels, except: body.socket_id })
}

/// The name of a user's channel may have any characters, because user ids may.
fn may_publish(channel: &str) -> bool {
    is_valid_name(channel) || (user_of(channel).is_some() && channel.chars().count() <= MAX_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example in Pusher's documentation of the HTTP API.
    const SECRET: &str = "7ad3773142a6692b25b8";
    const BODY: &str = r#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;

    #[test]
    fn the_documented_request_has_the_documented_signature() {
        assert_eq!(hex(&Md5::digest(BODY)), "ec365a775a4cd0599faeb73354201b6f");
        let query = [
            ("auth_key", "278d425bdf160c739803"),
            ("auth_timestamp", "1353088179"),
            ("auth_version", "1.0"),
            ("body_md5", "ec365a775a4cd0599faeb73354201b6f"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            sign(SECRET, &string_to_sign("POST", "/apps/3/events", &query)),
            "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
        );
    }

    #[test]
    fn the_documented_request_is_accepted_at_its_time() {
        let app = App { id: "3".into(), key: "278d425bdf160c739803".into(), secret: SECRET.into() };
        let head = Head {
            method: "POST".into(),
            target: "/apps/3/events?body_md5=ec365a775a4cd0599faeb73354201b6f&auth_version=1.0\
                     &auth_key=278d425bdf160c739803&auth_timestamp=1353088179&auth_signature=\
                     da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"
                .into(),
            headers: Vec::new(),
            keep_alive: true,
        };
        let at = |seconds| UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let publish = |seconds| command(&app, &head, BODY.as_bytes(), at(seconds));
        assert_eq!(
            publish(1_353_088_179 + 600).unwrap(),
            Command::Publish(Publication {
                name: "foo".into(),
                data: r#"{"some":"data"}"#.into(),
                channels: vec!["project-3".into()],
                except: None,
            })
        );
        assert_eq!(publish(1_353_088_179 + 601).unwrap_err().status, 401);
        assert_eq!(publish(1_353_088_179 - 601).unwrap_err().status, 401);
    }

    #[test]
    fn a_single_channel_and_an_excluded_connection_are_read() {
        let body = br#"{"name":"e","data":"d","channel":"a","socket_id":"1.2","info":"x"}"#;
        assert_eq!(
            parse(body).unwrap(),
            Publication { name: "e".into(), data: "d".into(), channels: vec!["a".into()], except: Some("1.2".into()) }
        );
    }

    #[test]
    fn paths_name_an_app_and_optionally_a_user() {
        for (path, expected) in [
            ("/apps/3/events", Some(("3", None))),
            ("/apps/3/users/ann/terminate_connections", Some(("3", Some("ann")))),
            ("/apps//events", None),
            ("/apps/3/users//terminate_connections", None),
            ("/apps/3/users/a/b/terminate_connections", None),
            ("/apps/3/channels", None),
            ("/app/3", None),
        ] {
            assert_eq!(route(path).map(|route| (route.app_id, route.user_id)), expected, "{path}");
        }
    }

    #[test]
    fn a_users_channel_may_be_published_to() {
        for (channel, expected) in [("#server-to-user-a b", true), ("#server-to-user-", false), ("#x", false)] {
            assert_eq!(may_publish(channel), expected, "{channel}");
        }
    }

    #[test]
    fn malformed_bodies_are_refused() {
        for body in [
            "",
            "[]",
            r#"{"name":"e","data":"d"}"#,
            r#"{"name":"e","data":{},"channel":"a"}"#,
            r#"{"name":"","data":"d","channel":"a"}"#,
            r#"{"name":"e","data":"d","channels":[]}"#,
            r#"{"name":"e","data":"d","channels":["a b"]}"#,
            r#"{"name":"e","data":"d","channel":"a","channels":["b"]}"#,
        ] {
            assert!(parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
