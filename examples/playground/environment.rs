//! The server, and the variables by which programs find it.

use std::io;

use pusher_channels::testing::{AuthUser, TestServer};
use serde_json::json;

/// The user of a program that gives no `user_id`.
const DEFAULT_USER: &str = "demo";

/// A server that authorises everybody, as the user whose id is the parameter `user_id` of the auth request.
///
/// A real backend would check a session or a token instead, because every client can set that parameter.
pub(crate) fn server() -> io::Result<TestServer> {
    let user = |id: &str| AuthUser::new(id).info(&json!({ "name": id }));
    TestServer::builder()
        .auth_user(move |request| Some(user(request.parameter("user_id").unwrap_or(DEFAULT_USER))))
        .start()
}

/// The environment variables of the program. No value needs quotes in a shell.
pub(crate) fn variables(server: &TestServer) -> [(&'static str, String); 7] {
    [
        ("PUSHER_URL", server.url()),
        ("PUSHER_HOST", server.addr().ip().to_string()),
        ("PUSHER_PORT", server.port().to_string()),
        ("PUSHER_KEY", server.key().to_owned()),
        ("PUSHER_SECRET", server.secret().to_owned()),
        ("PUSHER_AUTH_ENDPOINT", server.auth_endpoint()),
        ("PUSHER_USER_AUTH_ENDPOINT", server.user_auth_endpoint()),
    ]
}
