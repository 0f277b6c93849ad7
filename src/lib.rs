//! A blocking client for [Pusher Channels](https://pusher.com/channels/) and every server that speaks its protocol:
//! Laravel Reverb, soketi, Sockudo. It is made for plain Rust programs, worker threads and game loops, and needs no
//! async runtime.
//!
//! # The smallest program
//!
//! ```
//! use pusher_channels::{Pusher, testing::TestServer};
//! # use std::{sync::mpsc, time::Duration};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = TestServer::start()?; // embedded; for the hosted service: Config::cluster("app-key", "eu")
//! let pusher = Pusher::new(server.config()).connect()?;
//!
//! let news = pusher.channel("news")?;
//! # let (sent, received) = mpsc::channel();
//! news.bind("published", move |event| {
//!     println!("{}", event.data());
//! #   sent.send(()).unwrap();
//! });
//! news.subscribe();
//! # news.wait_subscribed(Duration::from_secs(5))?;
//! # server.trigger("news", "published", "hello");
//! # received.recv_timeout(Duration::from_secs(5))?;
//! # Ok(())
//! # }
//! ```
//!
//! If you know `pusher-js`, or a client for Flutter, Dart, Java, Swift or .NET, [`guide::coming_from_other_clients`] lists
//! their names beside those of this crate.
//!
//! # Ways of receiving
//!
//! | way | runs on | when it is slow | good for |
//! |---|---|---|---|
//! | closures: [`Pusher::bind`], [`Channel::bind`], [`Channel::bind_as`], [`Pusher::on_event`], ... | the client's dispatch thread | later events wait, and in the end the server waits, too | most programs |
//! | [`Pusher::receiver`], [`Channel::receiver`], polled or waited on | your thread | the oldest events are dropped and counted, or all but the newest are superseded | game loops, windows, worker threads |
//! | closures with [`Config::manual_dispatch`] and [`Pusher::dispatch`] | the thread that calls `dispatch` | as for closures | single-threaded programs, scripting hosts |
//! | senders of `std::sync::mpsc` and `crossbeam_channel`: [`Channel::bind_sender`], [`Pusher::forward`] | the thread that receives | an unbounded channel grows; a bounded one delays later events | threads that `select!` |
//!
//! Everything arrives in the order in which the server sent it, across channels and with the changes of the
//! connection's state. Inside a closure every call is allowed; calls that would wait for the dispatch thread itself
//! ([`Pusher::connect`], [`Channel::wait_subscribed`]) return [`Error::WouldDeadlock`]. A closure that panics is
//! reported through [`Pusher::on_error`], after the notifications that were waiting already; the other closures go on.
//!
//! Every queue is bounded, and its [`Overflow`] decides what happens when it is full: [`Block`](Overflow::Block) makes
//! the server wait; [`DropOldest`](Overflow::DropOldest) and [`DropNewest`](Overflow::DropNewest) drop notifications,
//! count them, and report the loss in its place; [`KeepLatest`](Overflow::KeepLatest) keeps only the newest event of
//! each channel, name and sender, for example the last position of each player.
//!
//! The page [`guide::which_way_of_receiving`] compares the ways, and has patterns for plain loops, macroquad, Bevy, windows,
//! `poll`, and worker threads.
//!
//! # Channels
//!
//! The prefix of a channel's name determines its kind. Prefixes are case-sensitive.
//!
//! | prefix | kind | needs a permission |
//! |---|---|---|
//! | `private-` | private: [`Channel::trigger`] sends events to the other subscribers | yes |
//! | `presence-` | presence: [`Channel::members`], [`Pusher::on_member_added`], [`Pusher::on_member_removed`] | yes |
//! | `private-encrypted-` | end-to-end encrypted: an event that does not decrypt is reported to [`Pusher::on_decryption_failure`] and not delivered | yes |
//! | `cache-`, `private-cache-`, `presence-cache-`, `private-encrypted-cache-` | cache: delivers the last event after subscribing, or calls [`Pusher::on_cache_miss`] | as without `cache-` |
//! | anything else | public | no |
//!
//! # Permissions
//!
//! A [`Config`] offers four ways to get permissions, and the client uses the first one that is set:
//! [`Config::authorizer`], a closure for one channel; [`Config::batch_authorizer`], a closure for many channels at
//! once; [`Config::auth_endpoint`], an HTTP endpoint of your backend; [`Config::secret`], for programs that may know
//! the app's secret and sign by themselves. [`Channel::subscribe_with`] gives one channel a way of its own, and
//! [`Channel::subscribe_with_auth`] takes a permission that the program has already.
//!
//! A permission is for one connection, so the client asks again on each connection. A slow answer delays only its own
//! channel. A sign-in is different, because permissions may depend on the user: on a new connection all channels wait
//! for it, for up to the subscription timeout.
//!
//! # Users
//!
//! [`Pusher::sign_in`] signs a user in. [`Pusher::user`] then gets the events that your servers send to that user, and
//! reports watched users who go online or offline.
//!
//! # Routes to the server
//!
//! | route | option | carries | fails with |
//! |---|---|---|---|
//! | directly, to each address of the host in turn | none | the socket, and requests to auth endpoints | [`Error::Dns`], [`Error::Tcp`] |
//! | through an HTTP, HTTPS or SOCKS 5 proxy, which resolves the host | [`Config::proxy`] | both | [`Error::Proxy`]; with [`ProxyProblem::Absent`] if the proxy cannot be reached or resolved, with [`ProxyProblem::Tls`] if its certificate is wrong |
//! | through the proxy that `https_proxy`, `all_proxy` and similar variables name | [`Config::proxy_from_env`] | both | as above |
//! | over a connection that the program makes | [`Config::dialer`] | the socket | [`Error::Dialer`] |
//!
//! No connection bypasses a configured proxy, and the client reads the environment only with `proxy_from_env`. TLS
//! works over each route, in version 1.2 or 1.3. The client verifies certificates with the platform's roots and those
//! of [`Config::root_certificate_pem`], for the host or for the name in [`Config::tls_server_name`]. It shows the
//! certificate of [`Config::client_identity_pem`] to a server that asks for one. The [`TlsProblem`] of [`Error::Tls`]
//! names the problem; there is no fall-back to plain text. [`Config::connect_timeout`] covers a whole attempt, and
//! [`Error::ConnectTimeout`] names the [`ConnectPhase`] in which the time ran out. If a request to an auth endpoint
//! fails with one of these errors, that error is the source of [`Error::AuthNetwork`].
//!
//! A dialer may return any reader and writer that block, such as the pipes of a process:
//!
//! ```no_run
//! use std::{io, process::{Command, Stdio}, sync::Mutex};
//! use pusher_channels::{ByteStream, Config};
//!
//! let config = Config::host("app-key", "ws.internal").dialer(|request| {
//!     let target = format!("{}:{}", request.host(), request.port());
//!     let mut command = Command::new("ssh");
//!     let mut ssh = command.args(["-W", &target, "gateway"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
//!     let halves = ssh.stdout.take().zip(ssh.stdin.take());
//!     let (reader, writer) = halves.ok_or(io::ErrorKind::BrokenPipe)?;
//!     let ssh = Mutex::new(ssh);
//!     let shutdown = move || drop(ssh.lock().map(|mut ssh| ssh.kill().and_then(|()| ssh.wait())));
//!     Ok::<_, io::Error>(ByteStream::new(reader, writer, shutdown))
//! });
//! ```
//!
//! # Guarantees
//!
//! Events are delivered **at most once and in order, and nothing is replayed**: the protocol keeps no history. When a
//! connection is lost, the client connects and subscribes again. [`SubscriptionSucceeded::gap`] is the time in which
//! events of the channel were missed, and arrives before the first event after the gap. The page
//! [`guide::what_survives_what`] lists all faults, from a dead resolver to a hostile server, with the reaction of the
//! client and the effect on the application.
//!
//! # Threads
//!
//! A connected client has three threads, and none of them polls: `pusher-reader` reads the socket, `pusher-heartbeat`
//! keeps time and carries out the calls of your program, `pusher-dispatch` runs closures. Further threads come and go:
//! while the client connects, `pusher-resolve` and one `pusher-connect` for each address that is tried; while it asks
//! for permissions, up to eight `pusher-auth`, which run your authorizers; over a [`ByteStream::new`], a
//! `pusher-writer`.
//!
//! [`Pusher::new`] starts no thread. [`Pusher::disconnect`], or dropping the last handle, ends the threads within 250
//! ms. A running closure and a name resolution cannot be interrupted: their threads end by themselves afterwards.
//!
//! `fork` copies only the thread that calls it, so a client works only in the process that made it. In a forked child
//! every call returns [`Error::Forked`], or does nothing if it returns no error, and the parent's connection is not
//! touched. The child can make a client of its own. If a closure that the client runs calls `fork`, it should not
//! return in the child, because its thread usually belongs to the client and ends there. `std::process::Command` is not
//! affected.
//!
//! # Rules and architecture
//!
//! In the repository, [docs/behaviour.md] has the rules of the client's behaviour, each with an id that its tests are
//! named after, and [docs/architecture.md] describes the threads, the locks and the data flow.
//!
//! [docs/behaviour.md]: https://github.com/pusher-channels/pusher-channels-rust/blob/main/docs/behaviour.md
//! [docs/architecture.md]: https://github.com/pusher-channels/pusher-channels-rust/blob/main/docs/architecture.md
//!
//! # Errors
//!
//! [`Error`] is one enum. Each error names the layer, the operation and the object, and keeps its source. A program
//! does not have to handle a lost connection: it is reported as a [`ConnectionStateChange`] with its cause, and the
//! client reconnects by the [`Reconnect`] policy. Errors of a subscription go to [`Pusher::on_subscription_error`], and
//! all others to [`Pusher::on_error`].
//!
//! # Features
//!
//! * `native-tls` (default): TLS by the platform's library. Without it, `wss` is an [`Error::Config`].
//! * `vendored`: builds OpenSSL from source, on platforms whose TLS library is OpenSSL.
//! * `capi`: the library for C, see [`guide::other_languages`].
//! * `test-server`: `testing::TestServer`, an embedded Pusher server for tests and examples.
//!
//! # Logging
//!
//! The crate logs through [`log`]: `error` for panics in handlers, `warn` for lost connections, failed attempts,
//! refusals and bad messages, `info` for connections made and ended, `debug` for attempts, subscriptions and repeated
//! requests. Every target begins with `pusher_channels`, which is the part to filter by
//! (`RUST_LOG=pusher_channels=debug`). These records name channels. They never show event data, credentials or the text
//! of an answer, except that [`Config::log_events`] logs event data.
//!
//! The client is built on tungstenite and ureq. Both log the bytes on the wire at `trace`, credentials included. The
//! page [`guide::logging`] has the filter for programs that log every crate at `trace`.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(feature = "capi"), forbid(unsafe_code))]
#![cfg_attr(feature = "capi", deny(unsafe_code))]
#![cfg_attr(shuttle, allow(dead_code, unused_imports, reason = "the model has no sockets"))]

// Before all others, because they use its macro.
#[macro_use]
mod catch;

// In reading order; the empty lines keep rustfmt from sorting them.
mod client;

mod config;

mod event;

mod auth;

mod receiver;

mod error;

mod connection_state;

mod secret;

mod surrogates;

mod panic_hook;

mod random;

mod sync;

mod protocol;

mod delivery;

mod session;

mod io;

#[cfg(feature = "capi")]
mod capi;

#[cfg(feature = "test-server")]
pub mod testing;

#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod testability;

/// Pages on subjects that concern many items.
///
/// * [`which_way_of_receiving`](guide::which_way_of_receiving): closures, receivers, manual dispatch or channel
///   senders; the guarantees of each, and patterns for games, windows and worker threads.
/// * [`what_survives_what`](guide::what_survives_what): for each fault, the reaction of the client and the effect on
///   the application.
/// * [`coming_from_other_clients`](guide::coming_from_other_clients): the names of `pusher-js` and of the clients for
///   Flutter, Dart, Java, Swift and .NET, and their equivalents here.
/// * [`logging`](guide::logging): the levels, the data that is never logged, and the filter for `trace`.
/// * [`other_languages`](guide::other_languages): how to build the library for C, and how to call it from C, C++,
///   Python, LuaJIT and Node.
pub mod guide {
    #[doc = include_str!("guide/which_way_of_receiving.md")]
    pub mod which_way_of_receiving {}

    #[doc = include_str!("guide/what_survives_what.md")]
    pub mod what_survives_what {}

    #[doc = include_str!("guide/coming_from_other_clients.md")]
    pub mod coming_from_other_clients {}

    #[doc = include_str!("guide/logging.md")]
    pub mod logging {}

    #[doc = include_str!("guide/other_languages.md")]
    pub mod other_languages {}
}

pub use auth::{AuthError, AuthRequest, ChannelAuth, HttpAuth, SubscribeOptions, UserAuth};
pub use client::{Binding, Channel, Pusher, Stats, User, WeakChannel, WeakPusher};
pub use config::{ByteStream, Config, DialRequest, DispatchBudget, Overflow, Reconnect};
pub use connection_state::ConnectionState;
pub use error::{ConnectPhase, Error, ProxyProblem, Source, TlsProblem};
pub use event::{AnySender, Event, Member, Name, Notification, NotificationKind, notification::*};
#[cfg(unix)]
pub use receiver::PollableReceiver;
pub use receiver::{
    Closed, EventReceiver, IntoEvents, IntoIter, Iter, Receiver, ReceiverOptions, RecvTimeoutError, TryRecvError,
};

/// The README's code is compiled and run with the documentation's.
#[cfg(all(doctest, feature = "test-server"))]
#[doc = include_str!("../README.md")]
struct Readme;
