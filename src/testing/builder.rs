//! The options of the server.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::TestServer;
use super::app::App;
use super::hub::Hub;
use super::listener::Listener;

/// Hosted Pusher's own value.
const DEFAULT_ACTIVITY_TIMEOUT: &str = "120";
/// Enough for 100 000 events of a few hundred bytes that a benchmark publishes in one go.
const DEFAULT_QUEUE_LIMIT: usize = 64 << 20;

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
#[derive(Clone, Debug)]
#[must_use = "the server runs when `start` is called"]
pub struct TestServerBuilder {
    app: App,
    activity_timeout: String,
    port: u16,
    queue_limit: usize,
}

impl Default for TestServerBuilder {
    fn default() -> Self {
        TestServerBuilder {
            app: App::default(),
            activity_timeout: DEFAULT_ACTIVITY_TIMEOUT.into(),
            port: 0,
            queue_limit: DEFAULT_QUEUE_LIMIT,
        }
    }
}

impl TestServerBuilder {
    /// The id, key and secret of the app. Defaults to `app-id`, `app-key` and `app-secret`.
    pub fn app(mut self, id: &str, key: &str, secret: &str) -> Self {
        self.app = App { id: id.into(), key: key.into(), secret: secret.into() };
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

    /// JSON text in place of the number of seconds, for tests of values that no client expects: `null`, `"30"`, `-1`.
    ///
    /// The text is not checked; one that is not JSON makes the whole message invalid.
    pub fn activity_timeout_json(mut self, json: &str) -> Self {
        self.activity_timeout = json.into();
        self
    }

    /// The port on 127.0.0.1. Defaults to 0, a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// How many bytes may wait for one client before it is dropped as too slow. Defaults to 64 MiB.
    ///
    /// Each message counts 64 bytes more than its frame has. A single message passes whatever its size.
    pub fn queue_limit(mut self, bytes: usize) -> Self {
        self.queue_limit = bytes;
        self
    }

    /// Starts the server. It accepts connections when this returns.
    ///
    /// # Errors
    ///
    /// When the port is taken, or no thread can be started.
    pub fn start(self) -> io::Result<TestServer> {
        let hub = Arc::new(Hub::new(self.app, self.activity_timeout, self.queue_limit));
        let listener = Listener::start(&hub, self.port)?;
        Ok(TestServer { hub, listener })
    }
}
