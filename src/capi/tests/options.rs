//! Options that depend on each other.

use std::{ffi::CStr, ptr};

use super::c::{self, Pointer};
use crate::capi::{
    config::Config,
    ffi::{arguments::Argument, handles::Handle, results},
};

fn config_with(options: &[(&CStr, &CStr)]) -> Pointer {
    let address = [(c"key", c"k"), (c"host", c"localhost")];
    config_of(&[&address, options].concat())
}

fn config_of(options: &[(&CStr, &CStr)]) -> Pointer {
    let mut config = ptr::null_mut();
    // SAFETY: a place for a handle, and texts with a NUL at their ends.
    unsafe {
        assert_eq!(c::pusher_config_new(&mut config), results::PUSHER_OK);
        for (option, value) in options {
            assert_eq!(c::pusher_config_set(config, option.as_ptr(), value.as_ptr()), results::PUSHER_OK);
        }
    }
    config
}

/// The result of making a client, and the URL that it would dial.
fn dial_url_with(options: &[(&CStr, &CStr)]) -> (i32, Option<String>) {
    let config = config_of(options);
    let (mut client, mut text) = (ptr::null_mut(), ptr::null());
    // SAFETY: a handle, places for the values, and a text with a NUL at its end.
    unsafe {
        let made = c::pusher_client_new(config, &mut client);
        let url = match c::pusher_config_dial_url(config, &mut text, ptr::null_mut()) {
            results::PUSHER_OK => Some(CStr::from_ptr(text).to_string_lossy().into_owned()),
            _ => None,
        };
        c::pusher_client_free(client);
        c::pusher_config_free(config);
        (made, url)
    }
}

#[test]
fn c1_a_cluster_may_have_another_domain() {
    let key = (c"key", c"k");
    let domain = |value| (c"cluster_domain", value);
    let eu = (c"cluster", c"eu");
    let (made, url) = dial_url_with(&[key, eu, domain(c"example.com"), (c"metadata", c"false")]);
    assert_eq!((made, url.as_deref()), (results::PUSHER_OK, Some("wss://ws-eu.example.com/app/k")));
    // The order in which options are set does not matter.
    let (_, url) = dial_url_with(&[domain(c"example.com"), eu, key, (c"metadata", c"false")]);
    assert_eq!(url.as_deref(), Some("wss://ws-eu.example.com/app/k"));
    let wrong = (results::PUSHER_ERR_CONFIG, None);
    assert_eq!(dial_url_with(&[key, eu, domain(c"example.com:443")]), wrong);
    assert_eq!(dial_url_with(&[key, (c"host", c"localhost"), domain(c"example.com")]), wrong);
    assert_eq!(dial_url_with(&[(c"url", c"ws://localhost/app/k"), domain(c"example.com")]), wrong);
}

#[test]
fn x1_events_are_logged_only_if_the_option_says_so() {
    let logs = |options: &[(&CStr, &CStr)]| {
        let config = config_with(options);
        // SAFETY: a handle is a pointer, of any type.
        let made = unsafe { std::mem::transmute::<Pointer, Handle<Config>>(config).value("config") };
        let parts = made.and_then(|config| config.parts()).ok().expect("options that fit");
        // SAFETY: a handle.
        unsafe { c::pusher_config_free(config) };
        parts.draft.config.client_options().log_events
    };
    assert!(logs(&[(c"log_events", c"true")]));
    assert!(!logs(&[(c"log_events", c"false")]));
    assert!(!logs(&[(c"log_events", c"true"), (c"log_events", c"false")]));
    assert!(!logs(&[]));
}

#[test]
fn a_proxy_is_not_passed_over_because_the_environment_is_read_as_well() {
    let proxy = (c"proxy", c"http://localhost");
    for (from_env, wanted) in [(c"true", results::PUSHER_ERR_CONFIG), (c"false", results::PUSHER_OK)] {
        let config = config_with(&[proxy, (c"proxy_from_env", from_env)]);
        let mut client = ptr::null_mut();
        // SAFETY: a handle, and a place for another one.
        unsafe {
            assert_eq!(c::pusher_client_new(config, &mut client), wanted);
            c::pusher_client_free(client);
            c::pusher_config_free(config);
        }
    }
}

#[test]
fn without_metadata_the_url_has_no_client_name() {
    for (metadata, carries) in [(c"true", true), (c"false", false)] {
        let config = config_with(&[(c"metadata", metadata)]);
        // SAFETY: a handle is a pointer, of any type; texts with a NUL at their ends.
        let made = unsafe {
            let name = c::pusher_config_add(config, c"client_name".as_ptr(), c"me".as_ptr(), c"1.0".as_ptr());
            assert_eq!(name, results::PUSHER_OK);
            std::mem::transmute::<Pointer, Handle<Config>>(config).value("config")
        };
        let parts = made.and_then(|config| config.parts()).ok().expect("options that fit");
        let target = parts.draft.config.dial_url().expect("an address");
        assert_eq!(target.contains("client=me"), carries, "{target}");
        // SAFETY: a handle.
        unsafe { c::pusher_config_free(config) };
    }
}

#[test]
fn c8_a_client_certificate_is_an_option_of_two_texts() {
    let config = config_with(&[(c"tls_server_name", c"ws.internal")]);
    let rows = [
        (c"client_identity_pem", c"certificate", c"canary", results::PUSHER_OK),
        (c"client_identity_pem", c"", c"", results::PUSHER_OK),
        (c"client_identity", c"certificate", c"canary", results::PUSHER_ERR_OPTION),
        (c"tls_server_name", c"certificate", c"canary", results::PUSHER_ERR_OPTION),
        (c"root_certificate_pem", c"certificate", c"canary", results::PUSHER_ERR_OPTION),
    ];
    for (option, certificate, key, wanted) in rows {
        // SAFETY: a handle, and texts with a NUL at their ends.
        let result = unsafe { c::pusher_config_add(config, option.as_ptr(), certificate.as_ptr(), key.as_ptr()) };
        assert_eq!(result, wanted, "{option:?}");
    }
    // SAFETY: a handle, and texts with a NUL at their ends.
    unsafe {
        let alone = c::pusher_config_set(config, c"client_identity_pem".as_ptr(), c"certificate".as_ptr());
        assert_eq!(alone, results::PUSHER_ERR_OPTION);
        c::pusher_config_free(config);
    }
}

#[cfg(feature = "native-tls")]
#[test]
fn c8_the_last_client_certificate_is_checked_by_connect() {
    let config = config_with(&[]);
    let mut client = ptr::null_mut();
    // SAFETY: handles, a place for one, and texts with a NUL at their ends.
    unsafe {
        for key in [c"canary", c"another"] {
            let option = c"client_identity_pem".as_ptr();
            let added = c::pusher_config_add(config, option, c"certificate".as_ptr(), key.as_ptr());
            assert_eq!(added, results::PUSHER_OK);
        }
        assert_eq!(c::pusher_client_new(config, &mut client), results::PUSHER_OK);
        assert_eq!(c::pusher_connect_background(client), results::PUSHER_ERR_CONFIG);
        c::pusher_client_free(client);
        c::pusher_config_free(config);
    }
}

#[test]
fn c8_an_invalid_server_name_is_refused_when_the_client_is_made() {
    for name in [c"", c"ws.internal:443", c"https://ws.internal", c"a b", c"a..b"] {
        let config = config_with(&[(c"tls_server_name", name)]);
        let mut client = ptr::null_mut();
        // SAFETY: a handle, and a place for another one.
        unsafe {
            assert_eq!(c::pusher_client_new(config, &mut client), results::PUSHER_ERR_CONFIG, "{name:?}");
            c::pusher_client_free(client);
            c::pusher_config_free(config);
        }
    }
}

#[test]
fn t1_the_options_of_client_events_are_off_with_0_and_have_a_patience_in_milliseconds() {
    let options = |limit, size, patience| {
        let config = config_with(&[
            (c"client_event_limit", limit),
            (c"client_event_size", size),
            (c"client_event_patience_ms", patience),
        ]);
        // SAFETY: a handle is a pointer, of any type.
        let made = unsafe { std::mem::transmute::<Pointer, Handle<Config>>(config).value("config") };
        let parts = made.and_then(|config| config.parts()).ok().expect("options that fit");
        // SAFETY: a handle.
        unsafe { c::pusher_config_free(config) };
        let config = &parts.draft.config;
        let (settings, size) = (config.settings(), config.client_options().limits.client_event_size);
        (settings.client_event_limit, size, settings.client_event_patience.as_millis())
    };
    assert_eq!(options(c"12", c"102400", c"500"), (Some(12), Some(102_400), 500));
    assert_eq!(options(c"0", c"0", c"0"), (None, None, 0));
    let config = config_with(&[]);
    for (option, value) in [(c"client_event_size", c"-1"), (c"client_event_patience_ms", c"2 s")] {
        // SAFETY: a handle, and texts with a NUL at their ends.
        let result = unsafe { c::pusher_config_set(config, option.as_ptr(), value.as_ptr()) };
        assert_ne!(result, results::PUSHER_OK, "{option:?}");
    }
    // SAFETY: a handle.
    unsafe { c::pusher_config_free(config) };
}
