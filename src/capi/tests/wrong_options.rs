//! The errors for an option that does not exist, and for a value that an option does not take.

use std::{
    ffi::{CStr, CString},
    ptr,
};

use super::c::{self, Pointer};
use crate::capi::{config::options, events::numbers, ffi::results};

/// The text of this thread's last error.
fn last_error() -> String {
    let mut text = vec![0_u8; 1000];
    // SAFETY: the buffer has this number of bytes.
    unsafe { c::pusher_last_error_text(text.as_mut_ptr().cast(), text.len()) };
    CStr::from_bytes_until_nul(&text).expect("a NUL").to_str().expect("UTF-8").to_owned()
}

/// A configuration, freed at the end.
struct OwnedConfig(Pointer);

impl OwnedConfig {
    fn new() -> Self {
        let mut config = ptr::null_mut();
        // SAFETY: a place for a handle.
        assert_eq!(unsafe { c::pusher_config_new(&mut config) }, results::PUSHER_OK);
        Self(config)
    }

    fn set(&self, option: &str, value: &str) -> i32 {
        let (option, value) = (CString::new(option).expect("no NUL"), CString::new(value).expect("no NUL"));
        // SAFETY: texts with a NUL at their ends.
        unsafe { c::pusher_config_set(self.0, option.as_ptr(), value.as_ptr()) }
    }

    fn add(&self, option: &str, name: &str, value: &str) -> i32 {
        let [option, name, value] = [option, name, value].map(|text| CString::new(text).expect("no NUL"));
        // SAFETY: texts with a NUL at their ends.
        unsafe { c::pusher_config_add(self.0, option.as_ptr(), name.as_ptr(), value.as_ptr()) }
    }

    /// The error for this option, which does not exist, without the name of the function.
    fn unknown(&self, option: &str) -> String {
        assert_eq!(self.set(option, "canary"), results::PUSHER_ERR_OPTION, "{option}");
        last_error().replace("pusher_config_set: there is ", "")
    }
}

impl Drop for OwnedConfig {
    fn drop(&mut self) {
        // SAFETY: a handle.
        unsafe { c::pusher_config_free(self.0) };
    }
}

#[test]
fn c1_an_option_that_does_not_exist_is_named_with_the_nearest() {
    let config = OwnedConfig::new();
    for (written, option) in [
        ("max_reconnect_attempts", "reconnect_max_attempts"),
        ("queue_size", "queue_capacity"),
        ("httpProxy", "proxy"),
        ("authEndpoint", "auth_endpoint"),
        ("auth-endpoint", "auth_endpoint"),
        ("AUTH_ENDPOINT", "auth_endpoint"),
        ("auth_endpont", "auth_endpoint"),
        ("userAuthEndpoint", "user_auth_endpoint"),
        ("forceTLS", "tls"),
        ("wsHost", "host"),
        ("wsPort", "port"),
        ("wssPort", "port"),
        ("wsPath", "path_prefix"),
        ("activityTimeout", "activity_timeout_ms"),
        ("activity_timeout", "activity_timeout_ms"),
        ("connect_timeout", "connect_timeout_ms"),
        ("pongTimeout", "pong_timeout_ms"),
        ("unavailableTimeout", "unavailable_timeout_ms"),
        ("recconect", "reconnect"),
        ("clsuter", "cluster"),
        ("Key", "key"),
    ] {
        assert_eq!(config.unknown(written), format!("no option {written:?} here; did you mean {option:?}?"));
    }
    for (written, function) in [("authorizer", "pusher_config_authorizer"), ("logLevel", "pusher_log")] {
        assert_eq!(config.unknown(written), format!("no option {written:?} here; {function} sets it"));
    }
    assert_eq!(config.unknown("colour"), "no option \"colour\" here");
    let digit = config.unknown("auth_endpoint2");
    assert_eq!(digit, "no such option; did you mean \"auth_endpoint\"?");
    assert_eq!(
        config.unknown("headers"),
        "no option \"headers\" here; did you mean \"header\", which pusher_config_add sets?"
    );
    assert_eq!(config.unknown("header"), "no option \"header\" here; pusher_config_add sets it");
    assert_eq!(config.add("tls_server_name", "a", "b"), results::PUSHER_ERR_OPTION);
    assert!(
        last_error().ends_with("no option \"tls_server_name\" here; pusher_config_set sets it"),
        "{}",
        last_error()
    );
    assert_eq!(config.add("authHeader", "a", "b"), results::PUSHER_ERR_OPTION);
    assert!(last_error().ends_with("no option \"authHeader\" here; did you mean \"auth_header\"?"), "{}", last_error());
}

#[test]
fn c1_every_option_is_suggested_in_every_style() {
    let config = OwnedConfig::new();
    for option in options::names() {
        let mut camel = String::new();
        for (index, word) in option.split('_').enumerate() {
            let start = if index == 0 { word[..1].to_owned() } else { word[..1].to_uppercase() };
            camel += &(start + &word[1..]);
        }
        let typo = format!("{}x{}", &option[..1], &option[1..]);
        for written in [camel, option.to_uppercase(), option.replace('_', "-"), typo] {
            if written != option {
                assert!(config.unknown(&written).ends_with(&format!("did you mean {option:?}?")), "{written}");
            }
        }
    }
}

#[test]
fn x1_neither_a_value_nor_a_secret_in_the_place_of_a_name_is_quoted() {
    let config = OwnedConfig::new();
    assert_eq!(config.set("secret", "canary"), results::PUSHER_OK);
    assert_eq!(config.set("key", "auth_endpont"), results::PUSHER_OK);
    assert_eq!(config.add("header", "Authorization", "bearer"), results::PUSHER_OK);
    assert_eq!(config.add("auth_header", "Authorization", "otherbearer"), results::PUSHER_OK);
    assert_eq!(config.add("client_identity_pem", "certificate", "private"), results::PUSHER_OK);
    let tokens = [
        "7ad3773142a6692b25b8",
        "dGhpcyBpcyBhIHNlY3JldA",
        "DqWjKpZmTrLbYcVn",
        "SECRETTOKEN",
        "correct-horse",
        "a b",
        "http://u:p@h",
    ];
    let long = "a".repeat(41);
    let set_before = ["canary", "auth_endpont", "bearer", "otherbearer", "private"];
    for text in tokens.into_iter().chain([&*long]).chain(set_before) {
        let error = config.unknown(text);
        assert!(!error.contains(text), "{error}");
        assert!(error.starts_with("no such option"), "{error}");
    }
    // The two arguments are in the wrong order.
    assert_eq!(config.set("topsecret", "secret"), results::PUSHER_ERR_OPTION);
    assert!(!last_error().contains("topsecret"), "{}", last_error());
    for (option, value) in [("port", "canary"), ("tls", "canary"), ("overflow", "canary"), ("user_data", "canary")] {
        assert_eq!(config.set(option, value), results::PUSHER_ERR_VALUE);
        assert!(!last_error().contains("canary"), "{}", last_error());
    }
}

#[test]
fn c1_the_error_for_a_wrong_value_names_the_values_of_the_option() {
    let config = OwnedConfig::new();
    let year = "an integer from 1 to 31536000000, which is a year in milliseconds";
    let policies = "one of the texts block, drop_oldest, drop_newest, keep_latest";
    for (option, value, takes) in [
        ("overflow", "drop", policies),
        ("tls", "yes", "a boolean: true, false, 1 or 0"),
        ("reconnect", "maybe", "a boolean: true, false, 1 or 0"),
        ("port", "70000", "an integer from 1 to 65535"),
        ("port", "-1", "an integer from 1 to 65535"),
        ("connect_timeout_ms", "1.5", year),
        ("unavailable_timeout_ms", "10s", year),
        ("activity_timeout_override_ms", "", year),
        ("queue_capacity", "-1", "an integer from 1"),
        ("client_event_limit", "4294967296", "an integer from 0 to 4294967295"),
        ("max_message_size", "1M", "an integer from 1 to 1073741824, which is 1 GiB"),
        ("user_data", "{id: 7}", "a text in JSON"),
    ] {
        assert_eq!(config.set(option, value), results::PUSHER_ERR_VALUE, "{option}");
        assert_eq!(last_error(), format!("pusher_config_set: the option `{option}` takes {takes}, and not this value"));
    }
    // SAFETY: a handle, and a text with a NUL at its end.
    unsafe {
        assert_eq!(c::pusher_config_set_bool(config.0, c"tls".as_ptr(), 2), results::PUSHER_ERR_VALUE);
        assert!(last_error().ends_with("takes a boolean: true, false, 1 or 0, and not this value"), "{}", last_error());
        assert_eq!(c::pusher_config_set_int(config.0, c"overflow".as_ptr(), 1), results::PUSHER_ERR_VALUE);
        assert!(last_error().ends_with(&format!("the option `overflow` takes {policies}")), "{}", last_error());
    }
}

#[test]
fn h4_the_error_for_an_option_of_a_receiver_names_its_values() {
    let mut options = ptr::null_mut();
    // SAFETY: a place for a handle.
    assert_eq!(unsafe { c::pusher_receiver_options_new(&mut options) }, results::PUSHER_OK);
    let kinds = numbers::kind_names();
    assert!(kinds.starts_with("event, connection_state_change, subscription_succeeded, "), "{kinds}");
    let (value, option) = (results::PUSHER_ERR_VALUE, results::PUSHER_ERR_OPTION);
    for (name, text, result, expected) in [
        (c"only", c"canary", value, &*format!("the option `only` takes one of the texts {kinds}, and not this value")),
        (
            c"overflow",
            c"canary",
            value,
            "one of the texts block, drop_oldest, drop_newest, keep_latest, and not this value",
        ),
        (c"capacity", c"canary", value, "the option `capacity` takes an integer from 1, and not this value"),
        (c"capacity", c"0", value, "the option `capacity` takes an integer from 1, and not this value"),
        (c"event", c"canary", option, "there is no option \"event\" here; did you mean \"events\"?"),
        (c"queueCapacity", c"canary", option, "there is no option \"queueCapacity\" here; did you mean \"capacity\"?"),
        (c"kinds", c"canary", option, "there is no option \"kinds\" here; did you mean \"only\"?"),
        (c"7ad3773142a6692b25b8", c"canary", option, "there is no such option"),
    ] {
        // SAFETY: a handle, and texts with a NUL at their ends.
        let given = unsafe { c::pusher_receiver_options_set(options, name.as_ptr(), text.as_ptr()) };
        assert_eq!(given, result, "{name:?}");
        assert!(last_error().ends_with(expected), "{}", last_error());
        assert!(!last_error().contains("canary"), "{}", last_error());
    }
    // SAFETY: a handle, and texts with a NUL at their ends.
    unsafe {
        assert_eq!(c::pusher_receiver_options_set_int(options, c"only".as_ptr(), 1), value);
        assert_eq!(c::pusher_receiver_options_set_int(options, c"capcity".as_ptr(), 1), option);
        assert!(last_error().ends_with("did you mean \"capacity\"?"), "{}", last_error());
        c::pusher_receiver_options_free(options);
    }
}

#[test]
fn c1_a_counter_that_does_not_exist_is_named_with_the_nearest() {
    let config = OwnedConfig::new();
    let (mut client, mut stats, mut value) = (ptr::null_mut(), ptr::null_mut(), 0);
    assert_eq!(config.set("url", "ws://localhost/app/k"), results::PUSHER_OK);
    // SAFETY: handles, places for them, and texts with a NUL at their ends.
    unsafe {
        assert_eq!(c::pusher_client_new(config.0, &mut client), results::PUSHER_OK);
        assert_eq!(c::pusher_stats_new(client, &mut stats), results::PUSHER_OK);
        for (counter, expected) in [
            (c"bytesReceived", "there is no counter \"bytesReceived\" here; did you mean \"bytes_received\"?"),
            (c"ping_round_trip", "there is no counter \"ping_round_trip\" here; did you mean \"ping_round_trip_us\"?"),
            (c"Bearer 7ad3773142a6692b25b8", "there is no such counter"),
        ] {
            assert_eq!(c::pusher_stats_get(stats, counter.as_ptr(), &mut value), results::PUSHER_ERR_OPTION);
            assert!(last_error().ends_with(expected), "{}", last_error());
        }
        for counter in crate::capi::client::stats::COUNTERS {
            let name = CString::new(counter).expect("no NUL");
            assert!(c::pusher_stats_get(stats, name.as_ptr(), &mut value) <= results::PUSHER_NOTHING, "{counter}");
        }
        c::pusher_stats_free(stats);
        c::pusher_client_free(client);
    }
}
