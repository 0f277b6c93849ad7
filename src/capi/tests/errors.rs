//! Errors speak of C's options and functions.

use std::{sync::Arc, time::Duration};

use crate::{
    ConnectPhase, Error, Reconnect,
    capi::{
        config::options,
        ffi::{error, error_text},
    },
};

fn text(error: Error) -> String {
    error::Error::new(Arc::new(error)).text().to_owned()
}

#[test]
fn an_option_is_named_as_c_names_it() {
    let after = Duration::from_secs(1);
    let late = text(Error::ConnectTimeout { phase: ConnectPhase::Tcp, after });
    assert!(late.ends_with("(connect_timeout_ms)"), "{late}");
    let silent = text(Error::PongTimeout { silence: after });
    assert!(silent.ends_with("(activity_timeout_ms, pong_timeout_ms)"), "{silent}");
    assert!(text(Error::ClientEventRate { limit: 10 }).ends_with(" client_event_patience_ms"));
    assert!(text(Error::Lagged { dropped: 1 }).ends_with("(overflow)"));
    assert!(text(Error::NotSignedIn).contains("pusher_sign_in first"));
    assert!(text(Error::Disconnected).contains("; pusher_connect connects"));
}

#[test]
fn a_wrong_option_is_named_as_c_names_it() {
    let config = || crate::Config::cluster("k", "eu");
    let wrong = |config: crate::Config| {
        let error = error::Error::new(Arc::new(config.plan().expect_err("it is wrong")));
        (error.text().to_owned(), error.detail.map(|detail| detail.text().to_owned()))
    };
    let year = Duration::from_secs(366 * 24 * 3600);
    for (config, option) in [
        (config().reconnect(Reconnect::default().max_delay(year)), "reconnect_max_delay_ms"),
        (config().connect_timeout(Duration::ZERO), "connect_timeout_ms"),
        (config().queue_capacity(0), "queue_capacity"),
    ] {
        let (text, detail) = wrong(config);
        assert!(text.starts_with(&format!("config: {option}: ")), "{text}");
        assert_eq!(detail.as_deref(), Some(option));
    }
}

#[test]
fn every_option_has_the_same_name_in_both_languages_but_for_units_of_time() {
    // The parts of the policy of reconnecting are options in C only.
    for name in options::names().filter(|name| !name.starts_with("reconnect_")) {
        let in_rust = name.strip_suffix("_ms").unwrap_or(name);
        if in_rust != "reconnect" {
            assert_eq!(error_text::option_name(in_rust), name);
        }
    }
}
