//! The options of the server.

use std::{io, sync::Arc, time::Duration};

use super::{
    auth::{
        app::App,
        encryption::{Encryption, MasterKey},
    },
    connection::listener::Listener,
    http::auth_endpoint::{AuthUser, EndpointRequest, UserSource},
    hub::{
        core::Hub,
        settings::{MessageLimit, OverLimit, Settings},
    },
    protocol::{client_event::ClientEventRules, refusal::Refusals, watchlist::WatchlistEvents},
    server::TestServer,
};

/// Options of a [`TestServer`], made by [`TestServer::builder`].
///
/// ```
/// use std::time::Duration;
/// use pusher_channels::testing::TestServer;
///
/// let server = TestServer::builder()
///     .app("3", "my-key", "my-secret")
///     .activity_timeout(Duration::from_secs(30))
///     .start()?;
/// assert!(server.url().ends_with("/app/my-key"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "the server runs when `start` is called"]
pub struct TestServerBuilder {
    settings: Settings,
    master_key: Option<MasterKey>,
    port: u16,
}

impl TestServerBuilder {
    /// The id, key and secret of the app. Defaults to `app-id`, `app-key` and `app-secret`.
    pub fn app(mut self, id: &str, key: &str, secret: &str) -> Self {
        self.settings.app = App { id: id.into(), key: key.into(), secret: secret.into() };
        self
    }

    /// The `activity_timeout` of `pusher:connection_established`. Defaults to 120 s.
    ///
    /// Whole seconds are sent as an integer, as Pusher does, anything else as a decimal number of seconds.
    pub fn activity_timeout(self, timeout: Duration) -> Self {
        if timeout.subsec_nanos() == 0 {
            self.activity_timeout_json(&timeout.as_secs().to_string())
        } else {
            self.activity_timeout_json(&timeout.as_secs_f64().to_string())
        }
    }

    /// JSON text in place of the number of seconds, for tests of unexpected values: `null`, `"30"`, `-1`.
    ///
    /// The text is not checked. If it is not JSON, the whole message is invalid.
    pub fn activity_timeout_json(mut self, json: &str) -> Self {
        self.settings.activity_timeout = json.into();
        self
    }

    /// The port on 127.0.0.1. Defaults to 0, which takes a free port.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The number of bytes that may wait for one client before the server drops it as too slow. Defaults to 64 MiB.
    ///
    /// Each message counts as the size of its frame plus 64 bytes. A single message of any size is accepted.
    pub fn queue_limit(mut self, bytes: usize) -> Self {
        self.settings.queue_limit = bytes;
        self
    }

    /// How subscriptions and sign-ins are refused. Defaults to [`Refusals::Soketi`].
    pub fn refusals(mut self, refusals: Refusals) -> Self {
        self.settings.refusals = refusals;
        self
    }

    /// Whether clients may send events to each other. Defaults to true. Otherwise each client event is answered with
    /// error 4301.
    pub fn client_events(mut self, enabled: bool) -> Self {
        self.settings.client_events.enabled = enabled;
        self
    }

    /// The number of client events that a connection may send within a second. Defaults to 10. Each further client
    /// event is dropped, and answered with error 4301.
    pub fn client_event_rate(mut self, per_second: u32) -> Self {
        self.settings.client_events.per_second = per_second;
        self
    }

    /// The largest allowed size of a client event's data, in bytes. Defaults to 10 KiB. A larger client event is
    /// dropped, and answered with error 4301.
    ///
    /// A string counts without its quotes and escapes, any other value as its JSON text. The whole message is limited
    /// by [`max_message_size`](Self::max_message_size).
    pub fn client_event_size(mut self, bytes: usize) -> Self {
        self.settings.client_events.max_bytes = bytes;
        self
    }

    /// The rules by which client events are refused. Defaults to [`ClientEventRules::Soketi`].
    pub fn client_event_rules(mut self, rules: ClientEventRules) -> Self {
        self.settings.client_events.rules = rules;
        self
    }

    /// Whether client events on presence channels carry the `user_id` of their sender. Defaults to true. Sockudo does
    /// not send it.
    pub fn client_event_user_ids(mut self, enabled: bool) -> Self {
        self.settings.client_events.user_ids = enabled;
        self
    }

    /// Limits the messages that a connection may send within a window of time. All kinds of messages count: pings,
    /// subscriptions and client events. `over_limit` decides about a message over the limit. Unlimited by default.
    ///
    /// As in Reverb, a window begins with the first message after the end of the last window. Messages over the limit
    /// do not count. [`received`](TestServer::received) lists them as well. [`refusals`](Self::refusals) sets the form
    /// of the error.
    ///
    /// ```
    /// use std::time::Duration;
    /// use pusher_channels::testing::{OverLimit, TestServer};
    ///
    /// let server = TestServer::builder().message_limit(60, Duration::from_secs(10), OverLimit::Refuse).start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn message_limit(mut self, messages: u32, window: Duration, over_limit: OverLimit) -> Self {
        self.settings.message_limit = Some(MessageLimit { messages, window, over_limit });
        self
    }

    /// The largest allowed size of a client's message, in bytes. Defaults to 1 MiB. A larger message is answered with a
    /// close frame with code 1009. The limit of Reverb is 10,000 bytes.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.settings.max_message_size = bytes;
        self
    }

    /// Whether the server sends `pusher_internal:subscription_count` to the subscribers of a channel whenever their
    /// number changes. Defaults to false. Presence channels have no counts.
    pub fn subscription_counts(mut self, enabled: bool) -> Self {
        self.settings.subscription_counts = enabled;
        self
    }

    /// The shape of the events about a watchlist. Defaults to [`WatchlistEvents::Pusher`].
    pub fn watchlist_events(mut self, shape: WatchlistEvents) -> Self {
        self.settings.watchlist_events = shape;
        self
    }

    /// The master key of encrypted channels. There is none by default.
    ///
    /// With a master key, [`trigger`](TestServer::trigger) encrypts events on encrypted channels, and the auth endpoint
    /// answers with the keys of the channels. Without one, `trigger` publishes the data unencrypted, and the auth
    /// endpoint answers with status 500.
    pub fn encryption_master_key(mut self, key: [u8; 32]) -> Self {
        self.master_key = Some(MasterKey(key));
        self
    }

    /// The closure by which the auth endpoint identifies the user of a client. `None` refuses the client with status
    /// 403.
    ///
    /// The endpoint calls it on the thread of the request, for each well-formed request that takes no
    /// [fault](crate::testing::AuthFault). By default every client is accepted. The user id is the request's parameter
    /// `user_id`, or `user-<socket_id>` without that parameter.
    ///
    /// ```
    /// use pusher_channels::testing::{AuthUser, TestServer};
    ///
    /// let server = TestServer::builder()
    ///     .auth_user(|request| match request.header("authorization") {
    ///         Some("Bearer ann's token") => Some(AuthUser::new("ann").info("Ann")),
    ///         _ => None,
    ///     })
    ///     .start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn auth_user(mut self, decide: impl Fn(&EndpointRequest) -> Option<AuthUser> + Send + Sync + 'static) -> Self {
        self.settings.users = UserSource::new(decide);
        self
    }

    /// Starts the server. It accepts connections when this returns.
    ///
    /// # Errors
    ///
    /// When the port is taken, or no thread can be started.
    pub fn start(self) -> io::Result<TestServer> {
        let hub = Arc::new(Hub::new(self.settings, Encryption::new(self.master_key)));
        let listener = Listener::start(&hub, self.port)?;
        Ok(TestServer::new(hub, listener))
    }
}

impl TestServer {
    /// Starts a server on a free port of 127.0.0.1, with the app `app-id`, the key `app-key`, the secret `app-secret`
    /// and an activity timeout of 120 s.
    ///
    /// # Errors
    ///
    /// When there is no free port, or no thread can be started.
    pub fn start() -> io::Result<Self> {
        Self::builder().start()
    }

    /// Options to start a server with.
    pub fn builder() -> TestServerBuilder {
        TestServerBuilder::default()
    }
}
