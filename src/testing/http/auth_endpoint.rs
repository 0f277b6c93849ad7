//! The auth endpoint, which an application's backend provides for clients that subscribe or sign in.

use std::{
    borrow::Cow,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::http1::{Head, Response, parse_form};
use crate::testing::{
    auth::{
        app::{App, channel_text, user_text},
        encryption::Encryption,
    },
    protocol::channel_kind::{Access, ChannelKind, is_valid_name},
};

/// The path at which channels are authorised.
pub(crate) const CHANNEL_PATH: &str = "/pusher/auth";
/// The path at which users are authenticated.
pub(crate) const USER_PATH: &str = "/pusher/user-auth";
/// Limit for a request body. Bodies have a few parameters, and the journal keeps them for the assertions of tests.
const MAX_BODY: usize = 16 * 1024;

/// A request to the auth endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointRequest {
    /// Path and query as they were sent: `/pusher/auth` or `/pusher/user-auth`.
    pub target: String,
    /// Names and values of the headers in their order. Names keep their case.
    pub headers: Vec<(String, String)>,
    /// Names and values of the body's parameters. Those of a form keep their order, those of a JSON object are sorted
    /// by name. Values other than strings are JSON text. Empty if the body could not be parsed.
    pub parameters: Vec<(String, String)>,
    /// The body. Invalid UTF-8 is replaced.
    pub body: String,
}

impl EndpointRequest {
    pub(crate) fn new(head: &Head, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(body).into_owned();
        let is_json = head.header("content-type").is_some_and(is_json);
        let parameters = if is_json { parse_json(&body) } else { parse_form(&body) };
        Self { target: head.target.clone(), headers: head.headers.clone(), parameters, body }
    }

    /// The value of the first header with this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(candidate, _)| candidate.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The value of the first parameter with this name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }

    /// The parameter `socket_id`; empty if there is none.
    pub fn socket_id(&self) -> &str {
        self.parameter("socket_id").unwrap_or_default()
    }

    /// The parameter `channel_name`; `None` when a user signs in.
    pub fn channel_name(&self) -> Option<&str> {
        self.parameter("channel_name")
    }
}

fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn parse_json(body: &str) -> Vec<(String, String)> {
    let Ok(Value::Object(fields)) = serde_json::from_str(body) else {
        return Vec::new();
    };
    let text = |value| if let Value::String(text) = value { text } else { value.to_string() };
    fields.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// The user of a client, as the auth endpoint identifies it.
///
/// ```
/// use pusher_channels::testing::AuthUser;
///
/// let ann = AuthUser::new("ann").info(&("Ann", 42)).watchlist(["bob"]);
/// # let _ = ann;
/// ```
#[derive(Clone, Debug)]
pub struct AuthUser {
    id: Value,
    info: Option<Box<RawValue>>,
    watchlist: Vec<String>,
}

impl AuthUser {
    /// A user with this id, without information and without a watchlist.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: Value::String(id.into()), info: None, watchlist: Vec::new() }
    }

    /// A user whose id is a JSON number on presence channels, as some backends send it. At a sign-in it is a string.
    pub fn with_number(id: u64) -> Self {
        Self { id: id.into(), info: None, watchlist: Vec::new() }
    }

    /// The `user_info` that other members see.
    ///
    /// # Panics
    ///
    /// When it has no JSON text, for example a map whose keys are not strings.
    pub fn info(mut self, info: &(impl Serialize + ?Sized)) -> Self {
        self.info = Some(serde_json::value::to_raw_value(info).expect("user info must have a JSON text"));
        self
    }

    /// The ids of the users on the watchlist. Only a sign-in uses them.
    pub fn watchlist<I: Into<String>>(mut self, user_ids: impl IntoIterator<Item = I>) -> Self {
        self.watchlist = user_ids.into_iter().map(Into::into).collect();
        self
    }

    fn channel_data(&self) -> String {
        #[derive(Serialize)]
        struct ChannelData<'a> {
            user_id: &'a Value,
            #[serde(skip_serializing_if = "Option::is_none")]
            user_info: Option<&'a RawValue>,
        }
        json(&ChannelData { user_id: &self.id, user_info: self.info.as_deref() })
    }

    fn user_data(&self) -> String {
        #[derive(Serialize)]
        struct SignInData<'a> {
            id: Cow<'a, str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            user_info: Option<&'a RawValue>,
            #[serde(skip_serializing_if = "<[String]>::is_empty")]
            watchlist: &'a [String],
        }
        let id = self.id.as_str().map_or_else(|| self.id.to_string().into(), Cow::Borrowed);
        json(&SignInData { id, user_info: self.info.as_deref(), watchlist: &self.watchlist })
    }
}

type Decide = dyn Fn(&EndpointRequest) -> Option<AuthUser> + Send + Sync;

/// The test's closure that identifies the user of a client. `None` refuses the client.
#[derive(Clone)]
pub(crate) struct UserSource(Arc<Decide>);

impl UserSource {
    pub fn new(decide: impl Fn(&EndpointRequest) -> Option<AuthUser> + Send + Sync + 'static) -> Self {
        Self(Arc::new(decide))
    }

    /// Calls the closure. If it panics, the client still gets an answer.
    fn user(&self, request: &EndpointRequest) -> Result<AuthUser, Response> {
        match catch_unwind(AssertUnwindSafe(|| (self.0)(request))) {
            Ok(Some(user)) => Ok(user),
            Ok(None) => Err(Response::text(403, "Forbidden")),
            Err(_) => Err(Response::text(500, "the closure of the test has panicked")),
        }
    }
}

impl Default for UserSource {
    fn default() -> Self {
        Self::new(|request| {
            let id = request.parameter("user_id").filter(|id| !id.is_empty());
            Some(AuthUser::new(id.map_or_else(|| format!("user-{}", request.socket_id()), str::to_owned)))
        })
    }
}

impl fmt::Debug for UserSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserSource(..)")
    }
}

/// Whether a path belongs to the auth endpoint.
pub(crate) fn is_auth_path(path: &str) -> bool {
    path == CHANNEL_PATH || path == USER_PATH
}

/// Checks the method and the size of a request.
pub(crate) fn check(head: &Head, body: &[u8]) -> Result<(), Response> {
    if head.method != "POST" {
        return Err(Response::text(405, "use POST").with_header("Allow", "POST"));
    }
    if body.len() > MAX_BODY {
        return Err(Response::text(413, "the body is larger than 16 KiB"));
    }
    Ok(())
}

#[derive(Default, Serialize)]
struct AuthResponse {
    auth: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Option<String>,
}

/// Answers a request. The caller must not hold a lock, because this calls the closure of the test.
pub(crate) fn answer(app: &App, encryption: &Encryption, users: &UserSource, request: &EndpointRequest) -> Response {
    if !is_socket_id(request.socket_id()) {
        return Response::text(400, "socket_id is missing or malformed");
    }
    let is_sign_in = request.target.split('?').next() == Some(USER_PATH);
    let answer = match (is_sign_in, request.channel_name()) {
        (true, _) => user_answer(app, users, request),
        (false, Some(channel)) if is_valid_name(channel) => channel_answer(app, encryption, users, request, channel),
        (false, _) => Err(Response::text(400, "channel_name is missing or malformed")),
    };
    answer.map_or_else(|refusal| refusal, |answer| Response::json(json(&answer)))
}

fn user_answer(app: &App, users: &UserSource, request: &EndpointRequest) -> Result<AuthResponse, Response> {
    let user_data = users.user(request)?.user_data();
    let auth = app.authorize(&user_text(request.socket_id(), &user_data));
    Ok(AuthResponse { auth, user_data: Some(user_data), ..AuthResponse::default() })
}

fn channel_answer(
    app: &App,
    encryption: &Encryption,
    users: &UserSource,
    request: &EndpointRequest,
    channel: &str,
) -> Result<AuthResponse, Response> {
    let user = users.user(request)?;
    let access = ChannelKind::of(channel).access;
    let channel_data = (access == Access::Presence).then(|| user.channel_data());
    let shared_secret = encryption.shared_secret(channel);
    if access == Access::Encrypted && shared_secret.is_none() {
        return Err(Response::text(500, "an encrypted channel needs a master key"));
    }
    let auth = app.authorize(&channel_text(request.socket_id(), channel, channel_data.as_deref()));
    Ok(AuthResponse { auth, channel_data, shared_secret, user_data: None })
}

/// Whether the text consists of two numbers with a dot between them. The official server libraries make the same check:
/// another text could result in a signature that is valid for another channel.
fn is_socket_id(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(first, second)| is_number(first) && is_number(second))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and JSON texts always have a JSON text")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, content_type: &str, body: &str) -> EndpointRequest {
        let head = Head {
            method: "POST".into(),
            target: target.into(),
            headers: vec![("Content-Type".into(), content_type.into())],
            keep_alive: true,
        };
        EndpointRequest::new(&head, body.as_bytes())
    }

    fn decide(request: &EndpointRequest) -> Response {
        answer(&App::default(), &Encryption::new(None), &UserSource::default(), request)
    }

    #[test]
    fn forms_and_json_are_read() {
        let form = request(CHANNEL_PATH, "application/x-www-form-urlencoded", "socket_id=1.2&channel_name=a%3Db&x=+y");
        assert_eq!((form.socket_id(), form.channel_name()), ("1.2", Some("a=b")));
        assert_eq!(form.parameter("x"), Some(" y"));
        let json = request(CHANNEL_PATH, "Application/JSON; charset=utf-8", r#"{"socket_id":"1.2","n":{"a":1}}"#);
        assert_eq!((json.socket_id(), json.channel_name()), ("1.2", None));
        assert_eq!(json.parameter("n"), Some(r#"{"a":1}"#));
        assert!(request(CHANNEL_PATH, "application/json", "[1]").parameters.is_empty());
    }

    #[test]
    fn malformed_requests_are_refused() {
        for body in [
            "",
            "socket_id=1.2",
            "channel_name=private-x",
            "socket_id=1.2%3A%3Auser&channel_name=private-x",
            "socket_id=1.&channel_name=private-x",
            "socket_id=1.2&channel_name=a%20b",
        ] {
            assert_eq!(decide(&request(CHANNEL_PATH, "", body)).status, 400, "{body}");
        }
    }

    #[test]
    fn an_encrypted_channel_without_a_master_key_is_an_error_of_the_server() {
        let request = request(CHANNEL_PATH, "", "socket_id=1.2&channel_name=private-encrypted-x");
        assert_eq!(decide(&request).status, 500);
    }

    #[test]
    fn users_are_written_like_those_of_backends() {
        let user = AuthUser::with_number(7).info(&[1]).watchlist(["a", "b"]);
        assert_eq!(user.channel_data(), r#"{"user_id":7,"user_info":[1]}"#);
        assert_eq!(user.user_data(), r#"{"id":"7","user_info":[1],"watchlist":["a","b"]}"#);
        assert_eq!(AuthUser::new("u").user_data(), r#"{"id":"u"}"#);
    }
}
