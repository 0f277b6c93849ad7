//! A refusal is reported, and affects only its channel.

use std::sync::mpsc;

use pusher_channels::{ConnectionState, Error, Pusher, SubscriptionError};

use crate::{
    backend::Backend,
    message::text,
    process::DEADLINE,
    publisher::publish,
    recorder::Recorder,
    server::{MASTER_KEY, Server, against_both_servers},
};

against_both_servers!(
    a_wrong_signature_is_an_error_of_its_channel_alone,
    a_refusal_of_the_endpoint_is_an_error_of_its_channel_alone,
);

fn a_wrong_signature_is_an_error_of_its_channel_alone(server: &Server) {
    let names = ["private-missigned", "presence-missigned", "private-encrypted-missigned", "private-cache-missigned"];
    are_refused(server, &names, |name, error| match error {
        Error::SubscriptionRefused { channel, status, .. } => {
            assert_eq!(channel, name);
            assert_eq!(*status, Some(401), "{error:?}");
        }
        error => panic!("{name}: {error:?}"),
    });
}

fn a_refusal_of_the_endpoint_is_an_error_of_its_channel_alone(server: &Server) {
    are_refused(server, &["private-forbidden", "presence-forbidden"], |name, error| match error {
        Error::AuthRefused { channel: Some(channel), status: Some(403), message } => {
            assert_eq!(channel, name);
            assert!(message.contains("this is not for you"), "{message}");
        }
        error => panic!("{name}: {error:?}"),
    });
}

fn are_refused(server: &Server, names: &[&str], check: impl Fn(&str, &Error)) {
    let backend = Backend::with_master_key(MASTER_KEY);
    let pusher = Pusher::new(backend.serve(server.config(), "ann")).connect().unwrap();
    let socket_id = pusher.socket_id();
    let mut delivered = Recorder::new("Pusher::on_event");
    pusher.on_event(delivered.handler());
    let (sender, failures) = mpsc::channel();
    pusher.on_subscription_error(move |failed| {
        // Sending fails only after the test has failed.
        let _ =
            sender.send((failed.channel.clone().expect("the error has a channel").to_string(), failed.error.clone()));
    });
    let good = ["room", "private-before", "presence-before", "private-after"];
    let subscribe = |name: &str| pusher.subscribe(name).unwrap().wait_subscribed(DEADLINE);
    good[..3].iter().for_each(|name| subscribe(name).unwrap());

    for name in names {
        let error = subscribe(name).expect_err("it is refused");
        assert!(error.is_auth(), "{error:?}");
        check(name, &error);
        let (channel, error) = failures.recv_timeout(DEADLINE).expect("the error is reported");
        assert_eq!(channel, *name);
        check(name, &error);
        assert!(!pusher.channel(name).unwrap().is_subscribed());
    }

    subscribe(good[3]).unwrap();
    let published: Vec<_> = good.iter().map(|name| text(name, "greeting", &format!("hello, {name}"))).collect();
    // This client gets no event of the channels that were refused.
    let refused: Vec<_> = names.iter().filter(|name| !name.contains("encrypted")).collect();
    publish(server.port(), &refused.iter().map(|name| text(name, "greeting", "not for you")).collect::<Vec<_>>());
    publish(server.port(), &published);
    delivered.wait_for(&published);
    delivered.has(&published);
    assert_eq!((pusher.state(), pusher.socket_id()), (ConnectionState::Connected, socket_id));
    assert!(failures.try_recv().is_err(), "nothing else has failed");
}
