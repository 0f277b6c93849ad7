//! The server, and how programs find it.

use std::io;

use pusher_channels::testing::{AuthUser, TestServer};
use serde_json::json;

/// Who a program is that does not say so.
const NOBODY_IN_PARTICULAR: &str = "demo";

/// A server that lets everybody in, as the user whose id is the parameter `user_id` of the request for a permission.
///
/// A backend of yours would look at a session or a token instead, because anybody can write anything there.
pub(crate) fn server() -> io::Result<TestServer> {
    let user = |id: &str| AuthUser::new(id).info(&json!({ "name": id }));
    TestServer::builder()
        .auth_user(move |request| Some(user(request.parameter("user_id").unwrap_or(NOBODY_IN_PARTICULAR))))
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
