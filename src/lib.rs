//! A blocking client for [Pusher Channels](https://pusher.com/channels/) and every server that speaks its protocol:
//! Laravel Reverb, soketi, Sockudo. For plain Rust programs, worker threads and game loops: there is no async runtime.
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
//! | closures: [`Pusher::bind`], [`Channel::bind`], [`Channel::bind_as`], [`Pusher::on_event`], ... | the client's dispatch thread | further events wait, and in the end the server does | most programs |
//! | [`Pusher::receiver`], [`Channel::receiver`], polled or waited on | your thread | the oldest events are dropped and counted, or all but the newest are superseded | game loops, windows, worker threads |
//! | closures with [`Config::manual_dispatch`] and [`Pusher::dispatch`] | the thread that calls `dispatch` | as closures | single-threaded programs, scripting hosts |
//! | senders of `std::sync::mpsc` and `crossbeam_channel`: [`Channel::bind_sender`], [`Pusher::forward`] | the thread that receives | the channel grows; a bounded one makes further events wait | threads that `select!` |
//!
//! Everything arrives in the order in which the server sent it, across channels and with the changes of the connection's
//! state. Inside a closure every call is allowed; those that would wait for the dispatch thread itself
//! ([`Pusher::connect`], [`Channel::wait_subscribed`]) return [`Error::WouldDeadlock`]. A closure that panics is reported
//! through [`Pusher::on_error`], after what was waiting already, and harms nobody else.
//!
//! Every queue is bounded, and says by its [`Overflow`] what it does when it is full: [`Block`](Overflow::Block) makes the
//! server wait, [`DropOldest`](Overflow::DropOldest) and [`DropNewest`](Overflow::DropNewest) count what they drop and tell it
//! in its place, and [`KeepLatest`](Overflow::KeepLatest) keeps only the newest event of each channel, name and
//! sender, which is what a game wants of positions.
//!
//! The page [`guide::which_way_of_receiving`] compares the ways, and has patterns for plain loops, macroquad, Bevy, windows,
//! `poll`, and worker threads.
//!
//! # Channels
//!
//! What a channel is stands in its name, as the protocol has it; the case matters.
//!
//! | prefix | kind | needs a permission |
//! |---|---|---|
//! | `private-` | private: [`Channel::trigger`] sends events to the other subscribers | yes |
//! | `presence-` | presence: [`Channel::members`], [`Pusher::on_member_added`], [`Pusher::on_member_removed`] | yes |
//! | `private-encrypted-` | end-to-end encrypted: what does not decrypt is not delivered, [`Pusher::on_decryption_failure`] | yes |
//! | `cache-`, `private-cache-`, `presence-cache-`, `private-encrypted-cache-` | begins with the last event, or with [`Pusher::on_cache_miss`] | as without `cache-` |
//! | anything else | public | no |
//!
//! # Permissions
//!
//! Five ways, of which the first that is configured is used: [`Config::authorizer`], a closure for each channel;
//! [`Config::batch_authorizer`], a closure for many at once; [`Config::auth_endpoint`], an HTTP endpoint of yours;
//! [`Config::secret`], signatures made here, for programs that may know the app's secret. The fifth,
//! [`Channel::subscribe_with_auth`], takes a permission that you have already. A permission is for one connection, so that
//! each connection asks anew. Nothing waits for a slow answer but the channel that needs it; only a sign-in, because channels
//! may depend on who the user is, is waited for by all channels of a new connection, for the subscription timeout at most.
//!
//! # Users
//!
//! [`Pusher::sign_in`] tells the server who the user is; [`Pusher::user`] then gets the events that your servers send to that
//! user, and hears of watched users who go online or offline.
//!
//! # Ways to the server
//!
//! | way | by | carries | fails with |
//! |---|---|---|---|
//! | directly, to every address of the host in turn | default | the socket, and requests to auth endpoints | [`Error::Dns`], [`Error::Tcp`] |
//! | through an HTTP, HTTPS or SOCKS 5 proxy, which resolves the host | [`Config::proxy`] | both | [`Error::Proxy`]; for a proxy that cannot be reached or resolved with [`ProxyProblem::Absent`], for one whose certificate is wrong with [`ProxyProblem::Tls`] |
//! | through the proxy that `https_proxy`, `all_proxy` and their like name | [`Config::proxy_from_env`] | both | as above |
//! | over a connection that the program makes | [`Config::dialer`] | the socket | [`Error::Dialer`] |
//!
//! No connection goes past a proxy, and the environment is read only with `proxy_from_env`. TLS works over each of
//! these ways, in version 1.2 or 1.3. Certificates are verified with the platform's roots and those of
//! [`Config::root_certificate_pem`], by the host or by the name in [`Config::tls_server_name`]. A server that wants a
//! client certificate gets that of [`Config::client_identity_pem`]. The [`TlsProblem`] of [`Error::Tls`] names the
//! problem; there is no fall-back to plain text. [`Config::connect_timeout`] covers all of it, and
//! [`Error::ConnectTimeout`] names the [`ConnectPhase`] in which it ran out. When a request to an auth endpoint fails
//! in one of these ways, that error is the source of [`Error::AuthNetwork`].
//!
//! A dialer may give any two halves that block, such as the pipes of a process:
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
//! # What is promised, and what is not
//!
//! Events are delivered **at most once, in order, and nothing is replayed**: the protocol keeps no history. When a
//! connection is lost, the client makes it anew and subscribes again, and [`SubscriptionSucceeded::gap`] tells how long
//! events of that channel were missed, before the first event after the gap. The page [`guide::what_survives_what`] goes
//! through all faults, from a dead resolver to a hostile server: what the client does, and what the application sees.
//!
//! # Threads
//!
//! A connected client has three threads, and none of them polls: `pusher-reader` reads the socket, `pusher-heartbeat`
//! keeps time and sends, `pusher-dispatch` runs closures. While it connects there are more, one for name resolution and
//! one for each address that is being tried; while permissions are asked for, there are up to eight `pusher-auth`, on
//! which your authorizers run; and over the halves of a [`ByteStream::new`] there is a `pusher-writer`. [`Pusher::new`]
//! starts none; [`Pusher::disconnect`], or dropping the last handle, ends them all within 250 ms, but for a closure
//! that is running and a name resolution that cannot be interrupted: those threads end by themselves.
//!
//! `fork` copies no thread but the one that calls it, so a client works in the process that made it alone. In a forked child
//! every call returns [`Error::Forked`] or, where it returns no error, does nothing, and the parent's connection is not
//! touched; the child makes a client of its own. Code that the client runs and that forks should not return in the child: mostly
//! the thread that it runs on is the client's, and ends there. `std::process::Command` is no such fork.
//!
//! # Rules and architecture
//!
//! The repository has the rules that the client keeps, each with an id that the tests carry, in `docs/behaviour.md`, and
//! the threads, locks and ways of the data in `docs/architecture.md`.
//!
//! # Errors
//!
//! One enum, [`Error`], names the layer, the operation and the object, and keeps its source. A lost connection is not an
//! error that a program has to handle: it shows as a [`ConnectionStateChange`] with its cause, and the client goes on by the
//! [`Reconnect`] policy. What belongs to a subscription goes to [`Pusher::on_subscription_error`], everything else to
//! [`Pusher::on_error`].
//!
//! # Features
//!
//! * `native-tls` (default): TLS by the platform's library. Without it, `wss` is an [`Error::Config`].
//! * `vendored`: builds OpenSSL from source, where the platform's library would be OpenSSL.
//! * `capi`: the library for C, see [`guide::other_languages`].
//! * `test-server`: `testing::TestServer`, an embedded Pusher server for tests and examples.
//!
//! # Logging
//!
//! The crate logs through [`log`]: `error` for panics in handlers, `warn` for lost connections, failed attempts, refusals and
//! bad messages, `info` for connections made and ended, `debug` for attempts, subscriptions and repeated requests. Every
//! target begins with `pusher_channels`: filter by it (`RUST_LOG=pusher_channels=debug`). These records name channels. They
//! never show event data, credentials or the text of an answer.
//!
//! The client is built on tungstenite and ureq. Both log the bytes on the wire at `trace`, credentials included. The
//! page [`guide::logging`] has the filter for programs that log every crate at `trace`.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(not(feature = "capi"), forbid(unsafe_code))]
#![cfg_attr(feature = "capi", deny(unsafe_code))]
#![cfg_attr(shuttle, allow(dead_code, unused_imports, reason = "the model has no sockets"))]

// In reading order; the empty lines keep rustfmt from sorting them.
mod client;

mod config;

mod event;

mod auth;

mod receiver;

mod error;

mod secret;

mod surrogates;

mod panic_hook;

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
pub mod fuzzing;

/// Pages for questions that no single item answers.
///
/// * [`which_way_of_receiving`](guide::which_way_of_receiving): closures, receivers, manual dispatch or channel senders; what
///   each promises, and patterns for games, windows and worker threads.
/// * [`what_survives_what`](guide::what_survives_what): for each fault, what the client does about it, and what the
///   application sees.
/// * [`coming_from_other_clients`](guide::coming_from_other_clients): the names of `pusher-js` and of the clients for
///   Flutter, Dart, Java, Swift and .NET, and their equivalents here.
/// * [`logging`](guide::logging): the levels, what stays out of the log, and the filter for `trace`.
/// * [`other_languages`](guide::other_languages): how to build the library for C, and to call it from C, C++, Python, LuaJIT and
///   Node.
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

#[cfg(test)]
mod survival_figures;

pub use auth::{AuthError, AuthRequest, ChannelAuth, HttpAuth, SubscribeOptions, UserAuth};
pub use client::{Binding, Channel, Pusher, Stats, User, WeakChannel, WeakPusher};
pub use config::{ByteStream, Config, DialRequest, DispatchBudget, Overflow, Reconnect};
pub use error::{ConnectPhase, Error, ProxyProblem, Source, TlsProblem};
pub use event::{
    AnySender, ConnectionState, ConnectionStateChange, DecryptionError, DecryptionFailure, Event, Member, MemberChange,
    Name, Notification, NotificationKind, SubscriptionCount, SubscriptionError, SubscriptionSucceeded, WatchlistEvent,
};
#[cfg(unix)]
pub use receiver::PollableReceiver;
pub use receiver::{
    Closed, EventReceiver, IntoEvents, IntoIter, Iter, Receiver, ReceiverOptions, RecvTimeoutError, TryRecvError,
};

/// The README's code is compiled and run with the documentation's.
#[cfg(all(doctest, feature = "test-server"))]
#[doc = include_str!("../README.md")]
struct Readme;
