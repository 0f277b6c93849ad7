//! The page of the guide for users of other clients. Each row of its tables is code of this file, so that the rows
//! compile. Most of this code runs against the embedded server.

mod support;

use std::{fmt::Debug, time::Duration};

use pusher_channels::{
    AuthError, ByteStream, ChannelAuth, Config, ConnectionState, Error, Event, HttpAuth, Member, Pusher, Reconnect,
    SubscribeOptions, UserAuth, testing::TestServer,
};
use serde::Deserialize;
use support::{PATIENCE, connected, eventually, quick, room, server, subscribed};

const PAGE: &str = include_str!("../src/guide/coming_from_other_clients.md");
const SOURCE: &str = include_str!("coming_from.rs");

#[derive(Debug, Deserialize)]
struct Order {
    number: u32,
}

#[derive(Debug, Deserialize)]
struct Profile {
    name: String,
}

/// The result of a call whose address needs TLS. In a build without TLS it is an error that names the feature.
fn over_tls<T: Debug>(result: Result<T, Error>) -> Option<T> {
    if support::HAS_TLS {
        return Some(result.expect("valid"));
    }
    let error = result.expect_err("no TLS in this build");
    assert!(error.to_string().contains("native-tls"), "{error}");
    None
}

/// Stands for the reader's code.
fn show(_: impl Debug) {}

fn ask(_socket_id: &str, _channel: &str) -> Result<ChannelAuth, AuthError> {
    let (auth, channel_data, shared_secret) = ("app-key:signature", r#"{"user_id":"7"}"#, "c2VjcmV0");
    Ok(ChannelAuth::new(auth).channel_data(channel_data).shared_secret(shared_secret))
}

fn ask_json(_channel: &str, _socket_id: &str) -> String {
    r#"{"auth":"app-key:signature"}"#.to_owned()
}

fn ask_user(_socket_id: &str) -> Result<UserAuth, AuthError> {
    Err(AuthError::new("not yours").status(403))
}

fn ask_user_json(_socket_id: &str) -> String {
    r#"{"auth":"app-key:signature","user_data":"{\"id\":\"7\"}"}"#.to_owned()
}

fn fresh_headers() -> Vec<(String, String)> {
    vec![("Authorization".to_owned(), "Bearer token".to_owned())]
}

fn fresh_params() -> Vec<(String, String)> {
    vec![("tenant".to_owned(), "7".to_owned())]
}

fn fresh_url() -> String {
    "wss://ws.example.com/app/app-key?token=t".to_owned()
}

fn decode(bytes: &[u8]) -> Result<String, std::string::FromUtf8Error> {
    String::from_utf8(bytes.to_vec())
}

fn dial(host: &str, port: u16) -> std::io::Result<ByteStream> {
    std::net::TcpStream::connect((host, port)).map(ByteStream::tcp)
}

#[test]
fn addresses() -> Result<(), Error> {
    let _no_connection_yet = Pusher::new(Config::cluster("app-key", "eu"));
    let rows = [
        (Config::cluster("app-key", "eu"), "wss://ws-eu.pusher.com/app/app-key"),
        (Config::host("app-key", "ws.example.com"), "wss://ws.example.com/app/app-key"),
        (Config::url("wss://ws.example.com/app/app-key"), "wss://ws.example.com/app/app-key"),
        (Config::url_with(fresh_url), "wss://ws.example.com/app/app-key?token=t"),
    ];
    for (config, url) in rows {
        let config = config.without_metadata();
        assert!(over_tls(config.dial_url()).is_none_or(|dialled| dialled == url), "{url}");
    }
    let config = Config::cluster("app-key", "eu");
    let config = config.cluster_domain("example.com");
    let config = config.client_name("my-app", "1.0.0");
    let url = "wss://ws-eu.example.com/app/app-key?protocol=7&client=my-app&version=1.0.0";
    assert!(over_tls(config.dial_url()).is_none_or(|dialled| dialled == url), "{url}");
    let config = Config::host("app-key", "ws.example.com").without_metadata();
    let config = config.port(6001);
    let config = config.tls(false);
    let config = config.path_prefix("/ws");
    assert_eq!(config.dial_url()?, "ws://ws.example.com:6001/ws/app/app-key");
    Ok(())
}

/// `connect` checks all options.
#[test]
fn times_and_the_network() -> Result<(), Error> {
    let server = server();
    let config = server.config();
    let config = config.connect_timeout(Duration::from_secs(10));
    let config = config.subscription_timeout(Duration::from_secs(10));
    let config = config.auth_timeout(Duration::from_secs(5));
    let config = config.activity_timeout(Duration::from_secs(60));
    let config = config.activity_timeout_override(Duration::from_secs(60));
    let config = config.pong_timeout(Duration::from_secs(10));
    let config = config.unavailable_timeout(Duration::from_secs(20));
    let config = config.reconnect(Reconnect::never());
    let config = config.reconnect(Reconnect::default().max_attempts(4));
    let config = config.reconnect(Reconnect::default().max_attempts(6));
    let config = config.reconnect(Reconnect::default().min_delay(Duration::from_secs(1)));
    let config = config.reconnect(Reconnect::default().max_delay(Duration::from_secs(30)));
    let config = config.log_events(true);
    let config = config.dialer(|request| dial(request.host(), request.port()));
    let pusher = Pusher::new(config);
    pusher.connect()?;
    Ok(())
}

#[test]
fn a_proxy_is_an_option() {
    let config = Config::cluster("app-key", "eu");
    let config = config.proxy("http://proxy.example.com:3128");
    show(config);
}

#[test]
fn permissions_by_an_endpoint() -> Result<(), Error> {
    let server = server();
    let config = server.config();
    let config = config.auth_endpoint("https://example.com/pusher/auth");
    let config = config.user_auth_endpoint("https://example.com/pusher/user-auth");
    let config = config.auth_header("Authorization", "Bearer token");
    let config = config.auth_param("tenant", "7");
    let config = config.auth_headers_with(fresh_headers);
    let config = config.auth_params_with(fresh_params);
    let config = config.auth_json(true);
    over_tls(Pusher::new(config).connect());
    let config = server.config();
    let user_auth = HttpAuth::new("https://example.com/pusher/user-auth").header("Authorization", "Bearer token");
    let config = config.user_http_auth(user_auth);
    over_tls(Pusher::new(config).connect());
    let config = server.config();
    let config = config.http_auth(HttpAuth::new("https://example.com/auth").header("Authorization", "Bearer token"));
    over_tls(Pusher::new(config).connect());
    // The client requests a permission only when it is connected, so that this one sends no request.
    let pusher = Pusher::new(server.config());
    let channel = pusher.channel("private-orders")?;
    let subscribe = || -> Result<(), Error> {
        channel.subscribe_with(SubscribeOptions::new().http_auth(HttpAuth::new("https://example.com/auth")))?;
        Ok(())
    };
    over_tls(subscribe());
    show(HttpAuth::new("https://example.com/auth").json(true));
    Ok(())
}

#[test]
fn permissions_by_closures() -> Result<(), Error> {
    let server = server();
    let config = server.config();
    let config = config.authorizer(|request| ask(request.socket_id(), request.channel()));
    let config =
        config.authorizer(|request| Ok(ChannelAuth::from_json(&ask_json(request.channel(), request.socket_id()))?));
    let config = config.user_authenticator(|socket_id| Ok(UserAuth::from_json(&ask_user_json(socket_id))?));
    let config = config.user_authenticator(ask_user);
    let config = config.encrypted_data_decoder(decode);
    let pusher = Pusher::new(config).connect()?;
    pusher.sign_in()?;
    let refused = pusher.user().wait_signed_in(PATIENCE).expect_err("the closure refuses");
    assert!(matches!(refused, Error::AuthRefused { status: Some(403), .. }));
    show(SubscribeOptions::new().authorizer(|request| ask(request.socket_id(), request.channel())));
    show(SubscribeOptions::new().decoder(decode));
    let _refused: Result<ChannelAuth, AuthError> = Err(AuthError::new("not yours"));
    let (auth, channel_data) = ("app-key:signature", r#"{"user_id":"7"}"#);
    let auth = ChannelAuth::new(auth).channel_data(channel_data);
    let channel = pusher.channel("private-orders")?;
    channel.subscribe_with_auth(auth);
    channel.wait_subscribed(PATIENCE).expect_err("the embedded server refuses this signature");
    Ok(())
}

#[test]
fn permissions_by_the_secret() -> Result<(), Error> {
    let config = Config::cluster("app-key", "eu");
    let config = config.secret("app-secret");
    let config = config.user_data(serde_json::json!({ "id": "7", "user_info": { "name": "Ann" } }));
    Pusher::new(config).sign_in()
}

#[test]
fn connecting() -> Result<(), Error> {
    let server = server();
    let config = quick(&server);
    let pusher = Pusher::new(config);
    let binding = pusher.on_connection_state_change(|change| show((change.previous, change.current)));
    pusher.on_connection_state_change(|change| show((change.retry_in, &change.cause)));
    let _cause = pusher.on_connection_state_change(|change| show(change.cause.is_some()));
    pusher.connect_background()?;
    pusher.wait_connected(Duration::from_secs(10))?;
    pusher.connect()?;
    binding.unbind();
    assert_eq!(pusher.state(), ConnectionState::Connected);
    assert!(pusher.socket_id().is_some());
    pusher.reconnect_now();
    show(pusher.stats());
    pusher.disconnect();
    pusher.connect()?;
    drop(pusher);
    eventually("the last handle disconnects", || server.connections() == 0);
    Ok(())
}

#[test]
fn states_have_names() {
    let states = [
        ConnectionState::Disconnected,
        ConnectionState::Connecting,
        ConnectionState::Connected,
        ConnectionState::Unavailable,
        ConnectionState::Reconnecting,
        ConnectionState::Disconnecting,
        ConnectionState::Failed,
    ];
    assert_eq!(states.map(|state| state.to_string())[3], "unavailable");
}

/// A program sets a logger. This test sets none, so that nothing is logged.
#[test]
fn logging() {
    log::set_max_level(log::LevelFilter::Debug);
}

#[test]
fn channels() -> Result<(), Error> {
    let server = server();
    let pusher = connected(&server);
    let channel = pusher.channel("news")?;
    channel.on_subscription_succeeded(|succeeded| show(succeeded.gap));
    channel.on_subscription_error(|failed| show(&failed.error));
    channel.on_subscription_error(|failed| show(failed.error.is_auth()));
    channel.on_subscription_count(|count| show(count.count));
    channel.on_cache_miss(|name| show(name.len()));
    channel.on_decryption_failure(|failure| show(&failure.reason));
    pusher.on_subscription_succeeded(|succeeded| show(&succeeded.channel));
    pusher.on_subscription_error(|failed| show((&failed.channel, &failed.error)));
    pusher.on_subscription_count(|count| show(count.count));
    pusher.on_decryption_failure(|failure| show(&failure.reason));
    channel.subscribe();
    channel.wait_subscribed(Duration::from_secs(5))?;
    pusher.subscribe("news")?.wait_subscribed(Duration::from_secs(5))?;
    assert!(channel.is_subscribed());
    assert_eq!(channel.name(), "news");
    show(channel.subscription_count());
    assert_eq!(pusher.channels().len(), 1);
    channel.unsubscribe();
    pusher.unsubscribe("news");
    pusher.subscribe("news")?;
    pusher.unsubscribe_all();
    assert!(pusher.channels().is_empty());
    Ok(())
}

/// All kinds of channels have the same type.
#[test]
fn kinds_of_channels() -> Result<(), Error> {
    let pusher = Pusher::new(Config::cluster("app-key", "eu"));
    pusher.subscribe("private-orders")?;
    pusher.subscribe("presence-room")?;
    pusher.subscribe("private-encrypted-pay")?;
    pusher.channel("private-orders")?;
    pusher.channel("presence-room")?;
    pusher.channel("private-encrypted-pay")?;
    assert_eq!(pusher.channels().len(), 3);
    Ok(())
}

#[test]
fn events() -> Result<(), Error> {
    let (server, pusher, channel) = room();
    channel.bind("placed", |event| show(event.data()));
    channel.bind_as::<Order>("placed", |order| show(order.number));
    channel.bind_all(|event| show((event.name(), event.data())));
    pusher.bind("placed", |event| show(event.channel()));
    pusher.bind_all(|event| show(event.name()));
    pusher.on_event(|event| show(event.name()));
    let orders = channel.events_as::<Order>("placed");
    let events = channel.events("placed");
    server.trigger("room", "placed", &serde_json::json!({ "number": 7 }));
    assert_eq!(orders.recv().expect("the client lives")?.number, 7);
    show(events.recv());
    let binding = channel.bind("placed", |event| show(event_parts(event).is_ok()));
    binding.unbind();
    channel.unbind_event("placed");
    channel.unbind_all();
    pusher.unbind_event("placed");
    pusher.unbind_all();
    Ok(())
}

fn event_parts(event: &Event) -> Result<(), Error> {
    show((event.name(), event.channel(), event.data(), event.user_id()));
    show(event.json::<Order>()?);
    show(event.json::<serde_json::Value>()?);
    Ok(())
}

fn with_users(server: &TestServer) -> Config {
    let config = quick(server).auth_endpoint(server.auth_endpoint()).user_auth_endpoint(server.user_auth_endpoint());
    config.auth_param("user_id", "7")
}

#[test]
fn members() -> Result<(), Error> {
    let server = server();
    let pusher = Pusher::new(with_users(&server)).connect()?;
    let channel = pusher.channel("presence-room")?;
    channel.on_member_added(|change| show(change.member.id()));
    channel.on_member_removed(|change| show(change.member.id()));
    pusher.on_member_added(|change| show((&change.channel, &change.member)));
    pusher.on_member_removed(|change| show((&change.channel, &change.member)));
    channel.subscribe();
    channel.wait_subscribed(PATIENCE)?;
    assert_eq!(channel.members().len(), 1);
    assert_eq!(channel.me(), channel.member("7"));
    for member in channel.members() {
        show(profile_of(&member).map(|profile| profile.name));
    }
    Ok(())
}

fn profile_of(member: &Member) -> Result<Profile, Error> {
    show((member.id(), member.info()));
    let profile = member.info_as::<Profile>()?;
    Ok(profile)
}

#[test]
fn client_events() -> Result<(), Error> {
    let server = server();
    let pusher = Pusher::new(with_users(&server)).connect()?;
    let channel = subscribed(&pusher, "private-chat");
    let data = serde_json::json!({ "typing": true });
    channel.trigger("client-typing", &data)?;
    pusher.trigger("private-chat", "client-typing", &data)?;
    assert!(server.wait_for_received(|received| received.text.contains("client-typing"), PATIENCE));
    Ok(())
}

#[test]
fn users() -> Result<(), Error> {
    let server = server();
    let pusher = Pusher::new(with_users(&server)).connect()?;
    let user = pusher.user();
    user.bind("invoice", |event| show(event.data()));
    user.bind_all(|event| show(event.name()));
    user.on_signed_in(|id| show(id.len()));
    user.on_watchlist(|watched| show((&watched.name, &watched.user_ids)));
    pusher.sign_in()?;
    user.wait_signed_in(Duration::from_secs(5))?;
    assert_eq!(pusher.user().id().as_deref(), Some("7"));
    Ok(())
}

#[test]
fn errors() {
    let pusher = Pusher::new(Config::cluster("app-key", "eu"));
    pusher.on_error(|error| show(error.code()));
    pusher.on_error(|error| show(error.is_auth()));
    pusher.on_error(|error| show(kind_of(error)));
}

fn kind_of(error: &Error) -> String {
    let kind = match error {
        Error::AuthRefused { status: Some(403), .. } => "forbidden",
        Error::AuthNetwork { .. } | Error::AuthTimeout { .. } => "no answer",
        Error::AuthMalformed { .. } => "not an answer",
        Error::HandlerPanicked { .. } => "a panic",
        _ if error.is_timeout() => "too late",
        _ => "another",
    };
    kind.to_owned() + &error.to_string()
}

// From here on, the page is compared with the code above.

/// Splits code into its tokens. Comments have none, and each literal is one token, so that code in a string is not found.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while !rest.is_empty() {
        let (token, after) = rest.split_at(length_of_token(rest));
        if !token.starts_with("//") && !token.starts_with("/*") {
            tokens.push(token);
        }
        rest = after.trim_start();
    }
    without_trailing_commas(&tokens)
}

fn length_of_token(code: &str) -> usize {
    let first = code.chars().next().expect("not empty");
    if code.starts_with("//") {
        code.find('\n').unwrap_or(code.len())
    } else if code.starts_with("/*") {
        code.find("*/").expect("an end of the comment") + 2
    } else if code.starts_with("r#\"") {
        code.find("\"#").expect("an end of the raw string") + 2
    } else if first == '"' {
        length_of_literal(code, '"')
    } else if first == '\'' && code.chars().skip(1).take(3).any(|c| c == '\'') {
        length_of_literal(code, '\'')
    } else if first.is_alphanumeric() || first == '_' {
        code.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(code.len())
    } else {
        first.len_utf8()
    }
}

fn length_of_literal(code: &str, quote: char) -> usize {
    let mut is_escaped = false;
    let end = code.char_indices().skip(1).find(|&(_, c)| {
        let is_end = c == quote && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    });
    end.expect("an end of the literal").0 + 1
}

/// Rustfmt writes a comma before the end of a list that has several lines.
fn without_trailing_commas<'a>(tokens: &[&'a str]) -> Vec<&'a str> {
    let is_trailing =
        |index: usize| tokens[index] == "," && tokens.get(index + 1).is_some_and(|next| [")", "]", "}"].contains(next));
    (0..tokens.len()).filter(|&index| !is_trailing(index)).map(|index| tokens[index]).collect()
}

/// The tokens of the rows: this file up to the remark. The code below the remark does not belong to the page.
fn rows_of_this_file() -> Vec<&'static str> {
    let rows = SOURCE.split_once("\n// From here on,").expect("the remark").0;
    let rows = tokens(rows);
    for word in ["cfg", "macro_rules", "stringify"] {
        assert!(!rows.contains(&word), "code below {word} may not be compiled");
    }
    rows
}

/// The cells of each row of the page's tables, without headings.
fn rows_of(page: &str) -> Vec<Vec<String>> {
    let lines = page.lines().filter(|line| line.starts_with('|') && !line.starts_with("|---"));
    let cells = lines.map(|line| {
        let kept = line.trim_matches('|').replace("\\|", "\0");
        kept.split('|').map(|cell| cell.trim().replace('\0', "|")).collect::<Vec<_>>()
    });
    cells.filter(|cells| cells[1] != "here").collect()
}

/// The texts between backticks.
fn code_of(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The code of the page that this file does not have, and the malformed rows.
fn problems_of(page: &str) -> Vec<String> {
    let source = rows_of_this_file();
    let mut problems = Vec::new();
    for row in rows_of(page) {
        let [_, ours] = &row[..] else {
            problems.push(format!("not two cells: {row:?}"));
            continue;
        };
        let code = code_of(ours);
        if code.is_empty() && !ours.starts_with("no equivalent: ") {
            problems.push(format!("no code and no explanation: {ours}"));
        }
        for code in code {
            let code = tokens(code);
            if !source.windows(code.len()).any(|window| window == code) {
                problems.push(format!("not in this file: {}", code.join(" ")));
            }
        }
    }
    problems
}

#[test]
fn each_row_of_the_page_is_code_of_this_file() {
    assert!(rows_of(PAGE).len() > 200, "the rows were found");
    let problems = problems_of(PAGE);
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn a_row_that_is_not_in_this_file_is_found() {
    let row = |ours: &str| problems_of(&format!("| theirs | here |\n|---|---|\n| `x()` | {ours} |\n"));
    assert!(row("`pusher.connect()?`, which waits").is_empty());
    assert!(row("`config.authorizer(\\|request\\| ask(request.socket_id(), request.channel()))`").is_empty());
    assert!(row("`config . port( 6001 )`").is_empty(), "white space makes no difference");
    assert!(row("no equivalent: make another client").is_empty());
    for invented in [
        "`pusher.connect_now()?`",
        "`pusher.connect()?`, or `pusher.teleport()`",
        "`config.port(6002)`",
        // The next two are in a comment and in a literal of the code above.
        "`embedded server`",
        "`token=t`",
        "see elsewhere",
        "`pusher.connect()?` | `pusher.disconnect()`",
    ] {
        assert_eq!(row(invented).len(), 1, "{invented}");
    }
}

#[test]
fn comments_and_literals_are_not_code() {
    assert_eq!(
        tokens("a(\"b // c\", 'd', r#\"e \"f\"# /* g */); // h\ni::<'j>"),
        ["a", "(", "\"b // c\"", ",", "'d'", ",", "r#\"e \"f\"#", ")", ";", "i", ":", ":", "<", "'", "j", ">"]
    );
    assert_eq!(tokens("f(\n    a,\n)"), tokens("f(a)"));
}
