//! Every kind of user code that a client calls, and how to make the client call it.

use std::{cell::RefCell, net::TcpStream, sync::mpsc, thread};

use pusher_channels::{
    AuthError, AuthRequest, Binding, ByteStream, Channel, ChannelAuth, Config, ConnectionState, ConnectionStateChange,
    Error, Event, HttpAuth, Pusher, Receiver, ReceiverOptions, SubscribeOptions, User, UserAuth, testing::TestServer,
};

use super::{
    calls::CallingThread,
    code::{Code, InDrop, InSerialize},
    states,
    support::PATIENCE,
};

/// The moment at which a client calls the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// While it is connected, because of [`Kind::provoke`].
    Connected,
    /// When its state changes.
    Changing,
    /// When it connects for the first time.
    Dialling,
    /// When a notification arrives for a receiver.
    Waking,
}

pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) thread: CallingThread,
    pub(crate) moment: Moment,
    /// The channel that the code concerns.
    pub(crate) room: &'static str,
    /// Adds the code to the configuration of the client.
    pub(crate) configure: fn(Config, &TestServer, &Code) -> Config,
    /// Binds the code to the client.
    pub(crate) bind: fn(&Scene) -> Option<Binding>,
    /// Makes a connected client call the code.
    pub(crate) provoke: fn(&mut Scene),
}

/// A client and its server.
pub(crate) struct Scene {
    pub(crate) server: TestServer,
    pub(crate) pusher: Pusher,
    pub(crate) channel: Channel,
    pub(crate) user: User,
    /// The code that the next call of [`Kind::bind`] binds.
    pub(crate) code: Code,
    /// The binding of the code.
    pub(crate) own: Option<Binding>,
    /// A receiver whose wake-up runs the code.
    pub(crate) kept: RefCell<Option<Receiver>>,
    /// The state in which the calls are made.
    pub(crate) state: ConnectionState,
}

impl Scene {
    fn subscribed(&self) {
        self.channel.subscribe();
        assert!(self.server.wait_for_subscribers(self.channel.name(), 1, PATIENCE));
    }

    /// Waits until the server has confirmed the sign-in and the channel of the user.
    fn signed_in(&self) {
        self.pusher.sign_in().expect("a user is configured");
        assert!(self.server.wait_for_subscribers(&format!("#server-to-user-{USER}"), 1, PATIENCE));
    }
}

const USER: &str = "ann";

const PUBLIC: &str = "room";
const PRIVATE: &str = "private-room";
const PRESENCE: &str = "presence-room";
const CACHE: &str = "cache-room";
const ENCRYPTED: &str = "private-encrypted-room";

/// The key in the server's settings, as base64.
pub(crate) const MASTER_KEY: [u8; 32] = [1; 32];
const MASTER_KEY_TEXT: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// A handler for values of any type.
fn runs<T: ?Sized + 'static>(scene: &Scene) -> impl FnMut(&T) + Send + 'static + use<T> {
    let code = scene.code.clone();
    move |_: &T| code.run()
}

fn runs_decoded(scene: &Scene) -> impl FnMut(u32) + Send + 'static + use<> {
    let code = scene.code.clone();
    move |_| code.run()
}

fn runs_decoded_with(scene: &Scene) -> impl FnMut(u32, &Event) + Send + 'static + use<> {
    let code = scene.code.clone();
    move |_, _| code.run()
}

/// For `Disconnecting`, the code runs in the handler of that change, because the state does not last. For every other
/// state, it runs in the handler of the first change.
fn runs_in_change(scene: &Scene) -> impl FnMut(&ConnectionStateChange) + Send + 'static + use<> {
    let (code, state) = (scene.code.clone(), scene.state);
    move |change| {
        if state != ConnectionState::Disconnecting || change.current == state {
            code.run();
        }
    }
}

/// A client that signs with the app's secret.
fn signing(config: Config, server: &TestServer, _: &Code) -> Config {
    config.secret(server.secret()).user_data(serde_json::json!({"id": USER})).encryption_master_key(MASTER_KEY_TEXT)
}

const fn handler(
    name: &'static str,
    room: &'static str,
    bind: fn(&Scene) -> Option<Binding>,
    provoke: fn(&mut Scene),
) -> Kind {
    Kind { name, thread: CallingThread::Needed, moment: Moment::Connected, room, configure: signing, bind, provoke }
}

const fn configured(
    name: &'static str,
    room: &'static str,
    configure: fn(Config, &TestServer, &Code) -> Config,
    provoke: fn(&mut Scene),
) -> Kind {
    let bind = |_: &Scene| None;
    Kind { name, thread: CallingThread::Dispensable, moment: Moment::Connected, room, configure, bind, provoke }
}

fn publish(scene: &mut Scene) {
    scene.subscribed();
    scene.server.trigger(scene.channel.name(), "e", &1);
}

fn subscribe(scene: &mut Scene) {
    scene.channel.subscribe();
}

fn subscribe_with_a_wrong_signature(scene: &mut Scene) {
    scene.channel.subscribe_with_auth(ChannelAuth::new("app-key:wrong"));
}

fn send_unencrypted_event(scene: &mut Scene) {
    scene.subscribed();
    scene.server.send_raw(&format!(r#"{{"event":"e","channel":"{ENCRYPTED}","data":"in clear"}}"#));
}

fn send_member(scene: &mut Scene, change: &str) {
    let data = r#"{\"user_id\":\"bob\",\"user_info\":null}"#;
    scene
        .server
        .send_raw(&format!(r#"{{"event":"pusher_internal:member_{change}","channel":"{PRESENCE}","data":"{data}"}}"#));
}

fn add_a_member(scene: &mut Scene) {
    scene.subscribed();
    send_member(scene, "added");
}

fn remove_a_member(scene: &mut Scene) {
    add_a_member(scene);
    send_member(scene, "removed");
}

fn send_nonsense(scene: &mut Scene) {
    scene.server.send_raw("nonsense");
}

fn send_to_the_user(scene: &mut Scene) {
    scene.signed_in();
    scene.server.send_to_user(USER, "e", &1);
}

fn sign_in(scene: &mut Scene) {
    scene.pusher.sign_in().expect("a user is configured");
}

fn send_watchlist(scene: &mut Scene) {
    scene.signed_in();
    let data = r#"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"bob\"]}]}"#;
    scene.server.send_raw(&format!(r#"{{"event":"pusher_internal:watchlist_events","data":"{data}"}}"#));
}

/// Triggers data that runs the code. The thread of the caller serialises the data, so that this needs another thread.
fn trigger_code(scene: &mut Scene) {
    scene.subscribed();
    scene.channel.wait_subscribed(PATIENCE).expect("confirmed");
    let (channel, data) = (scene.channel.clone(), InSerialize(scene.code.clone()));
    thread::spawn(move || channel.trigger("client-e", &data));
}

/// Unbinds the handler after the dispatch thread has taken it over. That thread then drops it; before, this one would.
fn unbind(scene: &mut Scene) {
    let (report, reports) = mpsc::channel::<Event>();
    scene.channel.bind_sender("e", report);
    publish(scene);
    reports.recv_timeout(PATIENCE).expect("the dispatch thread has taken over later handlers");
    let own = scene.own.take().expect("bound");
    own.unbind();
}

fn nothing(_: &mut Scene) {}

/// Publishes, and dispatches on another thread as long as the client exists.
fn publish_and_dispatch(scene: &mut Scene) {
    publish(scene);
    let client = scene.pusher.downgrade();
    thread::spawn(move || {
        while let Some(pusher) = client.upgrade() {
            pusher.dispatch();
            thread::yield_now();
        }
    });
}

fn subscribe_with(scene: &mut Scene, options: SubscribeOptions) {
    scene.channel.subscribe_with(options).expect("valid options");
}

/// Subscribes with options whose closure owns code that runs when it is dropped.
fn own_in_options(scene: &mut Scene) -> Channel {
    let owned = InDrop(scene.code.clone());
    let decode = move |_: &[u8]| {
        owned.keep();
        Ok::<_, Error>(String::new())
    };
    subscribe_with(scene, SubscribeOptions::new().decoder(decode));
    scene.channel.clone()
}

/// Requests to the embedded server's auth endpoint.
fn http_auth(scene: &Scene) -> HttpAuth {
    HttpAuth::new(scene.server.auth_endpoint())
}

pub(crate) const KINDS: &[Kind] = &[
    handler("Channel::bind", PUBLIC, |s| Some(s.channel.bind("e", runs::<Event>(s))), publish),
    handler("Channel::bind_as", PUBLIC, |s| Some(s.channel.bind_as("e", runs_decoded(s))), publish),
    handler("Channel::bind_as_with", PUBLIC, |s| Some(s.channel.bind_as_with("e", runs_decoded_with(s))), publish),
    handler("Channel::on_event", PUBLIC, |s| Some(s.channel.on_event(runs::<Event>(s))), publish),
    handler("Channel::bind_all", PUBLIC, |s| Some(s.channel.bind_all(runs::<Event>(s))), publish),
    handler(
        "Channel::on_subscription_succeeded",
        PUBLIC,
        |s| Some(s.channel.on_subscription_succeeded(runs(s))),
        subscribe,
    ),
    handler(
        "Channel::on_subscription_error",
        PRIVATE,
        |s| Some(s.channel.on_subscription_error(runs(s))),
        subscribe_with_a_wrong_signature,
    ),
    handler("Channel::on_subscription_count", PUBLIC, |s| Some(s.channel.on_subscription_count(runs(s))), subscribe),
    handler("Channel::on_cache_miss", CACHE, |s| Some(s.channel.on_cache_miss(runs::<str>(s))), subscribe),
    handler(
        "Channel::on_decryption_failure",
        ENCRYPTED,
        |s| Some(s.channel.on_decryption_failure(runs(s))),
        send_unencrypted_event,
    ),
    handler("Channel::on_member_added", PRESENCE, |s| Some(s.channel.on_member_added(runs(s))), add_a_member),
    handler("Channel::on_member_removed", PRESENCE, |s| Some(s.channel.on_member_removed(runs(s))), remove_a_member),
    handler("Pusher::bind", PUBLIC, |s| Some(s.pusher.bind("e", runs::<Event>(s))), publish),
    handler("Pusher::bind_as", PUBLIC, |s| Some(s.pusher.bind_as("e", runs_decoded(s))), publish),
    handler("Pusher::bind_as_with", PUBLIC, |s| Some(s.pusher.bind_as_with("e", runs_decoded_with(s))), publish),
    handler("Pusher::bind_all", PUBLIC, |s| Some(s.pusher.bind_all(runs::<Event>(s))), publish),
    handler("Pusher::on_event", PUBLIC, |s| Some(s.pusher.on_event(runs::<Event>(s))), publish),
    Kind {
        moment: Moment::Changing,
        ..handler(
            "Pusher::on_connection_state_change",
            PUBLIC,
            |s| Some(s.pusher.on_connection_state_change(runs_in_change(s))),
            nothing,
        )
    },
    handler("Pusher::on_error", PUBLIC, |s| Some(s.pusher.on_error(runs::<Error>(s))), send_nonsense),
    handler(
        "Pusher::on_subscription_succeeded",
        PUBLIC,
        |s| Some(s.pusher.on_subscription_succeeded(runs(s))),
        subscribe,
    ),
    handler(
        "Pusher::on_subscription_error",
        PRIVATE,
        |s| Some(s.pusher.on_subscription_error(runs(s))),
        subscribe_with_a_wrong_signature,
    ),
    handler("Pusher::on_subscription_count", PUBLIC, |s| Some(s.pusher.on_subscription_count(runs(s))), subscribe),
    handler("Pusher::on_cache_miss", CACHE, |s| Some(s.pusher.on_cache_miss(runs::<str>(s))), subscribe),
    handler(
        "Pusher::on_decryption_failure",
        ENCRYPTED,
        |s| Some(s.pusher.on_decryption_failure(runs(s))),
        send_unencrypted_event,
    ),
    handler("Pusher::on_member_added", PRESENCE, |s| Some(s.pusher.on_member_added(runs(s))), add_a_member),
    handler("Pusher::on_member_removed", PRESENCE, |s| Some(s.pusher.on_member_removed(runs(s))), remove_a_member),
    handler("User::bind", PUBLIC, |s| Some(s.user.bind("e", runs::<Event>(s))), send_to_the_user),
    handler("User::bind_as", PUBLIC, |s| Some(s.user.bind_as("e", runs_decoded(s))), send_to_the_user),
    handler("User::bind_as_with", PUBLIC, |s| Some(s.user.bind_as_with("e", runs_decoded_with(s))), send_to_the_user),
    handler("User::bind_all", PUBLIC, |s| Some(s.user.bind_all(runs::<Event>(s))), send_to_the_user),
    handler("User::on_signed_in", PUBLIC, |s| Some(s.user.on_signed_in(runs::<str>(s))), sign_in),
    handler("User::on_watchlist", PUBLIC, |s| Some(s.user.on_watchlist(runs(s))), send_watchlist),
    handler(
        "a value of a handler, when it is dropped",
        PUBLIC,
        |s| {
            let owned = InDrop(s.code.clone());
            Some(s.channel.bind("e", move |_| owned.keep()))
        },
        unbind,
    ),
    Kind {
        thread: CallingThread::Dispensable,
        ..handler(
            "a value of a channel's options, when they are replaced",
            PUBLIC,
            |_| None,
            |scene| {
                let channel = own_in_options(scene);
                thread::spawn(move || channel.subscribe_with(SubscribeOptions::new()).map(drop));
            },
        )
    },
    Kind {
        thread: CallingThread::Dispensable,
        ..handler(
            "a value of a channel's options, when it is unsubscribed",
            PUBLIC,
            |_| None,
            |scene| {
                let channel = own_in_options(scene);
                thread::spawn(move || channel.unsubscribe());
            },
        )
    },
    Kind {
        thread: CallingThread::Needed,
        ..configured(
            "Config::encrypted_data_decoder",
            ENCRYPTED,
            |config, server, code| {
                let code = code.clone();
                signing(config, server, &code).encrypted_data_decoder(move |bytes| {
                    code.run();
                    String::from_utf8(bytes.to_vec())
                })
            },
            publish,
        )
    },
    configured(
        "Config::authorizer",
        PRIVATE,
        |config, _, code| {
            let code = code.clone();
            config.authorizer(move |_| {
                code.run();
                Err::<ChannelAuth, _>(AuthError::new("refused"))
            })
        },
        subscribe,
    ),
    configured(
        "Config::batch_authorizer",
        PRIVATE,
        |config, _, code| {
            let code = code.clone();
            config.batch_authorizer(move |requests| {
                code.run();
                requests.iter().map(|_| Err(AuthError::new("refused"))).collect()
            })
        },
        subscribe,
    ),
    configured(
        "Config::auth_headers_with",
        PRIVATE,
        |config, server, code| {
            let code = code.clone();
            config.auth_endpoint(server.auth_endpoint()).auth_headers_with(move || {
                code.run();
                Vec::new()
            })
        },
        subscribe,
    ),
    configured(
        "Config::auth_params_with",
        PRIVATE,
        |config, server, code| {
            let code = code.clone();
            config.auth_endpoint(server.auth_endpoint()).auth_params_with(move || {
                code.run();
                Vec::new()
            })
        },
        subscribe,
    ),
    configured(
        "Config::user_authenticator",
        PUBLIC,
        |config, _, code| {
            let code = code.clone();
            config.user_authenticator(move |_| {
                code.run();
                Err::<UserAuth, _>(AuthError::new("refused"))
            })
        },
        sign_in,
    ),
    configured(
        "SubscribeOptions::authorizer",
        PRIVATE,
        |config, _, _| config,
        |scene| {
            let code = scene.code.clone();
            let refuse = move |_: &AuthRequest| {
                code.run();
                Err(AuthError::new("refused"))
            };
            subscribe_with(scene, SubscribeOptions::new().authorizer(refuse));
        },
    ),
    configured(
        "HttpAuth::headers_with",
        PRIVATE,
        |config, _, _| config,
        |scene| {
            let code = scene.code.clone();
            let auth = http_auth(scene).headers_with(move || {
                code.run();
                Vec::new()
            });
            subscribe_with(scene, SubscribeOptions::new().http_auth(auth));
        },
    ),
    configured(
        "HttpAuth::params_with",
        PRIVATE,
        |config, _, _| config,
        |scene| {
            let code = scene.code.clone();
            let auth = http_auth(scene).params_with(move || {
                code.run();
                Vec::new()
            });
            subscribe_with(scene, SubscribeOptions::new().http_auth(auth));
        },
    ),
    handler(
        "SubscribeOptions::decoder",
        ENCRYPTED,
        |_| None,
        |scene| {
            let code = scene.code.clone();
            let decode = move |bytes: &[u8]| {
                code.run();
                String::from_utf8(bytes.to_vec())
            };
            subscribe_with(scene, SubscribeOptions::new().decoder(decode));
            publish(scene);
        },
    ),
    Kind {
        configure: |config, server, code| signing(config, server, code).manual_dispatch(),
        ..handler(
            "a handler with manual dispatch",
            PUBLIC,
            |s| Some(s.channel.bind("e", runs::<Event>(s))),
            publish_and_dispatch,
        )
    },
    Kind {
        moment: Moment::Waking,
        ..handler(
            "ReceiverOptions::wake",
            PUBLIC,
            |s| {
                let code = s.code.clone();
                s.kept.replace(Some(s.pusher.receiver_with(ReceiverOptions::new().wake(move || code.run()))));
                None
            },
            publish,
        )
    },
    Kind {
        thread: CallingThread::Dispensable,
        ..handler("the data of a client event, when it is serialised", PRIVATE, |_| None, trigger_code)
    },
    Kind {
        thread: CallingThread::Needed,
        moment: Moment::Dialling,
        ..configured(
            "Config::url_with",
            PUBLIC,
            |_, server, code| {
                let (code, url) = (code.clone(), server.config().dial_url().expect("an address"));
                states::staying(Config::url_with(move || {
                    code.run();
                    url.clone()
                }))
            },
            nothing,
        )
    },
    Kind {
        thread: CallingThread::Needed,
        moment: Moment::Dialling,
        ..configured(
            "Config::dialer",
            PUBLIC,
            |config, server, code| {
                let (code, addr) = (code.clone(), server.addr());
                config.dialer(move |_| {
                    code.run();
                    TcpStream::connect(addr).map(ByteStream::tcp)
                })
            },
            nothing,
        )
    },
];
